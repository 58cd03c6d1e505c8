/*
 * vmscope profile: what the vCPUs execute, by module, export or thread.
 *
 * A QEMU built with vmscope asks each vCPU so many times a second where it is;
 * here the answers are fetched and counted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "common/jsonout.h"
#include "common/message.h"
#include "common/options.h"
#include "common/stop.h"
#include "common/translate.h"
#include "profile/feed.h"
#include "profile/pprof.h"
#include "profile/tally.h"
#include "shared/display.h"
#include "shared/vcpu-count.h"
#include "source/connect.h"
#include "source/qmp-wait.h"
#include "source/tracing.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_HZ = 250, MAX_HZ = 10000, DEFAULT_ROWS = 30, NAME_COLUMNS = 48 };

#define MS UINT64_C(1000000)
#define FETCH_NS (200 * MS)
/* A trace that was off is given so long to find its kernel. */
#define FIND_NS (5000 * MS)

typedef struct ProfileOptions {
    ConnectOptions connect;
    uint64_t duration_ns;
    uint64_t hz;
    uint64_t rows;
    TallyBy by;
    bool folded;
    bool pprof;
    bool json;
    bool no_enable;
} ProfileOptions;

static bool read_by(const char *name, const char *text, void *member)
{
    static const char *const words[] = { "module", "export", "thread" };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcmp(words[i], text)) {
            *(TallyBy *)member = (TallyBy)i;
            return true;
        }
    }
    return options_wrong(name, text, "give module, export or thread");
}

static const Option options[] = {
    { .help = N_("What is sampled:") },
    { "duration", 'd', OPTION_DURATION,
      offsetof(ProfileOptions, duration_ns), "TIME",
      N_("how long (10s)"), .min = 100000000, .max = 86400000000000 },
    { "hz", 'H', OPTION_NUMBER, offsetof(ProfileOptions, hz), "N",
      N_("how often a second each vCPU is asked (250); each\n"
         "time it leaves the guest"), .min = 1, .max = MAX_HZ },
    { "no-enable", 0, OPTION_FLAG, offsetof(ProfileOptions, no_enable), NULL,
      N_("do not turn on a trace that is off") },
    { .help = N_("What is shown:") },
    { "by", 0, OPTION_OWN, offsetof(ProfileOptions, by), "WHAT",
      N_("rows are of: module (the default), export, thread"),
      .read = read_by },
    { "top", 'n', OPTION_NUMBER, offsetof(ProfileOptions, rows), "N",
      N_("at most so many rows (30)"), .min = 1 },
    { "folded", 0, OPTION_FLAG, offsetof(ProfileOptions, folded), NULL,
      N_("all, as folded stacks for flame graphs") },
    { "pprof", 0, OPTION_FLAG, offsetof(ProfileOptions, pprof), NULL,
      N_("all, for pprof, speedscope and others that read its\n"
         "format (gzip)") },
    { "json", 'j', OPTION_FLAG, offsetof(ProfileOptions, json), NULL,
      N_("all, as one JSON object") },
    {}
};

static const Usage usage = {
    .command = "vmscope profile",
    .operands = "",
    .about = N_("Sample what the vCPUs of a Windows guest execute: which "
                "driver spins, in which\n"
                "of its exports, on which thread. Needs a QEMU built with "
                "vmscope.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(ProfileOptions, connect),
    .examples =
        "  vmscope profile --qmp /run/vm.qmp              which driver?\n"
        "  vmscope profile --qmp /run/vm.qmp --by export  where in it?\n"
        "  vmscope profile --qmp /run/vm.qmp --folded     for a flame graph\n"
        "  vmscope profile --qmp /run/vm.qmp --pprof > p.pb.gz\n",
};

/* What is told besides the samples. */
typedef struct Run {
    Qmp *qmp;
    Tally tally;
    uint64_t hz;                /* as the trace has it */
    ProfileFigures before;
    ProfileFigures last;
    uint64_t skipped;
    uint64_t cost_ns;
    uint64_t begin_ns;
    uint64_t realtime_ns;       /* then */
    double seconds;
} Run;

static Out out;

/* Until the trace has found the kernel, or for a while. */
static bool wait_for_kernel(Qmp *qmp, Err *err)
{
    uint64_t end = wait_now_ns() + FIND_NS;
    bool found = false;

    while (!found && wait_now_ns() < end) {
        json_t *status = tracing_status(qmp, TRACING_SCHED, err);

        if (!status) {
            return false;
        }
        found = qmp_has(status, "kernel-base");
        json_decref(status);
        if (!found && !wait_until(wait_now_ns() + 20 * MS)) {
            err_set(err, ERR_IO, "interrupted");
            return false;
        }
    }
    if (!found) {
        message("no Windows kernel is known: only how far the guest has come "
                "is told");
    }
    return true;
}

/* From what was recorded up to now on. */
static bool begin(Run *run, Err *err)
{
    struct timespec now;

    if (!profile_figures(run->qmp, &run->before, err)) {
        return false;
    }
    run->hz = run->before.rip_hz;
    run->tally.last_seq = run->before.recorded;
    run->begin_ns = wait_now_ns();
    clock_gettime(CLOCK_REALTIME, &now);
    run->realtime_ns = (uint64_t)now.tv_sec * 1000 * MS +
                       (uint64_t)now.tv_nsec;
    if (!run->hz) {
        err_set(err, ERR_USAGE, "%s: the scheduler trace is on without "
                "rip-hz: turn it off, and vmscope profile turns it on as "
                "needed", qmp_place(run->qmp));
        return false;
    }
    return true;
}

static bool conclude(Run *run, Err *err)
{
    ProfileFigures after;

    if (!profile_figures(run->qmp, &after, err)) {
        return false;
    }
    run->skipped = after.skipped - run->before.skipped;
    run->cost_ns = after.cost_ns - run->before.cost_ns;
    run->seconds = (double)(wait_now_ns() - run->begin_ns) / 1e9;
    tally_sort(&run->tally);
    return true;
}

/* Ctrl-C ends it early; what was seen until then is shown. */
static bool sample(Run *run, uint64_t for_ns, Err *err)
{
    uint64_t end = wait_now_ns() + for_ns;
    uint64_t now;

    while ((now = wait_now_ns()) < end && !stop_asked) {
        wait_until(now + FETCH_NS < end ? now + FETCH_NS : end);
        if (!stop_asked && !profile_fetch(run->qmp, &run->tally, 1, &run->last, err)) {
            return false;
        }
    }
    if (stop_asked) {
        qmp_finish(run->qmp);
    }
    return conclude(run, err);
}

/* Output. */

static double part(uint64_t n, uint64_t of)
{
    return of ? (double)n / (double)of : 0;
}

static void print_table(const Run *run, const ProfileOptions *o)
{
    static const char *const heads[] = { N_("module"), N_("module!export"),
                                         N_("process, thread") };
    const Tally *tally = &run->tally;
    char name[DISPLAY_ROOM(NAME_COLUMNS)];
    char vcpus[VCPU_COUNT_MAX];
    size_t i;

    out_printf(&out, _("%" PRIu64 " samples in %.1f s of %s at %" PRIu64
                       " Hz"), tally->samples, run->seconds,
               vcpu_count(tally->n_vcpus, vcpus), run->hz);
    out_printf(&out, _(", %" PRIu64 " lost, %" PRIu64 " skipped\n"),
               tally->lost, run->skipped);
    out_printf(&out, "%s%s\n", _(" share  vCPUs   DPC  user  IRQL  "),
               _(heads[o->by]));
    for (i = 0; i < tally->n_rows && i < o->rows; i++) {
        const TallyRow *row = &tally->rows[i];
        double share = part(row->samples, tally->samples);

        display_fit(name, row->name, NAME_COLUMNS);
        out_printf(&out, "%5.1f%% %6.2f %4.0f%% %4.0f%% %4.0f%%  %s\n",
                   100 * share, share * tally->n_vcpus,
                   100 * part(row->dpc, row->samples),
                   100 * part(row->user, row->samples),
                   100 * part(row->raised, row->samples), name);
    }
    if (i < tally->n_rows) {
        out_printf(&out, _("... and %zu more: --top shows them\n"),
                   tally->n_rows - i);
    }
}

static void print_folded(const Run *run)
{
    size_t i;

    for (i = 0; i < run->tally.n_rows; i++) {
        out_safe(&out, run->tally.rows[i].name);
        out_printf(&out, " %" PRIu64 "\n", run->tally.rows[i].samples);
    }
}

static void print_json(const Run *run, const ProfileOptions *o)
{
    static const char *const by[] = { "module", "export", "thread" };
    const Tally *tally = &run->tally;
    JsonOut json = { .out = &out };
    size_t i;

    jsonout_begin(&json, NULL, '{');
    jsonout_text(&json, "by", by[o->by]);
    jsonout_real(&json, "seconds", run->seconds);
    jsonout_uint(&json, "rip-hz", run->hz);
    jsonout_uint(&json, "vcpus", tally->n_vcpus);
    jsonout_uint(&json, "samples", tally->samples);
    jsonout_uint(&json, "lost", tally->lost);
    jsonout_uint(&json, "skipped", run->skipped);
    jsonout_uint(&json, "cost-ns", run->cost_ns);
    if (*run->last.reason) {
        jsonout_text(&json, "reason", run->last.reason);
    }
    jsonout_begin(&json, "rows", '[');
    for (i = 0; i < tally->n_rows; i++) {
        const TallyRow *row = &tally->rows[i];

        jsonout_begin(&json, NULL, '{');
        jsonout_text(&json, "name", row->name);
        jsonout_uint(&json, "samples", row->samples);
        jsonout_real(&json, "share", part(row->samples, tally->samples));
        jsonout_uint(&json, "dpc", row->dpc);
        jsonout_uint(&json, "user", row->user);
        jsonout_uint(&json, "raised-irql", row->raised);
        jsonout_bool(&json, "idle", row->idle);
        jsonout_end(&json, '}');
    }
    jsonout_end(&json, ']');
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

static bool print_pprof(const Run *run, Err *err)
{
    PprofTimes times = {
        .realtime_ns = run->realtime_ns,
        .duration_ns = (uint64_t)(run->seconds * 1e9),
        .period_ns = 1000 * MS / run->hz,
    };

    return pprof_write(&out, &run->tally, &times, err);
}

static bool print(const Run *run, const ProfileOptions *o, Err *err)
{
    bool ok = true;

    if (*run->last.reason) {
        message("some samples may lack their module: %s", run->last.reason);
    }
    if (o->json) {
        print_json(run, o);
    } else if (o->folded) {
        print_folded(run);
    } else if (o->pprof) {
        ok = print_pprof(run, err);
    } else {
        print_table(run, o);
    }
    if (!out_finish(&out) && ok) {
        err_set(err, ERR_IO, "could not write");
        ok = false;
    }
    return ok;
}

/* From outside, each register costs a question to the monitor. */
static bool check_qemu(Qmp *qmp, Err *err)
{
    json_t *status = tracing_status(qmp, TRACING_SCHED, err);
    bool ok = status != NULL;

    json_decref(status);
    if (ok && qmp_is_attached(qmp)) {
        err_set(err, ERR_USAGE, "%s: what vCPUs execute is sampled by a QEMU "
                "built with vmscope only; who runs on them, vmscope top shows "
                "of any QEMU", qmp_place(qmp));
        ok = false;
    }
    return ok;
}

static bool look(Run *run, const ProfileOptions *o, Err *err)
{
    Tracing tracing = { run->qmp, TRACING_SCHED, false };
    json_t *with = json_object();
    bool ok;

    qmp_set(with, "rip-hz", json_integer((json_int_t)o->hz));
    ok = tracing_begin(&tracing, run->qmp, TRACING_SCHED, !o->no_enable, with,
                       err) &&
         wait_for_kernel(run->qmp, err) && begin(run, err) &&
         sample(run, o->duration_ns, err) && print(run, o, err);
    tracing_end(&tracing);
    return ok;
}

int cmd_profile(int argc, char **argv)
{
    ProfileOptions o = { .duration_ns = 10000 * MS, .hz = DEFAULT_HZ,
                         .rows = DEFAULT_ROWS };
    Run run = { 0 };
    OptionsResult result = options_read(&usage, &o, argc, argv);
    bool ok;
    Err err;

    if (result == OPTIONS_RUN) {
        result = options_none_left(&usage, argc, argv);
    }
    if (result == OPTIONS_RUN && o.folded + o.json + o.pprof > 1) {
        result = options_refuse(&usage, "give one of --folded, --json and "
                                "--pprof");
    }
    if (result == OPTIONS_RUN && o.pprof && isatty(STDOUT_FILENO)) {
        result = options_refuse(&usage, "--pprof writes no text: give it a "
                                "file, as in > FILE");
    }
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_DONE ? EXIT_FINE : EXIT_WRONG_USAGE;
    }
    display_begin(STDOUT_FILENO);
    stop_init();
    out_init(&out, STDOUT_FILENO);
    run.tally.by = o.folded || o.pprof ? TALLY_STACK : o.by;
    run.qmp = qmp_connect(&o.connect, &err);
    if (!run.qmp) {
        message("%s", err.text);
        return err.code == ERR_USAGE ? EXIT_WRONG_USAGE : EXIT_FAILED;
    }
    ok = check_qemu(run.qmp, &err) && look(&run, &o, &err);
    if (!ok) {
        message("%s", err.text);
    }
    tally_release(&run.tally);
    qmp_free(run.qmp);
    return ok ? EXIT_FINE : EXIT_FAILED;
}
