/*
 * winos/learn-judge: what the marks prove of a field.
 *
 * A place in memory that bears out nearly always what switches mean, and is
 * the only one to do so, is the field.  What other sources claim is held
 * against the same marks, less strictly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/learn.h"

#include "winos/settle.h"

enum {
    BLIND_BURSTS = 400,         /* then it is done without another's help */
    ENOUGH = 24,                /* marks before a place is believed */
    ENOUGH_BURSTS = 12,
    FOR_MOST = 8,               /* as many marks for it as against it */
    FOR_MANY = 3,               /* where the guest may be held up anywhere */
    FOR_MORE = 2,               /* where the guest has reasons to disagree */
    CLAIM_SHARE = 3,            /* of them, what one that is claimed needs */
    OBJECTS = 3,                /* in which a field must have shown itself */
};

static bool learn_is_borne_out(const Score *score, unsigned enough,
                               unsigned share)
{
    return score->for_it >= enough && score->against * share <= score->for_it;
}

/* By most marks; or by many, where there are twice as many of them. */
static bool learn_is_sure(const Score *score, unsigned enough, unsigned share)
{
    return learn_is_borne_out(score, enough, share) ||
           learn_is_borne_out(score, 2 * enough, share < FOR_MANY ? share
                                                                  : FOR_MANY);
}

/* One field that watching can show, and by what scores. */
typedef struct FieldRule {
    WinosField field;
    const Score *strict;
    const Score *claimed;
    const Score *still;     /* that a wrong override cannot but fail by */
    const Score *also;      /* must bear it out too, if there is one */
    const uint64_t *varied; /* two bits at least, if there is one */
    unsigned n;
    unsigned width;
    unsigned enough;
    unsigned share;         /* so many times as much for it as against */
    unsigned also_share;
    unsigned objects;       /* that must have borne it out */
    bool ripe;              /* enough was seen for the strict rule */
} FieldRule;

static unsigned learn_n_objects(const FieldRule *rule, const Score *scores,
                                unsigned i)
{
    return __builtin_popcount(scores[i].objects |
                              (rule->also ? rule->also[i].objects : 0));
}

/* Would it do, if nothing else did? */
static bool learn_comes_near(const FieldRule *rule, unsigned i)
{
    return learn_is_borne_out(&rule->strict[i], rule->enough, FOR_MORE) &&
           (!rule->also ||
            learn_is_borne_out(&rule->also[i], rule->enough, FOR_MORE)) &&
           learn_n_objects(rule, rule->strict, i) >= rule->objects;
}

static bool learn_rule_fits(const FieldRule *rule, const Score *scores,
                            unsigned i, unsigned enough)
{
    return learn_is_sure(&scores[i], enough, rule->share) &&
           (!rule->also ||
            learn_is_sure(&rule->also[i], enough, rule->also_share));
}

static int32_t learn_only_place(const FieldRule *rule)
{
    int32_t found = WINOS_NO_OFFSET;
    unsigned i;

    for (i = 0; i < rule->n; i++) {
        if (!learn_comes_near(rule, i) ||
            (rule->varied && __builtin_popcountll(rule->varied[i]) < 2)) {
            continue;
        }
        if (found >= 0) {
            return WINOS_NO_OFFSET;
        }
        found = (int32_t)i;
    }
    return found >= 0 && learn_rule_fits(rule, rule->strict, found,
                                         rule->enough) ?
           found * (int32_t)rule->width : WINOS_NO_OFFSET;
}

static bool learn_fits_at(const FieldRule *rule, int32_t at)
{
    return at >= 0 && at % rule->width == 0 &&
           (unsigned)at / rule->width < rule->n &&
           learn_rule_fits(rule, rule->claimed, at / rule->width,
                           rule->enough / CLAIM_SHARE);
}

/* Does what a source claims hold by the less strict rule, and no other? */
static int32_t learn_borne_claim(const WinosResult *result,
                                 const FieldRule *rule)
{
    const WinosOffset *offset = &result->detected.field[rule->field];
    int32_t found = WINOS_NO_OFFSET;
    unsigned i;

    for (i = 0; i < result->n_rows + WINOS_N_SOURCES; i++) {
        int32_t at = i < WINOS_N_SOURCES ? offset->claims[i] :
            result->rows[i - WINOS_N_SOURCES]->offset[rule->field];

        if (learn_fits_at(rule, at)) {
            if (found >= 0 && found != at) {
                return WINOS_NO_OFFSET;
            }
            found = at;
        }
    }
    return found;
}

static bool learn_is_lost(const Score *score, unsigned enough)
{
    return score->against >= 2 * enough && score->for_it < score->against;
}

/*
 * What the user gave is used whatever is found; here is whether it changes as
 * that field does.
 */
static void learn_judge_override(WinosResult *result, const FieldRule *rule,
                                 int32_t at)
{
    unsigned i = (unsigned)at / rule->width;
    WinosSeen *seen = &result->seen[rule->field];

    if (learn_fits_at(rule, at)) {
        *seen = WINOS_SEEN_TRUE;
    } else if (*seen != WINOS_SEEN_TRUE &&
               (learn_is_lost(&rule->still[i], rule->enough) ||
                (rule->also && learn_is_lost(&rule->also[i], rule->enough)))) {
        *seen = WINOS_SEEN_WRONG;
    }
}

static bool learn_conclude(WinosResult *result, const WinosOptions *options,
                           const FieldRule *rule)
{
    WinosOffset *offset = &result->detected.field[rule->field];
    int32_t given = options->overrides[rule->field];
    int32_t at;

    if (given >= 0 && given % rule->width == 0 &&
        (unsigned)given / rule->width < rule->n) {
        learn_judge_override(result, rule, given);
    }
    if (offset->proven) {
        return false;
    }
    at = learn_borne_claim(result, rule);
    if (at < 0 && rule->ripe &&
        settle_enabled(options, WINOS_SOURCE_STRUCTURE)) {
        at = learn_only_place(rule);
    }
    if (at < 0) {
        return false;
    }
    settle_proven(result, rule->field, at);
    return true;
}

bool learn_conclude_all(WinosLearner *l, WinosResult *result,
                               const WinosOptions *options)
{
    /* Without the vCPUs' counter, any that rises might be a thread's. */
    const Score *counter_claimed =
        winos_has(&result->detected, WINOS_PRCB_CONTEXT_SWITCHES) ||
        l->bursts < BLIND_BURSTS ? l->counter : l->counter_claimed;
    FieldRule rules[] = {
        { WINOS_KTHREAD_STATE, l->state, l->state, l->state, l->state_gone, NULL,
          KTHREAD_SIZE, 1, ENOUGH, FOR_MOST, FOR_MOST, OBJECTS,
          l->n_comings >= 2 * ENOUGH },
        { WINOS_KTHREAD_STATE, l->state_settled, l->state_settled,
          l->state_settled, l->state_left, NULL, KTHREAD_SIZE, 1, ENOUGH, FOR_MANY, FOR_MOST,
          OBJECTS, l->n_settled >= 2 * ENOUGH },
        { WINOS_KTHREAD_WAIT_REASON, l->reason_waiting, l->reason_waiting,
          l->reason_waiting, l->reason_ready, l->reasons, KTHREAD_SIZE, 1, ENOUGH, FOR_MOST,
          FOR_MORE, OBJECTS, true },
        { WINOS_PRCB_CONTEXT_SWITCHES, l->prcb_counter, l->prcb_claimed,
          l->prcb_claimed, NULL, NULL, PRCB_WORDS, 4, ENOUGH_BURSTS, FOR_MOST, 0, 0,
          l->n_prcb >= 2 * ENOUGH_BURSTS },
        { WINOS_KTHREAD_CONTEXT_SWITCHES, l->counter, counter_claimed,
          l->counter_claimed, NULL, NULL, KTHREAD_SIZE / 4, 4, ENOUGH, FOR_MOST, 0, OBJECTS,
          l->n_counted >= 2 * ENOUGH },
    };
    bool changed = false;
    unsigned i;

    for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        changed |= learn_conclude(result, options, &rules[i]);
    }
    return changed;
}
