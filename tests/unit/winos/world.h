/*
 * world: a few Windows-like processes and threads in a fake guest.
 *
 * Every field is where the test's layout says; a switch can be made to happen
 * whenever somebody reads memory, as in a guest that runs on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TESTS_WORLD_H
#define VMSCOPE_TESTS_WORLD_H

#include "fake-guest.h"
#include "winos/settle.h"

enum { WORLD_PROCESSES = 4, WORLD_THREADS = 8 };

typedef struct World {
    FakeGuest guest;
    GmemOps ops;                /* the guest's, with switches in between */
    GuestMem mem;
    const GmemOps *plain;
    int32_t at[WINOS_N_FIELDS]; /* where each field is */
    uint64_t processes[WORLD_PROCESSES];    /* Idle, System, two more */
    uint64_t threads[WORLD_THREADS];        /* the idle thread first */
    unsigned owner[WORLD_THREADS];
    unsigned running;
    uint64_t switch_every;      /* reads between two switches; 0: none */
    uint64_t n_reads;
    void (*on_switch)(struct World *w);     /* more that changes then, or NULL */
    uint32_t random;
    WinosResult result;         /* kernel is filled in */
    WinosOptions options;
    WinosCpu cpu;
    LiveWorld live;             /* with one CPU, and result.detected */
} World;

/**
 * world_init - make it, in a layout that no build has
 *
 * Freed with world_deinit().
 */
void world_init(World *w);
void world_deinit(World *w);

/*
 * Link the idle threads of @n vCPUs more, up to 8, which nobody has seen yet.
 * As in real memory: in both lists of the idle process, attached to System,
 * Running although they do not run.
 */
void world_add_idle(World *w, unsigned n);

/* Claim the true place of every field but @without, by one source. */
void world_claim(World *w, WinosSource source, int without);

/* Make the next thread run. */
void world_switch(World *w);

/* The same in two steps: CurrentThread, and then all that follows. */
unsigned world_switch_begin(World *w);
void world_switch_end(World *w, unsigned from);

#endif
