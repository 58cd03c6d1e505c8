/*
 * watch/doing: what vCPUs do is counted while somebody asks, and rightly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine.h"

#include "watch/internal.h"
#include "winos/extra.h"

#include <glib.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

enum { NESTING = 0x20, DPC_ACTIVE = 0x312a };

/* A machine whose kernel is one of build 19041's, as its file would say. */
static void begin(Machine *m)
{
    Watch *w;
    unsigned i;

    machine_init(m);
    machine_find(m);
    w = m->watch;
    for (i = 0; i < winos_table_size; i++) {
        if (winos_table[i].build == 19041) {
            w->result.rows[0] = &winos_table[i];
        }
    }
    w->result.n_rows = 1;
    w->result.same_build = true;
    g_assert_cmpint(winos_extra_of(&w->result)
                    ->at[WINOS_PRCB_DPC_ROUTINE_ACTIVE], ==, DPC_ACTIVE);
    /* It sees each tenth of a second whether all is where it was. */
    machine_run(m, 500 * MS);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        winsched_set_idle(&w->shared.slots[i].cpu, machine_thread(3));
    }
}

static void set(Machine *m, unsigned vcpu, unsigned thread, uint8_t nesting,
                uint8_t dpc)
{
    machine_store(m, vcpu, thread);
    fake_guest_put8(&m->guest, machine_prcb(vcpu) + NESTING, nesting);
    fake_guest_put8(&m->guest, machine_prcb(vcpu) + DPC_ACTIVE, dpc);
}

static void test_nobody_asks(void)
{
    uint64_t counts[WATCH_N_DOING];
    Machine m;

    begin(&m);
    machine_run(&m, 2 * S);
    g_assert_false(watch_doing(m.watch, 0, counts));
    machine_deinit(&m);
}

typedef struct Part {
    unsigned ms, thread;
    uint8_t nesting, dpc;
    WatchDoing is;
} Part;

/* Of ten seconds at 1 kHz each share is right to 2 percent, and far better. */
static void test_shares(void)
{
    static const Part parts[] = {
        { 4000, 1, 0, 0, WATCH_DOES_THREAD },
        { 2000, 1, 1, 1, WATCH_DOES_DPC },
        { 500, 3, 1, 1, WATCH_DOES_DPC },           /* over the idle thread */
        { 700, 1, 1, 0, WATCH_DOES_INTERRUPT },
        { 300, 1, 2, 1, WATCH_DOES_INTERRUPT },     /* on top of a DPC */
        { 2499, 3, 0, 0, WATCH_DOES_IDLE },
    };
    uint64_t wanted[WATCH_N_DOING] = { 0 };
    uint64_t counts[WATCH_N_DOING];
    uint64_t all = 0;
    uint64_t truth = 0;
    Machine m;
    size_t i;

    begin(&m);
    watch_ask_doing(m.watch);
    for (i = 0; i < G_N_ELEMENTS(parts); i++) {
        const Part *part = &parts[i];

        set(&m, 1, part->thread, part->nesting, part->dpc);
        machine_run(&m, part->ms * MS);
        wanted[part->is] += part->ms;
        truth += part->ms;
    }
    g_assert_true(watch_doing(m.watch, 1, counts));
    for (i = 0; i < WATCH_N_DOING; i++) {
        all += counts[i];
    }
    g_assert_cmpuint(all, >, 9900);
    for (i = 0; i < WATCH_N_DOING; i++) {
        double found = 100.0 * (double)counts[i] / (double)all;
        double right = 100.0 * (double)wanted[i] / (double)truth;

        g_assert_cmpfloat(ABS(found - right), <, 0.2);
    }
    machine_deinit(&m);
}

/* Ten seconds behind the last question it ends, and begins with the next. */
static void test_ends(void)
{
    uint64_t before[WATCH_N_DOING];
    uint64_t after[WATCH_N_DOING];
    Machine m;

    begin(&m);
    watch_ask_doing(m.watch);
    machine_run(&m, 11 * S);
    g_assert_true(watch_doing(m.watch, 0, before));
    machine_run(&m, 5 * S);
    g_assert_true(watch_doing(m.watch, 0, after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    watch_ask_doing(m.watch);
    machine_run(&m, 1 * S);
    g_assert_true(watch_doing(m.watch, 0, after));
    g_assert_cmpuint(after[WATCH_DOES_THREAD], >,
                     before[WATCH_DOES_THREAD] + 900);
    machine_deinit(&m);
}

/* No CPU is that deep in interrupts, and no flag is 7. */
static void test_odd(gconstpointer data)
{
    bool dpc = GPOINTER_TO_INT(data);
    uint64_t counts[WATCH_N_DOING];
    Machine m;

    begin(&m);
    watch_ask_doing(m.watch);
    machine_run(&m, 1 * S);
    set(&m, 0, 1, dpc ? 1 : 99, dpc ? 7 : 1);
    machine_run(&m, 100 * MS);
    set(&m, 0, 1, 0, 0);
    machine_run(&m, 1 * S);
    g_assert_false(watch_doing(m.watch, 0, counts));
    g_assert_true(watch_doing(m.watch, 1, counts));
    machine_deinit(&m);
}

/* Where the kernel's file is not known nobody says where these bytes are. */
static void test_unknown_kernel(void)
{
    uint64_t counts[WATCH_N_DOING];
    Machine m;

    begin(&m);
    m.watch->result.same_build = false;
    machine_run(&m, 500 * MS);
    watch_ask_doing(m.watch);
    machine_run(&m, 1 * S);
    g_assert_false(watch_doing(m.watch, 0, counts));
    machine_deinit(&m);
}

static void test_dense(void)
{
    uint64_t counts[WATCH_N_DOING];
    Machine m;

    begin(&m);
    m.watch->config.poll_hz = WATCH_POLL_DENSE;
    set(&m, 2, 1, 1, 1);
    watch_ask_doing(m.watch);
    machine_run(&m, 100 * MS);
    g_assert_true(watch_doing(m.watch, 2, counts));
    g_assert_cmpuint(counts[WATCH_DOES_DPC], >, 100);
    g_assert_cmpuint(counts[WATCH_DOES_THREAD], ==, 0);
    machine_deinit(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watch/doing/nobody-asks", test_nobody_asks);
    g_test_add_func("/watch/doing/shares", test_shares);
    g_test_add_func("/watch/doing/ends", test_ends);
    g_test_add_data_func("/watch/doing/odd-nesting", GINT_TO_POINTER(false),
                         test_odd);
    g_test_add_data_func("/watch/doing/odd-dpc", GINT_TO_POINTER(true),
                         test_odd);
    g_test_add_func("/watch/doing/unknown-kernel", test_unknown_kernel);
    g_test_add_func("/watch/doing/dense", test_dense);
    return g_test_run();
}
