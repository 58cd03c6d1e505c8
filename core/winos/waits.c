/*
 * winos/waits: see waits.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/waits.h"

#include "base/le.h"

#include <stddef.h>
#include <string.h>

/* A wait block and an object's header, as far as they are read. */
enum { BLOCK_SIZE = 0x30, HEADER_SIZE = 0x18, WAITS_TRIES = 4 };

/* The type has a lock bit in it. */
enum { HEADER_TYPE = 0x7f, HEADER_SIGNAL = 4 };

/* KWAIT_BLOCK.WaitType. */
enum { WAIT_ALL = 0 };

/* Source: the names of _KOBJECTS; those that are waited for. */
static const char *const type_names[] = {
    [0] = "event", [1] = "synchronisation event", [2] = "mutex",
    [3] = "process", [4] = "queue", [5] = "semaphore", [6] = "thread",
    [7] = "gate", [8] = "timer", [9] = "synchronisation timer",
    [21] = "priority queue", [24] = "timer", [25] = "synchronisation timer",
};

const char *winos_object_type_name(unsigned type)
{
    return type < sizeof(type_names) / sizeof(*type_names)
        ? type_names[type] : NULL;
}

const char *winos_wait_object_name(const WinosWaitObject *object)
{
    return object->fast_mutex ? "fast mutex" :
           object->readable ? winos_object_type_name(object->type) : NULL;
}

/* KTHREAD.WaitReason. */
enum { REASON_MUTEX = 29, REASON_FAST_MUTEX = 34 };

/*
 * _FAST_MUTEX, the same in every build: the count, 1 when it is free; the
 * owner; the event.
 */
enum { FAST_MUTEX_OWNER = 0x08, FAST_MUTEX_EVENT = 0x18 };

void winos_wait_fast_mutex(const WinosResult *result, unsigned reason,
                           WinosWait *wait)
{
    const GmemSpace *space = &result->kernel.space;
    WinosWaitObject *object = &wait->objects[0];
    uint64_t mutex = object->address - FAST_MUTEX_EVENT;
    uint64_t owner;
    uint32_t count;
    uint8_t type;

    if ((reason != REASON_MUTEX && reason != REASON_FAST_MUTEX) ||
        wait->n_objects != 1 || !object->readable ||
        object->type != WINOS_OBJECT_SYNC_EVENT ||
        !gmem_read_u32(space, mutex, &count) || (int32_t)count > 0 ||
        !gmem_read_u64(space, mutex + FAST_MUTEX_OWNER, &owner)) {
        return;
    }
    /* Thread objects are 16-byte aligned; the low bits may be flags. */
    owner &= ~UINT64_C(15);
    if (gmem_is_kernel(space, owner) && gmem_read_u8(space, owner, &type) &&
        (type & HEADER_TYPE) == WINOS_OBJECT_THREAD) {
        object->owner = owner;
        object->fast_mutex = true;
    }
}

typedef struct WaitList {
    uint64_t first;
    unsigned count;             /* 0: up to the first one again */
} WaitList;

static bool waits_read_list(const WinosResult *result,
                            const WinosExtra *extra, uint64_t thread,
                            WaitList *list)
{
    const GmemSpace *space = &result->kernel.space;
    int32_t count_at = extra->at[WINOS_KTHREAD_WAIT_BLOCK_COUNT];
    uint8_t count = 0;

    if (!gmem_read_u64(space, thread +
                       extra->at[WINOS_KTHREAD_WAIT_BLOCK_LIST],
                       &list->first) ||
        !gmem_is_kernel(space, list->first)) {
        return false;
    }
    if (count_at >= 0 &&
        (!gmem_read_u8(space, thread + count_at, &count) || !count)) {
        return false;
    }
    list->count = count;
    return list->count <= WINOS_WAIT_MAX;
}

static void waits_read_object(const WinosResult *result,
                              const WinosExtra *extra,
                              WinosWaitObject *object)
{
    const GmemSpace *space = &result->kernel.space;
    uint8_t header[HEADER_SIZE];
    uint64_t owner;

    object->readable = gmem_is_kernel(space, object->address) &&
                       gmem_read(space, object->address, header,
                                 sizeof(header), NULL);
    if (!object->readable) {
        return;
    }
    object->type = header[0] & HEADER_TYPE;
    object->signal_state = (int32_t)load_le32(header + HEADER_SIGNAL);
    if (object->type == WINOS_OBJECT_MUTANT && object->signal_state <= 0 &&
        gmem_read_u64(space, object->address +
                      extra->at[WINOS_MUTANT_OWNER], &owner) &&
        gmem_is_kernel(space, owner)) {
        object->owner = owner;
    }
}

static bool waits_read_blocks(const WinosResult *result,
                              const WinosExtra *extra, uint64_t thread,
                              const WaitList *list, WinosWait *wait)
{
    const GmemSpace *space = &result->kernel.space;
    const int32_t *at = extra->at;
    uint64_t block = list->first;

    memset(wait, 0, sizeof(*wait));
    do {
        WinosWaitObject *object = &wait->objects[wait->n_objects];
        uint8_t raw[BLOCK_SIZE];

        if (wait->n_objects == WINOS_WAIT_MAX ||
            !gmem_read(space, block, raw, sizeof(raw), NULL) ||
            load_le64(raw + at[WINOS_WAIT_BLOCK_THREAD]) != thread) {
            return false;
        }
        wait->n_objects++;
        wait->all = raw[at[WINOS_WAIT_BLOCK_TYPE]] == WAIT_ALL;
        object->address = load_le64(raw + at[WINOS_WAIT_BLOCK_OBJECT]);
        waits_read_object(result, extra, object);
        block = list->count ? block + BLOCK_SIZE
                            : load_le64(raw + at[WINOS_WAIT_BLOCK_NEXT]);
    } while (list->count ? wait->n_objects < list->count
                         : block != list->first);
    return true;
}

bool winos_wait_read(const WinosResult *result, const WinosExtra *extra,
                     uint64_t thread, WinosWait *wait)
{
    unsigned i;

    if (!winos_extra_has(extra, WINOS_KTHREAD_WAIT_BLOCK_COUNT) &&
        !winos_extra_has(extra, WINOS_WAIT_BLOCK_NEXT)) {
        return false;
    }
    for (i = 0; i < WAITS_TRIES; i++) {
        WaitList before;
        WaitList after;

        if (!waits_read_list(result, extra, thread, &before) ||
            !waits_read_blocks(result, extra, thread, &before, wait)) {
            return false;
        }
        gmem_fresh(result->kernel.space.mem);
        if (waits_read_list(result, extra, thread, &after) &&
            before.first == after.first && before.count == after.count) {
            return true;
        }
    }
    return false;
}
