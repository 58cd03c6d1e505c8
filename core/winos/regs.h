/*
 * winos/regs: the registers of a vCPU by which a kernel is found, and those
 * that tell what it executes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_REGS_H
#define VMSCOPE_WINOS_REGS_H

#include <stdbool.h>
#include <stdint.h>

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

/* Where one vCPU is, at one instant. */
typedef struct WinosCode {
    uint64_t address;           /* of the instruction; CS base included */
    uint8_t cpl;
    bool protected_mode;        /* CR0.PE */
    bool paging;                /* CR0.PG */
    bool long_mode;             /* EFER.LMA */
} WinosCode;

#endif
