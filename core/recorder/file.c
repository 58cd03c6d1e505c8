/*
 * recorder/file: see file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/file.h"

#include "base/str.h"

#include <inttypes.h>
#include <string.h>

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t heads_offset(const EvringShape *shape)
{
    return EVRING_HEADER_SIZE + round_up(shape->tables_size, 4096);
}

static uint64_t slots_offset(const EvringShape *shape)
{
    return heads_offset(shape) +
           round_up(sizeof(EvringHead), 4096);
}

uint64_t evring_file_size(const EvringShape *shape)
{
    return slots_offset(shape) +
           round_up(shape->entries * evring_slot_size(shape->n_words), 4096);
}

void evring_file_init(EvringHeader *header, const EvringShape *shape)
{
    header->version = EVRING_VERSION;
    header->header_size = EVRING_HEADER_SIZE;
    header->content = shape->content;
    header->n_rings = 1;
    header->entries = shape->entries;
    header->n_words = shape->n_words;
    header->slot_size = evring_slot_size(shape->n_words);
    header->tables_offset = EVRING_HEADER_SIZE;
    header->tables_size = shape->tables_size;
    header->heads_offset = heads_offset(shape);
    header->slots_offset = slots_offset(shape);
    header->size = evring_file_size(shape);
    atomic_store_explicit(&header->state, EVRING_RECORDING,
                          memory_order_relaxed);
}

/* The shortest baseline that tells a rate to some 0.1 %. */
enum { BASELINE_NS = 300000 };

void recorder_begin_clock(ClockKeeper *keeper, ClockSource *source,
                          EvringHeader *header, const ClockReading *earlier)
{
    ClockKind kind = clock_host_kind_now();
    ClockReading before;
    ClockReading now;

    clock_read(kind, &before);
    do {
        clock_read(kind, &now);
    } while (kind == CLOCK_KIND_TSC &&
             now.monotonic_ns - before.monotonic_ns < BASELINE_NS);
    keeper_begin(keeper, source, kind, &header->clock, earlier, &before, &now);
    header->begin.monotonic_ns = now.monotonic_ns;
    header->begin.realtime_ns = now.realtime_ns;
    header->begin.stamp = now.counter;
}

void recorder_begin(EvringHeader *header, const EvringShape *shape,
                    const RecorderRun *run, Evring *ring, ClockSource *clock,
                    ClockKeeper *keeper, const ClockReading *earlier)
{
    evring_file_init(header, shape);
    header->pid = run->pid;
    header->n_vcpus = run->n_vcpus;
    header->load_base = run->load_base;
    str_copy(header->build_id, sizeof(header->build_id), run->build_id);
    str_copy(header->exe, sizeof(header->exe), run->exe);
    evring_file_ring(header, ring);
    recorder_begin_clock(keeper, clock, header, earlier);
    keeper_set_ring(keeper, ring);
}

void recorder_stop(EvringHeader *header, const ClockSource *clock)
{
    atomic_store_explicit(&header->end_stamp, clock_stamp(clock),
                          memory_order_relaxed);
    /* Pairs with a reader's acquire: the time first. */
    atomic_store_explicit(&header->state, EVRING_STOPPED,
                          memory_order_release);
}

void evring_file_publish(EvringHeader *header)
{
    /* A reader of the file sees the magic only after the rest. */
    atomic_thread_fence(memory_order_release);
    memcpy(header->magic, EVRING_MAGIC, sizeof(header->magic));
}

/* Does [offset, offset + length) lie within size, after the header? */
static bool fits(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset >= EVRING_HEADER_SIZE && offset % 64 == 0 &&
           offset <= size && length <= size - offset;
}

static bool shape_is_sane(const EvringHeader *header)
{
    return header->n_rings == 1 && header->entries >= EVRING_MIN_ENTRIES &&
           header->entries <= EVRING_MAX_ENTRIES &&
           (header->entries & (header->entries - 1)) == 0 &&
           header->n_words <= EVRING_MAX_WORDS &&
           header->slot_size == evring_slot_size(header->n_words);
}

bool evring_file_check(const EvringHeader *header, uint64_t size, Err *err)
{
    uint64_t slots;

    if (size < EVRING_HEADER_SIZE ||
        memcmp(header->magic, EVRING_MAGIC, sizeof(header->magic)) != 0) {
        err_set(err, ERR_FORMAT, "not a vmscope ring file");
        return false;
    }
    if (header->version == 0 || header->version > EVRING_VERSION) {
        err_set(err, ERR_VERSION, "ring file of version %" PRIu32 ", but this "
                "program reads up to version %d", header->version,
                EVRING_VERSION);
        return false;
    }
    if (header->header_size != EVRING_HEADER_SIZE || !shape_is_sane(header)) {
        err_set(err, ERR_FORMAT, "damaged ring file: its header makes no "
                "sense");
        return false;
    }
    slots = header->entries * header->slot_size;
    if (!fits(header->tables_offset, header->tables_size, size) ||
        !fits(header->heads_offset, sizeof(EvringHead), size) ||
        !fits(header->slots_offset, slots, size)) {
        err_set(err, ERR_FORMAT, "truncated ring file: %" PRIu64 " bytes, but "
                "its header speaks of %" PRIu64, size, header->size);
        return false;
    }
    return true;
}

void evring_file_ring(EvringHeader *header, Evring *ring)
{
    char *start = (char *)header;

    evring_attach(ring, (EvringHead *)(start + header->heads_offset),
                  start + header->slots_offset, header->entries,
                  header->n_words);
}

bool recorder_attach(EvringHeader *header, uint64_t size,
                     EvringContent content, const char *what,
                     uint64_t tables_size, unsigned min_words,
                     unsigned max_words, Evring *ring, Err *err)
{
    if (!evring_file_check(header, size, err)) {
        return false;
    }
    if (header->content != content) {
        err_set(err, ERR_FORMAT, "this ring file does not hold %s", what);
        return false;
    }
    if (header->tables_size != tables_size || header->n_words < min_words ||
        header->n_words > max_words) {
        err_set(err, ERR_FORMAT, "damaged ring file: tables or records of "
                "impossible size");
        return false;
    }
    evring_file_ring(header, ring);
    return true;
}
