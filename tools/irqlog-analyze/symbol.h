/*
 * symbol: what is known of one address in a program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_SYMBOL_H
#define IRQLOG_ANALYZE_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many functions inlined into each other are kept. */
enum { SYMBOL_FRAMES_MAX = 16 };

/* A function; the innermost of those inlined into each other comes first. */
typedef struct Frame {
    char *function;     /* NULL: not known */
    char *file;         /* NULL: not known */
    unsigned line;
    uint64_t offset;    /* from the function's start; only without a file */
} Frame;

/* Strings belong to it; symbol_release() frees them. */
typedef struct Symbol {
    unsigned n_frames;  /* 0: nothing is known */
    Frame frames[SYMBOL_FRAMES_MAX];
} Symbol;

/* A place in a source file; strings are borrowed. */
typedef struct Place {
    const char *folder;     /* in which a relative @file lies; or NULL */
    const char *file;       /* NULL: not known */
    unsigned line;
} Place;

/* Add a frame; texts are copied, the file's "x/../" is taken out. */
void symbol_add(Symbol *symbol, const char *function, const Place *place,
                uint64_t offset);
void symbol_release(Symbol *symbol);

#endif
