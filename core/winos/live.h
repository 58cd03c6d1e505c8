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
    LIVE_MAX_IDLE = 2 * LIVE_MAX_CPUS,
};

/* The objects known so far. */
typedef struct LiveWorld {
    const WinosKernel *kernel;
    const WinosLayout *layout;  /* what is settled so far, to find the way */
    int32_t kpcr_current_thread;    /* as code counts it, from the KPCR; or -1 */
    unsigned n_cpus;
    unsigned n_threads;
    unsigned n_processes;
    WinosCpu cpus[LIVE_MAX_CPUS];
    unsigned n_idle;
    uint64_t idle[LIVE_MAX_IDLE];   /* threads that are, or may be, idle ones */
    uint64_t threads[LIVE_MAX_THREADS];     /* addresses, each once */
    uint64_t processes[LIVE_MAX_PROCESSES];
} LiveWorld;

/* Where the kernel is read: its own address space. */
static inline const GmemSpace *live_space(const LiveWorld *world)
{
    return &world->kernel->space;
}

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
 * live_add_thread - look at one more thread, if there is one
 */
void live_add_thread(LiveWorld *world, uint64_t gva);

/**
 * live_note_idle - which threads are idle threads, as far as that is known
 *
 * By IdleThread where it is settled, by having no ids and no process.  While
 * it is not settled, a current thread that the PRCB points to a second time
 * may be one.  They say nothing of what threads look like.
 */
void live_note_idle(LiveWorld *world);

/**
 * live_is_idle - is, or may, that thread be an idle thread?
 */
bool live_is_idle(const LiveWorld *world, uint64_t thread);

/**
 * live_gather - find more objects, as far as settled offsets lead
 *
 * Running and idle threads, their processes, System, the process list, and
 * each process' threads.  Lists are followed for a bounded length.  Ends with
 * live_note_idle().
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
 * live_derive_first - the same of the fields that lead to all others
 *
 * The PRCB, CurrentThread, and a thread's processes and stack.  CurrentThread
 * has to be watched for some ms, if nothing else tells where it is.
 */
int32_t live_derive_first(const LiveWorld *world, WinosField field);

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

/**
 * live_image_looks - is this a process' short name, in plain characters?
 * @name: LIVE_IMAGE bytes: text, and zeroes behind it
 */
enum { LIVE_IMAGE = 15 };
bool live_image_looks(const uint8_t *name);

#endif
