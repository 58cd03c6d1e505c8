/*
 * irq-drivers: see irq-drivers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq/drivers.h"

#include <stdio.h>
#include <string.h>

/* Is @name one of the names in @list, which stand with commas? */
static bool is_in(const char *list, const char *name)
{
    size_t length = strlen(name);
    const char *at = list;

    while ((at = strstr(at, name))) {
        if ((at == list || at[-1] == ' ') &&
            (!at[length] || at[length] == ',')) {
            return true;
        }
        at++;
    }
    return false;
}

static void add_routine(char *list, const json_t *routine)
{
    const char *driver = qmp_text(routine, "driver", "");
    const char *owner = qmp_text(routine, "device-driver", "");
    size_t length = strlen(list);
    char name[IRQ_DRIVERS_TEXT];

    if (!*driver) {
        return;
    }
    if (*owner && strcmp(owner, driver)) {
        snprintf(name, sizeof(name), "%s by %s", owner, driver);
    } else {
        snprintf(name, sizeof(name), "%s", driver);
    }
    if (!is_in(list, name) &&
        length + strlen(name) + sizeof(", ") <= IRQ_DRIVERS_TEXT) {
        snprintf(list + length, IRQ_DRIVERS_TEXT - length, "%s%s",
                 length ? ", " : "", name);
    }
}

void irq_drivers_read(IrqDrivers *drivers, Qmp *qmp)
{
    Err err;
    json_t *answer = qmp_command(qmp, "query-windows-interrupts", NULL, &err);
    const json_t *list = json_object_get(answer, "interrupts");
    size_t i, k;

    memset(drivers, 0, sizeof(*drivers));
    for (i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        const json_t *routines = json_object_get(entry, "routines");
        uint64_t vector = qmp_uint(entry, "vector", IRQ_DRIVERS_VECTORS);

        for (k = 0; vector < IRQ_DRIVERS_VECTORS &&
             k < json_array_size(routines); k++) {
            add_routine(drivers->of[vector], json_array_get(routines, k));
        }
    }
    json_decref(answer);
}
