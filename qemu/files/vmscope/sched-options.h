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

/**
 * sched_options_new: what checked options come to
 * @given: as the user gave them
 *
 * Returns: all that have a default, file names absolute;
 *          qapi_free_WindowsSchedTraceOptions()
 */
WindowsSchedTraceOptions *
sched_options_new(const WindowsSchedTraceOptions *given);

/**
 * sched_options_same: is that what the trace was turned on with?
 * @on: from sched_options_new()
 * @opts: checked; what is not given is as it is
 *
 * Returns: false with an error that names what differs
 */
bool sched_options_same(const WindowsSchedTraceOptions *on,
                        const WindowsSchedTraceOptions *opts, Error **errp);

/* What detection is told; @opts were checked. */
void sched_options_to_winos(const WindowsSchedTraceOptions *opts,
                            WinosOptions *winos);

#endif
