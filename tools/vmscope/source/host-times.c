/*
 * host-times: see host-times.h.
 *
 * Source: Linux, Documentation/scheduler/sched-stats.rst, "/proc/<pid>/
 * schedstat"; kernel/sched/core.c and stats.h for when they are counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/host-times.h"

#include "common/message.h"
#include "recorder/clock.h"
#include "source/attach/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How often threads of vCPUs are looked for that were not there before. */
static const uint64_t names_every_ns = 5000000000;

typedef struct HostVcpu {
    int fd;                     /* of its schedstat; -1: not known */
    bool read;                  /* what follows is of the last reading */
    uint64_t ns;
    uint64_t run_ns;
    uint64_t wait_ns;
} HostVcpu;

struct HostTimes {
    pid_t pid;                  /* 0: not known */
    uint64_t next_names_ns;
    HostVcpu vcpus[HOST_TIMES_VCPUS];
};

static void open_thread(HostTimes *times, unsigned vcpu, pid_t tid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat",
             (int)times->pid, (int)tid);
    times->vcpus[vcpu].read = false;
    times->vcpus[vcpu].fd = open(path, O_RDONLY | O_CLOEXEC);
}

static void ask_threads(HostTimes *times, Qmp *qmp)
{
    Err ignored;
    json_t *answer = qmp_command(qmp, "query-cpus-fast", NULL, &ignored);
    size_t i;

    for (i = 0; i < json_array_size(answer); i++) {
        const json_t *one = json_array_get(answer, i);
        uint64_t vcpu = qmp_uint(one, "cpu-index", UINT64_MAX);
        uint64_t tid = qmp_uint(one, "thread-id", 0);

        if (vcpu < HOST_TIMES_VCPUS && tid && tid <= INT32_MAX &&
            times->vcpus[vcpu].fd < 0) {
            open_thread(times, (unsigned)vcpu, (pid_t)tid);
        }
    }
    json_decref(answer);
}

/* Those without a thread, by name: also when QEMU counts in other numbers. */
static void find_threads(HostTimes *times, uint64_t now)
{
    AttachThread threads[HOST_TIMES_VCPUS];
    unsigned i;

    times->next_names_ns = now + names_every_ns;
    attach_process_threads(times->pid, threads, HOST_TIMES_VCPUS);
    for (i = 0; i < HOST_TIMES_VCPUS; i++) {
        if (threads[i].tid && times->vcpus[i].fd < 0) {
            open_thread(times, i, threads[i].tid);
        }
    }
}

HostTimes *host_times_new(Qmp *qmp)
{
    HostTimes *times = calloc(1, sizeof(*times));
    TraceHost ignored;
    unsigned i;

    if (!times) {
        die_no_memory();
    }
    for (i = 0; i < HOST_TIMES_VCPUS; i++) {
        times->vcpus[i].fd = -1;
    }
    if (qmp_can_see_process(qmp)) {
        times->pid = qmp_pid(qmp);
        ask_threads(times, qmp);
        find_threads(times, clock_now_ns());
    }
    for (i = 0; i < HOST_TIMES_VCPUS; i++) {
        host_times_read(times, i, &ignored);
    }
    return times;
}

void host_times_free(HostTimes *times)
{
    unsigned i;

    for (i = 0; times && i < HOST_TIMES_VCPUS; i++) {
        if (times->vcpus[i].fd >= 0) {
            close(times->vcpus[i].fd);
        }
    }
    free(times);
}

/* False when the thread has ended. */
static bool read_now(HostVcpu *vcpu, uint64_t *run_ns, uint64_t *wait_ns)
{
    char text[128];
    ssize_t len = pread(vcpu->fd, text, sizeof(text) - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    return attach_schedstat_parse(text, run_ns, wait_ns);
}

bool host_times_read(HostTimes *times, unsigned number, TraceHost *span)
{
    HostVcpu *vcpu = &times->vcpus[number];
    HostVcpu now = { .fd = vcpu->fd, .read = true };
    bool again = vcpu->read;

    if (number == 0 && times->pid) {
        now.ns = clock_now_ns();
        if (now.ns >= times->next_names_ns) {
            find_threads(times, now.ns);
        }
    }
    if (vcpu->fd < 0) {
        return false;
    }
    if (!read_now(vcpu, &now.run_ns, &now.wait_ns)) {
        close(vcpu->fd);
        *vcpu = (HostVcpu) { .fd = -1 };
        return false;
    }
    now.ns = clock_now_ns();
    *span = (TraceHost) {
        .vcpu = number,
        .from_ns = vcpu->ns,
        .to_ns = now.ns,
        .run_ns = now.run_ns - vcpu->run_ns,
        .wait_ns = now.wait_ns - vcpu->wait_ns,
    };
    *vcpu = now;
    return again;
}
