/*
 * view-block: each event as a block of lines, the form a person reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "session.h"

#include "common/device-label.h"

#include <string.h>

/* What the log puts before the lines of an event, and before its first. */
enum { PREFIX_LEN = 9 };

static void *begin(Session *session)
{
    return session;
}

/* Copy a line of the log behind @head; moves on to the next line. */
static void copy_line(Out *out, const char *head, const char **raw,
                      const char *end, size_t skip)
{
    const char *newline = memchr(*raw, '\n', (size_t)(end - *raw));

    out_text(out, head);
    out_bytes(out, *raw + skip, (size_t)(newline + 1 - *raw) - skip);
    *raw = newline + 1;
}

static void write_raw(Out *out, const IrqlogItem *item)
{
    const char *raw = item->raw;
    const char *end = raw + item->raw_len;

    while (raw < end) {
        copy_line(out, "    | ", &raw, end, 0);
    }
    if (item->raw_cut) {
        out_text(out, "    | ...\n");
    }
}

static void write_named(Out *out, const Named *named)
{
    out_bytes(out, named->text, named->text_len);
    out_char(out, '\n');
}

static void write_thread(Session *session, const IrqlogEvent *event)
{
    Out *out = session->out;
    KnownThread *thread = known_thread(&session->known, event->tid);
    const char *label = known_thread_label(thread);

    out_text(out, "  tid=");
    out_dec(out, event->tid);
    if (label) {
        out_text(out, " (");
        out_safe(out, label);
        out_char(out, ')');
    }
    out_text(out, " caller=");
    out_hex(out, event->caller);
    write_named(out, symbols_return(session->symbols, event->caller));
}

static void write_message(Out *out, const IrqlogEvent *event)
{
    out_text(out, "  msi=");
    out_hex(out, event->msi_address);
    out_text(out, " data=");
    out_hex(out, event->msi_data);
    if (event->requester) {
        out_text(out, " requester=");
        out_safe(out, event->requester);
    }
    out_char(out, '\n');
}

static void write_backtrace(Session *session, const IrqlogEvent *event)
{
    unsigned i;

    for (i = 0; i < event->n_backtrace; i++) {
        out_text(session->out, "  bt=");
        out_hex(session->out, event->backtrace[i]);
        write_named(session->out,
                    symbols_return(session->symbols, event->backtrace[i]));
    }
}

/* A line without a path: what else tells which one it is. */
static void write_anonymous(Session *session, const IrqlogEvent *event)
{
    Out *out = session->out;
    const KnownLine *line = known_line(&session->known, event);
    const Named *handler = symbols_entry(session->symbols, event->handler);

    if (line && line->driven_by) {
        out_text(out, "  driven-by=");
        out_safe(out, line->driven_by);
        out_char(out, '\n');
    }
    if (line && line->owner) {
        out_text(out, "  owner=");
        out_safe(out, line->owner);
        out_char(out, '\n');
    }
    if (handler->text_len) {
        out_text(out, "  handler=");
        out_hex(out, event->handler);
        write_named(out, handler);
    }
}

/* Which device that is, when the log says so. */
static void write_device(Session *session, const IrqlogEvent *event)
{
    const KnownLine *known = known_line(&session->known, event);
    char label[DEVICE_LABEL_MAX];
    IrqlogLineInfo line = {
        .path = event->path, .kind = event->kind, .n = event->n,
    };

    if (known && known->device) {
        line.driven_by = known->driven_by;
        line.device = known->device;
        out_text(session->out, "  device=");
        out_safe(session->out, device_label(&line, label, sizeof(label)));
        out_char(session->out, '\n');
    }
}

static void write_event(void *state, const IrqlogItem *item)
{
    Session *session = state;
    Out *out = session->out;
    const IrqlogEvent *event = &item->event;
    const char *raw = item->raw;
    const char *end = raw + item->raw_len;

    copy_line(out, "- ", &raw, end, PREFIX_LEN);
    copy_line(out, "  ", &raw, end, PREFIX_LEN);
    write_device(session, event);
    copy_line(out, "  ", &raw, end, PREFIX_LEN);
    write_thread(session, event);
    if (event->depth) {
        out_printf(out, "  depth=%u\n", event->depth);
    }
    write_backtrace(session, event);
    if (event->has_msi) {
        write_message(out, event);
    }
    if (!strcmp(event->path, IRQLOG_ANONYMOUS)) {
        write_anonymous(session, event);
    }
    if (!session->opt->no_raw) {
        write_raw(out, item);
    }
}

static void write_lost(void *state, uint64_t count)
{
    Session *session = state;

    out_text(session->out, "- lost=");
    out_dec(session->out, count);
    out_char(session->out, '\n');
}

static void end(void *state)
{
    (void)state;
}

const View view_block = { begin, write_event, write_lost, NULL, end };
