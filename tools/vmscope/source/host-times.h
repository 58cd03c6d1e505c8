/*
 * host-times: how the host lets a guest's vCPUs run.
 *
 * Each vCPU is a thread of QEMU, and the host's scheduler counts how long a
 * thread was on a CPU and how long it waited for one: /proc/PID/task/TID/
 * schedstat.  QEMU is asked once which threads those are; threads of vCPUs
 * that are plugged in later are found by their names, where QEMU gives them.
 *
 * How precise it is: sums are right to some milliseconds.  Time on a CPU is as
 * of the host's last tick while the thread runs, and a wait counts when it
 * ends; so of a single span either figure may belong to the one before, and
 * exceed its length.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_HOST_TIMES_H
#define VMSCOPE_HOST_TIMES_H

#include "source/qmp.h"
#include "tracefile/format.h"

/* vCPUs above are not followed: each takes an open file. */
enum { HOST_TIMES_VCPUS = 256 };

typedef struct HostTimes HostTimes;

/**
 * host_times_new - learn which threads the vCPUs are
 *
 * Returns: freed with host_times_free(); it may know of no thread, as when
 * QEMU's process is not to be seen from here
 */
HostTimes *host_times_new(Qmp *qmp);

/* NULL is allowed. */
void host_times_free(HostTimes *times);

/**
 * host_times_read - how a vCPU was let run since it was read last
 * @vcpu: below HOST_TIMES_VCPUS
 * @span: receives it
 *
 * Costs one system call of about a microsecond.
 *
 * Returns: false when its thread is not known, or is read for the first time
 */
bool host_times_read(HostTimes *times, unsigned vcpu, TraceHost *span);

#endif
