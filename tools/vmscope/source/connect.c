/*
 * connect: see connect.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/connect.h"

#include "common/translate.h"

const Option connect_options[] = {
    { .help = N_("Which QEMU:") },
    { "qmp", 0, OPTION_TEXT, offsetof(ConnectOptions, qmp), "PATH",
      N_("socket of QEMU's QMP (-qmp unix:PATH,...); also\n"
         "@NAME, tcp:HOST:PORT and fd:NUMBER") },
    { "libvirt", 0, OPTION_TEXT, offsetof(ConnectOptions, libvirt), "DOMAIN",
      N_("a domain of libvirt, by virsh qemu-monitor-command") },
    { "pid", 0, OPTION_NUMBER, offsetof(ConnectOptions, pid), "PID",
      N_("a process, without any monitor: threads alone"),
      .min = 1, .max = INT32_MAX },
    { "attach", 0, OPTION_FLAG, offsetof(ConnectOptions, attach), NULL,
      N_("look from outside also at a QEMU that has the trace\n"
         "built in") },
    { "no-attach", 0, OPTION_FLAG, offsetof(ConnectOptions, no_attach), NULL,
      N_("do not look from outside at one that has not") },
    { "timeout", 0, OPTION_DURATION, offsetof(ConnectOptions, timeout_ns),
      "TIME", N_("how long to wait for an answer (10s)"),
      .min = 1000000, .max = 3600000000000 },
    {}
};
