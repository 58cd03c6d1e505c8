/*
 * colour: whether to use it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COLOUR_H
#define VMSCOPE_COLOUR_H

#include <stdbool.h>

/**
 * colour_wanted - whether what goes to @fd may have colours
 *
 * It must be a terminal that can, and NO_COLOR must be unset or empty.
 */
bool colour_wanted(int fd);

#endif
