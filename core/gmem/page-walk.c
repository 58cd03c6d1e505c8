/*
 * gmem/page-walk: from a virtual address to a physical one; see gmem.h.
 *
 * Source: Intel SDM vol. 3A, 4.5 "4-Level Paging and 5-Level Paging".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gmem/gmem.h"

#include "base/le.h"

#include <inttypes.h>

enum {
    PAGE_SHIFT = 12,
    LEVEL_BITS = 9,
    ENTRIES = 1 << LEVEL_BITS,
    ENTRY_PRESENT = 1 << 0,
    ENTRY_LARGE = 1 << 7,
    LARGE_MAX_LEVEL = 3,        /* 1 GiB; the bit is reserved above */
};

/* Of CR3 and of entries: the physical address. */
static const uint64_t address_mask = 0x000ffffffffff000;

static unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT + LEVEL_BITS * (level - 1);
}

bool gmem_is_canonical(unsigned levels, uint64_t gva)
{
    /* The top bit of the root's index and all above it are the same. */
    uint64_t top = gva >> (levels == 5 ? 56 : 47);

    return !top || top == UINT64_MAX >> (levels == 5 ? 56 : 47);
}

static bool read_entry(const GmemSpace *space, uint64_t table, uint64_t gva,
                       unsigned level, uint64_t *entry, Err *err)
{
    uint64_t index = gva >> level_shift(level) & (ENTRIES - 1);
    uint64_t gpa = table + index * sizeof(*entry);
    uint8_t raw[sizeof(*entry)];

    if (!space->mem->ops->read_phys(space->mem->opaque, gpa, raw,
                                    sizeof(raw))) {
        if (err) {
            err_set(err, ERR_FAULT, "no RAM behind the level %u page table "
                    "entry at gpa 0x%" PRIx64 " for gva 0x%" PRIx64, level,
                    gpa, gva);
        }
        return false;
    }
    *entry = load_le64(raw);
    return true;
}

static bool is_leaf(unsigned level, uint64_t entry)
{
    return level == 1 || (level <= LARGE_MAX_LEVEL && entry & ENTRY_LARGE);
}

bool gmem_translate(const GmemSpace *space, uint64_t gva, uint64_t *gpa,
                    uint64_t *left, Err *err)
{
    unsigned level = (space->levels == 5 ? 5 : 4) + 1;
    uint64_t entry = space->cr3;
    uint64_t in_page;

    if (!gmem_is_canonical(space->levels, gva)) {
        if (err) {
            err_set(err, ERR_FAULT, "gva 0x%" PRIx64 " is not canonical",
                    gva);
        }
        return false;
    }
    do {
        level--;
        if (!read_entry(space, entry & address_mask, gva, level, &entry,
                        err)) {
            return false;
        }
        if (!(entry & ENTRY_PRESENT)) {
            if (err) {
                err_set(err, ERR_FAULT, "gva 0x%" PRIx64 " is not mapped: "
                        "its level %u entry is not present", gva, level);
            }
            return false;
        }
    } while (!is_leaf(level, entry));
    in_page = (UINT64_C(1) << level_shift(level)) - 1;
    *gpa = (entry & address_mask & ~in_page) | (gva & in_page);
    if (left) {
        *left = in_page + 1 - (gva & in_page);
    }
    return true;
}
