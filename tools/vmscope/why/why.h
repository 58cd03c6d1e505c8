/*
 * why: what the parts of vmscope why share.
 *
 * why.c      the command line, and where the guest is
 * waits.c    why threads of a process do not run, in sentences
 * evidence.c looking at a VM for a while
 * spin.c     of it, which driver vCPUs are in
 * rules.c    what the evidence speaks for; the table of causes
 * wrap.c     lines that fit
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WHY_H
#define VMSCOPE_WHY_H

#include "common/out.h"
#include "shared/names.h"
#include "source/qmp.h"

/* Waits: the answer to query-windows-waits. */

/* Print what it says, and the deadlocks in it. */
void why_print_waits(const json_t *waits, Out *out);

/* The same as one JSON object on a line. */
void why_print_waits_json(const json_t *waits, Out *out);

/* Evidence. */

enum { WHY_WHO = 192, WHY_VCPUS = 1024 };

typedef struct WhyVcpu {
    bool seen;                  /* busy and idle are known */
    double busy;                /* shares of the time, by our samples */
    double idle;
    bool has_ticks;             /* the next ones, by Windows' counters */
    double user, kernel, dpc, interrupt, tick_idle;
    double interrupts;          /* a second */
    double clocks;              /* the clock's among them; 0: not known */
    bool has_host;              /* the next two, by the host */
    double host_run;
    double host_wait;
} WhyVcpu;

typedef struct WhyEvidence {
    double seconds;
    unsigned n_vcpus;           /* all below it, seen or not */
    WhyVcpu vcpus[WHY_VCPUS];
    double switches;            /* a second */
    uint64_t lost;              /* switches nobody could tell of */
    /* Of the process that ran most; "" when none did. */
    char hog[WHY_WHO];
    uint32_t hog_pid;
    double hog_vcpus;           /* how many vCPUs' time it had */
    char hog_thread[WHY_WHO];   /* its busiest thread */
    double hog_thread_vcpus;
    double ready;               /* threads that could run, on average */
    bool irq_on;                /* the next ones, by the IRQ log */
    double irqs;                /* a second */
    char irq_line[WHY_WHO];     /* that was raised most; "" when none was */
    double irq_line_rate;
    /* Of the driver that was executed most; "" when that is not known. */
    char spin_driver[WHY_WHO];
    char spin_export[WHY_WHO];  /* nearest before it; "" when it has none */
    double spin_vcpus;          /* how many vCPUs' time */
    double spin_raised;         /* of it, at IRQL 2 and above */
} WhyEvidence;

/**
 * why_look - look at a VM for a while
 * @for_ns: how long
 * @evidence: filled in
 *
 * Returns: false with a sentence
 */
bool why_look(Qmp *qmp, uint64_t for_ns, WhyEvidence *evidence, Err *err);

/**
 * why_wrap - words on lines of at most 80 columns
 * @out: NULL: only count
 * @first: before the first line
 * @indent: blanks before each other one
 * @text: words with one blank between them; one that is too long for a line
 *        has one of its own
 *
 * Returns: how many lines that is
 */
unsigned why_wrap(Out *out, const char *first, unsigned indent,
                  const char *text);

/* Rules. */

enum { WHY_TEXT = 512, WHY_MAX_CAUSES = 5 };

typedef struct WhyCause {
    const char *rule;           /* its name, for programs */
    double weight;              /* how likely, 0 to 1 */
    char text[WHY_TEXT];        /* the cause and its evidence */
    char next[WHY_TEXT];        /* what to do next */
} WhyCause;

/**
 * why_judge - what the evidence speaks for
 * @causes: receives up to WHY_MAX_CAUSES, most likely first
 *
 * Returns: how many; 0: nothing stands out
 */
unsigned why_judge(const WhyEvidence *evidence, WhyCause *causes);

#endif
