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
#include "qemu/memalign.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "vmscope/compat.h"
#include "sched-rip.h"
#include "sched-trace.h"
#include "winos/extra.h"

#define RIP_ENTRIES 16384

/* A vCPU that has not answered after so long never will: it was unplugged. */
#define GIVE_UP_NS (10 * NANOSECONDS_PER_SECOND)

/* While the machine is stopped. */
#define STOPPED_NS (100 * SCALE_MS)

/* Words of a record. */
enum {
    WORD_TIME,
    WORD_RIP,
    WORD_THREAD,
    WORD_IDS,                   /* pid, and tid from bit 32 on */
    WORD_FLAGS,
    WORD_IMAGE,
    WORD_NAME = WORD_IMAGE + WINSCHED_IMAGE_SIZE / 8,
    N_WORDS = WORD_NAME + WINSCHED_NAME_SIZE / 8,
};

/* WORD_FLAGS: the vCPU, then these; has from bit 32 on. */
enum {
    FLAG_CPL = 16,              /* 2 bits */
    FLAG_IRQL = 18,             /* 4 bits */
    FLAG_PROTECTED = 22,
    FLAG_PAGING = 23,
    FLAG_LONG = 24,
    FLAG_HAS = 32,
};

/* What a vCPU needs to know of the kernel; replaced as a whole. */
typedef struct RipView {
    struct rcu_head rcu;
    GmemSpace space;
    int32_t prcb_at;
    bool prcb_is_pointer;
    int32_t current_thread;     /* in the PRCB */
    int32_t dpc_active;         /* likewise; below 0: not known */
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
    Evring ring;
    EvringHead *head;
    void *slots;
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
    size_t size = RIP_ENTRIES * evring_slot_size(N_WORDS);
    unsigned i;

    rip->refs = 1;
    rip->hz = hz;
    rip->n_vcpus = n_vcpus;
    rip->random = hz;
    rip->head = qemu_memalign(64, sizeof(*rip->head));
    rip->slots = qemu_memalign(64, size);
    memset(rip->head, 0, sizeof(*rip->head));
    memset(rip->slots, 0, size);
    evring_attach(&rip->ring, rip->head, rip->slots, RIP_ENTRIES, N_WORDS);
    for (i = 0; i < n_vcpus; i++) {
        rip->vcpus[i].rip = rip;
    }
    return rip;
}

void sched_rip_put(SchedRip *rip)
{
    if (rip && qatomic_fetch_dec(&rip->refs) == 1) {
        g_free(rip->view);
        qemu_vfree(rip->slots);
        qemu_vfree(rip->head);
        g_free(rip);
    }
}

void sched_rip_found(SchedRip *rip, const WinosResult *result)
{
    const WinosExtra *extra = winos_extra_of(result);
    RipView *old = rip->view;
    RipView *view = g_new0(RipView, 1);

    view->space = result->kernel.space;
    view->prcb_at = result->prcb_at;
    view->prcb_is_pointer = result->prcb_is_pointer;
    view->current_thread = winos_offset(&result->layout,
                                        WINOS_PRCB_CURRENT_THREAD);
    view->dpc_active = extra ? extra->at[WINOS_PRCB_DPC_ROUTINE_ACTIVE]
                             : WINOS_NO_OFFSET;
    qatomic_rcu_set(&rip->view, view);
    if (old) {
        g_free_rcu(old, rcu);
    }
}

/* --- on the vCPU's thread */

/*
 * The PRCB by GS, which is the KPCR but around swapgs; whether it is, the
 * place of CurrentThread tells, which is known.
 */
static bool rip_prcb(const RipView *view, uint64_t gs_base, uint64_t gpa,
                     uint64_t *prcb)
{
    uint64_t found;

    if (view->prcb_at < 0 || view->current_thread < 0) {
        return false;
    }
    *prcb = gs_base + view->prcb_at;
    return (!view->prcb_is_pointer ||
            gmem_read_u64(&view->space, *prcb, prcb)) &&
           gmem_translate(&view->space, *prcb + view->current_thread, &found,
                          NULL, NULL) && found == gpa;
}

/* A DPC runs with the CPU in the kernel, whatever it interrupts. */
static void rip_fill_dpc(SchedRipSample *sample, const RipView *view,
                         uint64_t gs_base, uint64_t gpa)
{
    uint8_t active = 0;
    uint64_t prcb;

    if (!view || view->dpc_active < 0) {
        return;
    }
    if (sample->code.cpl == 0 &&
        (!rip_prcb(view, gs_base, gpa, &prcb) ||
         !gmem_read_u8(&view->space, prcb + view->dpc_active, &active))) {
        return;
    }
    sample->has |= SCHED_RIP_DPC_KNOWN;
    if (active == 1) {
        sample->has |= SCHED_RIP_DPC;
    }
}

/* Mostly it is who it was; then only that is read. */
static bool rip_know_thread(WinschedThread *who, const Winsched *ws,
                            uint64_t thread)
{
    WinschedWindow window;

    winsched_window_init(&window, &ws->space);
    if (who->thread == thread &&
        winsched_thread_unchanged(&window, &ws->layout, who)) {
        return true;
    }
    who->thread = 0;
    return winsched_thread_read(&ws->space, &ws->layout, thread, who);
}

static void rip_fill_thread(SchedRipSample *sample, RipVcpu *vcpu,
                            const WatchSlot *slot, const WatchView *view,
                            uint64_t thread)
{
    const WinschedThread *who = &vcpu->who;

    sample->thread = thread;
    sample->has |= SCHED_RIP_THREAD;
    if (atomic_load_explicit(&slot->cpu.idle_thread,
                             memory_order_relaxed) == thread) {
        sample->has |= SCHED_RIP_IDLE;
    }
    if (!rip_know_thread(&vcpu->who, &view->ws, thread)) {
        return;
    }
    if (who->has & WINSCHED_HAS_IDS) {
        sample->has |= SCHED_RIP_IDS;
        sample->pid = who->pid;
        sample->tid = who->tid;
    }
    if (who->has & WINSCHED_HAS_IMAGE) {
        sample->has |= SCHED_RIP_IMAGE;
        memcpy(sample->image, who->image, sizeof(sample->image));
    }
    if (who->has & WINSCHED_HAS_NAME) {
        sample->has |= SCHED_RIP_NAME;
        memcpy(sample->name, who->name, sizeof(sample->name));
    }
}

static void rip_fill_kernel(SchedSession *session, SchedRipSample *sample,
                            RipVcpu *vcpu, uint64_t gs_base)
{
    WatchShared *shared = session->shared;
    WatchSlot *slot = &shared->slots[sample->vcpu];
    const WatchView *view;
    uint64_t thread;
    uint64_t gpa;

    /* Pairs with the store in watch_slot_begin(): then there is a view. */
    gpa = atomic_load_explicit(&slot->gpa, memory_order_acquire);
    view = atomic_load_explicit(&shared->view, memory_order_acquire);
    if (!view) {
        return;
    }
    sample->has |= SCHED_RIP_KERNEL;
    if (gpa == WATCH_NO_GPA || !sched_read_thread(gpa, &thread)) {
        return;
    }
    rip_fill_thread(sample, vcpu, slot, view, thread);
    rip_fill_dpc(sample, qatomic_rcu_read(&vcpu->rip->view), gs_base, gpa);
}

static void rip_put_text(EvringSlot *slot, unsigned word, const char *text,
                         size_t size)
{
    uint64_t value;
    size_t i;

    for (i = 0; i < size; i += sizeof(value)) {
        memcpy(&value, text + i, sizeof(value));
        evring_put(slot, word++, value);
    }
}

static void rip_record(SchedRip *rip, const SchedRipSample *sample)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&rip->ring, &seq);

    if (!slot) {
        return;
    }
    evring_put(slot, WORD_TIME, sample->time_ns);
    evring_put(slot, WORD_RIP, sample->code.address);
    evring_put(slot, WORD_THREAD, sample->thread);
    evring_put(slot, WORD_IDS, sample->pid | (uint64_t)sample->tid << 32);
    evring_put(slot, WORD_FLAGS,
               (uint64_t)sample->has << FLAG_HAS | sample->vcpu |
               (uint64_t)(sample->code.cpl & 3) << FLAG_CPL |
               (uint64_t)(sample->irql & 15) << FLAG_IRQL |
               (uint64_t)sample->code.protected_mode << FLAG_PROTECTED |
               (uint64_t)sample->code.paging << FLAG_PAGING |
               (uint64_t)sample->code.long_mode << FLAG_LONG);
    rip_put_text(slot, WORD_IMAGE, sample->image, sizeof(sample->image));
    rip_put_text(slot, WORD_NAME, sample->name, sizeof(sample->name));
    evring_commit(slot, seq);
}

static void rip_sample(SchedSession *session, RipVcpu *vcpu, CPUState *cpu)
{
    SchedRip *rip = vcpu->rip;
    SchedRipSample sample = {
        .vcpu = cpu->cpu_index,
        .time_ns = clock_now_ns(),
    };
    SchedCode code = {};

    sched_arch->read_code(cpu, &code);
    sample.code = code.code;
    sample.irql = code.irql;
    rip_fill_kernel(session, &sample, vcpu, code.gs_base);
    rip_record(rip, &sample);
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

const Evring *sched_rip_ring(const SchedRip *rip)
{
    return &rip->ring;
}

EvringRead sched_rip_read(const SchedRip *rip, uint64_t seq,
                          SchedRipSample *sample)
{
    uint64_t words[N_WORDS];
    EvringRead result = evring_read(&rip->ring, seq, words);
    uint64_t flags;

    if (result != EVRING_OK) {
        return result;
    }
    flags = words[WORD_FLAGS];
    *sample = (SchedRipSample) {
        .seq = seq,
        .time_ns = words[WORD_TIME],
        .thread = words[WORD_THREAD],
        .code = {
            .address = words[WORD_RIP],
            .cpl = flags >> FLAG_CPL & 3,
            .protected_mode = flags >> FLAG_PROTECTED & 1,
            .paging = flags >> FLAG_PAGING & 1,
            .long_mode = flags >> FLAG_LONG & 1,
        },
        .pid = (uint32_t)words[WORD_IDS],
        .tid = words[WORD_IDS] >> 32,
        .vcpu = flags & 0xffff,
        .has = flags >> FLAG_HAS,
        .irql = flags >> FLAG_IRQL & 15,
    };
    memcpy(sample->image, &words[WORD_IMAGE], sizeof(sample->image));
    memcpy(sample->name, &words[WORD_NAME], sizeof(sample->name));
    sample->image[sizeof(sample->image) - 1] = '\0';
    sample->name[sizeof(sample->name) - 1] = '\0';
    return EVRING_OK;
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
