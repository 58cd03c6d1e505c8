/*
 * winos/processes: see processes.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/processes.h"

#include "base/le.h"
#include "base/utf16.h"
#include "winos/live.h"

#include <string.h>

enum {
    STRING_SIZE = 0x10,         /* a UNICODE_STRING; the text is behind it */
    IMAGE_BYTES = WINOS_PROCESS_IMAGE - 1,
    IMAGE_SURE = 14,            /* so many bytes of a longer name are kept */
    TAIL_UNITS = 64,            /* of a path, in which its last part is */
    BEFORE = 0x100,             /* how far from ImageFileName is looked */
    BEHIND = 0x180,
    ASKED = 64,                 /* processes whose word is asked for */
    ENOUGH = 2,                 /* that agree where nothing is published */
    TEXT_BYTES = 2 * WINOS_PROCESS_PATH,
    MAX_STEPS = 2 * WINOS_MAX_PROCESSES,
};

/*
 * From ImageFileName: 9200 and later, and before.
 * Source: docs/guest-facts/modules.md.
 */
static const int32_t distances[] = { 0x18, 0xb0 };

/* A path in memory. */
typedef struct PathText {
    uint64_t gva;
    uint32_t bytes;
} PathText;

/*
 * What a pointer leads to.
 *
 * Returns: 1: a text; 0: nothing, an empty one, or one that is not in memory;
 * -1: something else
 */
static int path_find_text(const GmemSpace *space, uint64_t pointer,
                          PathText *text)
{
    uint8_t raw[STRING_SIZE];

    if (!pointer) {
        return 0;
    }
    if (!gmem_is_kernel(space, pointer) || pointer % 8) {
        return -1;
    }
    if (!gmem_read(space, pointer, raw, sizeof(raw), NULL)) {
        return 0;
    }
    text->bytes = load_le16(raw);
    text->gva = pointer + STRING_SIZE;
    if (text->bytes % 2 || text->bytes > load_le16(raw + 2) ||
        (text->bytes && load_le64(raw + 8) != text->gva)) {
        return -1;
    }
    return text->bytes > 0;
}

static uint16_t path_lower(uint16_t unit)
{
    return unit >= 'A' && unit <= 'Z' ? unit + 0x20 : unit;
}

/*
 * Is the name of the image what the path ends in?  Which code page the bytes
 * are in is not known, so only what is ASCII is compared.
 */
static bool path_ends_in(const uint8_t *name, unsigned units,
                         const uint8_t *image)
{
    unsigned i;

    for (i = 0; i < IMAGE_BYTES && image[i]; i++) {
        uint16_t unit = i < units ? load_le16(name + 2 * i) : 0;

        if (unit >= 0x80 && image[i] >= 0x80) {
            return true;
        }
        if (unit >= 0x80 || image[i] >= 0x80 ||
            path_lower(unit) != path_lower(image[i])) {
            return false;
        }
    }
    return i > 0 && (i == units || i >= IMAGE_SURE);
}

/* Returns: 1: a path that ends in the image's name; -1: another text. */
static int path_ask(const GmemSpace *space, uint64_t pointer,
                    const uint8_t *image)
{
    uint8_t tail[2 * TAIL_UNITS];
    PathText text;
    uint32_t n;
    unsigned i;
    int answer = path_find_text(space, pointer, &text);

    if (answer <= 0) {
        return answer;
    }
    n = text.bytes < sizeof(tail) ? text.bytes : sizeof(tail);
    if (!gmem_read(space, text.gva + text.bytes - n, tail, n, NULL)) {
        return 0;
    }
    for (i = n / 2; i > 0; i--) {
        if (load_le16(tail + 2 * (i - 1)) == '\\') {
            return path_ends_in(tail + 2 * i, n / 2 - i, image) ? 1 : -1;
        }
    }
    return -1;
}

/* Do the processes bear a place out?  Returns: how many, or 0. */
static unsigned path_votes(const WinosResult *result, int32_t at,
                           int32_t image_at, const uint64_t *processes,
                           unsigned n)
{
    const GmemSpace *space = &result->kernel.space;
    unsigned for_it = 0, against = 0;
    uint8_t image[IMAGE_BYTES];
    uint64_t pointer;
    unsigned i;

    for (i = 0; i < n && i < ASKED; i++) {
        int answer;

        if (!gmem_read_u64(space, processes[i] + (uint64_t)at, &pointer) ||
            !gmem_read(space, processes[i] + (uint64_t)image_at, image,
                       sizeof(image), NULL)) {
            continue;
        }
        answer = path_ask(space, pointer, image);
        for_it += answer > 0;
        against += answer < 0;
    }
    return against * 2 > for_it ? 0 : for_it;
}

int32_t winos_path_place(const WinosResult *result, const uint64_t *processes,
                         unsigned n)
{
    int32_t name = winos_offset(&result->layout,
                                WINOS_EPROCESS_IMAGE_FILE_NAME);
    int32_t found = WINOS_NO_OFFSET;
    int32_t at;
    unsigned i;

    if (name < 0) {
        return WINOS_NO_OFFSET;
    }
    for (i = 0; i < sizeof(distances) / sizeof(*distances); i++) {
        if (path_votes(result, name + distances[i], name, processes, n)) {
            return name + distances[i];
        }
    }
    for (at = name > BEFORE ? (name - BEFORE) & ~7 : 0; at < name + BEHIND;
         at += 8) {
        if (path_votes(result, at, name, processes, n) < ENOUGH) {
            continue;
        }
        if (found >= 0) {
            return WINOS_NO_OFFSET;
        }
        found = at;
    }
    return found;
}

bool winos_process_path(const WinosResult *result, int32_t at,
                        uint64_t process, char *path, size_t size)
{
    const GmemSpace *space = &result->kernel.space;
    uint8_t bytes[TEXT_BYTES];
    uint64_t pointer;
    PathText text;

    *path = '\0';
    if (at < 0 || !gmem_read_u64(space, process + (uint64_t)at, &pointer) ||
        path_find_text(space, pointer, &text) <= 0) {
        return false;
    }
    if (text.bytes > sizeof(bytes)) {
        text.bytes = sizeof(bytes);
    }
    return gmem_read(space, text.gva, bytes, text.bytes, NULL) &&
           utf16_to_utf8(bytes, text.bytes, path, size, NULL) > 0;
}

static bool process_read(const WinosResult *result, uint64_t gva,
                         WinosProcess *process)
{
    const GmemSpace *space = &result->kernel.space;
    const WinosLayout *layout = &result->layout;
    int32_t pid = winos_offset(layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID);
    int32_t parent = winos_offset(layout, WINOS_EPROCESS_INHERITED_FROM);
    int32_t image = winos_offset(layout, WINOS_EPROCESS_IMAGE_FILE_NAME);

    memset(process, 0, sizeof(*process));
    process->address = gva;
    if (!live_is_object(space, gva, LIVE_PROCESS) ||
        !gmem_read_u64(space, gva + (uint64_t)pid, &process->pid)) {
        return false;
    }
    process->has_parent = parent >= 0 &&
                          gmem_read_u64(space, gva + (uint64_t)parent,
                                        &process->parent);
    if (image < 0 || !gmem_read(space, gva + (uint64_t)image, process->image,
                                IMAGE_BYTES, NULL)) {
        memset(process->image, 0, sizeof(process->image));
    }
    return true;
}

/* The same walk as winos_modules_read(); the list's head is no process. */
static WinosListEnd processes_list(const WinosResult *result, int32_t links,
                                   WinosProcess *processes, unsigned max,
                                   unsigned *n)
{
    const GmemSpace *space = &result->kernel.space;
    uint64_t head = result->kernel.system_process + (uint64_t)links;
    uint64_t at = head, behind = 0;
    unsigned steps, moved = 1;

    for (steps = 1; at != behind && steps <= MAX_STEPS; steps++) {
        if (*n == max) {
            return WINOS_LIST_FULL;
        }
        *n += process_read(result, at - (uint64_t)links, &processes[*n]);
        if (steps == moved) {
            behind = at;
            moved *= 2;
        }
        if (!gmem_read_u64(space, at, &at) || !gmem_is_kernel(space, at)) {
            return WINOS_LIST_BROKEN;
        }
        if (at == head) {
            return WINOS_LIST_WHOLE;
        }
    }
    return WINOS_LIST_LOOPS;
}

WinosListEnd winos_processes_read(const WinosResult *result,
                                  WinosProcess *processes, unsigned max,
                                  unsigned *n)
{
    const WinosLayout *layout = &result->layout;
    int32_t links = winos_offset(layout, WINOS_EPROCESS_ACTIVE_PROCESS_LINKS);
    uint64_t asked[ASKED];
    WinosListEnd end;
    int32_t at;
    unsigned i;

    *n = 0;
    max = max < WINOS_MAX_PROCESSES ? max : WINOS_MAX_PROCESSES;
    if (links < 0 || !winos_has(layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID) ||
        !result->kernel.system_process) {
        return WINOS_LIST_NONE;
    }
    end = processes_list(result, links, processes, max, n);
    for (i = 0; i < *n && i < ASKED; i++) {
        asked[i] = processes[i].address;
    }
    at = winos_path_place(result, asked, i);
    for (i = 0; i < *n; i++) {
        winos_process_path(result, at, processes[i].address,
                           processes[i].path, sizeof(processes[i].path));
    }
    return end;
}
