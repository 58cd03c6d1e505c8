/*
 * irqlog/event: see event.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/event.h"

#include <string.h>

static const char *const kind_names[IRQLOG_KIND_COUNT] = {
    [IRQLOG_HARDWARE] = "hardware",
    [IRQLOG_PERCPU] = "percpu",
    [IRQLOG_SOFTWARE] = "software",
    [IRQLOG_MSI] = "msi",
};

const char *irqlog_kind_name(IrqlogKind kind)
{
    return (unsigned)kind < IRQLOG_KIND_COUNT ? kind_names[kind] : "unknown";
}

bool irqlog_kind_from_name(const char *name, IrqlogKind *kind)
{
    unsigned i;

    for (i = 0; i < IRQLOG_KIND_COUNT; i++) {
        if (!strcmp(name, kind_names[i])) {
            *kind = (IrqlogKind)i;
            return true;
        }
    }
    return false;
}
