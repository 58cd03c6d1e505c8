/*
 * watch/internal: what the parts of the engine share.
 *
 * engine.c   life, turns, polling at a rate, what the machine tells
 * dense.c    polling without sleeping
 * find.c     finding the kernel, keeping track of it, learning
 * slot.c     publishing and unpublishing a vCPU's slot; vCPU threads
 * exact.c    exact mode: arming, verifying, claiming
 * doing.c    counting what vCPUs do at rounds of polling
 * status.c   what others are told
 * misfit.c   overrides that do not fit the guest, in words
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WATCH_INTERNAL_H
#define VMSCOPE_WATCH_INTERNAL_H

#include "watch/slot.h"

#include <pthread.h>

#define WATCH_MS UINT64_C(1000000)
#define WATCH_S UINT64_C(1000000000)

/* The time until the next detection: doubled from the first to the last. */
#define WATCH_FIRST_BACKOFF_NS (10 * WATCH_MS)

/* Of polling when it is no longer dense. */
#define WATCH_PLAIN_HZ 1000

enum { WATCH_MAX_RETIRED = 8 };

/* Threads that were recorded, remembered for learning; a power of two. */
enum { WATCH_RAN = 128 };

/* How good the evidence is of which the reason speaks: the best was shown. */
typedef enum WatchEvidence {
    WATCH_NOTHING_SEEN,
    WATCH_NO_VCPU,
    WATCH_NO_REGS,              /* vCPUs are there, and did not answer */
    WATCH_NO_LONG_MODE,
    WATCH_NO_KERNEL,            /* they did, in 64-bit mode */
    WATCH_ANCHORED,             /* their page tables looked like Windows' */
    WATCH_KERNEL,               /* a kernel, whose structures are not clear */
} WatchEvidence;

#define WATCH_EXACT_BEGINS_TEXT \
    "exact mode begins; until all vCPUs are watched, switches are sampled"

/* What has become of exact mode. */
typedef enum WatchExactPhase {
    WATCH_EXACT_OFF,            /* not asked for, or no kernel */
    WATCH_EXACT_BEGINS,         /* some vCPU is not armed yet */
    WATCH_EXACT_HOLDS,
    WATCH_EXACT_ENDED,          /* as was asked for; reason says why */
    WATCH_EXACT_FAILED,         /* reason says why */
} WatchExactPhase;

typedef struct WatchExact {
    WatchExactPhase phase;
    char reason[256];
    uint64_t since_ns;          /* when it held for the first time; 0: never */
    uint64_t checked_ns;        /* when that was last checked */
    uint64_t window_ns;         /* since when switches were counted */
    /* Of n_slots elements. */
    uint64_t *counted;
    uint64_t *verified_ns;
    bool *was_present;
    bool *work;
} WatchExact;

typedef struct WatchDensity {
    bool ended;
    uint64_t since_ns;          /* first burst; 0: none yet */
    uint64_t begun_ns;          /* of this stretch; 0: not dense now */
    uint64_t window_ns;         /* since when waiting for a CPU is measured */
    uint64_t waited_ns;         /* cpu_wait_ns() then */
    uint64_t resume_ns;         /* when to try again after yielding */
    uint64_t backoff_ns;
    uint64_t last_stamp;        /* of the last round; 0: it was not dense */
    uint64_t longest_gap;       /* stamps */
    const uint64_t **mapped;    /* of n_slots elements; NULL: not */
} WatchDensity;

struct Watch {
    WatchShared shared;
    WatchConfig config;
    const WatchHost *host;
    void *opaque;

    /* Told by other threads, with wake(). */
    _Atomic bool running;
    _Atomic unsigned resets;
    _Atomic unsigned resumes;
    _Atomic bool told_regs;     /* a vCPU has left registers */
    _Atomic bool told_exact;    /* a vCPU is armed now, or missed a switch */

    _Atomic uint64_t doing_until_ns;    /* somebody asks what vCPUs do */

    _Atomic bool exact_holds;   /* as claimed by the engine thread */

    /* By whoever records; each at a place by its address, the last one wins. */
    _Atomic uint64_t ran[WATCH_RAN];

    /*
     * Between the engine thread and status queries; held for a copy.  Slots'
     * present, begun, info and before are under it, too.
     */
    pthread_mutex_t lock;
    WatchStatus told;           /* result, figures, state, reason */

    /*
     * The rest is the engine thread's own.  Times are now_ns(); 0: at once.
     */
    unsigned seen_resets;
    unsigned seen_resumes;
    bool rested;                /* sampled since the machine stopped */
    bool asking;                /* a question to vCPUs is pending */

    bool active;                /* result is of a kernel that is there */
    WinosResult result;
    WinosLearner *learner;      /* NULL: nothing to learn */
    unsigned passes;            /* of learning */
    unsigned limit;             /* known slots are below it */
    WatchView *retired[WATCH_MAX_RETIRED];
    unsigned n_retired;

    /* Of n_slots elements; what they hold does not outlast a turn. */
    bool *present;
    bool *wanted;
    WinosRegs *regs;
    WinosCpu *cpus;
    unsigned *index;
    uint64_t *gpas;
    uint64_t *threads;
    bool *ok;
    bool counts_doing;          /* in this turn */
    struct WatchDoingWords {    /* of counting what vCPUs do */
        uint64_t *gpas;
        uint64_t *nesting;
        uint64_t *dpc;
        bool *ok_nesting;
        bool *ok_dpc;
    } doing;

    WatchExact exact;
    WatchDensity dense;

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
    uint64_t legacy_ns;         /* since when no vCPU is in 64-bit mode */
    WatchEvidence evidence;     /* of the reason that is shown */
    uint64_t evidence_ns;       /* when there was last as much */
};

static inline uint64_t watch_now(const Watch *w)
{
    return w->host->now_ns(w->opaque);
}

static inline uint64_t watch_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t watch_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline bool watch_is_running(const Watch *w)
{
    return atomic_load_explicit(&w->running, memory_order_relaxed);
}

static inline void watch_read_begin(Watch *w)
{
    if (w->host->read_begin) {
        w->host->read_begin(w->opaque);
    }
}

static inline void watch_read_end(Watch *w)
{
    if (w->host->read_end) {
        w->host->read_end(w->opaque);
    }
}

static inline void watch_wake(Watch *w)
{
    if (w->host->wake) {
        w->host->wake(w->opaque);
    }
}

/* engine.c */

/* Wait for a grace period, and free what was retired before it. */
void watch_grace(Watch *w);

/* Have samplers go by @view, NULL for nothing; the old one is retired. */
void watch_set_view(Watch *w, WatchView *view);

/* List known slots in w->index and w->gpas.  Returns: how many */
unsigned watch_list_slots(Watch *w);

/* One sample of slot w->index[@i], of which @thread was read. */
void watch_sample_slot(Watch *w, unsigned i, const WatchView *view,
                       bool ok, uint64_t thread);

/* doing.c */

bool watch_doing_alloc(Watch *w);
void watch_doing_free(Watch *w);

/* Where a vCPU's KPRCB says what it does; again when it may have moved. */
void watch_doing_locate(const Watch *w, WatchSlot *slot);

/* Count the @n slots of w->index, whose threads were just read. */
void watch_doing_round(Watch *w, unsigned n);

/* dense.c */

/* Is polling to be dense now?  Begins and ends stretches of it. */
bool watch_dense_due(Watch *w, uint64_t now);

/* It is not polled now, so gaps are not counted. */
void watch_dense_pause(Watch *w);

/* Rounds without sleeping, for about 100 us. */
void watch_dense_burst(Watch *w);

WatchDense watch_dense_state(const Watch *w);

/* slot.c */

/* Is it sampled? */
static inline bool watch_slot_is_on(const WatchSlot *slot)
{
    return atomic_load_explicit(&slot->gpa,
                                memory_order_relaxed) != WATCH_NO_GPA;
}

/* winsched's question; see Winsched. */
bool watch_slot_current(void *opaque, const WinschedCpu *cpu,
                        uint64_t *thread);

/**
 * watch_slot_begin - sample a vCPU from now on
 * @info: what was found
 *
 * Returns: false when its CurrentThread is not in memory
 */
bool watch_slot_begin(Watch *w, const WinosCpu *info);

/* Sample no more; the figures stay. */
void watch_slot_end(WatchSlot *slot);

/* The same for all, and wait until nobody is at it. */
void watch_slots_end(Watch *w);

/**
 * watch_slot_follow - the guest may have moved a vCPU's CurrentThread
 *
 * A slot that was unpublished meanwhile stays so.
 *
 * Returns: false when it is no longer in memory; then it is unpublished
 */
bool watch_slot_follow(Watch *w, WatchSlot *slot);

/* Idle thread and number, as the layout now says. */
void watch_slot_complete(Watch *w, WatchSlot *slot);

/* Add figures to others. */
void watch_add_counts(WinschedCounts *to, const WinschedCounts *from);

/* Take registers that a vCPU has left.  Returns: whether there were any */
bool watch_take_regs(WatchSlot *slot, WinosRegs *regs);

/* find.c */

/* Look for a kernel once; w->active tells whether there was one. */
void watch_find_kernel(Watch *w);

/* See whether kernel and vCPUs are as they were, and learn more of them. */
void watch_keep_track(Watch *w);

/* Have the status say how things are. */
void watch_settle_state(Watch *w);

/* Look which vCPUs there are.  Returns: how many */
unsigned watch_note_present(Watch *w);

/* What vCPUs have told, or are about to, is no longer so. */
void watch_forget_regs(Watch *w);

/* Begin anew; @reason: why, a sentence. */
void watch_forget(Watch *w, const char *reason);

/* exact.c */

/* A kernel was found; there is none any more. */
void watch_exact_begin(Watch *w);
void watch_exact_end(Watch *w);

/* A vCPU came that is not armed yet: nothing is claimed until it is. */
void watch_exact_lapse(Watch *w);

/* Arm who is not armed yet, verify, and see whether all is well. */
void watch_exact_turn(Watch *w);

/* When that is due again; WATCH_NEVER: not by the time. */
uint64_t watch_exact_next(const Watch *w);

/*
 * Returns: false when switches are sampled although all should be recorded;
 * @reason: set when there is something to say
 */
bool watch_exact_is_well(const Watch *w, const char **reason);

/* Something was noticed that the engine thread has to see to. */
void watch_exact_tell(Watch *w);

/* misfit.c; texts are cut to @size, and "" says nothing. */

/* Name the overrides that the guest speaks against.  Returns: whether any */
bool watch_misfit(const WinosOptions *winos, const WinosLayout *layout,
                  char *text, size_t size);

/* The same, or when that is not known yet, those that were given. */
void watch_given(const WinosOptions *winos, const WinosLayout *layout,
                 char *text, size_t size);

/* Append to a text.  */
void watch_text_add(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
