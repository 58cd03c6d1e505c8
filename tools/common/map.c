/*
 * map: see map.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/map.h"

#include "common/message.h"

#include <stdlib.h>
#include <string.h>

static void insert(Map *map, uint64_t key, uint32_t value)
{
    size_t i = map_hash(key) & map->mask;

    while (map->slots[i].value) {
        i = (i + 1) & map->mask;
    }
    map->slots[i].key = key;
    map->slots[i].value = value;
}

static void enlarge(Map *map)
{
    Map larger = { .mask = map->slots ? 2 * map->mask + 1 : 63 };
    size_t i;

    larger.slots = calloc(larger.mask + 1, sizeof(*larger.slots));
    if (!larger.slots) {
        die_no_memory();
    }
    for (i = 0; map->slots && i <= map->mask; i++) {
        if (map->slots[i].value) {
            insert(&larger, map->slots[i].key, map->slots[i].value);
        }
    }
    larger.used = map->used;
    free(map->slots);
    *map = larger;
}

void map_put(Map *map, uint64_t key, uint32_t value)
{
    if (!map->slots || map->used * 2 > map->mask) {
        enlarge(map);
    }
    insert(map, key, value);
    map->used++;
}

void map_set(Map *map, uint64_t key, uint32_t value)
{
    size_t i;

    if (!map_get(map, key)) {
        map_put(map, key, value);
        return;
    }
    for (i = map_hash(key) & map->mask; map->slots[i].key != key;
         i = (i + 1) & map->mask) {
    }
    map->slots[i].value = value;
}

void map_clear(Map *map)
{
    free(map->slots);
    memset(map, 0, sizeof(*map));
}

void *grow(void *array, size_t n, size_t *room, size_t size)
{
    size_t more = *room ? 2 * *room : 16;

    if (n < *room) {
        return array;
    }
    array = reallocarray(array, more, size);
    if (!array) {
        die_no_memory();
    }
    memset((char *)array + n * size, 0, (more - n) * size);
    *room = more;
    return array;
}

char *keep(const char *text)
{
    char *copy = strdup(text);

    if (!copy) {
        die_no_memory();
    }
    return copy;
}

uint64_t hash_text(const char *text)
{
    size_t len = strlen(text);
    uint64_t hash = 0x2545f4914f6cdd1d ^ len;
    uint64_t word;

    for (; len >= 8; len -= 8, text += 8) {
        memcpy(&word, text, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, text, len);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}
