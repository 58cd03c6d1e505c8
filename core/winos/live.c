/*
 * winos/live: see live.h.
 *
 * Objects are gathered here; what an offset must look like in them stands in
 * live-check.c, and what can be derived from them in live-derive.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/live.h"

#include "base/le.h"

#include <string.h>

void live_init(LiveWorld *world, const WinosKernel *kernel,
               const WinosLayout *layout)
{
    world->kernel = kernel;
    world->layout = layout;
    world->kpcr_current_thread = WINOS_NO_OFFSET;
    world->n_cpus = 0;
    world->n_idle = 0;
    world->n_threads = 0;
    world->n_processes = 0;
}

void live_add_cpu(LiveWorld *world, const WinosCpu *cpu)
{
    if (world->n_cpus < LIVE_MAX_CPUS) {
        world->cpus[world->n_cpus++] = *cpu;
    }
}

bool live_is_object(const GmemSpace *space, uint64_t gva, unsigned type)
{
    uint8_t found;

    return gmem_is_kernel(space, gva) && gva % 16 == 0 &&
           gmem_read_u8(space, gva, &found) && found == type;
}

/* Returns: the number of objects, with @gva among them. */
static unsigned add_once(uint64_t *all, unsigned n, unsigned max, uint64_t gva)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (all[i] == gva) {
            return n;
        }
    }
    if (n < max) {
        all[n++] = gva;
    }
    return n;
}

static void add_process(LiveWorld *world, uint64_t gva)
{
    if (live_is_object(&world->kernel->space, gva, LIVE_PROCESS)) {
        world->n_processes = add_once(world->processes, world->n_processes,
                                      LIVE_MAX_PROCESSES, gva);
    }
}

void live_add_thread(LiveWorld *world, uint64_t gva)
{
    if (live_is_object(&world->kernel->space, gva, LIVE_THREAD)) {
        world->n_threads = add_once(world->threads, world->n_threads,
                                    LIVE_MAX_THREADS, gva);
    }
}

/* A pointer in an object, where the field's place is known. */
static bool live_follow(const LiveWorld *world, uint64_t object,
                        WinosField field, uint64_t *value)
{
    int32_t offset = winos_offset(world->layout, field);

    return offset >= 0 &&
           gmem_read_u64(&world->kernel->space, object + offset, value);
}

static void gather_running(LiveWorld *world)
{
    uint64_t thread;
    unsigned i;

    for (i = 0; i < world->n_cpus; i++) {
        uint64_t prcb = world->cpus[i].prcb;

        if (live_follow(world, prcb, WINOS_PRCB_CURRENT_THREAD, &thread)) {
            live_add_thread(world, thread);
        }
        if (live_follow(world, prcb, WINOS_PRCB_IDLE_THREAD, &thread)) {
            live_add_thread(world, thread);
        }
    }
}

static void gather_owners(LiveWorld *world)
{
    uint64_t process;
    unsigned i;

    for (i = 0; i < world->n_threads; i++) {
        if (live_follow(world, world->threads[i], WINOS_KTHREAD_PROCESS,
                        &process)) {
            add_process(world, process);
        }
    }
}

/*
 * Every member of a circular list, @head left out.  @add gets the address of
 * the object a member is in.
 */
static void gather_list(LiveWorld *world, uint64_t head, int32_t offset,
                        unsigned max,
                        void (*add)(LiveWorld *world, uint64_t gva))
{
    uint64_t at = head;
    unsigned i;

    for (i = 0; i < max; i++) {
        if (!gmem_read_u64(&world->kernel->space, at, &at) || at == head ||
            !gmem_is_kernel(&world->kernel->space, at)) {
            return;
        }
        add(world, at - offset);
    }
}

static void gather_processes(LiveWorld *world)
{
    int32_t links = winos_offset(world->layout,
                                 WINOS_EPROCESS_ACTIVE_PROCESS_LINKS);
    uint64_t system = world->kernel->system_process;

    add_process(world, system);
    add_process(world, world->kernel->idle_process);
    if (links >= 0 && live_is_object(&world->kernel->space, system,
                                     LIVE_PROCESS)) {
        gather_list(world, system + links, links, LIVE_MAX_PROCESSES,
                    add_process);
    }
}

static void gather_threads(LiveWorld *world)
{
    int32_t head = winos_offset(world->layout,
                                WINOS_EPROCESS_THREAD_LIST_HEAD);
    int32_t entry = winos_offset(world->layout,
                                 WINOS_ETHREAD_THREAD_LIST_ENTRY);
    unsigned i;

    if (head < 0 || entry < 0) {
        return;
    }
    for (i = 0; i < world->n_processes; i++) {
        gather_list(world, world->processes[i] + head, entry, 64,
                    live_add_thread);
    }
}

enum { PRCB_SIZE = 0x4000, PRCB_PIECE = GMEM_PAGE / 2 };

/* Does a PRCB point to its current thread from another place as well? */
static bool points_twice(const LiveWorld *world, uint64_t prcb,
                         uint64_t thread)
{
    int32_t current_at = winos_offset(world->layout,
                                      WINOS_PRCB_CURRENT_THREAD);
    uint8_t piece[PRCB_PIECE];
    unsigned at, i;

    for (at = 0; at < PRCB_SIZE; at += PRCB_PIECE) {
        if (!gmem_read(live_space(world), prcb + at, piece, sizeof(piece),
                       NULL)) {
            continue;
        }
        for (i = 0; i < PRCB_PIECE; i += 8) {
            if (load_le64(piece + i) == thread &&
                (int32_t)(at + i) != current_at) {
                return true;
            }
        }
    }
    return false;
}

static void live_note_idle_cpu(LiveWorld *world, WinosCpu *cpu)
{
    bool known = winos_has(world->layout, WINOS_PRCB_IDLE_THREAD);
    uint64_t thread;

    if (!live_follow(world, cpu->prcb, known ? WINOS_PRCB_IDLE_THREAD :
                     WINOS_PRCB_CURRENT_THREAD, &thread) ||
        !live_is_object(live_space(world), thread, LIVE_THREAD)) {
        thread = 0;
    }
    cpu->idle_thread = known ? thread : 0;
    if (thread && (known || points_twice(world, cpu->prcb, thread))) {
        world->n_idle = add_once(world->idle, world->n_idle, LIVE_MAX_IDLE,
                                 thread);
    }
}

static bool looks_idle(const LiveWorld *world, uint64_t thread)
{
    int32_t cid_at = winos_offset(world->layout, WINOS_ETHREAD_CLIENT_ID);
    uint64_t pid, tid, owner;

    if (live_follow(world, thread, WINOS_ETHREAD_CLIENT_ID, &pid) && !pid &&
        gmem_read_u64(live_space(world), thread + cid_at + 8, &tid) && !tid) {
        return true;
    }
    return live_follow(world, thread, WINOS_KTHREAD_PROCESS, &owner) &&
           (!owner || owner == world->kernel->idle_process);
}

void live_note_idle(LiveWorld *world)
{
    unsigned i;

    world->n_idle = 0;
    for (i = 0; i < world->n_cpus; i++) {
        live_note_idle_cpu(world, &world->cpus[i]);
    }
    for (i = 0; i < world->n_threads; i++) {
        if (looks_idle(world, world->threads[i])) {
            world->n_idle = add_once(world->idle, world->n_idle,
                                     LIVE_MAX_IDLE, world->threads[i]);
        }
    }
}

bool live_is_idle(const LiveWorld *world, uint64_t thread)
{
    unsigned i;

    for (i = 0; i < world->n_idle; i++) {
        if (world->idle[i] == thread) {
            return true;
        }
    }
    return false;
}

void live_gather(LiveWorld *world)
{
    gather_running(world);
    gather_processes(world);
    gather_owners(world);
    gather_threads(world);
    live_note_idle(world);
}

static bool live_is_text(const uint8_t *text, unsigned n)
{
    unsigned i;

    for (i = 0; i + 1 < n; i += 2) {
        if (load_le16(text + i) == 0) {
            return false;
        }
    }
    return true;
}

bool live_name_looks(const GmemSpace *space, uint64_t pointer)
{
    uint8_t block[0x10 + 32];
    uint16_t length;
    unsigned shown;

    if (!gmem_is_kernel(space, pointer) || pointer % 8 != 0 ||
        !gmem_read(space, pointer, block, 0x10, NULL)) {
        return false;
    }
    length = load_le16(block);
    if (length == 0 || length % 2 != 0 || length > load_le16(block + 2) ||
        load_le64(block + 8) != pointer + 0x10) {
        return false;
    }
    shown = length < 32 ? length : 32;
    return gmem_read(space, pointer + 0x10, block + 0x10, shown, NULL) &&
           live_is_text(block + 0x10, shown);
}

bool live_image_looks(const uint8_t *name)
{
    unsigned n = 0;
    unsigned i;

    while (n < LIVE_IMAGE && name[n] >= 0x20 && name[n] < 0x7f) {
        n++;
    }
    for (i = n; i < LIVE_IMAGE; i++) {
        if (name[i]) {
            return false;
        }
    }
    return n >= 2;
}
