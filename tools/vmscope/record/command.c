/*
 * record-command: see record-command.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_WAIT_MS = 2000, END_STEP_MS = 20 };

static bool refuse(RecordCommand *command, const char *name, int why,
                   Err *err)
{
    command->refused = why == ENOENT || why == ENOTDIR ? 127 : 126;
    err_set(err, ERR_IO, "cannot run '%s': %s", name, strerror(why));
    return false;
}

/* 0 when it can be run, else why not. */
static int check_program(const char *path)
{
    struct stat st;

    if (stat(path, &st) || access(path, X_OK)) {
        return errno;
    }
    return S_ISREG(st.st_mode) ? 0 : EACCES;
}

/* As execvp(): the first that can be run; EACCES when one may not be. */
static int search_path(const char *name, const char *path)
{
    char full[PATH_MAX];
    int why = ENOENT;
    size_t len;
    int n;

    for (;;) {
        len = strcspn(path, ":");
        n = snprintf(full, sizeof(full), "%.*s%s%s", (int)len, path,
                     len ? "/" : "./", name);
        if (n > 0 && (size_t)n < sizeof(full)) {
            switch (check_program(full)) {
            case 0:
                return 0;
            case EACCES:
                why = EACCES;
                break;
            default:
                break;
            }
        }
        if (!path[len]) {
            return why;
        }
        path += len + 1;
    }
}

bool record_command_find(RecordCommand *command, const char *name, Err *err)
{
    const char *path = getenv("PATH");
    int why;

    if (!*name) {
        why = ENOENT;
    } else if (strchr(name, '/')) {
        why = check_program(name);
    } else {
        why = search_path(name, path ? path : "/bin:/usr/bin");
    }
    return !why || refuse(command, name, why, err);
}

_Noreturn static void run(char **argv, int failure)
{
    int why;
    ssize_t n;

    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    why = errno;
    n = write(failure, &why, sizeof(why));
    (void)n;
    _exit(127);
}

/* The errno of an exec that failed; 0 when it did not. */
static int read_failure(int fd)
{
    int why = 0;
    ssize_t n;

    do {
        n = read(fd, &why, sizeof(why));
    } while (n < 0 && errno == EINTR);
    return n == sizeof(why) ? why : 0;
}

bool record_command_start(RecordCommand *command, char **argv, Err *err)
{
    int fds[2];
    int why;

    *command = (RecordCommand) {};
    if (pipe2(fds, O_CLOEXEC)) {
        return refuse(command, argv[0], errno, err);
    }
    command->pid = fork();
    why = errno;
    if (command->pid == 0) {
        run(argv, fds[1]);
    }
    close(fds[1]);
    if (command->pid > 0) {
        why = read_failure(fds[0]);
    }
    close(fds[0]);
    if (command->pid > 0 && why) {
        waitpid(command->pid, NULL, 0);
    }
    if (command->pid < 0 || why) {
        command->pid = 0;
        return refuse(command, argv[0], why, err);
    }
    return true;
}

bool record_command_ended(RecordCommand *command)
{
    int status;

    if (!command->pid ||
        waitpid(command->pid, &status, WNOHANG) != command->pid) {
        return false;
    }
    command->pid = 0;
    command->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                          : WEXITSTATUS(status);
    return true;
}

void record_command_end(RecordCommand *command)
{
    int ms;

    if (!command->pid) {
        return;
    }
    kill(command->pid, SIGTERM);
    for (ms = 0; ms < END_WAIT_MS && !record_command_ended(command);
         ms += END_STEP_MS) {
        poll(NULL, 0, END_STEP_MS);
    }
}
