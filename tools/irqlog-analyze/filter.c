/*
 * filter: see filter.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "filter.h"

#include <fnmatch.h>

/* Wildcards are * and ? alone; linear but for the last * going on. */
static bool fits_plainly(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == *text || *pattern == '?') {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return !*pattern;
}

bool filter_path(const char *pattern, const char *path)
{
    return fits_plainly(pattern, path) || !fnmatch(pattern, path, 0);
}

static bool is_before(uint64_t time_ns, const Moment *moment,
                      uint64_t first_ns)
{
    if (!moment->relative) {
        return time_ns < moment->ns;
    }
    return time_ns < first_ns || time_ns - first_ns < moment->ns;
}

static bool fits_time(const Options *opt, uint64_t time_ns, uint64_t first_ns)
{
    if (opt->since.given && is_before(time_ns, &opt->since, first_ns)) {
        return false;
    }
    return !opt->until.given || is_before(time_ns, &opt->until, first_ns);
}

static bool fits_line(const Options *opt, int32_t n)
{
    size_t i;

    for (i = 0; i < opt->n_lines; i++) {
        if (opt->lines[i] == n) {
            return true;
        }
    }
    return !opt->n_lines;
}

static bool fits_tid(const Options *opt, uint32_t tid)
{
    size_t i;

    for (i = 0; i < opt->n_tids; i++) {
        if (opt->tids[i] == tid) {
            return true;
        }
    }
    return !opt->n_tids;
}

static bool fits_path(const Options *opt, const char *path)
{
    size_t i;

    for (i = 0; i < opt->n_paths; i++) {
        if (filter_path(opt->paths[i], path)) {
            return true;
        }
    }
    return !opt->n_paths;
}

bool filter_passes(const Options *opt, const IrqlogEvent *event,
                   uint64_t first_ns)
{
    return fits_time(opt, event->time_ns, first_ns) &&
           (!opt->kinds || opt->kinds & 1u << event->kind) &&
           event->depth <= opt->max_depth && fits_line(opt, event->n) &&
           fits_tid(opt, event->tid) && fits_path(opt, event->path);
}
