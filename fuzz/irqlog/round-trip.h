/*
 * fuzz/irqlog: what must hold for any input of the parser.
 *
 * 1. What parses survives print and re-parse: every item, printed and parsed
 *    again, is the same item, and nothing else.
 * 2. How the input is cut into pieces changes nothing: the same items and the
 *    same counts come out.
 *
 * Used by the libFuzzer target and, over the named corpus and every way to
 * cut it short, by a plain test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FUZZ_IRQLOG_ROUND_TRIP_H
#define FUZZ_IRQLOG_ROUND_TRIP_H

#include <stddef.h>

/* Ends the process, saying why, when one of the above does not hold. */
void round_trip_check(const char *data, size_t len);

#endif
