/*
 * options: see options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options.h"

#include "base/num.h"
#include "message.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TOP = 10, DEFAULT_TIMEOUT = 15 };

enum {
    OPT_PID = 256, OPT_BINARY, OPT_NO_RAW, OPT_SUMMARY, OPT_JSON, OPT_FOLLOW,
    OPT_SINCE, OPT_UNTIL, OPT_LINE, OPT_TID, OPT_PATH, OPT_KIND, OPT_DEPTH,
    OPT_OUTERMOST, OPT_TOP, OPT_TIMEOUT, OPT_VERSION,
};

static const struct option long_options[] = {
    { "pid",              required_argument, NULL, OPT_PID },
    { "binary",           required_argument, NULL, OPT_BINARY },
    { "no-raw",           no_argument,       NULL, OPT_NO_RAW },
    { "summary",          no_argument,       NULL, OPT_SUMMARY },
    { "json",             no_argument,       NULL, OPT_JSON },
    { "follow",           no_argument,       NULL, OPT_FOLLOW },
    { "since",            required_argument, NULL, OPT_SINCE },
    { "until",            required_argument, NULL, OPT_UNTIL },
    { "line",             required_argument, NULL, OPT_LINE },
    { "tid",              required_argument, NULL, OPT_TID },
    { "path",             required_argument, NULL, OPT_PATH },
    { "kind",             required_argument, NULL, OPT_KIND },
    { "depth",            required_argument, NULL, OPT_DEPTH },
    { "outermost",        no_argument,       NULL, OPT_OUTERMOST },
    { "top",              required_argument, NULL, OPT_TOP },
    { "resolver-timeout", required_argument, NULL, OPT_TIMEOUT },
    { "help",             no_argument,       NULL, 'h' },
    { "version",          no_argument,       NULL, OPT_VERSION },
    {}
};

static const char help[] =
"Usage: irqlog-analyze [OPTION]... [LOG]\n"
"Say who raised each interrupt in a log that QEMU's irq-log-set wrote.\n"
"LOG is a text log, plain or gzip, or a ring file; without it, or for -,\n"
"standard input is read.\n"
"\n"
"Where names come from:\n"
"      --pid PID        of the running QEMU: its threads' names and where it\n"
"                       is loaded\n"
"      --binary QEMU    program with symbols, if not the one the log names\n"
"      ADDR2LINE=PROG   (environment) ask this program, not libdw\n"
"      --resolver-timeout SECONDS\n"
"                       how long to wait for an answer of it (15)\n"
"\n"
"What is shown:\n"
"      --no-raw         leave out the log's own lines\n"
"      --summary        counts, rates, storms, gaps, time from raise to lower\n"
"      --top N          entries in each list of the summary, 0 for all (10)\n"
"      --json           an object a line; with --summary one object\n"
"      --follow         go on as the log grows, like tail -F; Ctrl-C ends it\n"
"\n"
"Which events (an option given again adds a choice):\n"
"      --since TIME     123ns, 1.5s, 20ms, 7us; +1.5s counts from the first\n"
"      --until TIME     event; a bare number is nanoseconds\n"
"      --line N         number of the line in its device\n"
"      --tid TID        host thread\n"
"      --path GLOB      QOM path, with * and ?\n"
"      --kind KIND      hardware, percpu, software or msi\n"
"      --depth N        raised inside at most N others\n"
"      --outermost      the same as --depth 0\n"
"\n"
"  -h, --help           this text\n"
"      --version        version and licence\n"
"\n"
"Examples:\n"
"  irqlog-analyze irq.log                     every interrupt, explained\n"
"  irqlog-analyze --summary --top 5 irq.log   the busiest lines and callers\n"
"  irqlog-analyze --follow --no-raw --path '*ioapic*' irq.log\n"
"  irqlog-analyze --pid $(pidof qemu-system-x86_64) --since +2s irq.ring\n"
"  irqlog-analyze --json irq.log | jq 'select(.level == 1)'\n"
"\n"
"Exit status: 0 fine, 1 nothing could be read or written, 2 wrong usage.\n";

static const char version[] =
"irqlog-analyze (vmscope) " VMSCOPE_VERSION "\n"
"License GPL-2.0-or-later; there is no warranty.\n";

static bool wrong(const char *name, const char *value, const char *wanted)
{
    warn(WARN_EACH, "%s '%s': %s", name, value, wanted);
    return false;
}

static bool read_number(const char *name, const char *text, uint64_t max,
                        uint64_t *value)
{
    const char *p = text;
    const char *end = text + strlen(text);

    if (!num_get_dec(&p, end, value) || p != end || *value > max) {
        return wrong(name, text, "give a number");
    }
    return true;
}

static bool read_u32(const char *name, const char *text, uint32_t *value)
{
    uint64_t wide;

    if (!read_number(name, text, UINT32_MAX, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

/* Digits behind the point, as nanoseconds of a unit of @unit ns. */
static uint64_t read_fraction(const char **text, uint64_t unit)
{
    uint64_t ns = 0;

    while (**text >= '0' && **text <= '9') {
        unit /= 10;
        ns += (uint64_t)(**text - '0') * unit;
        (*text)++;
    }
    return ns;
}

static bool find_unit(const char *suffix, uint64_t *unit)
{
    static const struct {
        const char *suffix;
        uint64_t ns;
    } units[] = {
        { "", 1 }, { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 },
        { "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
    };
    size_t i;

    for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (!strcmp(suffix, units[i].suffix)) {
            *unit = units[i].ns;
            return true;
        }
    }
    return false;
}

bool options_moment(const char *text, Moment *moment)
{
    const char *end = text + strlen(text);
    const char *fraction = NULL;
    uint64_t whole;
    uint64_t unit;
    uint64_t part = 0;

    moment->relative = *text == '+';
    text += moment->relative;
    if (!num_get_dec(&text, end, &whole)) {
        return false;
    }
    if (*text == '.') {
        fraction = ++text;
        text += strspn(text, "0123456789");
        if (text == fraction) {
            return false;
        }
    }
    if (!find_unit(text, &unit)) {
        return false;
    }
    if (fraction) {
        part = read_fraction(&fraction, unit);
    }
    if (__builtin_mul_overflow(whole, unit, &whole) ||
        __builtin_add_overflow(whole, part, &moment->ns)) {
        return false;
    }
    moment->given = true;
    return true;
}

static bool read_moment(const char *name, const char *text, Moment *moment)
{
    return options_moment(text, moment) ||
           wrong(name, text, "give a time like 1.5s, +20ms or 123456ns");
}

static bool too_many(const char *name, size_t n)
{
    if (n == OPTIONS_VALUES_MAX) {
        warn(WARN_EACH, "%s is given more than %d times", name,
             OPTIONS_VALUES_MAX);
        return true;
    }
    return false;
}

static bool add_line(Options *opt, const char *text)
{
    const char *p = text;
    const char *end = text + strlen(text);
    int64_t value;

    if (too_many("--line", opt->n_lines)) {
        return false;
    }
    if (!num_get_signed(&p, end, &value) || p != end || value < INT32_MIN ||
        value > INT32_MAX) {
        return wrong("--line", text, "give the number of a line");
    }
    opt->lines[opt->n_lines++] = (int32_t)value;
    return true;
}

static bool add_tid(Options *opt, const char *text)
{
    return !too_many("--tid", opt->n_tids) &&
           read_u32("--tid", text, &opt->tids[opt->n_tids++]);
}

static bool add_path(Options *opt, const char *text)
{
    if (too_many("--path", opt->n_paths)) {
        return false;
    }
    opt->paths[opt->n_paths++] = text;
    return true;
}

static bool add_kind(Options *opt, const char *text)
{
    IrqlogKind kind;

    if (!irqlog_kind_from_name(text, &kind)) {
        return wrong("--kind", text,
                     "give hardware, percpu, software or msi");
    }
    opt->kinds |= 1u << kind;
    return true;
}

static bool read_pid(Options *opt, const char *text)
{
    if (!read_u32("--pid", text, &opt->pid)) {
        return false;
    }
    return opt->pid || wrong("--pid", text, "give a process id");
}

static bool read_filter(Options *opt, int c, const char *value)
{
    switch (c) {
    case OPT_SINCE:
        return read_moment("--since", value, &opt->since);
    case OPT_UNTIL:
        return read_moment("--until", value, &opt->until);
    case OPT_LINE:
        return add_line(opt, value);
    case OPT_TID:
        return add_tid(opt, value);
    case OPT_PATH:
        return add_path(opt, value);
    case OPT_KIND:
        return add_kind(opt, value);
    case OPT_DEPTH:
        return read_u32("--depth", value, &opt->max_depth);
    default:
        opt->max_depth = 0;
        return true;
    }
}

static bool read_option(Options *opt, int c, const char *value)
{
    switch (c) {
    case OPT_PID:
        return read_pid(opt, value);
    case OPT_BINARY:
        opt->binary = value;
        return true;
    case OPT_NO_RAW:
        opt->no_raw = true;
        return true;
    case OPT_SUMMARY:
        opt->summary = true;
        return true;
    case OPT_JSON:
        opt->json = true;
        return true;
    case OPT_FOLLOW:
        opt->follow = true;
        return true;
    case OPT_TOP:
        return read_u32("--top", value, &opt->top);
    case OPT_TIMEOUT:
        return read_u32("--resolver-timeout", value, &opt->resolver_timeout);
    case '?':
        return false;       /* getopt has said why */
    default:
        return read_filter(opt, c, value);
    }
}

static OptionsResult answer(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        warn(WARN_EACH, "cannot write to standard output: %m");
        exit(1);
    }
    return OPTIONS_DONE;
}

static OptionsResult wrong_usage(void)
{
    warn(WARN_EACH, "see irqlog-analyze --help");
    return OPTIONS_WRONG;
}

OptionsResult options_read(Options *opt, int argc, char **argv)
{
    int c;

    memset(opt, 0, sizeof(*opt));
    opt->log = "-";
    opt->top = DEFAULT_TOP;
    opt->max_depth = UINT32_MAX;
    opt->resolver_timeout = DEFAULT_TIMEOUT;
    opt->resolver = getenv("ADDR2LINE");
    if (opt->resolver && !*opt->resolver) {
        opt->resolver = NULL;
    }
    while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (c == 'h') {
            return answer(help);
        }
        if (c == OPT_VERSION) {
            return answer(version);
        }
        if (!read_option(opt, c, optarg)) {
            return wrong_usage();
        }
    }
    if (argc - optind > 1) {
        warn(WARN_EACH, "one log at a time, not also '%s'", argv[optind + 1]);
        return wrong_usage();
    }
    if (optind < argc) {
        opt->log = argv[optind];
    }
    return OPTIONS_RUN;
}
