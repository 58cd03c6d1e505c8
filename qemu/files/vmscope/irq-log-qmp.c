/*
 * IRQ log: the QMP commands
 *
 * Queries run out-of-band too: they take no lock of QEMU's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "qemu/coroutine.h"
#include "qemu/timer.h"
#include "process/process.h"
#include "process/symbols.h"
#include "vmscope/compat.h"
#include "irq-log.h"
#include "reply.h"

/* How long turning on waits for text to go to another file. */
#define REOPEN_WAIT_MS 2500

/* Text goes to what stands under the name now, when the command returns. */
static void coroutine_fn irq_qmp_reopen(IrqLogSession *session, Error **errp)
{
    unsigned asked;
    int ms;

    if (!session->opts->text) {
        return;
    }
    asked = irq_log_writer_reopen(session);
    for (ms = 0; ms < REOPEN_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->reopen_done) == asked) {
            break;
        }
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS);
    }
    if (ms < REOPEN_WAIT_MS && session->reopen_error) {
        error_setg(errp, "text goes on where it went: %s",
                   session->reopen_error);
    }
}

static void coroutine_fn irq_qmp_turn_on(IrqLogOptions *opts, Error **errp)
{
    IrqLogSession *session = irq_log_get();

    if (!session || !qatomic_read(&session->base.enabled)) {
        irq_log_start(opts, errp);
    } else if (irq_log_options_same(session, opts, errp)) {
        irq_qmp_reopen(session, errp);
    }
    if (session) {
        irq_log_put(session);
    }
}

void coroutine_fn qmp_irq_log_set(IrqLogOptions *opts, Error **errp)
{
    if (!irq_log_options_check(opts, errp)) {
        return;
    }
    qemu_co_mutex_lock(&irq_log_trace.lock);
    if (opts->enable) {
        irq_qmp_turn_on(opts, errp);
    } else {
        vmscope_trace_off(&irq_log_trace);
    }
    qemu_co_mutex_unlock(&irq_log_trace.lock);
}

/* What is known of a line's path and the filter for it. */
typedef enum Verdict {
    VERDICT_OPEN, VERDICT_MATCHES, VERDICT_DIFFERS,
} Verdict;

/*
 * The same few lines, threads and addresses come up again and again; each is
 * looked up and measured once a query.  In bytes, as JSON at most.
 */
typedef struct LineText {
    IrqlogLineInfo info;
    size_t bytes;
} LineText;

typedef struct ThreadText {
    char *name;                 /* as UTF-8 */
    const char *role;           /* borrowed of the store */
    size_t bytes;
} ThreadText;

typedef struct SymbolText {
    char *name;                 /* or NULL */
    size_t bytes;
} SymbolText;

/* A query under way. */
typedef struct Query {
    const IrqLogQuery *args;
    const IrqlogStore *store;
    RecorderPage page;
    GHashTable *symbols;        /* address -> SymbolText */
    GHashTable *lines;          /* id -> LineText */
    GHashTable *threads;        /* id -> ThreadText */
    GArray *found;              /* Found */
    uint8_t verdicts[IRQLOG_MAX_LINES];
} Query;

typedef struct Found {
    IrqlogEvent event;
    uint32_t line;
    uint32_t thread;
} Found;

static bool irq_qmp_path_matches(const Query *q, uint32_t id)
{
    const char *filter = q->args->filter_path;
    IrqlogLineInfo line = { .path = IRQLOG_UNKNOWN };

    irqlog_store_line(q->store, id, &line);
    return !strcmp(filter, line.path) ||
           g_pattern_match_simple(filter, line.path);
}

/* Thousands of events have a few hundred lines. */
static bool irq_qmp_line_matches(Query *q, uint32_t id)
{
    if (!q->args->filter_path) {
        return true;
    }
    if (id >= IRQLOG_MAX_LINES) {
        return irq_qmp_path_matches(q, id);
    }
    if (q->verdicts[id] == VERDICT_OPEN) {
        q->verdicts[id] = irq_qmp_path_matches(q, id) ? VERDICT_MATCHES :
                                                VERDICT_DIFFERS;
    }
    return q->verdicts[id] == VERDICT_MATCHES;
}

static bool irq_qmp_is_filtered(const Query *q)
{
    const IrqLogQuery *args = q->args;

    return args->has_filter_tid || args->has_filter_line ||
           args->has_filter_kind || args->filter_path;
}

static bool irq_qmp_matches(Query *q, const IrqlogBrief *brief)
{
    const IrqLogQuery *args = q->args;

    return (!args->has_filter_tid || args->filter_tid == brief->tid) &&
           (!args->has_filter_line || args->filter_line == brief->n) &&
           (!args->has_filter_kind ||
            args->filter_kind == (IrqLogKind)brief->kind) &&
           irq_qmp_line_matches(q, brief->line);
}

static const SymbolText *irq_qmp_symbol(Query *q, uint64_t addr,
                                        bool is_return)
{
    gpointer key = (gpointer)(uintptr_t)addr;
    SymbolText *text = g_hash_table_lookup(q->symbols, key);

    if (!text) {
        text = g_new(SymbolText, 1);
        text->name = process_symbol(addr, is_return);
        text->bytes = vmscope_reply_string(text->name);
        g_hash_table_insert(q->symbols, key, text);
    }
    return text;
}

static void irq_qmp_symbol_free(gpointer opaque)
{
    SymbolText *text = opaque;

    free(text->name);
    g_free(text);
}

static const LineText *irq_qmp_line(Query *q, uint32_t id)
{
    LineText *text = g_hash_table_lookup(q->lines, GUINT_TO_POINTER(id));

    if (!text) {
        text = g_new0(LineText, 1);
        text->info.path = IRQLOG_UNKNOWN;
        irqlog_store_line(q->store, id, &text->info);
        text->bytes = vmscope_reply_string(text->info.path) +
                      vmscope_reply_string(text->info.driven_by) +
                      vmscope_reply_string(text->info.owner) +
                      vmscope_reply_string(text->info.device);
        g_hash_table_insert(q->lines, GUINT_TO_POINTER(id), text);
    }
    return text;
}

/* A thread's name is whatever bytes it was given. */
static const ThreadText *irq_qmp_thread(Query *q, uint32_t id)
{
    ThreadText *text = g_hash_table_lookup(q->threads, GUINT_TO_POINTER(id));
    IrqlogThreadInfo thread = { .name = "" };

    if (!text) {
        text = g_new0(ThreadText, 1);
        irqlog_store_thread(q->store, id, &thread);
        text->name = vmscope_reply_utf8(thread.name);
        text->role = thread.role;
        text->bytes = vmscope_reply_string(text->name) +
                      vmscope_reply_string(text->role);
        g_hash_table_insert(q->threads, GUINT_TO_POINTER(id), text);
    }
    return text;
}

static void irq_qmp_thread_free(gpointer opaque)
{
    ThreadText *text = opaque;

    g_free(text->name);
    g_free(text);
}

/* Of the members' names, and of numbers as long as they can be. */
#define ENTRY_BYTES 640
#define FRAME_BYTES 22

/* As JSON, at most. */
static size_t irq_qmp_bytes(Query *q, const Found *found)
{
    const IrqlogEvent *event = &found->event;

    return ENTRY_BYTES + FRAME_BYTES * event->n_backtrace +
           vmscope_reply_string(event->requester) +
           irq_qmp_line(q, found->line)->bytes +
           irq_qmp_thread(q, found->thread)->bytes +
           irq_qmp_symbol(q, event->caller, true)->bytes +
           irq_qmp_symbol(q, event->handler, false)->bytes;
}

static EvringRead irq_qmp_read(void *opaque, uint64_t seq)
{
    Query *q = opaque;
    EvringRead result = EVRING_OK;
    IrqlogBrief brief;
    Found found;

    if (irq_qmp_is_filtered(q)) {
        result = irqlog_store_brief(q->store, seq, &brief);
        if (result != EVRING_OK || !irq_qmp_matches(q, &brief)) {
            return result;
        }
    }
    result = irqlog_store_event_ids(q->store, seq, &found.event, &found.line,
                                    &found.thread);
    if (result == EVRING_OK &&
        recorder_page_add(&q->page, irq_qmp_bytes(q, &found))) {
        g_array_append_val(q->found, found);
    }
    return result;
}

static int irq_qmp_order(const void *a, const void *b)
{
    const IrqlogEvent *x = &(*(const Found *const *)a)->event;
    const IrqlogEvent *y = &(*(const Found *const *)b)->event;

    return recorder_order(x->time_ns, x->seq, y->time_ns, y->seq);
}

/*
 * What was found, by time.  Nearly always that is the order in which it was
 * read, or the newest were, backwards.
 */
static const Found **irq_qmp_sorted(const Query *q)
{
    guint n = q->found->len;
    const Found **order = g_new(const Found *, n);
    bool sorted = true;
    guint i;

    for (i = 0; i < n; i++) {
        order[i] = &g_array_index(q->found, Found,
                                  q->args->has_after ? i : n - 1 - i);
        sorted = sorted && (i == 0 || irq_qmp_order(&order[i - 1],
                                                    &order[i]) <= 0);
    }
    if (!sorted) {
        qsort(order, n, sizeof(*order), irq_qmp_order);
    }
    return order;
}

static uint64List *irq_qmp_backtrace(const IrqlogEvent *event)
{
    uint64List *list = NULL;
    unsigned i = event->n_backtrace;

    while (i--) {
        QAPI_LIST_PREPEND(list, event->backtrace[i]);
    }
    return list;
}

static void irq_qmp_fill_names(Query *q, IrqLogEntry *entry, const Found *found)
{
    const IrqlogLineInfo *line = &irq_qmp_line(q, found->line)->info;
    const ThreadText *thread = irq_qmp_thread(q, found->thread);
    const SymbolText *caller = irq_qmp_symbol(q, found->event.caller, true);
    const SymbolText *handler = irq_qmp_symbol(q, found->event.handler, false);

    entry->path = g_strdup(line->path);
    entry->thread_name = g_strdup(thread->name);
    QAPI_SET_PTR(entry, thread_role, g_strdup(thread->role));
    QAPI_SET_PTR(entry, caller_symbol, g_strdup(caller->name));
    QAPI_SET_PTR(entry, handler_symbol, g_strdup(handler->name));
    QAPI_SET_PTR(entry, driven_by, g_strdup(line->driven_by));
    QAPI_SET_PTR(entry, owner, g_strdup(line->owner));
    QAPI_SET_PTR(entry, device, g_strdup(line->device));
}

static void irq_qmp_fill_message(IrqLogEntry *entry, const IrqlogEvent *event)
{
    entry->has_msi_address = event->has_msi;
    entry->msi_address = event->msi_address;
    entry->has_msi_data = event->has_msi;
    entry->msi_data = event->msi_data;
    QAPI_SET_PTR(entry, requester, g_strdup(event->requester));
}

static IrqLogEntry *irq_qmp_entry(Query *q, const Found *found)
{
    const IrqlogEvent *event = &found->event;
    IrqLogEntry *entry = g_new0(IrqLogEntry, 1);

    entry->seq = event->seq;
    entry->timestamp_ns = event->time_ns;
    entry->level = event->level;
    entry->irq_line = event->n;
    entry->kind = (IrqLogKind)event->kind;
    entry->host_tid = event->tid;
    entry->caller_addr = event->caller;
    entry->depth = event->depth;
    entry->has_backtrace = event->n_backtrace > 0;
    entry->backtrace = irq_qmp_backtrace(event);
    irq_qmp_fill_names(q, entry, found);
    irq_qmp_fill_message(entry, event);
    return entry;
}

static IrqLogEntryList *irq_qmp_list(Query *q)
{
    IrqLogEntryList *list = NULL;
    g_autofree const Found **order = irq_qmp_sorted(q);
    guint i = q->found->len;

    while (i--) {
        QAPI_LIST_PREPEND(list, irq_qmp_entry(q, order[i]));
    }
    return list;
}

IrqLogEntryList *qmp_query_irq_log(IrqLogQuery *args, Error **errp)
{
    IrqLogSession *session;
    IrqLogEntryList *list = NULL;
    g_autofree Query *q = g_new0(Query, 1);

    q->args = args;
    if (!vmscope_reply_begin(&q->page, args->has_max_entries,
                             args->max_entries, errp)) {
        return NULL;
    }
    session = irq_log_get();
    if (!session) {
        return NULL;
    }
    q->store = &session->store;
    q->symbols = g_hash_table_new_full(NULL, NULL, NULL, irq_qmp_symbol_free);
    q->lines = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    q->threads = g_hash_table_new_full(NULL, NULL, NULL, irq_qmp_thread_free);
    q->found = g_array_new(false, false, sizeof(Found));
    if (vmscope_reply_fill(&q->page, &q->store->ring, "interrupts",
                           args->has_after, args->after, irq_qmp_read, q,
                           errp)) {
        list = irq_qmp_list(q);
    }
    g_array_unref(q->found);
    g_hash_table_unref(q->threads);
    g_hash_table_unref(q->lines);
    g_hash_table_unref(q->symbols);
    irq_log_put(session);
    return list;
}

static void irq_qmp_fill_status(IrqLogStatus *status, IrqLogSession *session)
{
    const IrqlogStore *store = &session->store;

    status->enabled = qatomic_read(&session->base.enabled);
    status->entries = store->ring.mask + 1;
    vmscope_ring_count(&session->base.ring, &status->recorded,
                       &status->overwritten);
    status->lines = irqlog_store_n_lines(store);
    status->lines_refused = irqlog_store_lines_refused(store);
    status->text = session->opts->text;
    status->text_limit = session->opts->text_limit;
    status->text_lost = qatomic_read(&session->text_lost);
    QAPI_SET_PTR(status, text_error,
                 g_strdup(qatomic_read(&session->text_error)));
    QAPI_SET_PTR(status, log_file, g_strdup(session->opts->log_file));
    QAPI_SET_PTR(status, ring_file, g_strdup(session->opts->ring_file));
    QAPI_SET_PTR(status, ring_lost,
                 g_strdup(qatomic_read(&session->base.ring.why_lost)));
    status->backtrace = session->backtrace;
    status->msi = session->msi;
    status->changes_only = session->changes_only;
}

IrqLogStatus *qmp_query_irq_log_status(Error **errp)
{
    const ProcessInfo *process = process_info();
    IrqLogStatus *status = g_new0(IrqLogStatus, 1);
    IrqLogSession *session = irq_log_get();

    if (session) {
        irq_qmp_fill_status(status, session);
        irq_log_put(session);
    }
    QAPI_SET_PTR(status, symbols_error, g_strdup(process_symbols_error()));
    status->clock = vmscope_clock_new();
    status->load_base = process->load_base;
    status->build_id = g_strdup(process->build_id);
    return status;
}
