/*
 * qmp-tcp: a QMP monitor at a TCP port.
 *
 * Private to the QMP client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_TCP_H
#define VMSCOPE_QMP_TCP_H

#include "source/qmp-wait.h"
#include "source/qmp.h"

/**
 * qmp_tcp_means - is this "tcp:HOST:PORT", or "HOST:PORT" and no file's name?
 */
bool qmp_tcp_means(const char *text);

/**
 * qmp_tcp_open - connect, to one address of the host after the other
 * @text: as qmp_tcp_means() wants it; HOST may be a name, an IPv4 address, or
 *        an IPv6 address in brackets
 *
 * Looking up a name may take as long as the resolver does.
 *
 * Returns: a non-blocking file descriptor; -1 with @failure and a sentence
 */
int qmp_tcp_open(const char *text, const Deadline *deadline,
                 QmpFailure *failure, Err *err);

/**
 * qmp_tcp_peer - the process of this host that has accepted a connection
 *
 * It has when it has sent something.
 *
 * Returns: 0 when it is on another host, or not to be seen
 */
pid_t qmp_tcp_peer(int fd);

#endif
