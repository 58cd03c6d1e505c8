/*
 * gmem/page-walk: every level and page size, and what is said when one of
 * them is missing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fake-guest.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define KERNEL 0xfffff80012345000

enum { RAM = 0x100000, PRESENT = 1, LARGE = 0x80, PAT_OF_LARGE = 0x1000 };

typedef struct PageCase {
    const char *name;
    unsigned levels;
    unsigned level;             /* of the entry that is written */
    uint64_t gva;
    uint64_t entry;
    uint64_t gpa;
    uint64_t left;
} PageCase;

static const PageCase page_cases[] = {
    { "4k", 4, 1, KERNEL + 0x678, 0x5000 | PRESENT, 0x5678, 0x988 },
    { "4k-first-byte", 4, 1, KERNEL, 0x5000 | PRESENT, 0x5000, 0x1000 },
    { "4k-last-byte", 4, 1, KERNEL + 0xfff, 0x5000 | PRESENT, 0x5fff, 1 },
    { "4k-user", 4, 1, 0x7fffffffe123, 0x5000 | PRESENT, 0x5123, 0xedd },
    { "4k-five-levels", 5, 1, 0xff12345678901234, 0x5000 | PRESENT, 0x5234,
      0xdcc },
    { "4k-bit-7-is-pat", 4, 1, KERNEL, 0x5000 | PRESENT | LARGE, 0x5000,
      0x1000 },
    { "2m", 4, 2, KERNEL + 0x678, 0x40000000 | PRESENT | LARGE, 0x40145678,
      0xba988 },
    { "2m-pat", 4, 2, KERNEL + 0x1000,
      0x40000000 | PRESENT | LARGE | PAT_OF_LARGE, 0x40146000, 0xba000 },
    { "2m-five-levels", 5, 2, 0x1234567890123, 0x40000000 | PRESENT | LARGE,
      0x40090123, 0x16fedd },
    { "1g", 4, 3, KERNEL + 0x678, 0x4000000000 | PRESENT | LARGE,
      0x4012345678, 0x2dcba988 },
    { "high-bits", 4, 1, KERNEL, 0xfff0000000005000 | PRESENT, 0x5000,
      0x1000 },
    { "52-bits", 4, 1, KERNEL, 0x000ffffffffff000 | PRESENT,
      0x000ffffffffff000, 0x1000 },
    { "2m-high-bits", 4, 2, KERNEL, 0x8010000040000000 | PRESENT | LARGE,
      0x40145000, 0xbb000 },
};

static void test_page(gconstpointer data)
{
    const PageCase *c = data;
    uint64_t gpa = 0;
    uint64_t left = 0;
    FakeGuest g;
    Err err = {};

    fake_guest_init(&g, RAM, c->levels);
    *fake_guest_entry(&g, c->gva, c->level) = c->entry;
    g.space.cr3 |= 0xfff0000000000fff;
    g_assert_true(gmem_translate(&g.space, c->gva, &gpa, &left, &err));
    g_assert_cmphex(gpa, ==, c->gpa);
    g_assert_cmphex(left, ==, c->left);
    g_assert_cmpuint(g.reads, ==, c->levels - c->level + 1);
    gpa = 0;
    g_assert_true(gmem_translate(&g.space, c->gva, &gpa, NULL, NULL));
    g_assert_cmphex(gpa, ==, c->gpa);
    fake_guest_deinit(&g);
}

static void check_refusal(FakeGuest *g, const char *why, ErrCode code)
{
    uint64_t gpa = 0x1111;
    Err err = {};

    g_assert_false(gmem_translate(&g->space, KERNEL, &gpa, NULL, &err));
    g_assert_cmpstr(err.text, ==, why);
    g_assert_cmpint(err.code, ==, code);
    g_assert_false(gmem_translate(&g->space, KERNEL, &gpa, NULL, NULL));
    g_assert_cmphex(gpa, ==, 0x1111);
}

static void test_not_present(gconstpointer data)
{
    unsigned levels = GPOINTER_TO_UINT(data);
    unsigned level;

    for (level = 1; level <= levels; level++) {
        g_autofree char *why = g_strdup_printf(
            "gva 0xfffff80012345000 is not mapped: its level %u entry is not "
            "present", level);
        FakeGuest g;

        fake_guest_init(&g, RAM, levels);
        *fake_guest_entry(&g, KERNEL, level) = 0x5000 | LARGE | 2;
        check_refusal(&g, why, ERR_FAULT);
        fake_guest_deinit(&g);
    }
}

static void test_table_not_ram(gconstpointer data)
{
    unsigned levels = GPOINTER_TO_UINT(data);
    unsigned level;

    for (level = 2; level <= levels; level++) {
        uint64_t index = KERNEL >> (12 + 9 * (level - 2)) & 511;
        g_autofree char *why = g_strdup_printf(
            "no RAM behind the level %u page table entry at gpa 0x%" PRIx64
            " for gva 0xfffff80012345000", level - 1, RAM + index * 8);
        FakeGuest g;

        fake_guest_init(&g, RAM, levels);
        *fake_guest_entry(&g, KERNEL, level) = RAM | PRESENT;
        check_refusal(&g, why, ERR_FAULT);
        fake_guest_deinit(&g);
    }
}

static void test_root_not_ram(void)
{
    FakeGuest g;

    fake_guest_init(&g, RAM, 4);
    g.space.cr3 = 0x000ffffffffff000;
    check_refusal(&g, "no RAM behind the level 4 page table entry at gpa "
                  "0xfffffffffff80 for gva 0xfffff80012345000", ERR_FAULT);
    fake_guest_deinit(&g);
}

/* A bit that is reserved there makes no page of 512 GiB. */
static void test_large_root_entry(void)
{
    uint64_t gpa;
    FakeGuest g;

    fake_guest_init(&g, RAM, 4);
    *fake_guest_entry(&g, KERNEL, 1) = 0x5000 | PRESENT;
    *fake_guest_entry(&g, KERNEL, 4) |= LARGE;
    g_assert_true(gmem_translate(&g.space, KERNEL, &gpa, NULL, NULL));
    g_assert_cmphex(gpa, ==, 0x5000);
    fake_guest_deinit(&g);
}

/* A root that is its own table at all levels: one read a level, no more. */
static void test_self_map(gconstpointer data)
{
    unsigned levels = GPOINTER_TO_UINT(data);
    uint64_t gpa;
    FakeGuest g;

    fake_guest_init(&g, RAM, levels);
    *fake_guest_entry(&g, UINT64_MAX, levels) = g.space.cr3 | PRESENT;
    g_assert_true(gmem_translate(&g.space, UINT64_MAX, &gpa, NULL, NULL));
    g_assert_cmphex(gpa, ==, g.space.cr3 + 0xfff);
    g_assert_cmpuint(g.reads, ==, levels);
    fake_guest_deinit(&g);
}

typedef struct CanonicalCase {
    uint64_t gva;
    bool with_4, with_5;
} CanonicalCase;

static const CanonicalCase canonical_cases[] = {
    { 0, true, true },
    { 0x00007fffffffffff, true, true },
    { 0x0000800000000000, false, true },
    { 0x00ffffffffffffff, false, true },
    { 0x0100000000000000, false, false },
    { 0x8000000000000000, false, false },
    { 0xfeffffffffffffff, false, false },
    { 0xff00000000000000, false, true },
    { 0xffff7fffffffffff, false, true },
    { 0xffff800000000000, true, true },
    { UINT64_MAX, true, true },
};

static void test_canonical(void)
{
    const GmemSpace four = { .levels = 4 };
    const GmemSpace five = { .levels = 5 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(canonical_cases); i++) {
        const CanonicalCase *c = &canonical_cases[i];
        bool upper = c->gva >> 63;

        g_assert_cmpint(gmem_is_canonical(4, c->gva), ==, c->with_4);
        g_assert_cmpint(gmem_is_canonical(5, c->gva), ==, c->with_5);
        g_assert_cmpint(gmem_is_kernel(&four, c->gva), ==,
                        c->with_4 && upper);
        g_assert_cmpint(gmem_is_kernel(&five, c->gva), ==,
                        c->with_5 && upper);
    }
}

static void test_not_canonical(void)
{
    uint64_t gpa;
    FakeGuest g;
    Err err = {};

    fake_guest_init(&g, RAM, 4);
    g_assert_false(gmem_translate(&g.space, 0x0000800000000000, &gpa, NULL,
                                  &err));
    g_assert_cmpstr(err.text, ==, "gva 0x800000000000 is not canonical");
    g_assert_cmpuint(g.reads, ==, 0);
    fake_guest_deinit(&g);
}

static void add_for_levels(const char *name, GTestDataFunc func)
{
    unsigned levels;

    for (levels = 4; levels <= 5; levels++) {
        g_autofree char *path = g_strdup_printf("/gmem/page-walk/%s/%u", name,
                                                levels);

        g_test_add_data_func(path, GUINT_TO_POINTER(levels), func);
    }
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(page_cases); i++) {
        g_autofree char *path = g_strconcat("/gmem/page-walk/page/",
                                            page_cases[i].name, NULL);

        g_test_add_data_func(path, &page_cases[i], test_page);
    }
    add_for_levels("not-present", test_not_present);
    add_for_levels("table-not-ram", test_table_not_ram);
    add_for_levels("self-map", test_self_map);
    g_test_add_func("/gmem/page-walk/root-not-ram", test_root_not_ram);
    g_test_add_func("/gmem/page-walk/large-root-entry",
                    test_large_root_entry);
    g_test_add_func("/gmem/page-walk/canonical", test_canonical);
    g_test_add_func("/gmem/page-walk/not-canonical", test_not_canonical);
    return g_test_run();
}
