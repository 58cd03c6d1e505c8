/*
 * qmp-socket: the socket of a QEMU's QMP monitor.
 *
 * Private to the QMP client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_SOCKET_H
#define VMSCOPE_QMP_SOCKET_H

#include "source/qmp-wait.h"
#include "source/qmp-wire.h"
#include "source/qmp.h"

/**
 * qmp_socket_open - connect
 * @address: a unix socket's path ("unix:" may stand before it), "@NAME" for one
 *           without a file, "tcp:HOST:PORT", "HOST:PORT" or "fd:NUMBER"
 * @pid: receives the process at the other end, 0 when not known, as with TCP
 *       before it has sent something (qmp_tcp_peer())
 *
 * Returns: a non-blocking file descriptor; -1 with a sentence that says what to
 * do
 */
int qmp_socket_open(const char *address, const Deadline *deadline, pid_t *pid,
                    QmpFailure *failure, Err *err);

/**
 * qmp_socket_send - send all of a request
 *
 * Goes on after a signal: half a request would spoil the connection.
 */
QmpFailure qmp_socket_send(int fd, const char *text, size_t len,
                           const Deadline *deadline, Err *err);

/**
 * qmp_socket_receive - the next message
 * @message: receives it, to be released with json_decref()
 */
QmpFailure qmp_socket_receive(int fd, Wire *wire, const Deadline *deadline,
                              json_t **message, Err *err);

#endif
