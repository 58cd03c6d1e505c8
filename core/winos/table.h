/*
 * winos/table: the layouts that are shipped, made at build time from
 * data/windows-x64-offsets.csv and data/windows-x64-pe-identity.csv.
 *
 * One voice among others: a build is not one layout, and files are serviced.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_TABLE_H
#define VMSCOPE_WINOS_TABLE_H

#include "winos/layout.h"

/* -1: absent in that kernel; -2: no source. */
enum { TABLE_ABSENT = -1, TABLE_NO_SOURCE = -2 };

typedef struct TableRow {
    uint32_t build;
    const char *file_version;
    uint32_t timestamp;             /* 0: not known */
    uint32_t image_size;
    int32_t offset[WINOS_N_FIELDS]; /* or TABLE_ABSENT, TABLE_NO_SOURCE */
} TableRow;

extern const TableRow winos_table[];
extern const unsigned winos_table_size;

/**
 * table_find - the rows that may be a kernel's
 * @build: NtBuildNumber & 0xffff
 * @timestamp, @image_size: from its PE header
 * @rows: receives at most @max rows: the one file with that identity if it is
 *        known, else all of the build, else (an enablement package or an
 *        update we have not heard of) all of the next older build.  Where
 *        these have a source for a few fields only, the next older build's
 *        follow, until one tells enough.
 * @exact: receives whether it is the very file, may be NULL
 * @same_build: receives whether all rows are of @build; may be NULL
 *
 * Returns: how many
 */
unsigned table_find(uint32_t build, uint32_t timestamp, uint32_t image_size,
                    const TableRow **rows, unsigned max, bool *exact,
                    bool *same_build);

#endif
