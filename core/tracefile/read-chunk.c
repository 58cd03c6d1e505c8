/*
 * tracefile/read-chunk: see read-chunk.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/read-chunk.h"

#include "base/le.h"
#include "tracefile/header.h"
#include "tracefile/pack.h"

/* As many as there are; a source that fails ends the file here. */
static size_t read_bytes(TraceChunks *chunks, uint64_t offset, void *buf,
                         size_t len)
{
    ssize_t n = chunks->source.read(chunks->source.opaque, offset, buf, len);

    if (n < 0 || (size_t)n > len) {
        chunks->stats.failed = true;
        return 0;
    }
    return (size_t)n;
}

bool trace_chunks_begin(TraceChunks *chunks, TraceInfo *info, Err *err)
{
    uint8_t bytes[TRACE_HEADER_SIZE];
    size_t len = read_bytes(chunks, 0, bytes, sizeof(bytes));

    if (chunks->stats.failed) {
        err_set(err, ERR_IO, "it cannot be read");
        return false;
    }
    chunks->offset = TRACE_HEADER_SIZE;
    return trace_header_parse(bytes, len, info, err);
}

static bool is_chunk_header(const uint8_t *bytes)
{
    return load_le32(bytes) == TRACE_CHUNK_MARKER &&
           load_le32(bytes + 8) <= TRACE_CHUNK_MAX &&
           load_le32(bytes + 20) == pack_crc32(bytes, 20);
}

/* Where in @len bytes a chunk may begin; @len when nowhere. */
static size_t find_chunk_header(const uint8_t *bytes, size_t len)
{
    size_t i;

    for (i = 0; i + TRACE_CHUNK_HEADER_SIZE <= len; i++) {
        if (bytes[i] == (TRACE_CHUNK_MARKER & 0xff) &&
            is_chunk_header(bytes + i)) {
            return i;
        }
    }
    return len;
}

/* Behind damage: go to the next chunk; false when there is none. */
static bool search_chunk(TraceChunks *chunks)
{
    enum { KEEP = TRACE_CHUNK_HEADER_SIZE - 1 };
    size_t len;
    size_t at;

    for (;;) {
        len = read_bytes(chunks, chunks->offset, chunks->search,
                         TRACE_SEARCH_SIZE);
        at = find_chunk_header(chunks->search, len);
        if (at < len) {
            chunks->offset += at;
            chunks->stats.bytes_skipped += at;
            return true;
        }
        if (len < TRACE_SEARCH_SIZE) {
            chunks->offset += len;
            chunks->stats.bytes_skipped += len;
            return false;
        }
        chunks->offset += len - KEEP;
        chunks->stats.bytes_skipped += len - KEEP;
    }
}

static void count_missing(TraceChunks *chunks, uint32_t number)
{
    if (number > chunks->next_number) {
        chunks->stats.chunks_missing += number - chunks->next_number;
    }
    chunks->next_number = number + 1;
}

typedef enum Load {
    LOAD_OK,
    LOAD_AGAIN,         /* there was damage; it is behind us */
    LOAD_END,
} Load;

/* The chunk whose header is sound. */
static Load load_payload(TraceChunks *chunks, const uint8_t *header)
{
    size_t len = load_le32(header + 8);
    size_t got = read_bytes(chunks, chunks->offset + TRACE_CHUNK_HEADER_SIZE,
                            chunks->payload, len);

    if (got < len) {
        chunks->stats.cut = !chunks->stats.failed;
        return LOAD_END;
    }
    chunks->offset += TRACE_CHUNK_HEADER_SIZE + len;
    if (pack_crc32(chunks->payload, len) != load_le32(header + 16)) {
        chunks->stats.bytes_skipped += TRACE_CHUNK_HEADER_SIZE + len;
        return LOAD_AGAIN;
    }
    count_missing(chunks, load_le32(header + 12));
    chunks->kind = load_le32(header + 4);
    chunks->len = len;
    return LOAD_OK;
}

static Load load_chunk(TraceChunks *chunks)
{
    uint8_t header[TRACE_CHUNK_HEADER_SIZE];
    size_t len = read_bytes(chunks, chunks->offset, header, sizeof(header));

    if (len < sizeof(header)) {
        chunks->stats.cut = len > 0;
        return LOAD_END;
    }
    if (!is_chunk_header(header)) {
        return search_chunk(chunks) ? LOAD_AGAIN : LOAD_END;
    }
    return load_payload(chunks, header);
}

bool trace_chunks_next(TraceChunks *chunks)
{
    Load load;

    do {
        load = load_chunk(chunks);
    } while (load == LOAD_AGAIN);
    return load == LOAD_OK;
}
