/*
 * watchlog: what the engine sees, as the log of switches keeps it.
 *
 * For hosts of the engine that have a ring.  Translation alone: it knows
 * neither the engine nor where the ring is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WATCHLOG_WATCHLOG_H
#define VMSCOPE_WATCHLOG_WATCHLOG_H

#include "schedlog/store.h"
#include "winos/detect.h"
#include "winsched/sampler.h"

/**
 * watchlog_event - a switch, as a record
 * @event: all of it is written; time_ns and seq are the store's
 *
 * Context: any thread; allocates nothing.
 */
void watchlog_event(SchedlogEvent *event, const WinschedSwitch *sw);

/**
 * watchlog_guest - a kernel that was found, for the table of kernels
 * @stamp: since when it is read by that layout
 */
void watchlog_guest(SchedlogGuest *guest, const WinosResult *result,
                    uint64_t stamp);

#endif
