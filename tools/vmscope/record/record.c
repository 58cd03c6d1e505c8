/*
 * vmscope record: keep thread switches and interrupts in a file.
 *
 * QEMU writes rings in shared memory; this follows them, so that little is
 * asked of QEMU while it runs: Windows' counters, by record-ticks, where images
 * of processes lie, by record-paths, and the drivers of its interrupts, by
 * record-drivers.  The rings are record-ring's, the files record-file's, turning
 * traces on and off record-trace's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "common/message.h"
#include "common/stop.h"
#include "common/translate.h"
#include "source/bypass.h"
#include "source/qmp-wait.h"
#include "record/command.h"
#include "record/drivers.h"
#include "source/ring-dir.h"
#include "record/file.h"
#include "record/host.h"
#include "record/options.h"
#include "record/paths.h"
#include "record/ring.h"
#include "record/ticks.h"
#include "record/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_MS = 10,               /* between two looks at the rings */
    SIZE_ROOM = 32,
    DEFAULT_SCHED_ENTRIES = 32768,      /* a vCPU */
    DEFAULT_IRQ_ENTRIES = 262144,
};

static const uint64_t mark_ns = 500000000;      /* between two marks */
static const uint64_t progress_ns = 500000000;
/* Between two questions about Windows; libvirt starts a program for each. */
static const uint64_t ask_ns = 500000000;
static const uint64_t ask_libvirt_ns = 5000000000;
/* ... and about which drivers serve which interrupts. */
static const uint64_t drivers_ns = 2000000000;
static const uint64_t drivers_libvirt_ns = 10000000000;
/* A Windows that is there is found sooner. */
static const uint64_t tell_state_ns = 1000000000;

enum { SCHED, IRQ, N_KINDS };

typedef struct Record {
    RecordOptions opt;
    Qmp *qmp;                   /* NULL: ring files were given */
    RecordTrace trace[N_KINDS];
    RecordRing ring[N_KINDS];
    bool used[N_KINDS];         /* whether its ring is followed */
    bool ask_qemu;              /* whether it lives; its pid does not tell */
    RingDir dir;
    RecordHost host;
    RecordTicks ticks;
    RecordPaths paths;
    RecordDrivers drivers;
    RecordFile file;
    TraceWriter *writer;
    TraceInfo info;
    RecordCommand command;
    uint64_t start_ns;          /* of the recording */
    uint64_t part_ns;           /* of the part that is open */
    uint64_t next_mark_ns;
    uint64_t next_progress_ns;
    uint64_t bytes;             /* of parts that are finished */
    bool progress;
    bool told_state;
    TraceEndReason reason;      /* 0: goes on */
    Err ring_error;             /* TRACE_END_RING_LOST: why */
} Record;

/* The command line, for the header. */
static void note_options(TraceInfo *info, int argc, char **argv)
{
    size_t used = 0;
    int i;
    int n;

    for (i = 0; i < argc && used < sizeof(info->options) - 1; i++) {
        n = snprintf(info->options + used, sizeof(info->options) - used,
                     "%s%s", i ? " " : "", argv[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Turning the traces on. */

static json_t *sched_options(const RecordOptions *opt)
{
    json_t *options_out = json_object();

    qmp_set(options_out, "entries",
            json_integer((json_int_t)(opt->entries ? opt->entries
                                                   : DEFAULT_SCHED_ENTRIES)));
    if (opt->hz) {
        qmp_set(options_out, "poll-hz", json_integer((json_int_t)opt->hz));
    }
    if (opt->exact) {
        qmp_set(options_out, "mode", json_string("exact"));
    }
    return options_out;
}

static json_t *irq_options(const RecordOptions *opt)
{
    json_t *options_out = json_object();

    qmp_set(options_out, "entries",
            json_integer((json_int_t)(opt->entries ? opt->entries
                                                   : DEFAULT_IRQ_ENTRIES)));
    qmp_set(options_out, "text", json_false());
    qmp_set(options_out, "msi", json_boolean(!opt->no_msi));
    qmp_set(options_out, "changes-only", json_boolean(opt->changes_only));
    qmp_set(options_out, "backtrace", json_integer((json_int_t)opt->backtrace));
    return options_out;
}

typedef struct KindInfo {
    TracingKind tracing;
    uint32_t contents;
    const char *file;
    json_t *(*options)(const RecordOptions *opt);
} KindInfo;

static const KindInfo kinds[N_KINDS] = {
    [SCHED] = { TRACING_SCHED, TRACE_SCHED, "sched.ring", sched_options },
    [IRQ] = { TRACING_IRQ, TRACE_IRQ, "irq.ring", irq_options },
};

static bool begin_trace(Record *record, unsigned k, Err *err)
{
    const KindInfo *kind = &kinds[k];
    json_t *trace_options = kind->options(&record->opt);
    char path[sizeof(record->dir.path) + 32];

    snprintf(path, sizeof(path), "%s/%s", record->dir.path, kind->file);
    qmp_set(trace_options, "ring-file", json_string(path));
    if (!record_trace_begin(&record->trace[k], record->qmp, kind->tracing,
                            trace_options, record->opt.force, err)) {
        return false;
    }
    if (!record_ring_open(&record->ring[k], kind->contents, path, err)) {
        err_prefix(err, "give a --ring-dir that this program can read: ");
        return false;
    }
    record->used[k] = true;
    /* In a container of its own, QEMU has another pid than it knows of. */
    record->ask_qemu |= ring_file_orphaned(&record->ring[k].file);
    return true;
}

/* A trace that was not asked for by name may be impossible here. */
static bool begin_both(Record *record, Err *err)
{
    bool wanted[N_KINDS] = { record->opt.sched, record->opt.irq };
    bool both = wanted[SCHED] && wanted[IRQ];
    unsigned failed = 0;
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (!wanted[k] || begin_trace(record, k, err)) {
            continue;
        }
        failed++;
        if (!both || err->code == ERR_USAGE || !qmp_alive(record->qmp) ||
            qmp_failure(record->qmp) == QMP_STOPPED || failed == N_KINDS) {
            return false;
        }
        message("%s; going on without", err->text);
    }
    return true;
}

static void note_machine(Record *record)
{
    Err ignored;
    json_t *name = qmp_command(record->qmp, "query-name", NULL, &ignored);

    snprintf(record->info.vm_name, sizeof(record->info.vm_name), "%s",
             qmp_text(name, "name", ""));
    snprintf(record->info.qemu_version, sizeof(record->info.qemu_version),
             "%s", qmp_version(record->qmp));
    json_decref(name);
}

/* What is in no recording of this machine's interrupts. */
static void note_past_log(Record *record)
{
    TraceInfo *info = &record->info;
    Bypass bypass;
    size_t used = 0;
    unsigned i;

    if (!record->used[IRQ] || !qmp_has_monitor(record->qmp)) {
        return;
    }
    bypass_find(record->qmp, false, &bypass);
    info->past_log_known = true;
    for (i = 0; i < bypass.n; i++) {
        size_t length = strlen(bypass.text[i]) + (used > 0);

        if (used + length >= sizeof(info->past_log)) {
            break;
        }
        if (used) {
            info->past_log[used] = '\n';
        }
        memcpy(info->past_log + used + (used > 0), bypass.text[i],
               strlen(bypass.text[i]));
        used += length;
    }
}

static bool begin_qemu(Record *record, Err *err)
{
    record->qmp = qmp_connect(&record->opt.connect, err);
    if (!record->qmp ||
        !ring_dir_make(&record->dir, record->opt.ring_dir,
                         qmp_pid(record->qmp), err)) {
        return false;
    }
    note_machine(record);
    if (!begin_both(record, err)) {
        return false;
    }
    note_past_log(record);
    record_host_begin(&record->host, record->qmp);
    if (qmp_is_attached(record->qmp)) {
        message("QEMU process %d is looked at from outside",
                (int)qmp_pid(record->qmp));
        snprintf(record->info.qemu_version,
                 sizeof(record->info.qemu_version), "%s%s(from outside)",
                 qmp_version(record->qmp), *qmp_version(record->qmp) ? " "
                                                                     : "");
    }
    return true;
}

/* Rings of two QEMUs would be one recording of nothing. */
static bool check_processes(const Record *record,
                            const char *const paths[N_KINDS], Err *err)
{
    uint32_t sched = record->ring[SCHED].file.header->pid;
    uint32_t irq = record->ring[IRQ].file.header->pid;

    if (ring_file_same_process(&record->ring[SCHED].file,
                               &record->ring[IRQ].file)) {
        return true;
    }
    err_set(err, ERR_USAGE, "%s was written by process %" PRIu32 ", %s by %s "
            "%" PRIu32 ": rings of different QEMUs make no recording; record "
            "each by itself", paths[SCHED], sched, paths[IRQ],
            sched == irq ? _("another process with the number")
                         : _("process"),
            irq);
    return false;
}

static bool begin_files(Record *record, Err *err)
{
    const char *paths[N_KINDS] = { record->opt.sched_ring,
                                   record->opt.irq_ring };
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (paths[k] &&
            !record_ring_open(&record->ring[k], kinds[k].contents, paths[k],
                              err)) {
            return false;
        }
        record->used[k] = paths[k] != NULL;
    }
    return !paths[SCHED] || !paths[IRQ] ||
           check_processes(record, paths, err);
}

static void clear_progress(Record *record)
{
    if (record->progress) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

/* The sentence about a trace that has nothing to say. */
static void tell_state(Record *record)
{
    json_t *status;
    const char *state;
    Err ignored;

    if (record->told_state || !record->qmp || !record->used[SCHED]) {
        return;
    }
    record->told_state = true;
    status = tracing_status(record->qmp, TRACING_SCHED, &ignored);
    state = qmp_text(status, "state", "");
    if (*state && strcmp(state, "active") && strcmp(state, "disabled")) {
        clear_progress(record);
        message("thread switches: %s: %s", state,
                qmp_text(status, "reason", "no reason is given"));
    }
    json_decref(status);
}

/* The file. */

static void note_rings(Record *record)
{
    TraceInfo *info = &record->info;
    const EvringHeader *header;
    ClockTriple begin;
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (!record->used[k]) {
            continue;
        }
        header = record->ring[k].file.header;
        record_ring_begin(&record->ring[k], &begin);
        if (!info->contents || begin.monotonic_ns < info->monotonic_ns) {
            info->monotonic_ns = begin.monotonic_ns;
            info->realtime_ns = begin.realtime_ns;
        }
        info->contents |= kinds[k].contents;
        info->load_base = header->load_base;
        info->pid = header->pid;
        if (header->n_vcpus) {
            info->n_vcpus = header->n_vcpus;
        }
        memcpy(info->build_id, header->build_id, sizeof(info->build_id) - 1);
        memcpy(info->exe, header->exe, sizeof(info->exe) - 1);
    }
    if (record->used[SCHED]) {
        info->poll_hz = record->ring[SCHED].file.sched.tables->poll_hz;
    }
    info->exact = record->opt.exact;
}

static void read_now(ClockTriple *now)
{
    clock_read_triple(clock_has_tsc() ? CLOCK_KIND_TSC : CLOCK_KIND_NS, now);
}

/*
 * The first part begins with the rings; the next ones @now, up to which all
 * is in the part before.
 */
static bool begin_part(Record *record, const ClockTriple *now, Err *err)
{
    unsigned k;

    if (!record_file_next(&record->file, err)) {
        return false;
    }
    if (record->file.part > 1) {
        record->info.monotonic_ns = now->monotonic_ns;
        record->info.realtime_ns = now->realtime_ns;
        record->info.tsc = clock_has_tsc() ? now->stamp : 0;
    }
    record_drivers_again(&record->drivers);
    record->info.part = record->file.part;
    record->part_ns = now->monotonic_ns;
    for (k = 0; k < N_KINDS; k++) {
        if (record->used[k]) {
            record_ring_again(&record->ring[k]);
        }
    }
    return trace_writer_begin(record->writer, &record->info, err) &&
           record_paths_again(&record->paths, record->writer, err);
}

static bool begin_file(Record *record, Err *err)
{
    const RecordOptions *opt = &record->opt;
    ClockTriple now;
    TraceSink sink;

    note_rings(record);
    record_file_init(&record->file, opt->output,
                     opt->rotate_size || opt->rotate_ns, opt->keep);
    sink = record_file_sink(&record->file);
    record->writer = trace_writer_new(&sink);
    if (!record->writer) {
        die_no_memory();
    }
    read_now(&now);
    return begin_part(record, &now, err);
}

static bool rotate(Record *record, const ClockTriple *now, Err *err)
{
    const RecordOptions *opt = &record->opt;

    if ((!opt->rotate_size ||
         trace_writer_bytes(record->writer) < opt->rotate_size) &&
        (!opt->rotate_ns ||
         now->monotonic_ns - record->part_ns < opt->rotate_ns)) {
        return true;
    }
    if (!record_host_flush(&record->host, record->writer, err) ||
        !trace_writer_end(record->writer, TRACE_END_ROTATED,
                          now->monotonic_ns, err)) {
        return false;
    }
    record->bytes += record->file.size;
    return record_file_close(&record->file, err) &&
           begin_part(record, now, err);
}

static bool mark(Record *record, uint64_t now, Err *err)
{
    const SchedlogStore *sched = &record->ring[SCHED].file.sched;
    const IrqlogStore *irq = &record->ring[IRQ].file.irq;
    TraceMark m = { .time_ns = now };

    if (record->used[SCHED]) {
        m.sched_dropped = evring_dropped(&sched->ring);
        m.exact = atomic_load_explicit(&sched->tables->exact,
                                       memory_order_relaxed);
    }
    if (record->used[IRQ]) {
        m.irq_dropped = evring_dropped(&irq->ring);
        m.lines_refused = atomic_load_explicit(&irq->tables->lines_refused,
                                               memory_order_relaxed);
    }
    record->next_mark_ns = now + mark_ns;
    return record_host_flush(&record->host, record->writer, err) &&
           trace_writer_mark(record->writer, &m, err);
}

/* Following. */

static void begin_asking(Record *record)
{
    bool slow = record->opt.connect.libvirt;
    uint64_t every_ns = slow ? ask_libvirt_ns : ask_ns;

    if (record->qmp && record->used[SCHED]) {
        record_ticks_begin(&record->ticks, record->qmp,
                           qmp_pid(record->qmp), every_ns);
        record_paths_begin(&record->paths, record->qmp,
                           qmp_pid(record->qmp), every_ns);
        record->ring[SCHED].paths = &record->paths;
    }
    if (record->qmp && record->used[SCHED] && record->used[IRQ]) {
        record_drivers_begin(&record->drivers, record->qmp,
                             qmp_pid(record->qmp),
                             slow ? drivers_libvirt_ns : drivers_ns);
    }
}

static bool ask(Record *record, uint64_t now, bool last, Err *err)
{
    return record_ticks_look(&record->ticks, now, last, record->writer,
                             err) &&
           record_paths_look(&record->paths, now, last, record->writer,
                             err) &&
           record_drivers_look(&record->drivers, now, last, record->writer,
                               err);
}

/* Once more: a trace that is off does not tell. */
static bool end_asking(Record *record, Err *err)
{
    if (record->qmp && record->reason != TRACE_END_QEMU_GONE) {
        qmp_finish(record->qmp);
        return ask(record, clock_now_ns(), true, err);
    }
    return true;
}

/* False with a sentence when a ring's file is lost. */
static bool look_at_rings(Record *record, Err *err)
{
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (record->used[k] && !ring_file_look(&record->ring[k].file, err)) {
            return false;
        }
    }
    return true;
}

static bool drain(Record *record, bool last, Err *err)
{
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (record->used[k] &&
            !record_ring_drain(&record->ring[k], record->writer, last,
                               err)) {
            return false;
        }
    }
    return true;
}

static uint64_t total(const Record *record, bool lost)
{
    uint64_t n = 0;
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        n += lost ? record->ring[k].n_lost : record->ring[k].n_events;
    }
    return n;
}

/* What was written so far: "1.2 MiB"; @text has SIZE_ROOM bytes. */
static const char *size_text(const Record *record, char *text)
{
    uint64_t open = record->file.fd >= 0 ? trace_writer_bytes(record->writer)
                                         : record->file.size;
    double kib = (double)(record->bytes + open) / 1024;

    if (kib < 1000) {
        snprintf(text, SIZE_ROOM, "%.0f KiB", kib);
    } else {
        snprintf(text, SIZE_ROOM, "%.1f MiB", kib / 1024);
    }
    return text;
}

static void show_progress(Record *record, uint64_t now)
{
    char size[SIZE_ROOM];

    if (!record->progress || now < record->next_progress_ns) {
        return;
    }
    record->next_progress_ns = now + progress_ns;
    fputc('\r', stderr);
    fprintf(stderr, _("%.0f s, %" PRIu64 " switches, %" PRIu64
                      " interrupts, %" PRIu64 " lost, %s"),
            (double)(now - record->start_ns) / 1e9,
            record->ring[SCHED].n_events, record->ring[IRQ].n_events,
            total(record, true), size_text(record, size));
    fputs("\033[K", stderr);
    fflush(stderr);
}

/* Whether any ring that is followed is so. */
static bool any_ring(const Record *record,
                     bool (*is)(const RingFile *file))
{
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (record->used[k] && is(&record->ring[k].file)) {
            return true;
        }
    }
    return false;
}

/* Asks once for every mark. */
static bool qemu_is_gone(Record *record, uint64_t now)
{
    json_t *answer;
    Err ignored;

    if (!record->ask_qemu) {
        return any_ring(record, ring_file_orphaned);
    }
    if (now < record->next_mark_ns) {
        return false;
    }
    answer = qmp_command(record->qmp, "query-irq-log-status", NULL, &ignored);
    json_decref(answer);
    return !qmp_alive(record->qmp);
}

/* Why to end now; 0: go on. */
static TraceEndReason why_end(Record *record, uint64_t now)
{
    const RecordOptions *opt = &record->opt;

    if (stop_asked) {
        return TRACE_END_ASKED;
    }
    if (opt->duration_ns && now - record->start_ns >= opt->duration_ns) {
        return TRACE_END_DURATION;
    }
    if (record_command_ended(&record->command)) {
        return TRACE_END_COMMAND;
    }
    if (any_ring(record, ring_file_stopped)) {
        return TRACE_END_STOPPED;
    }
    return qemu_is_gone(record, now) ? TRACE_END_QEMU_GONE : 0;
}

/* One round; false with a sentence when writing has failed. */
static bool look(Record *record, Err *err)
{
    ClockTriple triple;
    uint64_t now;

    read_now(&triple);
    now = triple.monotonic_ns;
    /* Before draining: what comes until then is drained at the end. */
    record->reason = look_at_rings(record, &record->ring_error) ?
                     why_end(record, now) : TRACE_END_RING_LOST;
    if (!drain(record, false, err) ||
        !record_host_look(&record->host, record->writer, err) ||
        !ask(record, now, false, err) ||
        !rotate(record, &triple, err)) {
        return false;
    }
    show_progress(record, now);
    if (now - record->start_ns >= tell_state_ns) {
        tell_state(record);
    }
    /* At the end a last mark is made, with the time of the end: not now. */
    return record->reason || now < record->next_mark_ns ||
           mark(record, now, err);
}

static bool follow(Record *record, Err *err)
{
    while (!record->reason) {
        if (!look(record, err)) {
            return false;
        }
        if (!record->reason) {
            stop_or_sleep_ms(LOOK_MS);
        }
    }
    return true;
}

/* When the recording ended: with its rings, if they have. */
static uint64_t end_ns(const Record *record)
{
    uint64_t ns = 0;
    uint64_t ring_ns;
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (record->used[k] && (record->reason == TRACE_END_STOPPED ||
                                record->reason == TRACE_END_RING_LOST ||
                                record->reason == TRACE_END_QEMU_GONE)) {
            ring_ns = ring_file_end_ns(&record->ring[k].file);
            ring_ns = ring_ns ? ring_ns : record->ring[k].last_ns;
            ns = ring_ns > ns ? ring_ns : ns;
        }
    }
    return ns ? ns : clock_now_ns();
}

/*
 * The last threads did not run on until the interrupts ended.  A QEMU that
 * was asked ended both at once.
 */
static bool tell_end_of_switches(Record *record, uint64_t ns, Err *err)
{
    const RecordRing *ring = &record->ring[SCHED];
    uint64_t ended_ns = record->used[SCHED] && !record->qmp ?
                        ring_file_end_ns(&ring->file) : 0;

    if (!ended_ns || ended_ns >= ns) {
        return true;
    }
    if (ns - ended_ns >= 100000000 && !record->opt.quiet) {
        clear_progress(record);
        message("the switches end %.1f s before the interrupts: who ran then "
                "is not known", (double)(ns - ended_ns) / 1e9);
    }
    return record_ring_tell_end(ring, record->writer, ended_ns, err);
}

/* What is left in the rings, and the end. */
static bool finish_file(Record *record, Err *err)
{
    uint64_t ns;

    if (!look_at_rings(record, &record->ring_error)) {
        record->reason = TRACE_END_RING_LOST;
    }
    ns = end_ns(record);
    if (!drain(record, true, err)) {
        return false;
    }
    /* A ring that died with its writer says by its last event when. */
    ns = record->reason == TRACE_END_QEMU_GONE ? end_ns(record) : ns;
    return tell_end_of_switches(record, ns, err) && mark(record, ns, err) &&
           trace_writer_end(record->writer, record->reason, ns, err) &&
           record_file_close(&record->file, err);
}

/* Writing has failed: what was written stays readable. */
static void finish_bare(Record *record)
{
    Err ignored;

    if (record->writer && record->file.fd >= 0) {
        trace_writer_end_bare(record->writer, TRACE_END_WRITE,
                              clock_now_ns(), &ignored);
        record_file_close(&record->file, &ignored);
    }
}

static void stop_traces(Record *record)
{
    unsigned k;

    for (k = 0; record->qmp && k < N_KINDS; k++) {
        if (record->trace[k].qmp) {
            record_trace_stop(&record->trace[k]);
        }
    }
}

static void restore(Record *record)
{
    unsigned k;

    for (k = 0; k < N_KINDS; k++) {
        if (record->trace[k].qmp) {
            record_trace_restore(&record->trace[k]);
        }
        ring_file_close(&record->ring[k].file);
    }
    ring_dir_remove(&record->dir);
    trace_writer_free(record->writer);
    record_host_end(&record->host);
    record_ticks_end(&record->ticks);
    record_paths_end(&record->paths);
    record_drivers_end(&record->drivers);
    qmp_free(record->qmp);
}

/* Summing up. */

static void tell_summary(const Record *record)
{
    uint64_t lost = total(record, true);
    char text[128];
    char size[SIZE_ROOM];

    if (record->opt.quiet) {
        return;
    }
    if (lost) {
        snprintf(text, sizeof(text),
                 _("%" PRIu64 " lost: use more --entries"), lost);
    } else {
        snprintf(text, sizeof(text), "%s", _("none lost"));
    }
    message("%s: %" PRIu64 " switches, %" PRIu64 " interrupts, %s, "
            "%s%s", record->file.path, record->ring[SCHED].n_events,
            record->ring[IRQ].n_events, text, size_text(record, size),
            record->file.part > 1 ? _(" in all parts") : "");
}

/* Returns: the exit code. */
static int tell_reason(const Record *record)
{
    if (record->reason == TRACE_END_RING_LOST) {
        message("%s; what was read of it is in the recording",
                record->ring_error.text);
        return EXIT_FAILED;
    }
    if (record->reason == TRACE_END_QEMU_GONE && record->qmp) {
        message("QEMU has ended; what its rings held is in the recording");
        return EXIT_FAILED;
    }
    if (record->reason == TRACE_END_STOPPED && record->qmp) {
        message("somebody else turned the trace off; what its ring held is "
                "in the recording");
        return EXIT_FAILED;
    }
    if (record->reason != TRACE_END_COMMAND) {
        return EXIT_FINE;
    }
    if (record->command.status) {
        message("the command ended with %d", record->command.status);
    }
    return record->command.status;
}

static bool begin(Record *record, Err *err)
{
    const RecordOptions *opt = &record->opt;

    if (opt->command &&
        !record_command_find(&record->command, opt->command[0], err)) {
        return false;
    }
    if (!(opt->sched_ring || opt->irq_ring ? begin_files(record, err)
                                           : begin_qemu(record, err)) ||
        !begin_file(record, err)) {
        return false;
    }
    record->start_ns = clock_now_ns();
    begin_asking(record);
    return !opt->command ||
           record_command_start(&record->command, opt->command, err);
}

static int run(Record *record)
{
    Err err = {};
    bool good;

    record->progress = !record->opt.quiet && isatty(STDERR_FILENO);
    good = begin(record, &err) && follow(record, &err) &&
           end_asking(record, &err);
    record_command_end(&record->command);
    if (good && !record->ring[SCHED].n_events) {
        tell_state(record);
    }
    stop_traces(record);
    good = good && finish_file(record, &err);
    clear_progress(record);
    if (!good) {
        finish_bare(record);
        message("%s", err.text);
    }
    if (record->start_ns) {
        tell_summary(record);
    }
    if (record->command.refused) {
        return record->command.refused;
    }
    return good ? tell_reason(record) : EXIT_FAILED;
}

int cmd_record(int argc, char **argv)
{
    static Record record;
    int status;

    note_options(&record.info, argc, argv);
    switch (record_options_read(&record.opt, argc, argv)) {
    case OPTIONS_DONE:
        return EXIT_FINE;
    case OPTIONS_WRONG:
        return EXIT_WRONG_USAGE;
    default:
        break;
    }
    stop_init();
    status = run(&record);
    restore(&record);
    return status;
}
