/*
 * fake-pe: a small PE32+ image in a fake guest's memory.
 *
 * It is right in all that it says; a test makes it wrong afterwards, by
 * fake_guest_put32() and the like.
 *
 * Source: Microsoft, "PE Format", learn.microsoft.com/windows/win32/debug.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TESTS_FAKE_PE_H
#define VMSCOPE_TESTS_FAKE_PE_H

#include "fake-guest.h"

/* Where the PE header stands, and what is in it, from the image's base. */
enum {
    FAKE_PE_NT = 0xe8,
    FAKE_PE_MACHINE = FAKE_PE_NT + 4,
    FAKE_PE_N_SECTIONS = FAKE_PE_NT + 6,
    FAKE_PE_TIMESTAMP = FAKE_PE_NT + 8,
    FAKE_PE_OPTIONAL_SIZE = FAKE_PE_NT + 20,
    FAKE_PE_MAGIC = FAKE_PE_NT + 24,
    FAKE_PE_IMAGE_SIZE = FAKE_PE_NT + 80,
    FAKE_PE_N_DIRECTORIES = FAKE_PE_NT + 132,
    FAKE_PE_EXPORT_RVA = FAKE_PE_NT + 136,
    FAKE_PE_EXPORT_SIZE = FAKE_PE_NT + 140,
    FAKE_PE_SECTIONS = FAKE_PE_NT + 264,
};

/* From the export directory's first byte. */
enum {
    FAKE_PE_NAME = 12,
    FAKE_PE_N_FUNCTIONS = 20,
    FAKE_PE_N_NAMES = 24,
    FAKE_PE_FUNCTIONS = 28,
    FAKE_PE_NAMES = 32,
    FAKE_PE_ORDINALS = 36,
    FAKE_PE_DIRECTORY_SIZE = 40,
};

enum { FAKE_PE_CODE = 0x60000020, FAKE_PE_DATA = 0xc0000040u };

typedef struct FakePeSection {
    const char *name;
    uint32_t rva, size;
    uint32_t flags;
} FakePeSection;

typedef struct FakePeExport {
    const char *name;           /* in the order of the table of names */
    uint32_t rva;
} FakePeExport;

typedef struct FakePe {
    uint32_t size, timestamp;
    const FakePeSection *sections;
    unsigned n_sections;
    const char *name;
    uint32_t export_rva;        /* a page's first byte; 0: no exports */
    const FakePeExport *exports;
    unsigned n_exports;
} FakePe;

/**
 * fake_pe_put - write an image's headers and exports
 * @base: a page's first byte
 *
 * Maps fresh pages for the headers and the export directory; all others are
 * the test's to map.  The ordinals run against the names.
 *
 * Behind the directory stand the functions' RVAs, the names', the ordinals,
 * and the text.
 */
void fake_pe_put(FakeGuest *g, uint64_t base, const FakePe *pe);

#endif
