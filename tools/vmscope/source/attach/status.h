/*
 * attach/status: status and entries, as QMP has them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_STATUS_H
#define VMSCOPE_ATTACH_STATUS_H

#include "source/attach/host.h"

/* One switch: WindowsSchedEntry. */
json_t *attach_status_entry(const SchedlogEvent *event);

/* The processes there are, as of now: WindowsProcesses. */
json_t *attach_status_processes(const WinosResult *result);

/* All: WindowsSchedTraceStatus, and "attached".  @host may be NULL: off. */
json_t *attach_status_json(AttachHost *host, pid_t pid);

#endif
