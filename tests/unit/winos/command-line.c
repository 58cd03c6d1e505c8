/*
 * winos/command-line: what stands in a process' own memory, as far as it is
 * there, and nothing where it makes no sense.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include "winos/command-line.h"

#include <glib.h>
#include <string.h>

#define PEB UINT64_C(0x7fe10000)
#define BLOCK UINT64_C(0x7fe20000)
#define TEXT UINT64_C(0x7fe30f00)   /* and on the next page */

enum { PAGE = 4096, TEXT_PAGES = 17 };

static World w;
static char line[WINOS_COMMAND_LINE];
static bool cut;

static void put_line(const char *text, uint32_t flags)
{
    glong units = 0;
    g_autofree gunichar2 *utf16 = g_utf8_to_utf16(text, -1, NULL, &units,
                                                  NULL);

    fake_guest_write(&w.guest, TEXT, utf16, 2 * (size_t)units);
    fake_guest_put32(&w.guest, BLOCK + 8, flags);
    fake_guest_put16(&w.guest, BLOCK + 0x70, (uint16_t)(2 * units));
    fake_guest_put16(&w.guest, BLOCK + 0x72, (uint16_t)(2 * units));
    fake_guest_put64(&w.guest, BLOCK + 0x78, flags & 1 ? TEXT : TEXT - BLOCK);
}

static void begin(const char *text, uint32_t flags)
{
    int f;

    world_init(&w);
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        w.result.layout.field[f].value = w.at[f];
    }
    fake_guest_map(&w.guest, PEB, PAGE);
    fake_guest_map(&w.guest, BLOCK, PAGE);
    fake_guest_map(&w.guest, TEXT & ~UINT64_C(0xfff), TEXT_PAGES * PAGE);
    fake_guest_put64(&w.guest, w.processes[2] +
                     (uint64_t)w.at[WINOS_EPROCESS_DIRECTORY_TABLE_BASE],
                     w.guest.space.cr3 | 2);
    fake_guest_put64(&w.guest, w.processes[2] +
                     (uint64_t)w.at[WINOS_EPROCESS_PEB], PEB);
    fake_guest_put64(&w.guest, PEB + 0x20, BLOCK);
    put_line(text, flags);
}

static bool ask(void)
{
    return winos_command_line(&w.result, w.processes[2], line, &cut);
}

static void expect_none(void)
{
    g_assert_false(ask());
    g_assert_cmpstr(line, ==, "");
    world_deinit(&w);
}

static void test_both_ways(void)
{
    static const char text[] = "\"C:\\사용자\\a.exe\" -k 한글";
    uint32_t flags;

    for (flags = 0; flags < 2; flags++) {
        begin(text, flags);
        g_assert_true(ask());
        g_assert_false(cut);
        g_assert_cmpstr(line, ==, text);
        world_deinit(&w);
    }
}

static void test_long(void)
{
    g_autofree char *text = g_strnfill(32000, 'x');

    begin(text, 1);
    g_assert_true(ask());
    g_assert_true(cut);
    g_assert_cmpuint(strlen(line), ==, WINOS_COMMAND_LINE - 1);
    world_deinit(&w);
}

/* Its first page is there: 128 characters. */
static void test_paged_out(void)
{
    g_autofree char *text = g_strnfill(1000, 'x');

    begin(text, 1);
    fake_guest_unmap(&w.guest, (TEXT & ~UINT64_C(0xfff)) + PAGE);
    g_assert_true(ask());
    g_assert_true(cut);
    g_assert_cmpuint(strlen(line), ==, 128);
    fake_guest_unmap(&w.guest, TEXT & ~UINT64_C(0xfff));
    expect_none();
}

static void test_hostile(void)
{
    begin("a", 1);
    fake_guest_put16(&w.guest, BLOCK + 0x70, 3);        /* half a unit */
    expect_none();
    begin("a", 1);
    fake_guest_put16(&w.guest, BLOCK + 0x72, 0);        /* no room for it */
    expect_none();
    begin("a", 1);
    fake_guest_put16(&w.guest, BLOCK + 0x70, 0);
    expect_none();
    begin("a", 1);      /* the kernel's memory is not the process' */
    fake_guest_put64(&w.guest, BLOCK + 0x78, w.processes[1]);
    expect_none();
    begin("a", 1);
    fake_guest_put64(&w.guest, PEB + 0x20, w.processes[1]);
    expect_none();
    begin("a", 1);
    fake_guest_put64(&w.guest, PEB + 0x20, UINT64_MAX);
    expect_none();
    begin("a", 0);      /* relative, and round to the kernel's half */
    fake_guest_put64(&w.guest, BLOCK + 0x78, UINT64_MAX - 0x1000);
    fake_guest_put64(&w.guest, PEB + 0x20, BLOCK);
    expect_none();
    begin("a", 1);
    fake_guest_put64(&w.guest, w.processes[2] +
                     (uint64_t)w.at[WINOS_EPROCESS_PEB], 0);
    expect_none();
    begin("a", 1);
    fake_guest_put64(&w.guest, w.processes[2] +
                     (uint64_t)w.at[WINOS_EPROCESS_DIRECTORY_TABLE_BASE], 0);
    expect_none();
    begin("a", 1);      /* no offset is known */
    w.result.layout.field[WINOS_EPROCESS_PEB].value = WINOS_NO_OFFSET;
    expect_none();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/command-line/both-ways", test_both_ways);
    g_test_add_func("/winos/command-line/long", test_long);
    g_test_add_func("/winos/command-line/paged-out", test_paged_out);
    g_test_add_func("/winos/command-line/hostile", test_hostile);
    return g_test_run();
}
