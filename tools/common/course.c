/*
 * course: see course.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/course.h"

bool course_take(Course *course, const IrqlogEvent *event, int64_t *high_ns)
{
    bool same = course->known && course->level == event->level;
    bool was_raised = course->known && course->level;
    uint64_t ns = event->time_ns;

    *high_ns = COURSE_NO_TIME;
    if (ns > course->last_ns) {
        course->last_ns = ns;
    }
    if (event->kind == IRQLOG_MSI) {
        return false;
    }
    course->raises += event->level != 0;
    course->lowers += event->level == 0;
    course->raised_again += same && event->level;
    course->lowered_again += same && !event->level;
    course->known = true;
    course->level = event->level;
    if (event->level && !was_raised) {
        course->since_ns = ns;
        course->since_known = true;
    } else if (!event->level && course->since_known) {
        /* Threads stamp their events each for itself. */
        *high_ns = ns > course->since_ns ? (int64_t)(ns - course->since_ns)
                                         : 0;
        course->since_known = false;
    }
    return same;
}

void course_forget(Course *course)
{
    course->known = false;
    course->since_known = false;
}
