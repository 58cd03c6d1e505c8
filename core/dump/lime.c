/*
 * dump/lime: what the acquisition tools LiME and AVML write: a header before
 * each range of memory.  AVML compresses a range in frames of Snappy.
 *
 * Sources: docs/guest-facts/dumps.md, "LiME and AVML".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    RANGE_SIZE = 32, RANGE_START = 8, RANGE_END = 16,
    AVML_TAIL = 8,              /* behind the frames of a range */
    CHUNK_HEAD = 4, CHUNK_CRC = 4,
    CHUNK_PACKED = 0, CHUNK_STORED = 1, CHUNK_SKIPPABLE = 0x80,
};

static const char running[] = "one instant: it was copied while the machine "
                              "ran, so lists may be torn";

static bool read_range(Dump *dump, uint64_t offset, const char *magic,
                       uint64_t *start, uint64_t *size, Err *err)
{
    uint8_t raw[RANGE_SIZE];
    uint64_t end;

    if (!dump_bytes(dump, offset, raw, sizeof(raw))) {
        dump->cut += sizeof(raw);
        *size = 0;
        return true;
    }
    if (memcmp(raw, magic, 8) && load_le64(raw)) {
        return dump_is_damaged(err, "the mark of a range of memory",
                               load_le64(raw));
    }
    *start = load_le64(raw + RANGE_START);
    end = load_le64(raw + RANGE_END);
    *size = 0;
    if (load_le64(raw) == 0) {      /* a header of zeroes may be the end */
        return true;
    }
    if (end < *start || end >> 52) {
        return dump_is_damaged(err, "the end of a range of memory", end);
    }
    *size = end - *start + 1;
    return true;
}

bool dump_read_lime(Dump *dump, Err *err)
{
    uint64_t offset = 0;

    snprintf(dump->what, sizeof(dump->what), "LiME");
    dump_lack(dump, "registers: who ran on each CPU is found in memory");
    dump_lack(dump, running);
    while (offset < dump->size) {
        DumpPart part = { .offset = offset + RANGE_SIZE };

        if (!read_range(dump, offset, "EMiL\1\0\0\0", &part.gpa, &part.size,
                        err)) {
            return false;
        }
        if (part.size == 0) {
            break;
        }
        if (!dump_add_part(dump, &part, err)) {
            return false;
        }
        offset = part.offset + part.size;
    }
    return true;
}

/* How many bytes a block of Snappy becomes: a number in front of it. */
static bool snappy_size(const Dump *dump, uint64_t offset, uint64_t *size)
{
    unsigned shift;

    *size = 0;
    for (shift = 0; shift < 32; shift += 7) {
        uint8_t byte;

        if (!dump_bytes(dump, offset++, &byte, 1)) {
            return false;
        }
        *size |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return false;
}

/* One chunk: a part, if it has memory.  @offset is moved behind it. */
static bool read_chunk(Dump *dump, uint64_t *offset, DumpPart *part, Err *err)
{
    uint8_t raw[CHUNK_HEAD];
    uint32_t length, type;

    part->size = 0;
    if (!dump_bytes(dump, *offset, raw, sizeof(raw))) {
        dump->cut += sizeof(raw);
        *offset = dump->size;
        return true;
    }
    type = raw[0];
    length = load_le32(raw) >> 8;
    part->offset = *offset + CHUNK_HEAD + CHUNK_CRC;
    *offset += CHUNK_HEAD + (uint64_t)length;
    if (type >= CHUNK_SKIPPABLE) {
        return true;
    }
    if (length < CHUNK_CRC || type > CHUNK_STORED) {
        return dump_is_damaged(err, "the type of a chunk", type);
    }
    part->stored = length - CHUNK_CRC;
    part->codec = type == CHUNK_PACKED ? DUMP_SNAPPY : DUMP_STORED;
    part->size = part->stored;
    if (*offset > dump->size) {
        dump->cut += *offset - dump->size;
        part->size = 0;
        *offset = dump->size;
        return true;
    }
    if (type == CHUNK_PACKED && (!snappy_size(dump, part->offset,
                                              &part->size) ||
                                 part->size > DUMP_MAX_BLOCK)) {
        return dump_is_damaged(err, "the size of a chunk", part->size);
    }
    return true;
}

bool dump_read_avml(Dump *dump, Err *err)
{
    uint64_t offset = 0;

    snprintf(dump->what, sizeof(dump->what), "AVML, snappy");
    dump_lack(dump, "registers: who ran on each CPU is found in memory");
    dump_lack(dump, running);
    if (!dump_want_codec(DUMP_SNAPPY, err)) {
        return false;
    }
    while (offset < dump->size) {
        uint64_t start = 0, size;

        if (!read_range(dump, offset, "AVML\2\0\0\0", &start, &size, err)) {
            return false;
        }
        if (size == 0) {
            break;
        }
        offset += RANGE_SIZE;
        while (size && offset < dump->size) {
            DumpPart part = { .gpa = start };

            if (!read_chunk(dump, &offset, &part, err)) {
                return false;
            }
            if (part.size > size) {
                return dump_is_damaged(err, "the size of a chunk",
                                       part.size);
            }
            if (!dump_add_part(dump, &part, err)) {
                return false;
            }
            start += part.size;
            size -= part.size;
        }
        dump->cut += size;
        offset += AVML_TAIL;
    }
    return true;
}
