/*
 * trace-input: see trace-input.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/trace-input.h"

#include "common/message.h"
#include "common/translate.h"
#include "shared/file-kind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCHED, IRQ, N_READERS };

static ssize_t read_file(void *opaque, uint64_t offset, void *buf, size_t len)
{
    const TraceInput *input = opaque;
    size_t got = 0;
    ssize_t n;

    while (got < len) {
        n = pread(input->fd, (char *)buf + got, len - got,
                  (off_t)(offset + got));
        if (n > 0) {
            got += (size_t)n;
        } else if (n == 0) {
            break;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)got;
}

static bool open_file(TraceInput *input, Err *err)
{
    struct stat st;

    input->fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (input->fd < 0 || fstat(input->fd, &st)) {
        err_set(err, ERR_IO, "cannot open %s: %s", input->path,
                strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s is not an ordinary file", input->path);
        return false;
    }
    input->size = (uint64_t)st.st_size;
    return true;
}

bool trace_input_open(TraceInput *input, const char *path, Err *err)
{
    static const uint32_t contents[N_READERS] = { TRACE_SCHED, TRACE_IRQ };
    TraceSource source = { read_file, input };
    unsigned i;

    memset(input, 0, sizeof(*input));
    input->path = path;
    input->given = -1;
    if (!open_file(input, err)) {
        trace_input_close(input);
        return false;
    }
    for (i = 0; i < N_READERS; i++) {
        input->reader[i] = trace_reader_new(&source, contents[i], err);
        if (!input->reader[i]) {
            file_kind_hint(path, err);
            err_prefix(err, "%s: ", path);
            trace_input_close(input);
            return false;
        }
    }
    return true;
}

void trace_input_close(TraceInput *input)
{
    unsigned i;

    for (i = 0; i < N_READERS; i++) {
        trace_reader_free(input->reader[i]);
        input->reader[i] = NULL;
    }
    if (input->fd >= 0) {
        close(input->fd);
        input->fd = -1;
    }
}

const TraceInfo *trace_input_info(const TraceInput *input)
{
    return trace_reader_info(input->reader[SCHED]);
}

const TraceReadStats *trace_input_stats(const TraceInput *input)
{
    return trace_reader_stats(input->reader[SCHED]);
}

uint64_t trace_item_ns(const TraceItem *item)
{
    switch (item->type) {
    case TRACE_ITEM_SCHED:
        return item->sched.time_ns;
    case TRACE_ITEM_IRQ:
        return item->irq.time_ns;
    default:
        return 0;
    }
}

/* Both readers see what belongs to neither kind; one of them gives it. */
static bool is_ours(unsigned reader, const TraceItem *item)
{
    switch (item->type) {
    case TRACE_ITEM_SCHED:
    case TRACE_ITEM_RUNNING:
    case TRACE_ITEM_IRQ:
    case TRACE_ITEM_LOST:
        return true;
    default:
        return reader == SCHED;
    }
}

static void fetch(TraceInput *input, unsigned reader)
{
    TraceItem *item = &input->item[reader];

    while (!input->ready[reader] && !input->over[reader]) {
        if (!trace_reader_next(input->reader[reader], item)) {
            input->over[reader] = true;
        } else if (item->type == TRACE_ITEM_END) {
            input->has_end = true;
            input->end = item->end;
        } else {
            input->ready[reader] = is_ours(reader, item);
        }
    }
}

/* Events are missing in front of the one that comes next. */
static const TraceItem *make_lost(TraceInput *input, unsigned reader,
                                  uint64_t seq, uint64_t to_ns)
{
    TraceLost *lost = &input->made.lost;

    input->made.type = TRACE_ITEM_LOST;
    lost->contents = reader == SCHED ? TRACE_SCHED : TRACE_IRQ;
    lost->first_seq = input->expected[reader];
    lost->count = seq - lost->first_seq;
    lost->from_ns = input->last_ns[reader];
    lost->to_ns = to_ns;
    input->n_made += lost->count;
    input->expected[reader] = seq;
    return &input->made;
}

/* The item that comes next, or what is missing in front of it. */
static const TraceItem *check_number(TraceInput *input, unsigned reader)
{
    const TraceItem *item = &input->item[reader];
    uint64_t *expected = &input->expected[reader];
    uint64_t seq;

    if (item->type == TRACE_ITEM_LOST) {
        *expected = item->lost.first_seq + item->lost.count;
        return item;
    }
    if (item->type != TRACE_ITEM_SCHED && item->type != TRACE_ITEM_IRQ) {
        return item;
    }
    seq = item->type == TRACE_ITEM_SCHED ? item->sched.seq : item->irq.seq;
    if (*expected && seq > *expected) {
        return make_lost(input, reader, seq, trace_item_ns(item));
    }
    *expected = seq + 1;
    input->last_ns[reader] = trace_item_ns(item);
    return item;
}

const TraceItem *trace_input_next(TraceInput *input)
{
    const TraceItem *item;
    unsigned i;
    unsigned first;

    if (input->given >= 0) {
        input->ready[input->given] = false;
    }
    for (i = 0; i < N_READERS; i++) {
        fetch(input, i);
    }
    input->given = -1;
    if (!input->ready[SCHED] && !input->ready[IRQ]) {
        return NULL;
    }
    /* At the same instant, the interrupt is the one that came first. */
    first = !input->ready[SCHED] ||
            (input->ready[IRQ] && trace_item_ns(&input->item[IRQ]) <=
                                  trace_item_ns(&input->item[SCHED]));
    item = check_number(input, first);
    if (item != &input->made) {
        input->given = (int)first;
    }
    return item;
}

void trace_input_tell_damage(const TraceInput *input)
{
    const TraceReadStats *stats = trace_input_stats(input);

    if (stats->failed) {
        message("%s: reading failed; what came before is used",
                input->path);
    }
    if (stats->bytes_skipped) {
        message("%s: %" PRIu64 " bytes are damaged and left out",
                input->path, stats->bytes_skipped);
    }
    if (stats->chunks_missing) {
        message("%s: %" PRIu64 " pieces are missing", input->path,
                stats->chunks_missing);
    }
    if (stats->chunks_malformed) {
        message("%s: %" PRIu64 " pieces make no sense; the rest of them is "
                "left out", input->path, stats->chunks_malformed);
    }
    if (input->n_made) {
        message("%s: %" PRIu64 " events are missing that it says nothing of; "
                "they count as lost", input->path, input->n_made);
    }
    if (stats->chunks_unknown) {
        message("%s: %" PRIu64 " pieces are of a kind that this program does "
                "not know", input->path, stats->chunks_unknown);
    }
    if (!stats->ended && !stats->failed) {
        message("%s: the recording was not finished%s", input->path,
                stats->cut ? _("; its last piece is cut short and left out")
                           : "");
    }
}
