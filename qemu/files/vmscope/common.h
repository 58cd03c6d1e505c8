/*
 * vmscope: what the IRQ log and the scheduler trace share inside QEMU
 *
 * memory.c   where a ring lies: memory or a file
 * process.c  what the QEMU process is
 * clock.c    the time now, for status queries
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_COMMON_H
#define VMSCOPE_COMMON_H

#include "qapi/qapi-types-vmscope.h"
#include "evring/clock.h"

/**
 * vmscope_memory_new: zeroed memory for a ring
 * @ring_file: file to keep it in, or NULL; an old ring file is renamed
 * @size: bytes
 *
 * Returns: page aligned, freed with vmscope_memory_free(); NULL with an error
 */
void *vmscope_memory_new(const char *ring_file, size_t size, Error **errp);
void vmscope_memory_free(void *mem, size_t size);

/**
 * vmscope_memory_populate: have all pages there before anybody writes
 *
 * Context: any thread that may take some 10 ms.
 */
void vmscope_memory_populate(void *mem, size_t size);

/* process.c: constant once the program runs. */
typedef struct VmscopeProcess {
    uint64_t load_base;
    char build_id[41];
    char exe[512];
    ClockTriple start;          /* clocks when the program was loaded */
} VmscopeProcess;

const VmscopeProcess *vmscope_process(void);

/**
 * vmscope_clock_new: the time now, on the clocks of the host
 *
 * Returns: freed with qapi_free_VmscopeClock()
 */
VmscopeClock *vmscope_clock_new(void);

#endif
