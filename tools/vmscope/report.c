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
#include "options.h"
#include "report-view.h"
#include "trace-output.h"

#include <getopt.h>
#include <unistd.h>

enum { DEFAULT_TOP = 20 };

typedef struct ReportOptions {
    const char *path;
    const char *output;         /* NULL: standard output */
    uint64_t since_ns;
    uint64_t until_ns;
    uint64_t window_ns;
    uint64_t top;
    bool json;
    bool html;
} ReportOptions;

static const Option options[] = {
    { .help = "How it looks (text unless one is named):" },
    { "json", 0, OPTION_FLAG, offsetof(ReportOptions, json), NULL,
      "one object, times in nanoseconds" },
    { "html", 0, OPTION_FLAG, offsetof(ReportOptions, html), NULL,
      "one page with a timeline, for a browser; needs no net" },
    { "output", 'o', OPTION_TEXT, offsetof(ReportOptions, output), "FILE",
      "write it there" },
    { "top", 0, OPTION_NUMBER, offsetof(ReportOptions, top), "N",
      "entries of each list in text and JSON (20); 0 for all",
      .max = 10000000 },
    { .help = "What is in it:" },
    { "since", 0, OPTION_DURATION, offsetof(ReportOptions, since_ns), "TIME",
      "leave out what is before, from the recording's begin" },
    { "until", 0, OPTION_DURATION, offsetof(ReportOptions, until_ns), "TIME",
      "and what is from here on", .min = 1 },
    { "window", 0, OPTION_DURATION, offsetof(ReportOptions, window_ns),
      "TIME", "how soon behind an interrupt a thread must run to\n"
      "be told as what came next (1ms)", .min = 1, .max = 10000000000 },
    {}
};

static const Usage usage = {
    .command = "vmscope report",
    .operands = "RECORDING",
    .about = "Who ran how much, for how long at a time and where, and which "
             "interrupts came\nbefore, from a file of vmscope record.\n",
    .options = options,
    .examples =
        "  vmscope report t.vms                   tables and histograms\n"
        "  vmscope report --html -o t.html t.vms  a page with a timeline\n"
        "  vmscope report --since 2s --until 3s t.vms\n",
};

static OptionsResult refuse(const char *sentence)
{
    message("%s", sentence);
    return options_refuse(&usage);
}

static OptionsResult read_options(ReportOptions *opt, int argc, char **argv)
{
    OptionsResult result = options_read(&usage, opt, argc, argv);

    if (result != OPTIONS_RUN) {
        return result;
    }
    if (argc - optind != 1) {
        return refuse(argc == optind ? "give a recording to report of"
                                     : "give one recording");
    }
    opt->path = argv[optind];
    if (opt->json && opt->html) {
        return refuse("give --json or --html, not both");
    }
    if (opt->since_ns >= opt->until_ns) {
        return refuse("--until must be later than --since");
    }
    if (opt->html && !opt->output && isatty(STDOUT_FILENO)) {
        return refuse("give -o FILE: a page is nothing for a terminal");
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
    static Out out;
    bool good;

    if (!trace_output_open(&out, opt->output, opt->path)) {
        return EXIT_FAILED;
    }
    good = show(&out, opt, stats);
    good = trace_output_close(&out, opt->output) && good;
    return good ? EXIT_FINE : EXIT_FAILED;
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
    report_stats_read(&stats, &input);
    trace_input_tell_damage(&input);
    trace_input_close(&input);
    status = write_report(opt, &stats);
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
