/*
 * view-json: each event as a JSON object on a line of its own.
 *
 * Members are named as in QMP's query-irq-log, and mean the same; what is
 * found out here is "caller" and what ends in "-frames".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/jsonout.h"
#include "message.h"
#include "session.h"

#include <stdlib.h>

typedef struct JsonView {
    Session *session;
    JsonOut json;
} JsonView;

static void *begin(Session *session)
{
    JsonView *view = calloc(1, sizeof(*view));

    if (!view) {
        die_no_memory();
    }
    view->session = session;
    view->json.out = session->out;
    return view;
}

static void write_frames(JsonOut *json, const char *key, const Named *named)
{
    const Frame *frame;
    unsigned i;

    if (!named->symbol.n_frames) {
        return;
    }
    jsonout_begin(json, key, '[');
    for (i = 0; i < named->symbol.n_frames; i++) {
        frame = &named->symbol.frames[i];
        jsonout_begin(json, NULL, '{');
        if (frame->function) {
            jsonout_text(json, "function", frame->function);
        }
        if (frame->file) {
            jsonout_text(json, "file", frame->file);
            jsonout_uint(json, "line", frame->line);
        } else if (frame->offset) {
            jsonout_uint(json, "offset", frame->offset);
        }
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void write_thread(JsonOut *json, const KnownThread *thread)
{
    const char *name = thread->host ? thread->host : thread->name;

    if (name) {
        jsonout_text(json, "thread-name", name);
    }
    if (thread->role) {
        jsonout_text(json, "thread-role", thread->role);
    }
}

static void write_caller(JsonView *view, const IrqlogEvent *event)
{
    const Named *named = symbols_return(view->session->symbols, event->caller);

    jsonout_uint(&view->json, "caller-addr", event->caller);
    if (named->symbol.n_frames && named->symbol.frames[0].function) {
        jsonout_text(&view->json, "caller-symbol",
                     named->symbol.frames[0].function);
    }
    write_frames(&view->json, "caller-frames", named);
}

static void write_backtrace(JsonView *view, const IrqlogEvent *event)
{
    JsonOut *json = &view->json;
    Symbols *symbols = view->session->symbols;
    unsigned i;

    if (!event->n_backtrace) {
        return;
    }
    jsonout_begin(json, "backtrace", '[');
    for (i = 0; i < event->n_backtrace; i++) {
        jsonout_uint(json, NULL, event->backtrace[i]);
    }
    jsonout_end(json, ']');
    jsonout_begin(json, "backtrace-frames", '[');
    for (i = 0; i < event->n_backtrace; i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "addr", event->backtrace[i]);
        write_frames(json, "frames",
                     symbols_return(symbols, event->backtrace[i]));
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void write_line(JsonView *view, const IrqlogEvent *event)
{
    JsonOut *json = &view->json;
    const KnownLine *line = known_line(&view->session->known, event);
    const Named *handler = symbols_entry(view->session->symbols,
                                         event->handler);

    jsonout_uint(json, "irq-addr", event->irq);
    jsonout_uint(json, "handler-addr", event->handler);
    jsonout_uint(json, "opaque-addr", event->opaque);
    if (handler->symbol.n_frames && handler->symbol.frames[0].function) {
        jsonout_text(json, "handler-symbol",
                     handler->symbol.frames[0].function);
    }
    if (line && line->driven_by) {
        jsonout_text(json, "driven-by", line->driven_by);
    }
    if (line && line->owner) {
        jsonout_text(json, "owner", line->owner);
    }
    if (line && line->device) {
        jsonout_text(json, "device", line->device);
    }
}

static void write_message(JsonOut *json, const IrqlogEvent *event)
{
    if (!event->has_msi) {
        return;
    }
    jsonout_uint(json, "msi-address", event->msi_address);
    jsonout_uint(json, "msi-data", event->msi_data);
    if (event->requester) {
        jsonout_text(json, "requester", event->requester);
    }
}

static void write_event(void *state, const IrqlogItem *item)
{
    JsonView *view = state;
    JsonOut *json = &view->json;
    const IrqlogEvent *event = &item->event;

    jsonout_begin(json, NULL, '{');
    if (event->seq) {
        jsonout_uint(json, "seq", event->seq);
    }
    jsonout_uint(json, "timestamp-ns", event->time_ns);
    jsonout_int(json, "level", event->level);
    jsonout_int(json, "irq-line", event->n);
    jsonout_text(json, "kind", irqlog_kind_name(event->kind));
    jsonout_text(json, "path", event->path);
    jsonout_uint(json, "host-tid", event->tid);
    write_thread(json, known_thread(&view->session->known, event->tid));
    jsonout_uint(json, "depth", event->depth);
    write_line(view, event);
    write_caller(view, event);
    write_backtrace(view, event);
    write_message(json, event);
    jsonout_end(json, '}');
    jsonout_line(json);
}

static void write_lost(void *state, uint64_t count)
{
    JsonView *view = state;

    jsonout_begin(&view->json, NULL, '{');
    jsonout_uint(&view->json, "lost", count);
    jsonout_end(&view->json, '}');
    jsonout_line(&view->json);
}

static void end(void *state)
{
    free(state);
}

const View view_json = { begin, write_event, write_lost, NULL, end };
