/*
 * doctor-verdict: what all findings come to, in two lines.
 *
 * Whoever runs doctor wants to know first whether to go on.  What speaks for
 * it is in the findings, and behind -v in the tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/translate.h"
#include "shared/vcpu-count.h"
#include "shared/windows-name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VERDICT_MAX = 512 };

/* " 26 % of switches missed at 1 kHz" */
static void put_missed(const json_t *status, char *buf, size_t size)
{
    const json_t *vcpus = json_object_get(status, "vcpus");
    uint64_t hz = qmp_uint(status, "poll-hz", 0);
    uint64_t switches = 0;
    uint64_t missed = 0;
    bool counted = json_array_size(vcpus) > 0;
    char rate[32];
    size_t i;

    for (i = 0; i < json_array_size(vcpus); i++) {
        const json_t *vcpu = json_array_get(vcpus, i);

        if (qmp_bool(vcpu, "present", true)) {
            counted = counted && qmp_has(vcpu, "missed");
            switches += qmp_uint(vcpu, "switches", 0);
            missed += qmp_uint(vcpu, "missed", 0);
        }
    }
    if (qmp_bool(status, "exact", false)) {
        snprintf(rate, sizeof(rate), _("in exact mode"));
    } else if (hz == OPTIONS_RATE_MAX) {
        snprintf(rate, sizeof(rate), _("polling without a pause"));
    } else if (hz >= 1000) {
        snprintf(rate, sizeof(rate), _("at %.3g kHz"), (double)hz / 1000);
    } else {
        snprintf(rate, sizeof(rate), _("at %" PRIu64 " Hz"), hz);
    }
    if (counted && switches + missed) {
        snprintf(buf, size, _("%.0f %% of switches missed %s"),
                 100 * (double)missed / (double)(switches + missed), rate);
    } else {
        snprintf(buf, size, _("missed switches not counted yet, %s"), rate);
    }
}

/* Which of them QEMU gets to see. */
static void put_interrupts(const Doctor *doctor, char *buf, size_t size)
{
    if (!doctor->has_irq) {
        snprintf(buf, size, _("not visible: this QEMU was not built with "
                              "vmscope"));
    } else if (doctor->kvm && doctor->kernel_irqchip) {
        snprintf(buf, size, _("wired yes, MSI yes (but not by irqfd), "
                              "in-kernel timer not visible"));
    } else {
        snprintf(buf, size, _("wired yes, MSI yes"));
    }
}

/* The first finding of a grade; NULL when there is none. */
static const Finding *first_of(const Findings *findings, Grade grade)
{
    size_t i;

    for (i = 0; i < findings->n; i++) {
        if (findings->list[i].grade == grade) {
            return &findings->list[i];
        }
    }
    return NULL;
}

static const Finding *find_check(const Findings *findings, const char *check)
{
    size_t i;

    for (i = 0; i < findings->n; i++) {
        if (!strcmp(findings->list[i].check, check)) {
            return &findings->list[i];
        }
    }
    return NULL;
}

void doctor_verdict(const Doctor *doctor, char *buf, size_t size)
{
    const json_t *status = doctor_answer(doctor,
                                         "query-windows-sched-trace-status");
    const json_t *cpus = doctor_answer(doctor, "query-cpus-fast");
    const char *state = qmp_text(status, "state", "");
    const Finding *failed = first_of(&doctor->findings, GRADE_FAIL);
    const Finding *boot = find_check(&doctor->findings, "boot");
    size_t n = json_array_size(cpus);
    char name[WINDOWS_NAME_MAX];
    char vcpus[VCPU_COUNT_MAX];
    char missed[128];

    if (failed) {
        snprintf(buf, size, _("Not ready: %s"), failed->text);
    } else if (boot) {
        snprintf(buf, size, _("Not ready: no Windows kernel was found; %s"),
                 boot->text);
    } else if (strcmp(state, "active") && strcmp(state, "degraded")) {
        snprintf(buf, size, _("Not ready: no Windows kernel was found (%s)"),
                 *state ? state : _("the trace was not asked"));
    } else {
        n = n ? n : json_array_size(json_object_get(status, "vcpus"));
        windows_name(qmp_uint(status, "windows-build", 0), name);
        put_missed(status, missed, sizeof(missed));
        snprintf(buf, size, "%s: %s, %s, %s",
                 first_of(&doctor->findings, GRADE_WARN)
                 ? _("Ready, with limits") : _("Ready"), name,
                 vcpu_count(n, vcpus), missed);
    }
}

void doctor_print_verdict(const Doctor *doctor, Out *out, bool colour)
{
    bool failed = findings_count(&doctor->findings, GRADE_FAIL) > 0;
    char text[VERDICT_MAX];

    doctor_verdict(doctor, text, sizeof(text));
    out_text(out, colour ? failed ? "\033[1;31m" : "\033[1m" : "");
    out_safe(out, text);
    out_text(out, colour ? "\033[0m\n" : "\n");
    if (doctor->qmp && qmp_alive(doctor->qmp)) {
        put_interrupts(doctor, text, sizeof(text));
        out_printf(out, _("Interrupts: %s\n"), text);
    }
    out_char(out, '\n');
}
