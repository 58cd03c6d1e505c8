/*
 * qmp-tcp: see qmp-tcp.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp-tcp.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A host's name has 253 bytes at most. */
typedef struct HostPort {
    char host[256];
    char port[6];
} HostPort;

static bool split(const char *text, HostPort *to)
{
    bool named = !strncmp(text, "tcp:", 4);
    const char *host = named ? text + 4 : text;
    const char *colon = strrchr(host, ':');
    const char *comma = strchr(host, ',');
    size_t n_host;
    size_t n_port;

    if (!colon || (comma && comma < colon)) {
        return false;
    }
    /* behind a comma there are QEMU's own options: server=on */
    n_port = comma ? (size_t)(comma - colon - 1) : strlen(colon + 1);
    n_host = (size_t)(colon - host);
    if (n_host > 1 && host[0] == '[' && colon[-1] == ']') {
        host++;
        n_host -= 2;
    }
    if (n_host >= sizeof(to->host) || !n_port ||
        n_port >= sizeof(to->port) ||
        strspn(colon + 1, "0123456789") != n_port) {
        return false;
    }
    snprintf(to->host, sizeof(to->host), "%.*s", (int)n_host, host);
    snprintf(to->port, sizeof(to->port), "%.*s", (int)n_port, colon + 1);
    return named || !memchr(host, '/', n_host);
}

bool qmp_tcp_means(const char *text)
{
    HostPort parts;

    return !strncmp(text, "tcp:", 4) ||
           (split(text, &parts) && access(text, F_OK));
}

/*
 * The number of the socket at the other end of a connection within this host,
 * by its two ports: an IPv4 connection may be an IPv6 socket of the server's.
 */
static uint64_t inode_of_peer(const char *table, unsigned our_port,
                              unsigned their_port)
{
    FILE *file = fopen(table, "r");
    char line[512];
    unsigned local, remote;
    uint64_t inode;
    uint64_t found = 0;

    while (file && !found && fgets(line, sizeof(line), file)) {
        if (sscanf(line, " %*u: %*[0-9A-F]:%x %*[0-9A-F]:%x %*x %*s %*s %*s "
                   "%*u %*u %" SCNu64, &local, &remote, &inode) == 3 &&
            local == their_port && remote == our_port) {
            found = inode;
        }
    }
    if (file) {
        fclose(file);
    }
    return found;
}

static bool has_socket(const char *pid, uint64_t inode)
{
    char path[300];
    char name[64];
    char wanted[64];
    bool found = false;
    struct dirent *entry;
    ssize_t n;
    DIR *dir;

    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    dir = opendir(path);
    while (dir && !found && (entry = readdir(dir))) {
        n = readlinkat(dirfd(dir), entry->d_name, name, sizeof(name) - 1);
        name[n > 0 ? n : 0] = '\0';
        found = !strcmp(name, wanted);
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

/* Address and port of one end; false for what is neither IPv4 nor IPv6. */
static bool read_end(const struct sockaddr_storage *end, struct in6_addr *ip,
                     unsigned *port)
{
    const struct sockaddr_in *four = (const void *)end;
    const struct sockaddr_in6 *six = (const void *)end;

    memset(ip, 0, sizeof(*ip));
    if (end->ss_family == AF_INET) {
        memcpy(ip, &four->sin_addr, sizeof(four->sin_addr));
        *port = ntohs(four->sin_port);
    } else if (end->ss_family == AF_INET6) {
        *ip = six->sin6_addr;
        *port = ntohs(six->sin6_port);
    } else {
        return false;
    }
    return true;
}

pid_t qmp_tcp_peer(int fd)
{
    struct sockaddr_storage ours = { 0 };
    struct sockaddr_storage theirs = { 0 };
    socklen_t n_ours = sizeof(ours);
    socklen_t n_theirs = sizeof(theirs);
    struct in6_addr our_ip, their_ip;
    unsigned our_port, their_port;
    struct dirent *entry;
    uint64_t inode;
    pid_t pid = 0;
    DIR *dir;

    if (getsockname(fd, (struct sockaddr *)&ours, &n_ours) ||
        getpeername(fd, (struct sockaddr *)&theirs, &n_theirs) ||
        !read_end(&ours, &our_ip, &our_port) ||
        !read_end(&theirs, &their_ip, &their_port) ||
        memcmp(&our_ip, &their_ip, sizeof(our_ip))) {
        return 0;
    }
    inode = inode_of_peer("/proc/net/tcp", our_port, their_port);
    if (!inode) {
        inode = inode_of_peer("/proc/net/tcp6", our_port, their_port);
    }
    dir = inode ? opendir("/proc") : NULL;
    while (dir && !pid && (entry = readdir(dir))) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            has_socket(entry->d_name, inode)) {
            pid = (pid_t)atoi(entry->d_name);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return pid;
}

/* 0 or an errno. */
static int connect_one(int fd, const struct addrinfo *info,
                       const Deadline *deadline, QmpFailure *failure)
{
    int error = 0;
    socklen_t len = sizeof(error);

    *failure = QMP_GONE;
    if (!connect(fd, info->ai_addr, info->ai_addrlen)) {
        return 0;
    }
    if (errno != EINPROGRESS && errno != EINTR) {
        return errno;
    }
    switch (wait_for_fd(fd, POLLOUT, deadline)) {
    case WAIT_STOPPED:
        *failure = QMP_STOPPED;
        return EINTR;
    case WAIT_TIMEOUT:
        *failure = QMP_TIMEOUT;
        return ETIMEDOUT;
    default:
        break;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? errno : error;
}

static int connect_any(const struct addrinfo *list, const Deadline *deadline,
                       QmpFailure *failure, int *error)
{
    const struct addrinfo *info;
    int fd;

    for (info = list; info; info = info->ai_next) {
        fd = socket(info->ai_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            *error = errno;
            continue;
        }
        *error = connect_one(fd, info, deadline, failure);
        if (!*error) {
            return fd;
        }
        close(fd);
        if (*failure != QMP_GONE) {
            break;
        }
    }
    return -1;
}

int qmp_tcp_open(const char *text, const Deadline *deadline,
                 QmpFailure *failure, Err *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list;
    const char *open;
    HostPort at;
    int error = 0;
    int fd;

    *failure = QMP_GONE;
    if (!split(text, &at)) {
        err_set(err, ERR_IO, "give it as tcp:HOST:PORT");
        return -1;
    }
    open = strchr(at.host, ':') ? "[" : "";
    error = getaddrinfo(at.host[0] ? at.host : "127.0.0.1", at.port, &hints,
                        &list);
    if (error) {
        err_set(err, ERR_IO, "%s: %s", at.host, gai_strerror(error));
        return -1;
    }
    fd = connect_any(list, deadline, failure, &error);
    freeaddrinfo(list);
    if (fd < 0) {
        if (error == ECONNREFUSED) {
            err_set(err, ERR_IO, "nobody listens: start QEMU with "
                    "-qmp tcp:%s%s%s:%s,server=on,wait=off", open, at.host,
                    *open ? "]" : "", at.port);
        } else {
            err_set(err, ERR_IO, "cannot connect: %s", strerror(error));
        }
        return -1;
    }
    *failure = QMP_FINE;
    return fd;
}
