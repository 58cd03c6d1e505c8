/*
 * fake-guest: see fake-guest.h.
 *
 * Its own walk is kept apart from the one under test, and is as plain as can
 * be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fake-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRESENT = 1, LARGE = 0x80, TABLE_FLAGS = 0x7 };

static const uint64_t addr_mask = 0x000ffffffffff000;

static void die(const char *why, uint64_t address)
{
    fprintf(stderr, "fake-guest: %s at 0x%llx\n", why,
            (unsigned long long)address);
    abort();
}

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    FakeGuest *g = opaque;

    __atomic_fetch_add(&g->reads, 1, __ATOMIC_RELAXED);
    if (gpa > g->size || len > g->size - gpa ||
        (g->fault_gpa >= gpa && g->fault_gpa - gpa < len)) {
        return false;
    }
    if (len == 8 && gpa % 8 == 0) {
        uint64_t value = __atomic_load_n((uint64_t *)(g->ram + gpa),
                                         __ATOMIC_RELAXED);

        memcpy(buf, &value, sizeof(value));
        return true;
    }
    memcpy(buf, g->ram + gpa, len);
    return true;
}

static const GmemOps fake_ops = { .read_phys = read_phys };

void fake_guest_init(FakeGuest *g, uint64_t size, unsigned levels)
{
    memset(g, 0, sizeof(*g));
    g->ram = calloc(1, size);
    if (!g->ram || size % GMEM_PAGE) {
        die("no such size", size);
    }
    g->size = size;
    g->next_page = GMEM_PAGE;
    g->fault_gpa = UINT64_MAX;
    g->mem.ops = &fake_ops;
    g->mem.opaque = g;
    g->space.mem = &g->mem;
    g->space.levels = levels;
    g->space.cr3 = fake_guest_page(g);
}

void fake_guest_deinit(FakeGuest *g)
{
    free(g->ram);
    memset(g, 0, sizeof(*g));
}

uint64_t fake_guest_page(FakeGuest *g)
{
    uint64_t gpa = g->next_page;

    if (gpa > g->size - GMEM_PAGE) {
        die("out of pages", gpa);
    }
    g->next_page += GMEM_PAGE;
    memset(g->ram + gpa, 0, GMEM_PAGE);
    return gpa;
}

static uint64_t *entry_in(FakeGuest *g, uint64_t table, uint64_t gva,
                          unsigned level)
{
    uint64_t index = gva >> (12 + 9 * (level - 1)) & 511;

    if (table > g->size - GMEM_PAGE) {
        die("a table outside the RAM", table);
    }
    return (uint64_t *)(g->ram + table) + index;
}

uint64_t *fake_guest_entry(FakeGuest *g, uint64_t gva, unsigned level)
{
    uint64_t table = g->space.cr3 & addr_mask;
    unsigned at;

    for (at = g->space.levels; at > level; at--) {
        uint64_t *entry = entry_in(g, table, gva, at);

        if (!(*entry & PRESENT)) {
            *entry = fake_guest_page(g) | TABLE_FLAGS;
        } else if (*entry & LARGE) {
            die("a large page where a table is wanted", gva);
        }
        table = *entry & addr_mask;
    }
    return entry_in(g, table, gva, level);
}

void fake_guest_map(FakeGuest *g, uint64_t gva, uint64_t len)
{
    uint64_t done;

    if (gva % GMEM_PAGE) {
        die("not a page's first byte", gva);
    }
    for (done = 0; done < len; done += GMEM_PAGE) {
        uint64_t *entry = fake_guest_entry(g, gva + done, 1);

        *entry = fake_guest_page(g) | TABLE_FLAGS;
        g->next_page += GMEM_PAGE;
    }
}

void fake_guest_unmap(FakeGuest *g, uint64_t gva)
{
    *fake_guest_entry(g, gva, 1) = 0;
}

/* A byte that is mapped, by a page of any size. */
static uint8_t *find(FakeGuest *g, uint64_t gva)
{
    uint64_t entry = g->space.cr3;
    uint64_t in_page;
    uint64_t gpa;
    unsigned level = g->space.levels + 1;

    do {
        level--;
        entry = *entry_in(g, entry & addr_mask, gva, level);
        if (!(entry & PRESENT)) {
            die("a write where nothing is mapped", gva);
        }
    } while (level > 1 && !(level <= 3 && entry & LARGE));
    in_page = (UINT64_C(1) << (12 + 9 * (level - 1))) - 1;
    gpa = (entry & addr_mask & ~in_page) | (gva & in_page);
    if (gpa >= g->size) {
        die("a page outside the RAM", gpa);
    }
    return g->ram + gpa;
}

void fake_guest_write(FakeGuest *g, uint64_t gva, const void *buf, size_t len)
{
    const uint8_t *bytes = buf;
    size_t i;
    size_t n;

    for (i = 0; i < len; i += n) {
        n = GMEM_PAGE - (gva + i) % GMEM_PAGE;
        if (n > len - i) {
            n = len - i;
        }
        memcpy(find(g, gva + i), bytes + i, n);
    }
}

void fake_guest_put8(FakeGuest *g, uint64_t gva, uint8_t value)
{
    fake_guest_write(g, gva, &value, sizeof(value));
}

void fake_guest_put16(FakeGuest *g, uint64_t gva, uint16_t value)
{
    uint8_t raw[] = { (uint8_t)value, (uint8_t)(value >> 8) };

    fake_guest_write(g, gva, raw, sizeof(raw));
}

void fake_guest_put32(FakeGuest *g, uint64_t gva, uint32_t value)
{
    fake_guest_put16(g, gva, (uint16_t)value);
    fake_guest_put16(g, gva + 2, (uint16_t)(value >> 16));
}

/* An aligned one is one store: the guest may be read meanwhile. */
void fake_guest_put64(FakeGuest *g, uint64_t gva, uint64_t value)
{
    if (gva % 8 == 0) {
        __atomic_store_n((uint64_t *)find(g, gva), value, __ATOMIC_RELAXED);
        return;
    }
    fake_guest_put32(g, gva, (uint32_t)value);
    fake_guest_put32(g, gva + 4, (uint32_t)(value >> 32));
}
