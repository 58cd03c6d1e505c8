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
#include "irq-feed.h"
#include "irq-summary.h"
#include "irqlog/text.h"
#include "qmp-dump.h"
#include "qmp-wait.h"
#include "tracing.h"

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
    bool json;
    bool summary;
} IrqOptions;

typedef struct Irq {
    IrqOptions opt;
    Qmp *qmp;
    Tracing tracing;
    IrqFeed feed;
    IrqSummary summary;
    Out out;
    uint64_t shown;
    Map told;                   /* threads that a line told of */
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
    { .help = "Which interrupts:" },
    { "line", 0, OPTION_OWN, offsetof(IrqOptions, filter.line), "N",
      "number of the line in its device", .read = read_line },
    { "tid", 0, OPTION_OWN, offsetof(IrqOptions, filter.tid), "TID",
      "raised by this host thread", .read = read_tid },
    { "path", 0, OPTION_TEXT, offsetof(IrqOptions, filter.path), "GLOB",
      "QOM path, with * and ?" },
    { "kind", 0, OPTION_OWN, offsetof(IrqOptions, filter.kind), "KIND",
      "hardware, percpu, software or msi", .read = read_kind },
    { "last", 0, OPTION_NUMBER, offsetof(IrqOptions, last), "N",
      "begin with the newest N that are there (0)", .max = 100000 },
    { .help = "What is shown:" },
    { "summary", 's', OPTION_FLAG, offsetof(IrqOptions, summary), NULL,
      "rates by line and by caller, instead of each" },
    { "top", 0, OPTION_NUMBER, offsetof(IrqOptions, top), "N",
      "entries in each list of the summary, 0 for all (10)",
      .max = 1000000 },
    { "json", 'j', OPTION_FLAG, offsetof(IrqOptions, json), NULL,
      "a JSON object a line" },
    { "delay", 'd', OPTION_DURATION, offsetof(IrqOptions, delay_ns), "TIME",
      "between two looks (200ms, with --summary 2s)",
      .min = 10000000, .max = 3600000000000 },
    { "duration", 0, OPTION_DURATION, offsetof(IrqOptions, duration_ns),
      "TIME", "end after so long", .min = 1 },
    { "count", 'n', OPTION_NUMBER, offsetof(IrqOptions, count), "N",
      "end after so many interrupts, or summaries" },
    { .help = "The log, when it is off:" },
    { "backtrace", 0, OPTION_NUMBER, offsetof(IrqOptions, backtrace), "N",
      "frames to keep above the caller (0)", .max = 16 },
    { "changes-only", 0, OPTION_FLAG, offsetof(IrqOptions, changes_only),
      NULL, "leave out calls that change no level" },
    { "no-msi", 0, OPTION_FLAG, offsetof(IrqOptions, no_msi), NULL,
      "leave out messages (MSI)" },
    { "no-enable", 0, OPTION_FLAG, offsetof(IrqOptions, no_enable), NULL,
      "do not turn it on: say so and end" },
    {}
};

static const Usage usage = {
    .command = "vmscope irq",
    .operands = "",
    .about = "Show the interrupts that a QEMU raises, as they come: which "
             "line, at which\nlevel, by which thread and caller. The text "
             "can be piped into irqlog-analyze.\n",
    .options = options,
    .connects = true,
    .connect = offsetof(IrqOptions, connect),
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

    if (!entry) {
        out_bytes(&irq->out, text, irqlog_print_lost(text, lost));
        return;
    }
    tell_thread(irq, entry);
    out_bytes(&irq->out, text, irqlog_print_event(text, &entry->event));
    print_symbol(irq, object, "caller-symbol");
    print_symbol(irq, object, "handler-symbol");
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

static void take(void *opaque, const IrqEntry *entry, const json_t *object,
                 uint64_t lost)
{
    Irq *irq = opaque;

    if (irq->opt.summary) {
        irq_summary_take(&irq->summary, entry, lost);
        return;
    }
    if (irq->opt.count && irq->shown >= irq->opt.count) {
        return;
    }
    irq->shown += entry != NULL;
    if (irq->opt.json) {
        print_json(irq, object, lost);
    } else {
        print_text(irq, entry, object, lost);
    }
}

/* Following. */

static bool is_done(const Irq *irq, uint64_t end_ns)
{
    return stop_asked || out_failed(&irq->out) || wait_now_ns() >= end_ns ||
           (irq->opt.count && irq->shown >= irq->opt.count);
}

static void sleep_until(uint64_t at_ns)
{
    Deadline deadline = { at_ns, true };

    while (wait_a_moment(&deadline) == WAIT_READY) {
    }
}

static bool look(Irq *irq, Err *err)
{
    if (!irq_feed_next(&irq->feed, take, irq, err)) {
        return false;
    }
    if (irq->opt.summary) {
        irq_summary_end(&irq->summary, irq_feed_now_ns(&irq->feed));
        irq->shown++;
    }
    out_flush(&irq->out);
    return true;
}

static bool follow(Irq *irq, Err *err)
{
    uint64_t now = wait_now_ns();
    uint64_t next_ns = now;
    uint64_t end_ns = UINT64_MAX;

    if (irq->opt.duration_ns &&
        __builtin_add_overflow(now, irq->opt.duration_ns, &end_ns)) {
        end_ns = UINT64_MAX;
    }
    while (!is_done(irq, end_ns)) {
        next_ns = wait_now_ns() + irq->opt.delay_ns;
        sleep_until(next_ns < end_ns ? next_ns : end_ns);
        if (!stop_asked && !look(irq, err)) {
            return stop_asked;
        }
    }
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
    uint32_t last = (uint32_t)irq->opt.last;

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
    if (!irq->opt.json && !irq->opt.summary) {
        print_run(irq);
    }
    return !last || irq->opt.summary ||
           irq_feed_last(&irq->feed, last, take, irq, err);
}

static int judge_output(Irq *irq, int status)
{
    out_flush(&irq->out);
    if (!irq->out.error || irq->out.error == EPIPE) {
        return status;
    }
    message("cannot write to standard output: %s",
            strerror(irq->out.error));
    return EXIT_FAILED;
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
    irq->tracing = (Tracing) { irq->qmp, TRACING_IRQ, false };
    if ((!begin(irq, &err) || !follow(irq, &err)) && !stop_asked) {
        out_flush(&irq->out);
        message("%s", err.text);
        status = EXIT_FAILED;
    }
    tracing_end(&irq->tracing);
    irq_feed_end(&irq->feed);
    irq_summary_release(&irq->summary);
    map_clear(&irq->told);
    qmp_free(irq->qmp);
    return judge_output(irq, status);
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
    out_init(&irq.out, STDOUT_FILENO);
    stop_init();
    return run(&irq);
}
