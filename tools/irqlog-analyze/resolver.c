/*
 * resolver: see resolver.h.
 *
 * How many lines an answer has is nowhere said: functions inlined into each
 * other have a pair of lines each.  So behind each address the marker is
 * asked, an address in no program, and pairs are read until its answer, which
 * was learned when the program was started.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "resolver.h"

#include "base/now.h"
#include "base/num.h"
#include "common/map.h"
#include "common/stop.h"
#include "common/translate.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARKER "0xffffffffffffffff\n"

enum { WORDS_MAX = 32, PAIRS_MAX = 256 };

/* What stands for one function: its name and its place. */
typedef struct Pair {
    char function[4096];
    char place[4096];
} Pair;

struct Resolver {
    const char *command;
    pid_t pid;
    int to;
    int from;
    bool broken;
    uint64_t deadline_ms;
    unsigned timeout;
    size_t used;            /* of @buf */
    Pair pair;
    Pair marker;            /* what is answered for the marker */
    char buf[16384];
};

static uint64_t now_ms(void)
{
    return now_monotonic_ns() / 1000000;
}

static bool give_up(Resolver *resolver, const char *why)
{
    resolver->broken = true;
    warn(WARN_SYMBOLS, "ADDR2LINE=%s %s: functions are not named",
         resolver->command, why);
    return false;
}

static bool fill(Resolver *resolver)
{
    struct pollfd fd = { .fd = resolver->from, .events = POLLIN };
    uint64_t now = now_ms();
    ssize_t n;
    int wait;

    if (now >= resolver->deadline_ms) {
        return give_up(resolver, _("does not answer in time"));
    }
    if (stop_asked) {
        return give_up(resolver, _("was interrupted"));
    }
    wait = (int)(resolver->deadline_ms - now);
    if (poll(&fd, 1, wait < 200 ? wait : 200) <= 0) {
        return true;
    }
    n = read(resolver->from, resolver->buf + resolver->used,
             sizeof(resolver->buf) - resolver->used);
    if (n <= 0) {
        return give_up(resolver, _("has ended"));
    }
    resolver->used += (size_t)n;
    return true;
}

/* One line without its end; too long ones are cut. */
static bool read_line(Resolver *resolver, char *line, size_t size)
{
    char *newline;
    size_t len;

    while (!(newline = memchr(resolver->buf, '\n', resolver->used))) {
        if (resolver->used == sizeof(resolver->buf)) {
            return give_up(resolver, _("answers with endless lines"));
        }
        if (!fill(resolver)) {
            return false;
        }
    }
    len = (size_t)(newline - resolver->buf);
    snprintf(line, size, "%.*s", (int)len, resolver->buf);
    resolver->used -= len + 1;
    memmove(resolver->buf, newline + 1, resolver->used);
    return true;
}

static bool read_pair(Resolver *resolver, Pair *pair)
{
    return read_line(resolver, pair->function, sizeof(pair->function)) &&
           read_line(resolver, pair->place, sizeof(pair->place));
}

static bool ask(Resolver *resolver, const char *text)
{
    size_t len = strlen(text);

    resolver->deadline_ms = now_ms() + 1000ull * resolver->timeout;
    if (write(resolver->to, text, len) != (ssize_t)len) {
        return give_up(resolver, _("has ended"));
    }
    return true;
}

static bool is_marker(const Resolver *resolver, const Pair *pair)
{
    return !strcmp(pair->function, resolver->marker.function) &&
           !strcmp(pair->place, resolver->marker.place);
}

/* Take ":NUMBER" off the end of a place. */
static bool take_number(char *place, uint64_t *number)
{
    const char *end = place + strlen(place);
    char *colon = strrchr(place, ':');
    const char *p = colon ? colon + 1 : end;

    if (!num_get_dec(&p, end, number) || p != end) {
        return false;
    }
    *colon = '\0';
    return true;
}

/*
 * "file:line", "file:line:column", "file:line (discriminator 2)", "file:?":
 * returns the line, 0 when it is not known, and leaves the file.
 */
static unsigned split_place(char *place)
{
    char *more = strstr(place, " (discriminator ");
    char *colon;
    uint64_t last;
    uint64_t line;

    if (more) {
        *more = '\0';
    }
    if (!take_number(place, &last)) {
        colon = strrchr(place, ':');
        if (colon && colon[1] == '?') {
            *colon = '\0';
        }
        return 0;
    }
    if (!take_number(place, &line)) {
        line = last;
    }
    return line <= INT32_MAX ? (unsigned)line : 0;
}

static void add_pair(Symbol *symbol, Pair *pair)
{
    Place place = { .file = pair->place, .line = split_place(pair->place) };
    const char *function = pair->function;
    char *more = strstr(pair->function, " inlined at ");

    if (more) {
        *more = '\0';
    }
    if (!*place.file || !strcmp(place.file, "??")) {
        place.file = NULL;
    }
    if (!strcmp(function, "??")) {
        function = NULL;
    }
    if (place.file || function) {
        symbol_add(symbol, function, &place, 0);
    }
}

bool resolver_lookup(Resolver *resolver, uint64_t address, Symbol *symbol)
{
    char question[64];
    int i;

    if (resolver->broken) {
        return false;
    }
    snprintf(question, sizeof(question), "0x%" PRIx64 "\n" MARKER, address);
    if (!ask(resolver, question)) {
        return false;
    }
    for (i = 0; i < PAIRS_MAX; i++) {
        if (!read_pair(resolver, &resolver->pair)) {
            return false;
        }
        if (i && is_marker(resolver, &resolver->pair)) {
            return symbol->n_frames > 0;
        }
        add_pair(symbol, &resolver->pair);
    }
    return give_up(resolver, _("answers without end"));
}

/* Starting and stopping. */

/* A command with spaces in it is a program when there is one of that name. */
static void split_command(char *command, const char *path, char **words)
{
    int n = 0;
    char *save = NULL;
    char *word;

    if (access(command, X_OK) == 0) {
        words[n++] = command;
    } else {
        for (word = strtok_r(command, " ", &save); word && n < WORDS_MAX;
             word = strtok_r(NULL, " ", &save)) {
            words[n++] = word;
        }
    }
    words[n++] = (char *)"-f";
    words[n++] = (char *)"-i";
    words[n++] = (char *)"-e";
    words[n++] = (char *)path;
    words[n] = NULL;
}

static bool spawn(Resolver *resolver, char **words, int in, int out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t pipe_signal;
    int error;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigdefault(&attr, &pipe_signal);
    /* A group of its own: Ctrl-C is for us to handle. */
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF |
                                    POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    error = posix_spawnp(&resolver->pid, words[0], &actions, &attr, words,
                         environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (error) {
        resolver->pid = 0;
        resolver->broken = true;
        warn(WARN_SYMBOLS, "ADDR2LINE=%s cannot be started: %s: functions "
             "are not named", resolver->command, strerror(error));
        return false;
    }
    return true;
}

static bool connect_and_spawn(Resolver *resolver, char **words)
{
    int in[2];
    int out[2];
    bool result;

    if (pipe2(in, O_CLOEXEC)) {
        return give_up(resolver, _("cannot be started: no pipe"));
    }
    if (pipe2(out, O_CLOEXEC)) {
        close(in[0]);
        close(in[1]);
        return give_up(resolver, _("cannot be started: no pipe"));
    }
    result = spawn(resolver, words, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    resolver->to = in[1];
    resolver->from = out[0];
    return result;
}

Resolver *resolver_start(const char *command, const char *path,
                         unsigned timeout)
{
    Resolver *resolver = calloc(1, sizeof(*resolver));
    char *copy = keep(command);
    char *words[WORDS_MAX + 5];
    bool works;

    if (!resolver) {
        die_no_memory();
    }
    resolver->command = command;
    resolver->timeout = timeout;
    resolver->to = -1;
    resolver->from = -1;
    split_command(copy, path, words);
    works = connect_and_spawn(resolver, words) && ask(resolver, MARKER) &&
            read_pair(resolver, &resolver->marker);
    free(copy);
    if (!works) {
        resolver_stop(resolver);
        return NULL;
    }
    return resolver;
}

void resolver_stop(Resolver *resolver)
{
    if (!resolver) {
        return;
    }
    if (resolver->to >= 0) {
        close(resolver->to);
        close(resolver->from);
    }
    if (resolver->pid > 0) {
        /* It has nothing left to do; the group, as it may be a script. */
        kill(-resolver->pid, SIGKILL);
        waitpid(resolver->pid, NULL, 0);
    }
    free(resolver);
}
