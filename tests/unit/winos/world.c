/*
 * world: see world.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <glib.h>
#include <string.h>

#define IMAGE   0xfffff80312345000ULL
#define KPCR    0xffffb00000000000ULL
#define POOL    0xffffa00000000000ULL
#define KUSER   0xfffff78000000000ULL
#define NAMES   0xffffa00000100000ULL
#define TICKS   2000

enum { ZERO_PAGE = WORLD_THREADS - 1 };
enum { OBJECT = 0xe10, PRCB_AT = 0x200, HEAD_AT = 0x3000 };

static const int32_t places[WINOS_N_FIELDS] = {
    [WINOS_KPCR_SELF] = 0x40,
    [WINOS_KPCR_CURRENT_PRCB] = 0x90,
    [WINOS_KPCR_PRCB] = PRCB_AT,
    [WINOS_PRCB_CURRENT_THREAD] = 0x58,
    [WINOS_PRCB_NEXT_THREAD] = 0x60,
    [WINOS_PRCB_IDLE_THREAD] = 0x1228,
    [WINOS_PRCB_NUMBER] = 0x88,
    [WINOS_PRCB_CONTEXT_SWITCHES] = 0x1f40,
    [WINOS_PRCB_KERNEL_DTB] = 0x2000,
    [WINOS_KTHREAD_STACK_LIMIT] = 0x150,
    [WINOS_KTHREAD_STACK_BASE] = 0x98,
    [WINOS_KTHREAD_APC_PROCESS] = 0x310,
    [WINOS_KTHREAD_PROCESS] = 0x128,
    [WINOS_KTHREAD_STATE] = 0x2a3,
    [WINOS_KTHREAD_WAIT_REASON] = 0x1b1,
    [WINOS_KTHREAD_PRIORITY] = 0x77,
    [WINOS_KTHREAD_CONTEXT_SWITCHES] = 0x404,
    [WINOS_KTHREAD_WAIT_TIME] = 0x20c,
    [WINOS_KTHREAD_TEB] = 0x240,
    [WINOS_ETHREAD_CLIENT_ID] = 0x6c0,
    [WINOS_ETHREAD_CREATE_TIME] = 0x600,
    [WINOS_ETHREAD_THREAD_LIST_ENTRY] = 0x7d0,
    [WINOS_ETHREAD_THREAD_NAME] = 0x930,
    [WINOS_EPROCESS_DIRECTORY_TABLE_BASE] = 0xa8,
    [WINOS_EPROCESS_UNIQUE_PROCESS_ID] = 0x3f0,
    [WINOS_EPROCESS_ACTIVE_PROCESS_LINKS] = 0x3f8,
    [WINOS_EPROCESS_IMAGE_FILE_NAME] = 0x2c8,
    [WINOS_EPROCESS_INHERITED_FROM] = 0x510,
    [WINOS_EPROCESS_PEB] = 0x1c0,
    [WINOS_EPROCESS_CREATE_TIME] = 0x700,
    [WINOS_EPROCESS_THREAD_LIST_HEAD] = 0x618,
};

/* The kernel's own list of a process' threads. */
enum { KERNEL_HEAD = 0x60, KERNEL_ENTRY = 0x500 };

static uint64_t prcb(void)
{
    return KPCR + PRCB_AT;
}

static void put64(World *w, uint64_t object, WinosField field, uint64_t value)
{
    fake_guest_put64(&w->guest, object + w->at[field], value);
}

static void put8(World *w, uint64_t object, WinosField field, uint8_t value)
{
    fake_guest_put8(&w->guest, object + w->at[field], value);
}

static void list_init(World *w, uint64_t head)
{
    fake_guest_put64(&w->guest, head, head);
    fake_guest_put64(&w->guest, head + 8, head);
}

static void list_add(World *w, uint64_t head, uint64_t entry)
{
    uint64_t last;

    g_assert_true(gmem_read_u64(&w->guest.space, head + 8, &last));
    fake_guest_put64(&w->guest, entry, head);
    fake_guest_put64(&w->guest, entry + 8, last);
    fake_guest_put64(&w->guest, last, entry);
    fake_guest_put64(&w->guest, head + 8, entry);
}

static void make_process(World *w, unsigned i)
{
    static const char *const images[] = { "Idle", "System", "a.exe",
                                          "fifteen-chars.e" };
    uint64_t p = POOL + 0x40 + i * OBJECT;
    char image[16] = "";

    w->processes[i] = p;
    fake_guest_put8(&w->guest, p, LIVE_PROCESS);
    put64(w, p, WINOS_EPROCESS_DIRECTORY_TABLE_BASE, w->guest.space.cr3 | 2);
    put64(w, p, WINOS_EPROCESS_UNIQUE_PROCESS_ID, i < 2 ? 4 * i : 100 * i);
    put64(w, p, WINOS_EPROCESS_INHERITED_FROM, i < 2 ? 0 : 4);
    put64(w, p, WINOS_EPROCESS_PEB, i < 2 ? 0 : 0x7ff5e000 + i * 0x1000);
    put64(w, p, WINOS_EPROCESS_CREATE_TIME, i < 2 ? 0 : 0x01db000000000000);
    strcpy(image, images[i]);
    fake_guest_write(&w->guest, p + w->at[WINOS_EPROCESS_IMAGE_FILE_NAME],
                     image, 15);
    list_init(w, p + w->at[WINOS_EPROCESS_THREAD_LIST_HEAD]);
    list_init(w, p + KERNEL_HEAD);
    if (i > 0) {
        list_add(w, IMAGE + HEAD_AT,
                 p + w->at[WINOS_EPROCESS_ACTIVE_PROCESS_LINKS]);
    }
}

static void make_name(World *w, unsigned i)
{
    static const uint16_t text[] = { 'w', 0xac00, 'k' };
    uint64_t at = NAMES + i * 0x40;

    fake_guest_put16(&w->guest, at, sizeof(text));
    /* No room for a NUL, and padding that nobody has cleared. */
    fake_guest_put16(&w->guest, at + 2, sizeof(text));
    fake_guest_put32(&w->guest, at + 4, 0xdeadbeef);
    fake_guest_put64(&w->guest, at + 8, at + 0x10);
    fake_guest_write(&w->guest, at + 0x10, text, sizeof(text));
    put64(w, w->threads[i], WINOS_ETHREAD_THREAD_NAME, at);
}

static void make_thread(World *w, unsigned i)
{
    uint64_t t = POOL + 0x40 + (WORLD_PROCESSES + i) * OBJECT;
    unsigned owner = i == 0 ? 0 : 1 + (i - 1) % (WORLD_PROCESSES - 1);
    uint64_t p = w->processes[owner];

    w->threads[i] = t;
    w->owner[i] = owner;
    fake_guest_put8(&w->guest, t, LIVE_THREAD);
    put64(w, t, WINOS_KTHREAD_STACK_LIMIT, POOL + 0x800000 + i * 0x10000);
    put64(w, t, WINOS_KTHREAD_STACK_BASE, POOL + 0x806000 + i * 0x10000);
    /* An idle thread uses System's memory. */
    put64(w, t, WINOS_KTHREAD_APC_PROCESS, i == 0 ? w->processes[1] : p);
    put64(w, t, WINOS_KTHREAD_PROCESS, p);
    put8(w, t, WINOS_KTHREAD_STATE, i == 0 ? 2 : i % 2 ? 5 : 1);
    put8(w, t, WINOS_KTHREAD_WAIT_REASON, i % 2 ? 6 : 32);
    /* The last one is System's, and zeroes pages when nobody else runs. */
    put8(w, t, WINOS_KTHREAD_PRIORITY, i == 0 || i == ZERO_PAGE ? 0 : 8 + i);
    fake_guest_put32(&w->guest, t + w->at[WINOS_KTHREAD_WAIT_TIME],
                     TICKS - 10 * i);
    put64(w, t, WINOS_KTHREAD_TEB, owner < 2 ? 0 : 0x7ff00000 + i * 0x2000);
    list_add(w, p + w->at[WINOS_EPROCESS_THREAD_LIST_HEAD],
             t + w->at[WINOS_ETHREAD_THREAD_LIST_ENTRY]);
    list_add(w, p + KERNEL_HEAD, t + KERNEL_ENTRY);
    if (i == 0) {
        return;
    }
    put64(w, t, WINOS_ETHREAD_CREATE_TIME, 0x01db000000000000 + i);
    put64(w, t, WINOS_ETHREAD_CLIENT_ID, owner == 1 ? 4 : 100 * owner);
    fake_guest_put64(&w->guest, t + w->at[WINOS_ETHREAD_CLIENT_ID] + 8,
                     400 + 4 * i);
    if (i > 4) {
        make_name(w, i);
    }
}

void world_add_idle(World *w, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        uint64_t t = POOL + 0x40 +
                     (WORLD_PROCESSES + WORLD_THREADS + i) * OBJECT;

        fake_guest_put8(&w->guest, t, LIVE_THREAD);
        put64(w, t, WINOS_KTHREAD_STACK_LIMIT, POOL + 0x900000 + i * 0x10000);
        put64(w, t, WINOS_KTHREAD_STACK_BASE, POOL + 0x906000 + i * 0x10000);
        put64(w, t, WINOS_KTHREAD_APC_PROCESS, w->processes[1]);
        put64(w, t, WINOS_KTHREAD_PROCESS, w->processes[0]);
        put8(w, t, WINOS_KTHREAD_STATE, 2);
        list_add(w, w->processes[0] + w->at[WINOS_EPROCESS_THREAD_LIST_HEAD],
                 t + w->at[WINOS_ETHREAD_THREAD_LIST_ENTRY]);
        list_add(w, w->processes[0] + KERNEL_HEAD, t + KERNEL_ENTRY);
    }
}

static void make_cpu(World *w)
{
    put64(w, KPCR, WINOS_KPCR_SELF, KPCR);
    put64(w, KPCR, WINOS_KPCR_CURRENT_PRCB, prcb());
    put64(w, prcb(), WINOS_PRCB_CURRENT_THREAD, w->threads[0]);
    put64(w, prcb(), WINOS_PRCB_IDLE_THREAD, w->threads[0]);
    w->cpu = (WinosCpu) {
        .kpcr = KPCR,
        .prcb = prcb(),
        .idle_thread = w->threads[0],
    };
}

static void bump(World *w, uint64_t object, WinosField field)
{
    uint64_t gva = object + w->at[field];
    uint32_t value;

    g_assert_true(gmem_read_u32(&w->guest.space, gva, &value));
    fake_guest_put32(&w->guest, gva, value + 1);
}

/* Who leaves goes to wait or back to the queue, by chance. */
static void leave(World *w, unsigned i)
{
    bool waits = w->random >> 16 & 1;

    if (i == 0) {
        return;
    }
    put8(w, w->threads[i], WINOS_KTHREAD_STATE, waits ? 5 : 1);
    put8(w, w->threads[i], WINOS_KTHREAD_WAIT_REASON,
         waits ? 4 + 2 * (w->random >> 20 & 1) : 30 + (w->random >> 20) % 4);
}

unsigned world_switch_begin(World *w)
{
    unsigned from = w->running;

    w->random = w->random * 1664525 + 1013904223;
    w->running = w->random >> 8 & (WORLD_THREADS - 1);
    if (w->running == from) {
        w->running = (from + 1) % WORLD_THREADS;
    }
    put64(w, prcb(), WINOS_PRCB_CURRENT_THREAD, w->threads[w->running]);
    return from;
}

void world_switch_end(World *w, unsigned from)
{
    leave(w, from);
    put8(w, w->threads[w->running], WINOS_KTHREAD_STATE, 2);
    bump(w, w->threads[w->running], WINOS_KTHREAD_CONTEXT_SWITCHES);
    bump(w, prcb(), WINOS_PRCB_CONTEXT_SWITCHES);
    if (w->on_switch) {
        w->on_switch(w);
    }
}

void world_switch(World *w)
{
    world_switch_end(w, world_switch_begin(w));
}

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    World *w = opaque;

    w->n_reads++;
    if (w->switch_every && w->n_reads % w->switch_every == 0) {
        world_switch(w);
    }
    return w->plain->read_phys(w->guest.mem.opaque, gpa, buf, len);
}

static void make_result(World *w)
{
    WinosKernel *kernel = &w->result.kernel;

    winos_layout_init(&w->result.detected);
    winos_layout_init(&w->result.layout);
    winos_options_init(&w->options);
    w->plain = w->guest.mem.ops;
    w->ops.read_phys = read_phys;
    w->mem = (GuestMem) { &w->ops, w };
    kernel->space = w->guest.space;
    kernel->space.mem = &w->mem;
    kernel->image.base = IMAGE;
    kernel->image.size = 0x10000;
    kernel->system_process = w->processes[1];
    kernel->idle_process = w->processes[0];
    live_init(&w->live, kernel, &w->result.detected);
    live_add_cpu(&w->live, &w->cpu);
}

void world_init(World *w)
{
    unsigned i;

    memset(w, 0, sizeof(*w));
    memcpy(w->at, places, sizeof(places));
    w->random = 12345;
    fake_guest_init(&w->guest, 16 << 20, 4);
    fake_guest_map(&w->guest, KPCR, 0x5000);
    fake_guest_map(&w->guest, POOL, 0x18000);
    fake_guest_map(&w->guest, NAMES, 0x1000);
    fake_guest_map(&w->guest, KUSER, 0x1000);
    fake_guest_map(&w->guest, IMAGE, 0x4000);
    fake_guest_put32(&w->guest, KUSER + 0x320, TICKS);
    list_init(w, IMAGE + HEAD_AT);
    for (i = 0; i < WORLD_PROCESSES; i++) {
        make_process(w, i);
    }
    for (i = 0; i < WORLD_THREADS; i++) {
        make_thread(w, i);
    }
    make_cpu(w);
    make_result(w);
}

void world_deinit(World *w)
{
    fake_guest_deinit(&w->guest);
}

void world_claim(World *w, WinosSource source, int without)
{
    int f;

    for (f = 0; f < WINOS_N_FIELDS; f++) {
        if (f != without) {
            w->result.detected.field[f].claims[source] = w->at[f];
        }
    }
}
