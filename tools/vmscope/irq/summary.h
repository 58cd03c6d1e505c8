/*
 * irq-summary: rates by line and by caller, printed for each interval.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_SUMMARY_H
#define VMSCOPE_IRQ_SUMMARY_H

#include "common/out.h"
#include "irq/courses.h"
#include "irq/drivers.h"
#include "irq/rates.h"

typedef struct IrqSummary {
    IrqRates rates;             /* of this interval */
    IrqCourses courses;         /* of all */
    IrqDrivers drivers;         /* as last asked; all empty: not known */
    Out *out;
    bool json;
    uint64_t top;               /* entries of each list; 0: all */
    uint64_t begin_ns;          /* 0: with the first interrupt */
    uint64_t last_ns;           /* of the newest interrupt, else the begin */
} IrqSummary;

void irq_summary_begin(IrqSummary *summary, Out *out, bool json,
                       uint64_t top, uint64_t now_ns);

/* An interrupt, or with NULL so many that were lost. */
void irq_summary_take(IrqSummary *summary, const IrqEntry *entry,
                      uint64_t lost);

/* Is there any message whose driver could be told? */
bool irq_summary_has_messages(const IrqSummary *summary);

/* Print the interval that ends now, and begin another one. */
void irq_summary_end(IrqSummary *summary, uint64_t now_ns);

void irq_summary_release(IrqSummary *summary);

#endif
