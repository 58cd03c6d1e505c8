/*
 * doctor: what the parts of vmscope doctor share.
 *
 * doctor.c begins and ends, doctor-qemu.c looks at the QEMU and its host,
 * doctor-sched.c at the scheduler trace, doctor-irq.c at the IRQ log,
 * doctor-tables.c prints evidence, doctor-bundle.c writes it all to a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DOCTOR_H
#define VMSCOPE_DOCTOR_H

#include "findings.h"
#include "tracing.h"

typedef struct DoctorOptions {
    ConnectOptions connect;
    uint64_t wait_ns;
    const char *bundle;         /* NULL: none */
    bool no_enable;
    bool no_names;
    bool exact;
    bool json;
} DoctorOptions;

typedef struct Doctor {
    DoctorOptions opt;
    Qmp *qmp;
    Tracing tracing;
    Findings findings;
    json_t *answers;            /* of each command that was run, by name */
    bool kvm;
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
