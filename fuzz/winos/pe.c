/*
 * fuzz/winos/pe: what must hold for any image.
 *
 * 1. What is opened lies within itself: sections, exports, size.
 * 2. The name is what stands there; an export that is found has that name and
 *    is where the directory says.  One that a plain look at all names finds is
 *    found.
 * 3. The nearest export of an address is the highest one at or before it, and
 *    no other; of some addresses at once, the same as of each alone.
 * 4. The number of reads has a bound.
 *
 * A guest has a small image that is right; an input (script.h) then changes
 * it:
 *
 *     t            put it at the last addresses of all instead
 *     b AT VALUE   a byte; AT is counted from the base
 *     w AT VALUE   two bytes
 *     d AT VALUE   four
 *     e AT VALUE   four, AT counted from the export directory
 *     n I TEXT     the name with that number points to that RVA
 *     u AT         take that page away
 *     m AT         map a page of zeroes there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "fake-pe.h"
#include "winos/pe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0xfffff80012345000

enum {
    RAM = 64 * GMEM_PAGE,
    SIZE = 8 * GMEM_PAGE,
    EXPORTS = 0x4000,
    N_NAMES = 6,
    N_MUST_FIND = 256,          /* with more names, time runs out first */
    PAGE_READS = 6,             /* a page table's levels, and the page */
    N_PLACES = 41,
    N_PAGES = 400,              /* read for the nearest exports */
};

static const FakePeSection sections[] = {
    { ".text", 0x1000, 0x3000, FAKE_PE_CODE },
    { ".edata", 0x4000, 0x1000, 0x40000040 },
    { ".data", 0x5000, 0x3000, FAKE_PE_DATA },
};

static const FakePeExport exports[] = {
    { "KeBugCheckEx", 0x1000 },
    { "NtBuildNumber", 0x5010 },
    { "PsGetProcessId", 0x1100 },
    { "PsInitialSystemProcess", 0x5020 },
};

static const FakePe image_pe = {
    .size = SIZE,
    .timestamp = 1,
    .sections = sections,
    .n_sections = sizeof(sections) / sizeof(*sections),
    .name = "ntoskrnl.exe",
    .export_rva = EXPORTS,
    .exports = exports,
    .n_exports = sizeof(exports) / sizeof(*exports),
};

static const char *const wanted[N_NAMES] = {
    "PsGetProcessId", "NtBuildNumber", "KeBugCheckEx",
    "PsInitialSystemProcess", "Absent", "",
};

static FakeGuest g;
static uint64_t base;
static PeImage image;

static void fail(const char *why, uint64_t value)
{
    fprintf(stderr, "pe: %s: 0x%llx\n", why, (unsigned long long)value);
    abort();
}

static void begin(uint64_t at)
{
    base = at;
    fake_guest_deinit(&g);
    fake_guest_init(&g, RAM, 4);
    fake_guest_map(&g, base, SIZE);
    fake_pe_put(&g, base, &image_pe);
}

/* A byte of the page that is mapped there, if one is. */
static void patch(uint64_t rva, uint64_t value, unsigned n)
{
    for (; n--; rva++, value >>= 8) {
        uint64_t gva = base + rva % SIZE;

        if (*fake_guest_entry(&g, gva, 1)) {
            fake_guest_put8(&g, gva, (uint8_t)value);
        }
    }
}

/* Byte by byte, and with wide numbers. */
static bool plain_number(uint64_t rva, unsigned n, uint64_t *value)
{
    uint8_t byte;

    *value = 0;
    while (n--) {
        if (rva + n >= image.size ||
            !gmem_read_u8(&g.space, base + rva + n, &byte)) {
            return false;
        }
        *value = *value << 8 | byte;
    }
    return true;
}

static bool plain_text_is(uint64_t rva, const char *text)
{
    uint64_t byte;
    size_t i;

    for (i = 0; i <= strlen(text); i++) {
        if (!plain_number(rva + i, 1, &byte) || byte != (uint8_t)text[i]) {
            return false;
        }
    }
    return true;
}

static bool is_in_directory(uint64_t rva)
{
    return rva >= image.export_rva &&
           rva < (uint64_t)image.export_rva + image.export_size;
}

typedef struct Directory {
    uint64_t n_functions, n_names, functions, names, ordinals;
} Directory;

static bool plain_directory(Directory *d)
{
    uint64_t at = image.export_rva;

    return at && plain_number(at + 20, 4, &d->n_functions) &&
           plain_number(at + 24, 4, &d->n_names) &&
           plain_number(at + 28, 4, &d->functions) &&
           plain_number(at + 32, 4, &d->names) &&
           plain_number(at + 36, 4, &d->ordinals) &&
           d->n_functions <= PE_MAX_EXPORTS && d->n_names <= PE_MAX_EXPORTS &&
           d->functions + 4 * d->n_functions <= image.size &&
           d->names + 4 * d->n_names <= image.size &&
           d->ordinals + 2 * d->n_names <= image.size;
}

static uint64_t plain_address(const Directory *d, uint64_t i)
{
    uint64_t ordinal;
    uint64_t rva;

    if (!plain_number(d->ordinals + 2 * i, 2, &ordinal) ||
        ordinal >= d->n_functions ||
        !plain_number(d->functions + 4 * ordinal, 4, &rva) || !rva ||
        rva >= image.size || is_in_directory(rva)) {
        return 0;
    }
    return base + rva;
}

/* A name may stand there twice: then each is as good. */
static void check_export(const Directory *d, const char *name, uint64_t found)
{
    unsigned n_useless = 0;
    unsigned n_right = 0;
    uint64_t text;
    uint64_t i;

    for (i = 0; i < d->n_names; i++) {
        if (plain_number(d->names + 4 * i, 4, &text) &&
            plain_text_is(text, name)) {
            uint64_t address = plain_address(d, i);

            if (address && address == found) {
                return;
            }
            n_right += address != 0;
            n_useless += !address;
        }
    }
    if (found) {
        fail("no such export", found);
    }
    if (n_right && !n_useless) {
        fail("an export was not found", n_right);
    }
}

static void check_exports(void)
{
    Directory d = { .n_names = 0 };
    uint64_t at[N_NAMES];
    uint64_t before = g.reads;
    unsigned n = pe_exports(&image, wanted, N_NAMES, at);
    bool is_there = plain_directory(&d);
    unsigned i;

    /* 17 steps each, then pages of text, and a few of their index. */
    if (g.reads - before > (N_NAMES * 17 * 4 + 4096 + 100 + N_NAMES * 4 +
                            PE_MAX_EXPORTS * 2) * PAGE_READS) {
        fail("too many reads", g.reads - before);
    }
    for (i = 0; i < N_NAMES; i++) {
        n -= at[i] != 0;
        if (!is_there && at[i]) {
            fail("an export without a directory", at[i]);
        }
        if (is_there && d.n_names <= N_MUST_FIND) {
            check_export(&d, wanted[i], at[i]);
        }
    }
    if (n) {
        fail("another number of exports", n);
    }
}

/* The highest export at or before @gva of its section, by a plain look. */
static uint64_t plain_nearest(const Directory *d, uint64_t gva)
{
    const PeSection *section = pe_section_of(&image, gva);
    uint64_t best = 0;
    uint64_t i;

    for (i = 0; section && i < d->n_names; i++) {
        uint64_t address = plain_address(d, i);

        if (address && address <= gva && address > best) {
            best = address;
        }
    }
    return best && pe_section_of(&image, best) == section ? best : 0;
}

/* Some of an image, its end, and what lies before and behind it. */
static unsigned nearest_places(PePlace *places)
{
    unsigned i;

    for (i = 0; i < N_PLACES; i++) {
        places[i].gva = base + (uint64_t)i * SIZE / (N_PLACES - 1);
    }
    return N_PLACES;
}

static void check_nearest(void)
{
    Directory d = { .n_names = 0 };
    bool is_there = plain_directory(&d);
    PePlace places[N_PLACES];
    unsigned n = nearest_places(places);
    unsigned pages = N_PAGES;
    uint64_t before = g.reads;
    bool ok = pe_nearest(&image, places, n, &pages);
    unsigned i;

    if (g.reads - before > (N_PAGES + 4) * PAGE_READS || pages > N_PAGES) {
        fail("too many reads for the nearest", g.reads - before);
    }
    for (i = 0; i < n; i++) {
        if (!memchr(places[i].name, 0, PE_NAME_MAX) ||
            (!ok && (places[i].export || *places[i].name))) {
            fail("a nearest from nowhere", places[i].gva);
        }
        if (places[i].export && is_there && d.n_names <= N_MUST_FIND &&
            places[i].export != plain_nearest(&d, places[i].gva)) {
            fail("another one is nearer", places[i].gva);
        }
    }
    for (i = 0; ok && i < n; i += 5) {
        PePlace one = { .gva = places[i].gva };

        pages = 4 * N_PAGES;
        if (!pe_nearest(&image, &one, 1, &pages) ||
            one.export != places[i].export ||
            strcmp(one.name, places[i].name)) {
            fail("alone it is another", one.gva);
        }
    }
}

static void check_name(void)
{
    char name[PE_NAME_MAX];
    uint64_t rva;
    uint64_t byte;
    unsigned i;

    if (!pe_name(&image, name)) {
        return;
    }
    if (!image.export_rva || !memchr(name, 0, sizeof(name)) || !*name ||
        !plain_number((uint64_t)image.export_rva + 12, 4, &rva)) {
        fail("a name from nowhere", image.export_rva);
    }
    for (i = 0; name[i]; i++) {
        if (!plain_number(rva + i, 1, &byte) || byte != (uint8_t)name[i]) {
            fail("another name", rva);
        }
    }
    if (i < PE_NAME_MAX - 1 && (!plain_number(rva + i, 1, &byte) || byte)) {
        fail("a name that ends early", rva);
    }
}

static void check_sections(void)
{
    unsigned i;

    if (!image.n_sections || image.n_sections > PE_MAX_SECTIONS) {
        fail("a number of sections", image.n_sections);
    }
    for (i = 0; i < image.n_sections; i++) {
        const PeSection *s = &image.sections[i];
        const PeSection *found = pe_section_of(&image, base + s->rva);

        if ((uint64_t)s->rva + s->size > image.size || s->name[8]) {
            fail("a section outside", s->rva);
        }
        if (s->size && (!found || found > s)) {
            fail("a section that is not found", s->rva);
        }
    }
}

static void check(void)
{
    Err err = {};

    g.reads = 0;
    if (!pe_open(&image, &g.space, base, &err)) {
        if (!*err.text || g.reads > 40) {
            fail("a refusal without a word, or late", g.reads);
        }
        return;
    }
    if (!pe_probe(&g.space, base) || *err.text) {
        fail("opened, but no image", base);
    }
    if (image.size > PE_MAX_IMAGE || image.size - 1 > UINT64_MAX - base ||
        (uint64_t)image.export_rva + image.export_size > image.size) {
        fail("larger than itself", image.size);
    }
    check_sections();
    check_name();
    check_exports();
    check_nearest();
}

void fuzz_check(const uint8_t *data, size_t len)
{
    Script script = script_begin(data, len);
    const uint64_t names = EXPORTS + FAKE_PE_DIRECTORY_SIZE +
                           4 * image_pe.n_exports;
    ScriptLine line;

    begin(BASE);
    while (script_next(&script, &line)) {
        uint64_t page = base + line.a % SIZE / GMEM_PAGE * GMEM_PAGE;

        switch (line.what) {
        case 't':
            begin(UINT64_MAX - SIZE + 1);
            break;
        case 'b':
            patch(line.a, line.b, 1);
            break;
        case 'w':
            patch(line.a, line.b, 2);
            break;
        case 'd':
            patch(line.a, line.b, 4);
            break;
        case 'e':
            patch(EXPORTS + line.a, line.b, 4);
            break;
        case 'n':
            patch(names + 4 * line.a, line.b, 4);
            break;
        case 'u':
            fake_guest_unmap(&g, page);
            break;
        case 'm':
            if (g.next_page <= RAM - 2 * GMEM_PAGE) {
                fake_guest_map(&g, page, GMEM_PAGE);
            }
            break;
        }
    }
    check();
}
