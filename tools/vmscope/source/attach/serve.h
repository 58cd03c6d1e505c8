/*
 * attach/serve: the commands of the scheduler trace, for a QEMU without them.
 *
 * Arguments and answers are those of qapi/vmscope.json, so that whoever asks
 * a QEMU with the trace built in can ask this in its place.  What only this
 * knows is in the member "attached" of the status.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_SERVE_H
#define VMSCOPE_ATTACH_SERVE_H

#include "source/qmp.h"

typedef struct AttachServer AttachServer;

/* Whether this is one of the commands. */
bool attach_serves(const char *command);

/*
 * Whether a QEMU without this command has no trace at all; another may only
 * be older.
 */
bool attach_begins(const char *command);

/**
 * attach_server_new - nothing is looked at until the trace is turned on
 * @pid: of QEMU
 * @qmp: its monitor, or NULL; borrowed
 */
AttachServer *attach_server_new(pid_t pid, Qmp *qmp);
void attach_server_free(AttachServer *server);

/**
 * attach_server_command - one of the commands
 * @arguments: may be NULL; borrowed
 *
 * Returns: what would be in "return"; NULL with a sentence
 */
json_t *attach_server_command(AttachServer *server, const char *command,
                              const json_t *arguments, Err *err);

/**
 * attach_blind_answer - what can be told without a monitor
 * @command: query-name, query-kvm or query-cpus-fast
 *
 * Returns: as QEMU would answer; NULL for other commands
 */
json_t *attach_blind_answer(pid_t pid, const char *command);

/* QEMU has ended while it was looked at. */
bool attach_server_is_gone(const AttachServer *server);

#endif
