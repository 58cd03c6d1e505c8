/*
 * summary: counts in the order in which they are shown.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_SUMMARY_H
#define IRQLOG_ANALYZE_SUMMARY_H

#include "common/device-label.h"
#include "common/out.h"
#include "stats.h"

/* Lists are of indices, the busiest first. */
typedef struct Summary {
    const Stats *stats;
    uint64_t duration_ns;
    unsigned top;               /* entries of a list; 0: all */
    size_t n_lines;             /* to be shown, of stats->n_lines */
    size_t n_callers;
    size_t n_threads;
    size_t n_raised;            /* all that are; the longest first */
    size_t n_silent;            /* all messages; the longest silent first */
    size_t n_pairs;             /* all, by line and then busiest first */
    uint32_t *lines;
    uint32_t *callers;
    uint32_t *threads;
    uint32_t *raised;
    uint32_t *silent;
    PairStats *pairs;
} Summary;

/**
 * summary_prepare - put counts in order
 * @stats: borrowed until summary_release()
 * @top: entries in each list at most; 0: all
 */
void summary_prepare(Summary *summary, const Stats *stats, unsigned top);
void summary_release(Summary *summary);

/**
 * summary_callers_of - who raised and lowered a line
 * @n: receives how many callers
 *
 * Returns: the first, the busiest; borrowed
 */
const PairStats *summary_callers_of(const Summary *summary, uint32_t line,
                                    size_t *n);

/* Events a second, while events could be seen; 0 for a single moment. */
double summary_rate(const Summary *summary, uint64_t events);

/**
 * summary_label - what people call a line
 * @buf: DEVICE_LABEL_MAX bytes, which the answer may be in
 *
 * Returns: "disk (virtio-blk-pci) · message 36"; its path where its device is
 * not known.  To be made harmless before it is shown.
 */
const char *summary_label(const LineStats *line, char *buf);

void summary_write_text(const Summary *summary, Out *out);
void summary_write_json(const Summary *summary, Out *out);

#endif
