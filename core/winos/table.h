/*
 * winos/table: the layouts that are shipped, made at build time from
 * data/windows-x64-offsets.csv and data/windows-x64-pe-identity.csv; and the
 * kernel files that are known by their identity, from data/windows-x64-files.csv.
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

/* A kernel file that is known by its identity. */
typedef struct TableFile {
    uint32_t timestamp;
    uint32_t image_size;
    int16_t row;                    /* of winos_table, or -1: no layout */
    const char *version;            /* of this very file */
} TableFile;

extern const TableFile winos_files[];   /* by timestamp, then size */
extern const unsigned winos_files_size;
extern const TableRow winos_table[];
extern const unsigned winos_table_size;

/**
 * table_file - a kernel file by what its PE header says
 *
 * Returns: NULL for one that is not known
 */
const TableFile *table_file(uint32_t timestamp, uint32_t image_size);

/**
 * table_file_build - the build of a file, as its version says; 0 for NULL
 *
 * Enablement packages give a system another build number than its kernel's
 * file has: 19045 where this is 19041.
 */
uint32_t table_file_build(const TableFile *file);

/**
 * table_find - the rows that may be a kernel's
 * @build: NtBuildNumber & 0xffff; of a file that is known, its version says
 * @timestamp, @image_size: from its PE header
 * @rows: receives at most @max rows: that of the file with that identity if it
 *        is known, else all of the build, else (an enablement package or an
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
