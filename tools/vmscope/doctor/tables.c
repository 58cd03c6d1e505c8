/*
 * doctor-tables: the evidence behind offsets, and counters, as tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/translate.h"
#include "shared/display.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Text from QEMU in a cell of so many columns. */
static void print_cell(Out *out, const char *text, unsigned columns)
{
    char cell[DISPLAY_ROOM(80)];

    display_pad(cell, text, columns);
    out_text(out, cell);
    out_char(out, ' ');
}

static void append(char *text, size_t size, const char *word)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s%s", used ? "," : "", word);
}

/* Who says so: first the source of the value, then who agrees. */
static void join_sources(const json_t *offset, char *text, size_t size)
{
    const json_t *agreed = json_object_get(offset, "agreed-by");
    const char *source = qmp_text(offset, "source", "");
    size_t i;

    snprintf(text, size, "%s", source);
    for (i = 0; i < json_array_size(agreed); i++) {
        const char *name = json_string_value(json_array_get(agreed, i));

        if (name && strcmp(name, source)) {
            append(text, size, name);
        }
    }
    if (!*text) {
        snprintf(text, size, "-");
    }
}

static void print_offset(Out *out, const json_t *offset)
{
    const char *doubt = qmp_text(offset, "doubt", NULL);
    char value[24] = "-";
    char sources[128];
    char line[DISPLAY_ROOM(74)];

    if (qmp_has(offset, "value")) {
        snprintf(value, sizeof(value), "0x%" PRIx64,
                 qmp_uint(offset, "value", 0));
    }
    join_sources(offset, sources, sizeof(sources));
    print_cell(out, qmp_text(offset, "name", "?"), 29);
    print_cell(out, value, 7);
    print_cell(out, qmp_text(offset, "standing", "?"), 11);
    display_fit(line, sources, 30);
    out_printf(out, "%s\n", line);
    if (qmp_has(offset, "found")) {
        out_printf(out, _("    detection found 0x%" PRIx64 "\n"),
                   qmp_uint(offset, "found", 0));
    }
    if (doubt) {
        display_fit(line, doubt, 74);
        out_printf(out, "    %s\n", line);
    }
}

static void print_offsets(Out *out, const json_t *offsets)
{
    size_t i;

    if (!json_array_size(offsets)) {
        return;
    }
    out_text(out, _("\nOFFSET                        VALUE   STANDING    "
                    "SAID BY\n"));
    for (i = 0; i < json_array_size(offsets); i++) {
        print_offset(out, json_array_get(offsets, i));
    }
}

static void print_vcpu(Out *out, const json_t *vcpu)
{
    char missed[24] = "-";

    if (!qmp_bool(vcpu, "present", true)) {
        return;
    }
    if (qmp_has(vcpu, "missed")) {
        snprintf(missed, sizeof(missed), "%" PRIu64,
                 qmp_uint(vcpu, "missed", 0));
    }
    out_printf(out, "%4" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
               " %8s %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %10.3f\n",
               qmp_uint(vcpu, "vcpu", 0), qmp_uint(vcpu, "samples-exit", 0),
               qmp_uint(vcpu, "samples-poll", 0) +
               qmp_uint(vcpu, "samples-exact", 0),
               qmp_uint(vcpu, "switches", 0), missed,
               qmp_uint(vcpu, "read-faults", 0),
               qmp_uint(vcpu, "implausible", 0), qmp_uint(vcpu, "torn", 0),
               (double)qmp_uint(vcpu, "cost-ns", 0) / 1e6);
}

static void print_vcpus(Out *out, const json_t *vcpus)
{
    size_t i;

    if (!json_array_size(vcpus)) {
        return;
    }
    out_text(out, _("\nVCPU   AT EXITS     POLLED   SWITCHES   MISSED FAULTS "
                    "   ODD   TORN    COST MS\n"));
    for (i = 0; i < json_array_size(vcpus); i++) {
        print_vcpu(out, json_array_get(vcpus, i));
    }
}

void doctor_print_tables(const Doctor *doctor, Out *out)
{
    const json_t *status = doctor_answer(doctor,
                                         "query-windows-sched-trace-status");

    print_offsets(out, json_object_get(status, "offsets"));
    print_vcpus(out, json_object_get(status, "vcpus"));
}
