/*
 * Windows scheduler trace: the QMP commands
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
#include "sched-options.h"
#include "sched-trace.h"

#define DEFAULT_ENTRIES 1000
#define MAX_ENTRIES 100000

/* How long turning off waits for the ring to be settled. */
#define STOP_WAIT_MS 2500

static CoMutex set_lock;

static bool is_enabled(void)
{
    SchedSession *session = sched_trace_get();
    bool enabled = session && qatomic_read(&session->enabled);

    if (session) {
        sched_trace_put(session);
    }
    return enabled;
}

/* The ring is settled when the command returns. */
static void coroutine_fn stop_and_wait(void)
{
    SchedSession *session = sched_trace_stop();
    int ms;

    if (!session) {
        return;
    }
    for (ms = 0; ms < STOP_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->done)) {
            break;
        }
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, SCALE_MS);
    }
    sched_cpus_end_exit_regs();
    sched_trace_put(session);
}

void coroutine_fn qmp_windows_sched_trace_set(WindowsSchedTraceOptions *opts,
                                              Error **errp)
{
    if (opts->enable && !sched_options_check(opts, errp)) {
        return;
    }
    qemu_co_mutex_lock(&set_lock);
    if (!opts->enable) {
        stop_and_wait();
    } else if (!is_enabled()) {
        sched_trace_start(opts, errp);
    }
    qemu_co_mutex_unlock(&set_lock);
}

/* A query under way. */
typedef struct Query {
    const WindowsSchedTraceQuery *args;
    const SchedlogStore *store;
    uint32_t max;
    GArray *found;              /* SchedlogEvent */
} Query;

static bool matches(const Query *q, const SchedlogEvent *event)
{
    const WindowsSchedTraceQuery *args = q->args;
    bool ids = event->has & SCHEDLOG_HAS_IDS;

    return (!args->has_filter_vcpu || args->filter_vcpu == event->vcpu) &&
           (!args->has_filter_pid ||
            (ids && args->filter_pid == event->pid)) &&
           (!args->has_filter_tid || (ids && args->filter_tid == event->tid));
}

static EvringRead try_event(Query *q, uint64_t seq)
{
    SchedlogEvent event;
    EvringRead result = schedlog_store_event(q->store, seq, &event);

    if (result == EVRING_OK && matches(q, &event)) {
        g_array_append_val(q->found, event);
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
    const SchedlogEvent *x = a;
    const SchedlogEvent *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static char *text_if(bool has, const char *text)
{
    return has ? g_strdup(text) : NULL;
}

static void fill_process(WindowsSchedEntry *entry, const SchedlogEvent *event)
{
    uint32_t has = event->has;

    entry->has_process_pointer = has & SCHEDLOG_HAS_PROCESS;
    entry->process_pointer = event->process;
    entry->has_attached_process = has & SCHEDLOG_HAS_ATTACHED;
    entry->attached_process = event->attached;
    entry->has_unique_process_id = has & SCHEDLOG_HAS_IDS;
    entry->unique_process_id = event->pid;
    entry->has_unique_thread_id = has & SCHEDLOG_HAS_IDS;
    entry->unique_thread_id = event->tid;
    QAPI_SET_PTR(entry, process_image, text_if(has & SCHEDLOG_HAS_IMAGE,
                                               event->image));
    QAPI_SET_PTR(entry, thread_name, text_if(has & SCHEDLOG_HAS_NAME,
                                             event->name));
    entry->has_thread_name_cut = has & SCHEDLOG_NAME_CUT;
    entry->thread_name_cut = true;
}

static void fill_thread(WindowsSchedEntry *entry, const SchedlogEvent *event)
{
    uint32_t has = event->has;

    entry->has_kthread_state = has & SCHEDLOG_HAS_STATE;
    entry->kthread_state = event->state;
    QAPI_SET_PTR(entry, state_name, text_if(has & SCHEDLOG_HAS_STATE,
                                            winos_state_name(event->state)));
    entry->has_priority = has & SCHEDLOG_HAS_PRIORITY;
    entry->priority = event->priority;
    entry->has_idle = has & SCHEDLOG_IDLE;
    entry->idle = true;
    entry->has_context_switches = has & SCHEDLOG_HAS_SWITCHES;
    entry->context_switches = event->switches;
    entry->has_wait_time = has & SCHEDLOG_HAS_WAIT_TIME;
    entry->wait_time = event->wait_time;
}

static void fill_previous(WindowsSchedEntry *entry, const SchedlogEvent *event)
{
    uint32_t has = event->has;

    entry->has_previous_thread_pointer = has & SCHEDLOG_HAS_OLD;
    entry->previous_thread_pointer = event->old_thread;
    entry->has_previous_unique_process_id = has & SCHEDLOG_HAS_OLD_IDS;
    entry->previous_unique_process_id = event->old_pid;
    entry->has_previous_unique_thread_id = has & SCHEDLOG_HAS_OLD_IDS;
    entry->previous_unique_thread_id = event->old_tid;
    entry->has_previous_state = has & SCHEDLOG_HAS_OLD_STATE;
    entry->previous_state = event->old_state;
    QAPI_SET_PTR(entry, previous_state_name,
                 text_if(has & SCHEDLOG_HAS_OLD_STATE,
                         winos_state_name(event->old_state)));
    entry->has_previous_priority = has & SCHEDLOG_HAS_OLD_PRIORITY;
    entry->previous_priority = event->old_priority;
    entry->has_wait_reason = has & SCHEDLOG_HAS_OLD_WAIT_REASON;
    entry->wait_reason = event->old_wait_reason;
    QAPI_SET_PTR(entry, wait_reason_name,
                 text_if(has & SCHEDLOG_HAS_OLD_WAIT_REASON,
                         winos_wait_reason_name(event->old_wait_reason)));
}

static WindowsSchedOrigin origin_of(const SchedlogEvent *event)
{
    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_ORIGIN_EXIT != (int)SCHEDLOG_EXIT);
    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_ORIGIN_POLL != (int)SCHEDLOG_POLL);
    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_ORIGIN_EXACT != (int)SCHEDLOG_EXACT);
    return MIN(event->origin, WINDOWS_SCHED_ORIGIN__MAX - 1);
}

static WindowsSchedEntry *entry_new(const SchedlogEvent *event)
{
    WindowsSchedEntry *entry = g_new0(WindowsSchedEntry, 1);

    entry->seq = event->seq;
    entry->timestamp_ns = event->time_ns;
    entry->vcpu = event->vcpu;
    entry->thread_pointer = event->thread;
    entry->has_missed = event->has & SCHEDLOG_HAS_MISSED;
    entry->missed = event->missed;
    entry->origin = origin_of(event);
    fill_process(entry, event);
    fill_thread(entry, event);
    fill_previous(entry, event);
    return entry;
}

static WindowsSchedEntryList *entry_list(Query *q)
{
    WindowsSchedEntryList *list = NULL;
    guint i = q->found->len;

    g_array_sort(q->found, by_time);
    while (i--) {
        QAPI_LIST_PREPEND(list, entry_new(&g_array_index(q->found,
                                                         SchedlogEvent, i)));
    }
    return list;
}

WindowsSchedEntryList *
qmp_query_windows_sched_trace(WindowsSchedTraceQuery *args, Error **errp)
{
    SchedSession *session;
    WindowsSchedEntryList *list;
    Query q = {
        .args = args,
        .max = args->has_max_entries ? args->max_entries : DEFAULT_ENTRIES,
    };

    if (q.max > MAX_ENTRIES) {
        error_setg(errp, "max-entries is %" PRIu32 ", but at most %d are "
                   "returned; use 'after' to page", q.max, MAX_ENTRIES);
        return NULL;
    }
    session = sched_trace_get();
    if (!session) {
        return NULL;
    }
    q.store = &session->store;
    q.found = g_array_new(false, false, sizeof(SchedlogEvent));
    if (args->has_after) {
        find_after(&q);
    } else {
        find_newest(&q);
    }
    list = entry_list(&q);
    g_array_unref(q.found);
    sched_trace_put(session);
    return list;
}

WindowsSchedTraceStatus *qmp_query_windows_sched_trace_status(Error **errp)
{
    SchedSession *session = sched_trace_get();
    WindowsSchedTraceStatus *status = sched_status_new(session);

    if (session) {
        sched_trace_put(session);
    }
    return status;
}

static void init_set_lock(void)
{
    qemu_co_mutex_init(&set_lock);
}

type_init(init_set_lock)
