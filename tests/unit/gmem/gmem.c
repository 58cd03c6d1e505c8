/*
 * gmem/gmem: what is read is what is mapped there, across pages, and nothing
 * is read past what is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gmem/gmem.h"

#include "fake-guest.h"

#include <glib.h>
#include <string.h>

#define BASE 0xfffff80012345000
#define LAST_PAGE 0xfffffffffffff000

enum { RAM = 0x100000, PAGES = 4 };

/* Some pages with a byte in each place that tells the place. */
static uint8_t byte_at(uint64_t gva)
{
    return (uint8_t)(gva * 7 + (gva >> 12) * 31);
}

static void init(FakeGuest *g)
{
    unsigned i;

    fake_guest_init(g, RAM, 4);
    fake_guest_map(g, BASE, PAGES * GMEM_PAGE);
    for (i = 0; i < PAGES * GMEM_PAGE; i++) {
        fake_guest_put8(g, BASE + i, byte_at(BASE + i));
    }
}

static void check_bytes(const uint8_t *bytes, uint64_t gva, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        g_assert_cmphex(bytes[i], ==, byte_at(gva + i));
    }
}

static void test_across_pages(void)
{
    static const size_t from[] = { 0, 1, 4088, 4095, 4096, 5000 };
    static const size_t lens[] = { 0, 1, 2, 8, 4096, 4097, 8193 };
    uint8_t buf[PAGES * GMEM_PAGE];
    FakeGuest g;
    size_t i;
    size_t k;

    init(&g);
    for (i = 0; i < G_N_ELEMENTS(from); i++) {
        for (k = 0; k < G_N_ELEMENTS(lens); k++) {
            memset(buf, 0xee, sizeof(buf));
            g_assert_true(gmem_read(&g.space, BASE + from[i], buf, lens[k],
                                    NULL));
            check_bytes(buf, BASE + from[i], lens[k]);
            g_assert_cmphex(buf[lens[k]], ==, 0xee);
        }
    }
    fake_guest_deinit(&g);
}

static void test_missing_page(void)
{
    uint8_t buf[8192];
    FakeGuest g;
    Err err = {};

    init(&g);
    fake_guest_unmap(&g, BASE + GMEM_PAGE);
    g_assert_true(gmem_read(&g.space, BASE + 1, buf, 4095, &err));
    g_assert_false(gmem_read(&g.space, BASE + 1, buf, 4096, &err));
    g_assert_cmpstr(err.text, ==, "gva 0xfffff80012346000 is not mapped: its "
                    "level 1 entry is not present");
    g_assert_false(gmem_read(&g.space, BASE + 1, buf, 4096, NULL));
    fake_guest_deinit(&g);
}

static void test_page_not_ram(void)
{
    uint8_t buf[16];
    FakeGuest g;
    Err err = {};

    init(&g);
    *fake_guest_entry(&g, BASE + GMEM_PAGE, 1) = RAM + 0x1000 + 1;
    g_assert_false(gmem_read(&g.space, BASE + GMEM_PAGE - 8, buf, 16, &err));
    g_assert_cmpstr(err.text, ==, "gva 0xfffff80012346000: no RAM at gpa "
                    "0x101000 for 8 bytes");
    g_assert_cmpint(err.code, ==, ERR_FAULT);
    fake_guest_deinit(&g);
}

static void test_one_bad_byte(void)
{
    uint8_t buf[16];
    FakeGuest g;

    init(&g);
    g_assert_true(gmem_translate(&g.space, BASE + 100, &g.fault_gpa, NULL,
                                 NULL));
    g_assert_true(gmem_read(&g.space, BASE + 84, buf, 16, NULL));
    g_assert_false(gmem_read(&g.space, BASE + 85, buf, 16, NULL));
    g_assert_false(gmem_read(&g.space, BASE + 100, buf, 16, NULL));
    g_assert_true(gmem_read(&g.space, BASE + 101, buf, 16, NULL));
    fake_guest_deinit(&g);
}

static void test_last_address(void)
{
    uint8_t buf[16];
    FakeGuest g;
    Err err = {};

    init(&g);
    fake_guest_map(&g, 0, GMEM_PAGE);
    fake_guest_map(&g, LAST_PAGE, GMEM_PAGE);
    fake_guest_put64(&g, UINT64_MAX - 7, 0x0807060504030201);
    g_assert_true(gmem_read(&g.space, UINT64_MAX - 7, buf, 8, &err));
    g_assert_cmphex(buf[7], ==, 8);
    g_assert_false(gmem_read(&g.space, UINT64_MAX - 7, buf, 9, &err));
    g_assert_cmpstr(err.text, ==, "gva 0xfffffffffffffff8 and 9 bytes from it "
                    "are past the last address");
    g_assert_true(gmem_read(&g.space, UINT64_MAX, buf, 0, NULL));
    fake_guest_deinit(&g);
}

static void test_phys(void)
{
    uint8_t buf[16];
    FakeGuest g;
    Err err = {};

    init(&g);
    memcpy(g.ram + RAM - 4, "last", 4);
    g_assert_true(gmem_read_phys(&g.mem, RAM - 4, buf, 4, &err));
    g_assert_cmpmem(buf, 4, "last", 4);
    g_assert_false(gmem_read_phys(&g.mem, RAM - 4, buf, 5, &err));
    g_assert_cmpstr(err.text, ==, "no RAM at gpa 0xffffc for 5 bytes");
    g_assert_false(gmem_read_phys(&g.mem, RAM - 4, buf, 5, NULL));
    fake_guest_deinit(&g);
}

static bool remember(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    (void)buf;
    (void)len;
    *(uint64_t *)opaque = gpa;
    return true;
}

/* The embedder is never asked for what is past the last address. */
static void test_phys_wraps(void)
{
    static const GmemOps ops = { remember };
    uint64_t asked = 0;
    const GuestMem mem = { &ops, &asked };
    uint8_t buf[16];

    g_assert_false(gmem_read_phys(&mem, UINT64_MAX - 3, buf, 5, NULL));
    g_assert_cmphex(asked, ==, 0);
    g_assert_true(gmem_read_phys(&mem, UINT64_MAX - 3, buf, 4, NULL));
    g_assert_cmphex(asked, ==, UINT64_MAX - 3);
}

static void test_some(void)
{
    uint8_t buf[PAGES * GMEM_PAGE];
    uint64_t present;
    FakeGuest g;
    size_t i;

    init(&g);
    fake_guest_unmap(&g, BASE + GMEM_PAGE);
    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpuint(gmem_read_some(&g.space, BASE + 100, buf,
                                    3 * GMEM_PAGE - 50, &present), ==,
                     2 * GMEM_PAGE - 50);
    g_assert_cmphex(present, ==, 0xd);
    check_bytes(buf, BASE + 100, GMEM_PAGE - 100);
    for (i = GMEM_PAGE - 100; i < 2 * GMEM_PAGE - 100; i++) {
        g_assert_cmphex(buf[i], ==, 0);
    }
    check_bytes(buf + i, BASE + 100 + i, 3 * GMEM_PAGE - 50 - i);
    g_assert_cmphex(buf[3 * GMEM_PAGE - 50], ==, 0xee);
    fake_guest_deinit(&g);
}

/* A page that is there up to a byte is missing as a whole. */
static void test_some_half_page(void)
{
    uint8_t buf[64];
    uint64_t present;
    FakeGuest g;
    size_t i;

    init(&g);
    g_assert_true(gmem_translate(&g.space, BASE + GMEM_PAGE + 20,
                                 &g.fault_gpa, NULL, NULL));
    g_assert_cmpuint(gmem_read_some(&g.space, BASE + GMEM_PAGE - 32, buf, 64,
                                    &present), ==, 32);
    g_assert_cmphex(present, ==, 1);
    for (i = 32; i < 64; i++) {
        g_assert_cmphex(buf[i], ==, 0);
    }
    fake_guest_deinit(&g);
}

static void test_some_nothing(void)
{
    uint8_t buf[16];
    uint64_t present = 1;
    FakeGuest g;

    init(&g);
    g_assert_cmpuint(gmem_read_some(&g.space, BASE, buf, 0, &present), ==, 0);
    g_assert_cmphex(present, ==, 0);
    g_assert_cmpuint(gmem_read_some(&g.space, BASE, buf, 1, &present), ==, 1);
    g_assert_cmphex(present, ==, 1);
    fake_guest_deinit(&g);
}

/* There are no bits for more than 64 pages. */
static void test_some_64_pages(void)
{
    const size_t len = 66 * GMEM_PAGE;
    g_autofree uint8_t *buf = g_malloc(len);
    uint64_t present;
    FakeGuest g;

    fake_guest_init(&g, RAM, 4);
    fake_guest_map(&g, BASE, len);
    fake_guest_put8(&g, BASE + 63 * GMEM_PAGE, 0x63);
    fake_guest_put8(&g, BASE + 64 * GMEM_PAGE, 0x64);
    memset(buf, 0xee, len);
    g_assert_cmpuint(gmem_read_some(&g.space, BASE, buf, len, &present), ==,
                     64 * GMEM_PAGE);
    g_assert_cmphex(present, ==, UINT64_MAX);
    g_assert_cmphex(buf[63 * GMEM_PAGE], ==, 0x63);
    g_assert_cmphex(buf[64 * GMEM_PAGE], ==, 0);
    g_assert_cmphex(buf[len - 1], ==, 0);
    fake_guest_unmap(&g, BASE + 40 * GMEM_PAGE);
    gmem_read_some(&g.space, BASE, buf, len, &present);
    g_assert_cmphex(present, ==, ~(UINT64_C(1) << 40));
    fake_guest_deinit(&g);
}

static void test_some_last_address(void)
{
    uint8_t buf[GMEM_PAGE];
    uint64_t present;
    FakeGuest g;

    init(&g);
    fake_guest_map(&g, 0, GMEM_PAGE);
    fake_guest_put8(&g, 0, 0x11);
    fake_guest_map(&g, LAST_PAGE, GMEM_PAGE);
    fake_guest_put8(&g, UINT64_MAX, 0x22);
    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpuint(gmem_read_some(&g.space, UINT64_MAX - 9, buf, 20,
                                    &present), ==, 10);
    g_assert_cmphex(present, ==, 1);
    g_assert_cmphex(buf[9], ==, 0x22);
    g_assert_cmphex(buf[10], ==, 0);
    g_assert_cmphex(buf[19], ==, 0);
    g_assert_cmphex(buf[20], ==, 0xee);
    fake_guest_deinit(&g);
}

static void test_numbers(void)
{
    const uint64_t gva = BASE + GMEM_PAGE - 3;
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;
    uint8_t u8;
    FakeGuest g;

    init(&g);
    fake_guest_put64(&g, gva, 0x8877665544332211);
    g_assert_true(gmem_read_u64(&g.space, gva, &u64));
    g_assert_cmphex(u64, ==, 0x8877665544332211);
    g_assert_true(gmem_read_u32(&g.space, gva, &u32));
    g_assert_cmphex(u32, ==, 0x44332211);
    g_assert_true(gmem_read_u16(&g.space, gva + 2, &u16));
    g_assert_cmphex(u16, ==, 0x4433);
    g_assert_true(gmem_read_u8(&g.space, gva + 7, &u8));
    g_assert_cmphex(u8, ==, 0x88);
    fake_guest_unmap(&g, BASE + GMEM_PAGE);
    g_assert_false(gmem_read_u64(&g.space, gva, &u64));
    g_assert_false(gmem_read_u32(&g.space, gva, &u32));
    g_assert_false(gmem_read_u16(&g.space, gva + 2, &u16));
    g_assert_false(gmem_read_u8(&g.space, gva + 7, &u8));
    fake_guest_deinit(&g);
}

/* Of an aligned number no half may be newer than the other. */
static void test_one_load(void)
{
    uint64_t value;
    FakeGuest g;

    init(&g);
    g_assert_true(gmem_read_u64(&g.space, BASE + 4088, &value));
    g_assert_cmpuint(g.reads, ==, 4 + 1);
    fake_guest_deinit(&g);
}

/* What lies side by side in a large page is one read. */
static void test_large_page(void)
{
    const uint64_t gva = 0xfffff80000200000;
    g_autofree uint8_t *buf = g_malloc(3 * GMEM_PAGE);
    FakeGuest g;

    fake_guest_init(&g, 4 << 20, 4);
    *fake_guest_entry(&g, gva, 2) = 0x200000 | 0x81;
    memset(g.ram + 0x200000 + 100, 0x5a, 3 * GMEM_PAGE);
    g_assert_true(gmem_read(&g.space, gva + 100, buf, 3 * GMEM_PAGE, NULL));
    g_assert_cmpmem(buf, (3 * GMEM_PAGE), g.ram + 0x200000 + 100,
                    (3 * GMEM_PAGE));
    g_assert_cmpuint(g.reads, ==, 3 + 1);
    fake_guest_deinit(&g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gmem/gmem/across-pages", test_across_pages);
    g_test_add_func("/gmem/gmem/missing-page", test_missing_page);
    g_test_add_func("/gmem/gmem/page-not-ram", test_page_not_ram);
    g_test_add_func("/gmem/gmem/one-bad-byte", test_one_bad_byte);
    g_test_add_func("/gmem/gmem/last-address", test_last_address);
    g_test_add_func("/gmem/gmem/phys", test_phys);
    g_test_add_func("/gmem/gmem/phys-wraps", test_phys_wraps);
    g_test_add_func("/gmem/gmem/some", test_some);
    g_test_add_func("/gmem/gmem/some-half-page", test_some_half_page);
    g_test_add_func("/gmem/gmem/some-nothing", test_some_nothing);
    g_test_add_func("/gmem/gmem/some-64-pages", test_some_64_pages);
    g_test_add_func("/gmem/gmem/some-last-address", test_some_last_address);
    g_test_add_func("/gmem/gmem/numbers", test_numbers);
    g_test_add_func("/gmem/gmem/one-load", test_one_load);
    g_test_add_func("/gmem/gmem/large-page", test_large_page);
    return g_test_run();
}
