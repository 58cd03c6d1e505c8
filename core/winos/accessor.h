/*
 * winos/accessor: what the code of small exported functions says of offsets.
 *
 * PsGetProcessId() and its like are one or two instructions whose
 * displacement is the offset.  A short whitelist of instructions is decoded;
 * anything else, and a function that does not return soon, is no evidence.
 *
 * Sources: docs/guest-facts/accessors.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_ACCESSOR_H
#define VMSCOPE_WINOS_ACCESSOR_H

#include "winos/layout.h"
#include "winos/pe.h"

/* Bytes of a function that are looked at, at most. */
enum { ACCESSOR_CODE = 96 };

/* What code says beside offsets. */
typedef struct AccessorFacts {
    unsigned n_decoded;             /* accessors that were understood */
    uint64_t idle_process;          /* address of KiInitialProcess, or 0 */
    int32_t kpcr_current_thread;    /* gs: displacement, or -1 */
    int32_t kpcr_kernel_dtb;        /* from the shadow entry code, or -1 */
} AccessorFacts;

/**
 * accessor_claims - decode the accessors an image exports
 * @image: the kernel
 * @layout: claims[WINOS_SOURCE_CODE] of what they tell are set.  Two
 *          accessors that tell different things of one field: no claim.
 *          PRCB_CURRENT_THREAD is left to the caller, who knows where the
 *          PRCB is: see kpcr_current_thread.
 * @facts: filled in
 *
 * Context: allocates nothing; some 40 exports of at most ACCESSOR_CODE bytes.
 */
void accessor_claims(const PeImage *image, WinosLayout *layout,
                     AccessorFacts *facts);

/**
 * accessor_kernel_dtb - where a system call's entry code finds the kernel CR3
 * @space: any address space in which the entry code is mapped, such as the
 *         user's own when KVA shadow is on
 * @lstar: MSR LSTAR
 *
 * Looks for a load from gs:[disp32] whose register then goes to CR3.
 *
 * Returns: the offset from the KPCR, or -1 when the code has no such thing
 */
int32_t accessor_kernel_dtb(const GmemSpace *space, uint64_t lstar);

/* What one function's code says; for tests and fuzzing. */
typedef struct AccessorCode {
    bool understood;
    int32_t displacement;           /* of the load that matters, or -1 */
    uint8_t width;                  /* bytes loaded; 0: its address is given */
    bool part;                      /* only some bits of them */
    int32_t gs_displacement;        /* -1: none */
    uint64_t rip_target;            /* of a lea that is compared; 0: none */
    int32_t compared;               /* displacement of what with; -1: none */
} AccessorCode;

/**
 * accessor_read_code - read code, of whose second page none may be there
 *
 * Returns: how many of @n bytes were read; 0 when the first is missing
 */
unsigned accessor_read_code(const GmemSpace *space, uint64_t address,
                            uint8_t *code, unsigned n);

/**
 * accessor_decode - understand one function
 * @code: its first bytes
 * @n: how many; of more than ACCESSOR_CODE the first are taken
 * @address: where they are, for what is relative to RIP
 * @jump: receives the target of a leading jmp, to be decoded instead by the
 *        caller, or 0; may be NULL
 *
 * Context: any thread; reads nothing but @code.
 *
 * Returns: out->understood
 */
bool accessor_decode(const uint8_t *code, unsigned n, uint64_t address,
                     AccessorCode *out, uint64_t *jump);

#endif
