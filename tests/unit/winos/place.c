/*
 * winos/place: an address has the export before it, of its own module and
 * section, and no other; a hostile image costs a bounded number of reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/place.h"

#include "fake-pe.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0xfffff80012345000
#define LONG_NAME \
    "A234567890123456789012345678901234567890123456789012345678901234567890"

enum {
    RAM = 16 << 20,
    SIZE = 0x200000,
    EXPORTS = 0x100000,
    N_MANY = 3000,
    MODULE_GAP = 0x400000,
};

static const FakePeSection sections[] = {
    { ".text", 0x1000, 0x1000, FAKE_PE_CODE },
    { "PAGE", 0x2000, 0x1000, FAKE_PE_CODE },
    { ".data", 0x3000, 0x1000, FAKE_PE_DATA },
    { "INIT", 0x1f0000, 0x10000, FAKE_PE_CODE },
};

/* By name, as linkers have them; by address they are in another order. */
static const FakePeExport exports[] = {
    { "KeAlpha", 0x1200 },
    { "KeAlphaAgain", 0x1200 },
    { "KeBeta", 0x1100 },
    { "KeLast", SIZE - 1 },
    { LONG_NAME, 0x2100 },
    { "NtBuildNumber", 0x3010 },
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

static void begin(void)
{
    fake_guest_init(&g, RAM, 4);
    fake_pe_put(&g, BASE, &plain);
    g_assert_true(pe_open(&image, &g.space, BASE, NULL));
}

static void end(void)
{
    fake_guest_deinit(&g);
}

typedef struct NearestCase {
    const char *name;
    uint32_t rva;
    uint32_t export;            /* 0: none */
    const char *is;
} NearestCase;

/* In ascending order of their addresses. */
static const NearestCase nearest_cases[] = {
    { "header", 0x10, 0, "" },
    { "before-all", 0x10ff, 0, "" },
    { "at-one", 0x1100, 0x1100, "KeBeta" },
    { "behind-one", 0x11ff, 0x1100, "KeBeta" },
    { "first-name-of-two", 0x1200, 0x1200, "KeAlpha" },
    { "end-of-section", 0x1fff, 0x1200, "KeAlpha" },
    { "other-section", 0x2000, 0, "" },
    { "before-its-only-one", 0x20ff, 0, "" },
    { "long-name", 0x2fff, 0x2100, NULL },
    { "data", 0x3014, 0x3010, "NtBuildNumber" },
    { "no-section", 0x5000, 0, "" },
    { "before-the-last", SIZE - 2, 0, "" },
    { "last-byte", SIZE - 1, SIZE - 1, "KeLast" },
};

static void check_place(const PePlace *place, const NearestCase *c)
{
    g_assert_cmphex(place->export, ==, c->export ? BASE + c->export : 0);
    if (c->is) {
        g_assert_cmpstr(place->name, ==, c->is);
    } else {
        g_assert_cmpuint(strlen(place->name), ==, PE_NAME_MAX - 1);
        g_assert_true(!strncmp(place->name, LONG_NAME, PE_NAME_MAX - 1));
    }
}

static void test_nearest(void)
{
    PePlace places[G_N_ELEMENTS(nearest_cases)];
    unsigned pages = WINOS_PLACE_PAGES;
    unsigned i;

    begin();
    memset(places, 0x55, sizeof(places));
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        places[i].gva = BASE + nearest_cases[i].rva;
    }
    g_assert_true(pe_nearest(&image, places, G_N_ELEMENTS(places), &pages));
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        check_place(&places[i], &nearest_cases[i]);
    }
    g_assert_cmpuint(pages, <, WINOS_PLACE_PAGES);
    /* Each alone is told as together with others. */
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        PePlace one = { .gva = BASE + nearest_cases[i].rva };

        g_assert_true(pe_nearest(&image, &one, 1, &pages));
        check_place(&one, &nearest_cases[i]);
    }
    end();
}

static void test_budget(void)
{
    PePlace place = { .gva = BASE + 0x1100 };
    unsigned pages = 1;

    begin();
    g_assert_false(pe_nearest(&image, &place, 1, &pages));
    g_assert_cmphex(place.export, ==, 0);
    g_assert_cmpstr(place.name, ==, "");
    g_assert_cmpuint(pages, ==, 0);
    pages = 100;
    g_assert_true(pe_nearest(&image, &place, 1, &pages));
    g_assert_cmpstr(place.name, ==, "KeBeta");
    end();
}

typedef struct LieCase {
    const char *name;
    uint32_t at, value;         /* of the export directory */
    bool fails;
    const char *is;             /* what is told of KeBeta's address */
} LieCase;

enum {
    FUNCTIONS = FAKE_PE_DIRECTORY_SIZE,
    NAMES = FUNCTIONS + 4 * G_N_ELEMENTS(exports),
    ORDINALS = NAMES + 4 * G_N_ELEMENTS(exports),
    BETA = 2,                   /* its name; ordinals run against names */
    BETA_ORDINAL = G_N_ELEMENTS(exports) - 1 - BETA,
};

static const LieCase lie_cases[] = {
    { "too-many-names", FAKE_PE_N_NAMES, PE_MAX_EXPORTS + 1, true, "" },
    { "too-many-functions", FAKE_PE_N_FUNCTIONS, 0xffffffff, true, "" },
    { "names-outside", FAKE_PE_NAMES, SIZE, true, "" },
    { "ordinals-outside", FAKE_PE_ORDINALS, 0xfffffffe, true, "" },
    { "functions-outside", FAKE_PE_FUNCTIONS, SIZE - 4, true, "" },
    { "no-names", FAKE_PE_N_NAMES, 0, false, "" },
    { "no-functions", FAKE_PE_N_FUNCTIONS, 0, false, "" },
    { "function-outside", FUNCTIONS + 4 * BETA_ORDINAL, SIZE, false, "" },
    { "function-wraps", FUNCTIONS + 4 * BETA_ORDINAL, 0xfffff000, false,
      "" },
    { "forwarder", FUNCTIONS + 4 * BETA_ORDINAL, EXPORTS + 8, false, "" },
    { "function-0", FUNCTIONS + 4 * BETA_ORDINAL, 0, false, "" },
    { "name-outside", NAMES + 4 * BETA, SIZE, false, "" },
    { "name-on-missing-page", NAMES + 4 * BETA, 0x150000, false, "" },
};

static void test_lie(gconstpointer data)
{
    const LieCase *c = data;
    PePlace place = { .gva = BASE + 0x1100 };
    unsigned pages = WINOS_PLACE_PAGES;

    begin();
    fake_guest_put32(&g, BASE + EXPORTS + c->at, c->value);
    g_assert_true(pe_open(&image, &g.space, BASE, NULL));
    g_assert_cmpint(pe_nearest(&image, &place, 1, &pages), ==, !c->fails);
    g_assert_cmpstr(place.name, ==, c->is);
    g_assert_cmpint(place.export != 0, ==, *c->is != 0);
    end();
}

/* Each name leads to another page, so that every one is read anew. */
static void test_many_pages(void)
{
    PePlace place = { .gva = BASE + 0x1100 };
    unsigned pages = 50;
    const uint32_t arrays = 0x110000;
    uint64_t reads;
    unsigned i;

    begin();
    for (i = 0; i < 0x30000; i += GMEM_PAGE) {
        fake_guest_map(&g, BASE + arrays + i, GMEM_PAGE);
    }
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_N_NAMES, 0x8000);
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_N_FUNCTIONS, 0x8000);
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_FUNCTIONS, arrays);
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_ORDINALS,
                     arrays + 0x20000);
    for (i = 0; i < 0x8000; i++) {
        fake_guest_put16(&g, BASE + arrays + 0x20000 + 2 * i,
                         (uint16_t)((i & 1) << 14 | (i >> 1)));
    }
    fake_guest_put32(&g, BASE + EXPORTS + FAKE_PE_NAMES, 0x110000);
    reads = g.reads;
    g_assert_false(pe_nearest(&image, &place, 1, &pages));
    g_assert_cmpuint(g.reads - reads, <, 60 * 8);
    g_assert_cmpuint(pages, ==, 0);
    end();
}

static void put_module(WinosModule *module, uint64_t base, uint32_t size)
{
    memset(module, 0, sizeof(*module));
    module->base = base;
    module->size = size;
}

static void test_modules(void)
{
    WinosModule modules[4];
    PePlace places[7];
    static const int32_t owners[7] = { -1, 0, 0, 3, 1, 1, -1 };
    unsigned i;

    begin();
    fake_pe_put(&g, BASE + MODULE_GAP, &plain);
    put_module(&modules[0], BASE, SIZE);
    put_module(&modules[1], BASE + MODULE_GAP, SIZE);
    /* One that lies over another, and one that is no image. */
    put_module(&modules[2], BASE + MODULE_GAP, SIZE);
    put_module(&modules[3], BASE + SIZE, 0x1000);
    places[0].gva = 0x7ff600001000;
    places[1].gva = BASE + 0x1100;
    places[2].gva = BASE + 0x1300;
    places[3].gva = BASE + SIZE;
    places[4].gva = BASE + MODULE_GAP + 0x1101;
    places[5].gva = BASE + MODULE_GAP + 0x3014;
    places[6].gva = UINT64_MAX;
    winos_places_find(&g.space, modules, 4, places, 7);
    for (i = 0; i < 7; i++) {
        g_assert_cmpint(places[i].owner, ==, owners[i]);
    }
    g_assert_cmpstr(places[0].name, ==, "");
    g_assert_cmpstr(places[1].name, ==, "KeBeta");
    g_assert_cmpstr(places[2].name, ==, "KeAlpha");
    g_assert_cmpstr(places[3].name, ==, "");
    g_assert_cmpstr(places[4].name, ==, "KeBeta");
    g_assert_cmphex(places[4].export, ==, BASE + MODULE_GAP + 0x1100);
    g_assert_cmpstr(places[5].name, ==, "NtBuildNumber");
    winos_places_find(&g.space, NULL, 0, places, 7);
    for (i = 0; i < 7; i++) {
        g_assert_cmpint(places[i].owner, ==, WINOS_PLACE_NO_MODULE);
        g_assert_cmphex(places[i].export, ==, 0);
    }
    end();
}

typedef struct StageCase {
    const char *name;
    WinosCode code;
    WinosStage stage;
} StageCase;

static const StageCase stage_cases[] = {
    { "reset", { 0xfffffff0, 0, false, false, false },
      WINOS_STAGE_FIRMWARE },
    { "bios", { 0xf1234, 0, false, false, false }, WINOS_STAGE_FIRMWARE },
    { "option-rom", { 0xc0003, 0, false, false, false },
      WINOS_STAGE_FIRMWARE },
    { "boot-sector", { 0x7c00, 0, false, false, false },
      WINOS_STAGE_LOADER },
    { "bios-in-ram", { 0x3fc1234, 0, true, false, false },
      WINOS_STAGE_FIRMWARE_OR_LOADER },
    { "boot-manager-paged", { 0x432100, 0, true, true, false },
      WINOS_STAGE_LOADER },
    { "uefi-flash", { 0xffe01234, 0, true, true, true },
      WINOS_STAGE_FIRMWARE },
    { "uefi-ram", { 0x7e123456, 0, true, true, true },
      WINOS_STAGE_FIRMWARE_OR_LOADER },
    { "kernel", { 0xfffff80012345678, 0, true, true, true },
      WINOS_STAGE_KERNEL },
    { "kernel-32", { 0x81234567, 0, true, true, false },
      WINOS_STAGE_KERNEL_32 },
    { "user", { 0x7ff612345678, 3, true, true, true }, WINOS_STAGE_USER },
    { "user-32", { 0x401000, 3, true, true, false }, WINOS_STAGE_USER },
};

static void test_stage(gconstpointer data)
{
    const StageCase *c = data;

    g_assert_cmpint(winos_stage(&c->code), ==, c->stage);
    g_assert_nonnull(winos_stage_name(c->stage));
    g_assert_null(winos_stage_name(WINOS_N_STAGES));
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/place/nearest", test_nearest);
    g_test_add_func("/winos/place/budget", test_budget);
    g_test_add_func("/winos/place/many-pages", test_many_pages);
    g_test_add_func("/winos/place/modules", test_modules);
    for (i = 0; i < G_N_ELEMENTS(lie_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winos/place/lie/%s",
                                                lie_cases[i].name);

        g_test_add_data_func(path, &lie_cases[i], test_lie);
    }
    for (i = 0; i < G_N_ELEMENTS(stage_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winos/place/stage/%s",
                                                stage_cases[i].name);

        g_test_add_data_func(path, &stage_cases[i], test_stage);
    }
    return g_test_run();
}
