/*
 * symbols: names of addresses, each looked up once.
 *
 * Knows which process an address belongs to: that of --pid, else the one of
 * the log's run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_SYMBOLS_H
#define IRQLOG_ANALYZE_SYMBOLS_H

#include "options.h"
#include "space.h"

/* A symbol, and how the block view writes it. */
typedef struct Named {
    Symbol symbol;
    char *text;         /* " -> function\n   file:line"; "" when not known */
    size_t text_len;
    char *chain;        /* "outer > inlined"; NULL when not known */
} Named;

typedef struct Symbols Symbols;

/* Freed with symbols_free(). */
Symbols *symbols_new(const Options *opt);
void symbols_free(Symbols *symbols);

/**
 * symbols_run - a run begins
 *
 * Returns: false when it is the same process as before, so that all that is
 * known stays; true when what was handed out before is gone
 */
bool symbols_is_new_run(const Symbols *symbols, const IrqlogRun *run);
void symbols_begin_run(Symbols *symbols, const IrqlogRun *run);

/* The process of --pid, if it is the one of this run; else 0. */
uint32_t symbols_pid(const Symbols *symbols);
void symbols_add_object(Symbols *symbols, const IrqlogObjectInfo *object);

/**
 * symbols_return - name a return address: who made the call before it
 *
 * Returns: borrowed until the next lookup or run; never NULL
 */
const Named *symbols_return(Symbols *symbols, uint64_t address);

/* Name a function by its first address; result as above. */
const Named *symbols_entry(Symbols *symbols, uint64_t address);

#endif
