/*
 * Windows scheduler trace: what the parts of the helper thread share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_HELPER_H
#define VMSCOPE_SCHED_HELPER_H

#include "sched-trace.h"

/* How long to wait before looking for a kernel again: doubled each time. */
#define SCHED_FIRST_BACKOFF_NS 10000000
#define SCHED_LAST_BACKOFF_NS 1000000000

/* What has become of exact mode. */
typedef enum SchedExactPhase {
    SCHED_EXACT_OFF,            /* not asked for, or no kernel */
    SCHED_EXACT_BEGINS,         /* some vCPU is not watched yet */
    SCHED_EXACT_HOLDS,
    SCHED_EXACT_ENDED,          /* as was asked for; reason says why */
    SCHED_EXACT_FAILED,         /* reason says why */
} SchedExactPhase;

typedef struct SchedExact {
    SchedExactPhase phase;
    char reason[256];
    uint64_t since_ns;          /* when it held for the first time; 0: never */
    uint64_t looked_ns;         /* when that was last compared */
    uint64_t window_ns;         /* since when switches were counted */
    /* Of n_slots elements. */
    uint64_t *counted;
    uint64_t *checked_ns;
    bool *was_present;
    bool *work;
} SchedExact;

/* The helper thread's own; times are CLOCK_MONOTONIC in ns, 0: at once. */
typedef struct SchedHelper {
    SchedSession *session;
    unsigned resets;            /* of the machine, that were followed */
    unsigned resumes;
    bool rested;                /* looked at since it was stopped */

    bool active;                /* result is of a kernel that is there */
    WinosResult result;
    WinosLearner *learner;      /* NULL: nothing to learn */
    unsigned lessons;
    unsigned limit;             /* slots that are looked at are below it */
    uint64_t populated;         /* bytes of the session's memory */

    /* Of n_slots elements; what they hold does not outlast a turn. */
    SchedAsker asker;
    bool *present;
    bool *wanted;
    SchedRegs *regs;
    WinosRegs *winos_regs;
    WinosCpu *cpus;
    SchedExact exact;

    /* When to do what next. */
    uint64_t backoff_ns;
    uint64_t find_ns;           /* look for a kernel */
    uint64_t early_ns;          /* the same when there is a reason to */
    uint64_t poll_ns;
    uint64_t keep_ns;           /* see whether all is as it was */
    uint64_t kept_ns;           /* when that was last done */
    uint64_t ask_ns;            /* ask vCPUs whose KPCR is not known */
    uint64_t ask_backoff_ns;
    uint64_t learn_ns;
    uint64_t steer_ns;          /* look at the clock */
} SchedHelper;

/* sched-slot.c */

/**
 * sched_slot_begin: look at a vCPU from now on
 * @info: what was found
 *
 * Returns: false when its CurrentThread is not in memory
 */
bool sched_slot_begin(SchedHelper *helper, const WinosCpu *info);

/* Is it being looked at? */
bool sched_slot_is_on(const SchedSlot *slot);

/* Look no more; the figures stay. */
void sched_slot_end(SchedSlot *slot);

/* The same for all, and wait until nobody is looking. */
void sched_slots_end(SchedHelper *helper);

/**
 * sched_slot_follow: the guest may have moved a vCPU's CurrentThread
 *
 * Returns: false when it is no longer in memory; then nobody looks any more
 */
bool sched_slot_follow(SchedHelper *helper, SchedSlot *slot);

/* Figures since the trace was turned on; under RCU and the session's lock. */
void sched_slot_counts(SchedSession *session, SchedSlot *slot,
                       WinschedCounts *counts);

/* sched-overrides.c */

/**
 * sched_overrides_misfit: name the overrides that the guest speaks against
 * @winos: what was given
 * @layout: what became of it
 *
 * Returns: text with each one's value and what was found, for g_free(); NULL
 * when all fit
 */
char *sched_overrides_misfit(const WinosOptions *winos,
                             const WinosLayout *layout);

/* The same, or when it is not known yet, those that were given. */
char *sched_overrides_given(const WinosOptions *winos,
                            const WinosLayout *layout);

/* sched-find.c */

/* Look for a kernel once; helper->active tells whether there was one. */
void sched_find_kernel(SchedHelper *helper);

/* See whether kernel and vCPUs are as they were, and learn more of them. */
void sched_keep_track(SchedHelper *helper);

/* Have the status say how things are. */
void sched_settle_state(SchedHelper *helper);

/* Look which vCPUs there are.  Returns: how many */
unsigned sched_note_present(SchedHelper *helper);

/* What vCPUs have told, or are about to, is no longer so. */
void sched_forget_regs(SchedHelper *helper);

/* Begin anew; @reason: why, a sentence. */
void sched_forget(SchedHelper *helper, const char *reason);

/* sched-exact.c */

void sched_exact_init(SchedHelper *helper);
void sched_exact_deinit(SchedHelper *helper);

/* A kernel was found; there is none any more. */
void sched_exact_begin(SchedHelper *helper);
void sched_exact_end(SchedHelper *helper);

/* Watch who is not watched yet, compare, and see whether all is well. */
void sched_exact_turn(SchedHelper *helper);

/* When that is due again; UINT64_MAX: not by the time. */
uint64_t sched_exact_next(const SchedHelper *helper);

/*
 * Returns: false when switches are sampled although all should be recorded;
 * @reason: set when there is something to say
 */
bool sched_exact_is_well(const SchedHelper *helper, const char **reason);

#endif
