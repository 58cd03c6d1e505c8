/*
 * vmscope attach: keep a ring of a QEMU's switches, for others to follow.
 *
 * What a QEMU with the trace built in does with "ring-file", for one without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "source/qmp.h"

#include "common/message.h"
#include "common/options.h"
#include "common/stop.h"
#include "common/translate.h"
#include "source/qmp-wait.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 200 };

typedef struct AttachCommandOptions {
    ConnectOptions connect;
    const char *ring_file;
    uint64_t hz;
    uint64_t entries;
    uint64_t duration_ns;
} AttachCommandOptions;

static const Option options[] = {
    { .help = N_("Ring:") },
    { "ring-file", 'r', OPTION_TEXT, offsetof(AttachCommandOptions, ring_file),
      "FILE", N_("keep it there; an older ring gets \".old\" added") },
    { "entries", 0, OPTION_NUMBER, offsetof(AttachCommandOptions, entries),
      "N", N_("switches kept, for each vCPU (65536)"), .min = 1 },
    { "hz", 0, OPTION_NUMBER, offsetof(AttachCommandOptions, hz), "N",
      N_("samples a second of each vCPU (1000)"), .min = 1, .max = 100000 },
    { "duration", 'd', OPTION_DURATION,
      offsetof(AttachCommandOptions, duration_ns), "TIME",
      N_("end after that long, else at Ctrl-C"), .min = 1 },
    {}
};

static const Usage usage = {
    .command = "vmscope attach",
    .operands = "",
    .about = N_("Look at a QEMU from outside, and keep the switches of its "
                "Windows threads in a\n"
                "ring that vmscope record and other programs follow.  QEMU "
                "is neither stopped nor\n"
                "changed.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(AttachCommandOptions, connect),
    .examples =
        "  vmscope attach --pid 4711 -r /dev/shm/vm.ring\n"
        "  vmscope record --sched-ring /dev/shm/vm.ring -o t.vms   meanwhile\n",
};

static json_t *arguments_of(const AttachCommandOptions *opt)
{
    json_t *arguments = json_pack("{s:b, s:s}", "enable", 1, "ring-file",
                                  opt->ring_file);

    if (arguments && opt->hz) {
        json_object_set_new(arguments, "poll-hz",
                            json_integer((json_int_t)opt->hz));
    }
    if (arguments && opt->entries) {
        json_object_set_new(arguments, "entries",
                            json_integer((json_int_t)opt->entries));
    }
    if (!arguments) {
        die_no_memory();
    }
    return arguments;
}

/* What was last said of the trace. */
typedef struct Told {
    char state[32];
    uint64_t kernels;
} Told;

/*
 * Say when the state changes, or a kernel was found since: a guest may be
 * reset and its kernel found between two queries.  False when QEMU has ended,
 * or the ring's file was lost.
 */
static bool tell_state(Qmp *qmp, Told *told, Err *err)
{
    json_t *status = qmp_command(qmp, "query-windows-sched-trace-status",
                                 NULL, err);
    const char *state = qmp_text(status, "state", "");
    const char *reason = qmp_text(status, "reason", "");
    const char *lost = qmp_text(status, "ring-lost", NULL);
    uint64_t kernels = qmp_uint(json_object_get(status, "detection"),
                                "kernels", 0);
    bool good = status && !lost;

    if (lost) {
        err_set(err, ERR_IO, "%s", lost);
    }
    if (good && (strcmp(state, told->state) || kernels != told->kernels)) {
        message("%s%s%s%s", state, *reason ? ": " : "", reason,
                told->kernels && kernels > told->kernels ?
                _(" (kernel found again)") : "");
        snprintf(told->state, sizeof(told->state), "%s", state);
        told->kernels = kernels;
    }
    json_decref(status);
    return good;
}

static bool follow(const AttachCommandOptions *opt, Qmp *qmp, Err *err)
{
    uint64_t begin_ns = wait_now_ns();
    Told told = { .kernels = 0 };

    while (!stop_asked && (!opt->duration_ns ||
                           wait_now_ns() - begin_ns < opt->duration_ns)) {
        if (!tell_state(qmp, &told, err)) {
            return false;
        }
        stop_or_sleep_ms(LOOK_MS);
    }
    return true;
}

static int run(AttachCommandOptions *opt)
{
    json_t *off = json_pack("{s:b}", "enable", 0);
    Err err;
    Qmp *qmp;
    bool good;

    opt->connect.attach = true;
    qmp = qmp_connect(&opt->connect, &err);
    good = qmp && qmp_run(qmp, "windows-sched-trace-set", arguments_of(opt),
                          &err);
    if (good) {
        message("QEMU process %d is looked at from outside; the ring is %s",
                (int)qmp_pid(qmp), opt->ring_file);
        good = follow(opt, qmp, &err);
    }
    if (!good) {
        message("%s", err.text);
    }
    if (qmp) {
        qmp_run(qmp, "windows-sched-trace-set", json_incref(off), &err);
    }
    json_decref(off);
    qmp_free(qmp);
    return good ? EXIT_FINE : EXIT_FAILED;
}

int cmd_attach(int argc, char **argv)
{
    AttachCommandOptions opt = { .hz = 0 };

    switch (options_read(&usage, &opt, argc, argv)) {
    case OPTIONS_RUN:
        break;
    case OPTIONS_DONE:
        return EXIT_FINE;
    default:
        return EXIT_WRONG_USAGE;
    }
    if (options_none_left(&usage, argc, argv) != OPTIONS_RUN) {
        return EXIT_WRONG_USAGE;
    }
    if (!opt.ring_file) {
        options_refuse(&usage, "give --ring-file FILE to keep the ring in");
        return EXIT_WRONG_USAGE;
    }
    stop_init();
    return run(&opt);
}
