/*
 * winos/table: see table.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/table.h"

#include <stddef.h>

const TableRow winos_table[] = {
#include "table-data.h"
};

const unsigned winos_table_size = sizeof(winos_table) / sizeof(*winos_table);

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

static const TableRow *find_file(uint32_t timestamp, uint32_t image_size)
{
    unsigned i;

    for (i = 0; i < winos_table_size; i++) {
        const TableRow *row = &winos_table[i];

        if (row->timestamp && row->timestamp == timestamp &&
            row->image_size == image_size) {
            return row;
        }
    }
    return NULL;
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
    unsigned n = file ? 1 : find_builds(build, rows, max);

    if (file) {
        rows[0] = file;
    }
    if (exact) {
        *exact = file != NULL;
    }
    if (same_build) {
        *same_build = n && rows[n - 1]->build == build;
    }
    return n;
}
