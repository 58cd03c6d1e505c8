/*
 * cpu-times: where the vCPUs' time went, by Windows' own counters.
 *
 * Asked for as often as one likes; the figures are of the time between the
 * last two looks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_CPU_TIMES_H
#define VMSCOPE_CPU_TIMES_H

#include "source/qmp.h"

/* Ticks, by what the clock interrupted. */
typedef enum CpuTick {
    CPU_TICK_USER,
    CPU_TICK_KERNEL,
    CPU_TICK_DPC,
    CPU_TICK_INTERRUPT,
    CPU_TICK_IDLE,
    CPU_TICKS,
} CpuTick;

/* What samples found it to do; user mode and kernel are one there. */
typedef enum CpuSample {
    CPU_SAMPLE_THREAD,
    CPU_SAMPLE_DPC,
    CPU_SAMPLE_INTERRUPT,
    CPU_SAMPLE_IDLE,
    CPU_SAMPLES,
} CpuSample;

typedef struct CpuTime {
    uint32_t ticks[CPU_TICKS];
    uint32_t interrupts;
    uint32_t dpcs;
    uint32_t clocks;            /* interrupts of the clock; 0: not known */
    uint64_t samples[CPU_SAMPLES];
    bool has_samples;           /* there were some hundred */
} CpuTime;

typedef struct CpuTimes {
    bool unknown;               /* this QEMU does not tell */
    json_t *last;               /* the newest answer, or NULL */
    uint64_t length_ns;         /* between the last two; 0: there is none */
    CpuTime *vcpus;
    bool *seen;                 /* of n_vcpus, too */
    size_t n_vcpus;
} CpuTimes;

/**
 * cpu_times_look - the interval since the last look
 * @times: begins as zeroes, ends with cpu_times_release()
 *
 * What is not told, as the kernel is not known or the counters are none, is
 * no failure: there are no figures then.
 *
 * Returns: false with a sentence when nothing can be asked any more
 */
bool cpu_times_look(CpuTimes *times, Qmp *qmp, Err *err);

/* Forget the last look, as after a reboot. */
void cpu_times_forget(CpuTimes *times);
void cpu_times_release(CpuTimes *times);

/* The interval of a vCPU; NULL when it is not known or had no tick. */
const CpuTime *cpu_times_of(const CpuTimes *times, size_t vcpu);

/* All its ticks, at least 1. */
uint32_t cpu_time_ticks(const CpuTime *time);

/* A part of them, in percent. */
double cpu_time_percent(const CpuTime *time, CpuTick part);

/* A part of its samples, in percent; they are known. */
double cpu_time_sampled(const CpuTime *time, CpuSample part);

/*
 * How far the two measures are apart at most, in percent of the vCPU's time;
 * samples are known.
 */
double cpu_time_apart(const CpuTime *time);

/* "thread", "dpc", "interrupt", "idle". */
const char *cpu_sample_name(CpuSample part);

/* "user", "kernel", "dpc", "interrupt", "idle". */
const char *cpu_tick_name(CpuTick part);

#endif
