/*
 * winos/layout: which structure offsets of Windows we use, and what is known
 * of each.
 *
 * An offset is a claim: it has a value, the source it was taken from, the
 * sources that agree, and what live memory said of it.  How claims are made
 * stands in kdbg.h, accessor.h, table.h and live.h; how they are weighed, in
 * detect.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_LAYOUT_H
#define VMSCOPE_WINOS_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

/* Field order is the order in which the status lists them. */
typedef enum WinosField {
    WINOS_KPCR_SELF,
    WINOS_KPCR_CURRENT_PRCB,
    WINOS_KPCR_PRCB,                /* the embedded block */
    WINOS_PRCB_CURRENT_THREAD,
    WINOS_PRCB_NEXT_THREAD,
    WINOS_PRCB_IDLE_THREAD,
    WINOS_PRCB_NUMBER,
    WINOS_PRCB_CONTEXT_SWITCHES,    /* KeContextSwitches, 32 bits */
    WINOS_PRCB_KERNEL_DTB,          /* KernelDirectoryTableBase */
    WINOS_KTHREAD_STACK_LIMIT,
    WINOS_KTHREAD_STACK_BASE,
    WINOS_KTHREAD_APC_PROCESS,      /* ApcState.Process */
    WINOS_KTHREAD_PROCESS,          /* the owner */
    WINOS_KTHREAD_STATE,
    WINOS_KTHREAD_WAIT_REASON,
    WINOS_KTHREAD_PRIORITY,
    WINOS_KTHREAD_CONTEXT_SWITCHES, /* 32 bits */
    WINOS_KTHREAD_WAIT_TIME,        /* 32 bits, ticks */
    WINOS_KTHREAD_TEB,
    WINOS_ETHREAD_CLIENT_ID,        /* Cid: process id, then thread id */
    WINOS_ETHREAD_CREATE_TIME,
    WINOS_ETHREAD_THREAD_LIST_ENTRY,
    WINOS_ETHREAD_THREAD_NAME,      /* pointer to a UNICODE_STRING */
    WINOS_EPROCESS_DIRECTORY_TABLE_BASE,
    WINOS_EPROCESS_UNIQUE_PROCESS_ID,
    WINOS_EPROCESS_ACTIVE_PROCESS_LINKS,
    WINOS_EPROCESS_IMAGE_FILE_NAME, /* 15 bytes */
    WINOS_EPROCESS_INHERITED_FROM,
    WINOS_EPROCESS_PEB,
    WINOS_EPROCESS_CREATE_TIME,
    WINOS_EPROCESS_THREAD_LIST_HEAD,
    WINOS_N_FIELDS,
} WinosField;

/* Where a claim comes from; also the bit in a mask of sources. */
typedef enum WinosSource {
    WINOS_SOURCE_KDBG,
    WINOS_SOURCE_CODE,
    WINOS_SOURCE_TABLE,
    WINOS_SOURCE_STRUCTURE,
    WINOS_SOURCE_OVERRIDE,
    WINOS_N_SOURCES,
} WinosSource;

typedef enum WinosStanding {
    WINOS_UNKNOWN,      /* nobody claims anything */
    WINOS_ABSENT,       /* this kernel has no such field */
    WINOS_REFUTED,      /* claims there are, and live memory fits none */
    WINOS_UNCONFIRMED,  /* one voice only, and nothing to check it by (yet) */
    WINOS_AGREED,       /* two independent sources say the same */
    WINOS_CONFIRMED,    /* live memory bears it out */
} WinosStanding;

/* The highest offset that is believed; no structure we read is larger. */
enum { WINOS_MAX_OFFSET = 0xffff, WINOS_NO_OFFSET = -1 };

typedef struct WinosOffset {
    int32_t value;          /* used when >= 0, else WINOS_NO_OFFSET */
    WinosSource source;     /* of the value; meaningless without one */
    uint8_t agreed;         /* mask of the sources that say @value */
    WinosStanding standing;
    int32_t claims[WINOS_N_SOURCES];    /* what each says, or -1 */
    bool proven;            /* watching it change has shown it */
    int32_t found;          /* with an override: what detection found, or -1 */
    const char *doubt;      /* a static sentence, or NULL */
} WinosOffset;

typedef struct WinosLayout {
    WinosOffset field[WINOS_N_FIELDS];
} WinosLayout;

/**
 * winos_layout_init - nothing is known yet
 */
void winos_layout_init(WinosLayout *layout);

/**
 * winos_offset - the offset to use, or WINOS_NO_OFFSET
 */
static inline int32_t winos_offset(const WinosLayout *layout, WinosField field)
{
    return layout->field[field].value;
}

/**
 * winos_has - is there an offset to use?
 */
static inline bool winos_has(const WinosLayout *layout, WinosField field)
{
    return layout->field[field].value >= 0;
}

/**
 * winos_field_name - the name users give and get, such as "kthread-state"
 */
const char *winos_field_name(WinosField field);
const char *winos_source_name(WinosSource source);
const char *winos_standing_name(WinosStanding standing);

/**
 * winos_state_name - what Windows calls a value of KTHREAD.State
 *
 * Source: VergiliusProject/kernels-data _KTHREAD_STATE.
 *
 * Returns: a static name, or NULL for a value that has none
 */
const char *winos_state_name(unsigned state);

/**
 * winos_wait_reason_name - what Windows calls a value of KTHREAD.WaitReason
 *
 * To 42; newer ones are shown by number.  Two values have another name in
 * older builds; the newest is given.
 * Source: VergiliusProject/kernels-data _KWAIT_REASON.
 *
 * Returns: a static name, or NULL
 */
const char *winos_wait_reason_name(unsigned reason);

#endif
