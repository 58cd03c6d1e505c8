/*
 * doctor-irq: does the IRQ log work?
 *
 * It is looked at as it is: turning it on for a moment would tell nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/translate.h"

#include <inttypes.h>

static void check_text(Doctor *doctor, const json_t *status)
{
    const char *error = qmp_text(status, "text-error", NULL);
    uint64_t lost = qmp_uint(status, "text-lost", 0);

    if (error) {
        findings_add(&doctor->findings, GRADE_WARN, "irq-log",
                     N_("Free some space, or turn the log off and on with "
                        "another log-file."), _("text cannot be written: %s"),
                     error);
    }
    if (lost) {
        findings_add(&doctor->findings, GRADE_WARN, "irq-log",
                     N_("The disk does not keep up: use a ring-file, or "
                        "changes-only."),
                     _("%" PRIu64 " interrupts are missing in the text"), lost);
    }
}

static void check_ring(Doctor *doctor, const json_t *status)
{
    uint64_t recorded = qmp_uint(status, "recorded", 0);
    uint64_t overwritten = qmp_uint(status, "overwritten", 0);

    findings_add(&doctor->findings, GRADE_OK, "irq-log", NULL,
                 _("on: %" PRIu64 " interrupts of %" PRIu64 " lines recorded, "
                   "%" PRIu64 " of them overwritten in a ring of %" PRIu64),
                 recorded, qmp_uint(status, "lines", 0), overwritten,
                 qmp_uint(status, "entries", 0));
    doctor_check_ring_lost(doctor, "irq-log", status);
}

static void check_lines(Doctor *doctor, const json_t *status)
{
    uint64_t refused = qmp_uint(status, "lines-refused", 0);

    if (refused) {
        findings_add(&doctor->findings, GRADE_WARN, "irq-log",
                     N_("Turn the log off and on again: the tables begin "
                        "empty."),
                     _("%" PRIu64 " lines had no room in the tables and are "
                       "\"(unknown)\""), refused);
    }
}

static void check_symbols(Doctor *doctor, const json_t *status)
{
    if (!*qmp_text(status, "build-id", "")) {
        findings_add(&doctor->findings, GRADE_NOTE, "irq-log",
                     N_("Nothing can check that symbols belong to this very "
                        "program: link it with --build-id."),
                     _("the QEMU program has no build-id"));
    }
}

void doctor_check_ring_lost(Doctor *doctor, const char *area,
                            const json_t *status)
{
    const char *why = qmp_text(status, "ring-lost", NULL);

    if (why) {
        findings_add(&doctor->findings, GRADE_WARN, area,
                     N_("Turn the trace off and on again, with a ring-file on "
                        "a tmpfs that nobody else writes to."),
                     _("the ring goes on in memory: %s"), why);
    }
}

void doctor_check_irq(Doctor *doctor)
{
    const json_t *status;
    Err err;

    if (!doctor->has_irq || !qmp_alive(doctor->qmp)) {
        return;
    }
    status = doctor_ask(doctor, "query-irq-log-status", NULL, &err);
    if (!status) {
        findings_add(&doctor->findings, GRADE_FAIL, "irq-log",
                     N_("Try again; if it stays so, please report it with "
                        "--bundle."), "%s", err.text);
        return;
    }
    if (tracing_is_on(status, TRACING_IRQ)) {
        check_ring(doctor, status);
    } else {
        findings_add(&doctor->findings, GRADE_OK, "irq-log", NULL,
                     _("off; vmscope irq or irq-log-set turns it on"));
    }
    check_lines(doctor, status);
    check_text(doctor, status);
    check_symbols(doctor, status);
}
