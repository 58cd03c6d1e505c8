/*
 * winos/kernel: from the registers of a few vCPUs to the Windows kernel.
 *
 * Finds an address space in which the kernel is mapped, the kernel's image,
 * and the KPCR of each vCPU.  What the structures hold beyond that is for
 * live.h and detect.h.
 *
 * Sources: docs/guest-facts/kernel.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_KERNEL_H
#define VMSCOPE_WINOS_KERNEL_H

#include "winos/layout.h"
#include "winos/pe.h"
#include "winos/regs.h"

typedef struct WinosKernel {
    GmemSpace space;        /* with a CR3 that maps the kernel */
    PeImage image;
    uint32_t build;         /* NtBuildNumber, low 16 bits: what users know */
    uint64_t build_at;      /* where it is exported, or 0 */
    uint32_t major, minor;  /* 10.0, 6.1 ... */
    bool kva_shadow;        /* an entry point in the section KVASCODE */
    bool kva_shadow_known;  /* entry points were set; early in a boot none is */
    uint64_t system_process;/* PsInitialSystemProcess, or 0 */
    uint64_t process_list;  /* PsActiveProcessHead, or 0 */
    uint64_t idle_process;  /* or 0 */
    bool saw_shared_data;   /* page tables that map it, kernel or not */
} WinosKernel;

/* Physical memory is asked for a root in the first MiB only. */

/**
 * winos_kernel_find - find the kernel's address space and image
 * @mem: the guest
 * @regs, @n_regs: at least one vCPU in 64-bit mode
 * @kernel: space, image, build, kva_shadow and the exported pointers are set
 * @err: says what is not there, in the words of the status' reason
 *
 * Context: reads at most some ten thousand times; any thread that may take
 * a few ms.
 */
bool winos_kernel_find(const GuestMem *mem, const WinosRegs *regs,
                       unsigned n_regs, WinosKernel *kernel, Err *err);

/**
 * winos_kernel_is_there - is it still the same kernel?
 *
 * Reads the headers again and compares identity; cheap enough for ten times a
 * second.
 */
bool winos_kernel_is_there(const WinosKernel *kernel);

/**
 * winos_kernel_follow_build - has Windows given itself another build number?
 *
 * An enablement package's number is not that of the kernel's file.  While
 * Windows boots the file's is shown; when the registry is loaded the exported
 * number and the one in shared data are replaced, once.  It is still the same
 * kernel.  Where both are there they have to agree.
 *
 * Returns: whether @kernel's build is another one now
 */
bool winos_kernel_follow_build(WinosKernel *kernel);

/**
 * winos_kpcr_find - find a vCPU's KPCR
 * @space: maps the kernel
 * @self: offset of KPCR.Self, or WINOS_NO_OFFSET: then it is looked for
 * @regs: of that vCPU
 * @kpcr: receives its address
 * @found_self: receives the offset at which it points to itself
 *
 * GS base and KERNEL_GS_BASE are both tried, whatever CPL says: entry code
 * runs at CPL 0 with the user's GS for a few instructions.
 */
bool winos_kpcr_find(const GmemSpace *space, int32_t self,
                     const WinosRegs *regs, uint64_t *kpcr,
                     int32_t *found_self);

#endif
