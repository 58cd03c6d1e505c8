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

/* Registers of one vCPU at one instant; what is not known is 0. */
typedef struct WinosRegs {
    unsigned vcpu;          /* QEMU's index */
    uint8_t cpl;
    bool long_mode;         /* EFER.LMA */
    bool la57;              /* CR4.LA57 */
    uint64_t gs_base;
    uint64_t kernel_gs_base;
    uint64_t cr3;
    uint64_t lstar;
    uint64_t idt_base;
} WinosRegs;

typedef struct WinosKernel {
    GmemSpace space;        /* with a CR3 that maps the kernel */
    PeImage image;
    uint32_t build;         /* NtBuildNumber, low 16 bits */
    uint32_t major, minor;  /* 10.0, 6.1 ... */
    bool kva_shadow;        /* LSTAR in the section KVASCODE */
    uint64_t system_process;/* PsInitialSystemProcess, or 0 */
    uint64_t process_list;  /* PsActiveProcessHead, or 0 */
    uint64_t idle_process;  /* or 0 */
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
