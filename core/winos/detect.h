/*
 * winos/detect: from registers to a layout that live memory bears out.
 *
 * Collects the claims of all sources, holds each against live objects, and
 * settles what is used.  Rules: an override wins; else what live memory
 * confirms, the better witness first; else what two independent sources agree
 * on; what only one claims and nothing confirms is not used, and neither is
 * what live memory refutes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_DETECT_H
#define VMSCOPE_WINOS_DETECT_H

#include "winos/kdbg.h"
#include "winos/kernel.h"
#include "winos/table.h"

enum { WINOS_MAX_ROWS = 16 };

typedef struct WinosOptions {
    bool auto_detect;       /* false: overrides alone are used */
    uint8_t sources;        /* mask of 1 << WinosSource that may speak */
    int32_t overrides[WINOS_N_FIELDS];  /* or WINOS_NO_OFFSET */
} WinosOptions;

/* A vCPU whose KPCR is known. */
typedef struct WinosCpu {
    unsigned vcpu;
    uint64_t kpcr;
    uint64_t prcb;
    uint64_t idle_thread;   /* or 0 */
    uint32_t number;        /* Windows' own, or UINT32_MAX */
} WinosCpu;

/* What watching has shown of the place the user gave for a field. */
typedef enum WinosSeen {
    WINOS_SEEN_NOTHING,
    WINOS_SEEN_TRUE,        /* it changes as that field does */
    WINOS_SEEN_WRONG,       /* it does not, while threads switch */
} WinosSeen;

typedef struct WinosResult {
    WinosKernel kernel;
    WinosLayout layout;         /* to be used */
    WinosLayout detected;       /* the same without overrides */
    int32_t self;               /* KPCR.Self, by which KPCRs are found */
    int32_t prcb_at;            /* in the KPCR: of the PRCB, or ... */
    bool prcb_is_pointer;       /* ... of a pointer to it */
    WinosSeen seen[WINOS_N_FIELDS];         /* of overrides */
    bool has_kdbg;
    Kdbg kdbg;
    const TableRow *rows[WINOS_MAX_ROWS];   /* of the table */
    unsigned n_rows;
    bool same_build;            /* @rows are of this build, not an older one */
    bool exact_file;            /* the table knows this very file */
    unsigned n_accessors;       /* functions understood */
    unsigned n_threads, n_processes;    /* objects that were looked at */
    unsigned n_cpus;            /* entries of @cpus filled in */
} WinosResult;

/**
 * winos_options_init - detect everything, all sources, no override
 */
void winos_options_init(WinosOptions *options);

/**
 * winos_detect - find Windows and the layout of its structures
 * @mem: the guest
 * @regs, @n_regs: of all vCPUs that could be asked
 * @options: what the user wants
 * @result: filled in as far as it got
 * @cpus: receives, for up to @n_regs vCPUs, those whose KPCR was found
 * @err: on failure, a sentence for the status
 *
 * Context: a helper thread; takes some ms, allocates at most 1 MiB for its
 * own time.  Never holds anything up.
 *
 * Returns: true when at least one vCPU's running thread can be read
 */
bool winos_detect(const GuestMem *mem, const WinosRegs *regs, unsigned n_regs,
                  const WinosOptions *options, WinosResult *result,
                  WinosCpu *cpus, Err *err);

/**
 * winos_cpu_find - find one more vCPU, after detection
 *
 * Returns: false when its registers show no KPCR now
 */
bool winos_cpu_find(const WinosResult *result, const WinosRegs *regs,
                    WinosCpu *cpu);

/**
 * winos_cpu_is_there - is this still that vCPU's KPCR?
 */
bool winos_cpu_is_there(const WinosResult *result, const WinosCpu *cpu);

typedef struct WinosLearner WinosLearner;

/**
 * winos_learner_new - learn what only time shows
 *
 * State, wait reason, counters and the thread name's place can be told from
 * how memory changes, where no source names them or only one does.
 *
 * Returns: owned by the caller, freed with winos_learner_free(); NULL when
 * out of memory
 */
WinosLearner *winos_learner_new(void);
void winos_learner_free(WinosLearner *learner);

/**
 * winos_learn - one learning pass: follow live memory for a while
 * @result: its layout grows, and standings may change
 * @cpus, @n_cpus: whose running threads to follow
 * @budget_ns: how long it may take; a few ms
 *
 * Context: a helper thread; spins.
 *
 * Returns: true when the layout changed
 */
bool winos_learn(WinosLearner *learner, WinosResult *result,
                 const WinosOptions *options, const WinosCpu *cpus,
                 unsigned n_cpus, uint64_t budget_ns);

/**
 * winos_learn_sample - one short sample meanwhile
 *
 * Samples cost little and let the guest run, which winos_learn() does not on a
 * busy host; what sources claim is borne out by them, too.  Does nothing
 * before the first winos_learn(), or when it was done a moment ago.
 *
 * Context: the thread that calls winos_learn(); some ten microseconds at most
 * for each vCPU that has switched.
 */
void winos_learn_sample(WinosLearner *learner, const WinosResult *result);

/**
 * winos_learn_ran - a thread that ran on some vCPU
 *
 * Whoever was current when a pass began may be the idle threads alone; those
 * that ran meanwhile are looked at in the next pass.
 *
 * Context: the thread that calls winos_learn().
 */
void winos_learn_ran(WinosLearner *learner, uint64_t thread);

/**
 * winos_refute - it was seen that a field is not where it was taken to be
 *
 * An override stays in use, and is said to be wrong.
 *
 * Returns: true when the layout changed
 */
bool winos_refute(WinosResult *result, const WinosOptions *options,
                  WinosField field);

/**
 * winos_cpu_complete - idle thread and number, as the layout now says
 *
 * Learning may show where they are long after a vCPU was found.
 */
void winos_cpu_complete(const WinosResult *result, WinosCpu *cpu);

/**
 * winos_learner_done - is there nothing left to learn?
 */
bool winos_learner_done(const WinosLearner *learner,
                        const WinosResult *result);

#endif
