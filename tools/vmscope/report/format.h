/*
 * report-format: figures as people read them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_REPORT_FORMAT_H
#define VMSCOPE_REPORT_FORMAT_H

#include "report/stats.h"

/* Room for any figure below. */
enum { FORMAT_ROOM = 32 };

/* "1.23 ms"; @text has FORMAT_ROOM bytes, and is returned. */
const char *format_ns(char *text, uint64_t ns);

/* A moment on the wall clock: "2026-11-24 08:51:43.123 UTC". */
const char *format_moment(char *text, uint64_t realtime_ns);

/* Where in the recording: "+1.234567 s". */
const char *format_offset(char *text, const ReportStats *stats, uint64_t ns);

/* Where a bucket of a histogram begins: "128 us"; thousands are 1024. */
const char *format_bucket(char *text, unsigned bucket);

/* "Executive", or "reason 99" for what has no name. */
const char *format_reason(char *text, unsigned reason);

enum { FORMAT_THREAD_ROOM = TRACE_LABEL_ROOM + SCHEDLOG_NAME_SIZE + 16 };

/* "game.exe 84", or with the name that the thread has; returns @text. */
const char *format_thread(const ReportStats *stats, uint32_t index,
                          char *text, size_t size);

/* Why a recording ended, as a sentence's end. */
const char *format_end_reason(unsigned reason);

/* @part of @whole in percent; 0 when there is no whole. */
double percent(uint64_t part, uint64_t whole);

/* Events a second. */
double per_second(const ReportStats *stats, uint64_t n);

#endif
