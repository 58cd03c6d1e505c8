/*
 * qmp-virsh: see qmp-virsh.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp-virsh.h"

#include "common/translate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { GRACE_NS = 1000000000 };

/* One running virsh. */
typedef struct Virsh {
    pid_t pid;
    int out;            /* -1: at its end */
    int err;            /* -1: at its end */
    char said[512];     /* what it said on standard error, the beginning */
    size_t n_said;
    Wire wire;
} Virsh;

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* A process group of its own: Ctrl-C is for us to pass on, or not. */
static int spawn(pid_t *pid, const char *domain, const char *request,
                 int out, int err)
{
    const char *argv[] = { "virsh", "--quiet", "qemu-monitor-command",
                           "--domain", domain, "--cmd", request, NULL };
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t pipe_only;
    int error;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                             POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &pipe_only);
    error = posix_spawnp(pid, argv[0], &files, &attributes,
                         (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static bool start(Virsh *virsh, const char *domain, const char *request,
                  Err *err)
{
    int out[2] = { -1, -1 };
    int said[2] = { -1, -1 };
    int error;

    if (pipe2(out, O_CLOEXEC) || pipe2(said, O_CLOEXEC)) {
        error = errno;
    } else {
        error = spawn(&virsh->pid, domain, request, out[1], said[1]);
    }
    close_fd(&out[1]);
    close_fd(&said[1]);
    virsh->out = out[0];
    virsh->err = said[0];
    if (error) {
        close_fd(&virsh->out);
        close_fd(&virsh->err);
        err_set(err, ERR_IO, error == ENOENT ?
                "there is no virsh: install libvirt-clients, or use --qmp" :
                N_("cannot run virsh: %s"), strerror(error));
        return false;
    }
    return true;
}

static bool take_out(Virsh *virsh, Err *err)
{
    char bytes[65536];
    ssize_t n = read(virsh->out, bytes, sizeof(bytes));

    if (n < 0 && errno == EINTR) {
        return true;
    }
    if (n <= 0) {
        close_fd(&virsh->out);
        return true;
    }
    if (!wire_feed(&virsh->wire, bytes, (size_t)n)) {
        err_set(err, ERR_FORMAT, "an answer without end");
        return false;
    }
    return true;
}

/* Behind the room for it, what it says is read and forgotten. */
static void take_said(Virsh *virsh)
{
    char bytes[512];
    ssize_t n = read(virsh->err, bytes, sizeof(bytes));
    size_t room = sizeof(virsh->said) - 1 - virsh->n_said;
    size_t taken;

    if (n < 0 && errno == EINTR) {
        return;
    }
    if (n <= 0) {
        close_fd(&virsh->err);
        return;
    }
    taken = (size_t)n < room ? (size_t)n : room;
    memcpy(virsh->said + virsh->n_said, bytes, taken);
    virsh->n_said += taken;
    virsh->said[virsh->n_said] = '\0';
}

/* Until it has closed both, or time is up. */
static QmpFailure read_both(Virsh *virsh, const Deadline *deadline, Err *err)
{
    struct pollfd fds[2];
    WaitResult result;

    while (virsh->out >= 0 || virsh->err >= 0) {
        fds[0] = (struct pollfd) { .fd = virsh->out, .events = POLLIN };
        fds[1] = (struct pollfd) { .fd = virsh->err, .events = POLLIN };
        result = wait_for_fds(fds, 2, deadline);
        if (result != WAIT_READY) {
            return result == WAIT_STOPPED ? QMP_STOPPED : QMP_TIMEOUT;
        }
        if (fds[0].revents && !take_out(virsh, err)) {
            return QMP_BROKEN;
        }
        if (fds[1].revents) {
            take_said(virsh);
        }
    }
    return QMP_FINE;
}

/* Its exit status, or -1; it is ended if it does not end. */
static int finish(Virsh *virsh, bool kindly)
{
    Deadline grace = wait_deadline(GRACE_NS, false);
    int status = 0;
    pid_t pid;

    close_fd(&virsh->out);
    close_fd(&virsh->err);
    if (!kindly) {
        kill(virsh->pid, SIGTERM);
    }
    for (;;) {
        pid = waitpid(virsh->pid, &status, WNOHANG);
        if (pid == virsh->pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        if (pid < 0 && errno != EINTR) {
            return -1;
        }
        if (wait_a_moment(&grace) != WAIT_READY) {
            kill(virsh->pid, SIGKILL);
            waitpid(virsh->pid, &status, 0);
            return -1;
        }
    }
}

/* The first line it said, without virsh's "error: ". */
static const char *first_line(char *said)
{
    said += strspn(said, "\r\n ");
    said[strcspn(said, "\r\n")] = '\0';
    return !strncmp(said, "error: ", 7) ? said + 7 : said;
}

static QmpFailure judge(Virsh *virsh, int status, json_t **message, Err *err)
{
    WireResult result;

    if (status) {
        err_set(err, ERR_IO, "%s", virsh->n_said ? first_line(virsh->said) :
                _("virsh failed and did not say why"));
        return QMP_GONE;
    }
    result = wire_next(&virsh->wire, message, err);
    if (result == WIRE_MORE) {
        err_set(err, ERR_FORMAT, "virsh gave no whole answer");
    }
    return result == WIRE_MESSAGE ? QMP_FINE : QMP_BROKEN;
}

/* Put the command line in front, quoted for a shell. */
static void show_command(const char *domain, const char *request, Err *err)
{
    char quoted[200];
    size_t n = 0;

    for (; *request && n + 5 < sizeof(quoted); request++) {
        if (*request == '\'') {
            memcpy(quoted + n, "'\\''", 4);
            n += 4;
        } else {
            quoted[n++] = *request;
        }
    }
    quoted[n] = '\0';
    err_prefix(err, "virsh qemu-monitor-command --domain %.100s --cmd '%s%s': ",
               domain, quoted, *request ? "..." : "");
}

QmpFailure qmp_virsh_ask(const char *domain, const char *request,
                         const Deadline *deadline, json_t **message,
                         size_t *bytes, Err *err)
{
    Virsh virsh = { .out = -1, .err = -1 };
    QmpFailure failure = QMP_GONE;
    int status;

    err_set(err, ERR_NONE, "%s", _("no answer in time"));
    wire_init(&virsh.wire);
    if (start(&virsh, domain, request, err)) {
        failure = read_both(&virsh, deadline, err);
        status = finish(&virsh, failure == QMP_FINE);
        if (failure == QMP_FINE) {
            failure = judge(&virsh, status, message, err);
        }
        *bytes = virsh.wire.message_bytes;
    }
    wire_release(&virsh.wire);
    if (failure != QMP_FINE) {
        show_command(domain, request, err);
    }
    return failure;
}
