/*
 * machine: a made-up host of the engine, in which every interleaving can be
 * forced.
 *
 * It has a small guest with a Windows-like kernel, a clock that moves only
 * when told to, and vCPUs that answer when told to.  Before each call of the
 * engine's to its host, and before each read of guest memory, a test may have
 * anything happen, by machine_at().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TESTS_WATCH_MACHINE_H
#define VMSCOPE_TESTS_WATCH_MACHINE_H

#include "fake-guest.h"
#include "watch/slot.h"

enum {
    MACHINE_VCPUS = 3,
    MACHINE_THREADS = 4,
    MACHINE_EVENTS = 256,
    MACHINE_PRCB_AT = 0x180,
    MACHINE_CURRENT_AT = 8,
    MACHINE_SWITCHES_AT = 0x2d3c,
};

/* Where the engine calls its host; a test can have a hand in each. */
typedef enum MachineCall {
    MACHINE_VCPUS_CALL,
    MACHINE_ASK,
    MACHINE_COLLECT,
    MACHINE_CANCEL,
    MACHINE_STAMP,
    MACHINE_SAMPLE,             /* before the bytes are read */
    MACHINE_SAMPLED,            /* after */
    MACHINE_GRACE,
    MACHINE_RECORD,
    MACHINE_FOUND,
    MACHINE_ARM,
    MACHINE_READ,               /* of guest memory */
    MACHINE_CPU_WAIT,
    MACHINE_N_CALLS,
} MachineCall;

typedef struct Machine {
    FakeGuest guest;
    GmemOps ops;
    GuestMem mem;
    const GmemOps *plain;
    WatchHost host;
    WatchConfig config;
    Watch *watch;

    uint64_t now_ns;
    uint64_t stamp;
    bool present[MACHINE_VCPUS];
    WinosRegs regs[MACHINE_VCPUS];
    bool silent;                /* vCPUs do not answer */
    bool asked[MACHINE_VCPUS];
    unsigned asks;

    bool reading;               /* in a read-side section */
    unsigned graces;
    unsigned wakes;
    unsigned founds;
    uint64_t cpu_wait_ns;

    bool can_map;
    int arm_error;
    uint64_t armed[MACHINE_VCPUS];
    bool work[MACHINE_VCPUS][2];
    bool hit_pending;
    bool exact;

    WinschedSwitch events[MACHINE_EVENTS];
    unsigned n_events;

    /* What machine_at() was told. */
    MachineCall at;
    unsigned after;             /* calls to come before that one */
    void (*then)(struct Machine *m);
} Machine;

/* A machine whose guest runs a kernel, and an engine that knows nothing. */
void machine_init(Machine *m);

/* The same, with m->config as the test has changed it. */
void machine_restart(Machine *m);
void machine_deinit(Machine *m);

/* Have @then happen before one call to come, the first being 0; once. */
void machine_at(Machine *m, MachineCall call, unsigned after,
                void (*then)(Machine *m));

/* A turn of the engine, and the time goes on to when the next is due. */
uint64_t machine_turn(Machine *m);

/* Turns until @ns have passed. */
void machine_run(Machine *m, uint64_t ns);

/* Turns until the engine is active; fails the test when it does not get so. */
void machine_find(Machine *m);

/* Let vCPUs do the work items that they were given. */
void machine_work(Machine *m);

/* The guest's: a store of CurrentThread, and a whole switch. */
void machine_store(Machine *m, unsigned vcpu, unsigned thread);
void machine_switch(Machine *m, unsigned vcpu, unsigned thread);

/* The guest's: it gives itself another build number. */
void machine_set_build(Machine *m, uint32_t build);

/* As QEMU's hook does when a vCPU exits. */
void machine_exit(Machine *m, unsigned vcpu);

uint64_t machine_thread(unsigned n);
uint64_t machine_prcb(unsigned vcpu);

/* Guest-physical address of a vCPU's CurrentThread. */
uint64_t machine_gpa(Machine *m, unsigned vcpu);

WatchStatus machine_status(Machine *m);
WatchVcpuStatus machine_vcpu(Machine *m, unsigned vcpu);

#endif
