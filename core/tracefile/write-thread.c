/*
 * tracefile/write-thread: see write-thread.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/write-thread.h"

#include <string.h>

void write_thread_of(const SchedlogEvent *event, WriteThread *thread)
{
    memset(thread, 0, sizeof(*thread));
    thread->thread = event->thread;
    thread->has = event->has & TRACE_THREAD_BITS;
    if (thread->has & SCHEDLOG_HAS_PROCESS) {
        thread->process = event->process;
    }
    if (thread->has & SCHEDLOG_HAS_IDS) {
        thread->pid = event->pid;
        thread->tid = event->tid;
    }
    if (thread->has & SCHEDLOG_HAS_IMAGE) {
        memcpy(thread->image, event->image, sizeof(thread->image) - 1);
    }
    if (thread->has & SCHEDLOG_HAS_NAME) {
        memcpy(thread->name, event->name,
               strnlen(event->name, sizeof(thread->name) - 1));
    }
}

uint32_t write_thread_hash(const WriteThread *thread)
{
    uint64_t words[sizeof(*thread) / 8];
    uint64_t hash = 0;
    size_t i;

    memcpy(words, thread, sizeof(words));
    for (i = 0; i < sizeof(words) / 8; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 32);
}

/* Zeroes at the end are left out. */
static void pack_image(Packer *to, const char *image)
{
    size_t len = SCHEDLOG_IMAGE_SIZE - 1;

    while (len && !image[len - 1]) {
        len--;
    }
    pack_bytes(to, image, len);
}

void write_thread_pack(Packer *to, uint32_t id, const WriteThread *thread)
{
    pack_number(to, id);
    pack_number(to, thread->has);
    pack_fixed64(to, thread->thread);
    if (thread->has & SCHEDLOG_HAS_PROCESS) {
        pack_fixed64(to, thread->process);
    }
    if (thread->has & SCHEDLOG_HAS_IDS) {
        pack_number(to, thread->pid);
        pack_number(to, thread->tid);
    }
    if (thread->has & SCHEDLOG_HAS_IMAGE) {
        pack_image(to, thread->image);
    }
    if (thread->has & SCHEDLOG_HAS_NAME) {
        pack_string(to, thread->name);
    }
}
