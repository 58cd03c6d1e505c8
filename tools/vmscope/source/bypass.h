/*
 * bypass: interrupts that this QEMU does not get to see.
 *
 * KVM delivers some by itself: what its own timers raise, and what an eventfd
 * tells it that a device or another process writes to.  Which of these ways a
 * machine has is asked for while it runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BYPASS_H
#define VMSCOPE_BYPASS_H

#include "source/qmp.h"

enum { BYPASS_MAX = 32, BYPASS_TEXT = 240 };

typedef struct Bypass {
    unsigned n;
    bool translated;
    bool more;                  /* than there is room for */
    bool kernel_irqchip;        /* PIC, I/O APIC and timer are KVM's */
    char text[BYPASS_MAX][BYPASS_TEXT];
    const char *advice[BYPASS_MAX];     /* what would show them; static,
                                           and in English */
} Bypass;

/**
 * bypass_find - ask a QEMU what goes past its IRQ log
 * @translated: into the user's language; not for what goes into a file
 *
 * What cannot be asked is left out; without KVM there is nothing.  Takes some
 * milliseconds: a command for each device.
 */
void bypass_find(Qmp *qmp, bool translated, Bypass *bypass);

#endif
