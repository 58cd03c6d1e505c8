/*
 * profile/pprof: see pprof.h.
 *
 * Text stands in a table, in the order in which it is written, and is referred
 * to by its number; so are functions, and each has one location.  Numbers of
 * both are those of their names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "profile/pprof.h"

#include "common/message.h"
#include "export/proto.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {                                  /* Profile */
    SAMPLE_TYPE = 1,
    SAMPLE = 2,
    LOCATION = 4,
    FUNCTION = 5,
    STRING_TABLE = 6,
    TIME_NANOS = 9,
    DURATION_NANOS = 10,
    PERIOD_TYPE = 11,
    PERIOD = 12,
};

/* Strings that each profile begins with; number 0 must be "". */
enum { TEXT_NONE, TEXT_SAMPLES, TEXT_COUNT, TEXT_CPU, TEXT_NANOSECONDS };

enum { GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };

typedef struct Pprof {
    Out *out;
    z_stream zip;
    char **names;               /* of functions, by number, from 1 */
    size_t n_names;
    size_t room;
    Map index;                  /* hash of a name: its number */
    Proto packet;
    Proto inner;
    Proto line;
} Pprof;

/* Compressed, as far as that gives anything yet. */
static void put_bytes(Pprof *p, const void *bytes, size_t len, int flush)
{
    uint8_t room[4096];
    size_t n;

    p->zip.next_in = (Bytef *)bytes;
    p->zip.avail_in = (uInt)len;
    do {
        p->zip.next_out = room;
        p->zip.avail_out = sizeof(room);
        deflate(&p->zip, flush);
        n = sizeof(room) - p->zip.avail_out;
        out_bytes(p->out, (const char *)room, n);
    } while (!p->zip.avail_out);
}

/* Members of a Profile are written as they come; one too long is left out. */
static void begin_member(Pprof *p)
{
    proto_begin(&p->packet);
    proto_begin(&p->inner);
}

static void put_packet(Pprof *p)
{
    if (!p->packet.full) {
        put_bytes(p, p->packet.bytes, p->packet.len, Z_NO_FLUSH);
    }
}

static void end_member(Pprof *p, unsigned field)
{
    proto_message(&p->packet, field, &p->inner);
    put_packet(p);
}

static void put_text(Pprof *p, const char *text)
{
    begin_member(p);
    proto_text(&p->packet, STRING_TABLE, text);
    put_packet(p);
}

static void put_number(Pprof *p, unsigned field, uint64_t value)
{
    begin_member(p);
    proto_uint(&p->packet, field, value);
    put_packet(p);
}

static void put_type(Pprof *p, unsigned field, unsigned type, unsigned unit)
{
    begin_member(p);
    proto_uint(&p->inner, 1, type);                 /* ValueType */
    proto_uint(&p->inner, 2, unit);
    end_member(p, field);
}

static void put_function(Pprof *p, uint32_t number, const char *name)
{
    put_text(p, name);
    begin_member(p);
    proto_uint(&p->inner, 1, number);               /* Function */
    proto_uint(&p->inner, 2, TEXT_NANOSECONDS + (uint64_t)number);
    end_member(p, FUNCTION);
    begin_member(p);
    proto_begin(&p->line);
    proto_uint(&p->line, 1, number);                /* Line */
    proto_uint(&p->inner, 1, number);               /* Location */
    proto_message(&p->inner, 4, &p->line);
    end_member(p, LOCATION);
}

/* The number of a function, which is told of when it is new. */
static uint32_t number_of(Pprof *p, const char *name)
{
    uint64_t key = hash_text(name);
    uint32_t found;

    while ((found = map_get(&p->index, key)) != 0) {
        if (!strcmp(p->names[found - 1], name)) {
            return found;
        }
        key++;
    }
    p->names = grow(p->names, p->n_names, &p->room, sizeof(*p->names));
    p->names[p->n_names] = keep(name);
    found = (uint32_t)++p->n_names;
    map_put(&p->index, key, found);
    put_function(p, found, name);
    return found;
}

/* Innermost frame first, where a row has it last. */
static void put_sample(Pprof *p, const TallyRow *row, uint64_t period_ns)
{
    uint32_t frames[TALLY_NAME / 2 + 1];
    char names[TALLY_NAME];
    char *rest = names;
    char *frame;
    size_t n = 0;

    snprintf(names, sizeof(names), "%s", row->name);
    while ((frame = strsep(&rest, ";")) != NULL) {
        frames[n++] = number_of(p, frame);
    }
    begin_member(p);
    while (n) {
        proto_uint(&p->inner, 1, frames[--n]);      /* Sample */
    }
    proto_uint(&p->inner, 2, row->samples);
    proto_uint(&p->inner, 2, row->samples * period_ns);
    end_member(p, SAMPLE);
}

static void put_profile(Pprof *p, const Tally *tally, const PprofTimes *times)
{
    size_t i;

    put_text(p, "");
    put_text(p, "samples");
    put_text(p, "count");
    put_text(p, "cpu");
    put_text(p, "nanoseconds");
    put_type(p, SAMPLE_TYPE, TEXT_SAMPLES, TEXT_COUNT);
    put_type(p, SAMPLE_TYPE, TEXT_CPU, TEXT_NANOSECONDS);
    for (i = 0; i < tally->n_rows; i++) {
        put_sample(p, &tally->rows[i], times->period_ns);
    }
    put_number(p, TIME_NANOS, times->realtime_ns);
    put_number(p, DURATION_NANOS, times->duration_ns);
    put_type(p, PERIOD_TYPE, TEXT_CPU, TEXT_NANOSECONDS);
    put_number(p, PERIOD, times->period_ns);
}

bool pprof_write(Out *out, const Tally *tally, const PprofTimes *times,
                 Err *err)
{
    Pprof *p = calloc(1, sizeof(*p));
    size_t i;

    if (!p) {
        die_no_memory();
    }
    p->out = out;
    if (deflateInit2(&p->zip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW,
                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(p);
        err_set(err, ERR_NOMEM, "out of memory");
        return false;
    }
    put_profile(p, tally, times);
    put_bytes(p, "", 0, Z_FINISH);
    deflateEnd(&p->zip);
    for (i = 0; i < p->n_names; i++) {
        free(p->names[i]);
    }
    free(p->names);
    map_clear(&p->index);
    free(p);
    return true;
}
