/*
 * dump-file: a guest's memory in a file: opened, mapped, and its format told.
 *
 * The formats are the core's (dump/dump.h).  Here is what needs a file: the
 * mapping, the registers in a text file beside raw RAM, and the guess of
 * where such RAM has its gap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DUMP_FILE_H
#define VMSCOPE_DUMP_FILE_H

#include "dump/dump.h"

typedef struct DumpFile {
    Dump dump;
    void *map;
    uint64_t size;
    int fd;
    bool guess;         /* raw memory, and nobody said how it lies */
} DumpFile;

/**
 * dump_file_open - open a memory image, of whichever kind it is
 * @registers: text file for raw RAM; NULL where the image has its own, or
 *             none
 * @low: bytes of raw RAM below 4 GiB; what is behind them in the file is the
 *       guest's memory from 4 GiB on; 0: not said
 *
 * From here on, a file that others cut short ends the program with a
 * sentence.  Freed with dump_file_close(), whatever this returns.
 */
bool dump_file_open(DumpFile *file, const char *path, const char *registers,
                    uint64_t low, Err *err);

/**
 * dump_file_guess - take raw memory in the next way in which it may lie
 * @i: 0, 1 ... until it returns false
 */
bool dump_file_guess(DumpFile *file, unsigned i);

void dump_file_close(DumpFile *file);

#endif
