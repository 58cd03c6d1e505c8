/*
 * winos/time: see time.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/time.h"

#include "base/le.h"

#include <inttypes.h>

/* KUSER_SHARED_DATA; the same address and offsets in every build. */
#define KUSER UINT64_C(0xfffff78000000000)

enum {
    KUSER_INTERRUPT_TIME = 0x08,    /* KSYSTEM_TIME: low, high1, high2 */
    KUSER_TICK_COUNT = 0x320,
    CLOCK_TRIES = 4,
    CLOCKS_SLACK = 16,
    NS_PER_UNIT = 100,
};

/* A clock may tick from 1/64 ms to a second; Windows' from 0.5 to 15.6 ms. */
static const uint64_t tick_min_ns = 15625;
static const uint64_t tick_max_ns = 1000000000;

/* The high half stands twice, and is written before and after the low one. */
static bool time_read_clock(const GmemSpace *space, uint64_t at,
                            uint64_t *value)
{
    unsigned i;

    for (i = 0; i < CLOCK_TRIES; i++) {
        uint8_t raw[12];

        if (!gmem_read(space, at, raw, sizeof(raw), NULL)) {
            return false;
        }
        if (load_le32(raw + 4) == load_le32(raw + 8)) {
            *value = load_le64(raw);
            return true;
        }
        gmem_fresh(space->mem);
    }
    return false;
}

bool winos_clock_read(const WinosResult *result, WinosClock *clock)
{
    const GmemSpace *space = &result->kernel.space;
    uint64_t units;
    uint64_t ticks;

    if (!time_read_clock(space, KUSER + KUSER_INTERRUPT_TIME, &units) ||
        !gmem_read_u64(space, KUSER + KUSER_TICK_COUNT, &ticks) ||
        !ticks || units / ticks > tick_max_ns / NS_PER_UNIT) {
        return false;
    }
    clock->ticks = ticks;
    /* Below 2^64: units are at most 10^7 times ticks. */
    clock->tick_ns = units / ticks * NS_PER_UNIT +
                     units % ticks * NS_PER_UNIT / ticks;
    return clock->tick_ns >= tick_min_ns;
}

bool winos_cpu_prcb(const WinosResult *result, uint64_t kpcr, uint64_t *prcb)
{
    if (result->prcb_at < 0) {
        return false;
    }
    if (result->prcb_is_pointer) {
        return gmem_read_u64(&result->kernel.space, kpcr + result->prcb_at,
                             prcb);
    }
    *prcb = kpcr + (uint64_t)result->prcb_at;
    return true;
}

/* Does a CPU have about as many ticks as the clock?  It may lack some. */
static bool time_fits_clock(const WinosResult *result, uint64_t ticks)
{
    WinosClock clock;

    return winos_clock_read(result, &clock) &&
           ticks <= clock.ticks + clock.ticks / 8 + 64 &&
           ticks >= clock.ticks / 4;
}

bool winos_time_read(const WinosResult *result, const WinosExtra *extra,
                     uint64_t prcb, uint64_t idle, WinosCpuTime *time,
                     Err *err)
{
    const GmemSpace *space = &result->kernel.space;
    int32_t first = extra->at[WINOS_PRCB_INTERRUPT_COUNT];
    const int32_t *at = extra->at;
    uint32_t idle_kernel;
    uint32_t idle_user;
    uint8_t raw[20];
    uint8_t active = 0;
    uint32_t whole;

    /* They are neighbours in every build. */
    if (!gmem_read(space, prcb + first, raw, sizeof(raw), err) ||
        !gmem_read_u32(space, idle + at[WINOS_KTHREAD_KERNEL_TIME],
                       &idle_kernel) ||
        !gmem_read_u32(space, idle + at[WINOS_KTHREAD_USER_TIME],
                       &idle_user)) {
        err_set(err, ERR_FAULT, "the counters at 0x%" PRIx64 " or those of "
                "its idle thread cannot be read", prcb + first);
        return false;
    }
    *time = (WinosCpuTime) {
        .interrupts = load_le32(raw),
        .user = load_le32(raw + at[WINOS_PRCB_USER_TIME] - first),
        .dpc = load_le32(raw + at[WINOS_PRCB_DPC_TIME] - first),
        .interrupt = load_le32(raw + at[WINOS_PRCB_INTERRUPT_TIME] - first),
        .idle = idle_kernel + idle_user,
    };
    whole = load_le32(raw + at[WINOS_PRCB_KERNEL_TIME] - first);
    /* The idle thread's may be a tick ahead: it is read later. */
    if ((uint64_t)time->dpc + time->interrupt + idle_kernel >
        (uint64_t)whole + 2 || !(whole | time->user)) {
        err_set(err, ERR_FORMAT, "what should be Windows' times are no "
                "times: kernel %" PRIu32 ", user %" PRIu32 ", DPCs %" PRIu32
                ", interrupts %" PRIu32 ", idle %" PRIu32 " ticks", whole,
                time->user, time->dpc, time->interrupt, time->idle);
        return false;
    }
    if (!(result->exact_file || result->same_build) &&
        !time_fits_clock(result, (uint64_t)whole + time->user)) {
        err_set(err, ERR_FORMAT, "this kernel's file is not known, and what "
                "should be its times does not fit its clock");
        return false;
    }
    time->kernel = whole - time->dpc - time->interrupt - idle_kernel;
    if (time->kernel > whole) {
        time->kernel = 0;
    }
    gmem_read_u32(space, prcb + at[WINOS_PRCB_DPC_DATA] +
                  at[WINOS_DPC_DATA_COUNT], &time->dpcs);
    /* Read later, so it may be some ahead. */
    time->has_clocks =
        winos_extra_has(extra, WINOS_PRCB_CLOCK_INTERRUPTS) &&
        gmem_read_u32(space, prcb + at[WINOS_PRCB_CLOCK_INTERRUPTS],
                      &time->clocks) &&
        (int32_t)(time->interrupts - time->clocks) >= -CLOCKS_SLACK;
    gmem_read_u8(space, prcb + at[WINOS_PRCB_DPC_ROUTINE_ACTIVE], &active);
    time->in_dpc = active == 1;
    return true;
}
