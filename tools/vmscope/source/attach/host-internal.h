/*
 * attach/host-internal: what host.c and machine.c share.
 *
 * host.c is the engine's host: its thread, its lock and what the engine asks
 * for; machine.c follows the machine: where its RAM is, which vCPUs there are,
 * their registers and KPCRs, its events.  All of machine.c is called with the
 * lock, but for events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_HOST_INTERNAL_H
#define VMSCOPE_ATTACH_HOST_INTERNAL_H

#include "source/attach/asker.h"
#include "source/attach/host.h"
#include "recorder/memory.h"
#include "source/attach/scan.h"
#include "watchlog/watchlog.h"

#include <pthread.h>
#include <stdatomic.h>

enum { ATTACH_EVENTS_EVERY_NS = 20000000 };

#define ATTACH_LAYOUT_EVERY_NS UINT64_C(30000000000)

struct AttachHost {
    AttachOptions opt;
    AttachProcess process;
    char *ring_file;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    _Atomic unsigned wanting;   /* threads that wait for the lock */
    _Atomic bool stop;
    _Atomic bool gone;
    _Atomic bool was_reset;     /* told by events, on whatever thread */
    _Atomic bool changed;       /* devices came or went */
    bool stopped;
    int wake;                   /* eventfd */
    int pidfd;                  /* -1: kill(pid, 0) has to do */

    AttachAsker *asker;         /* NULL without a monitor */
    AttachMemory *memory;
    Watch *watch;
    unsigned max_vcpus;
    RingMemory *ring;
    Err ring_lost;              /* why, once lost says so; then constant */
    _Atomic bool lost;          /* the ring's file */
    SchedlogStore store;
    ClockKeeper keeper;

    bool *wanted;               /* registers that were asked for */
    bool asked;
    WinosRegs *regs;            /* of the last answer */
    unsigned n_regs;
    AttachThread *threads;
    uint64_t faults_seen;
    WinosKernel kernel;         /* for scanning */
    bool has_kernel;
    AttachScan *scan;
    bool scanning;
    uint64_t unknown_since_ns;  /* a vCPU's KPCR is missing; 0: none is */
    uint64_t next_scan_ns;
    uint64_t scan_began_ns;

    uint64_t next_events_ns;
    uint64_t next_trust_ns;
    uint64_t next_clock_ns;
    uint64_t next_layout_ns;
    uint64_t next_vcpus_ns;
    AttachFigures figures;
};

/* Have the registers of all vCPUs asked for. */
void attach_machine_ask_regs(AttachHost *host);

/* And take them into host->regs; false when they have not come yet. */
bool attach_machine_read_regs(AttachHost *host, unsigned wait_ms);

/* What no monitor tells: a KPCR that was found in memory. */
void attach_machine_add_kpcr(const AttachHost *host, WinosRegs *regs);

/* Where RAM lies, as it was answered; what is in @answer is taken over. */
void attach_machine_set_layout(AttachHost *host, AttachAnswer *answer);

/* Which vCPUs there are, and their threads; before anything is followed. */
void attach_machine_read_vcpus_now(AttachHost *host);

/* Any thread; with the monitor's connection locked. */
void attach_machine_event(void *opaque, const char *name);

/* Once a turn: what is due of all this. */
void attach_machine_follow(AttachHost *host);

#endif
