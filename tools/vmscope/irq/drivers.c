/*
 * irq-drivers: see irq-drivers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq/drivers.h"

#include <string.h>

void irq_drivers_read(IrqDrivers *drivers, Qmp *qmp)
{
    Err err;
    json_t *answer = qmp_command(qmp, "query-windows-interrupts", NULL, &err);
    const json_t *list = json_object_get(answer, "interrupts");
    size_t i;

    memset(drivers, 0, sizeof(*drivers));
    for (i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        uint64_t vector = qmp_uint(entry, "vector", IRQ_DRIVERS_VECTORS);

        if (vector < IRQ_DRIVERS_VECTORS) {
            driver_names_add(drivers->of[vector], entry);
        }
    }
    json_decref(answer);
}
