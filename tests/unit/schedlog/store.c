/*
 * schedlog/store: what goes in comes out, and a file that lies is read as
 * something that may be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "schedlog/store.h"

#include "old-file.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

enum {
    EVERYTHING = SCHEDLOG_HAS_ALL,
};

typedef struct TestStore {
    SchedlogStore store;
    ClockKeeper keeper;
    void *mem;
    uint64_t size;
} TestStore;

static void test_store_init(TestStore *t, uint64_t entries)
{
    RecorderRun run = {
        .pid = 4711,
        .n_vcpus = 4,
        .load_base = 0x555500000000,
        .build_id = "0123456789abcdef0123456789abcdef01234567",
        .exe = "/usr/bin/qemu-system-x86_64",
    };
    ClockReading earlier;

    clock_read(clock_host_kind(), &earlier);
    t->size = schedlog_store_size(entries);
    t->mem = aligned_alloc(4096, t->size);
    memset(t->mem, 0, t->size);
    schedlog_store_init(&t->store, t->mem, entries, &run, &t->keeper,
                        &earlier);
}

static SchedlogEvent full_event(void)
{
    SchedlogEvent event = {
        .stamp = 0x0102030405060708, .thread = 0xffffb00000000340,
        .process = 0xffffc00000000240, .attached = 0xffffc00000001240,
        .old_thread = 0xffffb00000001340, .pid = 0x11223344,
        .tid = 0x55667788, .old_pid = 0x99aabbcc, .old_tid = 0xddeeff00,
        .missed = 0xcafe, .has = EVERYTHING, .switches = 0x12345678,
        .wait_time = 0x9abcdef0, .vcpu = 0xabcd, .origin = SCHEDLOG_EXACT,
        .state = 2, .priority = 15, .old_state = 5, .old_wait_reason = 31,
        .old_priority = 8, .image = "fifteen-letters",
        .name = "\xed\x95\x9c and so on",
    };

    return event;
}

static void record(TestStore *t, const SchedlogEvent *event)
{
    g_assert_cmpuint(schedlog_store_record(&t->store, event), >, 0);
}

static SchedlogEvent read_back(TestStore *t, uint64_t seq)
{
    SchedlogEvent event;

    memset(&event, 0xaa, sizeof(event));
    g_assert_cmpint(schedlog_store_event(&t->store, seq, &event), ==,
                    EVRING_OK);
    g_assert_cmpuint(event.seq, ==, seq);
    return event;
}

static void assert_equal(const SchedlogEvent *a, const SchedlogEvent *b)
{
    g_assert_cmphex(a->stamp, ==, b->stamp);
    g_assert_cmphex(a->thread, ==, b->thread);
    g_assert_cmphex(a->process, ==, b->process);
    g_assert_cmphex(a->attached, ==, b->attached);
    g_assert_cmphex(a->old_thread, ==, b->old_thread);
    g_assert_cmphex(a->pid, ==, b->pid);
    g_assert_cmphex(a->tid, ==, b->tid);
    g_assert_cmphex(a->old_pid, ==, b->old_pid);
    g_assert_cmphex(a->old_tid, ==, b->old_tid);
    g_assert_cmpuint(a->missed, ==, b->missed);
    g_assert_cmphex(a->has, ==, b->has);
    g_assert_cmpuint(a->switches, ==, b->switches);
    g_assert_cmpuint(a->wait_time, ==, b->wait_time);
    g_assert_cmpuint(a->vcpu, ==, b->vcpu);
    g_assert_cmpuint(a->origin, ==, b->origin);
    g_assert_cmpuint(a->state, ==, b->state);
    g_assert_cmpint(a->priority, ==, b->priority);
    g_assert_cmpuint(a->old_state, ==, b->old_state);
    g_assert_cmpuint(a->old_wait_reason, ==, b->old_wait_reason);
    g_assert_cmpint(a->old_priority, ==, b->old_priority);
    g_assert_cmpstr(a->image, ==, b->image);
    g_assert_cmpstr(a->name, ==, b->name);
}

/* Where docs/formats/ring-v1.md says things are. */
static void test_format(void)
{
    SchedlogEvent event = full_event();
    EvringHeader *header;
    uint64_t words[EVRING_MAX_WORDS] = {};
    TestStore t;

    g_assert_cmpuint(sizeof(SchedlogTables), ==, 66112);
    g_assert_cmpuint(offsetof(SchedlogTables, exact), ==, 8);
    g_assert_cmpuint(offsetof(SchedlogTables, guests), ==, 64);
    g_assert_cmpuint(offsetof(SchedlogGuest, build), ==, 16);
    g_assert_cmpuint(offsetof(SchedlogGuest, since_stamp), ==, 24);
    g_assert_cmpuint(offsetof(SchedlogGuest, offsets), ==, 32);
    g_assert_cmpuint(offsetof(SchedlogOffset, value), ==, 40);
    g_assert_cmpuint(offsetof(SchedlogOffset, source), ==, 44);

    test_store_init(&t, 64);
    header = t.store.header;
    g_assert_cmpuint(header->version, ==, 2);
    g_assert_cmpuint(header->content, ==, 2);
    g_assert_cmpuint(header->n_rings, ==, 1);
    g_assert_cmpuint(header->n_words, ==, 23);
    g_assert_cmpuint(header->slot_size, ==, 192);
    g_assert_cmpuint(header->n_vcpus, ==, 4);
    g_assert_cmpuint(header->pid, ==, 4711);
    g_assert_cmpstr(header->exe, ==, "/usr/bin/qemu-system-x86_64");
    g_assert_cmpuint(strlen(header->build_id), ==, 40);

    record(&t, &event);
    g_assert_cmpint(evring_read(&t.store.ring, 1, words), ==, EVRING_OK);
    g_assert_cmphex(words[0], ==, 0x0102030405060708);
    g_assert_cmphex(words[1], ==, 0xffffb00000000340);
    g_assert_cmphex(words[2], ==, 0xffffc00000000240);
    g_assert_cmphex(words[3], ==, 0xffffc00000001240);
    g_assert_cmphex(words[4], ==, 0xffffb00000001340);
    g_assert_cmphex(words[5], ==, 0x5566778811223344);
    g_assert_cmphex(words[6], ==, 0xddeeff0099aabbcc);
    g_assert_cmphex(words[7], ==, 0x081f050f0202abcd);
    g_assert_cmphex(words[8], ==, 0x0003ffff0000cafe);
    g_assert_cmphex(words[9], ==, 0x9abcdef012345678);
    g_assert_cmpmem(&words[10], 16, event.image, 16);
    g_assert_cmpmem(&words[12], 80, event.name, 80);
    g_assert_cmphex(words[22], ==, 0);
    free(t.mem);
}

static void test_event(void)
{
    SchedlogEvent event = full_event();
    SchedlogEvent empty = { .stamp = 5, .thread = 9, .vcpu = 1 };
    SchedlogEvent back;
    TestStore t;

    test_store_init(&t, 64);
    record(&t, &event);
    record(&t, &empty);
    back = read_back(&t, 1);
    assert_equal(&back, &event);
    g_assert_cmpuint(back.time_ns, ==,
                     clock_map_ns(&t.store.header->clock, event.stamp));
    back = read_back(&t, 2);
    assert_equal(&back, &empty);
    g_assert_cmpint(schedlog_store_event(&t.store, 3, &back), ==,
                    EVRING_FUTURE);
    free(t.mem);
}

/* What goes with a bit of has. */
typedef struct HasCase {
    const char *name;
    uint32_t bit;
    size_t at;
    size_t len;
    uint32_t also;          /* another bit that makes no sense then */
} HasCase;

#define MEMBER(m) offsetof(SchedlogEvent, m), sizeof(((SchedlogEvent *)0)->m)

static const HasCase has_cases[] = {
    { "process", SCHEDLOG_HAS_PROCESS, MEMBER(process) },
    { "attached", SCHEDLOG_HAS_ATTACHED, MEMBER(attached) },
    { "ids", SCHEDLOG_HAS_IDS, offsetof(SchedlogEvent, pid), 8 },
    { "image", SCHEDLOG_HAS_IMAGE, MEMBER(image) },
    { "name", SCHEDLOG_HAS_NAME, MEMBER(name), SCHEDLOG_NAME_CUT },
    { "name-cut", SCHEDLOG_NAME_CUT, 0, 0 },
    { "state", SCHEDLOG_HAS_STATE, MEMBER(state) },
    { "priority", SCHEDLOG_HAS_PRIORITY, MEMBER(priority) },
    { "idle", SCHEDLOG_IDLE, 0, 0 },
    { "missed", SCHEDLOG_HAS_MISSED, MEMBER(missed) },
    { "old", SCHEDLOG_HAS_OLD, MEMBER(old_thread) },
    { "old-ids", SCHEDLOG_HAS_OLD_IDS, offsetof(SchedlogEvent, old_pid), 8 },
    { "old-state", SCHEDLOG_HAS_OLD_STATE, MEMBER(old_state) },
    { "old-wait-reason", SCHEDLOG_HAS_OLD_WAIT_REASON,
      MEMBER(old_wait_reason) },
    { "old-priority", SCHEDLOG_HAS_OLD_PRIORITY, MEMBER(old_priority) },
    { "switches", SCHEDLOG_HAS_SWITCHES, MEMBER(switches) },
    { "wait-time", SCHEDLOG_HAS_WAIT_TIME, MEMBER(wait_time) },
    { "idle-unknown", SCHEDLOG_IDLE_UNKNOWN, 0, 0 },
};

/* What has does not say is 0, and nothing else is. */
static void test_has(gconstpointer data)
{
    const HasCase *c = data;
    SchedlogEvent event = full_event();
    SchedlogEvent want = full_event();
    SchedlogEvent back;
    TestStore t;

    test_store_init(&t, 64);
    event.has = EVERYTHING & ~c->bit;
    want.has = event.has & ~c->also;
    memset((char *)&want + c->at, 0, c->len);
    record(&t, &event);
    back = read_back(&t, 1);
    assert_equal(&back, &want);
    free(t.mem);
}

/* A word of the record is another one. */
typedef struct LieCase {
    const char *name;
    unsigned word;
    uint64_t clear;
    uint64_t set;
    uint32_t lost;      /* of has */
} LieCase;

static const LieCase lie_cases[] = {
    { "state", 7, 0xffull << 24, 10ull << 24, SCHEDLOG_HAS_STATE },
    { "priority", 7, 0xffull << 32, 32ull << 32, SCHEDLOG_HAS_PRIORITY },
    { "priority-negative", 7, 0xffull << 32, 0xffull << 32,
      SCHEDLOG_HAS_PRIORITY },
    { "old-state", 7, 0xffull << 40, 0xffull << 40, SCHEDLOG_HAS_OLD_STATE },
    { "old-wait-reason", 7, 0xffull << 48, 128ull << 48,
      SCHEDLOG_HAS_OLD_WAIT_REASON },
    { "old-priority", 7, 0xffull << 56, 0x80ull << 56,
      SCHEDLOG_HAS_OLD_PRIORITY },
    { "image-empty", 10, 0xff, 0, SCHEDLOG_HAS_IMAGE },
    { "image-no-text", 10, 0xff, 0x80, 0 },
    { "name-empty", 12, 0xff, 0, SCHEDLOG_HAS_NAME | SCHEDLOG_NAME_CUT },
    { "name-no-text", 12, 0xff, 0xff,
      SCHEDLOG_HAS_NAME | SCHEDLOG_NAME_CUT },
    { "has-newer", 8, 0, 0xfffcull << 48, 0 },
    { "reserved", 22, 0, UINT64_MAX, 0 },
};

static void change_word(TestStore *t, unsigned word, uint64_t clear,
                        uint64_t set)
{
    EvringSlot *slot = evring_slot(&t->store.ring, 1);

    slot->words[word] = (slot->words[word] & ~clear) | set;
}

static void test_lie(gconstpointer data)
{
    const LieCase *c = data;
    SchedlogEvent event = full_event();
    SchedlogEvent back;
    TestStore t;

    test_store_init(&t, 64);
    record(&t, &event);
    change_word(&t, c->word, c->clear, c->set);
    back = read_back(&t, 1);
    g_assert_cmphex(back.has, ==, EVERYTHING & ~c->lost);
    g_assert_cmpint(back.state <= 9 && back.old_state <= 9, ==, true);
    g_assert_cmpint(back.priority, >=, 0);
    g_assert_cmpint(back.old_priority, >=, 0);
    free(t.mem);
}

static void test_lie_origin(void)
{
    SchedlogEvent event = full_event();
    TestStore t;

    test_store_init(&t, 64);
    record(&t, &event);
    change_word(&t, 7, 0xff << 16, 3 << 16);
    g_assert_cmpuint(read_back(&t, 1).origin, ==, SCHEDLOG_EXIT);
    free(t.mem);
}

/* Text that does not end, or is none from somewhere on. */
static void test_lie_text(void)
{
    SchedlogEvent event = full_event();
    SchedlogEvent back;
    TestStore t;
    unsigned i;

    test_store_init(&t, 64);
    record(&t, &event);
    for (i = 10; i < 22; i++) {
        change_word(&t, i, UINT64_MAX, 0x4141414141414141);
    }
    back = read_back(&t, 1);
    g_assert_cmpuint(strlen(back.image), ==, 15);
    g_assert_cmpuint(strlen(back.name), ==, 79);

    /* A character that would need the byte of the NUL. */
    change_word(&t, 21, UINT64_MAX, 0x9c95ed4141414141);
    back = read_back(&t, 1);
    g_assert_cmpuint(strlen(back.name), ==, 77);
    change_word(&t, 21, UINT64_MAX, 0x4141ff4141414141);
    back = read_back(&t, 1);
    g_assert_cmpuint(strlen(back.name), ==, 77);
    /* Nothing of what was behind is left. */
    g_assert_cmpint(back.name[78], ==, 0);
    free(t.mem);
}

/* Nothing of an image is lost, also behind a zero; the last byte is a NUL. */
static void test_image_bytes(void)
{
    static const char images[][SCHEDLOG_IMAGE_SIZE] = {
        "\xb0\xe8\xbb\xea\xb1\xe2.exe",
        "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\xff",
        "a\x1b[2J\r\n\x7f\0behind",
        "\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\x9c\xed\x95\xff",
    };
    SchedlogEvent event = full_event();
    SchedlogEvent back;
    TestStore t;
    size_t i;

    test_store_init(&t, 64);
    for (i = 0; i < G_N_ELEMENTS(images); i++) {
        memcpy(event.image, images[i], sizeof(event.image));
        record(&t, &event);
        back = read_back(&t, i + 1);
        g_assert_cmphex(back.has, ==, EVERYTHING);
        g_assert_cmpmem(back.image, 16, images[i], 16);
    }
    free(t.mem);
}

/* A ring of version 1, as it was written when there was no other. */
static void test_version_1(void)
{
    static const char *const wanted[] = {
        "\xeb\xa9\x94\xeb\xaa\xa8\xec\x9e\xa5.exe",
        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
        "fifteen-letters", "System",
    };
    SchedlogStore reader;
    SchedlogEvent event;
    Err err = {};
    size_t size;
    uint8_t *bytes = old_file_read("ring-v1-sched.hex", &size);
    size_t i;

    g_assert_true(schedlog_store_attach(&reader, bytes, size, &err));
    g_assert_cmpuint(reader.header->version, ==, 1);
    for (i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_assert_cmpint(schedlog_store_event(&reader, i + 1, &event), ==,
                        EVRING_OK);
        g_assert_cmpstr(event.image, ==, wanted[i]);
        g_assert_cmpuint(event.vcpu, ==, (i + 1) % 2);
    }
    g_assert_cmpint(schedlog_store_event(&reader, i + 1, &event), ==,
                    EVRING_FUTURE);
    free(bytes);
}

/* The writer's strings need not end either, and what is behind stays here. */
static void test_unended(void)
{
    SchedlogEvent event = full_event();
    uint64_t words[EVRING_MAX_WORDS];
    SchedlogEvent back;
    TestStore t;

    test_store_init(&t, 64);
    memset(event.image, 'i', sizeof(event.image));
    memset(event.name, 'n', sizeof(event.name));
    event.name[3] = '\0';
    record(&t, &event);
    back = read_back(&t, 1);
    g_assert_cmpstr(back.image, ==, "iiiiiiiiiiiiiii");
    g_assert_cmpstr(back.name, ==, "nnn");
    g_assert_cmpint(evring_read(&t.store.ring, 1, words), ==, EVRING_OK);
    g_assert_cmphex(words[12], ==, 0x6e6e6e);
    g_assert_cmphex(words[13], ==, 0);
    free(t.mem);
}

static void assert_sane(const SchedlogEvent *e)
{
    g_assert_cmphex(e->has & ~(uint32_t)EVERYTHING, ==, 0);
    g_assert_true(g_utf8_validate(e->name, -1, NULL));
    g_assert_cmpuint(strlen(e->image), <, SCHEDLOG_IMAGE_SIZE);
    g_assert_cmpuint(strlen(e->name), <, SCHEDLOG_NAME_SIZE);
    g_assert_cmpint(!!(e->has & SCHEDLOG_HAS_NAME), ==, e->name[0] != 0);
    g_assert_cmpint(!!(e->has & SCHEDLOG_HAS_IMAGE), ==, e->image[0] != 0);
    g_assert_cmpuint(e->origin, <=, SCHEDLOG_EXACT);
    g_assert_cmpuint(e->state, <=, 9);
    g_assert_cmpuint(e->old_state, <=, 9);
    g_assert_cmpuint(e->old_wait_reason, <=, 127);
    g_assert_true(e->priority >= 0 && e->priority <= 31);
    g_assert_true(e->old_priority >= 0 && e->old_priority <= 31);
}

/* Whatever bytes follow a good header, what is read is sane. */
static void test_damaged(void)
{
    GRand *rand = g_rand_new_with_seed(1);
    SchedlogStore reader;
    SchedlogEvent event;
    SchedlogGuest guest;
    TestStore t;
    Err err = {};
    uint64_t i;

    test_store_init(&t, 64);
    for (i = EVRING_HEADER_SIZE; i < t.size; i++) {
        ((uint8_t *)t.mem)[i] = (uint8_t)g_rand_int(rand);
    }
    g_assert_true(schedlog_store_attach(&reader, t.mem, t.size, &err));
    for (i = 1; i <= 64; i++) {
        evring_slot(&reader.ring, i)->state = 2 * i;
    }
    atomic_store(&reader.ring.shared->head, 64);
    for (i = 1; i <= 64; i++) {
        g_assert_cmpint(schedlog_store_event(&reader, i, &event), ==,
                        EVRING_OK);
        assert_sane(&event);
    }
    for (i = 0; i < 15; i++) {
        unsigned k;

        g_assert_true(schedlog_store_guest(&reader, i, &guest));
        g_assert_cmpuint(guest.n_offsets, <=, SCHEDLOG_MAX_OFFSETS);
        for (k = 0; k < SCHEDLOG_MAX_OFFSETS; k++) {
            SchedlogOffset *offset = &guest.offsets[k];

            g_assert_cmpint(offset->name[sizeof(offset->name) - 1], ==, 0);
            g_assert_true(g_str_is_ascii(offset->name));
            g_assert_cmpint(offset->source[sizeof(offset->source) - 1], ==,
                            0);
            g_assert_true(g_str_is_ascii(offset->source));
            g_assert_cmpint(offset->value, >=, -1);
        }
    }
    g_rand_free(rand);
    free(t.mem);
}

static void test_attach(void)
{
    SchedlogEvent event = full_event();
    SchedlogGuest guest = { .build = 26100 };
    SchedlogStore reader;
    SchedlogEvent back;
    TestStore t;
    Err err = {};

    test_store_init(&t, 64);
    record(&t, &event);
    schedlog_store_add_guest(&t.store, &guest);
    g_assert_cmpuint(t.store.header->state, ==, EVRING_RECORDING);
    schedlog_store_stop(&t.store);
    g_assert_cmpuint(t.store.header->state, ==, EVRING_STOPPED);
    g_assert_cmpuint(t.store.header->end_stamp, >=,
                     t.store.header->begin.stamp);
    g_assert_true(schedlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_cmpint(schedlog_store_event(&reader, 1, &back), ==, EVRING_OK);
    assert_equal(&back, &event);
    memset(&guest, 0, sizeof(guest));
    g_assert_true(schedlog_store_guest(&reader, 0, &guest));
    g_assert_cmpuint(guest.build, ==, 26100);
    free(t.mem);
}

static void test_attach_refuses(void)
{
    SchedlogStore reader;
    TestStore t;
    Err err = {};

    test_store_init(&t, 64);
    t.store.header->content = EVRING_CONTENT_IRQ;
    g_assert_false(schedlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_nonnull(strstr(err.text, "does not hold thread switches"));
    t.store.header->content = EVRING_CONTENT_SCHED;
    t.store.header->tables_size -= 64;
    g_assert_false(schedlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_nonnull(strstr(err.text, "impossible size"));
    t.store.header->tables_size += 64;
    /* In as large a slot. */
    t.store.header->n_words = 22;
    g_assert_false(schedlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_nonnull(strstr(err.text, "impossible size"));
    t.store.header->n_words = 23;
    t.store.header->version = EVRING_VERSION + 1;
    g_assert_false(schedlog_store_attach(&reader, t.mem, t.size, &err));
    g_assert_cmpint(err.code, ==, ERR_VERSION);
    t.store.header->version = EVRING_VERSION;
    g_assert_false(schedlog_store_attach(&reader, t.mem, t.size - 1, &err));
    g_assert_cmpint(err.code, ==, ERR_FORMAT);
    g_assert_true(schedlog_store_attach(&reader, t.mem, t.size, &err));
    free(t.mem);
}

static void test_overwritten(void)
{
    SchedlogEvent event = full_event();
    TestStore t;
    uint64_t i;

    test_store_init(&t, 64);
    for (i = 1; i <= 100; i++) {
        event.missed = (uint32_t)i;
        g_assert_cmpuint(schedlog_store_record(&t.store, &event), ==, i);
    }
    g_assert_cmpint(schedlog_store_event(&t.store, 36, &event), ==,
                    EVRING_OVERWRITTEN);
    g_assert_cmpuint(read_back(&t, 37).missed, ==, 37);
    g_assert_cmpuint(read_back(&t, 100).missed, ==, 100);
    free(t.mem);
}

/* A writer that sleeps for a lap costs a record, and that is told. */
static void test_dropped(void)
{
    SchedlogEvent event = full_event();
    TestStore t;
    uint64_t seq;
    int i;

    test_store_init(&t, 64);
    g_assert_nonnull(evring_claim(&t.store.ring, &seq));
    for (i = 0; i < 63; i++) {
        record(&t, &event);
    }
    g_assert_cmpuint(evring_dropped(&t.store.ring), ==, 0);
    g_assert_cmpuint(schedlog_store_record(&t.store, &event), ==, 0);
    g_assert_cmpuint(evring_dropped(&t.store.ring), ==, 1);
    free(t.mem);
}

typedef struct EntriesCase {
    const char *name;
    uint64_t per_vcpu;
    unsigned n_vcpus;
    uint64_t entries;
} EntriesCase;

static const EntriesCase entries_cases[] = {
    { "usual", 65536, 4, 262144 },
    { "rounded", 65536, 3, 262144 },
    { "least", 1, 1, 64 },
    { "default", 0, 1, 65536 },
    { "default-of-two", 0, 2, 131072 },
    { "default-of-four", 0, 4, 262144 },
    { "default-of-many", 0, 255, 262144 },
    { "default-no-vcpus", 0, 0, 65536 },
    { "no-vcpus", 100, 0, 128 },
    { "most", 4194304, 1, 4194304 },
    { "too-many", 4194304, 2, 4194304 },
    { "just-too-many", 1398102, 3, 4194304 },
    { "absurd", UINT64_MAX, 255, 4194304 },
    { "many-vcpus", 65536, UINT_MAX, 4194304 },
};

static void test_entries(gconstpointer data)
{
    const EntriesCase *c = data;

    g_assert_cmpuint(schedlog_entries(c->per_vcpu, c->n_vcpus), ==,
                     c->entries);
}

/* An entry whose every word follows from one number. */
static void fill_guest(SchedlogGuest *guest, uint32_t n)
{
    unsigned i;

    memset(guest, 0, sizeof(*guest));
    guest->kernel_base = n * 0x1000ull;
    guest->kernel_size = n + 1;
    guest->kernel_timestamp = n + 2;
    guest->build = n;
    guest->n_offsets = SCHEDLOG_MAX_OFFSETS;
    guest->since_stamp = n * 3ull;
    for (i = 0; i < SCHEDLOG_MAX_OFFSETS; i++) {
        snprintf(guest->offsets[i].name, sizeof(guest->offsets[i].name),
                 "field-%u-%u", i, n);
        strcpy(guest->offsets[i].source, "code");
        guest->offsets[i].value = (int32_t)(n + i);
    }
}

static void test_guests(void)
{
    SchedlogGuest guest;
    SchedlogGuest back;
    TestStore t;
    uint32_t n;

    test_store_init(&t, 64);
    g_assert_false(schedlog_store_guest(&t.store, 0, &back));
    for (n = 0; n < 40; n++) {
        unsigned age;

        fill_guest(&guest, n);
        schedlog_store_add_guest(&t.store, &guest);
        for (age = 0; age < 20; age++) {
            bool want = age <= n && age < 15;

            g_assert_cmpint(schedlog_store_guest(&t.store, age, &back), ==,
                            want);
            if (want) {
                fill_guest(&guest, n - age);
                g_assert_cmpmem(&back, sizeof(back), &guest, sizeof(guest));
            }
        }
        g_assert_false(schedlog_store_guest(&t.store, UINT_MAX, &back));
    }
    free(t.mem);
}

static void test_guest_lies(void)
{
    SchedlogGuest guest;
    SchedlogGuest back;
    TestStore t;

    test_store_init(&t, 64);
    fill_guest(&guest, 1);
    guest.n_offsets = 65;
    guest.offsets[0].value = -2;
    guest.offsets[1].value = -1;
    memset(guest.offsets[2].name, 'x', sizeof(guest.offsets[2].name));
    strcpy(guest.offsets[3].name, "good\nbad");
    strcpy(guest.offsets[4].source, "\x80");
    strcpy(guest.offsets[6].source, "ab\x7f");
    schedlog_store_add_guest(&t.store, &guest);
    g_assert_true(schedlog_store_guest(&t.store, 0, &back));
    g_assert_cmpuint(back.n_offsets, ==, 64);
    g_assert_cmpint(back.offsets[0].value, ==, -1);
    g_assert_cmpint(back.offsets[1].value, ==, -1);
    g_assert_cmpuint(strlen(back.offsets[2].name), ==, 39);
    g_assert_cmpstr(back.offsets[3].name, ==, "good");
    g_assert_cmpstr(back.offsets[4].source, ==, "");
    g_assert_cmpstr(back.offsets[5].source, ==, "code");
    g_assert_cmpstr(back.offsets[6].source, ==, "ab");
    free(t.mem);
}

enum { WRITERS = 3, READERS = 2, PER_WRITER = 50000, GUESTS = 5000 };

typedef struct Race {
    TestStore t;
    atomic_int writing;
} Race;

typedef struct RaceWriter {
    Race *race;
    unsigned id;
    uint64_t dropped;
} RaceWriter;

/* A record of which every member follows from two numbers. */
static void fill_event(SchedlogEvent *event, unsigned id, uint32_t n)
{
    memset(event, 0, sizeof(*event));
    event->vcpu = (uint16_t)id;
    event->has = EVERYTHING & ~(uint32_t)SCHEDLOG_NAME_CUT;
    event->stamp = n;
    event->thread = n * 16ull;
    event->process = n * 17ull;
    event->attached = n * 18ull;
    event->old_thread = n * 19ull;
    event->pid = event->old_tid = n;
    event->tid = event->old_pid = n + id;
    event->missed = n ^ id;
    event->switches = n * 3;
    event->wait_time = n * 5;
    event->state = event->old_state = (uint8_t)(n % 10);
    event->priority = event->old_priority = (int8_t)(n % 32);
    event->old_wait_reason = (uint8_t)(n % 128);
    event->origin = (uint8_t)(n % 3);
    snprintf(event->image, sizeof(event->image), "image%u", n);
    snprintf(event->name, sizeof(event->name), "%079u", n);
}

static gpointer race_writer(gpointer opaque)
{
    RaceWriter *w = opaque;
    uint32_t i;

    for (i = 1; i <= PER_WRITER; i++) {
        SchedlogEvent event;

        fill_event(&event, w->id, i);
        if (!schedlog_store_record(&w->race->t.store, &event)) {
            w->dropped++;
        }
    }
    atomic_fetch_sub(&w->race->writing, 1);
    return NULL;
}

typedef struct RaceReader {
    Race *race;
    uint64_t read;
    uint64_t lost;
} RaceReader;

static void check_event(const SchedlogEvent *event)
{
    SchedlogEvent want;

    g_assert_cmpuint(event->vcpu, <, WRITERS);
    fill_event(&want, event->vcpu, event->pid);
    assert_equal(event, &want);
}

static gpointer race_reader(gpointer opaque)
{
    RaceReader *r = opaque;
    const SchedlogStore *store = &r->race->t.store;
    uint64_t next = 1;

    for (;;) {
        bool last = atomic_load(&r->race->writing) == 0;
        uint64_t oldest = evring_oldest(&store->ring);
        SchedlogEvent event;
        EvringRead result;

        if (next < oldest) {
            r->lost += oldest - next;
            next = oldest;
        }
        result = schedlog_store_event(store, next, &event);
        if (result == EVRING_OK) {
            check_event(&event);
            r->read++;
        } else if (result == EVRING_OVERWRITTEN) {
            r->lost++;
        } else if (last && result == EVRING_FUTURE) {
            return NULL;
        } else {
            continue;
        }
        next++;
    }
}

static void test_race(void)
{
    Race race = { .writing = WRITERS };
    RaceWriter writers[WRITERS];
    RaceReader readers[READERS];
    GThread *threads[WRITERS + READERS];
    uint64_t dropped = 0;
    int i;

    test_store_init(&race.t, 1024);
    for (i = 0; i < READERS; i++) {
        readers[i] = (RaceReader){ .race = &race };
        threads[WRITERS + i] = g_thread_new("reader", race_reader,
                                            &readers[i]);
    }
    for (i = 0; i < WRITERS; i++) {
        writers[i] = (RaceWriter){ .race = &race, .id = (unsigned)i };
        threads[i] = g_thread_new("writer", race_writer, &writers[i]);
    }
    for (i = 0; i < WRITERS + READERS; i++) {
        g_thread_join(threads[i]);
    }
    for (i = 0; i < WRITERS; i++) {
        dropped += writers[i].dropped;
    }
    g_assert_cmpuint(evring_dropped(&race.t.store.ring), ==, dropped);
    for (i = 0; i < READERS; i++) {
        g_assert_cmpuint(readers[i].read, >, 0);
        g_assert_cmpuint(readers[i].read + readers[i].lost + dropped, ==,
                         WRITERS * PER_WRITER);
    }
    free(race.t.mem);
}

static gpointer guest_reader(gpointer opaque)
{
    Race *race = opaque;
    uint32_t newest = 0;

    while (atomic_load(&race->writing)) {
        SchedlogGuest guest;
        SchedlogGuest want;
        unsigned back = newest % 15;

        if (schedlog_store_guest(&race->t.store, back, &guest)) {
            fill_guest(&want, guest.build);
            g_assert_cmpmem(&guest, sizeof(guest), &want, sizeof(want));
        }
        newest++;
    }
    return NULL;
}

/* A kernel's entry is whole or is not had, however fast the guest reboots. */
static void test_guest_race(void)
{
    Race race = { .writing = 1 };
    GThread *reader;
    uint32_t n;

    test_store_init(&race.t, 64);
    reader = g_thread_new("reader", guest_reader, &race);
    for (n = 0; n < GUESTS; n++) {
        SchedlogGuest guest;

        fill_guest(&guest, n);
        schedlog_store_add_guest(&race.t.store, &guest);
    }
    atomic_store(&race.writing, 0);
    g_thread_join(reader);
    free(race.t.mem);
}

static void add_case(const char *group, const char *name, gconstpointer data,
                     GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/schedlog/store/%s/%s", group,
                                            name);

    g_test_add_data_func(path, data, fn);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(entries_cases); i++) {
        add_case("entries", entries_cases[i].name, &entries_cases[i],
                 test_entries);
    }
    for (i = 0; i < G_N_ELEMENTS(has_cases); i++) {
        add_case("has", has_cases[i].name, &has_cases[i], test_has);
    }
    for (i = 0; i < G_N_ELEMENTS(lie_cases); i++) {
        add_case("lie", lie_cases[i].name, &lie_cases[i], test_lie);
    }
    g_test_add_func("/schedlog/store/format", test_format);
    g_test_add_func("/schedlog/store/event", test_event);
    g_test_add_func("/schedlog/store/lie-origin", test_lie_origin);
    g_test_add_func("/schedlog/store/lie-text", test_lie_text);
    g_test_add_func("/schedlog/store/image-bytes", test_image_bytes);
    g_test_add_func("/schedlog/store/version-1", test_version_1);
    g_test_add_func("/schedlog/store/unended", test_unended);
    g_test_add_func("/schedlog/store/damaged", test_damaged);
    g_test_add_func("/schedlog/store/attach", test_attach);
    g_test_add_func("/schedlog/store/attach-refuses", test_attach_refuses);
    g_test_add_func("/schedlog/store/overwritten", test_overwritten);
    g_test_add_func("/schedlog/store/dropped", test_dropped);
    g_test_add_func("/schedlog/store/guests", test_guests);
    g_test_add_func("/schedlog/store/guest-lies", test_guest_lies);
    g_test_add_func("/schedlog/store/race", test_race);
    g_test_add_func("/schedlog/store/guest-race", test_guest_race);
    return g_test_run();
}
