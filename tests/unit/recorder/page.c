/*
 * recorder/page: pages have each record once, and a scan is bounded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/page.h"

#include <glib.h>
#include <string.h>

enum { ENTRIES = 64, WORDS = 1, ENTRY_BYTES = 10 };

typedef struct TestPage {
    RecorderPage page;
    Evring ring;
    EvringHead *head;
    void *slots;
    uint64_t every;             /* of the records which match: one in ... */
    GArray *found;              /* uint64_t */
    uint64_t reads;
} TestPage;

static void record(TestPage *t, uint64_t n)
{
    uint64_t seq;

    while (n--) {
        EvringSlot *slot = evring_claim(&t->ring, &seq);

        evring_put(slot, 0, seq);
        evring_commit(slot, seq);
    }
}

static void test_page_init(TestPage *t, uint64_t n)
{
    size_t bytes = ENTRIES * evring_slot_size(WORDS);

    *t = (TestPage){ .every = 1 };
    t->head = aligned_alloc(64, sizeof(*t->head));
    t->slots = aligned_alloc(64, bytes);
    memset(t->head, 0, sizeof(*t->head));
    memset(t->slots, 0, bytes);
    evring_attach(&t->ring, t->head, t->slots, ENTRIES, WORDS);
    t->found = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    record(t, n);
}

static void test_page_deinit(TestPage *t)
{
    g_array_unref(t->found);
    free(t->slots);
    free(t->head);
}

static void begin(TestPage *t, uint64_t entries, uint64_t bytes,
                  uint64_t scanned)
{
    t->page = (RecorderPage){ entries, bytes, scanned };
    g_array_set_size(t->found, 0);
    t->reads = 0;
}

static EvringRead read_one(void *opaque, uint64_t seq)
{
    TestPage *t = opaque;
    uint64_t word;
    EvringRead result = evring_read(&t->ring, seq, &word);

    t->reads++;
    if (result == EVRING_OK && seq % t->every == 0 &&
        recorder_page_add(&t->page, ENTRY_BYTES)) {
        g_assert_cmpuint(word, ==, seq);
        g_array_append_val(t->found, seq);
    }
    return result;
}

static RecorderPageEnd after(TestPage *t, uint64_t seq)
{
    return recorder_page_after(&t->page, &t->ring, seq, read_one, t);
}

static RecorderPageEnd newest(TestPage *t)
{
    return recorder_page_newest(&t->page, &t->ring, read_one, t);
}

static uint64_t found(const TestPage *t, unsigned i)
{
    g_assert_cmpuint(i, <, t->found->len);
    return g_array_index(t->found, uint64_t, i);
}

/* Page by page all that is there comes, each once and in order. */
static void test_all_once(void)
{
    uint64_t seq = 0;
    uint64_t next = 37;         /* the oldest of 100 in a ring of 64 */
    TestPage t;
    unsigned i;

    test_page_init(&t, 100);
    for (;;) {
        begin(&t, 7, UINT64_MAX, UINT64_MAX);
        g_assert_cmpint(after(&t, seq), ==, RECORDER_PAGE_WHOLE);
        if (!t.found->len) {
            break;
        }
        for (i = 0; i < t.found->len; i++) {
            g_assert_cmpuint(found(&t, i), ==, next++);
        }
        g_assert_cmpuint(t.page.last, ==, next - 1);
        seq = t.page.last;
    }
    g_assert_cmpuint(next, ==, 101);
    test_page_deinit(&t);
}

/* What lies behind a record that is not complete could not be asked again. */
static void test_pending(void)
{
    EvringSlot *slot;
    uint64_t seq;
    TestPage t;

    test_page_init(&t, 3);
    slot = evring_claim(&t.ring, &seq);
    record(&t, 3);
    begin(&t, 100, UINT64_MAX, UINT64_MAX);
    g_assert_cmpint(after(&t, 0), ==, RECORDER_PAGE_WHOLE);
    g_assert_cmpuint(t.found->len, ==, 3);
    g_assert_cmpuint(t.page.last, ==, 3);

    /* Who asks for the newest gets what is complete. */
    begin(&t, 100, UINT64_MAX, UINT64_MAX);
    g_assert_cmpint(newest(&t), ==, RECORDER_PAGE_WHOLE);
    g_assert_cmpuint(t.found->len, ==, 6);
    g_assert_cmpuint(found(&t, 0), ==, 7);
    g_assert_cmpuint(found(&t, 3), ==, 3);

    evring_put(slot, 0, seq);
    evring_commit(slot, seq);
    begin(&t, 100, UINT64_MAX, UINT64_MAX);
    after(&t, 3);
    g_assert_cmpuint(t.found->len, ==, 4);
    test_page_deinit(&t);
}

static void test_bytes(void)
{
    TestPage t;

    test_page_init(&t, 20);
    begin(&t, 100, 3 * ENTRY_BYTES + 9, UINT64_MAX);
    after(&t, 0);
    g_assert_cmpuint(t.found->len, ==, 3);
    g_assert_cmpuint(t.page.bytes, ==, 3 * ENTRY_BYTES);
    g_assert_true(t.page.full);

    begin(&t, 100, 3 * ENTRY_BYTES, UINT64_MAX);
    after(&t, 0);
    g_assert_cmpuint(t.found->len, ==, 3);

    /* However large it is, the first is taken: else nobody got beyond it. */
    begin(&t, 100, 1, UINT64_MAX);
    after(&t, 0);
    g_assert_cmpuint(t.found->len, ==, 1);
    g_assert_cmpuint(t.page.bytes, ==, 1);
    test_page_deinit(&t);
}

/* No more is read than is said, to the record. */
static void test_bounded(void)
{
    TestPage t;

    test_page_init(&t, 60);
    t.every = 50;
    begin(&t, 2, UINT64_MAX, 49);
    g_assert_cmpint(after(&t, 0), ==, RECORDER_PAGE_STOPPED);
    g_assert_cmpuint(t.reads, ==, 49);
    g_assert_cmpuint(t.found->len, ==, 0);
    g_assert_cmpuint(t.page.first, ==, 1);
    g_assert_cmpuint(t.page.last, ==, 49);

    begin(&t, 2, UINT64_MAX, 50);
    g_assert_cmpint(after(&t, 0), ==, RECORDER_PAGE_STOPPED);
    g_assert_cmpuint(t.found->len, ==, 1);

    begin(&t, 2, UINT64_MAX, 10);
    g_assert_cmpint(newest(&t), ==, RECORDER_PAGE_STOPPED);
    g_assert_cmpuint(t.reads, ==, 10);
    g_assert_cmpuint(t.found->len, ==, 0);
    g_assert_cmpuint(t.page.first, ==, 51);

    begin(&t, 1, UINT64_MAX, 11);
    g_assert_cmpint(newest(&t), ==, RECORDER_PAGE_WHOLE);
    g_assert_cmpuint(found(&t, 0), ==, 50);
    test_page_deinit(&t);
}

static void test_nothing(void)
{
    TestPage t;

    test_page_init(&t, 0);
    begin(&t, 5, UINT64_MAX, UINT64_MAX);
    g_assert_cmpint(after(&t, 0), ==, RECORDER_PAGE_WHOLE);
    g_assert_cmpuint(t.page.last, <, t.page.first);
    g_assert_cmpint(newest(&t), ==, RECORDER_PAGE_WHOLE);
    g_assert_cmpuint(t.reads, ==, 1);       /* number 1, in the future */
    record(&t, 3);

    begin(&t, 5, UINT64_MAX, UINT64_MAX);
    after(&t, UINT64_MAX);
    after(&t, 3);
    after(&t, 1000);
    g_assert_cmpuint(t.found->len, ==, 0);

    /* A page of none is full. */
    begin(&t, 0, UINT64_MAX, UINT64_MAX);
    after(&t, 0);
    newest(&t);
    g_assert_cmpuint(t.reads, ==, 0);
    test_page_deinit(&t);
}

/* Backwards, and not beyond what the ring still has. */
static void test_newest(void)
{
    TestPage t;

    test_page_init(&t, 100);
    begin(&t, 3, UINT64_MAX, UINT64_MAX);
    newest(&t);
    g_assert_cmpuint(t.found->len, ==, 3);
    g_assert_cmpuint(found(&t, 0), ==, 100);
    g_assert_cmpuint(found(&t, 2), ==, 98);

    begin(&t, 1000, UINT64_MAX, UINT64_MAX);
    newest(&t);
    g_assert_cmpuint(t.found->len, ==, ENTRIES);
    g_assert_cmpuint(t.page.first, ==, 37);
    g_assert_cmpuint(t.reads, ==, ENTRIES + 1);
    test_page_deinit(&t);
}

static void test_order(void)
{
    g_assert_cmpint(recorder_order(1, 9, 2, 1), <, 0);
    g_assert_cmpint(recorder_order(UINT64_MAX, 1, 2, 9), >, 0);
    g_assert_cmpint(recorder_order(5, 1, 5, 2), <, 0);
    g_assert_cmpint(recorder_order(5, 2, 5, 1), >, 0);
    g_assert_cmpint(recorder_order(5, 2, 5, 2), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/recorder/page/all-once", test_all_once);
    g_test_add_func("/recorder/page/pending", test_pending);
    g_test_add_func("/recorder/page/bytes", test_bytes);
    g_test_add_func("/recorder/page/bounded", test_bounded);
    g_test_add_func("/recorder/page/nothing", test_nothing);
    g_test_add_func("/recorder/page/newest", test_newest);
    g_test_add_func("/recorder/page/order", test_order);
    return g_test_run();
}
