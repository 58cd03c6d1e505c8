/*
 * dump/codec: blocks that are compressed, and the few that are kept.
 *
 * Each library is optional; a dump that needs a missing one is refused with
 * its name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include <stdlib.h>
#include <string.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_LZO
#include <lzo/lzo1x.h>
#endif
#ifdef HAVE_SNAPPY
#include <snappy-c.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

enum { CACHE_BYTES = 8 << 20 };

static const struct {
    const char *name;
    bool there;
} codecs[DUMP_N_CODECS] = {
    [DUMP_STORED] = { "stored", true },
#ifdef HAVE_ZLIB
    [DUMP_ZLIB] = { "zlib", true },
#else
    [DUMP_ZLIB] = { "zlib", false },
#endif
#ifdef HAVE_LZO
    [DUMP_LZO] = { "lzo", true },
#else
    [DUMP_LZO] = { "lzo", false },
#endif
#ifdef HAVE_SNAPPY
    [DUMP_SNAPPY] = { "snappy", true },
#else
    [DUMP_SNAPPY] = { "snappy", false },
#endif
#ifdef HAVE_ZSTD
    [DUMP_ZSTD] = { "zstd", true },
#else
    [DUMP_ZSTD] = { "zstd", false },
#endif
};

const char *dump_codec_name(DumpCodec codec)
{
    return codecs[codec].name;
}

bool dump_has_codec(DumpCodec codec)
{
    return codecs[codec].there;
}

#ifdef HAVE_ZLIB
static bool unpack_zlib(const uint8_t *in, size_t n, uint8_t *out,
                        size_t size)
{
    uLongf got = size;

    return uncompress(out, &got, in, n) == Z_OK && got == size;
}
#endif

#ifdef HAVE_LZO
static bool unpack_lzo(const uint8_t *in, size_t n, uint8_t *out, size_t size)
{
    lzo_uint got = size;

    return lzo_init() == LZO_E_OK &&
           lzo1x_decompress_safe(in, n, out, &got, NULL) == LZO_E_OK &&
           got == size;
}
#endif

#ifdef HAVE_SNAPPY
static bool unpack_snappy(const uint8_t *in, size_t n, uint8_t *out,
                          size_t size)
{
    const char *from = (const char *)in;
    size_t got;

    if (snappy_uncompressed_length(from, n, &got) != SNAPPY_OK ||
        got != size) {
        return false;
    }
    return snappy_uncompress(from, n, (char *)out, &got) == SNAPPY_OK &&
           got == size;
}
#endif

#ifdef HAVE_ZSTD
static bool unpack_zstd(const uint8_t *in, size_t n, uint8_t *out,
                        size_t size)
{
    return ZSTD_decompress(out, size, in, n) == size;
}
#endif

bool dump_unpack(DumpCodec codec, const uint8_t *in, size_t n, uint8_t *out,
                 size_t size)
{
    switch (codec) {
#ifdef HAVE_ZLIB
    case DUMP_ZLIB:
        return unpack_zlib(in, n, out, size);
#endif
#ifdef HAVE_LZO
    case DUMP_LZO:
        return unpack_lzo(in, n, out, size);
#endif
#ifdef HAVE_SNAPPY
    case DUMP_SNAPPY:
        return unpack_snappy(in, n, out, size);
#endif
#ifdef HAVE_ZSTD
    case DUMP_ZSTD:
        return unpack_zstd(in, n, out, size);
#endif
    default:
        return false;
    }
}

static bool make_cache(Dump *dump)
{
    unsigned size = dump->pages.block ? dump->pages.block : DUMP_MAX_BLOCK;
    unsigned n = CACHE_BYTES / size;

    dump->cache = malloc((size_t)n * size);
    dump->cached = calloc(n, sizeof(*dump->cached));
    dump->packed = malloc(2 * DUMP_MAX_BLOCK);
    if (!dump->cache || !dump->cached || !dump->packed) {
        dump_free_cache(dump);
        return false;
    }
    dump->n_slots = n;
    dump->slot_size = size;
    return true;
}

void dump_free_cache(Dump *dump)
{
    free(dump->cache);
    free(dump->cached);
    free(dump->packed);
    dump->cache = dump->packed = NULL;
    dump->cached = NULL;
    dump->n_slots = 0;
}

/* Neighbours in memory are neighbours in the cache. */
const uint8_t *dump_unpacked(Dump *dump, const DumpPart *part)
{
    unsigned slot;
    uint8_t *block;

    if (part->stored > 2 * DUMP_MAX_BLOCK ||
        (!dump->cache && !make_cache(dump)) ||
        part->size > dump->slot_size) {
        return NULL;
    }
    slot = part->gpa / dump->slot_size % dump->n_slots;
    block = dump->cache + (size_t)slot * dump->slot_size;
    if (dump->cached[slot] == part->gpa + 1) {
        return block;
    }
    dump->cached[slot] = 0;
    if (!dump_bytes(dump, part->offset, dump->packed, part->stored) ||
        !dump_unpack(part->codec, dump->packed, part->stored, block,
                     part->size)) {
        return NULL;
    }
    dump->cached[slot] = part->gpa + 1;
    return block;
}

bool dump_want_codec(DumpCodec codec, Err *err)
{
    if (!dump_has_codec(codec)) {
        err_set(err, ERR_FORMAT, "its memory is compressed with %s, and this "
                "vmscope was built without it", dump_codec_name(codec));
        return false;
    }
    return true;
}
