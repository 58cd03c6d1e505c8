/*
 * recorder/reader: a ring file as another process reads it.
 *
 * The file belongs to somebody else, who writes to it meanwhile, may lie in
 * it, and may cut it short.  So it is never mapped: what is wanted is copied
 * with read calls into an image, private memory laid out like the file, and
 * everything that reads a store reads that.  The header's constant part is
 * copied and checked once; a file that shrinks is an error with a sentence,
 * not a SIGBUS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_READER_H
#define VMSCOPE_RECORDER_READER_H

#include "base/err.h"
#include "recorder/file.h"

/* Where the bytes come from; a file in practice, a liar in tests. */
typedef struct RecorderSource {
    /*
     * Copy up to @len bytes at @offset.  Returns: how many, fewer at the end
     * only; -1 with errno
     */
    int64_t (*read)(void *opaque, void *buf, size_t len, uint64_t offset);
    void *opaque;
} RecorderSource;

enum {
    RECORDER_BATCH_BYTES = 256 * 1024,
    RECORDER_TABLE_COUNTS = 64,     /* bytes; where tables begin with counts */
};

typedef struct RecorderReader {
    RecorderSource source;
    int fd;
    EvringHeader *image;        /* private; the store to attach to */
    uint64_t size;
    Evring ring;                /* in the image */
    uint64_t from, to;          /* records that the image has: from <= < to */
    uint64_t *states;           /* of a batch's slots, as first copied */
    bool tables_changed;        /* at the last look; look once more */
} RecorderReader;

/**
 * recorder_reader_open - begin to read a ring file
 * @reader: filled in
 * @fd: stays the caller's, open until recorder_reader_close()
 * @err: says why it is no ring file that can be read
 *
 * Returns: true when @reader->image may be given to a store's attach function;
 *          it is as recorder_reader_look() leaves it
 */
bool recorder_reader_open(RecorderReader *reader, int fd, Err *err);

/* The same for @size bytes from anywhere. */
bool recorder_reader_open_source(RecorderReader *reader,
                                 const RecorderSource *source, uint64_t size,
                                 Err *err);

void recorder_reader_close(RecorderReader *reader);

/**
 * recorder_reader_look - copy what moves: state, clock, tables, head
 *
 * Records are not copied; those the image had are forgotten.  The state is
 * copied before the head: a ring seen as stopped has all its records.
 *
 * Returns: false with a sentence when the file was cut short, or cannot be
 *          read any more; what was copied before stays in the image
 */
bool recorder_reader_look(RecorderReader *reader, Err *err);

/**
 * recorder_reader_fetch - have one record in the image
 * @seq: its number
 *
 * A batch of those that follow comes with it, so calls that count upwards
 * cost little.  The image then says of each what evring_read() would have
 * said of the file: read, overwritten, or pending when it was copied.
 *
 * Returns: as recorder_reader_look()
 */
bool recorder_reader_fetch(RecorderReader *reader, uint64_t seq, Err *err);

#endif
