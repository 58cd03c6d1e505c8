/*
 * why-json: see why-json.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/why-json.h"

#include "base/safe-text.h"
#include "common/message.h"
#include "source/qmp.h"
#include "winos/time.h"
#include "winsched/times.h"
#include "winsched/waits.h"

#include <stdlib.h>

static void set_uint(json_t *object, const char *key, uint64_t value)
{
    qmp_set(object, key, json_integer((json_int_t)value));
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text) {
        qmp_set(object, key, json_string(text));
    }
}

static json_t *time_json(unsigned vcpu, const WinosCpuTime *time)
{
    json_t *to = json_object();

    set_uint(to, "vcpu", vcpu);
    set_uint(to, "user", time->user);
    set_uint(to, "kernel", time->kernel);
    set_uint(to, "dpc", time->dpc);
    set_uint(to, "interrupt", time->interrupt);
    set_uint(to, "idle", time->idle);
    set_uint(to, "interrupts", time->interrupts);
    set_uint(to, "dpcs", time->dpcs);
    if (time->has_clocks) {
        set_uint(to, "clock-interrupts", time->clocks);
    }
    qmp_set(to, "in-dpc", json_boolean(time->in_dpc));
    return to;
}

json_t *why_json_times(const WinosResult *result, const WinosCpu *cpus,
                       unsigned n_cpus, uint64_t now_ns)
{
    const WinosExtra *extra = winos_extra_of(result);
    json_t *to = json_object();
    json_t *vcpus = json_array();
    WinosClock clock;
    Err err = { 0 };
    unsigned i;

    set_uint(to, "monotonic-ns", now_ns);
    if (winos_clock_read(result, &clock)) {
        set_uint(to, "ticks", clock.ticks);
        set_uint(to, "tick-ns", clock.tick_ns);
    }
    if (!extra) {
        err_set(&err, ERR_FORMAT, "where this kernel keeps its times is not "
                "known");
    }
    for (i = 0; extra && i < n_cpus; i++) {
        WinosCpuTime time;

        if (winos_time_read(result, extra, cpus[i].prcb, cpus[i].idle_thread,
                            &time, &err)) {
            json_array_append_new(vcpus, time_json(cpus[i].vcpu, &time));
        }
    }
    qmp_set(to, "vcpus", vcpus);
    if (err.code) {
        set_text(to, "reason", err.text);
    }
    return to;
}

static json_t *thread_time_json(const WinschedTime *time)
{
    json_t *to = json_object();

    set_uint(to, "thread-pointer", time->thread);
    set_uint(to, "unique-process-id", time->pid);
    set_uint(to, "unique-thread-id", time->tid);
    set_uint(to, "user", time->user);
    set_uint(to, "kernel", time->kernel);
    if (time->has_ended) {
        set_uint(to, "ended-user", time->ended_user);
        set_uint(to, "ended-kernel", time->ended_kernel);
    }
    return to;
}

json_t *why_json_thread_times(const WinosResult *result,
                              const json_t *threads, uint64_t now_ns)
{
    const WinosExtra *extra = winos_extra_of(result);
    json_t *to = json_object();
    json_t *list = json_array();
    WinosClock clock;
    bool has_clock = winos_clock_read(result, &clock);
    size_t i;

    set_uint(to, "monotonic-ns", now_ns);
    if (has_clock) {
        set_uint(to, "tick-ns", clock.tick_ns);
    }
    for (i = 0; i < json_array_size(threads) && i < WHY_MAX_TIMES; i++) {
        WinschedTime time;

        if (winsched_time_read(result, extra, has_clock ? &clock : NULL,
                               (uint64_t)json_integer_value(
                                   json_array_get(threads, i)), &time)) {
            json_array_append_new(list, thread_time_json(&time));
        }
    }
    qmp_set(to, "threads", list);
    return to;
}

static json_t *objects_json(const WinosWait *wait)
{
    json_t *list = json_array();
    unsigned i;

    for (i = 0; i < wait->n_objects; i++) {
        const WinosWaitObject *from = &wait->objects[i];
        json_t *to = json_object();

        set_uint(to, "address", from->address);
        if (from->readable) {
            set_uint(to, "type", from->type);
            set_text(to, "type-name", winos_wait_object_name(from));
            qmp_set(to, "signal-state", json_integer(from->signal_state));
        }
        if (from->owner) {
            set_uint(to, "owner", from->owner);
        }
        json_array_append_new(list, to);
    }
    return list;
}

static void set_who(json_t *to, const WinschedThread *thread)
{
    char text[WINSCHED_IMAGE_SIZE * SAFE_GROWTH + 1];
    uint32_t has = thread->has;

    set_uint(to, "thread-pointer", thread->thread);
    if (has & WINSCHED_HAS_IDS) {
        set_uint(to, "unique-process-id", thread->pid);
        set_uint(to, "unique-thread-id", thread->tid);
    }
    if (has & WINSCHED_HAS_IMAGE) {
        safe_copy(SAFE_FOR_DATA, thread->image, text, sizeof(text));
        set_text(to, "process-image", text);
    }
    if (has & WINSCHED_HAS_NAME) {
        set_text(to, "thread-name", thread->name);
    }
    if (has & WINSCHED_HAS_STATE) {
        set_uint(to, "kthread-state", thread->state);
        set_text(to, "state-name", winos_state_name(thread->state));
    }
    if (has & WINSCHED_HAS_PRIORITY) {
        qmp_set(to, "priority", json_integer(thread->priority));
    }
    if (has & WINSCHED_HAS_WAIT_REASON) {
        set_uint(to, "wait-reason", thread->wait_reason);
        set_text(to, "wait-reason-name",
                 winos_wait_reason_name(thread->wait_reason));
    }
}

static json_t *wait_json(const WinschedWait *wait)
{
    json_t *to = json_object();

    set_who(to, &wait->thread);
    qmp_set(to, "asked", json_boolean(wait->asked));
    if (wait->has_wait) {
        qmp_set(to, "wait-all", json_boolean(wait->wait.all));
        qmp_set(to, "objects", objects_json(&wait->wait));
    }
    if (wait->behind) {
        set_uint(to, "behind", wait->behind);
        set_uint(to, "cpu-number", wait->cpu);
    }
    return to;
}

json_t *why_json_waits(const WinosResult *result, const WinosCpu *cpus,
                       unsigned n_cpus, uint32_t pid, uint32_t tid, Err *err)
{
    WinschedWaits found = { .max = WHY_MAX_WAITS };
    json_t *list = NULL;
    unsigned i;

    found.waits = calloc(found.max, sizeof(*found.waits));
    if (!found.waits) {
        die_no_memory();
    }
    if (winsched_waits_read(result, winos_extra_of(result), cpus, n_cpus,
                            pid, tid, &found, err)) {
        list = json_array();
        for (i = 0; i < found.n; i++) {
            json_array_append_new(list, wait_json(&found.waits[i]));
        }
    }
    free(found.waits);
    return list;
}
