/*
 * recorder/keeper-thread: the thread that keeps the clocks of all rings.
 *
 * Each ring's keeper says when it has to look at the clocks again; one thread
 * sees to all of them.  Linux tells that the clocks were set, which happens
 * when a suspend ends, by a timer that is cancelled: then all look at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_KEEPER_THREAD_H
#define VMSCOPE_RECORDER_KEEPER_THREAD_H

#include "base/err.h"
#include "recorder/keeper.h"

#include <stdbool.h>

/**
 * keeper_thread_keep - have a ring's clock looked at from now on
 * @keeper: begun; borrowed until keeper_thread_leave()
 *
 * The first call begins the thread "vmscope-clock", which never ends.
 *
 * Context: any thread.
 *
 * Returns: false with an error when there is no thread, or no memory
 */
bool keeper_thread_keep(ClockKeeper *keeper, Err *err);

/* Nothing happens when it is not kept.  Context: any thread. */
void keeper_thread_leave(ClockKeeper *keeper);

/* keeper_republish() of one that is kept.  Context: any thread. */
void keeper_thread_republish(ClockKeeper *keeper);

/**
 * keeper_at_load - the clocks when this program was loaded
 *
 * An old reading, for keeper_begin() to learn the rate from.  Constant.
 */
const ClockReading *keeper_at_load(void);

#endif
