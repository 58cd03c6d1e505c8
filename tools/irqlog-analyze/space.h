/*
 * space: which files a process has mapped where, and who knows their names.
 *
 * Filled from a log's own lines, from /proc of a running process, or both in
 * turn.  Files are opened when the first address in them is asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_SPACE_H
#define IRQLOG_ANALYZE_SPACE_H

#include "irqlog/event.h"
#include "symbol.h"

typedef struct Space Space;

/* How names are found; strings are borrowed for good. */
typedef struct SpaceHow {
    const char *binary;         /* the main program; NULL: as is said */
    const char *resolver;       /* ADDR2LINE; NULL: libdw */
    unsigned resolver_timeout;
} SpaceHow;

/* Freed with space_free(). */
Space *space_new(const SpaceHow *how);
void space_free(Space *space);

/**
 * space_add_run - the main program, as a log's first line tells
 * @run: NULL for a log without one: only --binary is known
 */
void space_add_run(Space *space, const IrqlogRun *run);

/* A mapped file, as a log tells; the main program again is ignored. */
void space_add_object(Space *space, const IrqlogObjectInfo *object);

/**
 * space_add_process - all that a running process has mapped
 *
 * Returns: false, and has warned, when it is not there
 */
bool space_add_process(Space *space, uint32_t pid);

/* What the log says the main program's build-id is; "" for nothing. */
void space_expect_build_id(Space *space, const char *build_id);

/* Where the main program is loaded; false when that is not known. */
bool space_load_base(Space *space, uint64_t *load_base);

/**
 * space_lookup - name what an address belongs to
 * @pc: address in the process
 * @symbol: gets frames added
 *
 * Returns: false when nothing is known of it
 */
bool space_lookup(Space *space, uint64_t pc, Symbol *symbol);

#endif
