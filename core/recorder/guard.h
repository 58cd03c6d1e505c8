/*
 * recorder/guard: memory that may go away under our hands.
 *
 * A mapped file may be cut short by anybody who may write to it, and a file
 * system that copies on write may have no room for a page that was there.
 * Whoever touches such a page gets SIGBUS, which ends the process.  Not in a
 * guarded mapping: it becomes zeroed memory of our own, as a whole, and the
 * thread goes on.
 *
 * A signal for a fault must not be blocked when it comes, and QEMU blocks
 * SIGBUS in nearly all threads.  So each thread that touches guarded memory
 * says so first.  All else of SIGBUS stays as it is: the signals that KVM
 * sends for broken memory reach who would have had them without us.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_GUARD_H
#define VMSCOPE_RECORDER_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * GuardDefer - a SIGBUS that is nobody's fault came to a thread which had it
 *              blocked before guard_thread()
 * @info: to be passed to guard_call_old() where it would have been read
 *
 * Context: a signal handler.
 */
typedef void GuardDefer(const siginfo_t *info);

/**
 * guard_init - take over SIGBUS
 * @defer: NULL: such a signal is passed on at once
 *
 * Context: one thread, once, before anything else of this file.
 */
void guard_init(GuardDefer *defer);

/* What would have been done with such a signal without us. */
void guard_call_old(int number, siginfo_t *info, void *context);

/**
 * guard_add - guard a mapping from now on
 * @mem: start, page aligned
 * @size: bytes
 *
 * Context: any thread.
 *
 * Returns: a number for the functions below; -1 when there are too many
 */
int guard_add(void *mem, size_t size);
void guard_remove(int guard);

/* Was it lost, and is other memory now? */
bool guard_is_lost(int guard);

extern __thread bool guard_thread_ready;
void guard_prepare_thread(void);

/**
 * guard_thread - the calling thread will touch guarded memory
 *
 * Costs a load and a branch but for the first time.
 */
static inline void guard_thread(void)
{
    if (__builtin_expect(!guard_thread_ready, 0)) {
        guard_prepare_thread();
    }
}

#endif
