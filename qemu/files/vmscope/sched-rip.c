/*
 * Windows scheduler trace: what vCPUs execute, asked rip-hz times a second
 *
 * The helper thread asks, the vCPU answers into a ring of its own: records of
 * switches are worth more than samples, and are not to be overwritten by them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "vmscope/compat.h"
#include "sched-rip.h"
#include "sched-trace.h"

/* A vCPU that has not answered after so long never will: it was unplugged. */
#define GIVE_UP_NS (10 * NANOSECONDS_PER_SECOND)

/* While the machine is stopped. */
#define STOPPED_NS (100 * SCALE_MS)

/* What a vCPU needs to know of the kernel; replaced as a whole. */
typedef struct RipView {
    struct rcu_head rcu;
    WinschedRipView view;
} RipView;

typedef struct RipVcpu {
    SchedRip *rip;
    bool asked;                 /* a work item is on its way */
    uint64_t asked_ns;          /* the helper's */
    WinschedThread who;         /* the vCPU's: who was current last */
} RipVcpu;

struct SchedRip {
    int refs;                   /* the session's, and one a work item */
    uint32_t hz;
    unsigned n_vcpus;
    WatchlogRips *rips;
    RipView *view;              /* RCU; NULL: no kernel was known yet */
    uint64_t cost_ns;           /* of vCPUs; written under the BQL */

    /* The helper's. */
    uint64_t base_ns;           /* beginning of the present period */
    uint64_t next_ns;           /* a moment in it */
    uint32_t random;
    uint64_t skipped;           /* a vCPU still had the last one to do */

    RipVcpu vcpus[];
};

SchedRip *sched_rip_new(uint32_t hz, unsigned n_vcpus)
{
    SchedRip *rip = g_malloc0(sizeof(*rip) + n_vcpus * sizeof(RipVcpu));
    unsigned i;

    rip->refs = 1;
    rip->hz = hz;
    rip->n_vcpus = n_vcpus;
    rip->random = hz;
    for (i = 0; i < n_vcpus; i++) {
        rip->vcpus[i].rip = rip;
    }
    rip->rips = watchlog_rips_new();
    if (!rip->rips) {
        sched_rip_put(rip);
        return NULL;
    }
    return rip;
}

void sched_rip_put(SchedRip *rip)
{
    if (rip && qatomic_fetch_dec(&rip->refs) == 1) {
        g_free(rip->view);
        watchlog_rips_free(rip->rips);
        g_free(rip);
    }
}

void sched_rip_found(SchedRip *rip, const WinosResult *result)
{
    RipView *old = rip->view;
    RipView *view = g_new0(RipView, 1);

    winsched_rip_view(&view->view, result);
    qatomic_rcu_set(&rip->view, view);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

/* --- on the vCPU's thread */

static void rip_fill_kernel(SchedSession *session, WinschedRip *sample,
                            RipVcpu *vcpu, uint64_t gs_base)
{
    WatchShared *shared = session->shared;
    WatchSlot *slot = &shared->slots[sample->vcpu];
    const WatchView *view;
    const RipView *rip_view;
    uint64_t thread;
    uint64_t gpa;
    bool idle;

    /* Pairs with the store in watch_slot_begin(): then there is a view. */
    gpa = atomic_load_explicit(&slot->gpa, memory_order_acquire);
    view = atomic_load_explicit(&shared->view, memory_order_acquire);
    if (!view) {
        return;
    }
    sample->has |= WINSCHED_RIP_KERNEL;
    if (gpa == WATCH_NO_GPA || !sched_read_thread(gpa, &thread)) {
        return;
    }
    idle = atomic_load_explicit(&slot->cpu.idle_thread,
                                memory_order_relaxed) == thread;
    winsched_rip_thread(sample, &vcpu->who, &view->ws, thread, idle);
    rip_view = qatomic_rcu_read(&vcpu->rip->view);
    if (rip_view) {
        winsched_rip_dpc(sample, &rip_view->view, gs_base, gpa);
    }
}

static void rip_sample(SchedSession *session, RipVcpu *vcpu, CPUState *cpu)
{
    SchedRip *rip = vcpu->rip;
    WinschedRip sample = {
        .vcpu = cpu->cpu_index,
        .time_ns = clock_now_ns(),
    };
    SchedCode code = {};

    sched_arch->read_code(cpu, &code);
    sample.code = code.code;
    sample.irql = code.irql;
    rip_fill_kernel(session, &sample, vcpu, code.gs_base);
    watchlog_rips_put(rip->rips, &sample);
    qatomic_set(&rip->cost_ns,
                rip->cost_ns + clock_now_ns() - sample.time_ns);
}

/* The session that asked may be over by now, or the machine stopped. */
static void rip_item(CPUState *cpu, run_on_cpu_data data)
{
    RipVcpu *vcpu = data.host_ptr;
    SchedRip *rip = vcpu->rip;

    WITH_RCU_READ_LOCK_GUARD() {
        SchedSession *session = sched_trace_current();

        if (session && session->rip == rip && runstate_is_running() &&
            qatomic_read(&session->base.enabled)) {
            rip_sample(session, vcpu, cpu);
        }
    }
    /* Pairs with the acquire in rip_ask(): who is this thread's until then. */
    qatomic_store_release(&vcpu->asked, false);
    sched_rip_put(rip);
}

/* --- on the helper thread */

static void rip_ask(void *opaque, CPUState *cpu)
{
    SchedRip *rip = opaque;
    RipVcpu *vcpu = &rip->vcpus[cpu->cpu_index];
    uint64_t now = clock_now_ns();

    if (qatomic_load_acquire(&vcpu->asked) &&
        now - vcpu->asked_ns < GIVE_UP_NS) {
        qatomic_set(&rip->skipped, rip->skipped + 1);
        return;
    }
    vcpu->asked_ns = now;
    qatomic_set(&vcpu->asked, true);
    qatomic_inc(&rip->refs);
    async_run_on_cpu(cpu, rip_item, RUN_ON_CPU_HOST_PTR(vcpu));
}

/*
 * Somewhere in the next period: a guest that does the same thing every
 * millisecond would be seen at the same place each time.
 */
static void rip_next(SchedRip *rip, uint64_t now)
{
    uint64_t period = NANOSECONDS_PER_SECOND / rip->hz;

    rip->base_ns += period;
    if (rip->base_ns + period <= now) {
        rip->base_ns = now;
    }
    rip->random = rip->random * 1664525 + 1013904223;
    rip->next_ns = rip->base_ns + period * (rip->random >> 16) / 65536;
}

uint64_t sched_rip_turn(SchedSession *session)
{
    SchedRip *rip = session->rip;
    uint64_t now;

    if (!rip) {
        return WATCH_NEVER;
    }
    now = clock_now_ns();
    if (!runstate_is_running()) {
        return now + STOPPED_NS;
    }
    if (now >= rip->next_ns) {
        sched_cpus_each(rip->n_vcpus, rip_ask, rip);
        rip_next(rip, now);
    }
    return rip->next_ns;
}

/* --- any thread */

const WatchlogRips *sched_rip_samples(const SchedRip *rip)
{
    return rip->rips;
}

uint32_t sched_rip_hz(const SchedRip *rip)
{
    return rip->hz;
}

uint64_t sched_rip_skipped(const SchedRip *rip)
{
    return qatomic_read(&rip->skipped);
}

uint64_t sched_rip_cost_ns(const SchedRip *rip)
{
    return qatomic_read(&rip->cost_ns);
}
