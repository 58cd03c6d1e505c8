/*
 * stop: see stop.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/stop.h"

#include <poll.h>
#include <stddef.h>
#include <string.h>

volatile sig_atomic_t stop_asked;

static void ask(int number)
{
    (void)number;
    stop_asked = 1;
}

void stop_init(void)
{
    struct sigaction action;
    struct sigaction hang_up;

    memset(&action, 0, sizeof(action));
    action.sa_handler = ask;
    action.sa_flags = (int)SA_RESETHAND;    /* and no SA_RESTART */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!sigaction(SIGHUP, NULL, &hang_up) &&
        hang_up.sa_handler != SIG_IGN) {
        sigaction(SIGHUP, &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
}

void stop_or_sleep_ms(int ms)
{
    if (!stop_asked) {
        poll(NULL, 0, ms);
    }
}
