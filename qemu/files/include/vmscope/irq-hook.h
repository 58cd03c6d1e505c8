/*
 * IRQ log: the branches in the interrupt paths
 *
 * Included where interrupts are raised.  It knows two function pointers,
 * NULL while the log is off; what stands behind them is vmscope/irq-log.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_IRQ_HOOK_H
#define VMSCOPE_IRQ_HOOK_H

#include "qemu/atomic.h"
#include "hw/irq.h"

/*
 * GCC's partial inlining would split the NULL test off qemu_set_irq(), and
 * the return address would then be in qemu_set_irq() itself.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
void qemu_set_irq(qemu_irq irq, int level) __attribute__((noinline));
#pragma GCC diagnostic pop

/**
 * IrqLogCallHook: log a call and make it
 * @obj: the IRQ object, or the device whose pin it is
 * @handler: what handles the line; called with the next three
 * @opaque: the handler's
 * @n: number of the line
 * @level: its level
 * @caller: return address into the code that raised it
 */
typedef void IrqLogCallHook(void *obj, qemu_irq_handler handler, void *opaque,
                            int n, int level, void *caller);

/**
 * IrqLogMessageHook: log a message signaled interrupt
 * @dev: the PCI device that sends it
 * @address: where it is written
 * @data: what is written
 * @caller: return address into the code that sends it
 */
typedef void IrqLogMessageHook(void *dev, uint64_t address, uint32_t data,
                               void *caller);

extern IrqLogCallHook *irq_log_call_hook;
extern IrqLogMessageHook *irq_log_message_hook;

/*
 * Returns: true when the hook has called @handler, so that the calls made
 * inside of it can be told from others; false when the caller has to.
 */
static inline bool irq_log_call(void *obj, qemu_irq_handler handler,
                                void *opaque, int n, int level)
{
    IrqLogCallHook *hook = qatomic_read(&irq_log_call_hook);

    if (likely(!hook)) {
        return false;
    }
    hook(obj, handler, opaque, n, level, __builtin_return_address(0));
    return true;
}

static inline void irq_log_message(void *dev, uint64_t address, uint32_t data)
{
    IrqLogMessageHook *hook = qatomic_read(&irq_log_message_hook);

    if (unlikely(hook)) {
        hook(dev, address, data, __builtin_return_address(0));
    }
}

#endif
