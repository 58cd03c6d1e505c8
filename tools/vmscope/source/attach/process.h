/*
 * attach/process: the QEMU processes of this host, by /proc.
 *
 * What can be told without any monitor: command line, threads, times.  What
 * cannot be read is left out; a process may end at any instant.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_PROCESS_H
#define VMSCOPE_ATTACH_PROCESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ATTACH_MAX_VCPUS = 1024 };

typedef enum AttachAccel {
    ATTACH_ACCEL_UNKNOWN,
    ATTACH_ACCEL_TCG,
    ATTACH_ACCEL_KVM,
} AttachAccel;

/* What a QEMU's command line says; strings end in a NUL. */
typedef struct AttachCommand {
    char name[128];             /* of the VM: -name; "" without one */
    char machine[64];           /* "q35", "pc-i440fx-7.2"; "" */
    char qmp[128];              /* path of a unix socket for QMP; "" */
    bool libvirt;               /* has the monitor that libvirt gives it */
    bool encrypted;             /* confidential-guest-support is on */
    AttachAccel accel;
    uint64_t memory;            /* -m in bytes; 0: not said */
    unsigned vcpus;             /* -smp; 1 without it */
} AttachCommand;

/**
 * attach_command_parse - a command line
 * @words: separated and ended by NULs, as in /proc/PID/cmdline
 * @len: bytes of @words
 */
void attach_command_parse(const char *words, size_t len,
                          AttachCommand *command);

/* A vCPU's thread, and how its host let it run. */
typedef struct AttachThread {
    pid_t tid;                  /* 0: not known */
    bool seen;                  /* the times below are known */
    uint64_t run_ns;            /* on a CPU */
    uint64_t wait_ns;           /* could have run, but had no CPU */
} AttachThread;

typedef struct AttachProcess {
    pid_t pid;
    uid_t uid;
    char exe[256];              /* "" when it may not be read */
    uint64_t uptime_ns;
    AttachCommand command;
    unsigned vcpu_threads;      /* that were found by their names */
} AttachProcess;

/* Whether @pid is a QEMU; @process is filled in then. */
bool attach_process_read(pid_t pid, AttachProcess *process);

/**
 * attach_process_list - all QEMUs of this host, by pid
 * @n: receives how many there are
 *
 * Returns: freed with free(); NULL when there is none
 */
AttachProcess *attach_process_list(size_t *n);

/**
 * attach_process_threads - vCPU threads by their names
 * @threads: receives those of vCPUs below @max; tid 0: none was found
 *
 * QEMU names threads when it has -name debug-threads=on, as libvirt does.
 *
 * Returns: how many were found
 */
unsigned attach_process_threads(pid_t pid, AttachThread *threads,
                                unsigned max);

/* Read the times of a thread anew, from /proc/PID/task/TID/schedstat. */
void attach_thread_read(pid_t pid, AttachThread *thread);

/* "run wait slices", as in schedstat; false when it is something else. */
bool attach_schedstat_parse(const char *text, uint64_t *run_ns,
                            uint64_t *wait_ns);

/* A small file of /proc; freed with free(), NUL behind it; NULL: no. */
char *attach_proc_read(pid_t pid, const char *name, size_t *len);

/**
 * attach_rights_explain - why a process may not be looked into
 * @error: what was answered: EPERM, EACCES, ESRCH ...
 * @err: receives a sentence with what to do
 */
void attach_rights_explain(pid_t pid, int error, Err *err);

#endif
