/*
 * record-file: the file a recording goes to, or its parts.
 *
 * What cannot be written whole is taken back, so that the file stays
 * readable.  What is in it is for core/tracefile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORD_FILE_H
#define VMSCOPE_RECORD_FILE_H

#include "base/err.h"
#include "tracefile/write.h"

typedef struct RecordFile {
    const char *name;       /* as given; borrowed */
    bool parted;            /* each part has a number in its name */
    uint64_t keep;          /* newest parts to keep; 0: all */
    uint32_t part;          /* from 1; 0: none is open */
    int fd;
    uint64_t size;
    char path[4096];        /* of the part that is open, or was last */
} RecordFile;

/**
 * record_file_init - nothing is opened yet
 * @name: borrowed; in "trace.vms" a part's number goes before ".vms"
 */
void record_file_init(RecordFile *file, const char *name, bool parted,
                      uint64_t keep);

/**
 * record_file_next - open the next part
 *
 * A regular file that has the name gets ".old" added to its own.  A part
 * that is one too many is removed.
 */
bool record_file_next(RecordFile *file, Err *err);

/* For trace_writer_new(). */
TraceSink record_file_sink(RecordFile *file);

/* Returns: false with a sentence when what was written may not be there. */
bool record_file_close(RecordFile *file, Err *err);

#endif
