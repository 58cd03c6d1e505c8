/*
 * winos/settle: whose word counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <glib.h>

static WinosOffset *detected(World *w, WinosField field)
{
    return &w->result.detected.field[field];
}

static WinosOffset *used(World *w, WinosField field)
{
    return &w->result.layout.field[field];
}

static void settle(World *w)
{
    settle_field(&w->result, &w->live, &w->options,
                 WINOS_PRCB_CURRENT_THREAD, false);
    settle_all(&w->result, &w->live, &w->options);
    settle_layout(&w->result, &w->live, &w->options);
}

/* Code alone names a few; structure finds the way to nearly all others. */
static void test_code_and_structure(void)
{
    static const WinosField by_code[] = {
        WINOS_PRCB_CURRENT_THREAD, WINOS_KTHREAD_PROCESS,
    };
    static const WinosField found[] = {
        WINOS_PRCB_IDLE_THREAD, WINOS_ETHREAD_CLIENT_ID,
        WINOS_ETHREAD_THREAD_NAME, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
        WINOS_EPROCESS_IMAGE_FILE_NAME, WINOS_EPROCESS_THREAD_LIST_HEAD,
    };
    World w;
    unsigned i;

    world_init(&w);
    for (i = 0; i < G_N_ELEMENTS(by_code); i++) {
        detected(&w, by_code[i])->claims[WINOS_SOURCE_CODE] =
            w.at[by_code[i]];
    }
    settle(&w);
    for (i = 0; i < G_N_ELEMENTS(found); i++) {
        g_test_message("%s", winos_field_name(found[i]));
        g_assert_cmpint(used(&w, found[i])->value, ==, w.at[found[i]]);
        g_assert_cmpint(used(&w, found[i])->standing, ==, WINOS_CONFIRMED);
        g_assert_cmpint(used(&w, found[i])->source, ==,
                        WINOS_SOURCE_STRUCTURE);
    }
    world_deinit(&w);
}

/* Live memory decides between sources, whatever their order. */
static void test_memory_decides(void)
{
    World w;

    world_init(&w);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    detected(&w, WINOS_KTHREAD_PRIORITY)->claims[WINOS_SOURCE_KDBG] = 0xb40;
    detected(&w, WINOS_KTHREAD_PRIORITY)->claims[WINOS_SOURCE_CODE] =
        w.at[WINOS_KTHREAD_PRIORITY];
    settle(&w);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PRIORITY)->value, ==,
                    w.at[WINOS_KTHREAD_PRIORITY]);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PRIORITY)->source, ==,
                    WINOS_SOURCE_CODE);
    world_deinit(&w);
}

static void test_nothing_fits(void)
{
    World w;

    world_init(&w);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    detected(&w, WINOS_KTHREAD_PRIORITY)->claims[WINOS_SOURCE_KDBG] = 0xb40;
    settle(&w);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PRIORITY)->value, ==, -1);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PRIORITY)->standing, ==,
                    WINOS_REFUTED);
    world_deinit(&w);
}

/* What memory cannot tell needs two voices. */
static void test_two_voices(void)
{
    World w;
    WinosOffset *reason;

    world_init(&w);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    settle(&w);
    reason = used(&w, WINOS_KTHREAD_WAIT_REASON);
    g_assert_cmpint(reason->value, ==, -1);
    g_assert_cmpint(reason->standing, ==, WINOS_UNCONFIRMED);
    g_assert_nonnull(reason->doubt);
    world_claim(&w, WINOS_SOURCE_CODE, -1);
    settle(&w);
    g_assert_cmpint(reason->value, ==, w.at[WINOS_KTHREAD_WAIT_REASON]);
    g_assert_cmpint(reason->standing, ==, WINOS_AGREED);
    world_deinit(&w);
}

/* A source that may not speak is not heard. */
static void test_sources(void)
{
    World w;

    world_init(&w);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    w.options.sources = 1 << WINOS_SOURCE_CODE;
    settle(&w);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->value, ==, -1);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->standing, ==,
                    WINOS_UNKNOWN);
    world_deinit(&w);
}

static void test_overrides(void)
{
    World w;

    world_init(&w);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    w.options.overrides[WINOS_KTHREAD_PROCESS] =
        w.at[WINOS_KTHREAD_PROCESS];
    w.options.overrides[WINOS_ETHREAD_CLIENT_ID] = 0xb40;
    settle(&w);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->standing, ==,
                    WINOS_CONFIRMED);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->source, ==,
                    WINOS_SOURCE_OVERRIDE);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->found, ==, -1);
    g_assert_cmpint(used(&w, WINOS_ETHREAD_CLIENT_ID)->value, ==, 0xb40);
    g_assert_cmpint(used(&w, WINOS_ETHREAD_CLIENT_ID)->standing, ==,
                    WINOS_REFUTED);
    g_assert_cmpint(used(&w, WINOS_ETHREAD_CLIENT_ID)->found, ==,
                    w.at[WINOS_ETHREAD_CLIENT_ID]);
    world_deinit(&w);
}

/* Without detection what was not given is not used, but it is told. */
static void test_overrides_alone(void)
{
    World w;

    world_init(&w);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    w.options.auto_detect = false;
    w.options.overrides[WINOS_PRCB_CURRENT_THREAD] =
        w.at[WINOS_PRCB_CURRENT_THREAD];
    settle(&w);
    g_assert_cmpint(used(&w, WINOS_PRCB_CURRENT_THREAD)->value, ==,
                    w.at[WINOS_PRCB_CURRENT_THREAD]);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->value, ==, -1);
    g_assert_cmpint(used(&w, WINOS_KTHREAD_PROCESS)->found, ==,
                    w.at[WINOS_KTHREAD_PROCESS]);
    world_deinit(&w);
}

/* Of a build's files the one that fits is heard; absent is absent. */
static void test_rows(void)
{
    static TableRow wrong, right;
    World w;
    unsigned f;

    world_init(&w);
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        wrong.offset[f] = w.at[f];
        right.offset[f] = w.at[f];
    }
    wrong.offset[WINOS_ETHREAD_CLIENT_ID] = 0x6c8;
    wrong.offset[WINOS_PRCB_KERNEL_DTB] = TABLE_ABSENT;
    right.offset[WINOS_PRCB_KERNEL_DTB] = TABLE_ABSENT;
    w.result.rows[0] = &wrong;
    w.result.rows[1] = &right;
    w.result.n_rows = 2;
    w.result.same_build = true;
    settle(&w);
    g_assert_cmpint(used(&w, WINOS_ETHREAD_CLIENT_ID)->value, ==,
                    w.at[WINOS_ETHREAD_CLIENT_ID]);
    g_assert_cmpint(used(&w, WINOS_PRCB_KERNEL_DTB)->standing, ==,
                    WINOS_ABSENT);
    world_deinit(&w);
}

/*
 * vCPUs whose registers say nothing yet have idle threads too.  They stand in
 * their process' lists, Running although they do not run, without ids; they
 * were taken for others, and refuted the true ids.
 */
static void test_unseen_idle(void)
{
    static const WinosField fields[] = {
        WINOS_KTHREAD_PROCESS, WINOS_KTHREAD_APC_PROCESS,
        WINOS_PRCB_IDLE_THREAD, WINOS_ETHREAD_CLIENT_ID,
        WINOS_ETHREAD_CREATE_TIME, WINOS_KTHREAD_STATE,
        WINOS_KTHREAD_PRIORITY, WINOS_EPROCESS_THREAD_LIST_HEAD,
        WINOS_ETHREAD_THREAD_LIST_ENTRY, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
    };
    World w;
    unsigned i;

    world_init(&w);
    world_add_idle(&w, 7);
    world_switch(&w);
    w.result.kernel.idle_process = 0;
    world_claim(&w, WINOS_SOURCE_TABLE, -1);
    world_claim(&w, WINOS_SOURCE_KDBG, -1);
    settle(&w);
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_test_message("%s", winos_field_name(fields[i]));
        g_assert_cmpint(used(&w, fields[i])->standing, ==, WINOS_CONFIRMED);
        g_assert_cmpint(used(&w, fields[i])->value, ==, w.at[fields[i]]);
    }
    world_deinit(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/settle/code-and-structure",
                    test_code_and_structure);
    g_test_add_func("/winos/settle/memory-decides", test_memory_decides);
    g_test_add_func("/winos/settle/nothing-fits", test_nothing_fits);
    g_test_add_func("/winos/settle/two-voices", test_two_voices);
    g_test_add_func("/winos/settle/sources", test_sources);
    g_test_add_func("/winos/settle/overrides", test_overrides);
    g_test_add_func("/winos/settle/overrides-alone", test_overrides_alone);
    g_test_add_func("/winos/settle/rows", test_rows);
    g_test_add_func("/winos/settle/unseen-idle", test_unseen_idle);
    return g_test_run();
}
