/*
 * debuginfo: functions and source lines out of one ELF file, by libdw.
 *
 * Finds separate debug files by itself, and falls back to the symbol table
 * where there are none.  Which file is mapped where is space.h's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_DEBUGINFO_H
#define IRQLOG_ANALYZE_DEBUGINFO_H

#include "base/err.h"
#include "symbol.h"

typedef struct DebugFile DebugFile;

/* How a file wants to be mapped. */
typedef struct ElfLayout {
    bool fixed;         /* not position independent: its bias is 0 */
    bool known;         /* the next holds: there is code at that place */
    uint64_t vaddr;     /* its address in the file, by the segments */
} ElfLayout;

/**
 * debuginfo_layout - see how a file wants to be mapped
 * @path: an ELF file
 * @offset: a place in the file, for @layout's @vaddr
 *
 * Returns: false with a sentence when it cannot be read
 */
bool debuginfo_layout(const char *path, uint64_t offset, ElfLayout *layout,
                      Err *err);

/**
 * debuginfo_open - read a file at the place where it was mapped
 * @bias: address in the process minus address in the file
 *
 * Returns: freed with debuginfo_close(); NULL with a sentence
 */
DebugFile *debuginfo_open(const char *path, uint64_t bias, Err *err);
void debuginfo_close(DebugFile *file);

/* In hexadecimal; "" when the file has none. */
const char *debuginfo_build_id(const DebugFile *file);

/* Addresses in the process, of the first byte and the one behind the last. */
void debuginfo_range(const DebugFile *file, uint64_t *start, uint64_t *end);

/**
 * debuginfo_lookup - name what an address belongs to
 * @pc: address in the process
 * @symbol: gets frames added
 *
 * Returns: false when nothing is known of it
 */
bool debuginfo_lookup(DebugFile *file, uint64_t pc, Symbol *symbol);

#endif
