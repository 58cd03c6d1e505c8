/*
 * irqlog/text: see text.h.
 *
 * Every put_*() writes at a cursor and returns where it stopped.  None checks
 * for room: strings are cut at IRQLOG_STRING_MAX, so what an item can need at
 * most is known when this is compiled.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/text.h"

#include "base/num.h"
#include "base/safe-text.h"

#include <string.h>

/* Longest build-id written out, in digits. */
enum { BUILD_ID_MAX = 128 };

/* Four strings, each byte escaped, and all words and numbers around them. */
_Static_assert(4 * 4 * IRQLOG_STRING_MAX + 2048 <= IRQLOG_TEXT_MAX,
               "the longest item has room");

static inline char *put(char *p, const char *word)
{
    size_t len = strlen(word);

    memcpy(p, word, len);
    return p + len;
}

static bool needs_escape(unsigned char c, char stop)
{
    return c < 0x20 || c == 0x7f || c == '\\' || c == (unsigned char)stop;
}

static char *put_escape(char *p, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";

    p[0] = '\\';
    p[1] = 'x';
    p[2] = digits[c >> 4];
    p[3] = digits[c & 15];
    return p + 4;
}

/* The top bit of a byte is set (at least) where the byte of @word is @c. */
static inline uint64_t has_byte(uint64_t word, unsigned char c)
{
    uint64_t diff = word ^ (0x0101010101010101 * c);

    return (diff - 0x0101010101010101) & ~diff;
}

/* Whether eight bytes can be copied as they are; wrong alarms are allowed. */
static inline bool is_plain(uint64_t word, char stop)
{
    uint64_t low = (word - 0x2020202020202020) & ~word;
    uint64_t hits = word | low | has_byte(word, 0x7f) |
                    has_byte(word, '\\') |
                    has_byte(word, (unsigned char)stop);

    return !(hits & 0x8080808080808080);
}

/* @stop: what ends the value besides the end of the line, 0 for nothing. */
static char *put_string(char *p, const char *text, char stop)
{
    size_t len = strnlen(text, IRQLOG_STRING_MAX);
    const char *end = text + len;
    SafeText safe = { .to = SAFE_FOR_TEXT };
    uint64_t word;
    size_t taken;
    unsigned char c;

    while (text < end) {
        if (end - text >= 8) {
            memcpy(&word, text, 8);
            if (is_plain(word, stop)) {
                memcpy(p, text, 8);
                p += 8;
                text += 8;
                continue;
            }
        }
        c = (unsigned char)*text;
        taken = 1;
        if (c >= 0x80) {
            p += safe_step(&safe, text, (size_t)(end - text), p, &taken);
        } else if (needs_escape(c, stop)) {
            p = put_escape(p, c);
        } else {
            *p++ = (char)c;
        }
        text += taken;
    }
    return p;
}

static char *put_quoted(char *p, const char *word, const char *text)
{
    p = put(p, word);
    *p++ = '"';
    p = put_string(p, text, '"');
    *p++ = '"';
    return p;
}

static char *put_build_id(char *p, const char *id)
{
    size_t n = 0;

    p = put(p, " build-id=");
    while (n < BUILD_ID_MAX && num_hex_digit(id[n]) >= 0) {
        *p++ = id[n++];
    }
    return p;
}

static char *put_backtrace(char *p, const IrqlogEvent *event)
{
    unsigned i;

    p = put(p, "\n         bt=");
    for (i = 0; i < event->n_backtrace && i < IRQLOG_BACKTRACE_MAX; i++) {
        if (i) {
            *p++ = ',';
        }
        p = num_put_hex(p, event->backtrace[i]);
    }
    return p;
}

static char *put_message(char *p, const IrqlogEvent *event)
{
    p = put(p, "\n         msi=");
    p = num_put_hex(p, event->msi_address);
    p = put(p, " data=");
    p = num_put_hex(p, event->msi_data);
    if (event->requester) {
        p = put(p, " requester=");
        p = put_string(p, event->requester, ' ');
    }
    return p;
}

static char *put_optional(char *p, const IrqlogEvent *event)
{
    if (event->depth) {
        p = put(p, "\n         depth=");
        p = num_put_dec(p, event->depth);
    }
    if (event->n_backtrace) {
        p = put_backtrace(p, event);
    }
    if (event->has_msi) {
        p = put_message(p, event);
    }
    return p;
}

static size_t finish(char *buf, char *p)
{
    p[0] = '\n';
    p[1] = '\0';
    return (size_t)(p + 1 - buf);
}

size_t irqlog_print_event(char *buf, const IrqlogEvent *event)
{
    char *p = put(buf, "irq-log: time=");

    p = num_put_dec(p, event->time_ns);
    p = put(p, "ns level=");
    p = num_put_signed(p, event->level);
    p = put(p, " n=");
    p = num_put_signed(p, event->n);
    p = put(p, " kind=");
    p = put(p, irqlog_kind_name(event->kind));
    p = put(p, "\n         path=");
    p = put_string(p, event->path, '\0');
    p = put(p, "\n         irq=");
    p = num_put_hex(p, event->irq);
    p = put(p, " handler=");
    p = num_put_hex(p, event->handler);
    p = put(p, " opaque=");
    p = num_put_hex(p, event->opaque);
    p = put(p, "\n         host-tid=");
    p = num_put_dec(p, event->tid);
    p = put(p, " caller=");
    p = num_put_hex(p, event->caller);
    return finish(buf, put_optional(p, event));
}

size_t irqlog_print_run(char *buf, const IrqlogRun *run)
{
    char *p = put(buf, "irq-log: enabled format=");

    p = num_put_dec(p, run->format);
    p = put(p, " pid=");
    p = num_put_dec(p, run->pid);
    p = put(p, " exe=");
    p = put_string(p, run->exe, ' ');
    p = put(p, " load-base=");
    p = num_put_hex(p, run->load_base);
    p = put_build_id(p, run->build_id);
    p = put(p, " monotonic-ns=");
    p = num_put_dec(p, run->monotonic_ns);
    p = put(p, " realtime-ns=");
    p = num_put_dec(p, run->realtime_ns);
    return finish(buf, p);
}

size_t irqlog_print_line(char *buf, const IrqlogLineInfo *line)
{
    char *p = put(buf, "irq-log: line irq=");

    p = num_put_hex(p, line->irq);
    p = put(p, " handler=");
    p = num_put_hex(p, line->handler);
    p = put(p, " opaque=");
    p = num_put_hex(p, line->opaque);
    p = put(p, " n=");
    p = num_put_signed(p, line->n);
    p = put(p, " kind=");
    p = put(p, irqlog_kind_name(line->kind));
    p = put_quoted(p, " path=", line->path);
    if (line->driven_by) {
        p = put_quoted(p, " driven-by=", line->driven_by);
    }
    if (line->owner) {
        p = put_quoted(p, " owner=", line->owner);
    }
    if (line->device) {
        p = put_quoted(p, " device=", line->device);
    }
    return finish(buf, p);
}

size_t irqlog_print_thread(char *buf, const IrqlogThreadInfo *thread)
{
    char *p = put(buf, "irq-log: thread tid=");

    p = num_put_dec(p, thread->tid);
    if (thread->role) {
        p = put_quoted(p, " role=", thread->role);
    }
    p = put_quoted(p, " name=", thread->name);
    return finish(buf, p);
}

size_t irqlog_print_object(char *buf, const IrqlogObjectInfo *object)
{
    char *p = put(buf, "irq-log: object load-base=");

    p = num_put_hex(p, object->load_base);
    p = put(p, " start=");
    p = num_put_hex(p, object->start);
    p = put(p, " end=");
    p = num_put_hex(p, object->end);
    p = put_build_id(p, object->build_id);
    p = put_quoted(p, " file=", object->file);
    return finish(buf, p);
}

size_t irqlog_print_lost(char *buf, uint64_t lost)
{
    char *p = put(buf, "irq-log: lost=");

    return finish(buf, num_put_dec(p, lost));
}

size_t irqlog_print_disabled(char *buf, uint64_t recorded, uint64_t lost)
{
    char *p = put(buf, "irq-log: disabled recorded=");

    p = num_put_dec(p, recorded);
    p = put(p, " lost=");
    return finish(buf, num_put_dec(p, lost));
}
