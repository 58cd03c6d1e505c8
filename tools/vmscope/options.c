/*
 * options: see options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "options.h"

#include "base/num.h"
#include "common/message.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of one subcommand, at most; and where help's second column is. */
enum { OPTIONS_MAX = 64, HELP_COLUMN = 25 };

/* What getopt_long() returns for the option at an index of all. */
enum { VALUE_FIRST = 256 };

/* Options and the struct that their offsets are in. */
typedef struct Group {
    const Option *options;
    size_t n;
    void *values;
} Group;

enum { GROUP_OWN, GROUP_CONNECT, GROUP_COMMON, GROUP_COUNT };

static const Option connect_options[] = {
    { .help = "Which QEMU:" },
    { "qmp", 0, OPTION_TEXT, offsetof(ConnectOptions, qmp), "PATH",
      "unix socket of QEMU's QMP (-qmp unix:PATH,...)" },
    { "libvirt", 0, OPTION_TEXT, offsetof(ConnectOptions, libvirt), "DOMAIN",
      "a domain of libvirt, by virsh qemu-monitor-command" },
    { "timeout", 0, OPTION_DURATION, offsetof(ConnectOptions, timeout_ns),
      "TIME", "how long to wait for an answer (10s)",
      .min = 1000000, .max = 3600000000000 },
    {}
};

typedef struct CommonOptions {
    bool help;
    bool version;
} CommonOptions;

static const Option common_options[] = {
    { .help = "" },
    { "help", 'h', OPTION_FLAG, offsetof(CommonOptions, help), NULL,
      "this text" },
    { "version", 0, OPTION_FLAG, offsetof(CommonOptions, version), NULL,
      "version and licence" },
    {}
};

static const char version[] =
"vmscope " VMSCOPE_VERSION "\n"
"License GPL-2.0-or-later; there is no warranty.\n";

/* Values from text. */

bool options_wrong(const char *name, const char *value, const char *wanted)
{
    message("%s '%s': %s", name, value, wanted);
    return false;
}

typedef struct Unit {
    const char *suffix;
    uint64_t size;
} Unit;

static const Unit times[] = {
    { "", 1000000000 }, { "s", 1000000000 }, { "ms", 1000000 },
    { "us", 1000 }, { "ns", 1 }, { "m", 60000000000 },
    { "h", 3600000000000 }, {}
};

static const Unit sizes[] = {
    { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 },
    { "T", (uint64_t)1 << 40 }, { "k", 1 << 10 }, { "m", 1 << 20 },
    { "g", 1 << 30 }, {}
};

static uint64_t find_unit(const Unit *units, const char *suffix)
{
    for (; units->suffix; units++) {
        if (!strcmp(units->suffix, suffix)) {
            return units->size;
        }
    }
    return 0;
}

/* The digits behind a point, as a part of @unit; nine of them count. */
static uint64_t read_fraction(const char *digits, uint64_t unit)
{
    uint64_t part = 0;
    uint64_t whole = 1;

    for (; *digits >= '0' && *digits <= '9' && whole < 1000000000; digits++) {
        part = part * 10 + (uint64_t)(*digits - '0');
        whole *= 10;
    }
    return (uint64_t)((unsigned __int128)part * unit / whole);
}

static bool read_units(const char *text, const Unit *units, uint64_t *value)
{
    const char *end = text + strlen(text);
    const char *fraction = "";
    uint64_t whole;
    uint64_t unit;

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
    unit = find_unit(units, text);
    return unit && !__builtin_mul_overflow(whole, unit, &whole) &&
           !__builtin_add_overflow(whole, read_fraction(fraction, unit),
                                   value);
}

bool options_duration(const char *text, uint64_t *ns)
{
    return read_units(text, times, ns);
}

bool options_size(const char *text, uint64_t *bytes)
{
    return read_units(text, sizes, bytes);
}

static bool read_number(const char *text, uint64_t *value)
{
    const char *end = text + strlen(text);

    return num_get_dec(&text, end, value) && text == end;
}

static bool in_range(const Option *option, const char *name, const char *text,
                     uint64_t value)
{
    if (value < option->min) {
        return options_wrong(name, text, "too small");
    }
    if (option->max && value > option->max) {
        return options_wrong(name, text, "too large");
    }
    return true;
}

static bool read_scaled(const Option *option, const char *name,
                        const char *text, uint64_t *value)
{
    static const char *const wanted[] = {
        [OPTION_NUMBER] = "give a number",
        [OPTION_DURATION] = "give a time like 10s, 500ms or 2m",
        [OPTION_SIZE] = "give a size like 64M or 4096",
    };
    bool good = option->type == OPTION_NUMBER ? read_number(text, value) :
                option->type == OPTION_SIZE ? options_size(text, value) :
                options_duration(text, value);

    return good ? in_range(option, name, text, *value)
                : options_wrong(name, text, wanted[option->type]);
}

static bool read_value(const Option *option, void *values, const char *text)
{
    char *member = (char *)values + option->offset;
    char name[64];

    snprintf(name, sizeof(name), "--%s", option->name);
    switch (option->type) {
    case OPTION_FLAG:
        *(bool *)(void *)member = true;
        return true;
    case OPTION_TEXT:
        *(const char **)(void *)member = text;
        return true;
    case OPTION_OWN:
        return option->read(name, text, member);
    default:
        return read_scaled(option, name, text, (uint64_t *)(void *)member);
    }
}

/* Help. */

static void print_text(const char *help, int column)
{
    const char *end;

    for (;;) {
        end = strchrnul(help, '\n');
        printf("%*s%.*s\n", HELP_COLUMN - column, "", (int)(end - help),
               help);
        if (!*end) {
            return;
        }
        help = end + 1;
        column = 0;
    }
}

static void print_option(const Option *option)
{
    int column;

    if (!option->name) {
        printf("\n%s%s", option->help, *option->help ? "\n" : "");
        return;
    }
    column = option->letter ? printf("  -%c, ", option->letter)
                            : printf("      ");
    column += printf("--%s%s%s", option->name, option->argument ? " " : "",
                     option->argument ? option->argument : "");
    if (column >= HELP_COLUMN) {
        putchar('\n');
        column = 0;
    }
    print_text(option->help, column);
}

static void print_help(const Usage *usage, const Group *groups)
{
    size_t i;
    size_t k;

    printf("Usage: %s [OPTION]...%s%s\n%s", usage->command,
           *usage->operands ? " " : "", usage->operands, usage->about);
    for (i = 0; i < GROUP_COUNT; i++) {
        for (k = 0; k < groups[i].n; k++) {
            print_option(&groups[i].options[k]);
        }
    }
    printf("\nExamples:\n%s\n"
           "Exit status: 0 fine, 1 it could not be done, 2 wrong usage.\n",
           usage->examples);
}

static OptionsResult finish_answer(void)
{
    if (fflush(stdout) == EOF || ferror(stdout)) {
        message("cannot write to standard output: %m");
        exit(1);
    }
    return OPTIONS_DONE;
}

static OptionsResult answer(const Usage *usage, const Group *groups,
                            const CommonOptions *common)
{
    if (common->help) {
        print_help(usage, groups);
    } else {
        fputs(version, stdout);
    }
    return finish_answer();
}

/* Parsing. */

static size_t count(const Option *options)
{
    size_t n = 0;

    while (options[n].help) {
        n++;
    }
    return n;
}

/* All options for getopt_long(); the order gives each its value. */
static void make_tables(const Group *groups, struct option *longs,
                        char *shorts)
{
    const Option *option;
    int value = VALUE_FIRST;
    size_t i;
    size_t k;

    for (i = 0; i < GROUP_COUNT; i++) {
        for (k = 0; k < groups[i].n; k++, value++) {
            option = &groups[i].options[k];
            if (!option->name || value >= VALUE_FIRST + OPTIONS_MAX) {
                continue;
            }
            longs->name = option->name;
            longs->has_arg = option->argument ? required_argument
                                              : no_argument;
            longs->flag = NULL;
            longs->val = value;
            longs++;
            if (option->letter) {
                *shorts++ = option->letter;
                *shorts = ':';
                shorts += option->argument != NULL;
            }
        }
    }
    memset(longs, 0, sizeof(*longs));
    *shorts = '\0';
}

/* The option that getopt_long() returned, by value or by letter. */
static const Option *find_option(const Group *groups, int c, void **values)
{
    int value = VALUE_FIRST;
    size_t i;
    size_t k;

    for (i = 0; i < GROUP_COUNT; i++) {
        for (k = 0; k < groups[i].n; k++, value++) {
            if (value == c || groups[i].options[k].letter == c) {
                *values = groups[i].values;
                return &groups[i].options[k];
            }
        }
    }
    return NULL;
}

OptionsResult options_refuse(const Usage *usage)
{
    message("see %s --help", usage->command);
    return OPTIONS_WRONG;
}

OptionsResult options_none_left(const Usage *usage, int argc, char **argv)
{
    if (optind < argc) {
        message("what is '%s' for?", argv[optind]);
        return options_refuse(usage);
    }
    return OPTIONS_RUN;
}

static OptionsResult parse(const Usage *usage, const Group *groups,
                           const CommonOptions *common, int argc,
                           char **argv)
{
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 2];
    const Option *option;
    void *values;
    int c;

    make_tables(groups, longs, shorts);
    optind = 0;     /* as if nothing had been read before */
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        option = c == '?' ? NULL : find_option(groups, c, &values);
        if (!option || !read_value(option, values, optarg)) {
            return options_refuse(usage);
        }
        if (common->help || common->version) {
            return answer(usage, groups, common);
        }
    }
    return OPTIONS_RUN;
}

OptionsResult options_read(const Usage *usage, void *values, int argc,
                           char **argv)
{
    CommonOptions common = { false, false };
    Group groups[GROUP_COUNT] = {
        [GROUP_OWN] = { usage->options, count(usage->options), values },
        [GROUP_CONNECT] = { connect_options,
                            usage->connects ? count(connect_options) : 0,
                            (char *)values + usage->connect },
        [GROUP_COMMON] = { common_options, count(common_options), &common },
    };

    argv[0] = (char *)usage->command;       /* for getopt's messages */
    message_begin(usage->command);
    return parse(usage, groups, &common, argc, argv);
}
