/*
 * dump/internal: what the readers of single formats share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DUMP_INTERNAL_H
#define VMSCOPE_DUMP_INTERNAL_H

#include "dump/dump.h"

/* dump.c */
bool dump_add_part(Dump *dump, const DumpPart *part, Err *err);
void dump_lack(Dump *dump, const char *text);
bool dump_use_bitmap(Dump *dump, uint64_t offset, uint64_t n_bits, Err *err);

/* Sets @err to "it is cut short: ..." or "it is damaged: ...". */
bool dump_is_cut(Err *err, const char *what);
bool dump_is_damaged(Err *err, const char *what, uint64_t value);

/* One reader a format; each is told that the first bytes fit. */
bool dump_read_elf(Dump *dump, Err *err);
bool dump_read_kdump(Dump *dump, Err *err);
bool dump_read_flattened(Dump *dump, Err *err);
bool dump_read_windows(Dump *dump, Err *err);
bool dump_read_triage(Dump *dump, Err *err);
bool dump_read_lime(Dump *dump, Err *err);
bool dump_read_avml(Dump *dump, Err *err);

/* Notes of an ELF core, which a kdump has too. */
bool dump_read_notes(Dump *dump, uint64_t offset, uint64_t size, Err *err);

/* codec.c */
bool dump_unpack(DumpCodec codec, const uint8_t *in, size_t n, uint8_t *out,
                 size_t size);
/* All of a block of @size bytes that is compressed; NULL when it is not. */
const uint8_t *dump_unpacked(Dump *dump, const DumpPart *part);
bool dump_want_codec(DumpCodec codec, Err *err);
void dump_free_cache(Dump *dump);

#endif
