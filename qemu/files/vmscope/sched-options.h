/*
 * Windows scheduler trace: what it can be told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_OPTIONS_H
#define VMSCOPE_SCHED_OPTIONS_H

#include "qapi/qapi-types-vmscope.h"
#include "winos/detect.h"

#define SCHED_DEFAULT_POLL_HZ 1000
#define SCHED_DEFAULT_EXACT_LIMIT 200000
#define SCHED_DEFAULT_ENTRIES 65536     /* of each vCPU */

/**
 * sched_options_check: are these options possible?
 *
 * Whether they fit the guest is another question.
 */
bool sched_options_check(const WindowsSchedTraceOptions *opts, Error **errp);

/* What detection is told; @opts were checked. */
void sched_options_to_winos(const WindowsSchedTraceOptions *opts,
                            WinosOptions *winos);

#endif
