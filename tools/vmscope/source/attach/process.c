/*
 * attach/process: see process.h.
 *
 * Sources: proc(5); Linux, Documentation/scheduler/sched-stats.rst; qemu/qemu:
 * qemu-options.hx.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/process.h"

#include "common/message.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* No file of /proc that is read here is larger. */
enum { PROC_MAX = 16 << 20 };

char *attach_proc_read(pid_t pid, const char *name, size_t *len)
{
    char path[128];
    size_t room = 4096;
    char *text = malloc(room);
    ssize_t n = 0;
    int fd;

    *len = 0;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (text && fd >= 0 && room <= PROC_MAX &&
           (n = read(fd, text + *len, room - *len - 1)) > 0) {
        *len += (size_t)n;
        if (*len + 1 == room) {
            room *= 2;
            text = realloc(text, room);
        }
    }
    if (!text) {
        die_no_memory();
    }
    if (fd >= 0) {
        close(fd);
    }
    if (fd < 0 || (n < 0 && !*len)) {
        free(text);
        return NULL;
    }
    text[*len] = '\0';
    return text;
}

/* Command lines. */

/* Of "a=1,guest=vm,b" the value of "guest"; false when it is not there. */
static bool take_key(const char *text, const char *key, char *value,
                     size_t size)
{
    size_t len = strlen(key);

    while (text) {
        if (!strncmp(text, key, len) && text[len] == '=') {
            text += len + 1;
            snprintf(value, size, "%.*s", (int)strcspn(text, ","), text);
            return true;
        }
        text = strchr(text, ',');
        text = text ? text + 1 : NULL;
    }
    return false;
}

/* The first of "vm,debug-threads=on" when it is no key, else that of @key. */
static void take_first(const char *text, const char *key, char *value,
                       size_t size)
{
    size_t len = strcspn(text, ",");

    if (!take_key(text, key, value, size) && !memchr(text, '=', len)) {
        snprintf(value, size, "%.*s", (int)len, text);
    }
}

/* "4096", "4G", "size=4096M": bytes, where a bare number is MiB. */
static uint64_t take_memory(const char *text)
{
    char value[64] = "";
    uint64_t number;
    unsigned shift;
    char *end;

    take_first(text, "size", value, sizeof(value));
    number = strtoull(value, &end, 10);
    switch (tolower((unsigned char)*end)) {
    case 'b':
        shift = 0;
        break;
    case 'k':
        shift = 10;
        break;
    case 'g':
        shift = 30;
        break;
    case 't':
        shift = 40;
        break;
    default:
        shift = 20;
        break;
    }
    return number > UINT64_MAX >> shift ? 0 : number << shift;
}

static void take_accel(const char *text, AttachCommand *command)
{
    /* The first of "kvm:tcg" that there is; that is not known here. */
    command->accel = !strncmp(text, "kvm", 3) ? ATTACH_ACCEL_KVM :
                     !strncmp(text, "tcg", 3) ? ATTACH_ACCEL_TCG :
                     command->accel;
}

/* "unix:/run/vm.qmp,server=on": the path; of others nothing. */
static void take_qmp(const char *text, AttachCommand *command)
{
    if (!strncmp(text, "unix:", 5) && !command->qmp[0]) {
        snprintf(command->qmp, sizeof(command->qmp), "%.*s",
                 (int)strcspn(text + 5, ","), text + 5);
    }
}

static void take_machine(const char *text, AttachCommand *command)
{
    char value[64];

    take_first(text, "type", command->machine, sizeof(command->machine));
    if (take_key(text, "accel", value, sizeof(value))) {
        take_accel(value, command);
    }
    command->encrypted |= take_key(text, "confidential-guest-support", value,
                                   sizeof(value)) ||
                          take_key(text, "memory-encryption", value,
                                   sizeof(value));
}

static void take_smp(const char *text, AttachCommand *command)
{
    char value[64] = "";
    char *end;
    unsigned long number;

    take_first(text, "cpus", value, sizeof(value));
    number = strtoul(value, &end, 10);
    if (end != value && number && number <= ATTACH_MAX_VCPUS) {
        command->vcpus = (unsigned)number;
    }
}

/* "-chardev socket,id=c0,path=/run/qmp,..." with "-mon chardev=c0,mode=..." */
typedef struct Chardevs {
    const char *sockets[16];    /* what is behind -chardev */
    unsigned n;
} Chardevs;

static void take_monitor(const char *text, const Chardevs *chardevs,
                         AttachCommand *command)
{
    char wanted[64];
    char value[128];
    unsigned i;

    if (!take_key(text, "chardev", wanted, sizeof(wanted)) ||
        !take_key(text, "mode", value, sizeof(value)) ||
        strcmp(value, "control")) {
        return;
    }
    for (i = 0; i < chardevs->n; i++) {
        if (take_key(chardevs->sockets[i], "id", value, sizeof(value)) &&
            !strcmp(value, wanted) && !command->qmp[0]) {
            take_key(chardevs->sockets[i], "path", command->qmp,
                     sizeof(command->qmp));
        }
    }
}

static void take_option(const char *option, const char *text,
                        Chardevs *chardevs, AttachCommand *command)
{
    if (!strcmp(option, "name")) {
        take_first(text, "guest", command->name, sizeof(command->name));
    } else if (!strcmp(option, "m")) {
        command->memory = take_memory(text);
    } else if (!strcmp(option, "smp")) {
        take_smp(text, command);
    } else if (!strcmp(option, "machine") || !strcmp(option, "M")) {
        take_machine(text, command);
    } else if (!strcmp(option, "accel")) {
        take_accel(text, command);
    } else if (!strcmp(option, "enable-kvm")) {
        command->accel = ATTACH_ACCEL_KVM;
    } else if (!strcmp(option, "qmp") || !strcmp(option, "qmp-pretty")) {
        take_qmp(text, command);
    } else if (!strcmp(option, "chardev")) {
        command->libvirt |= strstr(text, "id=charmonitor") != NULL;
        if (chardevs->n < sizeof(chardevs->sockets) / sizeof(char *)) {
            chardevs->sockets[chardevs->n++] = text;
        }
    } else if (!strcmp(option, "mon")) {
        take_monitor(text, chardevs, command);
    }
}

void attach_command_parse(const char *words, size_t len,
                          AttachCommand *command)
{
    Chardevs chardevs = { .n = 0 };
    const char *end = words + len;
    const char *at = words;

    memset(command, 0, sizeof(*command));
    command->vcpus = 1;
    for (; at < end; at += strlen(at) + 1) {
        const char *next = at + strlen(at) + 1;

        if (*at == '-') {
            take_option(at + strspn(at, "-"), next < end ? next : "",
                        &chardevs, command);
        }
    }
}

/* Processes. */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/*
 * By its program's name: also vmscope-qemu-system-x86_64 of the package, what
 * wrappers call theirs, and one whose file was replaced since.
 */
static bool is_qemu(const char *path)
{
    const char *name = base_name(path);
    size_t len = strcspn(name, " ");    /* before " (deleted)" */

    return strstr(name, "qemu-system-") ||
           (len == 8 && !strncmp(name, "qemu-kvm", len)) ||
           (len == 3 && !strncmp(name, "kvm", len));
}

static uint64_t uptime_ns(pid_t pid)
{
    size_t len;
    char *text = attach_proc_read(pid, "stat", &len);
    char *at = text ? strrchr(text, ')') : NULL;
    unsigned long long start = 0;
    struct timespec now;
    uint64_t now_ns;
    uint64_t start_ns;
    long ticks = sysconf(_SC_CLK_TCK);

    /* Field 22; the name behind field 1 may have blanks and brackets. */
    if (at) {
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
               "%*d %*d %*d %*d %*d %*d %llu", &start);
    }
    free(text);
    clock_gettime(CLOCK_BOOTTIME, &now);
    now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    start_ns = ticks > 0 ? start * (1000000000 / (uint64_t)ticks) : 0;
    return start && now_ns > start_ns ? now_ns - start_ns : 0;
}

bool attach_process_read(pid_t pid, AttachProcess *process)
{
    char path[64];
    struct stat st;
    ssize_t n;
    size_t len;
    char *words;
    AttachThread threads[ATTACH_MAX_VCPUS];

    memset(process, 0, sizeof(*process));
    process->pid = pid;
    words = attach_proc_read(pid, "cmdline", &len);
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    n = readlink(path, process->exe, sizeof(process->exe) - 1);
    process->exe[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    if (!words || !len || stat(path, &st) ||
        !(is_qemu(process->exe) || is_qemu(words))) {
        free(words);
        return false;
    }
    process->uid = st.st_uid;
    attach_command_parse(words, len, &process->command);
    free(words);
    process->uptime_ns = uptime_ns(pid);
    process->vcpu_threads = attach_process_threads(pid, threads,
                                                   ATTACH_MAX_VCPUS);
    return true;
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const AttachProcess *)a)->pid;
    pid_t y = ((const AttachProcess *)b)->pid;

    return x < y ? -1 : x > y;
}

AttachProcess *attach_process_list(size_t *n)
{
    AttachProcess *list = NULL;
    size_t room = 0;
    struct dirent *entry;
    DIR *folder = opendir("/proc");

    *n = 0;
    while (folder && (entry = readdir(folder))) {
        if (!isdigit((unsigned char)entry->d_name[0])) {
            continue;
        }
        if (*n == room) {
            room = room ? 2 * room : 16;
            list = reallocarray(list, room, sizeof(*list));
            if (!list) {
                die_no_memory();
            }
        }
        *n += attach_process_read((pid_t)atol(entry->d_name), &list[*n]);
    }
    if (folder) {
        closedir(folder);
    }
    if (*n) {
        qsort(list, *n, sizeof(*list), by_pid);
        return list;
    }
    free(list);
    return NULL;
}

/* Threads. */

unsigned attach_process_threads(pid_t pid, AttachThread *threads,
                                unsigned max)
{
    char path[300];
    struct dirent *entry;
    DIR *folder;
    unsigned found = 0;

    memset(threads, 0, max * sizeof(*threads));
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        unsigned vcpu;
        size_t len;
        char *name;

        snprintf(path, sizeof(path), "task/%s/comm", entry->d_name);
        name = isdigit((unsigned char)entry->d_name[0])
            ? attach_proc_read(pid, path, &len) : NULL;
        if (name && sscanf(name, "CPU %u/", &vcpu) == 1 && vcpu < max &&
            !threads[vcpu].tid) {
            threads[vcpu].tid = (pid_t)atol(entry->d_name);
            found++;
        }
        free(name);
    }
    if (folder) {
        closedir(folder);
    }
    return found;
}

bool attach_schedstat_parse(const char *text, uint64_t *run_ns,
                            uint64_t *wait_ns)
{
    return sscanf(text, "%" SCNu64 " %" SCNu64, run_ns, wait_ns) == 2;
}

void attach_thread_read(pid_t pid, AttachThread *thread)
{
    char name[64];
    size_t len;
    char *text;

    snprintf(name, sizeof(name), "task/%d/schedstat", (int)thread->tid);
    text = thread->tid ? attach_proc_read(pid, name, &len) : NULL;
    thread->seen = text && attach_schedstat_parse(text, &thread->run_ns,
                                                  &thread->wait_ns);
    free(text);
}
