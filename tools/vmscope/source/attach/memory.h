/*
 * attach/memory: guest RAM read out of a QEMU's process.
 *
 * By process_vm_readv(), whole pages at a time, as it costs by the piece and
 * not by the byte; pages are kept until gmem_fresh().  RAM that is a shared
 * file (a memfd, say) is mapped read-only instead.  Nothing here stops,
 * signals or changes that process.
 *
 * One thread at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_MEMORY_H
#define VMSCOPE_ATTACH_MEMORY_H

#include "gmem/gmem.h"
#include "source/attach/layout.h"

typedef struct AttachMemoryStats {
    uint64_t reads;             /* asked for */
    uint64_t pages;             /* fetched from the process */
    uint64_t calls;             /* of process_vm_readv() */
    uint64_t faults;            /* reads and samples that were no RAM */
    uint64_t mapped_bytes;      /* of RAM that is mapped here */
    unsigned n_mapped;          /* ranges of it */
} AttachMemoryStats;

/* For tests and benches: false: nothing is mapped.  Set before all else. */
extern bool attach_memory_may_map;

typedef struct AttachMemory AttachMemory;

/**
 * attach_memory_new - no memory yet
 * @pid: of QEMU
 *
 * Returns: freed with attach_memory_free()
 */
AttachMemory *attach_memory_new(pid_t pid);
void attach_memory_free(AttachMemory *memory);

/**
 * attach_memory_set_layout - where it is, from now on
 * @layout: taken over; all of its ranges have a hva
 * @mappings, @n: of the process; those of shared files are mapped here
 *
 * Pointers from attach_memory_map() are no longer good.
 */
void attach_memory_set_layout(AttachMemory *memory, AttachLayout *layout,
                              const AttachMapping *mappings, size_t n);

const AttachLayout *attach_memory_layout(const AttachMemory *memory);

/* As core rooms see it; good as long as @memory is. */
const GuestMem *attach_memory_guest(const AttachMemory *memory);

/**
 * attach_memory_sample - eight bytes of each of several places, now
 * @ok: receives whether that place could be read
 *
 * In one call of process_vm_readv() where none is mapped.
 */
void attach_memory_sample(AttachMemory *memory, const uint64_t *gpas,
                          uint64_t *values, bool *ok, unsigned n);

/* Where eight aligned bytes can be loaded from; NULL: not mapped. */
const uint64_t *attach_memory_map(const AttachMemory *memory, uint64_t gpa);

/**
 * attach_memory_try - can anything be read?
 *
 * Returns: 0, or an errno: EPERM, ESRCH ...
 */
int attach_memory_try(AttachMemory *memory);

const AttachMemoryStats *attach_memory_stats(const AttachMemory *memory);

#endif
