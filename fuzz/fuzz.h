/*
 * fuzz: what a target gives, engine.c feeds it from libFuzzer and
 * corpus-test.c from files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_FUZZ_FUZZ_H
#define VMSCOPE_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/**
 * fuzz_check - check a target's property on one input
 *
 * The target's file head states the property.  Ends the process, saying why,
 * when it does not hold.
 */
void fuzz_check(const uint8_t *data, size_t len);

#endif
