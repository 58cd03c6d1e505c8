/*
 * winos/extra: see extra.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/extra.h"

#include <string.h>

static const WinosExtra extras[] = {
#include "extra-data.h"
};

const WinosExtra *winos_extra_row(const WinosResult *result, unsigned row)
{
    size_t i;

    for (i = 0; i < sizeof(extras) / sizeof(*extras); i++) {
        if (!strcmp(result->rows[row]->file_version,
                    extras[i].file_version)) {
            return &extras[i];
        }
    }
    return NULL;
}

const WinosExtra *winos_extra_of(const WinosResult *result)
{
    const WinosExtra *extra = NULL;
    unsigned r;

    for (r = 0; r < result->n_rows && !extra; r++) {
        extra = winos_extra_row(result, r);
    }
    return extra;
}
