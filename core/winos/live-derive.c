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
    PRCB_PIECE = GMEM_PAGE / 2,
    FIRST_FIELD = 0x18,             /* behind the dispatcher header */
    LIST_MAX = 4096,
};

#define ROOT_MASK 0x000ffffffffff000ULL

/* An object's bytes; pages that are missing read as zeroes. */
typedef struct Copy {
    uint64_t at;
    uint8_t bytes[OBJECT_SIZE];
} Copy;

static uint64_t derive_word(const Copy *copy, int32_t offset)
{
    return load_le64(copy->bytes + offset);
}

static bool derive_take_copy(const LiveWorld *world, uint64_t object,
                             Copy *copy)
{
    uint64_t present;

    copy->at = object;
    return gmem_read_some(live_space(world), object, copy->bytes, OBJECT_SIZE,
                          &present) > FIRST_FIELD;
}

/* Is there a list link at this place that the next member points back to? */
static bool links_back(const LiveWorld *world, const Copy *copy,
                       int32_t offset)
{
    uint64_t next = derive_word(copy, offset);
    uint64_t back;

    return gmem_is_kernel(live_space(world), next) &&
           gmem_is_kernel(live_space(world), derive_word(copy, offset + 8)) &&
           next != copy->at + offset &&
           gmem_read_u64(live_space(world), next + 8, &back) &&
           back == copy->at + offset;
}

/* Keeps the one place that fits: -1 none yet, -2 more than one. */
static int32_t derive_only(int32_t known, int32_t offset)
{
    return known == WINOS_NO_OFFSET ? offset : -2;
}

static int32_t derive_settled(int32_t found)
{
    return found >= 0 ? found : WINOS_NO_OFFSET;
}

/* System has id 4, and the process list runs right behind the id. */
static int32_t derive_pid(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;
    Copy copy;

    if (!derive_take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 24 <= OBJECT_SIZE; offset += 8) {
        if (derive_word(&copy, offset) == 4 && links_back(world, &copy,
                                                          offset + 8)) {
            found = derive_only(found, offset);
        }
    }
    return derive_settled(found);
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
        if (!gmem_read_u64(live_space(world), at, &at)) {
            return false;
        }
        if (at == system + offset) {
            return processes > 0 && others == 1;
        }
        if (live_is_object(live_space(world), at - offset, LIVE_PROCESS)) {
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

    if (!derive_take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset += 8) {
        if (links_back(world, &copy, offset) &&
            joins_processes(world, copy.at, offset)) {
            found = derive_only(found, offset);
        }
    }
    return derive_settled(found);
}

static int32_t derive_system_image(const LiveWorld *world)
{
    int32_t found = WINOS_NO_OFFSET;
    int32_t offset;
    Copy copy;

    if (!derive_take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset++) {
        if (memcmp(copy.bytes + offset, "System\0\0", 8) == 0) {
            found = derive_only(found, offset);
        }
    }
    return found;
}

static bool is_program(const uint8_t *name)
{
    unsigned i;

    for (i = 1; i + 4 <= LIVE_IMAGE; i++) {
        if (name[i] == '.' && (name[i + 1] | 0x20) == 'e' &&
            (name[i + 2] | 0x20) == 'x' && (name[i + 3] | 0x20) == 'e') {
            return true;
        }
    }
    return false;
}

/* Of all processes: text, not all the same, and programs' names by a third. */
static bool has_images(const LiveWorld *world, int32_t offset)
{
    unsigned n = 0, programs = 0, repeated = 0;
    uint8_t name[LIVE_IMAGE], first[LIVE_IMAGE];
    unsigned i;

    for (i = 0; i < world->n_processes; i++) {
        if (world->processes[i] == world->kernel->idle_process) {
            continue;
        }
        if (!gmem_read(live_space(world), world->processes[i] + offset, name,
                       sizeof(name), NULL) || !live_image_looks(name)) {
            return false;
        }
        if (n == 0) {
            memcpy(first, name, sizeof(first));
        }
        repeated += !memcmp(first, name, sizeof(first));
        programs += is_program(name);
        n++;
    }
    return n >= 3 && repeated < n && programs * 3 >= n;
}

/*
 * System's name, or where it has another, the place where all processes have
 * names.  A name's second half looks like a name.
 */
static int32_t derive_image(const LiveWorld *world)
{
    int32_t found = derive_system_image(world);
    int32_t offset;

    if (found != WINOS_NO_OFFSET) {
        return derive_settled(found);
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset += 4) {
        if (has_images(world, offset)) {
            if (found >= 0 && offset - found >= 16) {
                return WINOS_NO_OFFSET;
            }
            found = found < 0 ? offset : found;
        }
    }
    return found;
}

/* Is this a root of page tables that map the kernel? */
static bool derive_is_root(const LiveWorld *world, uint64_t value)
{
    GmemSpace other = *live_space(world);
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

    if (!derive_take_copy(world, world->kernel->system_process, &copy)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = FIRST_FIELD; offset + 8 <= OBJECT_SIZE; offset += 8) {
        if (derive_is_root(world, derive_word(&copy, offset))) {
            found = derive_only(found, offset);
        }
    }
    return derive_settled(found);
}

static bool is_client_id(const Copy *copy, int32_t offset, uint64_t pid)
{
    uint64_t tid = derive_word(copy, offset + 8);

    return derive_word(copy, offset) == pid && tid && tid % 4 == 0 &&
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

    if (!gmem_read_u64(live_space(world), thread + process_at, &process) ||
        !gmem_read_u64(live_space(world), process + pid_at, &pid) || !pid ||
        !derive_take_copy(world, thread, &copy)) {
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
            found = derive_only(found, i * 8);
        }
    }
    return seen >= 2 ? derive_settled(found) : WINOS_NO_OFFSET;
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
            found = derive_only(found, offset);
        }
    }
    return derive_settled(found);
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

    return live_is_object(live_space(world), thread, LIVE_THREAD) &&
           gmem_read_u64(live_space(world), thread + owner_at, &owner) &&
           owner == process;
}

/* Are all members of the list threads of the process? */
static bool all_threads(const LiveWorld *world, uint64_t process,
                        uint64_t head, int32_t entry)
{
    uint64_t at = head;
    unsigned n;

    for (n = 0; n < LIST_MAX; n++) {
        if (!gmem_read_u64(live_space(world), at, &at)) {
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

static int32_t derive_entry_of(const LiveWorld *world, uint64_t process,
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
        !derive_take_copy(world, system, &copy)) {
        return false;
    }
    for (offset = FIRST_FIELD; offset + 16 <= OBJECT_SIZE; offset += 8) {
        int32_t entry;

        if (!links_back(world, &copy, offset)) {
            continue;
        }
        entry = derive_entry_of(world, system, system + offset,
                                derive_word(&copy, offset));
        n += entry >= 0;
        if (entry > best->entry) {
            best->head = offset;
            best->entry = entry;
        }
    }
    return n == 2;
}

/* Only what points to a thread in the first vCPU's PRCB is held against all. */
static int32_t derive_idle(const LiveWorld *world)
{
    int32_t skip = winos_offset(world->layout, WINOS_PRCB_CURRENT_THREAD);
    int32_t found = WINOS_NO_OFFSET;
    uint8_t piece[PRCB_PIECE];
    int32_t at, i;

    for (at = 0; world->n_cpus && at < PRCB_SIZE; at += PRCB_PIECE) {
        if (!gmem_read(live_space(world), world->cpus[0].prcb + at, piece,
                       sizeof(piece), NULL)) {
            continue;
        }
        for (i = 0; i < PRCB_PIECE; i += 8) {
            if (at + i != skip &&
                live_is_object(live_space(world), load_le64(piece + i),
                               LIVE_THREAD) &&
                live_check(world, WINOS_PRCB_IDLE_THREAD, at + i) ==
                LIVE_FITS) {
                found = derive_only(found, at + i);
            }
        }
    }
    return derive_settled(found);
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
        return live_derive_first(world, field);
    }
}
