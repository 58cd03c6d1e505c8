/*
 * options: see options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options.h"

#include "common/translate.h"

#include "base/num.h"
#include "message.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_TOP = 10, DEFAULT_TIMEOUT = 15 };

/* Values from text; @member is all of Options. */

/* Numbers that were given for one process id. */
typedef struct Pids {
    size_t n;
    uint64_t last;
} Pids;

/* Take the numbers in @text; false when there is something else in it. */
static bool take_pids(const char *text, Pids *pids)
{
    static const char space[] = " \t\n";
    const char *end = text + strlen(text);

    for (text += strspn(text, space); *text; text += strspn(text, space)) {
        if (!num_get_dec(&text, end, &pids->last)) {
            return false;
        }
        pids->n++;
    }
    return true;
}

static bool is_pids(const char *text)
{
    Pids pids = {};

    return take_pids(text, &pids);
}

/*
 * What stands behind --pid without "=": a search such as $(pgrep NAME) may
 * have found nothing or several, each an argument of its own.  Then the next
 * argument is another option or the log, which may be called by a number.
 */
static bool take_pid_words(const char *name, Pids *pids, char **argv)
{
    while (argv[optind] && is_pids(argv[optind]) &&
           (!pids->n || access(argv[optind], F_OK))) {
        take_pids(argv[optind++], pids);
    }
    return pids->n || !argv[optind] || *argv[optind] == '-' ||
           !access(argv[optind], F_OK) ||
           options_wrong(name, argv[optind], "give a process id");
}

static bool read_pid(const char *name, const char *text, void *member)
{
    const char *advice =
        _("'pidof qemu-system-x86_64' and 'pgrep -f' find it, pgrep alone "
          "compares 15 characters; the log's own first line is used");
    Options *opt = member;
    Pids pids = {};

    if (text && !take_pids(text, &pids)) {
        return options_wrong(name, text, "give a process id");
    }
    if (!text && !take_pid_words(name, &pids, opt->argv)) {
        return false;
    }
    if (pids.n != 1) {
        warn(WARN_EACH, pids.n ? N_("%s is given more than one number: %s")
                               : N_("%s is given no number: %s"), name, advice);
        return true;
    }
    opt->pid = (uint32_t)pids.last;
    return (pids.last && pids.last <= INT32_MAX) ||
           options_wrong(name, text ? text : opt->argv[optind - 1],
                         "give a process id");
}

static bool read_moment(const char *name, const char *text, Moment *moment)
{
    moment->relative = *text == '+';
    moment->given = options_time(text + moment->relative, 1, &moment->ns);
    return moment->given ||
           options_wrong(name, text, "give a time like 1.5s, +20ms or "
                         "123456ns");
}

static bool read_since(const char *name, const char *text, void *member)
{
    return read_moment(name, text, &((Options *)member)->since);
}

static bool read_until(const char *name, const char *text, void *member)
{
    return read_moment(name, text, &((Options *)member)->until);
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

static bool add_line(const char *name, const char *text, void *member)
{
    Options *opt = member;
    const char *p = text;
    const char *end = text + strlen(text);
    int64_t value;

    if (too_many(name, opt->n_lines)) {
        return false;
    }
    if (!num_get_signed(&p, end, &value) || p != end || value < INT32_MIN ||
        value > INT32_MAX) {
        return options_wrong(name, text, "give the number of a line");
    }
    opt->lines[opt->n_lines++] = (int32_t)value;
    return true;
}

static bool add_tid(const char *name, const char *text, void *member)
{
    Options *opt = member;
    const char *p = text;
    const char *end = text + strlen(text);
    uint64_t value;

    if (too_many(name, opt->n_tids)) {
        return false;
    }
    if (!num_get_dec(&p, end, &value) || p != end || value > UINT32_MAX) {
        return options_wrong(name, text, "give a number");
    }
    opt->tids[opt->n_tids++] = (uint32_t)value;
    return true;
}

static bool add_path(const char *name, const char *text, void *member)
{
    Options *opt = member;

    if (too_many(name, opt->n_paths)) {
        return false;
    }
    opt->paths[opt->n_paths++] = text;
    return true;
}

static bool add_kind(const char *name, const char *text, void *member)
{
    IrqlogKind kind;

    if (!irqlog_kind_from_name(text, &kind)) {
        return options_wrong(name, text,
                             "give hardware, percpu, software or msi");
    }
    ((Options *)member)->kinds |= 1u << kind;
    return true;
}

/* The command line. */

static const Option options[] = {
    { .help = N_("Where names come from:") },
    { "pid", 0, OPTION_OWN, 0, "PID",
      N_("of the running QEMU: its threads' names and where\n"
         "it is loaded"), .read = read_pid, .optional = true },
    { "binary", 0, OPTION_TEXT, offsetof(Options, binary), "QEMU",
      N_("program with symbols, if not the one the log names") },
    { "resolver-timeout", 0, OPTION_NUMBER,
      offsetof(Options, resolver_timeout), "SECONDS",
      N_("how long to wait for an answer of ADDR2LINE (15)"),
      .max = UINT32_MAX },
    { .help = N_("What is shown:") },
    { "no-raw", 0, OPTION_FLAG, offsetof(Options, no_raw), NULL,
      N_("leave out the log's own lines") },
    { "summary", 0, OPTION_FLAG, offsetof(Options, summary), NULL,
      N_("counts, rates, storms, gaps, time from raise to lower") },
    { "top", 0, OPTION_NUMBER, offsetof(Options, top), "N",
      N_("entries in each list of the summary, 0 for all (10)"),
      .max = UINT32_MAX },
    { "json", 0, OPTION_FLAG, offsetof(Options, json), NULL,
      N_("an object a line; with --summary one object") },
    { "follow", 0, OPTION_FLAG, offsetof(Options, follow), NULL,
      N_("go on as the log grows, like tail -F; Ctrl-C ends it") },
    { .help = N_("Which events (an option given again adds a choice):") },
    { "since", 0, OPTION_OWN, 0, "TIME",
      N_("123ns, 1.5s, 20ms, 7us; +1.5s counts from the first"),
      .read = read_since },
    { "until", 0, OPTION_OWN, 0, "TIME",
      N_("event; a bare number is nanoseconds"), .read = read_until },
    { "line", 0, OPTION_OWN, 0, "N",
      N_("number of the line in its device"), .read = add_line },
    { "tid", 0, OPTION_OWN, 0, "TID", N_("host thread"), .read = add_tid },
    { "path", 0, OPTION_OWN, 0, "GLOB", N_("QOM path, with * and ?"),
      .read = add_path },
    { "kind", 0, OPTION_OWN, 0, "KIND",
      N_("hardware, percpu, software or msi"), .read = add_kind },
    { "depth", 0, OPTION_NUMBER, offsetof(Options, max_depth), "N",
      N_("raised inside at most N others"), .max = UINT32_MAX },
    { "outermost", 0, OPTION_FLAG, offsetof(Options, outermost), NULL,
      N_("the same as --depth 0") },
    { .help = N_("Environment:\n"
                 "  ADDR2LINE=PROGRAM      is asked for names instead of "
                 "libdw\n"
                 "  DEBUGINFOD_URLS        servers that are asked for debug "
                 "information;\n"
                 "  DEBUGINFOD_MAXTIME     how many seconds to wait for "
                 "them in all (5)") },
    {}
};

static const Usage usage = {
    .command = "irqlog-analyze",
    .operands = "[LOG]",
    .about =
        N_("Say who raised each interrupt in a log that QEMU's irq-log-set "
           "wrote.\n"
           "LOG is a text log or a ring file, plain or compressed (gzip, "
           "xz, zstd);\n"
           "without it, or for -, standard input is read.\n"),
    .options = options,
    .examples =
        "  irqlog-analyze irq.log                     every interrupt, "
        "explained\n"
        "  irqlog-analyze --summary --top 5 irq.log   the busiest lines and "
        "callers\n"
        "  irqlog-analyze --follow --no-raw --path '*ioapic*' irq.log\n"
        "  irqlog-analyze --pid $(pidof qemu-system-x86_64) --since +2s "
        "irq.ring\n"
        "  irqlog-analyze --json irq.log | jq 'select(.level == 1)'\n",
    .status = N_("nothing could be read or written"),
};

OptionsResult command_line_read(Options *opt, int argc, char **argv)
{
    OptionsResult result;

    memset(opt, 0, sizeof(*opt));
    opt->argv = argv;
    opt->log = "-";
    opt->top = DEFAULT_TOP;
    opt->max_depth = UINT32_MAX;
    opt->resolver_timeout = DEFAULT_TIMEOUT;
    opt->resolver = getenv("ADDR2LINE");
    if (opt->resolver && !*opt->resolver) {
        opt->resolver = NULL;
    }
    result = options_read(&usage, opt, argc, argv);
    if (result != OPTIONS_RUN) {
        return result;
    }
    if (opt->outermost) {
        opt->max_depth = 0;
    }
    if (argc - optind > 1) {
        return options_refuse(&usage, "one log at a time, not also '%s'",
                              argv[optind + 1]);
    }
    if (optind < argc) {
        opt->log = argv[optind];
    }
    return OPTIONS_RUN;
}
