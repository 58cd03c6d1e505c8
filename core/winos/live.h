/*
 * winos/live: hold claimed offsets against live objects, and derive some
 * from nothing but how objects look.
 *
 * The guest runs on meanwhile: objects are half made, lists half linked.  So
 * a claim is judged by how most objects look, not by each.
 *
 * Sources: docs/guest-facts/structure.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_LIVE_H
#define VMSCOPE_WINOS_LIVE_H

#include "winos/detect.h"

enum {
    LIVE_MAX_THREADS = 512,
    LIVE_MAX_PROCESSES = 256,
    LIVE_MAX_CPUS = 64,         /* whose running threads are looked at */
};

/* The objects known so far. */
typedef struct LiveWorld {
    const WinosKernel *kernel;
    const WinosLayout *layout;  /* what is settled so far, to find the way */
    unsigned n_cpus;
    unsigned n_threads;
    unsigned n_processes;
    WinosCpu cpus[LIVE_MAX_CPUS];
    uint64_t threads[LIVE_MAX_THREADS];     /* addresses, each once */
    uint64_t processes[LIVE_MAX_PROCESSES];
} LiveWorld;

typedef enum LiveAnswer {
    LIVE_UNKNOWN,       /* nothing there to tell by */
    LIVE_FITS,
    LIVE_REFUTES,
} LiveAnswer;

/**
 * live_init - a world with nothing in it
 */
void live_init(LiveWorld *world, const WinosKernel *kernel,
               const WinosLayout *layout);

/**
 * live_add_cpu - look at one more vCPU's structures
 */
void live_add_cpu(LiveWorld *world, const WinosCpu *cpu);

/**
 * live_gather - find more objects, as far as settled offsets lead
 *
 * Running and idle threads, their processes, System, the process list, and
 * each process' threads.  Lists are followed for a bounded length.
 */
void live_gather(LiveWorld *world);

/**
 * live_check - does an offset fit what the objects hold?
 * @offset: 0 to WINOS_MAX_OFFSET
 *
 * An answer needs evidence: memory that is all zeroes says nothing.
 */
LiveAnswer live_check(const LiveWorld *world, WinosField field,
                      int32_t offset);

/**
 * live_derive - find an offset by structure alone
 *
 * Returns: the one offset that fits, or WINOS_NO_OFFSET
 */
int32_t live_derive(const LiveWorld *world, WinosField field);

/**
 * live_is_object - does a dispatcher header of this type stand here?
 * @type: LIVE_PROCESS or LIVE_THREAD
 */
enum { LIVE_PROCESS = 3, LIVE_THREAD = 6 };
bool live_is_object(const GmemSpace *space, uint64_t gva, unsigned type);

/**
 * live_name_looks - is this a pointer to a thread's name?
 *
 * A UNICODE_STRING whose text follows it directly, as the kernel lays out a
 * thread's name, and whose text is text.
 */
bool live_name_looks(const GmemSpace *space, uint64_t pointer);

#endif
