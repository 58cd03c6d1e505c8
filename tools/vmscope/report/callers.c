/*
 * report-callers: see callers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/callers.h"

#include "common/map.h"
#include "common/message.h"
#include "irqlog-analyze/debuginfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Places in QEMU that raise interrupts, at most; a few hundred are usual. */
enum { CALLERS_MAX = 4096, NAME_MAX_BYTES = 512 };

struct Callers {
    const TraceInfo *info;
    uint64_t list[CALLERS_MAX];
    unsigned n;
    Map known;                  /* addresses; the value is 1 */
};

uint64_t callers_offset(const TraceInfo *info, uint64_t address)
{
    return address > info->load_base ? address - info->load_base : address;
}

Callers *callers_new(const TraceInfo *info)
{
    Callers *callers = calloc(1, sizeof(*callers));

    if (!callers) {
        die_no_memory();
    }
    callers->info = info;
    return callers;
}

void callers_free(Callers *callers)
{
    if (callers) {
        map_clear(&callers->known);
        free(callers);
    }
}

void callers_add(Callers *callers, uint64_t address)
{
    if (address && callers->n < CALLERS_MAX &&
        !map_get(&callers->known, address)) {
        callers->list[callers->n++] = address;
        map_put(&callers->known, address, 1);
    }
}

/* QEMU's program, if it is the one that was recorded; else NULL. */
static DebugFile *open_program(const TraceInfo *info)
{
    DebugFile *file;
    Err err;

    /* a recording is often looked at where QEMU is not */
    if (!*info->exe || !info->load_base || access(info->exe, R_OK)) {
        return NULL;
    }
    file = debuginfo_open(info->exe, info->load_base, &err);
    if (!file) {
        message("callers are not named: %s", err.text);
    } else if (strcmp(debuginfo_build_id(file), info->build_id)) {
        message("callers are not named: %s is another build than the one "
                "that was recorded", info->exe);
        debuginfo_close(file);
        file = NULL;
    }
    return file;
}

/* The outermost function first.  Returns: false when none has a name. */
static bool join_frames(const Symbol *symbol, char *name)
{
    size_t used = 0;
    unsigned i;

    *name = '\0';
    for (i = symbol->n_frames; i && used < NAME_MAX_BYTES; i--) {
        const char *function = symbol->frames[i - 1].function;

        if (function) {
            used += (size_t)snprintf(name + used, NAME_MAX_BYTES - used,
                                     "%s%s", used ? " > " : "", function);
        }
    }
    return *name != '\0';
}

static void write_one(const Callers *callers, DebugFile *file,
                      uint64_t address, JsonOut *json)
{
    char name[NAME_MAX_BYTES];
    Symbol symbol = { 0 };

    /* the call is before the address that it returns to */
    if (debuginfo_lookup(file, address - 1, &symbol) &&
        join_frames(&symbol, name)) {
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "offset", callers_offset(callers->info, address));
        jsonout_text(json, "name", name);
        jsonout_end(json, '}');
    }
    symbol_release(&symbol);
}

void callers_write(const Callers *callers, JsonOut *json)
{
    DebugFile *file = callers->n ? open_program(callers->info) : NULL;
    unsigned i;

    jsonout_begin(json, NULL, '[');
    for (i = 0; file && i < callers->n; i++) {
        write_one(callers, file, callers->list[i], json);
    }
    jsonout_end(json, ']');
    if (file) {
        debuginfo_close(file);
    }
}
