/*
 * fuzz/irqlog/parse: libFuzzer's way into round-trip.c, which says what must
 * hold.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "round-trip.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    round_trip_check((const char *)data, size);
    return 0;
}
