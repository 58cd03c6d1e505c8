/*
 * vmscope: look into a running virtual machine.
 *
 * Here is the table of subcommands; each is in a file of its own name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"

#include "common/message.h"
#include "common/nearest.h"
#include "common/translate.h"

#include <stdio.h>
#include <string.h>

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} Command;

static const Command commands[] = {
    { "ps", cmd_ps, N_("the QEMUs of this host") },
    { "top", cmd_top, N_("who runs on each vCPU, live") },
    { "irq", cmd_irq, N_("interrupts as they are raised") },
    { "record", cmd_record,
      N_("keep thread switches and interrupts in a file") },
    { "report", cmd_report, N_("who ran how much, of a recording") },
    { "export", cmd_export,
      N_("a recording for Perfetto and other programs") },
    { "attach", cmd_attach, N_("keep a ring of a QEMU without the trace") },
    { "image", cmd_image,
      N_("find Windows and its threads in a memory image") },
    { "why", cmd_why,
      N_("what makes a guest slow, or keeps a thread waiting") },
    { "profile", cmd_profile,
      N_("which driver the vCPUs execute, and where") },
    { "doctor", cmd_doctor, N_("check the set-up and report problems") },
};

enum { N_COMMANDS = sizeof(commands) / sizeof(*commands) };

static const char before[] =
N_("Usage: vmscope COMMAND [OPTION]...\n"
"Look into a virtual machine: which Windows threads run where, in any QEMU,\n"
"and who raises which interrupt, in one built with vmscope.\n"
"\n"
"Commands:\n");

static const char after[] =
N_("\n"
"  vmscope help COMMAND, or COMMAND --help, says what each takes.\n"
"\n"
"Examples:\n"
"  vmscope doctor --qmp /run/vm.qmp       is everything there that is needed?\n"
"  vmscope top --qmp /run/vm.qmp          who runs\n"
"  vmscope top --libvirt win11            the same for a domain of libvirt\n"
"\n"
"  -h, --help     this text\n"
"      --version  version and licence\n"
"\n"
"Exit status: 0 fine, 1 it could not be done, 2 wrong usage.\n");

static int say(FILE *out)
{
    size_t i;

    fputs(_(before), out);
    for (i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-8s %s\n", commands[i].name,
                _(commands[i].about));
    }
    fputs(_(after), out);
    if (fflush(out) == EOF) {
        message("cannot write to standard output: %m");
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

static int say_version(void)
{
    printf("vmscope %s\n%s", VMSCOPE_VERSION,
           _("License GPL-2.0-or-later; there is no warranty.\n"));
    if (fflush(stdout) == EOF) {
        message("cannot write to standard output: %m");
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

/* NULL when there is none, which has been said. */
static const Command *find_command(const char *name)
{
    Nearest nearest;
    size_t i;

    nearest_begin(&nearest, name, strlen(name));
    for (i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
        nearest_try(&nearest, commands[i].name);
    }
    if (nearest.word) {
        message("there is no command '%s': did you mean %s? See vmscope "
                "--help", name, nearest.word);
    } else {
        message("there is no command '%s': see vmscope --help", name);
    }
    return NULL;
}

/* "vmscope help COMMAND" is "vmscope COMMAND --help". */
static int help(int argc, char **argv)
{
    static char flag[] = "--help";
    char *words[] = { argc > 2 ? argv[2] : NULL, flag, NULL };
    const Command *command;

    if (argc < 3) {
        return say(stdout);
    }
    if (argc > 3) {
        message("help is for one command: what is '%s' for?", argv[3]);
        return EXIT_WRONG_USAGE;
    }
    command = find_command(argv[2]);
    return command ? command->run(2, words) : EXIT_WRONG_USAGE;
}

int main(int argc, char **argv)
{
    const Command *command;

    translate_begin();
    if (argc < 2) {
        say(stderr);
        return EXIT_WRONG_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        return say(stdout);
    }
    if (!strcmp(argv[1], "help")) {
        return help(argc, argv);
    }
    if (!strcmp(argv[1], "--version")) {
        return say_version();
    }
    command = find_command(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : EXIT_WRONG_USAGE;
}
