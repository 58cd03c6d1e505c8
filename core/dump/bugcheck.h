/*
 * dump/bugcheck: what Windows' bug checks are called, and their parameters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DUMP_BUGCHECK_H
#define VMSCOPE_DUMP_BUGCHECK_H

#include <stdint.h>

/**
 * bugcheck_name - the name of a bug check, such as IRQL_NOT_LESS_OR_EQUAL
 *
 * Bit 28 marks one raised by a driver on purpose in some releases; it is
 * looked through.
 *
 * Source: Microsoft, "Bug check code reference", learn.microsoft.com.
 *
 * Returns: a static name, or NULL for a code that has none here
 */
const char *bugcheck_name(uint32_t code);

/**
 * bugcheck_parameter - what a parameter means
 * @i: 0 to 3
 *
 * Returns: a few static words, or NULL where they are not known here or the
 * parameter is reserved
 */
const char *bugcheck_parameter(uint32_t code, unsigned i);

#endif
