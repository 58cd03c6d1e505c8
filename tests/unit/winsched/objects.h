/*
 * objects: thread and process objects in a fake guest's memory.
 *
 * Fields stand where they do in Windows 11 24H2.
 * Source: VergiliusProject/kernels-data yml/10.0.26100.1742-x64.yml.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TESTS_WINSCHED_OBJECTS_H
#define VMSCOPE_TESTS_WINSCHED_OBJECTS_H

#include "fake-guest.h"
#include "winos/layout.h"

typedef struct ProcessObject {
    uint64_t at;
    uint64_t id;
    uint64_t created;
    const char *image;          /* at most 15 bytes are written */
} ProcessObject;

typedef struct ThreadObject {
    uint64_t at;
    uint64_t process;
    uint64_t attached;
    uint64_t pid, tid;
    uint64_t created;
    uint64_t name;              /* of a UNICODE_STRING, or 0 */
    uint32_t switches;
    uint32_t wait_time;
    uint8_t state;
    uint8_t wait_reason;
    uint8_t priority;
} ThreadObject;

/* A guest whose every physical read a test can have a hand in. */
typedef struct HookedGuest {
    FakeGuest g;
    const GmemOps *plain;
    uint64_t n;                 /* reads so far */
    uint64_t at;                /* before which read, from 0, to call */
    bool (*hook)(void *opaque); /* false: that read faults; NULL: none */
    void *opaque;
} HookedGuest;

void objects_layout(WinosLayout *layout);
void objects_set(WinosLayout *layout, WinosField field, int32_t offset);
void objects_put_process(FakeGuest *g, const ProcessObject *process);
void objects_put_thread(FakeGuest *g, const ThreadObject *thread);

/* A UNICODE_STRING at @at and its text right behind; ASCII. */
void objects_put_name(FakeGuest *g, uint64_t at, const char *text);

void hooked_guest_init(HookedGuest *h, unsigned levels);
void hooked_guest_deinit(HookedGuest *h);

/* Call @hook before read @at of those to come. */
void hooked_guest_hook(HookedGuest *h, uint64_t at, bool (*hook)(void *),
                       void *opaque);

#endif
