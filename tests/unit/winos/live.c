/*
 * winos/live: what fits, what does not, and what only structure tells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "world.h"

#include <glib.h>

/* As if everything were known, so that each rule has what it looks at. */
static void know_all(World *w)
{
    unsigned f;

    for (f = 0; f < WINOS_N_FIELDS; f++) {
        w->result.detected.field[f].value = w->at[f];
    }
    world_switch(w);
    live_gather(&w->live);
}

static void test_gather(void)
{
    World w;

    world_init(&w);
    know_all(&w);
    g_assert_cmpuint(w.live.n_processes, ==, WORLD_PROCESSES);
    g_assert_cmpuint(w.live.n_threads, ==, WORLD_THREADS);
    live_gather(&w.live);
    g_assert_cmpuint(w.live.n_threads, ==, WORLD_THREADS);
    world_deinit(&w);
}

/* A list that never comes back, or leads nowhere, ends all the same. */
static void test_gather_loop(void)
{
    World w;
    uint64_t link;

    world_init(&w);
    link = w.processes[2] + w.at[WINOS_EPROCESS_ACTIVE_PROCESS_LINKS];
    fake_guest_put64(&w.guest, link, link);
    know_all(&w);
    g_assert_cmpuint(w.live.n_processes, >=, 3);
    world_deinit(&w);

    world_init(&w);
    link = w.processes[2] + w.at[WINOS_EPROCESS_ACTIVE_PROCESS_LINKS];
    fake_guest_put64(&w.guest, link, 0xffffdead00000000);
    know_all(&w);
    g_assert_cmpuint(w.live.n_processes, >=, 3);
    world_deinit(&w);
}

/* The same of System's threads, where only structure tells of their list. */
static void test_thread_list_loop(void)
{
    World w;
    unsigned offset;

    world_init(&w);
    know_all(&w);
    /* The kernel's own list and the executive's. */
    for (offset = 0x30; offset < 0x800; offset += 8) {
        uint64_t head = w.processes[1] + offset;
        uint64_t first;

        if (gmem_read_u64(&w.result.kernel.space, head, &first) &&
            first > w.threads[0] && first < w.threads[0] + 0x100000) {
            fake_guest_put64(&w.guest, first, first);
        }
    }
    /* It ends, whatever the answer is. */
    live_derive_first(&w.live, WINOS_KTHREAD_PROCESS);
    live_derive_first(&w.live, WINOS_KTHREAD_APC_PROCESS);
    world_deinit(&w);
}

/* Fields for which one look at memory is proof. */
static const WinosField provable[] = {
    WINOS_KPCR_SELF, WINOS_KPCR_CURRENT_PRCB, WINOS_KPCR_PRCB,
    WINOS_PRCB_CURRENT_THREAD, WINOS_PRCB_IDLE_THREAD,
    WINOS_KTHREAD_STACK_LIMIT, WINOS_KTHREAD_STACK_BASE,
    WINOS_KTHREAD_APC_PROCESS, WINOS_KTHREAD_PROCESS, WINOS_KTHREAD_STATE,
    WINOS_KTHREAD_PRIORITY, WINOS_KTHREAD_WAIT_TIME, WINOS_KTHREAD_TEB,
    WINOS_ETHREAD_CLIENT_ID, WINOS_ETHREAD_CREATE_TIME,
    WINOS_ETHREAD_THREAD_LIST_ENTRY, WINOS_ETHREAD_THREAD_NAME,
    WINOS_EPROCESS_DIRECTORY_TABLE_BASE, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
    WINOS_EPROCESS_ACTIVE_PROCESS_LINKS, WINOS_EPROCESS_IMAGE_FILE_NAME,
    WINOS_EPROCESS_INHERITED_FROM, WINOS_EPROCESS_PEB,
    WINOS_EPROCESS_CREATE_TIME, WINOS_EPROCESS_THREAD_LIST_HEAD,
};

static void test_true_places_fit(void)
{
    World w;
    unsigned i;

    world_init(&w);
    know_all(&w);
    for (i = 0; i < G_N_ELEMENTS(provable); i++) {
        WinosField f = provable[i];

        g_test_message("%s", winos_field_name(f));
        g_assert_cmpint(live_check(&w.live, f, w.at[f]), ==, LIVE_FITS);
    }
    world_deinit(&w);
}

/* Memory of zeroes and the fields of others never pass for a field. */
static void test_wrong_places_do_not(void)
{
    World w;
    unsigned i;

    world_init(&w);
    know_all(&w);
    for (i = 0; i < G_N_ELEMENTS(provable); i++) {
        WinosField f = provable[i];

        g_test_message("%s", winos_field_name(f));
        g_assert_cmpint(live_check(&w.live, f, 0xb40), !=, LIVE_FITS);
        g_assert_cmpint(live_check(&w.live, f, -1), ==, LIVE_REFUTES);
        g_assert_cmpint(live_check(&w.live, f, 0x10000), ==, LIVE_REFUTES);
    }
    g_assert_cmpint(live_check(&w.live, WINOS_ETHREAD_THREAD_NAME,
                               w.at[WINOS_KTHREAD_PROCESS]), ==,
                    LIVE_REFUTES);
    g_assert_cmpint(live_check(&w.live, WINOS_EPROCESS_ACTIVE_PROCESS_LINKS,
                               w.at[WINOS_EPROCESS_THREAD_LIST_HEAD]), ==,
                    LIVE_REFUTES);
    g_assert_cmpint(live_check(&w.live, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
                               w.at[WINOS_EPROCESS_INHERITED_FROM]), ==,
                    LIVE_REFUTES);
    g_assert_cmpint(live_check(&w.live, WINOS_EPROCESS_INHERITED_FROM,
                               w.at[WINOS_EPROCESS_UNIQUE_PROCESS_ID]), !=,
                    LIVE_FITS);
    world_deinit(&w);
}

static const WinosField derivable[] = {
    WINOS_PRCB_IDLE_THREAD, WINOS_ETHREAD_CLIENT_ID,
    WINOS_ETHREAD_THREAD_NAME, WINOS_ETHREAD_THREAD_LIST_ENTRY,
    WINOS_EPROCESS_THREAD_LIST_HEAD, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
    WINOS_EPROCESS_ACTIVE_PROCESS_LINKS, WINOS_EPROCESS_IMAGE_FILE_NAME,
    WINOS_EPROCESS_DIRECTORY_TABLE_BASE,
};

static void test_derive(void)
{
    World w;
    unsigned i;

    world_init(&w);
    know_all(&w);
    for (i = 0; i < G_N_ELEMENTS(derivable); i++) {
        WinosField f = derivable[i];

        g_test_message("%s", winos_field_name(f));
        g_assert_cmpint(live_derive(&w.live, f), ==, w.at[f]);
    }
    g_assert_cmpint(live_derive(&w.live, WINOS_KTHREAD_TEB), ==,
                    WINOS_NO_OFFSET);
    world_deinit(&w);
}

/*
 * More pointers of a KPCR into itself lead into the block, wherever they are:
 * in a free place, or right behind Self, where the true one is not here.
 */
static void test_derive_prcb(void)
{
    unsigned free_at;
    World w;

    world_init(&w);
    know_all(&w);
    g_assert_cmpint(w.at[WINOS_KPCR_CURRENT_PRCB], !=,
                    w.at[WINOS_KPCR_SELF] + 8);
    for (free_at = 0; free_at < 2; free_at++) {
        uint64_t at = w.cpu.kpcr + (free_at ? 0xb8 :
                                    w.at[WINOS_KPCR_SELF] + 8);

        g_assert_cmpint(live_derive_first(&w.live, WINOS_KPCR_CURRENT_PRCB),
                        ==, w.at[WINOS_KPCR_CURRENT_PRCB]);
        fake_guest_put64(&w.guest, at, w.cpu.prcb + 0x670);
        g_assert_cmpint(live_derive_first(&w.live, WINOS_KPCR_CURRENT_PRCB),
                        ==, w.at[WINOS_KPCR_CURRENT_PRCB]);
    }
    /* Another one to the block itself: nobody knows which. */
    fake_guest_put64(&w.guest, w.cpu.kpcr + 0xb8, w.cpu.prcb);
    g_assert_cmpint(live_derive_first(&w.live, WINOS_KPCR_CURRENT_PRCB), ==,
                    WINOS_NO_OFFSET);
    world_deinit(&w);
}

/* Two places that fit are no answer. */
static void test_derive_two(void)
{
    World w;

    world_init(&w);
    know_all(&w);
    fake_guest_write(&w.guest, w.processes[1] + 0x900, "System\0\0", 8);
    g_assert_cmpint(live_derive(&w.live, WINOS_EPROCESS_IMAGE_FILE_NAME), ==,
                    WINOS_NO_OFFSET);
    world_deinit(&w);
}

/*
 * A process lies behind a thread, and the path of its image was taken for the
 * thread's name while no thread had one.
 */
static void test_path_is_no_name(void)
{
    static const uint16_t path[] = { '\\', 'D', '\\', 'a' };
    const uint64_t block = 0xffffa00000100800;
    const int32_t behind = 0xb00;
    World w;
    unsigned i;

    world_init(&w);
    know_all(&w);
    for (i = 1; i < WORLD_THREADS; i++) {
        fake_guest_put64(&w.guest, w.threads[i] +
                         w.at[WINOS_ETHREAD_THREAD_NAME], 0);
    }
    fake_guest_put16(&w.guest, block, sizeof(path));
    fake_guest_put16(&w.guest, block + 2, sizeof(path));
    fake_guest_put64(&w.guest, block + 8, block + 0x10);
    fake_guest_write(&w.guest, block + 0x10, path, sizeof(path));
    fake_guest_put64(&w.guest, w.threads[3] + behind, block);
    g_assert_cmpint(live_check(&w.live, WINOS_ETHREAD_THREAD_NAME, behind),
                    !=, LIVE_FITS);
    g_assert_cmpint(live_derive(&w.live, WINOS_ETHREAD_THREAD_NAME), ==,
                    WINOS_NO_OFFSET);
    world_deinit(&w);
}

static void test_names(void)
{
    World w;
    uint64_t name;

    world_init(&w);
    g_assert_true(gmem_read_u64(&w.guest.space, w.threads[6] +
                                w.at[WINOS_ETHREAD_THREAD_NAME], &name));
    g_assert_true(live_name_looks(&w.guest.space, name));
    g_assert_false(live_name_looks(&w.guest.space, 0));
    g_assert_false(live_name_looks(&w.guest.space, name + 8));
    g_assert_false(live_name_looks(&w.guest.space, name & 0x7fffffffffff));
    fake_guest_put16(&w.guest, name, 7);
    g_assert_false(live_name_looks(&w.guest.space, name));
    fake_guest_put16(&w.guest, name, 0);
    g_assert_false(live_name_looks(&w.guest.space, name));
    fake_guest_put16(&w.guest, name, 16);
    g_assert_false(live_name_looks(&w.guest.space, name));
    world_deinit(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/live/gather", test_gather);
    g_test_add_func("/winos/live/gather-loop", test_gather_loop);
    g_test_add_func("/winos/live/thread-list-loop", test_thread_list_loop);
    g_test_add_func("/winos/live/true-places-fit", test_true_places_fit);
    g_test_add_func("/winos/live/wrong-places-do-not",
                    test_wrong_places_do_not);
    g_test_add_func("/winos/live/derive", test_derive);
    g_test_add_func("/winos/live/derive-prcb", test_derive_prcb);
    g_test_add_func("/winos/live/derive-two", test_derive_two);
    g_test_add_func("/winos/live/path-is-no-name", test_path_is_no_name);
    g_test_add_func("/winos/live/names", test_names);
    return g_test_run();
}
