/*
 * Page tables: the kernel half with the randomised image, the scattered
 * pool, the self map; the shadow half user mode sees under KVA shadow; and
 * the tables of one process.  What lies behind the addresses is decided
 * elsewhere.
 *
 * Until enter_world() everything is reached by its physical address;
 * afterwards page tables are reached through the self map, pool pages by
 * their address in the pool.
 *
 * Source: Intel SDM vol. 3A, 4.5 "4-Level Paging and 5-Level Paging".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { P = 1, W = 2, U = 4, PCD = 16, PS = 128 };
#define NX (1ULL << 63)
#define ADDRESS 0x000ffffffffff000ULL

enum { POOL_TABLES = 8 };       /* 2 MiB of pool each */

uint64_t image_va, pool_va, kernel_root, self_map, ap_root;
uint64_t lapic_va, kuser_va, truth_va, mmio_hole_va, edu_va;

static uint64_t table_next = TABLES_BASE;
static uint64_t pool_next;
static uint32_t scatter_mul, scatter_add;

/* The shadow half: tables are pool pages, so both addresses are kept. */
enum { SHADOW_TABLES = 24 };
static uint64_t shadow_va[SHADOW_TABLES], shadow_pa[SHADOW_TABLES];
static uint32_t shadow_count;
uint64_t shadow_root_va;

/* RAM comes zeroed; only after a reset is there anything to clear. */
static void page_clear(uint64_t at, uint32_t count)
{
    if (ram_dirty) {
        mem_zero((void *)at, (uint64_t)count * PAGE);
    }
}

uint64_t table_page(void)
{
    uint64_t page = table_next;

    table_next += PAGE;
    if (table_next > TABLES_END) {
        fail(EXIT_MACHINE, "out of page tables");
    }
    page_clear(page, 1);
    return page;
}

static uint32_t shift_of(uint32_t level)
{
    return 12 + 9 * level;
}

/* The table holding the entry of @level for @va, made if need be. */
static uint64_t *entry_at(uint64_t root, uint64_t va, uint32_t level)
{
    uint64_t *table = (uint64_t *)root;

    for (uint32_t l = config.levels - 1; l > level; l--) {
        uint64_t *e = &table[va >> shift_of(l) & 511];

        if (!(*e & P)) {
            *e = table_page() | P | W;
        }
        table = (uint64_t *)(*e & ADDRESS);
    }
    return &table[va >> shift_of(level) & 511];
}

void map_page(uint64_t root, uint64_t va, uint64_t pa, uint64_t flags)
{
    *entry_at(root, va, 0) = pa | flags | P;
}

/*
 * Which image pages are there.  Code and data in use are; of the rest some
 * are paged out, and INIT has been thrown away.  @keep: one page in this
 * many is present; 0 is none.
 */
typedef struct Region {
    uint32_t from;
    uint8_t keep, write, nx;
} Region;

static const Region regions[] = {
    { 0, 1, 0, 1 },
    { RVA_TEXT, 1, 0, 0 },
    { RVA_PAGE, 3, 0, 0 },
    { RVA_KVASCODE, 1, 0, 0 },
    { RVA_DATA, 1, 1, 1 },
    { RVA_INIT, 0, 0, 1 },
    { RVA_RSRC, 8, 0, 1 },
    { 0xffffffff, 0, 0, 0 },
};

static void map_stretch(const Region *r, uint64_t rva, uint64_t end)
{
    uint64_t flags = P | (r->write ? W : 0) | (r->nx ? NX : 0);
    uint64_t step = r->keep * (uint64_t)PAGE;

    while (r->keep && rva < end) {
        uint64_t va = image_va + rva;
        uint64_t *pte = entry_at(kernel_root, va, 0);
        uint64_t room = 0x200000 - (va & 0x1fffff);
        uint64_t stop = rva + room < end ? rva + room : end;

        /* Many pages, and a kernel that may be interpreted: keep it short. */
        for (; rva < stop; rva += step, pte += r->keep) {
            *pte = (IMAGE_PHYS + rva) | flags;
        }
    }
}

static void map_image_small(uint64_t from)
{
    for (const Region *r = regions; r->from < image_size; r++) {
        uint64_t start = r->from > from ? r->from : from;
        uint64_t end = r[1].from < image_size ? r[1].from : image_size;

        if (start < end) {
            map_stretch(r, start, end);
        }
    }
}

static void map_image(void)
{
    uint64_t rva = 0;

    if (config.large_pages) {
        for (; rva + 0x200000 <= image_size; rva += 0x200000) {
            *entry_at(kernel_root, image_va + rva, 1)
                = (IMAGE_PHYS + rva) | P | W | PS;
        }
    }
    map_image_small(rva);
}

static uint64_t slot_address(uint64_t slot)
{
    uint32_t shift = config.levels == 5 ? 48 : 39;
    uint64_t va = slot << shift;

    return va | (config.levels == 5 ? 0xfe00000000000000
                                    : 0xffff000000000000);
}

static void choose_addresses(void)
{
    uint64_t r = random64(), slots = config.levels == 5 ? 0x80 : 0x60;
    uint64_t pool_slot = 0x108 + r % slots, self_slot = 0x1ed;
    uint64_t align = config.large_pages ? 0x1fffff : 0xfff;

    if (config.nt_build >= 14393 || config.levels == 5) {
        self_slot = 0x190 + (r >> 8) % 0x50;
    }
    self_map = slot_address(self_slot);
    pool_va = slot_address(pool_slot) + ((r >> 16 & 0xffff) << 21);
    image_va = 0xfffff80000000000 + ((random64() & 0x1ffffffff) & ~align);
    if (config.base) {
        image_va = config.base;
        if (image_va < 0xfffff80000000000 || image_va & align
            || image_va > 0xfffff87000000000) {
            fail(EXIT_CONFIG, "base: not a place for the image");
        }
    }
    kuser_va = 0xfffff78000000000;
    lapic_va = 0xfffff7a000000000;
    mmio_hole_va = lapic_va + 0x1000;
    edu_va = lapic_va + 0x3000;
    truth_va = 0xfffff7b000000000;
    scatter_mul = ((uint32_t)random64() & 0xbfe) | 0x401;
    scatter_add = (uint32_t)random64();
}

static void map_devices(void)
{
    uint64_t end = TRUTH_END, big = config.ring_entries * 64;

    *entry_at(kernel_root, lapic_va, 0) = 0xfee00000 | P | W | PCD | NX;
    if (config.messages) {
        *entry_at(kernel_root, edu_va, 0) = EDU_PHYS | P | W | PCD | NX;
    }
    /* Only hostile pointers lead here: an unassigned device page. */
    *entry_at(kernel_root, mmio_hole_va, 0) = 0xfe000000 | P | W | PCD | NX;
    for (uint64_t pa = TRUTH_BASE; pa < end; pa += 0x200000) {
        *entry_at(kernel_root, truth_va + pa - TRUTH_BASE, 1)
            = pa | P | W | PS | NX;
    }
    if (config.ring_entries > RING_SMALL) {
        for (uint64_t off = 0; off < big; off += 0x200000) {
            *entry_at(kernel_root, truth_va + 0x40000000 + off, 1)
                = (BIG_RING_PHYS + off) | P | W | PS | NX;
        }
    }
}

/* A root with the kernel half plus the first GiB at its own address. */
static void build_ap_root(void)
{
    uint64_t low = BOOT_PDPT;

    ap_root = table_page();
    mem_copy((void *)ap_root, (void *)kernel_root, PAGE);
    if (config.levels == 5) {
        low = table_page();
        *(uint64_t *)low = BOOT_PDPT | P | W;
    }
    *(uint64_t *)ap_root = low | P | W;
}

void paging_build(void)
{
    uint32_t shift = config.levels == 5 ? 48 : 39;

    table_next = TABLES_BASE;
    kernel_root = table_page();
    choose_addresses();
    map_image();
    map_page(kernel_root, kuser_va, table_page(), W | NX);
    map_devices();
    for (uint32_t i = 0; i < POOL_TABLES; i++) {
        entry_at(kernel_root, pool_va + i * 0x200000ULL, 0);
    }
    ((uint64_t *)kernel_root)[self_map >> shift & 511]
        = kernel_root | P | W | NX;
    decoys_map();
    build_ap_root();
}

uint64_t *pte_of(uint64_t va)
{
    uint64_t bits = config.levels == 5 ? 57 : 48;

    return (uint64_t *)(self_map + ((va & ((1ULL << bits) - 1)) >> 12) * 8);
}

/* Neighbours in the pool are no neighbours in RAM. */
static uint64_t pool_frame(uint64_t index)
{
    uint32_t at = (uint32_t)index * scatter_mul + scatter_add;

    return (config.pool_high ? POOL_HIGH_PHYS : POOL_PHYS)
           + (uint64_t)(at & (POOL_FRAMES - 1)) * PAGE;
}

uint64_t pool_pa(uint64_t va)
{
    return pool_frame((va - pool_va) / PAGE) + (va & (PAGE - 1));
}

uint64_t pool_hole(uint32_t count)
{
    uint64_t va = pool_va + pool_next * PAGE;

    pool_next += count;
    if (pool_next > POOL_TABLES * 512) {
        fail(EXIT_MACHINE, "pool is full");
    }
    return va;
}

uint64_t pool_pages(uint32_t count)
{
    uint64_t va = pool_hole(count);
    uint64_t *pte = pte_of(va);

    for (uint32_t i = 0; i < count; i++) {
        pte[i] = pool_pa(va + (uint64_t)i * PAGE) | P | W | NX;
    }
    page_clear(va, count);
    return va;
}

static uint64_t shadow_table(void)
{
    uint64_t va = pool_pages(1);

    if (shadow_count == SHADOW_TABLES) {
        fail(EXIT_MACHINE, "too many shadow tables");
    }
    shadow_va[shadow_count] = va;
    shadow_pa[shadow_count++] = pool_pa(va);
    return va;
}

static uint64_t *shadow_next(uint64_t entry)
{
    for (uint32_t i = 0; i < shadow_count; i++) {
        if (shadow_pa[i] == (entry & ADDRESS)) {
            return (uint64_t *)shadow_va[i];
        }
    }
    return NULL;
}

void shadow_map(uint64_t va, uint64_t pa, uint64_t flags)
{
    uint64_t *table;

    if (!shadow_root_va) {
        shadow_root_va = shadow_table();
    }
    table = (uint64_t *)shadow_root_va;
    for (uint32_t l = config.levels - 1; l; l--) {
        uint64_t *e = &table[va >> shift_of(l) & 511];

        if (!(*e & P)) {
            *e = pool_pa(shadow_table()) | P | W;
        }
        table = shadow_next(*e);
    }
    table[va >> 12 & 511] = pa | flags | P;
}

/*
 * Pages of a process, by number: 0 root, 1 user root, 2 the low PML4 with
 * five levels, 3 PDPT, 4 PD, 5 PT, 6 PEB, then a TEB and a stack page for
 * each of its threads.
 */
uint64_t process_page(Process *p, uint32_t index)
{
    return p->pages + (uint64_t)index * PAGE;
}

static void copy_kernel_half(uint64_t *to, const uint64_t *from)
{
    mem_copy(to + 256, from + 256, PAGE / 2);
}

/* Index of the root's entry in itself: the self map moves with the root. */
static void set_self(uint64_t *table, uint64_t pa)
{
    uint32_t shift = config.levels == 5 ? 48 : 39;

    table[self_map >> shift & 511] = pa | P | W | NX;
}

static void user_half(Process *p)
{
    uint64_t *top = (uint64_t *)process_page(p, 3);
    uint64_t low = pool_pa(process_page(p, 3)) | P | W | U;

    if (config.levels == 5) {
        *(uint64_t *)process_page(p, 2) = low;
        low = pool_pa(process_page(p, 2)) | P | W | U;
    }
    *(uint64_t *)process_page(p, 0) = low;
    *(uint64_t *)process_page(p, 1) = low;
    top[USER_BASE >> 30 & 511] = pool_pa(process_page(p, 4)) | P | W | U;
    ((uint64_t *)process_page(p, 4))[USER_BASE >> 21 & 511]
        = pool_pa(process_page(p, 5)) | P | W | U;
}

/* The kernel root's own entries, read through the self map. */
static const uint64_t *kernel_root_table(void)
{
    uint64_t all = config.levels == 5 ? 57 : 48;
    uint64_t at = self_map, shift = all - 9, off = 0;
    uint64_t slot = self_map >> shift & 511;

    for (; shift >= 12; shift -= 9) {
        off |= slot << shift;
    }
    at = off | (self_map & ~((1ULL << all) - 1));
    return (const uint64_t *)at;
}

void process_tables(Process *p)
{
    uint64_t root = process_page(p, 0), user = process_page(p, 1);

    if (p->tables_used) {
        mem_zero((void *)root, 6 * PAGE);
    }
    p->tables_used = true;
    copy_kernel_half((uint64_t *)root, kernel_root_table());
    p->root_pa = pool_pa(root);
    set_self((uint64_t *)root, p->root_pa);
    if (shadow_root_va) {
        copy_kernel_half((uint64_t *)user, (uint64_t *)shadow_root_va);
        p->user_root_pa = pool_pa(user);
    }
    if (!p->system && !p->minimal) {
        user_half(p);
    }
}
