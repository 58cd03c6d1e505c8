/*
 * Measure a thread that sleeps and does nothing: CPU ns each time it wakes.
 *
 *   wake HZ SECONDS
 *
 * What polling costs at least, however little is looked at.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>

static uint64_t ns_of(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
    struct pollfd fd = { .fd = eventfd(0, 0), .events = POLLIN };
    struct timespec period = { 0 };
    uint64_t begin, end;
    uint64_t n = 0;

    if (argc != 3 || atoi(argv[1]) < 2 || fd.fd < 0) {
        fprintf(stderr, "usage: wake HZ SECONDS, HZ at least 2\n");
        return 2;
    }
    period.tv_nsec = 1000000000 / atoi(argv[1]);
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    end = ns_of(CLOCK_MONOTONIC) + (uint64_t)atoi(argv[2]) * 1000000000;
    begin = ns_of(CLOCK_THREAD_CPUTIME_ID);
    while (ns_of(CLOCK_MONOTONIC) < end) {
        ppoll(&fd, 1, &period, NULL);
        n++;
    }
    printf("%.1f\n", (double)(ns_of(CLOCK_THREAD_CPUTIME_ID) - begin) /
           (double)n);
    return 0;
}
