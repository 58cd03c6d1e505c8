/*
 * why-evidence: what a VM does for a while, in figures.
 *
 * From the scheduler trace who runs; from Windows' counters what its CPUs
 * do; from the host how it lets the vCPUs run, where its process is to be seen;
 * and from the IRQ log, when it is on, who interrupts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/why.h"

#include "common/map.h"
#include "common/message.h"
#include "common/translate.h"
#include "irq/rates.h"
#include "shared/cpu-times.h"
#include "shared/display.h"
#include "source/host-times.h"
#include "source/irq-feed.h"
#include "source/qmp-wait.h"
#include "source/sched-feed.h"
#include "why/spin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often is looked, at most: so many switches fit into the ring. */
static const uint64_t look_every_ns = 1000000000;

/* What a process, or a thread, had all the time. */
typedef struct Sum {
    char name[WHY_WHO];
    uint32_t pid;
    uint64_t ns;
} Sum;

typedef struct Sums {
    Sum *list;
    size_t n;
    size_t room;
    Map index;                  /* to index + 1 */
} Sums;

typedef struct Looking {
    Qmp *qmp;
    WhyEvidence *evidence;
    SchedFeed feed;
    CpuTimes times;
    IrqFeed irq;
    bool irq_known;
    IrqRates rates;
    bool irq_whole;
    uint64_t begin_ns;          /* of QEMU's clock */
    uint64_t irq_begin;         /* interrupts recorded */
    HostTimes *host;
    WhySpin spin;
    Sums processes;
    Sums threads;
    uint64_t busy_ns[WHY_VCPUS];
    uint64_t idle_ns[WHY_VCPUS];
    uint64_t switches;
    uint64_t ready;             /* sum over looks */
    unsigned looks;
} Looking;

static Sum *sum_of(Sums *sums, uint64_t key)
{
    uint32_t found = map_get(&sums->index, key);

    if (found) {
        return &sums->list[found - 1];
    }
    sums->list = grow(sums->list, sums->n, &sums->room, sizeof(*sums->list));
    sums->list[sums->n] = (Sum) { .ns = 0 };
    map_put(&sums->index, key, (uint32_t)++sums->n);
    return &sums->list[sums->n - 1];
}

static void add_thread(Looking *looking, const ShareThread *thread)
{
    Sum *process = sum_of(&looking->processes, (uint64_t)thread->pid + 1);
    Sum *one = sum_of(&looking->threads, thread->thread ^
                      (uint64_t)thread->tid << 1 ^ 1);
    char whole[512];
    char fitting[DISPLAY_ROOM(40)];

    display_fit(fitting, thread->image, 40);
    snprintf(process->name, sizeof(process->name), "%.*s",
             (int)sizeof(process->name) - 1, fitting);
    process->pid = thread->pid;
    process->ns += thread->run_ns;
    snprintf(whole, sizeof(whole), "%s%s%" PRIu32, thread->name,
             *thread->name ? _(", thread ") : _("thread "), thread->tid);
    display_fit(fitting, whole, 40);
    snprintf(one->name, sizeof(one->name), "%.*s",
             (int)sizeof(one->name) - 1, fitting);
    one->pid = thread->pid;
    one->ns += thread->run_ns;
}

/* Ready, and on no vCPU: it could run, if there was one free. */
static bool is_ready(const ShareThread *thread)
{
    static const char *const words[] = {
        "Ready", "DeferredReady", "WrPreempted", "WrQuantumEnd",
        "WrDispatchInt", "WrYieldExecution",
    };
    size_t i;

    if (thread->vcpu >= 0 || thread->idle) {
        return false;
    }
    for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcmp(thread->left, words[i])) {
            return true;
        }
    }
    return false;
}

static void add_interval(Looking *looking)
{
    const Shares *shares = &looking->feed.shares;
    size_t i;

    for (i = 0; i < shares->n_threads; i++) {
        const ShareThread *thread = &shares->threads[i];

        if (thread->run_ns && !thread->idle && thread->has_ids) {
            add_thread(looking, thread);
        }
        looking->ready += is_ready(thread);
    }
    for (i = 0; i < shares->n_vcpus && i < WHY_VCPUS; i++) {
        looking->evidence->vcpus[i].seen |= shares->vcpus[i].seen;
        looking->busy_ns[i] += shares->vcpus[i].busy_ns;
        looking->idle_ns[i] += shares->vcpus[i].idle_ns;
        if (looking->evidence->n_vcpus < i + 1) {
            looking->evidence->n_vcpus = (unsigned)i + 1;
        }
    }
    looking->switches += shares->switches;
    looking->evidence->lost += shares->lost;
    looking->looks++;
}

/* Interrupts: only rates of a sample where there are many. */

static bool take_irq(void *opaque, const IrqEntry *entry,
                     const json_t *object, uint64_t lost)
{
    (void)object;
    (void)lost;
    if (entry) {
        irq_rates_add(opaque, entry);
    }
    return true;
}

static bool begin(Looking *looking, Err *err)
{
    TraceHost span;
    unsigned i;

    if (!sched_feed_begin(&looking->feed, looking->qmp, err) ||
        !cpu_times_look(&looking->times, looking->qmp, err)) {
        return false;
    }
    looking->begin_ns = sched_feed_now_ns(&looking->feed);
    why_spin_begin(&looking->spin, looking->qmp);
    looking->host = host_times_new(looking->qmp);
    for (i = 0; i < HOST_TIMES_VCPUS; i++) {
        host_times_read(looking->host, i, &span);
    }
    looking->irq_known = irq_feed_begin(&looking->irq, looking->qmp, NULL,
                                        err);
    if (looking->irq_known) {
        looking->irq_begin = irq_feed_recorded(&looking->irq);
    }
    return looking->irq_known ||
           qmp_failure(looking->qmp) == QMP_UNKNOWN ||
           qmp_failure(looking->qmp) == QMP_REFUSED;
}

static bool look(Looking *looking, uint64_t for_ns, Err *err)
{
    uint64_t now = wait_now_ns();
    uint64_t end = now + for_ns;

    while (now < end) {
        now = now + look_every_ns < end ? now + look_every_ns : end;
        if (!wait_until(now)) {
            err_set(err, ERR_IO, "interrupted");
            return false;
        }
        if (!sched_feed_next(&looking->feed, err)) {
            return false;
        }
        add_interval(looking);
        why_spin_look(&looking->spin);
    }
    return cpu_times_look(&looking->times, looking->qmp, err) &&
           (!looking->irq_known ||
            irq_feed_sample(&looking->irq, take_irq, &looking->rates,
                            &looking->irq_whole, err));
}

/* What it comes to. */

/* As of its last reading, which was at the beginning. */
static void settle_host(const Looking *looking, WhyVcpu *vcpu, unsigned i)
{
    TraceHost span;

    if (i < HOST_TIMES_VCPUS && host_times_read(looking->host, i, &span) &&
        span.to_ns > span.from_ns) {
        double length = (double)(span.to_ns - span.from_ns);

        vcpu->has_host = true;
        vcpu->host_run = (double)span.run_ns / length;
        vcpu->host_wait = (double)span.wait_ns / length;
    }
}

static void settle_ticks(const Looking *looking, WhyVcpu *vcpu, unsigned i)
{
    const CpuTime *time = cpu_times_of(&looking->times, i);

    if (!time) {
        return;
    }
    vcpu->has_ticks = true;
    vcpu->user = cpu_time_percent(time, CPU_TICK_USER) / 100;
    vcpu->kernel = cpu_time_percent(time, CPU_TICK_KERNEL) / 100;
    vcpu->dpc = cpu_time_percent(time, CPU_TICK_DPC) / 100;
    vcpu->interrupt = cpu_time_percent(time, CPU_TICK_INTERRUPT) / 100;
    vcpu->tick_idle = cpu_time_percent(time, CPU_TICK_IDLE) / 100;
    vcpu->interrupts = (double)time->interrupts * 1e9 /
                       (double)looking->times.length_ns;
    vcpu->clocks = (double)time->clocks * 1e9 /
                   (double)looking->times.length_ns;
}

static const Sum *largest(const Sums *sums, bool any, uint32_t pid)
{
    const Sum *best = NULL;
    size_t i;

    for (i = 0; i < sums->n; i++) {
        if ((any || sums->list[i].pid == pid) &&
            (!best || sums->list[i].ns > best->ns)) {
            best = &sums->list[i];
        }
    }
    return best;
}

static void settle_hog(const Looking *looking, WhyEvidence *evidence,
                       double ns)
{
    const Sum *process = largest(&looking->processes, true, 0);
    const Sum *thread;

    if (!process) {
        return;
    }
    thread = largest(&looking->threads, false, process->pid);
    memcpy(evidence->hog, process->name, sizeof(evidence->hog));
    evidence->hog_pid = process->pid;
    evidence->hog_vcpus = (double)process->ns / ns;
    if (thread) {
        memcpy(evidence->hog_thread, thread->name,
               sizeof(evidence->hog_thread));
        evidence->hog_thread_vcpus = (double)thread->ns / ns;
    }
}

static void settle_irqs(Looking *looking, WhyEvidence *evidence)
{
    uint64_t recorded = irq_feed_recorded(&looking->irq);
    const IrqRates *rates = &looking->rates;

    evidence->irq_on = irq_feed_is_on(&looking->irq);
    if (!evidence->irq_on || recorded <= looking->irq_begin) {
        return;
    }
    evidence->irqs = (double)(recorded - looking->irq_begin) /
                     evidence->seconds;
    irq_rates_sort(&looking->rates);
    if (rates->lines.n && rates->events) {
        const IrqRate *line = &rates->lines.rates[0];

        snprintf(evidence->irq_line, sizeof(evidence->irq_line), "%s",
                 line->label);
        evidence->irq_line_rate = evidence->irqs * (double)line->events /
                                  (double)rates->events;
    }
}

static void settle(Looking *looking, WhyEvidence *evidence)
{
    uint64_t end = sched_feed_now_ns(&looking->feed);
    double ns = (double)(end > looking->begin_ns
                         ? end - looking->begin_ns : 1);
    unsigned i;

    evidence->seconds = ns / 1e9;
    for (i = 0; i < evidence->n_vcpus; i++) {
        WhyVcpu *vcpu = &evidence->vcpus[i];

        vcpu->busy = (double)looking->busy_ns[i] / ns;
        vcpu->idle = (double)looking->idle_ns[i] / ns;
        settle_ticks(looking, vcpu, i);
        settle_host(looking, vcpu, i);
    }
    evidence->switches = (double)looking->switches / evidence->seconds;
    evidence->ready = looking->looks
        ? (double)looking->ready / looking->looks : 0;
    settle_hog(looking, evidence, ns);
    why_spin_settle(&looking->spin, evidence);
    if (looking->irq_known) {
        settle_irqs(looking, evidence);
    }
}

static void sums_release(Sums *sums)
{
    map_clear(&sums->index);
    free(sums->list);
}

bool why_look(Qmp *qmp, uint64_t for_ns, WhyEvidence *evidence, Err *err)
{
    Looking *looking = calloc(1, sizeof(*looking));
    bool ok;

    if (!looking) {
        die_no_memory();
    }
    memset(evidence, 0, sizeof(*evidence));
    looking->qmp = qmp;
    looking->evidence = evidence;
    ok = begin(looking, err) && look(looking, for_ns, err);
    if (ok) {
        settle(looking, evidence);
    }
    host_times_free(looking->host);
    sched_feed_end(&looking->feed);
    irq_feed_end(&looking->irq);
    irq_rates_clear(&looking->rates);
    cpu_times_release(&looking->times);
    why_spin_end(&looking->spin);
    sums_release(&looking->processes);
    sums_release(&looking->threads);
    free(looking);
    return ok;
}
