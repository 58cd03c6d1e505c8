/*
 * seq-order: see seq-order.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/seq-order.h"

#include "common/message.h"

#include <stdlib.h>

static int by_seq(const void *a, const void *b)
{
    uint64_t x = ((const SeqEntry *)a)->seq;
    uint64_t y = ((const SeqEntry *)b)->seq;

    return x < y ? -1 : x > y;
}

SeqOrder seq_order_new(const json_t *entries, uint64_t after)
{
    size_t n = json_array_size(entries);
    SeqOrder order = { calloc(n + 1, sizeof(SeqEntry)), 0 };
    size_t i;

    if (!order.list) {
        die_no_memory();
    }
    for (i = 0; i < n; i++) {
        const json_t *object = json_array_get(entries, i);
        uint64_t seq = qmp_uint(object, "seq", 0);

        if (seq > after) {
            order.list[order.n++] = (SeqEntry) { seq, object };
        }
    }
    qsort(order.list, order.n, sizeof(*order.list), by_seq);
    return order;
}

void seq_order_free(SeqOrder *order)
{
    free(order->list);
    *order = (SeqOrder) { NULL, 0 };
}
