/*
 * fuzz/tracefile/read: what must hold for any recording.
 *
 * 1. Reading ends, and gives no more items than there are bytes; what they
 *    hold is within its bounds, and no more bytes are skipped than there are.
 * 2. Events that were read, written and read once more, are the same.
 *
 * An input (script.h) makes a file whose checksums are right, so that what is
 * behind them is reached:
 *
 *     h AT BYTE      a byte of the header is another
 *     c KIND SKIP    a chunk begins; so many numbers of chunks are left out
 *     n NUMBER N     a packed number, and N times again
 *     q NUMBER       8 bytes
 *     b BYTE N       a byte, and N times again
 *     s LEN BYTE     a string of so many bytes
 *     d AT BYTE      last of all, a byte of the file is another
 *     z LEN          and the file is cut
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "tracefile/header.h"
#include "tracefile/pack.h"
#include "tracefile/read.h"
#include "tracefile/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_ROOM = 256 * 1024,
    EVENTS_MAX = 4000,
    TIMES_MAX = 300,
};

typedef struct Bytes {
    size_t len;
    uint8_t at[FILE_ROOM];
} Bytes;

static Bytes input;
static Bytes again;

static void fail(const char *why)
{
    fprintf(stderr, "tracefile: %s\n", why);
    abort();
}

/* Making the file. */

typedef struct Maker {
    Packer to;
    uint8_t *chunk;         /* its header; NULL: none has begun */
    uint32_t number;
} Maker;

static void end_chunk(Maker *maker)
{
    uint8_t *payload;
    Packer header;
    size_t len;

    if (!maker->chunk) {
        return;
    }
    payload = maker->chunk + TRACE_CHUNK_HEADER_SIZE;
    header = (Packer){ maker->chunk + 8, payload, false };
    len = (size_t)(maker->to.p - payload);
    pack_fixed32(&header, (uint32_t)len);
    pack_fixed32(&header, maker->number++);
    pack_fixed32(&header, pack_crc32(payload, len));
    pack_fixed32(&header, pack_crc32(maker->chunk, 20));
    maker->chunk = NULL;
}

static void begin_chunk(Maker *maker, uint64_t kind, uint64_t skip)
{
    end_chunk(maker);
    if (maker->to.end - maker->to.p < TRACE_CHUNK_HEADER_SIZE) {
        return;
    }
    maker->number += (uint32_t)skip;
    maker->chunk = maker->to.p;
    pack_fixed32(&maker->to, TRACE_CHUNK_MARKER);
    pack_fixed32(&maker->to, (uint32_t)kind);
    maker->to.p += TRACE_CHUNK_HEADER_SIZE - 8;
}

static void put_times(Maker *maker, const ScriptLine *line)
{
    uint64_t n = line->b % TIMES_MAX + 1;

    while (n--) {
        if (line->what == 'n') {
            pack_number(&maker->to, line->a);
        } else {
            pack_u8(&maker->to, (uint8_t)line->a);
        }
    }
}

static void put_string(Maker *maker, const ScriptLine *line)
{
    uint64_t len = line->a % (TRACE_STRING_MAX + 100);
    uint64_t i;

    pack_number(&maker->to, len);
    for (i = 0; i < len; i++) {
        pack_u8(&maker->to, (uint8_t)line->b);
    }
}

static void change_header(uint64_t at, uint64_t byte)
{
    Packer to = { input.at + TRACE_HEADER_SIZE - 4,
                  input.at + TRACE_HEADER_SIZE, false };

    input.at[at % (TRACE_HEADER_SIZE - 4)] = (uint8_t)byte;
    pack_fixed32(&to, pack_crc32(input.at, TRACE_HEADER_SIZE - 4));
}

static void take_line(Maker *maker, const ScriptLine *line)
{
    switch (line->what) {
    case 'h':
        change_header(line->a, line->b);
        break;
    case 'c':
        begin_chunk(maker, line->a, line->b);
        break;
    case 'n':
    case 'b':
        put_times(maker, line);
        break;
    case 'q':
        pack_fixed64(&maker->to, line->a);
        break;
    case 's':
        put_string(maker, line);
        break;
    default:
        break;
    }
}

static void damage(const ScriptLine *line)
{
    if (line->what == 'd') {
        input.at[line->a % input.len] ^= (uint8_t)line->b;
    } else if (line->what == 'z') {
        input.len = line->a % input.len + 1;
    }
}

static void make_input(const uint8_t *data, size_t len)
{
    static const TraceInfo info = { .contents = TRACE_SCHED | TRACE_IRQ,
                                    .load_base = 0x55fe0ec00000 };
    Script script = script_begin(data, len);
    ScriptLine line;
    Maker maker = { { input.at + TRACE_HEADER_SIZE, input.at + FILE_ROOM,
                      false }, NULL, 0 };

    trace_header_pack(input.at, &info);
    while (script_next(&script, &line)) {
        take_line(&maker, &line);
    }
    end_chunk(&maker);
    input.len = (size_t)(maker.to.p - input.at);
    script = script_begin(data, len);
    while (script_next(&script, &line)) {
        damage(&line);
    }
}

/* Reading. */

static ssize_t read_bytes(void *opaque, uint64_t offset, void *buf,
                          size_t len)
{
    const Bytes *bytes = opaque;

    if (offset >= bytes->len) {
        return 0;
    }
    len = len < bytes->len - offset ? len : bytes->len - (size_t)offset;
    memcpy(buf, bytes->at + offset, len);
    return (ssize_t)len;
}

static bool ends(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

static void check_sched(const SchedlogEvent *event)
{
    if (event->vcpu >= TRACE_MAX_VCPUS || event->origin > SCHEDLOG_EXACT ||
        !ends(event->image, sizeof(event->image)) ||
        !ends(event->name, sizeof(event->name))) {
        fail("a switch is out of bounds");
    }
}

static void check_irq(const TraceItem *item)
{
    const IrqlogEvent *event = &item->irq;

    if (item->line > IRQLOG_NO_LINE || !item->line_info->path ||
        !item->host_thread->name || !event->path ||
        event->kind >= IRQLOG_KIND_COUNT || event->depth > 255 ||
        event->n_backtrace > IRQLOG_BACKTRACE_MAX ||
        strlen(event->path) > TRACE_STRING_MAX) {
        fail("an interrupt is out of bounds");
    }
}

static void check_item(const TraceItem *item)
{
    if (item->type == TRACE_ITEM_SCHED || item->type == TRACE_ITEM_RUNNING) {
        check_sched(&item->sched);
    } else if (item->type == TRACE_ITEM_IRQ) {
        check_irq(item);
    } else if (item->type == TRACE_ITEM_GUEST &&
               item->guest.n_offsets > SCHEDLOG_MAX_OFFSETS) {
        fail("a guest is out of bounds");
    } else if (item->type == TRACE_ITEM_HOST &&
               (item->host.vcpu >= TRACE_MAX_VCPUS ||
                item->host.from_ns > item->host.to_ns)) {
        fail("a span of the host's is out of bounds");
    } else if (item->type == TRACE_ITEM_PATH &&
               (!ends(item->path.image, sizeof(item->path.image)) ||
                !ends(item->path.path, sizeof(item->path.path)))) {
        fail("a path does not end");
    } else if (item->type == TRACE_ITEM_VECTOR &&
               (item->vector.vcpu >= TRACE_MAX_VCPUS ||
                strlen(item->vector.drivers) >= TRACE_DRIVERS_SIZE)) {
        fail("a vector is out of bounds");
    }
}

typedef struct Events {
    size_t n_sched;
    size_t n_irq;
    SchedlogEvent sched[EVENTS_MAX];
    IrqlogEvent irq[EVENTS_MAX];        /* its path is not looked at */
} Events;

static void keep(Events *events, const TraceItem *item)
{
    if (item->type == TRACE_ITEM_SCHED && events->n_sched < EVENTS_MAX) {
        events->sched[events->n_sched++] = item->sched;
    } else if (item->type == TRACE_ITEM_IRQ && events->n_irq < EVENTS_MAX) {
        events->irq[events->n_irq++] = item->irq;
    }
}

/* Returns: whether it is a recording at all. */
static bool read_all(Bytes *bytes, Events *events, TraceReadStats *stats)
{
    TraceSource source = { read_bytes, bytes };
    TraceReader *reader = trace_reader_new(&source, TRACE_SCHED | TRACE_IRQ,
                                           NULL);
    TraceItem item;
    size_t n = 0;

    events->n_sched = events->n_irq = 0;
    if (!reader) {
        return false;
    }
    while (trace_reader_next(reader, &item)) {
        check_item(&item);
        keep(events, &item);
        if (++n > bytes->len) {
            fail("more items than bytes");
        }
    }
    *stats = *trace_reader_stats(reader);
    if (stats->bytes_skipped > bytes->len) {
        fail("more bytes are skipped than there are");
    }
    trace_reader_free(reader);
    return true;
}

/* Writing, and reading once more. */

static bool write_bytes(void *opaque, const void *bytes, size_t len, Err *err)
{
    Bytes *to = opaque;

    (void)err;
    if (len > FILE_ROOM - to->len) {
        return false;
    }
    memcpy(to->at + to->len, bytes, len);
    to->len += len;
    return true;
}

static bool write_all(const Events *events)
{
    TraceSink sink = { write_bytes, &again };
    TraceWriter *writer = trace_writer_new(&sink);
    TraceInfo info = { .contents = TRACE_SCHED | TRACE_IRQ };
    bool good;
    size_t i;

    again.len = 0;
    good = writer && trace_writer_begin(writer, &info, NULL);
    for (i = 0; good && i < events->n_sched; i++) {
        good = trace_writer_sched(writer, &events->sched[i], NULL);
    }
    for (i = 0; good && i < events->n_irq; i++) {
        good = trace_writer_irq(writer, &events->irq[i], 1, 2, NULL);
    }
    good = good && trace_writer_end(writer, TRACE_END_ASKED, 1, NULL);
    trace_writer_free(writer);
    return good;
}

static bool same_sched(const SchedlogEvent *a, const SchedlogEvent *b)
{
    return a->seq == b->seq && a->time_ns == b->time_ns &&
           a->thread == b->thread && a->process == b->process &&
           a->attached == b->attached && a->old_thread == b->old_thread &&
           a->pid == b->pid && a->tid == b->tid && a->old_pid == b->old_pid &&
           a->old_tid == b->old_tid && a->missed == b->missed &&
           a->has == b->has && a->switches == b->switches &&
           a->wait_time == b->wait_time && a->vcpu == b->vcpu &&
           a->origin == b->origin && a->state == b->state &&
           a->priority == b->priority && a->old_state == b->old_state &&
           a->old_wait_reason == b->old_wait_reason &&
           a->old_priority == b->old_priority &&
           !memcmp(a->image, b->image, sizeof(a->image)) &&
           !strcmp(a->name, b->name);
}

static bool same_irq(const IrqlogEvent *a, const IrqlogEvent *b)
{
    return a->seq == b->seq && a->time_ns == b->time_ns &&
           a->level == b->level && a->depth == b->depth &&
           a->caller == b->caller && a->tid == b->tid &&
           a->has_msi == b->has_msi && a->msi_address == b->msi_address &&
           a->msi_data == b->msi_data && a->n_backtrace == b->n_backtrace &&
           !memcmp(a->backtrace, b->backtrace,
                   a->n_backtrace * sizeof(*a->backtrace));
}

static void compare(const Events *a, const Events *b)
{
    size_t i;

    if (a->n_sched != b->n_sched || a->n_irq != b->n_irq) {
        fail("another number of events");
    }
    for (i = 0; i < a->n_sched; i++) {
        if (!same_sched(&a->sched[i], &b->sched[i])) {
            fail("another switch");
        }
    }
    for (i = 0; i < a->n_irq; i++) {
        if (!same_irq(&a->irq[i], &b->irq[i])) {
            fail("another interrupt");
        }
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    static Events first;
    static Events second;
    TraceReadStats stats;

    make_input(data, len);
    if (!read_all(&input, &first, &stats) || !write_all(&first)) {
        return;
    }
    if (!read_all(&again, &second, &stats)) {
        fail("what was written is no recording");
    }
    if (stats.bytes_skipped || stats.chunks_missing ||
        stats.chunks_malformed || !stats.ended) {
        fail("what was written is damaged");
    }
    compare(&first, &second);
}
