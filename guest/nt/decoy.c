/*
 * Neighbours to trip over: a PE image below the kernel (with exports of its
 * own), a driver that exports the kernel's names with other code, pages that
 * begin with MZ inside the kernel image, a KDBG tag that is none.  And the
 * list of loaded modules that tells which is which.
 *
 * The two images come from the packer, as bytes in the ROM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { HAL_PAGES = 4, DRIVER_PAGES = 4, FAKE_MZ = 0x1f0000,
       FAKE_MZ_PE = 0x1e0000 };
#define READ_ONLY (1ULL << 63)

uint64_t decoy_below, decoy_driver, decoy_kdbg;
static uint64_t stray[0x380 / 8] __attribute__((aligned(16))) = { 1 };

void decoys_map(void)
{
    uint64_t below, driver;

    decoy_below = decoy_driver = 0;
    if (!config.decoys) {
        return;
    }
    below = image_va - 0x40000 - (random64() & 0x3f) * PAGE;
    driver = image_va + IMAGE_MAX + (random64() & 0xff) * PAGE;
    for (uint64_t i = 0; i < HAL_PAGES; i++) {
        map_page(kernel_root, below + i * PAGE, HAL_PHYS + i * PAGE,
                 READ_ONLY | 2);
    }
    for (uint64_t i = 0; i < DRIVER_PAGES; i++) {
        map_page(kernel_root, driver + i * PAGE, DRIVER_PHYS + i * PAGE, 2);
    }
    decoy_below = below;
    decoy_driver = driver;
}

/* A page that starts like an image between the kernel's base and its code. */
static void fake_header(uint64_t page, uint16_t machine)
{
    put64(page, 0x00905a4d);
    put32(page + 0x3c, 0x80);
    put32(page + 0x80, 0x4550);
    *(volatile uint16_t *)(page + 0x84) = machine;
    *(volatile uint16_t *)(page + 0x98) = 0x20b;
    put32(page + 0x98 + 56, 0x1000);
}

static void stray_block(void)
{
    stray[0] = (uint64_t)stray;
    stray[1] = (uint64_t)stray;
    stray[2] = 0x4742444b | 0x380ULL << 32;
    stray[3] = image_va - 0x7000000;
    decoy_kdbg = (uint64_t)stray;
}

/* Offsets of KLDR_DATA_TABLE_ENTRY; see docs/guest.md. */
void module_add(uint64_t entry, const uint16_t *name, uint32_t units,
                uint64_t base, uint64_t size)
{
    uint64_t head = (uint64_t)ps_loaded_module_list, last = get64(head + 8);
    uint64_t text = entry + 0xc0;
    uint64_t string = units * 2 | (uint64_t)(units * 2 + 2) << 16;

    mem_copy((void *)text, name, units * 2);
    put64(entry, head);
    put64(entry + 8, last);
    put64(last, entry);
    put64(head + 8, entry);
    put64(entry + 0x30, base);
    put64(entry + 0x38, base + 0x1000);
    put32(entry + 0x40, size);
    put64(entry + 0x48, string);
    put64(entry + 0x50, text);
    put64(entry + 0x58, string);
    put64(entry + 0x60, text);
}

static void modules(void)
{
    static const uint16_t kernel[] = u"ntoskrnl.exe", hal[] = u"hal.dll",
                          driver[] = u"lookalike.sys";
    uint64_t page = pool_pages(1);
    uint64_t head = (uint64_t)ps_loaded_module_list;

    put64(head, head);
    put64(head + 8, head);
    module_add(page, kernel, 12, image_va, image_size);
    if (!config.decoys) {
        return;
    }
    module_add(page + 0x200, hal, 7, decoy_below, HAL_PAGES * PAGE);
    module_add(page + 0x400, driver, 13, decoy_driver, DRIVER_PAGES * PAGE);
}

void decoys_build(void)
{
    modules();
    mem_zero(stray, sizeof(stray));
    decoy_kdbg = 0;
    if (!config.decoys) {
        return;
    }
    stray_block();
    fake_header(IMAGE_PHYS + FAKE_MZ, 0x14c);
    fake_header(IMAGE_PHYS + FAKE_MZ_PE, 0x8664);
}
