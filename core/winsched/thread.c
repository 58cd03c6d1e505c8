/*
 * winsched/thread: see thread.h.
 *
 * Few reads are made, since each costs a call into the embedder: pages are
 * translated once, and fields that stand near each other come in one read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/thread.h"

#include "base/le.h"
#include "base/utf16.h"

#include <string.h>

/*
 * Type byte of the dispatcher header, the first byte of both objects.
 * Source: VergiliusProject/kernels-data _KOBJECTS; the same from Vista to
 * build 26100.
 */
enum { TYPE_PROCESS = 3, TYPE_THREAD = 6 };

enum {
    ALIGNMENT = 16,         /* of pool blocks, and so of both objects */
    IMAGE_BYTES = 15,
    MAX_STATE = 9,          /* of KTHREAD.State */
    MAX_WAIT_REASON = 127,
    MAX_PRIORITY = 31,
};

/* Text that fills all of WinschedThread.name, whatever it is. */
enum { NAME_BYTES = 2 * WINSCHED_NAME_SIZE };

/* Bits of WinschedThreadKey.known and of WinschedProcessKey.known. */
enum {
    KEY_PROCESS = 1 << 0,
    KEY_CLIENT_ID = 1 << 1,
    KEY_CREATED = 1 << 2,
    KEY_ID = 1 << 3,
    KEY_IMAGE = 1 << 4,
    KEY_OBJECT = 1 << 5,    /* its header says that it is a process */
};

/* The most that is read at once; fields further apart are read one by one. */
enum { BLOCK_MAX = 1024 };

typedef struct Want {
    WinosField field;
    unsigned len;
} Want;

/* A stretch of an object that holds several fields. */
typedef struct Block {
    WinschedWindow *window;
    const WinosLayout *layout;
    uint64_t base;          /* of the object */
    int64_t start;          /* offset of the first byte */
    int64_t end;            /* and behind the last; equal when nothing is in */
    uint8_t bytes[BLOCK_MAX];
} Block;

/* What is told apart by, and behind it where the name is. */
static const Want thread_ids[] = {
    { WINOS_ETHREAD_CLIENT_ID, 16 },
    { WINOS_ETHREAD_CREATE_TIME, 8 },
    { WINOS_ETHREAD_THREAD_NAME, 8 },
};

enum { N_KEY_IDS = 2 };

/* Whose it is, and behind that what changes in its life. */
static const Want thread_body[] = {
    { WINOS_KTHREAD_PROCESS, 8 },
    { WINOS_KTHREAD_APC_PROCESS, 8 },
    { WINOS_KTHREAD_STATE, 1 },
    { WINOS_KTHREAD_WAIT_REASON, 1 },
    { WINOS_KTHREAD_PRIORITY, 1 },
    { WINOS_KTHREAD_CONTEXT_SWITCHES, 4 },
    { WINOS_KTHREAD_WAIT_TIME, 4 },
};

enum { N_KEY_BODY = 2 };

static const Want process_key[] = {
    { WINOS_EPROCESS_UNIQUE_PROCESS_ID, 8 },
    { WINOS_EPROCESS_CREATE_TIME, 8 },
    { WINOS_EPROCESS_IMAGE_FILE_NAME, IMAGE_BYTES },
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

void winsched_window_init(WinschedWindow *window, const GmemSpace *space)
{
    memset(window, 0, sizeof(*window));
    window->space = space;
}

/* The index of the page an address is on; -1 when it is not mapped. */
static int find_page(WinschedWindow *window, uint64_t gva)
{
    uint64_t start = gva & ~(uint64_t)(GMEM_PAGE - 1);
    uint64_t gpa;
    uint64_t size;
    unsigned i;

    for (i = 0; i < WINSCHED_WINDOW_PAGES; i++) {
        if (gva - window->pages[i].gva < window->pages[i].size) {
            return (int)i;
        }
    }
    if (!gmem_translate(window->space, start, &gpa, &size, NULL)) {
        return -1;
    }
    i = window->next;
    window->next = (i + 1) % WINSCHED_WINDOW_PAGES;
    window->pages[i].gva = start;
    window->pages[i].gpa = gpa;
    window->pages[i].size = size;
    return (int)i;
}

static bool thread_read_at(WinschedWindow *window, uint64_t gva, void *buf,
                           uint64_t len)
{
    uint8_t *to = buf;
    uint64_t in_page;
    uint64_t n;
    int i;

    if (!gmem_is_kernel(window->space, gva) ||
        (len && len - 1 > UINT64_MAX - gva)) {
        return false;
    }
    for (; len; gva += n, to += n, len -= n) {
        i = find_page(window, gva);
        if (i < 0) {
            return false;
        }
        in_page = gva - window->pages[i].gva;
        n = window->pages[i].size - in_page;
        n = n < len ? n : len;
        if (!gmem_read_phys(window->space->mem,
                            window->pages[i].gpa + in_page, to, n, NULL)) {
            return false;
        }
    }
    return true;
}

static bool thread_is_object(WinschedWindow *window, uint64_t gva, uint8_t type)
{
    uint8_t byte;

    return gva % ALIGNMENT == 0 && thread_read_at(window, gva, &byte, 1) &&
           byte == type;
}

static bool thread_read_field(WinschedWindow *window, const WinosLayout *layout,
                              uint64_t base, WinosField field, void *buf,
                              unsigned len)
{
    int32_t offset = winos_offset(layout, field);

    /* A wrap leads to the lower half, where thread_read_at() finds nothing. */
    return offset >= 0 &&
    thread_read_at(window, base + (uint64_t)offset, buf, len);
}

static bool thread_read_pointer(WinschedWindow *window,
                                const WinosLayout *layout,
                                uint64_t base, WinosField field,
                                uint64_t *value)
{
    uint8_t raw[8];

    if (!thread_read_field(window, layout, base, field, raw, sizeof(raw))) {
        return false;
    }
    *value = load_le64(raw);
    return true;
}

/* Where the fields that are wanted and known begin and end. */
static void thread_span_of(const WinosLayout *layout, const Want *wants,
                           size_t n, int64_t *start, int64_t *end)
{
    size_t i;

    *start = INT32_MAX;
    *end = 0;
    for (i = 0; i < n; i++) {
        int64_t offset = winos_offset(layout, wants[i].field);

        if (offset >= 0) {
            *start = offset < *start ? offset : *start;
            offset += wants[i].len;
            *end = offset > *end ? offset : *end;
        }
    }
}

/* Begin with an object, reading what is wanted in one go if it is near. */
static void block_read(Block *block, WinschedWindow *window,
                       const WinosLayout *layout, uint64_t base,
                       const Want *wants, size_t n)
{
    int64_t start;
    int64_t end;

    block->window = window;
    block->layout = layout;
    block->base = base;
    block->start = 0;
    block->end = 0;
    thread_span_of(layout, wants, n, &start, &end);
    /* The type byte comes along when it is not far. */
    if (end <= BLOCK_MAX) {
        start = 0;
    }
    if (end > start && end - start <= BLOCK_MAX &&
        thread_read_at(window, base + (uint64_t)start, block->bytes,
                       (uint64_t)(end - start))) {
        block->start = start;
        block->end = end;
    }
}

static bool block_is(const Block *block, uint8_t type)
{
    uint8_t byte;

    if (block->start == 0 && block->end > 0) {
        return block->bytes[0] == type;
    }
    return thread_read_at(block->window, block->base, &byte, 1) && byte == type;
}

static inline bool block_get(const Block *block, WinosField field, void *buf,
                             unsigned len)
{
    int64_t offset = winos_offset(block->layout, field);

    if (offset >= block->start && offset + len <= block->end) {
        memcpy(buf, block->bytes + (offset - block->start), len);
        return true;
    }
    return thread_read_field(block->window, block->layout, block->base, field,
                             buf, len);
}

static inline bool block_get_u64(const Block *block, WinosField field,
                                 uint64_t *value)
{
    uint8_t raw[8];

    if (!block_get(block, field, raw, sizeof(raw))) {
        return false;
    }
    *value = load_le64(raw);
    return true;
}

static inline bool block_get_u32(const Block *block, WinosField field,
                                 uint32_t *value)
{
    uint8_t raw[4];

    if (!block_get(block, field, raw, sizeof(raw))) {
        return false;
    }
    *value = load_le32(raw);
    return true;
}

/* Where the owner is read from; the attached process is the next best. */
static WinosField thread_owner_field(const WinosLayout *layout)
{
    return winos_has(layout, WINOS_KTHREAD_PROCESS) ?
           WINOS_KTHREAD_PROCESS : WINOS_KTHREAD_APC_PROCESS;
}

static void thread_key_ids(const Block *ids, WinschedThreadKey *key)
{
    uint8_t raw[16];

    if (block_get(ids, WINOS_ETHREAD_CLIENT_ID, raw, sizeof(raw))) {
        key->client_id[0] = load_le64(raw);
        key->client_id[1] = load_le64(raw + 8);
        key->known |= KEY_CLIENT_ID;
    }
    if (block_get_u64(ids, WINOS_ETHREAD_CREATE_TIME, &key->created)) {
        key->known |= KEY_CREATED;
    }
}

/* False when it is no thread. */
static bool thread_key_body(const Block *body, WinschedThreadKey *key)
{
    if (body->base % ALIGNMENT || !block_is(body, TYPE_THREAD)) {
        return false;
    }
    if (block_get_u64(body, thread_owner_field(body->layout), &key->process)) {
        key->known |= KEY_PROCESS;
    }
    return true;
}

static void read_process_key(WinschedWindow *window,
                             const WinosLayout *layout, uint64_t process,
                             WinschedProcessKey *key)
{
    Block block;

    memset(key, 0, sizeof(*key));
    if (process % ALIGNMENT) {
        return;
    }
    block_read(&block, window, layout, process, process_key,
               LENGTH(process_key));
    if (!block_is(&block, TYPE_PROCESS)) {
        return;
    }
    key->known = KEY_OBJECT;
    if (block_get_u64(&block, WINOS_EPROCESS_UNIQUE_PROCESS_ID, &key->id)) {
        key->known |= KEY_ID;
    }
    if (block_get_u64(&block, WINOS_EPROCESS_CREATE_TIME, &key->created)) {
        key->known |= KEY_CREATED;
    }
    if (block_get(&block, WINOS_EPROCESS_IMAGE_FILE_NAME, key->image,
                  IMAGE_BYTES)) {
        key->known |= KEY_IMAGE;
    }
}

/* Multiples of 4 in 32 bits, and the process says the same. */
static bool thread_ids_fit(const WinosLayout *layout,
                           const WinschedThreadKey *key,
                           const WinschedProcessKey *owner)
{
    uint64_t both = key->client_id[0] | key->client_id[1];

    if (!(key->known & KEY_CLIENT_ID) || both % 4 || both > UINT32_MAX) {
        return false;
    }
    if (!winos_has(layout, thread_owner_field(layout)) ||
        !winos_has(layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID)) {
        return true;
    }
    return owner->known & KEY_ID && owner->id == key->client_id[0];
}

/*
 * Where the owner's place is not known, the process whose memory it runs in
 * is the owner if it has the thread's id, or if the user says so.  An idle
 * thread always runs in another's.
 */
static bool thread_owner_is_known(const WinosLayout *layout,
                                  const WinschedThread *thread)
{
    const WinosOffset *apc = &layout->field[WINOS_KTHREAD_APC_PROCESS];
    const WinschedThreadKey *key = &thread->key;

    if (winos_has(layout, WINOS_KTHREAD_PROCESS)) {
        return true;
    }
    if (key->known & KEY_CLIENT_ID && !key->client_id[0] &&
        !key->client_id[1]) {
        return false;
    }
    if (apc->source == WINOS_SOURCE_OVERRIDE) {
        return true;
    }
    return thread->has & WINSCHED_HAS_IDS && thread->pid &&
           winos_has(layout, WINOS_EPROCESS_UNIQUE_PROCESS_ID);
}

/* What the keys say of the thread. */
static void thread_set_keys(const WinosLayout *layout, WinschedThread *out)
{
    if (thread_ids_fit(layout, &out->key, &out->owner)) {
        out->pid = (uint32_t)out->key.client_id[0];
        out->tid = (uint32_t)out->key.client_id[1];
        out->has |= WINSCHED_HAS_IDS;
    }
    if (!thread_owner_is_known(layout, out)) {
        return;
    }
    if (out->owner.known & KEY_OBJECT) {
        out->process = out->key.process;
        out->has |= WINSCHED_HAS_PROCESS;
    }
    if (out->owner.image[0]) {
        memcpy(out->image, out->owner.image, IMAGE_BYTES);
        out->has |= WINSCHED_HAS_IMAGE;
    }
}

static void thread_set_attached(const Block *block, WinschedThread *out)
{
    uint64_t process;

    if (winos_has(block->layout, WINOS_KTHREAD_PROCESS) &&
        out->has & WINSCHED_HAS_PROCESS &&
        block_get_u64(block, WINOS_KTHREAD_APC_PROCESS, &process) &&
        process != out->process &&
        thread_is_object(block->window, process, TYPE_PROCESS)) {
        out->attached = process;
        out->has |= WINSCHED_HAS_ATTACHED;
    }
}

/* A byte that is at most @max, or is left out. */
static void thread_set_byte(const Block *block, WinosField field, uint8_t max,
                            uint32_t bit, uint8_t *value, WinschedThread *out)
{
    uint8_t byte;

    if (block_get(block, field, &byte, 1) && byte <= max) {
        *value = byte;
        out->has |= bit;
    }
}

/* What changes in a thread's life. */
static void thread_set_rest(const Block *block, WinschedThread *out)
{
    uint8_t priority = 0;

    thread_set_byte(block, WINOS_KTHREAD_STATE, MAX_STATE, WINSCHED_HAS_STATE,
                    &out->state, out);
    thread_set_byte(block, WINOS_KTHREAD_WAIT_REASON, MAX_WAIT_REASON,
                    WINSCHED_HAS_WAIT_REASON, &out->wait_reason, out);
    thread_set_byte(block, WINOS_KTHREAD_PRIORITY, MAX_PRIORITY,
                    WINSCHED_HAS_PRIORITY, &priority, out);
    out->priority = (int8_t)priority;
    if (block_get_u32(block, WINOS_KTHREAD_CONTEXT_SWITCHES,
                      &out->context_switches)) {
        out->has |= WINSCHED_HAS_SWITCHES;
    }
    if (block_get_u32(block, WINOS_KTHREAD_WAIT_TIME, &out->wait_time)) {
        out->has |= WINSCHED_HAS_WAIT_TIME;
    }
}

/*
 * A pointer and the UNICODE_STRING it leads to: u16 Length and MaximumLength
 * in bytes, u64 Buffer at 8.
 * Source: VergiliusProject/kernels-data _ETHREAD, _UNICODE_STRING.
 */
typedef struct NameHead {
    uint64_t pointer;
    uint8_t raw[16];
} NameHead;

static bool read_name_head(WinschedWindow *window, NameHead *head)
{
    return head->pointer % 8 == 0 &&
           thread_read_at(window, head->pointer, head->raw, sizeof(head->raw));
}

/* Names may be set at any time; one that was set meanwhile is left out. */
static void thread_set_name(const Block *ids, WinschedThread *out)
{
    WinschedWindow *window = ids->window;
    uint8_t text[NAME_BYTES];
    NameHead head;
    NameHead again;
    unsigned len;
    bool cut;

    if (!block_get_u64(ids, WINOS_ETHREAD_THREAD_NAME, &head.pointer) ||
        !read_name_head(window, &head)) {
        return;
    }
    len = load_le16(head.raw);
    if (len % 2 || len > load_le16(head.raw + 2)) {
        return;
    }
    len = len < NAME_BYTES ? len : NAME_BYTES;
    if (!thread_read_at(window, load_le64(head.raw + 8), text, len) ||
        !thread_read_pointer(window, ids->layout, out->thread,
                             WINOS_ETHREAD_THREAD_NAME, &again.pointer) ||
        !read_name_head(window, &again) ||
        memcmp(&head, &again, sizeof(head))) {
        return;
    }
    if (utf16_to_utf8(text, len, out->name, sizeof(out->name), &cut)) {
        out->has |= WINSCHED_HAS_NAME | (cut ? WINSCHED_NAME_CUT : 0);
    }
}

bool winsched_thread_may_be(const GmemSpace *space, uint64_t thread)
{
    uint8_t type;

    return gmem_is_kernel(space, thread) && thread % ALIGNMENT == 0 &&
           gmem_read_u8(space, thread, &type) && type == TYPE_THREAD;
}

/*
 * The ids are read first, then all else, and in winsched_thread_unchanged() the
 * ids again: when they are the same, they were so in between.
 */
bool winsched_thread_glimpse(WinschedWindow *window, const WinosLayout *layout,
                             uint64_t thread, WinschedThread *out)
{
    Block ids;
    Block body;

    memset(out, 0, sizeof(*out));
    out->thread = thread;
    block_read(&ids, window, layout, thread, thread_ids, LENGTH(thread_ids));
    block_read(&body, window, layout, thread, thread_body,
               LENGTH(thread_body));
    if (!thread_key_body(&body, &out->key)) {
        return false;
    }
    thread_key_ids(&ids, &out->key);
    read_process_key(window, layout, out->key.process, &out->owner);
    thread_set_keys(layout, out);
    thread_set_attached(&body, out);
    thread_set_rest(&body, out);
    thread_set_name(&ids, out);
    return true;
}

/* As thread_key_body() and thread_key_ids(), of what is there now. */
static bool thread_read_key(WinschedWindow *window, const WinosLayout *layout,
                            uint64_t thread, WinschedThreadKey *key)
{
    Block block;

    memset(key, 0, sizeof(*key));
    block_read(&block, window, layout, thread, thread_body, N_KEY_BODY);
    if (!thread_key_body(&block, key)) {
        return false;
    }
    block_read(&block, window, layout, thread, thread_ids, N_KEY_IDS);
    thread_key_ids(&block, key);
    return true;
}

bool winsched_thread_unchanged(WinschedWindow *window,
                               const WinosLayout *layout,
                               const WinschedThread *thread)
{
    WinschedThreadKey key;
    WinschedProcessKey owner;

    if (!thread_read_key(window, layout, thread->thread, &key) ||
        memcmp(&key, &thread->key, sizeof(key))) {
        return false;
    }
    read_process_key(window, layout, key.process, &owner);
    return !memcmp(&owner, &thread->owner, sizeof(owner));
}

bool winsched_thread_steady(WinschedWindow *window, const WinosLayout *layout,
                            const WinschedThread *thread)
{
    const uint32_t seen = WINSCHED_HAS_STATE | WINSCHED_HAS_SWITCHES;
    WinschedThread now = { .thread = thread->thread };
    Block body;

    block_read(&body, window, layout, thread->thread, thread_body,
               LENGTH(thread_body));
    thread_set_rest(&body, &now);
    return !((now.has ^ thread->has) & seen) && now.state == thread->state &&
           now.context_switches == thread->context_switches;
}

bool winsched_thread_read(const GmemSpace *space, const WinosLayout *layout,
                          uint64_t thread, WinschedThread *out)
{
    WinschedWindow window;

    winsched_window_init(&window, space);
    if (!winsched_thread_glimpse(&window, layout, thread, out)) {
        return false;
    }
    /* The page of an object that is gone may be another's by now. */
    winsched_window_init(&window, space);
    return winsched_thread_unchanged(&window, layout, out);
}

void winsched_thread_refresh(WinschedWindow *window,
                             const WinosLayout *layout,
                             WinschedThread *thread)
{
    const uint32_t changing = WINSCHED_HAS_STATE | WINSCHED_HAS_WAIT_REASON |
                              WINSCHED_HAS_PRIORITY | WINSCHED_HAS_SWITCHES |
                              WINSCHED_HAS_WAIT_TIME;
    WinschedThreadKey key = { .known = 0 };
    Block body;
    Block ids;

    thread->has &= ~changing;
    block_read(&body, window, layout, thread->thread, thread_body,
               LENGTH(thread_body));
    if (!thread_key_body(&body, &key)) {
        return;
    }
    thread_set_rest(&body, thread);
    /* It had this key before, so it was the same all the while. */
    block_read(&ids, window, layout, thread->thread, thread_ids, N_KEY_IDS);
    thread_key_ids(&ids, &key);
    if (memcmp(&key, &thread->key, sizeof(key))) {
        thread->has &= ~changing;
    }
}

bool winsched_same_thread(const WinschedThread *a, const WinschedThread *b)
{
    return a->thread == b->thread &&
           !memcmp(&a->key, &b->key, sizeof(a->key)) &&
           (a->owner.known != b->owner.known ||
            !memcmp(&a->owner, &b->owner, sizeof(a->owner)));
}
