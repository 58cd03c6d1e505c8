/*
 * vmscope: look into a running virtual machine.
 *
 * Here is the table of subcommands; each is in a file of its own name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"

#include "common/message.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} Command;

static const Command commands[] = {
    { "top", cmd_top, "who runs on each vCPU, live" },
    { "irq", cmd_irq, "interrupts as they are raised" },
    { "record", cmd_record, "keep thread switches and interrupts in a file" },
    { "report", cmd_report, "who ran how much, of a recording" },
    { "export", cmd_export, "a recording for Perfetto and other programs" },
    { "image", cmd_image, "find Windows and its threads in a memory image" },
    { "doctor", cmd_doctor, "check that everything works, and say what not" },
};

enum { N_COMMANDS = sizeof(commands) / sizeof(*commands) };

static const char before[] =
"Usage: vmscope COMMAND [OPTION]...\n"
"Look into a virtual machine of a QEMU built with vmscope: which Windows\n"
"threads run where, and who raises which interrupt.\n"
"\n"
"Commands:\n";

static const char after[] =
"\n"
"  vmscope COMMAND --help says what each takes.\n"
"\n"
"Examples:\n"
"  vmscope doctor --qmp /run/vm.qmp       is everything there that is needed?\n"
"  vmscope top --qmp /run/vm.qmp          who runs\n"
"  vmscope top --libvirt win11            the same for a domain of libvirt\n"
"\n"
"  -h, --help     this text\n"
"      --version  version and licence\n"
"\n"
"Exit status: 0 fine, 1 it could not be done, 2 wrong usage.\n";

static int say(FILE *out)
{
    size_t i;

    fputs(before, out);
    for (i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].about);
    }
    fputs(after, out);
    if (fflush(out) == EOF) {
        message("cannot write to standard output: %m");
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

static int say_version(void)
{
    puts("vmscope " VMSCOPE_VERSION "\n"
         "License GPL-2.0-or-later; there is no warranty.");
    if (fflush(stdout) == EOF) {
        message("cannot write to standard output: %m");
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

static const Command *find_command(const char *name)
{
    size_t i;

    for (i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const Command *command;

    setlocale(LC_CTYPE, "");    /* names are UTF-8; numbers stay plain */
    if (argc < 2) {
        say(stderr);
        return EXIT_WRONG_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
        !strcmp(argv[1], "help")) {
        return say(stdout);
    }
    if (!strcmp(argv[1], "--version")) {
        return say_version();
    }
    command = find_command(argv[1]);
    if (!command) {
        message("there is no command '%s': see vmscope --help", argv[1]);
        return EXIT_WRONG_USAGE;
    }
    return command->run(argc - 1, argv + 1);
}
