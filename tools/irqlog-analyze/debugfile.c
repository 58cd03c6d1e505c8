/*
 * debugfile: see debugfile.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "debugfile.h"

#include "base/now.h"
#include "base/num.h"
#include "common/map.h"
#include "common/stop.h"
#include "message.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WAIT_MS = 5000,         /* for all answers of servers together */
    PATIENCE_MS = 500,      /* after which it is said what is waited for */
    TICK_MS = 100,          /* between two looks for a signal */
};

static const char urls_name[] = "DEBUGINFOD_URLS";

static int64_t now_ms(void)
{
    return (int64_t)(now_monotonic_ns() / 1000000);
}

/* Milliseconds that servers may still take; less with each that is asked. */
static int64_t *time_left(void)
{
    static int64_t left = -1;
    const char *text = getenv("DEBUGINFOD_MAXTIME");
    uint64_t seconds = 0;

    if (left < 0) {
        left = WAIT_MS;
        if (text && num_get_dec(&text, text + strlen(text), &seconds) &&
            seconds && seconds <= INT32_MAX) {
            left = (int64_t)seconds * 1000;
        }
    }
    return &left;
}

/* What libdwfl asks for, see Dwfl_Callbacks. */
typedef struct Wanted {
    Dwfl_Module *module;
    void **data;
    const char *name;
    Dwarf_Addr base;
    const char *file;
    const char *link;
    GElf_Word crc;
} Wanted;

static int search(const Wanted *w, char **found)
{
    return dwfl_standard_find_debuginfo(w->module, w->data, w->name, w->base,
                                        w->file, w->link, w->crc, found);
}

/* In the process that asks: the name of what was found goes to @to. */
_Noreturn static void ask_servers(int to, const Wanted *wanted)
{
    char path[4096];
    char self[64];
    char *found = NULL;
    ssize_t n = 0;
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    fd = search(wanted, &found);
    if (fd >= 0) {
        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        n = readlink(self, path, sizeof(path));
    }
    _exit(n > 0 && write(to, path, (size_t)n) == n ? 0 : 1);
}

/* Read what the other process found; false when there is no time left. */
static bool await(int from, const char *what, char *path, size_t size)
{
    struct pollfd fd = { .fd = from, .events = POLLIN };
    int64_t *left = time_left();
    int64_t start = now_ms();
    int64_t end = start + *left;
    int64_t now = start;
    bool told = false;
    bool ready = false;
    ssize_t n;

    while (!ready && now < end && !stop_asked) {
        ready = poll(&fd, 1, end - now < TICK_MS ? (int)(end - now)
                                                 : TICK_MS) > 0;
        now = now_ms();
        if (!ready && !told && now - start >= PATIENCE_MS) {
            told = true;
            warn(WARN_EACH, "waiting up to %" PRId64 " s for symbols of %s "
                 "from %s=%s", (end - start + 999) / 1000, what, urls_name,
                 getenv(urls_name));
        }
    }
    *left = now < end ? end - now : 0;
    if (!ready) {
        return stop_asked;
    }
    n = read(from, path, size - 1);
    path[n > 0 ? n : 0] = '\0';
    return true;
}

/* Ask by a process of its own; a descriptor, or -1. */
static int find_on_servers(const Wanted *wanted, char **found)
{
    char path[4096] = "";
    int ends[2];
    pid_t pid;
    int fd = -1;

    if (!*time_left() || stop_asked || pipe2(ends, O_CLOEXEC)) {
        return -1;
    }
    pid = fork();
    if (!pid) {
        ask_servers(ends[1], wanted);
    }
    close(ends[1]);
    if (pid > 0 && !await(ends[0], wanted->file, path, sizeof(path))) {
        warn(WARN_EACH, "%s=%s is too slow and not asked any more: %s and "
             "later files are named by what is on this machine; "
             "DEBUGINFOD_MAXTIME=SECONDS waits longer", urls_name,
             getenv(urls_name), wanted->file);
    }
    close(ends[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    if (*path) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd >= 0) {
        *found = keep(path);
    }
    return fd;
}

/* A file of that name that was not taken is of another build. */
static void tell_unfit(const Wanted *wanted)
{
    static const char *const places[] = { "", "/.debug", "/usr/lib/debug" };
    const char *slash = strrchr(wanted->file, '/');
    int len = slash ? (int)(slash - wanted->file) : 1;
    const char *folder = slash ? wanted->file : ".";
    char path[8192];
    size_t i;

    for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (i < 2) {
            snprintf(path, sizeof(path), "%.*s%s/%s", len, folder, places[i],
                     wanted->link);
        } else {
            snprintf(path, sizeof(path), "%s%.*s/%s", places[i], len, folder,
                     wanted->link);
        }
        if (!access(path, R_OK)) {
            warn(WARN_DEBUG_FILE, "%s is of another build than %s, whose "
                 "debug link gives another checksum: it is not used", path,
                 wanted->file);
            return;
        }
    }
}

int debugfile_find(Dwfl_Module *module, void **data, const char *name,
                   Dwarf_Addr base, const char *file, const char *link,
                   GElf_Word crc, char **found)
{
    Wanted wanted = { module, data, name, base, file, link, crc };
    const char *set = getenv(urls_name);
    char *urls = set ? keep(set) : NULL;
    const unsigned char *bits;
    GElf_Addr address;
    int fd;

    unsetenv(urls_name);
    fd = search(&wanted, found);
    if (urls) {
        setenv(urls_name, urls, 1);
    }
    if (fd < 0 && urls && *urls &&
        dwfl_module_build_id(module, &bits, &address) > 0) {
        fd = find_on_servers(&wanted, found);
    }
    if (fd < 0 && link && file) {
        tell_unfit(&wanted);
    }
    free(urls);
    return fd;
}
