/*
 * view-summary: counts instead of events, at the end.
 *
 * Gives names to what stats.c counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "message.h"
#include "session.h"
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct SummaryView {
    Session *session;
    Stats stats;
    Map callers;            /* address to index plus 1, of this process */
    Map threads;            /* tid to index plus 1, of this process */
} SummaryView;

/* Addresses and thread ids of nonsense are forgotten again. */
enum { FORGET_AT = 1 << 17 };

static void *begin(Session *session)
{
    SummaryView *view = calloc(1, sizeof(*view));

    if (!view) {
        die_no_memory();
    }
    view->session = session;
    stats_init(&view->stats);
    return view;
}

static char *keep_or_null(const char *text)
{
    return text ? keep(text) : NULL;
}

/* The log may tell of a line after its first events. */
static void learn_line(SummaryView *view, LineStats *line,
                       const IrqlogEvent *event)
{
    const KnownLine *known = known_line(&view->session->known, event);

    line->told = view->session->known.told;
    if (known && !line->driven_by) {
        line->driven_by = keep_or_null(known->driven_by);
    }
    if (known && !line->owner) {
        line->owner = keep_or_null(known->owner);
    }
    if (known && !line->device) {
        line->device = keep_or_null(known->device);
    }
}

static int64_t find_line(SummaryView *view, const IrqlogEvent *event)
{
    bool made;
    int64_t index = stats_line(&view->stats, event, &made);
    LineStats *line;

    if (index < 0) {
        return index;
    }
    line = &view->stats.lines[index];
    if (made) {
        line->handler = keep_or_null(symbols_entry(view->session->symbols,
                                                   event->handler)->chain);
    }
    if (line->told != view->session->known.told) {
        learn_line(view, line, event);
    }
    return index;
}

/* "file:line" of the outermost function: where in it the call stands. */
static const char *write_place(const Symbol *symbol, char *buf, size_t size)
{
    const Frame *frame = &symbol->frames[symbol->n_frames - 1];

    if (!symbol->n_frames || !frame->file) {
        return NULL;
    }
    snprintf(buf, size, "%s:%u", frame->file, frame->line);
    return buf;
}

static int64_t new_caller(SummaryView *view, uint64_t address)
{
    const Named *named = symbols_return(view->session->symbols, address);
    char place[1200];
    char bare[32];
    const char *name = named->chain;

    if (!name) {
        snprintf(bare, sizeof(bare), "0x%" PRIx64, address);
        name = bare;
    }
    return stats_caller(&view->stats, name,
                        write_place(&named->symbol, place, sizeof(place)));
}

static int64_t find_caller(SummaryView *view, uint64_t address)
{
    uint32_t index = map_get(&view->callers, address);
    int64_t made;

    if (index) {
        return index - 1;
    }
    made = new_caller(view, address);
    if (made >= 0) {
        if (view->callers.used == FORGET_AT) {
            map_clear(&view->callers);
        }
        map_put(&view->callers, address, (uint32_t)made + 1);
    }
    return made;
}

static int64_t find_thread(SummaryView *view, uint32_t tid)
{
    uint32_t index = map_get(&view->threads, tid);
    int64_t made;

    if (index) {
        return index - 1;
    }
    made = stats_thread(&view->stats, tid,
                        known_thread_label(known_thread(&view->session->known,
                                                        tid)));
    if (made >= 0) {
        map_put(&view->threads, tid, (uint32_t)made + 1);
    }
    return made;
}

static void count_event(void *state, const IrqlogItem *item)
{
    SummaryView *view = state;
    const IrqlogEvent *event = &item->event;

    stats_add(&view->stats, event, find_line(view, event),
              find_caller(view, event->caller), find_thread(view, event->tid));
}

static void count_lost(void *state, uint64_t count)
{
    SummaryView *view = state;

    view->stats.lost += count;
    stats_break(&view->stats);
}

static void begin_run(void *state, bool other)
{
    SummaryView *view = state;

    view->stats.runs++;
    stats_break(&view->stats);
    if (other) {
        map_clear(&view->callers);
        map_clear(&view->threads);
    }
}

static void end(void *state)
{
    SummaryView *view = state;
    Summary summary;

    stats_finish(&view->stats);
    summary_prepare(&summary, &view->stats, (unsigned)view->session->opt->top);
    if (view->session->opt->json) {
        summary_write_json(&summary, view->session->out);
    } else {
        summary_write_text(&summary, view->session->out);
    }
    summary_release(&summary);
    stats_release(&view->stats);
    map_clear(&view->callers);
    map_clear(&view->threads);
    free(view);
}

const View view_summary = { begin, count_event, count_lost, begin_run, end };
