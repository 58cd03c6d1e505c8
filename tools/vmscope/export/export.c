/*
 * vmscope export: a recording for other programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export/export.h"

#include "commands.h"
#include "base/num.h"
#include "common/message.h"
#include "common/options.h"
#include "common/translate.h"
#include "shared/names.h"
#include "export/trace-output.h"

#include <getopt.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const Exporter *const exporters[] = {
    &export_perfetto, &export_json, &export_csv,
};

enum { N_EXPORTERS = sizeof(exporters) / sizeof(*exporters) };

typedef struct ExportOptions {
    NameOptions names;
    const char *path;
    const char *output;         /* NULL: standard output */
    const Exporter *format;
    uint64_t since_ns;
    uint64_t until_ns;
} ExportOptions;

static bool read_format(const char *name, const char *text, void *member)
{
    const Exporter **format = member;
    size_t i;

    for (i = 0; i < N_EXPORTERS; i++) {
        if (!strcmp(exporters[i]->name, text)) {
            *format = exporters[i];
            return true;
        }
    }
    return options_wrong(name, text, "give perfetto, json or csv");
}

static const Option options[] = {
    { .help = "" },
    { "format", 0, OPTION_OWN, offsetof(ExportOptions, format), "NAME",
      N_("perfetto  for ui.perfetto.dev and trace_processor\n"
         "json      Chrome's trace format, for many viewers\n"
         "csv       one row an event"), .read = read_format },
    { "output", 'o', OPTION_TEXT, offsetof(ExportOptions, output), "FILE",
      N_("write it there") },
    { "since", 0, OPTION_DURATION, offsetof(ExportOptions, since_ns), "TIME",
      N_("leave out what is before, from the recording's begin") },
    { "until", 0, OPTION_DURATION, offsetof(ExportOptions, until_ns), "TIME",
      N_("and what is from here on"), .min = 1 },
    {}
};

static const Usage usage = {
    .command = "vmscope export",
    .operands = "RECORDING",
    .about = N_("Turn a file of vmscope record into one that other programs "
                "read.\n"),
    .options = options,
    .names = name_options,
    .names_offset = offsetof(ExportOptions, names),
    .examples =
        "  vmscope export --format perfetto -o t.pftrace t.vms\n"
        "  vmscope export --format csv t.vms | head\n",
};

static OptionsResult read_options(ExportOptions *opt, int argc, char **argv)
{
    OptionsResult result = options_read(&usage, opt, argc, argv);

    if (result != OPTIONS_RUN) {
        return result;
    }
    if (argc - optind != 1) {
        return options_refuse(&usage, argc == optind
                              ? N_("give a recording to export")
                              : N_("give one recording"));
    }
    opt->path = argv[optind];
    if (!opt->format) {
        return options_refuse(&usage, "give --format perfetto, json or csv");
    }
    if (opt->since_ns >= opt->until_ns) {
        return options_refuse(&usage, "--until must be later than --since");
    }
    if (opt->format == &export_perfetto && !opt->output &&
        isatty(STDOUT_FILENO)) {
        return options_refuse(&usage, "give -o FILE: this is nothing for a "
                              "terminal");
    }
    return OPTIONS_RUN;
}

/* Reading. */

static void note_time(Export *export, uint64_t ns)
{
    if (ns > export->newest_ns) {
        export->newest_ns = ns;
    }
}

static void switch_to(Export *export, const Exporter *format, unsigned vcpu,
                      uint32_t thread, uint64_t ns, const SchedlogEvent *event)
{
    ExportVcpu *state = &export->vcpus[vcpu];

    note_time(export, ns);
    if (ns >= export->end_ns) {
        return;
    }
    if (ns >= export->begin_ns) {
        format->run(export, vcpu, thread, ns, event);
    }
    state->thread = thread;
    state->since_ns = ns;
}

static void take_running(Export *export, const Exporter *format,
                         const SchedlogEvent *event)
{
    switch_to(export, format, event->vcpu,
              trace_who_thread(&export->who, event),
              export->info->monotonic_ns, NULL);
}

/* Who ran when the span began, before anything else of that vCPU. */
static void begin_span(Export *export, const Exporter *format, unsigned vcpu)
{
    ExportVcpu *state = &export->vcpus[vcpu];
    uint32_t thread = state->thread;

    if (thread && state->since_ns < export->begin_ns) {
        state->thread = 0;
        switch_to(export, format, vcpu, thread, export->begin_ns, NULL);
    }
}

static void take_switch(Export *export, const Exporter *format,
                        const SchedlogEvent *event)
{
    if (event->time_ns >= export->begin_ns) {
        begin_span(export, format, event->vcpu);
    }
    switch_to(export, format, event->vcpu,
              trace_who_thread(&export->who, event), event->time_ns, event);
}

/* Nobody is known to run while switches are missing. */
static void take_lost(Export *export, const Exporter *format,
                      const TraceLost *lost)
{
    unsigned i;

    if (lost->from_ns >= export->end_ns ||
        (lost->to_ns && lost->to_ns < export->begin_ns)) {
        return;
    }
    for (i = 0; lost->contents == TRACE_SCHED && i < TRACE_MAX_VCPUS; i++) {
        if (export->vcpus[i].thread) {
            switch_to(export, format, i, 0, lost->from_ns, NULL);
        }
    }
    if (lost->count) {      /* else its ring ended, and no more is known */
        format->lost(export, lost);
    }
}

static void take_irq(Export *export, const Exporter *format,
                     const TraceItem *item)
{
    uint64_t ns = item->irq.time_ns;

    note_time(export, ns);
    if (ns >= export->begin_ns && ns < export->end_ns) {
        format->irq(export, item);
    }
}

/* What is more than nothing is not shown as nothing. */
unsigned export_wait_percent(const TraceHost *host)
{
    double percent = 100 * (double)host->wait_ns /
                     (double)(host->to_ns - host->from_ns);

    return percent >= 100 ? 100 : (unsigned)ceil(percent);
}

unsigned export_ticks_percent(const TraceTicks *ticks, TraceTick part)
{
    double sum = 0;
    unsigned i;

    for (i = 0; i < TRACE_N_TICKS; i++) {
        sum += ticks->ticks[i];
    }
    return sum > 0 ? (unsigned)(100 * ticks->ticks[part] / sum + 0.5) : 0;
}

/* Of a span that begins or ends outside, its part. */
static void take_host(Export *export, const Exporter *format,
                      const TraceHost *given)
{
    TraceHost host = *given;
    double part = 1;

    if (host.from_ns < export->begin_ns) {
        host.from_ns = export->begin_ns;
    }
    if (host.to_ns > export->end_ns) {
        host.to_ns = export->end_ns;
    }
    if (host.to_ns <= host.from_ns) {
        return;
    }
    if (host.to_ns - host.from_ns < given->to_ns - given->from_ns) {
        part = (double)(host.to_ns - host.from_ns) /
               (double)(given->to_ns - given->from_ns);
        host.run_ns = (uint64_t)((double)host.run_ns * part);
        host.wait_ns = (uint64_t)((double)host.wait_ns * part);
    }
    format->host(export, &host);
}

static void take_ticks(Export *export, const Exporter *format,
                       const TraceTicks *ticks)
{
    if (format->ticks && ticks->from_ns >= export->begin_ns &&
        ticks->to_ns <= export->end_ns && ticks->to_ns > ticks->from_ns) {
        format->ticks(export, ticks);
    }
}

static void take_item(Export *export, const Exporter *format,
                      const TraceItem *item)
{
    switch (item->type) {
    case TRACE_ITEM_SCHED:
        take_switch(export, format, &item->sched);
        break;
    case TRACE_ITEM_RUNNING:
        take_running(export, format, &item->sched);
        break;
    case TRACE_ITEM_IRQ:
        take_irq(export, format, item);
        break;
    case TRACE_ITEM_LOST:
        take_lost(export, format, &item->lost);
        break;
    case TRACE_ITEM_HOST:
        take_host(export, format, &item->host);
        break;
    case TRACE_ITEM_TICKS:
        take_ticks(export, format, &item->ticks);
        break;
    case TRACE_ITEM_PATH:
        trace_who_path(&export->who, &item->path);
        break;
    case TRACE_ITEM_MARK:
        export->mark_ns = item->mark.time_ns;
        break;
    default:
        break;
    }
}

static void export_all(Export *export, const ExportOptions *opt,
                       TraceInput *input)
{
    uint64_t start_ns = trace_input_info(input)->monotonic_ns;
    const TraceItem *item;
    unsigned i;

    export->info = trace_input_info(input);
    /* Clocks of different CPUs may let an event come before the beginning. */
    export->begin_ns = opt->since_ns ? num_add_capped(start_ns, opt->since_ns)
                                     : 0;
    export->end_ns = num_add_capped(start_ns, opt->until_ns);
    trace_who_init(&export->who);
    opt->format->begin(export);
    while (!out_failed(export->out) && (item = trace_input_next(input))) {
        take_item(export, opt->format, item);
    }
    /*
     * The last mark, not the latest one: those made while an old ring was
     * read carry the time of reading.  report does the same.
     */
    note_time(export, export->mark_ns);
    note_time(export, input->has_end ? input->end.time_ns : 0);
    export->last_ns = export->newest_ns < export->end_ns ? export->newest_ns
                                                         : export->end_ns;
    for (i = 0; export->last_ns > export->begin_ns && i < TRACE_MAX_VCPUS;
         i++) {
        begin_span(export, opt->format, i);
    }
    opt->format->end(export);
    trace_who_free(&export->who);
}

static int run(const ExportOptions *opt)
{
    static TraceInput input;
    static Export export;
    static TraceOutput to;
    Err err;
    bool good;

    if (!trace_input_open(&input, opt->path, &err)) {
        message("%s", err.text);
        return EXIT_FAILED;
    }
    good = trace_output_open(&to, opt->output, opt->path);
    if (good) {
        export.out = &to.out;
        export_all(&export, opt, &input);
        if (!out_failed(&to.out)) {
            trace_input_tell_damage(&input);
        }
        if (opt->since_ns && export.newest_ns <= export.begin_ns) {
            trace_output_tell_length(opt->path, export.info->monotonic_ns,
                                     export.newest_ns);
            good = false;
        }
        good = trace_output_close(&to, good) && good;
    }
    trace_input_close(&input);
    return good ? EXIT_FINE : EXIT_FAILED;
}

int cmd_export(int argc, char **argv)
{
    ExportOptions opt = { .until_ns = UINT64_MAX };

    switch (read_options(&opt, argc, argv)) {
    case OPTIONS_DONE:
        return EXIT_FINE;
    case OPTIONS_WRONG:
        return EXIT_WRONG_USAGE;
    default:
        return run(&opt);
    }
}
