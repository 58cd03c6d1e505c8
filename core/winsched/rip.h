/*
 * winsched/rip: what a vCPU executes, and on behalf of whom.
 *
 * A vCPU's registers are read by whoever has it; here is what they mean: the
 * thread that is current, and whether a DPC runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINSCHED_RIP_H
#define VMSCOPE_WINSCHED_RIP_H

#include "winos/detect.h"
#include "winos/place.h"
#include "winsched/sampler.h"

/* Bits of WinschedRip.has. */
enum {
    WINSCHED_RIP_KERNEL = 1 << 0,       /* its kernel was known */
    WINSCHED_RIP_THREAD = 1 << 1,
    WINSCHED_RIP_IDS = 1 << 2,
    WINSCHED_RIP_IMAGE = 1 << 3,
    WINSCHED_RIP_NAME = 1 << 4,
    WINSCHED_RIP_IDLE = 1 << 5,
    WINSCHED_RIP_DPC_KNOWN = 1 << 6,
    WINSCHED_RIP_DPC = 1 << 7,
};

/* One sample. */
typedef struct WinschedRip {
    uint64_t seq;
    uint64_t time_ns;           /* CLOCK_MONOTONIC */
    uint64_t thread;            /* KTHREAD that is current */
    WinosCode code;
    uint32_t pid, tid;
    unsigned vcpu;
    unsigned has;
    uint8_t irql;               /* CR8 */
    char image[WINSCHED_IMAGE_SIZE];
    char name[WINSCHED_NAME_SIZE];
} WinschedRip;

/* What that takes to be known of a kernel, besides its layout; a value. */
typedef struct WinschedRipView {
    GmemSpace space;
    int32_t prcb_at;
    bool prcb_is_pointer;
    int32_t current_thread;     /* in the PRCB */
    int32_t dpc_active;         /* likewise; below 0: not known */
} WinschedRipView;

void winsched_rip_view(WinschedRipView *view, const WinosResult *result);

/**
 * winsched_rip_thread - whose code it is
 * @sample: gets thread, and of it what can be read
 * @who: who was current at the vCPU's last sample, zeroes at first; updated
 * @thread: who is now
 * @idle: that is the vCPU's idle thread
 *
 * Context: one thread at a time for each @who, in a read-side section of @ws.
 * Allocates nothing.
 */
void winsched_rip_thread(WinschedRip *sample, WinschedThread *who,
                         const Winsched *ws, uint64_t thread, bool idle);

/**
 * winsched_rip_dpc - does a DPC run?
 * @sample: its code is filled in
 * @gs_base: the vCPU's; anything around swapgs
 * @gpa: guest-physical, of the vCPU's CurrentThread
 *
 * A DPC runs with the CPU in the kernel, whatever it interrupts.
 *
 * Context: the vCPU's thread.
 */
void winsched_rip_dpc(WinschedRip *sample, const WinschedRipView *view,
                      uint64_t gs_base, uint64_t gpa);

#endif
