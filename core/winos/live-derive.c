/*
 * winos/live-derive: offsets from nothing but how live objects look.
 *
 * Each search goes over one object's bytes and keeps the place that fits; two
 * places that fit are no answer.  Candidates at known distances from fields
 * already settled come first where such distances are published.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/live.h"

#include "base/le.h"

#include <string.h>

enum {
    OBJECT_SIZE = 0xc00,            /* larger than any EPROCESS or ETHREAD */
    PRCB_SIZE = 0x4000,
    FIRST_FIELD = 0x18,             /* behind the dispatcher header */
    LIST_MAX = 4096,
};

#define ROOT_MASK 0x000ffffffffff000ULL

static const GmemSpace *space_of(const LiveWorld *world)
{
    return &world->kernel->space;
}

/* An object's bytes; pages that are missing read as zeroes. */
typedef struct Copy {
    uint64_t at;
    uint8_t bytes[OBJECT_SIZE];
} Copy;

static uint64_t word(const Copy *copy, int32_t offset)
{
    return load_le64(copy->bytes + offset);
}

static bool take_copy(const LiveWorld *world, uint64_t object, Copy *copy)
{
    uint64_t present;

    copy->at = object;
    return gmem_read_some(space_of(world), object, copy->bytes, OBJECT_SIZE,
                          &present) > FIRST_FIELD;
}

/* Is there a list link at this place that the next member points back to? */
static bool links_back(const LiveWorld *world, const Copy *copy,
                       int32_t offset)
{
    uint64_t next = word(copy, offset);
    uint64_t back;

    return gmem_is_kernel(space_of(world), next) &&
           gmem_is_kernel(space_of(world), word(copy, offset + 8)) &&
           next != copy->at + offset &&
           gmem_read_u64(space_of(world), next + 8, &back) &&
           back == copy->at + offset;
}

/* Keeps the one place that fits: -1 none yet, -2 more than one. */
static int32_t only(int32_t known, int32_t offset)
{
    return known == WINOS_NO_OFFSET ? offset : -2;
}

static int32_t settled(int32_t found)
{
    return found >= 0 ? found : WINOS_NO_OFFSET;
}

/* System has id 4, and the process list runs right behind the id. */
static int32_t derive_pid(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;
    Copy copy;

    if (!take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 24 <= OBJECT_SIZE; offset += 8) {
        if (word(&copy, offset) == 4 && links_back(world, &copy,
                                                   offset + 8)) {
            found = only(found, offset);
        }
    }
    return settled(found);
}

/*
 * Does a list through System, linked at this place, join processes and
 * nothing else but its head, and come back?
 */
static bool joins_processes(const LiveWorld *world, uint64_t system,
                            int32_t offset)
{
    uint64_t at = system + offset;
    unsigned processes = 0, others = 0;
    unsigned n;

    for (n = 0; n < LIST_MAX && others < 2; n++) {
        if (!gmem_read_u64(space_of(world), at, &at)) {
            return false;
        }
        if (at == system + offset) {
            return processes > 0 && others == 1;
        }
        if (live_is_object(space_of(world), at - offset, LIVE_PROCESS)) {
            processes++;
        } else {
            others++;
        }
    }
    return false;
}

static int32_t derive_links(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;
    Copy copy;

    if (!take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset += 8) {
        if (links_back(world, &copy, offset) &&
            joins_processes(world, copy.at, offset)) {
            found = only(found, offset);
        }
    }
    return settled(found);
}

static int32_t derive_image(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;
    Copy copy;

    if (!take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset++) {
        if (memcmp(copy.bytes + offset, "System\0\0", 8) == 0) {
            found = only(found, offset);
        }
    }
    return settled(found);
}

/* Is this a root of page tables that map the kernel? */
static bool is_root(const LiveWorld *world, uint64_t value)
{
    GmemSpace other = *space_of(world);
    uint64_t gpa;

    other.cr3 = value;
    return value >> 52 == 0 && value & ROOT_MASK &&
           gmem_translate(&other, world->kernel->image.base, &gpa, NULL,
                          NULL);
}

static int32_t derive_root(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;
    Copy copy;

    if (!take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 8 <= OBJECT_SIZE; offset += 8) {
        if (is_root(world, word(&copy, offset))) {
            found = only(found, offset);
        }
    }
    return settled(found);
}

static bool is_client_id(const Copy *copy, int32_t offset, uint64_t pid)
{
    uint64_t tid = word(copy, offset + 8);

    return word(copy, offset) == pid && tid && tid % 4 == 0 &&
           tid <= UINT32_MAX;
}

/* Drops the candidates that do not fit one thread more. */
static unsigned narrow_client_id(const LiveWorld *world, uint64_t thread,
                                 uint8_t *fits)
{
    int32_t process_at = winos_offset(world->layout, WINOS_KTHREAD_PROCESS);
    int32_t pid_at = winos_offset(world->layout,
                                  WINOS_EPROCESS_UNIQUE_PROCESS_ID);
    uint64_t process, pid;
    int32_t offset;
    Copy copy;

    if (!gmem_read_u64(space_of(world), thread + process_at, &process) ||
        !gmem_read_u64(space_of(world), process + pid_at, &pid) || !pid ||
        !take_copy(world, thread, &copy)) {
        return 0;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset += 8) {
        if (!is_client_id(&copy, offset, pid)) {
            fits[offset / 8] = 0;
        }
    }
    return 1;
}

static int32_t derive_client_id(const LiveWorld *world)
{
    uint8_t fits[OBJECT_SIZE / 8];
    int32_t found = WINOS_NO_OFFSET;
    unsigned seen = 0;
    unsigned i;

    if (!winos_has(world->layout, WINOS_KTHREAD_PROCESS) ||
        !winos_has(world->layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID)) {
        return WINOS_NO_OFFSET;
    }
    memset(fits, 1, sizeof(fits));
    for (i = 0; i < world->n_threads && seen < 16; i++) {
        seen += narrow_client_id(world, world->threads[i], fits);
    }
    for (i = FIRST_FIELD / 8; i + 2 <= OBJECT_SIZE / 8; i++) {
        if (fits[i]) {
            found = only(found, i * 8);
        }
    }
    return seen >= 2 ? settled(found) : WINOS_NO_OFFSET;
}

/*
 * Published distances from the Cid, new builds first: 17763 and later, 16299
 * and 17134, 14393 and 15063.
 */
static const int32_t name_distances[] = { 0x198, 0x1a0, 0x198 };

static int32_t name_at_distance(const LiveWorld *world, int32_t cid)
{
    unsigned i;

    for (i = 0; i < sizeof(name_distances) / sizeof(name_distances[0]); i++) {
        if (live_check(world, WINOS_ETHREAD_THREAD_NAME,
                       cid + name_distances[i]) == LIVE_FITS) {
            return cid + name_distances[i];
        }
    }
    return WINOS_NO_OFFSET;
}

static int32_t derive_name(const LiveWorld *world)
{
    int32_t cid = winos_offset(world->layout, WINOS_ETHREAD_CLIENT_ID);
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;

    if (cid < 0) {
        return WINOS_NO_OFFSET;
    }
    found = name_at_distance(world, cid);
    if (found >= 0) {
        return found;
    }
    for (offset = FIRST_FIELD; offset + 8 <= OBJECT_SIZE; offset += 8) {
        if (live_check(world, WINOS_ETHREAD_THREAD_NAME, offset) ==
            LIVE_FITS) {
            found = only(found, offset);
        }
    }
    return settled(found);
}

/* A process' list of its threads: the head's place, and the entries'. */
typedef struct ThreadList {
    int32_t head;
    int32_t entry;
} ThreadList;

static bool is_thread_of(const LiveWorld *world, uint64_t thread,
                         uint64_t process)
{
    int32_t owner_at = winos_offset(world->layout, WINOS_KTHREAD_PROCESS);
    uint64_t owner;

    return live_is_object(space_of(world), thread, LIVE_THREAD) &&
           gmem_read_u64(space_of(world), thread + owner_at, &owner) &&
           owner == process;
}

/* Are all members of the list threads of the process? */
static bool all_threads(const LiveWorld *world, uint64_t process,
                        uint64_t head, int32_t entry)
{
    uint64_t at = head;
    unsigned n;

    for (n = 0; n < LIST_MAX; n++) {
        if (!gmem_read_u64(space_of(world), at, &at)) {
            return false;
        }
        if (at == head) {
            return n > 0;
        }
        if (!is_thread_of(world, at - entry, process)) {
            return false;
        }
    }
    return false;
}

static int32_t entry_of(const LiveWorld *world, uint64_t process,
                        uint64_t head, uint64_t first)
{
    int32_t entry;

    for (entry = FIRST_FIELD; entry < OBJECT_SIZE; entry += 8) {
        if ((first - entry) % 16 == 0 &&
            is_thread_of(world, first - entry, process) &&
            all_threads(world, process, head, entry)) {
            return entry;
        }
    }
    return WINOS_NO_OFFSET;
}

/*
 * There are two such lists, one of the kernel's half of the objects and one
 * of the executive's; the executive's half of a thread lies behind, and that
 * list is the one meant.
 */
static bool derive_threads(const LiveWorld *world, ThreadList *best)
{
    uint64_t system = world->kernel->system_process;
    int32_t offset;
    unsigned n = 0;
    Copy copy;

    best->entry = WINOS_NO_OFFSET;
    if (!winos_has(world->layout, WINOS_KTHREAD_PROCESS) ||
        !take_copy(world, system, &copy)) {
        return false;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset += 8) {
        int32_t entry;

        if (!links_back(world, &copy, offset)) {
            continue;
        }
        entry = entry_of(world, system, system + offset, word(&copy, offset));
        n += entry >= 0;
        if (entry > best->entry) {
            best->head = offset;
            best->entry = entry;
        }
    }
    return n == 2;
}

static int32_t derive_idle(const LiveWorld *world)
{
    int32_t skip = winos_offset(world->layout, WINOS_PRCB_CURRENT_THREAD);
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;

    if (!world->kernel->idle_process) {
        return WINOS_NO_OFFSET;
    }
    for (offset = 0; offset + 8 <= PRCB_SIZE; offset += 8) {
        if (offset != skip &&
            live_check(world, WINOS_PRCB_IDLE_THREAD, offset) == LIVE_FITS) {
            found = only(found, offset);
        }
    }
    return settled(found);
}

int32_t live_derive(const LiveWorld *world, WinosField field)
{
    ThreadList list;

    switch (field) {
    case WINOS_PRCB_IDLE_THREAD:
        return derive_idle(world);
    case WINOS_ETHREAD_CLIENT_ID:
        return derive_client_id(world);
    case WINOS_ETHREAD_THREAD_NAME:
        return derive_name(world);
    case WINOS_ETHREAD_THREAD_LIST_ENTRY:
        return derive_threads(world, &list) ? list.entry : WINOS_NO_OFFSET;
    case WINOS_EPROCESS_THREAD_LIST_HEAD:
        return derive_threads(world, &list) ? list.head : WINOS_NO_OFFSET;
    case WINOS_EPROCESS_UNIQUE_PROCESS_ID:
        return derive_pid(world);
    case WINOS_EPROCESS_ACTIVE_PROCESS_LINKS:
        return derive_links(world);
    case WINOS_EPROCESS_IMAGE_FILE_NAME:
        return derive_image(world);
    case WINOS_EPROCESS_DIRECTORY_TABLE_BASE:
        return derive_root(world);
    default:
        return WINOS_NO_OFFSET;
    }
}
