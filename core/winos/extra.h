/*
 * winos/extra: where Windows keeps times, waits and interrupts; for questions
 * that are asked now and then, not for the sampler.
 *
 * Made at build time from data/windows-x64-time-wait-offsets.csv.  These
 * offsets are of the kernel file that the layout was found for or, where that
 * file is not known, of the nearest ones: a claim, which time.h, waits.h and
 * interrupts.h hold against live memory before they tell anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_EXTRA_H
#define VMSCOPE_WINOS_EXTRA_H

#include "winos/detect.h"

typedef enum WinosExtraField {
    WINOS_PRCB_INTERRUPT_COUNT,     /* 32 bits, as are the next four */
    WINOS_PRCB_KERNEL_TIME,
    WINOS_PRCB_USER_TIME,
    WINOS_PRCB_DPC_TIME,
    WINOS_PRCB_INTERRUPT_TIME,
    WINOS_PRCB_CLOCK_INTERRUPTS,    /* 32 bits */
    WINOS_PRCB_DPC_ROUTINE_ACTIVE,  /* 8 bits */
    WINOS_PRCB_DPC_DATA,            /* of normal DPCs */
    WINOS_DPC_DATA_COUNT,           /* in it, 32 bits */
    WINOS_KTHREAD_KERNEL_TIME,      /* 32 bits */
    WINOS_KTHREAD_USER_TIME,        /* 32 bits */
    WINOS_KPROCESS_KERNEL_TIME,     /* their low 32 bits are read */
    WINOS_KPROCESS_USER_TIME,
    WINOS_KTHREAD_WAIT_BLOCK_LIST,
    WINOS_KTHREAD_WAIT_BLOCK,       /* the blocks of small waits */
    WINOS_KTHREAD_WAIT_BLOCK_COUNT, /* 8 bits; Windows 8 and later */
    WINOS_WAIT_BLOCK_THREAD,
    WINOS_WAIT_BLOCK_OBJECT,
    WINOS_WAIT_BLOCK_NEXT,          /* up to Windows 7 */
    WINOS_WAIT_BLOCK_TYPE,          /* 8 bits */
    WINOS_MUTANT_OWNER,
    WINOS_KTHREAD_NEXT_PROCESSOR,   /* 32 bits */
    WINOS_PRCB_INTERRUPT_OBJECT,    /* 256 pointers; most builds */
    WINOS_INTERRUPT_MODE,           /* in a KINTERRUPT, 32 bits */
    WINOS_INTERRUPT_DISPATCH_CODE,  /* in it, where a gate leads; others */
    WINOS_N_EXTRAS,
} WinosExtraField;

typedef struct WinosExtra {
    const char *file_version;
    int32_t at[WINOS_N_EXTRAS];     /* or WINOS_NO_OFFSET */
} WinosExtra;

/**
 * winos_extra_of - the offsets that may be a kernel's
 *
 * Returns: static; NULL when none of its rows is known here
 */
const WinosExtra *winos_extra_of(const WinosResult *result);

/**
 * winos_extra_row - those of one of a result's rows
 * @row: below result->n_rows
 *
 * Returns: static; NULL when that row is not known here
 */
const WinosExtra *winos_extra_row(const WinosResult *result, unsigned row);

static inline bool winos_extra_has(const WinosExtra *extra,
                                   WinosExtraField field)
{
    return extra->at[field] >= 0;
}

#endif
