/*
 * why-spin: which driver the vCPUs were in most; see spin.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WHY_SPIN_H
#define VMSCOPE_WHY_SPIN_H

#include "profile/feed.h"
#include "why/why.h"

enum { WHY_SPIN_EXPORTS, WHY_SPIN_MODULES, WHY_SPIN_TALLIES };

typedef struct WhySpin {
    Qmp *qmp;                   /* NULL: nothing is sampled */
    Tally tallies[WHY_SPIN_TALLIES];
} WhySpin;

void why_spin_begin(WhySpin *spin, Qmp *qmp);

/* Fetch what was sampled since; to be called every second or so. */
void why_spin_look(WhySpin *spin);

/* What it came to, into the evidence's members spin_...; once. */
void why_spin_settle(WhySpin *spin, WhyEvidence *evidence);
void why_spin_end(WhySpin *spin);

#endif
