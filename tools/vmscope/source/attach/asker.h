/*
 * attach/asker: a QEMU's monitor, asked by a thread of its own.
 *
 * A monitor answers when QEMU's main loop comes to it, which may be late or
 * never; whoever samples must not wait for that.  Each question is asked at
 * most once at a time; its answer is fetched when it is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_ASKER_H
#define VMSCOPE_ATTACH_ASKER_H

#include "source/attach/layout.h"
#include "source/attach/monitor.h"

typedef enum AttachQuestion {
    ATTACH_ASK_REGISTERS,
    ATTACH_ASK_VCPUS,
    ATTACH_ASK_LAYOUT,
    ATTACH_N_QUESTIONS,
} AttachQuestion;

/* What was answered; the members of other questions are not used. */
typedef struct AttachAnswer {
    bool good;
    Err err;                    /* why not */
    WinosRegs *regs;            /* borrowed until the next question */
    unsigned n_regs;
    AttachThread *threads;      /* borrowed; by vCPU */
    AttachLayout layout;        /* the caller's, as is mappings */
    AttachMapping *mappings;    /* freed with free() */
    size_t n_mappings;
} AttachAnswer;

typedef struct AttachAsker AttachAsker;

/**
 * attach_asker_new - nothing is asked yet
 * @qmp: borrowed
 * @max_vcpus: vCPUs are below
 *
 * Returns: freed with attach_asker_free()
 */
AttachAsker *attach_asker_new(pid_t pid, Qmp *qmp, unsigned max_vcpus);

/* Waits for a question that was asked; NULL is allowed. */
void attach_asker_free(AttachAsker *asker);

/**
 * attach_asker_ask_now - ask, and wait as long as the monitor takes
 *
 * Context: before the first attach_asker_ask().
 *
 * Returns: answer->good
 */
bool attach_asker_ask_now(AttachAsker *asker, AttachQuestion question,
                          AttachAnswer *answer);

/**
 * attach_asker_ask - have something asked, and do not wait
 *
 * An answer to the same question that was not fetched is thrown away, also
 * one that is yet to come: what is fetched was asked after this call.
 *
 * Context: one thread calls this and attach_asker_fetch().
 */
void attach_asker_ask(AttachAsker *asker, AttachQuestion question);

/**
 * attach_asker_fetch - the answer, once
 * @wait_ms: wait so long for it; 0: not at all
 *
 * Returns: false when there is none (yet)
 */
bool attach_asker_fetch(AttachAsker *asker, AttachQuestion question,
                        unsigned wait_ms, AttachAnswer *answer);

/* Whether it was asked, and not fetched yet. */
bool attach_asker_is_pending(AttachAsker *asker, AttachQuestion question);

#endif
