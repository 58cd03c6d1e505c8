/*
 * recorder/file: what stands at the head of a ring's memory, or ring file.
 *
 * The layout of docs/formats/ring-v1.md: a header that tells where everything
 * is, the clock, then tables whose meaning depends on the content, then the
 * ring.  It is the same in anonymous memory and in a file, and readable while
 * written and after the writer died at any instruction.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_RECORDER_FILE_H
#define VMSCOPE_RECORDER_FILE_H

#include "base/err.h"
#include "recorder/keeper.h"
#include "recorder/ring.h"

#define EVRING_MAGIC "vmsring"      /* with its NUL, the first 8 bytes */

enum {
    EVRING_VERSION = 2,         /* written; older ones are read too */
    EVRING_HEADER_SIZE = 8192,
};

typedef enum EvringContent {
    EVRING_CONTENT_IRQ = 1,
    EVRING_CONTENT_SCHED = 2,
} EvringContent;

typedef enum EvringState {
    EVRING_RECORDING = 1,
    EVRING_STOPPED = 2,
} EvringState;

/* Little-endian on every host we build on; offsets are from the start. */
typedef struct EvringHeader {
    char magic[8];
    uint32_t version;
    uint32_t header_size;
    uint32_t content;           /* EvringContent */
    uint32_t n_rings;           /* 1 */
    uint64_t entries;           /* a power of two */
    uint32_t n_words;           /* payload words of a slot */
    uint32_t slot_size;         /* bytes */
    uint64_t tables_offset;
    uint64_t tables_size;
    uint64_t heads_offset;      /* a head of 128 bytes */
    uint64_t slots_offset;      /* entries slots */
    uint64_t size;              /* of the whole */
    uint32_t pid;               /* of the writer */
    uint32_t n_vcpus;
    uint64_t load_base;         /* load bias of the writer's program */
    ClockTriple begin;          /* when recording began */
    _Atomic uint32_t state;     /* EvringState */
    uint32_t reserved;
    _Atomic uint64_t end_stamp; /* when it stopped */
    char build_id[48];          /* hexadecimal, NUL-terminated */
    char exe[512];              /* path, NUL-terminated */
    _Alignas(4096) ClockMap clock;
} EvringHeader;

_Static_assert(sizeof(EvringHeader) == EVRING_HEADER_SIZE,
               "the header is a format, not just a struct");
_Static_assert(sizeof(EvringHead) == 128, "a head is two cache lines");

/* What a new ring's memory shall look like. */
typedef struct EvringShape {
    EvringContent content;
    uint64_t entries;           /* from evring_round_entries() */
    unsigned n_words;
    uint64_t tables_size;       /* bytes for the content's own tables */
} EvringShape;

/**
 * evring_file_size - bytes that a shape takes
 */
uint64_t evring_file_size(const EvringShape *shape);

/**
 * evring_file_init - write the header of a new ring
 * @header: start of evring_file_size() zeroed bytes, 64-byte aligned
 * @shape: the layout
 *
 * The magic is left out: evring_file_publish() writes it when the rest of the
 * header stands, so that nobody reads half a header.
 */
void evring_file_init(EvringHeader *header, const EvringShape *shape);

/* What a header says of the process that writes the ring. */
typedef struct RecorderRun {
    uint32_t pid;
    uint32_t n_vcpus;
    uint64_t load_base;
    const char *build_id;       /* hexadecimal, may be "" */
    const char *exe;
} RecorderRun;

/**
 * recorder_begin - make a ring in new memory, all but its tables
 * @header: start of evring_file_size() zeroed bytes, page aligned
 * @shape: the layout
 * @run: strings are copied
 * @ring: filled in
 * @clock: filled in, for writers; neither of the two may move
 * @keeper: begun, for keeper_look()
 * @earlier: an earlier reading of the host's clocks
 *
 * evring_file_publish() is left to the caller, who fills the tables first.
 *
 * Context: as recorder_begin_clock().
 */
void recorder_begin(EvringHeader *header, const EvringShape *shape,
                    const RecorderRun *run, Evring *ring, ClockSource *clock,
                    ClockKeeper *keeper, const ClockReading *earlier);

/**
 * recorder_stop - nothing more will be recorded
 */
void recorder_stop(EvringHeader *header, const ClockSource *clock);

/**
 * recorder_begin_clock - begin a new ring's clock, now
 * @keeper: filled in
 * @source: filled in, for writers
 * @header: written by evring_file_init(); receives the map and when it began
 * @earlier: an old reading of this process
 *
 * Context: as all that makes a ring; takes some 0.3 ms.
 */
void recorder_begin_clock(ClockKeeper *keeper, ClockSource *source,
                          EvringHeader *header, const ClockReading *earlier);

/**
 * evring_file_publish - say that the header is complete
 */
void evring_file_publish(EvringHeader *header);

/**
 * evring_file_check - may these bytes be read as a ring?
 * @header: the first EVRING_HEADER_SIZE of @size bytes; anything may be in
 *          them, but nobody may change them between this and their use: of a
 *          file, a copy (see reader.h)
 * @size: bytes
 * @err: says what does not fit
 *
 * Returns: true when every offset and size in the header is within @size
 */
bool evring_file_check(const EvringHeader *header, uint64_t size, Err *err);

/**
 * recorder_attach - see that a ring is of one content, and attach to it
 * @header, @size: as for evring_file_check()
 * @content: what it shall hold
 * @what: the same as a word of a sentence, in the plural
 * @tables_size: bytes its tables must have
 * @min_words, @max_words: how many a record may have
 * @ring: attached
 *
 * Returns: false with a sentence when it is none, of another content, damaged
 *          or newer
 */
bool recorder_attach(EvringHeader *header, uint64_t size,
                     EvringContent content, const char *what,
                     uint64_t tables_size, unsigned min_words,
                     unsigned max_words, Evring *ring, Err *err);

/**
 * evring_file_ring - the ring
 * @header: written by evring_file_init() or passed by evring_file_check()
 * @ring: attached
 */
void evring_file_ring(EvringHeader *header, Evring *ring);

#endif
