/*
 * What threads wait for: wait blocks in the thread, objects with a header,
 * mutexes with an owner.  Each thread has an object of its own that its
 * ordinary waits are on; waits=deadlock adds threads and mutexes that make
 * the cases which a reader has to explain:
 *
 *   0, 1, 2   each owns a mutex and waits for the next one's: a deadlock
 *   3         waits for a mutex of 0: behind a deadlock, not in it
 *   4         owns a mutex and runs, whenever it is let
 *   5         waits for an event or that mutex, whichever comes first
 *   6         waits for a semaphore
 *
 * Source: facts on KWAIT_BLOCK and KMUTANT as docs/guest.md tells them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { OBJECT_BYTES = 0x40, BLOCK_BYTES = 0x30, WAITERS = 7, MUTEXES = 4,
       WAIT_ANY = 1 };
/* Object types, in the dispatcher header. */
enum { KO_EVENT, KO_SYNC_EVENT, KO_MUTANT, KO_QUEUE = 4, KO_SEMAPHORE,
       KO_TIMER = 8 };

static uint64_t objects_va;     /* one a thread, then mutexes */
static Thread *waiters[WAITERS];
static uint32_t owned;

void waits_init(void)
{
    uint32_t bytes = (MAX_THREADS + MUTEXES) * OBJECT_BYTES;

    objects_va = pool_pages((bytes + PAGE - 1) / PAGE);
    owned = 0;
}

static uint64_t object_of(const Thread *t)
{
    return objects_va + (uint64_t)(t - threads) * OBJECT_BYTES;
}

static uint64_t mutex(uint32_t which)
{
    return objects_va + (uint64_t)(MAX_THREADS + which) * OBJECT_BYTES;
}

static void object_init(uint64_t at, uint8_t type, uint32_t signal)
{
    put8(at, type);
    put32(at + 4, signal);
    put64(at + 8, at + 8);
    put64(at + 16, at + 8);
}

static uint64_t block_at(const Thread *t, uint32_t n)
{
    return t->obj + more(MORE_KTHREAD_WAIT_BLOCK) + n * BLOCK_BYTES;
}

static void block_fill(Thread *t, uint32_t n, uint32_t count, uint64_t object)
{
    uint64_t at = block_at(t, n), last = get64(object + 16);

    put64(at, object + 8);
    put64(at + 8, last);
    put64(last, at);
    put64(object + 16, at);
    put8(at + more(MORE_KWAIT_BLOCK_WAIT_TYPE), WAIT_ANY);
    put64(at + more(MORE_KWAIT_BLOCK_THREAD), t->obj);
    put64(at + more(MORE_KWAIT_BLOCK_OBJECT), object);
    if (more_has(MORE_KWAIT_BLOCK_NEXT_WAIT_BLOCK)) {
        put64(at + more(MORE_KWAIT_BLOCK_NEXT_WAIT_BLOCK),
              block_at(t, (n + 1) % count));
    }
}

static void list_set(Thread *t, uint32_t count)
{
    put64(t->obj + more(MORE_KTHREAD_WAIT_BLOCK_LIST),
          count ? block_at(t, 0) : 0);
    if (more_has(MORE_KTHREAD_WAIT_BLOCK_COUNT)) {
        put8(t->obj + more(MORE_KTHREAD_WAIT_BLOCK_COUNT), count);
    }
}

static void lie(Thread *t)
{
    uint64_t at = block_at(t, 0) + more(MORE_KWAIT_BLOCK_OBJECT);

    switch (random64() % 5) {
    case 0:
        put64(at, mmio_hole_va + 0x80);
        break;
    case 1:
        put64(at, 0x8000123412341230ULL);
        break;
    case 2:
        put64(t->obj + more(MORE_KTHREAD_WAIT_BLOCK_LIST), pool_va - 0x20);
        break;
    case 3:                             /* a mutex that its waiter owns */
        object_init(object_of(t), KO_MUTANT, 0);
        put64(object_of(t) + more(MORE_KMUTANT_OWNER_THREAD), t->obj);
        break;
    default:
        if (more_has(MORE_KTHREAD_WAIT_BLOCK_COUNT)) {
            put8(t->obj + more(MORE_KTHREAD_WAIT_BLOCK_COUNT), 255);
        } else {
            put64(block_at(t, 0) + more(MORE_KWAIT_BLOCK_NEXT_WAIT_BLOCK),
                  t->obj);
        }
    }
}

static uint8_t type_for(uint8_t reason)
{
    switch (reason) {
    case WR_DELAY:
        return KO_TIMER;
    case WR_QUEUE:
        return KO_QUEUE;
    case WR_LPC_RECEIVE:
    case WR_RESOURCE:
        return KO_SEMAPHORE;
    case WR_USER_REQUEST:
    case WR_USER_WR:
        return KO_SYNC_EVENT;
    default:
        return KO_EVENT;
    }
}

/* Lock held; the thread is about to wait on its own object. */
void wait_begin(Thread *t, uint8_t reason)
{
    if (!more_has(MORE_KTHREAD_WAIT_BLOCK_LIST)
        || reason == WR_ALERT_BY_ID) {
        return;
    }
    object_init(object_of(t), type_for(reason), 0);
    block_fill(t, 0, 1, object_of(t));
    list_set(t, 1);
    if (lies(LIE_WAIT_LIES)) {
        lie(t);
    }
}

/* Lock held. */
void wait_end(Thread *t)
{
    if (more_has(MORE_KTHREAD_WAIT_BLOCK_LIST)) {
        list_set(t, 0);
    }
}

/* Lock held, interrupts off. */
static void mutex_take(uint32_t which, const Thread *t)
{
    object_init(mutex(which), KO_MUTANT, 0);
    if (more_has(MORE_KMUTANT_OWNER_THREAD)) {
        put64(mutex(which) + more(MORE_KMUTANT_OWNER_THREAD), t->obj);
    }
    owned++;
}

static void wait_on(Thread *t, uint64_t first, uint64_t second)
{
    uint32_t count = second ? 2 : 1;

    if (more_has(MORE_KTHREAD_WAIT_BLOCK_LIST)) {
        block_fill(t, 0, count, first);
        if (second) {
            block_fill(t, 1, count, second);
        }
        list_set(t, count);
    }
    wait_for_ever();
}

static uint32_t index_of(const Thread *t)
{
    uint32_t i = 0;

    while (waiters[i] != t) {
        i++;
    }
    return i;
}

void waiter(Thread *t)
{
    uint32_t i = index_of(t);

    irq_off();
    lock();
    if (i < 3) {
        mutex_take(i, t);
    } else if (i == 4) {
        mutex_take(3, t);
    }
    while (i != 4 && owned < MUTEXES) {
        unlock();
        sleep(WR_DELAY, 1);
        lock();
    }
    if (i == 4) {
        t->base_priority = t->priority = 1;     /* others come first */
        field8(t->obj, KTHREAD_PRIORITY, 1);
        unlock();
        irq_on();
        for (;;) {
            asm volatile("pause");
        }
    }
    object_init(object_of(t), i == 6 ? KO_SEMAPHORE : KO_EVENT, 0);
    if (i < 3) {
        wait_on(t, mutex((i + 1) % 3), 0);
    } else if (i == 3) {
        wait_on(t, mutex(0), 0);
    } else if (i == 5) {
        wait_on(t, object_of(t), mutex(3));
    }
    wait_on(t, object_of(t), 0);
    fail(EXIT_TRAP, "a wait for ever ended");
}

void waits_threads(Process *system)
{
    for (uint32_t i = 0; i < WAITERS; i++) {
        waiters[i] = thread_create(system, KIND_WAITER, 14);
        truth_waiter(i, waiters[i]->truth);
    }
}
