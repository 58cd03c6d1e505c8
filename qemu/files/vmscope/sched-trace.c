/*
 * Windows scheduler trace: turning on and off, and what the machine tells
 *
 * Sessions begin and end in the main loop.  What the machine does to a guest
 * (a reset, a stop) is told to the session's helper thread, which does all
 * the work; see sched-trace.h for the other parts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/memalign.h"
#include "qemu/notify.h"
#include "vmscope/compat.h"
#include "sched-options.h"
#include "sched-trace.h"

/* At exit, how long to wait for the ring to be settled. */
#define EXIT_WAIT_MS 1000

SchedSession *sched_current_session;

static Notifier exit_notifier;

static void session_free(SchedSession *session)
{
    vmscope_memory_free(session->mem, session->mem_size);
    event_notifier_cleanup(&session->wake);
    qemu_mutex_destroy(&session->lock);
    qemu_vfree(session->slots);
    g_free(session->view);
    g_free(session->ring_file);
    g_free(session);
}

void sched_trace_ref(SchedSession *session)
{
    qatomic_inc(&session->refs);
}

void sched_trace_put(SchedSession *session)
{
    if (qatomic_fetch_dec(&session->refs) == 1) {
        session_free(session);
    }
}

SchedSession *sched_trace_get(void)
{
    SchedSession *session;

    RCU_READ_LOCK_GUARD();
    session = qatomic_rcu_read(&sched_current_session);
    if (session) {
        /* Cannot be the first: current's own is dropped after RCU waits. */
        sched_trace_ref(session);
    }
    return session;
}

static bool read_guest(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    return sched_memory_read(gpa, buf, len);
}

static void make_slots(SchedSession *session)
{
    size_t size;
    unsigned i;

    session->n_slots = MIN(sched_machine_max_cpus(), SCHED_MAX_VCPUS);
    size = session->n_slots * sizeof(SchedSlot);
    session->slots = qemu_memalign(__alignof__(SchedSlot), size);
    memset(session->slots, 0, size);
    for (i = 0; i < session->n_slots; i++) {
        session->slots[i].gpa = SCHED_NO_GPA;
    }
}

static SchedSession *session_new(const WindowsSchedTraceOptions *opts)
{
    static const GmemOps ops = { .read_phys = read_guest };
    SchedSession *session = g_new0(SchedSession, 1);

    session->refs = 1;
    sched_options_to_winos(opts, &session->winos);
    session->mode = opts->has_mode ? opts->mode :
                                     WINDOWS_SCHED_TRACE_MODE_SAMPLED;
    session->poll_hz = opts->has_poll_hz ? opts->poll_hz :
                                           SCHED_DEFAULT_POLL_HZ;
    session->exact_ms = opts->has_exact_ms ? opts->exact_ms : 0;
    session->exact_limit = opts->has_exact_limit ? opts->exact_limit :
                                                   SCHED_DEFAULT_EXACT_LIMIT;
    session->ring_file = g_strdup(opts->ring_file);
    session->guest.ops = &ops;
    session->findings.state = WINDOWS_SCHED_TRACE_STATE_WAITING;
    pstrcpy(session->findings.reason, sizeof(session->findings.reason),
            "nothing was looked at yet");
    qemu_mutex_init(&session->lock);
    make_slots(session);
    return session;
}

static void session_fill(SchedSession *session, uint64_t entries)
{
    const VmscopeProcess *process = vmscope_process();
    SchedlogRun run = {
        .pid = getpid(),
        .n_vcpus = session->n_slots,
        .load_base = process->load_base,
        .build_id = process->build_id,
        .exe = process->exe,
    };

    schedlog_store_init(&session->store, session->mem, entries, &run,
                        &session->keeper, &process->start);
    session->store.tables->poll_hz = session->poll_hz;
}

static void tell_helper(SchedSession *session)
{
    event_notifier_set(&session->wake);
}

/*
 * What is known of the guest is no longer so.  vCPUs are stopped; also before
 * the state of a snapshot is loaded.
 */
static void machine_reset(void *opaque)
{
    SchedSession *session = sched_current_session;
    unsigned i;

    if (!session || !session->enabled) {
        return;
    }
    qatomic_inc(&session->resets);
    /* Pairs with the one in sched_slot_begin(). */
    smp_mb();
    for (i = 0; i < session->n_slots; i++) {
        qatomic_set__nocheck(&session->slots[i].gpa, SCHED_NO_GPA);
    }
    sched_exact_unwatch(session);
    tell_helper(session);
}

static void machine_state(void *opaque, bool running, RunState state)
{
    SchedSession *session = sched_current_session;

    if (!session || !session->enabled) {
        return;
    }
    qatomic_set(&session->running, running);
    if (running) {
        qatomic_inc(&session->resumes);
    }
    tell_helper(session);
}

static void watch_machine(void)
{
    static bool watching;

    if (!watching) {
        watching = true;
        qemu_register_reset(machine_reset, NULL);
        qemu_add_vm_change_state_handler(machine_state, NULL);
    }
}

static void session_retired(SchedSession *session)
{
    sched_trace_put(session);
}

static void session_begin(SchedSession *session)
{
    SchedSession *old = sched_current_session;

    watch_machine();
    session->enabled = true;
    session->running = runstate_is_running();
    sched_helper_start(session);
    qatomic_rcu_set(&sched_current_session, session);
    if (old) {
        call_rcu(old, session_retired, rcu);
    }
    sched_hook_enable(true);
}

static bool check_machine(Error **errp)
{
    if (!sched_arch) {
        error_setg(errp, "the scheduler of Windows is traced on x86_64 "
                   "machines only");
        return false;
    }
    if (sched_machine_is_encrypted()) {
        error_setg(errp, "this guest's memory is encrypted "
                   "(confidential-guest-support), so nothing can be traced");
        return false;
    }
    return true;
}

bool sched_trace_start(const WindowsSchedTraceOptions *opts, Error **errp)
{
    SchedSession *session;
    uint64_t entries;
    int err;

    if (!check_machine(errp)) {
        return false;
    }
    session = session_new(opts);
    err = event_notifier_init(&session->wake, false);
    if (err < 0) {
        error_setg_errno(errp, -err, "no event to wake the helper with");
        goto fail;
    }
    entries = schedlog_entries(opts->has_entries ? opts->entries :
                                                   SCHED_DEFAULT_ENTRIES,
                               session->n_slots);
    session->mem_size = schedlog_store_size(entries);
    session->mem = vmscope_memory_new(session->ring_file, session->mem_size,
                                      errp);
    if (!session->mem) {
        goto fail;
    }
    session_fill(session, entries);
    session_begin(session);
    return true;

fail:
    session_free(session);
    return false;
}

SchedSession *sched_trace_stop(void)
{
    SchedSession *session = sched_current_session;

    if (!session || !session->enabled) {
        return NULL;
    }
    sched_hook_enable(false);
    qatomic_set(&session->enabled, false);
    sched_exact_unwatch(session);
    sched_trace_ref(session);
    /* Pairs with the acquire in the helper. */
    qatomic_store_release(&session->stop, true);
    tell_helper(session);
    return session;
}

static void stop_at_exit(Notifier *notifier, void *data)
{
    SchedSession *session = sched_trace_stop();
    int ms;

    if (!session) {
        return;
    }
    for (ms = 0; ms < EXIT_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->done)) {
            break;
        }
        g_usleep(1000);
    }
    sched_trace_put(session);
}

static void register_exit(void)
{
    exit_notifier.notify = stop_at_exit;
    qemu_add_exit_notifier(&exit_notifier);
}

type_init(register_exit)
