/*
 * attach/status: see status.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/status.h"

#include "base/safe-text.h"
#include "common/message.h"
#include "winos/processes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(json_t *object, const char *key, json_t *value)
{
    if (!value || json_object_set_new(object, key, value)) {
        die_no_memory();
    }
}

/* Numbers of 64 bits arrive as negative ones from QEMU's, too. */
static void set_uint(json_t *object, const char *key, uint64_t value)
{
    set(object, key, json_integer((json_int_t)value));
}

static void set_uint_if(json_t *object, const char *key, bool has,
                        uint64_t value)
{
    if (has) {
        set_uint(object, key, value);
    }
}

static void set_int_if(json_t *object, const char *key, bool has,
                       int64_t value)
{
    if (has) {
        set(object, key, json_integer(value));
    }
}

/* As QMP has it: only bytes that are no UTF-8 are escaped. */
static void set_text(json_t *object, const char *key, const char *text)
{
    size_t size = strlen(text) * SAFE_GROWTH + 1;
    char *safe = malloc(size);

    if (!safe) {
        die_no_memory();
    }
    safe_copy(SAFE_FOR_DATA, text, safe, size);
    set(object, key, json_string(safe));
    free(safe);
}

/* An image's name, and its bytes where they are not ASCII. */
static void set_image(json_t *object, const char *image)
{
    char hex[2 * SCHEDLOG_IMAGE_SIZE + 1] = "";
    bool ascii = true;
    size_t i;

    for (i = 0; i < SCHEDLOG_IMAGE_SIZE && image[i]; i++) {
        ascii = ascii && !((unsigned char)image[i] & 0x80);
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)image[i]);
    }
    set_text(object, "process-image", image);
    if (!ascii) {
        set(object, "process-image-bytes", json_string(hex));
    }
}

static void set_text_if(json_t *object, const char *key, bool has,
                        const char *text)
{
    if (has && text) {
        set_text(object, key, text);
    }
}

/* Entries. */

static void put_thread(json_t *entry, const SchedlogEvent *event)
{
    uint32_t has = event->has;

    set_uint_if(entry, "process-pointer", has & SCHEDLOG_HAS_PROCESS,
                event->process);
    set_uint_if(entry, "attached-process", has & SCHEDLOG_HAS_ATTACHED,
                event->attached);
    set_uint_if(entry, "unique-process-id", has & SCHEDLOG_HAS_IDS,
                event->pid);
    set_uint_if(entry, "unique-thread-id", has & SCHEDLOG_HAS_IDS,
                event->tid);
    if (has & SCHEDLOG_HAS_IMAGE) {
        set_image(entry, event->image);
    }
    set_text_if(entry, "thread-name", has & SCHEDLOG_HAS_NAME, event->name);
    if (has & SCHEDLOG_NAME_CUT) {
        set(entry, "thread-name-cut", json_true());
    }
    set_uint_if(entry, "kthread-state", has & SCHEDLOG_HAS_STATE,
                event->state);
    set_text_if(entry, "state-name", has & SCHEDLOG_HAS_STATE,
                winos_state_name(event->state));
    set_int_if(entry, "priority", has & SCHEDLOG_HAS_PRIORITY,
               event->priority);
    if (has & SCHEDLOG_IDLE) {
        set(entry, "idle", json_true());
    }
    if (has & SCHEDLOG_IDLE_UNKNOWN) {
        set(entry, "idle-unknown", json_true());
    }
    set_uint_if(entry, "context-switches", has & SCHEDLOG_HAS_SWITCHES,
                event->switches);
    set_uint_if(entry, "wait-time", has & SCHEDLOG_HAS_WAIT_TIME,
                event->wait_time);
}

static void put_previous(json_t *entry, const SchedlogEvent *event)
{
    uint32_t has = event->has;

    set_uint_if(entry, "previous-thread-pointer", has & SCHEDLOG_HAS_OLD,
                event->old_thread);
    set_uint_if(entry, "previous-unique-process-id",
                has & SCHEDLOG_HAS_OLD_IDS, event->old_pid);
    set_uint_if(entry, "previous-unique-thread-id",
                has & SCHEDLOG_HAS_OLD_IDS, event->old_tid);
    set_uint_if(entry, "previous-state", has & SCHEDLOG_HAS_OLD_STATE,
                event->old_state);
    set_text_if(entry, "previous-state-name", has & SCHEDLOG_HAS_OLD_STATE,
                winos_state_name(event->old_state));
    set_int_if(entry, "previous-priority", has & SCHEDLOG_HAS_OLD_PRIORITY,
               event->old_priority);
    set_uint_if(entry, "wait-reason", has & SCHEDLOG_HAS_OLD_WAIT_REASON,
                event->old_wait_reason);
    set_text_if(entry, "wait-reason-name",
                has & SCHEDLOG_HAS_OLD_WAIT_REASON,
                winos_wait_reason_name(event->old_wait_reason));
}

json_t *attach_status_entry(const SchedlogEvent *event)
{
    json_t *entry = json_object();

    if (!entry) {
        die_no_memory();
    }
    set_uint(entry, "seq", event->seq);
    set_uint(entry, "timestamp-ns", event->time_ns);
    set_uint(entry, "vcpu", event->vcpu);
    set_uint(entry, "thread-pointer", event->thread);
    put_thread(entry, event);
    put_previous(entry, event);
    set_uint_if(entry, "missed", event->has & SCHEDLOG_HAS_MISSED,
                event->missed);
    set(entry, "origin", json_string("poll"));
    return entry;
}

/* The status. */

static json_t *clock_json(void)
{
    json_t *clock = json_object();
    ClockTriple now;

    clock_read_triple(clock_has_tsc() ? CLOCK_KIND_TSC : CLOCK_KIND_NS, &now);
    set_uint(clock, "monotonic-ns", now.monotonic_ns);
    set_uint(clock, "realtime-ns", now.realtime_ns);
    set_uint_if(clock, "tsc", clock_has_tsc(), now.stamp);
    return clock;
}

static json_t *process_json(const WinosProcess *process)
{
    json_t *to = json_object();

    set_uint(to, "process-pointer", process->address);
    set_uint(to, "unique-process-id", process->pid);
    set_uint_if(to, "parent", process->has_parent, process->parent);
    set_image(to, process->image);
    set_text_if(to, "process-path", *process->path, process->path);
    return to;
}

json_t *attach_status_processes(const WinosResult *result)
{
    WinosProcess *found = calloc(WINOS_MAX_PROCESSES, sizeof(*found));
    json_t *list = json_array();
    json_t *to = json_object();
    char reason[128];
    WinosListEnd end;
    unsigned i, n;

    if (!found) {
        die_no_memory();
    }
    end = winos_processes_read(result, found, WINOS_MAX_PROCESSES, &n);
    for (i = 0; i < n; i++) {
        json_array_append_new(list, process_json(&found[i]));
    }
    set(to, "processes", list);
    if (winos_list_end_name(end)) {
        snprintf(reason, sizeof(reason), "the list of processes %s",
                 winos_list_end_name(end));
        set(to, "reason", json_string(reason));
    }
    free(found);
    return to;
}

static json_t *offset_json(WinosField field, const WinosOffset *offset)
{
    json_t *to = json_object();
    json_t *agreed = json_array();
    bool has = offset->value >= 0;
    unsigned i;

    set(to, "name", json_string(winos_field_name(field)));
    set_uint_if(to, "value", has, (uint64_t)offset->value);
    set_text_if(to, "source", has, winos_source_name(offset->source));
    for (i = 0; has && i < WINOS_N_SOURCES; i++) {
        if (offset->agreed & 1 << i) {
            json_array_append_new(
                agreed, json_string(winos_source_name((WinosSource)i)));
        }
    }
    set(to, "agreed-by", agreed);
    set(to, "standing", json_string(winos_standing_name(offset->standing)));
    set_uint_if(to, "found", offset->source == WINOS_SOURCE_OVERRIDE && has &&
                offset->found >= 0, (uint64_t)offset->found);
    set_text_if(to, "doubt", offset->doubt, offset->doubt);
    return to;
}

static void put_kernel(json_t *status, const WinosResult *result)
{
    const WinosKernel *kernel = &result->kernel;
    json_t *file = json_object();
    json_t *offsets = json_array();
    const TableFile *known = table_file(kernel->image.timestamp,
                                        kernel->image.size);
    char version[32];
    unsigned i;

    snprintf(version, sizeof(version), "%" PRIu32 ".%" PRIu32, kernel->major,
             kernel->minor);
    set_uint(status, "windows-build", kernel->build);
    set(status, "windows-version", json_string(version));
    set_uint(status, "kernel-base", kernel->image.base);
    set_uint(file, "timestamp", kernel->image.timestamp);
    set_uint(file, "size", kernel->image.size);
    set(file, "exact", json_boolean(result->exact_file));
    if (known) {
        set_text(file, "version", known->version);
        set_uint(status, "kernel-build", table_file_build(known));
    }
    set(status, "kernel-file", file);
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        json_array_append_new(offsets,
                              offset_json((WinosField)i,
                                          &result->layout.field[i]));
    }
    set(status, "offsets", offsets);
}

static json_t *detection_json(const WatchStatus *watch)
{
    const WinosResult *result = &watch->result;
    json_t *to = json_object();

    set_uint(to, "attempts", watch->attempts);
    set_uint(to, "kernels", watch->kernels);
    set_uint(to, "last-ns", watch->last_ns);
    set_uint(to, "reads", watch->reads);
    set_uint(to, "longest-vcpu-ns", watch->longest_vcpu_ns);
    if (watch->found) {
        set(to, "kdbg", json_string(!result->has_kdbg ? "none" :
                                    result->kdbg.encoded ? "encoded"
                                                         : "plain"));
        set_uint(to, "accessors", result->n_accessors);
        if (result->kernel.kva_shadow_known) {
            set(to, "kva-shadow", json_boolean(result->kernel.kva_shadow));
        }
        set_uint(to, "levels", result->kernel.space.levels);
        set_uint(to, "threads", result->n_threads);
        set_uint(to, "processes", result->n_processes);
    }
    return to;
}

static json_t *vcpu_json(unsigned vcpu, const WatchVcpuStatus *status,
                         const AttachThread *thread, bool counts_missed)
{
    const WinschedCounts *counts = &status->counts;
    json_t *to = json_object();

    set_uint(to, "vcpu", vcpu);
    set(to, "present", json_boolean(status->present));
    set(to, "known", json_boolean(status->known));
    if (status->parked) {
        set(to, "started", json_false());
    }
    set_uint_if(to, "kpcr", status->known, status->kpcr);
    set_uint_if(to, "number", status->known && status->number != UINT32_MAX,
                status->number);
    set_uint(to, "samples", counts->samples[WINSCHED_POLL]);
    set_uint(to, "samples-exit", 0);
    set_uint(to, "samples-poll", counts->samples[WINSCHED_POLL]);
    set_uint(to, "samples-exact", 0);
    set_uint(to, "switches", counts->switches);
    set_uint_if(to, "missed", counts_missed, counts->missed);
    set_uint(to, "read-faults", counts->faults);
    set_uint(to, "implausible", counts->implausible);
    set_uint(to, "torn", counts->torn);
    set_uint(to, "cost-ns", 0);
    set_uint(to, "longest-ns", 0);
    set_uint_if(to, "host-thread", thread->tid != 0, (uint64_t)thread->tid);
    set_uint_if(to, "host-run-ns", thread->seen, thread->run_ns);
    set_uint_if(to, "host-wait-ns", thread->seen, thread->wait_ns);
    return to;
}

static json_t *vcpus_json(AttachHost *host, const WatchStatus *watch)
{
    bool counts_missed = watch_counts_missed(watch);
    json_t *list = json_array();
    WatchVcpuStatus status;
    AttachThread thread;
    unsigned i;

    for (i = 0; i < attach_host_max_vcpus(host); i++) {
        if (attach_host_vcpu(host, i, &status, &thread)) {
            json_array_append_new(list, vcpu_json(i, &status, &thread,
                                                  counts_missed));
        }
    }
    return list;
}

static json_t *attached_json(AttachHost *host, pid_t pid)
{
    json_t *to = json_object();
    AttachFigures figures = { 0 };

    if (host) {
        attach_host_figures(host, &figures);
    }
    set_uint(to, "pid", (uint64_t)pid);
    set(to, "monitor", json_boolean(!figures.blind));
    set_uint(to, "ram", figures.ram);
    set_uint(to, "mapped", figures.mapped);
    set_uint(to, "register-queries", figures.register_queries);
    set_uint(to, "layout-queries", figures.layout_queries);
    set_uint(to, "pages-read", figures.pages);
    set_uint(to, "scans", figures.scans);
    return to;
}

static void put_ring(json_t *status, AttachHost *host)
{
    const SchedlogStore *store = attach_host_store(host);
    uint64_t dropped = evring_dropped(&store->ring);

    set_uint(status, "entries", store->ring.mask + 1);
    set_uint(status, "recorded", evring_head(&store->ring) + dropped);
    set_uint(status, "overwritten", evring_oldest(&store->ring) - 1 +
             dropped);
    set_text_if(status, "ring-file", attach_host_options(host)->ring_file,
                attach_host_options(host)->ring_file);
    set_text_if(status, "ring-lost", true, attach_host_ring_lost(host));
}

static void put_state(json_t *status, AttachHost *host,
                      const WatchStatus *watch)
{
    bool on = attach_host_is_running(host);

    set(status, "state", json_string(on ? watch_state_name(watch->state)
                                        : "disabled"));
    set_text_if(status, "reason", on && watch->reason[0], watch->reason);
    set_uint(status, "poll-hz", attach_host_options(host)->poll_hz);
    set_text_if(status, "dense", watch->dense != WATCH_DENSE_OFF,
                watch_dense_name(watch->dense));
}

json_t *attach_status_json(AttachHost *host, pid_t pid)
{
    WatchStatus *watch = calloc(1, sizeof(*watch));
    json_t *status = json_object();

    if (!watch || !status) {
        die_no_memory();
    }
    set(status, "mode", json_string("sampled"));
    set(status, "exact", json_false());
    set(status, "attached", attached_json(host, pid));
    if (!host) {
        set(status, "state", json_string("disabled"));
        set_uint(status, "poll-hz", 0);
        set_uint(status, "entries", 0);
        set_uint(status, "recorded", 0);
        set_uint(status, "overwritten", 0);
        set(status, "vcpus", json_array());
    } else {
        attach_host_status(host, watch);
        put_state(status, host, watch);
        if (watch->found) {
            put_kernel(status, &watch->result);
        }
        set(status, "detection", detection_json(watch));
        set(status, "vcpus", vcpus_json(host, watch));
        put_ring(status, host);
    }
    set(status, "clock", clock_json());
    free(watch);
    return status;
}
