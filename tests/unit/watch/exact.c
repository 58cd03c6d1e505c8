/*
 * watch/exact: exact mode is claimed while it holds, and no longer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine.h"
#include "watch/internal.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

static void begin(Machine *m)
{
    machine_init(m);
    m->config.exact = true;
    machine_restart(m);
    machine_find(m);
}

/* The guest's store, of which the watchpoint tells. */
static void hit(Machine *m, unsigned vcpu, unsigned thread)
{
    machine_store(m, vcpu, thread);
    m->reading = true;
    watch_store(m->watch, vcpu);
    watch_hit(m->watch, vcpu);
    m->reading = false;
    machine_switch(m, vcpu, thread);
}

static void arm_all(Machine *m)
{
    machine_turn(m);
    machine_work(m);
    machine_turn(m);
}

static void test_holds(void)
{
    Machine m;
    unsigned i;

    begin(&m);
    g_assert_false(machine_status(&m).exact);
    g_assert_cmpstr(machine_status(&m).reason, ==, "exact mode begins; until "
                    "all vCPUs are watched, switches are sampled");
    arm_all(&m);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        g_assert_cmphex(m.armed[i], ==, machine_prcb(i) + MACHINE_CURRENT_AT);
    }
    g_assert_true(m.exact);
    g_assert_true(machine_status(&m).exact);
    g_assert_cmpstr(machine_status(&m).reason, ==, "");
    m.n_events = 0;
    for (i = 0; i < 20; i++) {
        hit(&m, 0, 1 + i % 3);
        machine_run(&m, 1 * MS);
    }
    g_assert_cmpuint(m.n_events, ==, 20);
    g_assert_cmpint(m.events[19].origin, ==, WINSCHED_EXACT);
    g_assert_true(machine_status(&m).exact);
    machine_deinit(&m);
}

/* What polling finds and no hit told of is verified on the vCPU's thread. */
static void test_missed(void)
{
    Machine m;

    begin(&m);
    arm_all(&m);
    hit(&m, 1, 1);
    machine_switch(&m, 1, 2);
    machine_run(&m, 60 * MS);
    g_assert_true(machine_status(&m).exact);
    g_assert_true(m.work[1][WATCH_WORK_VERIFY]);
    g_assert_false(m.work[0][WATCH_WORK_VERIFY]);
    machine_work(&m);
    g_assert_false(machine_status(&m).exact);
    machine_turn(&m);
    g_assert_cmpint(machine_status(&m).state, ==, WATCH_DEGRADED);
    g_assert_cmpstr(machine_status(&m).reason, ==, "at least 1 switches of "
                    "vCPU 1 were missed after 1 that were told of; switches "
                    "are sampled");
    g_assert_false(m.exact);
    machine_work(&m);
    g_assert_cmphex(m.armed[1], ==, 0);
    /* It goes on by sampling. */
    m.n_events = 0;
    machine_switch(&m, 0, 3);
    machine_run(&m, 5 * MS);
    g_assert_cmpuint(m.n_events, >=, 1);
    machine_deinit(&m);
}

/* The hit is under way: the exit that finds the change is the hit's own. */
static void test_hit_pending(void)
{
    Machine m;

    begin(&m);
    arm_all(&m);
    machine_store(&m, 0, 2);
    m.hit_pending = true;
    machine_exit(&m, 0);
    g_assert_true(machine_status(&m).exact);
    m.hit_pending = false;
    machine_exit(&m, 0);
    g_assert_false(machine_status(&m).exact);
    machine_turn(&m);
    g_assert_nonnull(strstr(machine_status(&m).reason,
                            "data breakpoints do not fire on this host"));
    machine_deinit(&m);
}

/*
 * A suspected miss is verified while the hit of that store is under way: it
 * is none.  The next one, which is, is verified again.
 */
static void test_verified_twice(void)
{
    Machine m;

    begin(&m);
    arm_all(&m);
    hit(&m, 1, 1);
    machine_switch(&m, 1, 2);
    machine_run(&m, 60 * MS);
    g_assert_true(m.work[1][WATCH_WORK_VERIFY]);
    m.hit_pending = true;
    machine_work(&m);
    g_assert_true(machine_status(&m).exact);
    m.hit_pending = false;
    m.reading = true;
    watch_hit(m.watch, 1);
    m.reading = false;
    machine_run(&m, 60 * MS);
    machine_work(&m);
    g_assert_true(machine_status(&m).exact);

    machine_switch(&m, 1, 3);
    machine_run(&m, 60 * MS);
    g_assert_true(m.work[1][WATCH_WORK_VERIFY]);
    machine_work(&m);
    g_assert_false(machine_status(&m).exact);
    machine_deinit(&m);
}

/*
 * A sampler is held up while it has busy: the watchpoint is taken away again,
 * nothing has failed, and the engine tries again.
 */
static void test_busy(void)
{
    WatchSlot *slot;
    Machine m;

    begin(&m);
    slot = &watch_shared(m.watch)->slots[0];
    machine_turn(&m);
    g_assert_false(atomic_flag_test_and_set(&slot->cpu.busy));
    machine_work(&m);
    g_assert_cmphex(m.armed[0], ==, 0);
    g_assert_cmphex(m.armed[1], ==, machine_prcb(1) + MACHINE_CURRENT_AT);
    machine_turn(&m);
    g_assert_false(machine_status(&m).exact);
    g_assert_cmpstr(machine_status(&m).reason, ==, "exact mode begins; until "
                    "all vCPUs are watched, switches are sampled");
    atomic_flag_clear(&slot->cpu.busy);
    arm_all(&m);
    g_assert_cmphex(m.armed[0], ==, machine_prcb(0) + MACHINE_CURRENT_AT);
    g_assert_true(machine_status(&m).exact);
    machine_deinit(&m);
}

static const struct {
    int err;
    const char *reason;
} errors[] = {
    { -EBUSY, "a debugger uses all four breakpoints of vCPU 0" },
    { -ENOTSUP, "this accelerator has no data breakpoints" },
    { -EIO, "a data breakpoint cannot be set on vCPU 0 (Input/output error)" },
};

static void test_errors(void)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(errors); i++) {
        Machine m;

        begin(&m);
        m.arm_error = errors[i].err;
        arm_all(&m);
        g_assert_cmpint(machine_status(&m).state, ==, WATCH_DEGRADED);
        g_assert_nonnull(strstr(machine_status(&m).reason, errors[i].reason));
        g_assert_false(m.exact);
        machine_deinit(&m);
    }
}

static void test_ends(void)
{
    Machine m;

    machine_init(&m);
    m.config.exact = true;
    m.config.exact_ms = 100;
    machine_restart(&m);
    machine_find(&m);
    arm_all(&m);
    machine_run(&m, 80 * MS);
    g_assert_true(machine_status(&m).exact);
    machine_run(&m, 60 * MS);
    g_assert_false(machine_status(&m).exact);
    g_assert_cmpint(machine_status(&m).state, ==, WATCH_ACTIVE);
    g_assert_cmpstr(machine_status(&m).reason, ==, "exact mode has ended "
                    "after 100 ms, as exact-ms says; switches are sampled");
    machine_deinit(&m);
}

static void test_limit(void)
{
    unsigned i;
    Machine m;

    machine_init(&m);
    m.config.exact = true;
    m.config.exact_limit = 300;
    machine_restart(&m);
    machine_find(&m);
    arm_all(&m);
    for (i = 0; i < 100; i++) {
        hit(&m, 2, 1 + i % 3);
        machine_run(&m, 5 * MS);
        g_assert_true(machine_status(&m).exact);
    }
    for (i = 0; i < 150 && machine_status(&m).exact; i++) {
        hit(&m, 2, 1 + i % 3);
        machine_run(&m, 1 * MS);
    }
    g_assert_cmpuint(i, <, 150);
    g_assert_nonnull(strstr(machine_status(&m).reason, "vCPU 2 switches"));
    machine_deinit(&m);
}

/* Hits every 5 ms until the mode ends, at most @n.  Returns: how many */
static unsigned hits_until_end(uint32_t limit, unsigned n, char *reason)
{
    unsigned i;
    Machine m;

    machine_init(&m);
    m.config.exact = true;
    m.config.exact_limit = limit;
    machine_restart(&m);
    machine_find(&m);
    arm_all(&m);
    for (i = 0; i < n && machine_status(&m).exact; i++) {
        hit(&m, 2, 1 + i % 3);
        machine_run(&m, 5 * MS);
    }
    strcpy(reason, machine_status(&m).reason);
    machine_deinit(&m);
    return i;
}

/* As many as the limit are allowed, one more a second is not. */
static void test_limit_itself(void)
{
    char reason[sizeof(((WatchStatus *)0)->reason)];
    unsigned rate;
    unsigned n = hits_until_end(1, 1000, reason);

    g_assert_cmpuint(n, <, 1000);
    g_assert_cmpint(sscanf(reason, "vCPU 2 switches %u times", &rate), ==, 1);
    g_assert_cmpuint(rate, >, 100);
    hits_until_end(rate, n, reason);
    g_assert_cmpstr(reason, ==, "");
    hits_until_end(rate - 1, n, reason);
    g_assert_cmpstr(reason, !=, "");
}

/* While a vCPU is not armed yet, readers of the ring are told so as well. */
static void test_vcpu_comes(void)
{
    Machine m;

    machine_init(&m);
    m.present[2] = false;
    m.config.exact = true;
    machine_restart(&m);
    machine_find(&m);
    arm_all(&m);
    g_assert_true(m.exact);
    m.present[2] = true;
    while (machine_vcpu(&m, 2).begun == false) {
        machine_run(&m, 1 * MS);
    }
    g_assert_false(m.exact);
    g_assert_false(machine_status(&m).exact);
    arm_all(&m);
    machine_run(&m, 30 * MS);
    g_assert_true(m.exact);
    g_assert_true(machine_status(&m).exact);
    machine_deinit(&m);
}

/* A vCPU that comes back counts its hits from 0: that is no great rate. */
static void test_vcpu_again(void)
{
    unsigned i;
    Machine m;

    begin(&m);
    arm_all(&m);
    for (i = 0; i < 60; i++) {
        hit(&m, 2, 1 + i % 3);
        machine_run(&m, 5 * MS);
    }
    g_assert_true(machine_status(&m).exact);
    m.present[2] = false;
    machine_run(&m, 150 * MS);
    m.present[2] = true;
    for (i = 0; i < 100; i++) {
        machine_run(&m, 5 * MS);
        machine_work(&m);
    }
    g_assert_true(machine_vcpu(&m, 2).begun);
    g_assert_cmpuint(atomic_load(
        &watch_shared(m.watch)->slots[2].cpu.samples[WINSCHED_EXACT]), <, 60);
    g_assert_cmpstr(machine_status(&m).reason, ==, "");
    g_assert_true(machine_status(&m).exact);
    machine_deinit(&m);
}

/*
 * A vCPU is unplugged and another one plugged in, before its slot is looked
 * at again: the new thread has no watchpoint yet, whatever the slot says.
 */
static void test_vcpu_replaced(void)
{
    uint64_t gva = machine_prcb(1) + MACHINE_CURRENT_AT;
    Machine m;

    begin(&m);
    arm_all(&m);
    g_assert_true(machine_status(&m).exact);
    m.present[1] = false;
    machine_run(&m, 21 * MS);
    m.present[1] = true;
    m.armed[1] = 0;
    machine_run(&m, 21 * MS);
    g_assert_true(machine_vcpu(&m, 1).begun);
    g_assert_true(m.work[1][WATCH_WORK_ARM]);
    g_assert_false(m.work[0][WATCH_WORK_ARM]);
    /* However often that is compared until the vCPU has done it. */
    g_assert_false(m.exact);
    machine_run(&m, 21 * MS);
    g_assert_false(m.exact);
    /* And so long its switches are sampled, as before. */
    m.n_events = 0;
    machine_switch(&m, 1, 2);
    machine_run(&m, 5 * MS);
    g_assert_cmpuint(m.n_events, ==, 1);
    machine_work(&m);
    g_assert_cmphex(m.armed[1], ==, gva);
    machine_turn(&m);
    g_assert_true(m.exact);
    g_assert_cmpstr(machine_status(&m).reason, ==, "");
    machine_deinit(&m);
}

/*
 * Between two stores of a work item that could not arm: to_arm is taken back
 * already, armed is not.  Whoever asks a vCPU to arm does not claim that it is.
 */
static void test_not_before_armed(void)
{
    WatchSlot *slot;
    Machine m;

    begin(&m);
    arm_all(&m);
    slot = &watch_shared(m.watch)->slots[1];
    atomic_store(&slot->to_arm, 0);
    m.now_ns += 21 * MS;
    watch_turn(m.watch);
    g_assert_true(m.work[1][WATCH_WORK_ARM]);
    g_assert_false(m.exact);
    machine_work(&m);
    machine_turn(&m);
    g_assert_true(m.exact);
    machine_deinit(&m);
}

/* A vCPU is kicked out of the guest once in 10 ms, however often it is asked. */
static void test_verifies_seldom(void)
{
    uint64_t verified = 0;
    unsigned n = 0;
    unsigned i;
    Machine m;

    begin(&m);
    arm_all(&m);
    hit(&m, 1, 1);
    machine_switch(&m, 1, 2);
    m.hit_pending = true;
    for (i = 0; i < 100; i++) {
        m.now_ns += 1 * MS;
        watch_exact_tell(m.watch);
        watch_turn(m.watch);
        if (m.work[1][WATCH_WORK_VERIFY]) {
            g_assert_true(!n || m.now_ns - verified >= 10 * MS);
            verified = m.now_ns;
            n++;
        }
        machine_work(&m);
    }
    g_assert_cmpuint(n, >=, 9);
    g_assert_true(machine_status(&m).exact);
    machine_deinit(&m);
}

static void test_reset(void)
{
    unsigned i;
    Machine m;

    begin(&m);
    arm_all(&m);
    watch_reset(m.watch);
    g_assert_false(m.exact);
    g_assert_false(machine_status(&m).exact);
    machine_work(&m);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        g_assert_cmphex(m.armed[i], ==, 0);
    }
    for (i = 0; i < 100; i++) {
        machine_run(&m, 10 * MS);
        machine_work(&m);
    }
    g_assert_true(machine_status(&m).exact);
    machine_deinit(&m);
}

/* A reset while a vCPU arms: what it armed is taken away again. */
static void reset(Machine *m)
{
    watch_reset(m->watch);
}

static void test_reset_in_arm(void)
{
    static const MachineCall calls[] = {
        MACHINE_ARM, MACHINE_SAMPLE, MACHINE_SAMPLED, MACHINE_STAMP,
        MACHINE_READ, MACHINE_RECORD,
    };
    unsigned c, at, i;

    for (c = 0; c < G_N_ELEMENTS(calls); c++) {
        for (at = 0; at < 8; at++) {
            Machine m;

            begin(&m);
            machine_turn(&m);
            machine_at(&m, calls[c], at, reset);
            machine_work(&m);
            if (!m.then) {
                m.silent = true;
                machine_work(&m);
                machine_turn(&m);
                machine_work(&m);
                g_assert_false(machine_status(&m).exact);
                for (i = 0; i < MACHINE_VCPUS; i++) {
                    g_assert_cmphex(m.armed[i], ==, 0);
                }
            }
            machine_deinit(&m);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watch/exact/holds", test_holds);
    g_test_add_func("/watch/exact/missed", test_missed);
    g_test_add_func("/watch/exact/hit-pending", test_hit_pending);
    g_test_add_func("/watch/exact/verified-twice", test_verified_twice);
    g_test_add_func("/watch/exact/busy", test_busy);
    g_test_add_func("/watch/exact/errors", test_errors);
    g_test_add_func("/watch/exact/ends", test_ends);
    g_test_add_func("/watch/exact/limit", test_limit);
    g_test_add_func("/watch/exact/limit-itself", test_limit_itself);
    g_test_add_func("/watch/exact/vcpu-comes", test_vcpu_comes);
    g_test_add_func("/watch/exact/vcpu-again", test_vcpu_again);
    g_test_add_func("/watch/exact/vcpu-replaced", test_vcpu_replaced);
    g_test_add_func("/watch/exact/not-before-armed", test_not_before_armed);
    g_test_add_func("/watch/exact/verifies-seldom", test_verifies_seldom);
    g_test_add_func("/watch/exact/reset", test_reset);
    g_test_add_func("/watch/exact/reset-in-arm", test_reset_in_arm);
    return g_test_run();
}
