/*
 * winsched/waits: see waits.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/waits.h"

#include <inttypes.h>
#include <string.h>

typedef struct WaitsRun {
    const WinosResult *result;
    const WinosExtra *extra;
    const WinosCpu *cpus;
    unsigned n_cpus;
    WinschedWaits *out;
} WaitsRun;

static bool waits_word(const WaitsRun *run, uint64_t object, WinosField field,
                       uint64_t *value)
{
    int32_t at = winos_offset(&run->result->layout, field);

    return at >= 0 && gmem_read_u64(&run->result->kernel.space,
                                    object + (uint64_t)at, value);
}

static bool waits_is_known(const WinschedWaits *out, uint64_t thread)
{
    unsigned i;

    for (i = 0; i < out->n; i++) {
        if (out->waits[i].thread.thread == thread) {
            return true;
        }
    }
    return false;
}

/* The CPU that a ready thread is queued at, and who runs there. */
static void waits_read_behind(const WaitsRun *run, WinschedWait *wait)
{
    const GmemSpace *space = &run->result->kernel.space;
    uint32_t number;
    unsigned i;

    if (!run->extra ||
        !winos_extra_has(run->extra, WINOS_KTHREAD_NEXT_PROCESSOR) ||
        !gmem_read_u32(space, wait->thread.thread +
                       run->extra->at[WINOS_KTHREAD_NEXT_PROCESSOR],
                       &number)) {
        return;
    }
    for (i = 0; i < run->n_cpus; i++) {
        uint64_t running;

        if (run->cpus[i].number == number &&
            waits_word(run, run->cpus[i].prcb, WINOS_PRCB_CURRENT_THREAD,
                       &running) &&
            running != wait->thread.thread) {
            wait->behind = running;
            wait->cpu = number;
        }
    }
}

/* Returns: whether it is a thread */
static bool waits_add(const WaitsRun *run, uint64_t thread, bool asked)
{
    WinschedWaits *out = run->out;
    WinschedWait *wait = &out->waits[out->n];
    uint8_t state;

    if (waits_is_known(out, thread)) {
        return true;
    }
    if (out->n == out->max) {
        out->cut = true;
        return true;
    }
    memset(wait, 0, sizeof(*wait));
    if (!winsched_thread_read(&run->result->kernel.space,
                              &run->result->layout, thread, &wait->thread)) {
        return false;
    }
    wait->asked = asked;
    out->n++;
    state = wait->thread.has & WINSCHED_HAS_STATE ? wait->thread.state : 0;
    if (state == WINSCHED_WAITING && run->extra) {
        wait->has_wait = winos_wait_read(run->result, run->extra, thread,
                                         &wait->wait);
        if (wait->has_wait && wait->thread.has & WINSCHED_HAS_WAIT_REASON) {
            winos_wait_fast_mutex(run->result, wait->thread.wait_reason,
                                  &wait->wait);
        }
    } else if (state == WINSCHED_READY || state == WINSCHED_DEFERRED_READY) {
        waits_read_behind(run, wait);
    }
    return true;
}

/* Owners of mutexes, and those who run instead of who is ready. */
static void waits_follow(const WaitsRun *run)
{
    const WinschedWaits *out = run->out;
    unsigned i;
    unsigned k;

    for (i = 0; i < out->n; i++) {
        const WinschedWait *wait = &out->waits[i];

        for (k = 0; wait->has_wait && k < wait->wait.n_objects; k++) {
            if (wait->wait.objects[k].owner) {
                waits_add(run, wait->wait.objects[k].owner, false);
            }
        }
        if (wait->behind) {
            waits_add(run, wait->behind, false);
        }
    }
}

static bool waits_find_process(const WaitsRun *run, uint32_t pid,
                               uint64_t *process)
{
    const WinosKernel *kernel = &run->result->kernel;
    int32_t links = winos_offset(&run->result->layout,
                                 WINOS_EPROCESS_ACTIVE_PROCESS_LINKS);
    uint64_t begin = kernel->process_list;
    uint64_t at;
    unsigned i;

    if (links < 0) {
        return false;
    }
    if (!begin && kernel->system_process) {
        begin = kernel->system_process + (uint64_t)links;
    }
    at = begin;
    for (i = 0; begin && i < WINSCHED_LIST_MAX; i++) {
        uint64_t id;

        *process = at - (uint64_t)links;
        if (at != kernel->process_list &&
            waits_word(run, *process, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
                       &id) && id == pid) {
            return true;
        }
        if (!gmem_read_u64(&kernel->space, at, &at) || at == begin ||
            !gmem_is_kernel(&kernel->space, at)) {
            return false;
        }
    }
    return false;
}

static void waits_add_threads(const WaitsRun *run, uint64_t process,
                              uint32_t tid)
{
    const GmemSpace *space = &run->result->kernel.space;
    const WinosLayout *layout = &run->result->layout;
    int32_t head_at = winos_offset(layout, WINOS_EPROCESS_THREAD_LIST_HEAD);
    int32_t entry_at = winos_offset(layout, WINOS_ETHREAD_THREAD_LIST_ENTRY);
    int32_t ids_at = winos_offset(layout, WINOS_ETHREAD_CLIENT_ID);
    uint64_t head = process + (uint64_t)head_at;
    uint64_t at;
    unsigned i;

    if (head_at < 0 || entry_at < 0 || ids_at < 0 ||
        !gmem_read_u64(space, head, &at)) {
        return;
    }
    for (i = 0; i < WINSCHED_LIST_MAX && at != head; i++) {
        uint64_t thread = at - (uint64_t)entry_at;
        uint64_t id;

        if (!gmem_is_kernel(space, at)) {
            return;
        }
        if (gmem_read_u64(space, thread + (uint64_t)ids_at + 8, &id) &&
            (!tid || id == tid)) {
            waits_add(run, thread, true);
        }
        if (run->out->cut || !gmem_read_u64(space, at, &at)) {
            return;
        }
    }
}

bool winsched_waits_read(const WinosResult *result, const WinosExtra *extra,
                         const WinosCpu *cpus, unsigned n_cpus,
                         uint32_t pid, uint32_t tid, WinschedWaits *out,
                         Err *err)
{
    WaitsRun run = { result, extra, cpus, n_cpus, out };
    uint64_t process;

    out->n = 0;
    out->cut = false;
    gmem_fresh(result->kernel.space.mem);
    if (!waits_find_process(&run, pid, &process)) {
        err_set(err, ERR_USAGE, "there is no process %" PRIu32 " in the "
                "guest's list of processes", pid);
        return false;
    }
    waits_add_threads(&run, process, tid);
    if (!out->n && tid) {
        err_set(err, ERR_USAGE, "process %" PRIu32 " has no thread %" PRIu32,
                pid, tid);
        return false;
    }
    waits_follow(&run);
    return true;
}
