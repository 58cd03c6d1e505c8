/*
 * Windows scheduler trace: what the engine asks of QEMU
 *
 * Read-side sections and grace periods are RCU's; what is to be done on a
 * vCPU's thread is a work item.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "watchlog/watchlog.h"
#include "sched-rip.h"
#include "sched-trace.h"
#include "sched-watch.h"

/* --- vCPUs and their registers */

static unsigned host_vcpus(void *opaque, bool *present, unsigned max)
{
    return sched_cpus_present(present, max);
}

static bool host_ask_regs(void *opaque, const bool *wanted, unsigned max)
{
    SchedSession *session = opaque;

    return sched_regs_ask(&session->asker, wanted, max);
}

static unsigned host_collect_regs(void *opaque, WinosRegs *regs, unsigned max,
                                  unsigned wait_ms, bool *pending,
                                  uint64_t *longest_ns)
{
    SchedSession *session = opaque;

    return sched_regs_collect(&session->asker, regs, wait_ms, pending,
                              longest_ns);
}

static void host_cancel_regs(void *opaque)
{
    SchedSession *session = opaque;

    sched_asker_end(&session->asker);
}

/* --- time */

static uint64_t host_now_ns(void *opaque)
{
    return clock_now_ns();
}

static uint64_t host_stamp(void *opaque)
{
    SchedSession *session = opaque;

    return clock_stamp(&session->store.clock);
}

static uint64_t host_stamps_to_ns(void *opaque, uint64_t stamps)
{
    SchedSession *session = opaque;
    const ClockMap *map = session->store.map;
    uint64_t now = clock_stamp(&session->store.clock);

    return clock_map_ns(map, now) - clock_map_ns(map, now - stamps);
}

static uint64_t host_cpu_wait_ns(void *opaque)
{
    return watch_linux_wait_ns();
}

/* --- memory */

bool sched_read_thread(uint64_t gpa, uint64_t *thread)
{
    uint64_t raw;

    if (!sched_memory_read(gpa, &raw, sizeof(raw))) {
        return false;
    }
    *thread = le64_to_cpu(raw);
    return true;
}

static void host_sample(void *opaque, const uint64_t *gpas, uint64_t *threads,
                        bool *ok, unsigned n)
{
    unsigned i;

    RCU_READ_LOCK_GUARD();
    for (i = 0; i < n; i++) {
        ok[i] = sched_read_thread(gpas[i], &threads[i]);
    }
}

static const uint64_t *host_map(void *opaque, uint64_t gpa)
{
    return sched_memory_map(gpa, sizeof(uint64_t));
}

static uint64_t host_reads(void *opaque)
{
    return sched_memory_reads();
}

static void host_read_begin(void *opaque)
{
    rcu_read_lock();
}

static void host_read_end(void *opaque)
{
    rcu_read_unlock();
}

static void host_grace(void *opaque)
{
    synchronize_rcu();
}

/* --- what the engine tells */

static void host_wake(void *opaque)
{
    SchedSession *session = opaque;

    event_notifier_set(&session->wake);
}

static void host_record(void *opaque, const WinschedSwitch *sw)
{
    SchedSession *session = opaque;
    SchedlogEvent event;

    if (session->base.ring.is_file) {
        guard_thread();
    }
    watchlog_event(&event, sw);
    schedlog_store_record(&session->store, &event);
}

/* Whoever reads the ring file learns of the kernel, too. */
static void host_found(void *opaque, const WinosResult *result)
{
    SchedSession *session = opaque;

    if (!session->kernel) {
        session->kernel = g_new(SchedlogGuest, 1);
    }
    watchlog_guest(session->kernel, result, host_stamp(session));
    schedlog_store_add_guest(&session->store, session->kernel);
    if (session->rip) {
        sched_rip_found(session->rip, result);
    }
}

/* --- exact mode */

/* Under RCU.  Returns: NULL when that vCPU is not traced now. */
static SchedSession *host_session_of(CPUState *cpu)
{
    SchedSession *session = sched_trace_current();

    return session && qatomic_read(&session->base.enabled) &&
           (unsigned)cpu->cpu_index < session->shared->n_slots ? session :
                                                                 NULL;
}

static void host_watch_store(CPUState *cpu)
{
    SchedSession *session;

    RCU_READ_LOCK_GUARD();
    session = host_session_of(cpu);
    if (session) {
        watch_store(session->watch, cpu->cpu_index);
    }
}

static void host_watch_hit(CPUState *cpu)
{
    SchedSession *session;

    RCU_READ_LOCK_GUARD();
    session = host_session_of(cpu);
    if (session) {
        watch_hit(session->watch, cpu->cpu_index);
    }
}

static const SchedWatcher watcher = {
    .store = host_watch_store,
    .hit = host_watch_hit,
};

static void host_register_watcher(void)
{
    sched_watcher = &watcher;
}

type_init(host_register_watcher)

/* Work items; the session that asked for them may be gone by now. */
static void host_arm_item(CPUState *cpu)
{
    SchedSession *session;

    RCU_READ_LOCK_GUARD();
    session = host_session_of(cpu);
    if (session) {
        watch_vcpu_work(session->watch, cpu->cpu_index, WATCH_WORK_ARM);
    } else {
        sched_watch_arch->watch(cpu, 0);
    }
}

static void host_verify_item(CPUState *cpu)
{
    SchedSession *session;

    RCU_READ_LOCK_GUARD();
    session = host_session_of(cpu);
    if (session) {
        watch_vcpu_work(session->watch, cpu->cpu_index, WATCH_WORK_VERIFY);
    }
}

static void host_run_on_vcpus(void *opaque, const bool *wanted, unsigned max,
                              WatchWork work)
{
    sched_cpus_run(wanted, max, work == WATCH_WORK_ARM ? host_arm_item :
                                                         host_verify_item);
}

/* Under RCU.  One thread of TCG's may have the work items of all vCPUs. */
static CPUState *host_cpu_of(unsigned vcpu)
{
    return current_cpu && (unsigned)current_cpu->cpu_index == vcpu ?
           current_cpu : qemu_get_cpu(vcpu);
}

static int host_arm(void *opaque, unsigned vcpu, uint64_t gva)
{
    CPUState *cpu = host_cpu_of(vcpu);

    return cpu ? sched_watch_arch->watch(cpu, gva) : -ENODEV;
}

static bool host_hit_pending(void *opaque, unsigned vcpu)
{
    CPUState *cpu = host_cpu_of(vcpu);

    return cpu && sched_watch_arch->hit_may_come(cpu);
}

static void host_exact_changed(void *opaque, bool holds)
{
    SchedSession *session = opaque;

    qatomic_set(&session->exact, holds);
    if (session->base.ring.is_file) {
        guard_thread();
    }
    atomic_store_explicit(&session->store.tables->exact, holds,
                          memory_order_relaxed);
}

const WatchHost sched_host = {
    .vcpus = host_vcpus,
    .ask_regs = host_ask_regs,
    .collect_regs = host_collect_regs,
    .cancel_regs = host_cancel_regs,
    .now_ns = host_now_ns,
    .stamp = host_stamp,
    .stamps_to_ns = host_stamps_to_ns,
    .cpu_wait_ns = host_cpu_wait_ns,
    .sample = host_sample,
    .map = host_map,
    .reads = host_reads,
    .read_begin = host_read_begin,
    .read_end = host_read_end,
    .grace = host_grace,
    .wake = host_wake,
    .record = host_record,
    .found = host_found,
    .run_on_vcpus = host_run_on_vcpus,
    .arm = host_arm,
    .hit_pending = host_hit_pending,
    .exact_changed = host_exact_changed,
};
