/*
 * winos/learn: what watching shows, in a guest that switches as it is read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <glib.h>

enum { MS = 1000000, ROUNDS = 60, READ_NS = 100, LOOK_NS = 20 };

static const World *clock_of;
static uint64_t passed_ns = 1000 * MS;

/* Time passes with what is read, and a little by being asked. */
uint64_t test_now_ns(void);

uint64_t test_now_ns(void)
{
    passed_ns += LOOK_NS;
    return passed_ns + (clock_of ? READ_NS * clock_of->n_reads : 0);
}

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
    clock_of = w;
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
        passed_ns += 260 * MS / 1000;
        winos_learn_sample(learner, &w.result);
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
            passed_ns += 260 * MS / 1000;
            winos_learn_sample(learner, &w.result);
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

/*
 * Bytes that agree with much and mean nothing.  One that always held 31 (part
 * of an access mask) once was the wait reason, confirmed, and a right override
 * was said to be wrong.
 */
enum { CONST_AT = 0xa00, N_CONSTS = 64, RANDOM_AT = 0xa40, TICK_AT = 0xa48,
       STATE_COPY_AT = 0xa50, LOW_AT = 0xa58, GLOBAL_AT = 0x2a00 };

static void put_consts(World *w)
{
    unsigned i, k;

    for (i = 0; i < WORLD_THREADS; i++) {
        for (k = 0; k < N_CONSTS; k++) {
            fake_guest_put8(&w->guest, w->threads[i] + CONST_AT + k, k);
        }
    }
}

/* With each switch: random bytes, a clock's tick in all threads at once. */
static void put_impostors(World *w)
{
    unsigned i;

    for (i = 0; i < WORLD_THREADS; i++) {
        uint64_t t = w->threads[i];
        uint32_t r = w->random * (2 * i + 1) >> 7;

        fake_guest_put8(&w->guest, t + RANDOM_AT, r);
        fake_guest_put8(&w->guest, t + LOW_AT, r >> 8 & 31);
        fake_guest_put32(&w->guest, t + TICK_AT, w->n_reads);
    }
    fake_guest_put32(&w->guest, w->cpu.prcb + GLOBAL_AT, w->n_reads);
    fake_guest_put32(&w->guest, w->cpu.prcb + GLOBAL_AT + 8, w->random);
}

static void begin_among_impostors(World *w, bool claims)
{
    begin(w, claims);
    put_consts(w);
    w->on_switch = put_impostors;
}

static void test_impostors(void)
{
    World w;

    begin_among_impostors(&w, false);
    learn(&w);
    assert_learned(&w);
    world_deinit(&w);
}

/* Each of them claimed by a source: none is believed, the true one is found. */
static void test_claimed_impostors(void)
{
    static const int32_t places[] = {
        CONST_AT + 31, CONST_AT + 2, CONST_AT + 5, CONST_AT + 6, CONST_AT + 32,
        RANDOM_AT, LOW_AT, TICK_AT,
    };
    unsigned i, k;
    World w;

    for (k = 0; k < G_N_ELEMENTS(places); k++) {
        begin_among_impostors(&w, true);
        for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
            w.result.detected.field[lessons[i]].claims[WINOS_SOURCE_KDBG] =
                i < 2 ? places[k] : places[k] & ~3;
        }
        learn(&w);
        assert_learned(&w);
        world_deinit(&w);
    }
}

/* Where the true place is a user's, it is not called wrong for an impostor. */
static void test_right_override(void)
{
    World w;
    unsigned i;

    begin_among_impostors(&w, false);
    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        w.options.overrides[lessons[i]] = w.at[lessons[i]];
    }
    learn(&w);
    assert_learned(&w);
    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        g_assert_cmpint(w.result.layout.field[lessons[i]].source, ==,
                        WINOS_SOURCE_OVERRIDE);
        g_assert_null(w.result.layout.field[lessons[i]].doubt);
    }
    world_deinit(&w);
}

/* A place that stays 0 was believed to count switches: none missed of 56,449. */
static void test_dead_override(void)
{
    World w;
    unsigned i;

    begin(&w, false);
    w.options.sources = 1 << WINOS_SOURCE_KDBG;
    w.result.detected.field[WINOS_KTHREAD_STATE].claims[WINOS_SOURCE_KDBG] =
        w.at[WINOS_KTHREAD_STATE];
    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        w.options.overrides[lessons[i]] = 0xb40;
    }
    settle_layout(&w.result, &w.live, &w.options);
    learn(&w);
    for (i = 0; i < G_N_ELEMENTS(lessons); i++) {
        g_test_message("%s", winos_field_name(lessons[i]));
        g_assert_cmpint(w.result.layout.field[lessons[i]].standing, ==,
                        WINOS_REFUTED);
        g_assert_nonnull(w.result.layout.field[lessons[i]].doubt);
    }
    world_deinit(&w);
}

/* Nobody tells which thread is the idle one, and it belongs to no process. */
static void begin_without_idle(World *w)
{
    world_init(w);
    world_claim(w, WINOS_SOURCE_KDBG, WINOS_PRCB_IDLE_THREAD);
    w->result.kernel.idle_process = 0;
    w->cpu.idle_thread = 0;
    fake_guest_put64(&w->guest, w->threads[0] + w->at[WINOS_KTHREAD_PROCESS],
                     0);
    fake_guest_put64(&w->guest, w->threads[0] + w->at[WINOS_KTHREAD_STACK_BASE],
                     0xffffa00000806123);
    settle_field(&w->result, &w->live, &w->options,
                 WINOS_PRCB_CURRENT_THREAD, false);
}

/* By its ids, at once; a pointer to another thread is not taken for it. */
static void test_idle_by_ids(void)
{
    World w;

    begin_without_idle(&w);
    fake_guest_put64(&w.guest, w.cpu.prcb + 0x1800, w.threads[3]);
    settle_all(&w.result, &w.live, &w.options);
    settle_layout(&w.result, &w.live, &w.options);
    g_assert_cmpint(w.result.layout.field[WINOS_PRCB_IDLE_THREAD].value, ==,
                    w.at[WINOS_PRCB_IDLE_THREAD]);
    world_deinit(&w);
}

/* By watching: it stays while CurrentThread changes, and becomes current. */
static void test_idle_by_watching(void)
{
    WinosField f;
    World w;

    begin_without_idle(&w);
    for (f = WINOS_KTHREAD_APC_PROCESS; f < WINOS_N_FIELDS; f++) {
        w.result.detected.field[f].claims[WINOS_SOURCE_KDBG] = -1;
    }
    w.options.sources = 1 << WINOS_SOURCE_KDBG;
    settle_all(&w.result, &w.live, &w.options);
    w.options.sources |= 1 << WINOS_SOURCE_STRUCTURE;
    w.result.kernel.system_process = 0;
    /* A thread that is not the idle one is pointed to as well. */
    fake_guest_put64(&w.guest, w.cpu.prcb + 0x1800, w.threads[3] + 0xe10 * 99);
    settle_layout(&w.result, &w.live, &w.options);
    g_assert_cmpint(w.result.layout.field[WINOS_PRCB_IDLE_THREAD].value, ==,
                    -1);
    w.switch_every = 400;
    learn(&w);
    g_assert_cmpint(w.result.layout.field[WINOS_PRCB_IDLE_THREAD].value, ==,
                    w.at[WINOS_PRCB_IDLE_THREAD]);
    world_deinit(&w);
}

/*
 * On an idle guest the idle thread was all that was seen, and spoke against
 * every claim for ever.  It says nothing; threads that ran meanwhile do.
 */
static void test_idle_says_nothing(void)
{
    static const WinosField fields[] = {
        WINOS_KTHREAD_PROCESS, WINOS_KTHREAD_APC_PROCESS,
        WINOS_KTHREAD_STACK_BASE, WINOS_KTHREAD_STACK_LIMIT,
        WINOS_ETHREAD_CLIENT_ID, WINOS_KTHREAD_PRIORITY,
        WINOS_ETHREAD_CREATE_TIME,
    };
    WinosLearner *learner = winos_learner_new();
    unsigned i;
    World w;

    begin_without_idle(&w);
    w.result.kernel.system_process = 0;
    fake_guest_put64(&w.guest, w.threads[0] + w.at[WINOS_KTHREAD_APC_PROCESS],
                     0);
    settle_all(&w.result, &w.live, &w.options);
    settle_layout(&w.result, &w.live, &w.options);
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_test_message("%s", winos_field_name(fields[i]));
        g_assert_cmpint(w.result.detected.field[fields[i]].standing, ==,
                        WINOS_UNCONFIRMED);
    }
    for (i = 1; i < WORLD_THREADS; i++) {
        winos_learn_ran(learner, w.threads[i]);
    }
    winos_learn(learner, &w.result, &w.options, &w.cpu, 1, MS);
    winos_learn(learner, &w.result, &w.options, &w.cpu, 1, MS);
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_test_message("%s", winos_field_name(fields[i]));
        g_assert_cmpint(w.result.layout.field[fields[i]].standing, ==,
                        WINOS_CONFIRMED);
    }
    winos_learner_free(learner);
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
    g_test_add_func("/winos/learn/impostors", test_impostors);
    g_test_add_func("/winos/learn/claimed-impostors", test_claimed_impostors);
    g_test_add_func("/winos/learn/right-override", test_right_override);
    g_test_add_func("/winos/learn/dead-override", test_dead_override);
    g_test_add_func("/winos/learn/idle-by-ids", test_idle_by_ids);
    g_test_add_func("/winos/learn/idle-by-watching", test_idle_by_watching);
    g_test_add_func("/winos/learn/idle-says-nothing", test_idle_says_nothing);
    return g_test_run();
}
