/*
 * Windows scheduler trace: being told of each switch, and whether that is so
 *
 * Each vCPU's CurrentThread is watched (sched-watch.h), and what the watch
 * tells of is recorded.  All other looks compare only.  That every switch is
 * recorded is claimed as long as nothing speaks against it: what a look finds
 * and the watch did not tell of, or the guest's own counter of switches.
 *
 * A vCPU is watched by a work item of its own; what it is to watch stands in
 * its slot, so that the item does the right thing whenever it runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "qemu/cutils.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "sched-helper.h"
#include "sched-watch.h"

/* How often to compare: at each turn of the helper, but not in haste. */
#define LEAST_LOOK_NS 500000
#define LOOK_NS 20000000

/* How often a vCPU may be kicked out of the guest for a doubt. */
#define CHECK_NS 10000000

/* Over how long switches are counted, for exact-limit. */
#define WINDOW_NS 100000000

#define SAMPLED "switches are sampled"

/* --- on a vCPU's thread */

/* Under RCU.  Returns: NULL when that vCPU is not looked at. */
static SchedSlot *slot_of(CPUState *cpu, SchedSession **session)
{
    unsigned index = cpu->cpu_index;

    *session = qatomic_rcu_read(&sched_current_session);
    if (!*session || !qatomic_read(&(*session)->enabled) ||
        index >= (*session)->n_slots) {
        return NULL;
    }
    return &(*session)->slots[index];
}

/* The view of a slot that is looked at, with CurrentThread; else NULL. */
static const SchedView *look_at(SchedSession *session, SchedSlot *slot,
                                uint64_t *thread)
{
    /* Pairs with the release in sched_slot_begin(): then there is a view. */
    uint64_t gpa = qatomic_load_acquire(&slot->gpa);
    const SchedView *view = qatomic_rcu_read(&session->view);

    if (gpa == SCHED_NO_GPA || !view) {
        return NULL;
    }
    if (!sched_read_thread(gpa, thread)) {
        winsched_fault(&slot->cpu);
        return NULL;
    }
    return view;
}

void sched_exact_tell(SchedSession *session)
{
    if (!qatomic_xchg(&session->told_exact, true)) {
        event_notifier_set(&session->wake);
    }
}

static void note_store(CPUState *cpu)
{
    SchedSession *session;
    SchedSlot *slot;

    RCU_READ_LOCK_GUARD();
    slot = slot_of(cpu, &session);
    if (slot) {
        slot->stored = sched_now(session);
    }
}

static void note_hit(CPUState *cpu)
{
    const SchedView *view;
    SchedSession *session;
    SchedSlot *slot;
    uint64_t start, thread;

    RCU_READ_LOCK_GUARD();
    slot = slot_of(cpu, &session);
    if (!slot) {
        return;
    }
    start = sched_now(session);
    view = look_at(session, slot, &thread);
    if (view) {
        winsched_hit(&view->ws, &slot->cpu, thread,
                     slot->stored ? slot->stored : start);
        sched_note_change(slot, sched_now(session) - start);
    }
    slot->stored = 0;
    if (unlikely(winsched_lost(&slot->cpu))) {
        sched_exact_tell(session);
    }
}

static const SchedWatcher watcher = {
    .store = note_store,
    .hit = note_hit,
};

static void register_watcher(void)
{
    sched_watcher = &watcher;
}

type_init(register_watcher)

/* Returns: 0 when each switch from now on is told of. */
static int begin_watch(CPUState *cpu, SchedSession *session, SchedSlot *slot,
                       uint64_t gva)
{
    const SchedView *view;
    uint64_t thread;
    int err = sched_watch_arch->watch(cpu, gva);

    if (err) {
        return err;
    }
    view = look_at(session, slot, &thread);
    if (view && winsched_own(&view->ws, &slot->cpu, thread)) {
        return 0;
    }
    sched_watch_arch->watch(cpu, 0);
    return view ? -EAGAIN : -EFAULT;
}

/* A work item: watch what is to be watched now. */
static void follow_slot(CPUState *cpu)
{
    SchedSession *session;
    SchedSlot *slot;
    uint64_t gva = 0;
    int err = 0;

    RCU_READ_LOCK_GUARD();
    slot = slot_of(cpu, &session);
    /* Pairs with the release in sched_slot_begin(). */
    if (slot && qatomic_load_acquire(&slot->gpa) != SCHED_NO_GPA) {
        gva = qatomic_read__nocheck(&slot->watch);
    }
    if (gva) {
        err = begin_watch(cpu, session, slot, gva);
        if (err == -EAGAIN) {
            /* Somebody was held up while he looked: the helper asks again. */
            qatomic_set__nocheck(&slot->watch, 0);
            gva = err = 0;
        }
    } else {
        sched_watch_arch->watch(cpu, 0);
    }
    if (slot) {
        qatomic_set(&slot->watch_error, err);
        qatomic_set__nocheck(&slot->watched, err ? 0 : gva);
        sched_exact_tell(session);
    }
}

/* A work item: all stores so far were told of, so what differs is lost. */
static void check_slot(CPUState *cpu)
{
    const SchedView *view;
    SchedSession *session;
    SchedSlot *slot;
    uint64_t thread;

    RCU_READ_LOCK_GUARD();
    slot = slot_of(cpu, &session);
    if (!slot) {
        return;
    }
    view = look_at(session, slot, &thread);
    if (view && !sched_watch_arch->hit_may_come(cpu) &&
        !winsched_check(&view->ws, &slot->cpu, thread)) {
        sched_exact_tell(session);
    }
    qatomic_set(&slot->checking, false);
}

/* --- the session's */

static void set_exact(SchedSession *session, bool exact)
{
    qatomic_set(&session->exact, exact);
    atomic_store_explicit(&session->store.tables->exact, exact,
                          memory_order_relaxed);
}

/* All are told, also those that are not looked at: it costs a moment. */
static void unwatch(SchedSession *session)
{
    unsigned i;

    set_exact(session, false);
    for (i = 0; i < session->n_slots; i++) {
        qatomic_set__nocheck(&session->slots[i].watch, 0);
        winsched_disown(&session->slots[i].cpu);
    }
    sched_cpus_run(NULL, session->n_slots, follow_slot);
}

void sched_exact_unwatch(SchedSession *session)
{
    if (session->mode == WINDOWS_SCHED_TRACE_MODE_EXACT) {
        unwatch(session);
    }
}

bool sched_exact_holds(SchedSession *session)
{
    unsigned i;

    if (!qatomic_read(&session->enabled) || !qatomic_read(&session->exact)) {
        return false;
    }
    for (i = 0; i < session->n_slots; i++) {
        if (winsched_lost(&session->slots[i].cpu)) {
            return false;
        }
    }
    return true;
}

/* --- the helper's */

void sched_exact_init(SchedHelper *helper)
{
    SchedExact *exact = &helper->exact;
    unsigned n = helper->session->n_slots;

    exact->counted = g_new0(uint64_t, n);
    exact->checked_ns = g_new0(uint64_t, n);
    exact->was_present = g_new0(bool, n);
    exact->work = g_new0(bool, n);
}

void sched_exact_deinit(SchedHelper *helper)
{
    g_free(helper->exact.work);
    g_free(helper->exact.was_present);
    g_free(helper->exact.checked_ns);
    g_free(helper->exact.counted);
}

static bool is_at_it(const SchedHelper *helper)
{
    return helper->exact.phase == SCHED_EXACT_BEGINS ||
           helper->exact.phase == SCHED_EXACT_HOLDS;
}

void sched_exact_begin(SchedHelper *helper)
{
    SchedExact *exact = &helper->exact;

    if (helper->session->mode != WINDOWS_SCHED_TRACE_MODE_EXACT ||
        exact->phase == SCHED_EXACT_ENDED) {
        return;
    }
    exact->phase = SCHED_EXACT_BEGINS;
    exact->looked_ns = 0;
    exact->window_ns = 0;
    pstrcpy(exact->reason, sizeof(exact->reason),
            SCHED_EXACT_BEGINS_TEXT);
}

void sched_exact_end(SchedHelper *helper)
{
    if (is_at_it(helper)) {
        unwatch(helper->session);
    }
    if (helper->exact.phase != SCHED_EXACT_ENDED) {
        helper->exact.phase = SCHED_EXACT_OFF;
    }
}

bool sched_exact_is_well(const SchedHelper *helper, const char **reason)
{
    const SchedExact *exact = &helper->exact;

    if (exact->phase != SCHED_EXACT_OFF &&
        exact->phase != SCHED_EXACT_HOLDS) {
        *reason = exact->reason;
    }
    return exact->phase != SCHED_EXACT_FAILED;
}

static void G_GNUC_PRINTF(3, 4) finish(SchedHelper *helper,
                                       SchedExactPhase phase,
                                       const char *format, ...)
{
    SchedExact *exact = &helper->exact;
    va_list args;

    va_start(args, format);
    g_vsnprintf(exact->reason, sizeof(exact->reason), format, args);
    va_end(args);
    exact->phase = phase;
    unwatch(helper->session);
    sched_settle_state(helper);
}

static uint64_t hits_of(const WinschedCpu *cpu)
{
    return atomic_load_explicit(&cpu->samples[WINSCHED_EXACT],
                                memory_order_relaxed);
}

static void fail_for_lost(SchedHelper *helper, unsigned index)
{
    const WinschedCpu *cpu = &helper->session->slots[index].cpu;
    uint64_t lost = winsched_lost(cpu);
    uint64_t hits = hits_of(cpu);

    if (!hits) {
        finish(helper, SCHED_EXACT_FAILED, "data breakpoints do not fire on "
               "this host: the running thread of vCPU %u changed and none "
               "told of it; " SAMPLED, index);
    } else {
        finish(helper, SCHED_EXACT_FAILED, "at least %" PRIu64 " switches of "
               "vCPU %u were missed after %" PRIu64 " that were told of; "
               SAMPLED, lost, index, hits);
    }
}

static void fail_for_error(SchedHelper *helper, unsigned index, int err)
{
    if (err == -EBUSY) {
        finish(helper, SCHED_EXACT_FAILED, "a debugger uses all four "
               "breakpoints of vCPU %u and exact mode needs one: remove one "
               "there and turn the trace off and on again; " SAMPLED, index);
    } else if (err == -ENOTSUP) {
        finish(helper, SCHED_EXACT_FAILED, "this accelerator has no data "
               "breakpoints for QEMU, so exact mode is not available; "
               SAMPLED);
    } else {
        finish(helper, SCHED_EXACT_FAILED, "a data breakpoint cannot be set "
               "on vCPU %u (%s), so exact mode is not available; " SAMPLED,
               index, strerror(-err));
    }
}

/* Returns: whether there was a reason to end. */
static bool find_fault(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned i;

    for (i = 0; i < helper->limit; i++) {
        SchedSlot *slot = &session->slots[i];
        int err = qatomic_read(&slot->watch_error);

        if (!sched_slot_is_on(slot)) {
            continue;
        }
        if (winsched_lost(&slot->cpu)) {
            fail_for_lost(helper, i);
            return true;
        }
        if (err) {
            fail_for_error(helper, i, err);
            return true;
        }
    }
    return false;
}

static bool is_too_often(SchedHelper *helper, uint64_t now)
{
    SchedSession *session = helper->session;
    SchedExact *exact = &helper->exact;
    uint64_t since = now - exact->window_ns;
    bool first = !exact->window_ns;
    unsigned i;

    if (!first && since < WINDOW_NS) {
        return false;
    }
    exact->window_ns = now;
    for (i = 0; i < helper->limit; i++) {
        uint64_t hits = hits_of(&session->slots[i].cpu);
        uint64_t rate = 0;

        /* Fewer than before: the slot has begun anew. */
        if (!first && hits >= exact->counted[i]) {
            rate = (hits - exact->counted[i]) * NANOSECONDS_PER_SECOND / since;
        }
        if (rate > session->exact_limit) {
            finish(helper, SCHED_EXACT_FAILED, "vCPU %u switches %" PRIu64
                   " times a second and exact-limit is %" PRIu32 "; " SAMPLED,
                   i, rate, session->exact_limit);
            return true;
        }
        exact->counted[i] = hits;
    }
    return false;
}

static bool is_over(SchedHelper *helper, uint64_t now)
{
    uint32_t ms = helper->session->exact_ms;

    if (!ms || !helper->exact.since_ns ||
        now - helper->exact.since_ns < ms * (uint64_t)SCALE_MS) {
        return false;
    }
    finish(helper, SCHED_EXACT_ENDED, "exact mode has ended after %" PRIu32
           " ms, as exact-ms says; " SAMPLED, ms);
    return true;
}

/* Guest-virtual, of a slot's CurrentThread; 0 when it is not looked at. */
static uint64_t to_watch(const SchedHelper *helper, const SchedSlot *slot)
{
    int32_t at = winos_offset(&helper->result.layout,
                              WINOS_PRCB_CURRENT_THREAD);

    return sched_slot_is_on(slot) && at >= 0 ? slot->info.prcb + at : 0;
}

/* Returns: whether all are watched. */
static bool follow_slots(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    SchedExact *exact = &helper->exact;
    bool all = true;
    bool any = false;
    unsigned i;

    for (i = 0; i < session->n_slots; i++) {
        SchedSlot *slot = &session->slots[i];
        uint64_t gva = to_watch(helper, slot);
        bool is_new = helper->present[i] && !exact->was_present[i];

        exact->was_present[i] = helper->present[i];
        exact->work[i] = helper->present[i] &&
                         (is_new || gva != qatomic_read__nocheck(&slot->watch));
        if (exact->work[i]) {
            qatomic_set__nocheck(&slot->watch, gva);
            any = true;
        }
        all = all && (!helper->present[i] ||
                      (gva && qatomic_read__nocheck(&slot->watched) == gva));
    }
    if (any) {
        sched_cpus_run(exact->work, session->n_slots, follow_slot);
    }
    return all && !any;
}

static void claim(SchedHelper *helper, bool all, uint64_t now)
{
    SchedExact *exact = &helper->exact;
    bool held = qatomic_read(&helper->session->exact);

    if (all == held) {
        return;
    }
    exact->phase = all ? SCHED_EXACT_HOLDS : SCHED_EXACT_BEGINS;
    if (all && !exact->since_ns) {
        exact->since_ns = now;
    }
    set_exact(helper->session, all);
    sched_settle_state(helper);
}

static bool doubts(SchedSession *session, SchedSlot *slot)
{
    const SchedView *view = session->view;
    uint64_t gpa = qatomic_read__nocheck(&slot->gpa);
    uint64_t thread;

    return gpa != SCHED_NO_GPA && view && winsched_is_owned(&slot->cpu) &&
           sched_read_thread(gpa, &thread) &&
           winsched_doubt(&view->ws, &slot->cpu, thread);
}

/* A doubt is settled by the vCPU itself. */
static void compare_all(SchedHelper *helper, uint64_t now)
{
    SchedSession *session = helper->session;
    SchedExact *exact = &helper->exact;
    bool any = false;
    unsigned i;

    RCU_READ_LOCK_GUARD();
    for (i = 0; i < session->n_slots; i++) {
        SchedSlot *slot = &session->slots[i];

        exact->work[i] = helper->present[i] && doubts(session, slot) &&
                         now - exact->checked_ns[i] >= CHECK_NS &&
                         !qatomic_xchg(&slot->checking, true);
        if (exact->work[i]) {
            exact->checked_ns[i] = now;
            any = true;
        }
    }
    if (any) {
        sched_cpus_run(exact->work, session->n_slots, check_slot);
    }
}

uint64_t sched_exact_next(const SchedHelper *helper)
{
    return is_at_it(helper) ? helper->exact.looked_ns + LOOK_NS : UINT64_MAX;
}

void sched_exact_turn(SchedHelper *helper)
{
    uint64_t now = clock_now_ns();

    if (!is_at_it(helper)) {
        return;
    }
    if (!qatomic_xchg(&helper->session->told_exact, false) &&
        now < helper->exact.looked_ns + LEAST_LOOK_NS) {
        return;
    }
    helper->exact.looked_ns = now;
    sched_note_present(helper);
    if (find_fault(helper) || is_over(helper, now) ||
        is_too_often(helper, now)) {
        return;
    }
    compare_all(helper, now);
    claim(helper, follow_slots(helper), now);
}
