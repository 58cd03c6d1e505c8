/*
 * winos/pe: see pe.h.
 *
 * Nothing that an image says is used before it was compared with the image's
 * own size, and that size with PE_MAX_IMAGE and the end of the addresses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/pe.h"

#include "base/le.h"

#include <inttypes.h>
#include <string.h>

/* Source for all that follow: Microsoft, "PE Format". */
enum {
    DOS_MAGIC = 0x5a4d,             /* "MZ" */
    DOS_LFANEW = 0x3c,              /* offset of the PE header */
    DOS_SIZE = 0x40,
    LFANEW_MAX = 0x800,             /* it shares the first page */

    /* From the PE header on. */
    NT_SIGNATURE = 0x00004550,      /* "PE\0\0" */
    NT_MACHINE = 4,
    NT_SECTIONS = 6,
    NT_TIMESTAMP = 8,
    NT_OPTIONAL_SIZE = 20,
    NT_OPTIONAL = 24,
    NT_MAGIC = NT_OPTIONAL,
    NT_IMAGE_SIZE = NT_OPTIONAL + 56,
    NT_DIRECTORIES = NT_OPTIONAL + 108,
    NT_EXPORT_RVA = NT_OPTIONAL + 112,
    NT_EXPORT_SIZE = NT_OPTIONAL + 116,
    NT_SIZE = NT_OPTIONAL + 120,    /* as far as we read */
    MACHINE_AMD64 = 0x8664,
    MAGIC_PE32_PLUS = 0x20b,

    SECTION_VIRTUAL_SIZE = 8,
    SECTION_RVA = 12,
    SECTION_RAW_SIZE = 16,
    SECTION_FLAGS = 36,
    SECTION_SIZE = 40,

    EXPORT_NAME = 12,
    EXPORT_N_FUNCTIONS = 20,
    EXPORT_N_NAMES = 24,
    EXPORT_FUNCTIONS = 28,
    EXPORT_NAMES = 32,
    EXPORT_ORDINALS = 36,
    EXPORT_DIRECTORY_SIZE = 40,
};

/* Pages of text read for one search of all names; a kernel has some 20. */
enum { MAX_TEXT_READS = 4096 };

static const uint32_t section_execute = 0x20000000;
static const uint32_t section_write = 0x80000000;

static bool read_nt_headers(const GmemSpace *space, uint64_t base,
                            uint32_t *lfanew, uint8_t *nt)
{
    uint16_t magic;

    if (!gmem_read_u16(space, base, &magic) || magic != DOS_MAGIC ||
        base > UINT64_MAX - LFANEW_MAX - NT_SIZE ||
        !gmem_read_u32(space, base + DOS_LFANEW, lfanew) ||
        *lfanew < DOS_SIZE || *lfanew > LFANEW_MAX || *lfanew % 4 ||
        !gmem_read(space, base + *lfanew, nt, NT_SIZE, NULL)) {
        return false;
    }
    return load_le32(nt) == NT_SIGNATURE &&
           load_le16(nt + NT_MACHINE) == MACHINE_AMD64 &&
           load_le16(nt + NT_MAGIC) == MAGIC_PE32_PLUS;
}

bool pe_probe(const GmemSpace *space, uint64_t base)
{
    uint8_t nt[NT_SIZE];
    uint32_t lfanew;

    return read_nt_headers(space, base, &lfanew, nt);
}

static bool pe_take_size(PeImage *image, const uint8_t *nt, Err *err)
{
    image->size = load_le32(nt + NT_IMAGE_SIZE);
    if (image->size < GMEM_PAGE || image->size > PE_MAX_IMAGE ||
        image->size - 1 > UINT64_MAX - image->base) {
        err_set(err, ERR_FORMAT, "the image at 0x%" PRIx64 " has an "
                "impossible size, 0x%" PRIx32, image->base, image->size);
        return false;
    }
    return true;
}

/* A directory outside the image is as good as none. */
static void take_exports(PeImage *image, const uint8_t *nt)
{
    uint32_t rva = load_le32(nt + NT_EXPORT_RVA);
    uint32_t size = load_le32(nt + NT_EXPORT_SIZE);

    if (load_le16(nt + NT_OPTIONAL_SIZE) < NT_SIZE - NT_OPTIONAL ||
        !load_le32(nt + NT_DIRECTORIES) || size < EXPORT_DIRECTORY_SIZE ||
        size > image->size || rva > image->size - size) {
        rva = size = 0;
    }
    image->export_rva = rva;
    image->export_size = size;
}

static bool take_section(PeImage *image, PeSection *section,
                         const uint8_t *raw)
{
    uint32_t flags = load_le32(raw + SECTION_FLAGS);

    memcpy(section->name, raw, sizeof(section->name) - 1);
    section->name[sizeof(section->name) - 1] = '\0';
    section->rva = load_le32(raw + SECTION_RVA);
    section->size = load_le32(raw + SECTION_VIRTUAL_SIZE);
    if (!section->size) {
        section->size = load_le32(raw + SECTION_RAW_SIZE);
    }
    section->code = flags & section_execute;
    section->writable = flags & section_write;
    if (section->rva >= image->size) {
        return false;
    }
    if (section->size > image->size - section->rva) {
        section->size = image->size - section->rva;
    }
    return true;
}

static bool read_sections(PeImage *image, uint64_t table, unsigned n,
                          Err *err)
{
    uint8_t raw[PE_MAX_SECTIONS * SECTION_SIZE];

    if (!n || n > PE_MAX_SECTIONS) {
        err_set(err, ERR_FORMAT, "the image at 0x%" PRIx64 " has %u sections",
                image->base, n);
        return false;
    }
    if (table - image->base > image->size - n * SECTION_SIZE ||
        !gmem_read(&image->space, table, raw, n * SECTION_SIZE, NULL)) {
        err_set(err, ERR_FAULT, "the image at 0x%" PRIx64 " has no table of "
                "sections that can be read", image->base);
        return false;
    }
    for (; image->n_sections < n; image->n_sections++) {
        if (!take_section(image, &image->sections[image->n_sections],
                          raw + image->n_sections * SECTION_SIZE)) {
            err_set(err, ERR_FORMAT, "section %u of the image at 0x%" PRIx64
                    " begins outside it", image->n_sections, image->base);
            return false;
        }
    }
    return true;
}

bool pe_open(PeImage *image, const GmemSpace *space, uint64_t base, Err *err)
{
    uint8_t nt[NT_SIZE];
    uint32_t lfanew;

    memset(image, 0, sizeof(*image));
    image->space = *space;
    image->base = base;
    if (base % GMEM_PAGE || !read_nt_headers(space, base, &lfanew, nt)) {
        err_set(err, ERR_FORMAT, "no headers of an x86-64 PE image at 0x%"
                PRIx64, base);
        return false;
    }
    if (!pe_take_size(image, nt, err)) {
        return false;
    }
    image->timestamp = load_le32(nt + NT_TIMESTAMP);
    take_exports(image, nt);
    return read_sections(image, base + lfanew + NT_OPTIONAL +
                         load_le16(nt + NT_OPTIONAL_SIZE),
                         load_le16(nt + NT_SECTIONS), err);
}

const PeSection *pe_section_of(const PeImage *image, uint64_t gva)
{
    uint64_t rva = gva - image->base;
    unsigned i;

    for (i = 0; i < image->n_sections; i++) {
        const PeSection *section = &image->sections[i];

        if (rva >= section->rva && rva - section->rva < section->size) {
            return section;
        }
    }
    return NULL;
}

/* A page of the image at hand: names lie side by side. */
typedef struct Window {
    uint32_t rva;                   /* of the page; 1: none yet */
    bool there;
    unsigned n_reads;
    uint8_t bytes[GMEM_PAGE];
} Window;

static void window_init(Window *window)
{
    window->rva = 1;
    window->n_reads = 0;
}

static bool window_byte(const PeImage *image, Window *window, uint32_t rva,
                        uint8_t *byte)
{
    uint32_t page = rva - rva % GMEM_PAGE;

    if (rva >= image->size) {
        return false;
    }
    if (window->rva != page) {
        window->rva = page;
        window->n_reads++;
        window->there = gmem_read(&image->space, image->base + page,
                                  window->bytes, GMEM_PAGE, NULL);
    }
    if (!window->there) {
        return false;
    }
    *byte = window->bytes[rva - page];
    return true;
}

static bool window_u32(const PeImage *image, Window *window, uint32_t rva,
                       uint32_t *value)
{
    uint8_t raw[sizeof(*value)];
    unsigned i;

    for (i = 0; i < sizeof(raw); i++) {
        if (!window_byte(image, window, rva + i, &raw[i])) {
            return false;
        }
    }
    *value = load_le32(raw);
    return true;
}

/* One byte more than any name that is looked for, so that none is cut. */
typedef char Name[PE_NAME_MAX + 1];

static bool window_name(const PeImage *image, Window *window, uint32_t rva,
                        Name name)
{
    unsigned i;
    uint8_t byte;

    for (i = 0; i < PE_NAME_MAX; i++) {
        if (!window_byte(image, window, rva + i, &byte)) {
            return false;
        }
        name[i] = (char)byte;
        if (!byte) {
            return true;
        }
    }
    name[i] = '\0';
    return true;
}

/* The export directory, while names are looked for in it. */
typedef struct Exports {
    const PeImage *image;
    uint32_t n_functions, n_names;
    uint32_t functions, names, ordinals;    /* RVAs of arrays */
    Window index, text;                     /* of names, and their text */
} Exports;

static bool array_fits(const PeImage *image, uint32_t rva, uint32_t n,
                       uint32_t size)
{
    return rva <= image->size && n <= (image->size - rva) / size;
}

static bool read_directory(const PeImage *image, uint8_t *raw)
{
    return image->export_rva &&
           gmem_read(&image->space, image->base + image->export_rva, raw,
                     EXPORT_DIRECTORY_SIZE, NULL);
}

static bool exports_open(Exports *exports, const PeImage *image)
{
    uint8_t raw[EXPORT_DIRECTORY_SIZE];

    exports->image = image;
    window_init(&exports->index);
    window_init(&exports->text);
    if (!read_directory(image, raw)) {
        return false;
    }
    exports->n_functions = load_le32(raw + EXPORT_N_FUNCTIONS);
    exports->n_names = load_le32(raw + EXPORT_N_NAMES);
    exports->functions = load_le32(raw + EXPORT_FUNCTIONS);
    exports->names = load_le32(raw + EXPORT_NAMES);
    exports->ordinals = load_le32(raw + EXPORT_ORDINALS);
    return exports->n_functions <= PE_MAX_EXPORTS &&
           exports->n_names <= PE_MAX_EXPORTS &&
           array_fits(image, exports->functions, exports->n_functions, 4) &&
           array_fits(image, exports->names, exports->n_names, 4) &&
           array_fits(image, exports->ordinals, exports->n_names, 2);
}

static bool pe_name_at(Exports *exports, uint32_t i, Name name)
{
    uint32_t rva;

    return window_u32(exports->image, &exports->index, exports->names + 4 * i,
                      &rva) &&
           window_name(exports->image, &exports->text, rva, name);
}

/* Where the export that @i names is, or 0. */
static uint64_t pe_address_at(const Exports *exports, uint32_t i)
{
    const PeImage *image = exports->image;
    uint16_t ordinal;
    uint32_t rva;

    if (!gmem_read_u16(&image->space, image->base + exports->ordinals + 2 * i,
                       &ordinal) ||
        ordinal >= exports->n_functions ||
        !gmem_read_u32(&image->space, image->base + exports->functions +
                       4 * ordinal, &rva) ||
        !rva || rva >= image->size) {
        return 0;
    }
    /* One that points into the directory is the name of a forwarder. */
    if (rva - image->export_rva < image->export_size) {
        return 0;
    }
    return image->base + rva;
}

static bool find_sorted(Exports *exports, const char *wanted, uint32_t *at)
{
    uint32_t low = 0;
    uint32_t high = exports->n_names;
    Name name;

    while (low < high) {
        int order;

        *at = low + (high - low) / 2;
        if (!pe_name_at(exports, *at, name)) {
            return false;
        }
        order = strcmp(wanted, name);
        if (!order) {
            return true;
        }
        if (order < 0) {
            high = *at;
        } else {
            low = *at + 1;
        }
    }
    return false;
}

/*
 * All names once, for all that are still wanted.  A text that jumps from page
 * to page for ever is no linker's.
 */
static void find_unsorted(Exports *exports, const char *const *names,
                          unsigned n, uint64_t *addresses)
{
    unsigned last = exports->text.n_reads + MAX_TEXT_READS;
    Name name;
    uint32_t i;
    unsigned k;

    for (i = 0; i < exports->n_names && exports->text.n_reads < last; i++) {
        if (!pe_name_at(exports, i, name)) {
            continue;
        }
        for (k = 0; k < n; k++) {
            if (!addresses[k] && !strcmp(name, names[k])) {
                addresses[k] = pe_address_at(exports, i);
            }
        }
    }
}

unsigned pe_exports(const PeImage *image, const char *const *names, unsigned n,
                    uint64_t *addresses)
{
    Exports exports;
    unsigned n_known = 0;       /* those that are there, if of no use */
    unsigned found = 0;
    uint32_t at;
    unsigned i;

    memset(addresses, 0, n * sizeof(*addresses));
    if (!exports_open(&exports, image)) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (find_sorted(&exports, names[i], &at)) {
            addresses[i] = pe_address_at(&exports, at);
            n_known++;
        }
    }
    if (n_known < n) {
        find_unsorted(&exports, names, n, addresses);
    }
    for (i = 0; i < n; i++) {
        found += addresses[i] != 0;
    }
    return found;
}

/* While the names are gone through for the places nearest to them. */
typedef struct Nearest {
    Exports exports;
    Window ordinals, functions;
    PePlace *places;
    unsigned n;
    unsigned max_reads;
} Nearest;

static unsigned nearest_reads(const Nearest *nearest)
{
    return nearest->exports.index.n_reads + nearest->exports.text.n_reads +
           nearest->ordinals.n_reads + nearest->functions.n_reads;
}

/* As pe_address_at(), by pages: neighbours are asked for one by another. */
static uint64_t nearest_address(Nearest *nearest, uint32_t i)
{
    const Exports *exports = &nearest->exports;
    const PeImage *image = exports->image;
    uint8_t low, high;
    uint16_t ordinal;
    uint32_t rva;

    if (!window_byte(image, &nearest->ordinals, exports->ordinals + 2 * i,
                     &low) ||
        !window_byte(image, &nearest->ordinals, exports->ordinals + 2 * i + 1,
                     &high)) {
        return 0;
    }
    ordinal = (uint16_t)(low | high << 8);
    if (ordinal >= exports->n_functions ||
        !window_u32(image, &nearest->functions,
                    exports->functions + 4 * ordinal, &rva) ||
        !rva || rva >= image->size ||
        rva - image->export_rva < image->export_size) {
        return 0;
    }
    return image->base + rva;
}

/* The first place at or behind @address; n when there is none. */
static unsigned nearest_first(const Nearest *nearest, uint64_t address)
{
    unsigned low = 0;
    unsigned high = nearest->n;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (nearest->places[middle].gva < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Each export goes to the first place behind it; the highest one stays. */
static bool nearest_collect(Nearest *nearest)
{
    uint32_t i;

    for (i = 0; i < nearest->exports.n_names; i++) {
        uint64_t address = nearest_address(nearest, i);
        unsigned at;

        if (nearest_reads(nearest) > nearest->max_reads) {
            return false;
        }
        at = address ? nearest_first(nearest, address) : nearest->n;
        if (at < nearest->n && nearest->places[at].export < address) {
            nearest->places[at].export = address;
            nearest->places[at].name_index = i;
        }
    }
    return true;
}

/* Those that got none of their own have that of the place before them. */
static bool nearest_spread(Nearest *nearest)
{
    unsigned i;

    for (i = 1; i < nearest->n; i++) {
        PePlace *place = &nearest->places[i];

        if (place->export < place[-1].export) {
            place->export = place[-1].export;
            place->name_index = place[-1].name_index;
        }
    }
    for (i = 0; i < nearest->n; i++) {
        PePlace *place = &nearest->places[i];
        const PeSection *section = pe_section_of(nearest->exports.image,
                                                 place->gva);
        Name name;

        if (!place->export || !section ||
            pe_section_of(nearest->exports.image, place->export) != section ||
            !pe_name_at(&nearest->exports, place->name_index, name)) {
            place->export = 0;
            continue;
        }
        memcpy(place->name, name, PE_NAME_MAX - 1);
        place->name[PE_NAME_MAX - 1] = '\0';
        if (nearest_reads(nearest) > nearest->max_reads) {
            return false;
        }
    }
    return true;
}

static void nearest_clear(PePlace *places, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        places[i].export = 0;
        places[i].name_index = 0;
        memset(places[i].name, 0, sizeof(places[i].name));
    }
}

bool pe_nearest(const PeImage *image, PePlace *places, unsigned n,
                unsigned *pages)
{
    Nearest nearest = { .places = places, .n = n, .max_reads = *pages };
    unsigned reads;
    bool ok;

    nearest_clear(places, n);
    if (!exports_open(&nearest.exports, image)) {
        return false;
    }
    window_init(&nearest.ordinals);
    window_init(&nearest.functions);
    ok = nearest_collect(&nearest) && nearest_spread(&nearest);
    reads = nearest_reads(&nearest);
    *pages -= reads < *pages ? reads : *pages;
    if (!ok) {
        nearest_clear(places, n);
    }
    return ok;
}

bool pe_name(const PeImage *image, char name[PE_NAME_MAX])
{
    uint8_t raw[EXPORT_DIRECTORY_SIZE];
    Window window;
    Name whole;

    window_init(&window);
    if (!read_directory(image, raw) ||
        !window_name(image, &window, load_le32(raw + EXPORT_NAME), whole) ||
        !*whole) {
        return false;
    }
    memcpy(name, whole, PE_NAME_MAX - 1);
    name[PE_NAME_MAX - 1] = '\0';
    return true;
}
