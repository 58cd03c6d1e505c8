/*
 * qmp-socket: the unix socket of a QEMU's QMP monitor.
 *
 * Private to the QMP client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_SOCKET_H
#define VMSCOPE_QMP_SOCKET_H

#include "qmp-wait.h"
#include "qmp-wire.h"
#include "qmp.h"

/**
 * qmp_socket_open - connect
 * @pid: receives the process at the other end, 0 when not known
 *
 * Returns: a non-blocking file descriptor; -1 with a sentence that names
 * @path and says what to do
 */
int qmp_socket_open(const char *path, const Deadline *deadline, pid_t *pid,
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
