/*
 * doctor-qemu: is the QEMU one that can be looked into, and what of it and
 * its host limits what is seen?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/translate.h"
#include "source/bypass.h"
#include "source/qmp-wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char not_built[] =
    N_("Start a QEMU that 'make qemu' built: its program is "
       "build/qemu-system-x86_64.");

static const char another_client[] =
    N_("A monitor serves one client at a time: give QEMU a second -qmp, or "
       "end the other program.");

static void check_version(Doctor *doctor)
{
    Err err;
    const json_t *answer = doctor_ask(doctor, "query-version", NULL, &err);
    const char *package = qmp_text(answer, "package", "");

    if (!answer) {
        findings_add(&doctor->findings, GRADE_FAIL, "version",
                     another_client, "%s", err.text);
        return;
    }
    findings_add(&doctor->findings, GRADE_OK, "version", NULL,
                 "QEMU %s%s%s", qmp_version(doctor->qmp),
                 *package ? ", " : "", package);
}

static bool has_command(const json_t *commands, const char *name)
{
    size_t i;

    for (i = 0; i < json_array_size(commands); i++) {
        if (!strcmp(qmp_text(json_array_get(commands, i), "name", ""),
                    name)) {
            return true;
        }
    }
    return false;
}

static bool has_all(Doctor *doctor, const json_t *commands,
                    const char *const *names, const char *what)
{
    bool all = true;

    for (; *names; names++) {
        if (!has_command(commands, *names)) {
            findings_add(&doctor->findings, GRADE_FAIL, "commands",
                         not_built, _("this QEMU has no command %s"), *names);
            all = false;
        }
    }
    if (all) {
        findings_add(&doctor->findings, GRADE_OK, "commands", NULL,
                     _("%s: all commands are there"), what);
    }
    return all;
}

/* A QEMU without the trace is looked at from outside. */
static void check_attach(Doctor *doctor)
{
    const ConnectOptions *connect = &doctor->opt.connect;

    doctor->has_sched = true;
    findings_add(&doctor->findings, GRADE_OK, "attach", NULL,
                 _("%s: its process is looked at from outside"),
                 connect->pid ? _("there is no monitor to ask")
                 : connect->attach ? _("as --attach says")
                 : _("this QEMU has no scheduler trace of its own"));
    findings_add(&doctor->findings, GRADE_NOTE, "irq-log",
                 not_built, _("interrupts are seen only by a QEMU that was "
                              "built with vmscope"));
}

static void check_commands(Doctor *doctor)
{
    static const char *const sched[] = {
        "windows-sched-trace-set", "query-windows-sched-trace",
        "query-windows-sched-trace-status", NULL
    };
    static const char *const irq[] = {
        "irq-log-set", "query-irq-log", "query-irq-log-status", NULL
    };
    Err err;
    json_t *commands;

    if (doctor->opt.connect.pid || doctor->opt.connect.attach) {
        check_attach(doctor);
        return;
    }
    commands = qmp_command(doctor->qmp, "query-commands", NULL, &err);
    if (!commands) {
        findings_add(&doctor->findings, GRADE_FAIL, "commands",
                     another_client, "%s", err.text);
        return;
    }
    if (!has_command(commands, sched[0]) && qmp_can_attach(doctor->qmp)) {
        check_attach(doctor);
        json_decref(commands);
        return;
    }
    doctor->has_sched = has_all(doctor, commands, sched,
                                _("Windows scheduler trace"));
    doctor->has_irq = has_all(doctor, commands, irq, _("IRQ log"));
    json_decref(commands);
}

static void check_running(Doctor *doctor)
{
    Err err;
    const json_t *answer = doctor_ask(doctor, "query-status", NULL, &err);
    const char *status = qmp_text(answer, "status", "unknown");

    if (answer && !qmp_bool(answer, "running", true)) {
        findings_add(&doctor->findings, GRADE_WARN, "machine",
                     N_("Nothing switches while it stands still: let it go on "
                        "with cont."),
                     _("the machine does not run: %s"), status);
    } else if (answer) {
        findings_add(&doctor->findings, GRADE_OK, "machine", NULL,
                     _("the machine is %s"), status);
    }
}

static void check_accelerator(Doctor *doctor)
{
    Err err;
    const json_t *answer = doctor_ask(doctor, "query-kvm", NULL, &err);

    if (!answer) {
        findings_add(&doctor->findings, GRADE_NOTE, "accel",
                     another_client, "%s", err.text);
        return;
    }
    doctor->kvm = qmp_bool(answer, "enabled", false);
    if (doctor->kvm) {
        findings_add(&doctor->findings, GRADE_OK, "accel", NULL, "KVM");
    } else {
        findings_add(&doctor->findings, GRADE_NOTE, "accel",
                     N_("The guest runs slowly, and its times are not those "
                        "of a real machine. -accel kvm needs /dev/kvm."),
                     _("no KVM: vCPUs are only sampled by polling"));
    }
}

/* With it, KVM and eventfds deliver interrupts that QEMU never sees. */
static void check_bypass(Doctor *doctor)
{
    Bypass bypass = { 0 };
    unsigned i;

    if (doctor->kvm && doctor->has_irq) {
        bypass_find(doctor->qmp, true, &bypass);
    }
    doctor->kernel_irqchip = bypass.kernel_irqchip;
    for (i = 0; i < bypass.n; i++) {
        findings_add(&doctor->findings, GRADE_NOTE, "bypass",
                     bypass.advice[i], _("past the IRQ log: %s%s"),
                     bypass.text[i],
                     bypass.more && i + 1 == bypass.n ? _(", and more") : "");
    }
}

static void check_cpus(Doctor *doctor)
{
    Err err;
    const json_t *cpus = doctor_ask(doctor, "query-cpus-fast", NULL, &err);
    const char *target = qmp_text(json_array_get(cpus, 0), "target",
                                  "x86_64");

    if (!cpus) {
        findings_add(&doctor->findings, GRADE_NOTE, "cpus",
                     another_client, "%s", err.text);
    } else if (strcmp(target, "x86_64")) {
        findings_add(&doctor->findings, GRADE_FAIL, "cpus",
                     N_("Windows threads are seen in x86_64 guests only."),
                     _("%zu vCPUs of %s"), json_array_size(cpus), target);
    } else {
        findings_add(&doctor->findings, GRADE_OK, "cpus", NULL,
                     _("%zu vCPUs, %s"), json_array_size(cpus), target);
    }
}

/* Whether this host is a virtual machine, as its kernel has it. */
static bool is_nested(void)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char *line = NULL;
    size_t size = 0;
    bool nested = false;

    while (file && !nested && getline(&line, &size, file) > 0) {
        nested = !strncmp(line, "flags", 5) && strstr(line, " hypervisor");
    }
    free(line);
    if (file) {
        fclose(file);
    }
    return nested;
}

/* A socket is on this host; where libvirt's domain runs is not known. */
static void check_host(Doctor *doctor)
{
    if (doctor->opt.connect.qmp && is_nested()) {
        findings_add(&doctor->findings, GRADE_NOTE, "host",
                     N_("Exits cost more here, data breakpoints of exact mode "
                        "may never fire, and times vary more."),
                     _("this host is a virtual machine itself"));
    }
}

static void note_name(Doctor *doctor)
{
    Err err;

    if (!doctor->opt.no_names) {
        doctor_ask(doctor, "query-name", NULL, &err);
    }
}

void doctor_check_qemu(Doctor *doctor)
{
    findings_add(&doctor->findings, GRADE_OK, "socket", NULL,
                 qmp_has_monitor(doctor->qmp) ? _("%s answers")
                                              : _("%s is there"),
                 qmp_place(doctor->qmp));
    if (qmp_has_monitor(doctor->qmp)) {
        check_version(doctor);
    }
    check_commands(doctor);
    if (qmp_has_monitor(doctor->qmp)) {
        check_running(doctor);
    }
    check_accelerator(doctor);
    if (qmp_has_monitor(doctor->qmp)) {
        check_bypass(doctor);
    }
    check_cpus(doctor);
    check_host(doctor);
    note_name(doctor);
}
