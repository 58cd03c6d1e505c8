/*
 * Windows scheduler trace: its status, as QMP has it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "vmscope/compat.h"
#include "reply.h"
#include "sched-trace.h"

static WindowsOffsetSourceList *status_source_list(uint8_t mask)
{
    WindowsOffsetSourceList *list = NULL;
    unsigned i = WINOS_N_SOURCES;

    while (i--) {
        if (mask & (1 << i)) {
            QAPI_LIST_PREPEND(list, (WindowsOffsetSource)i);
        }
    }
    return list;
}

static WindowsSchedOffset *status_offset_new(WinosField field,
                                             const WinosOffset *offset)
{
    WindowsSchedOffset *to = g_new0(WindowsSchedOffset, 1);

    QEMU_BUILD_BUG_ON((int)WINDOWS_OFFSET_STANDING_UNKNOWN !=
                      (int)WINOS_UNKNOWN);
    QEMU_BUILD_BUG_ON((int)WINDOWS_OFFSET_STANDING_CONFIRMED !=
                      (int)WINOS_CONFIRMED);
    to->name = g_strdup(winos_field_name(field));
    to->has_value = offset->value >= 0;
    to->value = offset->value;
    to->has_source = offset->value >= 0;
    to->source = (WindowsOffsetSource)offset->source;
    to->agreed_by = status_source_list(offset->value >= 0 ? offset->agreed : 0);
    to->standing = (WindowsOffsetStanding)offset->standing;
    to->has_found = offset->source == WINOS_SOURCE_OVERRIDE &&
                    offset->value >= 0 && offset->found >= 0;
    to->found = offset->found;
    QAPI_SET_PTR(to, doubt, g_strdup(offset->doubt));
    return to;
}

static WindowsSchedOffsetList *status_offset_list(const WinosLayout *layout)
{
    WindowsSchedOffsetList *list = NULL;
    unsigned i = WINOS_N_FIELDS;

    while (i--) {
        QAPI_LIST_PREPEND(list, status_offset_new(i, &layout->field[i]));
    }
    return list;
}

static WindowsKernelFile *status_kernel_file_new(const WinosResult *result)
{
    WindowsKernelFile *file = g_new0(WindowsKernelFile, 1);
    const TableFile *known = table_file(result->kernel.image.timestamp,
                                        result->kernel.image.size);

    file->timestamp = result->kernel.image.timestamp;
    file->size = result->kernel.image.size;
    file->exact = result->exact_file;
    if (known) {
        QAPI_SET_PTR(file, version, g_strdup(known->version));
    }
    return file;
}

static void status_fill_kernel(WindowsSchedTraceStatus *status,
                               const WinosResult *result)
{
    const WinosKernel *kernel = &result->kernel;

    status->has_windows_build = true;
    status->windows_build = kernel->build;
    status->kernel_build = table_file_build(table_file(
        kernel->image.timestamp, kernel->image.size));
    status->has_kernel_build = status->kernel_build != 0;
    QAPI_SET_PTR(status, windows_version,
                 g_strdup_printf("%" PRIu32 ".%" PRIu32, kernel->major,
                                 kernel->minor));
    status->has_kernel_base = true;
    status->kernel_base = kernel->image.base;
    QAPI_SET_PTR(status, kernel_file, status_kernel_file_new(result));
    status->offsets = status_offset_list(&result->layout);
}

static const char *status_kdbg_kind(const WinosResult *result)
{
    if (!result->has_kdbg) {
        return "none";
    }
    return result->kdbg.encoded ? "encoded" : "plain";
}

static WindowsSchedDetection *status_detection_new(const WatchStatus *findings)
{
    WindowsSchedDetection *to = g_new0(WindowsSchedDetection, 1);
    const WinosResult *result = &findings->result;

    to->attempts = findings->attempts;
    to->kernels = findings->kernels;
    to->last_ns = findings->last_ns;
    to->reads = findings->reads;
    to->longest_vcpu_ns = findings->longest_vcpu_ns;
    if (findings->found) {
        QAPI_SET_PTR(to, kdbg, g_strdup(status_kdbg_kind(result)));
        to->has_accessors = true;
        to->accessors = result->n_accessors;
        to->has_kva_shadow = result->kernel.kva_shadow_known;
        to->kva_shadow = result->kernel.kva_shadow;
        to->has_levels = true;
        to->levels = result->kernel.space.levels;
        to->has_threads = true;
        to->threads = result->n_threads;
        to->has_processes = true;
        to->processes = result->n_processes;
    }
    return to;
}

static void status_fill_counts(WindowsSchedVcpu *vcpu,
                               const WatchStatus *findings,
                               const WinschedCounts *counts)
{
    unsigned i;

    for (i = 0; i < WINSCHED_N_ORIGINS; i++) {
        vcpu->samples += counts->samples[i];
    }
    vcpu->samples_exit = counts->samples[WINSCHED_EXIT];
    vcpu->samples_poll = counts->samples[WINSCHED_POLL];
    vcpu->samples_exact = counts->samples[WINSCHED_EXACT];
    vcpu->switches = counts->switches;
    vcpu->has_missed = watch_counts_missed(findings);
    vcpu->missed = counts->missed;
    vcpu->read_faults = counts->faults;
    vcpu->implausible = counts->implausible;
    vcpu->torn = counts->torn;
}

static WindowsSchedVcpu *status_vcpu_new(unsigned index,
                                         const WatchStatus *findings,
                                         const WatchVcpuStatus *from)
{
    WindowsSchedVcpu *vcpu = g_new0(WindowsSchedVcpu, 1);

    vcpu->vcpu = index;
    vcpu->present = from->present;
    vcpu->known = from->known;
    vcpu->has_started = from->parked;
    vcpu->started = false;
    vcpu->has_kpcr = vcpu->known;
    vcpu->kpcr = from->kpcr;
    vcpu->has_number = vcpu->known && from->number != UINT32_MAX;
    vcpu->number = from->number;
    status_fill_counts(vcpu, findings, &from->counts);
    vcpu->cost_ns = from->cost_ns;
    vcpu->longest_ns = from->longest_ns;
    return vcpu;
}

/* Those that are there, and those that were sampled. */
static WindowsSchedVcpuList *status_vcpu_list(SchedSession *session,
                                              const WatchStatus *findings)
{
    WindowsSchedVcpuList *list = NULL;
    unsigned i = session->shared->n_slots;

    while (i--) {
        WatchVcpuStatus vcpu;

        watch_vcpu_status(session->watch, i, &vcpu);
        if (vcpu.present || vcpu.begun || vcpu.exits) {
            QAPI_LIST_PREPEND(list, status_vcpu_new(i, findings, &vcpu));
        }
    }
    return list;
}

static WindowsSchedTraceState status_state_of(WatchState state)
{
    switch (state) {
    case WATCH_WAITING:
        return WINDOWS_SCHED_TRACE_STATE_WAITING;
    case WATCH_DETECTING:
        return WINDOWS_SCHED_TRACE_STATE_DETECTING;
    case WATCH_ACTIVE:
        return WINDOWS_SCHED_TRACE_STATE_ACTIVE;
    case WATCH_DEGRADED:
        return WINDOWS_SCHED_TRACE_STATE_DEGRADED;
    }
    g_assert_not_reached();
}

static void status_fill_state(WindowsSchedTraceStatus *status,
                              SchedSession *session,
                              const WatchStatus *findings)
{
    if (!qatomic_read(&session->base.enabled)) {
        status->state = WINDOWS_SCHED_TRACE_STATE_DISABLED;
        return;
    }
    status->state = status_state_of(findings->state);
    status->exact = findings->exact;
    if (findings->reason[0]) {
        QAPI_SET_PTR(status, reason, g_utf8_make_valid(findings->reason, -1));
    }
}

static void status_fill_dense(WindowsSchedTraceStatus *status,
                              const WatchStatus *findings)
{
    if (findings->dense == WATCH_DENSE_OFF) {
        return;
    }
    status->has_dense = true;
    status->dense = (WindowsSchedDense)(findings->dense - WATCH_DENSE_ON);
    status->has_dense_yields = true;
    status->dense_yields = findings->dense_yields;
    status->has_longest_gap_ns = findings->longest_gap_ns;
    status->longest_gap_ns = findings->longest_gap_ns;
}

static void status_fill_ring(WindowsSchedTraceStatus *status,
                             SchedSession *session)
{
    const SchedlogStore *store = &session->store;

    status->entries = store->ring.mask + 1;
    vmscope_ring_count(&session->base.ring, &status->recorded,
                       &status->overwritten);
    QAPI_SET_PTR(status, ring_file, g_strdup(session->opts->ring_file));
    QAPI_SET_PTR(status, ring_lost,
                 g_strdup(qatomic_read(&session->base.ring.why_lost)));
}

static void status_fill_session(WindowsSchedTraceStatus *status,
                                SchedSession *session)
{
    g_autofree WatchStatus *findings = g_new(WatchStatus, 1);

    QEMU_BUILD_BUG_ON((int)WINDOWS_SCHED_DENSE_ENDED !=
                      (int)(WATCH_DENSE_ENDED - WATCH_DENSE_ON));
    RCU_READ_LOCK_GUARD();
    watch_status(session->watch, findings);
    status_fill_state(status, session, findings);
    status_fill_ring(status, session);
    status->mode = session->mode;
    status_fill_dense(status, findings);
    status->poll_hz = session->poll_hz;
    if (findings->found) {
        status_fill_kernel(status, &findings->result);
    }
    QAPI_SET_PTR(status, detection, status_detection_new(findings));
    status->vcpus = status_vcpu_list(session, findings);
}

WindowsSchedTraceStatus *sched_status_new(SchedSession *session)
{
    WindowsSchedTraceStatus *status = g_new0(WindowsSchedTraceStatus, 1);

    status->state = WINDOWS_SCHED_TRACE_STATE_DISABLED;
    if (session) {
        status_fill_session(status, session);
    }
    status->clock = vmscope_clock_new();
    return status;
}

char *sched_list_reason(const char *of, WinosListEnd end)
{
    const char *how = winos_list_end_name(end);

    return how ? g_strdup_printf("the list of %s %s", of, how) : NULL;
}
