/*
 * irqlog/writer: a ring's text, written to its file as the ring fills.
 *
 * What cannot be written stays in the buffer, and events stay in the ring
 * until it is full: a disk that gets room again loses nothing.  A file that
 * reached its limit is renamed between two events.  When to write, and the
 * thread for it, are the caller's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_WRITER_H
#define VMSCOPE_IRQLOG_WRITER_H

#include "irqlog/file.h"
#include "irqlog/stream.h"

/* Filled in by irqlog_writer_init(); stream.text_lost counts what was lost. */
typedef struct IrqlogWriter {
    IrqlogStream stream;
    IrqlogFile *file;
    const char *path;
    uint64_t limit;             /* bytes that may be in the file */
    size_t chunk;               /* bytes that are written at once */
    size_t done;                /* of those in the buffer, already written */
    void (*tell)(void *opaque, const char *error);
    void *opaque;
} IrqlogWriter;

/**
 * irqlog_writer_init - begin with a ring's first event
 * @store: the ring's
 * @file: where text goes; open or not, borrowed until irqlog_writer_deinit(),
 *        and changed when it is renamed
 * @path: its name, when it has one
 * @limit: bytes a file may have
 * @tell: called with what is wrong with the file, NULL when nothing is (any
 *        more); the text is borrowed
 *
 * Returns: false when there is no memory
 */
bool irqlog_writer_init(IrqlogWriter *w, const IrqlogStore *store,
                        IrqlogFile *file, const char *path, uint64_t limit,
                        void (*tell)(void *opaque, const char *error),
                        void *opaque);

/* The file stays open. */
void irqlog_writer_deinit(IrqlogWriter *w);

/* Put the head of the text into the file. */
void irqlog_writer_begin(IrqlogWriter *w);

/* Put programs and libraries that are new in the tables into the text. */
void irqlog_writer_objects(IrqlogWriter *w);

/**
 * irqlog_writer_drain - write the events that are in the ring
 * @ms: to wait for room, each time there is none
 *
 * Returns: how many were taken from the ring
 */
uint64_t irqlog_writer_drain(IrqlogWriter *w, int ms);

/**
 * irqlog_writer_switch - go on in another file
 * @next: takes the place of the present one, which is closed
 * @ms: how long the old one may take for the text made so far; what finds no
 *      room is lost
 */
void irqlog_writer_switch(IrqlogWriter *w, const IrqlogFile *next, int ms);

/**
 * irqlog_writer_finish - write all that is left, and the last line
 * @before: numbers that a ring lost with its file had given out
 *
 * Text that finds no room in time is given up; the events still in the ring
 * count as lost in it.
 */
void irqlog_writer_finish(IrqlogWriter *w, uint64_t before);

#endif
