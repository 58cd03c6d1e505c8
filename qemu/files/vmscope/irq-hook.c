/*
 * IRQ log: the pointers behind the branches
 *
 * Alone in its file, as hw/core/irq.c is linked into user-mode emulators and
 * unit tests too, where the log is not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "vmscope/irq-hook.h"

IrqLogCallHook *irq_log_call_hook;
IrqLogMessageHook *irq_log_message_hook;
