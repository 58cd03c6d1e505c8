/*
 * view-json: each event as a JSON object on a line of its own.
 *
 * Members are named as in QMP's query-irq-log, and mean the same; what is
 * found out here is "caller" and what ends in "-frames".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "json.h"
#include "message.h"
#include "session.h"

#include <stdlib.h>

typedef struct JsonView {
    Session *session;
    Json json;
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

static void write_frames(Json *json, const char *key, const Named *named)
{
    const Frame *frame;
    unsigned i;

    if (!named->symbol.n_frames) {
        return;
    }
    json_begin(json, key, '[');
    for (i = 0; i < named->symbol.n_frames; i++) {
        frame = &named->symbol.frames[i];
        json_begin(json, NULL, '{');
        if (frame->function) {
            json_text(json, "function", frame->function);
        }
        if (frame->file) {
            json_text(json, "file", frame->file);
            json_uint(json, "line", frame->line);
        } else if (frame->offset) {
            json_uint(json, "offset", frame->offset);
        }
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void write_thread(Json *json, const KnownThread *thread)
{
    const char *name = thread->host ? thread->host : thread->name;

    if (name) {
        json_text(json, "thread-name", name);
    }
    if (thread->role) {
        json_text(json, "thread-role", thread->role);
    }
}

static void write_caller(JsonView *view, const IrqlogEvent *event)
{
    const Named *named = symbols_return(view->session->symbols, event->caller);

    json_uint(&view->json, "caller-addr", event->caller);
    if (named->symbol.n_frames && named->symbol.frames[0].function) {
        json_text(&view->json, "caller-symbol",
                  named->symbol.frames[0].function);
    }
    write_frames(&view->json, "caller-frames", named);
}

static void write_backtrace(JsonView *view, const IrqlogEvent *event)
{
    Json *json = &view->json;
    Symbols *symbols = view->session->symbols;
    unsigned i;

    if (!event->n_backtrace) {
        return;
    }
    json_begin(json, "backtrace", '[');
    for (i = 0; i < event->n_backtrace; i++) {
        json_uint(json, NULL, event->backtrace[i]);
    }
    json_end(json, ']');
    json_begin(json, "backtrace-frames", '[');
    for (i = 0; i < event->n_backtrace; i++) {
        json_begin(json, NULL, '{');
        json_uint(json, "addr", event->backtrace[i]);
        write_frames(json, "frames",
                     symbols_return(symbols, event->backtrace[i]));
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void write_line(JsonView *view, const IrqlogEvent *event)
{
    Json *json = &view->json;
    const KnownLine *line = known_line(&view->session->known, event->irq);
    const Named *handler = symbols_entry(view->session->symbols,
                                         event->handler);

    json_uint(json, "irq-addr", event->irq);
    json_uint(json, "handler-addr", event->handler);
    json_uint(json, "opaque-addr", event->opaque);
    if (handler->symbol.n_frames && handler->symbol.frames[0].function) {
        json_text(json, "handler-symbol", handler->symbol.frames[0].function);
    }
    if (line && line->driven_by) {
        json_text(json, "driven-by", line->driven_by);
    }
    if (line && line->owner) {
        json_text(json, "owner", line->owner);
    }
}

static void write_message(Json *json, const IrqlogEvent *event)
{
    if (!event->has_msi) {
        return;
    }
    json_uint(json, "msi-address", event->msi_address);
    json_uint(json, "msi-data", event->msi_data);
    if (event->requester) {
        json_text(json, "requester", event->requester);
    }
}

static void write_event(void *state, const IrqlogItem *item)
{
    JsonView *view = state;
    Json *json = &view->json;
    const IrqlogEvent *event = &item->event;

    json_begin(json, NULL, '{');
    if (event->seq) {
        json_uint(json, "seq", event->seq);
    }
    json_uint(json, "timestamp-ns", event->time_ns);
    json_int(json, "level", event->level);
    json_int(json, "irq-line", event->n);
    json_text(json, "kind", irqlog_kind_name(event->kind));
    json_text(json, "path", event->path);
    json_uint(json, "host-tid", event->tid);
    write_thread(json, known_thread(&view->session->known, event->tid));
    json_uint(json, "depth", event->depth);
    write_line(view, event);
    write_caller(view, event);
    write_backtrace(view, event);
    write_message(json, event);
    json_end(json, '}');
    json_line(json);
}

static void write_lost(void *state, uint64_t count)
{
    JsonView *view = state;

    json_begin(&view->json, NULL, '{');
    json_uint(&view->json, "lost", count);
    json_end(&view->json, '}');
    json_line(&view->json);
}

static void begin_run(void *state, bool other)
{
    (void)state;
    (void)other;
}

static void end(void *state)
{
    free(state);
}

const View view_json = { begin, write_event, write_lost, begin_run, end };
