/*
 * attach/host: see host.h.
 *
 * One lock keeps the engine's thread and those who ask for the status apart:
 * all of the engine, of the guest's memory and of the monitor is used with it.
 * While the thread sleeps, it does not have it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/host-internal.h"

#include "source/attach/monitor.h"
#include "source/attach/open.h"

#include "common/message.h"
#include "recorder/guard.h"
#include "winos/time.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const uint64_t second = 1000000000;

enum {
    RING_MAX = 64 << 20,        /* bytes, unless more was asked for */
    REGS_WAIT_MS = 200,
};

static const uint64_t retry_ns = 1000000000;

/* The lock.  The engine's thread lets others pass, as they come seldom. */

static void lock_for_status(AttachHost *host)
{
    atomic_fetch_add(&host->wanting, 1);
    pthread_mutex_lock(&host->lock);
    atomic_fetch_sub(&host->wanting, 1);
}

static void lock_for_turn(AttachHost *host)
{
    struct timespec moment = { 0, 20000 };

    while (atomic_load(&host->wanting) && !atomic_load(&host->stop)) {
        nanosleep(&moment, NULL);
    }
    pthread_mutex_lock(&host->lock);
}

static void unlock(AttachHost *host)
{
    pthread_mutex_unlock(&host->lock);
}

/* The engine's host. */

static unsigned host_vcpus(void *opaque, bool *present, unsigned max)
{
    AttachHost *host = opaque;
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < max; i++) {
        present[i] = i < host->max_vcpus && host->threads[i].tid;
        n += present[i];
    }
    return n;
}

static bool host_ask_regs(void *opaque, const bool *wanted, unsigned max)
{
    AttachHost *host = opaque;
    bool any = false;
    unsigned i;

    for (i = 0; i < host->max_vcpus; i++) {
        host->wanted[i] = i < max && wanted[i];
        any |= host->wanted[i];
    }
    host->asked = any;
    if (any) {
        attach_machine_ask_regs(host);
    }
    return any;
}

static unsigned host_collect_regs(void *opaque, WinosRegs *regs, unsigned max,
                                  unsigned wait_ms, bool *pending,
                                  uint64_t *longest_ns)
{
    AttachHost *host = opaque;
    unsigned n = 0;
    unsigned i;

    (void)longest_ns;           /* it cannot be told from here */
    /* Who waits at all has nothing to sample: old registers are no good. */
    wait_ms = wait_ms && wait_ms < REGS_WAIT_MS ? REGS_WAIT_MS : wait_ms;
    *pending = host->asked && !attach_machine_read_regs(host, wait_ms);
    if (!host->asked || *pending) {
        return 0;
    }
    host->asked = false;
    for (i = 0; i < host->n_regs && n < max; i++) {
        unsigned vcpu = host->regs[i].vcpu;

        if (vcpu < host->max_vcpus && host->wanted[vcpu]) {
            regs[n] = host->regs[i];
            attach_machine_add_kpcr(host, &regs[n++]);
        }
    }
    return n;
}

static void host_cancel_regs(void *opaque)
{
    AttachHost *host = opaque;

    host->asked = false;
}

static uint64_t host_now_ns(void *opaque)
{
    (void)opaque;
    return clock_now_ns();
}

static uint64_t host_stamp(void *opaque)
{
    AttachHost *host = opaque;

    return clock_stamp(&host->store.clock);
}

static uint64_t host_stamps_to_ns(void *opaque, uint64_t stamps)
{
    AttachHost *host = opaque;
    const ClockMap *map = &host->keeper.map;
    uint64_t now = clock_stamp(&host->store.clock);

    return clock_map_ns(map, now) - clock_map_ns(map, now - stamps);
}

static void host_sample(void *opaque, const uint64_t *gpas, uint64_t *threads,
                        bool *ok, unsigned n)
{
    AttachHost *host = opaque;

    attach_memory_sample(host->memory, gpas, threads, ok, n);
}

static const uint64_t *host_map(void *opaque, uint64_t gpa)
{
    AttachHost *host = opaque;

    return attach_memory_map(host->memory, gpa);
}

static void host_record(void *opaque, const WinschedSwitch *sw)
{
    AttachHost *host = opaque;
    SchedlogEvent event;

    watchlog_event(&event, sw);
    schedlog_store_record(&host->store, &event);
}

static void host_found(void *opaque, const WinosResult *result)
{
    AttachHost *host = opaque;
    SchedlogGuest guest;

    watchlog_guest(&guest, result, clock_stamp(&host->store.clock));
    schedlog_store_add_guest(&host->store, &guest);
    host->kernel = result->kernel;
    host->has_kernel = true;
}

static uint64_t host_cpu_wait_ns(void *opaque)
{
    (void)opaque;
    return watch_linux_wait_ns();
}

static const WatchHost watch_host = {
    .vcpus = host_vcpus,
    .ask_regs = host_ask_regs,
    .collect_regs = host_collect_regs,
    .cancel_regs = host_cancel_regs,
    .now_ns = host_now_ns,
    .stamp = host_stamp,
    .stamps_to_ns = host_stamps_to_ns,
    .sample = host_sample,
    .map = host_map,
    .record = host_record,
    .found = host_found,
    .cpu_wait_ns = host_cpu_wait_ns,
};

/* The thread. */

static bool has_ended(const AttachHost *host)
{
    return kill(host->opt.pid, 0) && errno == ESRCH;
}

/* Until @until_ns, or somebody wakes it, or QEMU ends. */
static void sleep_until(AttachHost *host, uint64_t until_ns)
{
    struct pollfd fds[] = {
        { host->wake, POLLIN, 0 }, { host->pidfd, POLLIN, 0 },
    };
    uint64_t now = clock_now_ns();
    uint64_t most = now + ATTACH_EVENTS_EVERY_NS;
    uint64_t left = until_ns <= now ? 0
        : (until_ns < most ? until_ns : most) - now;
    struct timespec wait = { (time_t)(left / second), (long)(left % second) };
    uint64_t count;

    if (ppoll(fds, 2, &wait, NULL) > 0 && fds[0].revents) {
        if (read(host->wake, &count, sizeof(count)) < 0) {
            return;             /* nothing was there after all */
        }
    }
    if (fds[1].revents || (host->pidfd < 0 && has_ended(host))) {
        atomic_store(&host->gone, true);
    }
}

/* Nobody can follow a ring whose file is gone. */
static void end_if_lost(AttachHost *host)
{
    if (ring_memory_is_lost(host->ring)) {
        ring_memory_end_lost(host->ring, clock_stamp(&host->store.clock),
                             &host->ring_lost);
        atomic_store(&host->lost, true);
    }
}

static void *engine(void *opaque)
{
    AttachHost *host = opaque;

    prctl(PR_SET_NAME, "vmscope-attach");
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (!atomic_load(&host->stop) && !atomic_load(&host->gone) &&
           !atomic_load(&host->lost)) {
        uint64_t next;

        lock_for_turn(host);
        next = watch_turn(host->watch);
        attach_machine_follow(host);
        end_if_lost(host);
        unlock(host);
        sleep_until(host, host->scanning ? 0 : next);
    }
    lock_for_turn(host);
    watch_stop(host->watch);
    schedlog_store_stop(&host->store);
    unlock(host);
    return NULL;
}

/* Beginning and end. */

static bool open_memory(AttachHost *host, Err *err)
{
    AttachAnswer answer;
    int error;

    if (!host->opt.qmp) {
        host->figures.blind = true;
        host->memory = attach_memory_new(host->opt.pid);
        host->has_kernel = attach_open_guess(host->memory, &host->process,
                                             &host->kernel, err);
        /* It may come yet; no right to look will not. */
        error = attach_memory_try(host->memory);
        if (!host->has_kernel && error) {
            attach_rights_explain(host->opt.pid, error, err);
        }
        return host->has_kernel || !error;
    }
    if (!attach_monitor_check(host->opt.qmp, err)) {
        return false;
    }
    host->memory = attach_memory_new(host->opt.pid);
    error = attach_memory_try(host->memory);
    if (error) {
        attach_rights_explain(host->opt.pid, error, err);
        return false;
    }
    host->asker = attach_asker_new(host->opt.pid, host->opt.qmp,
                                   ATTACH_MAX_VCPUS);
    host->figures.layout_queries++;
    if (!attach_asker_ask_now(host->asker, ATTACH_ASK_LAYOUT, &answer)) {
        *err = answer.err;
        attach_layout_free(&answer.layout);
        return false;
    }
    attach_machine_set_layout(host, &answer);
    host->next_layout_ns = clock_now_ns() + ATTACH_LAYOUT_EVERY_NS;
    error = attach_memory_try(host->memory);
    if (error) {
        attach_rights_explain(host->opt.pid, error, err);
    }
    return !error;
}

static unsigned count_present(const AttachHost *host)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < host->max_vcpus; i++) {
        n += host->threads[i].tid != 0;
    }
    return n;
}

static bool open_ring(AttachHost *host, Err *err)
{
    RecorderRun run = { .pid = (uint32_t)getpid(), .build_id = "" };
    char exe[512];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    unsigned n = count_present(host);
    uint64_t entries;
    ClockReading earlier;
    struct timespec moment = { 0, 10000000 };
    RingPlace place = { .what = "ring-file", .path = host->opt.ring_file };
    static bool guarded;

    exe[len > 0 ? len : 0] = '\0';
    run.exe = exe;
    run.n_vcpus = host->max_vcpus;
    entries = schedlog_entries(host->opt.entries, n);
    while (host->opt.entries == ATTACH_DEFAULT_ENTRIES &&
           schedlog_store_size(entries) > RING_MAX && entries > 1) {
        entries /= 2;
    }
    if (place.path && !guarded) {
        guard_init(NULL);
        guarded = true;
    }
    host->ring = ring_memory_new(&place, schedlog_store_size(entries), err);
    if (!host->ring) {
        return false;
    }
    /* For the TSC's rate. */
    clock_read(clock_host_kind(), &earlier);
    nanosleep(&moment, NULL);
    schedlog_store_init(&host->store, ring_memory_start(host->ring), entries, &run,
                        &host->keeper, &earlier);
    host->store.tables->poll_hz = host->opt.poll_hz;
    return ring_memory_publish(host->ring, err);
}

static unsigned count_vcpus(AttachHost *host)
{
    unsigned highest = 0;
    unsigned i;

    host->max_vcpus = ATTACH_MAX_VCPUS;
    attach_machine_read_vcpus_now(host);
    for (i = 0; i < host->max_vcpus; i++) {
        highest = host->threads[i].tid ? i + 1 : highest;
    }
    /* Room for some that are plugged in later. */
    return highest ? highest + 8 : 0;
}

static bool start_watch(AttachHost *host, Err *err)
{
    bool running = true;
    WatchConfig config = {
        .host = &watch_host,
        .opaque = host,
        .mem = attach_memory_guest(host->memory),
        .winos = host->opt.winos,
        .max_vcpus = host->max_vcpus,
        .poll_hz = host->opt.poll_hz,
        .dense_ms = host->opt.dense_ms,
        .retry_ns = retry_ns,
    };

    if (host->opt.qmp &&
        !attach_monitor_running(host->opt.qmp, &running, err)) {
        return false;
    }
    config.running = running;
    host->watch = watch_new(&config);
    if (!host->watch) {
        die_no_memory();
    }
    return true;
}

static bool start(AttachHost *host, Err *err)
{
    unsigned n;

    if (!attach_process_read(host->opt.pid, &host->process)) {
        err_set(err, ERR_IO, "process %d is not there, or no QEMU",
                (int)host->opt.pid);
        return false;
    }
    if (host->process.command.encrypted) {
        err_set(err, ERR_USAGE, "QEMU process %d: its guest's memory is "
                "encrypted, so nothing can be seen of it from outside",
                (int)host->opt.pid);
        return false;
    }
    if (!open_memory(host, err)) {
        return false;
    }
    n = count_vcpus(host);
    if (!n) {
        err_set(err, ERR_IO, "QEMU process %d shows no vCPU",
                (int)host->opt.pid);
        return false;
    }
    host->max_vcpus = n < ATTACH_MAX_VCPUS ? n : ATTACH_MAX_VCPUS;
    if (!open_ring(host, err) || !start_watch(host, err)) {
        return false;
    }
    if (host->opt.qmp) {
        qmp_on_event(host->opt.qmp, attach_machine_event, host);
    }
    if (pthread_create(&host->thread, NULL, engine, host)) {
        die_no_memory();
    }
    host->started = true;
    return true;
}

AttachHost *attach_host_start(const AttachOptions *options, Err *err)
{
    AttachHost *host = calloc(1, sizeof(*host));

    if (!host) {
        die_no_memory();
    }
    host->opt = *options;
    pthread_mutex_init(&host->lock, NULL);
    host->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    host->pidfd = (int)syscall(SYS_pidfd_open, options->pid, 0);
    host->wanted = calloc(ATTACH_MAX_VCPUS, sizeof(*host->wanted));
    host->regs = calloc(ATTACH_MAX_VCPUS, sizeof(*host->regs));
    host->threads = calloc(ATTACH_MAX_VCPUS, sizeof(*host->threads));
    host->scan = calloc(1, sizeof(*host->scan));
    host->ring_file = options->ring_file ? strdup(options->ring_file) : NULL;
    host->opt.ring_file = host->ring_file;
    if (!host->wanted || !host->regs || !host->threads || !host->scan) {
        die_no_memory();
    }
    if (!start(host, err)) {
        attach_host_free(host);
        return NULL;
    }
    return host;
}

void attach_host_stop(AttachHost *host)
{
    uint64_t one = 1;

    if (!host->started || host->stopped) {
        return;
    }
    host->stopped = true;
    atomic_store(&host->stop, true);
    if (write(host->wake, &one, sizeof(one)) < 0) {
        atomic_store(&host->stop, true);    /* it wakes soon by itself */
    }
    pthread_join(host->thread, NULL);
    if (host->opt.qmp) {
        qmp_on_event(host->opt.qmp, NULL, NULL);
    }
}

void attach_host_free(AttachHost *host)
{
    if (!host) {
        return;
    }
    attach_host_stop(host);
    attach_asker_free(host->asker);
    watch_free(host->watch);
    attach_memory_free(host->memory);
    ring_memory_free(host->ring);
    if (host->pidfd >= 0) {
        close(host->pidfd);
    }
    close(host->wake);
    pthread_mutex_destroy(&host->lock);
    free(host->wanted);
    free(host->regs);
    free(host->threads);
    free(host->scan);
    free(host->ring_file);
    free(host);
}

/* Asked by others. */

const AttachOptions *attach_host_options(const AttachHost *host)
{
    return &host->opt;
}

const char *attach_host_ring_lost(const AttachHost *host)
{
    return atomic_load(&host->lost) ? host->ring_lost.text : NULL;
}

const SchedlogStore *attach_host_store(const AttachHost *host)
{
    return &host->store;
}

unsigned attach_host_max_vcpus(const AttachHost *host)
{
    return host->max_vcpus;
}

bool attach_host_is_running(const AttachHost *host)
{
    return !host->stopped && !atomic_load(&host->gone);
}

void attach_host_figures(AttachHost *host, AttachFigures *figures)
{
    const AttachMemoryStats *stats;

    lock_for_status(host);
    stats = attach_memory_stats(host->memory);
    *figures = host->figures;
    figures->gone = atomic_load(&host->gone);
    figures->ram = attach_memory_layout(host->memory)->bytes;
    figures->mapped = stats->mapped_bytes;
    figures->pages = stats->pages;
    unlock(host);
}

void attach_host_status(AttachHost *host, WatchStatus *status)
{
    lock_for_status(host);
    watch_status(host->watch, status);
    unlock(host);
}

bool attach_host_vcpu(AttachHost *host, unsigned vcpu,
                      WatchVcpuStatus *status, AttachThread *thread)
{
    lock_for_status(host);
    watch_vcpu_status(host->watch, vcpu, status);
    *thread = host->threads[vcpu];
    unlock(host);
    if (thread->tid) {
        attach_thread_read(host->opt.pid, thread);
    }
    return status->present || status->begun || thread->tid;
}

static unsigned find_cpus(AttachHost *host, const WinosResult *result,
                          WinosCpu *cpus)
{
    int32_t idle = winos_offset(&result->layout, WINOS_PRCB_IDLE_THREAD);
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < host->max_vcpus; i++) {
        WatchVcpuStatus status;
        WinosCpu *cpu = &cpus[n];

        watch_vcpu_status(host->watch, i, &status);
        *cpu = (WinosCpu) {
            .vcpu = i, .kpcr = status.kpcr, .number = status.number,
        };
        if (status.known && winos_cpu_prcb(result, cpu->kpcr, &cpu->prcb) &&
            (idle < 0 || gmem_read_u64(&result->kernel.space,
                                       cpu->prcb + (uint64_t)idle,
                                       &cpu->idle_thread))) {
            n++;
        }
    }
    return n;
}

bool attach_host_doing(AttachHost *host, unsigned vcpu, uint64_t *counts)
{
    watch_ask_doing(host->watch);
    return vcpu < host->max_vcpus && watch_doing(host->watch, vcpu, counts);
}

bool attach_host_look(AttachHost *host,
                      void (*look)(void *opaque, const WinosResult *result,
                                   const WinosCpu *cpus, unsigned n_cpus),
                      void *opaque)
{
    WatchStatus *status = calloc(1, sizeof(*status));
    WinosCpu *cpus = calloc(host->max_vcpus, sizeof(*cpus));
    bool found;

    if (!status || !cpus) {
        die_no_memory();
    }
    lock_for_status(host);
    watch_status(host->watch, status);
    found = status->found;
    if (found) {
        gmem_fresh(status->result.kernel.space.mem);
        look(opaque, &status->result, cpus,
             find_cpus(host, &status->result, cpus));
    }
    unlock(host);
    free(cpus);
    free(status);
    return found;
}
