/*
 * winos/pe: a loaded PE32+ image in guest memory: headers, sections, exports.
 *
 * Pages of a loaded image may be missing, and every number in it may be a
 * lie; whatever leaves the image or wraps is refused.
 *
 * Source: Microsoft, "PE Format", learn.microsoft.com/windows/win32/debug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_PE_H
#define VMSCOPE_WINOS_PE_H

#include "gmem/gmem.h"

enum {
    PE_MAX_SECTIONS = 96,           /* as Windows' own loader has it */
    PE_MAX_EXPORTS = 65536,
    PE_MAX_IMAGE = 0x8000000,       /* 128 MiB: four times any kernel yet */
    PE_NAME_MAX = 64,
};

typedef struct PeSection {
    char name[9];
    uint32_t rva;
    uint32_t size;                  /* in memory, cut to the image */
    bool code;                      /* executable */
    bool writable;
} PeSection;

typedef struct PeImage {
    GmemSpace space;
    uint64_t base;
    uint32_t size;                  /* SizeOfImage */
    uint32_t timestamp;
    uint32_t export_rva;            /* 0: none */
    uint32_t export_size;
    unsigned n_sections;
    PeSection sections[PE_MAX_SECTIONS];
} PeImage;

/**
 * pe_probe - might a PE32+ x86-64 image begin here?
 *
 * Reads two bytes, and more only if they are "MZ".
 */
bool pe_probe(const GmemSpace *space, uint64_t base);

/**
 * pe_open - read the headers of an image
 * @space: copied
 * @base: its first byte, page aligned
 *
 * Returns: false with a sentence when they are missing or impossible
 */
bool pe_open(PeImage *image, const GmemSpace *space, uint64_t base, Err *err);

/**
 * pe_name - the name in the export directory, such as "ntoskrnl.exe"
 * @name: receives it, NUL-terminated, cut to PE_NAME_MAX - 1 bytes
 *
 * Returns: false when there is none that can be read
 */
bool pe_name(const PeImage *image, char name[PE_NAME_MAX]);

/**
 * pe_exports - find some exports
 * @names: @n names, each below PE_NAME_MAX bytes, in any order
 * @addresses: receives their virtual addresses; 0 for one that is missing,
 *             forwarded to another image, or outside this one
 *
 * The table of names is sorted, by what linkers do, so a binary search finds
 * them.  For what it does not find all names are read once: a page it wanted
 * may be missing, or the order not kept.  At most PE_MAX_EXPORTS.
 *
 * Context: allocates nothing; some thousand reads at worst a name.
 *
 * Returns: how many were found
 */
unsigned pe_exports(const PeImage *image, const char *const *names, unsigned n,
                    uint64_t *addresses);

/* An address and the export that it belongs to, as far as names tell. */
typedef struct PePlace {
    uint64_t gva;
    int32_t owner;                  /* the caller's own: which image */
    uint32_t name_index;            /* of the export; internal */
    uint64_t export;                /* its address; 0: none */
    char name[PE_NAME_MAX];         /* cut to PE_NAME_MAX - 1 bytes */
} PePlace;

/**
 * pe_nearest - the export at or before each of some addresses
 * @places: @n of them, in ascending order of gva; export and name are set
 * @pages: how many pages of the image may be read; what was read is taken off
 *
 * All names are gone through once, whatever @n is.  An export counts for
 * addresses of its own section only.  Forwarders and what lies outside of the
 * image count for nothing; of several names of one address the first is taken.
 *
 * Context: allocates nothing.
 *
 * Returns: false when @pages did not suffice, or there are no exports that
 *          can be read: then no place has one, as it might be the wrong one
 */
bool pe_nearest(const PeImage *image, PePlace *places, unsigned n,
                unsigned *pages);

/**
 * pe_contains - is this virtual address within the image?
 */
static inline bool pe_contains(const PeImage *image, uint64_t gva)
{
    return gva - image->base < image->size;
}

/**
 * pe_section_of - the section a virtual address lies in, or NULL
 */
const PeSection *pe_section_of(const PeImage *image, uint64_t gva);

#endif
