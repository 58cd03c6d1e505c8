/*
 * ring: see ring.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ring.h"

#include "common/stop.h"
#include "irqlog/store.h"
#include "message.h"
#include "recorder/reader.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    FOLLOW_MS = 100,
    PENDING_TRIES = 10,     /* looks at an event that is being written */
};

typedef struct Reader {
    RecorderReader file;
    IrqlogStore store;
    Err *err;
    bool failed;            /* the file was lost while it was read; see @err */
    IrqlogItemFn *fn;
    void (*idle)(void *opaque);
    void *opaque;
    bool follow;
    uint64_t next;          /* number of the event to be read */
    uint64_t lost;          /* not yet told */
    unsigned tries;         /* looks at @next that found it being written */
    uint32_t n_objects;     /* handed on so far */
    uint32_t n_threads;
    uint32_t n_lines;
    IrqlogItem item;
    char raw[IRQLOG_TEXT_MAX];
} Reader;

bool ring_is_ring(const Input *input)
{
    size_t len;
    const char *first = input_peek(input, &len);

    return len >= sizeof(EVRING_MAGIC) &&
           !memcmp(first, EVRING_MAGIC, sizeof(EVRING_MAGIC));
}

static bool hand_on(Reader *reader, IrqlogItemType type)
{
    reader->item.type = type;
    reader->item.raw = reader->raw;
    return reader->fn(reader->opaque, &reader->item);
}

static bool give_run(Reader *reader)
{
    memset(&reader->item, 0, sizeof(reader->item));
    irqlog_store_run(&reader->store, &reader->item.run);
    return hand_on(reader, IRQLOG_ITEM_RUN);
}

/* What has been added to the tables since the last look. */
static bool give_tables(Reader *reader)
{
    const IrqlogStore *store = &reader->store;
    IrqlogItem *item = &reader->item;

    for (; reader->n_objects < irqlog_store_n_objects(store);
         reader->n_objects++) {
        if (irqlog_store_object(store, reader->n_objects, &item->object) &&
            !hand_on(reader, IRQLOG_ITEM_OBJECT)) {
            return false;
        }
    }
    for (; reader->n_threads < irqlog_store_n_threads(store);
         reader->n_threads++) {
        if (irqlog_store_thread(store, reader->n_threads, &item->thread) &&
            !hand_on(reader, IRQLOG_ITEM_THREAD)) {
            return false;
        }
    }
    for (; reader->n_lines < irqlog_store_n_lines(store); reader->n_lines++) {
        if (irqlog_store_line(store, reader->n_lines, &item->line) &&
            !hand_on(reader, IRQLOG_ITEM_LINE)) {
            return false;
        }
    }
    return true;
}

static bool give_lost(Reader *reader)
{
    if (!reader->lost) {
        return true;
    }
    reader->item.lost = reader->lost;
    reader->lost = 0;
    return hand_on(reader, IRQLOG_ITEM_LOST);
}

static bool give_event(Reader *reader, const IrqlogEvent *event)
{
    if (!give_lost(reader)) {
        return false;
    }
    reader->item.event = *event;
    reader->item.raw_len = irqlog_print_event(reader->raw, event);
    return hand_on(reader, IRQLOG_ITEM_EVENT);
}

/* Whether an event that is being written is worth another look. */
static bool try_again(Reader *reader)
{
    return reader->follow && ++reader->tries < PENDING_TRIES;
}

/* All there is now; false when there is no sense in going on. */
static bool give_events(Reader *reader)
{
    uint64_t oldest = evring_oldest(&reader->store.ring);
    uint64_t head = evring_head(&reader->store.ring);
    IrqlogEvent event;
    EvringRead result;

    if (reader->next < oldest) {
        reader->lost += oldest - reader->next;
        reader->next = oldest;
    }
    for (; reader->next <= head; reader->next++) {
        if (!recorder_reader_fetch(&reader->file, reader->next,
                                   reader->err)) {
            reader->failed = true;
            return false;
        }
        result = irqlog_store_event(&reader->store, reader->next, &event);
        if (result == EVRING_PENDING && try_again(reader)) {
            break;
        }
        reader->tries = 0;
        if (result != EVRING_OK) {
            reader->lost++;
        } else if (!give_event(reader, &event)) {
            return false;
        }
    }
    return true;
}

static bool give_all(Reader *reader)
{
    return give_tables(reader) && give_events(reader);
}

static bool look(Reader *reader)
{
    reader->failed = !recorder_reader_look(&reader->file, reader->err);
    return !reader->failed;
}

static void read_store(Reader *reader)
{
    bool more = give_run(reader) && give_all(reader);

    while (more && reader->follow && !stop_asked) {
        reader->item.raw_len = 0;
        reader->idle(reader->opaque);
        stop_or_sleep_ms(FOLLOW_MS);
        more = look(reader) && give_all(reader);
    }
    /* Where they would have stood is not known. */
    reader->lost += evring_dropped(&reader->store.ring);
    give_lost(reader);
}

/* A ring is read at any offset: make a file of what comes through a pipe. */
static int copy_input(Input *input, Err *err)
{
    int fd = memfd_create("ring", MFD_CLOEXEC);
    InputResult result = INPUT_DATA;
    const char *data;
    size_t len;

    while (fd >= 0 && result != INPUT_END) {
        result = input_read(input, &data, &len, err);
        if (result == INPUT_FAILED) {
            close(fd);
            return -1;
        }
        if (result == INPUT_DATA && write(fd, data, len) != (ssize_t)len) {
            close(fd);
            fd = -1;
        }
    }
    if (fd < 0) {
        err_set(err, ERR_NOMEM, "%s: %s", input_name(input), strerror(errno));
    }
    return fd;
}

/* Returns: false when nothing could be read; else reader->failed tells. */
static bool open_and_read(Input *input, int fd, Reader *reader, Err *err)
{
    RecorderReader *file = &reader->file;
    bool used = false;

    reader->err = err;
    if (recorder_reader_open(file, fd, err)) {
        used = irqlog_store_attach(&reader->store, file->image, file->size,
                                   err);
        if (used) {
            read_store(reader);
        }
        recorder_reader_close(file);
    }
    if (!used || reader->failed) {
        err_prefix(err, "%s: ", input_name(input));
    }
    return used;
}

bool ring_read(Input *input, IrqlogItemFn *fn, void (*idle)(void *opaque),
               void *opaque, bool *complete, Err *err)
{
    static Reader reader;
    bool direct = input->regular && !input->unpack;
    int fd = direct ? input->fd : copy_input(input, err);
    bool result;

    *complete = false;
    if (fd < 0) {
        return false;
    }
    memset(&reader, 0, sizeof(reader));
    reader.fn = fn;
    reader.idle = idle;
    reader.opaque = opaque;
    reader.follow = input->follow && direct;
    reader.next = 1;
    result = open_and_read(input, fd, &reader, err);
    if (!direct) {
        close(fd);
    }
    *complete = result && !reader.failed;
    return result;
}
