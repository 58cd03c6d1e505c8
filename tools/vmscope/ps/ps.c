/*
 * vmscope ps: the QEMUs of this host.
 *
 * What /proc tells, whether a monitor answers, and which Windows is seen in
 * guest memory where that may be read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "shared/display.h"
#include "common/options.h"
#include "source/attach/open.h"

#include "common/jsonout.h"
#include "common/message.h"
#include "common/translate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* How long a monitor has to greet; one that is free does at once. */
enum { GREETING_MS = 300 };

enum { NAME_COLUMNS = 16, ROOM = 32 };

typedef struct PsOptions {
    bool json;
    bool quick;
} PsOptions;

typedef enum PsMonitor {
    MONITOR_NONE,               /* none that is known of */
    MONITOR_FREE,
    MONITOR_BUSY,               /* somebody is connected */
    MONITOR_REFUSED,            /* may not be opened */
    MONITOR_LIBVIRT,            /* through virsh */
} PsMonitor;

static const char *const monitor_names[] = {
    N_("none"), N_("free"), N_("busy"), N_("refused"), "libvirt",
};

typedef struct PsRow {
    const AttachProcess *process;
    PsMonitor monitor;
    uint32_t build;             /* 0: none was found */
    char why[sizeof(((Err *)0)->text)];
} PsRow;

static const Option options[] = {
    { .help = "" },
    { "quick", 'q', OPTION_FLAG, offsetof(PsOptions, quick), NULL,
      N_("do not try monitors, and do not look for Windows") },
    { "json", 'j', OPTION_FLAG, offsetof(PsOptions, json), NULL,
      N_("one JSON object a line, with all that is known") },
    {}
};

static const Usage usage = {
    .command = "vmscope ps",
    .operands = "",
    .about = N_("List the QEMUs of this host: name, vCPUs, memory, whether "
                "a monitor can be\n"
                "reached, and which Windows they run.\n"),
    .options = options,
    .examples =
        "  vmscope ps                       which virtual machines are there?\n"
        "  vmscope ps --json | jq .pid      their processes\n",
};

/* Monitors. */

static PsMonitor greets(int fd)
{
    struct pollfd wait = { fd, POLLIN, 0 };
    char bytes[32];
    ssize_t n = poll(&wait, 1, GREETING_MS) == 1
        ? recv(fd, bytes, sizeof(bytes) - 1, MSG_PEEK) : 0;

    bytes[n > 0 ? n : 0] = '\0';
    return strstr(bytes, "\"QMP\"") ? MONITOR_FREE : MONITOR_BUSY;
}

static PsMonitor try_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    PsMonitor result = MONITOR_NONE;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && strlen(path) < sizeof(address.sun_path)) {
        strcpy(address.sun_path, path);
        if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
            result = greets(fd);
        } else {
            result = errno == EAGAIN ? MONITOR_BUSY :
                     errno == EACCES || errno == EPERM ? MONITOR_REFUSED :
                     MONITOR_NONE;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return result;
}

static PsMonitor find_monitor(const AttachCommand *command, bool quick)
{
    if (command->qmp[0] && command->qmp[0] != '/') {
        return MONITOR_NONE;    /* relative to a folder that is not known */
    }
    if (command->qmp[0]) {
        return quick ? MONITOR_FREE : try_socket(command->qmp);
    }
    return command->libvirt ? MONITOR_LIBVIRT : MONITOR_NONE;
}

/* Windows. */

static void find_windows(PsRow *row)
{
    AttachMemory *memory;
    WinosKernel kernel = { .build = 0 };
    Err err = { 0 };

    memory = attach_open_blind(row->process, &kernel, &err);
    row->build = memory ? kernel.build : 0;
    snprintf(row->why, sizeof(row->why), "%s", memory ? "" : err.text);
    attach_memory_free(memory);
}

/* Figures. */

static const char *format_memory(char *text, uint64_t bytes)
{
    if (!bytes) {
        return "-";
    }
    if (bytes >= (uint64_t)1 << 30) {
        snprintf(text, ROOM, "%.1f GiB", (double)bytes / (1 << 30));
    } else {
        snprintf(text, ROOM, "%" PRIu64 " MiB", bytes >> 20);
    }
    return text;
}

static const char *format_uptime(char *text, uint64_t ns)
{
    uint64_t s = ns / 1000000000;

    if (s >= 86400) {
        snprintf(text, ROOM, "%" PRIu64 "d %" PRIu64 "h", s / 86400,
                 s / 3600 % 24);
    } else if (s >= 3600) {
        snprintf(text, ROOM, "%" PRIu64 "h %" PRIu64 "m", s / 3600,
                 s / 60 % 60);
    } else {
        snprintf(text, ROOM, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
    }
    return text;
}

static const char *format_build(char *text, uint32_t build)
{
    if (!build) {
        return "-";
    }
    snprintf(text, ROOM, "%" PRIu32, build);
    return text;
}

static unsigned vcpus_of(const AttachProcess *process)
{
    return process->vcpu_threads ? process->vcpu_threads
                                 : process->command.vcpus;
}

static const char *accel_of(const AttachProcess *process)
{
    static const char *const names[] = { "-", "TCG", "KVM" };

    return names[process->command.accel];
}

/* What to give other commands, to see this one. */
static void format_access(char *text, size_t size, const PsRow *row)
{
    const AttachCommand *command = &row->process->command;

    switch (row->monitor) {
    case MONITOR_FREE:
        snprintf(text, size, "--qmp %s", command->qmp);
        break;
    case MONITOR_LIBVIRT:
        snprintf(text, size, "--libvirt %s", command->name);
        break;
    case MONITOR_BUSY:
    case MONITOR_REFUSED:
        snprintf(text, size, _("%s is %s"), command->qmp,
                 _(monitor_names[row->monitor]));
        break;
    default:
        snprintf(text, size, "%s", _("none"));
        break;
    }
}

static void print_row(Out *out, const PsRow *row)
{
    const AttachProcess *process = row->process;
    char name[DISPLAY_ROOM(NAME_COLUMNS)];
    char access[192];
    char shown[DISPLAY_ROOM(192)];
    char memory[ROOM];
    char uptime[ROOM];
    char build[ROOM];

    display_pad(name, process->command.name, NAME_COLUMNS);
    format_access(access, sizeof(access), row);
    display_fit(shown, access, 192);
    out_printf(out, "%7d %s %5u %10s %8s %-5s %-7s %s\n", (int)process->pid,
               name, vcpus_of(process),
               format_memory(memory, process->command.memory),
               format_uptime(uptime, process->uptime_ns), accel_of(process),
               format_build(build, row->build), shown);
}

static void print_json(Out *out, const PsRow *row)
{
    const AttachProcess *process = row->process;
    const AttachCommand *command = &process->command;
    JsonOut json = { .out = out };

    jsonout_begin(&json, NULL, '{');
    jsonout_uint(&json, "pid", (uint64_t)process->pid);
    jsonout_uint(&json, "uid", process->uid);
    jsonout_text(&json, "name", command->name);
    jsonout_text(&json, "exe", process->exe);
    jsonout_text(&json, "machine", command->machine);
    jsonout_uint(&json, "vcpus", vcpus_of(process));
    jsonout_uint(&json, "memory", command->memory);
    jsonout_uint(&json, "uptime-ns", process->uptime_ns);
    jsonout_text(&json, "accelerator", accel_of(process));
    jsonout_text(&json, "monitor", monitor_names[row->monitor]);
    jsonout_text(&json, "qmp", command->qmp);
    if (row->build) {
        jsonout_uint(&json, "windows-build", row->build);
    }
    if (row->why[0]) {
        jsonout_text(&json, "why-no-windows", row->why);
    }
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

static int run(const PsOptions *opt)
{
    static Out out;
    size_t n;
    size_t i;
    AttachProcess *list = attach_process_list(&n);

    out_init(&out, STDOUT_FILENO);
    display_begin(STDOUT_FILENO);
    if (!opt->json && n) {
        out_text(&out, _("    PID NAME             VCPUS     MEMORY       UP "
                         "ACCEL WINDOWS MONITOR\n"));
    }
    for (i = 0; i < n; i++) {
        PsRow row = { .process = &list[i] };

        row.monitor = find_monitor(&list[i].command, opt->quick);
        if (!opt->quick) {
            find_windows(&row);
        }
        if (opt->json) {
            print_json(&out, &row);
        } else {
            print_row(&out, &row);
        }
    }
    free(list);
    if (!n) {
        message("no QEMU runs here, or none that this user can see");
    }
    return out_finish(&out) ? EXIT_FINE : EXIT_FAILED;
}

int cmd_ps(int argc, char **argv)
{
    PsOptions opt = { .json = false };

    switch (options_read(&usage, &opt, argc, argv)) {
    case OPTIONS_RUN:
        break;
    case OPTIONS_DONE:
        return EXIT_FINE;
    default:
        return EXIT_WRONG_USAGE;
    }
    if (options_none_left(&usage, argc, argv) != OPTIONS_RUN) {
        return EXIT_WRONG_USAGE;
    }
    return run(&opt);
}
