/*
 * winos/pe: an image says what it is, and is not believed beyond itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/pe.h"

#include "fake-pe.h"

#include <glib.h>
#include <string.h>

#define BASE 0xfffff80012345000
#define LONG_NAME \
    "A234567890123456789012345678901234567890123456789012345678901234567890"

enum {
    RAM = 8 << 20,
    SIZE = 0x200000,
    EXPORTS = 0x100000,
    N_MANY = 3000,
};

static const FakePeSection sections[] = {
    { ".text", 0x1000, 0x80000, FAKE_PE_CODE },
    { ".rdata", 0x81000, 0x1000, 0x40000040 },
    { ".data", 0x82000, 0x7e000, FAKE_PE_DATA },
    { "PAGELONG", 0x1f0000, 0x20000, FAKE_PE_CODE },
};

static const FakePeExport exports[] = {
    { "", 0x1001 },
    { "Alpha", 0x1002 },
    { "Alpha2", 0x1003 },
    { LONG_NAME, 0x1004 },
    { "Beta", 0x1005 },
    { "alpha", 0x1006 },
    { "zeta", SIZE - 1 },
    { "\xc3\xa9", 0x1008 },
};

static const FakePe plain = {
    .size = SIZE,
    .timestamp = 0x12345678,
    .sections = sections,
    .n_sections = G_N_ELEMENTS(sections),
    .name = "ntoskrnl.exe",
    .export_rva = EXPORTS,
    .exports = exports,
    .n_exports = G_N_ELEMENTS(exports),
};

static FakeGuest g;
static PeImage image;

static void begin(const FakePe *pe)
{
    fake_guest_init(&g, RAM, 4);
    fake_pe_put(&g, BASE, pe);
}

static void begin_open(const FakePe *pe)
{
    Err err = {};

    begin(pe);
    g_assert_true(pe_open(&image, &g.space, BASE, &err));
    g_assert_cmpstr(err.text, ==, "");
}

static void end(void)
{
    fake_guest_deinit(&g);
}

static uint64_t find(const char *name)
{
    uint64_t address = 0x5555;
    unsigned found = pe_exports(&image, &name, 1, &address);

    g_assert_cmpuint(found, ==, address != 0);
    return address;
}

static void test_open(void)
{
    unsigned i;

    begin_open(&plain);
    g_assert_true(pe_probe(&g.space, BASE));
    g_assert_cmphex(image.base, ==, BASE);
    g_assert_cmphex(image.size, ==, SIZE);
    g_assert_cmphex(image.timestamp, ==, 0x12345678);
    g_assert_cmphex(image.export_rva, ==, EXPORTS);
    g_assert_cmpuint(image.n_sections, ==, 4);
    for (i = 0; i < 3; i++) {
        g_assert_cmpstr(image.sections[i].name, ==, sections[i].name);
        g_assert_cmphex(image.sections[i].rva, ==, sections[i].rva);
        g_assert_cmphex(image.sections[i].size, ==, sections[i].size);
        g_assert_cmpint(image.sections[i].code, ==, i == 0);
        g_assert_cmpint(image.sections[i].writable, ==, i == 2);
    }
    g_assert_cmpstr(image.sections[3].name, ==, "PAGELONG");
    g_assert_cmphex(image.sections[3].size, ==, 0x10000);
    end();
}

static void test_section_of(void)
{
    begin_open(&plain);
    g_assert_null(pe_section_of(&image, BASE));
    g_assert_null(pe_section_of(&image, BASE - 1));
    g_assert_null(pe_section_of(&image, BASE + 0xfff));
    g_assert_true(pe_section_of(&image, BASE + 0x1000) == image.sections);
    g_assert_true(pe_section_of(&image, BASE + 0x80fff) == image.sections);
    g_assert_true(pe_section_of(&image, BASE + 0x81000) ==
                  &image.sections[1]);
    g_assert_null(pe_section_of(&image, BASE + 0x100000));
    g_assert_true(pe_section_of(&image, BASE + SIZE - 1) ==
                  &image.sections[3]);
    g_assert_null(pe_section_of(&image, BASE + SIZE));
    g_assert_true(pe_contains(&image, BASE));
    g_assert_true(pe_contains(&image, BASE + SIZE - 1));
    g_assert_false(pe_contains(&image, BASE + SIZE));
    g_assert_false(pe_contains(&image, BASE - 1));
    end();
}

/* A header without a size in memory has that of the file. */
static void test_section_without_virtual_size(void)
{
    begin(&plain);
    fake_guest_put32(&g, BASE + FAKE_PE_SECTIONS + 8, 0);
    fake_guest_put32(&g, BASE + FAKE_PE_SECTIONS + 16, 0x600);
    g_assert_true(pe_open(&image, &g.space, BASE, NULL));
    g_assert_cmphex(image.sections[0].size, ==, 0x600);
    end();
}

typedef struct BadCase {
    const char *name;
    uint32_t at;
    unsigned bytes;
    uint32_t value;
    bool probes;
    const char *why;
} BadCase;

#define NO_HEADERS \
    "no headers of an x86-64 PE image at 0xfffff80012345000"
#define NO_TABLE "the image at 0xfffff80012345000 has no table of sections " \
    "that can be read"

static const BadCase bad_cases[] = {
    { "no-mz", 0, 2, 0x4d5a, false, NO_HEADERS },
    { "lfanew-in-dos-header", 0x3c, 4, 0x3c, false, NO_HEADERS },
    { "lfanew-far", 0x3c, 4, 0x804, false, NO_HEADERS },
    { "lfanew-wraps", 0x3c, 4, 0xfffffffc, false, NO_HEADERS },
    { "lfanew-odd", 0x3c, 4, FAKE_PE_NT + 1, false, NO_HEADERS },
    { "no-signature", FAKE_PE_NT, 4, 0x4551, false, NO_HEADERS },
    { "other-machine", FAKE_PE_MACHINE, 2, 0x14c, false, NO_HEADERS },
    { "32-bits", FAKE_PE_MAGIC, 2, 0x10b, false, NO_HEADERS },
    { "size-0", FAKE_PE_IMAGE_SIZE, 4, 0, true,
      "the image at 0xfffff80012345000 has an impossible size, 0x0" },
    { "size-below-page", FAKE_PE_IMAGE_SIZE, 4, 0xfff, true,
      "the image at 0xfffff80012345000 has an impossible size, 0xfff" },
    { "size-too-large", FAKE_PE_IMAGE_SIZE, 4, 0x8000001, true,
      "the image at 0xfffff80012345000 has an impossible size, 0x8000001" },
    { "no-sections", FAKE_PE_N_SECTIONS, 2, 0, true,
      "the image at 0xfffff80012345000 has 0 sections" },
    { "97-sections", FAKE_PE_N_SECTIONS, 2, 97, true,
      "the image at 0xfffff80012345000 has 97 sections" },
    { "table-on-missing-page", FAKE_PE_OPTIONAL_SIZE, 2, 0xf00, true,
      NO_TABLE },
    { "table-behind-image", FAKE_PE_IMAGE_SIZE, 4, 0x1000, true,
      "section 0 of the image at 0xfffff80012345000 begins outside it" },
    { "section-outside", FAKE_PE_SECTIONS + 40 + 12, 4, SIZE, true,
      "section 1 of the image at 0xfffff80012345000 begins outside it" },
};

static void test_bad(gconstpointer data)
{
    const BadCase *c = data;
    Err err = {};

    begin(&plain);
    if (c->bytes == 2) {
        fake_guest_put16(&g, BASE + c->at, (uint16_t)c->value);
    } else {
        fake_guest_put32(&g, BASE + c->at, c->value);
    }
    g_assert_cmpint(pe_probe(&g.space, BASE), ==, c->probes);
    g_assert_false(pe_open(&image, &g.space, BASE, &err));
    g_assert_cmpstr(err.text, ==, c->why);
    g_assert_false(pe_open(&image, &g.space, BASE, NULL));
    end();
}

/* A table that begins inside a one-page image and ends outside. */
static void test_table_leaves_image(void)
{
    Err err = {};

    begin(&plain);
    fake_guest_map(&g, BASE + GMEM_PAGE, GMEM_PAGE);
    fake_guest_put32(&g, BASE + FAKE_PE_IMAGE_SIZE, GMEM_PAGE);
    fake_guest_put16(&g, BASE + FAKE_PE_OPTIONAL_SIZE,
                     0x1000 - 4 * 40 + 1 - FAKE_PE_NT - 24);
    g_assert_false(pe_open(&image, &g.space, BASE, &err));
    g_assert_cmpstr(err.text, ==, NO_TABLE);
    end();
}

/* The header page's bytes, from @from on, again at @to. */
static void copy_header(uint32_t from, uint64_t to)
{
    uint8_t raw[0x400];

    g_assert_true(gmem_read(&g.space, BASE + from, raw, sizeof(raw), NULL));
    fake_guest_write(&g, to, raw, sizeof(raw));
}

/* All is there, but not where an image begins. */
static void test_bad_base(void)
{
    Err err = {};

    begin(&plain);
    copy_header(0, BASE + 0x808);
    g_assert_false(pe_open(&image, &g.space, BASE + 0x808, &err));
    g_assert_cmpstr(err.text, ==,
                    "no headers of an x86-64 PE image at 0xfffff80012345808");
    g_assert_false(pe_probe(&g.space, BASE + GMEM_PAGE));
    end();
}

static void test_far_header(void)
{
    Err err = {};

    begin(&plain);
    copy_header(FAKE_PE_NT, BASE + 0x804);
    fake_guest_put32(&g, BASE + 0x3c, 0x804);
    g_assert_false(pe_open(&image, &g.space, BASE, &err));
    g_assert_cmpstr(err.text, ==, NO_HEADERS);
    copy_header(FAKE_PE_NT, BASE + 0x800);
    fake_guest_put32(&g, BASE + 0x3c, 0x800);
    g_assert_true(pe_open(&image, &g.space, BASE, NULL));
    end();
}

/* An image may end with the last address, and not behind it. */
static void test_last_address(void)
{
    const uint64_t base = UINT64_MAX - 0xffff;
    Err err = {};
    FakePe pe = plain;

    pe.size = 0x10000;
    pe.n_sections = 1;
    pe.export_rva = 0xf000;
    fake_guest_init(&g, RAM, 4);
    fake_pe_put(&g, base, &pe);
    g_assert_true(pe_open(&image, &g.space, base, &err));
    g_assert_cmphex(find("Alpha"), ==, base + 0x1002);
    fake_guest_put32(&g, base + FAKE_PE_IMAGE_SIZE, 0x10001);
    g_assert_false(pe_open(&image, &g.space, base, &err));
    g_assert_cmpstr(err.text, ==, "the image at 0xffffffffffff0000 has an "
                    "impossible size, 0x10001");
    end();
}

static void test_name(void)
{
    char name[PE_NAME_MAX];

    begin_open(&plain);
    g_assert_true(pe_name(&image, name));
    g_assert_cmpstr(name, ==, "ntoskrnl.exe");
    end();
}

static void test_name_cut(void)
{
    char name[PE_NAME_MAX];
    FakePe pe = plain;

    pe.name = LONG_NAME;
    begin_open(&pe);
    g_assert_true(pe_name(&image, name));
    g_assert_cmpuint(strlen(name), ==, PE_NAME_MAX - 1);
    g_assert_true(g_str_has_prefix(LONG_NAME, name));
    end();
}

static void test_no_name(void)
{
    static const uint32_t rvas[] = {
        0, 0x1000, SIZE - 2, SIZE, UINT32_MAX - 4,
    };
    char name[PE_NAME_MAX];
    size_t i;

    begin_open(&plain);
    fake_guest_map(&g, BASE + SIZE - GMEM_PAGE, 2 * GMEM_PAGE);
    fake_guest_put32(&g, BASE, 0);
    fake_guest_write(&g, BASE + SIZE - 2, "nt.exe", 7);
    for (i = 0; i < G_N_ELEMENTS(rvas); i++) {
        fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_NAME, rvas[i]);
        g_assert_false(pe_name(&image, name));
    }
    fake_guest_unmap(&g, BASE + EXPORTS);
    g_assert_false(pe_name(&image, name));
    end();
}

static void test_exports(void)
{
    unsigned i;

    begin_open(&plain);
    for (i = 0; i < G_N_ELEMENTS(exports); i++) {
        if (strcmp(exports[i].name, LONG_NAME)) {
            g_assert_cmphex(find(exports[i].name), ==,
                            BASE + exports[i].rva);
        }
    }
    g_assert_cmphex(find("Alph"), ==, 0);
    g_assert_cmphex(find("Alpha1"), ==, 0);
    g_assert_cmphex(find("zeta2"), ==, 0);
    g_assert_cmphex(find("\xff"), ==, 0);
    end();
}

static void test_some_found(void)
{
    static const char *const names[] = { "zeta", "none", "Beta", "Alpha" };
    uint64_t at[4];

    begin_open(&plain);
    g_assert_cmpuint(pe_exports(&image, names, 4, at), ==, 3);
    g_assert_cmphex(at[0], ==, BASE + SIZE - 1);
    g_assert_cmphex(at[1], ==, 0);
    g_assert_cmphex(at[2], ==, BASE + 0x1005);
    g_assert_cmphex(at[3], ==, BASE + 0x1002);
    g_assert_cmpuint(pe_exports(&image, names, 0, at), ==, 0);
    end();
}

/* A name is not found by its first 63 bytes. */
static void test_long_name(void)
{
    g_autofree char *cut = g_strndup(LONG_NAME, PE_NAME_MAX - 1);

    begin_open(&plain);
    g_assert_cmphex(find(cut), ==, 0);
    end();
}

static void test_forwarder(void)
{
    FakePeExport forwarded[] = { { "A", EXPORTS }, { "B", EXPORTS - 1 },
                                 { "C", 0 }, { "D", SIZE } };
    FakePe pe = plain;

    pe.exports = forwarded;
    pe.n_exports = G_N_ELEMENTS(forwarded);
    begin_open(&pe);
    g_assert_cmphex(find("A"), ==, 0);
    g_assert_cmphex(find("B"), ==, BASE + EXPORTS - 1);
    g_assert_cmphex(find("C"), ==, 0);
    g_assert_cmphex(find("D"), ==, 0);
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_DIRECTORY_SIZE + 12,
                     EXPORTS + image.export_size - 1);
    g_assert_cmphex(find("A"), ==, 0);
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_DIRECTORY_SIZE + 12,
                     EXPORTS + image.export_size);
    g_assert_cmphex(find("A"), ==, BASE + EXPORTS + image.export_size);
    end();
}

/* As linkers never do. */
static void test_not_sorted(void)
{
    static const FakePeExport mixed[] = {
        { "C", 0x1003 }, { "A", 0x1001 }, { "E", 0x1005 }, { "B", 0x1002 },
        { "D", 0x1004 },
    };
    static const char *const names[] = { "A", "B", "C", "D", "E", "F" };
    uint64_t at[6];
    FakePe pe = plain;
    unsigned i;

    pe.exports = mixed;
    pe.n_exports = G_N_ELEMENTS(mixed);
    begin_open(&pe);
    g_assert_cmpuint(pe_exports(&image, names, 6, at), ==, 5);
    for (i = 0; i < 5; i++) {
        g_assert_cmphex(at[i], ==, BASE + 0x1001 + i);
    }
    g_assert_cmphex(at[5], ==, 0);
    end();
}

typedef struct Many {
    char names[N_MANY][24];
    FakePeExport exports[N_MANY];
    FakePe pe;
} Many;

/* As many as a kernel has, on many pages. */
static void many_init(Many *many)
{
    unsigned i;

    for (i = 0; i < N_MANY; i++) {
        g_snprintf(many->names[i], sizeof(many->names[i]),
                   "ExportNumber%06u", i);
        many->exports[i].name = many->names[i];
        many->exports[i].rva = 0x1000 + i;
    }
    many->pe = plain;
    many->pe.exports = many->exports;
    many->pe.n_exports = N_MANY;
}

static void test_many(void)
{
    static Many many;
    uint64_t reads;
    unsigned i;

    many_init(&many);
    begin_open(&many.pe);
    for (i = 0; i < N_MANY; i++) {
        reads = g.reads;
        g_assert_cmphex(find(many.names[i]), ==, BASE + 0x1000 + i);
        g_assert_cmpuint(g.reads - reads, <, 300);
    }
    end();
}

/* Names on pages that are missing cannot be found; all others can. */
static void test_missing_pages(void)
{
    static Many many;
    const char *names[N_MANY];
    static uint64_t at[N_MANY];
    const uint32_t text = EXPORTS + FAKE_PE_DIRECTORY_SIZE + 10 * N_MANY +
                          sizeof("ntoskrnl.exe");
    const uint32_t first = (text & ~0xfffu) + 4 * GMEM_PAGE;
    uint64_t reads;
    unsigned i;

    many_init(&many);
    begin_open(&many.pe);
    fake_guest_unmap(&g, BASE + first);
    for (i = 0; i < N_MANY; i++) {
        names[i] = many.names[i];
    }
    reads = g.reads;
    pe_exports(&image, names, N_MANY, at);
    g_assert_cmpuint(g.reads - reads, <, N_MANY * 300);
    for (i = 0; i < N_MANY; i++) {
        uint32_t begins = text + 19 * i;
        bool missing = begins + 18 >= first && begins < first + GMEM_PAGE;

        g_assert_cmphex(at[i], ==, missing ? 0 : BASE + 0x1000 + i);
    }
    end();
}

typedef struct DirectoryCase {
    const char *name;
    uint32_t at;
    uint32_t value;
} DirectoryCase;

static const DirectoryCase directory_cases[] = {
    { "functions-outside", FAKE_PE_FUNCTIONS, SIZE - 31 },
    { "functions-wrap", FAKE_PE_FUNCTIONS, UINT32_MAX },
    { "names-outside", FAKE_PE_NAMES, SIZE - 31 },
    { "names-wrap", FAKE_PE_NAMES, UINT32_MAX - 3 },
    { "ordinals-outside", FAKE_PE_ORDINALS, SIZE - 15 },
    { "too-many-names", FAKE_PE_N_NAMES, PE_MAX_EXPORTS + 1 },
    { "names-times-4-wraps", FAKE_PE_N_NAMES, 0x40000001 },
    { "too-many-functions", FAKE_PE_N_FUNCTIONS, PE_MAX_EXPORTS + 1 },
    { "no-names", FAKE_PE_N_NAMES, 0 },
    { "no-functions", FAKE_PE_N_FUNCTIONS, 0 },
};

static void test_bad_directory(gconstpointer data)
{
    const DirectoryCase *c = data;

    begin_open(&plain);
    fake_guest_map(&g, BASE + SIZE - GMEM_PAGE, 2 * GMEM_PAGE);
    g_assert_cmphex(find("Alpha"), ==, BASE + 0x1002);
    fake_guest_put32(&g, BASE + EXPORTS + c->at, c->value);
    g_assert_cmphex(find("Alpha"), ==, 0);
    end();
}

/* What the header says of the directory decides whether there is one. */
static void test_no_directory(void)
{
    static const DirectoryCase cases[] = {
        { "rva-0", FAKE_PE_EXPORT_RVA, 0 },
        { "rva-outside", FAKE_PE_EXPORT_RVA, SIZE - 39 },
        { "rva-wraps", FAKE_PE_EXPORT_RVA, UINT32_MAX },
        { "size-small", FAKE_PE_EXPORT_SIZE, 39 },
        { "size-outside", FAKE_PE_EXPORT_SIZE, SIZE - EXPORTS + 1 },
        { "size-wraps", FAKE_PE_EXPORT_SIZE, UINT32_MAX },
        { "no-directories", FAKE_PE_N_DIRECTORIES, 0 },
    };
    char name[PE_NAME_MAX];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        begin(&plain);
        fake_guest_put32(&g, BASE + cases[i].at, cases[i].value);
        g_assert_true(pe_open(&image, &g.space, BASE, NULL));
        g_assert_cmphex(image.export_rva, ==, 0);
        g_assert_cmphex(find("Alpha"), ==, 0);
        g_assert_false(pe_name(&image, name));
        end();
    }
}

/* Most pages of memory are no image; each costs one short read. */
static void test_probe_is_cheap(void)
{
    begin(&plain);
    fake_guest_put16(&g, BASE, 0);
    g.reads = 0;
    g_assert_false(pe_probe(&g.space, BASE));
    g_assert_cmpuint(g.reads, ==, 5);
    end();
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        g_autofree char *path = g_strconcat("/winos/pe/bad/",
                                            bad_cases[i].name, NULL);

        g_test_add_data_func(path, &bad_cases[i], test_bad);
    }
    for (i = 0; i < G_N_ELEMENTS(directory_cases); i++) {
        g_autofree char *path = g_strconcat("/winos/pe/directory/",
                                            directory_cases[i].name, NULL);

        g_test_add_data_func(path, &directory_cases[i], test_bad_directory);
    }
    g_test_add_func("/winos/pe/open", test_open);
    g_test_add_func("/winos/pe/section-of", test_section_of);
    g_test_add_func("/winos/pe/section-without-virtual-size",
                    test_section_without_virtual_size);
    g_test_add_func("/winos/pe/table-leaves-image", test_table_leaves_image);
    g_test_add_func("/winos/pe/bad-base", test_bad_base);
    g_test_add_func("/winos/pe/far-header", test_far_header);
    g_test_add_func("/winos/pe/last-address", test_last_address);
    g_test_add_func("/winos/pe/name", test_name);
    g_test_add_func("/winos/pe/name-cut", test_name_cut);
    g_test_add_func("/winos/pe/no-name", test_no_name);
    g_test_add_func("/winos/pe/exports", test_exports);
    g_test_add_func("/winos/pe/some-found", test_some_found);
    g_test_add_func("/winos/pe/long-name", test_long_name);
    g_test_add_func("/winos/pe/forwarder", test_forwarder);
    g_test_add_func("/winos/pe/not-sorted", test_not_sorted);
    g_test_add_func("/winos/pe/many", test_many);
    g_test_add_func("/winos/pe/missing-pages", test_missing_pages);
    g_test_add_func("/winos/pe/no-directory", test_no_directory);
    g_test_add_func("/winos/pe/probe-is-cheap", test_probe_is_cheap);
    return g_test_run();
}
