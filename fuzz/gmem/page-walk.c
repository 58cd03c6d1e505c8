/*
 * fuzz/gmem/page-walk: what must hold for any page tables.
 *
 * 1. A translation, and a read through it, say what a second walk says that
 *    was written apart, and copies byte by byte.
 * 2. A translation reads each level once at most.
 *
 * A guest of 16 pages has pages of all sizes mapped; an input (script.h) then
 * changes and reads it:
 *
 *     4, 5         begin again with so many levels
 *     w AT VALUE   the 8 bytes at guest-physical AT become VALUE
 *     c CR3        the root is CR3
 *     f GPA        that byte faults
 *     r GVA LEN    read, and compare
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "fake-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RAM = 16 * GMEM_PAGE, LEN_MAX = 3 * GMEM_PAGE };

#define SMALL 0xfffff80012345000
#define LARGE_2M 0xfffff90000200000
#define LARGE_1G 0x0000004000000000

static FakeGuest g;

static void fail(const char *why, uint64_t gva, uint64_t len)
{
    fprintf(stderr, "page-walk: %s: gva 0x%llx, %llu bytes, cr3 0x%llx, %u "
            "levels\n", why, (unsigned long long)gva, (unsigned long long)len,
            (unsigned long long)g.space.cr3, g.space.levels);
    abort();
}

static void begin(unsigned levels)
{
    unsigned i;

    fake_guest_deinit(&g);
    fake_guest_init(&g, RAM, levels);
    *fake_guest_entry(&g, SMALL, 1) = 0xd000 | 1;
    *fake_guest_entry(&g, SMALL + GMEM_PAGE, 1) = 0xc000 | 1;
    *fake_guest_entry(&g, SMALL + 3 * GMEM_PAGE, 1) = 0xb000 | 1;
    *fake_guest_entry(&g, LARGE_2M, 2) = 0x81;
    *fake_guest_entry(&g, LARGE_1G, 3) = 0x81;
    for (i = 0xb000; i < 0xe000; i++) {
        g.ram[i] = (uint8_t)(i * 7 + i / GMEM_PAGE);
    }
}

/* As plain as can be: divisions, and one byte at a time. */
typedef struct Page {
    uint64_t gpa, size;
} Page;

/* The last answer; no page is smaller than 4 KiB. */
typedef struct Known {
    bool is_set, is_there;
    uint64_t number;
    Page page;
} Known;

static Known known;

static bool plain_qword(uint64_t gpa, uint64_t *value)
{
    unsigned i;

    *value = 0;
    for (i = 8; i--;) {
        if (gpa >= RAM || RAM - gpa <= i || gpa + i == g.fault_gpa) {
            return false;
        }
        *value = *value * 256 + g.ram[gpa + i];
    }
    return true;
}

static bool plain_canonical(uint64_t gva)
{
    uint64_t half = g.space.levels == 5 ? UINT64_C(0x0100000000000000)
                                        : UINT64_C(0x0000800000000000);

    return gva < half || gva >= -half;
}

static bool plain_page(uint64_t gva, Page *page)
{
    static const uint64_t sizes[] = {
        UINT64_C(0x1000), UINT64_C(0x200000), UINT64_C(0x40000000),
        UINT64_C(0x8000000000), UINT64_C(0x1000000000000),
    };
    uint64_t entry = g.space.cr3;
    int i;

    if (!plain_canonical(gva)) {
        return false;
    }
    for (i = (int)g.space.levels - 1; i >= 0; i--) {
        uint64_t table = entry % (UINT64_C(1) << 52) / 4096 * 4096;

        if (!plain_qword(table + gva / sizes[i] % 512 * 8, &entry) ||
            entry % 2 == 0) {
            return false;
        }
        if (i <= 2 && entry / 128 % 2) {
            break;
        }
    }
    i = i < 0 ? 0 : i;
    page->size = sizes[i];
    page->gpa = entry % (UINT64_C(1) << 52) / sizes[i] * sizes[i];
    return true;
}

static bool plain_byte(uint64_t gva, uint8_t *byte)
{
    uint64_t gpa;

    if (!known.is_set || known.number != gva / GMEM_PAGE) {
        known.is_set = true;
        known.number = gva / GMEM_PAGE;
        known.is_there = plain_page(gva, &known.page);
    }
    if (!known.is_there) {
        return false;
    }
    gpa = known.page.gpa + gva % known.page.size;
    if (gpa >= RAM || gpa == g.fault_gpa) {
        return false;
    }
    *byte = g.ram[gpa];
    return true;
}

static void check_translation(uint64_t gva)
{
    uint64_t before = g.reads;
    uint64_t gpa;
    uint64_t left;
    Page page;
    bool done = gmem_translate(&g.space, gva, &gpa, &left, NULL);

    if (g.reads - before > g.space.levels) {
        fail("more reads than levels", gva, 0);
    }
    if (done != plain_page(gva, &page)) {
        fail("mapped or not", gva, 0);
    }
    if (done && (gpa != page.gpa + gva % page.size ||
                 left != page.size - gva % page.size)) {
        fail("another translation", gva, 0);
    }
}

static void check_read(uint64_t gva, size_t len)
{
    static uint8_t wanted[LEN_MAX];
    static uint8_t buf[LEN_MAX];
    uint64_t before = g.reads;
    bool all = true;
    Err err = {};
    bool done = gmem_read(&g.space, gva, buf, len, &err);
    size_t i;

    if (g.reads - before > (len / GMEM_PAGE + 2) * (g.space.levels + 1)) {
        fail("too many reads", gva, len);
    }
    for (i = 0; i < len && all; i++) {
        all = gva <= UINT64_MAX - i && plain_byte(gva + i, &wanted[i]);
    }
    if (done != all || done != (err.code == ERR_NONE)) {
        fail("there or not", gva, len);
    }
    if (done && memcmp(buf, wanted, len)) {
        fail("other bytes", gva, len);
    }
}

/* All bytes of one page's part, or none. */
static size_t plain_part(uint64_t gva, size_t len, uint8_t *part)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (!plain_byte(gva + i, &part[i])) {
            memset(part, 0, len);
            return 0;
        }
    }
    return len;
}

static void check_read_some(uint64_t gva, size_t len)
{
    static uint8_t wanted[LEN_MAX];
    static uint8_t buf[LEN_MAX];
    uint64_t present;
    size_t copied = gmem_read_some(&g.space, gva, buf, len, &present);
    uint64_t page = 0;
    size_t at;
    size_t n;

    memset(wanted, 0, len);
    for (at = 0; at < len && gva <= UINT64_MAX - at; at += n, page++) {
        n = GMEM_PAGE - (gva + at) % GMEM_PAGE;
        n = n < len - at ? n : len - at;
        if (plain_part(gva + at, n, wanted + at)) {
            present ^= UINT64_C(1) << page;
            copied -= n;
        }
    }
    if (present || copied || memcmp(buf, wanted, len)) {
        fail("other pages", gva, len);
    }
}

static void check(uint64_t gva, size_t len)
{
    known.is_set = false;
    check_translation(gva);
    check_read(gva, len);
    check_read_some(gva, len);
}

void fuzz_check(const uint8_t *data, size_t len)
{
    Script script = script_begin(data, len);
    ScriptLine line;

    begin(4);
    while (script_next(&script, &line)) {
        uint64_t at = line.a % RAM & ~UINT64_C(7);

        if (line.what == '4' || line.what == '5') {
            begin((unsigned)(line.what - '0'));
        } else if (line.what == 'w') {
            memcpy(g.ram + at, &line.b, sizeof(line.b));
        } else if (line.what == 'c') {
            g.space.cr3 = line.a;
        } else if (line.what == 'f') {
            g.fault_gpa = line.a;
        } else if (line.what == 'r') {
            check(line.a, line.b % (LEN_MAX + 1));
        }
    }
    check(SMALL + 8, LEN_MAX);
    check(LARGE_2M + 0xffff, 1);
    check(LARGE_1G + 0xfff8, 16);
}
