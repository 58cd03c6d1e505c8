/*
 * Windows scheduler trace: what it can be told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-vmscope.h"
#include "recorder/ring.h"
#include "watch/watch.h"
#include "vmscope/compat.h"
#include "file.h"
#include "options.h"
#include "sched-options.h"
#include "sched-rip.h"

#define MAX_POLL_HZ 100000

/* Where QMP has an override, and which field it is of. */
typedef struct Override {
    const char *name;
    WinosField field;
    size_t has;                 /* offsets in WindowsSchedOverrides */
    size_t value;
} Override;

#define OVERRIDE(name, member, field)                       \
    { name, field,                                          \
      offsetof(WindowsSchedOverrides, has_##member),        \
      offsetof(WindowsSchedOverrides, member) }

static const Override overrides[] = {
    OVERRIDE("kpcr-current-prcb", kpcr_current_prcb, WINOS_KPCR_CURRENT_PRCB),
    OVERRIDE("prcb-current-thread", prcb_current_thread,
             WINOS_PRCB_CURRENT_THREAD),
    OVERRIDE("kthread-apc-process", kthread_apc_process,
             WINOS_KTHREAD_APC_PROCESS),
    OVERRIDE("kthread-client-id", kthread_client_id, WINOS_ETHREAD_CLIENT_ID),
    OVERRIDE("kthread-state", kthread_state, WINOS_KTHREAD_STATE),
    OVERRIDE("ethread-thread-name", ethread_thread_name,
             WINOS_ETHREAD_THREAD_NAME),
    OVERRIDE("eprocess-image-file-name", eprocess_image_file_name,
             WINOS_EPROCESS_IMAGE_FILE_NAME),
    OVERRIDE("kpcr-self", kpcr_self, WINOS_KPCR_SELF),
    OVERRIDE("prcb-idle-thread", prcb_idle_thread, WINOS_PRCB_IDLE_THREAD),
    OVERRIDE("prcb-number", prcb_number, WINOS_PRCB_NUMBER),
    OVERRIDE("prcb-context-switches", prcb_context_switches,
             WINOS_PRCB_CONTEXT_SWITCHES),
    OVERRIDE("kthread-process", kthread_process, WINOS_KTHREAD_PROCESS),
    OVERRIDE("kthread-wait-reason", kthread_wait_reason,
             WINOS_KTHREAD_WAIT_REASON),
    OVERRIDE("kthread-priority", kthread_priority, WINOS_KTHREAD_PRIORITY),
    OVERRIDE("kthread-context-switches", kthread_context_switches,
             WINOS_KTHREAD_CONTEXT_SWITCHES),
    OVERRIDE("kthread-wait-time", kthread_wait_time, WINOS_KTHREAD_WAIT_TIME),
    OVERRIDE("eprocess-unique-process-id", eprocess_unique_process_id,
             WINOS_EPROCESS_UNIQUE_PROCESS_ID),
};

/* Returns: whether it was given; then with @value. */
static bool sched_options_get_override(const WindowsSchedOverrides *given,
                                       const Override *override,
                                       uint32_t *value)
{
    const char *base = (const char *)given;

    if (!given || !*(const bool *)(base + override->has)) {
        return false;
    }
    *value = *(const uint32_t *)(base + override->value);
    return true;
}

static bool sched_options_check_overrides(const WindowsSchedOverrides *given,
                                          Error **errp)
{
    uint32_t value;
    size_t i;

    for (i = 0; i < ARRAY_SIZE(overrides); i++) {
        if (sched_options_get_override(given, &overrides[i], &value) &&
            value > WINOS_MAX_OFFSET) {
            error_setg(errp, "%s is %" PRIu32 ", but no structure is larger "
                       "than %d bytes", overrides[i].name, value,
                       WINOS_MAX_OFFSET);
            return false;
        }
    }
    return true;
}

/* Nothing is looked for, so what cannot be done without must be given. */
static bool sched_options_check_manual(const WindowsSchedTraceOptions *opts,
                                       Error **errp)
{
    bool prcb = opts->overrides && opts->overrides->has_kpcr_current_prcb;
    bool thread = opts->overrides && opts->overrides->has_prcb_current_thread;

    if (opts->has_sources) {
        error_setg(errp, "auto-detect is false, so there is nothing to use "
                   "sources for; leave out one of them");
        return false;
    }
    if (!prcb || !thread) {
        error_setg(errp, "auto-detect is false, so overrides must have %s%s%s",
                   prcb ? "" : "kpcr-current-prcb",
                   prcb || thread ? "" : " and ",
                   thread ? "" : "prcb-current-thread");
        return false;
    }
    return true;
}

static bool sched_options_check_ring(const WindowsSchedTraceOptions *opts,
                                     Error **errp)
{
    if (opts->has_entries &&
        (opts->entries == 0 || !evring_round_entries(opts->entries))) {
        error_setg(errp, "entries is %" PRIu32 ", but a ring has from 1 to "
                   "%d", opts->entries, EVRING_MAX_ENTRIES);
        return false;
    }
    if (opts->has_poll_hz && opts->poll_hz > MAX_POLL_HZ &&
        opts->poll_hz != WATCH_POLL_DENSE) {
        error_setg(errp, "poll-hz is %" PRIu32 ", but at most %d samples a "
                   "second are taken, or with %" PRIu32 " as many as can be",
                   opts->poll_hz, MAX_POLL_HZ, WATCH_POLL_DENSE);
        return false;
    }
    if (opts->has_dense_ms && (!opts->has_poll_hz ||
                               opts->poll_hz != WATCH_POLL_DENSE)) {
        error_setg(errp, "dense-ms is for dense polling; add \"poll-hz\": %"
                   PRIu32 " or leave it out", WATCH_POLL_DENSE);
        return false;
    }
    if (opts->has_rip_hz && opts->rip_hz > SCHED_RIP_MAX_HZ) {
        error_setg(errp, "rip-hz is %" PRIu32 ", but a vCPU is asked at most "
                   "%d times a second what it executes", opts->rip_hz,
                   SCHED_RIP_MAX_HZ);
        return false;
    }
    if (opts->has_dense_ms && opts->dense_ms == 0) {
        error_setg(errp, "dense-ms is 0; leave it out for no end, or give "
                   "milliseconds");
        return false;
    }
    return true;
}

static bool sched_options_check_exact(const WindowsSchedTraceOptions *opts,
                                      Error **errp)
{
    bool exact = opts->has_mode && opts->mode == WINDOWS_SCHED_TRACE_MODE_EXACT;

    if (!exact && (opts->has_exact_ms || opts->has_exact_limit)) {
        error_setg(errp, "%s is for mode exact; add \"mode\": \"exact\" or "
                   "leave it out",
                   opts->has_exact_ms ? "exact-ms" : "exact-limit");
        return false;
    }
    if (opts->has_exact_ms && opts->exact_ms == 0) {
        error_setg(errp, "exact-ms is 0; leave it out for no end, or give "
                   "milliseconds");
        return false;
    }
    if (opts->has_exact_limit && opts->exact_limit == 0) {
        error_setg(errp, "exact-limit is 0; give switches a second, or leave "
                   "it out for %d", SCHED_DEFAULT_EXACT_LIMIT);
        return false;
    }
    return true;
}

bool sched_options_check(const WindowsSchedTraceOptions *opts, Error **errp)
{
    if (!sched_options_check_ring(opts, errp) ||
        !sched_options_check_exact(opts, errp) ||
        !sched_options_check_overrides(opts->overrides, errp)) {
        return false;
    }
    if (opts->has_auto_detect && !opts->auto_detect) {
        return sched_options_check_manual(opts, errp);
    }
    if (opts->has_sources && !opts->sources) {
        error_setg(errp, "sources is empty, so nothing could be found; leave "
                   "it out for all");
        return false;
    }
    return true;
}

static uint8_t sched_options_source_mask(const WindowsOffsetSourceList *sources)
{
    uint8_t mask = 0;

    QEMU_BUILD_BUG_ON((int)WINDOWS_OFFSET_SOURCE_KDBG !=
                      (int)WINOS_SOURCE_KDBG);
    QEMU_BUILD_BUG_ON((int)WINDOWS_OFFSET_SOURCE_OVERRIDE !=
                      (int)WINOS_SOURCE_OVERRIDE);
    for (; sources; sources = sources->next) {
        mask |= 1 << sources->value;
    }
    return mask;
}

void sched_options_to_winos(const WindowsSchedTraceOptions *opts,
                            WinosOptions *winos)
{
    uint32_t value;
    size_t i;

    winos_options_init(winos);
    winos->auto_detect = !opts->has_auto_detect || opts->auto_detect;
    if (opts->has_sources) {
        winos->sources = sched_options_source_mask(opts->sources);
    }
    for (i = 0; i < ARRAY_SIZE(overrides); i++) {
        if (sched_options_get_override(opts->overrides, &overrides[i],
                                       &value)) {
            winos->overrides[overrides[i].field] = value;
        }
    }
}

/* In the order of the sources, each once; all when there is no list. */
static WindowsOffsetSourceList *sched_options_source_list(uint8_t mask)
{
    WindowsOffsetSourceList *list = NULL;
    int i = WINDOWS_OFFSET_SOURCE__MAX;

    while (i--) {
        if (mask & 1 << i) {
            QAPI_LIST_PREPEND(list, i);
        }
    }
    return list;
}

WindowsSchedTraceOptions *
sched_options_new(const WindowsSchedTraceOptions *given)
{
    WindowsSchedTraceOptions *opts = QAPI_CLONE(WindowsSchedTraceOptions,
                                                given);
    char *ring = vmscope_file_name(given->ring_file);
    WinosOptions winos;

    sched_options_to_winos(given, &winos);
    qapi_free_WindowsOffsetSourceList(opts->sources);
    opts->has_sources = true;
    opts->sources = sched_options_source_list(winos.sources);
    opts->has_auto_detect = true;
    opts->auto_detect = winos.auto_detect;
    opts->poll_hz = opts->has_poll_hz ? opts->poll_hz : SCHED_DEFAULT_POLL_HZ;
    opts->has_poll_hz = true;
    opts->mode = opts->has_mode ? opts->mode :
                                  WINDOWS_SCHED_TRACE_MODE_SAMPLED;
    opts->has_mode = true;
    opts->exact_limit = opts->has_exact_limit ? opts->exact_limit :
                                                SCHED_DEFAULT_EXACT_LIMIT;
    opts->has_exact_limit = true;
    opts->entries = opts->has_entries ? opts->entries : SCHED_DEFAULT_ENTRIES;
    opts->has_entries = true;
    opts->rip_hz = opts->has_rip_hz ? opts->rip_hz : 0;
    opts->has_rip_hz = true;
    g_free(opts->ring_file);
    QAPI_SET_PTR(opts, ring_file, ring);
    return opts;
}

static bool sched_options_visit(Visitor *v, void **options, Error **errp)
{
    return visit_type_WindowsSchedTraceOptions(
        v, NULL, (WindowsSchedTraceOptions **)options, errp);
}

bool sched_options_same(const WindowsSchedTraceOptions *on,
                        const WindowsSchedTraceOptions *opts, Error **errp)
{
    g_autoptr(WindowsSchedTraceOptions) whole = sched_options_new(opts);

    return vmscope_options_same("the scheduler trace", sched_options_visit,
                                opts, whole, on, errp);
}
