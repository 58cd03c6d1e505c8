/*
 * session: from items to a view.
 *
 * Keeps what items tell of runs, threads and lines, and hands the events that
 * pass the filters to the view that was chosen.  Where items come from is
 * main.c's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_SESSION_H
#define IRQLOG_ANALYZE_SESSION_H

#include "common/out.h"
#include "irqlog/parse.h"
#include "known.h"
#include "options.h"
#include "symbols.h"

typedef struct Session Session;

/* A form of output; every one has something to say about loss. */
typedef struct View {
    void *(*begin)(Session *session);
    void (*event)(void *state, const IrqlogItem *item);
    /* Events are missing here: @count of them. */
    void (*lost)(void *state, uint64_t count);
    /*
     * A run begins; @other: of a process whose names are not known yet.
     * NULL: that is nothing to this form.
     */
    void (*run)(void *state, bool other);
    /* Everything is written, and @state released. */
    void (*end)(void *state);
} View;

struct Session {
    const Options *opt;
    Out *out;
    Symbols *symbols;
    Known known;
    const View *view;
    void *state;
    bool begun;             /* @first_ns holds */
    uint64_t first_ns;      /* time of the first event */
};

/* One for each form, in files of their names. */
extern const View view_block;
extern const View view_json;
extern const View view_summary;

void session_begin(Session *session, const Options *opt, Out *out);

/* An IrqlogItemFn; false when there is no sense in going on. */
bool session_item(void *opaque, const IrqlogItem *item);

/* There is nothing more for now: let what there was be seen. */
void session_idle(void *opaque);

/* The end of output, and of @session. */
void session_end(Session *session);

#endif
