/*
 * watch/engine: a kernel is found, kept track of and polled, whatever the
 * machine does in between.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine.h"
#include "watch/internal.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static bool is_on(Machine *m, unsigned vcpu)
{
    return atomic_load(&watch_shared(m->watch)->slots[vcpu].gpa) !=
           WATCH_NO_GPA;
}

static void test_polls(void)
{
    WatchStatus status;
    unsigned i;
    Machine m;

    machine_init(&m);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "nothing was looked at yet");
    machine_find(&m);
    status = machine_status(&m);
    g_assert_cmpstr(status.reason, ==, "");
    g_assert_cmpint(status.state, ==, WATCH_ACTIVE);
    g_assert_cmpuint(status.result.kernel.build, ==, 19045);
    g_assert_cmpuint(status.kernels, ==, 1);
    g_assert_cmpuint(status.attempts, ==, 1);
    g_assert_cmpuint(status.longest_vcpu_ns, ==, 7);
    machine_run(&m, 2 * MS);
    g_assert_cmpuint(m.n_events, ==, MACHINE_VCPUS);
    for (i = 0; i < 10; i++) {
        machine_switch(&m, 1, 1 + i % 3);
        machine_run(&m, 1 * MS);
    }
    g_assert_cmpuint(m.n_events, ==, MACHINE_VCPUS + 10);
    g_assert_cmphex(m.events[m.n_events - 1].to.thread, ==,
                    machine_thread(1));
    g_assert_cmpuint(m.events[m.n_events - 1].vcpu, ==, 1);
    g_assert_cmpint(m.events[m.n_events - 1].origin, ==, WINSCHED_POLL);
    machine_deinit(&m);
}

/* Early in its boot Windows shows the number of its kernel's file. */
static void test_build_changes(void)
{
    WatchStatus status;
    Machine m;

    machine_init(&m);
    machine_set_build(&m, 19041);
    machine_find(&m);
    g_assert_cmpuint(machine_status(&m).result.kernel.build, ==, 19041);
    machine_run(&m, 1 * S);
    machine_set_build(&m, 19045);
    m.founds = 0;
    machine_run(&m, 1 * S);
    status = machine_status(&m);
    g_assert_cmpuint(status.result.kernel.build, ==, 19045);
    g_assert_cmpuint(status.kernels, ==, 1);
    g_assert_cmpint(status.state, ==, WATCH_ACTIVE);
    g_assert_cmpuint(m.founds, >=, 1);
    g_assert_true(is_on(&m, 0));
    machine_deinit(&m);
}

/* What is too old is called by its name, and left alone. */
static void test_too_old(void)
{
    static const struct {
        uint32_t build;
        const char *says;
    } cases[] = {
        { 3790, "Windows XP x64 or Server 2003, build 3790" },
        { 6000, "Windows Vista, build 6000" },
        { 6002, "Windows Vista SP2 or Server 2008 SP2, build 6002" },
        { 5048, "Windows build 5048" },
    };
    WatchStatus status;
    Machine m;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        machine_init(&m);
        m.config.winos.auto_detect = true;
        machine_restart(&m);
        machine_set_build(&m, cases[i].build);
        machine_run(&m, 1 * S);
        status = machine_status(&m);
        g_assert_cmpint(status.state, ==, WATCH_DETECTING);
        g_assert_nonnull(strstr(status.reason, cases[i].says));
        g_assert_false(status.found);
        machine_deinit(&m);
    }
}

/* So many rounds a second, whatever the turns are. */
static void test_rate(void)
{
    WatchVcpuStatus before, after;
    Machine m;

    machine_init(&m);
    m.config.poll_hz = 5000;
    machine_restart(&m);
    machine_find(&m);
    before = machine_vcpu(&m, 0);
    machine_run(&m, 1 * S);
    after = machine_vcpu(&m, 0);
    g_assert_cmpuint(after.counts.samples[WINSCHED_POLL] -
                     before.counts.samples[WINSCHED_POLL], >=, 4990);
    g_assert_cmpuint(after.counts.samples[WINSCHED_POLL] -
                     before.counts.samples[WINSCHED_POLL], <=, 5002);
    machine_deinit(&m);
}

static void stopped_then(Machine *m, bool running)
{
    watch_set_running(m->watch, running);
}

static void test_stopped(void)
{
    WatchVcpuStatus before, after;
    Machine m;

    machine_init(&m);
    machine_find(&m);
    machine_run(&m, 5 * MS);
    stopped_then(&m, false);
    machine_switch(&m, 2, 3);
    before = machine_vcpu(&m, 2);
    machine_run(&m, 1 * S);
    after = machine_vcpu(&m, 2);
    /* Who runs while it stands still is seen, once. */
    g_assert_cmpuint(after.counts.samples[WINSCHED_POLL] -
                     before.counts.samples[WINSCHED_POLL], ==, 1);
    g_assert_cmphex(m.events[m.n_events - 1].to.thread, ==,
                    machine_thread(3));
    stopped_then(&m, true);
    machine_run(&m, 10 * MS);
    after = machine_vcpu(&m, 2);
    g_assert_cmpuint(after.counts.samples[WINSCHED_POLL] -
                     before.counts.samples[WINSCHED_POLL], >=, 9);
    /* And once more when it stands still again. */
    stopped_then(&m, false);
    machine_switch(&m, 2, 1);
    before = machine_vcpu(&m, 2);
    machine_run(&m, 1 * S);
    after = machine_vcpu(&m, 2);
    g_assert_cmpuint(after.counts.samples[WINSCHED_POLL] -
                     before.counts.samples[WINSCHED_POLL], ==, 1);
    machine_deinit(&m);
}

/* --- resets, between any two steps */

static void reset(Machine *m)
{
    watch_reset(m->watch);
}

static void test_reset(void)
{
    Machine m;
    unsigned i;

    machine_init(&m);
    machine_find(&m);
    machine_run(&m, 2 * MS);
    watch_reset(m.watch);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        g_assert_false(is_on(&m, i));
    }
    g_assert_cmpuint(m.wakes, >=, 1);
    m.silent = true;
    machine_turn(&m);
    g_assert_false(machine_status(&m).found);
    g_assert_cmpint(machine_status(&m).state, ==, WATCH_WAITING);
    m.silent = false;
    machine_run(&m, 1 * S);
    g_assert_cmpuint(machine_status(&m).kernels, ==, 2);
    machine_deinit(&m);
}

/* Registers that a vCPU left before a reset say nothing of what comes after. */
static void test_reset_drops_regs(void)
{
    WatchSlot *slot;
    WinosRegs left;
    uint64_t gs;
    Machine m;

    machine_init(&m);
    slot = &watch_shared(m.watch)->slots[1];
    gs = m.regs[1].gs_base;
    m.regs[1].gs_base = 0x7ffdf000;
    m.regs[1].cpl = 3;
    machine_find(&m);
    m.silent = true;
    m.regs[1].gs_base = gs;
    machine_exit(&m, 1);
    g_assert_cmpuint(atomic_load(&slot->offer), !=, 0);
    watch_reset(m.watch);
    machine_turn(&m);
    g_assert_false(watch_take_regs(slot, &left));
    machine_deinit(&m);
}

/*
 * The guest has moved its KPRCB to another page, and while the engine walks
 * page tables to see where, the machine is reset: what it finds is the old
 * kernel's, and must not be published.  A vCPU once got entries of it.
 */
static void move_prcb(Machine *m, unsigned vcpu)
{
    uint64_t gva = machine_prcb(vcpu) - MACHINE_PRCB_AT;
    uint64_t *entry = fake_guest_entry(&m->guest, gva, 1);
    uint64_t old = *entry & 0xffffffffff000;
    uint64_t page = fake_guest_page(&m->guest);

    memcpy(m->guest.ram + page, m->guest.ram + old, GMEM_PAGE);
    *entry = page | (*entry & 0xfff);
}

static void test_reset_in_follow(void)
{
    unsigned at, i;
    unsigned forced = 0;

    for (at = 0; at < 200; at++) {
        Machine m;

        machine_init(&m);
        machine_find(&m);
        machine_run(&m, 2 * MS);
        move_prcb(&m, 1);
        /* The next turn is one that keeps track. */
        m.now_ns += 200 * MS;
        machine_at(&m, MACHINE_READ, at, reset);
        m.silent = true;
        watch_turn(m.watch);
        if (!m.then) {
            forced++;
            for (i = 0; i < MACHINE_VCPUS; i++) {
                g_assert_false(is_on(&m, i));
            }
        } else {
            g_assert_cmphex(atomic_load(
                &watch_shared(m.watch)->slots[1].gpa), ==,
                machine_gpa(&m, 1));
        }
        machine_deinit(&m);
    }
    g_assert_cmpuint(forced, >, 20);
}

/* One in so many reads of a detection; it makes some ten thousand. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STRIDE = 997 };
#else
enum { STRIDE = 97 };
#endif

/* Between any two calls of a detection: nothing of before is published. */
static void test_reset_in_detection(void)
{
    static const MachineCall calls[] = {
        MACHINE_VCPUS_CALL, MACHINE_ASK, MACHINE_COLLECT, MACHINE_READ,
        MACHINE_FOUND,
    };
    unsigned c, at, i;

    for (c = 0; c < G_N_ELEMENTS(calls); c++) {
        bool forced = true;

        for (at = 0; forced; at++) {
            Machine m;

            machine_init(&m);
            machine_at(&m, calls[c], at, reset);
            watch_turn(m.watch);
            forced = !m.then;
            for (i = 0; forced && i < MACHINE_VCPUS; i++) {
                g_assert_false(is_on(&m, i));
            }
            /* It is found for good soon, all the same. */
            m.then = NULL;
            machine_find(&m);
            for (i = 0; i < MACHINE_VCPUS; i++) {
                g_assert_true(is_on(&m, i));
            }
            machine_deinit(&m);
            at += at > 100 ? STRIDE : 0;
        }
    }
}

/*
 * While the engine walks page tables for a slot that it is about to publish.
 * These are the last reads of a detection, so each of those is tried.
 */
static void test_reset_in_begin(void)
{
    enum { MANY = 1000000, LAST = 60 };
    unsigned reads, at, i;
    Machine m;

    machine_init(&m);
    m.config.poll_hz = 0;
    machine_restart(&m);
    machine_at(&m, MACHINE_READ, MANY, reset);
    watch_turn(m.watch);
    reads = MANY - m.after;
    g_assert_true(is_on(&m, MACHINE_VCPUS - 1));
    machine_deinit(&m);
    for (at = reads > LAST ? reads - LAST : 0; at < reads; at++) {
        machine_init(&m);
        m.config.poll_hz = 0;
        machine_restart(&m);
        machine_at(&m, MACHINE_READ, at, reset);
        watch_turn(m.watch);
        g_assert_null(m.then);
        for (i = 0; i < MACHINE_VCPUS; i++) {
            g_assert_false(is_on(&m, i));
        }
        machine_deinit(&m);
    }
}

/* A reset inside of a closer look: there is no record stamped after it. */
static void test_reset_in_sample(void)
{
    static const MachineCall calls[] = {
        MACHINE_SAMPLE, MACHINE_SAMPLED, MACHINE_READ, MACHINE_STAMP,
    };
    unsigned c, at;

    for (c = 0; c < G_N_ELEMENTS(calls); c++) {
        bool forced = true;

        for (at = 0; forced && at < 60; at++) {
            uint64_t stamp;
            Machine m;

            machine_init(&m);
            machine_find(&m);
            machine_run(&m, 3 * MS);
            m.n_events = 0;
            machine_switch(&m, 0, 1);
            machine_at(&m, calls[c], at, reset);
            m.silent = true;
            do {
                stamp = m.stamp;
                machine_turn(&m);
                forced = !m.then;
            } while (!forced && m.now_ns < 1020 * MS);
            g_assert_cmpuint(m.n_events, <=, 1);
            if (m.n_events && forced) {
                g_assert_cmpuint(m.events[0].stamp, <=, stamp + 1);
            }
            machine_deinit(&m);
        }
    }
}

/* --- vCPUs that come, go and hide */

static void test_vcpu_comes(void)
{
    Machine m;

    machine_init(&m);
    m.present[2] = false;
    machine_find(&m);
    machine_run(&m, 500 * MS);
    g_assert_false(is_on(&m, 2));
    m.present[2] = true;
    machine_run(&m, 1500 * MS);
    g_assert_true(is_on(&m, 2));
    m.present[0] = false;
    machine_run(&m, 200 * MS);
    g_assert_false(is_on(&m, 0));
    machine_deinit(&m);
}

/* In user mode with nothing in KERNEL_GS_BASE: what it exits with tells. */
static void test_exit_regs(void)
{
    uint64_t gs;
    Machine m;

    machine_init(&m);
    gs = m.regs[1].gs_base;
    m.regs[1].gs_base = 0x7ffdf000;
    m.regs[1].cpl = 3;
    machine_find(&m);
    machine_run(&m, 300 * MS);
    g_assert_false(is_on(&m, 1));
    m.regs[1].gs_base = gs;
    machine_exit(&m, 1);
    /* Told once; not again for the same GS base. */
    g_assert_false(watch_wants_regs(&watch_shared(m.watch)->slots[1], gs));
    m.regs[1].gs_base = 0x7ffdf000;
    machine_run(&m, 50 * MS);
    g_assert_true(is_on(&m, 1));
    machine_deinit(&m);
}

static WinosRegs taken;

static void offer_again(Machine *m)
{
    machine_exit(m, 1);
}

/* Registers are handed over without a lock: whole, or not at all. */
static void test_offer_interleaved(void)
{
    WatchShared *shared;
    Machine m;

    machine_init(&m);
    shared = watch_shared(m.watch);
    /* The engine is taking an older one: the vCPU goes on. */
    atomic_store(&shared->slots[1].offer, 3);
    offer_again(&m);
    g_assert_cmpuint(atomic_load(&shared->slots[1].offer), ==, 3);
    g_assert_true(watch_wants_regs(&shared->slots[1], m.regs[1].gs_base));
    g_assert_cmpuint(m.wakes, ==, 0);
    atomic_store(&shared->slots[1].offer, 0);
    offer_again(&m);
    g_assert_cmpuint(atomic_load(&shared->slots[1].offer), ==, 2);
    taken = shared->slots[1].offered;
    g_assert_cmphex(taken.gs_base, ==, m.regs[1].gs_base);
    g_assert_cmpuint(m.wakes, ==, 1);
    /* What the engine has taken is gone: it is asked for once. */
    g_assert_true(watch_take_regs(&shared->slots[1], &taken));
    g_assert_cmphex(taken.gs_base, ==, m.regs[1].gs_base);
    g_assert_cmpuint(atomic_load(&shared->slots[1].offer), ==, 0);
    g_assert_false(watch_take_regs(&shared->slots[1], &taken));
    machine_deinit(&m);
}

/* --- what is no Windows */

/* A 32-bit system once was told to be waited for, for ever. */
static void test_legacy(void)
{
    unsigned i;
    Machine m;

    machine_init(&m);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        m.regs[i].long_mode = false;
    }
    machine_run(&m, 25 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "no vCPU is in 64-bit mode yet");
    machine_run(&m, 10 * S);
    g_assert_cmpint(machine_status(&m).state, ==, WATCH_WAITING);
    g_assert_cmpstr(machine_status(&m).reason, ==, "no vCPU was in 64-bit "
                    "mode for 30 s: this looks like a 32-bit system, which "
                    "is not supported");
    /* A reset begins anew; time that the machine stands still is none. */
    watch_reset(m.watch);
    machine_run(&m, 5 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "no vCPU is in 64-bit mode yet");
    watch_set_running(m.watch, false);
    machine_run(&m, 60 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "no vCPU is in 64-bit mode yet");
    watch_set_running(m.watch, true);
    machine_run(&m, 40 * S);
    g_assert_nonnull(strstr(machine_status(&m).reason, "32-bit"));
    /* One that gets there after all is found. */
    for (i = 0; i < MACHINE_VCPUS; i++) {
        m.regs[i].long_mode = true;
    }
    machine_run(&m, 2 * S);
    g_assert_cmpint(machine_status(&m).state, ==, WATCH_ACTIVE);
    machine_deinit(&m);
}

/* Tries come at longer and longer intervals, up to the host's limit. */
static void test_retry(void)
{
    unsigned asks, i;
    Machine m;

    machine_init(&m);
    m.config.retry_ns = 10 * S;
    machine_restart(&m);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        m.regs[i].lstar = 0;
    }
    machine_run(&m, 60 * S);
    asks = m.asks;
    machine_run(&m, 100 * S);
    g_assert_cmpuint(m.asks - asks, >=, 9);
    g_assert_cmpuint(m.asks - asks, <=, 11);
    machine_deinit(&m);
}

static void test_silent(void)
{
    Machine m;

    machine_init(&m);
    m.silent = true;
    machine_run(&m, 1 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "no vCPU has told its registers yet");
    /* One question at a time. */
    g_assert_cmpuint(m.asks, ==, 1);
    memset(m.present, 0, sizeof(m.present));
    machine_run(&m, 2 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "the machine has no vCPU yet");
    machine_deinit(&m);
}

/*
 * Answers that are late, and those of parked vCPUs alone, say nothing of what
 * was seen before: the reason once flickered under load.
 */
static void test_steady_reason(void)
{
    char reason[256];
    unsigned i;
    Machine m;

    machine_init(&m);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        m.regs[i].lstar = 0x1234;
        m.regs[i].idt_base = 0;
    }
    machine_run(&m, 1 * S);
    g_strlcpy(reason, machine_status(&m).reason, sizeof(reason));
    g_assert_nonnull(strstr(reason, "neither LSTAR nor the IDT"));
    m.silent = true;
    machine_run(&m, 2 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==, reason);
    m.silent = false;
    for (i = 0; i < MACHINE_VCPUS; i++) {
        m.regs[i].long_mode = false;
    }
    machine_run(&m, 2 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==, reason);
    /* Until nothing better was seen for long. */
    machine_run(&m, 15 * S);
    g_assert_cmpstr(machine_status(&m).reason, ==,
                    "no vCPU is in 64-bit mode yet");
    machine_deinit(&m);
}

/* A vCPU that the guest never starts has no KPCR, and none is missing. */
static void test_parked(void)
{
    Machine m;

    machine_init(&m);
    memset(&m.regs[2], 0, sizeof(m.regs[2]));
    m.regs[2].vcpu = 2;
    machine_find(&m);
    machine_run(&m, 1 * S);
    g_assert_true(machine_vcpu(&m, 2).parked);
    g_assert_false(machine_vcpu(&m, 2).known);
    g_assert_false(machine_vcpu(&m, 0).parked);
    machine_deinit(&m);
}

/* --- ending */

static void test_stop(void)
{
    unsigned graces;
    Machine m;

    machine_init(&m);
    machine_find(&m);
    machine_run(&m, 3 * MS);
    graces = m.graces;
    watch_stop(m.watch);
    g_assert_cmpuint(m.graces, >, graces);
    machine_switch(&m, 0, 2);
    m.n_events = 0;
    machine_exit(&m, 0);
    g_assert_cmpuint(m.n_events, ==, 0);
    machine_deinit(&m);
}

/* Figures last from one kernel to the next. */
/* A layout that is found out again and again does not wait each time. */
static void test_views_retire(void)
{
    unsigned graces;
    unsigned i;
    Machine m;

    machine_init(&m);
    machine_find(&m);
    watch_grace(m.watch);
    graces = m.graces;
    for (i = 0; i < 4 * WATCH_MAX_RETIRED; i++) {
        const WatchView *now = atomic_load(&watch_shared(m.watch)->view);
        WatchView *next = malloc(sizeof(*next));

        *next = *now;
        watch_set_view(m.watch, next);
        g_assert_true(atomic_load(&watch_shared(m.watch)->view) == next);
        g_assert_cmpuint(m.watch->n_retired, >=, 1);
        g_assert_cmpuint(m.watch->n_retired, <=, WATCH_MAX_RETIRED);
        g_assert_cmpuint(m.graces - graces, ==, i / WATCH_MAX_RETIRED);
    }
    machine_deinit(&m);
}

static void test_counts_last(void)
{
    WatchVcpuStatus vcpu;
    Machine m;

    machine_init(&m);
    machine_find(&m);
    machine_run(&m, 10 * MS);
    machine_switch(&m, 0, 1);
    machine_run(&m, 10 * MS);
    vcpu = machine_vcpu(&m, 0);
    g_assert_cmpuint(vcpu.counts.switches, ==, 2);
    g_assert_true(vcpu.known);
    g_assert_cmphex(vcpu.kpcr, ==, machine_prcb(0) - MACHINE_PRCB_AT);
    watch_reset(m.watch);
    machine_run(&m, 1 * S);
    vcpu = machine_vcpu(&m, 0);
    g_assert_cmpuint(vcpu.counts.switches, ==, 3);
    g_assert_cmpuint(vcpu.counts.samples[WINSCHED_POLL], >, 900);
    machine_deinit(&m);
}

static void test_exit_sees(void)
{
    Machine m;

    machine_init(&m);
    m.config.poll_hz = 0;
    machine_restart(&m);
    machine_find(&m);
    machine_exit(&m, 1);
    machine_switch(&m, 1, 2);
    machine_exit(&m, 1);
    machine_exit(&m, 1);
    g_assert_cmpuint(m.n_events, ==, 2);
    g_assert_cmpint(m.events[1].origin, ==, WINSCHED_EXIT);
    machine_run(&m, 1 * S);
    g_assert_cmpuint(m.n_events, ==, 2);
    machine_deinit(&m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watch/polls", test_polls);
    g_test_add_func("/watch/build-changes", test_build_changes);
    g_test_add_func("/watch/too-old", test_too_old);
    g_test_add_func("/watch/rate", test_rate);
    g_test_add_func("/watch/stopped", test_stopped);
    g_test_add_func("/watch/reset/plain", test_reset);
    g_test_add_func("/watch/reset/drops-regs", test_reset_drops_regs);
    g_test_add_func("/watch/reset/in-follow", test_reset_in_follow);
    g_test_add_func("/watch/reset/in-detection", test_reset_in_detection);
    g_test_add_func("/watch/reset/in-begin", test_reset_in_begin);
    g_test_add_func("/watch/reset/in-sample", test_reset_in_sample);
    g_test_add_func("/watch/vcpu-comes", test_vcpu_comes);
    g_test_add_func("/watch/exit-regs", test_exit_regs);
    g_test_add_func("/watch/offer-interleaved", test_offer_interleaved);
    g_test_add_func("/watch/legacy", test_legacy);
    g_test_add_func("/watch/retry", test_retry);
    g_test_add_func("/watch/silent", test_silent);
    g_test_add_func("/watch/steady-reason", test_steady_reason);
    g_test_add_func("/watch/parked", test_parked);
    g_test_add_func("/watch/stop", test_stop);
    g_test_add_func("/watch/views-retire", test_views_retire);
    g_test_add_func("/watch/counts-last", test_counts_last);
    g_test_add_func("/watch/exit-sees", test_exit_sees);
    return g_test_run();
}
