/*
 * unpack: see unpack.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unpack.h"

#include "message.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_LZMA
#include <lzma.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* What a hostile file may make a library use; "xz -9" needs 65 MiB. */
enum { MEMORY_MAX = 256 << 20 };

typedef struct Method {
    const char *name;
    const char *magic;
    size_t magic_len;
    const char *program;        /* that unpacks it, for people without */
    bool (*begin)(Unpack *unpack);      /* NULL: not in this build */
    UnpackResult (*step)(Unpack *unpack, UnpackPiece *piece);
    void (*end)(Unpack *unpack);
} Method;

struct Unpack {
    const Method *method;
    union {
        z_stream gzip;
#ifdef HAVE_LZMA
        lzma_stream xz;
#endif
#ifdef HAVE_ZSTD
        ZSTD_DStream *zstd;
#endif
    };
};

static void move_on(UnpackPiece *piece, size_t in_left, size_t out_left)
{
    piece->in += piece->in_len - in_left;
    piece->in_len = in_left;
    piece->out += piece->out_len - out_left;
    piece->out_len = out_left;
}

static bool gzip_begin(Unpack *unpack)
{
    memset(&unpack->gzip, 0, sizeof(unpack->gzip));
    return inflateInit2(&unpack->gzip, 15 + 16) == Z_OK;
}

static UnpackResult gzip_step(Unpack *unpack, UnpackPiece *piece)
{
    z_stream *z = &unpack->gzip;
    int status;

    z->next_in = (Bytef *)(uintptr_t)piece->in;
    z->avail_in = (uInt)piece->in_len;
    z->next_out = (Bytef *)piece->out;
    z->avail_out = (uInt)piece->out_len;
    status = inflate(z, Z_NO_FLUSH);
    move_on(piece, z->avail_in, z->avail_out);
    if (status == Z_STREAM_END) {
        return UNPACK_MEMBER_END;
    }
    return status == Z_OK || status == Z_BUF_ERROR ? UNPACK_MORE
                                                   : UNPACK_DAMAGED;
}

static void gzip_end(Unpack *unpack)
{
    inflateEnd(&unpack->gzip);
}

#ifdef HAVE_LZMA
static bool xz_begin(Unpack *unpack)
{
    static const lzma_stream empty = LZMA_STREAM_INIT;

    unpack->xz = empty;
    return lzma_stream_decoder(&unpack->xz, MEMORY_MAX, 0) == LZMA_OK;
}

static UnpackResult xz_step(Unpack *unpack, UnpackPiece *piece)
{
    lzma_stream *xz = &unpack->xz;
    lzma_ret status;

    xz->next_in = (const uint8_t *)piece->in;
    xz->avail_in = piece->in_len;
    xz->next_out = (uint8_t *)piece->out;
    xz->avail_out = piece->out_len;
    status = lzma_code(xz, LZMA_RUN);
    move_on(piece, xz->avail_in, xz->avail_out);
    if (status == LZMA_STREAM_END) {
        return UNPACK_MEMBER_END;
    }
    return status == LZMA_OK || status == LZMA_BUF_ERROR ? UNPACK_MORE
                                                         : UNPACK_DAMAGED;
}

static void xz_end(Unpack *unpack)
{
    lzma_end(&unpack->xz);
}
#endif

#ifdef HAVE_ZSTD
static bool zstd_begin(Unpack *unpack)
{
    unpack->zstd = ZSTD_createDStream();
    return unpack->zstd;
}

static UnpackResult zstd_step(Unpack *unpack, UnpackPiece *piece)
{
    ZSTD_inBuffer in = { piece->in, piece->in_len, 0 };
    ZSTD_outBuffer out = { piece->out, piece->out_len, 0 };
    size_t status = ZSTD_decompressStream(unpack->zstd, &out, &in);

    move_on(piece, in.size - in.pos, out.size - out.pos);
    if (ZSTD_isError(status)) {
        return UNPACK_DAMAGED;
    }
    return status ? UNPACK_MORE : UNPACK_MEMBER_END;
}

static void zstd_end(Unpack *unpack)
{
    ZSTD_freeDStream(unpack->zstd);
}
#endif

static const Method methods[] = {
    { "gzip", "\x1f\x8b", 2, "zcat", gzip_begin, gzip_step, gzip_end },
#ifdef HAVE_LZMA
    { "xz", "\xfd\x37zXZ", 6, "xzcat", xz_begin, xz_step, xz_end },
#else
    { "xz", "\xfd\x37zXZ", 6, "xzcat", NULL, NULL, NULL },
#endif
#ifdef HAVE_ZSTD
    { "zstd", "\x28\xb5\x2f\xfd", 4, "zstdcat", zstd_begin, zstd_step,
      zstd_end },
#else
    { "zstd", "\x28\xb5\x2f\xfd", 4, "zstdcat", NULL, NULL, NULL },
#endif
};

static const Method *find_method(const char *data, size_t len)
{
    size_t i;

    for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        if (len >= methods[i].magic_len &&
            !memcmp(data, methods[i].magic, methods[i].magic_len)) {
            return &methods[i];
        }
    }
    return NULL;
}

bool unpack_is_packed(const char *data, size_t len)
{
    return find_method(data, len);
}

Unpack *unpack_new(const char *data, size_t len, const char *name, Err *err)
{
    const Method *method = find_method(data, len);
    Unpack *unpack = calloc(1, sizeof(*unpack));

    if (!unpack) {
        die_no_memory();
    }
    unpack->method = method;
    if (!method->begin) {
        err_set(err, ERR_FORMAT, "%s: this build cannot take %s apart: "
                "'%s LOG | irqlog-analyze' does", name, method->name,
                method->program);
    } else if (!method->begin(unpack)) {
        err_set(err, ERR_NOMEM, "%s: out of memory", name);
    } else {
        return unpack;
    }
    free(unpack);
    return NULL;
}

void unpack_free(Unpack *unpack)
{
    if (unpack) {
        unpack->method->end(unpack);
        free(unpack);
    }
}

bool unpack_next(Unpack *unpack, const char *data, size_t len)
{
    const Method *method = unpack->method;

    if (find_method(data, len) != method) {
        return false;
    }
    method->end(unpack);
    if (!method->begin(unpack)) {
        die_no_memory();
    }
    return true;
}

UnpackResult unpack_step(Unpack *unpack, UnpackPiece *piece)
{
    return unpack->method->step(unpack, piece);
}
