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
    world->n_cpus = 0;
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

static void add_thread(LiveWorld *world, uint64_t gva)
{
    if (live_is_object(&world->kernel->space, gva, LIVE_THREAD)) {
        world->n_threads = add_once(world->threads, world->n_threads,
                                    LIVE_MAX_THREADS, gva);
    }
}

/* A pointer in an object, where the field's place is known. */
static bool follow(const LiveWorld *world, uint64_t object, WinosField field,
                   uint64_t *value)
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

        if (follow(world, prcb, WINOS_PRCB_CURRENT_THREAD, &thread)) {
            add_thread(world, thread);
        }
        if (follow(world, prcb, WINOS_PRCB_IDLE_THREAD, &thread)) {
            add_thread(world, thread);
        }
    }
}

static void gather_owners(LiveWorld *world)
{
    uint64_t process;
    unsigned i;

    for (i = 0; i < world->n_threads; i++) {
        if (follow(world, world->threads[i], WINOS_KTHREAD_PROCESS,
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
        gather_list(world, world->processes[i] + head, entry, 64, add_thread);
    }
}

void live_gather(LiveWorld *world)
{
    gather_running(world);
    gather_processes(world);
    gather_owners(world);
    gather_threads(world);
}

static bool is_text(const uint8_t *text, unsigned n)
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
           is_text(block + 0x10, shown);
}
