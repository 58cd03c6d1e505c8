/*
 * attach/scan: KPCRs by what they look like, without any register.
 *
 * A KPCR points to itself and to the PRCB inside of it, so a page of guest
 * RAM that does, at the address that the kernel's page tables give, is one.
 * Only pages that QEMU has in memory are looked at, some at a time.
 *
 * Source: docs/guest-facts/kernel.md, "KPCR".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_SCAN_H
#define VMSCOPE_ATTACH_SCAN_H

#include "source/attach/memory.h"

enum { ATTACH_SCAN_MAX = 1024 };

typedef struct AttachKpcr {
    uint64_t gva;
    uint32_t number;            /* Windows' own, of the processor */
} AttachKpcr;

typedef struct AttachScan {
    pid_t pid;
    GmemSpace space;
    unsigned range;             /* where it has come to */
    uint64_t inside;
    bool done;
    unsigned n;
    AttachKpcr found[ATTACH_SCAN_MAX];
} AttachScan;

/**
 * attach_scan_begin - begin anew
 * @space: maps the kernel; its memory is the one that is searched
 */
void attach_scan_begin(AttachScan *scan, pid_t pid, const GmemSpace *space);

/**
 * attach_scan_some - look at some MiB
 * @budget_ns: for how long, about
 *
 * Returns: true when all was looked at
 */
bool attach_scan_some(AttachScan *scan, AttachMemory *memory,
                      uint64_t budget_ns);

/* The KPCR of a processor; 0: not found (or two of them were). */
uint64_t attach_scan_kpcr(const AttachScan *scan, uint32_t number);

#endif
