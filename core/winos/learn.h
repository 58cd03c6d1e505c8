/*
 * winos/learn.h: what learning keeps, shared by the files of it.
 *
 * learn.c         watches vCPUs and marks the places that agree
 * learn-idle.c    which pointer in a PRCB is to its idle thread
 * learn-judge.c   what the marks prove of a field
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_LEARN_H
#define VMSCOPE_WINOS_LEARN_H

#include "winos/detect.h"
#include "winos/live.h"

enum {
    PRCB_WORDS = 0x4000 / 4,
    KTHREAD_SIZE = 0xc00,
    MAX_KNOWN = 64,             /* threads whose last coming is remembered */
    MAX_FIXED = 16,             /* pointers to threads, in each PRCB */
    MAX_RECENT = 256,           /* threads that ran, for the next pass */
};

/* How often a place bore a mark out, and how often not. */
typedef struct Score {
    uint16_t for_it;
    uint16_t against;
    uint32_t objects;           /* that bore it out: a bit for some each */
} Score;

/* A pointer to a thread in a PRCB that has not moved since it was first seen. */
typedef struct Fixed {
    uint16_t offset;
    bool ran;                   /* that thread was seen to be current */
    bool moved;                 /* or is the idle thread of none */
    uint64_t thread;
} Fixed;

typedef struct Known {
    uint64_t thread;
    uint64_t total;             /* switches of all vCPUs by then */
    uint8_t bytes[KTHREAD_SIZE];
} Known;

/* What samples now and then have seen of one vCPU. */
typedef struct Window {
    unsigned cpu;               /* which: one at a time */
    unsigned switches;          /* at least so many */
    bool open;                  /* begin is filled */
    bool settled;               /* no switch since the last sample */
    uint64_t prcb;
    uint8_t begin[PRCB_WORDS * 4];
} Window;

struct WinosLearner {
    unsigned bursts;
    uint64_t sampled_ns;
    uint64_t last[LIVE_MAX_CPUS];       /* thread at the last sample */
    uint64_t settled[LIVE_MAX_CPUS][2]; /* the last that stayed, newest first */
    Window window;
    unsigned n_comings;         /* marks left by threads that came */
    unsigned n_settled;         /* threads that stayed for a while */
    unsigned n_counted;
    unsigned n_prcb;            /* bursts in which the vCPU switched */
    unsigned next_known;
    unsigned n_recent;
    uint64_t recent[MAX_RECENT];
    unsigned n_fixed[LIVE_MAX_CPUS];
    unsigned n_stayed[LIVE_MAX_CPUS];   /* switches they have stayed through */
    Fixed fixed[LIVE_MAX_CPUS][MAX_FIXED];
    Score prcb_counter[PRCB_WORDS];
    Score prcb_claimed[PRCB_WORDS];     /* by the less strict rule */
    Score counter[KTHREAD_SIZE / 4];
    Score counter_claimed[KTHREAD_SIZE / 4];
    Score state[KTHREAD_SIZE];
    Score state_gone[KTHREAD_SIZE];     /* not Running after that */
    Score state_settled[KTHREAD_SIZE];
    Score state_left[KTHREAD_SIZE];     /* the same, of those that settled */
    Score reason_waiting[KTHREAD_SIZE];
    Score reason_ready[KTHREAD_SIZE];
    uint64_t reasons[KTHREAD_SIZE];     /* of waits that were seen: a bit each */
    Known known[MAX_KNOWN];
    uint8_t now[KTHREAD_SIZE];
    uint8_t before[PRCB_WORDS * 4];
    uint8_t after[PRCB_WORDS * 4];
    LiveWorld world;
};

/* What one call works on. */
typedef struct Pass {
    WinosLearner *l;
    const GmemSpace *space;
    int32_t current_at;
    int32_t state_at;
    int32_t counter_at;         /* KeContextSwitches */
    int32_t next_at;
    unsigned cpu;               /* of the world's, that is looked at */
    unsigned switches;          /* in this burst */
    bool held_up;               /* the observer was, in this burst */
} Pass;

bool learn_read(const Pass *w, uint64_t at, uint64_t *value);

/**
 * learn_is_idle - is it, or may it be, the idle thread of the vCPU of a pass?
 *
 * While that is not known, whoever a pointer in the PRCB stays with may be.
 */
bool learn_is_idle(const Pass *w, uint64_t thread);

/* Begin with the pointers to threads that the PRCB in @before has. */
void learn_find_fixed(Pass *w);

/* What became of them in a burst; @last is who runs now. */
void learn_follow_fixed(Pass *w, uint64_t last);

/* Returns: whether the place of the idle thread was found. */
bool learn_conclude_idle(const Pass *w, WinosResult *result,
                         const WinosOptions *options);

/* Returns: whether the marks have proven a field that was not proven. */
bool learn_conclude_all(WinosLearner *l, WinosResult *result,
                        const WinosOptions *options);

#endif
