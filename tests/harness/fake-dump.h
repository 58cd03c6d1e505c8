/*
 * fake-dump: a guest's memory in each format that a dump may have.
 *
 * Written from the formats' descriptions (docs/guest-facts/dumps.md), apart
 * from the readers in core/dump.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TESTS_FAKE_DUMP_H
#define VMSCOPE_TESTS_FAKE_DUMP_H

#include "winos/regs.h"

#include <glib.h>

typedef enum FakeDumpKind {
    FAKE_RAW,
    FAKE_ELF_QEMU, FAKE_ELF_VBOX, FAKE_ELF_XEN, FAKE_ELF_FLAT,
    FAKE_KDUMP_STORED, FAKE_KDUMP_ZLIB, FAKE_KDUMP_LZO, FAKE_KDUMP_SNAPPY,
    FAKE_KDUMP_ZSTD, FAKE_KDUMP_FLAT,
    FAKE_WINDOWS_FULL, FAKE_WINDOWS_KERNEL, FAKE_WINDOWS_BITMAP,
    FAKE_WINDOWS_ACTIVE, FAKE_WINDOWS_AUTOMATIC,
    FAKE_WINDOWS_RANGES_K, FAKE_WINDOWS_RANGES_KA, FAKE_WINDOWS_RANGES_F,
    FAKE_WINDOWS_TRIAGE, FAKE_WINDOWS_TRIAGE_ALL,
    FAKE_LIME, FAKE_AVML,
    FAKE_N_KINDS,
} FakeDumpKind;

/* A run of memory: whole pages; runs by rising address, none overlap. */
typedef struct FakeRun {
    uint64_t gpa, size;
    const uint8_t *bytes;
} FakeRun;

/* A piece of virtual memory, for minidumps. */
typedef struct FakePiece {
    uint64_t gva;
    uint32_t size;
    const uint8_t *bytes;
} FakePiece;

typedef struct FakeDriver {
    const char *name;
    uint64_t base;
    uint32_t size, timestamp;
} FakeDriver;

/* What else a format wants to say. */
typedef struct FakeDump {
    const FakeRun *runs;
    unsigned n_runs;
    const WinosRegs *regs;
    unsigned n_regs;
    uint64_t cr3, module_list, process_list, kdbg, rsp, rip, time;
    uint32_t build, bugcheck;
    uint64_t parameters[4];
    /* Of a minidump. */
    FakePiece prcb, thread, process, stack, plain_kdbg;
    const FakePiece *pieces;
    unsigned n_pieces;
    const FakeDriver *drivers;
    unsigned n_drivers;
} FakeDump;

/* The name of a kind, such as "windows-bitmap". */
const char *fake_dump_name(FakeDumpKind kind);

/**
 * fake_dump_write - write it
 *
 * Returns: the file's bytes, owned by the caller; NULL when the library that
 * compresses it is not there
 */
GByteArray *fake_dump_write(FakeDumpKind kind, const FakeDump *dump);

/* Has a file of this kind the vCPUs' registers? */
bool fake_dump_has_regs(FakeDumpKind kind);

#endif
