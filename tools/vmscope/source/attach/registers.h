/*
 * attach/registers: a vCPU's registers, from the text of QEMU's monitor.
 *
 * "info registers -a" of QEMU 5.2 to 11, for vCPUs in any mode.  It has
 * neither KERNEL_GS_BASE nor LSTAR; they stay 0.
 *
 * Source: qemu/qemu: target/i386/cpu-dump.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_REGISTERS_H
#define VMSCOPE_ATTACH_REGISTERS_H

#include "winos/kernel.h"
#include "winos/place.h"

/**
 * attach_registers_parse - all vCPUs of a text
 * @regs: receives up to @max; those of which CR3, GS or EFER is missing are
 *        left out
 *
 * Returns: how many there are
 */
unsigned attach_registers_parse(const char *text, WinosRegs *regs,
                                unsigned max);

/* What a vCPU executes. */
typedef struct AttachCode {
    unsigned vcpu;
    bool halted;
    WinosCode code;
} AttachCode;

/**
 * attach_codes_parse - the same text: where each vCPU is
 * @codes: receives up to @max; those without RIP or EIP, CR0 or CS are left
 *         out
 *
 * Returns: how many there are
 */
unsigned attach_codes_parse(const char *text, AttachCode *codes,
                            unsigned max);

#endif
