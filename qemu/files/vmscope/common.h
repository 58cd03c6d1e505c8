/*
 * vmscope: what the IRQ log and the scheduler trace share inside QEMU
 *
 * guard.c    guarded memory beside QEMU's SIGBUS; see guard.h
 * ring.c     the ring of one trace; see ring.h
 * file.c     files that users name; see file.h
 * session.c  from being turned on to the last reader; see session.h
 * options.c  options of a trace that is on already; see options.h
 * reply.c    the reply to a query; see reply.h
 * hmp.c      the human monitor's commands; see hmp.h
 * process.c  what the QEMU process is
 * clock.c    the thread that keeps clocks; the time now, for status queries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_COMMON_H
#define VMSCOPE_COMMON_H

#include "qapi/qapi-types-vmscope.h"
#include "recorder/keeper.h"

/* process.c: constant once the program runs. */
typedef struct VmscopeProcess {
    uint64_t load_base;
    char build_id[41];
    char exe[512];
    ClockReading start;         /* clocks when the program was loaded */
} VmscopeProcess;

const VmscopeProcess *vmscope_process(void);

/**
 * vmscope_process_open: open the program's file, also one that was replaced,
 * or that a changed root hides
 * @load_base: of the object that is to be read
 *
 * Returns: a descriptor of the caller's; -1 when that object is not the
 *          program, or there is no way to it
 */
int vmscope_process_open(uint64_t load_base);

/**
 * vmscope_clock_keep: have a ring's clock looked at from now on
 * @keeper: begun; until vmscope_clock_leave()
 *
 * One thread does that for all rings: at times, and when a suspend of the host
 * has ended.
 *
 * Context: any thread.
 */
void vmscope_clock_keep(ClockKeeper *keeper);
void vmscope_clock_leave(ClockKeeper *keeper);

/* Write a ring's shared map anew, which was lost; any thread. */
void vmscope_clock_republish(ClockKeeper *keeper);

/**
 * vmscope_clock_new: the time now, on the clocks of the host
 *
 * Returns: freed with qapi_free_VmscopeClock()
 */
VmscopeClock *vmscope_clock_new(void);

#endif
