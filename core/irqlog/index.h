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

enum {
    IRQLOG_INDEX_CELLS = 4 * IRQLOG_MAX_LINES,
    IRQLOG_INDEX_REFUSED = IRQLOG_MAX_LINES,
};

typedef struct IrqlogCell {
    _Atomic uint64_t key;       /* the object's address; 0: free */
    _Atomic uint32_t line;
    uint32_t reserved;
} IrqlogCell;

/* Zeroed memory is an empty index. */
typedef struct IrqlogIndex {
    IrqlogCell cells[IRQLOG_INDEX_CELLS];
    _Atomic uint64_t refused[IRQLOG_INDEX_REFUSED];     /* marks of lines */
} IrqlogIndex;

/* What a line is, by address. */
typedef struct IrqlogIdentity {
    uint64_t key;           /* the IRQ object, or the device of a pin */
    uint64_t handler;
    uint64_t opaque;
    uint64_t parent;
    int32_t n;
} IrqlogIdentity;

/**
 * irqlog_message_key - where the index keeps a device's messages of a vector
 * @device: its address
 * @vector: of the message
 *
 * A device may send hundreds of vectors; with the device's address alone they
 * would all begin their search in one cell.  Addresses of user space leave
 * the upper 16 bits free.
 */
static inline uint64_t irqlog_message_key(uint64_t device, int32_t vector)
{
    return device ^ (uint64_t)(uint32_t)vector << 48;
}

/**
 * irqlog_message_identity - the line of a device's messages of one vector
 * @device: its address
 * @parent: its QOM parent's
 * @data: of the message; the vector is its low byte
 */
static inline IrqlogIdentity irqlog_message_identity(uint64_t device,
                                                     uint64_t parent,
                                                     uint32_t data)
{
    int32_t vector = irqlog_message_vector(data);

    return (IrqlogIdentity){
        .key = irqlog_message_key(device, vector),
        .opaque = device,
        .parent = parent,
        .n = vector,
    };
}

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

/**
 * irqlog_index_refuse - is this line refused for the first time?
 * @identity: of a line that found the table full
 *
 * Remembers as many as there are lines; of more, some are taken for new ones
 * when they come again.  Context: any thread; takes no lock.
 */
bool irqlog_index_refuse(IrqlogIndex *index, const IrqlogIdentity *identity);

#endif
