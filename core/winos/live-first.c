/*
 * winos/live-first: the first steps by structure alone: from a KPCR to the
 * PRCB, from there to the running thread, from a thread to its processes and
 * its stack.
 *
 * As in live-derive.c, two places that fit are no answer, unless something
 * tells them apart that is true of one of them only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/live.h"

#include "base/le.h"
#include "base/now.h"

#include <string.h>

enum {
    KPCR_HEAD = 0x200,              /* where the pointer to the PRCB may be */
    MAX_DISTANCE = 0x1000,          /* from the KPCR to the PRCB in it */
    PRCB_SIZE = 0x4000,
    OBJECT_SIZE = 0xc00,
    FIRST_FIELD = 0x18,
    MAX_PLACES = 16,
    MAX_ASKED = 24,                 /* threads */
    MAX_STACK = 0x100000,
    LIST_MAX = 64,
};

#define WATCH_NS UINT64_C(3000000)

/* --- the PRCB */

/* How far behind its KPCR each vCPU's block is, by the pointer there; or 0. */
static uint64_t distance_at(const LiveWorld *world, int32_t offset)
{
    uint64_t distance = 0;
    uint64_t value;
    unsigned i;

    for (i = 0; i < world->n_cpus; i++) {
        uint64_t kpcr = world->cpus[i].kpcr;

        if (!gmem_read_u64(live_space(world), kpcr + offset, &value) ||
            value <= kpcr || value - kpcr >= MAX_DISTANCE || value % 8 ||
            (i && value - kpcr != distance)) {
            return 0;
        }
        distance = value - kpcr;
    }
    return distance;
}

/*
 * A KPCR may have other pointers into itself, as LockArray is: they lead into
 * the block, so the nearest leads to its start; and what code finds at gs: is
 * in it.  Of two that lead there it is the one right behind Self, where it is
 * in every build so far.
 */
static int32_t derive_prcb(const LiveWorld *world)
{
    int32_t self = winos_offset(world->layout, WINOS_KPCR_SELF);
    int32_t limit = world->kpcr_current_thread;
    int32_t found = WINOS_NO_OFFSET;
    uint64_t nearest = MAX_DISTANCE;
    int32_t offset;

    for (offset = 0; offset < KPCR_HEAD; offset += 8) {
        uint64_t distance = distance_at(world, offset);

        if (!distance || (limit >= 0 && distance > (uint64_t)limit)) {
            continue;
        }
        if (distance < nearest) {
            nearest = distance;
            found = offset;
        } else if (distance == nearest) {
            found = self >= 0 && (found == self + 8 || offset == self + 8) ?
                    self + 8 : WINOS_NO_OFFSET;
        }
    }
    return found;
}

/* --- CurrentThread */

/* Words of a PRCB that point to threads, and what became of them. */
typedef struct Place {
    int32_t offset;
    uint64_t thread;
    bool changed;
    bool empty;                     /* pointed to no thread for a moment */
} Place;

static unsigned find_places(const LiveWorld *world, uint64_t prcb,
                            Place *places)
{
    unsigned n = 0;
    uint64_t thread;
    int32_t offset;

    for (offset = 0; offset < PRCB_SIZE && n < MAX_PLACES; offset += 8) {
        if (gmem_read_u64(live_space(world), prcb + offset, &thread) &&
            live_is_object(live_space(world), thread, LIVE_THREAD)) {
            places[n++] = (Place) { offset, thread, false, false };
        }
    }
    return n;
}

static void watch_places(const LiveWorld *world, uint64_t prcb,
                         Place *places, unsigned n)
{
    uint64_t thread;
    unsigned i;

    gmem_fresh(live_space(world)->mem);
    for (i = 0; i < n; i++) {
        if (!gmem_read_u64(live_space(world), prcb + places[i].offset,
                           &thread) || thread == places[i].thread) {
            continue;
        }
        places[i].changed = true;
        places[i].empty |= !live_is_object(live_space(world), thread,
                                           LIVE_THREAD);
        places[i].thread = thread;
    }
}

/* The only one that has changed, and always pointed to a thread. */
static int32_t changed_place(const Place *places, unsigned n)
{
    int32_t found = WINOS_NO_OFFSET;
    unsigned i;

    for (i = 0; i < n; i++) {
        if (places[i].changed && !places[i].empty) {
            if (found >= 0) {
                return -2;
            }
            found = places[i].offset;
        }
    }
    return found;
}

/*
 * Of the threads that a PRCB points to, the idle thread and others stay;
 * NextThread is empty most of the time.
 */
static int32_t derive_current(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    Place places[MAX_PLACES];
    unsigned i, n;

    for (i = 0; i < world->n_cpus && found == WINOS_NO_OFFSET; i++) {
        uint64_t prcb = world->cpus[i].prcb;
        uint64_t end = now_monotonic_ns() + WATCH_NS / world->n_cpus;

        if (!prcb) {
            continue;
        }
        n = find_places(world, prcb, places);
        while (n && now_monotonic_ns() < end) {
            watch_places(world, prcb, places, n);
        }
        found = changed_place(places, n);
    }
    return found >= 0 ? found : WINOS_NO_OFFSET;
}

/* --- a thread's processes */

typedef struct Threads {
    unsigned n;
    uint64_t all[MAX_ASKED];
} Threads;

static void add(Threads *threads, uint64_t thread)
{
    unsigned i;

    for (i = 0; i < threads->n; i++) {
        if (threads->all[i] == thread) {
            return;
        }
    }
    if (threads->n < MAX_ASKED) {
        threads->all[threads->n++] = thread;
    }
}

/* Are all members of a list threads, if it links them at @entry? */
static bool joins_threads(const LiveWorld *world, uint64_t head,
                          int32_t entry)
{
    uint64_t at = head;
    unsigned n;

    for (n = 0; n < LIST_MAX; n++) {
        if (!gmem_read_u64(live_space(world), at, &at)) {
            return false;
        }
        if (at == head) {
            return n > 1;
        }
        if (!live_is_object(live_space(world), at - entry, LIVE_THREAD)) {
            return false;
        }
    }
    return true;
}

/* The threads of System, by a list in it that joins threads. */
static bool threads_by_list(const LiveWorld *world, uint64_t head,
                            Threads *threads)
{
    unsigned steps;
    uint64_t first;
    int32_t entry;

    if (!gmem_read_u64(live_space(world), head, &first) ||
        !gmem_is_kernel(live_space(world), first) || first == head) {
        return false;
    }
    for (entry = FIRST_FIELD; entry < OBJECT_SIZE; entry += 8) {
        uint64_t at = head;

        if (!live_is_object(live_space(world), first - entry, LIVE_THREAD) ||
            !joins_threads(world, head, entry)) {
            continue;
        }
        /* a list may have a loop that leaves out its head, and is not added */
        for (steps = 0; steps < MAX_ASKED && threads->n < MAX_ASKED &&
             gmem_read_u64(live_space(world), at, &at) && at != head;
             steps++) {
            add(threads, at - entry);
        }
        return true;
    }
    return false;
}

static void threads_of_system(const LiveWorld *world, Threads *threads)
{
    uint64_t system = world->kernel->system_process;
    int32_t offset;

    threads->n = 0;
    if (!live_is_object(live_space(world), system, LIVE_PROCESS)) {
        return;
    }
    for (offset = FIRST_FIELD; offset < OBJECT_SIZE; offset += 8) {
        if (threads_by_list(world, system + offset, threads)) {
            return;
        }
    }
}

/*
 * Do all of the threads have a process there, and most of them System?
 * @visits: whether some have another one
 */
static bool leads_to_owners(const LiveWorld *world, const Threads *threads,
                            int32_t offset, bool *visits)
{
    unsigned same = 0;
    uint64_t value;
    unsigned i;

    for (i = 0; i < threads->n; i++) {
        if (!gmem_read_u64(live_space(world), threads->all[i] + offset,
                           &value) ||
            (value != world->kernel->system_process &&
             !live_is_object(live_space(world), value, LIVE_PROCESS))) {
            return false;
        }
        same += value == world->kernel->system_process;
    }
    *visits = same < threads->n;
    return same >= 2 && same * 2 >= threads->n;
}

/* An idle thread is attached to System and is not its own. */
static bool idle_has_system(const LiveWorld *world, int32_t offset)
{
    uint64_t value;
    unsigned i;

    for (i = 0; i < world->n_idle; i++) {
        if (gmem_read_u64(live_space(world), world->idle[i] + offset,
                          &value) &&
            value == world->kernel->system_process) {
            return true;
        }
    }
    return false;
}

/*
 * Two pointers in a thread lead to processes: its owner, and whose memory it
 * runs in.  They differ in idle threads, and in threads that visit another
 * process.  One that another source names leaves the other.
 */
static int32_t derive_process(const LiveWorld *world, WinosField field)
{
    bool owner = field == WINOS_KTHREAD_PROCESS;
    int32_t other = winos_offset(world->layout, owner ?
                                 WINOS_KTHREAD_APC_PROCESS :
                                 WINOS_KTHREAD_PROCESS);
    int32_t place[2];
    bool visits[2], idles[2];
    unsigned n = 0;
    unsigned mine;
    bool visiting;
    Threads threads;
    int32_t offset;

    threads_of_system(world, &threads);
    for (offset = FIRST_FIELD; offset + 8 <= OBJECT_SIZE; offset += 8) {
        if (!leads_to_owners(world, &threads, offset, &visiting)) {
            continue;
        }
        if (n == 2) {
            return WINOS_NO_OFFSET;
        }
        place[n] = offset;
        visits[n] = visiting;
        idles[n++] = idle_has_system(world, offset);
    }
    if (n != 2) {
        return WINOS_NO_OFFSET;
    }
    if (other == place[0] || other == place[1]) {
        return other == place[0] ? place[1] : place[0];
    }
    if (visits[0] == visits[1] && idles[0] == idles[1]) {
        return WINOS_NO_OFFSET;
    }
    mine = visits[0] != visits[1] ? visits[0] : idles[0];
    return place[owner ? mine : !mine];
}

/* --- a thread's stack */

static bool is_page(const LiveWorld *world, uint64_t value)
{
    return gmem_is_kernel(live_space(world), value) && !(value % GMEM_PAGE);
}

/* Have all threads but idle ones the address of a page there? */
static bool has_pages(const LiveWorld *world, int32_t offset)
{
    unsigned asked = 0;
    uint64_t value;
    unsigned i;

    for (i = 0; i < world->n_threads && asked < MAX_ASKED; i++) {
        if (live_is_idle(world, world->threads[i])) {
            continue;
        }
        if (!gmem_read_u64(live_space(world), world->threads[i] + offset,
                           &value) || !is_page(world, value)) {
            return false;
        }
        asked++;
    }
    return asked >= 3;
}

/* Is there a stack between the two, in all of them? */
static bool is_stack(const LiveWorld *world, int32_t limit, int32_t base)
{
    uint64_t low, high;
    unsigned i;

    for (i = 0; i < world->n_threads; i++) {
        if (live_is_idle(world, world->threads[i])) {
            continue;
        }
        if (!gmem_read_u64(live_space(world), world->threads[i] + limit,
                           &low) ||
            !gmem_read_u64(live_space(world), world->threads[i] + base,
                           &high) || low >= high || high - low > MAX_STACK) {
            return false;
        }
    }
    return true;
}

/* Two addresses of whole pages that are a stack's size apart. */
static int32_t derive_stack(const LiveWorld *world, bool is_base)
{
    int32_t place[2];
    unsigned n = 0;
    int32_t offset;

    for (offset = FIRST_FIELD; offset + 8 <= OBJECT_SIZE; offset += 8) {
        if (has_pages(world, offset)) {
            if (n == 2) {
                return WINOS_NO_OFFSET;
            }
            place[n++] = offset;
        }
    }
    if (n == 2 && is_stack(world, place[0], place[1])) {
        return place[is_base];
    }
    return n == 2 && is_stack(world, place[1], place[0]) ? place[!is_base]
                                                         : WINOS_NO_OFFSET;
}

int32_t live_derive_first(const LiveWorld *world, WinosField field)
{
    switch (field) {
    case WINOS_KPCR_CURRENT_PRCB:
        return derive_prcb(world);
    case WINOS_PRCB_CURRENT_THREAD:
        return derive_current(world);
    case WINOS_KTHREAD_PROCESS:
    case WINOS_KTHREAD_APC_PROCESS:
        return derive_process(world, field);
    case WINOS_KTHREAD_STACK_LIMIT:
    case WINOS_KTHREAD_STACK_BASE:
        return derive_stack(world, field == WINOS_KTHREAD_STACK_BASE);
    default:
        return WINOS_NO_OFFSET;
    }
}
