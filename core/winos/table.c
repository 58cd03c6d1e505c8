/*
 * winos/table: see table.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const TableRow winos_table[] = {
#define TABLE_ROWS
#include "table-data.h"
#undef TABLE_ROWS
};

const unsigned winos_table_size = sizeof(winos_table) / sizeof(*winos_table);

const TableFile winos_files[] = {
#define TABLE_FILES
#include "table-data.h"
#undef TABLE_FILES
};

const unsigned winos_files_size = sizeof(winos_files) / sizeof(*winos_files);

/* A row that has a source for less than half of the fields. */
static bool is_sparse(const TableRow *row)
{
    unsigned missing = 0;
    unsigned i;

    for (i = 0; i < WINOS_N_FIELDS; i++) {
        missing += row->offset[i] == TABLE_NO_SOURCE;
    }
    return missing > WINOS_N_FIELDS / 2;
}

const TableFile *table_file(uint32_t timestamp, uint32_t image_size)
{
    unsigned low = 0, high = winos_files_size;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const TableFile *file = &winos_files[middle];

        if (file->timestamp == timestamp && file->image_size == image_size) {
            return file;
        }
        if (file->timestamp < timestamp || (file->timestamp == timestamp &&
                                            file->image_size < image_size)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

uint32_t table_file_build(const TableFile *file)
{
    const char *at = file ? strchr(file->version, '.') : NULL;

    at = at ? strchr(at + 1, '.') : NULL;
    return at ? (uint32_t)strtoul(at + 1, NULL, 10) : 0;
}

/* The layout of a file, if one is claimed for it that tells much. */
static const TableRow *find_file(uint32_t timestamp, uint32_t image_size)
{
    const TableFile *file = table_file(timestamp, image_size);

    const TableRow *row = file && file->row >= 0 ? &winos_table[file->row]
                                                 : NULL;

    return row && !is_sparse(row) ? row : NULL;
}

/* The newest build of the table up to @limit, or 0. */
static uint32_t newest_up_to(uint32_t limit)
{
    uint32_t best = 0;
    unsigned i;

    for (i = 0; i < winos_table_size; i++) {
        uint32_t build = winos_table[i].build;

        if (build <= limit && build > best) {
            best = build;
        }
    }
    return best;
}

/* Append the rows of one build; @sparse: whether none of them tells much. */
static unsigned add_build(uint32_t build, const TableRow **rows, unsigned n,
                          unsigned max, bool *sparse)
{
    unsigned i;

    *sparse = true;
    for (i = 0; i < winos_table_size && n < max; i++) {
        if (winos_table[i].build == build) {
            rows[n++] = &winos_table[i];
            *sparse = *sparse && is_sparse(&winos_table[i]);
        }
    }
    return n;
}

/* Of @build if there are such, then of older ones until one tells enough. */
static unsigned find_builds(uint32_t build, const TableRow **rows,
                            unsigned max)
{
    uint32_t at = newest_up_to(build);
    unsigned n = 0;
    bool sparse = true;

    while (at && sparse && n < max) {
        n = add_build(at, rows, n, max, &sparse);
        at = newest_up_to(at - 1);
    }
    return n;
}

unsigned table_find(uint32_t build, uint32_t timestamp, uint32_t image_size,
                    const TableRow **rows, unsigned max, bool *exact,
                    bool *same_build)
{
    const TableRow *file = max ? find_file(timestamp, image_size) : NULL;
    uint32_t known = table_file_build(table_file(timestamp, image_size));
    unsigned n;

    /* An enablement package's number is not the one of the kernel's file. */
    build = known ? known : build;
    n = file ? 1 : find_builds(build, rows, max);
    if (file) {
        rows[0] = file;
    }
    if (exact) {
        *exact = file != NULL;
    }
    if (same_build) {
        *same_build = file || (n && rows[n - 1]->build == build);
    }
    return n;
}
