/*
 * winos/place: what an instruction pointer tells: module and export, or how
 * far a machine has come that runs no Windows yet.
 *
 * Exports are all the names that a kernel and its drivers carry with them;
 * a function without one is told as a distance from the last one before it,
 * which may be another function.  User mode has no module here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_PLACE_H
#define VMSCOPE_WINOS_PLACE_H

#include "winos/modules.h"
#include "winos/regs.h"

enum {
    WINOS_PLACE_NO_MODULE = -1,
    /* Pages of export tables for one call; a Windows has some 400. */
    WINOS_PLACE_PAGES = 8192,
};

/**
 * winos_places_find - modules and exports of many addresses at once
 * @space: maps the kernel and its drivers
 * @modules, @n_modules: as winos_modules_read() gave them
 * @places: gva is set, and the array in ascending order of it; owner becomes
 *          the index of the module, or WINOS_PLACE_NO_MODULE; export and name
 *          as pe_nearest() sets them
 *
 * Where modules overlap, the first in the list has the address.
 *
 * Context: a helper thread or a query; allocates nothing, and reads at most
 * WINOS_PLACE_PAGES pages besides each module's headers.
 */
void winos_places_find(const GmemSpace *space, const WinosModule *modules,
                       unsigned n_modules, PePlace *places, unsigned n);

/* A place's order, for qsort(). */
int winos_place_order(const void *a, const void *b);

/* How far a machine has come, by what it executes. */
typedef enum WinosStage {
    WINOS_STAGE_FIRMWARE,
    WINOS_STAGE_LOADER,         /* of an operating system */
    WINOS_STAGE_FIRMWARE_OR_LOADER, /* in RAM as it lies */
    WINOS_STAGE_KERNEL,         /* 64-bit, in the upper half */
    WINOS_STAGE_KERNEL_32,
    WINOS_STAGE_USER,
    WINOS_N_STAGES,
} WinosStage;

/**
 * winos_stage - firmware, boot loader or kernel?
 *
 * By mode and address alone: PC firmware lies below 1 MiB and below 4 GiB, a
 * boot loader runs in memory as it lies, a kernel in the upper half.  Firmware
 * that has moved itself to RAM, UEFI's above all, and the boot loaders it
 * starts look alike.
 *
 * Sources: Intel SDM vol. 3A, 9.1.4 "First Instruction Executed"; UEFI
 * specification, 2.3.4 "x64 Platforms" (identity mapping).
 */
WinosStage winos_stage(const WinosCode *code);

/* As sentences have it: "the firmware", "a 64-bit kernel". */
const char *winos_stage_name(WinosStage stage);

#endif
