/*
 * watchlog/rips: see rips.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watchlog/rips.h"

#include <stdlib.h>
#include <string.h>

enum { N_ENTRIES = 16384 };

/* Words of a record. */
enum {
    WORD_TIME,
    WORD_RIP,
    WORD_THREAD,
    WORD_IDS,                   /* pid, and tid from bit 32 on */
    WORD_FLAGS,
    WORD_IMAGE,
    WORD_NAME = WORD_IMAGE + WINSCHED_IMAGE_SIZE / 8,
    N_WORDS = WORD_NAME + WINSCHED_NAME_SIZE / 8,
};

/* WORD_FLAGS: the vCPU, then these; has from bit 32 on. */
enum {
    FLAG_CPL = 16,              /* 2 bits */
    FLAG_IRQL = 18,             /* 4 bits */
    FLAG_PROTECTED = 22,
    FLAG_PAGING = 23,
    FLAG_LONG = 24,
    FLAG_HAS = 32,
};

struct WatchlogRips {
    Evring ring;
    EvringHead *head;
    void *slots;
};

WatchlogRips *watchlog_rips_new(void)
{
    WatchlogRips *rips = calloc(1, sizeof(*rips));
    size_t size = N_ENTRIES * evring_slot_size(N_WORDS);

    if (!rips) {
        return NULL;
    }
    if (posix_memalign((void **)&rips->head, 64, sizeof(*rips->head)) ||
        posix_memalign(&rips->slots, 64, size)) {
        watchlog_rips_free(rips);
        return NULL;
    }
    memset(rips->head, 0, sizeof(*rips->head));
    memset(rips->slots, 0, size);
    evring_attach(&rips->ring, rips->head, rips->slots, N_ENTRIES, N_WORDS);
    return rips;
}

void watchlog_rips_free(WatchlogRips *rips)
{
    if (rips) {
        free(rips->slots);
        free(rips->head);
        free(rips);
    }
}

static void rips_put_text(EvringSlot *slot, unsigned word, const char *text,
                          size_t size)
{
    uint64_t value;
    size_t i;

    for (i = 0; i < size; i += sizeof(value)) {
        memcpy(&value, text + i, sizeof(value));
        evring_put(slot, word++, value);
    }
}

void watchlog_rips_put(WatchlogRips *rips, const WinschedRip *sample)
{
    uint64_t seq;
    EvringSlot *slot = evring_claim(&rips->ring, &seq);

    if (!slot) {
        return;
    }
    evring_put(slot, WORD_TIME, sample->time_ns);
    evring_put(slot, WORD_RIP, sample->code.address);
    evring_put(slot, WORD_THREAD, sample->thread);
    evring_put(slot, WORD_IDS, sample->pid | (uint64_t)sample->tid << 32);
    evring_put(slot, WORD_FLAGS,
               (uint64_t)sample->has << FLAG_HAS | sample->vcpu |
               (uint64_t)(sample->code.cpl & 3) << FLAG_CPL |
               (uint64_t)(sample->irql & 15) << FLAG_IRQL |
               (uint64_t)sample->code.protected_mode << FLAG_PROTECTED |
               (uint64_t)sample->code.paging << FLAG_PAGING |
               (uint64_t)sample->code.long_mode << FLAG_LONG);
    rips_put_text(slot, WORD_IMAGE, sample->image, sizeof(sample->image));
    rips_put_text(slot, WORD_NAME, sample->name, sizeof(sample->name));
    evring_commit(slot, seq);
}

EvringRead watchlog_rips_read(const WatchlogRips *rips, uint64_t seq,
                              WinschedRip *sample)
{
    uint64_t words[N_WORDS];
    EvringRead result = evring_read(&rips->ring, seq, words);
    uint64_t flags;

    if (result != EVRING_OK) {
        return result;
    }
    flags = words[WORD_FLAGS];
    *sample = (WinschedRip) {
        .seq = seq,
        .time_ns = words[WORD_TIME],
        .thread = words[WORD_THREAD],
        .code = {
            .address = words[WORD_RIP],
            .cpl = flags >> FLAG_CPL & 3,
            .protected_mode = flags >> FLAG_PROTECTED & 1,
            .paging = flags >> FLAG_PAGING & 1,
            .long_mode = flags >> FLAG_LONG & 1,
        },
        .pid = (uint32_t)words[WORD_IDS],
        .tid = (uint32_t)(words[WORD_IDS] >> 32),
        .vcpu = flags & 0xffff,
        .has = (unsigned)(flags >> FLAG_HAS),
        .irql = flags >> FLAG_IRQL & 15,
    };
    memcpy(sample->image, &words[WORD_IMAGE], sizeof(sample->image));
    memcpy(sample->name, &words[WORD_NAME], sizeof(sample->name));
    sample->image[sizeof(sample->image) - 1] = '\0';
    sample->name[sizeof(sample->name) - 1] = '\0';
    return EVRING_OK;
}

const Evring *watchlog_rips_ring(const WatchlogRips *rips)
{
    return &rips->ring;
}
