/*
 * record-drivers: see record-drivers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "record/drivers.h"

#include "record/ticks.h"
#include "shared/driver-names.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)TRACE_DRIVERS_SIZE == (int)DRIVER_NAMES_SIZE,
               "what is asked for fits the file");

/* Entries that are kept: those of 64 vCPUs with all vectors used. */
enum { MAX_TOLD = 16384 };

void record_drivers_begin(RecordDrivers *drivers, Qmp *qmp, pid_t pid,
                          uint64_t every_ns)
{
    *drivers = (RecordDrivers) {
        .qmp = qmp, .pid = pid, .every_ns = every_ns,
    };
}

void record_drivers_end(RecordDrivers *drivers)
{
    map_clear(&drivers->by_vector);
    free(drivers->told);
    *drivers = (RecordDrivers) { 0 };
}

void record_drivers_again(RecordDrivers *drivers)
{
    map_clear(&drivers->by_vector);
    drivers->n_told = 0;
    drivers->next_ns = 0;
}

static bool read_entry(const json_t *entry, TraceVector *vector)
{
    uint64_t vcpu = qmp_uint(entry, "vcpu", TRACE_MAX_VCPUS);
    uint64_t number = qmp_uint(entry, "vector", 256);
    uint64_t apic_id = qmp_uint(entry, "apic-id", UINT64_MAX);

    *vector = (TraceVector) {
        .vcpu = (uint32_t)vcpu, .vector = (uint8_t)number,
        .has_apic_id = apic_id <= UINT32_MAX, .apic_id = (uint32_t)apic_id,
    };
    driver_names_add(vector->drivers, entry);
    return vcpu < TRACE_MAX_VCPUS && number < 256;
}

static bool is_same(const TraceVector *a, const TraceVector *b)
{
    return a->has_apic_id == b->has_apic_id && a->apic_id == b->apic_id &&
           !strcmp(a->drivers, b->drivers);
}

/* False: the file says just this, or of too many already. */
static bool is_new(RecordDrivers *drivers, const TraceVector *vector)
{
    uint64_t key = (uint64_t)vector->vcpu << 8 | vector->vector;
    uint32_t found = map_get(&drivers->by_vector, key);

    if (found && is_same(&drivers->told[found - 1], vector)) {
        return false;
    }
    if (!found) {
        if (drivers->n_told == MAX_TOLD) {
            return false;
        }
        drivers->told = grow(drivers->told, drivers->n_told, &drivers->room,
                             sizeof(*drivers->told));
        found = (uint32_t)++drivers->n_told;
        map_put(&drivers->by_vector, key, found);
    }
    drivers->told[found - 1] = *vector;
    return true;
}

static bool write_new(RecordDrivers *drivers, const json_t *list,
                      TraceWriter *writer, Err *err)
{
    TraceVector vector;
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        if (read_entry(json_array_get(list, i), &vector) &&
            is_new(drivers, &vector) &&
            !trace_writer_vector(writer, &vector, err)) {
            return false;
        }
    }
    return true;
}

bool record_drivers_look(RecordDrivers *drivers, uint64_t now_ns, bool last,
                         TraceWriter *writer, Err *err)
{
    json_t *answer;
    Err ignored;
    bool ok;

    if (!drivers->qmp || (now_ns < drivers->next_ns && !last) ||
        record_qemu_is_stopped(drivers->pid)) {
        return true;
    }
    drivers->next_ns = now_ns + drivers->every_ns;
    answer = qmp_command(drivers->qmp, "query-windows-interrupts", NULL,
                         &ignored);
    ok = write_new(drivers, json_object_get(answer, "interrupts"), writer,
                   err);
    json_decref(answer);
    return ok;
}
