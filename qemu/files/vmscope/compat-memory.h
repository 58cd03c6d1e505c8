/*
 * vmscope: what differs between QEMU versions in guest memory
 *
 * Apart from compat.h, as only code built for whole machines may include it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_COMPAT_MEMORY_H
#define VMSCOPE_COMPAT_MEMORY_H

#if QEMU_VERSION_MAJOR > 10 || \
    (QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR > 0)
#include "system/address-spaces.h"
#include "system/memory.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#endif

/* RAM, or a ROM that is memory at present; no device is touched. */
static inline bool memory_is_readable(MemoryRegion *mr)
{
#if QEMU_VERSION_MAJOR < 10
    return memory_access_is_direct(mr, false);
#else
    return memory_access_is_direct(mr, false, MEMTXATTRS_UNSPECIFIED);
#endif
}

#endif
