/*
 * fuzz/winsched/thread: what must hold for any bytes where a thread should be.
 *
 * 1. Of a guest that stands still, what is read is what a second reader says
 *    that was written apart: each field alone, by its virtual address.
 * 2. Of one that changes meanwhile, text is valid UTF-8 with a NUL, and what
 *    is said to be known is in range.
 * 3. There is a limit to the reads.
 *
 * A guest has a thread, its process and its name; an input (script.h) changes
 * them:
 *
 *     4, 5         begin again with so many levels
 *     o FIELD OFF  the offset of FIELD, counted below; above 31 bits: none
 *     t AT VALUE   the 8 bytes at AT of the thread become VALUE
 *     p AT VALUE   of the process
 *     n AT VALUE   of the name
 *     e GVA ENTRY  the entry of a page
 *     f GPA        that byte faults
 *     h N          from here on, changes are made before read N of a look,
 *                  as those of a guest that runs are
 *     a GVA        look there, as well as at the thread
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "base/le.h"
#include "base/utf8.h"
#include "fake-guest.h"
#include "winsched/thread.h"
#include "base/utf16.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD  0xfffff80000000d40
#define PROCESS 0xfffff80000003000
#define NAME    0xfffff80000005fe8

enum {
    RAM = 40 * GMEM_PAGE,
    MAX_DELAYED = 8,
    MAX_READS = 400,
};

/* A change to come. */
typedef struct Delayed {
    uint64_t before;        /* which read */
    uint64_t gva;
    uint64_t value;
} Delayed;

/* FIELD of the input is a place in here. */
static const struct {
    WinosField field;
    int32_t offset;
} fields[] = {
    { WINOS_KTHREAD_APC_PROCESS, 0xb8 },
    { WINOS_KTHREAD_PROCESS, 0x220 },
    { WINOS_KTHREAD_STATE, 0x184 },
    { WINOS_KTHREAD_WAIT_REASON, 0x283 },
    { WINOS_KTHREAD_PRIORITY, 0xc3 },
    { WINOS_KTHREAD_CONTEXT_SWITCHES, 0x154 },
    { WINOS_KTHREAD_WAIT_TIME, 0x1b4 },
    { WINOS_ETHREAD_CLIENT_ID, 0x508 },
    { WINOS_ETHREAD_CREATE_TIME, 0x4c0 },
    { WINOS_ETHREAD_THREAD_NAME, 0x6a0 },
    { WINOS_EPROCESS_UNIQUE_PROCESS_ID, 0x1d0 },
    { WINOS_EPROCESS_CREATE_TIME, 0x1f8 },
    { WINOS_EPROCESS_IMAGE_FILE_NAME, 0x338 },
};

enum { N_FIELDS = sizeof(fields) / sizeof(*fields) };

static FakeGuest g;
static const GmemOps *plain_ops;
static WinosLayout layout;
static Delayed delayed[MAX_DELAYED];
static unsigned n_delayed;
static uint64_t n_reads;
static bool moving;         /* delayed changes are being made */

static void fail(const char *why, uint64_t thread)
{
    fprintf(stderr, "thread: %s: at 0x%llx\n", why,
            (unsigned long long)thread);
    abort();
}

/* Where nothing is mapped, nothing is written. */
static void put(uint64_t gva, uint64_t value)
{
    GmemSpace space = g.space;
    GuestMem mem = { .ops = plain_ops, .opaque = &g };
    uint64_t gpa;
    uint64_t left;

    space.mem = &mem;
    if (gmem_translate(&space, gva, &gpa, &left, NULL) && left >= 8 &&
        gpa <= RAM - 8) {
        memcpy(g.ram + gpa, &value, sizeof(value));
    }
}

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    unsigned i;

    for (i = 0; moving && i < n_delayed; i++) {
        if (delayed[i].before == n_reads) {
            put(delayed[i].gva, delayed[i].value);
        }
    }
    n_reads++;
    return plain_ops->read_phys(opaque, gpa, buf, len);
}

static const GmemOps ops = { .read_phys = read_phys };

static void set_offsets(void)
{
    size_t i;

    winos_layout_init(&layout);
    for (i = 0; i < N_FIELDS; i++) {
        layout.field[fields[i].field].value = fields[i].offset;
    }
}

static void begin(unsigned levels)
{
    static const uint16_t name[] = { 'f', 'u', 'z', 'z', 0xd83d, 0xde00 };

    fake_guest_deinit(&g);
    fake_guest_init(&g, RAM, levels);
    plain_ops = g.mem.ops;
    g.mem.ops = &ops;
    n_delayed = 0;
    moving = false;
    set_offsets();
    fake_guest_map(&g, THREAD & ~UINT64_C(0xfff), 2 * GMEM_PAGE);
    fake_guest_map(&g, PROCESS, GMEM_PAGE);
    fake_guest_map(&g, NAME & ~UINT64_C(0xfff), 2 * GMEM_PAGE);
    put(PROCESS, 3);
    put(PROCESS + 0x1d0, 444);
    put(PROCESS + 0x338, UINT64_C(0x6578652e7a7a7566));
    put(THREAD, 6);
    put(THREAD + 0x220, PROCESS);
    put(THREAD + 0xb8, PROCESS);
    put(THREAD + 0x508, 444);
    put(THREAD + 0x510, 448);
    put(THREAD + 0x6a0, NAME);
    put(NAME, sizeof(name) * 0x10001);
    put(NAME + 8, NAME + 16);
    fake_guest_write(&g, NAME + 16, name, sizeof(name));
}

/* The second reader: a field is there, or it is not. */
static bool plain_read(uint64_t gva, void *buf, size_t len)
{
    return gmem_is_kernel(&g.space, gva) &&
           gmem_read(&g.space, gva, buf, len, NULL);
}

static bool plain_field(uint64_t base, WinosField field, void *buf,
                        size_t len)
{
    return winos_has(&layout, field) &&
           plain_read(base + (uint64_t)winos_offset(&layout, field), buf,
                      len);
}

static bool plain_pointer(uint64_t base, WinosField field, uint64_t *value)
{
    uint8_t raw[8];

    if (!plain_field(base, field, raw, sizeof(raw))) {
        return false;
    }
    *value = load_le64(raw);
    return true;
}

static bool plain_is(uint64_t gva, uint8_t type)
{
    uint8_t byte;

    return gva % 16 == 0 && plain_read(gva, &byte, 1) && byte == type;
}

static void plain_process(WinschedThread *want)
{
    WinosField field = winos_has(&layout, WINOS_KTHREAD_PROCESS) ?
                       WINOS_KTHREAD_PROCESS : WINOS_KTHREAD_APC_PROCESS;
    uint8_t image[15];
    uint64_t process;

    if (!plain_pointer(want->thread, field, &process) ||
        !plain_is(process, 3)) {
        return;
    }
    want->process = process;
    want->has |= WINSCHED_HAS_PROCESS;
    if (plain_field(process, WINOS_EPROCESS_IMAGE_FILE_NAME, image, 15) &&
        image[0]) {
        memcpy(want->image, image, 15);
        want->has |= WINSCHED_HAS_IMAGE;
    }
    if (field == WINOS_KTHREAD_PROCESS &&
        plain_pointer(want->thread, WINOS_KTHREAD_APC_PROCESS,
                      &want->attached) &&
        want->attached != process && plain_is(want->attached, 3)) {
        want->has |= WINSCHED_HAS_ATTACHED;
    }
}

static void plain_ids(WinschedThread *want)
{
    bool named = winos_has(&layout, WINOS_KTHREAD_PROCESS) ||
                 winos_has(&layout, WINOS_KTHREAD_APC_PROCESS);
    uint8_t ids[16];
    uint64_t id;

    if (!plain_field(want->thread, WINOS_ETHREAD_CLIENT_ID, ids, 16) ||
        load_le64(ids) % 4 || load_le64(ids + 8) % 4 ||
        load_le64(ids) >> 32 || load_le64(ids + 8) >> 32) {
        return;
    }
    if (named && winos_has(&layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID) &&
        (!(want->has & WINSCHED_HAS_PROCESS) ||
         !plain_pointer(want->process, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
                        &id) || id != load_le64(ids))) {
        return;
    }
    want->pid = load_le32(ids);
    want->tid = load_le32(ids + 8);
    want->has |= WINSCHED_HAS_IDS;
}

static void plain_numbers(WinschedThread *want)
{
    uint8_t byte;
    uint8_t raw[4];

    if (plain_field(want->thread, WINOS_KTHREAD_STATE, &byte, 1) &&
        byte <= 9) {
        want->state = byte;
        want->has |= WINSCHED_HAS_STATE;
    }
    if (plain_field(want->thread, WINOS_KTHREAD_WAIT_REASON, &byte, 1) &&
        byte <= 127) {
        want->wait_reason = byte;
        want->has |= WINSCHED_HAS_WAIT_REASON;
    }
    if (plain_field(want->thread, WINOS_KTHREAD_PRIORITY, &byte, 1) &&
        byte <= 31) {
        want->priority = (int8_t)byte;
        want->has |= WINSCHED_HAS_PRIORITY;
    }
    if (plain_field(want->thread, WINOS_KTHREAD_CONTEXT_SWITCHES, raw, 4)) {
        want->context_switches = load_le32(raw);
        want->has |= WINSCHED_HAS_SWITCHES;
    }
    if (plain_field(want->thread, WINOS_KTHREAD_WAIT_TIME, raw, 4)) {
        want->wait_time = load_le32(raw);
        want->has |= WINSCHED_HAS_WAIT_TIME;
    }
}

/* All of the name that fills @want->name, not a unit more. */
static void plain_name(WinschedThread *want)
{
    uint8_t text[160];
    uint8_t head[16];
    uint64_t at;
    size_t len;
    bool cut;

    if (!plain_pointer(want->thread, WINOS_ETHREAD_THREAD_NAME, &at) ||
        at % 8 || !plain_read(at, head, sizeof(head))) {
        return;
    }
    len = load_le16(head);
    if (len % 2 || len > load_le16(head + 2)) {
        return;
    }
    len = len > sizeof(text) ? sizeof(text) : len;
    if (plain_read(load_le64(head + 8), text, len) &&
        utf16_to_utf8(text, len, want->name, sizeof(want->name), &cut)) {
        want->has |= WINSCHED_HAS_NAME | (cut ? WINSCHED_NAME_CUT : 0);
    }
}

static bool plain_thread(uint64_t thread, WinschedThread *want)
{
    memset(want, 0, sizeof(*want));
    want->thread = thread;
    if (!plain_is(thread, 6)) {
        return false;
    }
    plain_process(want);
    plain_ids(want);
    plain_numbers(want);
    plain_name(want);
    return true;
}

/* What has does not say may be anything. */
static bool same(const WinschedThread *a, const WinschedThread *b)
{
    uint32_t has = a->has;

    return has == b->has && a->thread == b->thread &&
           (!(has & WINSCHED_HAS_PROCESS) || a->process == b->process) &&
           (!(has & WINSCHED_HAS_ATTACHED) || a->attached == b->attached) &&
           a->pid == b->pid && a->tid == b->tid && a->state == b->state &&
           a->wait_reason == b->wait_reason && a->priority == b->priority &&
           a->context_switches == b->context_switches &&
           a->wait_time == b->wait_time &&
           !memcmp(a->image, b->image, sizeof(a->image)) &&
           !strcmp(a->name, b->name);
}

static bool is_text(const char *text, size_t size)
{
    size_t used = strnlen(text, size);
    size_t len;

    if (used == size) {
        return false;
    }
    for (; used; text += len, used -= len) {
        len = utf8_sequence((const uint8_t *)text, used);
        if (!len) {
            return false;
        }
    }
    return true;
}

static bool is_sane(const WinschedThread *t)
{
    return t->has < WINSCHED_IS_IDLE && !t->image[15] &&
           is_text(t->name, sizeof(t->name)) &&
           !(t->has & WINSCHED_HAS_IMAGE) == !t->image[0] &&
           !(t->has & WINSCHED_HAS_NAME) == !t->name[0] &&
           t->pid % 4 == 0 && t->tid % 4 == 0 && t->state <= 9 &&
           t->wait_reason <= 127 && t->priority >= 0 && t->priority <= 31 &&
           (!(t->has & WINSCHED_HAS_PROCESS) ||
            gmem_is_kernel(&g.space, t->process)) &&
           (!(t->has & WINSCHED_HAS_ATTACHED) ||
            gmem_is_kernel(&g.space, t->attached));
}

static void check_still(uint64_t thread)
{
    WinschedThread want;
    WinschedThread got;
    bool is_thread = plain_thread(thread, &want);

    if (winsched_thread_may_be(&g.space, thread) != is_thread) {
        fail("looks like one or not", thread);
    }
    n_reads = 0;
    memset(&got, 0xee, sizeof(got));
    if (winsched_thread_read(&g.space, &layout, thread, &got) != is_thread) {
        fail("one or not", thread);
    }
    if (n_reads > MAX_READS) {
        fail("too many reads", thread);
    }
    if (is_thread && (!same(&got, &want) || !is_sane(&got))) {
        fail("another thread", thread);
    }
}

static void check_moving(uint64_t thread)
{
    WinschedWindow window;
    WinschedThread got;

    n_reads = 0;
    moving = true;
    memset(&got, 0xee, sizeof(got));
    if (winsched_thread_read(&g.space, &layout, thread, &got)) {
        if (!is_sane(&got)) {
            fail("not sane", thread);
        }
        winsched_window_init(&window, &g.space);
        winsched_thread_refresh(&window, &layout, &got);
        if (!is_sane(&got)) {
            fail("not sane later", thread);
        }
    }
    moving = false;
    if (n_reads > 2 * MAX_READS) {
        fail("too many reads", thread);
    }
}

static void check(uint64_t thread)
{
    check_still(thread);
    if (n_delayed) {
        check_moving(thread);
        check_still(thread);
    }
}

/* Now, or later when there was an h before. */
static void change(const uint64_t *before, uint64_t gva, uint64_t value)
{
    if (!before) {
        put(gva, value);
    } else if (n_delayed < MAX_DELAYED) {
        delayed[n_delayed++] = (Delayed){ *before, gva, value };
    }
}

/* Only of small pages that were there, so that no tables are used up. */
static void set_entry(uint64_t gva, uint64_t entry)
{
    uint64_t gpa;
    uint64_t left;

    if (gmem_translate(&g.space, gva & ~UINT64_C(0xfff), &gpa, &left, NULL) &&
        left == GMEM_PAGE) {
        *fake_guest_entry(&g, gva, 1) = entry;
    }
}

static void obey(const ScriptLine *line, const uint64_t *before)
{
    int32_t offset = line->b >> 31 ? WINOS_NO_OFFSET : (int32_t)line->b;

    if (line->what == 'o') {
        layout.field[fields[line->a % N_FIELDS].field].value = offset;
    } else if (line->what == 't') {
        change(before, THREAD + line->a, line->b);
    } else if (line->what == 'p') {
        change(before, PROCESS + line->a, line->b);
    } else if (line->what == 'n') {
        change(before, NAME + line->a, line->b);
    } else if (line->what == 'e') {
        set_entry(line->a, line->b);
    } else if (line->what == 'f') {
        g.fault_gpa = line->a;
    } else if (line->what == 'a') {
        check(line->a);
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    Script script = script_begin(data, len);
    const uint64_t *before = NULL;
    uint64_t read = 0;
    ScriptLine line;

    begin(4);
    while (script_next(&script, &line)) {
        if (line.what == '4' || line.what == '5') {
            begin((unsigned)(line.what - '0'));
            before = NULL;
        } else if (line.what == 'h') {
            read = line.a;
            before = &read;
        } else {
            obey(&line, before);
        }
    }
    check(THREAD);
}
