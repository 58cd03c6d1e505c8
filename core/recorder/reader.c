/*
 * recorder/reader: see reader.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOCK_TRIES = 8 };

/* More records than a ring can give out in centuries. */
#define MAX_SEQ (UINT64_C(1) << 62)

static int64_t read_fd(void *opaque, void *buf, size_t len, uint64_t offset)
{
    int fd = ((RecorderReader *)opaque)->fd;
    size_t done = 0;
    ssize_t n;

    while (done < len) {
        n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    return (int64_t)done;
}

static bool copy(RecorderReader *reader, void *to, uint64_t offset,
                 uint64_t len, Err *err)
{
    int64_t n = reader->source.read(reader->source.opaque, to, len, offset);

    if (n == (int64_t)len) {
        return true;
    }
    if (n < 0) {
        err_set(err, ERR_IO, "the ring file cannot be read: %s",
                strerror(errno));
    } else {
        err_set(err, ERR_IO, "the ring file was cut short while it was read: "
                "of its %" PRIu64 " bytes those from %" PRIu64 " on are gone",
                reader->size, offset + (uint64_t)n);
    }
    return false;
}

/* Copies a part of the file to its place in the image. */
static bool copy_part(RecorderReader *reader, uint64_t offset, uint64_t len,
                      Err *err)
{
    return copy(reader, (char *)reader->image + offset, offset, len, err);
}

static bool copy_state(RecorderReader *reader, Err *err)
{
    size_t at = offsetof(EvringHeader, state);

    return copy_part(reader, at, offsetof(EvringHeader, build_id) - at, err);
}

/* A copy during which no segment came is consistent. */
static bool copy_clock(RecorderReader *reader, Err *err)
{
    size_t at = offsetof(EvringHeader, clock);
    size_t count_at = at + offsetof(ClockMap, n_segments);
    uint64_t after;
    int tries;

    for (tries = 0; tries < CLOCK_TRIES; tries++) {
        if (!copy_part(reader, at, sizeof(ClockMap), err) ||
            !copy(reader, &after, count_at, sizeof(after), err)) {
            return false;
        }
        if (after == atomic_load_explicit(&reader->image->clock.n_segments,
                                          memory_order_relaxed)) {
            break;
        }
    }
    return true;
}

/*
 * Tables begin with their counts.  When those change the rest is copied, now
 * and once more at the next look, by when a name that was being added is
 * where it belongs.
 */
static bool copy_tables(RecorderReader *reader, Err *err)
{
    const EvringHeader *header = reader->image;
    size_t n = header->tables_size < RECORDER_TABLE_COUNTS ?
               header->tables_size : RECORDER_TABLE_COUNTS;
    char counts[RECORDER_TABLE_COUNTS];
    bool changed;

    if (!copy(reader, counts, header->tables_offset, n, err)) {
        return false;
    }
    changed = memcmp(counts, (char *)header + header->tables_offset, n) != 0;
    if ((changed || reader->tables_changed) &&
        !copy_part(reader, header->tables_offset, header->tables_size, err)) {
        return false;
    }
    /* Entries were complete before the counts; those that came since wait. */
    memcpy((char *)header + header->tables_offset, counts, n);
    reader->tables_changed = changed;
    return true;
}

static bool copy_head(RecorderReader *reader, Err *err)
{
    if (!copy_part(reader, reader->image->heads_offset, sizeof(EvringHead),
                   err)) {
        return false;
    }
    if (evring_head(&reader->ring) > MAX_SEQ) {
        err_set(err, ERR_FORMAT, "damaged ring file: it cannot hold %" PRIu64
                " records", evring_head(&reader->ring));
        atomic_store_explicit(&reader->ring.shared->head, 0,
                              memory_order_relaxed);
        return false;
    }
    return true;
}

static uint64_t state_of(const RecorderReader *reader, uint64_t seq)
{
    return atomic_load_explicit(&evring_slot(&reader->ring, seq)->state,
                                memory_order_relaxed);
}

static uint64_t slot_offset(const RecorderReader *reader, uint64_t seq)
{
    return (uint64_t)((char *)evring_slot(&reader->ring, seq) -
                      (char *)reader->image);
}

/* Gives back the memory of the last batch; the image stays small. */
static void forget_batch(RecorderReader *reader)
{
    const uint64_t page = 4096;
    uint64_t begin;
    uint64_t end;

    if (reader->to > reader->from) {
        begin = slot_offset(reader, reader->from) / page * page;
        end = slot_offset(reader, reader->to - 1) + reader->ring.slot_size;
        begin = begin < reader->image->slots_offset ?
                reader->image->slots_offset : begin;
        madvise((char *)reader->image + begin, end - begin, MADV_DONTNEED);
    }
    reader->from = 0;
    reader->to = 0;
}

/* A file that is whole has its last byte. */
static bool check_size(RecorderReader *reader, Err *err)
{
    char last;

    return copy(reader, &last, reader->size - 1, 1, err);
}

bool recorder_reader_look(RecorderReader *reader, Err *err)
{
    forget_batch(reader);
    return copy_state(reader, err) && copy_clock(reader, err) &&
           copy_tables(reader, err) && copy_head(reader, err) &&
           check_size(reader, err);
}

/* The image is as large as the file says it is; only what is read is there. */
static bool make_image(RecorderReader *reader, Err *err)
{
    void *mem = mmap(NULL, reader->size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mem == MAP_FAILED) {
        err_set(err, ERR_NOMEM, "no memory for a ring of %" PRIu64 " bytes",
                reader->size);
        return false;
    }
    reader->image = mem;
    reader->states = malloc(RECORDER_BATCH_BYTES / 64 * sizeof(uint64_t));
    if (!reader->states) {
        err_set(err, ERR_NOMEM, "no memory to read a ring with");
        return false;
    }
    return true;
}

static bool open_reader(RecorderReader *reader, uint64_t size, Err *err)
{
    reader->size = size;
    if (size < EVRING_HEADER_SIZE) {
        err_set(err, ERR_FORMAT, "not a vmscope ring file");
        return false;
    }
    if (!make_image(reader, err) ||
        !copy_part(reader, 0, EVRING_HEADER_SIZE, err) ||
        !evring_file_check(reader->image, size, err)) {
        recorder_reader_close(reader);
        return false;
    }
    evring_file_ring(reader->image, &reader->ring);
    reader->tables_changed = true;
    if (!recorder_reader_look(reader, err)) {
        recorder_reader_close(reader);
        return false;
    }
    return true;
}

bool recorder_reader_open(RecorderReader *reader, int fd, Err *err)
{
    struct stat st;

    if (fstat(fd, &st)) {
        err_set(err, ERR_IO, "the ring file cannot be read: %s",
                strerror(errno));
        return false;
    }
    memset(reader, 0, sizeof(*reader));
    reader->fd = fd;
    reader->source = (RecorderSource){ .read = read_fd, .opaque = reader };
    return open_reader(reader, (uint64_t)st.st_size, err);
}

bool recorder_reader_open_source(RecorderReader *reader,
                                 const RecorderSource *source, uint64_t size,
                                 Err *err)
{
    memset(reader, 0, sizeof(*reader));
    reader->source = *source;
    return open_reader(reader, size, err);
}

void recorder_reader_close(RecorderReader *reader)
{
    if (reader->image) {
        munmap(reader->image, reader->size);
        reader->image = NULL;
    }
    free(reader->states);
    reader->states = NULL;
}

/* Records, a batch at a time. */

/*
 * One copy after the other, so that a record whose state is the same in both
 * was whole throughout the second, unless its slot was taken meanwhile: that
 * the head tells, which is copied last.
 */
static bool copy_batch(RecorderReader *reader, uint64_t seq, uint64_t n,
                       Err *err)
{
    uint64_t offset = slot_offset(reader, seq);
    uint64_t len = n * reader->ring.slot_size;
    uint64_t i;

    if (!copy_part(reader, offset, len, err)) {
        return false;
    }
    for (i = 0; i < n; i++) {
        reader->states[i] = state_of(reader, seq + i);
    }
    if (!copy_part(reader, offset, len, err) || !copy_head(reader, err)) {
        return false;
    }
    for (i = 0; i < n; i++) {
        if (state_of(reader, seq + i) != reader->states[i] ||
            seq + i < evring_oldest(&reader->ring)) {
            atomic_store_explicit(&evring_slot(&reader->ring, seq + i)->state,
                                  0, memory_order_relaxed);
        }
    }
    return true;
}

bool recorder_reader_fetch(RecorderReader *reader, uint64_t seq, Err *err)
{
    const Evring *ring = &reader->ring;
    uint64_t head = evring_head(ring);
    uint64_t n = RECORDER_BATCH_BYTES / ring->slot_size;
    uint64_t until_wrap = ring->mask + 1 - (seq & ring->mask);

    if (seq >= reader->from && seq < reader->to) {
        return true;
    }
    if (seq == 0 || seq > head) {
        return true;
    }
    forget_batch(reader);
    n = n < until_wrap ? n : until_wrap;
    n = n < head - seq + 1 ? n : head - seq + 1;
    if (!copy_batch(reader, seq, n, err)) {
        return false;
    }
    reader->from = seq;
    reader->to = seq + n;
    return true;
}
