/*
 * winos/learn: what watching shows, in a guest that switches as it is read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <glib.h>

enum { MS = 1000000, ROUNDS = 60 };

static const WinosField lessons[] = {
    WINOS_KTHREAD_STATE, WINOS_KTHREAD_WAIT_REASON,
    WINOS_KTHREAD_CONTEXT_SWITCHES, WINOS_PRCB_CONTEXT_SWITCHES,
};

static void begin(World *w, bool claims)
{
    unsigned i;

    world_init(w);
    world_claim(w, WINOS_SOURCE_KDBG, -1);
    for (i = 0; !claims && i < G_N_ELEMENTS(lessons); i++) {
        w->result.detected.field[lessons[i]].claims[WINOS_SOURCE_KDBG] = -1;
    }
    settle_field(&w->result, &w->live, &w->options,
                 WINOS_PRCB_CURRENT_THREAD, false);
    settle_all(&w->result, &w->live, &w->options);
    settle_layout(&w->result, &w->live, &w->options);
    w->switch_every = 400;
}

static void learn(World *w)
{
    WinosLearner *learner = winos_learner_new();
    unsigned i;

    g_assert_nonnull(learner);
    for (i = 0; i < ROUNDS && !winos_learner_done(learner, &w->result); i++) {
        winos_learn(learner, &w->result, &w->options, &w->cpu, 1, 2 * MS);
    }
    winos_learner_free(learner);
}

static void assert_learned(World *w)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        WinosField f = lessons[i];

        g_test_message("%s", winos_field_name(f));
        g_assert_cmpint(w->result.layout.field[f].value, ==, w->at[f]);
        g_assert_cmpint(w->result.layout.field[f].standing, ==,
                        WINOS_CONFIRMED);
    }
}

/* Nobody claims anything: structure alone. */
static void test_derived(void)
{
    World w;

    begin(&w, false);
    learn(&w);
    assert_learned(&w);
    world_deinit(&w);
}

static void test_claims_confirmed(void)
{
    World w;

    begin(&w, true);
    learn(&w);
    assert_learned(&w);
    world_deinit(&w);
}

/* Looks between lessons bear claims out; without claims they find nothing. */
static void check_looks(bool claims)
{
    WinosLearner *learner = winos_learner_new();
    WinosField f = WINOS_PRCB_CONTEXT_SWITCHES;
    World w;
    unsigned i;

    begin(&w, claims);
    w.switch_every = 0;
    for (i = 0; i < 4000 && w.result.layout.field[f].value < 0; i++) {
        if (i % 100 == 0) {
            winos_learn(learner, &w.result, &w.options, &w.cpu, 1, 0);
        }
        if (i % 2 == 0) {
            world_switch(&w);
            world_switch(&w);
        }
        g_usleep(260);
        winos_learn_look(learner, &w.result);
    }
    g_assert_cmpint(w.result.layout.field[f].value, ==,
                    claims ? w.at[f] : -1);
    winos_learner_free(learner);
    world_deinit(&w);
}

static void test_looks(void)
{
    check_looks(true);
    check_looks(false);
}

/*
 * A vCPU that the host holds up is seen inside a switch again and again, where
 * the thread that came is not Running yet; one in six for so long that it
 * seems to stay.  Without claims, State was never found then.
 */
static void test_held_up(void)
{
    WinosLearner *learner = winos_learner_new();
    WinosField f = WINOS_KTHREAD_STATE;
    World w;
    unsigned i;

    begin(&w, false);
    w.switch_every = 0;
    for (i = 0; i < 400 && w.result.layout.field[f].value < 0; i++) {
        unsigned from = world_switch_begin(&w);
        unsigned n;

        for (n = 0; n < 3; n++) {
            g_usleep(260);
            winos_learn_look(learner, &w.result);
            if (n == (i % 6 == 0)) {
                world_switch_end(&w, from);
            }
        }
        if (i % 20 == 0) {
            winos_learn(learner, &w.result, &w.options, &w.cpu, 1, 0);
        }
    }
    g_assert_cmpint(w.result.layout.field[f].value, ==, w.at[f]);
    winos_learner_free(learner);
    world_deinit(&w);
}

/* A wrong claim is not proven by watching; the right place is. */
static void test_wrong_claims(void)
{
    World w;
    unsigned i;

    begin(&w, true);
    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        w.result.detected.field[lessons[i]].claims[WINOS_SOURCE_KDBG] = 0xb40;
    }
    learn(&w);
    assert_learned(&w);
    world_deinit(&w);
}

/* A guest that does nothing teaches nothing, and is not believed. */
static void test_idle(void)
{
    World w;
    unsigned i;

    begin(&w, false);
    w.switch_every = 0;
    learn(&w);
    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        g_assert_cmpint(w.result.layout.field[lessons[i]].value, ==, -1);
    }
    world_deinit(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/learn/derived", test_derived);
    g_test_add_func("/winos/learn/claims-confirmed", test_claims_confirmed);
    g_test_add_func("/winos/learn/looks", test_looks);
    g_test_add_func("/winos/learn/held-up", test_held_up);
    g_test_add_func("/winos/learn/wrong-claims", test_wrong_claims);
    g_test_add_func("/winos/learn/idle", test_idle);
    return g_test_run();
}
