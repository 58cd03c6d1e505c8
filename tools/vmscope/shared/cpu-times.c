/*
 * cpu-times: see cpu-times.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/cpu-times.h"

#include "common/message.h"

#include <math.h>
#include <stdlib.h>

/* As many vCPUs as any machine has. */
enum { VCPUS_MAX = 1024 };

/*
 * Counters that go back, or forth by more than a clock can tick, are those
 * of another boot, or no counters: 10,000 ticks a second.
 */
enum { NS_PER_TICK = 100000, TICKS_SLACK = 1000 };

static const char *const names[CPU_TICKS] = {
    [CPU_TICK_USER] = "user",
    [CPU_TICK_KERNEL] = "kernel",
    [CPU_TICK_DPC] = "dpc",
    [CPU_TICK_INTERRUPT] = "interrupt",
    [CPU_TICK_IDLE] = "idle",
};

/* Fewer say little: of 200 a share is right to seven percent. */
enum { SAMPLES_LEAST = 200 };

static const char *const sample_names[CPU_SAMPLES] = {
    [CPU_SAMPLE_THREAD] = "thread",
    [CPU_SAMPLE_DPC] = "dpc",
    [CPU_SAMPLE_INTERRUPT] = "interrupt",
    [CPU_SAMPLE_IDLE] = "idle",
};

static const char *const sample_keys[CPU_SAMPLES] = {
    [CPU_SAMPLE_THREAD] = "samples-thread",
    [CPU_SAMPLE_DPC] = "samples-dpc",
    [CPU_SAMPLE_INTERRUPT] = "samples-interrupt",
    [CPU_SAMPLE_IDLE] = "samples-idle",
};

const char *cpu_sample_name(CpuSample part)
{
    return sample_names[part];
}

static uint64_t all_samples(const CpuTime *time)
{
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i < CPU_SAMPLES; i++) {
        sum += time->samples[i];
    }
    return sum;
}

double cpu_time_sampled(const CpuTime *time, CpuSample part)
{
    uint64_t sum = all_samples(time);

    return sum ? 100.0 * (double)time->samples[part] / (double)sum : 0;
}

double cpu_time_apart(const CpuTime *time)
{
    const double ticks[CPU_SAMPLES] = {
        [CPU_SAMPLE_THREAD] = cpu_time_percent(time, CPU_TICK_USER) +
                              cpu_time_percent(time, CPU_TICK_KERNEL),
        [CPU_SAMPLE_DPC] = cpu_time_percent(time, CPU_TICK_DPC),
        [CPU_SAMPLE_INTERRUPT] = cpu_time_percent(time, CPU_TICK_INTERRUPT),
        [CPU_SAMPLE_IDLE] = cpu_time_percent(time, CPU_TICK_IDLE),
    };
    double most = 0;
    unsigned i;

    for (i = 0; i < CPU_SAMPLES; i++) {
        double apart = fabs(cpu_time_sampled(time, i) - ticks[i]);

        most = apart > most ? apart : most;
    }
    return most;
}

const char *cpu_tick_name(CpuTick part)
{
    return names[part];
}

uint32_t cpu_time_ticks(const CpuTime *time)
{
    uint32_t sum = 0;
    unsigned i;

    for (i = 0; i < CPU_TICKS; i++) {
        sum += time->ticks[i];
    }
    return sum ? sum : 1;
}

double cpu_time_percent(const CpuTime *time, CpuTick part)
{
    return 100.0 * time->ticks[part] / cpu_time_ticks(time);
}

const CpuTime *cpu_times_of(const CpuTimes *times, size_t vcpu)
{
    return vcpu < times->n_vcpus && times->seen[vcpu]
        ? &times->vcpus[vcpu] : NULL;
}

static const json_t *find_vcpu(const json_t *answer, uint64_t vcpu)
{
    const json_t *list = json_object_get(answer, "vcpus");
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);

        if (qmp_uint(one, "vcpu", UINT64_MAX) == vcpu) {
            return one;
        }
    }
    return NULL;
}

static uint32_t difference(const json_t *now, const json_t *before,
                           const char *key)
{
    return (uint32_t)qmp_uint(now, key, 0) -
           (uint32_t)qmp_uint(before, key, 0);
}

/* A tick that was counted in one place only may be missing in another. */
static uint32_t no_less_than_none(uint32_t ticks)
{
    return ticks >> 31 ? 0 : ticks;
}

/* Both times there were any, and none went back. */
static void read_samples(CpuTime *time, const json_t *now,
                         const json_t *before)
{
    bool known = true;
    unsigned i;

    for (i = 0; i < CPU_SAMPLES; i++) {
        uint64_t from = qmp_uint(before, sample_keys[i], 0);
        uint64_t to = qmp_uint(now, sample_keys[i], 0);

        known = known && qmp_has(before, sample_keys[i]) &&
                qmp_has(now, sample_keys[i]) && to >= from &&
                to - from < UINT32_MAX;
        time->samples[i] = known ? to - from : 0;
    }
    time->has_samples = known && all_samples(time) >= SAMPLES_LEAST;
}

static bool read_vcpu(CpuTime *time, const json_t *now, const json_t *before,
                      uint64_t length_ns)
{
    uint64_t most = length_ns / NS_PER_TICK + TICKS_SLACK;
    uint32_t ticks = 0;
    unsigned i;

    for (i = 0; i < CPU_TICKS; i++) {
        time->ticks[i] = no_less_than_none(difference(now, before, names[i]));
        if (time->ticks[i] > most) {
            return false;
        }
        ticks += time->ticks[i];
    }
    time->interrupts = difference(now, before, "interrupts");
    time->dpcs = difference(now, before, "dpcs");
    time->clocks = difference(now, before, "clock-interrupts");
    if (time->clocks > most) {
        time->clocks = 0;
    }
    read_samples(time, now, before);
    return ticks > 0;
}

static void make_room(CpuTimes *times, size_t n)
{
    size_t i;

    if (n <= times->n_vcpus) {
        return;
    }
    times->vcpus = reallocarray(times->vcpus, n, sizeof(*times->vcpus));
    times->seen = reallocarray(times->seen, n, sizeof(*times->seen));
    if (!times->vcpus || !times->seen) {
        die_no_memory();
    }
    for (i = times->n_vcpus; i < n; i++) {
        times->seen[i] = false;
    }
    times->n_vcpus = n;
}

static void compare(CpuTimes *times, const json_t *now)
{
    const json_t *list = json_object_get(now, "vcpus");
    uint64_t from = qmp_uint(times->last, "monotonic-ns", 0);
    uint64_t to = qmp_uint(now, "monotonic-ns", 0);
    size_t i;

    times->length_ns = to > from ? to - from : 1;
    for (i = 0; i < times->n_vcpus; i++) {
        times->seen[i] = false;
    }
    for (i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        uint64_t vcpu = qmp_uint(one, "vcpu", UINT64_MAX);
        const json_t *before = find_vcpu(times->last, vcpu);

        if (vcpu < VCPUS_MAX && before) {
            make_room(times, vcpu + 1);
            times->seen[vcpu] = read_vcpu(&times->vcpus[vcpu], one, before,
                                          times->length_ns);
        }
    }
}

void cpu_times_forget(CpuTimes *times)
{
    size_t i;

    json_decref(times->last);
    times->last = NULL;
    times->length_ns = 0;
    for (i = 0; i < times->n_vcpus; i++) {
        times->seen[i] = false;
    }
}

void cpu_times_release(CpuTimes *times)
{
    cpu_times_forget(times);
    free(times->vcpus);
    free(times->seen);
    *times = (CpuTimes) { .unknown = times->unknown };
}

bool cpu_times_look(CpuTimes *times, Qmp *qmp, Err *err)
{
    json_t *now;

    if (times->unknown) {
        return true;
    }
    now = qmp_command(qmp, "query-windows-cpu-time", NULL, err);
    if (!now) {
        times->unknown = qmp_failure(qmp) == QMP_UNKNOWN;
        cpu_times_forget(times);
        return times->unknown || qmp_failure(qmp) == QMP_REFUSED;
    }
    if (times->last) {
        compare(times, now);
    }
    json_decref(times->last);
    times->last = now;
    return true;
}
