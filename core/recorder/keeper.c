/*
 * recorder/keeper: see keeper.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/keeper.h"

#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define MULT_ONE (UINT64_C(1) << 32)
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

enum {
    /* Readings of two clocks are this near each other. */
    JITTER_NS = 200,
    /* A map this near the true clock, and as steep, is left as it is. */
    TOLERANCE_NS = 100,
    TOLERANCE_DRIFT_NS = 20,    /* until the next look */
    /* A counter that is further off than this and its drift did jump. */
    JUMP_NS = 2000,
    DRIFT_PPM = 5,
    /* Looks after 1, 2, 4 ... 512 ms, until all is steady. */
    SETTLE_LOOKS = 10,
    /* So many jumps without a suspend within 10 s, and it is left. */
    BREAKS_MAX = 3,
    /* A reading that was interrupted is left out, but not for ever. */
    WIDE_NS = 20000,
    WIDE_MAX = 10,
    /* Records made while a break was mended, which are looked at later. */
    LATE_RECORDS = 256,
};

#define BREAKS_WITHIN (10 * SECOND)
#define ASLEEP_LEAST (2 * MS)
#define NEAR_NS (30 * SECOND)

/* A host that is itself a guest may move, which it is not told of. */
static bool is_guest(void)
{
#if defined(__x86_64__)
    unsigned eax, ebx, ecx, edx;

    /* Source: Intel SDM vol. 2A, CPUID 1 ECX bit 31, 0 on hardware. */
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & 1u << 31);
#else
    return false;
#endif
}

/* The rate. */

static uint64_t mult_of(uint64_t ns, uint64_t stamps)
{
    return (uint64_t)(((unsigned __int128)ns << 32) / stamps);
}

/* ns a stamp from @a to @b; 0 when they cannot tell. */
static uint64_t rate_between(const KeeperPoint *a, const KeeperPoint *b)
{
    if (b->stamp <= a->stamp || b->monotonic_ns <= a->monotonic_ns ||
        b->raw_ns <= a->raw_ns) {
        return 0;
    }
    return mult_of(b->monotonic_ns - a->monotonic_ns, b->stamp - a->stamp);
}

static bool is_near(uint64_t a, uint64_t b, uint64_t ppm)
{
    uint64_t difference = a > b ? a - b : b - a;

    return (unsigned __int128)difference * 1000000 <=
           (unsigned __int128)b * ppm;
}

/* How wrong a rate may be that was learned over so long. */
static uint64_t rate_ppm(uint64_t ns)
{
    return DRIFT_PPM + (ns ? JITTER_NS * 1000000 / ns : 1000000);
}

/* Stamps that go by in @ns. */
static uint64_t stamps_in(uint64_t ns, uint64_t rate)
{
    return (uint64_t)(((unsigned __int128)ns << 32) / rate);
}

static int64_t to_ns(int64_t stamps, uint64_t rate)
{
    return (int64_t)(((__int128)stamps * (__int128)rate) >> 32);
}

/* The long run tells better, unless what is newer contradicts it. */
static void learn_rate(ClockKeeper *keeper, const KeeperPoint *now)
{
    uint64_t fresh = rate_between(&keeper->fresh, now);
    uint64_t far = rate_between(&keeper->far, now);

    if (!fresh) {
        return;
    }
    if (!far || !is_near(far, fresh, 4 * rate_ppm(now->monotonic_ns -
                                                  keeper->fresh.monotonic_ns))) {
        keeper->far = keeper->fresh;
        keeper->near = keeper->fresh;
        far = fresh;
    }
    keeper->rate = far;
    keeper->raw_rate = mult_of(now->raw_ns - keeper->far.raw_ns,
                               now->stamp - keeper->far.stamp);
}

static void roll(ClockKeeper *keeper, const KeeperPoint *now)
{
    if (now->monotonic_ns - keeper->near.monotonic_ns > NEAR_NS) {
        keeper->far = keeper->near;
        keeper->near = *now;
        if (keeper->fresh.monotonic_ns < keeper->far.monotonic_ns) {
            keeper->fresh = keeper->far;
        }
    }
}

/* The map. */

static void append(ClockKeeper *keeper, uint64_t stamp, uint64_t ns,
                   uint64_t mult)
{
    clock_map_append(&keeper->map, stamp, ns, mult);
    clock_map_append(keeper->shared, stamp, ns, mult);
}

void keeper_republish(ClockKeeper *keeper)
{
    const ClockMap *from = &keeper->map;
    uint64_t n = atomic_load_explicit(&from->n_segments,
                                      memory_order_relaxed);
    uint64_t k = n > CLOCK_SEGMENTS ? n - CLOCK_SEGMENTS : 0;

    atomic_store_explicit(&keeper->shared->kind,
                          atomic_load_explicit(&from->kind,
                                               memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&keeper->shared->n_segments, k,
                          memory_order_relaxed);
    for (; k < n; k++) {
        const ClockSegment *segment = &from->segments[k % CLOCK_SEGMENTS];

        clock_map_append(keeper->shared,
                         atomic_load_explicit(&segment->base_stamp,
                                              memory_order_relaxed),
                         atomic_load_explicit(&segment->base_ns,
                                              memory_order_relaxed),
                         atomic_load_explicit(&segment->mult,
                                              memory_order_relaxed));
    }
}

static int64_t clamp(int64_t value, int64_t limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

/* The slope that makes up for @off_ns within @horizon_ns. */
static uint64_t slope(uint64_t rate, int64_t off_ns, uint64_t horizon_ns)
{
    return rate + (uint64_t)((__int128)rate * off_ns / (int64_t)horizon_ns);
}

static void load_segment(const ClockMap *map, uint64_t k, uint64_t *stamp,
                         uint64_t *ns, uint64_t *mult)
{
    const ClockSegment *segment = &map->segments[k % CLOCK_SEGMENTS];

    *stamp = atomic_load_explicit(&segment->base_stamp, memory_order_relaxed);
    *ns = atomic_load_explicit(&segment->base_ns, memory_order_relaxed);
    *mult = atomic_load_explicit(&segment->mult, memory_order_relaxed);
}

/* The segment that @ns lies in; the newest may begin later. */
static void find_by_ns(const ClockMap *map, uint64_t ns, uint64_t *base_stamp,
                       uint64_t *base_ns, uint64_t *mult)
{
    uint64_t n = atomic_load_explicit(&map->n_segments, memory_order_relaxed);
    unsigned i;

    for (i = 1; i < CLOCK_SEGMENTS && i <= n; i++) {
        load_segment(map, n - i, base_stamp, base_ns, mult);
        if ((int64_t)(ns - *base_ns) >= 0) {
            break;
        }
    }
}

/*
 * The next segment begins where the map has arrived, and is as steep as it
 * takes to meet the true clock at the next look.  While it settles, a map that
 * is behind is set forward at once, as it has been wrong for some ms and did
 * not drift; and one that is ahead goes straight on again when it has met the
 * clock, as the next look may be late.
 */
static void steer(ClockKeeper *keeper, const KeeperPoint *now,
                  uint64_t horizon_ns)
{
    uint64_t mapped_ns = clock_map_ns(&keeper->map, now->stamp);
    int64_t off_ns = (int64_t)(now->monotonic_ns - mapped_ns);
    int64_t drift_ns;
    int64_t part_ns;
    uint64_t stamp, ns, mult;
    bool is_right;

    find_by_ns(&keeper->map, mapped_ns, &stamp, &ns, &mult);
    drift_ns = (int64_t)((__int128)((int64_t)keeper->rate - (int64_t)mult) *
                         (int64_t)horizon_ns / (int64_t)keeper->rate);
    is_right = off_ns >= -TOLERANCE_NS && off_ns <= TOLERANCE_NS;
    if (is_right && drift_ns >= -TOLERANCE_DRIFT_NS &&
        drift_ns <= TOLERANCE_DRIFT_NS) {
        return;
    }
    if (!keeper->settle) {
        part_ns = is_right ? 0 : clamp(off_ns / 2, (int64_t)horizon_ns / 10);
        append(keeper, now->stamp, mapped_ns,
               slope(keeper->rate, part_ns, horizon_ns));
        return;
    }
    if (off_ns > 0) {
        append(keeper, now->stamp, now->monotonic_ns, keeper->rate);
        return;
    }
    horizon_ns = (uint64_t)-off_ns > horizon_ns / 2 ?
                 2 * (uint64_t)-off_ns : horizon_ns;
    append(keeper, now->stamp, mapped_ns,
           slope(keeper->rate, off_ns, horizon_ns));
    append(keeper, now->stamp + stamps_in(horizon_ns, keeper->rate),
           now->monotonic_ns + horizon_ns, keeper->rate);
}

/* Records. */

/* Returns: the slot of a record that is complete, and its stamp; or NULL. */
static EvringSlot *find_record(const Evring *ring, uint64_t seq,
                               uint64_t *stamp)
{
    EvringSlot *slot = evring_slot(ring, seq);

    /* Pairs with the release in evring_commit(). */
    if (atomic_load_explicit(&slot->state, memory_order_acquire) != 2 * seq) {
        return NULL;
    }
    *stamp = atomic_load_explicit(&slot->words[0], memory_order_relaxed);
    return slot;
}

/*
 * Where among the records since the look before did the counter leave its
 * course?  Where the stamps make their largest step: ahead by @surplus, less
 * what a faster counter has added since, or back.
 *
 * Returns: the first record behind the step, or one more than the newest;
 *          0 when there is no such step
 */
static uint64_t find_step(const ClockKeeper *keeper, int64_t surplus,
                          uint64_t now)
{
    int64_t window = (int64_t)(now - (uint64_t)surplus - keeper->last.stamp);
    int64_t least = window < surplus / 2 ? surplus - window : surplus / 2;
    int64_t sign = surplus > 0 ? 1 : -1;
    int64_t largest = surplus > 0 ? least - 1 : 0;
    uint64_t newest = keeper->last.stamp;
    uint64_t found = 0;
    uint64_t oldest;
    uint64_t head;
    uint64_t stamp;
    uint64_t seq;

    if (!keeper->ring) {
        return 1;
    }
    head = evring_head(keeper->ring);
    oldest = evring_oldest(keeper->ring);
    seq = keeper->last_head + 1;
    for (seq = seq > oldest ? seq : oldest; seq <= head + 1; seq++) {
        if (seq > head) {
            stamp = now;
        } else if (!find_record(keeper->ring, seq, &stamp)) {
            continue;
        }
        if ((int64_t)(stamp - newest) * sign > largest) {
            largest = (int64_t)(stamp - newest) * sign;
            found = seq;
        }
        newest = sign < 0 || (int64_t)(stamp - newest) > 0 ? stamp : newest;
    }
    return found;
}

/* What a stamp would have been, had the counter gone straight on. */
static uint64_t corrected(const KeeperBreak *b, uint64_t stamp, uint64_t rate)
{
    int64_t distance = (int64_t)(stamp - (b->now + (uint64_t)b->surplus));

    return b->now + (uint64_t)((__int128)distance * (__int128)rate /
                               (__int128)b->rate);
}

/* Of a record made just then: is it by the old offset, and not the new? */
static bool is_by_old_offset(const KeeperBreak *b, uint64_t stamp,
                             uint64_t now)
{
    return b->surplus > 0 ? (int64_t)(stamp - now) > b->surplus / 2
                          : (int64_t)(stamp - b->now) < b->surplus / 2;
}

/*
 * At the look after the break, when the new rate is known, and records that
 * were being made are complete.  A record whose slot is taken meanwhile has
 * another stamp by then, and the exchange fails.
 */
static void correct_records(ClockKeeper *keeper, uint64_t now)
{
    const KeeperBreak *b = &keeper->last_break;
    uint64_t head = evring_head(keeper->ring);
    uint64_t oldest = evring_oldest(keeper->ring);
    uint64_t seq = b->first_seq > oldest ? b->first_seq : oldest;
    EvringSlot *slot;
    uint64_t stamp;

    for (; seq <= head && seq <= b->last_seq + LATE_RECORDS; seq++) {
        slot = find_record(keeper->ring, seq, &stamp);
        if (slot && (seq <= b->last_seq || is_by_old_offset(b, stamp, now))) {
            atomic_compare_exchange_strong_explicit(
                &slot->words[0], &stamp, corrected(b, stamp, keeper->rate),
                memory_order_relaxed, memory_order_relaxed);
        }
    }
}

/* Breaks. */

static _Atomic uint64_t *offset_of(ClockKeeper *keeper)
{
    return keeper_kind(keeper) == CLOCK_KIND_TSC ? &keeper->source->tsc_offset
                                             : &keeper->source->ns_offset;
}

static KeeperPoint point_of(ClockKeeper *keeper, const ClockReading *reading)
{
    KeeperPoint point = {
        .stamp = reading->counter +
                 atomic_load_explicit(offset_of(keeper),
                                      memory_order_relaxed),
        .monotonic_ns = reading->monotonic_ns,
        .raw_ns = reading->raw_ns,
    };

    return point;
}

/* Did the counter not go straight on since the look before? */
static bool has_jumped(const ClockKeeper *keeper, const ClockReading *reading,
                       const KeeperPoint *now)
{
    uint64_t elapsed = now->raw_ns - keeper->last.raw_ns;
    uint64_t learned = keeper->last.raw_ns - keeper->far.raw_ns;
    int64_t surplus = (int64_t)(now->stamp - keeper->last.stamp -
                                stamps_in(elapsed, keeper->raw_rate));
    int64_t off_ns = to_ns(surplus, keeper->raw_rate);
    int64_t most = (int64_t)(JUMP_NS + reading->width_ns +
                             elapsed * rate_ppm(learned) / 1000000);

    return off_ns > most || off_ns < -most;
}

/* Where the stamp would be had it gone straight on, and no less. */
static uint64_t stamp_wanted(const ClockKeeper *keeper, const KeeperPoint *now)
{
    uint64_t straight = keeper->last.stamp +
                        stamps_in(now->monotonic_ns -
                                  keeper->last.monotonic_ns, keeper->rate);
    uint64_t stamp, ns, mult;

    find_by_ns(&keeper->map, now->monotonic_ns, &stamp, &ns, &mult);
    if ((int64_t)(now->monotonic_ns - ns) > 0) {
        stamp += stamps_in(now->monotonic_ns - ns, mult ? mult : MULT_ONE);
    }
    return (int64_t)(stamp - straight) > 0 ? stamp : straight;
}

static void begin_settling(ClockKeeper *keeper, const KeeperPoint *now)
{
    keeper->fresh = *now;
    keeper->far = *now;
    keeper->near = *now;
    keeper->settle = SETTLE_LOOKS;
}

/*
 * Makes up for the difference; @now becomes what the reading means then.
 * Stamps that ran ahead without a step stay: there is no telling which, and
 * the map will wait for the clock.
 */
static void mend_break(ClockKeeper *keeper, KeeperPoint *now)
{
    uint64_t wanted = stamp_wanted(keeper, now);
    int64_t surplus = (int64_t)(now->stamp - wanted);
    int64_t off_ns = to_ns(surplus, keeper->rate);
    uint64_t last = keeper->ring ? evring_head(keeper->ring) : 0;
    uint64_t first = find_step(keeper, surplus, now->stamp);

    if ((off_ns <= JUMP_NS && off_ns >= -JUMP_NS) ||
        (surplus > 0 && !first)) {
        return;
    }
    keeper->last_break = (KeeperBreak){
        .surplus = surplus,
        .now = wanted,
        .rate = keeper->rate,
        .first_seq = first ? first : last + 1,
        .last_seq = last,
    };
    atomic_fetch_sub_explicit(offset_of(keeper), (uint64_t)surplus,
                              memory_order_relaxed);
    now->stamp = wanted;
    keeper->to_correct = keeper->ring != NULL;
}

/* From here on a stamp is a nanosecond. */
static void leave_counter(ClockKeeper *keeper, KeeperPoint *now)
{
    atomic_store_explicit(&keeper->source->ns_offset,
                          now->stamp - now->monotonic_ns,
                          memory_order_relaxed);
    /* Pairs with the acquire in clock_stamp(): the offset first. */
    atomic_store_explicit(&keeper->source->kind, CLOCK_KIND_NS,
                          memory_order_release);
    keeper->rate = MULT_ONE;
    append(keeper, now->stamp, clock_map_ns(&keeper->map, now->stamp),
           MULT_ONE);
    begin_settling(keeper, now);
}

/* Returns: whether this counter is to be used no longer. */
static bool note_break(ClockKeeper *keeper, const ClockReading *reading,
                       bool slept)
{
    if (slept) {
        return false;
    }
    if (reading->monotonic_ns - keeper->breaks_ns > BREAKS_WITHIN) {
        keeper->breaks_ns = reading->monotonic_ns;
        keeper->n_breaks = 0;
    }
    return ++keeper->n_breaks >= BREAKS_MAX;
}

static uint64_t next_look(ClockKeeper *keeper)
{
    if (keeper->settle) {
        return MS << (SETTLE_LOOKS - keeper->settle--);
    }
    return keeper->steady_ns;
}

/* Steady maps are steered once a second, however often they are looked at. */
static uint64_t go_on(ClockKeeper *keeper, const KeeperPoint *now)
{
    bool settling = keeper->settle > 0;
    uint64_t next = next_look(keeper);
    uint64_t horizon = settling ? next : SECOND;

    if (settling || now->monotonic_ns + MS >= keeper->steer_ns) {
        learn_rate(keeper, now);
        steer(keeper, now, horizon);
        roll(keeper, now);
        keeper->steer_ns = now->monotonic_ns + horizon;
    }
    return next;
}

/* Just after a break its rate is to be learned, and may be another. */
static bool knows_rate(const ClockKeeper *keeper)
{
    return keeper->settle != SETTLE_LOOKS - 1;
}

static void check_counter(ClockKeeper *keeper, const ClockReading *reading,
                          KeeperPoint *now)
{
    bool slept = reading->asleep_ns > keeper->asleep_ns + ASLEEP_LEAST;
    bool leave = !reading->trusted;

    if (slept || (knows_rate(keeper) && has_jumped(keeper, reading, now))) {
        mend_break(keeper, now);
        begin_settling(keeper, now);
        leave |= note_break(keeper, reading, slept);
    }
    if (leave) {
        leave_counter(keeper, now);
    }
}

uint64_t keeper_look(ClockKeeper *keeper, const ClockReading *reading)
{
    KeeperPoint now = point_of(keeper, reading);
    uint64_t next;
    bool correct;

    if (atomic_load_explicit(&keeper->map.kind, memory_order_relaxed) ==
        CLOCK_KIND_NS) {
        return 10 * SECOND;
    }
    if (reading->width_ns > WIDE_NS && keeper->n_wide++ < WIDE_MAX) {
        return MS;
    }
    keeper->n_wide = 0;
    correct = keeper->to_correct;
    keeper->to_correct = false;
    if (keeper_kind(keeper) == CLOCK_KIND_TSC) {
        check_counter(keeper, reading, &now);
    }
    keeper->asleep_ns = reading->asleep_ns;
    keeper->last = now;
    keeper->last_head = keeper->ring ? evring_head(keeper->ring) : 0;
    next = go_on(keeper, &now);
    if (correct) {
        correct_records(keeper, now.stamp);
    }
    return next;
}

void keeper_set_ring(ClockKeeper *keeper, const Evring *ring)
{
    keeper->ring = ring;
    keeper->last_head = evring_head(ring);
}

void keeper_begin(ClockKeeper *keeper, ClockSource *source, ClockKind kind,
                  ClockMap *shared, const ClockReading *earlier,
                  const ClockReading *before, const ClockReading *now)
{
    KeeperPoint point;

    memset(keeper, 0, sizeof(*keeper));
    memset(source, 0, sizeof(*source));
    keeper->source = source;
    keeper->shared = shared;
    atomic_store_explicit(&source->kind, kind, memory_order_relaxed);
    atomic_store_explicit(&keeper->map.kind, kind, memory_order_relaxed);
    atomic_store_explicit(&shared->kind, kind, memory_order_relaxed);
    keeper->asleep_ns = now->asleep_ns;
    point = point_of(keeper, now);
    begin_settling(keeper, &point);
    keeper->last = point;
    keeper->fresh = point_of(keeper, before);
    keeper->rate = MULT_ONE;
    keeper->raw_rate = MULT_ONE;
    keeper->steady_ns = is_guest() ? 5 * MS : SECOND;
    if (kind == CLOCK_KIND_TSC) {
        keeper->far = keeper->fresh;
        if (now->asleep_ns < earlier->asleep_ns + ASLEEP_LEAST) {
            keeper->far = point_of(keeper, earlier);
        }
        keeper->near = point;
        learn_rate(keeper, &point);
    }
    append(keeper, point.stamp, point.monotonic_ns, keeper->rate);
}
