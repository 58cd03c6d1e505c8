/*
 * gmem: read a guest's memory by physical or virtual address.
 *
 * Everything above this room sees a guest only through a GuestMem, so the
 * same code runs on a live machine, on a saved image and on a test's
 * hand-made pages.  This room follows page tables; it has no idea what the
 * bytes mean.  It never writes.
 *
 * Everything here may be called from any thread, takes no lock, allocates
 * nothing, and does a bounded number of physical reads: at most five for a
 * translation.  What is read may change meanwhile, and may be a lie.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_GMEM_GMEM_H
#define VMSCOPE_GMEM_GMEM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GMEM_PAGE = 4096 };

/* The embedder's half.  A plain struct: it is filled in, not asked. */
typedef struct GmemOps {
    /*
     * Copy @len bytes at guest-physical @gpa; false if any is not RAM.  An
     * aligned read of 8 bytes must be one load: others rely on it.
     */
    bool (*read_phys)(void *opaque, uint64_t gpa, void *buf, size_t len);
    /*
     * What is read from now on must not be older than this call; optional.
     * For those that answer reads from copies, as reading costs them much.
     */
    void (*fresh)(void *opaque);
} GmemOps;

typedef struct GuestMem {
    const GmemOps *ops;
    void *opaque;
} GuestMem;

/**
 * gmem_fresh - whoever keeps copies of the guest's memory drops them
 *
 * Called before memory is read a second time to see whether it has changed.
 */
static inline void gmem_fresh(const GuestMem *mem)
{
    if (mem->ops->fresh) {
        mem->ops->fresh(mem->opaque);
    }
}

/* An address space: memory seen through one root of page tables. */
typedef struct GmemSpace {
    const GuestMem *mem;
    uint64_t cr3;           /* as the CPU holds it; PCID and flags ignored */
    unsigned levels;        /* 4, or 5 with CR4.LA57 */
} GmemSpace;

/**
 * gmem_read_phys - copy guest bytes found at a physical address
 * @err: names the address; may be NULL, which is also faster
 *
 * Returns: true when all @len bytes were copied; else @buf is unspecified
 */
bool gmem_read_phys(const GuestMem *mem, uint64_t gpa, void *buf, size_t len,
                    Err *err);

/**
 * gmem_is_canonical - may this be a virtual address at all?
 * @levels: 4 or 5
 *
 * Source: Intel SDM vol. 1, 3.3.7.1 "Canonical Addressing".
 */
bool gmem_is_canonical(unsigned levels, uint64_t gva);

/**
 * gmem_is_kernel - is this an address in the upper half?
 */
static inline bool gmem_is_kernel(const GmemSpace *space, uint64_t gva)
{
    return (gva >> 63) && gmem_is_canonical(space->levels, gva);
}

/**
 * gmem_translate - find the physical address of a virtual one
 * @space: whose page tables
 * @gva: guest virtual address
 * @gpa: receives its physical address
 * @left: receives the bytes from @gva to the end of its page, of whatever
 *        size that is (4 KiB, 2 MiB, 1 GiB); may be NULL
 * @err: says which address failed and at which level; may be NULL
 *
 * Present bits alone decide: rights, NX and reserved bits do not matter for
 * an observer.  Low bits of CR3 are masked; so are bits 52 and up of entries.
 * Source: Intel SDM vol. 3A, 4.5 "4-Level Paging and 5-Level Paging".
 *
 * Returns: true when every level was present and its table is RAM
 */
bool gmem_translate(const GmemSpace *space, uint64_t gva, uint64_t *gpa,
                    uint64_t *left, Err *err);

/**
 * gmem_read - copy guest bytes found at a virtual address
 * @gva: address of the first byte
 * @buf: receives @len bytes; on failure its content is unspecified
 * @len: bytes; a read may span pages
 * @err: says which address failed and why; may be NULL
 *
 * Returns: true when all @len bytes were copied
 */
bool gmem_read(const GmemSpace *space, uint64_t gva, void *buf, size_t len,
               Err *err);

/**
 * gmem_read_some - the same, for a stretch of which pages may be missing
 * @present: receives a bit for each page touched, from the page of @gva on;
 *           bytes of missing pages are zeroed.  At most 64 pages.
 *
 * Returns: how many bytes were copied from memory
 */
size_t gmem_read_some(const GmemSpace *space, uint64_t gva, void *buf,
                      size_t len, uint64_t *present);

/* One little-endian number at a virtual address; false when it is not there. */
bool gmem_read_u64(const GmemSpace *space, uint64_t gva, uint64_t *value);
bool gmem_read_u32(const GmemSpace *space, uint64_t gva, uint32_t *value);
bool gmem_read_u16(const GmemSpace *space, uint64_t gva, uint16_t *value);
bool gmem_read_u8(const GmemSpace *space, uint64_t gva, uint8_t *value);

#endif
