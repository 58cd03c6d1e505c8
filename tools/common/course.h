/*
 * course: what the level of an interrupt line went through.
 *
 * What a log tells of one line, event by event: is it raised, since when, was
 * it raised again before it was lowered.  A message has no level; of it only
 * the last one counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_COURSE_H
#define VMSCOPE_COMMON_COURSE_H

#include "irqlog/event.h"

/* Zeroes: nothing is known. */
typedef struct Course {
    bool known;                 /* the next is what the line is at */
    bool since_known;           /* it was seen to be raised, at ... */
    int32_t level;
    uint64_t since_ns;
    uint64_t last_ns;           /* of the last event */
    uint64_t raises;            /* events, to a level other than 0 */
    uint64_t lowers;
    uint64_t raised_again;      /* raised though it was raised */
    uint64_t lowered_again;
} Course;

enum { COURSE_NO_TIME = -1 };   /* see course_take() */

/**
 * course_take - the next event of a line
 * @high_ns: receives how long it was raised, when this lowers it and it was
 *           seen to be raised; else COURSE_NO_TIME
 *
 * Returns: whether the event left the level as it was
 */
bool course_take(Course *course, const IrqlogEvent *event, int64_t *high_ns);

/* Events are missing: what the line is at is no longer known. */
void course_forget(Course *course);

/* Raised when last heard of, and known since when. */
static inline bool course_is_raised(const Course *course)
{
    return course->known && course->level && course->since_known;
}

#endif
