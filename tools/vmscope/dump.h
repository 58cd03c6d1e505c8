/*
 * dump: a guest's memory in a file, as a GuestMem, with its registers.
 *
 * Two kinds: the ELF core of QEMU's dump-guest-memory, which has registers
 * too; and raw RAM, with registers in a text file beside it.
 *
 * Source of the ELF notes: qemu/qemu: target/i386/arch_dump.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DUMP_H
#define VMSCOPE_DUMP_H

#include "base/err.h"
#include "winos/kernel.h"

enum { DUMP_MAX_PARTS = 4096, DUMP_MAX_CPUS = 1024 };

/* A piece of guest-physical memory, and where it is in the file. */
typedef struct DumpPart {
    uint64_t gpa;
    uint64_t size;
    uint64_t offset;
} DumpPart;

typedef struct Dump {
    int fd;
    uint64_t file_size;
    unsigned n_parts;
    DumpPart *parts;        /* by rising gpa; none overlap */
    unsigned n_regs;
    WinosRegs *regs;
    GuestMem mem;
    uint64_t reads;
} Dump;

/**
 * dump_open - open a memory image, of whichever kind it is
 * @registers: text file for raw RAM; NULL where the image has its own
 * @low: bytes of raw RAM below 4 GiB; what is behind them in the file is the
 *       guest's memory from 4 GiB on; 0: there is no gap
 *
 * Freed with dump_close(), whatever this returns.
 */
bool dump_open(Dump *dump, const char *path, const char *registers,
               uint64_t low, Err *err);
void dump_close(Dump *dump);

#endif
