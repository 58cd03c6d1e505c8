/*
 * vmscope: guarded memory (recorder/guard.h) beside QEMU's own use of SIGBUS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_GUARD_H
#define VMSCOPE_GUARD_H

#include "recorder/guard.h"

/**
 * vmscope_guard_init: take over SIGBUS, once
 *
 * Context: main loop, under the BQL; before anything else of guarded memory.
 */
void vmscope_guard_init(void);

#endif
