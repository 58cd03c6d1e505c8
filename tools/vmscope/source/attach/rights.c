/*
 * attach/rights: why a process may not be looked into, and what to do.
 *
 * Source: ptrace(2), "Ptrace access mode checking"; process_vm_readv(2);
 * Linux, Documentation/admin-guide/LSM/Yama.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/process.h"

#include "common/translate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAP_SYS_PTRACE_BIT = 19 };

/* A line of /proc/PID/status, behind its name; "" when there is none. */
static void status_line(pid_t pid, const char *name, char *line, size_t size)
{
    size_t len;
    char *text = attach_proc_read(pid, "status", &len);
    char *at = text ? strstr(text, name) : NULL;

    line[0] = '\0';
    if (at) {
        at += strlen(name);
        at += strspn(at, "\t ");
        snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at);
    }
    free(text);
}

static bool may_trace(void)
{
    char line[64];

    status_line(getpid(), "CapEff:", line, sizeof(line));
    return strtoull(line, NULL, 16) >> CAP_SYS_PTRACE_BIT & 1;
}

typedef enum Namespace {
    NAMESPACE_SAME,
    NAMESPACE_OTHER,
    NAMESPACE_HIDDEN,           /* to see which takes the same right */
} Namespace;

static Namespace user_namespace(pid_t pid)
{
    char path[64];
    struct stat ours;
    struct stat its;

    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    if (stat("/proc/self/ns/user", &ours) || stat(path, &its)) {
        return NAMESPACE_HIDDEN;
    }
    return ours.st_ino == its.st_ino ? NAMESPACE_SAME : NAMESPACE_OTHER;
}

/* Whether our rights are those of the host, and not of a part of it. */
static bool is_in_first_namespace(void)
{
    unsigned first = 1;
    unsigned outside = 1;
    unsigned n = 0;
    size_t len;
    char *text = attach_proc_read(getpid(), "uid_map", &len);

    if (text) {
        sscanf(text, "%u %u %u", &first, &outside, &n);
    }
    free(text);
    return first == 0 && outside == 0 && n == UINT32_MAX;
}

/* This has CAP_SYS_PTRACE, and still may not. */
static void explain_refused_capability(pid_t pid, Err *err)
{
    Namespace where = user_namespace(pid);
    const char *why =
        _("a security module (AppArmor, SELinux) or a seccomp filter forbids "
          "it; run this outside of a container, or allow it to trace QEMU");

    if (where == NAMESPACE_OTHER) {
        why = _("it runs in another user namespace; run this as root of the "
                "host, outside of any container");
    } else if (where == NAMESPACE_HIDDEN && !is_in_first_namespace()) {
        why = _("that is good in this user namespace alone (as in a rootless "
                "container), and it runs outside; run this as root of the "
                "host, or as its user, outside of the container");
    }
    err_set(err, ERR_IO, "reading its memory is refused although this has "
            "CAP_SYS_PTRACE: %s", why);
}

/* The number in a file; -1 when there is none. */
static int read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    int number = -1;

    if (file) {
        if (fscanf(file, "%d", &number) != 1) {
            number = -1;
        }
        fclose(file);
    }
    return number;
}

/* Of a process that is not dumpable, /proc/PID belongs to root. */
static bool is_not_dumpable(pid_t pid, unsigned uid)
{
    char path[64];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    return !stat(path, &st) && st.st_uid != uid;
}

static void explain_refusal(pid_t pid, Err *err)
{
    char line[128];
    unsigned real = UINT32_MAX;
    unsigned effective = UINT32_MAX;
    unsigned saved = UINT32_MAX;
    int yama = read_number("/proc/sys/kernel/yama/ptrace_scope");

    status_line(pid, "Uid:", line, sizeof(line));
    sscanf(line, "%u %u %u", &real, &effective, &saved);
    if (may_trace()) {
        explain_refused_capability(pid, err);
    } else if (real != geteuid() || saved != geteuid()) {
        err_set(err, ERR_IO, "it runs as user %u, and this as %u: run this as "
                "root, as user %u, or give it CAP_SYS_PTRACE", effective,
                (unsigned)geteuid(), effective);
    } else if (user_namespace(pid) == NAMESPACE_OTHER) {
        err_set(err, ERR_IO, "it runs in another user namespace: run this in "
                "there, or as root of the host");
    } else if (yama > 0) {
        err_set(err, ERR_IO, "kernel.yama.ptrace_scope is %d, which lets no "
                "process look into another: run this as root, give it "
                "CAP_SYS_PTRACE, or set it to 0", yama);
    } else if (is_not_dumpable(pid, effective)) {
        err_set(err, ERR_IO, "it has changed its user or has capabilities of "
                "its own, so that only root may look into it: run this as "
                "root, or give it CAP_SYS_PTRACE");
    } else {
        err_set(err, ERR_IO, "reading its memory is refused: run this as root "
                "or give it CAP_SYS_PTRACE");
    }
}

void attach_rights_explain(pid_t pid, int error, Err *err)
{
    if (error == EPERM || error == EACCES) {
        explain_refusal(pid, err);
    } else if (error == ESRCH) {
        err_set(err, ERR_IO, "it has ended");
    } else if (error == ENOSYS) {
        err_set(err, ERR_IO, "this kernel has no process_vm_readv(): it is "
                "built without CONFIG_CROSS_MEMORY_ATTACH, or a seccomp "
                "filter hides it");
    } else {
        err_set(err, ERR_IO, "its memory cannot be read: %s",
                strerror(error));
    }
    err_prefix(err, "QEMU process %d: ", (int)pid);
}
