/*
 * vmscope irq: interrupts as they are raised.
 *
 * The text is docs/formats/irq-log-text-v1.md, so that irqlog-analyze reads
 * it, with two lines more: caller-symbol= and handler-symbol=, where QEMU
 * knows them.  Addresses of objects are not told by QMP and stand as 0x0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "common/jsonout.h"
#include "common/message.h"
#include "common/stop.h"
#include "common/translate.h"
#include "source/bypass.h"
#include "source/irq-feed.h"
#include "irq/summary.h"
#include "irqlog/text.h"
#include "source/qmp-dump.h"
#include "source/qmp-wait.h"
#include "source/tracing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct IrqOptions {
    ConnectOptions connect;
    IrqFilter filter;
    uint64_t delay_ns;          /* 0: as fits the kind of output */
    uint64_t duration_ns;       /* 0: until told to stop */
    uint64_t count;             /* 0: until told to stop */
    uint64_t last;
    uint64_t top;
    uint64_t backtrace;
    bool changes_only;
    bool no_msi;
    bool no_enable;
    bool all_depths;
    bool json;
    bool summary;
} IrqOptions;

/* An outermost call, whose inner ones come behind it. */
typedef struct Held {
    json_t *object;             /* a reference; NULL: so many were lost */
    uint32_t tid;
    uint64_t count;             /* inner calls; or lost */
} Held;

enum { HELD_MAX = 256 };

typedef struct Irq {
    IrqOptions opt;
    Qmp *qmp;
    Tracing tracing;
    IrqFeed feed;
    IrqSummary summary;
    Out out;
    uint64_t shown;
    uint64_t end_ns;            /* of the time given; UINT64_MAX: none was */
    Map told;                   /* threads that a line told of */
    Held held[HELD_MAX];        /* shown when their inner calls are counted */
    size_t n_held;
    uint64_t heard_ns;          /* when the newest was fetched, or the begin */
    bool told_silence;
} Irq;

/* Options. */

static bool read_line(const char *name, const char *text, void *member)
{
    IrqNumber *line = member;
    char *end;

    errno = 0;
    line->value = strtoll(text, &end, 10);
    line->given = true;
    if (errno || end == text || *end || line->value < INT32_MIN ||
        line->value > INT32_MAX) {
        return options_wrong(name, text, "give the number of a line");
    }
    return true;
}

static bool read_tid(const char *name, const char *text, void *member)
{
    IrqNumber *tid = member;
    char *end;

    errno = 0;
    tid->value = strtoll(text, &end, 10);
    tid->given = true;
    if (errno || end == text || *end || tid->value < 0 ||
        tid->value > UINT32_MAX) {
        return options_wrong(name, text, "give the id of a host thread");
    }
    return true;
}

static bool read_kind(const char *name, const char *text, void *member)
{
    IrqlogKind kind;

    if (!irqlog_kind_from_name(text, &kind)) {
        return options_wrong(name, text,
                             "give hardware, percpu, software or msi");
    }
    *(const char **)member = text;
    return true;
}

static const Option options[] = {
    { .help = N_("Which interrupts:") },
    { "line", 0, OPTION_OWN, offsetof(IrqOptions, filter.line), "N",
      N_("number of the line in its device"), .read = read_line },
    { "tid", 0, OPTION_OWN, offsetof(IrqOptions, filter.tid), "TID",
      N_("raised by this host thread"), .read = read_tid },
    { "path", 0, OPTION_TEXT, offsetof(IrqOptions, filter.path), "GLOB",
      N_("QOM path, with * and ?") },
    { "kind", 0, OPTION_OWN, offsetof(IrqOptions, filter.kind), "KIND",
      N_("hardware, percpu, software or msi"), .read = read_kind },
    { "last", 0, OPTION_NUMBER, offsetof(IrqOptions, last), "N",
      N_("begin with the newest N that are there (0); their\n"
         "summary is the first one"), .max = 100000 },
    { .help = N_("What is shown:") },
    { "all-depths", 'a', OPTION_FLAG, offsetof(IrqOptions, all_depths), NULL,
      N_("also calls made inside of another one; as with --line,\n"
         "--path, --kind and --tid, else they are only counted") },
    { "summary", 's', OPTION_FLAG, offsetof(IrqOptions, summary), NULL,
      N_("rates by line and by caller, instead of each") },
    { "top", 0, OPTION_NUMBER, offsetof(IrqOptions, top), "N",
      N_("entries in each list of the summary, 0 for all (10)"),
      .max = 1000000 },
    { "json", 'j', OPTION_FLAG, offsetof(IrqOptions, json), NULL,
      N_("a JSON object a line") },
    { "delay", 'd', OPTION_DURATION, offsetof(IrqOptions, delay_ns), "TIME",
      N_("between two updates (200ms, with --summary 2s)"),
      .min = 10000000, .max = 3600000000000 },
    { "duration", 0, OPTION_DURATION, offsetof(IrqOptions, duration_ns),
      "TIME", N_("end after so long"), .min = 1 },
    { "count", 'n', OPTION_NUMBER, offsetof(IrqOptions, count), "N",
      N_("end after so many interrupts, or summaries") },
    { .help = N_("The log, when it is off:") },
    { "backtrace", 0, OPTION_NUMBER, offsetof(IrqOptions, backtrace), "N",
      N_("frames to keep above the caller (0)"), .max = 16 },
    { "changes-only", 0, OPTION_FLAG, offsetof(IrqOptions, changes_only),
      NULL, N_("leave out calls that change no level") },
    { "no-msi", 0, OPTION_FLAG, offsetof(IrqOptions, no_msi), NULL,
      N_("leave out messages (MSI)") },
    { "no-enable", 0, OPTION_FLAG, offsetof(IrqOptions, no_enable), NULL,
      N_("do not turn it on: say so and end") },
    {}
};

static const Usage usage = {
    .command = "vmscope irq",
    .operands = "",
    .about = N_("Show the interrupts that a QEMU raises, as they come: "
                "which line, at which\n"
                "level, by which thread and caller. The text can be piped "
                "into irqlog-analyze.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(IrqOptions, connect),
    .examples =
        "  vmscope irq --qmp /run/vm.qmp --kind msi\n"
        "  vmscope irq --qmp /run/vm.qmp --path '*ioapic*' | irqlog-analyze "
        "--follow\n"
        "  vmscope irq --libvirt win11 --summary --delay 5s\n"
        "  vmscope irq --qmp /run/vm.qmp --json --count 100 > irq.json\n",
};

/* Text. */

/* The path of QEMU's program; "" when the other end is no QEMU. */
static void find_program(const Irq *irq, char *exe, size_t size)
{
    char link[64];
    const char *base;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/exe", (int)qmp_pid(irq->qmp));
    n = readlink(link, exe, size - 1);
    exe[n > 0 ? n : 0] = '\0';
    base = strrchr(exe, '/');
    if (!base || strncmp(base + 1, "qemu", 4)) {
        *exe = '\0';
    }
}

static void print_run(Irq *irq)
{
    const json_t *status = irq->feed.status;
    const json_t *clock = json_object_get(status, "clock");
    char text[IRQLOG_TEXT_MAX];
    IrqlogRun run = {
        .format = IRQLOG_TEXT_FORMAT,
        .load_base = qmp_uint(status, "load-base", 0),
        .monotonic_ns = qmp_uint(clock, "monotonic-ns", 0),
        .realtime_ns = qmp_uint(clock, "realtime-ns", 0),
    };

    find_program(irq, run.exe, sizeof(run.exe));
    run.pid = *run.exe ? (uint32_t)qmp_pid(irq->qmp) : 0;
    snprintf(run.build_id, sizeof(run.build_id), "%s",
             qmp_text(status, "build-id", ""));
    out_bytes(&irq->out, text, irqlog_print_run(text, &run));
}

/* Threads told of are forgotten when there have been so many. */
enum { TOLD_MAX = 65536 };

static void tell_thread(Irq *irq, const IrqEntry *entry)
{
    char text[IRQLOG_TEXT_MAX];
    IrqlogThreadInfo info = {
        .tid = entry->event.tid,
        .name = entry->thread_name,
        .role = *entry->thread_role ? entry->thread_role : NULL,
    };

    if (map_get(&irq->told, info.tid)) {
        return;
    }
    if (irq->told.used >= TOLD_MAX) {
        map_clear(&irq->told);
    }
    map_put(&irq->told, info.tid, 1);
    out_bytes(&irq->out, text, irqlog_print_thread(text, &info));
}

/* Lines that the format lets a reader skip: names, where QEMU has them. */
static void print_symbol(Irq *irq, const json_t *object, const char *key)
{
    const char *name = qmp_text(object, key, "");

    if (*name) {
        out_printf(&irq->out, "         %s=", key);
        out_safe(&irq->out, name);
        out_char(&irq->out, '\n');
    }
}

static void print_text(Irq *irq, const IrqEntry *entry, const json_t *object,
                       uint64_t lost)
{
    char text[IRQLOG_TEXT_MAX];
    uint64_t inner;

    if (!entry) {
        out_bytes(&irq->out, text, irqlog_print_lost(text, lost));
        return;
    }
    tell_thread(irq, entry);
    out_bytes(&irq->out, text, irqlog_print_event(text, &entry->event));
    print_symbol(irq, object, "caller-symbol");
    print_symbol(irq, object, "handler-symbol");
    print_symbol(irq, object, "driven-by");
    print_symbol(irq, object, "device");
    inner = qmp_uint(object, "inner-calls", 0);
    if (inner) {
        out_printf(&irq->out, "         inner-calls=%" PRIu64 "\n", inner);
    }
}

static void print_json(Irq *irq, const json_t *object, uint64_t lost)
{
    JsonOut json = { .out = &irq->out };

    if (object) {
        qmp_dump(&json, NULL, object);
    } else {
        jsonout_begin(&json, NULL, '{');
        jsonout_uint(&json, "lost", lost);
        jsonout_end(&json, '}');
    }
    jsonout_line(&json);
}

static bool is_done(const Irq *irq, uint64_t end_ns)
{
    return stop_asked || out_failed(&irq->out) || wait_now_ns() >= end_ns ||
           (irq->opt.count && irq->shown >= irq->opt.count);
}

/* When time is up, what had come by then may still be fetched for so long. */
static const uint64_t grace_ns = 500000000;

static uint64_t last_end_ns(const Irq *irq)
{
    return irq->end_ns < UINT64_MAX - grace_ns ? irq->end_ns + grace_ns
                                               : UINT64_MAX;
}

static void show(Irq *irq, const Held *held)
{
    uint64_t lost = held->object ? 0 : held->count;
    IrqEntry entry;

    if (held->object && held->count) {
        json_object_set_new(held->object, "inner-calls",
                            json_integer((json_int_t)held->count));
    }
    if (irq->opt.json) {
        print_json(irq, held->object, lost);
    } else if (held->object && irq_entry_read(&entry, held->object)) {
        print_text(irq, &entry, held->object, 0);
    } else if (!held->object) {
        print_text(irq, NULL, NULL, lost);
    }
}

static void show_held(Irq *irq)
{
    size_t i;

    for (i = 0; i < irq->n_held; i++) {
        show(irq, &irq->held[i]);
        json_decref(irq->held[i].object);
    }
    irq->n_held = 0;
}

/* A call inside of another one only counts for that one. */
static void count_inner(Irq *irq, uint32_t tid)
{
    size_t i;

    for (i = irq->n_held; i > 0; i--) {
        if (irq->held[i - 1].object && irq->held[i - 1].tid == tid) {
            irq->held[i - 1].count++;
            return;
        }
    }
}

static void hold(Irq *irq, const IrqEntry *entry, const json_t *object,
                 uint64_t lost)
{
    if (entry && entry->event.depth && !irq->opt.all_depths) {
        count_inner(irq, entry->event.tid);
        return;
    }
    if (irq->n_held == HELD_MAX) {
        show_held(irq);
    }
    irq->held[irq->n_held++] = (Held) {
        .object = entry ? json_incref((json_t *)object) : NULL,
        .tid = entry ? entry->event.tid : 0,
        .count = entry ? 0 : lost,
    };
    irq->shown += entry != NULL;
}

static bool take(void *opaque, const IrqEntry *entry, const json_t *object,
                 uint64_t lost)
{
    Irq *irq = opaque;

    irq->heard_ns = wait_now_ns();
    if (irq->opt.summary) {
        irq_summary_take(&irq->summary, entry, lost);
    } else {
        hold(irq, entry, object, lost);
    }
    return !is_done(irq, last_end_ns(irq));
}

/* Following. */

static void ask_drivers(Irq *irq)
{
    if (irq_summary_has_messages(&irq->summary)) {
        irq_drivers_read(&irq->summary.drivers, irq->qmp);
    }
}

/* Until now; or to the last one fetched, when time was up before all were. */
static void end_summary(Irq *irq)
{
    ask_drivers(irq);
    irq_summary_end(&irq->summary, irq->feed.enough
                    ? irq->summary.last_ns : irq_feed_now_ns(&irq->feed));
    irq->shown++;
}

static bool look(Irq *irq, Err *err)
{
    if (!irq_feed_next(&irq->feed, take, irq, err)) {
        return false;
    }
    if (irq->opt.summary) {
        end_summary(irq);
    }
    show_held(irq);
    out_flush(&irq->out);
    return true;
}

/* They came faster than they can be asked for. */
static void tell_rest(const Irq *irq)
{
    uint64_t recorded = irq_feed_recorded(&irq->feed);

    if (irq->feed.enough && wait_now_ns() >= irq->end_ns &&
        recorded > irq->feed.after) {
        message("time is up: the newest %" PRIu64 " interrupts were not "
                "fetched; vmscope record keeps up",
                recorded - irq->feed.after);
    }
}

/* Nothing comes: what could there be that is not seen here? */
static void tell_silence(Irq *irq)
{
    const uint64_t silence_ns = 2000000000;
    Bypass bypass;
    unsigned i;

    if (irq->told_silence || wait_now_ns() - irq->heard_ns < silence_ns) {
        return;
    }
    irq->told_silence = true;
    bypass_find(irq->qmp, true, &bypass);
    message("no interrupt that is asked for in 2 s; %s go past the log on "
            "this machine%s", bypass.n ? _("these") : _("none are known to"),
            bypass.n ? ":" : "");
    for (i = 0; i < bypass.n; i++) {
        message("  %s", bypass.text[i]);
    }
}

static bool follow(Irq *irq, Err *err)
{
    uint64_t next_ns;

    irq->heard_ns = wait_now_ns();
    while (!is_done(irq, irq->end_ns)) {
        next_ns = wait_now_ns() + irq->opt.delay_ns;
        if (wait_until(next_ns < irq->end_ns ? next_ns : irq->end_ns) &&
            !look(irq, err)) {
            return stop_asked;
        }
        if (!stop_asked) {
            tell_silence(irq);
        }
    }
    tell_rest(irq);
    return true;
}

/* Those that are there already; a summary of them is one of its own. */
static bool show_last(Irq *irq, Err *err)
{
    bool summary = irq->opt.summary;

    if (!irq->opt.last) {
        return true;
    }
    if (summary) {
        irq->summary.begin_ns = 0;      /* that of the first */
    }
    if (!irq_feed_last(&irq->feed, (uint32_t)irq->opt.last, take, irq, err)) {
        return false;
    }
    if (summary && irq->summary.rates.events) {
        ask_drivers(irq);
        irq_summary_end(&irq->summary, irq->summary.last_ns);
        irq->shown++;
    } else if (summary) {
        irq->summary.begin_ns = irq_feed_now_ns(&irq->feed);
    }
    show_held(irq);
    out_flush(&irq->out);
    return true;
}

static json_t *enable_options(const IrqOptions *opt)
{
    return json_pack("{s:b, s:I, s:b, s:b}", "text", 0,
                     "backtrace", (json_int_t)opt->backtrace,
                     "msi", !opt->no_msi,
                     "changes-only", opt->changes_only);
}

static bool begin(Irq *irq, Err *err)
{
    if (!tracing_begin(&irq->tracing, irq->qmp, TRACING_IRQ,
                       !irq->opt.no_enable, enable_options(&irq->opt), err) ||
        !irq_feed_begin(&irq->feed, irq->qmp, &irq->opt.filter, err)) {
        return false;
    }
    if (irq->tracing.turned_on) {
        irq->feed.after = 0;        /* all of it is ours */
    }
    irq_summary_begin(&irq->summary, &irq->out, irq->opt.json,
                      irq->opt.top, irq_feed_now_ns(&irq->feed));
    irq->summary.rates.all_depths = irq->opt.all_depths;
    irq->summary.courses.all_depths = irq->opt.all_depths;
    if (!irq->opt.json && !irq->opt.summary) {
        print_run(irq);
    }
    return show_last(irq, err);
}

/* Before anything is asked: fetching what is there takes time, too. */
static void begin_duration(Irq *irq)
{
    if (!irq->opt.duration_ns ||
        __builtin_add_overflow(wait_now_ns(), irq->opt.duration_ns,
                               &irq->end_ns)) {
        irq->end_ns = UINT64_MAX;
    }
}

static int run(Irq *irq)
{
    int status = EXIT_FINE;
    Err err;

    irq->qmp = qmp_connect(&irq->opt.connect, &err);
    if (!irq->qmp && stop_asked) {
        return EXIT_FINE;
    }
    if (!irq->qmp) {
        message("%s", err.text);
        return err.code == ERR_USAGE ? EXIT_WRONG_USAGE : EXIT_FAILED;
    }
    begin_duration(irq);
    irq->tracing = (Tracing) { irq->qmp, TRACING_IRQ, false };
    if ((!begin(irq, &err) || !follow(irq, &err)) && !stop_asked) {
        out_flush(&irq->out);
        message("%s", err.text);
        status = EXIT_FAILED;
    }
    show_held(irq);
    tracing_end(&irq->tracing);
    irq_feed_end(&irq->feed);
    irq_summary_release(&irq->summary);
    map_clear(&irq->told);
    qmp_free(irq->qmp);
    return out_finish(&irq->out) ? status : EXIT_FAILED;
}

int cmd_irq(int argc, char **argv)
{
    static Irq irq;
    OptionsResult result;

    irq.opt.top = 10;
    result = options_read(&usage, &irq.opt, argc, argv);
    if (result == OPTIONS_RUN) {
        result = options_none_left(&usage, argc, argv);
    }
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_DONE ? EXIT_FINE : EXIT_WRONG_USAGE;
    }
    if (!irq.opt.delay_ns) {
        irq.opt.delay_ns = irq.opt.summary ? 2000000000 : 200000000;
    }
    irq.opt.all_depths = irq.opt.all_depths || irq.opt.filter.line.given ||
                         irq.opt.filter.tid.given || irq.opt.filter.path ||
                         irq.opt.filter.kind;
    out_init(&irq.out, STDOUT_FILENO);
    stop_init();
    return run(&irq);
}
