/*
 * irqlog/index: from an IRQ object to its line in the store, in the hot path.
 *
 * IRQ objects are freed and their addresses used again, and a line gets its
 * QOM parent after it was first raised.  So a line is found by all that makes
 * it what it is, not by address alone; an old entry just is not found again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_INDEX_H
#define VMSCOPE_IRQLOG_INDEX_H

#include "irqlog/store.h"

enum { IRQLOG_INDEX_CELLS = 4 * IRQLOG_MAX_LINES };

typedef struct IrqlogCell {
    _Atomic uint64_t key;       /* the object's address; 0: free */
    _Atomic uint32_t line;
    uint32_t reserved;
} IrqlogCell;

/* Zeroed memory is an empty index. */
typedef struct IrqlogIndex {
    IrqlogCell cells[IRQLOG_INDEX_CELLS];
} IrqlogIndex;

/* What a line is, by address; for messages all but @key and @parent are 0. */
typedef struct IrqlogIdentity {
    uint64_t key;           /* the IRQ object, or the device that sends */
    uint64_t handler;
    uint64_t opaque;
    uint64_t parent;
    int32_t n;
} IrqlogIdentity;

/**
 * irqlog_index_find - the line of an identity
 * @store: where the lines are
 *
 * Context: any thread; takes no lock.
 *
 * Returns: its id; IRQLOG_NO_LINE when it was not added yet
 */
uint32_t irqlog_index_find(const IrqlogIndex *index, const IrqlogStore *store,
                           const IrqlogIdentity *identity);

/**
 * irqlog_index_add - let a line be found
 * @key: as in the identity it will be asked for by
 * @line: from irqlog_store_add_line()
 *
 * Context: one thread at a time; the caller sees to it.
 */
void irqlog_index_add(IrqlogIndex *index, uint64_t key, uint32_t line);

/**
 * irqlog_index_remove - let a line be found no more
 * @key: as it was added with
 * @line: the line; nothing happens when it is not in the index
 *
 * For a line whose name went to another object.  Its cell is not used again:
 * there are more cells than lines.  Context: as irqlog_index_add().
 */
void irqlog_index_remove(IrqlogIndex *index, uint64_t key, uint32_t line);

#endif
