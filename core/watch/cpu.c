/*
 * watch/cpu: is this thread kept from running? (Linux)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define PREEMPTED_NS UINT64_C(1000000)

/*
 * The second number is the time spent runnable and not running, in ns.
 * Source: linux, Documentation/scheduler/sched-stats.rst.
 */
static bool read_schedstat(uint64_t *wait_ns)
{
    uint64_t run_ns;
    char text[128];
    ssize_t n;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    return sscanf(text, "%" SCNu64 " %" SCNu64, &run_ns, wait_ns) == 2;
}

uint64_t watch_linux_wait_ns(void)
{
    struct rusage usage;
    uint64_t wait_ns;

    if (read_schedstat(&wait_ns)) {
        return wait_ns;
    }
    if (getrusage(RUSAGE_THREAD, &usage)) {
        return 0;
    }
    return (uint64_t)usage.ru_nivcsw * PREEMPTED_NS;
}
