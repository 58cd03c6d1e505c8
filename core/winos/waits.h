/*
 * winos/waits: what a thread waits for.
 *
 * A waiting thread has a list of wait blocks, one for each object it waits
 * for; each leads to the object, whose header tells its type, and a mutex
 * (KMUTANT) tells its owner.  A fast mutex has its owner beside the event that
 * is waited for.  No other object Windows waits for by a wait block has an
 * owner to be read there: events, semaphores, push locks and user-mode locks
 * are signalled by whoever likes to.
 *
 * Sources: docs/guest-facts/time-wait.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_WAITS_H
#define VMSCOPE_WINOS_WAITS_H

#include "winos/extra.h"

/* As many as WaitForMultipleObjects() takes. */
enum { WINOS_WAIT_MAX = 64 };

/* Types in a dispatcher header that are asked for by number. */
enum { WINOS_OBJECT_SYNC_EVENT = 1, WINOS_OBJECT_MUTANT = 2,
       WINOS_OBJECT_THREAD = 6 };

typedef struct WinosWaitObject {
    uint64_t address;
    bool readable;              /* the next two are known */
    uint8_t type;               /* see winos_object_type_name() */
    int32_t signal_state;
    uint64_t owner;             /* KTHREAD that has the mutex; else 0 */
    bool fast_mutex;            /* it is the event inside of one */
} WinosWaitObject;

typedef struct WinosWait {
    bool all;                   /* for all of them, not for the first */
    unsigned n_objects;
    WinosWaitObject objects[WINOS_WAIT_MAX];
} WinosWait;

/**
 * winos_wait_read - the objects a thread waits for
 * @thread: address of its KTHREAD; State says that it waits
 * @wait: filled in
 *
 * Each block has to name the thread it is of, and the list has to be the
 * same before and after: what is told was one wait.  The objects may be
 * others' by the time they are read; only their addresses are certain.
 *
 * Context: any thread; allocates nothing; at most WINOS_WAIT_MAX blocks and
 * objects are read, four times.
 *
 * Returns: false when there is no list, or what is there is none
 */
bool winos_wait_read(const WinosResult *result, const WinosExtra *extra,
                     uint64_t thread, WinosWait *wait);

/**
 * winos_wait_fast_mutex - is what is waited for inside of a fast mutex?
 * @reason: KTHREAD.WaitReason of that wait
 * @wait: as winos_wait_read() filled it in; its object gets an owner
 *
 * Only where the reason says so, and only when what is around the event is a
 * taken mutex with a thread for an owner: nothing leads back from the event.
 */
void winos_wait_fast_mutex(const WinosResult *result, unsigned reason,
                           WinosWait *wait);

/* What an object is called, by its type and what it is in; may be NULL. */
const char *winos_wait_object_name(const WinosWaitObject *object);

/**
 * winos_object_type_name - what an object's type is called, "mutex"
 *
 * Returns: a static name; NULL for a number that has none
 */
const char *winos_object_type_name(unsigned type);

#endif
