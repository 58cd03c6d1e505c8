/*
 * record-options: see record-options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/options.h"

#include "common/message.h"
#include "common/translate.h"

#include <getopt.h>

static const Option options[] = {
    { .help = N_("What is recorded (both traces unless one is named):") },
    { "sched", 0, OPTION_FLAG, offsetof(RecordOptions, sched), NULL,
      N_("thread switches of a Windows guest") },
    { "irq", 0, OPTION_FLAG, offsetof(RecordOptions, irq), NULL,
      N_("interrupts that QEMU raises") },
    { "hz", 0, OPTION_OWN, offsetof(RecordOptions, hz), "N",
      N_("samples a second of each vCPU (1000), or max"),
      .read = options_rate },
    { "exact", 0, OPTION_FLAG, offsetof(RecordOptions, exact), NULL,
      N_("see every switch, by data breakpoints; slows the guest") },
    { "no-msi", 0, OPTION_FLAG, offsetof(RecordOptions, no_msi), NULL,
      N_("leave out messages (MSI)") },
    { "changes-only", 0, OPTION_FLAG, offsetof(RecordOptions, changes_only),
      NULL, N_("leave out calls that change no level") },
    { "backtrace", 0, OPTION_NUMBER, offsetof(RecordOptions, backtrace), "N",
      N_("frames to keep above an interrupt's caller (0)"), .max = 16 },
    { .help = N_("Where to, and how long:") },
    { "output", 'o', OPTION_TEXT, offsetof(RecordOptions, output), "FILE",
      N_("recording to write; an older one gets \".old\" added") },
    { "duration", 0, OPTION_DURATION, offsetof(RecordOptions, duration_ns),
      "TIME", N_("end after so long"), .min = 1 },
    { "rotate-size", 0, OPTION_SIZE, offsetof(RecordOptions, rotate_size),
      "SIZE", N_("begin another file at this size"), .min = 65536 },
    { "rotate-time", 0, OPTION_DURATION, offsetof(RecordOptions, rotate_ns),
      "TIME", N_("begin another file after so long"), .min = 100000000 },
    { "keep", 0, OPTION_NUMBER, offsetof(RecordOptions, keep), "N",
      N_("of those files keep the newest N"), .min = 1, .max = 1000000 },
    { "quiet", 'q', OPTION_FLAG, offsetof(RecordOptions, quiet), NULL,
      N_("no progress, and no summary at the end") },
    { .help = N_("The rings in between:") },
    { "entries", 0, OPTION_NUMBER, offsetof(RecordOptions, entries), "N",
      N_("their capacity (32768 switches a vCPU, 262144\n"
         "interrupts)"),
      .min = 64, .max = 4194304 },
    { "ring-dir", 0, OPTION_TEXT, offsetof(RecordOptions, ring_dir), "DIR",
      N_("where QEMU can write and you can read\n"
         "(/dev/shm, else $XDG_RUNTIME_DIR or /tmp)") },
    { "force", 0, OPTION_FLAG, offsetof(RecordOptions, force), NULL,
      N_("restart a trace that is on; it is put back at the end") },
    { "sched-ring", 0, OPTION_TEXT, offsetof(RecordOptions, sched_ring),
      "FILE", N_("read this ring file; QEMU may be dead, nothing is\n"
                 "asked of it") },
    { "irq-ring", 0, OPTION_TEXT, offsetof(RecordOptions, irq_ring), "FILE",
      N_("the same for interrupts") },
    {}
};

static const Usage usage = {
    .command = "vmscope record",
    .operands = "[-- COMMAND...]",
    .about = N_("Keep a guest's thread switches and the interrupts QEMU "
                "raises in a file, until\n"
                "COMMAND or the time has ended, or Ctrl-C. The file is for "
                "vmscope report and\n"
                "vmscope export. With a COMMAND, the exit status is that of "
                "the command.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(RecordOptions, connect),
    .examples =
        "  vmscope record --qmp /run/vm.qmp -o t.vms --duration 10s\n"
        "  vmscope record --qmp /run/vm.qmp -o t.vms -- ssh guest build.cmd\n"
        "  vmscope record --qmp /run/vm.qmp -o t.vms --rotate-size 100M "
        "--keep 5\n"
        "  vmscope record --irq-ring irq.ring -o t.vms\n",
};

static OptionsResult check_options(const RecordOptions *opt)
{
    bool from_files = opt->sched_ring || opt->irq_ring;
    bool from_qemu = opt->connect.qmp || opt->connect.libvirt ||
                     opt->connect.pid;

    if (!opt->output) {
        return options_refuse(&usage, "give -o FILE to write to");
    }
    if (from_files && from_qemu) {
        return options_refuse(&usage, "give a QEMU or ring files, not both");
    }
    if (!from_files && !from_qemu) {
        return options_refuse(&usage, "give --qmp PATH, --libvirt DOMAIN, "
                              "--pid PID, or ring files");
    }
    if (opt->keep && !opt->rotate_size && !opt->rotate_ns) {
        return options_refuse(&usage, "--keep goes with --rotate-size or "
                              "--rotate-time");
    }
    return OPTIONS_RUN;
}

OptionsResult record_options_read(RecordOptions *opt, int argc, char **argv)
{
    OptionsResult result = options_read(&usage, opt, argc, argv);

    if (result != OPTIONS_RUN) {
        return result;
    }
    if (!opt->sched && !opt->irq) {
        opt->sched = opt->irq = true;
    }
    if (optind < argc) {
        opt->command = argv + optind;
    }
    return check_options(opt);
}
