/*
 * recorder/guard: see guard.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* MAP_ANONYMOUS */
#endif

#include "recorder/guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

/* Rings of traces that are on, and those that queries still read. */
#define MAX_GUARDS 64

enum {
    GUARD_FREE,
    GUARD_TAKEN,                /* being set up or taken down */
    GUARD_ON,
    GUARD_REPLACING,
    GUARD_LOST,
};

typedef struct Guard {
    _Atomic int state;
    uintptr_t start;
    size_t size;
} Guard;

static Guard guards[MAX_GUARDS];
static struct sigaction old_action;
static GuardDefer *defer_to;

/* SIGBUS was blocked in this thread, and is only not for our sake. */
static __thread bool unblocked;
__thread bool guard_thread_ready;

static bool guard_holds(Guard *guard, uintptr_t addr)
{
    int state = atomic_load_explicit(&guard->state, memory_order_acquire);

    return state >= GUARD_ON && addr >= guard->start &&
           addr - guard->start < guard->size;
}

static bool guard_replace(Guard *guard)
{
    void *mem = mmap((void *)guard->start, guard->size,
                     PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                     -1, 0);

    return mem != MAP_FAILED;
}

/*
 * Of several threads that fault, one replaces the memory and the others wait
 * for it; then all try again what they did.
 *
 * Returns: whether the address is guarded
 */
static bool guard_replace_at(uintptr_t addr, bool broken)
{
    unsigned i;

    for (i = 0; i < MAX_GUARDS; i++) {
        Guard *guard = &guards[i];
        int on = GUARD_ON;

        if (!guard_holds(guard, addr)) {
            continue;
        }
        if (atomic_compare_exchange_strong(&guard->state, &on,
                                           GUARD_REPLACING)) {
            bool done = guard_replace(guard);

            atomic_store_explicit(&guard->state, done ? GUARD_LOST : GUARD_ON,
                                  memory_order_release);
            return done;
        }
        while (atomic_load_explicit(&guard->state, memory_order_acquire) ==
               GUARD_REPLACING) {
            /* For the time of one mmap(). */
        }
        /* Memory of our own can break, too. */
        return !broken || guard_replace(guard);
    }
    return false;
}

void guard_call_old(int number, siginfo_t *info, void *context)
{
    if (old_action.sa_flags & SA_SIGINFO) {
        old_action.sa_sigaction(number, info, context);
    } else if (old_action.sa_handler == SIG_DFL) {
        signal(SIGBUS, SIG_DFL);
        if (info->si_code <= 0) {
            raise(SIGBUS);
        }
    } else if (old_action.sa_handler != SIG_IGN) {
        old_action.sa_handler(number);
    }
}

/*
 * @context: NULL when QEMU's main loop hands on what it read from a signalfd
 */
static void guard_on_sigbus(int number, siginfo_t *info, void *context)
{
    bool sync = info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
    int saved_errno = errno;

    if (context && sync && guard_replace_at((uintptr_t)info->si_addr,
                                            info->si_code == BUS_MCEERR_AR)) {
        /* It is there now. */
    } else if (!context || !unblocked) {
        guard_call_old(number, info, context);
    } else if (sync) {
        /* As when it is blocked: it is tried again, and is the end. */
        signal(SIGBUS, SIG_DFL);
    } else if (defer_to) {
        defer_to(info);
    } else {
        guard_call_old(number, info, context);
    }
    errno = saved_errno;
}

void guard_init(GuardDefer *defer)
{
    struct sigaction action = {
        .sa_sigaction = guard_on_sigbus,
        .sa_flags = SA_SIGINFO,
    };

    defer_to = defer;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &old_action);
}

void guard_prepare_thread(void)
{
    sigset_t bus;
    sigset_t old;

    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    /* Before the signal may come. */
    pthread_sigmask(SIG_SETMASK, NULL, &old);
    unblocked = sigismember(&old, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
    guard_thread_ready = true;
}

int guard_add(void *mem, size_t size)
{
    int i;

    for (i = 0; i < MAX_GUARDS; i++) {
        Guard *guard = &guards[i];
        int is_free = GUARD_FREE;

        if (atomic_compare_exchange_strong(&guard->state, &is_free,
                                           GUARD_TAKEN)) {
            guard->start = (uintptr_t)mem;
            guard->size = size;
            /* Pairs with the acquire in guard_holds(). */
            atomic_store_explicit(&guard->state, GUARD_ON,
                                  memory_order_release);
            return i;
        }
    }
    return -1;
}

void guard_remove(int guard)
{
    atomic_store_explicit(&guards[guard].state, GUARD_FREE,
                          memory_order_relaxed);
}

bool guard_is_lost(int guard)
{
    return atomic_load_explicit(&guards[guard].state, memory_order_acquire) ==
           GUARD_LOST;
}
