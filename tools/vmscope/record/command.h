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
    int refused;        /* that of a command that cannot be run: 127 or 126 */
} RecordCommand;

/**
 * record_command_find - look a command up, before anything is touched for it
 * @name: searched in PATH as execvp() does, unless there is a slash in it
 *
 * Returns: false with a sentence when it cannot be run; sets
 *          command->refused to 127 when there is none, 126 when it may not be
 *          run
 */
bool record_command_find(RecordCommand *command, const char *name, Err *err);

/**
 * record_command_start - run a command
 * @argv: ends with NULL
 *
 * Returns: false with a sentence when it cannot be run, and command->refused
 *          is set as by record_command_find()
 */
bool record_command_start(RecordCommand *command, char **argv, Err *err);

/* Whether it has ended; false as well when there was none. */
bool record_command_ended(RecordCommand *command);

/* End it, if it is still running, and wait for it a little. */
void record_command_end(RecordCommand *command);

#endif
