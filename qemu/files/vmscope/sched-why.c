/*
 * Windows scheduler trace: where time goes, what threads wait for, and which
 * drivers serve interrupts
 *
 * All are read out of the guest when they are asked for, by what the trace
 * has found.  Queries run out-of-band too: they take no lock of QEMU's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "base/safe-text.h"
#include "winos/interrupts.h"
#include "winos/time.h"
#include "winsched/times.h"
#include "winsched/waits.h"
#include "vmscope/compat.h"
#include "sched-machine.h"
#include "sched-trace.h"

/* Threads of a reply. */
#define MAX_WAITS 512
#define MAX_TIMES 1024

/* What a question needs, from why_begin() to why_end(). */
typedef struct Why {
    SchedSession *session;
    WatchStatus *findings;
    const WinosExtra *extra;    /* NULL: of this kernel nothing is known */
    WinosCpu *cpus;
    unsigned n_cpus;
} Why;

static bool why_fill_cpu(const WinosResult *result, unsigned index,
                         const WatchVcpuStatus *vcpu, WinosCpu *cpu)
{
    int32_t idle = winos_offset(&result->layout, WINOS_PRCB_IDLE_THREAD);

    cpu->vcpu = index;
    cpu->kpcr = vcpu->kpcr;
    cpu->number = vcpu->number;
    cpu->idle_thread = 0;
    return vcpu->known && winos_cpu_prcb(result, vcpu->kpcr, &cpu->prcb) &&
           (idle < 0 || gmem_read_u64(&result->kernel.space,
                                      cpu->prcb + idle, &cpu->idle_thread));
}

static void why_find_cpus(Why *why)
{
    unsigned n = why->session->shared->n_slots;
    unsigned i;

    why->cpus = g_new0(WinosCpu, n);
    for (i = 0; i < n; i++) {
        WatchVcpuStatus vcpu;

        watch_vcpu_status(why->session->watch, i, &vcpu);
        if (why_fill_cpu(&why->findings->result, i, &vcpu,
                         &why->cpus[why->n_cpus])) {
            why->n_cpus++;
        }
    }
}

static void why_end(Why *why)
{
    g_free(why->cpus);
    g_free(why->findings);
    sched_trace_put(why->session);
}

/* Inside of a read-side section that lasts until why_end(). */
static bool why_begin(Why *why, Error **errp)
{
    *why = (Why) { .session = sched_trace_get() };
    if (!why->session || !qatomic_read(&why->session->base.enabled)) {
        error_setg(errp, "the scheduler trace is off: turn it on with "
                   "windows-sched-trace-set");
        if (why->session) {
            sched_trace_put(why->session);
        }
        return false;
    }
    why->findings = g_new(WatchStatus, 1);
    watch_status(why->session->watch, why->findings);
    if (!why->findings->found) {
        error_setg(errp, "no Windows kernel was found yet");
        why_end(why);
        return false;
    }
    gmem_fresh(why->findings->result.kernel.space.mem);
    why->extra = winos_extra_of(&why->findings->result);
    why_find_cpus(why);
    return true;
}

static WindowsVcpuTime *vcpu_time_new(unsigned vcpu, const WinosCpuTime *from)
{
    WindowsVcpuTime *to = g_new0(WindowsVcpuTime, 1);

    to->vcpu = vcpu;
    to->user = from->user;
    to->kernel = from->kernel;
    to->dpc = from->dpc;
    to->interrupt = from->interrupt;
    to->idle = from->idle;
    to->interrupts = from->interrupts;
    to->dpcs = from->dpcs;
    to->has_clock_interrupts = from->has_clocks;
    to->clock_interrupts = from->clocks;
    to->in_dpc = from->in_dpc;
    return to;
}

/* The other measure: what polling has found that vCPU to do. */
static void fill_samples(WindowsVcpuTime *to, const Watch *watch)
{
    uint64_t counts[WATCH_N_DOING];

    if (!watch_doing(watch, to->vcpu, counts)) {
        return;
    }
    to->has_samples_thread = to->has_samples_dpc = true;
    to->has_samples_interrupt = to->has_samples_idle = true;
    to->samples_thread = counts[WATCH_DOES_THREAD];
    to->samples_dpc = counts[WATCH_DOES_DPC];
    to->samples_interrupt = counts[WATCH_DOES_INTERRUPT];
    to->samples_idle = counts[WATCH_DOES_IDLE];
}

static void fill_times(WindowsCpuTime *to, const Why *why)
{
    const WinosResult *result = &why->findings->result;
    unsigned i = why->n_cpus;
    WinosClock clock;
    Err err = {};

    if (winos_clock_read(result, &clock)) {
        to->has_ticks = to->has_tick_ns = true;
        to->ticks = clock.ticks;
        to->tick_ns = clock.tick_ns;
    }
    if (!why->extra) {
        err_set(&err, ERR_FORMAT, "where this kernel keeps its times is not "
                "known");
    }
    while (why->extra && i--) {
        const WinosCpu *cpu = &why->cpus[i];
        WinosCpuTime time;

        if (winos_time_read(result, why->extra, cpu->prcb, cpu->idle_thread,
                            &time, &err)) {
            QAPI_LIST_PREPEND(to->vcpus, vcpu_time_new(cpu->vcpu, &time));
            fill_samples(to->vcpus->value, why->session->watch);
        }
    }
    if (err.code) {
        QAPI_SET_PTR(to, reason, g_strdup(err.text));
    }
}

WindowsCpuTime *qmp_query_windows_cpu_time(Error **errp)
{
    WindowsCpuTime *to;
    Why why;

    RCU_READ_LOCK_GUARD();
    if (!why_begin(&why, errp)) {
        return NULL;
    }
    watch_ask_doing(why.session->watch);
    to = g_new0(WindowsCpuTime, 1);
    to->monotonic_ns = clock_now_ns();
    fill_times(to, &why);
    why_end(&why);
    return to;
}

static WindowsInterruptRoutine *routine_new(const WinosInterrupt *from)
{
    WindowsInterruptRoutine *to = g_new0(WindowsInterruptRoutine, 1);

    to->object = from->object;
    to->service_routine = from->routine;
    if (from->module) {
        QAPI_SET_PTR(to, driver, g_strdup(from->module->name));
        to->has_driver_offset = true;
        to->driver_offset = from->routine - from->module->base;
    }
    if (from->owner) {
        QAPI_SET_PTR(to, device_driver, g_strdup(from->owner->name));
    }
    to->irql = from->irql;
    to->mode = from->mode == WINOS_INTERRUPT_LEVEL
        ? WINDOWS_INTERRUPT_MODE_LEVEL : WINDOWS_INTERRUPT_MODE_LATCHED;
    to->has_message = from->by_message;
    to->message = from->message;
    return to;
}

/* A vector's objects: the first @n of @from. */
static WindowsInterrupt *interrupt_new(unsigned vcpu,
                                       const WinosInterrupt *from, unsigned n)
{
    WindowsInterrupt *to = g_new0(WindowsInterrupt, 1);

    to->vcpu = vcpu;
    to->vector = from->vector;
    to->has_apic_id = sched_machine_apic_id(vcpu, &to->apic_id);
    to->shared = from->shared;
    QAPI_SET_PTR(to, reason, sched_list_reason("those that share it",
                                               from->end));
    while (n--) {
        QAPI_LIST_PREPEND(to->routines, routine_new(&from[n]));
    }
    return to;
}

static void fill_interrupts_of(WindowsInterrupts *to, const Why *why,
                               const WinosInterruptLayout *layout,
                               const WinosCpu *cpu, Err *err)
{
    g_autofree WinosInterrupt *list = g_new(WinosInterrupt,
                                            WINOS_MAX_INTERRUPTS);
    WinosInterrupts found = { .list = list, .max = WINOS_MAX_INTERRUPTS };
    unsigned end;

    if (!winos_interrupts_read(&why->findings->result, layout, cpu, &found,
                               err)) {
        return;
    }
    if (found.refused || found.full) {
        err_set(err, ERR_FORMAT, "vCPU %u: %u vectors lead to no interrupt "
                "object%s", cpu->vcpu, found.refused,
                found.full ? ", and there are more than are kept" : "");
    }
    for (end = found.n; end; ) {
        unsigned begin = end - 1;

        while (begin && !list[begin].first) {
            begin--;
        }
        QAPI_LIST_PREPEND(to->interrupts,
                          interrupt_new(cpu->vcpu, &list[begin],
                                        end - begin));
        end = begin;
    }
}

static void fill_interrupts(WindowsInterrupts *to, const Why *why)
{
    const WinosResult *result = &why->findings->result;
    g_autofree WinosModule *modules = g_new(WinosModule, WINOS_MAX_MODULES);
    WinosInterruptLayout layout;
    unsigned n_modules;
    WinosListEnd end;
    unsigned i;
    Err err = {};

    end = winos_modules_read(&result->kernel.space,
                             winos_modules_head(result), modules,
                             WINOS_MAX_MODULES, &n_modules);
    if (winos_list_end_name(end)) {
        err_set(&err, ERR_FORMAT, "the list of drivers %s",
                winos_list_end_name(end));
    }
    i = winos_interrupts_open(result, why->cpus, why->n_cpus, modules,
                              n_modules, &layout, &err) ? why->n_cpus : 0;
    while (i--) {
        fill_interrupts_of(to, why, &layout, &why->cpus[i], &err);
    }
    if (err.code) {
        QAPI_SET_PTR(to, reason, g_strdup(err.text));
    }
}

WindowsInterrupts *qmp_query_windows_interrupts(Error **errp)
{
    WindowsInterrupts *to;
    Why why;

    RCU_READ_LOCK_GUARD();
    if (!why_begin(&why, errp)) {
        return NULL;
    }
    to = g_new0(WindowsInterrupts, 1);
    fill_interrupts(to, &why);
    why_end(&why);
    return to;
}

static WindowsThreadTime *thread_time_new(const WinschedTime *from)
{
    WindowsThreadTime *to = g_new0(WindowsThreadTime, 1);

    to->thread_pointer = from->thread;
    to->unique_process_id = from->pid;
    to->unique_thread_id = from->tid;
    to->user = from->user;
    to->kernel = from->kernel;
    to->has_ended_user = to->has_ended_kernel = from->has_ended;
    to->ended_user = from->ended_user;
    to->ended_kernel = from->ended_kernel;
    return to;
}

static void fill_thread_times(WindowsThreadTimes *to, const Why *why,
                              const uint64List *threads)
{
    const WinosResult *result = &why->findings->result;
    WindowsThreadTimeList **tail = &to->threads;
    WinosClock clock;
    bool has_clock = winos_clock_read(result, &clock);
    unsigned i;

    to->has_tick_ns = has_clock;
    to->tick_ns = has_clock ? clock.tick_ns : 0;
    for (i = 0; threads && i < MAX_TIMES; i++, threads = threads->next) {
        WinschedTime time;

        if (winsched_time_read(result, why->extra, has_clock ? &clock : NULL,
                               threads->value, &time)) {
            QAPI_LIST_APPEND(tail, thread_time_new(&time));
        }
    }
}

WindowsThreadTimes *qmp_query_windows_thread_time(uint64List *threads,
                                                  Error **errp)
{
    WindowsThreadTimes *to;
    Why why;

    RCU_READ_LOCK_GUARD();
    if (!why_begin(&why, errp)) {
        return NULL;
    }
    to = g_new0(WindowsThreadTimes, 1);
    to->monotonic_ns = clock_now_ns();
    fill_thread_times(to, &why, threads);
    why_end(&why);
    return to;
}

static WindowsWaitObjectList *object_list(const WinosWait *wait)
{
    WindowsWaitObjectList *list = NULL;
    unsigned i = wait->n_objects;

    while (i--) {
        const WinosWaitObject *from = &wait->objects[i];
        WindowsWaitObject *to = g_new0(WindowsWaitObject, 1);

        to->address = from->address;
        to->has_type = to->has_signal_state = from->readable;
        to->type = from->type;
        to->signal_state = from->signal_state;
        QAPI_SET_PTR(to, type_name, g_strdup(
            winos_wait_object_name(from)));
        to->has_owner = from->owner != 0;
        to->owner = from->owner;
        QAPI_LIST_PREPEND(list, to);
    }
    return list;
}

static void fill_who(WindowsWait *to, const WinschedThread *thread)
{
    char text[WINSCHED_IMAGE_SIZE * SAFE_GROWTH + 1];
    uint32_t has = thread->has;

    to->thread_pointer = thread->thread;
    to->has_unique_process_id = has & WINSCHED_HAS_IDS;
    to->unique_process_id = thread->pid;
    to->has_unique_thread_id = has & WINSCHED_HAS_IDS;
    to->unique_thread_id = thread->tid;
    if (has & WINSCHED_HAS_IMAGE) {
        safe_copy(SAFE_FOR_DATA, thread->image, text, sizeof(text));
        QAPI_SET_PTR(to, process_image, g_strdup(text));
    }
    if (has & WINSCHED_HAS_NAME) {
        QAPI_SET_PTR(to, thread_name, g_strdup(thread->name));
    }
    to->has_kthread_state = has & WINSCHED_HAS_STATE;
    to->kthread_state = thread->state;
    to->has_priority = has & WINSCHED_HAS_PRIORITY;
    to->priority = thread->priority;
    to->has_wait_reason = has & WINSCHED_HAS_WAIT_REASON;
    to->wait_reason = thread->wait_reason;
    if (has & WINSCHED_HAS_STATE) {
        QAPI_SET_PTR(to, state_name,
                     g_strdup(winos_state_name(thread->state)));
    }
    if (has & WINSCHED_HAS_WAIT_REASON) {
        QAPI_SET_PTR(to, wait_reason_name,
                     g_strdup(winos_wait_reason_name(thread->wait_reason)));
    }
}

static WindowsWait *wait_new(const WinschedWait *from)
{
    WindowsWait *to = g_new0(WindowsWait, 1);

    fill_who(to, &from->thread);
    to->asked = from->asked;
    to->has_objects = to->has_wait_all = from->has_wait;
    if (from->has_wait) {
        to->wait_all = from->wait.all;
        to->objects = object_list(&from->wait);
    }
    to->has_behind = to->has_cpu_number = from->behind != 0;
    to->behind = from->behind;
    to->cpu_number = from->cpu;
    return to;
}

WindowsWaitList *qmp_query_windows_waits(uint32_t pid, bool has_tid,
                                         uint32_t tid, Error **errp)
{
    g_autofree WinschedWait *waits = g_new(WinschedWait, MAX_WAITS);
    WinschedWaits found = { .waits = waits, .max = MAX_WAITS };
    WindowsWaitList *list = NULL;
    unsigned i;
    Err err;
    Why why;

    RCU_READ_LOCK_GUARD();
    if (!why_begin(&why, errp)) {
        return NULL;
    }
    if (!winsched_waits_read(&why.findings->result, why.extra, why.cpus,
                             why.n_cpus, pid, has_tid ? tid : 0, &found,
                             &err)) {
        error_setg(errp, "%s", err.text);
        found.n = 0;
    }
    why_end(&why);
    i = found.n;
    while (i--) {
        QAPI_LIST_PREPEND(list, wait_new(&found.waits[i]));
    }
    return list;
}
