/*
 * irq-rates: how often each line was raised, and by whom, in an interval.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_RATES_H
#define VMSCOPE_IRQ_RATES_H

#include "common/map.h"
#include "irq-entry.h"

/* Lines, and callers, that are told apart; of more only a count is kept. */
enum { IRQ_RATES_MAX = 4096 };

/* A line, or a caller, of which kind and n are 0. */
typedef struct IrqRate {
    char *name;
    IrqlogKind kind;
    int32_t n;
    uint64_t events;
} IrqRate;

typedef struct IrqRateList {
    IrqRate *rates;
    size_t n;
    size_t room;
    Map index;                  /* to index plus 1 */
    uint64_t others;            /* events of what has no place in it */
} IrqRateList;

/* Zeroes are the beginning of an interval. */
typedef struct IrqRates {
    IrqRateList lines;
    IrqRateList callers;
    uint64_t events;
    uint64_t lost;
    uint64_t first_ns;          /* of the first and the last event */
    uint64_t last_ns;
} IrqRates;

void irq_rates_clear(IrqRates *rates);
void irq_rates_add(IrqRates *rates, const IrqEntry *entry);

/* Most events first. */
void irq_rates_sort(IrqRates *rates);

#endif
