/*
 * winsched/thread: what is handed out was one thread's, whatever the guest
 * does meanwhile, and what is wrong in it is left out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/thread.h"

#include "objects.h"

#include <glib.h>
#include <string.h>

#define THREADS     0xffffb00000000000  /* four pages each */
#define PROCESSES   0xffffc00000000000
#define NAMES       0xffffd00000000000
#define NOWHERE     0xffffe00000000000

enum {
    AREA = 4 * GMEM_PAGE,
    ALL = WINSCHED_HAS_PROCESS | WINSCHED_HAS_ATTACHED | WINSCHED_HAS_IDS |
          WINSCHED_HAS_IMAGE | WINSCHED_HAS_NAME | WINSCHED_HAS_STATE |
          WINSCHED_HAS_WAIT_REASON | WINSCHED_HAS_PRIORITY |
          WINSCHED_HAS_SWITCHES | WINSCHED_HAS_WAIT_TIME,
};

static const ProcessObject owner = {
    .at = PROCESSES + 0x240, .id = 4242 * 4, .created = 0x1db0000000000001,
    .image = "explorer.exe",
};

/* Another one, in whose memory the thread works. */
static const ProcessObject host = {
    .at = PROCESSES + 0x1d40, .id = 4, .created = 0, .image = "System",
};

static const ThreadObject worker = {
    .at = THREADS + 0x340, .process = PROCESSES + 0x240,
    .attached = PROCESSES + 0x1d40, .pid = 4242 * 4, .tid = 777 * 4,
    .created = 0x1db0000000000002, .name = NAMES + 0x80,
    .switches = 123456789, .wait_time = 987654321, .state = 2,
    .wait_reason = 31, .priority = 15,
};

/* What comes to be where the worker was. */
static const ThreadObject successor = {
    .at = THREADS + 0x340, .process = PROCESSES + 0x1d40,
    .attached = PROCESSES + 0x240, .pid = 4, .tid = 55 * 4,
    .created = 0x1db0000000000003, .name = NAMES + 0x400,
    .switches = 5, .wait_time = 6, .state = 5, .wait_reason = 7,
    .priority = 8,
};

typedef struct Fixture {
    HookedGuest h;
    WinosLayout layout;
} Fixture;

static void fixture_init(Fixture *f, unsigned levels)
{
    hooked_guest_init(&f->h, levels);
    objects_layout(&f->layout);
    fake_guest_map(&f->h.g, THREADS, AREA);
    fake_guest_map(&f->h.g, PROCESSES, AREA);
    fake_guest_map(&f->h.g, NAMES, AREA);
    objects_put_process(&f->h.g, &owner);
    objects_put_process(&f->h.g, &host);
    objects_put_thread(&f->h.g, &worker);
    objects_put_name(&f->h.g, NAMES + 0x80, "Render loop");
    objects_put_name(&f->h.g, NAMES + 0x400, "Somebody else");
}

static void fixture_deinit(Fixture *f)
{
    hooked_guest_deinit(&f->h);
}

static bool read_thread(Fixture *f, uint64_t at, WinschedThread *out)
{
    memset(out, 0xaa, sizeof(*out));
    return winsched_thread_read(&f->h.g.space, &f->layout, at, out);
}

/* Everything that has says is as it was put there. */
static void assert_is(const WinschedThread *got, const ThreadObject *t,
                      const ProcessObject *p, const char *name)
{
    if (got->has & WINSCHED_HAS_PROCESS) {
        g_assert_cmphex(got->process, ==, t->process);
    }
    if (got->has & WINSCHED_HAS_ATTACHED) {
        g_assert_cmphex(got->attached, ==, t->attached);
    }
    if (got->has & WINSCHED_HAS_IDS) {
        g_assert_cmpuint(got->pid, ==, t->pid);
        g_assert_cmpuint(got->tid, ==, t->tid);
    }
    if (got->has & WINSCHED_HAS_STATE) {
        g_assert_cmpuint(got->state, ==, t->state);
    }
    if (got->has & WINSCHED_HAS_WAIT_REASON) {
        g_assert_cmpuint(got->wait_reason, ==, t->wait_reason);
    }
    if (got->has & WINSCHED_HAS_PRIORITY) {
        g_assert_cmpint(got->priority, ==, t->priority);
    }
    if (got->has & WINSCHED_HAS_SWITCHES) {
        g_assert_cmpuint(got->context_switches, ==, t->switches);
    }
    if (got->has & WINSCHED_HAS_WAIT_TIME) {
        g_assert_cmpuint(got->wait_time, ==, t->wait_time);
    }
    g_assert_cmpstr(got->image, ==,
                    got->has & WINSCHED_HAS_IMAGE ? p->image : "");
    g_assert_cmpstr(got->name, ==, got->has & WINSCHED_HAS_NAME ? name : "");
}

static void assert_is_worker(const WinschedThread *got)
{
    assert_is(got, &worker, &owner, "Render loop");
}

static void test_whole(gconstpointer data)
{
    unsigned levels = GPOINTER_TO_UINT(data);
    WinschedThread got;
    Fixture f;

    fixture_init(&f, levels);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.thread, ==, worker.at);
    g_assert_cmphex(got.has, ==, ALL);
    assert_is_worker(&got);
    fixture_deinit(&f);
}

/* Wherever the objects lie, whichever field is cut by a page's end. */
static void test_everywhere(void)
{
    uint64_t most = 0;
    uint64_t at;

    for (at = 0; at < GMEM_PAGE; at += 16) {
        ThreadObject t = worker;
        ProcessObject p = owner;
        WinschedThread got;
        Fixture f;

        fixture_init(&f, 4);
        t.at = THREADS + 0x1000 + at;
        p.at = PROCESSES + 0x2000 + at;
        t.process = p.at;
        t.name = NAMES + 0x1000 + (at + 0xf00) % GMEM_PAGE;
        objects_put_process(&f.h.g, &p);
        objects_put_name(&f.h.g, t.name, "Render loop");
        objects_put_thread(&f.h.g, &t);
        hooked_guest_hook(&f.h, 0, NULL, NULL);
        g_assert_true(read_thread(&f, t.at, &got));
        g_assert_cmphex(got.has, ==, ALL);
        assert_is(&got, &t, &p, "Render loop");
        most = MAX(most, f.h.n);
        fixture_deinit(&f);
    }
    /*
     * Six pages: two of the thread, two of the process, one of the name and
     * one of the other process, or one of the process and two of the name;
     * then the objects' again.  A page costs four reads, and there are 11 of
     * fields, of which four come in two pieces at such places.
     */
    g_assert_cmpuint(most, <=, (6 + 4) * 4 + 11 + 4);
}

typedef struct PlaceCase {
    const char *name;
    uint64_t at;
    bool looks;
} PlaceCase;

static const PlaceCase place_cases[] = {
    { "thread", THREADS + 0x340, true },
    { "null", 0, false },
    { "user", 0x00007ffdf0000000, false },
    { "not-canonical", 0x8000b00000000340, false },
    { "not-aligned", THREADS + 0x348, false },
    { "not-mapped", NOWHERE, false },
    { "empty", THREADS + 0x2000, false },
    { "process", PROCESSES + 0x240, false },
    { "last-of-all", 0xfffffffffffffff0, false },
};

static void test_place(gconstpointer data)
{
    const PlaceCase *c = data;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    /* Right in all but where it is. */
    fake_guest_put8(&f.h.g, THREADS + 0x348, 6);
    g_assert_cmpint(winsched_thread_may_be(&f.h.g.space, c->at), ==, c->looks);
    g_assert_cmpint(read_thread(&f, c->at, &got), ==, c->looks);
    fixture_deinit(&f);
}

/* With five levels, other addresses are canonical. */
static void test_place_57(void)
{
    Fixture f;
    uint64_t at = 0xff11000000000000;

    fixture_init(&f, 5);
    fake_guest_map(&f.h.g, at, GMEM_PAGE);
    fake_guest_put8(&f.h.g, at, 6);
    g_assert_true(winsched_thread_may_be(&f.h.g.space, at));
    f.h.g.space.levels = 4;
    g_assert_false(winsched_thread_may_be(&f.h.g.space, at));
    fixture_deinit(&f);
}

/* One field of the thread is another; which of has goes? */
typedef struct OddCase {
    const char *name;
    WinosField field;
    unsigned at;            /* byte of the field */
    unsigned len;
    uint64_t value;
    uint32_t lost;
} OddCase;

enum {
    NO_PROCESS = WINSCHED_HAS_PROCESS | WINSCHED_HAS_ATTACHED |
                 WINSCHED_HAS_IDS | WINSCHED_HAS_IMAGE,
};

static const OddCase odd_cases[] = {
    { "process-null", WINOS_KTHREAD_PROCESS, 0, 8, 0, NO_PROCESS },
    { "process-user", WINOS_KTHREAD_PROCESS, 0, 8, 0x7ff000000000,
      NO_PROCESS },
    { "process-not-canonical", WINOS_KTHREAD_PROCESS, 0, 8,
      0x9000000000000000, NO_PROCESS },
    { "process-not-aligned", WINOS_KTHREAD_PROCESS, 0, 8, PROCESSES + 0x248,
      NO_PROCESS },
    { "process-not-mapped", WINOS_KTHREAD_PROCESS, 0, 8, NOWHERE,
      NO_PROCESS },
    { "process-is-a-thread", WINOS_KTHREAD_PROCESS, 0, 8, THREADS + 0x340,
      NO_PROCESS },
    { "attached-null", WINOS_KTHREAD_APC_PROCESS, 0, 8, 0,
      WINSCHED_HAS_ATTACHED },
    { "attached-to-own", WINOS_KTHREAD_APC_PROCESS, 0, 8, PROCESSES + 0x240,
      WINSCHED_HAS_ATTACHED },
    { "attached-to-thread", WINOS_KTHREAD_APC_PROCESS, 0, 8,
      THREADS + 0x340, WINSCHED_HAS_ATTACHED },
    { "attached-nowhere", WINOS_KTHREAD_APC_PROCESS, 0, 8, NOWHERE,
      WINSCHED_HAS_ATTACHED },
    { "pid-of-another", WINOS_ETHREAD_CLIENT_ID, 0, 8, 4, WINSCHED_HAS_IDS },
    { "pid-too-large", WINOS_ETHREAD_CLIENT_ID, 4, 4, 1, WINSCHED_HAS_IDS },
    { "tid-odd", WINOS_ETHREAD_CLIENT_ID, 8, 8, 777 * 4 + 2,
      WINSCHED_HAS_IDS },
    { "tid-too-large", WINOS_ETHREAD_CLIENT_ID, 8, 8, 1ull << 32,
      WINSCHED_HAS_IDS },
    { "state-unknown", WINOS_KTHREAD_STATE, 0, 1, 10, WINSCHED_HAS_STATE },
    { "wait-reason-absurd", WINOS_KTHREAD_WAIT_REASON, 0, 1, 128,
      WINSCHED_HAS_WAIT_REASON },
    { "priority-too-high", WINOS_KTHREAD_PRIORITY, 0, 1, 32,
      WINSCHED_HAS_PRIORITY },
    { "priority-negative", WINOS_KTHREAD_PRIORITY, 0, 1, 0xff,
      WINSCHED_HAS_PRIORITY },
    { "no-name", WINOS_ETHREAD_THREAD_NAME, 0, 8, 0, WINSCHED_HAS_NAME },
};

static void test_odd(gconstpointer data)
{
    const OddCase *c = data;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    /* The first byte of a process, where it must not count. */
    fake_guest_put8(&f.h.g, PROCESSES + 0x248, 3);
    fake_guest_write(&f.h.g, worker.at + c->at +
                     (uint64_t)winos_offset(&f.layout, c->field), &c->value,
                     c->len);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, ALL & ~c->lost);
    assert_is_worker(&got);
    fixture_deinit(&f);
}

/* The least and the most that is believed. */
static void test_bounds(void)
{
    ThreadObject t = worker;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    t.state = 0;
    t.wait_reason = 0;
    t.priority = 0;
    t.tid = 0;
    objects_put_thread(&f.h.g, &t);
    g_assert_true(read_thread(&f, t.at, &got));
    g_assert_cmphex(got.has, ==, ALL);
    assert_is(&got, &t, &owner, "Render loop");
    t.state = 9;
    t.wait_reason = 127;
    t.priority = 31;
    t.tid = 0xfffffffc;
    objects_put_thread(&f.h.g, &t);
    g_assert_true(read_thread(&f, t.at, &got));
    g_assert_cmphex(got.has, ==, ALL);
    assert_is(&got, &t, &owner, "Render loop");
    fixture_deinit(&f);
}

/* Which of has goes with an offset? */
typedef struct FieldCase {
    WinosField field;
    uint32_t lost;
} FieldCase;

static const FieldCase field_cases[] = {
    { WINOS_KTHREAD_APC_PROCESS, WINSCHED_HAS_ATTACHED },
    { WINOS_KTHREAD_STATE, WINSCHED_HAS_STATE },
    { WINOS_KTHREAD_WAIT_REASON, WINSCHED_HAS_WAIT_REASON },
    { WINOS_KTHREAD_PRIORITY, WINSCHED_HAS_PRIORITY },
    { WINOS_KTHREAD_CONTEXT_SWITCHES, WINSCHED_HAS_SWITCHES },
    { WINOS_KTHREAD_WAIT_TIME, WINSCHED_HAS_WAIT_TIME },
    { WINOS_ETHREAD_CLIENT_ID, WINSCHED_HAS_IDS },
    { WINOS_ETHREAD_CREATE_TIME, 0 },
    { WINOS_ETHREAD_THREAD_NAME, WINSCHED_HAS_NAME },
    /* Nobody to ask whether the id is right, so it is believed. */
    { WINOS_EPROCESS_UNIQUE_PROCESS_ID, 0 },
    { WINOS_EPROCESS_CREATE_TIME, 0 },
    { WINOS_EPROCESS_IMAGE_FILE_NAME, WINSCHED_HAS_IMAGE },
};

static void test_no_offset(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(field_cases); i++) {
        WinschedThread got;
        Fixture f;

        fixture_init(&f, 4);
        objects_set(&f.layout, field_cases[i].field, WINOS_NO_OFFSET);
        g_assert_true(read_thread(&f, worker.at, &got));
        g_assert_cmphex(got.has, ==, ALL & ~field_cases[i].lost);
        assert_is_worker(&got);
        fixture_deinit(&f);
    }
}

static void test_no_offsets(void)
{
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    winos_layout_init(&f.layout);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, 0);
    g_assert_cmphex(got.thread, ==, worker.at);
    fixture_deinit(&f);
}

/* Without the owner's offset, the process it is attached to is the one. */
static void test_apc_process_only(void)
{
    ThreadObject t = worker;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    objects_set(&f.layout, WINOS_KTHREAD_PROCESS, WINOS_NO_OFFSET);
    t.attached = t.process;
    objects_put_thread(&f.h.g, &t);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, ALL & ~WINSCHED_HAS_ATTACHED);
    assert_is(&got, &t, &owner, "Render loop");

    /*
     * Attached to another one, the ids do not fit it: then it is not told as
     * the owner.  An idle thread's entry once said System.
     */
    t.process = t.attached = host.at;
    objects_put_thread(&f.h.g, &t);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, ALL & ~(WINSCHED_HAS_ATTACHED |
                                         WINSCHED_HAS_IDS |
                                         WINSCHED_HAS_PROCESS |
                                         WINSCHED_HAS_IMAGE));

    /* On the user's word it is. */
    f.layout.field[WINOS_KTHREAD_APC_PROCESS].source = WINOS_SOURCE_OVERRIDE;
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, ALL & ~(WINSCHED_HAS_ATTACHED |
                                         WINSCHED_HAS_IDS));
    assert_is(&got, &t, &host, "Render loop");

    /* But not of an idle thread, which has no ids. */
    t.pid = t.tid = 0;
    objects_put_thread(&f.h.g, &t);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has & (WINSCHED_HAS_PROCESS | WINSCHED_HAS_IMAGE), ==,
                    0);
    t.pid = worker.pid;
    t.tid = worker.tid;
    objects_put_thread(&f.h.g, &t);

    /* With neither there is no process to ask. */
    objects_set(&f.layout, WINOS_KTHREAD_APC_PROCESS, WINOS_NO_OFFSET);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, ALL & ~(NO_PROCESS & ~WINSCHED_HAS_IDS));
    g_assert_cmpuint(got.pid, ==, worker.pid);
    fixture_deinit(&f);
}

static void test_idle(void)
{
    ProcessObject p = { .at = owner.at, .image = "Idle" };
    ThreadObject t = worker;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    t.pid = 0;
    t.tid = 0;
    objects_put_process(&f.h.g, &p);
    objects_put_thread(&f.h.g, &t);
    g_assert_true(read_thread(&f, t.at, &got));
    g_assert_cmphex(got.has, ==, ALL);
    assert_is(&got, &t, &p, "Render loop");
    fixture_deinit(&f);
}

typedef struct ImageCase {
    const char *name;
    const char *bytes;      /* 15, NULs behind */
    const char *image;      /* NULL: none */
} ImageCase;

/*
 * Names of 15 bytes became five marks of U+FFFD, and their ".exe" was lost:
 * what is no ASCII is kept as it is.
 */

static const ImageCase image_cases[] = {
    { "short", "a", "a" },
    { "full", "fifteen-letters", "fifteen-letters" },
    { "none", "", NULL },
    { "bytes", "a\xff" "b", "a\xff" "b" },
    { "code-page", "\xb0\xe8\xbb\xea\xb1\xe2.exe",
      "\xb0\xe8\xbb\xea\xb1\xe2.exe" },
    { "all-bytes-high", "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b"
      "\x8c\x8d\xff", "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b"
      "\x8c\x8d\xff" },
    { "control", "a\x1b[2J\r\n", "a\x1b[2J\r\n" },
    { "cut-character", "thirteen-byte\xed\x95", "thirteen-byte\xed\x95" },
    { "hangul", "\xed\x95\x9c.exe", "\xed\x95\x9c.exe" },
};

static void test_image(gconstpointer data)
{
    const ImageCase *c = data;
    ProcessObject p = owner;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    p.image = c->bytes;
    objects_put_process(&f.h.g, &p);
    /* What stands behind the array is no part of it. */
    fake_guest_put8(&f.h.g, p.at + 0x338 + 15, 'X');
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmpint(!!(got.has & WINSCHED_HAS_IMAGE), ==, c->image != NULL);
    g_assert_cmpstr(got.image, ==, c->image ? c->image : "");
    fixture_deinit(&f);
}

typedef struct NameCase {
    const char *name;
    uint64_t head;          /* where the UNICODE_STRING is; 0: not written */
    uint16_t length;
    uint16_t maximum;
    uint64_t buffer;
    uint16_t text[8];       /* at @buffer, written when it is mapped */
    size_t repeat;          /* how often the text is written */
    const char *want;       /* NULL: no name */
    bool cut;
} NameCase;

#define HEAD (NAMES + 0x1000)

static const NameCase name_cases[] = {
    { "plain", HEAD, 4, 6, HEAD + 16, { 'o', 'k' }, 1, "ok" },
    { "no-room-for-a-nul", HEAD, 4, 4, HEAD + 16, { 'o', 'k' }, 1, "ok" },
    { "hangul", HEAD, 4, 4, HEAD + 16, { 0xd55c, 0xae00 }, 1,
      "\xed\x95\x9c\xea\xb8\x80" },
    { "elsewhere", HEAD, 4, 4, NAMES + 0x2002, { 'o', 'k' }, 1, "ok" },
    { "head-cut", HEAD - 8, 4, 4, HEAD + 16, { 'o', 'k' }, 1, "ok" },
    { "text-cut", HEAD, 8, 8, NAMES + 0x1ffe, { 'o', 'k', 'a', 'y' }, 1,
      "okay" },
    { "lone-surrogate", HEAD, 4, 4, HEAD + 16, { 0xdc00, 'k' }, 1,
      "\xef\xbf\xbdk" },
    { "half-a-pair", HEAD, 2, 4, HEAD + 16, { 0xd800, 0xdc00 }, 1,
      "\xef\xbf\xbd" },
    { "nul-inside", HEAD, 8, 8, HEAD + 16, { 'o', 0, 'k', 'k' }, 1, "o" },
    { "nul-first", HEAD, 8, 8, HEAD + 16, { 0, 'k', 'k', 'k' }, 1, NULL },
    { "empty", HEAD, 0, 8, HEAD + 16, { 'o', 'k' }, 1, NULL },
    { "odd", HEAD, 3, 8, HEAD + 16, { 'o', 'k' }, 1, NULL },
    { "too-long", HEAD, 6, 4, HEAD + 16, { 'o', 'k', 'k' }, 1, NULL },
    { "maximum-odd", HEAD, 4, 5, HEAD + 16, { 'o', 'k' }, 1, "ok" },
    { "buffer-null", HEAD, 4, 4, 0, {}, 0, NULL },
    { "buffer-user", HEAD, 4, 4, 0x7ff000000000, {}, 0, NULL },
    { "buffer-nowhere", HEAD, 4, 4, NOWHERE, {}, 0, NULL },
    { "buffer-at-the-end", HEAD, 4, 4, 0xfffffffffffffffe, {}, 0, NULL },
    { "text-half-mapped", HEAD, 4, 4, NAMES + AREA - 2, { 'o' }, 1, NULL },
    { "head-nowhere", NOWHERE, 0, 0, 0, {}, 0, NULL },
    { "head-user", 0x7ff000000000, 0, 0, 0, {}, 0, NULL },
    { "head-not-aligned", HEAD + 4, 4, 4, HEAD + 24, { 'o', 'k' }, 1, NULL },
    { "head-half-mapped", NAMES + AREA - 8, 0, 0, 0, {}, 0, NULL },
    { "fits", HEAD, 158, 160, HEAD + 16, { 'x' }, 79,
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false },
    { "one-more", HEAD, 160, 160, HEAD + 16, { 'x' }, 80,
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", true },
    { "longest", HEAD, 0xfffe, 0xffff, HEAD + 16, { 0xd55c }, 90,
      "\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c"
      "\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c"
      "\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c"
      "\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c"
      "\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c"
      "\xed\x95\x9c", true },
};

static bool in_names(uint64_t gva)
{
    return gva >= NAMES && gva < NAMES + AREA;
}

static void put_text(FakeGuest *g, const NameCase *c)
{
    uint64_t to = c->buffer;
    size_t i;
    size_t j;

    for (i = 0; i < c->repeat; i++) {
        for (j = 0; j < (c->repeat > 1 ? 1 : c->length / 2u); j++) {
            if (in_names(to)) {
                fake_guest_put16(g, to, c->text[j]);
            }
            to += 2;
        }
    }
}

static void test_name(gconstpointer data)
{
    const NameCase *c = data;
    ThreadObject t = worker;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    t.name = c->head;
    objects_put_thread(&f.h.g, &t);
    if (in_names(c->head) && in_names(c->head + 15)) {
        fake_guest_put16(&f.h.g, c->head, c->length);
        fake_guest_put16(&f.h.g, c->head + 2, c->maximum);
        fake_guest_put64(&f.h.g, c->head + 8, c->buffer);
        put_text(&f.h.g, c);
    }
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, (c->want ? ALL : ALL & ~WINSCHED_HAS_NAME) |
                                 (c->cut ? WINSCHED_NAME_CUT : 0));
    g_assert_cmpstr(got.name, ==, c->want ? c->want : "");
    assert_is(&got, &worker, &owner, c->want);
    fixture_deinit(&f);
}

/* What a hook does to the guest, and what is the truth then. */
static bool replace_thread(void *opaque)
{
    objects_put_thread(opaque, &successor);
    return true;
}

/* Its page goes away for a new one; the old one keeps its bytes. */
static bool remap_thread(void *opaque)
{
    FakeGuest *g = opaque;

    *fake_guest_entry(g, THREADS, 1) = fake_guest_page(g) | 7;
    objects_put_thread(g, &successor);
    return true;
}

/* The process is another one, at the same place. */
static bool replace_process(void *opaque)
{
    const ProcessObject p = { .at = owner.at, .id = 8, .created = 1,
                              .image = "cmd.exe" };

    objects_put_process(opaque, &p);
    return true;
}

static bool free_thread(void *opaque)
{
    fake_guest_put8(opaque, worker.at, 0);
    return true;
}

static bool unmap_thread(void *opaque)
{
    fake_guest_unmap(opaque, THREADS);
    return true;
}

static bool rename_thread(void *opaque)
{
    fake_guest_put64(opaque, worker.at + 0x6a0, successor.name);
    return true;
}

/* The old name's block is used again before its pointer is seen to change. */
static bool rewrite_name(void *opaque)
{
    objects_put_name(opaque, worker.name, "Xx");
    return true;
}

static bool fault(void *opaque)
{
    (void)opaque;
    return false;
}

/* That read and all behind it: @opaque is the first member of a HookedGuest. */
static bool fault_on(void *opaque)
{
    HookedGuest *h = opaque;

    h->at = h->n;
    return false;
}

/* Tallies of what came of a change before each read there is. */
typedef struct Tally {
    unsigned before;        /* as it was */
    unsigned after;         /* as it became */
    unsigned refused;
} Tally;

typedef void CheckFn(const WinschedThread *got, Tally *tally);

static Tally change_at_each_read(bool (*hook)(void *), CheckFn *check)
{
    Tally tally = {};
    uint64_t at;
    bool done = false;

    for (at = 0; !done; at++) {
        WinschedThread got;
        Fixture f;

        fixture_init(&f, 4);
        hooked_guest_hook(&f.h, at, hook, &f.h.g);
        if (read_thread(&f, worker.at, &got)) {
            check(&got, &tally);
        } else {
            tally.refused++;
        }
        done = f.h.n <= at;
        fixture_deinit(&f);
    }
    g_assert_cmpuint(at, >, 30);
    return tally;
}

static void one_of_both(const WinschedThread *got, Tally *tally)
{
    g_assert_cmphex(got->has, ==, ALL);
    if (got->tid == worker.tid) {
        assert_is_worker(got);
        tally->before++;
    } else {
        assert_is(got, &successor, &host, "Somebody else");
        tally->after++;
    }
}

static void test_replaced(void)
{
    Tally tally = change_at_each_read(replace_thread, one_of_both);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.after, >, 0);
    g_assert_cmpuint(tally.refused, >, 10);
}

static void test_remapped(void)
{
    Tally tally = change_at_each_read(remap_thread, one_of_both);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.after, >, 0);
    g_assert_cmpuint(tally.refused, >, 10);
}

/* As an id that does not fit the process when it came right before. */
static void owner_or_other(const WinschedThread *got, Tally *tally)
{
    if (!strcmp(got->image, owner.image)) {
        g_assert_cmphex(got->has, ==, ALL);
        assert_is_worker(got);
        tally->before++;
    } else {
        g_assert_cmphex(got->has, ==, ALL & ~WINSCHED_HAS_IDS);
        g_assert_cmpstr(got->image, ==, "cmd.exe");
        tally->after++;
    }
}

static void test_process_replaced(void)
{
    Tally tally = change_at_each_read(replace_process, owner_or_other);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.after, >, 0);
    g_assert_cmpuint(tally.refused, >, 10);
}

static void as_it_was(const WinschedThread *got, Tally *tally)
{
    g_assert_cmphex(got->has, ==, ALL);
    assert_is_worker(got);
    tally->before++;
}

static void test_freed(void)
{
    Tally tally = change_at_each_read(free_thread, as_it_was);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.refused, >, 10);
    tally = change_at_each_read(unmap_thread, as_it_was);
    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.refused, >, 10);
}

static void named_or_not(const WinschedThread *got, Tally *tally)
{
    g_assert_cmphex(got->has | WINSCHED_HAS_NAME, ==, ALL);
    if (!(got->has & WINSCHED_HAS_NAME)) {
        assert_is_worker(got);
        tally->refused++;
    } else if (!strcmp(got->name, "Render loop")) {
        tally->before++;
    } else {
        g_assert_cmpstr(got->name, ==, "Somebody else");
        tally->after++;
    }
}

static void test_renamed(void)
{
    Tally tally = change_at_each_read(rename_thread, named_or_not);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.after, >, 0);
    g_assert_cmpuint(tally.refused, >, 0);
}

static void old_name_or_none(const WinschedThread *got, Tally *tally)
{
    if (!(got->has & WINSCHED_HAS_NAME)) {
        tally->refused++;
    } else if (!strcmp(got->name, "Render loop")) {
        tally->before++;
    } else {
        g_assert_cmpstr(got->name, ==, "Xx");
        tally->after++;
    }
}

static void test_name_rewritten(void)
{
    Tally tally = change_at_each_read(rewrite_name, old_name_or_none);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.after, >, 0);
    g_assert_cmpuint(tally.refused, >, 0);
}

/* What one read does not give is left out, or makes it fail. */
static void less_or_all(const WinschedThread *got, Tally *tally)
{
    g_assert_cmphex(got->has & ~ALL, ==, 0);
    assert_is_worker(got);
    if (got->has == ALL) {
        tally->before++;
    } else {
        tally->after++;
    }
}

static void test_faults(void)
{
    Tally tally = change_at_each_read(fault, less_or_all);

    g_assert_cmpuint(tally.before, >, 0);
    g_assert_cmpuint(tally.after, >, 0);
    tally = change_at_each_read(fault_on, less_or_all);
    g_assert_cmpuint(tally.before, ==, 1);
    g_assert_cmpuint(tally.refused, >, 20);
}

/* Part of the object is on a page that is not there. */
static void test_half_mapped(void)
{
    ThreadObject t = worker;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    t.at = THREADS + 0x1000 - 0x190;
    objects_put_thread(&f.h.g, &t);
    fake_guest_unmap(&f.h.g, THREADS + 0x1000);
    g_assert_true(read_thread(&f, t.at, &got));
    g_assert_cmphex(got.has, ==, WINSCHED_HAS_STATE | WINSCHED_HAS_PRIORITY |
                                 WINSCHED_HAS_SWITCHES);
    assert_is_worker(&got);
    fixture_deinit(&f);
}

/* Offsets of the user's may be anything. */
static void test_absurd_offsets(void)
{
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    objects_set(&f.layout, WINOS_KTHREAD_STATE, INT32_MAX);
    objects_set(&f.layout, WINOS_KTHREAD_WAIT_TIME, INT32_MAX - 1);
    objects_set(&f.layout, WINOS_EPROCESS_CREATE_TIME, INT32_MAX);
    g_assert_true(read_thread(&f, worker.at, &got));
    g_assert_cmphex(got.has, ==, ALL & ~(WINSCHED_HAS_STATE |
                                         WINSCHED_HAS_WAIT_TIME));
    assert_is_worker(&got);
    fixture_deinit(&f);
}

/* At the end of all addresses, offsets lead to the first ones again. */
static void test_wrap(void)
{
    uint64_t at = 0xffffffffffffff00;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    fake_guest_map(&f.h.g, 0xfffffffffffff000, GMEM_PAGE);
    fake_guest_map(&f.h.g, 0, GMEM_PAGE);
    fake_guest_put8(&f.h.g, at, 6);
    fake_guest_put8(&f.h.g, at + 0xc3, 9);
    fake_guest_put8(&f.h.g, 0x84, 5);
    g_assert_true(read_thread(&f, at, &got));
    g_assert_cmphex(got.has, ==, WINSCHED_HAS_PRIORITY);
    g_assert_cmpint(got.priority, ==, 9);
    fixture_deinit(&f);
}

enum {
    CHANGING = WINSCHED_HAS_STATE | WINSCHED_HAS_WAIT_REASON |
               WINSCHED_HAS_PRIORITY | WINSCHED_HAS_SWITCHES |
               WINSCHED_HAS_WAIT_TIME,
};

static void test_refresh(void)
{
    ThreadObject later = worker;
    WinschedWindow window;
    WinschedThread got;
    Fixture f;

    fixture_init(&f, 4);
    g_assert_true(read_thread(&f, worker.at, &got));
    later.state = 5;
    later.wait_reason = 32;
    later.priority = 0;
    later.switches++;
    later.wait_time = 1;
    objects_put_thread(&f.h.g, &later);
    winsched_window_init(&window, &f.h.g.space);
    winsched_thread_refresh(&window, &f.layout, &got);
    g_assert_cmphex(got.has, ==, ALL);
    assert_is(&got, &later, &owner, "Render loop");

    later.state = 77;
    objects_put_thread(&f.h.g, &later);
    winsched_thread_refresh(&window, &f.layout, &got);
    g_assert_cmphex(got.has, ==, ALL & ~WINSCHED_HAS_STATE);
    fixture_deinit(&f);
}

static void test_refresh_replaced(void)
{
    unsigned kept = 0;
    unsigned left = 0;
    uint64_t at;
    bool done = false;

    for (at = 0; !done; at++) {
        WinschedWindow window;
        WinschedThread got;
        Fixture f;

        fixture_init(&f, 4);
        g_assert_true(read_thread(&f, worker.at, &got));
        hooked_guest_hook(&f.h, at, replace_thread, &f.h.g);
        winsched_window_init(&window, &f.h.g.space);
        winsched_thread_refresh(&window, &f.layout, &got);
        assert_is_worker(&got);
        if (got.has == ALL) {
            kept++;
        } else {
            g_assert_cmphex(got.has, ==, ALL & ~CHANGING);
            left++;
        }
        done = f.h.n <= at;
        fixture_deinit(&f);
    }
    g_assert_cmpuint(kept, >, 0);
    g_assert_cmpuint(left, >, 3);
}

static void test_same(void)
{
    ThreadObject moved = worker;
    WinschedThread a;
    WinschedThread b;
    Fixture f;

    fixture_init(&f, 4);
    g_assert_true(read_thread(&f, worker.at, &a));
    moved.state = 5;
    moved.attached = moved.process;
    moved.name = 0;
    objects_put_thread(&f.h.g, &moved);
    g_assert_true(read_thread(&f, worker.at, &b));
    g_assert_true(winsched_same_thread(&a, &b));

    moved.created++;
    objects_put_thread(&f.h.g, &moved);
    g_assert_true(read_thread(&f, worker.at, &b));
    g_assert_false(winsched_same_thread(&a, &b));

    moved = worker;
    moved.at += 0x1000;
    objects_put_thread(&f.h.g, &moved);
    g_assert_true(read_thread(&f, moved.at, &b));
    g_assert_false(winsched_same_thread(&a, &b));

    objects_put_thread(&f.h.g, &worker);
    replace_process(&f.h.g);
    g_assert_true(read_thread(&f, worker.at, &b));
    g_assert_false(winsched_same_thread(&a, &b));

    /* The process cannot be read just now: that tells nothing. */
    fake_guest_unmap(&f.h.g, PROCESSES);
    g_assert_true(read_thread(&f, worker.at, &b));
    g_assert_true(winsched_same_thread(&a, &b));
    fixture_deinit(&f);
}

static void add_case(const char *group, const char *name, gconstpointer data,
                     GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/winsched/thread/%s/%s", group,
                                            name);

    g_test_add_data_func(path, data, fn);
}

static void add_cases(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(place_cases); i++) {
        add_case("place", place_cases[i].name, &place_cases[i], test_place);
    }
    for (i = 0; i < G_N_ELEMENTS(odd_cases); i++) {
        add_case("odd", odd_cases[i].name, &odd_cases[i], test_odd);
    }
    for (i = 0; i < G_N_ELEMENTS(image_cases); i++) {
        add_case("image", image_cases[i].name, &image_cases[i], test_image);
    }
    for (i = 0; i < G_N_ELEMENTS(name_cases); i++) {
        add_case("name", name_cases[i].name, &name_cases[i], test_name);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_case("whole", "4-levels", GUINT_TO_POINTER(4), test_whole);
    add_case("whole", "5-levels", GUINT_TO_POINTER(5), test_whole);
    add_cases();
    g_test_add_func("/winsched/thread/everywhere", test_everywhere);
    g_test_add_func("/winsched/thread/place-57", test_place_57);
    g_test_add_func("/winsched/thread/bounds", test_bounds);
    g_test_add_func("/winsched/thread/no-offset", test_no_offset);
    g_test_add_func("/winsched/thread/no-offsets", test_no_offsets);
    g_test_add_func("/winsched/thread/apc-process-only",
                    test_apc_process_only);
    g_test_add_func("/winsched/thread/idle", test_idle);
    g_test_add_func("/winsched/thread/replaced", test_replaced);
    g_test_add_func("/winsched/thread/remapped", test_remapped);
    g_test_add_func("/winsched/thread/process-replaced",
                    test_process_replaced);
    g_test_add_func("/winsched/thread/freed", test_freed);
    g_test_add_func("/winsched/thread/renamed", test_renamed);
    g_test_add_func("/winsched/thread/name-rewritten", test_name_rewritten);
    g_test_add_func("/winsched/thread/faults", test_faults);
    g_test_add_func("/winsched/thread/half-mapped", test_half_mapped);
    g_test_add_func("/winsched/thread/absurd-offsets", test_absurd_offsets);
    g_test_add_func("/winsched/thread/wrap", test_wrap);
    g_test_add_func("/winsched/thread/refresh", test_refresh);
    g_test_add_func("/winsched/thread/refresh-replaced",
                    test_refresh_replaced);
    g_test_add_func("/winsched/thread/same", test_same);
    return g_test_run();
}
