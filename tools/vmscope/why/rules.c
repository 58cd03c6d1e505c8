/*
 * why-rules: what the evidence speaks for.
 *
 * Each rule looks at the evidence alone, says how likely it is the cause,
 * and what speaks for it.  Limits are far from what a healthy guest does; a
 * rule whose evidence is missing says nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/why.h"

#include "common/translate.h"
#include "shared/vcpu-count.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From here on it is worth a line; shares of a vCPU's time. */
static const double dpc_much = 0.15;
static const double interrupt_much = 0.10;
static const double host_wait_much = 0.05;
static const double host_run_polling = 0.90;
static const double idle_polling = 0.50;
static const double busy_full = 0.95;
static const double hog_much = 0.80;
static const double busy_nothing = 0.05;

/* Of one vCPU's time, in one driver. */
static const double spin_much = 0.5;

/* Interrupts a second of one vCPU, and of one line. */
static const double interrupts_many = 5000;
static const double line_many = 10000;

/* Of the clock: 64 unless programs ask for more, 2,000 at most. */
static const double clocks_many = 1200;

/* Threads that are ready, for each vCPU. */
static const double ready_many = 1;

/* Weights: what takes time from everybody comes before who uses it. */
static const double weight_polling = 0.5;
static const double weight_full = 0.6;
static const double weight_hog = 0.55;
static const double weight_spin = 0.58;
static const double weight_timer = 0.45;
static const double weight_idle = 0.05;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double at_most_1(double a)
{
    return a < 1 ? a : 1;
}

/* All vCPUs that were seen, together. */
static double busy_of(const WhyEvidence *e, unsigned *n)
{
    double sum = 0;
    unsigned i;

    *n = 0;
    for (i = 0; i < e->n_vcpus; i++) {
        if (e->vcpus[i].seen) {
            sum += e->vcpus[i].busy;
            ++*n;
        }
    }
    return *n ? sum / *n : 0;
}

/* With their device, where the IRQ log tells. */
static void say_line(const WhyEvidence *e, char *text, size_t size)
{
    if (*e->irq_line) {
        snprintf(text, size, _("; most often raised: %s, %.0f times a second"),
                 e->irq_line, e->irq_line_rate);
    } else if (e->irq_on) {
        snprintf(text, size, _("; the IRQ log saw none, so they do not come "
                               "from QEMU's devices"));
    } else {
        snprintf(text, size, _("; which device is not known, as the IRQ log "
                               "is off"));
    }
}

static double judge_dpcs(const WhyEvidence *e, WhyCause *cause)
{
    unsigned worst = 0;
    unsigned i;

    for (i = 0; i < e->n_vcpus; i++) {
        worst = e->vcpus[i].dpc > e->vcpus[worst].dpc ? i : worst;
    }
    if (e->vcpus[worst].dpc < dpc_much) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("DPCs take %.0f%% of vCPU %u (by Windows' ticks): a driver "
               "works too long at raised IRQL"),
             100 * e->vcpus[worst].dpc, worst);
    snprintf(cause->next, sizeof(cause->next),
             _("vmscope irq --summary, for the device that interrupts most"));
    return at_most_1(0.6 + e->vcpus[worst].dpc);
}

static double judge_interrupts(const WhyEvidence *e, WhyCause *cause)
{
    unsigned worst = 0;
    char line[WHY_TEXT / 2];
    unsigned i;
    const WhyVcpu *vcpu;

    for (i = 0; i < e->n_vcpus; i++) {
        worst = e->vcpus[i].interrupt > e->vcpus[worst].interrupt ? i : worst;
    }
    vcpu = &e->vcpus[worst];
    if (vcpu->interrupt < interrupt_much && e->irq_line_rate < line_many) {
        return 0;
    }
    say_line(e, line, sizeof(line));
    if (vcpu->interrupt < interrupt_much) {
        snprintf(cause->text, sizeof(cause->text),
                 _("an interrupt storm: %.0f interrupts a second%s"),
                 e->irqs, line);
    } else {
        snprintf(cause->text, sizeof(cause->text),
                 _("interrupts take %.0f%% of vCPU %u (by Windows' ticks)%s"),
                 100 * vcpu->interrupt,
                 worst, line);
    }
    snprintf(cause->next, sizeof(cause->next), _("vmscope irq --summary%s"),
             e->irq_on ? "" : _(", in a QEMU with the IRQ log"));
    return at_most_1(larger(0.65 + vcpu->interrupt,
                            e->irq_line_rate >= line_many ? 0.7 : 0));
}

static double judge_rate(const WhyEvidence *e, WhyCause *cause)
{
    unsigned worst = 0;
    unsigned i;

    for (i = 0; i < e->n_vcpus; i++) {
        worst = e->vcpus[i].interrupts > e->vcpus[worst].interrupts
            ? i : worst;
    }
    if (e->vcpus[worst].interrupts < interrupts_many) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("vCPU %u takes %.0f interrupts a second (Windows' timer needs "
               "64 to 2,000): a device, or timers and IPIs, keep it from its "
               "work"), worst,
             e->vcpus[worst].interrupts);
    snprintf(cause->next, sizeof(cause->next), _("vmscope irq --summary"));
    return 0.4;
}

static double judge_timer(const WhyEvidence *e, WhyCause *cause)
{
    char vcpus[VCPU_COUNT_MAX];
    unsigned worst = 0;
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < e->n_vcpus; i++) {
        worst = e->vcpus[i].clocks > e->vcpus[worst].clocks ? i : worst;
        n += e->vcpus[i].clocks >= clocks_many;
    }
    if (!n) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("the guest's clock interrupts %s more than %.0f times a "
               "second (vCPU %u: %.0f): a program has asked for a fine timer "
               "resolution, and each interrupt costs exits"),
             vcpu_count(n, vcpus), clocks_many, worst,
             e->vcpus[worst].clocks);
    snprintf(cause->next, sizeof(cause->next),
             _("powercfg /energy in the guest, which names the program; the "
               "hv-stimer enlightenment"));
    return weight_timer;
}

static double judge_steal(const WhyEvidence *e, WhyCause *cause)
{
    unsigned worst = 0;
    unsigned i;

    for (i = 0; i < e->n_vcpus; i++) {
        worst = e->vcpus[i].host_wait > e->vcpus[worst].host_wait ? i : worst;
    }
    if (!e->vcpus[worst].has_host ||
        e->vcpus[worst].host_wait < host_wait_much) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("the host let vCPU %u wait for a CPU %.0f%% of the time: the "
               "host has too much to do, not the guest"),
             worst, 100 * e->vcpus[worst].host_wait);
    snprintf(cause->next, sizeof(cause->next),
             _("top on the host; pin vCPUs to CPUs of their own, or run less "
               "beside them"));
    return at_most_1(0.75 + e->vcpus[worst].host_wait / 2);
}

static double judge_polling(const WhyEvidence *e, WhyCause *cause)
{
    unsigned i;

    for (i = 0; i < e->n_vcpus; i++) {
        const WhyVcpu *vcpu = &e->vcpus[i];

        if (vcpu->has_host && vcpu->seen &&
            vcpu->host_run >= host_run_polling && vcpu->idle >= idle_polling) {
            snprintf(cause->text, sizeof(cause->text),
                     _("vCPU %u uses %.0f%% of a host CPU while Windows is "
                       "idle %.0f%% of the time: the guest polls instead of "
                       "halting"),
                     i,
                     100 * vcpu->host_run, 100 * vcpu->idle);
            snprintf(cause->next, sizeof(cause->next),
                     _("see whether the guest's power settings turn idle "
                       "states off, and whether -overcommit cpu-pm=on is "
                       "given"));
            return weight_polling;
        }
    }
    return 0;
}

static double judge_full(const WhyEvidence *e, WhyCause *cause)
{
    unsigned n;
    double busy = busy_of(e, &n);

    if (!n || busy < busy_full || e->ready < ready_many * n) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("no vCPU is free: all %u are busy %.0f%% of the time, and on "
               "average %.1f threads that could run wait for one"),
             n, 100 * busy, e->ready);
    snprintf(cause->next, sizeof(cause->next),
             _("vmscope top, for who uses them; give the VM more vCPUs if "
               "that is what it is for"));
    return weight_full;
}

static double judge_hog(const WhyEvidence *e, WhyCause *cause)
{
    unsigned n;

    busy_of(e, &n);
    if (!n || e->hog_vcpus < hog_much) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("%s (%" PRIu32 ") uses %.2f of %u vCPUs; its busiest thread, "
               "%s, uses %.2f"),
             e->hog,
             e->hog_pid, e->hog_vcpus, n, e->hog_thread,
             e->hog_thread_vcpus);
    snprintf(cause->next, sizeof(cause->next),
             _("vmscope top --filter %" PRIu32 "; vmscope why %" PRIu32),
             e->hog_pid, e->hog_pid);
    return at_most_1(weight_hog + 0.3 * e->hog_vcpus / n);
}

static double judge_spin(const WhyEvidence *e, WhyCause *cause)
{
    if (e->spin_vcpus < spin_much) {
        return 0;
    }
    if (*e->spin_export) {
        snprintf(cause->text, sizeof(cause->text),
                 _("the driver %.100s runs for %.2f of the vCPUs' time, %.0f%% "
                   "of that at raised IRQL, most behind its export %.100s: it "
                   "spins, or has too much to do"), e->spin_driver,
                 e->spin_vcpus, 100 * e->spin_raised, e->spin_export);
    } else {
        snprintf(cause->text, sizeof(cause->text),
                 _("the driver %.100s runs for %.2f of the vCPUs' time, %.0f%% "
                   "of that at raised IRQL: it spins, or has too much to do"),
                 e->spin_driver, e->spin_vcpus, 100 * e->spin_raised);
    }
    snprintf(cause->next, sizeof(cause->next),
             _("vmscope profile --by export; vmscope profile --by thread"));
    return at_most_1(weight_spin + e->spin_vcpus / 5);
}

static double judge_idle(const WhyEvidence *e, WhyCause *cause)
{
    unsigned n;
    double busy = busy_of(e, &n);

    if (!n || busy >= busy_nothing) {
        return 0;
    }
    snprintf(cause->text, sizeof(cause->text),
             _("the vCPUs are idle %.0f%% of the time: if something is slow, "
               "it waits for a disk, the network, or another thread"),
             100 * (1 - busy));
    snprintf(cause->next, sizeof(cause->next),
             _("vmscope why PID, of what is slow"));
    return weight_idle;
}

typedef struct Rule {
    const char *name;
    /* Returns the weight; 0: it is not so, or nobody can tell. */
    double (*judge)(const WhyEvidence *evidence, WhyCause *cause);
} Rule;

static const Rule rules[] = {
    { "host-steal", judge_steal },
    { "interrupt-storm", judge_interrupts },
    { "dpc-storm", judge_dpcs },
    { "no-vcpu-free", judge_full },
    { "cpu-hog", judge_hog },
    { "driver-spin", judge_spin },
    { "idle-polling", judge_polling },
    { "timer-flood", judge_timer },
    { "interrupt-rate", judge_rate },
    { "all-idle", judge_idle },
};

enum { N_RULES = sizeof(rules) / sizeof(*rules) };

static int by_weight(const void *a, const void *b)
{
    const WhyCause *x = a;
    const WhyCause *y = b;

    return x->weight < y->weight ? 1 : x->weight > y->weight ? -1 : 0;
}

unsigned why_judge(const WhyEvidence *evidence, WhyCause *causes)
{
    WhyCause all[N_RULES];
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < N_RULES; i++) {
        all[n].rule = rules[i].name;
        all[n].weight = rules[i].judge(evidence, &all[n]);
        n += all[n].weight > 0;
    }
    qsort(all, n, sizeof(*all), by_weight);
    n = n < WHY_MAX_CAUSES ? n : WHY_MAX_CAUSES;
    memcpy(causes, all, n * sizeof(*causes));
    return n;
}
