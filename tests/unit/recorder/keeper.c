/*
 * recorder/keeper: whatever becomes of the host's counter, 10 ms after it all
 * times are within 1 us of the truth, and their order is kept.
 *
 * Eight hours of suspend before the trace was on once made 10 s count as
 * 1.2 s; an hour of it while it was on put the times 47 minutes ahead for
 * hours; a counter that was reset made time run 2.5 times too fast for ever.
 *
 * The clocks are simulated, and so is the writer, who stamps a record every
 * 50 us.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/keeper.h"
#include "recorder/file.h"

#include <glib.h>
#include <math.h>
#include <string.h>

enum { ENTRIES = 262144, STEP_NS = 50000 };

#define MS 1e6
#define S 1e9
#define HOUR (3600 * S)

typedef struct Sim {
    double mono;                /* the truth, ns */
    double raw;
    double asleep;
    double counter;
    double ghz;                 /* counts a ns while awake */
    double slew;                /* mono runs so much faster than raw */
    double jitter_ns;
    bool trusted;
    GRand *random;

    ClockSource source;
    ClockKeeper keeper;
    ClockMap shared;
    EvringHead head;
    void *slots;
    Evring ring;
    double next_look;
    double late;                /* looks come so much later than asked for */
    double *truth;              /* of each record, by its number */
} Sim;

static double noise(Sim *sim)
{
    return g_rand_double_range(sim->random, -1, 1) * sim->jitter_ns;
}

static ClockKind kind_of(const Sim *sim)
{
    return (ClockKind)atomic_load(&sim->source.kind);
}

static ClockReading sim_read(Sim *sim, ClockKind kind)
{
    ClockReading reading = {
        .monotonic_ns = (uint64_t)(sim->mono + noise(sim)),
        .realtime_ns = (uint64_t)(sim->mono + sim->asleep),
        .raw_ns = (uint64_t)(sim->raw + noise(sim)),
        .asleep_ns = (uint64_t)(sim->asleep + fabs(noise(sim))),
        .width_ns = 100,
        .trusted = sim->trusted,
    };

    reading.counter = kind == CLOCK_KIND_TSC ? (uint64_t)sim->counter
                                             : reading.monotonic_ns;
    return reading;
}

static void pass(Sim *sim, double ns)
{
    sim->mono += ns;
    sim->raw += ns / (1 + sim->slew);
    sim->counter += ns / (1 + sim->slew) * sim->ghz;
}

static void look(Sim *sim)
{
    ClockReading reading = sim_read(sim, kind_of(sim));

    sim->next_look = sim->mono + sim->late +
                     (double)keeper_look(&sim->keeper, &reading);
}

static uint64_t stamp_now(const Sim *sim)
{
    return kind_of(sim) == CLOCK_KIND_TSC ?
           (uint64_t)sim->counter + atomic_load(&sim->source.tsc_offset) :
           (uint64_t)sim->mono + atomic_load(&sim->source.ns_offset);
}

static void record(Sim *sim)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&sim->ring, &seq);

    g_assert_nonnull(slot);
    g_assert_cmpuint(seq, <, ENTRIES);
    evring_put(slot, 0, stamp_now(sim));
    evring_commit(slot, seq);
    sim->truth[seq] = sim->mono;
}

static void run(Sim *sim, double ns)
{
    double end = sim->mono + ns;

    while (sim->mono < end) {
        pass(sim, STEP_NS);
        record(sim);
        if (sim->mono >= sim->next_look) {
            look(sim);
        }
    }
}

/* The same without records, for long times. */
static void idle(Sim *sim, double ns)
{
    double end = sim->mono + ns;

    while (sim->mono < end) {
        pass(sim, fmin(fmax(sim->next_look - sim->mono, 1), end - sim->mono));
        if (sim->mono >= sim->next_look) {
            look(sim);
        }
    }
}

static void sim_init(Sim *sim)
{
    memset(sim, 0, sizeof(*sim));
    sim->mono = 5 * HOUR;
    sim->raw = 5 * HOUR - 3 * S;
    sim->counter = 1e13;
    sim->ghz = 2.5;
    sim->jitter_ns = 40;
    sim->trusted = true;
    sim->random = g_rand_new_with_seed(5);
    sim->slots = aligned_alloc(64, (size_t)ENTRIES * evring_slot_size(1));
    memset(sim->slots, 0, (size_t)ENTRIES * evring_slot_size(1));
    evring_attach(&sim->ring, &sim->head, sim->slots, ENTRIES, 1);
    sim->truth = g_new0(double, ENTRIES);
}

/* Recording is turned on; @earlier is when the program began. */
static void begin(Sim *sim, const ClockReading *earlier, bool guest)
{
    ClockReading before = sim_read(sim, CLOCK_KIND_TSC);
    ClockReading now;

    pass(sim, 0.3 * MS);
    now = sim_read(sim, CLOCK_KIND_TSC);
    keeper_begin(&sim->keeper, &sim->source, CLOCK_KIND_TSC, &sim->shared,
                 earlier, &before, &now);
    keeper_set_ring(&sim->keeper, &sim->ring);
    sim->keeper.steady_ns = guest ? 5000000 : 1000000000;
    sim->next_look = sim->mono + MS;
}

static void begin_early(Sim *sim, bool guest)
{
    ClockReading earlier;

    sim_init(sim);
    earlier = sim_read(sim, CLOCK_KIND_TSC);
    pass(sim, 2 * S);
    begin(sim, &earlier, guest);
}

static void sim_deinit(Sim *sim)
{
    g_rand_free(sim->random);
    free(sim->slots);
    g_free(sim->truth);
}

static double ns_of(const Sim *sim, uint64_t seq)
{
    uint64_t stamp = 0;

    g_assert_cmpint(evring_read(&sim->ring, seq, &stamp), ==, EVRING_OK);
    g_assert_cmpuint(clock_map_ns(&sim->shared, stamp), ==,
                     clock_map_ns(&sim->keeper.map, stamp));
    return (double)clock_map_ns(&sim->keeper.map, stamp);
}

/* All records that were made since @since are this right, in their order. */
static void check_since(const Sim *sim, double since, double within)
{
    uint64_t head = evring_head(&sim->ring);
    double before = 0;
    uint64_t n = 0;
    uint64_t seq;

    for (seq = 1; seq <= head; seq++) {
        double ns = ns_of(sim, seq);

        if (ns < before) {
            g_error("record %" G_GUINT64_FORMAT " at %.0f is %.0f ns before "
                    "the last one", seq, sim->truth[seq], before - ns);
        }
        before = ns;
        if (sim->truth[seq] >= since) {
            n++;
            if (fabs(ns - sim->truth[seq]) > within) {
                g_error("record %" G_GUINT64_FORMAT ", %.3f ms after, is off "
                        "by %.0f ns", seq, (sim->truth[seq] - since) / MS,
                        ns - sim->truth[seq]);
            }
        }
    }
    g_assert_cmpuint(n, >, 10);
}

typedef struct Event {
    const char *name;
    double asleep;              /* ns; 0: awake all the time */
    double counter_goes_on;     /* share of the sleep that it counts */
    bool reset;                 /* the counter starts from 0 */
    double jump;                /* ns */
    double ghz;                 /* from then on; 0: as before */
    bool guest;                 /* nobody tells of it: steady looks find it */
    double all_within;          /* ns; also of the records just after it */
} Event;

static const Event events[] = {
    { "s2idle-1h", HOUR, 1, .all_within = 1000 },
    { "s2idle-8h", 8 * HOUR, 1, .all_within = 1000 },
    { "s2idle-short", 30 * MS, 1, .all_within = 1000 },
    { "s3-counter-reset", HOUR, 0, true, .all_within = 1000 },
    { "s3-counter-stood", HOUR, 0, .all_within = 1000 },
    { "s2idle-counter-stood-half", HOUR, 0.5, .all_within = 1000 },
    { "reset-short", 3 * S, 0, true, .all_within = 1000 },
    { "jumped-ahead", .jump = 3 * S, .guest = true, .all_within = 1000 },
    { "jumped-back", .jump = -3 * S, .guest = true, .all_within = 1000 },
    { "jumped-a-little-ahead", .jump = 0.1 * MS, .guest = true,
      .all_within = 0.11 * MS },
    { "jumped-a-little-back", .jump = -0.1 * MS, .guest = true,
      .all_within = 0.11 * MS },
    { "moved-faster", .jump = 700 * S, .ghz = 3.1, .guest = true,
      .all_within = 2 * MS },
    { "moved-slower", .jump = -700 * S, .ghz = 2.1, .guest = true,
      .all_within = 2 * MS },
    { "moved-in-sleep", 20 * S, 0, true, .ghz = 3.1, .all_within = MS },
    { "moved-same-count", .ghz = 2.6, .guest = true, .all_within = MS },
};

static void test_event(gconstpointer data)
{
    const Event *event = data;
    double happened;
    Sim sim;

    begin_early(&sim, event->guest);
    idle(&sim, 40 * S);
    run(&sim, 0.703 * S);
    happened = sim.mono;
    sim.asleep += event->asleep;
    sim.counter += event->asleep * event->counter_goes_on * sim.ghz;
    sim.counter += event->jump * sim.ghz;
    sim.counter = event->reset ? 5e6 : sim.counter;
    sim.ghz = event->ghz > 0 ? event->ghz : sim.ghz;
    if (!event->guest) {
        run(&sim, 2 * MS);      /* until it is told of */
        look(&sim);
    }
    run(&sim, 3 * S);
    check_since(&sim, happened, event->all_within);
    check_since(&sim, happened + 10 * MS, 1000);
    idle(&sim, 100 * S);
    run(&sim, 10 * MS);
    check_since(&sim, happened + 10 * MS, 1000);
    g_assert_cmpint(kind_of(&sim), ==, CLOCK_KIND_TSC);
    sim_deinit(&sim);
}

/* The program began, the host slept, and only then recording was begun. */
static void test_slept_before(void)
{
    ClockReading earlier;
    double begun;
    Sim sim;

    sim_init(&sim);
    earlier = sim_read(&sim, CLOCK_KIND_TSC);
    pass(&sim, 3 * S);
    sim.asleep += 8 * HOUR;
    sim.counter += 8 * HOUR * sim.ghz;
    pass(&sim, 3 * S);
    begin(&sim, &earlier, false);
    begun = sim.mono;
    run(&sim, 10 * S);
    check_since(&sim, begun, 2000);
    check_since(&sim, begun + 10 * MS, 1000);
    sim_deinit(&sim);
}

/* The counter was another one when the program began, and nobody slept. */
static void test_jumped_before(void)
{
    ClockReading earlier;
    double begun;
    Sim sim;

    sim_init(&sim);
    earlier = sim_read(&sim, CLOCK_KIND_TSC);
    pass(&sim, 3 * S);
    sim.counter += 100 * S;
    begin(&sim, &earlier, false);
    begun = sim.mono;
    run(&sim, 10 * S);
    check_since(&sim, begun + 10 * MS, 1000);
    sim_deinit(&sim);
}

/* Too little for the first look to see that the old rate is wrong. */
static void test_little_before(void)
{
    int slept;

    for (slept = 0; slept < 2; slept++) {
        ClockReading earlier;
        double begun;
        Sim sim;

        sim_init(&sim);
        earlier = sim_read(&sim, CLOCK_KIND_TSC);
        pass(&sim, 2 * S);
        sim.asleep += slept ? 4 * MS : 0;
        sim.counter += (slept ? 4 * MS : 0.5 * MS) * sim.ghz;
        begin(&sim, &earlier, false);
        begun = sim.mono;
        run(&sim, 10 * S);
        if (slept) {
            check_since(&sim, begun, 1000);
        }
        check_since(&sim, begun + 10 * MS, 1000);
        sim_deinit(&sim);
    }
}

/* On a loaded host looks come late; the map does not run past the clock. */
static void test_late_looks(void)
{
    double happened;
    Sim sim;

    begin_early(&sim, true);
    idle(&sim, 40 * S);
    run(&sim, 0.5 * S);
    sim.late = 20 * MS;
    happened = sim.mono;
    sim.ghz = 2.6;
    look(&sim);
    run(&sim, 2 * S);
    check_since(&sim, happened + 26 * MS, 1.2 * MS);
    check_since(&sim, happened + 52 * MS, 2000);
    sim_deinit(&sim);
}

/* Linux finds that the counter drifts, and so do we. */
static void test_left_for_clock(void)
{
    double happened;
    Sim sim;

    begin_early(&sim, false);
    idle(&sim, 40 * S);
    run(&sim, 0.5 * S);
    happened = sim.mono;
    sim.ghz = 1.3;
    sim.trusted = false;
    run(&sim, 2 * MS);
    look(&sim);
    g_assert_cmpint(kind_of(&sim), ==, CLOCK_KIND_NS);
    sim.ghz = 0.7;
    run(&sim, 2 * S);
    check_since(&sim, happened + 10 * MS, 1000);
    idle(&sim, 100 * S);
    run(&sim, 10 * MS);
    check_since(&sim, happened + 10 * MS, 1000);
    /* And a suspend is nothing to it. */
    sim.asleep += HOUR;
    sim.counter = 0;
    run(&sim, 1 * S);
    check_since(&sim, happened + 10 * MS, 1000);
    sim_deinit(&sim);
}

/* Nobody says so, but it runs now faster, now slower. */
static void test_wanders(void)
{
    double left;
    Sim sim;
    int i;

    begin_early(&sim, true);
    run(&sim, 0.5 * S);
    for (i = 0; i < 8; i++) {
        sim.ghz = i % 2 ? 2.5 : 1.2;
        run(&sim, 0.1 * S);
    }
    g_assert_cmpint(kind_of(&sim), ==, CLOCK_KIND_NS);
    left = sim.mono;
    for (i = 0; i < 10; i++) {
        sim.ghz = i % 2 ? 2.5 : 1.2;
        run(&sim, 0.1 * S);
    }
    check_since(&sim, left, 1000);
    sim_deinit(&sim);
}

/* A laptop's day: many suspends are no reason to leave the counter. */
static void test_many_suspends(void)
{
    double happened = 0;
    Sim sim;
    int i;

    begin_early(&sim, false);
    for (i = 0; i < 40; i++) {
        run(&sim, 0.1 * S);
        happened = sim.mono;
        sim.asleep += 5 * S;
        sim.counter = i % 3 ? sim.counter + 5 * S * sim.ghz : 0;
        run(&sim, 3 * MS);
        look(&sim);
        run(&sim, 7 * MS);
    }
    run(&sim, 0.1 * S);
    check_since(&sim, happened + 10 * MS, 1000);
    g_assert_cmpint(kind_of(&sim), ==, CLOCK_KIND_TSC);
    sim_deinit(&sim);
}

/* NTP makes the clock run faster: it is followed, and is no jump. */
static void test_slewed(void)
{
    double steered;
    Sim sim;

    begin_early(&sim, false);
    idle(&sim, 100 * S);
    sim.slew = 500e-6;
    run(&sim, 2 * S);
    g_assert_cmpuint(sim.keeper.n_breaks, ==, 0);
    g_assert_cmpint((gint64)atomic_load(&sim.source.tsc_offset), ==, 0);
    steered = sim.mono;
    run(&sim, 5 * S);
    check_since(&sim, steered, 1.1 * MS);
    sim.slew = 0;
    idle(&sim, 200 * S);
    steered = sim.mono;
    run(&sim, 0.5 * S);
    check_since(&sim, steered, 1000);
    g_assert_cmpuint(sim.keeper.n_breaks, ==, 0);
    sim_deinit(&sim);
}

/* Learned badly at first, and a rate that bends later. */
static void test_steers_back(void)
{
    ClockReading earlier;
    double begun;
    Sim sim;

    sim_init(&sim);
    earlier = sim_read(&sim, CLOCK_KIND_TSC);
    pass(&sim, 1 * MS);
    sim.jitter_ns = 100;
    begin(&sim, &earlier, false);
    begun = sim.mono;
    run(&sim, 0.1 * S);
    check_since(&sim, begun + 10 * MS, 1000);
    idle(&sim, 100 * S);
    sim.ghz = 2.5 * (1 + 1e-6);
    idle(&sim, 100 * S);
    begun = sim.mono;
    run(&sim, 0.5 * S);
    check_since(&sim, begun, 1500);
    g_assert_cmpuint(sim.keeper.n_breaks, ==, 0);
    sim_deinit(&sim);
}

/* What was told once is told again, whatever has come since. */
static void test_never_changes_the_past(void)
{
    double told[200];
    Sim sim;
    int i;

    begin_early(&sim, false);
    for (i = 0; i < 30; i++) {
        run(&sim, STEP_NS);
        told[i] = ns_of(&sim, (uint64_t)i + 1);
        idle(&sim, 0.7 * S);
        sim.slew = (i % 3) * 1e-6;
    }
    for (i = 0; i < 30; i++) {
        g_assert_cmpfloat(ns_of(&sim, (uint64_t)i + 1), ==, told[i]);
    }
    sim_deinit(&sim);
}

/* However far it is off, time goes forward, and at most a tenth slower. */
static void test_never_goes_back(void)
{
    static const double off[] = { 0.05 * S, 0.3 * S, 5 * S, -0.3 * S, -5 * S };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(off); i++) {
        uint64_t stamp;
        uint64_t before;
        double passed;
        double begun;
        Sim sim;
        int n;

        begin_early(&sim, false);
        idle(&sim, 40 * S);
        stamp = stamp_now(&sim);
        clock_map_append(&sim.keeper.map, stamp,
                         (uint64_t)(sim.mono + off[i]), sim.keeper.rate);
        look(&sim);
        before = clock_map_ns(&sim.keeper.map, stamp_now(&sim));
        begun = sim.mono;
        for (n = 0; n < 50; n++) {
            uint64_t now;

            idle(&sim, 0.1 * S);
            now = clock_map_ns(&sim.keeper.map, stamp_now(&sim));
            passed = (double)(now - before) / (0.1 * S);
            g_assert_cmpfloat(passed, >, 0.89);
            g_assert_cmpfloat(passed, <, 1.11);
            before = now;
        }
        /* And it comes nearer all the time. */
        g_assert_cmpfloat(fabs((double)before - sim.mono), <,
                          fabs(off[i]) * 0.95);
        g_assert_cmpfloat(sim.mono - begun, >, 4.9 * S);
        sim_deinit(&sim);
    }
}

/* A map that is right is left as it is: its segments last long. */
static void test_few_segments(void)
{
    uint64_t n;
    Sim sim;

    begin_early(&sim, true);
    sim.jitter_ns = 10;
    idle(&sim, 100 * S);
    n = atomic_load(&sim.keeper.map.n_segments);
    idle(&sim, 600 * S);
    g_assert_cmpuint(atomic_load(&sim.keeper.map.n_segments) - n, <, 20);
    sim_deinit(&sim);
}

/* A reading that was interrupted says nothing. */
static void test_interrupted_reading(void)
{
    ClockReading reading;
    Sim sim;

    begin_early(&sim, false);
    idle(&sim, 40 * S);
    reading = sim_read(&sim, CLOCK_KIND_TSC);
    reading.counter += 5000000;
    reading.width_ns = 4000000;
    g_assert_cmpuint(keeper_look(&sim.keeper, &reading), ==, 1000000);
    g_assert_cmpint((gint64)atomic_load(&sim.source.tsc_offset), ==, 0);
    run(&sim, 10 * MS);
    check_since(&sim, 0, 1000);
    sim_deinit(&sim);
}

/*
 * A writer took its stamp before the counter's offset was changed and hands
 * it over after that.
 */
static void test_late_record(void)
{
    EvringSlot *slot;
    double truth;
    uint64_t stamp;
    uint64_t seq;
    int back;
    Sim sim;

    for (back = 0; back < 2; back++) {
        begin_early(&sim, false);
        idle(&sim, 40 * S);
        run(&sim, 0.5 * S);
        sim.asleep += 20 * S;
        sim.counter = back ? 5e6 : sim.counter + 20 * S * sim.ghz;
        run(&sim, 2 * MS);
        stamp = stamp_now(&sim);
        truth = sim.mono;
        look(&sim);
        slot = evring_claim(&sim.ring, &seq);
        evring_put(slot, 0, stamp);
        evring_commit(slot, seq);
        sim.truth[seq] = truth;
        run(&sim, 20 * MS);
        check_since(&sim, truth - 2 * MS, 1000);
        sim_deinit(&sim);
    }
}

/* The memory of the shared map was lost, and is written anew. */
static void test_republish(void)
{
    Sim sim;

    begin_early(&sim, false);
    idle(&sim, 200 * S);
    run(&sim, 10 * MS);
    memset(&sim.shared, 0, sizeof(sim.shared));
    keeper_republish(&sim.keeper);
    check_since(&sim, 0, 2000);
    run(&sim, 3 * S);
    check_since(&sim, 0, 2000);
    sim_deinit(&sim);
}

/* The clocks of this host. */
static void test_host(void)
{
    static EvringHeader header;
    ClockKeeper keeper;
    ClockSource source;
    ClockReading reading;
    uint64_t before;
    uint64_t ns;
    uint64_t after;
    int i;

    clock_read(clock_host_kind(), &reading);
    recorder_begin_clock(&keeper, &source, &header, &reading);
    for (i = 0; i < 8; i++) {
        uint64_t wait_ns;

        clock_read((ClockKind)atomic_load(&source.kind), &reading);
        wait_ns = keeper_look(&keeper, &reading);
        g_usleep(MIN(wait_ns / 1000, 20000));
    }
    before = clock_now_ns();
    ns = clock_map_ns(&header.clock, clock_stamp(&source));
    after = clock_now_ns();
    /* Within some 100 ns on a quiet host; 100 us is far beyond that. */
    g_assert_cmpuint(ns + 100000, >, before);
    g_assert_cmpuint(ns, <, after + 100000);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(events); i++) {
        g_autofree char *path = g_strdup_printf("/recorder/keeper/%s",
                                                events[i].name);

        g_test_add_data_func(path, &events[i], test_event);
    }
    g_test_add_func("/recorder/keeper/slept-before", test_slept_before);
    g_test_add_func("/recorder/keeper/jumped-before", test_jumped_before);
    g_test_add_func("/recorder/keeper/little-before", test_little_before);
    g_test_add_func("/recorder/keeper/late-looks", test_late_looks);
    g_test_add_func("/recorder/keeper/left-for-clock", test_left_for_clock);
    g_test_add_func("/recorder/keeper/wanders", test_wanders);
    g_test_add_func("/recorder/keeper/many-suspends", test_many_suspends);
    g_test_add_func("/recorder/keeper/slewed", test_slewed);
    g_test_add_func("/recorder/keeper/steers-back", test_steers_back);
    g_test_add_func("/recorder/keeper/never-changes-the-past",
                    test_never_changes_the_past);
    g_test_add_func("/recorder/keeper/never-goes-back", test_never_goes_back);
    g_test_add_func("/recorder/keeper/few-segments", test_few_segments);
    g_test_add_func("/recorder/keeper/interrupted-reading",
                    test_interrupted_reading);
    g_test_add_func("/recorder/keeper/late-record", test_late_record);
    g_test_add_func("/recorder/keeper/republish", test_republish);
    g_test_add_func("/recorder/keeper/host", test_host);
    return g_test_run();
}
