/*
 * Windows scheduler trace: its status, as QMP has it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/lockable.h"
#include "vmscope/compat.h"
#include "sched-helper.h"

static WindowsOffsetSourceList *source_list(uint8_t mask)
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

static WindowsSchedOffset *offset_new(WinosField field,
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
    to->agreed_by = source_list(offset->value >= 0 ? offset->agreed : 0);
    to->standing = (WindowsOffsetStanding)offset->standing;
    to->has_found = offset->source == WINOS_SOURCE_OVERRIDE &&
                    offset->value >= 0 && offset->found >= 0;
    to->found = offset->found;
    QAPI_SET_PTR(to, doubt, g_strdup(offset->doubt));
    return to;
}

static WindowsSchedOffsetList *offset_list(const WinosLayout *layout)
{
    WindowsSchedOffsetList *list = NULL;
    unsigned i = WINOS_N_FIELDS;

    while (i--) {
        QAPI_LIST_PREPEND(list, offset_new(i, &layout->field[i]));
    }
    return list;
}

static WindowsKernelFile *kernel_file_new(const WinosResult *result)
{
    WindowsKernelFile *file = g_new0(WindowsKernelFile, 1);

    file->timestamp = result->kernel.image.timestamp;
    file->size = result->kernel.image.size;
    file->exact = result->exact_file;
    if (result->n_rows && (result->exact_file || result->same_build)) {
        QAPI_SET_PTR(file, version, g_strdup(result->rows[0]->file_version));
    }
    return file;
}

static void fill_kernel(WindowsSchedTraceStatus *status,
                        const WinosResult *result)
{
    const WinosKernel *kernel = &result->kernel;

    status->has_windows_build = true;
    status->windows_build = kernel->build;
    QAPI_SET_PTR(status, windows_version,
                 g_strdup_printf("%" PRIu32 ".%" PRIu32, kernel->major,
                                 kernel->minor));
    status->has_kernel_base = true;
    status->kernel_base = kernel->image.base;
    QAPI_SET_PTR(status, kernel_file, kernel_file_new(result));
    status->offsets = offset_list(&result->layout);
}

static const char *kdbg_kind(const WinosResult *result)
{
    if (!result->has_kdbg) {
        return "none";
    }
    return result->kdbg.encoded ? "encoded" : "plain";
}

static WindowsSchedDetection *detection_new(const SchedFindings *findings)
{
    WindowsSchedDetection *to = g_new0(WindowsSchedDetection, 1);
    const WinosResult *result = &findings->result;

    to->attempts = findings->attempts;
    to->kernels = findings->kernels;
    to->last_ns = findings->last_ns;
    to->reads = findings->reads;
    to->longest_vcpu_ns = findings->longest_vcpu_ns;
    if (findings->found) {
        QAPI_SET_PTR(to, kdbg, g_strdup(kdbg_kind(result)));
        to->has_accessors = true;
        to->accessors = result->n_accessors;
        to->has_kva_shadow = true;
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

static void fill_counts(WindowsSchedVcpu *vcpu, SchedSession *session,
                        SchedSlot *slot)
{
    const WinosLayout *layout = &session->findings.result.layout;
    WinschedCounts counts;
    unsigned i;

    sched_slot_counts(session, slot, &counts);
    for (i = 0; i < WINSCHED_N_ORIGINS; i++) {
        vcpu->samples += counts.samples[i];
    }
    vcpu->samples_exit = counts.samples[WINSCHED_EXIT];
    vcpu->samples_poll = counts.samples[WINSCHED_POLL];
    vcpu->samples_exact = counts.samples[WINSCHED_EXACT];
    vcpu->switches = counts.switches;
    vcpu->has_missed = session->findings.found &&
                       winos_has(layout, WINOS_PRCB_CONTEXT_SWITCHES);
    vcpu->missed = counts.missed;
    vcpu->read_faults = counts.faults;
    vcpu->implausible = counts.implausible;
    vcpu->torn = counts.torn;
}

static void fill_cost(WindowsSchedVcpu *vcpu, const SchedSession *session,
                      const SchedSlot *slot)
{
    uint64_t stamps = qatomic_read__nocheck(&slot->sampled_cost) *
                      SCHED_COST_EVERY +
                      qatomic_read__nocheck(&slot->change_cost);

    vcpu->cost_ns = sched_stamps_to_ns(session, stamps);
    vcpu->longest_ns = sched_stamps_to_ns(
        session, qatomic_read__nocheck(&slot->longest));
}

static WindowsSchedVcpu *vcpu_new(SchedSession *session, unsigned index)
{
    SchedSlot *slot = &session->slots[index];
    WindowsSchedVcpu *vcpu = g_new0(WindowsSchedVcpu, 1);

    vcpu->vcpu = index;
    vcpu->present = slot->present;
    vcpu->known = sched_slot_is_on(slot);
    vcpu->has_kpcr = vcpu->known;
    vcpu->kpcr = slot->info.kpcr;
    vcpu->has_number = vcpu->known && slot->info.number != UINT32_MAX;
    vcpu->number = slot->info.number;
    fill_counts(vcpu, session, slot);
    fill_cost(vcpu, session, slot);
    return vcpu;
}

/* Those that are there, and those that were looked at. */
static WindowsSchedVcpuList *vcpu_list(SchedSession *session)
{
    WindowsSchedVcpuList *list = NULL;
    unsigned i = session->n_slots;

    while (i--) {
        const SchedSlot *slot = &session->slots[i];

        if (slot->present || slot->begun ||
            qatomic_read__nocheck(&slot->exits)) {
            QAPI_LIST_PREPEND(list, vcpu_new(session, i));
        }
    }
    return list;
}

static void fill_state(WindowsSchedTraceStatus *status, SchedSession *session)
{
    const SchedFindings *findings = &session->findings;

    if (!qatomic_read(&session->enabled)) {
        status->state = WINDOWS_SCHED_TRACE_STATE_DISABLED;
        return;
    }
    status->state = findings->state;
    if (findings->reason[0]) {
        QAPI_SET_PTR(status, reason, g_utf8_make_valid(findings->reason, -1));
    }
}

/* The helper follows within a moment; until then nothing is claimed. */
static void fill_exact(WindowsSchedTraceStatus *status,
                       SchedSession *session)
{
    status->exact = sched_exact_holds(session);
    if (session->mode == WINDOWS_SCHED_TRACE_MODE_EXACT && !status->exact &&
        status->state == WINDOWS_SCHED_TRACE_STATE_ACTIVE && !status->reason) {
        QAPI_SET_PTR(status, reason, g_strdup(SCHED_EXACT_BEGINS_TEXT));
    }
}

static void fill_ring(WindowsSchedTraceStatus *status,
                      const SchedSession *session)
{
    const SchedlogStore *store = &session->store;

    status->entries = store->ring.mask + 1;
    /* What was dropped was seen too, and is not in the ring either. */
    status->overwritten = evring_oldest(&store->ring) - 1 +
                          schedlog_store_dropped(store);
    status->recorded = evring_head(&store->ring) +
                       schedlog_store_dropped(store);
    QAPI_SET_PTR(status, ring_file, g_strdup(session->ring_file));
}

static void fill_session(WindowsSchedTraceStatus *status,
                         SchedSession *session)
{
    RCU_READ_LOCK_GUARD();
    QEMU_LOCK_GUARD(&session->lock);
    fill_state(status, session);
    fill_ring(status, session);
    status->mode = session->mode;
    fill_exact(status, session);
    status->poll_hz = session->poll_hz;
    if (session->findings.found) {
        fill_kernel(status, &session->findings.result);
    }
    QAPI_SET_PTR(status, detection, detection_new(&session->findings));
    status->vcpus = vcpu_list(session);
}

WindowsSchedTraceStatus *sched_status_new(SchedSession *session)
{
    WindowsSchedTraceStatus *status = g_new0(WindowsSchedTraceStatus, 1);

    status->state = WINDOWS_SCHED_TRACE_STATE_DISABLED;
    if (session) {
        fill_session(status, session);
    }
    status->clock = vmscope_clock_new();
    return status;
}
