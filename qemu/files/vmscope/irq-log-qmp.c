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
#include "vmscope/compat.h"
#include "irq-log.h"

#define DEFAULT_ENTRIES 1000
#define MAX_ENTRIES 100000

/* How long turning off waits for the text to be complete. */
#define STOP_WAIT_MS 2500

static CoMutex set_lock;

static bool check_options(const IrqLogOptions *opts, Error **errp)
{
    if (opts->has_entries &&
        (opts->entries == 0 || !evring_round_entries(opts->entries))) {
        error_setg(errp, "entries is %" PRIu32 ", but a ring has from %d to "
                   "%d", opts->entries, EVRING_MIN_ENTRIES,
                   EVRING_MAX_ENTRIES);
        return false;
    }
    if (opts->has_backtrace && opts->backtrace > IRQLOG_BACKTRACE_MAX) {
        error_setg(errp, "backtrace is %u, but at most %d frames are kept",
                   opts->backtrace, IRQLOG_BACKTRACE_MAX);
        return false;
    }
    if (opts->log_file && opts->has_text && !opts->text) {
        error_setg(errp, "log-file is '%s', but text is off; leave out one "
                   "of them", opts->log_file);
        return false;
    }
    if (opts->ring_file && opts->log_file &&
        !strcmp(opts->ring_file, opts->log_file)) {
        error_setg(errp, "log-file and ring-file are both '%s'",
                   opts->log_file);
        return false;
    }
    return true;
}

static bool is_enabled(void)
{
    IrqLogSession *session = irq_log_get();
    bool enabled = session && qatomic_read(&session->enabled);

    if (session) {
        irq_log_put(session);
    }
    return enabled;
}

/* The text is complete when the command returns, unless nobody takes it. */
static void coroutine_fn stop_and_wait(void)
{
    IrqLogSession *session = irq_log_stop();
    int ms;

    if (!session) {
        return;
    }
    for (ms = 0; ms < STOP_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->writer_done)) {
            break;
        }
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS);
    }
    irq_log_put(session);
}

void coroutine_fn qmp_irq_log_set(IrqLogOptions *opts, Error **errp)
{
    if (!check_options(opts, errp)) {
        return;
    }
    qemu_co_mutex_lock(&set_lock);
    if (!opts->enable) {
        stop_and_wait();
    } else if (!is_enabled()) {
        irq_log_start(opts, errp);
    }
    qemu_co_mutex_unlock(&set_lock);
}

/* A query under way. */
typedef struct Query {
    const IrqLogQuery *args;
    const IrqlogStore *store;
    uint32_t max;
    GHashTable *symbols;        /* address -> symbol or NULL */
    GArray *found;              /* Found */
} Query;

typedef struct Found {
    IrqlogEvent event;
    uint32_t line;
    uint32_t thread;
} Found;

static bool matches(const Query *q, const IrqlogEvent *event)
{
    const IrqLogQuery *args = q->args;

    return (!args->has_filter_tid || args->filter_tid == event->tid) &&
           (!args->has_filter_line || args->filter_line == event->n) &&
           (!args->has_filter_kind ||
            args->filter_kind == (IrqLogKind)event->kind) &&
           (!args->filter_path || !strcmp(args->filter_path, event->path) ||
            g_pattern_match_simple(args->filter_path, event->path));
}

static EvringRead try_event(Query *q, uint64_t seq)
{
    Found found;
    EvringRead result = irqlog_store_event_ids(q->store, seq, &found.event,
                                               &found.line, &found.thread);

    if (result == EVRING_OK && matches(q, &found.event)) {
        g_array_append_val(q->found, found);
    }
    return result;
}

static bool is_full(const Query *q)
{
    return q->found->len >= q->max;
}

/*
 * Up to the first event that is still being written: what lies behind it
 * could not be asked for again.
 */
static void find_after(Query *q)
{
    uint64_t seq = MAX(q->args->after + 1, evring_oldest(&q->store->ring));
    EvringRead result = EVRING_OK;

    while (!is_full(q) && q->args->after < UINT64_MAX) {
        result = try_event(q, seq++);
        if (result == EVRING_PENDING || result == EVRING_FUTURE) {
            break;
        }
    }
}

static void find_newest(Query *q)
{
    uint64_t seq = evring_head(&q->store->ring);

    while (seq > 0 && !is_full(q)) {
        if (try_event(q, seq) == EVRING_OVERWRITTEN) {
            break;
        }
        seq--;
    }
}

static int by_time(gconstpointer a, gconstpointer b)
{
    const IrqlogEvent *x = &((const Found *)a)->event;
    const IrqlogEvent *y = &((const Found *)b)->event;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The same few addresses come up again and again. */
static char *symbol(Query *q, uint64_t addr, bool is_return)
{
    gpointer key = (gpointer)(uintptr_t)addr;
    gpointer known;

    if (!g_hash_table_lookup_extended(q->symbols, key, NULL, &known)) {
        known = vmscope_symbol(addr, is_return);
        g_hash_table_insert(q->symbols, key, known);
    }
    return g_strdup(known);
}

static uint64List *backtrace_list(const IrqlogEvent *event)
{
    uint64List *list = NULL;
    unsigned i = event->n_backtrace;

    while (i--) {
        QAPI_LIST_PREPEND(list, event->backtrace[i]);
    }
    return list;
}

static void fill_names(Query *q, IrqLogEntry *entry, const Found *found)
{
    IrqlogThreadInfo thread = { .name = "" };
    IrqlogLineInfo line = {};

    irqlog_store_thread(q->store, found->thread, &thread);
    entry->thread_name = g_utf8_make_valid(thread.name, -1);
    QAPI_SET_PTR(entry, thread_role, g_strdup(thread.role));
    QAPI_SET_PTR(entry, caller_symbol, symbol(q, entry->caller_addr, true));
    QAPI_SET_PTR(entry, handler_symbol,
                 symbol(q, found->event.handler, false));
    irqlog_store_line(q->store, found->line, &line);
    QAPI_SET_PTR(entry, driven_by, g_strdup(line.driven_by));
    QAPI_SET_PTR(entry, owner, g_strdup(line.owner));
}

static void fill_message(IrqLogEntry *entry, const IrqlogEvent *event)
{
    entry->has_msi_address = event->has_msi;
    entry->msi_address = event->msi_address;
    entry->has_msi_data = event->has_msi;
    entry->msi_data = event->msi_data;
    QAPI_SET_PTR(entry, requester, g_strdup(event->requester));
}

static IrqLogEntry *entry_new(Query *q, const Found *found)
{
    const IrqlogEvent *event = &found->event;
    IrqLogEntry *entry = g_new0(IrqLogEntry, 1);

    entry->seq = event->seq;
    entry->timestamp_ns = event->time_ns;
    entry->level = event->level;
    entry->irq_line = event->n;
    entry->kind = (IrqLogKind)event->kind;
    entry->path = g_strdup(event->path);
    entry->host_tid = event->tid;
    entry->caller_addr = event->caller;
    entry->depth = event->depth;
    entry->has_backtrace = event->n_backtrace > 0;
    entry->backtrace = backtrace_list(event);
    fill_names(q, entry, found);
    fill_message(entry, event);
    return entry;
}

static IrqLogEntryList *entry_list(Query *q)
{
    IrqLogEntryList *list = NULL;
    guint i = q->found->len;

    g_array_sort(q->found, by_time);
    while (i--) {
        QAPI_LIST_PREPEND(list, entry_new(q, &g_array_index(q->found, Found,
                                                            i)));
    }
    return list;
}

IrqLogEntryList *qmp_query_irq_log(IrqLogQuery *args, Error **errp)
{
    IrqLogSession *session;
    IrqLogEntryList *list;
    Query q = {
        .args = args,
        .max = args->has_max_entries ? args->max_entries : DEFAULT_ENTRIES,
    };

    if (q.max > MAX_ENTRIES) {
        error_setg(errp, "max-entries is %" PRIu32 ", but at most %d are "
                   "returned; use 'after' to page", q.max, MAX_ENTRIES);
        return NULL;
    }
    session = irq_log_get();
    if (!session) {
        return NULL;
    }
    q.store = &session->store;
    q.symbols = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    q.found = g_array_new(false, false, sizeof(Found));
    if (args->has_after) {
        find_after(&q);
    } else {
        find_newest(&q);
    }
    list = entry_list(&q);
    g_array_unref(q.found);
    g_hash_table_unref(q.symbols);
    irq_log_put(session);
    return list;
}

static void fill_status(IrqLogStatus *status, IrqLogSession *session)
{
    const IrqlogStore *store = &session->store;

    status->enabled = qatomic_read(&session->enabled);
    status->entries = store->ring.mask + 1;
    /* What was dropped was raised too, and is not in the ring either. */
    status->overwritten = evring_oldest(&store->ring) - 1 +
                          irqlog_store_dropped(store);
    status->recorded = evring_head(&store->ring) +
                       irqlog_store_dropped(store);
    status->lines = irqlog_store_n_lines(store);
    status->text = session->text;
    status->text_lost = qatomic_read(&session->text_lost);
    QAPI_SET_PTR(status, text_error,
                 g_strdup(qatomic_read(&session->text_error)));
    QAPI_SET_PTR(status, log_file, g_strdup(session->log_file));
    QAPI_SET_PTR(status, ring_file, g_strdup(session->ring_file));
    status->backtrace = session->backtrace;
    status->msi = session->msi;
    status->changes_only = session->changes_only;
}

IrqLogStatus *qmp_query_irq_log_status(Error **errp)
{
    const VmscopeProcess *process = vmscope_process();
    IrqLogStatus *status = g_new0(IrqLogStatus, 1);
    IrqLogSession *session = irq_log_get();

    if (session) {
        fill_status(status, session);
        irq_log_put(session);
    }
    status->clock = vmscope_clock_new();
    status->load_base = process->load_base;
    status->build_id = g_strdup(process->build_id);
    return status;
}

static void init_set_lock(void)
{
    qemu_co_mutex_init(&set_lock);
}

type_init(init_set_lock)
