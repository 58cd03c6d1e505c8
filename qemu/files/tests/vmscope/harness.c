/*
 * IRQ log: what its test programs have instead of a machine
 *
 * Stand-ins for the parts of the system emulator that the log calls and that
 * a program without a machine has not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "hw/sysbus.h"
#include "qom/object.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "trace/control.h"
#include "vmscope/compat.h"
#include "harness.h"

__thread bool harness_locked;
CPUTailQ cpus_queue = QTAILQ_HEAD_INITIALIZER(cpus_queue);

bool bql_locked(void)
{
    return harness_locked;
}

/* All that QEMU's own stand-in for the lock has, as it comes as one. */
void bql_lock_impl(const char *file, int line)
{
    harness_locked = true;
}

void bql_unlock(void)
{
    harness_locked = false;
}

void bql_block_unlock(bool increase)
{
}

#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR >= 2
bool mutex_is_bql(QemuMutex *mutex)
{
    return false;
}

void bql_update_status(bool locked)
{
}
#endif

/* Where QEMU looks for devices to tell a new listener of. */
BusState *sysbus_get_default(void)
{
    static BusState *bus;

    if (!bus) {
        bus = BUS(object_new("harness-bus"));
    }
    return bus;
}

void qemu_add_exit_notifier(Notifier *notify)
{
}

void monitor_register_hmp(const char *name, bool info,
                          void (*cmd)(Monitor *mon, const QDict *qdict))
{
}

int monitor_printf(Monitor *mon, const char *fmt, ...)
{
    return 0;
}

bool hmp_handle_error(Monitor *mon, Error *err)
{
    return err;
}

static const TypeInfo bus_type = {
    .name = "harness-bus",
    .parent = TYPE_BUS,
};

void harness_init(void)
{
    type_register_static(&bus_type);
    module_call_init(MODULE_INIT_TRACE);
    trace_init_backends();
    module_call_init(MODULE_INIT_QOM);
    qemu_init_main_loop(&error_abort);
    harness_locked = true;
}

void harness_run_bottom_halves(void)
{
    while (aio_poll(qemu_get_aio_context(), false)) {
        /* again */
    }
}

void harness_start(const IrqLogOptions *opts)
{
    irq_log_start(opts, &error_abort);
}

IrqLogSession *harness_stop(void)
{
    VmscopeSession *base = irq_log_trace.stop();

    g_assert_nonnull(base);
    while (!qatomic_load_acquire(&base->done)) {
        g_usleep(100);
    }
    harness_run_bottom_halves();
    return container_of(base, IrqLogSession, base);
}
