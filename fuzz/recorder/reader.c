/*
 * fuzz/recorder/reader: what must hold for any ring file, whatever its writer
 * does to it while it is read.
 *
 * Reading ends; what an event or a table holds is within its bounds; and
 * nothing outside of the reader's own memory is touched (the sanitizers see
 * to that).
 *
 * An input (script.h) makes a good file and then spoils it, from the @n-th
 * read on:
 *
 *     i          interrupts; else thread switches (first of all)
 *     r N        what follows happens before read N
 *     w AT VALUE 8 bytes are others
 *     b AT VALUE one byte is another
 *     z SIZE     the file is cut
 *     e N        so many events come
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "irqlog/store.h"
#include "recorder/reader.h"
#include "schedlog/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 64, LOOKS = 6 };

typedef struct Target {
    IrqlogStore irq;
    SchedlogStore sched;
    ClockKeeper keeper;
    bool is_irq;
    char *bytes;
    uint64_t full_size;
    uint64_t size;
    uint64_t n_reads;
    Script script;
    ScriptLine line;            /* the next one, not done yet */
    bool has_line;
    uint64_t line_at;           /* the read before which it is done */
} Target;

static void fail(const char *why)
{
    fprintf(stderr, "reader: %s\n", why);
    abort();
}

static void add_events(Target *target, uint64_t n)
{
    IrqlogCall call = { .caller = 1, .tid = 2, .line = 0 };
    SchedlogEvent event = { .thread = 1, .has = SCHEDLOG_HAS_IDS };

    for (n %= 300; n; n--) {
        if (target->is_irq) {
            irqlog_store_record(&target->irq, &call);
        } else {
            schedlog_store_record(&target->sched, &event);
        }
    }
}

static void make_irq(Target *target, const ClockReading *now)
{
    RecorderRun run = { .pid = 1, .build_id = "", .exe = "/usr/bin/qemu" };
    IrqlogLineInfo line = { .path = "/machine/a", .driven_by = "/machine/b" };
    IrqlogThreadInfo thread = { .tid = 2, .name = "CPU 0", .role = "vcpu 0" };
    IrqlogObjectInfo object = { .build_id = "aa", .file = "/usr/bin/qemu" };

    irqlog_store_init(&target->irq, target->bytes, ENTRIES, 2, &run,
                      &target->keeper, now);
    irqlog_store_add_line(&target->irq, &line, 0);
    irqlog_store_add_thread(&target->irq, &thread);
    irqlog_store_add_object(&target->irq, &object);
}

static void make_sched(Target *target, const ClockReading *now)
{
    RecorderRun run = { .pid = 1, .build_id = "aa", .exe = "/usr/bin/qemu" };
    SchedlogGuest guest = { .build = 26100, .n_offsets = 1 };

    schedlog_store_init(&target->sched, target->bytes, ENTRIES, &run,
                        &target->keeper, now);
    schedlog_store_add_guest(&target->sched, &guest);
}

static void make_file(Target *target)
{
    ClockReading now = { .monotonic_ns = 1 };

    target->full_size = target->is_irq ? irqlog_store_size(ENTRIES, 2)
                                       : schedlog_store_size(ENTRIES);
    target->size = target->full_size;
    target->bytes = aligned_alloc(4096, target->full_size);
    if (!target->bytes) {
        fail("no memory");
    }
    memset(target->bytes, 0, target->full_size);
    if (target->is_irq) {
        make_irq(target, &now);
    } else {
        make_sched(target, &now);
    }
    add_events(target, 100);
}

static bool next_line(Target *target)
{
    target->has_line = script_next(&target->script, &target->line);
    return target->has_line;
}

static void do_line(Target *target)
{
    const ScriptLine *line = &target->line;

    switch (line->what) {
    case 'w':
        if (line->a <= target->full_size - 8) {
            memcpy(target->bytes + line->a, &line->b, 8);
        }
        break;
    case 'b':
        if (line->a < target->full_size) {
            target->bytes[line->a] = (char)line->b;
        }
        break;
    case 'z':
        target->size = line->a < target->full_size ? line->a
                                                   : target->full_size;
        break;
    case 'e':
        add_events(target, line->a);
        break;
    default:
        break;
    }
}

static void do_lines(Target *target)
{
    while (target->has_line && target->n_reads >= target->line_at) {
        if (target->line.what == 'r') {
            target->line_at = target->line.a % 256;
        } else {
            do_line(target);
        }
        next_line(target);
    }
}

static int64_t read_target(void *opaque, void *buf, size_t len,
                           uint64_t offset)
{
    Target *target = opaque;
    uint64_t n;

    target->n_reads++;
    do_lines(target);
    n = offset > target->size ? 0 : target->size - offset;
    n = n < len ? n : len;
    memcpy(buf, target->bytes + offset, n);
    return (int64_t)n;
}

/* Reading them is the check: beyond their memory the sanitizers see it. */
static void check_string(const char *string)
{
    if (string && strlen(string) >= IRQLOG_HEAP_SIZE) {
        fail("a string is longer than the heap");
    }
}

static void check_irq(const IrqlogStore *store)
{
    IrqlogLineInfo line;
    IrqlogThreadInfo thread;
    IrqlogObjectInfo object;
    uint32_t i;

    if (irqlog_store_n_lines(store) > IRQLOG_MAX_LINES ||
        irqlog_store_n_threads(store) > IRQLOG_MAX_THREADS ||
        irqlog_store_n_objects(store) > IRQLOG_MAX_OBJECTS) {
        fail("more entries than there is room for");
    }
    for (i = 0; irqlog_store_line(store, i, &line); i++) {
        check_string(line.path);
        check_string(line.driven_by);
        check_string(line.owner);
    }
    for (i = 0; irqlog_store_thread(store, i, &thread); i++) {
        check_string(thread.name);
        check_string(thread.role);
    }
    for (i = 0; irqlog_store_object(store, i, &object); i++) {
        check_string(object.build_id);
        check_string(object.file);
    }
}

static void check_irq_event(const IrqlogStore *store, uint64_t seq)
{
    IrqlogEvent event;

    if (irqlog_store_event(store, seq, &event) != EVRING_OK) {
        return;
    }
    if (event.seq != seq || event.n_backtrace > IRQLOG_BACKTRACE_MAX ||
        (unsigned)event.kind >= IRQLOG_KIND_COUNT) {
        fail("an interrupt is beyond its bounds");
    }
    check_string(event.path);
    check_string(event.requester);
}

static void check_sched(const SchedlogStore *store)
{
    SchedlogGuest guest;
    unsigned back;

    for (back = 0; back <= SCHEDLOG_MAX_GUESTS; back++) {
        if (schedlog_store_guest(store, back, &guest) &&
            guest.n_offsets > SCHEDLOG_MAX_OFFSETS) {
            fail("a kernel has too many offsets");
        }
    }
}

static void check_sched_event(const SchedlogStore *store, uint64_t seq)
{
    SchedlogEvent event;

    if (schedlog_store_event(store, seq, &event) != EVRING_OK) {
        return;
    }
    if (event.seq != seq || event.origin > SCHEDLOG_EXACT ||
        memchr(event.image, 0, sizeof(event.image)) == NULL ||
        memchr(event.name, 0, sizeof(event.name)) == NULL) {
        fail("a switch is beyond its bounds");
    }
}

static bool check_events(RecorderReader *reader, const IrqlogStore *irq,
                         const SchedlogStore *sched, uint64_t *next)
{
    uint64_t oldest = evring_oldest(&reader->ring);
    uint64_t head = evring_head(&reader->ring);
    unsigned n = 0;
    Err err;

    *next = *next < oldest ? oldest : *next;
    for (; *next <= head; (*next)++) {
        if (!recorder_reader_fetch(reader, *next, &err)) {
            return false;
        }
        if (irq) {
            check_irq_event(irq, *next);
        } else {
            check_sched_event(sched, *next);
        }
        if (++n > reader->ring.mask + 1) {
            fail("there are more records than slots");
        }
    }
    return true;
}

static void read_file(Target *target)
{
    RecorderSource source = { .read = read_target, .opaque = target };
    RecorderReader reader;
    IrqlogStore irq;
    SchedlogStore sched;
    uint64_t next = 1;
    bool good;
    int i;
    Err err;

    if (!recorder_reader_open_source(&reader, &source, target->full_size,
                                     &err)) {
        return;
    }
    good = target->is_irq ?
           irqlog_store_attach(&irq, reader.image, reader.size, &err) :
           schedlog_store_attach(&sched, reader.image, reader.size, &err);
    for (i = 0; good && i < LOOKS; i++) {
        if (target->is_irq) {
            check_irq(&irq);
        } else {
            check_sched(&sched);
        }
        good = check_events(&reader, target->is_irq ? &irq : NULL, &sched,
                            &next) &&
               recorder_reader_look(&reader, &err);
    }
    recorder_reader_close(&reader);
}

void fuzz_check(const uint8_t *data, size_t len)
{
    Target target = { .script = script_begin(data, len) };

    next_line(&target);
    if (target.has_line && target.line.what == 'i') {
        target.is_irq = true;
        next_line(&target);
    }
    make_file(&target);
    do_lines(&target);
    read_file(&target);
    free(target.bytes);
}
