/*
 * driver-names: see driver-names.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/driver-names.h"

#include <stdio.h>
#include <string.h>

/* Is the name of @length bytes one of those in @list? */
static bool is_in(const char *list, const char *name, size_t length)
{
    const char *at = list;
    size_t here;

    while (*at) {
        here = strcspn(at, ",");
        if (here == length && !memcmp(at, name, length)) {
            return true;
        }
        at += here;
        at += strspn(at, ", ");
    }
    return false;
}

static void add(char *list, const char *name, size_t length)
{
    size_t used = strlen(list);

    if (length && !is_in(list, name, length) &&
        used + length + sizeof(", ") <= DRIVER_NAMES_SIZE) {
        snprintf(list + used, DRIVER_NAMES_SIZE - used, "%s%.*s",
                 used ? ", " : "", (int)length, name);
    }
}

void driver_names_join(char *list, const char *names)
{
    size_t length;

    while (*names) {
        length = strcspn(names, ",");
        add(list, names, length);
        names += length;
        names += strspn(names, ", ");
    }
}

static void add_routine(char *list, const json_t *routine)
{
    const char *driver = qmp_text(routine, "driver", "");
    const char *owner = qmp_text(routine, "device-driver", "");
    char name[DRIVER_NAMES_SIZE];

    if (*owner && strcmp(owner, driver)) {
        snprintf(name, sizeof(name), "%s by %s", owner, driver);
    } else {
        snprintf(name, sizeof(name), "%s", driver);
    }
    add(list, name, *driver ? strlen(name) : 0);
}

void driver_names_add(char *list, const json_t *interrupt)
{
    const json_t *routines = json_object_get(interrupt, "routines");
    size_t i;

    for (i = 0; i < json_array_size(routines); i++) {
        add_routine(list, json_array_get(routines, i));
    }
}
