/*
 * session: see session.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "session.h"

#include "common/stop.h"
#include "filter.h"
#include "message.h"

#include <inttypes.h>
#include <string.h>

static const View *choose_view(const Options *opt)
{
    if (opt->summary) {
        return &view_summary;
    }
    return opt->json ? &view_json : &view_block;
}

void session_begin(Session *session, const Options *opt, Out *out)
{
    memset(session, 0, sizeof(*session));
    session->opt = opt;
    session->out = out;
    session->symbols = symbols_new(opt);
    session->known.pid = opt->pid;
    session->view = choose_view(opt);
    session->state = session->view->begin(session);
}

static void take_run(Session *session, const IrqlogRun *run)
{
    bool other = symbols_is_new_run(session->symbols, run);

    if (session->view->run) {
        session->view->run(session->state, other);
    }
    if (other) {
        known_clear(&session->known);
    }
    symbols_begin_run(session->symbols, run);
    session->known.pid = symbols_pid(session->symbols);
}

static void take_event(Session *session, const IrqlogItem *item)
{
    if (!session->begun) {
        session->begun = true;
        session->first_ns = item->event.time_ns;
    }
    if (filter_passes(session->opt, &item->event, session->first_ns)) {
        session->view->event(session->state, item);
    }
}

static void take_item(Session *session, const IrqlogItem *item)
{
    switch (item->type) {
    case IRQLOG_ITEM_EVENT:
        take_event(session, item);
        break;
    case IRQLOG_ITEM_RUN:
        take_run(session, &item->run);
        break;
    case IRQLOG_ITEM_THREAD:
        known_add_thread(&session->known, &item->thread);
        break;
    case IRQLOG_ITEM_LINE:
        known_add_line(&session->known, &item->line);
        break;
    case IRQLOG_ITEM_OBJECT:
        symbols_add_object(session->symbols, &item->object);
        break;
    case IRQLOG_ITEM_LOST:
        session->view->lost(session->state, item->lost);
        break;
    case IRQLOG_ITEM_DISABLED:
        break;
    case IRQLOG_ITEM_REFUSED:
        warn(WARN_EACH, "a run of text format %" PRIu64 " is left out: this "
             "program knows formats up to %d, a newer one is needed",
             item->format, IRQLOG_TEXT_FORMAT);
        break;
    }
}

bool session_item(void *opaque, const IrqlogItem *item)
{
    Session *session = opaque;

    take_item(session, item);
    return !stop_asked && !out_failed(session->out);
}

void session_idle(void *opaque)
{
    Session *session = opaque;

    out_flush(session->out);
}

void session_end(Session *session)
{
    session->view->end(session->state);
    symbols_free(session->symbols);
    known_clear(&session->known);
}
