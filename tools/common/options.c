/*
 * options: see options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/options.h"

#include "base/num.h"
#include "common/message.h"
#include "common/nearest.h"
#include "common/translate.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of one command, at most; and where help's second column is. */
enum { OPTIONS_MAX = 64, HELP_COLUMN = 25 };

/* What getopt_long() returns for the option at an index of all. */
enum { VALUE_FIRST = 256 };

/* Options and the struct that their offsets are in. */
typedef struct Group {
    const Option *options;
    size_t n;
    void *values;
} Group;

enum { GROUP_OWN, GROUP_NAMES, GROUP_MORE, GROUP_COMMON, GROUP_COUNT };

typedef struct CommonOptions {
    bool help;
    bool version;
} CommonOptions;

static const Option common_options[] = {
    { .help = "" },
    { "help", 'h', OPTION_FLAG, offsetof(CommonOptions, help), NULL,
      N_("this text") },
    { "version", 0, OPTION_FLAG, offsetof(CommonOptions, version), NULL,
      N_("version and licence") },
    {}
};

/* Values from text. */

bool options_wrong(const char *name, const char *value, const char *wanted)
{
    message("%s '%s': %s", name, value, _(wanted));
    return false;
}

typedef struct Unit {
    const char *suffix;
    uint64_t size;
} Unit;

static const Unit times[] = {
    { "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 },
    { "m", 60000000000 }, { "h", 3600000000000 }, {}
};

static const Unit sizes[] = {
    { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 },
    { "T", (uint64_t)1 << 40 }, { "k", 1 << 10 }, { "m", 1 << 20 },
    { "g", 1 << 30 }, {}
};

static uint64_t find_unit(const Unit *units, uint64_t bare,
                          const char *suffix)
{
    if (!*suffix) {
        return bare;
    }
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

static bool read_units(const char *text, const Unit *units, uint64_t bare,
                       uint64_t *value)
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
    unit = find_unit(units, bare, text);
    return unit && !__builtin_mul_overflow(whole, unit, &whole) &&
           !__builtin_add_overflow(whole, read_fraction(fraction, unit),
                                   value);
}

bool options_time(const char *text, uint64_t bare, uint64_t *ns)
{
    return read_units(text, times, bare, ns);
}

bool options_duration(const char *text, uint64_t *ns)
{
    return options_time(text, 1000000000, ns);
}

bool options_size(const char *text, uint64_t *bytes)
{
    return read_units(text, sizes, 1, bytes);
}

static bool read_number(const char *text, uint64_t *value)
{
    const char *end = text + strlen(text);

    return num_get_dec(&text, end, value) && text == end;
}

bool options_rate(const char *name, const char *text, void *member)
{
    uint64_t *value = member;

    if (!strcmp(text, "max")) {
        *value = OPTIONS_RATE_MAX;
        return true;
    }
    if (!read_number(text, value)) {
        return options_wrong(name, text, "give a number or max");
    }
    if (*value < 1) {
        return options_wrong(name, text, "too small: give 1 to 100000, or "
                             "max");
    }
    return *value <= 100000 ||
           options_wrong(name, text, "too large: give 1 to 100000, or max");
}

/* A limit as it may be given: "50ms", "64K", "17"; LIMIT_ROOM bytes. */
enum { LIMIT_ROOM = 32 };

static const char *limit_text(const Option *option, uint64_t value,
                              char *text)
{
    static const Unit none[] = { {} };
    const Unit *units = option->type == OPTION_DURATION ? times :
                        option->type == OPTION_SIZE ? sizes : none;
    const Unit *best = NULL;

    for (; units->suffix; units++) {
        if (value % units->size == 0 && (!best || units->size > best->size)) {
            best = units;
        }
    }
    snprintf(text, LIMIT_ROOM, "%" PRIu64 "%s",
             best && value ? value / best->size : value,
             best && value ? best->suffix : "");
    return text;
}

static bool in_range(const Option *option, const char *name, const char *text,
                     uint64_t value)
{
    char wanted[8 * LIMIT_ROOM];
    char least[LIMIT_ROOM];
    char most[LIMIT_ROOM];
    bool small = value < option->min;

    if (!small && (!option->max || value <= option->max)) {
        return true;
    }
    limit_text(option, option->min, least);
    limit_text(option, option->max, most);
    if (option->max) {
        snprintf(wanted, sizeof(wanted),
                 small ? _("too small: give %s to %s")
                       : _("too large: give %s to %s"), least, most);
    } else {
        snprintf(wanted, sizeof(wanted), _("too small: give %s or more"),
                 least);
    }
    message("%s '%s': %s", name, text, wanted);
    return false;
}

static bool read_scaled(const Option *option, const char *name,
                        const char *text, uint64_t *value)
{
    static const char *const wanted[] = {
        [OPTION_NUMBER] = N_("give a number"),
        [OPTION_DURATION] = N_("give a time like 10s, 500ms or 2m"),
        [OPTION_SIZE] = N_("give a size like 64M or 4096"),
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
    if (!strcmp(option->name, "json") || !strcmp(option->name, "bundle") ||
        !strcmp(option->name, "folded")) {
        translate_data_only();
    }
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
        printf("\n%s%s", *option->help ? _(option->help) : "",
               *option->help ? "\n" : "");
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
    print_text(_(option->help), column);
}

static void print_help(const Usage *usage, const Group *groups)
{
    size_t i;
    size_t k;

    printf(_("Usage: %s [OPTION]...%s%s\n"), usage->command,
           *usage->operands ? " " : "", usage->operands);
    fputs(_(usage->about), stdout);
    for (i = 0; i < GROUP_COUNT; i++) {
        for (k = 0; k < groups[i].n; k++) {
            print_option(&groups[i].options[k]);
        }
    }
    printf(_("\nExamples:\n%s\n"
             "Exit status: 0 fine, 1 %s, 2 wrong usage.\n"),
           usage->examples,
           _(usage->status ? usage->status : N_("it could not be done")));
}

static void print_version(const Usage *usage)
{
    int len = (int)strcspn(usage->command, " ");
    bool main_program = !strncmp(usage->command, "vmscope", (size_t)len);

    printf("%.*s %s%s\n%s", len, usage->command,
           main_program ? "" : "(vmscope) ", VMSCOPE_VERSION,
           _("License GPL-2.0-or-later; there is no warranty.\n"));
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
        print_version(usage);
    }
    return finish_answer();
}

/* Parsing. */

static size_t count(const Option *options)
{
    size_t n = 0;

    while (options && options[n].help) {
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
            longs->has_arg = option->optional ? optional_argument :
                             option->argument ? required_argument :
                             no_argument;
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

OptionsResult options_refuse(const Usage *usage, const char *fmt, ...)
{
    va_list ap;

    if (fmt) {
        va_start(ap, fmt);
        message_va(fmt, ap);
        va_end(ap);
    }
    message("see %s --help", usage->command);
    return OPTIONS_WRONG;
}

OptionsResult options_none_left(const Usage *usage, int argc, char **argv)
{
    if (optind < argc) {
        return options_refuse(usage, "what is '%s' for?", argv[optind]);
    }
    return OPTIONS_RUN;
}

/* For an option that getopt_long() does not know, and has said so. */
static void suggest(const Group *groups, const char *given)
{
    Nearest nearest;
    size_t i;
    size_t k;

    if (strncmp(given, "--", 2)) {
        return;
    }
    given += 2;
    nearest_begin(&nearest, given, strcspn(given, "="));
    for (i = 0; i < GROUP_COUNT; i++) {
        for (k = 0; k < groups[i].n; k++) {
            if (groups[i].options[k].name) {
                nearest_try(&nearest, groups[i].options[k].name);
            }
        }
    }
    /* One that is there was refused for another reason. */
    if (nearest.word && nearest.distance) {
        message("did you mean --%s?", nearest.word);
    }
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
        if (c == '?' && !optopt) {
            suggest(groups, argv[optind - 1]);
        }
        if (!option || !read_value(option, values, optarg)) {
            return options_refuse(usage, NULL);
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
        [GROUP_NAMES] = { usage->names, count(usage->names),
                          (char *)values + usage->names_offset },
        [GROUP_MORE] = { usage->more, count(usage->more),
                         (char *)values + usage->more_offset },
        [GROUP_COMMON] = { common_options, count(common_options), &common },
    };

    argv[0] = (char *)usage->command;       /* for getopt's messages */
    message_begin(usage->command);
    return parse(usage, groups, &common, argc, argv);
}
