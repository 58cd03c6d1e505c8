/*
 * qmp-wait: waiting for a file descriptor, never for good.
 *
 * For the QMP client, and for commands that look again and again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_WAIT_H
#define VMSCOPE_QMP_WAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum WaitResult {
    WAIT_READY,
    WAIT_TIMEOUT,
    WAIT_STOPPED,       /* SIGINT or SIGTERM, see common/stop.h */
} WaitResult;

/* How long a wait may last. */
typedef struct Deadline {
    uint64_t at_ns;     /* on CLOCK_MONOTONIC */
    bool heed_stop;
} Deadline;

uint64_t wait_now_ns(void);
Deadline wait_deadline(uint64_t timeout_ns, bool heed_stop);

/* @events: POLLIN or POLLOUT; an error or hang-up counts as ready. */
WaitResult wait_for_fd(int fd, short events, const Deadline *deadline);

/* For one of several, as poll() takes them; negative ones are left out. */
WaitResult wait_for_fds(struct pollfd *fds, unsigned n,
                        const Deadline *deadline);

/* Sleep for a moment on the way to a deadline. */
WaitResult wait_a_moment(const Deadline *deadline);

/* Sleep until then.  Returns: false when the user wants to stop. */
bool wait_until(uint64_t at_ns);

#endif
