/*
 * schedlog/store: see store.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "schedlog/store.h"

#include "base/point.h"
#include "base/utf8.h"

#include <string.h>

_Static_assert(SCHEDLOG_N_WORDS == 23, "as the format's page says");

/* What a value of Windows' can be at most; more is damage. */
enum { MAX_STATE = 9, MAX_WAIT_REASON = 127, MAX_PRIORITY = 31 };

enum {
    /* The oldest entry may be overwritten at any time. */
    READABLE_GUESTS = SCHEDLOG_MAX_GUESTS - 1,
};

static EvringShape shape_for(uint64_t entries)
{
    EvringShape shape = {
        .content = EVRING_CONTENT_SCHED,
        .entries = entries,
        .n_words = SCHEDLOG_N_WORDS,
        .tables_size = sizeof(SchedlogTables),
    };

    return shape;
}

uint64_t schedlog_entries(uint64_t per_vcpu, unsigned n_vcpus)
{
    uint64_t n = n_vcpus ? n_vcpus : 1;
    uint64_t most = EVRING_MAX_ENTRIES;

    if (!per_vcpu) {
        per_vcpu = SCHEDLOG_DEFAULT_ENTRIES;
        while (most * evring_slot_size(SCHEDLOG_N_WORDS) >
               SCHEDLOG_DEFAULT_BYTES) {
            most /= 2;
        }
    }
    return per_vcpu > most / n ? most : evring_round_entries(per_vcpu * n);
}

uint64_t schedlog_store_size(uint64_t entries)
{
    EvringShape shape = shape_for(entries);

    return evring_file_size(&shape);
}

/* Sets what this process derives from the header. */
static void store_view(SchedlogStore *store, EvringHeader *header,
                       const ClockMap *map)
{
    store->header = header;
    store->tables = (SchedlogTables *)((char *)header + header->tables_offset);
    store->map = map;
}

void schedlog_store_init(SchedlogStore *store, void *mem, uint64_t entries,
                         const RecorderRun *run, ClockKeeper *keeper,
                         const ClockReading *earlier)
{
    EvringShape shape = shape_for(entries);
    EvringHeader *header = mem;

    recorder_begin(header, &shape, run, &store->ring, &store->clock, keeper,
                   earlier);
    store_view(store, header, &keeper->map);
    evring_file_publish(header);
}

bool schedlog_store_attach(SchedlogStore *store, const void *mem,
                           uint64_t size, Err *err)
{
    EvringHeader *header = (EvringHeader *)mem;

    if (!recorder_attach(header, size, EVRING_CONTENT_SCHED,
                         "thread switches", sizeof(SchedlogTables),
                         SCHEDLOG_N_WORDS, SCHEDLOG_N_WORDS, &store->ring,
                         err)) {
        return false;
    }
    store_view(store, header, &header->clock);
    return true;
}

/*
 * Guests
 *
 * An entry is not atomic and is overwritten 16 entries later, so it is copied
 * word by word, and a reader looks afterwards how far the writer has come.
 */
typedef uint64_t __attribute__((may_alias)) Word;

enum { GUEST_WORDS = sizeof(SchedlogGuest) / sizeof(Word) };

static void copy_in(SchedlogGuest *to, const SchedlogGuest *from)
{
    const Word *words = (const Word *)from;
    Word *shared = (Word *)to;
    size_t i;

    for (i = 0; i < GUEST_WORDS; i++) {
        __atomic_store_n(&shared[i], words[i], __ATOMIC_RELAXED);
    }
}

static void copy_out(SchedlogGuest *to, const SchedlogGuest *from)
{
    const Word *shared = (const Word *)from;
    Word *words = (Word *)to;
    size_t i;

    for (i = 0; i < GUEST_WORDS; i++) {
        words[i] = __atomic_load_n(&shared[i], __ATOMIC_RELAXED);
    }
}

void schedlog_store_add_guest(SchedlogStore *store,
                              const SchedlogGuest *guest)
{
    SchedlogTables *tables = store->tables;
    uint32_t n = atomic_load_explicit(&tables->n_guests,
                                      memory_order_relaxed);

    /* Pairs with the acquire fence in read_guest(): count, then words. */
    atomic_thread_fence(memory_order_release);
    copy_in(&tables->guests[n % SCHEDLOG_MAX_GUESTS], guest);
    /* Pairs with the acquire in read_guest(): the entry first. */
    atomic_store_explicit(&tables->n_guests, n + 1, memory_order_release);
}

static bool read_guest(const SchedlogTables *tables, unsigned back,
                       SchedlogGuest *guest)
{
    /* Pairs with the release in schedlog_store_add_guest(). */
    uint32_t n = atomic_load_explicit(&tables->n_guests,
                                      memory_order_acquire);
    uint32_t index = n - 1 - back;

    if (back >= n || back >= READABLE_GUESTS) {
        return false;
    }
    copy_out(guest, &tables->guests[index % SCHEDLOG_MAX_GUESTS]);
    POINT("guest-read");
    /* Pairs with the release fence in schedlog_store_add_guest(). */
    atomic_thread_fence(memory_order_acquire);
    n = atomic_load_explicit(&tables->n_guests, memory_order_relaxed);
    return n - index <= READABLE_GUESTS;
}

/* A name of ours is printable ASCII; it ends where it is not. */
static void check_word(char *text, size_t size)
{
    size_t i = 0;

    while (i < size - 1 && text[i] > ' ' && text[i] <= '~') {
        i++;
    }
    memset(text + i, 0, size - i);
}

static void check_guest(SchedlogGuest *guest)
{
    uint32_t i;

    if (guest->n_offsets > SCHEDLOG_MAX_OFFSETS) {
        guest->n_offsets = SCHEDLOG_MAX_OFFSETS;
    }
    for (i = 0; i < SCHEDLOG_MAX_OFFSETS; i++) {
        SchedlogOffset *offset = &guest->offsets[i];

        check_word(offset->name, sizeof(offset->name));
        check_word(offset->source, sizeof(offset->source));
        if (offset->value < -1) {
            offset->value = -1;
        }
    }
}

bool schedlog_store_guest(const SchedlogStore *store, unsigned back,
                          SchedlogGuest *guest)
{
    if (!read_guest(store->tables, back, guest)) {
        return false;
    }
    check_guest(guest);
    return true;
}

/*
 * Records
 */
static uint64_t two(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

static uint64_t pack_bytes(const SchedlogEvent *event)
{
    return event->vcpu | (uint64_t)event->origin << 16 |
           (uint64_t)event->state << 24 |
           (uint64_t)(uint8_t)event->priority << 32 |
           (uint64_t)event->old_state << 40 |
           (uint64_t)event->old_wait_reason << 48 |
           (uint64_t)(uint8_t)event->old_priority << 56;
}

/* @size: a multiple of 8; what is behind the NUL is not copied. */
static void put_text(EvringSlot *slot, unsigned word, const char *text,
                     size_t size)
{
    size_t len = strnlen(text, size - 1);
    size_t at;

    for (at = 0; at < size; at += 8) {
        uint64_t value = 0;

        if (at < len) {
            memcpy(&value, text + at, len - at < 8 ? len - at : 8);
        }
        evring_put(slot, word++, value);
    }
}

/* All 15 bytes, whatever they are. */
static void put_image(EvringSlot *slot, const char *image)
{
    uint64_t words[SCHEDLOG_IMAGE_SIZE / 8] = {};
    unsigned i;

    memcpy(words, image, SCHEDLOG_IMAGE_SIZE - 1);
    for (i = 0; i < SCHEDLOG_IMAGE_SIZE / 8; i++) {
        evring_put(slot, SCHEDLOG_WORD_IMAGE + i, words[i]);
    }
}

uint64_t schedlog_store_record(const SchedlogStore *store,
                               const SchedlogEvent *event)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&store->ring, &seq);

    if (!slot) {
        return 0;
    }
    evring_put(slot, SCHEDLOG_WORD_STAMP, event->stamp);
    evring_put(slot, SCHEDLOG_WORD_THREAD, event->thread);
    evring_put(slot, SCHEDLOG_WORD_PROCESS, event->process);
    evring_put(slot, SCHEDLOG_WORD_ATTACHED, event->attached);
    evring_put(slot, SCHEDLOG_WORD_OLD_THREAD, event->old_thread);
    evring_put(slot, SCHEDLOG_WORD_IDS, two(event->pid, event->tid));
    evring_put(slot, SCHEDLOG_WORD_OLD_IDS,
               two(event->old_pid, event->old_tid));
    evring_put(slot, SCHEDLOG_WORD_BYTES, pack_bytes(event));
    evring_put(slot, SCHEDLOG_WORD_HAS, two(event->missed, event->has));
    evring_put(slot, SCHEDLOG_WORD_COUNTS,
               two(event->switches, event->wait_time));
    put_image(slot, event->image);
    put_text(slot, SCHEDLOG_WORD_NAME, event->name, sizeof(event->name));
    evring_put(slot, SCHEDLOG_WORD_RESERVED, 0);
    evring_commit(slot, seq);
    return seq;
}

static void unpack_words(const uint64_t *words, SchedlogEvent *event)
{
    uint64_t bytes = words[SCHEDLOG_WORD_BYTES];

    event->stamp = words[SCHEDLOG_WORD_STAMP];
    event->thread = words[SCHEDLOG_WORD_THREAD];
    event->process = words[SCHEDLOG_WORD_PROCESS];
    event->attached = words[SCHEDLOG_WORD_ATTACHED];
    event->old_thread = words[SCHEDLOG_WORD_OLD_THREAD];
    event->pid = (uint32_t)words[SCHEDLOG_WORD_IDS];
    event->tid = words[SCHEDLOG_WORD_IDS] >> 32;
    event->old_pid = (uint32_t)words[SCHEDLOG_WORD_OLD_IDS];
    event->old_tid = words[SCHEDLOG_WORD_OLD_IDS] >> 32;
    event->missed = (uint32_t)words[SCHEDLOG_WORD_HAS];
    event->has = words[SCHEDLOG_WORD_HAS] >> 32;
    event->switches = (uint32_t)words[SCHEDLOG_WORD_COUNTS];
    event->wait_time = words[SCHEDLOG_WORD_COUNTS] >> 32;
    event->vcpu = (uint16_t)bytes;
    event->origin = (uint8_t)(bytes >> 16);
    event->state = (uint8_t)(bytes >> 24);
    event->priority = (int8_t)(bytes >> 32);
    event->old_state = (uint8_t)(bytes >> 40);
    event->old_wait_reason = (uint8_t)(bytes >> 48);
    event->old_priority = (int8_t)(bytes >> 56);
    memcpy(event->image, &words[SCHEDLOG_WORD_IMAGE], sizeof(event->image));
    memcpy(event->name, &words[SCHEDLOG_WORD_NAME], sizeof(event->name));
}

/* Text ends where it is no UTF-8.  Returns: whether there is any */
static bool check_text(char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t used = 0;
    size_t len;

    while (used < size - 1 && bytes[used]) {
        len = utf8_sequence(bytes + used, size - 1 - used);
        if (!len) {
            break;
        }
        used += len;
    }
    memset(text + used, 0, size - used);
    return used > 0;
}

/* Values that cannot be are as good as none. */
static void check_values(SchedlogEvent *event)
{
    uint32_t wrong = ~(uint32_t)SCHEDLOG_HAS_ALL;

    if (event->origin > SCHEDLOG_EXACT) {
        event->origin = SCHEDLOG_EXIT;
    }
    if (event->state > MAX_STATE) {
        wrong |= SCHEDLOG_HAS_STATE;
    }
    if (event->priority < 0 || event->priority > MAX_PRIORITY) {
        wrong |= SCHEDLOG_HAS_PRIORITY;
    }
    if (event->old_state > MAX_STATE) {
        wrong |= SCHEDLOG_HAS_OLD_STATE;
    }
    if (event->old_wait_reason > MAX_WAIT_REASON) {
        wrong |= SCHEDLOG_HAS_OLD_WAIT_REASON;
    }
    if (event->old_priority < 0 || event->old_priority > MAX_PRIORITY) {
        wrong |= SCHEDLOG_HAS_OLD_PRIORITY;
    }
    event->image[sizeof(event->image) - 1] = '\0';
    if (!event->image[0]) {
        wrong |= SCHEDLOG_HAS_IMAGE;
    }
    if (!check_text(event->name, sizeof(event->name))) {
        wrong |= SCHEDLOG_HAS_NAME;
    }
    event->has &= ~wrong;
}

/* The members that a bit of has speaks of. */
typedef struct Member {
    uint32_t bit;
    size_t at;
    size_t len;
} Member;

#define MEMBER(m) offsetof(SchedlogEvent, m), sizeof(((SchedlogEvent *)0)->m)

static const Member members[] = {
    { SCHEDLOG_HAS_PROCESS, MEMBER(process) },
    { SCHEDLOG_HAS_ATTACHED, MEMBER(attached) },
    { SCHEDLOG_HAS_IDS, MEMBER(pid) },
    { SCHEDLOG_HAS_IDS, MEMBER(tid) },
    { SCHEDLOG_HAS_IMAGE, MEMBER(image) },
    { SCHEDLOG_HAS_NAME, MEMBER(name) },
    { SCHEDLOG_HAS_STATE, MEMBER(state) },
    { SCHEDLOG_HAS_PRIORITY, MEMBER(priority) },
    { SCHEDLOG_HAS_MISSED, MEMBER(missed) },
    { SCHEDLOG_HAS_OLD, MEMBER(old_thread) },
    { SCHEDLOG_HAS_OLD_IDS, MEMBER(old_pid) },
    { SCHEDLOG_HAS_OLD_IDS, MEMBER(old_tid) },
    { SCHEDLOG_HAS_OLD_STATE, MEMBER(old_state) },
    { SCHEDLOG_HAS_OLD_WAIT_REASON, MEMBER(old_wait_reason) },
    { SCHEDLOG_HAS_OLD_PRIORITY, MEMBER(old_priority) },
    { SCHEDLOG_HAS_SWITCHES, MEMBER(switches) },
    { SCHEDLOG_HAS_WAIT_TIME, MEMBER(wait_time) },
};

/* A reader that forgets to look at has gets zeroes. */
static void clear_unsaid(SchedlogEvent *event)
{
    size_t i;

    for (i = 0; i < sizeof(members) / sizeof(*members); i++) {
        if (!(event->has & members[i].bit)) {
            memset((char *)event + members[i].at, 0, members[i].len);
        }
    }
    if (!(event->has & SCHEDLOG_HAS_NAME)) {
        event->has &= ~(uint32_t)SCHEDLOG_NAME_CUT;
    }
}

EvringRead schedlog_store_event(const SchedlogStore *store, uint64_t seq,
                                SchedlogEvent *event)
{
    uint64_t words[EVRING_MAX_WORDS];
    EvringRead result = evring_read(&store->ring, seq, words);

    if (result == EVRING_OK) {
        unpack_words(words, event);
        check_values(event);
        clear_unsaid(event);
        event->seq = seq;
        event->time_ns = clock_map_ns(store->map, event->stamp);
    }
    return result;
}

void schedlog_store_stop(SchedlogStore *store)
{
    recorder_stop(store->header, &store->clock);
}
