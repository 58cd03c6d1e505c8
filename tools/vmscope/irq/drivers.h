/*
 * irq-drivers: which of the guest's drivers serve a vector.
 *
 * Asked of the scheduler trace, when that runs and has found a Windows kernel;
 * else nothing is known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_DRIVERS_H
#define VMSCOPE_IRQ_DRIVERS_H

#include "shared/driver-names.h"

enum { IRQ_DRIVERS_VECTORS = 256 };

/* "viostor.sys by storport.sys"; "" where nothing is known. */
typedef struct IrqDrivers {
    char of[IRQ_DRIVERS_VECTORS][DRIVER_NAMES_SIZE];
} IrqDrivers;

/**
 * irq_drivers_read - ask which drivers serve which vectors now
 *
 * Drivers of a shared vector, and those that serve a vector on different
 * vCPUs, all stand there, with commas.
 */
void irq_drivers_read(IrqDrivers *drivers, Qmp *qmp);

#endif
