/*
 * out: see out.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/out.h"

#include "base/num.h"
#include "common/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void out_init(Out *out, int fd)
{
    out->fd = fd;
    out->error = 0;
    out->used = 0;
}

bool out_failed(const Out *out)
{
    return out->error != 0;
}

static void write_all(Out *out, const char *bytes, size_t len)
{
    ssize_t n;

    while (len && !out->error) {
        n = write(out->fd, bytes, len);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno != EINTR) {
            out->error = errno;
        }
    }
}

bool out_flush(Out *out)
{
    write_all(out, out->buf, out->used);
    out->used = 0;
    return !out->error;
}

bool out_finish(Out *out)
{
    out_flush(out);
    if (!out->error || out->error == EPIPE) {
        return true;
    }
    message("cannot write to standard output: %s", strerror(out->error));
    return false;
}

/* See to @len bytes of room; @len is at most the buffer's size. */
static char *room(Out *out, size_t len)
{
    if (len > sizeof(out->buf) - out->used) {
        out_flush(out);
    }
    return out->buf + out->used;
}

void out_bytes(Out *out, const char *bytes, size_t len)
{
    if (len > sizeof(out->buf)) {
        out_flush(out);
        write_all(out, bytes, len);
        return;
    }
    memcpy(room(out, len), bytes, len);
    out->used += len;
}

void out_text(Out *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

void out_char(Out *out, char c)
{
    *room(out, 1) = c;
    out->used++;
}

void out_dec(Out *out, uint64_t value)
{
    char *p = room(out, NUM_PUT_MAX);

    out->used += (size_t)(num_put_dec(p, value) - p);
}

void out_signed(Out *out, int64_t value)
{
    char *p = room(out, NUM_PUT_MAX);

    out->used += (size_t)(num_put_signed(p, value) - p);
}

void out_hex(Out *out, uint64_t value)
{
    char *p = room(out, NUM_PUT_MAX);

    out->used += (size_t)(num_put_hex(p, value) - p);
}

void out_printf(Out *out, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    out_text(out, text);
}

static bool raw_names;

void out_raw_names(void)
{
    raw_names = true;
}

bool out_names_are_raw(void)
{
    return raw_names;
}

void out_name(Out *out, SafeFor to, const char *text)
{
    SafeText safe = { .to = to, .raw = raw_names };
    const char *end = text + strlen(text);
    size_t taken;
    char *p;

    while (text < end) {
        /* The first character may matter where it stands. */
        p = room(out, SAFE_STEP_MAX);
        out->used += safe_step(&safe, text, (size_t)(end - text), p, &taken);
        text += taken;
        taken = safe_plain(text, (size_t)(end - text));
        out_bytes(out, text, taken);
        text += taken;
    }
}

void out_safe(Out *out, const char *text)
{
    out_name(out, SAFE_FOR_TEXT, text);
}
