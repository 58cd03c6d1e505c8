/*
 * irq-rates: how often each line was raised, and by whom, in an interval.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_RATES_H
#define VMSCOPE_IRQ_RATES_H

#include "common/map.h"
#include "source/irq-entry.h"

/* Lines, and callers, that are told apart; of more only a count is kept. */
enum { IRQ_RATES_MAX = 4096 };

/* A line, or a caller, of which kind and n are 0. */
typedef struct IrqRate {
    char *name;                 /* path, or function */
    char *label;                /* of a line, for people; else NULL */
    IrqlogKind kind;
    int32_t n;
    uint64_t events;
    bool remapped;              /* an IOMMU made the vector of n another */
    uint64_t inner;             /* raised inside of these by their handlers */
} IrqRate;

typedef struct IrqRateList {
    IrqRate *rates;
    size_t n;
    size_t room;
    Map index;                  /* to index plus 1 */
    uint64_t others;            /* events of what has no place in it */
} IrqRateList;

/*
 * Zeroes are the beginning of an interval.
 *
 * A line's handler often raises further lines: from a timer to the chip set,
 * from there to both interrupt controllers.  Only the outermost call of such
 * a chain is counted as the line's; the others are its @inner.
 */
typedef struct IrqRates {
    bool all_depths;            /* count each call as its own; survives clear */
    Map outer;                  /* host thread to its line's index plus 1 */
    IrqRateList lines;
    IrqRateList callers;
    uint64_t events;            /* of all depths */
    uint64_t outermost;
    uint64_t lost;
    uint64_t first_ns;          /* of the first and the last event */
    uint64_t last_ns;
} IrqRates;

/*
 * What a line is told apart by: its path, or who drives or handles it; and
 * what people call it, owned by the caller.
 */
void irq_line_name(char *name, size_t size, const IrqEntry *entry);
char *irq_line_label(const char *name, const IrqEntry *entry);

void irq_rates_clear(IrqRates *rates);
void irq_rates_add(IrqRates *rates, const IrqEntry *entry);

/* "+4" when each raised four others, as a mean; "" when none did. */
enum { IRQ_RATE_INNER = 24 };
const char *irq_rate_inner(const IrqRate *rate, char buf[IRQ_RATE_INNER]);

/* Most events first. */
void irq_rates_sort(IrqRates *rates);

#endif
