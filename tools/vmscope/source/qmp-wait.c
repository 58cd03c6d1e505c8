/*
 * qmp-wait: see qmp-wait.h.
 *
 * Waits are cut into slices, as a signal may come between looking at
 * stop_asked and sleeping.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp-wait.h"

#include "base/now.h"
#include "common/stop.h"

enum { SLICE_MS = 100, MOMENT_MS = 10, NS_PER_MS = 1000000 };

uint64_t wait_now_ns(void)
{
    return now_monotonic_ns();
}

Deadline wait_deadline(uint64_t timeout_ns, bool heed_stop)
{
    Deadline deadline = { 0, heed_stop };

    if (__builtin_add_overflow(wait_now_ns(), timeout_ns, &deadline.at_ns)) {
        deadline.at_ns = UINT64_MAX;
    }
    return deadline;
}

/* Milliseconds until the deadline, rounded up, at most @most. */
static int left_ms(const Deadline *deadline, int most)
{
    uint64_t now = wait_now_ns();
    uint64_t left;

    if (now >= deadline->at_ns) {
        return 0;
    }
    left = (deadline->at_ns - now + NS_PER_MS - 1) / NS_PER_MS;
    return left < (uint64_t)most ? (int)left : most;
}

WaitResult wait_for_fds(struct pollfd *fds, unsigned n,
                        const Deadline *deadline)
{
    int ms;

    for (;;) {
        if (deadline->heed_stop && stop_asked) {
            return WAIT_STOPPED;
        }
        ms = left_ms(deadline, SLICE_MS);
        if (poll(fds, n, ms) > 0) {
            return WAIT_READY;
        }
        if (!ms) {
            return WAIT_TIMEOUT;
        }
    }
}

WaitResult wait_for_fd(int fd, short events, const Deadline *deadline)
{
    struct pollfd one = { .fd = fd, .events = events };

    return wait_for_fds(&one, 1, deadline);
}

WaitResult wait_a_moment(const Deadline *deadline)
{
    int ms = left_ms(deadline, MOMENT_MS);

    if (deadline->heed_stop && stop_asked) {
        return WAIT_STOPPED;
    }
    if (!ms) {
        return WAIT_TIMEOUT;
    }
    poll(NULL, 0, ms);
    return WAIT_READY;
}

bool wait_until(uint64_t at_ns)
{
    Deadline deadline = { at_ns, true };

    while (wait_a_moment(&deadline) == WAIT_READY) {
    }
    return !stop_asked;
}
