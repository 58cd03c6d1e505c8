/*
 * qmp-virsh: QMP through libvirt, by running virsh qemu-monitor-command.
 *
 * Private to the QMP client.  Which libvirt is meant is for virsh and its
 * environment (LIBVIRT_DEFAULT_URI) to say.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_VIRSH_H
#define VMSCOPE_QMP_VIRSH_H

#include "source/qmp-wait.h"
#include "source/qmp-wire.h"
#include "source/qmp.h"

/**
 * qmp_virsh_ask - run one command
 * @request: the command as JSON, NUL-terminated
 * @message: receives the answer, to be released with json_decref()
 * @bytes: receives how large it was
 * @err: shows the command line that failed
 */
QmpFailure qmp_virsh_ask(const char *domain, const char *request,
                         const Deadline *deadline, json_t **message,
                         size_t *bytes, Err *err);

#endif
