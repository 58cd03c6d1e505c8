/*
 * qmp-dump: an answer as JSON again, with its large numbers as QEMU had them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_DUMP_H
#define VMSCOPE_QMP_DUMP_H

#include "common/jsonout.h"

#include <jansson.h>

/**
 * qmp_dump - write a value
 * @key: of the member it becomes; NULL for an element or a whole
 *
 * Integers below -2^31 are taken for large unsigned ones, see qmp_command():
 * QMP has no smaller ones in what is shown here.
 */
void qmp_dump(JsonOut *json, const char *key, const json_t *value);

/* All members of an object, into an object that is open. */
void qmp_dump_members(JsonOut *json, const json_t *object);

#endif
