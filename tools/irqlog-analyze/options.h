/*
 * options: the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_OPTIONS_H
#define IRQLOG_ANALYZE_OPTIONS_H

#include "common/options.h"
#include "irqlog/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A moment, as given with --since and --until. */
typedef struct Moment {
    bool given;
    bool relative;      /* to the first event */
    uint64_t ns;
} Moment;

/* How often one filter may be given; any of its values fits. */
enum { OPTIONS_VALUES_MAX = 64 };

typedef struct Options {
    char **argv;                /* that is being read; ends in NULL */
    const char *log;            /* "-": standard input */
    const char *binary;         /* NULL: as the log says */
    const char *resolver;       /* ADDR2LINE; NULL: libdw */
    uint64_t resolver_timeout;  /* seconds */
    uint32_t pid;               /* 0: none */
    bool no_raw;
    bool summary;
    bool json;
    bool follow;
    uint64_t top;               /* entries of each list; 0: all */
    Moment since;
    Moment until;
    uint64_t max_depth;
    bool outermost;             /* then @max_depth is 0 */
    size_t n_lines;
    int32_t lines[OPTIONS_VALUES_MAX];
    size_t n_tids;
    uint32_t tids[OPTIONS_VALUES_MAX];
    size_t n_paths;
    const char *paths[OPTIONS_VALUES_MAX];
    unsigned kinds;             /* a bit for each IrqlogKind; 0: all */
} Options;

/**
 * command_line_read - read command line and environment
 * @opt: filled in; strings are borrowed from @argv and the environment
 */
OptionsResult command_line_read(Options *opt, int argc, char **argv);

#endif
