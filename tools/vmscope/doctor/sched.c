/*
 * doctor-sched: does the Windows scheduler trace work, and how well?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/stop.h"
#include "common/translate.h"
#include "source/qmp-wait.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LOOK_NS = 100000000,        /* between two looks at the state */
    COUNT_NS = 1000000000,      /* in which counters are let grow */
    CLOCK_OFF_NS = 2000000000,  /* two readings of one clock may differ */
    MANY_MISSED = 5,            /* percent */
};

static const char status_query[] = "query-windows-sched-trace-status";

/* Waiting. */

static bool is_settled(const json_t *status)
{
    const char *state = qmp_text(status, "state", "");

    return strcmp(state, "waiting") && strcmp(state, "detecting");
}

/* The status, once there is something to say or time is up. */
static const json_t *wait_for_state(Doctor *doctor, Err *err)
{
    uint64_t end_ns = wait_now_ns() + doctor->opt.wait_ns;
    const json_t *status = doctor_ask(doctor, status_query, NULL, err);

    while (status && !is_settled(status) && wait_now_ns() < end_ns &&
           !stop_asked) {
        wait_until(wait_now_ns() + LOOK_NS);
        status = doctor_ask(doctor, status_query, NULL, err);
    }
    if (status && is_settled(status) && doctor->tracing.turned_on) {
        wait_until(wait_now_ns() + (doctor->opt.wait_ns < COUNT_NS
                                    ? doctor->opt.wait_ns : COUNT_NS));
        status = doctor_ask(doctor, status_query, NULL, err);
    }
    return status;
}

/* State. */

static const char no_windows[] =
    N_("Is it a 64-bit Windows, and past its boot loader? Under a debugger or "
       "with memory encryption nothing can be seen.");

static void check_state(Doctor *doctor, const json_t *status)
{
    static const struct {
        const char *state;
        Grade grade;
        const char *advice;
    } known[] = {
        { "active", GRADE_OK, NULL },
        { "degraded", GRADE_WARN,
 N_("Results are usable, with less than was asked for.") },
        { "waiting", GRADE_WARN, no_windows },
        { "detecting", GRADE_WARN,
 N_("Try a longer --wait; if it stays so, please report it with --bundle.") },
        { "unsupported", GRADE_FAIL, N_("This guest cannot be traced.") },
        { "disabled", GRADE_NOTE, N_("Without --no-enable it is turned on for "
                                     "a moment to see whether it works.") },
    };
    const char *state = qmp_text(status, "state", "?");
    const char *reason = qmp_text(status, "reason", "");
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (!strcmp(known[i].state, state)) {
            findings_add(&doctor->findings, known[i].grade, "trace",
                         known[i].advice, "%s%s%s", state,
                         *reason ? ": " : "", reason);
            return;
        }
    }
    findings_add(&doctor->findings, GRADE_WARN, "trace",
                 N_("A newer QEMU than this vmscope?"),
                 _("state '%s', which is not known here"), state);
}

/* What exact mode said, if it was tried. */
static void check_exact(Doctor *doctor, const json_t *status)
{
    if (strcmp(qmp_text(status, "mode", ""), "exact")) {
        return;
    }
    if (qmp_bool(status, "exact", false)) {
        findings_add(&doctor->findings, GRADE_OK, "exact", NULL,
                     _("exact mode holds: no missed switch is known"));
    } else {
        findings_add(&doctor->findings, GRADE_WARN, "exact",
                     N_("Sampling goes on; switches between two samples are "
                        "missed and counted."),
                     _("exact mode does not hold here"));
    }
}

static void check_poll(Doctor *doctor, const json_t *status)
{
    uint64_t hz = qmp_uint(status, "poll-hz", 0);

    if (!hz) {
        findings_add(&doctor->findings, GRADE_NOTE, "poll",
                     N_("A guest that seldom exits is hardly seen: set "
                        "poll-hz, as vmscope top --hz 1000 does."),
                     _("polling is off: vCPUs are sampled only when they "
                       "exit"));
    } else if (hz == OPTIONS_RATE_MAX) {
        findings_add(&doctor->findings, GRADE_OK, "poll", NULL,
                     _("dense polling is %s, yielded %" PRIu64 " times; runs "
                       "shorter than %.3g us may be missed"),
                     qmp_text(status, "dense", "not known"),
                     qmp_uint(status, "dense-yields", 0),
                     (double)qmp_uint(status, "longest-gap-ns", 0) / 1e3);
    } else if (qmp_bool(status, "exact", false)) {
        findings_add(&doctor->findings, GRADE_OK, "poll", NULL,
                     _("%" PRIu64 " samples per second of each vCPU verify "
                       "exact mode"), hz);
    } else {
        findings_add(&doctor->findings, GRADE_OK, "poll", NULL,
                     _("%" PRIu64 " samples per second of each vCPU: runs "
                       "shorter than %.3g ms may be missed"), hz,
                     1000 / (double)hz);
    }
}

/* From outside: how memory is read, and what QEMU was asked. */
static void check_attached(Doctor *doctor, const json_t *status)
{
    const json_t *attached = json_object_get(status, "attached");
    uint64_t ram = qmp_uint(attached, "ram", 0);
    uint64_t mapped = qmp_uint(attached, "mapped", 0);

    if (!attached) {
        return;
    }
    findings_add(&doctor->findings, GRADE_OK, "memory", NULL,
                 _("%" PRIu64 " MiB of guest memory, %s"), ram >> 20,
                 mapped ? _("mapped, as it is shared")
                        : _("read by process_vm_readv()"));
    if (qmp_bool(attached, "monitor", false)) {
        findings_add(&doctor->findings, GRADE_OK, "asked", NULL,
                     _("QEMU was asked %" PRIu64 " times for registers and %"
                       PRIu64 " times where memory lies"),
                     qmp_uint(attached, "register-queries", 0),
                     qmp_uint(attached, "layout-queries", 0));
    }
}

/* Kernel. */

static void check_kernel(Doctor *doctor, const json_t *status)
{
    const json_t *file = json_object_get(status, "kernel-file");
    uint64_t build = qmp_uint(status, "windows-build", 0);

    if (!build) {
        return;
    }
    findings_add(&doctor->findings, GRADE_OK, "kernel", NULL,
                 _("Windows %s build %" PRIu64 ", kernel at 0x%" PRIx64 ", "
                   "file %08" PRIx64 "-%" PRIx64 " %s"),
                 qmp_text(status, "windows-version", "?"), build,
                 qmp_uint(status, "kernel-base", 0),
                 qmp_uint(file, "timestamp", 0), qmp_uint(file, "size", 0),
                 qmp_text(file, "version", ""));
    if (file && !qmp_bool(file, "exact", false)) {
        findings_add(&doctor->findings, GRADE_NOTE, "kernel",
                     N_("Offsets come from the kernel's code, its debugger "
                        "block and live memory: see the table of -v."),
                     qmp_has(file, "version")
                     ? _("no table has the layout of this kernel file")
                     : _("this kernel file is not among those known"));
    }
}

/* Nothing of their names is kept: a bundle may go to others. */
static void check_drivers(Doctor *doctor)
{
    Err err = { 0 };
    json_t *answer = qmp_command(doctor->qmp, "query-windows-modules", NULL,
                                 &err);
    size_t n = json_array_size(json_object_get(answer, "modules"));
    const char *reason = qmp_text(answer, "reason", NULL);

    if (reason) {
        findings_add(&doctor->findings, GRADE_NOTE, "drivers",
                     N_("Where drivers are named, some may be missing."),
                     _("%s; %zu were read"), reason, n);
    } else if (answer) {
        findings_add(&doctor->findings, GRADE_OK, "drivers", NULL,
                     _("%zu are loaded, the kernel among them"), n);
    }
    json_decref(answer);
}

static void check_detection(Doctor *doctor, const json_t *status)
{
    const json_t *found = json_object_get(status, "detection");
    const char *kdbg = qmp_text(found, "kdbg", NULL);

    if (!found || !kdbg) {
        return;
    }
    findings_add(&doctor->findings, GRADE_OK, "detection", NULL,
                 _("took %.1f ms and %" PRIu64 " reads; debugger block %s, %"
                   PRIu64 " functions understood, %" PRIu64 " threads and %"
                   PRIu64 " processes examined, vCPUs paused for at most %.1f "
                   "us"), (double)qmp_uint(found, "last-ns", 0) / 1e6,
                 qmp_uint(found, "reads", 0), kdbg,
                 qmp_uint(found, "accessors", 0),
                 qmp_uint(found, "threads", 0),
                 qmp_uint(found, "processes", 0),
                 (double)qmp_uint(found, "longest-vcpu-ns", 0) / 1e3);
    if (qmp_uint(found, "kernels", 0) > 1) {
        findings_add(&doctor->findings, GRADE_NOTE, "detection",
                     N_("Counts are of the newest kernel; nothing to do."),
                     _("%" PRIu64 " kernels were found since the trace was "
                       "turned on: the guest has rebooted"),
                     qmp_uint(found, "kernels", 0));
    }
}

/* Offsets. */

/* Without these no switch can be seen. */
static bool is_essential(const char *name)
{
    return !strcmp(name, "kpcr-current-prcb") ||
           !strcmp(name, "prcb-current-thread");
}

static void check_offset(Doctor *doctor, const json_t *offset)
{
    const char *name = qmp_text(offset, "name", "?");
    const char *standing = qmp_text(offset, "standing", "unknown");
    const char *doubt = qmp_text(offset, "doubt", "");
    bool used = qmp_has(offset, "value");

    if (!strcmp(standing, "absent") ||
        (used && (!strcmp(standing, "agreed") ||
                  !strcmp(standing, "confirmed")))) {
        return;
    }
    findings_add(&doctor->findings, !used && is_essential(name) ? GRADE_FAIL
                 : !strcmp(standing, "refuted") || used ? GRADE_WARN
                 : GRADE_NOTE, "offset", used
                 ? N_("Shares and names may be wrong: please report it with "
                      "--bundle.")
                 : N_("What it would show is left out; doctor -v has the "
                      "evidence."),
                 used ? _("%s is %s, and used%s%s")
                      : _("%s is %s, and not used%s%s"),
                 name, standing, *doubt ? ": " : "", doubt);
}

static void check_offsets(Doctor *doctor, const json_t *status)
{
    const json_t *offsets = json_object_get(status, "offsets");
    size_t n = json_array_size(offsets);
    size_t good = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        good += qmp_has(json_array_get(offsets, i), "value");
    }
    if (n) {
        findings_add(&doctor->findings, GRADE_OK, "offsets", NULL,
                     _("%zu of %zu are known; -v shows the evidence"), good,
                     n);
    }
    for (i = 0; i < n; i++) {
        check_offset(doctor, json_array_get(offsets, i));
    }
}

/* Counters. */

/* Of all vCPUs together. */
typedef struct Sums {
    uint64_t present;
    uint64_t unknown;
    uint64_t parked;
    uint64_t samples;
    uint64_t exits;
    uint64_t switches;
    uint64_t missed;
    uint64_t without_missed;
    uint64_t faults;
    uint64_t implausible;
} Sums;

static void add_vcpu(Sums *sums, const json_t *vcpu)
{
    if (!qmp_bool(vcpu, "present", true)) {
        return;
    }
    sums->present++;
    sums->parked += !qmp_bool(vcpu, "started", true);
    sums->unknown += !qmp_bool(vcpu, "known", true) &&
                     qmp_bool(vcpu, "started", true);
    sums->samples += qmp_uint(vcpu, "samples", 0);
    sums->exits += qmp_uint(vcpu, "samples-exit", 0);
    sums->switches += qmp_uint(vcpu, "switches", 0);
    sums->missed += qmp_uint(vcpu, "missed", 0);
    sums->without_missed += !qmp_has(vcpu, "missed");
    sums->faults += qmp_uint(vcpu, "read-faults", 0);
    sums->implausible += qmp_uint(vcpu, "implausible", 0);
}

static void check_sight(Doctor *doctor, const Sums *sums)
{
    if (sums->parked) {
        findings_add(&doctor->findings, GRADE_OK, "vcpus", NULL,
                     _("%" PRIu64 " of %" PRIu64 " vCPUs were not started by "
                       "the guest"), sums->parked, sums->present);
    }
    if (sums->unknown) {
        findings_add(&doctor->findings, GRADE_WARN, "vcpus",
                     N_("They are learnt when they next run kernel code; if "
                        "it stays so, please report it with --bundle."),
                     _("%" PRIu64 " of %" PRIu64 " vCPUs cannot be looked at "
                       "yet"), sums->unknown, sums->present);
    }
    if (!sums->samples) {
        findings_add(&doctor->findings, GRADE_FAIL, "vcpus",
                     N_("Please report it with --bundle."),
                     _("no vCPU has been looked at"));
        return;
    }
    if (sums->faults || sums->implausible) {
        findings_add(&doctor->findings, GRADE_WARN, "vcpus",
                     N_("A few are normal while a guest boots. Many: please "
                        "report it with --bundle."),
                     _("of %" PRIu64 " looks, %" PRIu64 " found no memory and "
                       "%" PRIu64 " what is no thread"),
                     sums->samples, sums->faults,
                     sums->implausible);
    }
    if (doctor->kvm && !sums->exits) {
        findings_add(&doctor->findings, GRADE_NOTE, "vcpus",
                     N_("A higher --hz sees more of its switches."),
                     _("the guest does not exit to QEMU: it is seen only by "
                       "polling"));
    }
}

static void check_missed(Doctor *doctor, const Sums *sums)
{
    uint64_t all = sums->switches + sums->missed;
    double percent = all ? 100 * (double)sums->missed / (double)all : 0;

    if (sums->without_missed) {
        findings_add(&doctor->findings, GRADE_NOTE, "missed",
                     N_("The guest's own counter of switches is not known "
                        "yet: it is learnt by watching it, so leave the trace "
                        "on for a while. Until then it is not known how many "
                        "were not seen."),
                     _("missed switches are not counted"));
    } else if (percent > MANY_MISSED) {
        findings_add(&doctor->findings, GRADE_NOTE, "missed",
                     N_("Shares of time stay right on average. A higher "
                        "poll-hz, or exact mode, sees more of them."),
                     _("%.1f %% of the switches were not seen"), percent);
    } else {
        findings_add(&doctor->findings, GRADE_OK, "missed", NULL,
                     _("%.1f %% of the switches were not seen"), percent);
    }
}

static void check_counters(Doctor *doctor, const json_t *status)
{
    const json_t *vcpus = json_object_get(status, "vcpus");
    Sums sums = { 0 };
    size_t i;

    for (i = 0; i < json_array_size(vcpus); i++) {
        add_vcpu(&sums, json_array_get(vcpus, i));
    }
    if (sums.present) {
        check_sight(doctor, &sums);
        check_missed(doctor, &sums);
    }
}

static void check_ring(Doctor *doctor, const json_t *status)
{
    uint64_t recorded = qmp_uint(status, "recorded", 0);
    uint64_t overwritten = qmp_uint(status, "overwritten", 0);

    findings_add(&doctor->findings, GRADE_OK, "ring", NULL,
                 _("%" PRIu64 " switches recorded, %" PRIu64 " of them "
                   "overwritten in a ring of %" PRIu64), recorded, overwritten,
                 qmp_uint(status, "entries", 0));
    doctor_check_ring_lost(doctor, "ring", status);
}

/* Clock. */

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* On this host the clocks are ours, unless it is in another namespace. */
static void check_clock(Doctor *doctor, const json_t *status)
{
    const json_t *clock = json_object_get(status, "clock");
    uint64_t theirs = qmp_uint(clock, "monotonic-ns", 0);
    double off = (double)distance(wait_now_ns(), theirs) / 1e9;

    if (!qmp_has(clock, "tsc")) {
        findings_add(&doctor->findings, GRADE_NOTE, "clock",
                     N_("Times are read with clock_gettime(), which costs a "
                        "little more."),
                     _("this host has no time stamp counter"));
    }
    if (!doctor->opt.connect.qmp) {
        return;
    }
    if (distance(wait_now_ns(), theirs) > CLOCK_OFF_NS) {
        findings_add(&doctor->findings, GRADE_NOTE, "clock",
                     N_("QEMU runs in another time namespace, or through a "
                        "forwarded socket: do not compare its times with the "
                        "clock here."),
                     _("its CLOCK_MONOTONIC is %.1f s off ours"),
                     off);
    } else {
        findings_add(&doctor->findings, GRADE_OK, "clock", NULL,
                     _("its CLOCK_MONOTONIC is ours"));
    }
}

/* All of it. */

static json_t *enable_options(const DoctorOptions *opt)
{
    return opt->exact ? json_pack("{s:s, s:I}", "mode", "exact", "exact-ms",
                                  (json_int_t)(opt->wait_ns / 1000000 + 5000))
                      : NULL;
}

static bool begin(Doctor *doctor, Err *err)
{
    const json_t *status = doctor_ask(doctor, status_query, NULL, err);

    if (!status || doctor->opt.no_enable) {
        return status != NULL;
    }
    if (tracing_is_on(status, TRACING_SCHED)) {
        if (doctor->opt.exact) {
            findings_add(&doctor->findings, GRADE_NOTE, "exact",
                         N_("Turn the trace off first."),
                         _("not tried: the trace is on already"));
        }
        return true;
    }
    return tracing_begin(&doctor->tracing, doctor->qmp, TRACING_SCHED, true,
                         enable_options(&doctor->opt), err);
}

static void judge(Doctor *doctor, const json_t *status)
{
    check_state(doctor, status);
    if (!strcmp(qmp_text(status, "state", ""), "waiting")) {
        doctor_check_stage(doctor);
    }
    check_exact(doctor, status);
    check_clock(doctor, status);
    if (!tracing_is_on(status, TRACING_SCHED)) {
        return;
    }
    check_poll(doctor, status);
    check_attached(doctor, status);
    check_kernel(doctor, status);
    check_drivers(doctor);
    check_detection(doctor, status);
    check_offsets(doctor, status);
    check_counters(doctor, status);
    check_ring(doctor, status);
}

void doctor_check_sched(Doctor *doctor)
{
    const json_t *status = NULL;
    Err err;

    if (!doctor->has_sched || !qmp_alive(doctor->qmp)) {
        return;
    }
    if (begin(doctor, &err)) {
        status = wait_for_state(doctor, &err);
    }
    if (status) {
        judge(doctor, status);
        doctor_ask(doctor, "query-windows-sched-trace",
                   json_pack("{s:i}", "max-entries", 200), &err);
    } else {
        findings_add(&doctor->findings, GRADE_FAIL, "trace",
                     N_("Turn it on by hand to see more: "
                        "windows-sched-trace-set in QMP."), "%s", err.text);
    }
}
