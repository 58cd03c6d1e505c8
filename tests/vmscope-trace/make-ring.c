/*
 * make-ring: be a QEMU that records a made-up guest into ring files.
 *
 *   make-ring [sched=FILE] [irq=FILE] [events=N] [entries=N] [rate=N]
 *             [vcpus=N] [stop=0] [hold=MS] [irqs-after=MS] [base=N]
 *
 * Prints "ready" when the files stand.  Then waits for a byte on standard
 * input, writes the events, @rate a second (0: at once), and marks the rings
 * as stopped unless stop=0; hold=MS: lives on for so long before it ends;
 * irqs-after=MS: a last interrupt so long after the end of the switches;
 * base=N: load base of the program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "scene.h"

#include "irqlog/store.h"
#include "schedlog/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef struct Options {
    const char *sched;
    const char *irq;
    uint64_t events;
    uint64_t entries;
    uint64_t rate;
    uint64_t hold_ms;
    uint64_t irqs_after_ms;
    uint64_t base;
    unsigned vcpus;
    bool stop;
} Options;

typedef struct Rings {
    SchedlogStore sched;
    IrqlogStore irq;
    ClockKeeper sched_keeper;
    ClockKeeper irq_keeper;
} Rings;

static void fail(const char *what)
{
    fprintf(stderr, "make-ring: %s\n", what);
    exit(1);
}

static void *map_new(const char *path, uint64_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    void *mem = MAP_FAILED;

    if (fd >= 0 && !ftruncate(fd, (off_t)size)) {
        mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (mem == MAP_FAILED) {
        fail("cannot make a ring file");
    }
    close(fd);
    return mem;
}

static void read_option(Options *opt, char *arg)
{
    char *value = strchr(arg, '=');
    uint64_t number;

    if (!value) {
        fail("options are NAME=VALUE");
    }
    *value++ = '\0';
    number = strtoull(value, NULL, 0);
    if (!strcmp(arg, "sched")) {
        opt->sched = value;
    } else if (!strcmp(arg, "irq")) {
        opt->irq = value;
    } else if (!strcmp(arg, "events")) {
        opt->events = number;
    } else if (!strcmp(arg, "entries")) {
        opt->entries = number;
    } else if (!strcmp(arg, "rate")) {
        opt->rate = number;
    } else if (!strcmp(arg, "hold")) {
        opt->hold_ms = number;
    } else if (!strcmp(arg, "irqs-after")) {
        opt->irqs_after_ms = number;
    } else if (!strcmp(arg, "base")) {
        opt->base = number;
    } else if (!strcmp(arg, "vcpus") && number &&
               number <= SCENE_MAX_VCPUS) {
        opt->vcpus = (unsigned)number;
    } else if (!strcmp(arg, "stop")) {
        opt->stop = number != 0;
    } else {
        fail("what is that option?");
    }
}

static void make_sched(Rings *rings, const Options *opt,
                       const ClockReading *earlier, const char *exe)
{
    RecorderRun run = {
        .pid = (uint32_t)getpid(),
        .n_vcpus = opt->vcpus,
        .load_base = opt->base,
        .build_id = "6c1f2e0011223344",
        .exe = exe,
    };
    SchedlogGuest guest;

    schedlog_store_init(&rings->sched,
                        map_new(opt->sched,
                                schedlog_store_size(opt->entries)),
                        opt->entries, &run, &rings->sched_keeper, earlier);
    scene_guest(&guest);
    guest.since_stamp = clock_stamp(&rings->sched.clock);
    schedlog_store_add_guest(&rings->sched, &guest);
    rings->sched.tables->poll_hz = 1000;
}

static void make_irq(Rings *rings, const Options *opt,
                     const ClockReading *earlier, const char *exe)
{
    static const IrqlogObjectInfo object = {
        0x7f0000000000, 0x7f0000001000, 0x7f0000002000, "5a3c", "/lib/c.so",
    };
    RecorderRun run = {
        .pid = (uint32_t)getpid(),
        .load_base = opt->base,
        .build_id = "6c1f2e0011223344",
        .exe = exe,
    };
    unsigned i;

    irqlog_store_init(&rings->irq,
                      map_new(opt->irq, irqlog_store_size(opt->entries, 2)),
                      opt->entries, 2, &run, &rings->irq_keeper, earlier);
    irqlog_store_add_object(&rings->irq, &object);
    for (i = 0; i < SCENE_N_LINES; i++) {
        irqlog_store_add_line(&rings->irq, &scene_lines[i], 0);
    }
    for (i = 0; i < SCENE_N_HOST_THREADS; i++) {
        irqlog_store_add_thread(&rings->irq, &scene_host_threads[i]);
    }
}

static void record_irq(Rings *rings, const SceneEvent *event)
{
    static const uint64_t frames[] = { 0x55fe0f1a4d11, 0x55fe0f2b0010 };
    const IrqlogEvent *irq = &event->irq;
    IrqlogCall call = {
        .caller = irq->caller,
        .level = irq->level,
        .tid = irq->tid,
        .line = event->line,
        .thread = (uint16_t)event->host_thread,
        .depth = (uint8_t)irq->depth,
        .n_backtrace = 2,
        .flags = irq->has_msi ? IRQLOG_FLAG_MSI : 0,
        .msi_data = irq->msi_data,
        .msi_address = irq->msi_address,
        .backtrace = frames,
    };

    irqlog_store_record(&rings->irq, &call);
}

/* Let so much time pass that events come at the rate wished for. */
static void keep_pace(const Options *opt, uint64_t begin_ns, uint64_t i)
{
    uint64_t due_ns;
    struct timespec ts;

    if (!opt->rate || i % 64) {
        return;
    }
    due_ns = begin_ns + i * 1000000000 / opt->rate;
    ts.tv_sec = (time_t)(due_ns / 1000000000);
    ts.tv_nsec = (long)(due_ns % 1000000000);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) ==
           EINTR) {
    }
}

static void write_events(Rings *rings, const Options *opt)
{
    static Scene scene;
    SceneOptions scene_options = { .n_vcpus = opt->vcpus, .n_threads = 40,
                                   .seed = 1 };
    uint64_t begin_ns = clock_now_ns();
    SceneEvent event;
    uint64_t i;

    scene_options.begin_ns = begin_ns;
    scene_init(&scene, &scene_options);
    for (i = 0; i < opt->events; i++) {
        keep_pace(opt, begin_ns, i);
        scene_next(&scene, &event);
        if (event.kind == SCENE_SCHED && opt->sched) {
            event.sched.stamp = clock_stamp(&rings->sched.clock);
            schedlog_store_record(&rings->sched, &event.sched);
        } else if (event.kind == SCENE_IRQ && opt->irq) {
            record_irq(rings, &event);
        }
    }
}

static void wait_for_start(void)
{
    char byte;

    puts("ready");
    fflush(stdout);
    if (read(STDIN_FILENO, &byte, 1) != 1) {
        fail("nobody said go");
    }
}

static void finish(Rings *rings, const Options *opt)
{
    static const SceneEvent last = { .irq = { .level = 1, .tid = 4711 } };

    if (opt->stop && opt->sched) {
        schedlog_store_stop(&rings->sched);
    }
    if (opt->irqs_after_ms && opt->irq) {
        poll(NULL, 0, (int)opt->irqs_after_ms);
        record_irq(rings, &last);
    }
    if (opt->stop && opt->irq) {
        irqlog_store_stop(&rings->irq);
    }
    puts("done");
    fflush(stdout);
    poll(NULL, 0, (int)opt->hold_ms);
}

int main(int argc, char **argv)
{
    static Rings rings;
    Options opt = { .events = 2000, .entries = 65536, .vcpus = 4,
                    .base = 0x55fe0ec00000, .stop = true };
    ClockReading earlier;
    char exe[512] = "";
    int i;

    for (i = 1; i < argc; i++) {
        read_option(&opt, argv[i]);
    }
    if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0) {
        fail("cannot tell who I am");
    }
    clock_read(clock_host_kind(), &earlier);
    poll(NULL, 0, 10);
    if (opt.sched) {
        make_sched(&rings, &opt, &earlier, exe);
    }
    if (opt.irq) {
        make_irq(&rings, &opt, &earlier, exe);
    }
    wait_for_start();
    write_events(&rings, &opt);
    finish(&rings, &opt);
    return 0;
}
