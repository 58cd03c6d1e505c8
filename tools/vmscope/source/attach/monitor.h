/*
 * attach/monitor: what is asked of a stock QEMU's monitor.
 *
 * Only questions: nothing here changes the machine or stops it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_MONITOR_H
#define VMSCOPE_ATTACH_MONITOR_H

#include "source/attach/layout.h"
#include "source/attach/process.h"
#include "source/qmp.h"
#include "winos/kernel.h"

/**
 * attach_monitor_layout - where guest RAM lies
 * @layout: initialised; all of its ranges have a hva then
 */
bool attach_monitor_layout(Qmp *qmp, AttachLayout *layout, Err *err);

/**
 * attach_monitor_registers - registers of all vCPUs
 * @n: receives how many there are
 *
 * QEMU synchronises each vCPU for it, which takes some 30 us of its time.
 */
bool attach_monitor_registers(Qmp *qmp, WinosRegs *regs, unsigned max,
                              unsigned *n, Err *err);

/**
 * attach_monitor_vcpus - which vCPUs there are, and their threads
 * @threads: receives, by vCPU, those that there are; tid 0: no such vCPU
 *
 * Returns: how many there are
 */
bool attach_monitor_vcpus(Qmp *qmp, AttachThread *threads, unsigned max,
                          Err *err);

/**
 * attach_monitor_running - does the machine run now?
 */
bool attach_monitor_running(Qmp *qmp, bool *running, Err *err);

/**
 * attach_monitor_check - can this guest be looked into?
 *
 * Returns: false with a sentence for one whose memory is encrypted
 */
bool attach_monitor_check(Qmp *qmp, Err *err);

#endif
