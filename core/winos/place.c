/*
 * winos/place: see place.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/place.h"

#include <stddef.h>

/* Where a PC has firmware: the last MiB of 4 GiB and more, and below 1 MiB. */
enum { ROM_LOW = 0xc0000, MIB = 0x100000 };
static const uint64_t rom_high = 0xff000000;
static const uint64_t rom_high_end = UINT64_C(0x100000000);

/* Where 32-bit kernels begin. */
static const uint64_t upper_half_32 = 0x80000000;

int winos_place_order(const void *a, const void *b)
{
    const PePlace *x = a;
    const PePlace *y = b;

    return x->gva < y->gva ? -1 : x->gva > y->gva;
}

void winos_places_find(const GmemSpace *space, const WinosModule *modules,
                       unsigned n_modules, PePlace *places, unsigned n)
{
    unsigned pages = WINOS_PLACE_PAGES;
    unsigned i;
    unsigned end;

    for (i = 0; i < n; i++) {
        const WinosModule *module = winos_module_at(modules, n_modules,
                                                    places[i].gva);

        places[i].owner = module ? (int32_t)(module - modules)
                                 : WINOS_PLACE_NO_MODULE;
        places[i].export = 0;
        places[i].name[0] = '\0';
    }
    for (i = 0; i < n; i = end) {
        int32_t owner = places[i].owner;
        PeImage image;

        for (end = i + 1; end < n && places[end].owner == owner; end++) {
        }
        if (owner != WINOS_PLACE_NO_MODULE && pages &&
            pe_open(&image, space, modules[owner].base, NULL)) {
            pe_nearest(&image, places + i, end - i, &pages);
        }
    }
}

static bool is_in_rom(uint64_t address)
{
    return (address >= ROM_LOW && address < MIB) ||
           (address >= rom_high && address < rom_high_end);
}

WinosStage winos_stage(const WinosCode *code)
{
    if (code->protected_mode && code->cpl == 3) {
        return WINOS_STAGE_USER;
    }
    if (code->long_mode && code->address >> 63) {
        return WINOS_STAGE_KERNEL;
    }
    if (!code->long_mode && code->paging && code->address >= upper_half_32 &&
        code->address < rom_high) {
        return WINOS_STAGE_KERNEL_32;
    }
    if (is_in_rom(code->address)) {
        return WINOS_STAGE_FIRMWARE;
    }
    /* Firmware of either kind moves itself to RAM, and sees it as it lies. */
    return code->long_mode || (code->protected_mode && !code->paging)
        ? WINOS_STAGE_FIRMWARE_OR_LOADER : WINOS_STAGE_LOADER;
}

const char *winos_stage_name(WinosStage stage)
{
    static const char *const names[WINOS_N_STAGES] = {
        [WINOS_STAGE_FIRMWARE] = "the firmware",
        [WINOS_STAGE_LOADER] = "a boot loader",
        [WINOS_STAGE_FIRMWARE_OR_LOADER] =
            "the firmware or a boot loader",
        [WINOS_STAGE_KERNEL] = "a 64-bit kernel",
        [WINOS_STAGE_KERNEL_32] = "a 32-bit kernel",
        [WINOS_STAGE_USER] = "a program in user mode",
    };

    return (unsigned)stage < WINOS_N_STAGES ? names[stage] : NULL;
}
