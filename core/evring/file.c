/*
 * evring/file: see file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "evring/file.h"

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
           round_up(shape->n_rings * sizeof(EvringHead), 4096);
}

uint64_t evring_file_size(const EvringShape *shape)
{
    return slots_offset(shape) +
           round_up(shape->n_rings * shape->entries *
                    evring_slot_size(shape->n_words), 4096);
}

void evring_file_init(EvringHeader *header, const EvringShape *shape)
{
    header->version = EVRING_VERSION;
    header->header_size = EVRING_HEADER_SIZE;
    header->content = shape->content;
    header->n_rings = shape->n_rings;
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
    return header->n_rings >= 1 && header->n_rings <= EVRING_MAX_RINGS &&
           header->entries >= EVRING_MIN_ENTRIES &&
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
    if (header->version != EVRING_VERSION) {
        err_set(err, ERR_VERSION, "ring file of version %" PRIu32 ", but this "
                "program reads version %d", header->version, EVRING_VERSION);
        return false;
    }
    if (header->header_size != EVRING_HEADER_SIZE || !shape_is_sane(header)) {
        err_set(err, ERR_FORMAT, "damaged ring file: its header makes no "
                "sense");
        return false;
    }
    slots = header->n_rings * header->entries * header->slot_size;
    if (!fits(header->tables_offset, header->tables_size, size) ||
        !fits(header->heads_offset, header->n_rings * sizeof(EvringHead),
              size) ||
        !fits(header->slots_offset, slots, size)) {
        err_set(err, ERR_FORMAT, "truncated ring file: %" PRIu64 " bytes, but "
                "its header speaks of %" PRIu64, size, header->size);
        return false;
    }
    return true;
}

void evring_file_ring(EvringHeader *header, unsigned n, Evring *ring)
{
    char *start = (char *)header;
    EvringHead *heads = (EvringHead *)(start + header->heads_offset);
    char *slots = start + header->slots_offset;

    evring_attach(ring, &heads[n],
                  slots + n * header->entries * header->slot_size,
                  header->entries, header->n_words);
}
