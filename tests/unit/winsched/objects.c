/*
 * objects: see objects.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "objects.h"

#include <string.h>

enum { RAM_SIZE = 2 << 20 };

enum {
    APC_PROCESS = 0xb8,
    PRIORITY = 0xc3,
    SWITCHES = 0x154,
    STATE = 0x184,
    WAIT_TIME = 0x1b4,
    PROCESS = 0x220,
    WAIT_REASON = 0x283,
    THREAD_CREATED = 0x4c0,
    CLIENT_ID = 0x508,
    THREAD_NAME = 0x6a0,
    PROCESS_ID = 0x1d0,
    PROCESS_CREATED = 0x1f8,
    IMAGE = 0x338,
};

void objects_set(WinosLayout *layout, WinosField field, int32_t offset)
{
    layout->field[field].value = offset;
}

void objects_layout(WinosLayout *layout)
{
    winos_layout_init(layout);
    objects_set(layout, WINOS_KTHREAD_APC_PROCESS, APC_PROCESS);
    objects_set(layout, WINOS_KTHREAD_PRIORITY, PRIORITY);
    objects_set(layout, WINOS_KTHREAD_CONTEXT_SWITCHES, SWITCHES);
    objects_set(layout, WINOS_KTHREAD_STATE, STATE);
    objects_set(layout, WINOS_KTHREAD_WAIT_TIME, WAIT_TIME);
    objects_set(layout, WINOS_KTHREAD_PROCESS, PROCESS);
    objects_set(layout, WINOS_KTHREAD_WAIT_REASON, WAIT_REASON);
    objects_set(layout, WINOS_ETHREAD_CREATE_TIME, THREAD_CREATED);
    objects_set(layout, WINOS_ETHREAD_CLIENT_ID, CLIENT_ID);
    objects_set(layout, WINOS_ETHREAD_THREAD_NAME, THREAD_NAME);
    objects_set(layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID, PROCESS_ID);
    objects_set(layout, WINOS_EPROCESS_CREATE_TIME, PROCESS_CREATED);
    objects_set(layout, WINOS_EPROCESS_IMAGE_FILE_NAME, IMAGE);
}

void objects_put_process(FakeGuest *g, const ProcessObject *process)
{
    char image[15] = "";

    memcpy(image, process->image, strnlen(process->image, sizeof(image)));
    fake_guest_put8(g, process->at, 3);
    fake_guest_put64(g, process->at + PROCESS_ID, process->id);
    fake_guest_put64(g, process->at + PROCESS_CREATED, process->created);
    fake_guest_write(g, process->at + IMAGE, image, sizeof(image));
}

void objects_put_thread(FakeGuest *g, const ThreadObject *thread)
{
    fake_guest_put8(g, thread->at, 6);
    fake_guest_put64(g, thread->at + PROCESS, thread->process);
    fake_guest_put64(g, thread->at + APC_PROCESS, thread->attached);
    fake_guest_put64(g, thread->at + CLIENT_ID, thread->pid);
    fake_guest_put64(g, thread->at + CLIENT_ID + 8, thread->tid);
    fake_guest_put64(g, thread->at + THREAD_CREATED, thread->created);
    fake_guest_put64(g, thread->at + THREAD_NAME, thread->name);
    fake_guest_put32(g, thread->at + SWITCHES, thread->switches);
    fake_guest_put32(g, thread->at + WAIT_TIME, thread->wait_time);
    fake_guest_put8(g, thread->at + STATE, thread->state);
    fake_guest_put8(g, thread->at + WAIT_REASON, thread->wait_reason);
    fake_guest_put8(g, thread->at + PRIORITY, thread->priority);
}

void objects_put_name(FakeGuest *g, uint64_t at, const char *text)
{
    size_t len = strlen(text);
    size_t i;

    fake_guest_put16(g, at, (uint16_t)(2 * len));
    fake_guest_put16(g, at + 2, (uint16_t)(2 * len + 2));
    fake_guest_put64(g, at + 8, at + 16);
    for (i = 0; i < len; i++) {
        fake_guest_put16(g, at + 16 + 2 * i, (uint8_t)text[i]);
    }
}

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    HookedGuest *h = opaque;
    bool good = true;

    if (h->n++ == h->at && h->hook) {
        good = h->hook(h->opaque);
    }
    return good && h->plain->read_phys(&h->g, gpa, buf, len);
}

static const GmemOps hooked_ops = { .read_phys = read_phys };

void hooked_guest_init(HookedGuest *h, unsigned levels)
{
    memset(h, 0, sizeof(*h));
    fake_guest_init(&h->g, RAM_SIZE, levels);
    h->plain = h->g.mem.ops;
    h->g.mem.ops = &hooked_ops;
    h->g.mem.opaque = h;
}

void hooked_guest_deinit(HookedGuest *h)
{
    fake_guest_deinit(&h->g);
}

void hooked_guest_hook(HookedGuest *h, uint64_t at, bool (*hook)(void *),
                       void *opaque)
{
    h->n = 0;
    h->at = at;
    h->hook = hook;
    h->opaque = opaque;
}
