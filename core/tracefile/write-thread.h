/*
 * tracefile/write-thread: a guest thread as a recording tells of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TRACEFILE_WRITE_THREAD_H
#define VMSCOPE_TRACEFILE_WRITE_THREAD_H

#include "tracefile/format.h"
#include "tracefile/pack.h"

/* What a guest thread is; without padding, as it is hashed and compared. */
typedef struct WriteThread {
    uint64_t thread;
    uint64_t process;
    uint32_t pid, tid;
    uint32_t has;
    uint32_t reserved;
    char image[SCHEDLOG_IMAGE_SIZE];
    char name[SCHEDLOG_NAME_SIZE];
} WriteThread;

_Static_assert(sizeof(WriteThread) == 128, "hashed as 16 words");

/* What an event says of its thread. */
void write_thread_of(const SchedlogEvent *event, WriteThread *thread);

uint32_t write_thread_hash(const WriteThread *thread);

void write_thread_pack(Packer *to, uint32_t id, const WriteThread *thread);

#endif
