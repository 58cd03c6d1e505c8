/*
 * record-options: the command line of vmscope record.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_OPTIONS_H
#define VMSCOPE_RECORD_OPTIONS_H

#include "source/connect.h"

typedef struct RecordOptions {
    ConnectOptions connect;
    const char *output;
    const char *sched_ring;     /* files, instead of a QEMU */
    const char *irq_ring;
    const char *ring_dir;
    uint64_t duration_ns;
    uint64_t rotate_size;
    uint64_t rotate_ns;
    uint64_t keep;
    uint64_t hz;
    uint64_t entries;
    uint64_t backtrace;
    bool sched;
    bool irq;
    bool exact;
    bool no_msi;
    bool changes_only;
    bool force;
    bool quiet;
    char **command;             /* NULL: none */
} RecordOptions;

/**
 * record_options_read - read and check the command line
 * @opt: zeroes before
 *
 * Unless one is named, both traces are asked for.
 */
OptionsResult record_options_read(RecordOptions *opt, int argc, char **argv);

#endif
