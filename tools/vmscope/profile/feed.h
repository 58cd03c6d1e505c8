/*
 * profile/feed: samples of what vCPUs execute, from a QEMU that takes some.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROFILE_FEED_H
#define VMSCOPE_PROFILE_FEED_H

#include "profile/tally.h"
#include "source/qmp.h"

/* Figures of query-windows-profile besides the samples. */
typedef struct ProfileFigures {
    uint64_t rip_hz;            /* 0: none are taken */
    uint64_t recorded;          /* number of the last sample */
    uint64_t skipped;
    uint64_t cost_ns;
    char reason[256];           /* why modules may be missing; "" */
} ProfileFigures;

/**
 * profile_figures - ask for them alone
 *
 * Returns: false with a sentence
 */
bool profile_figures(Qmp *qmp, ProfileFigures *figures, Err *err);

/**
 * profile_fetch - count all samples behind those that were counted
 * @tallies: each is given every sample; the first says what is new
 * @figures: as of the last page
 *
 * Returns: false with a sentence
 */
bool profile_fetch(Qmp *qmp, Tally *tallies, size_t n_tallies,
                   ProfileFigures *figures, Err *err);

#endif
