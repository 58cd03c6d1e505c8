/*
 * make-trace: write a recording of a made-up guest.
 *
 *   make-trace FILE [events=N] [vcpus=N] [threads=N] [seed=N] [hostile=1]
 *              [nasty=1] [missed=1] [lost=1] [end=0] [irq=0] [sched=0]
 *              [part=N] [script=1]
 *
 * nasty=1 takes all names from tests/fixtures/nasty-names.txt: a process and
 * its threads each, and some lines and host threads, others with another seed.
 *
 * lost=1 leaves 50 switches and 20 interrupts out in the middle, and says so;
 * end=0 leaves the file as if its writer had been killed.  script=1 writes
 * what standard input says instead (script.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "scene.h"
#include "script.h"
#include "tracefile/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 256 };

static const uint64_t begin_ns = 12508130441000;

typedef struct Options {
    SceneOptions scene;
    uint64_t events;
    bool lost;
    bool end;
    bool script;
    uint32_t contents;
    uint32_t part;
} Options;

static void fail(const char *what)
{
    fprintf(stderr, "make-trace: %s\n", what);
    exit(1);
}

static bool write_file(void *opaque, const void *bytes, size_t len, Err *err)
{
    (void)err;
    if (fwrite(bytes, 1, len, opaque) != len) {
        fail("cannot write");
    }
    return true;
}

/* Lines of a word and the name in hexadecimal. */
static void read_names(SceneOptions *scene)
{
    static char names[NAMES_MAX][32];
    static char *list[NAMES_MAX];
    FILE *file = fopen(NASTY_NAMES, "r");
    char line[128];
    char hex[64];
    unsigned value;
    size_t i;

    while (file && fgets(line, sizeof(line), file) &&
           scene->n_names < NAMES_MAX) {
        if (*line == '#' || sscanf(line, "%*s %63s", hex) != 1) {
            continue;
        }
        list[scene->n_names] = names[scene->n_names];
        for (i = 0; i < 31 && sscanf(hex + 2 * i, "%2x", &value) == 1; i++) {
            names[scene->n_names][i] = (char)value;
        }
        scene->n_names++;
    }
    if (!file || !scene->n_names) {
        fail("cannot read the names");
    }
    fclose(file);
    scene->names = list;
}

static void read_option(Options *opt, const char *name, uint64_t value)
{
    if (!strcmp(name, "events")) {
        opt->events = value;
    } else if (!strcmp(name, "vcpus") && value && value <= SCENE_MAX_VCPUS) {
        opt->scene.n_vcpus = (unsigned)value;
    } else if (!strcmp(name, "threads") && value &&
               value < SCENE_MAX_THREADS) {
        opt->scene.n_threads = (unsigned)value;
    } else if (!strcmp(name, "seed")) {
        opt->scene.seed = value;
    } else if (!strcmp(name, "hostile")) {
        opt->scene.hostile = value != 0;
    } else if (!strcmp(name, "nasty") && value) {
        read_names(&opt->scene);
    } else if (!strcmp(name, "missed")) {
        opt->scene.missed = value != 0;
    } else if (!strcmp(name, "lost")) {
        opt->lost = value != 0;
    } else if (!strcmp(name, "end")) {
        opt->end = value != 0;
    } else if (!strcmp(name, "script")) {
        opt->script = value != 0;
    } else if (!strcmp(name, "part")) {
        opt->part = (uint32_t)value;
    } else if (!strcmp(name, "irq") && !value) {
        opt->contents &= ~(uint32_t)TRACE_IRQ;
    } else if (!strcmp(name, "sched") && !value) {
        opt->contents &= ~(uint32_t)TRACE_SCHED;
    } else {
        fail("what is that option?");
    }
}

static void read_options(Options *opt, int argc, char **argv)
{
    char name[32];
    uint64_t value;
    int i;

    for (i = 2; i < argc; i++) {
        if (sscanf(argv[i], "%31[^=]=%" SCNu64, name, &value) != 2) {
            fail("options are NAME=NUMBER");
        }
        read_option(opt, name, value);
    }
}

/* Another seed has others. */
static const char *name_of(const SceneOptions *scene, unsigned n, unsigned i)
{
    return scene->names[(scene->seed * n + i) % scene->n_names];
}

static void begin(TraceWriter *writer, const Options *opt)
{
    TraceInfo info = {
        .contents = opt->contents,
        .n_vcpus = opt->scene.n_vcpus,
        .monotonic_ns = begin_ns,
        .realtime_ns = 1795400000000000000,
        .tsc = 25016260882000,
        .load_base = 0x55fe0ec00000,
        .pid = 41260,
        .poll_hz = 1000,
        .part = opt->part,
        .build_id = "6c1f2e0011223344",
        .exe = "/usr/bin/qemu-system-x86_64",
        .qemu_version = "10.0.2",
        .vm_name = "win11",
        .options = "vmscope record --qmp /run/vm.qmp -o t.vms",
    };
    SchedlogGuest guest;
    uint32_t i;

    scene_guest(&guest);
    trace_writer_begin(writer, &info, NULL);
    trace_writer_guest(writer, &guest, begin_ns, NULL);
    for (i = 0; i < SCENE_N_LINES; i++) {
        IrqlogLineInfo line = scene_lines[i];

        if (opt->scene.names) {
            line.path = name_of(&opt->scene, SCENE_N_LINES, i);
        }
        trace_writer_line(writer, i, &line, NULL);
    }
    for (i = 0; i < SCENE_N_HOST_THREADS; i++) {
        IrqlogThreadInfo thread = scene_host_threads[i];

        if (opt->scene.names) {
            thread.name = name_of(&opt->scene, SCENE_N_HOST_THREADS, i);
            thread.role = NULL;
        }
        trace_writer_host_thread(writer, i, &thread, NULL);
    }
}

/* Numbers that are left out, of each kind. */
typedef struct Gap {
    uint32_t contents;
    uint64_t first;
    uint64_t count;
    uint64_t last_ns;       /* time of the last event that was written */
    uint64_t missing;       /* not yet told of */
} Gap;

/* Whether the event is to be written; tells of those that were not. */
static bool pass_gap(TraceWriter *writer, Gap *gap, uint64_t seq,
                     uint64_t time_ns)
{
    TraceLost lost = {
        .contents = gap->contents,
        .count = gap->missing,
        .first_seq = gap->first,
        .from_ns = gap->last_ns,
        .to_ns = time_ns,
    };

    if (seq >= gap->first && seq < gap->first + gap->count) {
        gap->missing++;
        return false;
    }
    if (gap->missing) {
        trace_writer_lost(writer, &lost, NULL);
        gap->missing = 0;
    }
    gap->last_ns = time_ns;
    return true;
}

static void write_event(TraceWriter *writer, const Options *opt,
                        SceneEvent *event, Gap *gaps)
{
    if (event->kind == SCENE_SCHED && opt->contents & TRACE_SCHED &&
        pass_gap(writer, &gaps[0], event->sched.seq, event->sched.time_ns)) {
        trace_writer_sched(writer, &event->sched, NULL);
    }
    if (event->kind == SCENE_IRQ && opt->contents & TRACE_IRQ &&
        pass_gap(writer, &gaps[1], event->irq.seq, event->irq.time_ns)) {
        trace_writer_irq(writer, &event->irq, event->line,
                         event->host_thread, NULL);
    }
}

static void mark(TraceWriter *writer, const Options *opt, uint64_t time_ns)
{
    TraceMark m = { .time_ns = time_ns, .irq_dropped = opt->lost ? 3 : 0 };

    trace_writer_mark(writer, &m, NULL);
}

static void write_events(TraceWriter *writer, const Options *opt)
{
    static Scene scene;
    SceneEvent event;
    Gap gaps[2] = {
        { TRACE_SCHED, opt->events / 3, opt->lost ? 50 : 0, 0, 0 },
        { TRACE_IRQ, opt->events / 20, opt->lost ? 20 : 0, 0, 0 },
    };
    uint64_t i;

    scene_init(&scene, &opt->scene);
    for (i = 0; i < opt->events; i++) {
        scene_next(&scene, &event);
        write_event(writer, opt, &event, gaps);
        if (i % 20000 == 19999) {
            mark(writer, opt, scene.now_ns);
        }
    }
    mark(writer, opt, scene.now_ns);
    if (opt->end) {
        trace_writer_end(writer, TRACE_END_DURATION, scene.now_ns + 1000,
                         NULL);
    }
}

int main(int argc, char **argv)
{
    Options opt = {
        .scene = { .n_vcpus = 4, .n_threads = 40, .seed = 1,
                   .begin_ns = begin_ns },
        .events = 2000,
        .end = true,
        .contents = TRACE_SCHED | TRACE_IRQ,
        .part = 1,
    };
    TraceSink sink = { write_file, NULL };
    TraceWriter *writer;

    if (argc < 2) {
        fail("give a FILE");
    }
    read_options(&opt, argc, argv);
    sink.opaque = fopen(argv[1], "wb");
    writer = trace_writer_new(&sink);
    if (!sink.opaque || !writer) {
        fail("cannot create the file");
    }
    begin(writer, &opt);
    if (!opt.script) {
        write_events(writer, &opt);
    } else if (!script_write(writer, begin_ns)) {
        fail("what is that line?");
    }
    trace_writer_free(writer);
    return fclose(sink.opaque) ? 1 : 0;
}
