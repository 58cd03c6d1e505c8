/*
 * winos/processes: the path of a process' image is found wherever its
 * pointer stands, and what is not one is not taken for one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include "winos/processes.h"

#include <glib.h>
#include <string.h>

#define PATHS UINT64_C(0xffffa00000200000)

enum { PATH_ROOM = 0x2000, IMAGE_AT = 0x2c8, PUBLISHED = IMAGE_AT + 0x18,
       ELSEWHERE = IMAGE_AT + 0x98 };

static const char *const paths[WORLD_PROCESSES] = {
    "", "", "\\Device\\HarddiskVolume3\\프로그램\\A.exe",
    "\\Device\\HarddiskVolume3\\Windows\\fifteen-chars.exe",
};

static WinosProcess found[16];
static World w;

static uint64_t block_of(unsigned i)
{
    return PATHS + i * PATH_ROOM;
}

static void put_path(unsigned i, const char *path, int32_t at)
{
    glong units = 0;
    g_autofree gunichar2 *text = g_utf8_to_utf16(path, -1, NULL, &units, NULL);
    uint16_t bytes = (uint16_t)(2 * units);

    fake_guest_put16(&w.guest, block_of(i), bytes);
    fake_guest_put16(&w.guest, block_of(i) + 2, bytes);
    fake_guest_put64(&w.guest, block_of(i) + 8, bytes ? block_of(i) + 16 : 0);
    fake_guest_write(&w.guest, block_of(i) + 16, text, bytes);
    fake_guest_put64(&w.guest, w.processes[i] + (uint64_t)at, block_of(i));
}

static void begin(int32_t at)
{
    unsigned i;
    int f;

    world_init(&w);
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        w.result.layout.field[f].value = w.at[f];
    }
    fake_guest_map(&w.guest, PATHS, WORLD_PROCESSES * PATH_ROOM);
    for (i = 1; i < WORLD_PROCESSES; i++) {
        put_path(i, paths[i], at);
    }
}

static int32_t place(void)
{
    return winos_path_place(&w.result, w.processes, WORLD_PROCESSES);
}

static void expect_list(const char *const *want)
{
    unsigned i, n;

    g_assert_cmpint(winos_processes_read(&w.result, found,
                                         G_N_ELEMENTS(found), &n), ==,
                    WINOS_LIST_WHOLE);
    g_assert_cmpuint(n, ==, WORLD_PROCESSES - 1);
    for (i = 0; i < n; i++) {
        g_assert_cmphex(found[i].address, ==, w.processes[i + 1]);
        g_assert_cmpuint(found[i].pid, ==, i == 0 ? 4 : 100 * (i + 1));
        g_assert_true(found[i].has_parent);
        g_assert_cmpuint(found[i].parent, ==, i == 0 ? 0 : 4);
        g_assert_cmpstr(found[i].path, ==, want[i + 1]);
    }
    g_assert_cmpstr(found[0].image, ==, "System");
    g_assert_cmpstr(found[2].image, ==, "fifteen-chars.e");
}

static void test_published(void)
{
    begin(PUBLISHED);
    g_assert_cmphex(place(), ==, PUBLISHED);
    expect_list(paths);
    world_deinit(&w);
}

/* No source names the place, and it is where nobody has it. */
static void test_elsewhere(void)
{
    begin(ELSEWHERE);
    g_assert_cmphex(place(), ==, ELSEWHERE);
    expect_list(paths);
    world_deinit(&w);
}

/* Two places that fit are no answer; a published one is. */
static void test_two(void)
{
    unsigned i;

    begin(ELSEWHERE);
    for (i = 1; i < WORLD_PROCESSES; i++) {
        put_path(i, paths[i], ELSEWHERE + 8);
    }
    g_assert_cmphex(place(), ==, WINOS_NO_OFFSET);
    for (i = 1; i < WORLD_PROCESSES; i++) {
        put_path(i, paths[i], PUBLISHED);
    }
    g_assert_cmphex(place(), ==, PUBLISHED);
    world_deinit(&w);
}

static void test_none(void)
{
    static const char *const none[WORLD_PROCESSES] = { "", "", "", "" };

    begin(PUBLISHED);
    fake_guest_put64(&w.guest, w.processes[2] + PUBLISHED, 0);
    fake_guest_put64(&w.guest, w.processes[3] + PUBLISHED, 0);
    g_assert_cmphex(place(), ==, WINOS_NO_OFFSET);
    expect_list(none);
    world_deinit(&w);
}

typedef struct NameCase {
    const char *name;
    const char *image;          /* bytes in ImageFileName */
    const char *path;
    bool fits;
} NameCase;

static const NameCase name_cases[] = {
    { "same", "a.exe", "\\x\\a.exe", true },
    { "other-case", "a.exe", "\\x\\A.EXE", true },
    { "another", "a.exe", "\\x\\b.exe", false },
    { "longer", "a.exe", "\\x\\a.exe2", false },
    { "shorter", "a.exe", "\\x\\a.ex", false },
    { "cut-after-14", "fourteen-chars", "\\x\\fourteen-chars.exe", true },
    { "cut-after-15", "fifteen-chars.e", "\\x\\fifteen-chars.exe", true },
    { "cut-after-13", "thirteen.char", "\\x\\thirteen.chars", false },
    { "no-backslash", "a.exe", "a.exe", false },
    { "only-a-folder", "a.exe", "\\x\\a.exe\\", false },
    { "code-page-949", "\xb0\xe8\xbb\xea\xb1\xe2.exe", "\\x\\계산기.exe",
      true },
    { "ascii-then-korean", "a\xb0\xe8.exe", "\\x\\a계.exe", true },
    { "korean-is-not-ascii", "\xb0\xe8.exe", "\\x\\a.exe", false },
    { "ascii-is-not-korean", "a.exe", "\\x\\계.exe", false },
    { "empty-name", "", "\\x\\a.exe", false },
};

static void test_name(const void *opaque)
{
    const NameCase *c = opaque;
    char image[15] = "";
    unsigned i;

    begin(PUBLISHED);
    memcpy(image, c->image, MIN(strlen(c->image), sizeof(image)));
    for (i = 2; i < WORLD_PROCESSES; i++) {
        fake_guest_write(&w.guest, w.processes[i] + IMAGE_AT, image,
                         sizeof(image));
        put_path(i, c->path, PUBLISHED);
    }
    g_assert_cmphex(place(), ==, c->fits ? PUBLISHED : WINOS_NO_OFFSET);
    world_deinit(&w);
}

/* One process lies: what the others say stands, and it has no path. */
static void expect_lie(void)
{
    WinosProcess *process = &found[1];
    unsigned n;

    winos_processes_read(&w.result, found, G_N_ELEMENTS(found), &n);
    g_assert_cmpuint(n, ==, WORLD_PROCESSES - 1);
    g_assert_cmpstr(process->path, ==, "");
    world_deinit(&w);
}

static void test_hostile(void)
{
    uint64_t block = block_of(2);

    begin(PUBLISHED);
    fake_guest_put16(&w.guest, block, 0xffff);
    expect_lie();
    begin(PUBLISHED);
    fake_guest_put16(&w.guest, block + 2, 2);   /* less room than length */
    expect_lie();
    begin(PUBLISHED);
    fake_guest_put64(&w.guest, block + 8, block);
    expect_lie();
    begin(PUBLISHED);
    fake_guest_put64(&w.guest, w.processes[2] + PUBLISHED, 0x7ff600000000);
    expect_lie();
    begin(PUBLISHED);
    fake_guest_put64(&w.guest, w.processes[2] + PUBLISHED, block + 4);
    expect_lie();
    /* At the end of memory: the text goes on where nothing is. */
    begin(PUBLISHED);
    block = PATHS + WORLD_PROCESSES * PATH_ROOM - 0x20;
    fake_guest_put16(&w.guest, block, 0x100);
    fake_guest_put16(&w.guest, block + 2, 0x100);
    fake_guest_put64(&w.guest, block + 8, block + 16);
    fake_guest_put64(&w.guest, w.processes[2] + PUBLISHED, block);
    expect_lie();
}

/* A path that fills every byte it can have, of characters of three bytes. */
static void test_long(void)
{
    g_autoptr(GString) path = g_string_new("\\");
    unsigned n;

    while (path->len < 3 * 3000) {
        g_string_append(path, "가");
    }
    g_string_append(path, "\\a.exe");
    begin(PUBLISHED);
    put_path(2, path->str, PUBLISHED);
    g_assert_cmphex(place(), ==, PUBLISHED);
    winos_processes_read(&w.result, found, G_N_ELEMENTS(found), &n);
    g_assert_cmpuint(strlen(found[1].path), <, WINOS_PROCESS_PATH);
    g_assert_cmpuint(strlen(found[1].path), >, WINOS_PROCESS_PATH - 4);
    g_assert_true(g_utf8_validate(found[1].path, -1, NULL));
    world_deinit(&w);
}

static void test_lists(void)
{
    uint64_t link;
    unsigned n;

    begin(PUBLISHED);
    g_assert_cmpint(winos_processes_read(&w.result, found, 2, &n), ==,
                    WINOS_LIST_FULL);
    g_assert_cmpuint(n, ==, 2);
    link = w.processes[2] + w.at[WINOS_EPROCESS_ACTIVE_PROCESS_LINKS];
    fake_guest_put64(&w.guest, link, link);
    g_assert_cmpint(winos_processes_read(&w.result, found, 16, &n), !=,
                    WINOS_LIST_WHOLE);
    fake_guest_put64(&w.guest, link, 0x1234);
    g_assert_cmpint(winos_processes_read(&w.result, found, 16, &n), ==,
                    WINOS_LIST_BROKEN);
    w.result.kernel.system_process = 0;
    g_assert_cmpint(winos_processes_read(&w.result, found, 16, &n), ==,
                    WINOS_LIST_NONE);
    world_deinit(&w);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/processes/published", test_published);
    g_test_add_func("/winos/processes/elsewhere", test_elsewhere);
    g_test_add_func("/winos/processes/two", test_two);
    g_test_add_func("/winos/processes/none", test_none);
    for (i = 0; i < G_N_ELEMENTS(name_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winos/processes/name/%s",
                                                name_cases[i].name);

        g_test_add_data_func(path, &name_cases[i], test_name);
    }
    g_test_add_func("/winos/processes/hostile", test_hostile);
    g_test_add_func("/winos/processes/long", test_long);
    g_test_add_func("/winos/processes/lists", test_lists);
    return g_test_run();
}
