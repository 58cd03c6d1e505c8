/*
 * options: command lines, by one table for each program or subcommand.
 *
 * From the table come parsing, --help and the sentence about what is wrong,
 * so that all of them read alike.  Values land in a struct of the command's
 * own, whose defaults it sets before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_OPTIONS_H
#define VMSCOPE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option takes, and the type of its member. */
typedef enum OptionType {
    OPTION_FLAG,        /* nothing; bool, becomes true */
    OPTION_TEXT,        /* const char *, borrowed from argv */
    OPTION_NUMBER,      /* uint64_t */
    OPTION_DURATION,    /* uint64_t, nanoseconds: 10s, 500ms, 2m, 1.5 */
    OPTION_SIZE,        /* uint64_t, bytes: 64M, 1G, 4096 */
    OPTION_OWN,         /* anything: read() is called with the member */
} OptionType;

typedef struct Option {
    const char *name;           /* without its dashes; NULL: a heading */
    char letter;                /* short form; 0: none */
    OptionType type;
    size_t offset;              /* of the member */
    const char *argument;       /* as help shows it: "PATH"; NULL for flags */
    const char *help;           /* lines are broken at \n */
    uint64_t min;               /* of numbers, durations and sizes */
    uint64_t max;               /* 0: none */
    /* For OPTION_OWN: false when @text is wrong, and has said so. */
    bool (*read)(const char *name, const char *text, void *member);
    bool optional;              /* OPTION_OWN gets NULL without "=TEXT" */
} Option;

typedef struct Usage {
    const char *command;        /* "vmscope top": a program and its command */
    const char *operands;       /* behind "[OPTION]..."; "" for none */
    const char *about;          /* what it does; ends in \n */
    const Option *options;      /* ends with one whose help is NULL */
    const Option *more;         /* of a struct within, or NULL; likewise */
    size_t more_offset;         /* of that struct */
    const Option *names;        /* of another, or NULL: names.h's */
    size_t names_offset;
    const char *examples;       /* lines of two columns; ends in \n */
    const char *status;         /* what exit status 1 means; NULL: as usual */
} Usage;

/* What to do after reading the command line. */
typedef enum OptionsResult {
    OPTIONS_RUN,
    OPTIONS_DONE,       /* --help or --version was given and answered */
    OPTIONS_WRONG,      /* said what is wrong: exit with EXIT_WRONG_USAGE */
} OptionsResult;

/**
 * options_read - read a command line
 * @values: the struct that offsets are in
 *
 * Reads with getopt_long(): operands begin at argv[optind] afterwards.
 * Also sets the name that stands in front of messages.
 */
OptionsResult options_read(const Usage *usage, void *values, int argc,
                           char **argv);

/**
 * options_wrong - say that a value is wrong
 * @wanted: what to give instead: "give a number"
 *
 * Returns: false
 */
bool options_wrong(const char *name, const char *value, const char *wanted);

/**
 * options_refuse - say what is wrong, and where to read what is right
 * @fmt: a sentence; NULL: it was said already
 *
 * Returns: OPTIONS_WRONG
 */
OptionsResult options_refuse(const Usage *usage, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * options_none_left - refuse operands where there are none
 *
 * Returns: OPTIONS_RUN, or OPTIONS_WRONG and has said so
 */
OptionsResult options_none_left(const Usage *usage, int argc, char **argv);

/**
 * options_rate - samples a second: 1 to 100000, or "max", for OPTION_OWN
 * @member: uint64_t; OPTIONS_RATE_MAX for "max", as QMP has it: dense polling
 */
#define OPTIONS_RATE_MAX UINT32_MAX
bool options_rate(const char *name, const char *text, void *member);

/**
 * options_time - read a time: 10s, 500ms, 20us, 7ns, 2m, 1h, 1.5s
 * @bare: ns that a number without a unit counts
 *
 * Returns: false when it is none or beyond 64 bits of nanoseconds
 */
bool options_time(const char *text, uint64_t bare, uint64_t *ns);

/**
 * options_duration - read a time whose unit is the second when it has none
 *
 * Returns: false when it is none or beyond 64 bits of nanoseconds
 */
bool options_duration(const char *text, uint64_t *ns);

/**
 * options_size - read a number of bytes: 4096, 64K, 64M, 2G, 1T
 *
 * Returns: false when it is none or beyond 64 bits
 */
bool options_size(const char *text, uint64_t *bytes);

#endif
