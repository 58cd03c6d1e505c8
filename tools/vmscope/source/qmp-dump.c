/*
 * qmp-dump: see qmp-dump.h.
 *
 * Depth is bounded by jansson, which reads no deeper than 2048.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp-dump.h"

static void dump_integer(JsonOut *json, const char *key, json_int_t value)
{
    if (value < INT32_MIN) {
        jsonout_uint(json, key, (uint64_t)value);
    } else {
        jsonout_int(json, key, value);
    }
}

static void dump_array(JsonOut *json, const char *key, const json_t *array)
{
    size_t i;

    jsonout_begin(json, key, '[');
    for (i = 0; i < json_array_size(array); i++) {
        qmp_dump(json, NULL, json_array_get(array, i));
    }
    jsonout_end(json, ']');
}

void qmp_dump_members(JsonOut *json, const json_t *object)
{
    json_t *shared = (json_t *)object;      /* iterating changes nothing */
    void *at = json_object_iter(shared);

    for (; at; at = json_object_iter_next(shared, at)) {
        qmp_dump(json, json_object_iter_key(at), json_object_iter_value(at));
    }
}

void qmp_dump(JsonOut *json, const char *key, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        jsonout_begin(json, key, '{');
        qmp_dump_members(json, value);
        jsonout_end(json, '}');
        break;
    case JSON_ARRAY:
        dump_array(json, key, value);
        break;
    case JSON_STRING:
        jsonout_text(json, key, json_string_value(value));
        break;
    case JSON_INTEGER:
        dump_integer(json, key, json_integer_value(value));
        break;
    case JSON_REAL:
        jsonout_real(json, key, json_real_value(value));
        break;
    case JSON_NULL:
        jsonout_null(json, key);
        break;
    default:
        jsonout_bool(json, key, json_is_true(value));
        break;
    }
}
