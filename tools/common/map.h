/*
 * map: from 64-bit numbers to indices, and strings kept for good.
 *
 * Both grow up to a limit that their owner sets, so that no input can make
 * them take all memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_MAP_H
#define VMSCOPE_COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct MapSlot {
    uint64_t key;
    uint32_t value;     /* 0: the slot is free */
} MapSlot;

/* Zeroes are an empty map. */
typedef struct Map {
    MapSlot *slots;
    size_t mask;        /* number of slots - 1 */
    size_t used;
} Map;

static inline size_t map_hash(uint64_t key)
{
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15;
    return (size_t)(key >> 20);
}

/**
 * map_get - look a number up
 *
 * Returns: its value, 0 when it has none
 */
static inline uint32_t map_get(const Map *map, uint64_t key)
{
    size_t i;

    if (!map->slots) {
        return 0;
    }
    for (i = map_hash(key) & map->mask; map->slots[i].value;
         i = (i + 1) & map->mask) {
        if (map->slots[i].key == key) {
            return map->slots[i].value;
        }
    }
    return 0;
}

/**
 * map_put - give a number a value
 * @key: has none so far
 * @value: not 0
 *
 * Ends the program when there is no memory, as grow() does.
 */
void map_put(Map *map, uint64_t key, uint32_t value);

/* As map_put(), for a @key that may have a value already. */
void map_set(Map *map, uint64_t key, uint32_t value);

/* Forget everything; memory is released. */
void map_clear(Map *map);

/**
 * grow - make room in an array for one more
 * @array: malloc()ed, or NULL
 * @n: elements used
 * @room: elements there is room for; changed
 * @size: of an element
 *
 * New room is zeroed.  Ends the program when there is no memory.
 */
void *grow(void *array, size_t n, size_t *room, size_t size);

/* A copy, freed with free(); ends the program when there is no memory. */
char *keep(const char *text);

/* Hash of a string. */
uint64_t hash_text(const char *text);

#endif
