/*
 * commands: the subcommands of vmscope.
 *
 * Each gets its own name as argv[0], has called nothing yet, and returns an
 * exit code; main.c has the table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMANDS_H
#define VMSCOPE_COMMANDS_H

/* What every subcommand's exit code means. */
enum {
    EXIT_FINE = 0,
    EXIT_FAILED = 1,        /* could not do it, or found something broken */
    EXIT_WRONG_USAGE = 2,
};

int cmd_ps(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_irq(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_profile(int argc, char **argv);

#endif
