/*
 * fake-pe: see fake-pe.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fake-pe.h"

#include <string.h>

enum {
    OPTIONAL_SIZE = 240,
    SECTION_SIZE = 40,
    N_DIRECTORIES = 16,
};

static void put_section(FakeGuest *g, uint64_t at, const FakePeSection *s)
{
    size_t len = strlen(s->name);

    fake_guest_write(g, at, s->name, len < 8 ? len : 8);
    fake_guest_put32(g, at + 8, s->size);
    fake_guest_put32(g, at + 12, s->rva);
    fake_guest_put32(g, at + 16, s->size);
    fake_guest_put32(g, at + 36, s->flags);
}

static void put_headers(FakeGuest *g, uint64_t base, const FakePe *pe)
{
    unsigned i;

    fake_guest_map(g, base, GMEM_PAGE);
    fake_guest_put16(g, base, 0x5a4d);
    fake_guest_put32(g, base + 0x3c, FAKE_PE_NT);
    fake_guest_put32(g, base + FAKE_PE_NT, 0x4550);
    fake_guest_put16(g, base + FAKE_PE_MACHINE, 0x8664);
    fake_guest_put16(g, base + FAKE_PE_N_SECTIONS, (uint16_t)pe->n_sections);
    fake_guest_put32(g, base + FAKE_PE_TIMESTAMP, pe->timestamp);
    fake_guest_put16(g, base + FAKE_PE_OPTIONAL_SIZE, OPTIONAL_SIZE);
    fake_guest_put16(g, base + FAKE_PE_MAGIC, 0x20b);
    fake_guest_put32(g, base + FAKE_PE_IMAGE_SIZE, pe->size);
    fake_guest_put32(g, base + FAKE_PE_N_DIRECTORIES, N_DIRECTORIES);
    for (i = 0; i < pe->n_sections; i++) {
        put_section(g, base + FAKE_PE_SECTIONS + i * SECTION_SIZE,
                    &pe->sections[i]);
    }
}

static uint32_t text_size(const FakePe *pe)
{
    size_t size = strlen(pe->name) + 1;
    unsigned i;

    for (i = 0; i < pe->n_exports; i++) {
        size += strlen(pe->exports[i].name) + 1;
    }
    return (uint32_t)size;
}

static uint32_t put_text(FakeGuest *g, uint64_t base, uint32_t rva,
                         const char *text)
{
    fake_guest_write(g, base + rva, text, strlen(text) + 1);
    return rva + (uint32_t)strlen(text) + 1;
}

static void put_exports(FakeGuest *g, uint64_t base, const FakePe *pe)
{
    uint32_t n = pe->n_exports;
    uint32_t functions = pe->export_rva + FAKE_PE_DIRECTORY_SIZE;
    uint32_t names = functions + 4 * n;
    uint32_t ordinals = names + 4 * n;
    uint32_t text = ordinals + 2 * n;
    uint64_t directory = base + pe->export_rva;
    uint32_t size = text - pe->export_rva + text_size(pe);
    uint32_t i;

    fake_guest_map(g, directory, size);
    fake_guest_put32(g, base + FAKE_PE_EXPORT_RVA, pe->export_rva);
    fake_guest_put32(g, base + FAKE_PE_EXPORT_SIZE, size);
    fake_guest_put32(g, directory + FAKE_PE_N_FUNCTIONS, n);
    fake_guest_put32(g, directory + FAKE_PE_N_NAMES, n);
    fake_guest_put32(g, directory + FAKE_PE_FUNCTIONS, functions);
    fake_guest_put32(g, directory + FAKE_PE_NAMES, names);
    fake_guest_put32(g, directory + FAKE_PE_ORDINALS, ordinals);
    fake_guest_put32(g, directory + FAKE_PE_NAME, text);
    text = put_text(g, base, text, pe->name);
    for (i = 0; i < n; i++) {
        uint32_t ordinal = n - 1 - i;

        fake_guest_put32(g, base + functions + 4 * ordinal,
                         pe->exports[i].rva);
        fake_guest_put32(g, base + names + 4 * i, text);
        fake_guest_put16(g, base + ordinals + 2 * i, (uint16_t)ordinal);
        text = put_text(g, base, text, pe->exports[i].name);
    }
}

void fake_pe_put(FakeGuest *g, uint64_t base, const FakePe *pe)
{
    put_headers(g, base, pe);
    if (pe->export_rva) {
        put_exports(g, base, pe);
    }
}
