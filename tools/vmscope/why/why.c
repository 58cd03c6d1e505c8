/*
 * vmscope why: why is it slow, and why does this thread not run?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/why.h"

#include "commands.h"
#include "common/jsonout.h"
#include "common/message.h"
#include "common/options.h"
#include "common/stop.h"
#include "common/translate.h"
#include "image/image.h"
#include "shared/display.h"
#include "source/connect.h"
#include "source/qmp-wait.h"
#include "source/tracing.h"
#include "source/why-json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIND_TIMEOUT_S = 60, LEARN_TIMEOUT_S = 20, LEARN_POLL_MS = 200 };

/* Of causes; the first is told whatever it takes. */
enum { LINES_MAX = 10 };

typedef struct WhyOptions {
    ConnectOptions connect;
    NameOptions names;
    uint64_t for_ns;
    uint64_t hz;
    const char *image;
    const char *registers;
    bool json;
    bool no_enable;
} WhyOptions;

static const Option options[] = {
    { .help = N_("Without PID:") },
    { "for", 'd', OPTION_DURATION, offsetof(WhyOptions, for_ns), "TIME",
      N_("how long to look (30s)"), .min = 1000000000, .max = 3600000000000 },
    { "hz", 'H', OPTION_NUMBER, offsetof(WhyOptions, hz), "N",
      N_("so often a second, ask each vCPU what it executes, to\n"
         "find drivers that spin; each time it leaves the guest"),
      .min = 1, .max = 10000 },
    { .help = N_("With PID, in a memory image:") },
    { "image", 0, OPTION_TEXT, offsetof(WhyOptions, image), "FILE",
      N_("look into this image, not into a running guest") },
    { "registers", 'r', OPTION_TEXT, offsetof(WhyOptions, registers),
      "FILE", N_("for raw RAM: see vmscope image") },
    { .help = N_("What is shown:") },
    { "json", 'j', OPTION_FLAG, offsetof(WhyOptions, json), NULL,
      N_("one JSON object") },
    { "no-enable", 0, OPTION_FLAG, offsetof(WhyOptions, no_enable), NULL,
      N_("do not turn on a trace that is off") },
    {}
};

static const Usage usage = {
    .command = "vmscope why",
    .operands = "[PID[.TID]]",
    .about = N_("Say what makes a Windows guest slow: looks at it for a "
                "while and names the\n"
                "likely causes, each with what speaks for it. With PID: why "
                "the threads of that\n"
                "process do not run, who has what they wait for, and "
                "deadlocks.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(WhyOptions, connect),
    .names = name_options,
    .names_offset = offsetof(WhyOptions, names),
    .examples =
        "  vmscope why --qmp /run/vm.qmp            what makes it slow?\n"
        "  vmscope why --qmp /run/vm.qmp --hz 100   drivers that spin, too\n"
        "  vmscope why --qmp /run/vm.qmp 4711       why does 4711 not run?\n"
        "  vmscope why --image guest.core 4711.815  one thread, in an image\n",
};

/* Whom to ask about: "4711" or "4711.815". */
typedef struct WhyWho {
    bool given;
    uint32_t pid;
    uint32_t tid;               /* 0: all */
} WhyWho;

static bool read_id(const char *text, char **end, uint32_t *id)
{
    unsigned long value;

    errno = 0;
    value = strtoul(text, end, 10);
    *id = (uint32_t)value;
    return *text >= '0' && *text <= '9' && !errno && value <= UINT32_MAX;
}

static bool read_who(const char *text, WhyWho *who)
{
    char *end;

    who->given = true;
    if (!read_id(text, &end, &who->pid)) {
        return false;
    }
    if (*end == '.') {
        return read_id(end + 1, &end, &who->tid) && !*end && who->tid;
    }
    return !*end;
}

static Out out;

static bool print_waits(const json_t *waits, bool json)
{
    if (json) {
        why_print_waits_json(waits, &out);
    } else {
        why_print_waits(waits, &out);
    }
    return out_finish(&out);
}

/* An image. */

static int look_at_image(const WhyOptions *o, const WhyWho *who)
{
    Image *image = calloc(1, sizeof(*image));
    json_t *waits = NULL;
    int status = EXIT_FAILED;
    Err err = { 0 };

    if (!image) {
        die_no_memory();
    }
    if (!dump_file_open(&image->file, o->image, o->registers, 0, &err)) {
        message("%s", err.text);
        goto out;
    }
    if (image->file.dump.format == DUMP_TRIAGE) {
        err_set(&err, ERR_USAGE, "a minidump has one thread's memory only: "
                "give a full or a kernel dump");
    } else if (image_look(image, &err)) {
        waits = why_json_waits(&image->result, image->cpus,
                               image->result.n_cpus, who->pid, who->tid,
                               &err);
    }
    if (!waits) {
        message("%s: %s", o->image, err.text);
    } else if (print_waits(waits, o->json)) {
        status = EXIT_FINE;
    }

out:
    json_decref(waits);
    image_release(image);
    dump_file_close(&image->file);
    free(image->cpus);
    free(image->modules);
    free(image);
    return status;
}

/* A running guest. */

static json_t *ask_waits(Qmp *qmp, const WhyWho *who, Err *err)
{
    json_t *arguments = json_object();

    qmp_set(arguments, "unique-process-id", json_integer(who->pid));
    if (who->tid) {
        qmp_set(arguments, "unique-thread-id", json_integer(who->tid));
    }
    return qmp_command(qmp, "query-windows-waits", arguments, err);
}

static bool are_states_known(const json_t *waits)
{
    const json_t *wait;
    size_t i;

    json_array_foreach(waits, i, wait) {
        if (qmp_bool(wait, "asked", false) &&
            !qmp_has(wait, "kthread-state")) {
            return false;
        }
    }
    return true;
}

/* A trace that has just begun may not have learned yet where State is. */
static json_t *ask_until_states_are_known(Qmp *qmp, const WhyWho *who,
                                          Err *err)
{
    uint64_t end_ns = wait_now_ns() + LEARN_TIMEOUT_S * UINT64_C(1000000000);
    json_t *waits = ask_waits(qmp, who, err);
    bool told = false;

    while (waits && !are_states_known(waits) && !stop_asked &&
           wait_now_ns() < end_ns) {
        if (!told) {
            message("learning where this kernel keeps a thread's state ...");
            told = true;
        }
        json_decref(waits);
        stop_or_sleep_ms(LEARN_POLL_MS);
        waits = ask_waits(qmp, who, err);
    }
    return waits;
}

static bool say_waits(Qmp *qmp, const WhyOptions *o, const WhyWho *who,
                      Err *err)
{
    json_t *waits = ask_until_states_are_known(qmp, who, err);
    bool ok = waits != NULL;

    if (ok && !print_waits(waits, o->json)) {
        err_set(err, ERR_IO, "could not write");
        ok = false;
    }
    json_decref(waits);
    return ok;
}

static void print_causes(const WhyEvidence *e, const WhyCause *causes,
                         unsigned n)
{
    char number[16];
    unsigned lines = 0;
    unsigned i;

    if (!n) {
        out_printf(&out, _("Nothing stands out in %.0f s.  If something is "
                           "slow nevertheless: vmscope why PID\n"),
                   e->seconds);
    }
    for (i = 0; i < n; i++) {
        snprintf(number, sizeof(number), "%u. ", i + 1);
        lines += why_wrap(NULL, number, 3, causes[i].text) +
                 why_wrap(NULL, _("   next: "), 9, causes[i].next);
        if (i && lines > LINES_MAX) {
            break;
        }
        why_wrap(&out, number, 3, causes[i].text);
        why_wrap(&out, _("   next: "), 9, causes[i].next);
    }
}

static void print_causes_json(const WhyEvidence *e, const WhyCause *causes,
                              unsigned n)
{
    JsonOut json = { .out = &out };
    unsigned i;

    jsonout_begin(&json, NULL, '{');
    jsonout_real(&json, "seconds", e->seconds);
    jsonout_real(&json, "switches-per-second", e->switches);
    jsonout_uint(&json, "lost", e->lost);
    jsonout_real(&json, "ready-threads", e->ready);
    jsonout_begin(&json, "vcpus", '[');
    for (i = 0; i < e->n_vcpus; i++) {
        const WhyVcpu *vcpu = &e->vcpus[i];

        jsonout_begin(&json, NULL, '{');
        jsonout_uint(&json, "vcpu", i);
        if (vcpu->seen) {
            jsonout_real(&json, "busy", vcpu->busy);
            jsonout_real(&json, "idle", vcpu->idle);
        }
        if (vcpu->has_ticks) {
            jsonout_real(&json, "ticks-user", vcpu->user);
            jsonout_real(&json, "ticks-kernel", vcpu->kernel);
            jsonout_real(&json, "ticks-dpc", vcpu->dpc);
            jsonout_real(&json, "ticks-interrupt", vcpu->interrupt);
            jsonout_real(&json, "ticks-idle", vcpu->tick_idle);
            jsonout_real(&json, "interrupts-per-second", vcpu->interrupts);
            if (vcpu->clocks > 0) {
                jsonout_real(&json, "clock-interrupts-per-second",
                             vcpu->clocks);
            }
        }
        if (vcpu->has_host) {
            jsonout_real(&json, "host-run", vcpu->host_run);
            jsonout_real(&json, "host-wait", vcpu->host_wait);
        }
        jsonout_end(&json, '}');
    }
    jsonout_end(&json, ']');
    jsonout_begin(&json, "causes", '[');
    for (i = 0; i < n; i++) {
        jsonout_begin(&json, NULL, '{');
        jsonout_text(&json, "rule", causes[i].rule);
        jsonout_real(&json, "weight", causes[i].weight);
        jsonout_text(&json, "text", causes[i].text);
        jsonout_text(&json, "next", causes[i].next);
        jsonout_end(&json, '}');
    }
    jsonout_end(&json, ']');
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

static bool say_causes(Qmp *qmp, const WhyOptions *o, Err *err)
{
    static WhyEvidence evidence;
    static WhyCause causes[WHY_MAX_CAUSES];
    unsigned n;

    if (!why_look(qmp, o->for_ns, &evidence, err)) {
        return false;
    }
    n = why_judge(&evidence, causes);
    if (o->json) {
        print_causes_json(&evidence, causes, n);
    } else {
        print_causes(&evidence, causes, n);
    }
    if (!out_finish(&out)) {
        err_set(err, ERR_IO, "could not write");
        return false;
    }
    return true;
}

/* Until the trace has found the kernel. */
static bool wait_for_kernel(Qmp *qmp, Err *err)
{
    uint64_t end = wait_now_ns() + FIND_TIMEOUT_S * UINT64_C(1000000000);
    const char *state = "";

    while (wait_now_ns() < end) {
        json_t *status = tracing_status(qmp, TRACING_SCHED, err);
        bool found;

        if (!status) {
            return false;
        }
        state = qmp_text(status, "state", "");
        found = !strcmp(state, "active") || !strcmp(state, "degraded");
        json_decref(status);
        if (found) {
            return true;
        }
        if (!wait_until(wait_now_ns() + 20000000)) {
            err_set(err, ERR_IO, "interrupted");
            return false;
        }
    }
    err_set(err, ERR_IO, "no Windows kernel was found in %d s: see vmscope "
            "doctor", FIND_TIMEOUT_S);
    return false;
}

static int look_at_guest(const WhyOptions *o, const WhyWho *who)
{
    Tracing tracing;
    Err err;
    Qmp *qmp = qmp_connect(&o->connect, &err);
    json_t *with = NULL;
    bool ok;

    if (!qmp) {
        message("%s", err.text);
        return err.code == ERR_USAGE ? EXIT_WRONG_USAGE : EXIT_FAILED;
    }
    if (o->hz) {
        with = json_object();
        qmp_set(with, "rip-hz", json_integer((json_int_t)o->hz));
    }
    ok = tracing_begin(&tracing, qmp, TRACING_SCHED, !o->no_enable, with,
                       &err) &&
         wait_for_kernel(qmp, &err) &&
         (who->given ? say_waits(qmp, o, who, &err)
                     : say_causes(qmp, o, &err));
    if (!ok) {
        message("%s", err.text);
    }
    tracing_end(&tracing);
    qmp_free(qmp);
    return ok ? EXIT_FINE : EXIT_FAILED;
}

int cmd_why(int argc, char **argv)
{
    WhyOptions o = { .for_ns = 30000000000 };
    WhyWho who = { 0 };

    switch (options_read(&usage, &o, argc, argv)) {
    case OPTIONS_RUN:
        break;
    case OPTIONS_DONE:
        return EXIT_FINE;
    default:
        return EXIT_WRONG_USAGE;
    }
    if (argc - optind > 1) {
        options_refuse(&usage, "give one process or thread");
        return EXIT_WRONG_USAGE;
    }
    if (optind < argc && !read_who(argv[optind], &who)) {
        options_refuse(&usage, "'%s' is no process or thread: give PID or "
                       "PID.TID", argv[optind]);
        return EXIT_WRONG_USAGE;
    }
    if (o.image && !who.given) {
        options_refuse(&usage, "in an image nothing runs: give PID or "
                       "PID.TID");
        return EXIT_WRONG_USAGE;
    }
    display_begin(STDOUT_FILENO);
    stop_init();
    out_init(&out, STDOUT_FILENO);
    return o.image ? look_at_image(&o, &who) : look_at_guest(&o, &who);
}
