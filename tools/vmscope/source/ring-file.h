/*
 * ring-file: one of QEMU's ring files, read while QEMU writes it.
 *
 * Anything may be in such a file; it may be cut short, and its QEMU may die.
 * What is made of its records is for others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RING_FILE_H
#define VMSCOPE_RING_FILE_H

#include "irqlog/store.h"
#include "recorder/reader.h"
#include "schedlog/store.h"

typedef struct RingFile {
    char path[512];
    int fd;
    RecorderReader reader;
    bool lost;                  /* it was cut short, or cannot be read */
    Err why;                    /* it was lost */
    const EvringHeader *header; /* as of the last look; constant for the most */
    Evring ring;
    union {                     /* by header->content */
        SchedlogStore sched;
        IrqlogStore irq;
    };
} RingFile;

/**
 * ring_file_open - begin to read a ring file
 * @content: what must be in it
 *
 * Returns: false with a sentence; else it is ended with ring_file_close()
 */
bool ring_file_open(RingFile *file, EvringContent content, const char *path,
                    Err *err);

/* A file that was not opened, all zeroes, is allowed. */
void ring_file_close(RingFile *file);

/**
 * ring_file_look - see how far the ring has come
 *
 * What the functions below say, and which records can be fetched, is as of
 * the last look.
 *
 * Returns: false with a sentence when the file was cut short or cannot be read
 *          any more; then nothing more comes from it
 */
bool ring_file_look(RingFile *file, Err *err);

/**
 * ring_file_fetch - have a record where the store reads it
 *
 * Returns: as ring_file_look()
 */
bool ring_file_fetch(RingFile *file, uint64_t seq, Err *err);

/* Whether its writer has stopped it. */
bool ring_file_stopped(const RingFile *file);

/* When it was stopped; 0 when it was not. */
uint64_t ring_file_end_ns(const RingFile *file);

/* Whether the process that writes it has ended. */
bool ring_file_orphaned(const RingFile *file);

/* The same, for a copy of a ring's header; anything may be in it. */
bool ring_file_writer_is_dead(const EvringHeader *header);

/* Whether one process wrote both: its number, program and place in memory. */
bool ring_file_same_process(const RingFile *a, const RingFile *b);

#endif
