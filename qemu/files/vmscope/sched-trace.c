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
#include "process/process.h"
#include "recorder/keeper-thread.h"
#include "vmscope/compat.h"
#include "sched-options.h"
#include "sched-rip.h"
#include "sched-trace.h"

static void sched_session_free(VmscopeSession *base)
{
    SchedSession *session = container_of(base, SchedSession, base);

    event_notifier_cleanup(&session->wake);
    sched_rip_put(session->rip);
    watch_free(session->watch);
    g_free(session->kernel);
    qapi_free_WindowsSchedTraceOptions(session->opts);
    g_free(session);
}

SchedSession *sched_trace_get(void)
{
    VmscopeSession *base = vmscope_session_get(&sched_trace);

    return base ? container_of(base, SchedSession, base) : NULL;
}

static bool sched_session_read_guest(void *opaque, uint64_t gpa, void *buf,
                                     size_t len)
{
    return sched_memory_read(gpa, buf, len);
}

static SchedSession *sched_session_new(const WindowsSchedTraceOptions *given)
{
    static const GmemOps ops = { .read_phys = sched_session_read_guest };
    SchedSession *session = g_new0(SchedSession, 1);

    vmscope_session_init(&session->base, &sched_trace);
    session->opts = sched_options_new(given);
    session->mode = session->opts->mode;
    session->poll_hz = session->opts->poll_hz;
    session->guest.ops = &ops;
    session->running = runstate_is_running();
    session->n_vcpus = MIN(sched_machine_max_cpus(), SCHED_MAX_VCPUS);
    /* Those that are plugged in later share the ring, too. */
    session->entries = schedlog_entries(given->has_entries ? given->entries :
                                                             0,
                                        sched_machine_cpus());
    return session;
}

static const Evring *sched_session_fill(void *opaque)
{
    SchedSession *session = opaque;
    const WindowsSchedTraceOptions *opts = session->opts;
    const ProcessInfo *process = process_info();
    WatchConfig config = {
        .host = &sched_host,
        .opaque = session,
        .mem = &session->guest,
        .max_vcpus = session->n_vcpus,
        .running = session->running,
        .poll_hz = opts->poll_hz,
        .dense_ms = opts->has_dense_ms ? opts->dense_ms : 0,
        .exact = opts->mode == WINDOWS_SCHED_TRACE_MODE_EXACT,
        .exact_ms = opts->has_exact_ms ? opts->exact_ms : 0,
        .exact_limit = opts->exact_limit,
    };
    RecorderRun run = {
        .pid = getpid(),
        .n_vcpus = session->n_vcpus,
        .load_base = process->load_base,
        .build_id = process->build_id,
        .exe = process->exe,
    };

    if (opts->rip_hz) {
        session->rip = sched_rip_new(opts->rip_hz, session->n_vcpus);
        if (!session->rip) {
            return NULL;
        }
    }
    sched_options_to_winos(opts, &config.winos);
    session->watch = watch_new(&config);
    if (!session->watch) {
        return NULL;
    }
    session->shared = watch_shared(session->watch);
    schedlog_store_init(&session->store, session->base.ring.mem,
                        session->entries, &run, &session->base.ring.keeper,
                        keeper_at_load());
    session->store.tables->poll_hz = session->poll_hz;
    return &session->store.ring;
}

/*
 * What is known of the guest is no longer so.  vCPUs are stopped; also before
 * the state of a snapshot is loaded.
 */
static void sched_session_reset(void *opaque)
{
    SchedSession *session = sched_trace_current();

    if (session && session->base.enabled) {
        watch_reset(session->watch);
    }
}

static void sched_session_state(void *opaque, bool running, RunState state)
{
    SchedSession *session = sched_trace_current();

    if (session && session->base.enabled) {
        watch_set_running(session->watch, running);
    }
}

static void sched_session_follow_machine(void)
{
    static bool following;

    if (!following) {
        following = true;
        qemu_register_reset(sched_session_reset, NULL);
        qemu_add_vm_change_state_handler(sched_session_state, NULL);
    }
}

static bool sched_session_check_machine(Error **errp)
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

/* The machine may have stopped or gone on while the ring was made. */
static bool sched_session_begin(SchedSession *session, Error **errp)
{
    bool running = runstate_is_running();

    sched_session_follow_machine();
    if (running != session->running) {
        watch_set_running(session->watch, running);
    }
    if (!sched_helper_start(session, errp)) {
        schedlog_store_stop(&session->store);
        vmscope_ring_end(&session->base.ring);
        return false;
    }
    vmscope_session_begin(&session->base);
    sched_hook_enable(true);
    return true;
}

bool sched_trace_start(const WindowsSchedTraceOptions *opts, Error **errp)
{
    SchedSession *session;
    int err;

    if (!sched_session_check_machine(errp)) {
        return false;
    }
    session = sched_session_new(opts);
    err = event_notifier_init(&session->wake, false);
    if (err < 0) {
        error_setg_errno(errp, -err, "no event to wake the helper with");
        goto fail;
    }
    if (!vmscope_ring_prepare(&session->base.ring, session->opts->ring_file,
                              schedlog_store_size(session->entries),
                              sched_session_fill, session, errp) ||
        !sched_session_begin(session, errp)) {
        goto fail;
    }
    return true;

fail:
    sched_trace_put(session);
    return false;
}

static VmscopeSession *sched_session_stop(void)
{
    VmscopeSession *base = vmscope_session_end(&sched_trace);
    SchedSession *session;

    if (base) {
        session = container_of(base, SchedSession, base);
        sched_hook_enable(false);
        watch_disarm(session->watch);
        /* Pairs with the acquire in the helper. */
        qatomic_store_release(&session->stop, true);
        event_notifier_set(&session->wake);
    }
    return base;
}

VmscopeTrace sched_trace = {
    .free = sched_session_free,
    .stop = sched_session_stop,
};

static void sched_trace_register(void)
{
    vmscope_trace_register(&sched_trace);
}

type_init(sched_trace_register)
