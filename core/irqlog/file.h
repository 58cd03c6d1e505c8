/*
 * irqlog/file: the file that text goes to.
 *
 * Text is appended to what is a log already, or to a new file; to a FIFO or a
 * terminal.  A file of ours that reached its limit gets ".old" added to its
 * name.  What is written, and when, is the caller's business; so is what stands
 * behind a descriptor that it was given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_FILE_H
#define VMSCOPE_IRQLOG_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* How errors call it. */
#define IRQLOG_FILE "log-file"

/* Begins as { .fd = -1 }. */
typedef struct IrqlogFile {
    int fd;                     /* -1: nowhere */
    bool regular;               /* never blocks for long; keeps what it gets */
    bool rotates;               /* has a name of its own, and may be renamed */
    bool created;               /* was not there before */
    uint64_t size;              /* bytes in it, of those that count */
    int (*close)(int fd);       /* NULL: close() */
} IrqlogFile;

/**
 * irqlog_file_open - open the file of a name
 * @file: filled in
 * @path: absolute
 * @mine: what has been written to so far, or NULL; somebody may have renamed it
 *
 * Returns: false with an error when it is not there, or not ours to write to
 */
bool irqlog_file_open(IrqlogFile *file, const char *path,
                      const IrqlogFile *mine, Err *err);

/**
 * irqlog_file_take - go on in a descriptor that somebody passed
 * @file: fd and close are set; the rest is filled in
 * @path: how errors call it
 *
 * What can be read of it is looked at; whoever passed it may not read.
 *
 * Returns: false with an error; the descriptor is open still
 */
bool irqlog_file_take(IrqlogFile *file, const char *path, Err *err);

/* Close it; nothing happens when it is closed. */
void irqlog_file_close(IrqlogFile *file);

/* Close it, and remove it again if it was made for nothing. */
void irqlog_file_abandon(IrqlogFile *file, const char *path);

/* Is this still what stands under the name? */
bool irqlog_file_has_name(const IrqlogFile *file, const char *path);

/* Do both lead to the same file? */
bool irqlog_file_is_same(const IrqlogFile *a, const IrqlogFile *b);

/**
 * irqlog_file_rotate - go on in a new file; the one there is gets ".old" added
 * @file: one that rotates
 *
 * Returns: false with an error, and then @file is as it was
 */
bool irqlog_file_rotate(IrqlogFile *file, const char *path, Err *err);

#endif
