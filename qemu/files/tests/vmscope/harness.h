/*
 * IRQ log: what its test programs have instead of a machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_VMSCOPE_HARNESS_H
#define TESTS_VMSCOPE_HARNESS_H

#include "vmscope/irq-log.h"

/* Whether the calling thread says it holds the big QEMU lock. */
extern __thread bool harness_locked;

/* Before anything else in main(); the caller then is the main loop. */
void harness_init(void);

/* Run the main loop's bottom halves. */
void harness_run_bottom_halves(void);

/* Turn the log on with these options; it must succeed. */
void harness_start(const IrqLogOptions *opts);

/* Turn it off and wait; the session is freed with irq_log_put(). */
IrqLogSession *harness_stop(void);

#endif
