/*
 * report-view: ways of showing what a recording amounts to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_REPORT_VIEW_H
#define VMSCOPE_REPORT_VIEW_H

#include "common/jsonout.h"
#include "report/stats.h"

/* @top entries of each list, 0 for all. */
void report_text(Out *out, const ReportStats *stats, size_t top);

/* Of the above: lines still raised, and messages by their age. */
void report_text_courses(Out *out, const ReportStats *stats, size_t top);

/* Of the above: where messages went, by driver. */
void report_text_routes(Out *out, const ReportStats *stats, size_t top);

/* One object, without a newline behind it. */
void report_json(JsonOut *json, const ReportStats *stats, size_t top);

/* Its members, in an object that is begun. */
void report_json_members(JsonOut *json, const ReportStats *stats, size_t top);

/**
 * report_html - one page with everything in it
 * @path: the recording; it is read again for the timeline
 *
 * Returns: false with a sentence when that cannot be, or there are too many
 * events for a browser
 */
bool report_html(Out *out, const ReportStats *stats, const char *path,
                 Err *err);

#endif
