/*
 * Windows scheduler trace: what vCPUs execute, asked rip-hz times a second
 *
 * A sample is taken by a work item in the vCPU's own queue, so it holds that
 * vCPU up for some microseconds and kicks it out of the guest.  At most one
 * is on its way to a vCPU.  None is taken while the machine is stopped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_RIP_H
#define VMSCOPE_SCHED_RIP_H

#include "watchlog/rips.h"

#define SCHED_RIP_MAX_HZ 10000

typedef struct SchedRip SchedRip;
struct SchedSession;

/**
 * sched_rip_new: nothing is sampled yet
 * @hz: below or at SCHED_RIP_MAX_HZ, not 0
 *
 * Returns: with one reference, for sched_rip_put(); NULL without memory
 */
SchedRip *sched_rip_new(uint32_t hz, unsigned n_vcpus);

/* NULL is allowed. */
void sched_rip_put(SchedRip *rip);

/**
 * sched_rip_turn: ask vCPUs, when that is due
 *
 * Context: the session's helper thread.
 *
 * Returns: when to be called again, in ns of CLOCK_MONOTONIC
 */
uint64_t sched_rip_turn(struct SchedSession *session);

/* A kernel was found, or more of its layout; the helper thread. */
void sched_rip_found(SchedRip *rip, const WinosResult *result);

/* Figures, and the ring; any thread with a reference to the session. */
const WatchlogRips *sched_rip_samples(const SchedRip *rip);
uint32_t sched_rip_hz(const SchedRip *rip);
uint64_t sched_rip_skipped(const SchedRip *rip);
uint64_t sched_rip_cost_ns(const SchedRip *rip);

#endif
