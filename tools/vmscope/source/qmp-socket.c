/*
 * qmp-socket: see qmp-socket.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp-socket.h"

#include "source/attach/process.h"
#include "source/qmp-tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void tell_no_socket(const char *path, int error, Err *err)
{
    struct stat st;

    if (error == ENOENT || error == ENOTDIR) {
        err_set(err, ERR_IO, "there is no socket: start QEMU with "
                "-qmp unix:%s,server=on,wait=off", path);
    } else if (!stat(path, &st) && !S_ISSOCK(st.st_mode)) {
        err_set(err, ERR_IO, "it is no socket: give the path of QEMU's -qmp");
    } else if (error == ECONNREFUSED) {
        err_set(err, ERR_IO, "nobody listens: the QEMU that made it has "
                "ended");
    } else if (error == EACCES || error == EPERM) {
        err_set(err, ERR_IO, "%s: run this as root or as the user that QEMU "
                "runs as", strerror(error));
    } else {
        err_set(err, ERR_IO, "cannot connect: %s", strerror(error));
    }
}

static pid_t peer_pid(int fd)
{
    struct ucred peer = { 0 };
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len)) {
        return 0;
    }
    return peer.pid;
}

/* Connect, waiting while others stand in line; 0 or an errno. */
static int connect_in_time(int fd, const struct sockaddr_un *address,
                           socklen_t len, const Deadline *deadline,
                           QmpFailure *failure)
{
    while (connect(fd, (const struct sockaddr *)address, len)) {
        if (errno != EAGAIN && errno != EINTR) {
            *failure = QMP_GONE;
            return errno;
        }
        switch (wait_a_moment(deadline)) {
        case WAIT_STOPPED:
            *failure = QMP_STOPPED;
            return EINTR;
        case WAIT_TIMEOUT:
            *failure = QMP_TIMEOUT;
            return ETIMEDOUT;
        default:
            break;
        }
    }
    return 0;
}

/* "@NAME" has no file: its first byte is a zero, and its length counts. */
static int open_unix(const char *path, const Deadline *deadline,
                     QmpFailure *failure, Err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    bool abstract = path[0] == '@' && access(path, F_OK);
    socklen_t len = sizeof(address);
    int error;
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        err_set(err, ERR_IO, "the path is longer than the %zu bytes a socket "
                "may have: go to its folder and give a relative one",
                sizeof(address.sun_path) - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    if (abstract) {
        address.sun_path[0] = '\0';
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                          strlen(path));
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        err_set(err, ERR_IO, "cannot make a socket: %s", strerror(errno));
        return -1;
    }
    error = connect_in_time(fd, &address, len, deadline, failure);
    if (error == ECONNREFUSED && abstract) {    /* QEMU's tight=off */
        error = connect_in_time(fd, &address, sizeof(address), deadline,
                                failure);
    }
    if (!error) {
        return fd;
    }
    if (error == ECONNREFUSED && abstract) {
        err_set(err, ERR_IO, "nobody listens: start QEMU with "
                "-qmp unix:%s,abstract=on,server=on,wait=off", path + 1);
    } else {
        tell_no_socket(path, error, err);
    }
    close(fd);
    return -1;
}

/* A connection that the caller of this program has made. */
static int take_fd(const char *number, Err *err)
{
    size_t n = strspn(number, "0123456789");
    struct stat st;
    int fd;

    if (!n || n > 9 || number[n]) {
        err_set(err, ERR_IO, "give the number of a file descriptor: fd:3");
        return -1;
    }
    if (fstat(atoi(number), &st)) {
        err_set(err, ERR_IO, "there is no file descriptor of that number: "
                "let the program that starts this one pass it on");
        return -1;
    }
    if (!S_ISSOCK(st.st_mode)) {
        err_set(err, ERR_IO, "it is no socket");
        return -1;
    }
    fd = fcntl(atoi(number), F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)) {
        err_set(err, ERR_IO, "cannot use it: %s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/*
 * Who made a pair of sockets need not be who has the other end: then nothing
 * is said.
 */
static pid_t pid_of_pair(int fd)
{
    AttachProcess *process = calloc(1, sizeof(*process));
    pid_t pid = peer_pid(fd);

    if (!process || !attach_process_read(pid, process)) {
        pid = 0;
    }
    free(process);
    return pid;
}

int qmp_socket_open(const char *address, const Deadline *deadline, pid_t *pid,
                    QmpFailure *failure, Err *err)
{
    bool passed = !strncmp(address, "fd:", 3) && access(address, F_OK);
    const char *path = strncmp(address, "unix:", 5) ? address : address + 5;
    int fd;

    *pid = 0;
    *failure = QMP_GONE;
    if (!passed && qmp_tcp_means(address)) {
        return qmp_tcp_open(address, deadline, failure, err);
    }
    fd = passed ? take_fd(address + 3, err)
                : open_unix(path, deadline, failure, err);
    if (fd < 0) {
        return -1;
    }
    *pid = passed ? pid_of_pair(fd) : peer_pid(fd);
    *failure = QMP_FINE;
    return fd;
}

static QmpFailure judge_wait(WaitResult result)
{
    return result == WAIT_STOPPED ? QMP_STOPPED :
           result == WAIT_TIMEOUT ? QMP_TIMEOUT : QMP_FINE;
}

static QmpFailure tell_gone(int error, Err *err)
{
    if (!error || error == ECONNRESET || error == EPIPE) {
        err_set(err, ERR_IO, "QEMU has ended, or closed the connection");
    } else {
        err_set(err, ERR_IO, "the connection failed: %s", strerror(error));
    }
    return QMP_GONE;
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

QmpFailure qmp_socket_send(int fd, const char *text, size_t len,
                           const Deadline *deadline, Err *err)
{
    Deadline to_the_end = { deadline->at_ns, false };
    ssize_t n;

    while (len) {
        if (wait_for_fd(fd, POLLOUT, &to_the_end) != WAIT_READY) {
            return QMP_TIMEOUT;
        }
        n = send(fd, text, len, MSG_NOSIGNAL);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (!would_block(errno)) {
            return tell_gone(errno, err);
        }
    }
    return QMP_FINE;
}

/* Bytes into the wire. */
static QmpFailure receive_more(int fd, Wire *wire, const Deadline *deadline,
                               Err *err)
{
    QmpFailure failure = judge_wait(wait_for_fd(fd, POLLIN, deadline));
    char bytes[65536];
    ssize_t n;

    if (failure != QMP_FINE) {
        return failure;
    }
    n = recv(fd, bytes, sizeof(bytes), 0);
    if (n < 0 && would_block(errno)) {
        return QMP_FINE;
    }
    if (n <= 0) {
        return tell_gone(n ? errno : 0, err);
    }
    if (!wire_feed(wire, bytes, (size_t)n)) {
        err_set(err, ERR_FORMAT, "an answer without end");
        return QMP_BROKEN;
    }
    return QMP_FINE;
}

QmpFailure qmp_socket_receive(int fd, Wire *wire, const Deadline *deadline,
                              json_t **message, Err *err)
{
    QmpFailure failure = QMP_FINE;
    WireResult result;

    while (failure == QMP_FINE) {
        result = wire_next(wire, message, err);
        if (result != WIRE_MORE) {
            return result == WIRE_MESSAGE ? QMP_FINE : QMP_BROKEN;
        }
        failure = receive_more(fd, wire, deadline, err);
    }
    return failure;
}
