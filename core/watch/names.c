/*
 * watch/names: states in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/watch.h"

const char *watch_state_name(WatchState state)
{
    switch (state) {
    case WATCH_WAITING:
        return "waiting";
    case WATCH_DETECTING:
        return "detecting";
    case WATCH_ACTIVE:
        return "active";
    case WATCH_DEGRADED:
        return "degraded";
    }
    return "unknown";
}

const char *watch_dense_name(WatchDense dense)
{
    switch (dense) {
    case WATCH_DENSE_OFF:
        return "off";
    case WATCH_DENSE_ON:
        return "on";
    case WATCH_DENSE_YIELDED:
        return "yielded";
    case WATCH_DENSE_ENDED:
        return "ended";
    }
    return "unknown";
}
