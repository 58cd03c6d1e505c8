/*
 * winos/learn-idle: which pointer in a PRCB is to its idle thread.
 *
 * Of the pointers to threads that a PRCB has, the one that stays while
 * CurrentThread changes, and at times is what that changes to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/learn.h"

#include "base/le.h"
#include "winos/settle.h"

enum {
    ENOUGH_STAYED = 8,          /* switches that a pointer has not moved in */
};

bool learn_is_idle(const Pass *w, uint64_t thread)
{
    const WinosLearner *l = w->l;
    const Fixed *fixed = l->fixed[w->cpu];
    unsigned i;

    if (l->world.cpus[w->cpu].idle_thread) {
        return thread == l->world.cpus[w->cpu].idle_thread;
    }
    for (i = 0; i < l->n_fixed[w->cpu]; i++) {
        if (!fixed[i].moved && fixed[i].thread == thread) {
            return true;
        }
    }
    return false;
}

void learn_find_fixed(Pass *w)
{
    WinosLearner *l = w->l;
    unsigned n = 0;
    unsigned at;

    for (at = 0; at + 8 <= sizeof(l->before) && n < MAX_FIXED; at += 8) {
        uint64_t thread = load_le64(l->before + at);

        if ((int32_t)at != w->current_at && (int32_t)at != w->next_at &&
            live_is_object(w->space, thread, LIVE_THREAD)) {
            l->fixed[w->cpu][n++] = (Fixed) { at, false, false, thread };
        }
    }
    l->n_fixed[w->cpu] = n;
}

/* What became of them in a burst; @last is who runs now. */
void learn_follow_fixed(Pass *w, uint64_t last)
{
    WinosLearner *l = w->l;
    unsigned c, i;

    for (c = 0; c < l->world.n_cpus; c++) {
        for (i = 0; i < l->n_fixed[c]; i++) {
            Fixed *fixed = &l->fixed[c][i];

            if (c == w->cpu) {
                fixed->moved |= load_le64(l->after + fixed->offset) !=
                                fixed->thread;
                fixed->ran |= fixed->thread == last;
            } else {
                fixed->moved |= fixed->thread == last;
            }
        }
    }
    l->n_stayed[w->cpu] += w->switches;
}

/* What the thread's own fields say: 1: idle; -1: not; 0: nothing. */
static int learn_ask_idle(const Pass *w, const WinosLayout *layout,
                          uint64_t thread)
{
    int32_t cid_at = winos_offset(layout, WINOS_ETHREAD_CLIENT_ID);
    int32_t owner_at = winos_offset(layout, WINOS_KTHREAD_PROCESS);
    int32_t pid_at = winos_offset(layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID);
    uint64_t pid, tid, owner;

    if (cid_at >= 0 && learn_read(w, thread + cid_at, &pid) &&
        learn_read(w, thread + cid_at + 8, &tid)) {
        return pid || tid ? -1 : 1;
    }
    if (owner_at >= 0 && pid_at >= 0 &&
        learn_read(w, thread + owner_at, &owner) && owner &&
        learn_read(w, owner + pid_at, &pid)) {
        return pid ? -1 : 1;
    }
    return 0;
}

/* Is the pointer at this place in all PRCBs to that vCPU's idle thread? */
static bool learn_may_be_idle(const Pass *w, const WinosLayout *layout,
                              unsigned offset)
{
    const WinosLearner *l = w->l;
    bool ran = false, sure = true;
    unsigned c, i;

    for (c = 0; c < l->world.n_cpus; c++) {
        const Fixed *fixed = NULL;
        int answer;

        for (i = 0; i < l->n_fixed[c] && !fixed; i++) {
            fixed = l->fixed[c][i].offset == offset ? &l->fixed[c][i] : NULL;
        }
        answer = fixed ? learn_ask_idle(w, layout, fixed->thread) : -1;
        if (answer < 0 || fixed->moved) {
            return false;
        }
        ran |= fixed->ran && l->n_stayed[c] >= ENOUGH_STAYED;
        sure &= answer > 0;
    }
    return ran || sure;
}

bool learn_conclude_idle(const Pass *w, WinosResult *result,
                                const WinosOptions *options)
{
    const WinosLearner *l = w->l;
    WinosOffset *idle = &result->detected.field[WINOS_PRCB_IDLE_THREAD];
    int32_t found = WINOS_NO_OFFSET;
    unsigned i;

    if (idle->standing == WINOS_CONFIRMED ||
        !settle_enabled(options, WINOS_SOURCE_STRUCTURE)) {
        return false;
    }
    for (i = 0; l->world.n_cpus && i < l->n_fixed[0]; i++) {
        if (learn_may_be_idle(w, &result->detected, l->fixed[0][i].offset)) {
            if (found >= 0) {
                return false;
            }
            found = l->fixed[0][i].offset;
        }
    }
    if (found < 0) {
        return false;
    }
    settle_proven(result, WINOS_PRCB_IDLE_THREAD, found);
    return true;
}
