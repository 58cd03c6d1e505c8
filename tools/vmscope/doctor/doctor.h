/*
 * doctor: what the parts of vmscope doctor share.
 *
 * doctor.c begins and ends, doctor-qemu.c looks at the QEMU and its host,
 * doctor-sched.c at the scheduler trace, doctor-stage.c at how far the machine
 * has come where there is none to trace, doctor-irq.c at the IRQ log,
 * doctor-tables.c prints evidence, doctor-bundle.c writes it all to a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DOCTOR_H
#define VMSCOPE_DOCTOR_H

#include "doctor/findings.h"
#include "shared/names.h"
#include "source/tracing.h"

typedef struct DoctorOptions {
    ConnectOptions connect;
    NameOptions names;
    uint64_t wait_ns;
    const char *bundle;         /* NULL: none */
    bool no_enable;
    bool no_names;
    bool exact;
    bool json;
    bool verbose;
} DoctorOptions;

typedef struct Doctor {
    DoctorOptions opt;
    Qmp *qmp;
    Tracing tracing;
    Findings findings;
    json_t *answers;            /* of each command that was run, by name */
    bool kvm;
    bool kernel_irqchip;        /* KVM makes some interrupts by itself */
    bool has_sched;             /* the commands are there */
    bool has_irq;
} Doctor;

/**
 * doctor_ask - run a query and keep its answer
 *
 * Returns: the answer, borrowed from doctor->answers; NULL with a sentence
 */
const json_t *doctor_ask(Doctor *doctor, const char *name,
                         json_t *arguments, Err *err);

/* The newest answer to a query; NULL when there is none. */
const json_t *doctor_answer(const Doctor *doctor, const char *name);

void doctor_check_qemu(Doctor *doctor);
void doctor_check_sched(Doctor *doctor);
void doctor_check_irq(Doctor *doctor);

/* Where the machine is while no kernel is known; adds at most one finding. */
void doctor_check_stage(Doctor *doctor);

/* Whether a trace's ring file is still its ring; @area: of the finding. */
void doctor_check_ring_lost(Doctor *doctor, const char *area,
                            const json_t *status);

/* What all findings come to: a sentence without its full stop. */
void doctor_verdict(const Doctor *doctor, char *buf, size_t size);

/* That, which interrupts are visible, and an empty line. */
void doctor_print_verdict(const Doctor *doctor, Out *out, bool colour);

/* Evidence behind each offset, and counters of each vCPU. */
void doctor_print_tables(const Doctor *doctor, Out *out);

/**
 * doctor_write_bundle - write a file for a bug report
 *
 * Says first what is in it.
 *
 * Returns: false, and has said why
 */
bool doctor_write_bundle(const Doctor *doctor);

#endif
