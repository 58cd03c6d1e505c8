/*
 * report-stats: see report-stats.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/stats.h"

#include "common/device-label.h"

#include "base/num.h"
#include "common/message.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STORM_NS = 10000000,
    STORM_EVENTS = 100,
};

/* Values of KTHREAD.State in which a thread could run and does not. */
enum { STATE_READY = 1, STATE_STANDBY = 3, STATE_WAITING = 5,
       STATE_DEFERRED_READY = 7 };

void report_stats_init(ReportStats *stats, uint64_t since_ns,
                       uint64_t until_ns, uint64_t window_ns)
{
    memset(stats, 0, sizeof(*stats));
    stats->since_ns = since_ns;
    stats->until_ns = until_ns;
    stats->window_ns = window_ns;
    stats->routes.window_ns = window_ns;
    stats->epoch = 1;
    trace_who_init(&stats->who);
    stats->lines = calloc(IRQLOG_MAX_LINES + 1, sizeof(*stats->lines));
    stats->matrix = calloc(REPORT_MATRIX_VCPUS * REPORT_MATRIX_VCPUS,
                           sizeof(*stats->matrix));
    if (!stats->lines || !stats->matrix) {
        die_no_memory();
    }
    stats->pairs = grow(NULL, 0, &stats->pairs_room, sizeof(*stats->pairs));
    stats->n_pairs = 1;
    stats->preemptions = grow(NULL, 0, &stats->preemptions_room,
                              sizeof(*stats->preemptions));
    stats->n_preemptions = 1;
}

void report_stats_free(ReportStats *stats)
{
    size_t i;

    for (i = 0; i <= IRQLOG_MAX_LINES; i++) {
        free(stats->lines[i].path);
        free(stats->lines[i].driven_by);
        free(stats->lines[i].device);
        free(stats->lines[i].label);
    }
    free(stats->lines);
    free(stats->matrix);
    free(stats->threads);
    free(stats->vcpus);
    free(stats->pairs);
    free(stats->preemptions);
    map_clear(&stats->by_preemption);
    map_clear(&stats->by_pair);
    map_clear(&stats->outer);
    report_routes_free(&stats->routes);
    trace_who_free(&stats->who);
}

/* Histograms. */

void histogram_add(Histogram *histogram, uint64_t ns)
{
    unsigned bucket = ns ? 63 - (unsigned)__builtin_clzll(ns) : 0;

    if (bucket >= REPORT_BUCKETS) {
        bucket = REPORT_BUCKETS - 1;
    }
    histogram->count[bucket]++;
    histogram->n++;
    histogram->sum_ns += ns;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

uint64_t histogram_below(const Histogram *histogram, double share)
{
    double wanted = share * (double)histogram->n;
    uint64_t bound;
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < REPORT_BUCKETS; i++) {
        n += histogram->count[i];
        if (n && (double)n >= wanted) {
            break;
        }
    }
    bound = (uint64_t)1 << (i + 1);
    return bound < histogram->max_ns ? bound : histogram->max_ns;
}

/* The part of the recording that is reported of. */

static uint64_t clip(const ReportStats *stats, uint64_t ns)
{
    if (ns < stats->begin_ns) {
        return stats->begin_ns;
    }
    return ns > stats->end_ns ? stats->end_ns : ns;
}

/* Of a span, what lies in it. */
static uint64_t span(const ReportStats *stats, uint64_t from, uint64_t to)
{
    from = clip(stats, from);
    to = clip(stats, to);
    return to > from ? to - from : 0;
}

/* Clocks of different CPUs may let an event come before the beginning. */
bool report_is_inside(const ReportStats *stats, uint64_t ns)
{
    return (ns >= stats->begin_ns || !stats->since_ns) && ns < stats->end_ns;
}

uint64_t report_n_exact(const ReportStats *stats)
{
    return stats->origins[SCHEDLOG_EXACT];
}

bool report_is_exact(const ReportStats *stats)
{
    uint64_t exact = report_n_exact(stats);

    return exact && stats->switches - exact <= stats->n_vcpus &&
           !stats->missed && !stats->sched_lost;
}

/* Threads and vCPUs. */

static ReportThread *thread_at(ReportStats *stats, uint32_t index)
{
    while (stats->n_threads <= index) {
        stats->threads = grow(stats->threads, stats->n_threads,
                              &stats->threads_room, sizeof(*stats->threads));
        stats->n_threads++;
    }
    return &stats->threads[index];
}

static ReportVcpu *vcpu_at(ReportStats *stats, unsigned index)
{
    while (stats->n_vcpus <= index) {
        stats->vcpus = grow(stats->vcpus, stats->n_vcpus, &stats->vcpus_room,
                            sizeof(*stats->vcpus));
        stats->n_vcpus++;
    }
    return &stats->vcpus[index];
}

static void see_vcpu(const ReportStats *stats, ReportVcpu *vcpu)
{
    if (!vcpu->seen) {
        vcpu->seen = true;
        vcpu->since_ns = stats->base_ns;
    }
}

/* A run is over: @whole, when both its ends were seen. */
static void count_run(ReportStats *stats, ReportThread *thread, bool idle,
                      uint64_t from, uint64_t to, bool whole)
{
    uint64_t ns = to - from;

    if (!whole || !report_is_inside(stats, from) ||
        !report_is_inside(stats, to)) {
        return;
    }
    thread->runs++;
    thread->runs_ns += ns;
    if (ns > thread->longest_ns) {
        thread->longest_ns = ns;
    }
    if (!idle) {
        histogram_add(&stats->runs, ns);
    }
}

/* The time of a vCPU up to @to goes to whom it belongs. */
static void settle(ReportStats *stats, ReportVcpu *vcpu, uint64_t to,
                   bool certain, bool whole)
{
    uint64_t ns = span(stats, vcpu->since_ns, to);
    ReportThread *thread;
    bool idle;

    if (!vcpu->thread) {
        vcpu->unknown_ns += ns;
        return;
    }
    thread = thread_at(stats, vcpu->thread);
    idle = trace_thread_may_be_idle(&stats->who.threads[vcpu->thread]);
    thread->time_ns += ns;
    if (!idle) {
        vcpu->busy_ns += ns;
    } else if (stats->who.threads[vcpu->thread].idle) {
        vcpu->idle_ns += ns;
    } else {
        vcpu->unknown_ns += ns;
    }
    if (!certain) {
        thread->uncertain_ns += ns;
        vcpu->uncertain_ns += ns;
    }
    if (to > vcpu->since_ns) {
        count_run(stats, thread, idle, vcpu->since_ns, to, certain && whole);
    }
}

/* Switches. */

/* Returns: the pair's index; 0 when there is no room for it */
static uint32_t count_preemption(ReportStats *stats, uint32_t thread,
                                 uint32_t by)
{
    uint64_t key = (uint64_t)thread << 32 | by;
    uint32_t found = map_get(&stats->by_preemption, key);

    if (!found && stats->n_preemptions > REPORT_MAX_PAIRS) {
        return 0;
    }
    if (!found) {
        stats->preemptions = grow(stats->preemptions, stats->n_preemptions,
                                  &stats->preemptions_room,
                                  sizeof(*stats->preemptions));
        found = (uint32_t)stats->n_preemptions++;
        stats->preemptions[found] = (ReportPreemption) {
            .thread = thread, .by = by,
        };
        map_put(&stats->by_preemption, key, found);
    }
    stats->preemptions[found].count++;
    return found;
}

static void count_preempted(ReportPreemption *preemption, uint64_t ns)
{
    preemption->waits++;
    preemption->waited_ns += ns;
    if (ns > preemption->max_ns) {
        preemption->max_ns = ns;
    }
}

/* The thread that left: whether it could run, or what it waits for. */
static void leave(ReportStats *stats, const ReportVcpu *vcpu, uint32_t next,
                  const SchedlogEvent *event)
{
    const TraceThread *who = &stats->who.threads[vcpu->thread];
    ReportThread *thread;

    if (!vcpu->thread || who->idle || !(event->has & SCHEDLOG_HAS_OLD) ||
        who->thread != event->old_thread || event->missed ||
        !(event->has & SCHEDLOG_HAS_OLD_STATE)) {
        return;
    }
    thread = thread_at(stats, vcpu->thread);
    thread->off_ns = event->time_ns;
    thread->epoch = stats->epoch;
    thread->off_ready = event->old_state == STATE_READY ||
                        event->old_state == STATE_STANDBY ||
                        event->old_state == STATE_DEFERRED_READY;
    thread->off_waits = event->old_state == STATE_WAITING &&
                        (event->has & SCHEDLOG_HAS_OLD_WAIT_REASON);
    thread->off_reason = event->old_wait_reason;
    thread->off_pair = 0;
    if (thread->off_ready && next && next != vcpu->thread &&
        !stats->who.threads[next].idle &&
        report_is_inside(stats, event->time_ns)) {
        thread->off_pair = count_preemption(stats, vcpu->thread, next);
    }
}

static void count_ready(ReportStats *stats, ReportThread *thread, uint64_t ns)
{
    histogram_add(&stats->ready, ns);
    thread->waits++;
    thread->waits_ns += ns;
    if (ns > thread->longest_wait_ns) {
        thread->longest_wait_ns = ns;
    }
}

static void count_wait(ReportWait *wait, uint64_t ns)
{
    wait->count++;
    wait->sum_ns += ns;
    if (ns > wait->max_ns) {
        wait->max_ns = ns;
    }
}

/*
 * Whether the thread may have run meanwhile, unseen: its own counter tells, or
 * else whether any vCPU had switches that were not seen.
 */
static bool may_have_run(const ReportStats *stats, const ReportThread *thread,
                         const SchedlogEvent *event)
{
    if (event->has & SCHEDLOG_HAS_SWITCHES && thread->has_count) {
        return event->switches - thread->count != 1;
    }
    return stats->missed_ns >= thread->off_ns && stats->missed_ns;
}

/* How long the thread that comes had been away, where that is known. */
static void come_back(ReportStats *stats, ReportThread *thread,
                      const SchedlogEvent *event)
{
    uint64_t off_ns = thread->off_ns;
    bool unseen = may_have_run(stats, thread, event);

    thread->off_ns = 0;
    thread->has_count = event->has & SCHEDLOG_HAS_SWITCHES;
    thread->count = event->switches;
    if (!off_ns || unseen || thread->epoch != stats->epoch || event->missed ||
        event->time_ns <= off_ns || !report_is_inside(stats, off_ns)) {
        return;
    }
    if (thread->off_ready) {
        count_ready(stats, thread, event->time_ns - off_ns);
        if (thread->off_pair) {
            count_preempted(&stats->preemptions[thread->off_pair],
                            event->time_ns - off_ns);
        }
    } else if (thread->off_waits) {
        count_wait(&stats->reasons[thread->off_reason],
                   event->time_ns - off_ns);
    }
}

static void count_move(ReportStats *stats, ReportThread *thread,
                       unsigned vcpu)
{
    unsigned from = thread->last_vcpu - 1;

    if (!thread->last_vcpu || from == vcpu) {
        return;
    }
    stats->moves++;
    thread->moves++;
    if (from < REPORT_MATRIX_VCPUS && vcpu < REPORT_MATRIX_VCPUS) {
        stats->matrix[from * REPORT_MATRIX_VCPUS + vcpu]++;
    }
}

static void arrive(ReportStats *stats, uint32_t index,
                   const SchedlogEvent *event)
{
    ReportThread *thread = thread_at(stats, index);
    bool idle = stats->who.threads[index].idle;

    if (report_is_inside(stats, event->time_ns)) {
        thread->switches++;
        stats->busy_switches += !idle;
        if (!idle) {
            count_move(stats, thread, event->vcpu);
        }
        come_back(stats, thread, event);
    }
    thread->last_vcpu = event->vcpu + 1u;
}

static void follow_irq(ReportStats *stats, uint32_t thread, uint64_t ns);

static void count_switch(ReportStats *stats, ReportVcpu *vcpu,
                         const SchedlogEvent *event)
{
    if (!report_is_inside(stats, event->time_ns)) {
        return;
    }
    stats->switches++;
    stats->origins[event->origin]++;
    vcpu->switches++;
    vcpu->missed += event->missed;
    stats->missed += event->missed;
    if (event->missed) {
        stats->missed_ns = event->time_ns;
    }
    stats->missed_known += (event->has & SCHEDLOG_HAS_MISSED) != 0;
}

static void take_switch(ReportStats *stats, const SchedlogEvent *event)
{
    ReportVcpu *vcpu = vcpu_at(stats, event->vcpu);
    uint32_t thread = trace_who_thread(&stats->who, event);

    see_vcpu(stats, vcpu);
    settle(stats, vcpu, event->time_ns, !event->missed, vcpu->begun);
    leave(stats, vcpu, thread, event);
    count_switch(stats, vcpu, event);
    if (thread) {
        arrive(stats, thread, event);
    }
    if (thread && thread != vcpu->thread &&
        !stats->who.threads[thread].idle) {
        follow_irq(stats, thread, event->time_ns);
        report_routes_switch(&stats->routes, event->vcpu, thread,
                             event->time_ns);
    }
    vcpu->thread = thread;
    vcpu->begun = true;
    if (event->time_ns > vcpu->since_ns) {
        vcpu->since_ns = event->time_ns;
    }
}

/* A file that begins in the middle says who was running. */
static void take_running(ReportStats *stats, const SchedlogEvent *event)
{
    ReportVcpu *vcpu = vcpu_at(stats, event->vcpu);

    see_vcpu(stats, vcpu);
    vcpu->thread = trace_who_thread(&stats->who, event);
    if (vcpu->thread) {
        thread_at(stats, vcpu->thread)->last_vcpu = event->vcpu + 1u;
    }
}

/* Switches are missing from @from on: who runs is not known any more. */
static void forget_vcpus(ReportStats *stats, uint64_t from)
{
    ReportVcpu *vcpu;
    size_t i;

    for (i = 0; i < stats->n_vcpus; i++) {
        vcpu = &stats->vcpus[i];
        if (vcpu->seen && vcpu->thread && from > vcpu->since_ns) {
            settle(stats, vcpu, from, true, false);
            vcpu->since_ns = from;
        }
        vcpu->thread = 0;
    }
    stats->epoch++;
}

static void forget_courses(ReportStats *stats)
{
    uint32_t id;

    for (id = 0; id <= IRQLOG_MAX_LINES; id++) {
        course_forget(&stats->lines[id].course);
    }
}

static void take_lost(ReportStats *stats, const TraceLost *lost)
{
    bool inside = lost->to_ns == 0 || lost->to_ns >= stats->begin_ns;

    inside = inside && lost->from_ns < stats->end_ns;
    if (lost->contents == TRACE_SCHED) {
        stats->sched_lost += inside ? lost->count : 0;
        forget_vcpus(stats, lost->from_ns);
    } else {
        stats->irq_lost += inside ? lost->count : 0;
        forget_courses(stats);
    }
}

/* The host's side. */

/* @part of @ns, added to @sum; sums stay at their greatest. */
static void add_part(uint64_t *sum, uint64_t ns, double part)
{
    *sum = num_add_capped(*sum, part < 1 ? (uint64_t)((double)ns * part) : ns);
}

static void take_host(ReportStats *stats, const TraceHost *host)
{
    uint64_t inside = span(stats, host->from_ns, host->to_ns);
    ReportVcpu *vcpu;
    double part;

    if (!inside) {
        return;
    }
    part = (double)inside / (double)(host->to_ns - host->from_ns);
    vcpu = vcpu_at(stats, host->vcpu);
    add_part(&vcpu->host_ns, inside, 1);
    add_part(&vcpu->host_run_ns, host->run_ns, part);
    add_part(&vcpu->host_wait_ns, host->wait_ns, part);
    if (host->wait_ns > vcpu->host_longest_ns) {
        vcpu->host_longest_ns = host->wait_ns;
    }
}

/* Where time went by Windows' own counters. */

static void take_ticks(ReportStats *stats, const TraceTicks *ticks)
{
    uint64_t inside = span(stats, ticks->from_ns, ticks->to_ns);
    ReportVcpu *vcpu;
    double part;
    unsigned i;

    if (!inside) {
        return;
    }
    part = (double)inside / (double)(ticks->to_ns - ticks->from_ns);
    vcpu = vcpu_at(stats, ticks->vcpu);
    for (i = 0; i < TRACE_N_TICKS; i++) {
        add_part(&vcpu->ticks[i], ticks->ticks[i], part);
    }
    add_part(&vcpu->tick_interrupts, ticks->interrupts, part);
    add_part(&vcpu->tick_dpcs, ticks->dpcs, part);
    add_part(&vcpu->ticks_ns, inside, 1);
    vcpu->tick_ns = ticks->tick_ns;
}

uint64_t report_ticks(const ReportVcpu *vcpu)
{
    uint64_t sum = 0;
    unsigned i;

    for (i = 0; i < TRACE_N_TICKS; i++) {
        sum = num_add_capped(sum, vcpu->ticks[i]);
    }
    return sum ? sum : 1;
}

bool report_has_ticks(const ReportStats *stats)
{
    size_t i;

    for (i = 0; i < stats->n_vcpus; i++) {
        if (stats->vcpus[i].ticks_ns) {
            return true;
        }
    }
    return false;
}

const char *report_tick_name(TraceTick part)
{
    static const char *const names[TRACE_N_TICKS] = {
        [TRACE_TICK_USER] = "user",
        [TRACE_TICK_KERNEL] = "kernel",
        [TRACE_TICK_DPC] = "dpc",
        [TRACE_TICK_INTERRUPT] = "interrupt",
        [TRACE_TICK_IDLE] = "idle",
    };

    return names[part];
}

uint64_t report_host_blocked(const ReportVcpu *vcpu)
{
    uint64_t used = num_add_capped(vcpu->host_run_ns, vcpu->host_wait_ns);

    return vcpu->host_ns > used ? vcpu->host_ns - used : 0;
}

bool report_has_host(const ReportStats *stats)
{
    size_t i;

    for (i = 0; i < stats->n_vcpus; i++) {
        if (stats->vcpus[i].host_ns) {
            return true;
        }
    }
    return false;
}

/* Interrupts. */

static void name_line(ReportLine *line, const TraceItem *item)
{
    const IrqlogLineInfo *info = item->line_info;
    char label[DEVICE_LABEL_MAX];

    if (line->label && !strcmp(line->path, info->path) &&
        !line->driven_by == !info->driven_by &&
        !line->device == !info->device) {
        return;
    }
    if (!line->path || strcmp(line->path, info->path)) {
        free(line->path);
        line->path = keep(info->path);
    }
    if (!line->driven_by && info->driven_by) {
        line->driven_by = keep(info->driven_by);
    }
    if (!line->device && info->device) {
        line->device = keep(info->device);
    }
    free(line->label);
    line->label = keep(device_label(info, label, sizeof(label)));
    line->kind = item->irq.kind;
    line->n = item->irq.n;
}

/* A window of 10 ms is over. */
static void close_window(ReportLine *line)
{
    bool storm = line->window_events >= STORM_EVENTS;

    if (storm) {
        line->storms += !line->in_storm;
        if (line->storms == 1 && !line->in_storm) {
            line->storm_first_ns = line->window_ns;
        }
        line->storm_events += line->window_events;
        line->storm_ns += STORM_NS;
    }
    line->in_storm = storm;
    line->window_events = 0;
}

static void count_storm(ReportLine *line, uint64_t ns)
{
    if (line->window_events && ns - line->window_ns >= STORM_NS) {
        close_window(line);
        line->in_storm = line->in_storm &&
                         ns - line->window_ns < 2 * STORM_NS;
    }
    if (!line->window_events) {
        line->window_ns = ns;
    }
    line->window_events++;
}

static ReportPending *pending_at(ReportStats *stats, unsigned i)
{
    return &stats->pending[(stats->first_pending + i) % REPORT_PENDING];
}

static void wait_for_thread(ReportStats *stats, uint32_t line, uint64_t ns)
{
    if (stats->n_pending == REPORT_PENDING) {
        stats->lines[pending_at(stats, 0)->line].passed++;
        stats->first_pending = (stats->first_pending + 1) % REPORT_PENDING;
        stats->n_pending--;
    }
    *pending_at(stats, stats->n_pending++) = (ReportPending) { line, ns };
}

/* Calls inside of another one come behind it, from the same host thread. */
static void count_depth(ReportStats *stats, uint32_t line,
                        const IrqlogEvent *event)
{
    uint32_t outer;

    if (event->depth == 0) {
        stats->lines[line].outermost++;
        if (stats->outer.used > IRQLOG_MAX_THREADS) {
            map_clear(&stats->outer);
        }
        map_set(&stats->outer, event->tid, line + 1);
        return;
    }
    outer = map_get(&stats->outer, event->tid);
    if (outer) {
        stats->lines[outer - 1].inner++;
    }
}

static void take_irq(ReportStats *stats, const TraceItem *item)
{
    const IrqlogEvent *event = &item->irq;
    ReportLine *line = &stats->lines[item->line];
    uint64_t ns = event->time_ns;
    int64_t high_ns;

    if (!report_is_inside(stats, ns)) {
        return;
    }
    stats->interrupts++;
    name_line(line, item);
    if (line->seen && ns > line->last_ns &&
        ns - line->last_ns > line->longest_gap_ns) {
        line->longest_gap_ns = ns - line->last_ns;
    }
    line->seen = true;
    line->last_ns = ns > line->last_ns ? ns : line->last_ns;
    line->events++;
    count_depth(stats, item->line, event);
    count_storm(line, line->last_ns);
    line->raised += event->level != 0;
    course_take(&line->course, event, &high_ns);
    report_routes_message(&stats->routes, item->line, event);
    /* What it is passed on to would only say the same again. */
    if (event->level && event->depth == 0) {
        wait_for_thread(stats, item->line, ns);
    }
}

/* From interrupt to thread. */

static void count_pair(ReportStats *stats, uint32_t line, uint32_t thread,
                       uint64_t ns)
{
    uint64_t key = (uint64_t)line << 32 | thread;
    uint32_t found = map_get(&stats->by_pair, key);
    ReportPair *pair;

    if (!found && stats->n_pairs > REPORT_MAX_PAIRS) {
        stats->pairs_refused++;
        return;
    }
    if (!found) {
        stats->pairs = grow(stats->pairs, stats->n_pairs, &stats->pairs_room,
                            sizeof(*stats->pairs));
        found = (uint32_t)stats->n_pairs++;
        stats->pairs[found].line = line;
        stats->pairs[found].thread = thread;
        map_put(&stats->by_pair, key, found);
    }
    pair = &stats->pairs[found];
    pair->count++;
    pair->sum_ns += ns;
    if (ns > pair->max_ns) {
        pair->max_ns = ns;
    }
}

/* The first switch to a thread behind an interrupt, if it comes in time. */
static void follow_irq(ReportStats *stats, uint32_t thread, uint64_t ns)
{
    unsigned kept = 0;
    unsigned i;

    for (i = 0; i < stats->n_pending; i++) {
        ReportPending pending = *pending_at(stats, i);

        if (pending.time_ns > ns) {
            *pending_at(stats, kept++) = pending;
        } else if (ns - pending.time_ns <= stats->window_ns) {
            histogram_add(&stats->lines[pending.line].after,
                          ns - pending.time_ns);
            count_pair(stats, pending.line, thread, ns - pending.time_ns);
        } else {
            stats->lines[pending.line].passed++;
        }
    }
    stats->n_pending = kept;
}

double report_chance(const ReportStats *stats)
{
    double ns = (double)(stats->end_ns - stats->begin_ns);

    if (ns <= 0) {
        return 0;
    }
    return 1 - exp(-(double)stats->busy_switches / ns *
                   (double)stats->window_ns);
}

/* The whole. */

/*
 * The same kernel is told of again when more of it is known, and when an
 * enablement package has given it another number.
 */
static void take_guest(ReportStats *stats, const SchedlogGuest *guest)
{
    stats->n_guests += !stats->has_guest ||
                       stats->guest.kernel_base != guest->kernel_base ||
                       stats->guest.kernel_timestamp !=
                       guest->kernel_timestamp ||
                       stats->guest.kernel_size != guest->kernel_size;
    stats->has_guest = true;
    stats->guest = *guest;
}

static void take_item(ReportStats *stats, const TraceItem *item)
{
    switch (item->type) {
    case TRACE_ITEM_SCHED:
        take_switch(stats, &item->sched);
        break;
    case TRACE_ITEM_RUNNING:
        take_running(stats, &item->sched);
        break;
    case TRACE_ITEM_IRQ:
        take_irq(stats, item);
        break;
    case TRACE_ITEM_LOST:
        take_lost(stats, &item->lost);
        break;
    case TRACE_ITEM_GUEST:
        take_guest(stats, &item->guest);
        break;
    case TRACE_ITEM_HOST:
        take_host(stats, &item->host);
        break;
    case TRACE_ITEM_PATH:
        trace_who_path(&stats->who, &item->path);
        break;
    case TRACE_ITEM_TICKS:
        take_ticks(stats, &item->ticks);
        break;
    case TRACE_ITEM_VECTOR:
        report_routes_vector(&stats->routes, &item->vector);
        break;
    case TRACE_ITEM_MARK:
        stats->mark = item->mark;
        stats->has_mark = true;
        break;
    default:
        break;
    }
}

/* When the recording ended, as well as the file tells. */
static uint64_t last_ns(const ReportStats *stats, uint64_t event_ns)
{
    uint64_t ns = event_ns;

    if (stats->has_mark && stats->mark.time_ns > ns) {
        ns = stats->mark.time_ns;
    }
    if (stats->has_end && stats->end.time_ns > ns) {
        ns = stats->end.time_ns;
    }
    return ns;
}

static void finish(ReportStats *stats, uint64_t event_ns)
{
    uint64_t ns = last_ns(stats, event_ns);
    ReportVcpu *vcpu;
    size_t i;

    stats->last_ns = ns;
    if (ns < stats->end_ns) {
        stats->end_ns = ns > stats->begin_ns ? ns : stats->begin_ns;
    }
    for (i = 0; i < stats->n_vcpus; i++) {
        vcpu = &stats->vcpus[i];
        if (vcpu->seen && stats->end_ns > vcpu->since_ns) {
            settle(stats, vcpu, stats->end_ns, true, false);
        }
    }
    for (i = 0; i <= IRQLOG_MAX_LINES; i++) {
        close_window(&stats->lines[i]);
    }
    for (i = 0; i < stats->n_pending; i++) {
        stats->lines[pending_at(stats, (unsigned)i)->line].passed++;
    }
    report_routes_finish(&stats->routes);
    thread_at(stats, (uint32_t)stats->who.n_threads - 1);
}

void report_stats_read(ReportStats *stats, TraceInput *input)
{
    const TraceItem *item;
    uint64_t event_ns = 0;

    stats->info = *trace_input_info(input);
    stats->base_ns = stats->info.monotonic_ns;
    stats->begin_ns = num_add_capped(stats->base_ns, stats->since_ns);
    stats->end_ns = num_add_capped(stats->base_ns, stats->until_ns);
    while ((item = trace_input_next(input))) {
        if (trace_item_ns(item) > event_ns) {
            event_ns = trace_item_ns(item);
        }
        take_item(stats, item);
    }
    stats->has_end = input->has_end;
    stats->end = input->end;
    finish(stats, event_ns);
}
