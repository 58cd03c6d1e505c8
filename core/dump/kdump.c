/*
 * dump/kdump: makedumpfile's compressed format, as QEMU writes it: raw, or
 * flattened, which is made for pipes and has its pieces in the order in which
 * they came.
 *
 * Sources: docs/guest-facts/dumps.md, "kdump".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_VERSION = 8, HEAD_STATUS = 0x1a8, HEAD_BLOCK = 0x1ac,
    HEAD_SUB = 0x1b0, HEAD_BITMAP = 0x1b4, HEAD_MAX = 0x1b8,
    HEAD_SIZE = 0x1bc,
    SUB_NOTES = 0x30, SUB_NOTES_SIZE = 0x38, SUB_MAX = 0x60, SUB_SIZE = 0x68,
    MAX_SUB_BLOCKS = 1024,
    LAST_DESCS = 1 << 16,
    STATUS_ZLIB = 1, STATUS_LZO = 2, STATUS_SNAPPY = 4, STATUS_INCOMPLETE = 8,
    STATUS_ZSTD = 0x20,

    FLAT_TYPE = 16, FLAT_VERSION = 24, FLAT_HEAD = 4096, FLAT_RECORD = 16,
    MAX_RECORDS = 1 << 24,
};

static DumpCodec codec_of(uint32_t status)
{
    return status & STATUS_ZLIB ? DUMP_ZLIB :
           status & STATUS_LZO ? DUMP_LZO :
           status & STATUS_SNAPPY ? DUMP_SNAPPY :
           status & STATUS_ZSTD ? DUMP_ZSTD : DUMP_STORED;
}

/*
 * How much is missing: pages are in order, so the last descriptors tell.  All
 * pages of zeroes may be one, which is why more than one is asked.
 */
static void count_missing(Dump *dump)
{
    uint64_t end = dump->pages.at + dump->pages.n_pages * DUMP_DESCRIPTOR;
    uint64_t i = dump->pages.n_pages > LAST_DESCS ?
                 dump->pages.n_pages - LAST_DESCS : 0;
    uint8_t raw[DUMP_DESCRIPTOR];

    for (; i < dump->pages.n_pages &&
         dump_bytes(dump, dump->pages.at + i * DUMP_DESCRIPTOR, raw,
                    sizeof(raw)); i++) {
        uint64_t page_end = load_le64(raw) + load_le32(raw + 8);

        if (page_end > end && page_end >> 62 == 0) {
            end = page_end;
        }
    }
    dump->cut += end > dump->size ? end - dump->size : 0;
}

bool dump_read_kdump(Dump *dump, Err *err)
{
    uint8_t head[HEAD_SIZE], sub[SUB_SIZE];
    uint64_t block, bitmap, n_sub, n_map, max;
    DumpCodec codec;

    if (!dump_bytes(dump, 0, head, sizeof(head))) {
        return dump_is_cut(err, "its header is missing");
    }
    if (load_le32(head + HEAD_VERSION) != 6) {
        err_set(err, ERR_FORMAT, "it is a kdump of version %" PRIu32
                ", and only 6 is read", load_le32(head + HEAD_VERSION));
        return false;
    }
    block = load_le32(head + HEAD_BLOCK);
    n_sub = load_le32(head + HEAD_SUB);
    n_map = load_le32(head + HEAD_BITMAP);
    codec = codec_of(load_le32(head + HEAD_STATUS));
    if (block != GMEM_PAGE) {
        return dump_is_damaged(err, "the size of its pages", block);
    }
    if (n_sub == 0 || n_sub > MAX_SUB_BLOCKS) {
        return dump_is_damaged(err, "the size of its second header", n_sub);
    }
    if (!dump_want_codec(codec, err)) {
        return false;
    }
    if (!dump_bytes(dump, block, sub, sizeof(sub))) {
        return dump_is_cut(err, "its second header is missing");
    }
    max = load_le64(sub + SUB_MAX);
    max = max ? max : load_le32(head + HEAD_MAX);
    /* The bitmap is there twice; the second says what was dumped. */
    bitmap = (1 + n_sub + n_map / 2) * block;
    if (n_map < 2 || max > n_map / 2 * block * 8) {
        return dump_is_damaged(err, "the number of its pages", max);
    }
    snprintf(dump->what, sizeof(dump->what), "kdump");
    if (!dump_read_notes(dump, load_le64(sub + SUB_NOTES),
                         load_le64(sub + SUB_NOTES_SIZE), err) ||
        !dump_use_bitmap(dump, bitmap, max, err)) {
        return false;
    }
    dump->pages.block = (uint32_t)block;
    dump->pages.described = true;
    dump->pages.at = (1 + n_sub + n_map) * block;
    snprintf(dump->what + strlen(dump->what),
             sizeof(dump->what) - strlen(dump->what), ", %s%s",
             dump_codec_name(codec), dump->extents ? ", flattened" : "");
    count_missing(dump);
    if (load_le32(head + HEAD_STATUS) & STATUS_INCOMPLETE) {
        dump_lack(dump, "pages for which there was no room when it was made");
    }
    if (dump->n_regs == 0) {
        dump_lack(dump, "registers: who ran on each CPU is found in memory");
    }
    return true;
}

static uint64_t load_be64(const uint8_t *p)
{
    return __builtin_bswap64(load_le64(p));
}

typedef struct Records {
    DumpExtent *record;
    uint64_t n, room;
} Records;

static bool add_record(Records *records, const DumpExtent *record, Err *err)
{
    if (records->n == MAX_RECORDS) {
        return dump_is_damaged(err, "the number of its records", records->n);
    }
    if (records->n == records->room) {
        uint64_t room = records->room ? 2 * records->room : 256;
        DumpExtent *more = realloc(records->record, room * sizeof(*more));

        if (!more) {
            err_set(err, ERR_NOMEM, "no memory for its records");
            return false;
        }
        records->record = more;
        records->room = room;
    }
    records->record[records->n++] = *record;
    return true;
}

static bool read_records(Dump *dump, Records *records, Err *err)
{
    uint64_t offset = FLAT_HEAD;
    uint8_t raw[FLAT_RECORD];

    for (;;) {
        DumpExtent record;
        uint64_t left;

        if (!dump_bytes(dump, offset, raw, sizeof(raw))) {
            dump->cut += sizeof(raw);
            return true;
        }
        record.at = load_be64(raw);
        record.size = load_be64(raw + 8);
        record.offset = offset + sizeof(raw);
        if (record.at == UINT64_MAX) {
            return true;
        }
        left = dump->file_size - record.offset;
        if (record.size == 0 || record.size >> 62 || record.at >> 62) {
            return dump_is_damaged(err, "the size of a record", record.size);
        }
        if (record.size > left) {
            dump->cut += record.size - left;
            record.size = left;
        }
        if (record.size && !add_record(records, &record, err)) {
            return false;
        }
        offset = record.offset + record.size;
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The ends of all records, each once, by size; returns how many. */
static uint64_t sort_bounds(const Records *records, uint64_t *bounds)
{
    uint64_t i, n = 0;

    for (i = 0; i < records->n; i++) {
        bounds[2 * i] = records->record[i].at;
        bounds[2 * i + 1] = records->record[i].at + records->record[i].size;
    }
    qsort(bounds, 2 * records->n, sizeof(*bounds), by_number);
    for (i = 0; i < 2 * records->n; i++) {
        if (n == 0 || bounds[n - 1] != bounds[i]) {
            bounds[n++] = bounds[i];
        }
    }
    return n;
}

static uint64_t find_bound(const uint64_t *bounds, uint64_t n, uint64_t value)
{
    const uint64_t *found = bsearch(&value, bounds, n, sizeof(*bounds),
                                    by_number);

    return (uint64_t)(found - bounds);
}

/* The first piece from @i on that no record has; those behind are shortened. */
static uint64_t next_free(uint64_t *free_at, uint64_t i)
{
    uint64_t root = i, next;

    while (free_at[root] != root) {
        root = free_at[root];
    }
    for (; free_at[i] != root; i = next) {
        next = free_at[i];
        free_at[i] = root;
    }
    return root;
}

/*
 * A later record goes over an earlier one.  So the last comes first, and each
 * takes the pieces between two bounds that are still free.
 */
static void paint(Dump *dump, const Records *records, const uint64_t *bounds,
                  uint64_t n_bounds, uint64_t *free_at, DumpExtent *pieces)
{
    uint64_t i, r;

    for (i = 0; i < n_bounds; i++) {
        free_at[i] = i;
        pieces[i].size = 0;
    }
    for (r = records->n; r-- > 0;) {
        const DumpExtent *record = &records->record[r];
        uint64_t end = find_bound(bounds, n_bounds, record->at +
                                  record->size);

        for (i = next_free(free_at, find_bound(bounds, n_bounds, record->at));
             i < end; i = next_free(free_at, i)) {
            pieces[i] = (DumpExtent) {
                bounds[i], bounds[i + 1] - bounds[i],
                record->offset + bounds[i] - record->at,
            };
            free_at[i] = i + 1;
        }
    }
    for (i = 0; i < n_bounds; i++) {
        if (pieces[i].size) {
            pieces[dump->n_extents++] = pieces[i];
        }
    }
}

static bool order_records(Dump *dump, const Records *records, Err *err)
{
    uint64_t *bounds = calloc(2 * records->n + 1, sizeof(*bounds));
    uint64_t *free_at = calloc(2 * records->n + 1, sizeof(*free_at));
    DumpExtent *pieces = calloc(2 * records->n + 1, sizeof(*pieces));
    uint64_t n;

    if (bounds && free_at && pieces) {
        n = sort_bounds(records, bounds);
        paint(dump, records, bounds, n, free_at, pieces);
        dump->extents = pieces;
        dump->size = n ? bounds[n - 1] : 0;
        pieces = NULL;
    } else {
        err_set(err, ERR_NOMEM, "no memory for its records");
    }
    free(bounds);
    free(free_at);
    free(pieces);
    return dump->extents != NULL;
}

bool dump_read_flattened(Dump *dump, Err *err)
{
    Records records = { .n = 0 };
    uint8_t head[FLAT_HEAD], magic[8] = "";
    bool ok;

    if (!dump_bytes(dump, 0, head, sizeof(head))) {
        return dump_is_cut(err, "its header is missing");
    }
    if (load_be64(head + FLAT_TYPE) != 1 ||
        load_be64(head + FLAT_VERSION) != 1) {
        err_set(err, ERR_FORMAT, "it is a flattened dump of type %" PRIu64
                ", version %" PRIu64 ", which is not known",
                load_be64(head + FLAT_TYPE), load_be64(head + FLAT_VERSION));
        return false;
    }
    ok = read_records(dump, &records, err) &&
         order_records(dump, &records, err);
    free(records.record);
    if (!ok) {
        return false;
    }
    if (!dump_bytes(dump, 0, magic, sizeof(magic))) {
        return dump_is_cut(err, "what it should hold is missing");
    }
    if (!memcmp(magic, "KDUMP   ", 8)) {
        return dump_read_kdump(dump, err);
    }
    dump->format = DUMP_ELF;
    if (!memcmp(magic, "\177ELF", 4)) {
        return dump_read_elf(dump, err);
    }
    err_set(err, ERR_FORMAT, "it is a flattened dump, but neither of a kdump "
            "nor of an ELF core");
    return false;
}
