/*
 * irqlog/index: see index.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/index.h"

_Static_assert((IRQLOG_INDEX_CELLS & (IRQLOG_INDEX_CELLS - 1)) == 0,
               "cells wrap by a mask");

static unsigned first_cell(uint64_t key)
{
    /* Objects are 16-byte aligned; 2^64 / golden ratio spreads the rest. */
    return (key >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 50;
}

_Static_assert(IRQLOG_INDEX_CELLS == 1 << (64 - 50),
               "first_cell() gives as many bits as there are cells");

static bool is_line(const IrqlogLineEntry *entry,
                    const IrqlogIdentity *identity)
{
    return entry->handler == identity->handler &&
           entry->opaque == identity->opaque &&
           entry->parent == identity->parent && entry->n == identity->n;
}

/* A quarter of the cells at most is in use, so both loops meet a free one. */
uint32_t irqlog_index_find(const IrqlogIndex *index, const IrqlogStore *store,
                           const IrqlogIdentity *identity)
{
    unsigned i = first_cell(identity->key);

    for (;;) {
        const IrqlogCell *cell = &index->cells[i % IRQLOG_INDEX_CELLS];
        /* Pairs with the release in irqlog_index_add(). */
        uint64_t key = atomic_load_explicit(&cell->key, memory_order_acquire);

        if (key == 0) {
            return IRQLOG_NO_LINE;
        }
        if (key == identity->key) {
            uint32_t line = atomic_load_explicit(&cell->line,
                                                 memory_order_relaxed);

            if (line < IRQLOG_MAX_LINES &&
                is_line(&store->tables->lines[line], identity)) {
                return line;
            }
        }
        i++;
    }
}

void irqlog_index_add(IrqlogIndex *index, uint64_t key, uint32_t line)
{
    unsigned i = first_cell(key);

    while (atomic_load_explicit(&index->cells[i % IRQLOG_INDEX_CELLS].key,
                                memory_order_relaxed) != 0) {
        i++;
    }
    atomic_store_explicit(&index->cells[i % IRQLOG_INDEX_CELLS].line, line,
                          memory_order_relaxed);
    /* Pairs with the acquire in irqlog_index_find(): line first. */
    atomic_store_explicit(&index->cells[i % IRQLOG_INDEX_CELLS].key, key,
                          memory_order_release);
}

void irqlog_index_remove(IrqlogIndex *index, uint64_t key, uint32_t line)
{
    unsigned i = first_cell(key);

    for (;;) {
        IrqlogCell *cell = &index->cells[i++ % IRQLOG_INDEX_CELLS];
        uint64_t at = atomic_load_explicit(&cell->key, memory_order_relaxed);

        if (at == 0) {
            return;
        }
        if (at == key && atomic_load_explicit(&cell->line,
                                              memory_order_relaxed) == line) {
            atomic_store_explicit(&cell->line, IRQLOG_NO_LINE,
                                  memory_order_relaxed);
            return;
        }
    }
}

/* Marks that share a place, so that few push each other out. */
enum { REFUSED_WAYS = 8 };

/* One number for all that makes a line what it is; never 0. */
static uint64_t identity_mark(const IrqlogIdentity *identity)
{
    const uint64_t parts[] = {
        identity->key, identity->handler, identity->opaque, identity->parent,
        (uint32_t)identity->n,
    };
    uint64_t mark = 0;
    size_t i;

    for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        mark = (mark ^ parts[i]) * UINT64_C(0x9e3779b97f4a7c15);
        mark ^= mark >> 29;
    }
    return mark | 1;
}

bool irqlog_index_refuse(IrqlogIndex *index, const IrqlogIdentity *identity)
{
    uint64_t mark = identity_mark(identity);
    size_t first = (mark >> 40) % (IRQLOG_INDEX_REFUSED / REFUSED_WAYS) *
                   REFUSED_WAYS;
    _Atomic uint64_t *cells = &index->refused[first];
    unsigned i;

    for (i = 0; i < REFUSED_WAYS; i++) {
        uint64_t at = atomic_load_explicit(&cells[i], memory_order_relaxed);

        if (at == mark) {
            return false;
        }
        if (!at) {
            break;
        }
    }
    if (i == REFUSED_WAYS) {
        i = (mark >> 32) % REFUSED_WAYS;
    }
    atomic_store_explicit(&cells[i], mark, memory_order_relaxed);
    return true;
}
