/*
 * A made-up guest, for tests: vCPUs that switch threads, and interrupts.
 *
 * The same arguments give the same events, on any machine.  What becomes of
 * them is for make-trace.c and make-ring.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_VMSCOPE_TRACE_SCENE_H
#define TEST_VMSCOPE_TRACE_SCENE_H

#include "irqlog/event.h"
#include "schedlog/store.h"

enum {
    SCENE_MAX_VCPUS = 64,
    SCENE_MAX_THREADS = 100000,
    SCENE_N_LINES = 6,
    SCENE_N_HOST_THREADS = 3,
};

typedef struct SceneOptions {
    unsigned n_vcpus;
    unsigned n_threads;         /* besides the idle ones */
    uint64_t seed;
    uint64_t begin_ns;
    bool hostile;               /* names that try to break their readers */
    char **names;               /* of processes and threads; or NULL */
    unsigned n_names;
    bool missed;                /* some switches were not seen */
} SceneOptions;

typedef struct SceneThread {
    unsigned process;
    bool runs;
    uint32_t switches;
} SceneThread;

typedef struct SceneVcpu {
    unsigned thread;            /* 0: idle */
    uint64_t until_ns;
} SceneVcpu;

typedef struct Scene {
    SceneOptions opt;
    uint64_t random;
    uint64_t now_ns;
    uint64_t sched_seq;
    uint64_t irq_seq;
    uint64_t next_tick_ns;
    uint64_t next_disk_ns;
    uint64_t storm_ns;          /* 0: over */
    bool lower_pending;         /* the disk's line is up */
    uint64_t lower_ns;
    SceneVcpu vcpu[SCENE_MAX_VCPUS];
    SceneThread thread[SCENE_MAX_THREADS];
} Scene;

typedef enum SceneKind {
    SCENE_SCHED,
    SCENE_IRQ,
} SceneKind;

typedef struct SceneEvent {
    SceneKind kind;
    SchedlogEvent sched;        /* seq counts from 1 */
    IrqlogEvent irq;
    uint32_t line;
    uint32_t host_thread;
} SceneEvent;

void scene_init(Scene *scene, const SceneOptions *opt);

/* The next event; times rise. */
void scene_next(Scene *scene, SceneEvent *event);

extern const IrqlogLineInfo scene_lines[SCENE_N_LINES];
extern const IrqlogThreadInfo scene_host_threads[SCENE_N_HOST_THREADS];

/* The guest's kernel. */
void scene_guest(SchedlogGuest *guest);

#endif
