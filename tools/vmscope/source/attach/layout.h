/*
 * attach/layout: where a QEMU that is looked at from outside has guest RAM.
 *
 * From what its monitor says ("info mtree -f", "gpa2hva", "info ramblock"),
 * or without one from the mappings of its process.  The texts are those of
 * QEMU 5.2 to 11; what is not understood in them is left out.  Talking to the
 * monitor and reading memory are for others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_LAYOUT_H
#define VMSCOPE_ATTACH_LAYOUT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ATTACH_MAX_RANGES = 1024, ATTACH_MAX_MAPPINGS = 65536 };

/* Guest-physical memory that lies in one piece in QEMU's address space. */
typedef struct AttachRange {
    uint64_t gpa;
    uint64_t size;
    uint64_t hva;               /* 0: not known yet */
    uint64_t offset;            /* in its block */
    char block[128];            /* as the monitor names it; "" without one */
} AttachRange;

typedef struct AttachLayout {
    AttachRange *ranges;        /* by rising gpa; none overlap */
    unsigned n;
    uint64_t bytes;             /* in all of them */
} AttachLayout;

void attach_layout_init(AttachLayout *layout);
void attach_layout_free(AttachLayout *layout);

/* Whether both are of the same memory at the same place. */
bool attach_layout_same(const AttachLayout *a, const AttachLayout *b);

/**
 * attach_layout_parse_mtree - RAM and ROM of the address space "memory"
 * @text: of "info mtree -f"
 * @layout: receives ranges, without hva
 */
bool attach_layout_parse_mtree(AttachLayout *layout, const char *text,
                               Err *err);

/**
 * attach_layout_parse_ramblock - addresses of blocks, where they are shown
 * @text: of "info ramblock"; it has them since QEMU 8
 *
 * Sets hva of ranges whose block has a name that only one has.
 *
 * Returns: how many ranges have none now
 */
unsigned attach_layout_parse_ramblock(AttachLayout *layout, const char *text);

/**
 * attach_layout_parse_gpa2hva - one address
 * @text: of "gpa2hva"
 *
 * Returns: 0 when it says that there is none
 */
uint64_t attach_layout_parse_gpa2hva(const char *text);

/* A mapping of a process; those that are not readable are left out. */
typedef struct AttachMapping {
    uint64_t start, end;
    uint64_t offset;            /* in the file */
    uint64_t inode;             /* 0: anonymous */
    dev_t device;
    bool shared;
    bool writable;
    bool executable;            /* TCG keeps translated code in such ones */
    char path[128];             /* cut to fit; "" for none */
} AttachMapping;

/**
 * attach_mappings_parse - /proc/PID/maps
 * @n: receives how many there are
 *
 * Returns: freed with free(); NULL when there is none
 */
AttachMapping *attach_mappings_parse(const char *text, size_t *n);

/* The mapping that holds an address; NULL when there is none. */
const AttachMapping *attach_mapping_at(const AttachMapping *mappings,
                                       size_t n, uint64_t address);

/* What the command line says of a machine, as far as it does. */
typedef struct AttachShape {
    bool is_q35;
    bool is_pc;
    uint64_t memory;            /* bytes; 0: not known */
} AttachShape;

/**
 * attach_layout_guess - the layout of a PC whose monitor is not asked
 * @number: of the guess, from 0
 *
 * The largest writable mapping is taken for RAM, or as many of the largest as
 * make up all its memory exactly: that of several NUMA nodes.  Guesses differ
 * in where the hole below 4 GiB begins and in the order of the mappings.
 *
 * Returns: false when there is no such guess
 */
bool attach_layout_guess(AttachLayout *layout, const AttachMapping *mappings,
                         size_t n, unsigned number, const AttachShape *shape);

#endif
