/*
 * winos/command-line: how a process was started.
 *
 * It lies in the process' own memory: PEB, ProcessParameters, CommandLine.
 * So it may be paged out, and the process may have written anything there
 * since it was started.  It is read on demand and says nothing of an earlier
 * moment, such as that of a switch.
 *
 * Source: docs/guest-facts/modules.md, "Command lines".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_COMMAND_LINE_H
#define VMSCOPE_WINOS_COMMAND_LINE_H

#include "winos/settle.h"

/* UTF-8 that is kept, with a NUL; Windows allows 32,767 UTF-16 units. */
enum { WINOS_COMMAND_LINE = 4096 };

/**
 * winos_command_line - read a process' command line, if it is in memory
 * @process: address of its EPROCESS
 * @line: receives UTF-8 and a NUL, WINOS_COMMAND_LINE bytes; "" when not
 * @cut: receives whether only its beginning is there, or had room
 *
 * Context: a helper thread; some ten reads, allocates nothing.
 *
 * Returns: whether there is one
 */
bool winos_command_line(const WinosResult *result, uint64_t process,
                        char *line, bool *cut);

#endif
