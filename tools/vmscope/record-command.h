/*
 * record-command: the command whose time is recorded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_COMMAND_H
#define VMSCOPE_RECORD_COMMAND_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

typedef struct RecordCommand {
    pid_t pid;          /* 0: none is running */
    int status;         /* exit code, as a shell gives it */
} RecordCommand;

/**
 * record_command_start - run a command
 * @argv: ends with NULL
 *
 * Returns: false with a sentence when there is no such program
 */
bool record_command_start(RecordCommand *command, char **argv, Err *err);

/* Whether it has ended; false as well when there was none. */
bool record_command_ended(RecordCommand *command);

/* End it, if it is still running, and wait for it a little. */
void record_command_end(RecordCommand *command);

#endif
