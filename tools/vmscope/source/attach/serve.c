/*
 * attach/serve: see serve.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/serve.h"

#include "source/attach/host.h"
#include "source/attach/status.h"
#include "source/why-json.h"

#include "common/message.h"
#include "common/translate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_ENTRIES = 1000,     /* of an answer */
    MAX_ENTRIES = 100000,
    DEFAULT_HZ = 1000,
    MAX_HZ = 100000,
    REPLY_MAX = 20000,          /* entries: as many as fit into some MiB */
};

struct AttachServer {
    pid_t pid;
    Qmp *qmp;
    AttachHost *host;           /* NULL: was never on */
};

static const char set_name[] = "windows-sched-trace-set";
static const char query_name[] = "query-windows-sched-trace";
static const char status_name[] = "query-windows-sched-trace-status";
static const char times_name[] = "query-windows-cpu-time";
static const char thread_times_name[] = "query-windows-thread-time";
static const char waits_name[] = "query-windows-waits";
static const char processes_name[] = "query-windows-processes";

bool attach_begins(const char *command)
{
    return !strcmp(command, set_name) || !strcmp(command, query_name) ||
           !strcmp(command, status_name);
}

bool attach_serves(const char *command)
{
    return attach_begins(command) || !strcmp(command, times_name) ||
           !strcmp(command, thread_times_name) ||
           !strcmp(command, waits_name) || !strcmp(command, processes_name);
}

AttachServer *attach_server_new(pid_t pid, Qmp *qmp)
{
    AttachServer *server = calloc(1, sizeof(*server));

    if (!server) {
        die_no_memory();
    }
    server->pid = pid;
    server->qmp = qmp;
    return server;
}

void attach_server_free(AttachServer *server)
{
    if (server) {
        attach_host_free(server->host);
        free(server);
    }
}

static bool is_on(const AttachServer *server)
{
    return server->host && attach_host_is_running(server->host);
}

bool attach_server_is_gone(const AttachServer *server)
{
    AttachFigures figures;

    if (!server->host) {
        return false;
    }
    attach_host_figures(server->host, &figures);
    return figures.gone;
}

/* windows-sched-trace-set */

static WinosField field_named(const char *name)
{
    unsigned i;

    /* One has a name of its own there. */
    if (!strcmp(name, "kthread-client-id")) {
        return WINOS_ETHREAD_CLIENT_ID;
    }
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        if (!strcmp(winos_field_name((WinosField)i), name)) {
            return (WinosField)i;
        }
    }
    return WINOS_N_FIELDS;
}

static bool take_overrides(const json_t *overrides, WinosOptions *winos,
                           Err *err)
{
    json_t *shared = (json_t *)overrides;   /* iterating changes nothing */
    void *at = json_object_iter(shared);

    for (; at; at = json_object_iter_next(shared, at)) {
        const char *name = json_object_iter_key(at);
        WinosField field = field_named(name);
        uint64_t value = qmp_uint(overrides, name, UINT64_MAX);

        if (field == WINOS_N_FIELDS || value > WINOS_MAX_OFFSET) {
            err_set(err, ERR_USAGE, "overrides: %s is %s", name,
                    field == WINOS_N_FIELDS ? _("no offset that is known")
                                            : _("too large"));
            return false;
        }
        winos->overrides[field] = (int32_t)value;
    }
    return true;
}

static bool take_sources(const json_t *sources, WinosOptions *winos, Err *err)
{
    uint8_t mask = 0;
    size_t i;
    unsigned k;

    for (i = 0; i < json_array_size(sources); i++) {
        const char *name = json_string_value(json_array_get(sources, i));

        for (k = 0; k < WINOS_N_SOURCES; k++) {
            if (name && !strcmp(name, winos_source_name((WinosSource)k))) {
                mask |= (uint8_t)(1 << k);
            }
        }
    }
    if (sources && !mask) {
        err_set(err, ERR_USAGE, "sources names none that is known, so "
                "nothing could be found");
        return false;
    }
    winos->sources = sources ? mask : winos->sources;
    return true;
}

static bool take_options(const AttachServer *server, const json_t *arguments,
                         AttachOptions *options, Err *err)
{
    uint64_t hz = qmp_uint(arguments, "poll-hz", DEFAULT_HZ);

    *options = (AttachOptions) {
        .pid = server->pid,
        .qmp = server->qmp,
        .dense_ms = (uint32_t)qmp_uint(arguments, "dense-ms", 0),
        .entries = qmp_uint(arguments, "entries", ATTACH_DEFAULT_ENTRIES),
        .ring_file = qmp_text(arguments, "ring-file", NULL),
        .poll_hz = (uint32_t)hz,
    };
    winos_options_init(&options->winos);
    options->winos.auto_detect = qmp_bool(arguments, "auto-detect", true);
    if (!strcmp(qmp_text(arguments, "mode", ""), "exact")) {
        err_set(err, ERR_USAGE, "exact mode needs a QEMU with vmscope built "
                "in: from outside, threads can be sampled alone");
        return false;
    }
    if (hz == 0 || (hz > MAX_HZ && hz != UINT32_MAX)) {
        err_set(err, ERR_USAGE, "poll-hz is %" PRIu64 ", but from outside "
                "there is nothing but polling: give 1 to %d", hz, MAX_HZ);
        return false;
    }
    if (options->entries == 0 ||
        !evring_round_entries(options->entries)) {
        err_set(err, ERR_USAGE, "entries is %" PRIu64 ", but a ring has from "
                "1 to %d", options->entries, EVRING_MAX_ENTRIES);
        return false;
    }
    return take_sources(json_object_get(arguments, "sources"),
                        &options->winos, err) &&
           take_overrides(json_object_get(arguments, "overrides"),
                          &options->winos, err);
}

static json_t *run_set(AttachServer *server, const json_t *arguments,
                       Err *err)
{
    AttachOptions options;

    if (!qmp_bool(arguments, "enable", false)) {
        if (server->host) {
            attach_host_stop(server->host);
        }
        return json_object();
    }
    if (is_on(server)) {
        return json_object();
    }
    if (!take_options(server, arguments, &options, err)) {
        return NULL;
    }
    attach_host_free(server->host);
    server->host = attach_host_start(&options, err);
    return server->host ? json_object() : NULL;
}

/* query-windows-sched-trace */

typedef struct Query {
    const SchedlogStore *store;
    uint64_t max;
    uint64_t vcpu, pid, tid;    /* UINT64_MAX: any */
    SchedlogEvent *found;
    size_t n;
    size_t room;
} Query;

static bool matches(const Query *q, const SchedlogEvent *event)
{
    bool ids = event->has & SCHEDLOG_HAS_IDS;

    return (q->vcpu == UINT64_MAX || q->vcpu == event->vcpu) &&
           (q->pid == UINT64_MAX || (ids && q->pid == event->pid)) &&
           (q->tid == UINT64_MAX || (ids && q->tid == event->tid));
}

static EvringRead try_event(Query *q, uint64_t seq)
{
    SchedlogEvent event;
    EvringRead result = schedlog_store_event(q->store, seq, &event);

    if (result != EVRING_OK || !matches(q, &event)) {
        return result;
    }
    if (q->n == q->room) {
        q->room = q->room ? 2 * q->room : 256;
        q->found = reallocarray(q->found, q->room, sizeof(*q->found));
        if (!q->found) {
            die_no_memory();
        }
    }
    q->found[q->n++] = event;
    return result;
}

static void find_after(Query *q, uint64_t after)
{
    uint64_t oldest = evring_oldest(&q->store->ring);
    uint64_t seq = after + 1 > oldest ? after + 1 : oldest;
    EvringRead result = EVRING_OK;

    while (q->n < q->max && after < UINT64_MAX &&
           result != EVRING_PENDING && result != EVRING_FUTURE) {
        result = try_event(q, seq++);
    }
}

static void find_newest(Query *q)
{
    uint64_t seq = evring_head(&q->store->ring);

    while (seq > 0 && q->n < q->max &&
           try_event(q, seq) != EVRING_OVERWRITTEN) {
        seq--;
    }
}

static int by_time(const void *a, const void *b)
{
    const SchedlogEvent *x = a;
    const SchedlogEvent *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static json_t *run_query(AttachServer *server, const json_t *arguments,
                         Err *err)
{
    json_t *list = json_array();
    Query q = {
        .max = qmp_uint(arguments, "max-entries", DEFAULT_ENTRIES),
        .vcpu = qmp_uint(arguments, "filter-vcpu", UINT64_MAX),
        .pid = qmp_uint(arguments, "filter-pid", UINT64_MAX),
        .tid = qmp_uint(arguments, "filter-tid", UINT64_MAX),
    };
    size_t i;

    if (q.max > MAX_ENTRIES) {
        json_decref(list);
        err_set(err, ERR_USAGE, "max-entries is %" PRIu64 ", but at most %d "
                "are returned; use 'after' to page", q.max, MAX_ENTRIES);
        return NULL;
    }
    if (!server->host) {
        return list;
    }
    q.max = q.max > REPLY_MAX ? REPLY_MAX : q.max;
    q.store = attach_host_store(server->host);
    if (qmp_has(arguments, "after")) {
        find_after(&q, qmp_uint(arguments, "after", 0));
    } else {
        find_newest(&q);
    }
    if (q.n) {
        qsort(q.found, q.n, sizeof(*q.found), by_time);
    }
    for (i = 0; i < q.n; i++) {
        json_array_append_new(list, attach_status_entry(&q.found[i]));
    }
    free(q.found);
    return list;
}

/* What is read out of memory when it is asked for. */

typedef struct WhyQuestion {
    const char *command;
    const json_t *arguments;
    json_t *answer;
    Err *err;
} WhyQuestion;

static void answer_why(void *opaque, const WinosResult *result,
                       const WinosCpu *cpus, unsigned n_cpus)
{
    WhyQuestion *q = opaque;

    if (!strcmp(q->command, processes_name)) {
        q->answer = attach_status_processes(result);
        return;
    }
    if (!strcmp(q->command, times_name)) {
        q->answer = why_json_times(result, cpus, n_cpus, clock_now_ns());
        return;
    }
    if (!strcmp(q->command, thread_times_name)) {
        q->answer = why_json_thread_times(
            result, json_object_get(q->arguments, "threads"),
            clock_now_ns());
        return;
    }
    q->answer = why_json_waits(
        result, cpus, n_cpus,
        (uint32_t)qmp_uint(q->arguments, "unique-process-id", 0),
        (uint32_t)qmp_uint(q->arguments, "unique-thread-id", 0), q->err);
}

/* The other measure, beside Windows' counters. */
static void add_samples(AttachServer *server, json_t *times)
{
    static const char *const names[WATCH_N_DOING] = {
        [WATCH_DOES_THREAD] = "samples-thread",
        [WATCH_DOES_DPC] = "samples-dpc",
        [WATCH_DOES_INTERRUPT] = "samples-interrupt",
        [WATCH_DOES_IDLE] = "samples-idle",
    };
    uint64_t counts[WATCH_N_DOING];
    json_t *vcpu;
    size_t i;
    unsigned k;

    json_array_foreach(json_object_get(times, "vcpus"), i, vcpu) {
        if (!attach_host_doing(server->host,
                               (unsigned)qmp_uint(vcpu, "vcpu", 0), counts)) {
            continue;
        }
        for (k = 0; k < WATCH_N_DOING; k++) {
            qmp_set(vcpu, names[k], json_integer((json_int_t)counts[k]));
        }
    }
}

static json_t *run_why(AttachServer *server, const char *command,
                       const json_t *arguments, Err *err)
{
    WhyQuestion q = { command, arguments, NULL, err };

    if (!is_on(server)) {
        err_set(err, ERR_USAGE, "the scheduler trace is off: turn it on with "
                "windows-sched-trace-set");
    } else if (!attach_host_look(server->host, answer_why, &q)) {
        err_set(err, ERR_USAGE, "no Windows kernel was found yet");
    }
    if (q.answer && !strcmp(command, times_name)) {
        add_samples(server, q.answer);
    }
    return q.answer;
}

json_t *attach_server_command(AttachServer *server, const char *command,
                              const json_t *arguments, Err *err)
{
    if (!strcmp(command, set_name)) {
        return run_set(server, arguments, err);
    }
    if (!strcmp(command, query_name)) {
        return run_query(server, arguments, err);
    }
    if (!strcmp(command, times_name) ||
        !strcmp(command, thread_times_name) ||
        !strcmp(command, waits_name) || !strcmp(command, processes_name)) {
        return run_why(server, command, arguments, err);
    }
    return attach_status_json(server->host, server->pid);
}

static json_t *cpus_of(const AttachProcess *process)
{
    unsigned n = process->vcpu_threads ? process->vcpu_threads
                                       : process->command.vcpus;
    json_t *list = json_array();
    AttachThread threads[ATTACH_MAX_VCPUS];
    unsigned i;

    attach_process_threads(process->pid, threads, ATTACH_MAX_VCPUS);
    for (i = 0; i < n; i++) {
        json_t *cpu = json_pack("{s:i}", "cpu-index", (int)i);

        if (i < ATTACH_MAX_VCPUS && threads[i].tid) {
            json_object_set_new(cpu, "thread-id",
                                json_integer(threads[i].tid));
        }
        json_array_append_new(list, cpu);
    }
    return list;
}

json_t *attach_blind_answer(pid_t pid, const char *command)
{
    AttachProcess *process = malloc(sizeof(*process));
    json_t *answer = NULL;

    if (!process) {
        die_no_memory();
    }
    if (!attach_process_read(pid, process)) {
        free(process);
        return NULL;
    }
    if (!strcmp(command, "query-name")) {
        answer = process->command.name[0]
            ? json_pack("{s:s}", "name", process->command.name)
            : json_object();
    } else if (!strcmp(command, "query-kvm")) {
        answer = json_pack("{s:b}", "enabled",
                           process->command.accel == ATTACH_ACCEL_KVM);
    } else if (!strcmp(command, "query-cpus-fast")) {
        answer = cpus_of(process);
    }
    free(process);
    return answer;
}
