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
#include "vmscope/compat.h"
#include "reply.h"
#include "sched-options.h"
#include "sched-trace.h"
#include "winos/modules.h"
#include "winos/processes.h"

void coroutine_fn qmp_windows_sched_trace_set(WindowsSchedTraceOptions *opts,
                                              Error **errp)
{
    SchedSession *session;

    if (opts->enable && !sched_options_check(opts, errp)) {
        return;
    }
    qemu_co_mutex_lock(&sched_trace.lock);
    session = sched_trace_current();
    if (!opts->enable) {
        if (vmscope_trace_off(&sched_trace)) {
            sched_cpus_end_exit_regs();
        }
    } else if (session && session->base.enabled) {
        sched_options_same(session->opts, opts, errp);
    } else {
        sched_trace_start(opts, errp);
    }
    qemu_co_mutex_unlock(&sched_trace.lock);
}

/* A query under way. */
typedef struct Query {
    const WindowsSchedTraceQuery *args;
    const SchedlogStore *store;
    RecorderPage page;
    GArray *found;              /* SchedlogEvent */
} Query;

static bool sched_qmp_matches(const Query *q, const SchedlogEvent *event)
{
    const WindowsSchedTraceQuery *args = q->args;
    bool ids = event->has & SCHEDLOG_HAS_IDS;

    return (!args->has_filter_vcpu || args->filter_vcpu == event->vcpu) &&
           (!args->has_filter_pid ||
            (ids && args->filter_pid == event->pid)) &&
           (!args->has_filter_tid || (ids && args->filter_tid == event->tid));
}

/* Of the members' names, and of all else but text as long as it can be. */
#define ENTRY_BYTES 1300

/* As JSON, at most. */
static size_t sched_qmp_bytes(const SchedlogEvent *event)
{
    return ENTRY_BYTES + vmscope_reply_string(event->image) +
           vmscope_reply_string(event->name);
}

static EvringRead sched_qmp_read(void *opaque, uint64_t seq)
{
    Query *q = opaque;
    SchedlogEvent event;
    EvringRead result = schedlog_store_event(q->store, seq, &event);

    if (result == EVRING_OK && sched_qmp_matches(q, &event) &&
        recorder_page_add(&q->page, sched_qmp_bytes(&event))) {
        g_array_append_val(q->found, event);
    }
    return result;
}

static int sched_qmp_order(gconstpointer a, gconstpointer b)
{
    const SchedlogEvent *x = a;
    const SchedlogEvent *y = b;

    return recorder_order(x->time_ns, x->seq, y->time_ns, y->seq);
}

static char *sched_qmp_text_if(bool has, const char *text)
{
    return has ? g_strdup(text) : NULL;
}

static bool sched_qmp_is_ascii(const char *bytes)
{
    while (*bytes > 0) {
        bytes++;
    }
    return !*bytes;
}

static char *sched_qmp_hex(const char *bytes)
{
    GString *hex = g_string_new(NULL);

    while (*bytes) {
        g_string_append_printf(hex, "%02x", (uint8_t)*bytes++);
    }
    return g_string_free(hex, false);
}

/* The guest's bytes, for who knows better what they mean. */
static void sched_qmp_fill_image_bytes(WindowsSchedEntry *entry,
                                       const SchedlogEvent *event)
{
    if ((event->has & SCHEDLOG_HAS_IMAGE) &&
        !sched_qmp_is_ascii(event->image)) {
        QAPI_SET_PTR(entry, process_image_bytes, sched_qmp_hex(event->image));
    }
}

static void sched_qmp_fill_process(WindowsSchedEntry *entry,
                                   const SchedlogEvent *event)
{
    uint32_t has = event->has;

    entry->has_process_pointer = has & SCHEDLOG_HAS_PROCESS;
    entry->process_pointer = event->process;
    entry->has_attached_process = has & SCHEDLOG_HAS_ATTACHED;
    entry->attached_process = event->attached;
    vmscope_reply_thread_name(qapi_WindowsSchedEntry_base(entry),
                              has & SCHEDLOG_HAS_IDS, event->pid, event->tid,
                              has & SCHEDLOG_HAS_IMAGE ? event->image : NULL,
                              has & SCHEDLOG_HAS_NAME ? event->name : NULL);
    sched_qmp_fill_image_bytes(entry, event);
    entry->has_thread_name_cut = has & SCHEDLOG_NAME_CUT;
    entry->thread_name_cut = true;
}

static void sched_qmp_fill_thread(WindowsSchedEntry *entry,
                                  const SchedlogEvent *event)
{
    uint32_t has = event->has;

    entry->has_kthread_state = has & SCHEDLOG_HAS_STATE;
    entry->kthread_state = event->state;
    QAPI_SET_PTR(entry, state_name,
                 sched_qmp_text_if(has & SCHEDLOG_HAS_STATE,
                                   winos_state_name(event->state)));
    entry->has_priority = has & SCHEDLOG_HAS_PRIORITY;
    entry->priority = event->priority;
    entry->has_idle_unknown = has & SCHEDLOG_IDLE_UNKNOWN;
    entry->idle_unknown = entry->has_idle_unknown;
    entry->has_idle = has & SCHEDLOG_IDLE;
    entry->idle = true;
    entry->has_context_switches = has & SCHEDLOG_HAS_SWITCHES;
    entry->context_switches = event->switches;
    entry->has_wait_time = has & SCHEDLOG_HAS_WAIT_TIME;
    entry->wait_time = event->wait_time;
}

static void sched_qmp_fill_previous(WindowsSchedEntry *entry,
                                    const SchedlogEvent *event)
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
                 sched_qmp_text_if(has & SCHEDLOG_HAS_OLD_STATE,
                                   winos_state_name(event->old_state)));
    entry->has_previous_priority = has & SCHEDLOG_HAS_OLD_PRIORITY;
    entry->previous_priority = event->old_priority;
    entry->has_wait_reason = has & SCHEDLOG_HAS_OLD_WAIT_REASON;
    entry->wait_reason = event->old_wait_reason;
    QAPI_SET_PTR(entry, wait_reason_name,
                 sched_qmp_text_if(
                     has & SCHEDLOG_HAS_OLD_WAIT_REASON,
                     winos_wait_reason_name(event->old_wait_reason)));
}

static WindowsSchedOrigin sched_qmp_origin(const SchedlogEvent *event)
{
    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_ORIGIN_EXIT != (int)SCHEDLOG_EXIT);
    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_ORIGIN_POLL != (int)SCHEDLOG_POLL);
    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_ORIGIN_EXACT != (int)SCHEDLOG_EXACT);
    return MIN(event->origin, WINDOWS_SCHED_ORIGIN__MAX - 1);
}

static WindowsSchedEntry *sched_qmp_entry(const SchedlogEvent *event)
{
    WindowsSchedEntry *entry = g_new0(WindowsSchedEntry, 1);

    entry->seq = event->seq;
    entry->timestamp_ns = event->time_ns;
    entry->vcpu = event->vcpu;
    entry->thread_pointer = event->thread;
    entry->has_missed = event->has & SCHEDLOG_HAS_MISSED;
    entry->missed = event->missed;
    entry->origin = sched_qmp_origin(event);
    sched_qmp_fill_process(entry, event);
    sched_qmp_fill_thread(entry, event);
    sched_qmp_fill_previous(entry, event);
    return entry;
}

static WindowsSchedEntryList *sched_qmp_list(Query *q)
{
    WindowsSchedEntryList *list = NULL;
    guint i = q->found->len;

    g_array_sort(q->found, sched_qmp_order);
    while (i--) {
        QAPI_LIST_PREPEND(list, sched_qmp_entry(&g_array_index(q->found,
                                                               SchedlogEvent,
                                                               i)));
    }
    return list;
}

WindowsSchedEntryList *
qmp_query_windows_sched_trace(WindowsSchedTraceQuery *args, Error **errp)
{
    SchedSession *session;
    WindowsSchedEntryList *list = NULL;
    Query q = { .args = args };

    if (!vmscope_reply_begin(&q.page, args->has_max_entries,
                             args->max_entries, errp)) {
        return NULL;
    }
    session = sched_trace_get();
    if (!session) {
        return NULL;
    }
    q.store = &session->store;
    q.found = g_array_new(false, false, sizeof(SchedlogEvent));
    if (vmscope_reply_fill(&q.page, &q.store->ring, "switches",
                           args->has_after, args->after, sched_qmp_read, &q,
                           errp)) {
        list = sched_qmp_list(&q);
    }
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

static WindowsModule *module_new(const WinosModule *module)
{
    WindowsModule *to = g_new0(WindowsModule, 1);

    to->name = g_strdup(module->name);
    to->base = module->base;
    to->size = module->size;
    to->has_timestamp = module->timestamp != 0;
    to->timestamp = module->timestamp;
    if (*module->path) {
        QAPI_SET_PTR(to, path, g_strdup(module->path));
    }
    return to;
}

/* Some ten thousand reads of guest memory at most. */
static WindowsModules *modules_new(const WinosResult *result)
{
    g_autofree WinosModule *found = g_new(WinosModule, WINOS_MAX_MODULES);
    WindowsModules *modules = g_new0(WindowsModules, 1);
    WinosListEnd end;
    unsigned n;

    WITH_RCU_READ_LOCK_GUARD() {
        end = winos_modules_read(&result->kernel.space,
                                 winos_modules_head(result), found,
                                 WINOS_MAX_MODULES, &n);
    }
    QAPI_SET_PTR(modules, reason, sched_list_reason("drivers", end));
    while (n--) {
        QAPI_LIST_PREPEND(modules->modules, module_new(&found[n]));
    }
    return modules;
}

/* What is known of the guest's kernel; NULL with a sentence. */
static WatchStatus *sched_qmp_findings(SchedSession *session, Error **errp)
{
    g_autofree WatchStatus *findings = g_new0(WatchStatus, 1);

    if (session) {
        watch_status(session->watch, findings);
    }
    if (session && findings->found) {
        return g_steal_pointer(&findings);
    }
    error_setg(errp, "no Windows kernel is known: %s", session ?
               findings->reason : "the trace was never turned on");
    return NULL;
}

WindowsModules *qmp_query_windows_modules(Error **errp)
{
    SchedSession *session = sched_trace_get();
    g_autofree WatchStatus *findings = sched_qmp_findings(session, errp);
    WindowsModules *modules = findings ? modules_new(&findings->result) : NULL;

    if (session) {
        sched_trace_put(session);
    }
    return modules;
}

static WindowsProcess *process_new(const WinosProcess *process)
{
    WindowsProcess *to = g_new0(WindowsProcess, 1);

    to->process_pointer = process->address;
    to->unique_process_id = process->pid;
    to->has_parent = process->has_parent;
    to->parent = process->parent;
    to->process_image = vmscope_reply_utf8(process->image);
    if (!sched_qmp_is_ascii(process->image)) {
        QAPI_SET_PTR(to, process_image_bytes, sched_qmp_hex(process->image));
    }
    if (*process->path) {
        QAPI_SET_PTR(to, process_path, g_strdup(process->path));
    }
    return to;
}

/* Of a reply, and of a process' members but for its text. */
#define PROCESSES_BYTES (2 << 20)
#define PROCESS_BYTES 400

/* How many of them a reply has room for. */
static unsigned processes_fit(const WinosProcess *found, unsigned n)
{
    size_t bytes = PROCESSES_BYTES;
    unsigned i;

    for (i = 0; i < n; i++) {
        size_t more = PROCESS_BYTES + vmscope_reply_string(found[i].path);

        if (more > bytes) {
            return i;
        }
        bytes -= more;
    }
    return n;
}

/* As the modules: read when asked for, never on a vCPU's thread. */
static WindowsProcesses *processes_new(const WinosResult *result)
{
    g_autofree WinosProcess *found = g_new(WinosProcess, WINOS_MAX_PROCESSES);
    WindowsProcesses *processes = g_new0(WindowsProcesses, 1);
    unsigned fit, n;
    WinosListEnd end;

    WITH_RCU_READ_LOCK_GUARD() {
        end = winos_processes_read(result, found, WINOS_MAX_PROCESSES, &n);
    }
    fit = processes_fit(found, n);
    if (fit < n) {
        end = WINOS_LIST_FULL;
        n = fit;
    }
    QAPI_SET_PTR(processes, reason, sched_list_reason("processes", end));
    while (n--) {
        QAPI_LIST_PREPEND(processes->processes, process_new(&found[n]));
    }
    return processes;
}

WindowsProcesses *qmp_query_windows_processes(Error **errp)
{
    SchedSession *session = sched_trace_get();
    g_autofree WatchStatus *findings = sched_qmp_findings(session, errp);
    WindowsProcesses *processes = findings ? processes_new(&findings->result)
                                           : NULL;

    if (session) {
        sched_trace_put(session);
    }
    return processes;
}
