/*
 * watch: find a Windows kernel, keep track of it, and see who runs.
 *
 * The engine: detection and its repetition, the samplers' addresses, polling,
 * dense polling, learning passes, and the bookkeeping of exact mode.  It
 * owns no thread, no clock, no file and no ring: it runs on a thread that it
 * is given, and asks its host through one table of functions.  Hosts are
 * QEMU's glue, a program that looks at a QEMU from outside, and tests.
 *
 * Threads, and who may call what:
 *
 *   engine thread    watch_turn(), watch_stop(); one thread, or one at a time
 *   vCPU threads     slot.h (samples at exits, watchpoint hits, registers);
 *                    never block and never wait for a lock of the engine
 *   machine          watch_reset(), watch_set_running(); one at a time
 *   any thread       watch_status(), watch_vcpu_status(), watch_ask_doing(),
 *                    watch_doing()
 *
 * A host without vCPU threads of its own (one that attaches from outside)
 * needs the first, third and fourth only, and may do all on one thread.
 *
 * Lifetime: what vCPU threads and status queries use is published through
 * atomics and is changed or freed only after it was unpublished and a grace
 * period has passed (WatchHost.grace).  So whoever calls slot.h or a status
 * function is inside of a read-side section of the host's while it does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WATCH_WATCH_H
#define VMSCOPE_WATCH_WATCH_H

#include "winos/detect.h"
#include "winsched/sampler.h"

/* In place of the address of a CurrentThread that is not known. */
#define WATCH_NO_GPA UINT64_MAX

/* poll_hz: do not sleep between rounds. */
#define WATCH_POLL_DENSE UINT32_MAX

/* watch_turn(): nothing to do until wake() is called. */
#define WATCH_NEVER UINT64_MAX

/* What a vCPU's thread is to do for exact mode; see watch_vcpu_work(). */
typedef enum WatchWork {
    WATCH_WORK_ARM,         /* set the watchpoint that its slot asks for */
    WATCH_WORK_VERIFY,      /* is a suspected miss one? */
} WatchWork;

/*
 * The host's half.  A plain struct of functions; constant.  @opaque is
 * WatchConfig.opaque in all of them.  Those marked optional may be NULL.
 *
 * Context, where nothing else is said: the engine thread, with no lock held,
 * outside of a read-side section; may block for a moment.
 */
typedef struct WatchHost {
    /**
     * vcpus - which vCPUs are there now
     * @present: receives one bool for each index below @max
     *
     * Returns: how many are
     */
    unsigned (*vcpus)(void *opaque, bool *present, unsigned max);

    /**
     * ask_regs - ask vCPUs for their registers, and do not wait
     * @wanted: by index, below @max
     *
     * One question at a time: not called again before collect_regs() has
     * said that nothing is pending, or cancel_regs() was called.  A host that
     * can only ask synchronously may do so here or in collect_regs().
     *
     * Returns: false when there was nobody to ask
     */
    bool (*ask_regs)(void *opaque, const bool *wanted, unsigned max);

    /**
     * collect_regs - all answers so far to the last ask_regs()
     * @regs: room for @max; what is not known of a vCPU is 0
     * @wait_ms: wait so long for those that are missing; 0: not at all
     * @pending: set to whether any may still come
     * @longest_ns: raised to the longest time a vCPU was held up
     *
     * An answer that never comes must be given up by the host after some
     * time (10 s, say): vCPUs are unplugged between being asked and telling.
     *
     * Returns: how many @regs there are
     */
    unsigned (*collect_regs)(void *opaque, WinosRegs *regs, unsigned max,
                             unsigned wait_ms, bool *pending,
                             uint64_t *longest_ns);

    /* Forget the question: what is answered from now on is not wanted. */
    void (*cancel_regs)(void *opaque);

    /* Monotonic time in ns, for deadlines. */
    uint64_t (*now_ns)(void *opaque);

    /*
     * The time as a stamp of the record's clock (WinschedSwitch.stamp).  Any
     * thread that samples; lock-free; some ns.
     */
    uint64_t (*stamp)(void *opaque);

    /*
     * How many ns the last @stamps stamps are, as of now.  Any thread.
     */
    uint64_t (*stamps_to_ns)(void *opaque, uint64_t stamps);

    /**
     * sample - read several CurrentThreads, as cheaply as can be
     * @gpas: guest-physical, 8-byte aligned unless the guest lies
     * @threads: receives the numbers, in the host's byte order; where @gpas
     *           is aligned each is read by one load that cannot be torn, and
     *           is not older than the call
     * @ok: receives whether that one could be read
     *
     * Called with one for a closer look, on any thread that samples, inside
     * of a read-side section; lock-free.  With all known vCPUs for a round
     * of polling, on the engine thread.
     */
    void (*sample)(void *opaque, const uint64_t *gpas, uint64_t *threads,
                   bool *ok, unsigned n);

    /**
     * map - where 8 aligned bytes of guest RAM can be loaded from; optional
     *
     * For dense polling by plain loads.  The pointer is used until read_end()
     * or, where that is NULL, until watch_turn() returns.
     *
     * Returns: NULL when there is no such place: then sample() is used
     */
    const uint64_t *(*map)(void *opaque, uint64_t gpa);

    /*
     * Begin and end a read-side section of the engine thread; optional, both
     * or none.  They do not nest.  The engine holds one for at most some
     * 100 us, or for a learning pass (2 ms).
     */
    void (*read_begin)(void *opaque);
    void (*read_end)(void *opaque);

    /*
     * Wait until all read-side sections that have begun before have ended.
     * Optional: NULL where nothing but the engine thread samples or asks for
     * the status.
     */
    void (*grace)(void *opaque);

    /*
     * Have watch_turn() called soon.  Any thread, vCPUs' too; must not block.
     * Called seldom.  Optional where all is done by the engine thread.
     */
    void (*wake)(void *opaque);

    /*
     * A switch was seen: keep it.  On the thread that saw it, inside of a
     * read-side section; lock-free where vCPU threads sample.  Two threads
     * never report the same vCPU at once.
     */
    void (*record)(void *opaque, const WinschedSwitch *event);

    /*
     * A kernel was found, its layout has grown, or its number has changed:
     * what is recorded from now on was read by @result.  Optional.
     */
    void (*found)(void *opaque, const WinosResult *result);

    /* How often the calling thread has read guest memory.  Optional. */
    uint64_t (*reads)(void *opaque);

    /*
     * How many ns the engine thread has waited for a CPU although it could
     * have run, ever since it started; see watch_linux_wait_ns().  Optional:
     * without it dense polling never yields.
     */
    uint64_t (*cpu_wait_ns)(void *opaque);

    /*
     * Exact mode: all four, or none.
     *
     * run_on_vcpus - have each vCPU of @wanted (NULL: all) call
     *                watch_vcpu_work(@work) on its own thread, or while it
     *                stands still.  Any thread; does not wait.
     * arm - watch stores to 8 bytes at @gva, 0: none any more.  Called
     *       within watch_vcpu_work().  Returns 0 or -errno; -ENOTSUP,
     *       -EBUSY (a debugger uses all) have words of their own
     * hit_pending - may a store have been made of which watch_hit() was not
     *               called yet?  On the vCPU's thread
     * exact_changed - the claim that every switch is recorded begins or
     *                 ends.  Engine or machine thread
     */
    void (*run_on_vcpus)(void *opaque, const bool *wanted, unsigned max,
                         WatchWork work);
    int (*arm)(void *opaque, unsigned vcpu, uint64_t gva);
    bool (*hit_pending)(void *opaque, unsigned vcpu);
    void (*exact_changed)(void *opaque, bool holds);
} WatchHost;

/* What an engine is to do; copied. */
typedef struct WatchConfig {
    const WatchHost *host;      /* kept */
    void *opaque;               /* kept; the host's own */
    const GuestMem *mem;        /* kept */
    WinosOptions winos;
    unsigned max_vcpus;         /* indices from there on are not looked at */
    bool running;               /* the guest runs now */

    uint32_t poll_hz;           /* rounds a second; 0: none */
    uint32_t dense_ms;          /* 0: dense polling has no end */

    bool exact;
    uint32_t exact_ms;          /* 0: exact mode has no end */
    uint32_t exact_limit;       /* switches a second of one vCPU */

    /*
     * While no kernel is known: the longest time from one try to the next,
     * each of which asks all vCPUs for registers; 0: 1 s.
     */
    uint64_t retry_ns;
} WatchConfig;

typedef enum WatchState {
    WATCH_WAITING,              /* for a Windows kernel */
    WATCH_DETECTING,            /* there is one, not all is found */
    WATCH_ACTIVE,
    WATCH_DEGRADED,             /* recorded, but not as was asked for */
} WatchState;

/* What has become of dense polling. */
typedef enum WatchDense {
    WATCH_DENSE_OFF,            /* not asked for */
    WATCH_DENSE_ON,
    WATCH_DENSE_YIELDED,        /* the host is short of CPUs; tried again */
    WATCH_DENSE_ENDED,          /* after dense_ms */
} WatchDense;

typedef struct WatchStatus {
    WatchState state;
    char reason[1536];          /* a sentence; "" when all is well */
    bool exact;                 /* every switch is recorded at present */

    bool found;                 /* result is of the kernel traced now */
    WinosResult result;

    uint64_t attempts;          /* detections that were tried */
    uint64_t kernels;           /* that were found */
    uint64_t last_ns;           /* what the last detection took */
    uint64_t reads;             /* ... and read */
    uint64_t longest_vcpu_ns;   /* a vCPU was held up for registers */

    WatchDense dense;
    uint64_t dense_yields;      /* how often it yielded */
    uint64_t longest_gap_ns;    /* between two rounds while dense; 0: none */
} WatchStatus;

/* Does the guest's own counter say how many switches were missed? */
static inline bool watch_counts_missed(const WatchStatus *status)
{
    const WinosOffset *counter =
        &status->result.layout.field[WINOS_PRCB_CONTEXT_SWITCHES];

    return status->found && counter->value >= 0 &&
           counter->standing != WINOS_REFUTED;
}

typedef struct WatchVcpuStatus {
    bool present;
    bool known;                 /* sampled now */
    bool begun;                 /* sampled now or earlier */
    bool parked;                /* not in 64-bit mode when it last told */
    uint64_t kpcr;              /* while known */
    uint32_t number;            /* Windows' own, or UINT32_MAX */
    WinschedCounts counts;      /* since watch_new() */
    uint64_t exits;             /* at which the vCPU itself sampled */
    uint64_t cost_ns;           /* of the vCPU's thread, spent on that */
    uint64_t longest_ns;        /* ... at once */
} WatchVcpuStatus;

/* What a sample finds a vCPU to do; the order of Windows' own account. */
typedef enum WatchDoing {
    WATCH_DOES_THREAD,          /* in user mode or in the kernel */
    WATCH_DOES_DPC,
    WATCH_DOES_INTERRUPT,
    WATCH_DOES_IDLE,            /* its idle thread is current */
    WATCH_N_DOING,
} WatchDoing;

typedef struct Watch Watch;

/**
 * watch_new - an engine that has looked at nothing yet
 *
 * Returns: freed with watch_free(); NULL when out of memory
 */
Watch *watch_new(const WatchConfig *config);

/* Nobody may be using it any more; watch_stop() need not have been called. */
void watch_free(Watch *w);

/**
 * watch_turn - do what is due
 *
 * Detection may take some ten ms; dense polling returns after about 100 us.
 *
 * Context: engine thread.
 *
 * Returns: when to be called again, in ns of now_ns(): earlier is allowed, 0
 * is at once, WATCH_NEVER not before wake() is called.  Exact timing makes
 * poll_hz exact.
 */
uint64_t watch_turn(Watch *w);

/**
 * watch_stop - stop sampling, for good
 *
 * When it returns, no sampler is at work any more and none will record.
 *
 * Context: engine thread, in place of the next watch_turn().
 */
void watch_stop(Watch *w);

/**
 * watch_reset - all that is known of the guest is no longer so
 *
 * After a reset, and before the state of a snapshot is loaded.  Sampling ends
 * at once; the engine thread begins anew with its next turn.
 *
 * Context: any thread; lock-free.  Where vCPUs sample, they stand still.
 */
void watch_reset(Watch *w);

/**
 * watch_set_running - the machine stops, or goes on
 *
 * While it stands still nothing is polled.  Going on makes the engine look
 * whether all is as it was.
 *
 * Context: any thread; lock-free.
 */
void watch_set_running(Watch *w, bool running);

/**
 * watch_disarm - exact mode: take all watchpoints away
 *
 * By watch_reset() it is done, too; a host calls it before it stops calling
 * watch_turn().
 *
 * Context: as watch_reset().
 */
void watch_disarm(Watch *w);

/**
 * watch_exact_holds - is each switch recorded, as far as anybody knows?
 *
 * Context: any thread; lock-free.
 */
bool watch_exact_holds(const Watch *w);

/**
 * watch_status - what was found, and how things are
 *
 * Takes a lock that the engine thread holds for moments only; no vCPU thread
 * ever takes it.
 *
 * Context: any thread, in a read-side section where there is another thread.
 */
void watch_status(Watch *w, WatchStatus *status);

/**
 * watch_vcpu_status - figures of one vCPU
 * @vcpu: below max_vcpus
 *
 * Walks page tables of the guest, for switches that nobody has seen yet.
 */
void watch_vcpu_status(Watch *w, unsigned vcpu, WatchVcpuStatus *status);

/**
 * watch_ask_doing - for ten seconds, see at each round what vCPUs do
 *
 * Rounds of polling alone count: they come at even times, exits do not.  When
 * nobody asks, a round has one branch more.
 *
 * Context: any thread; lock-free.
 */
void watch_ask_doing(Watch *w);

/**
 * watch_doing - how often a vCPU was found to do what
 * @counts: receives WATCH_N_DOING counts, since watch_new()
 *
 * Context: any thread; lock-free.
 *
 * Returns: false when none was counted, or what should tell does not
 */
bool watch_doing(const Watch *w, unsigned vcpu, uint64_t *counts);

/* A state's name, as users see it; "dense" states likewise. */
const char *watch_state_name(WatchState state);
const char *watch_dense_name(WatchDense dense);

/**
 * watch_linux_wait_ns - how long the calling thread has waited for a CPU
 *
 * From the kernel's figures of the thread; where they are not to be had, 1 ms
 * for each time that it was preempted.  Costs some microseconds.
 *
 * Context: the engine thread, always the same; for WatchHost.cpu_wait_ns.
 */
uint64_t watch_linux_wait_ns(void);

#endif
