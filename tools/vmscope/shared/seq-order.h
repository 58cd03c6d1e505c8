/*
 * seq-order: entries of an answer by their running number.
 *
 * QEMU answers by time.  Two threads may take their times in one order and
 * their numbers in the other, so that numbers of an answer jump back and
 * forth; what is missing is only seen once they are in order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_SEQ_ORDER_H
#define VMSCOPE_SEQ_ORDER_H

#include "source/qmp.h"

typedef struct SeqEntry {
    uint64_t seq;
    const json_t *object;       /* borrowed from the answer */
} SeqEntry;

typedef struct SeqOrder {
    SeqEntry *list;
    size_t n;
} SeqOrder;

/**
 * seq_order_new - the entries numbered higher than @after, by number
 * @entries: an answer, which must outlive this; NULL is an empty one
 *
 * Entries without a number are left out.  Ends the program when there is no
 * memory.
 *
 * Returns: freed with seq_order_free()
 */
SeqOrder seq_order_new(const json_t *entries, uint64_t after);
void seq_order_free(SeqOrder *order);

#endif
