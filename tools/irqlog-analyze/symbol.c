/*
 * symbol: see symbol.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "symbol.h"

#include "common/map.h"
#include "message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a path ends without its last part; @to when there is none to drop. */
static char *drop_part(char *start, char *to)
{
    char *slash = memrchr(start, '/', (size_t)(to - start));
    bool is_up = slash && to - slash == 3 && !memcmp(slash, "/..", 3);

    return slash && slash + 1 < to && !is_up ? slash : to;
}

/*
 * Take "./" and "x/../" out of a path: compilers are called with ../hw/pci.c
 * from a build folder.  What a symbolic link might mean is not looked at.
 */
static void simplify(char *path)
{
    char *from = path;
    char *to = path;
    char *shorter;

    while (*from) {
        shorter = strncmp(from, "/../", 4) ? to : drop_part(path, to);
        if (!strncmp(from, "/./", 3)) {
            from += 2;
        } else if (shorter != to) {
            to = shorter;
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* The whole path; freed with free(). */
static char *whole_path(const Place *place)
{
    char *path;

    if (!place->folder || *place->file == '/' || !*place->folder) {
        return keep(place->file);
    }
    if (asprintf(&path, "%s/%s", place->folder, place->file) < 0) {
        die_no_memory();
    }
    return path;
}

void symbol_add(Symbol *symbol, const char *function, const Place *place,
                uint64_t offset)
{
    Frame *frame = &symbol->frames[symbol->n_frames];

    if (symbol->n_frames == SYMBOL_FRAMES_MAX) {
        return;
    }
    frame->function = function ? keep(function) : NULL;
    frame->file = place->file ? whole_path(place) : NULL;
    frame->line = place->line;
    frame->offset = offset;
    if (frame->file) {
        simplify(frame->file);
    }
    symbol->n_frames++;
}

void symbol_release(Symbol *symbol)
{
    unsigned i;

    for (i = 0; i < symbol->n_frames; i++) {
        free(symbol->frames[i].function);
        free(symbol->frames[i].file);
    }
    symbol->n_frames = 0;
}
