/*
 * vmscope doctor: does everything work, and what limits what is seen?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor.h"

#include "colour.h"
#include "commands.h"
#include "common/message.h"
#include "common/stop.h"
#include "display.h"
#include "qmp-dump.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const Option options[] = {
    { .help = "What is done:" },
    { "wait", 'w', OPTION_DURATION, offsetof(DoctorOptions, wait_ns),
      "TIME", "how long a trace that was off may take to find\n"
      "its kernel (5s)", .max = 3600000000000 },
    { "no-enable", 0, OPTION_FLAG, offsetof(DoctorOptions, no_enable), NULL,
      "do not turn on a trace that is off" },
    { "exact", 0, OPTION_FLAG, offsetof(DoctorOptions, exact), NULL,
      "try exact mode (data breakpoints) meanwhile" },
    { .help = "What is shown:" },
    { "json", 'j', OPTION_FLAG, offsetof(DoctorOptions, json), NULL,
      "one JSON object" },
    { "bundle", 'b', OPTION_TEXT, offsetof(DoctorOptions, bundle), "FILE",
      "write all of it to a new file for a bug report;\n"
      "lists first what is in it" },
    { "no-names", 0, OPTION_FLAG, offsetof(DoctorOptions, no_names), NULL,
      "leave names of processes and threads out of it" },
    {}
};

static const Usage usage = {
    .command = "vmscope doctor",
    .operands = "",
    .about = "Check what a QEMU can show and how well: its commands, the "
             "Windows in the guest,\nthe evidence behind each structure "
             "offset, counters, and the IRQ log.\n",
    .options = options,
    .connects = true,
    .connect = offsetof(DoctorOptions, connect),
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
    findings_print(&doctor->findings, out, colour_wanted(out->fd));
    doctor_print_tables(doctor, out);
    out_char(out, '\n');
    findings_print_counts(&doctor->findings, out);
}

static void print_json(const Doctor *doctor, Out *out)
{
    JsonOut json = { .out = out };
    const json_t *entries = doctor_answer(doctor, "query-windows-sched-trace");

    jsonout_begin(&json, NULL, '{');
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
    out_flush(&out);
    if (!out.error || out.error == EPIPE) {
        return true;
    }
    message("cannot write to standard output: %s", strerror(out.error));
    return false;
}

static void examine(Doctor *doctor)
{
    doctor_check_qemu(doctor);
    doctor_check_sched(doctor);
    doctor_check_irq(doctor);
    if (!qmp_alive(doctor->qmp)) {
        findings_add(&doctor->findings, GRADE_FAIL, "socket",
                     "What is above is what was seen until then.",
                     "the connection was lost on the way");
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
    findings_add(&doctor->findings, GRADE_FAIL, "socket", NULL, "%s",
                 err->text);
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
