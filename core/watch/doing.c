/*
 * watch/doing: what vCPUs do, counted at rounds of polling.
 *
 * Windows keeps account of its CPUs' time by its clock's ticks.  This is the
 * other measure: whether a DPC or an interrupt is being handled, and whether
 * the idle thread is current, at samples that are taken anyway.  User mode
 * and kernel cannot be told apart in memory.
 *
 * The three words are read one behind the other while the vCPU runs, so one
 * sample may mix two instants of some tens of ns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include "winos/extra.h"

#include <stdlib.h>

/*
 * Offset of NestingLevel in the KPRCB: interrupts and DPCs inside of each
 * other; the same in each row of data/windows-x64-offsets.csv that has it.
 */
enum { PRCB_NESTING_LEVEL = 0x20 };

/* A CPU is not deeper in interrupts than there are levels. */
enum { MAX_NESTING = 16 };

/* For so long after a question. */
#define DOING_NS (10 * WATCH_S)

bool watch_doing_alloc(Watch *w)
{
    unsigned n = w->config.max_vcpus;

    w->doing.gpas = calloc(n, sizeof(*w->doing.gpas));
    w->doing.nesting = calloc(n, sizeof(*w->doing.nesting));
    w->doing.dpc = calloc(n, sizeof(*w->doing.dpc));
    w->doing.ok_nesting = calloc(n, sizeof(*w->doing.ok_nesting));
    w->doing.ok_dpc = calloc(n, sizeof(*w->doing.ok_dpc));
    return w->doing.gpas && w->doing.nesting && w->doing.dpc &&
           w->doing.ok_nesting && w->doing.ok_dpc;
}

void watch_doing_free(Watch *w)
{
    free(w->doing.gpas);
    free(w->doing.nesting);
    free(w->doing.dpc);
    free(w->doing.ok_nesting);
    free(w->doing.ok_dpc);
}

void watch_ask_doing(Watch *w)
{
    atomic_store_explicit(&w->doing_until_ns, watch_now(w) + DOING_NS,
                          memory_order_relaxed);
}

bool watch_doing(const Watch *w, unsigned vcpu, uint64_t *counts)
{
    const WatchSlot *slot = &w->shared.slots[vcpu];
    uint64_t all = 0;
    unsigned i;

    for (i = 0; i < WATCH_N_DOING; i++) {
        counts[i] = atomic_load_explicit(&slot->doing[i],
                                         memory_order_relaxed);
        all += counts[i];
    }
    return all && !atomic_load_explicit(&slot->doing_odd,
                                        memory_order_relaxed);
}

static uint64_t doing_locate_byte(const Watch *w, uint64_t gva)
{
    const GmemSpace *space = &w->result.kernel.space;
    uint64_t gpa;

    return gmem_is_kernel(space, gva) &&
           gmem_translate(space, gva, &gpa, NULL, NULL) ? gpa : WATCH_NO_GPA;
}

void watch_doing_locate(const Watch *w, WatchSlot *slot)
{
    const WinosExtra *extra = winos_extra_of(&w->result);
    uint64_t prcb = slot->info.prcb;

    slot->nesting_gpa = slot->dpc_gpa = WATCH_NO_GPA;
    if (extra && winos_extra_has(extra, WINOS_PRCB_DPC_ROUTINE_ACTIVE) &&
        (w->result.exact_file || w->result.same_build)) {
        slot->nesting_gpa = doing_locate_byte(w, prcb + PRCB_NESTING_LEVEL);
        slot->dpc_gpa = doing_locate_byte(
            w, prcb + (uint64_t)extra->at[WINOS_PRCB_DPC_ROUTINE_ACTIVE]);
    }
}

/* @words of those slots whose byte is at @gpa_of, in aligned words. */
static void doing_read(Watch *w, unsigned n, bool dpc)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        const WatchSlot *slot = &w->shared.slots[w->index[i]];

        w->doing.gpas[i] = (dpc ? slot->dpc_gpa : slot->nesting_gpa) &
                           ~UINT64_C(7);
    }
    w->host->sample(w->opaque, w->doing.gpas,
                    dpc ? w->doing.dpc : w->doing.nesting,
                    dpc ? w->doing.ok_dpc : w->doing.ok_nesting, n);
}

static uint8_t doing_byte(uint64_t word, uint64_t gpa)
{
    return (uint8_t)(word >> 8 * (gpa & 7));
}

/* The rule by which Windows gives a tick away, less the clock's own level. */
static WatchDoing doing_judge(const WatchSlot *slot, uint64_t thread,
                              uint8_t nesting, uint8_t dpc)
{
    if (nesting == 1 && dpc) {
        return WATCH_DOES_DPC;
    }
    if (nesting) {
        return WATCH_DOES_INTERRUPT;
    }
    return thread == atomic_load_explicit(&slot->cpu.idle_thread,
                                          memory_order_relaxed)
        ? WATCH_DOES_IDLE : WATCH_DOES_THREAD;
}

static void doing_count(Watch *w, unsigned i)
{
    WatchSlot *slot = &w->shared.slots[w->index[i]];
    uint8_t nesting = doing_byte(w->doing.nesting[i], slot->nesting_gpa);
    uint8_t dpc = doing_byte(w->doing.dpc[i], slot->dpc_gpa);
    _Atomic uint64_t *count;

    if (nesting > MAX_NESTING || dpc > 1) {
        atomic_store_explicit(&slot->doing_odd, true, memory_order_relaxed);
        return;
    }
    count = &slot->doing[doing_judge(slot, w->threads[i], nesting, dpc)];
    atomic_store_explicit(count, atomic_load_explicit(
                                     count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void watch_doing_round(Watch *w, unsigned n)
{
    unsigned i;

    doing_read(w, n, false);
    doing_read(w, n, true);
    for (i = 0; i < n; i++) {
        const WatchSlot *slot = &w->shared.slots[w->index[i]];

        if (w->ok[i] && slot->nesting_gpa != WATCH_NO_GPA &&
            slot->dpc_gpa != WATCH_NO_GPA && w->doing.ok_nesting[i] &&
            w->doing.ok_dpc[i]) {
            doing_count(w, i);
        }
    }
}
