/*
 * Windows scheduler trace: the helper thread: its turns, and polling
 *
 * It does all that takes longer than a look: finding the kernel, keeping
 * track of it, and looking at all vCPUs at a steady rate through mapped guest
 * memory, which holds nobody up.  It takes no lock of QEMU's for long, and
 * the BQL never.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/prctl.h>
#include "qemu/timer.h"
#include "qemu/units.h"
#include "sched-helper.h"

/* Room that is made in the ring before it is needed, so no vCPU has to. */
#define AHEAD_ENTRIES 16384
#define AHEAD_STEP (2 * MiB)

/* How often to see whether all is as it was: in haste, running, stopped. */
#define KEEP_LEAST_NS 10000000
#define KEEP_NS 100000000
#define KEEP_STOPPED_NS 1000000000

/* When the clock is looked at for the first time, and later. */
#define FIRST_STEER_NS 10000000
#define NEXT_STEER_NS 1000000000

static bool stopping(const SchedHelper *helper)
{
    /* Pairs with the release in sched_trace_stop(). */
    return qatomic_load_acquire(&helper->session->stop);
}

static bool is_running(const SchedHelper *helper)
{
    return qatomic_read(&helper->session->running);
}

static void keep_clock(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    ClockTriple now;

    if (clock_now_ns() < helper->steer_ns) {
        return;
    }
    clock_read_triple(session->store.clock, &now);
    clock_map_steer(&session->store.header->clock, &session->keeper, &now);
    helper->steer_ns = now.monotonic_ns + NEXT_STEER_NS;
}

/* All of a ring would be a gigabyte on a large machine; few ever fill it. */
static void keep_ahead(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    const Evring *ring = &session->store.ring;
    uint64_t wanted = session->store.header->slots_offset +
                      (evring_head(ring) + AHEAD_ENTRIES) * ring->slot_size;

    wanted = MIN(ROUND_UP(wanted, AHEAD_STEP), session->mem_size);
    if (wanted > helper->populated) {
        vmscope_memory_populate((char *)session->mem + helper->populated,
                                wanted - helper->populated);
        helper->populated = wanted;
    }
}

/*
 * Look for a kernel or a vCPU soon, as something has changed.  A guest that
 * makes it seem so all the time does not make this thread run all the time.
 */
static void hurry(SchedHelper *helper)
{
    helper->find_ns = MIN(helper->find_ns, helper->early_ns);
    helper->keep_ns = MIN(helper->keep_ns, helper->kept_ns + KEEP_LEAST_NS);
}

static void follow_machine(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned resets = qatomic_read(&session->resets);
    unsigned resumes = qatomic_read(&session->resumes);

    if (resets != helper->resets) {
        helper->resets = resets;
        sched_forget_regs(helper);
        sched_forget(helper, "the machine was reset");
    }
    if (resumes != helper->resumes) {
        helper->resumes = resumes;
        helper->rested = false;
        helper->backoff_ns = SCHED_FIRST_BACKOFF_NS;
        hurry(helper);
        helper->keep_ns = 0;
    }
    if (qatomic_xchg(&session->told_regs, false)) {
        hurry(helper);
    }
}

static void look(SchedSlot *slot, const SchedView *view)
{
    uint64_t gpa = qatomic_read__nocheck(&slot->gpa);
    uint64_t thread;

    if (gpa == SCHED_NO_GPA) {
        return;
    }
    if (sched_read_thread(gpa, &thread)) {
        winsched_look(&view->ws, &slot->cpu, thread, WINSCHED_POLL);
    } else {
        winsched_fault(&slot->cpu);
    }
}

static void look_at_all(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned i;

    RCU_READ_LOCK_GUARD();
    for (i = 0; i < helper->limit; i++) {
        look(&session->slots[i], session->view);
    }
    if (helper->learner) {
        winos_learn_look(helper->learner, &helper->result);
    }
}

/* Deadlines are absolute; those that were slept through are skipped. */
static void poll_if_due(SchedHelper *helper, uint64_t now)
{
    uint64_t period = NANOSECONDS_PER_SECOND / helper->session->poll_hz;

    if (now < helper->poll_ns) {
        return;
    }
    look_at_all(helper);
    helper->poll_ns += period;
    if (helper->poll_ns <= now) {
        helper->poll_ns = now + period;
    }
}

/* Who runs while the machine stands still is seen, however short it ran. */
static void look_at_rest(SchedHelper *helper)
{
    if (!helper->rested) {
        helper->rested = true;
        look_at_all(helper);
    }
}

static bool polls(const SchedHelper *helper)
{
    return helper->session->poll_hz && is_running(helper);
}

static void trace(SchedHelper *helper)
{
    uint64_t now = clock_now_ns();

    if (now >= helper->keep_ns) {
        helper->kept_ns = now;
        helper->keep_ns = now + (is_running(helper) ? KEEP_NS :
                                                      KEEP_STOPPED_NS);
        sched_keep_track(helper);
        helper->exact.looked_ns = 0;
    }
    if (helper->active) {
        sched_exact_turn(helper);
    }
    if (helper->active && polls(helper)) {
        poll_if_due(helper, now);
    } else if (helper->active && !is_running(helper)) {
        look_at_rest(helper);
    }
}

static uint64_t next_turn(const SchedHelper *helper)
{
    uint64_t next = helper->find_ns;

    if (helper->active) {
        next = polls(helper) ? MIN(helper->poll_ns, helper->keep_ns) :
                               helper->keep_ns;
        next = MIN(next, sched_exact_next(helper));
    }
    return MIN(next, helper->steer_ns);
}

static void turn(SchedHelper *helper)
{
    follow_machine(helper);
    keep_clock(helper);
    keep_ahead(helper);
    if (helper->active) {
        trace(helper);
    } else if (clock_now_ns() >= helper->find_ns) {
        sched_find_kernel(helper);
    }
}

/* Or until the session's wake is set. */
static void sleep_until(SchedHelper *helper, uint64_t ns)
{
    EventNotifier *wake = &helper->session->wake;
    GPollFD fd = {
        .fd = event_notifier_get_fd(wake),
        .events = G_IO_IN,
    };
    uint64_t now = clock_now_ns();

    if (ns > now && qemu_poll_ns(&fd, 1, ns - now) > 0) {
        event_notifier_test_and_clear(wake);
    }
}

static SchedHelper *helper_new(SchedSession *session)
{
    SchedHelper *helper = g_new0(SchedHelper, 1);

    helper->session = session;
    helper->backoff_ns = SCHED_FIRST_BACKOFF_NS;
    helper->steer_ns = clock_now_ns() + FIRST_STEER_NS;
    helper->present = g_new0(bool, session->n_slots);
    helper->wanted = g_new0(bool, session->n_slots);
    helper->regs = g_new0(SchedRegs, session->n_slots);
    helper->winos_regs = g_new0(WinosRegs, session->n_slots);
    helper->cpus = g_new0(WinosCpu, session->n_slots);
    sched_exact_init(helper);
    return helper;
}

static void helper_free(SchedHelper *helper)
{
    sched_asker_end(&helper->asker);
    winos_learner_free(helper->learner);
    sched_exact_deinit(helper);
    g_free(helper->cpus);
    g_free(helper->winos_regs);
    g_free(helper->regs);
    g_free(helper->wanted);
    g_free(helper->present);
    g_free(helper);
}

static void *helper_thread(void *opaque)
{
    SchedSession *session = opaque;
    SchedHelper *helper = helper_new(session);

    rcu_register_thread();
    /* Sleep no longer than asked for. */
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    while (!stopping(helper)) {
        turn(helper);
        sleep_until(helper, next_turn(helper));
    }
    /* Whoever was inside a hook when it was taken away is out after this. */
    sched_slots_end(helper);
    schedlog_store_stop(&session->store);
    helper_free(helper);
    qatomic_store_release(&session->done, true);
    rcu_unregister_thread();
    sched_trace_put(session);
    return NULL;
}

void sched_helper_start(SchedSession *session)
{
    QemuThread thread;

    sched_trace_ref(session);
    qemu_thread_create(&thread, "sched-trace", helper_thread, session,
                       QEMU_THREAD_DETACHED);
}
