/*
 * winos/table: what the data files hold has arrived in C, and the rows that
 * may be a kernel's are found.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/table.h"

#include <glib.h>

enum { MAX_ROWS = 64 };

static const TableRow *rows[MAX_ROWS];

static const TableRow *row_of(const char *file_version)
{
    unsigned i;

    for (i = 0; i < winos_table_size; i++) {
        if (g_str_equal(winos_table[i].file_version, file_version)) {
            return &winos_table[i];
        }
    }
    g_error("no row %s", file_version);
}

/* No structure begins with a field of ours: a 0 is a cell that was lost. */
static void test_no_cell_is_lost(void)
{
    unsigned full = 0;
    unsigned i;
    unsigned f;

    for (i = 0; i < winos_table_size; i++) {
        const TableRow *row = &winos_table[i];

        g_assert_cmpuint(row->build, >=, i ? row[-1].build : 7600);
        full += row->offset[WINOS_ETHREAD_CLIENT_ID] > 0;
        for (f = 0; f < WINOS_N_FIELDS; f++) {
            g_assert_cmpint(row->offset[f], !=, 0);
            g_assert_cmpint(row->offset[f], >=, TABLE_NO_SOURCE);
            g_assert_cmpint(row->offset[f], <=, WINOS_MAX_OFFSET);
        }
    }
    g_assert_cmpuint(winos_table_size, ==, 40);
    g_assert_cmpuint(full, ==, 36);
}

/* One cell of each column, from the oldest row and from the newest. */
static const struct {
    WinosField field;
    int32_t oldest, newest;
} cells[] = {
    { WINOS_KPCR_SELF, 0x18, 0x18 },
    { WINOS_KPCR_CURRENT_PRCB, 0x20, 0x20 },
    { WINOS_KPCR_PRCB, 0x180, 0x180 },
    { WINOS_PRCB_CURRENT_THREAD, 8, 8 },
    { WINOS_PRCB_NEXT_THREAD, 0x10, 0x10 },
    { WINOS_PRCB_IDLE_THREAD, 0x18, 0x18 },
    { WINOS_PRCB_NUMBER, 0x24, 0x24 },
    { WINOS_PRCB_CONTEXT_SWITCHES, 0x20bc, 0x2d3c },
    { WINOS_PRCB_KERNEL_DTB, TABLE_ABSENT, 0xae80 },
    { WINOS_KTHREAD_STACK_LIMIT, 0x30, 0x30 },
    { WINOS_KTHREAD_STACK_BASE, 0x278, 0x38 },
    { WINOS_KTHREAD_APC_PROCESS, 0x70, 0xb8 },
    { WINOS_KTHREAD_PROCESS, 0x210, 0x220 },
    { WINOS_KTHREAD_STATE, 0x164, 0x184 },
    { WINOS_KTHREAD_WAIT_REASON, 0x26b, 0x283 },
    { WINOS_KTHREAD_PRIORITY, 0x7b, 0xc3 },
    { WINOS_KTHREAD_CONTEXT_SWITCHES, 0x134, 0x154 },
    { WINOS_KTHREAD_WAIT_TIME, 0x194, 0x1b4 },
    { WINOS_KTHREAD_TEB, 0xb8, 0xf0 },
    { WINOS_ETHREAD_CLIENT_ID, 0x3b0, 0x508 },
    { WINOS_ETHREAD_CREATE_TIME, 0x360, 0x4c0 },
    { WINOS_ETHREAD_THREAD_LIST_ENTRY, 0x420, 0x578 },
    { WINOS_ETHREAD_THREAD_NAME, TABLE_ABSENT, 0x6a0 },
    { WINOS_EPROCESS_DIRECTORY_TABLE_BASE, 0x28, 0x28 },
    { WINOS_EPROCESS_UNIQUE_PROCESS_ID, 0x180, 0x1d0 },
    { WINOS_EPROCESS_ACTIVE_PROCESS_LINKS, 0x188, 0x1d8 },
    { WINOS_EPROCESS_IMAGE_FILE_NAME, 0x2e0, 0x338 },
    { WINOS_EPROCESS_INHERITED_FROM, 0x290, 0x2d0 },
    { WINOS_EPROCESS_PEB, 0x338, 0x2e0 },
    { WINOS_EPROCESS_CREATE_TIME, 0x168, 0x1f8 },
    { WINOS_EPROCESS_THREAD_LIST_HEAD, 0x308, 0x370 },
};

static void test_columns(void)
{
    const TableRow *oldest = row_of("6.1.7600.16385");
    const TableRow *newest = row_of("10.0.26100.1742");
    size_t i;

    g_assert_cmpuint(G_N_ELEMENTS(cells), ==, WINOS_N_FIELDS);
    for (i = 0; i < G_N_ELEMENTS(cells); i++) {
        g_assert_cmphex(oldest->offset[cells[i].field], ==, cells[i].oldest);
        g_assert_cmphex(newest->offset[cells[i].field], ==, cells[i].newest);
    }
    g_assert_cmphex(newest->timestamp, ==, 0xd98db6a6);
    g_assert_cmphex(newest->image_size, ==, 0x144f000);
    g_assert_cmpuint(oldest->timestamp, ==, 0);
}

static void test_no_source(void)
{
    const TableRow *row = row_of("10.0.28000.1..2738");

    g_assert_cmphex(row->offset[WINOS_KTHREAD_STACK_BASE], ==, 0x38);
    g_assert_cmpint(row->offset[WINOS_ETHREAD_CLIENT_ID], ==,
                    TABLE_NO_SOURCE);
}

typedef struct FindCase {
    const char *name;
    uint32_t build;
    uint32_t timestamp;
    uint32_t image_size;
    bool exact;
    bool same_build;
    unsigned n;
    uint32_t builds[8];
} FindCase;

static const FindCase find_cases[] = {
    { "exact", 26100, 0xd98db6a6, 0x144f000, true, true, 1, { 26100 } },
    { "exact-renumbered", 19045, 0x2f0a239f, 0x1046000, true, true, 1,
      { 19044 } },
    { "file-without-row", 22631, 0x9182ea07, 0x1047000, false, true, 1,
      { 22621 } },
    { "exact-other-size", 26100, 0xd98db6a6, 0x1450000, false, true, 1,
      { 26100 } },
    { "no-identity", 7600, 0, 0, false, true, 1, { 7600 } },
    { "variants", 7601, 1, 1, false, true, 3, { 7601, 7601, 7601 } },
    { "enablement", 22635, 1, 1, false, false, 1, { 22631 } },
    { "between", 22620, 1, 1, false, false, 2, { 22000, 22000 } },
    { "few-cells", 26200, 1, 1, false, false, 2, { 26200, 26100 } },
    { "unknown", 27999, 1, 1, false, false, 2, { 26200, 26100 } },
    { "newest", 65535, 1, 1, false, false, 4,
      { 29648, 28000, 26200, 26100 } },
    { "older-than-all", 7599, 1, 1, false, false, 0, { 0 } },
    { "vista", 6002, 0, 0, false, false, 0, { 0 } },
    { "zero", 0, 0, 0, false, false, 0, { 0 } },
};

static void test_find(const void *opaque)
{
    const FindCase *find = opaque;
    bool same_build = !find->same_build;
    bool exact = !find->exact;
    unsigned i;
    unsigned n;

    n = table_find(find->build, find->timestamp, find->image_size, rows,
                   MAX_ROWS, &exact, &same_build);
    g_assert_cmpuint(n, ==, find->n);
    g_assert_cmpint(exact, ==, find->exact);
    g_assert_cmpint(same_build, ==, find->same_build);
    for (i = 0; i < n; i++) {
        g_assert_cmpuint(rows[i]->build, ==, find->builds[i]);
    }
    g_assert_cmpuint(table_find(find->build, find->timestamp,
                                find->image_size, rows, MAX_ROWS, NULL, NULL),
                     ==, find->n);
}

static void test_room(void)
{
    const TableRow *two[3] = { NULL };
    bool exact = true;

    g_assert_cmpuint(table_find(7601, 0, 0, two, 2, NULL, NULL), ==, 2);
    g_assert_nonnull(two[1]);
    g_assert_null(two[2]);
    g_assert_cmpuint(table_find(26100, 0xd98db6a6, 0x144f000, NULL, 0, &exact,
                                NULL), ==, 0);
    g_assert_false(exact);
}

/* Each file whose identity is known is found by it. */
static void test_identities(void)
{
    unsigned known = 0;
    unsigned i;

    for (i = 0; i < winos_table_size; i++) {
        const TableRow *row = &winos_table[i];
        bool exact;

        if (row->timestamp) {
            g_assert_cmpuint(table_find(1, row->timestamp, row->image_size,
                                        rows, MAX_ROWS, &exact, NULL), ==, 1);
            g_assert_true(exact);
            g_assert_true(rows[0] == row);
            known++;
        }
    }
    g_assert_cmpuint(known, ==, 16);
}

/* Many files of one layout, each with its own version; most with none. */
static void test_files(void)
{
    unsigned with_row = 0;
    unsigned i;

    for (i = 0; i < winos_files_size; i++) {
        const TableFile *file = &winos_files[i];

        g_assert_true(table_file(file->timestamp, file->image_size) == file);
        with_row += file->row >= 0;
        g_assert_cmpint(file->row, <, (int)winos_table_size);
        /* Of the file's own build, or of what a package makes of it. */
        if (file->row >= 0) {
            uint32_t build = winos_table[file->row].build;

            g_assert_cmpuint(build, >=, table_file_build(file));
            g_assert_cmpuint(build, <=, table_file_build(file) + 10);
        }
    }
    g_assert_cmpuint(winos_files_size, ==, 1663);
    g_assert_cmpuint(with_row, ==, 560);
    g_assert_null(table_file(0, 0));
    g_assert_null(table_file(UINT32_MAX, UINT32_MAX));
    g_assert_cmpuint(table_file_build(NULL), ==, 0);
}

/* Not the row's version, which is another file's: its own. */
static void test_serviced_file(void)
{
    const TableFile *file = NULL;
    unsigned i;
    bool exact;

    for (i = 0; i < winos_files_size && !file; i++) {
        if (g_str_equal(winos_files[i].version, "10.0.19041.4522")) {
            file = &winos_files[i];
        }
    }
    g_assert_nonnull(file);
    g_assert_cmpuint(table_file_build(file), ==, 19041);
    g_assert_cmpuint(table_find(19045, file->timestamp, file->image_size,
                                rows, MAX_ROWS, &exact, NULL), ==, 1);
    g_assert_true(exact);
    g_assert_cmpstr(rows[0]->file_version, !=, file->version);
    g_assert_cmphex(rows[0]->offset[WINOS_ETHREAD_CLIENT_ID], ==, 0x478);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/table/files", test_files);
    g_test_add_func("/winos/table/serviced-file", test_serviced_file);
    g_test_add_func("/winos/table/no-cell-is-lost", test_no_cell_is_lost);
    g_test_add_func("/winos/table/columns", test_columns);
    g_test_add_func("/winos/table/no-source", test_no_source);
    for (i = 0; i < G_N_ELEMENTS(find_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winos/table/find/%s",
                                                find_cases[i].name);

        g_test_add_data_func(path, &find_cases[i], test_find);
    }
    g_test_add_func("/winos/table/room", test_room);
    g_test_add_func("/winos/table/identities", test_identities);
    return g_test_run();
}
