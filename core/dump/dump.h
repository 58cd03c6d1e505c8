/*
 * dump: a guest's memory as somebody wrote it to a file.
 *
 * The file is given as bytes, mapped by the caller: reading copies nothing
 * that is not asked for, and a file of any size costs no memory but tables.
 * Formats are recognised by content, never by name.  Every number in a file
 * may be a lie: it is compared with the file's size before it is used, tables
 * are never larger than the file allows, and no loop is longer than they are.
 *
 * Where a format has registers, they are here; where it has none,
 * dump_find_cpus() looks for what stands in for them.  What the memory means
 * is for winos.
 *
 * Sources: docs/guest-facts/dumps.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DUMP_DUMP_H
#define VMSCOPE_DUMP_DUMP_H

#include "base/err.h"
#include "gmem/gmem.h"
#include "winos/regs.h"

enum {
    DUMP_MAX_CPUS = 1024,
    DUMP_MAX_PARTS = 1 << 22,
    DUMP_MAX_LACKS = 8,
    DUMP_DESCRIPTOR = 24,       /* bytes, of a page in a kdump */
    DUMP_MAX_BLOCK = 65536,     /* the largest piece that is compressed */
};

typedef enum DumpFormat {
    DUMP_RAW,           /* nothing but memory */
    DUMP_ELF,           /* QEMU, VirtualBox, Xen */
    DUMP_KDUMP,         /* QEMU's kdump-*, makedumpfile's */
    DUMP_WINDOWS,       /* a Windows crash dump with memory */
    DUMP_TRIAGE,        /* a minidump: no physical memory */
    DUMP_LIME,
    DUMP_AVML,
} DumpFormat;

typedef enum DumpCodec {
    DUMP_STORED,
    DUMP_ZLIB,
    DUMP_LZO,
    DUMP_SNAPPY,
    DUMP_ZSTD,
    DUMP_N_CODECS,
} DumpCodec;

/* A piece of guest-physical memory, and where it is in the file. */
typedef struct DumpPart {
    uint64_t gpa;
    uint64_t size;
    uint64_t offset;
    uint32_t stored;        /* bytes in the file, if they are compressed */
    DumpCodec codec;
} DumpPart;

/* Pages of which a bitmap says which there are. */
typedef struct DumpPages {
    uint8_t *bits;          /* a copy; bit i is page i, the lowest first */
    uint64_t n_bits;
    uint64_t *ranks;        /* set bits before each 512 */
    uint64_t n_pages;
    uint32_t block;         /* bytes of a page */
    uint64_t at;            /* in the file: of the pages, or of ... */
    bool described;         /* ... a descriptor for each */
} DumpPages;

/* A piece of a file whose pieces are not in order. */
typedef struct DumpExtent {
    uint64_t at;            /* where it belongs */
    uint64_t size;
    uint64_t offset;        /* where it is */
} DumpExtent;

/* What the header of a Windows crash dump says; 0 where it says nothing. */
typedef struct DumpWindows {
    bool present;
    bool has_bugcheck;
    uint32_t type;
    uint32_t build;         /* of the kernel's file */
    uint32_t n_cpus;
    uint32_t attributes;
    uint64_t cr3;
    uint64_t module_list;   /* PsLoadedModuleList */
    uint64_t process_list;  /* PsActiveProcessHead */
    uint64_t kdbg;          /* KdDebuggerDataBlock */
    uint32_t bugcheck;
    uint64_t parameters[4];
    uint64_t time;          /* FILETIME */
    uint64_t uptime;        /* in 100 ns */
    uint64_t rip, rsp;      /* of the CPU that crashed */
    uint32_t exception;     /* its code, or 0 */
} DumpWindows;

/* Where a minidump keeps what; all were compared with the file's size. */
typedef struct DumpTriage {
    bool present;
    uint32_t prcb, process, thread;     /* offsets in the file; 0: none */
    uint32_t stack, stack_size;
    uint64_t stack_gva;
    uint32_t drivers, n_drivers;
    uint32_t strings, strings_size;
    uint32_t kdbg, kdbg_size;
    uint32_t blocks, n_blocks;
} DumpTriage;

/* Registers that only some formats have. */
typedef struct DumpPlace {
    uint64_t rip, rsp;      /* both 0: not known */
} DumpPlace;

/**
 * DumpStored - which bytes of a file are stored
 * @offset: in the file
 * @data, @hole: receive where the next stored bytes begin, at or behind
 *               @offset, and end
 *
 * What is between is zeroes that no disk holds; behind the last of them @data
 * is behind the file's end.
 *
 * Returns: false when that cannot be told
 */
typedef bool DumpStored(void *opaque, uint64_t offset, uint64_t *data,
                        uint64_t *hole);

typedef struct Dump {
    const uint8_t *data;    /* the file's bytes */
    uint64_t file_size;
    DumpFormat format;
    char what[128];         /* what it is, for people */
    const char *lacks[DUMP_MAX_LACKS];  /* what it has not; static text */
    unsigned n_lacks;
    uint64_t cut;           /* bytes that should be behind its end */

    DumpExtent *extents;    /* by rising @at, where the file is out of order */
    uint64_t n_extents;
    uint64_t size;          /* of the file put in order */

    uint64_t n_notes;       /* of ELF, that were read */
    DumpPart *parts;        /* by rising gpa; none overlap */
    uint64_t n_parts, parts_room;
    DumpPages pages;

    WinosRegs *regs;        /* of DUMP_MAX_CPUS */
    DumpPlace *places;
    unsigned n_regs;
    bool found_cpus;        /* by dump_find_cpus() */

    DumpWindows windows;
    DumpTriage triage;

    uint8_t *cache;         /* blocks that were uncompressed */
    uint64_t *cached;       /* where in the file each was, plus 1 */
    uint8_t *packed;        /* one as it is in the file */
    unsigned n_slots, slot_size;

    DumpStored *stored;     /* set by whoever knows, after opening; or NULL */
    void *stored_opaque;

    GuestMem mem;
    uint64_t reads;
} Dump;

/**
 * dump_open - read what a file of memory has besides memory
 * @data, @size: the whole file; borrowed until dump_close()
 * @err: one sentence that names the format, where it is known
 *
 * A file that is cut short is opened as far as it goes: see @cut.
 *
 * Freed with dump_close(), whatever this returns.
 *
 * Returns: false; with ERR_USAGE when it is in no format that is known, and
 * may so be raw memory
 */
bool dump_open(Dump *dump, const uint8_t *data, uint64_t size, Err *err);

/**
 * dump_open_raw - take a file as nothing but memory
 * @low: bytes of it below 4 GiB; what is behind them is the guest's memory
 *       from 4 GiB on; 0: there is no gap
 */
bool dump_open_raw(Dump *dump, const uint8_t *data, uint64_t size,
                   uint64_t low, Err *err);

void dump_close(Dump *dump);

/**
 * dump_progress - told how far a search through all of a file is
 */
typedef void DumpProgress(uint64_t done, uint64_t all);

/**
 * dump_find_cpus - find what stands in for registers, in memory alone
 * @progress: may be NULL
 *
 * First what leads there: a Windows header's CR3, the code that starts other
 * processors; from the kernel found so to its debugger block and the CPUs it
 * lists.  Else all pages are searched, for KPCRs and for roots of page tables
 * that map them where they say they are.
 *
 * Sets @regs and @n_regs; interrupted code, CPL and LSTAR stay unknown.
 *
 * Context: allocates some KiB for its own time; the search reads every page,
 * but those of @stored's holes.
 */
bool dump_find_cpus(Dump *dump, DumpProgress *progress, Err *err);

/**
 * dump_bytes - copy bytes of the file
 * @offset: as the format counts, in the file put in order
 */
bool dump_bytes(const Dump *dump, uint64_t offset, void *buf, size_t len);

/**
 * dump_triage_read - read a minidump's memory by virtual address
 *
 * The stack, the crashing CPU's block, thread and process, and the data
 * blocks are all it has.
 */
bool dump_triage_read(const Dump *dump, uint64_t gva, void *buf, size_t len);

/* A driver as a minidump lists it. */
typedef struct DumpDriver {
    uint64_t base;
    uint32_t size;
    uint32_t timestamp;
    char name[192];         /* UTF-8; "" when it cannot be read */
} DumpDriver;

/**
 * dump_triage_driver - one of a minidump's drivers
 * @i: below triage.n_drivers
 */
bool dump_triage_driver(const Dump *dump, uint32_t i, DumpDriver *driver);

/**
 * dump_codec_name - "zlib" and so on; and is it there in this program?
 */
const char *dump_codec_name(DumpCodec codec);
bool dump_has_codec(DumpCodec codec);

#endif
