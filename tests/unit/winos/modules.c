/*
 * winos/modules: the list of drivers is read as far as it can be believed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/modules.h"

#include "fake-pe.h"

#include <glib.h>
#include <string.h>

#define HEAD 0xfffff80000100000
#define ENTRIES 0xfffff80000200000
#define IMAGES 0xfffff80010000000

enum { N_ENTRIES = 4, ENTRY_ROOM = 0x200 };

static FakeGuest g;
static WinosModule modules[WINOS_MAX_MODULES];
static unsigned n;

static uint64_t entry_at(unsigned i)
{
    return ENTRIES + i * ENTRY_ROOM;
}

static void put_name(uint64_t string, uint64_t text, const gunichar2 *name,
                     unsigned bytes)
{
    fake_guest_put16(&g, string, (uint16_t)bytes);
    fake_guest_put16(&g, string + 2, (uint16_t)bytes);
    fake_guest_put64(&g, string + 8, text);
    fake_guest_write(&g, text, name, bytes);
}

static void put_entry(unsigned i)
{
    static const char *const names[N_ENTRIES] = {
        "ntoskrnl.exe", "hal.dll", "tcpip.sys", "드라이버.sys",
    };
    uint64_t at = entry_at(i);
    glong units;
    g_autofree gunichar2 *name = g_utf8_to_utf16(names[i], -1, NULL, &units,
                                                 NULL);

    fake_guest_put64(&g, at, i + 1 < N_ENTRIES ? entry_at(i + 1) : HEAD);
    fake_guest_put64(&g, at + 8, i ? entry_at(i - 1) : HEAD);
    fake_guest_put64(&g, at + 0x30, IMAGES + i * 0x100000);
    fake_guest_put32(&g, at + 0x40, 0x20000);
    put_name(at + 0x58, at + 0x100, name, (unsigned)units * 2);
    put_name(at + 0x48, at + 0x100, name, (unsigned)units * 2);
}

static void begin(void)
{
    unsigned i;

    fake_guest_init(&g, 4 << 20, 4);
    fake_guest_map(&g, HEAD, 4096);
    fake_guest_map(&g, ENTRIES, N_ENTRIES * ENTRY_ROOM);
    fake_guest_put64(&g, HEAD, entry_at(0));
    fake_guest_put64(&g, HEAD + 8, entry_at(N_ENTRIES - 1));
    for (i = 0; i < N_ENTRIES; i++) {
        put_entry(i);
    }
}

static WinosListEnd read_list(unsigned max)
{
    return winos_modules_read(&g.space, HEAD, modules, max, &n);
}

static void test_plain(void)
{
    static const FakePeSection text = { ".text", 0x1000, 0x1000,
                                        FAKE_PE_CODE };
    static const FakePe pe = { .size = 0x20000, .timestamp = 0x5a7e8e07,
                               .sections = &text, .n_sections = 1 };

    begin();
    fake_pe_put(&g, IMAGES, &pe);
    g_assert_cmpint(read_list(WINOS_MAX_MODULES), ==, WINOS_LIST_WHOLE);
    g_assert_cmpuint(n, ==, N_ENTRIES);
    g_assert_cmpstr(modules[0].name, ==, "ntoskrnl.exe");
    g_assert_cmphex(modules[0].timestamp, ==, 0x5a7e8e07);
    g_assert_cmphex(modules[1].timestamp, ==, 0);
    g_assert_cmpstr(modules[3].name, ==, "드라이버.sys");
    g_assert_cmpstr(modules[3].path, ==, "드라이버.sys");
    g_assert_cmphex(modules[2].base, ==, IMAGES + 0x200000);
    g_assert_cmpuint(modules[2].size, ==, 0x20000);
    g_assert_true(winos_module_at(modules, n, IMAGES + 0x21ffff) ==
                  &modules[2]);
    g_assert_null(winos_module_at(modules, n, IMAGES + 0x220000));
    g_assert_null(winos_list_end_name(WINOS_LIST_WHOLE));
    fake_guest_deinit(&g);
}

typedef struct LieCase {
    const char *name;
    uint64_t at, value;     /* eight bytes are changed */
    WinosListEnd end;
    unsigned n;
} LieCase;

static const LieCase lie_cases[] = {
    { "head-null", HEAD, 0, WINOS_LIST_NONE, 0 },
    { "head-user", HEAD, 0x1000, WINOS_LIST_BROKEN, 0 },
    { "empty", HEAD, HEAD, WINOS_LIST_WHOLE, 0 },
    { "next-user", ENTRIES, 0x1000, WINOS_LIST_BROKEN, 1 },
    { "next-not-canonical", ENTRIES, 0x8000000000000000, WINOS_LIST_BROKEN,
      1 },
    { "next-at-the-end", ENTRIES, ~7ULL, WINOS_LIST_BROKEN, 1 },
    { "next-itself", ENTRIES, ENTRIES, WINOS_LIST_LOOPS, 1 },
    { "loops", ENTRIES + 3 * ENTRY_ROOM, ENTRIES + ENTRY_ROOM,
      WINOS_LIST_LOOPS, 0 },
    { "base-user", ENTRIES + 0x30, 0x10000, WINOS_LIST_WHOLE, 3 },
    { "base-odd", ENTRIES + 0x30, IMAGES + 1, WINOS_LIST_WHOLE, 3 },
    { "size-null", ENTRIES + 0x40, 0, WINOS_LIST_WHOLE, 3 },
    { "size-absurd", ENTRIES + 0x40, 0xffffffff, WINOS_LIST_WHOLE, 3 },
    { "name-length", ENTRIES + 0x58, 0xffff, WINOS_LIST_WHOLE, 4 },
    { "name-user", ENTRIES + 0x60, 0x1000, WINOS_LIST_WHOLE, 4 },
};

static void test_lie(gconstpointer data)
{
    const LieCase *c = data;

    begin();
    fake_guest_put64(&g, c->at, c->value);
    g_assert_cmpint(read_list(WINOS_MAX_MODULES), ==, c->end);
    if (c->n || c->end != WINOS_LIST_LOOPS) {
        g_assert_cmpuint(n, ==, c->n);
    }
    fake_guest_deinit(&g);
}

static void test_no_room(void)
{
    begin();
    g_assert_cmpint(read_list(3), ==, WINOS_LIST_FULL);
    g_assert_cmpuint(n, ==, 3);
    g_assert_cmpint(read_list(4), ==, WINOS_LIST_WHOLE);
    g_assert_cmpint(winos_modules_read(&g.space, 0, modules, 4, &n), ==,
                    WINOS_LIST_NONE);
    fake_guest_deinit(&g);
}

/* Entries that are all left out are still counted. */
static void test_endless_rubbish(void)
{
    unsigned i;

    begin();
    for (i = 0; i < N_ENTRIES; i++) {
        fake_guest_put32(&g, entry_at(i) + 0x40, 0);
    }
    fake_guest_put64(&g, entry_at(3), entry_at(0));
    g_assert_cmpint(read_list(WINOS_MAX_MODULES), ==, WINOS_LIST_LOOPS);
    g_assert_cmpuint(n, ==, 0);
    fake_guest_deinit(&g);
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/modules/plain", test_plain);
    g_test_add_func("/winos/modules/no-room", test_no_room);
    g_test_add_func("/winos/modules/endless-rubbish", test_endless_rubbish);
    for (i = 0; i < G_N_ELEMENTS(lie_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winos/modules/lie/%s",
                                                lie_cases[i].name);

        g_test_add_data_func(path, &lie_cases[i], test_lie);
    }
    return g_test_run();
}
