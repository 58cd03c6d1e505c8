/*
 * base/err: see err.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *(*err_translate)(const char *fmt);

static const char *translated(const char *fmt)
{
    return err_translate ? err_translate(fmt) : fmt;
}

void err_set(Err *err, ErrCode code, const char *fmt, ...)
{
    va_list ap;

    if (!err) {
        return;
    }
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), translated(fmt), ap);
    va_end(ap);
}

void err_prefix(Err *err, const char *fmt, ...)
{
    char head[sizeof(err->text)];
    size_t head_len;
    size_t tail_len;
    va_list ap;

    if (!err) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(head, sizeof(head), translated(fmt), ap);
    va_end(ap);

    head_len = strlen(head);
    tail_len = strlen(err->text);
    if (tail_len > sizeof(err->text) - 1 - head_len) {
        tail_len = sizeof(err->text) - 1 - head_len;
    }
    memmove(err->text + head_len, err->text, tail_len);
    memcpy(err->text, head, head_len);
    err->text[head_len + tail_len] = '\0';
}
