/*
 * vmscope doctor: does everything work, and what limits what is seen?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "shared/colour.h"
#include "commands.h"
#include "common/message.h"
#include "common/stop.h"
#include "common/translate.h"
#include "shared/display.h"
#include "source/qmp-dump.h"

#include <string.h>
#include <unistd.h>

static const Option options[] = {
    { .help = N_("What is done:") },
    { "wait", 'w', OPTION_DURATION, offsetof(DoctorOptions, wait_ns),
      "TIME", N_("how long a trace that was off may take to find\n"
                 "its kernel (5s)"), .max = 3600000000000 },
    { "no-enable", 0, OPTION_FLAG, offsetof(DoctorOptions, no_enable), NULL,
      N_("do not turn on a trace that is off") },
    { "exact", 0, OPTION_FLAG, offsetof(DoctorOptions, exact), NULL,
      N_("try exact mode (data breakpoints) meanwhile") },
    { .help = N_("What is shown:") },
    { "verbose", 'v', OPTION_FLAG, offsetof(DoctorOptions, verbose), NULL,
      N_("also what is in order, offsets with their evidence,\n"
         "and counters of each vCPU") },
    { "json", 'j', OPTION_FLAG, offsetof(DoctorOptions, json), NULL,
      N_("one JSON object") },
    { "bundle", 'b', OPTION_TEXT, offsetof(DoctorOptions, bundle), "FILE",
      N_("write all of it to a new file for a bug report;\n"
         "lists first what is in it") },
    { "no-names", 0, OPTION_FLAG, offsetof(DoctorOptions, no_names), NULL,
      N_("leave names of processes and threads out of it") },
    {}
};

static const Usage usage = {
    .command = "vmscope doctor",
    .operands = "",
    .about = N_("Check what a QEMU can show and how well: its commands, the "
                "Windows in the guest,\n"
                "the evidence behind each structure offset, counters, and "
                "the IRQ log.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(DoctorOptions, connect),
    .names = name_options,
    .names_offset = offsetof(DoctorOptions, names),
    .examples =
        "  vmscope doctor --qmp /run/vm.qmp\n"
        "  vmscope doctor --libvirt win11 --wait 30s --exact\n"
        "  vmscope doctor --qmp /run/vm.qmp --bundle report.json "
        "--no-names\n",
};

const json_t *doctor_answer(const Doctor *doctor, const char *name)
{
    return json_object_get(doctor->answers, name);
}

const json_t *doctor_ask(Doctor *doctor, const char *name,
                         json_t *arguments, Err *err)
{
    json_t *answer = qmp_command(doctor->qmp, name, arguments, err);

    if (answer && json_object_set_new(doctor->answers, name, answer)) {
        die_no_memory();
    }
    return answer;
}

static void print_text(const Doctor *doctor, Out *out)
{
    bool colour = colour_wanted(out->fd);
    bool verbose = doctor->opt.verbose;

    doctor_print_verdict(doctor, out, colour);
    findings_print(&doctor->findings, verbose ? GRADE_OK : GRADE_NOTE, out,
                   colour);
    if (verbose) {
        doctor_print_tables(doctor, out);
    }
    if (verbose || findings_count(&doctor->findings, GRADE_OK) <
                   doctor->findings.n) {
        out_char(out, '\n');
    }
    findings_print_counts(&doctor->findings, out);
    if (!verbose) {
        out_text(out, _("-v shows what is in order, and the evidence\n"));
    }
}

static void print_json(const Doctor *doctor, Out *out)
{
    JsonOut json = { .out = out };
    char verdict[512];
    const json_t *entries = doctor_answer(doctor, "query-windows-sched-trace");

    jsonout_begin(&json, NULL, '{');
    doctor_verdict(doctor, verdict, sizeof(verdict));
    jsonout_text(&json, "verdict", verdict);
    findings_write(&doctor->findings, &json);
    jsonout_begin(&json, "answers", '{');
    if (entries) {      /* they are for the bundle alone */
        json_object_del(doctor->answers, "query-windows-sched-trace");
    }
    qmp_dump_members(&json, doctor->answers);
    jsonout_end(&json, '}');
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

static bool print(const Doctor *doctor)
{
    static Out out;

    out_init(&out, STDOUT_FILENO);
    if (doctor->opt.json) {
        print_json(doctor, &out);
    } else {
        print_text(doctor, &out);
    }
    return out_finish(&out);
}

static void examine(Doctor *doctor)
{
    doctor_check_qemu(doctor);
    doctor_check_sched(doctor);
    doctor_check_irq(doctor);
    if (!qmp_alive(doctor->qmp)) {
        findings_add(&doctor->findings, GRADE_FAIL, "socket",
                     N_("What is above is what was seen until then."),
                     _("the connection was lost on the way"));
    }
}

static int conclude(Doctor *doctor)
{
    bool good = true;

    if (stop_asked) {
        message("interrupted: this is not all");
        good = false;
    }
    if (doctor->opt.bundle && !doctor_write_bundle(doctor)) {
        good = false;
    }
    if (!print(doctor)) {
        good = false;
    }
    return good && !findings_count(&doctor->findings, GRADE_FAIL)
        ? EXIT_FINE : EXIT_FAILED;
}

/* Nothing can be looked at: that is a finding too. */
static int cannot_connect(Doctor *doctor, const Err *err)
{
    if (err->code == ERR_USAGE) {
        message("%s", err->text);
        return EXIT_WRONG_USAGE;
    }
    findings_add(&doctor->findings, GRADE_FAIL, "socket",
                 N_("vmscope ps lists the QEMUs of this host, and how to "
                    "reach each."), "%s", err->text);
    print(doctor);
    return EXIT_FAILED;
}

static int run(Doctor *doctor)
{
    int status;
    Err err;

    doctor->answers = json_object();
    if (!doctor->answers) {
        die_no_memory();
    }
    doctor->qmp = qmp_connect(&doctor->opt.connect, &err);
    doctor->tracing = (Tracing) { doctor->qmp, TRACING_SCHED, false };
    if (doctor->qmp) {
        examine(doctor);
        tracing_end(&doctor->tracing);
        status = conclude(doctor);
    } else {
        status = cannot_connect(doctor, &err);
    }
    qmp_free(doctor->qmp);
    json_decref(doctor->answers);
    findings_release(&doctor->findings);
    return status;
}

int cmd_doctor(int argc, char **argv)
{
    static Doctor doctor;
    OptionsResult result;

    doctor.opt.wait_ns = 5000000000;
    result = options_read(&usage, &doctor.opt, argc, argv);
    if (result == OPTIONS_RUN) {
        result = options_none_left(&usage, argc, argv);
    }
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_DONE ? EXIT_FINE : EXIT_WRONG_USAGE;
    }
    display_begin(STDOUT_FILENO);
    stop_init();
    return run(&doctor);
}
