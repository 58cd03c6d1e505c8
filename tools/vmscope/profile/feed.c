/*
 * profile/feed: see feed.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "profile/feed.h"

#include "common/stop.h"

#include <stdio.h>

enum { PAGE = 1000 };

static json_t *ask(Qmp *qmp, uint64_t after, uint64_t max,
                   ProfileFigures *figures, Err *err)
{
    json_t *arguments = json_object();
    json_t *answer;

    qmp_set(arguments, "after", json_integer((json_int_t)after));
    qmp_set(arguments, "max-entries", json_integer((json_int_t)max));
    answer = qmp_command(qmp, "query-windows-profile", arguments, err);
    if (answer) {
        figures->rip_hz = qmp_uint(answer, "rip-hz", 0);
        figures->recorded = qmp_uint(answer, "recorded", 0);
        figures->skipped = qmp_uint(answer, "skipped", 0);
        figures->cost_ns = qmp_uint(answer, "cost-ns", 0);
        snprintf(figures->reason, sizeof(figures->reason), "%s",
                 qmp_text(answer, "reason", ""));
    }
    return answer;
}

bool profile_figures(Qmp *qmp, ProfileFigures *figures, Err *err)
{
    json_t *answer = ask(qmp, UINT64_MAX >> 1, 1, figures, err);
    bool ok = answer != NULL;

    json_decref(answer);
    return ok;
}

bool profile_fetch(Qmp *qmp, Tally *tallies, size_t n_tallies,
                   ProfileFigures *figures, Err *err)
{
    uint64_t before;
    size_t i, k;

    do {
        json_t *answer = ask(qmp, tallies->last_seq, PAGE, figures, err);
        const json_t *samples = json_object_get(answer, "samples");

        before = tallies->last_seq;
        if (!answer) {
            return false;
        }
        for (i = 0; i < json_array_size(samples); i++) {
            for (k = 0; k < n_tallies; k++) {
                tally_add(&tallies[k], json_array_get(samples, i));
            }
        }
        json_decref(answer);
    } while (tallies->last_seq != before && !stop_asked);
    return true;
}
