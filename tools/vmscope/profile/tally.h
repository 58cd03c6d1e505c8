/*
 * profile/tally: samples of what vCPUs execute, counted by name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROFILE_TALLY_H
#define VMSCOPE_PROFILE_TALLY_H

#include "common/map.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What rows are of. */
typedef enum TallyBy {
    TALLY_MODULE,
    TALLY_EXPORT,
    TALLY_THREAD,
    TALLY_STACK,                /* frames as flame graphs have them */
} TallyBy;

enum {
    TALLY_NAME = 1024,
    /* Of rows; what comes then is counted together. */
    TALLY_MAX_ROWS = 65536,
};

typedef struct TallyRow {
    char *name;
    uint64_t samples;
    uint64_t dpc;               /* of those, while a DPC ran */
    uint64_t user;              /* ... in user mode */
    uint64_t raised;            /* ... at IRQL 2 and above */
    bool idle;
} TallyRow;

/* Begins as zeroes and @by. */
typedef struct Tally {
    TallyBy by;
    Map index;                  /* hash of a name: row + 1 */
    TallyRow *rows;
    size_t n_rows;
    size_t room;
    uint64_t samples;
    uint64_t lost;              /* numbers that were overwritten unread */
    uint64_t last_seq;
    unsigned n_vcpus;           /* highest index seen, and 1 */
} Tally;

/**
 * tally_add - count a sample
 * @sample: of query-windows-profile; its numbers ascend
 */
void tally_add(Tally *tally, const json_t *sample);

/* Rows with most samples first. */
void tally_sort(Tally *tally);
void tally_release(Tally *tally);

/**
 * tally_name - what a sample is counted under
 * @name: receives it; TALLY_NAME bytes
 */
void tally_name(TallyBy by, const json_t *sample, char *name);

#endif
