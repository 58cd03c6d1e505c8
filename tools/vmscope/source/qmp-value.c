/*
 * qmp-value: members of answers and arguments; see qmp.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp.h"

#include "common/message.h"

bool qmp_has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

int64_t qmp_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

uint64_t qmp_uint(const json_t *object, const char *key, uint64_t otherwise)
{
    return (uint64_t)qmp_int(object, key, (int64_t)otherwise);
}

bool qmp_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

const char *qmp_text(const json_t *object, const char *key,
                     const char *otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? json_string_value(value) : otherwise;
}

void qmp_set(json_t *object, const char *key, json_t *value)
{
    if (!object || json_object_set_new(object, key, value)) {
        die_no_memory();
    }
}
