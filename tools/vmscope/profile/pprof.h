/*
 * profile/pprof: a profile as pprof and its kin read it.
 *
 * Source: github.com/google/pprof, proto/profile.proto.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROFILE_PPROF_H
#define VMSCOPE_PROFILE_PPROF_H

#include "base/err.h"
#include "common/out.h"
#include "profile/tally.h"

typedef struct PprofTimes {
    uint64_t realtime_ns;       /* when it began */
    uint64_t duration_ns;
    uint64_t period_ns;         /* between two samples of a vCPU */
} PprofTimes;

/**
 * pprof_write - write all rows, compressed by gzip
 * @tally: its rows are stacks, TALLY_STACK
 *
 * Each sample stands for one period of a vCPU's time; an idle vCPU has
 * samples, too.
 *
 * Returns: false with a sentence when there is no memory
 */
bool pprof_write(Out *out, const Tally *tally, const PprofTimes *times,
                 Err *err);

#endif
