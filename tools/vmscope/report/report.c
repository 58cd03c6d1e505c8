/*
 * vmscope report: what a recording amounts to.
 *
 * Figures are report-stats' business, how they look that of the views in
 * report-text.c, report-json.c and report-html.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "common/message.h"
#include "common/options.h"
#include "common/translate.h"
#include "shared/names.h"
#include "report/view.h"
#include "export/trace-output.h"

#include <getopt.h>
#include <unistd.h>

enum { DEFAULT_TOP = 20 };

typedef struct ReportOptions {
    NameOptions names;
    const char *path;
    const char *output;         /* NULL: standard output */
    uint64_t since_ns;
    uint64_t until_ns;
    uint64_t window_ns;
    uint64_t top;
    bool all_depths;
    bool json;
    bool html;
} ReportOptions;

static const Option options[] = {
    { .help = N_("How it looks (text unless one is named):") },
    { "json", 0, OPTION_FLAG, offsetof(ReportOptions, json), NULL,
      N_("one object, times in nanoseconds") },
    { "html", 0, OPTION_FLAG, offsetof(ReportOptions, html), NULL,
      N_("one page with a timeline, for a browser; needs no net") },
    { "output", 'o', OPTION_TEXT, offsetof(ReportOptions, output), "FILE",
      N_("write it there") },
    { "top", 0, OPTION_NUMBER, offsetof(ReportOptions, top), "N",
      N_("entries of each list in text and JSON (20); 0 for all"),
      .max = 10000000 },
    { "all-depths", 'a', OPTION_FLAG, offsetof(ReportOptions, all_depths),
      NULL, N_("also interrupts raised inside of another one's call,\n"
               "as lines of their own; else they are only counted") },
    { .help = N_("What is in it:") },
    { "since", 0, OPTION_DURATION, offsetof(ReportOptions, since_ns), "TIME",
      N_("leave out what is before, from the recording's begin") },
    { "until", 0, OPTION_DURATION, offsetof(ReportOptions, until_ns), "TIME",
      N_("and what is from here on"), .min = 1 },
    { "window", 0, OPTION_DURATION, offsetof(ReportOptions, window_ns),
      "TIME", N_("how soon behind an interrupt a thread must run to\n"
                 "be told as what came next (1ms)"),
      .min = 1, .max = 10000000000 },
    {}
};

static const Usage usage = {
    .command = "vmscope report",
    .operands = "RECORDING",
    .about = N_("Who ran how much, for how long at a time and where, and "
                "which interrupts came\n"
                "before, from a file of vmscope record.\n"),
    .options = options,
    .names = name_options,
    .names_offset = offsetof(ReportOptions, names),
    .examples =
        "  vmscope report t.vms                   tables and histograms\n"
        "  vmscope report --html -o t.html t.vms  a page with a timeline\n"
        "  vmscope report --since 2s --until 3s t.vms\n",
};

static OptionsResult read_options(ReportOptions *opt, int argc, char **argv)
{
    OptionsResult result = options_read(&usage, opt, argc, argv);

    if (result != OPTIONS_RUN) {
        return result;
    }
    if (argc - optind != 1) {
        return options_refuse(&usage, argc == optind
                              ? N_("give a recording to report of")
                              : N_("give one recording"));
    }
    opt->path = argv[optind];
    if (opt->json && opt->html) {
        return options_refuse(&usage, "give --json or --html, not both");
    }
    if (opt->since_ns >= opt->until_ns) {
        return options_refuse(&usage, "--until must be later than --since");
    }
    if (opt->html && !opt->output && isatty(STDOUT_FILENO)) {
        return options_refuse(&usage, "give -o FILE: a page is nothing for a "
                              "terminal");
    }
    return OPTIONS_RUN;
}

static bool show(Out *out, const ReportOptions *opt, const ReportStats *stats)
{
    JsonOut json = { .out = out };
    Err err;

    if (opt->html) {
        if (!report_html(out, stats, opt->path, &err)) {
            message("%s", err.text);
            return false;
        }
    } else if (opt->json) {
        report_json(&json, stats, opt->top);
        jsonout_line(&json);
    } else {
        report_text(out, stats, opt->top);
    }
    return true;
}

static int write_report(const ReportOptions *opt, const ReportStats *stats)
{
    static TraceOutput to;
    bool good;

    if (!trace_output_open(&to, opt->output, opt->path)) {
        return EXIT_FAILED;
    }
    good = show(&to.out, opt, stats);
    good = trace_output_close(&to, good) && good;
    return good ? EXIT_FINE : EXIT_FAILED;
}

static bool has_anything(const ReportOptions *opt, const ReportStats *stats)
{
    if (!opt->since_ns || stats->last_ns > stats->begin_ns) {
        return true;
    }
    trace_output_tell_length(opt->path, stats->base_ns, stats->last_ns);
    return false;
}

static int run(const ReportOptions *opt)
{
    static TraceInput input;
    static ReportStats stats;
    Err err;
    int status;

    if (!trace_input_open(&input, opt->path, &err)) {
        message("%s", err.text);
        return EXIT_FAILED;
    }
    report_stats_init(&stats, opt->since_ns, opt->until_ns, opt->window_ns);
    stats.all_depths = opt->all_depths;
    report_stats_read(&stats, &input);
    trace_input_tell_damage(&input);
    trace_input_close(&input);
    status = has_anything(opt, &stats) ? write_report(opt, &stats)
                                       : EXIT_FAILED;
    report_stats_free(&stats);
    return status;
}

int cmd_report(int argc, char **argv)
{
    ReportOptions opt = { .until_ns = UINT64_MAX, .window_ns = 1000000,
                          .top = DEFAULT_TOP };

    switch (read_options(&opt, argc, argv)) {
    case OPTIONS_DONE:
        return EXIT_FINE;
    case OPTIONS_WRONG:
        return EXIT_WRONG_USAGE;
    default:
        return run(&opt);
    }
}
