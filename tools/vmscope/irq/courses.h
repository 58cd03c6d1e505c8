/*
 * irq-courses: the lines of a live log, over all intervals of a summary: which
 * are raised, and when each message came last.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQ_COURSES_H
#define VMSCOPE_IRQ_COURSES_H

#include "common/course.h"
#include "common/map.h"
#include "source/irq-entry.h"

/* Lines that are followed; of more nothing is told. */
enum { IRQ_COURSES_MAX = 16384 };

typedef struct IrqCourse {
    char *name;                 /* path */
    char *label;                /* for people */
    IrqlogKind kind;
    int32_t n;
    uint64_t events;
    bool outermost;             /* it was raised by itself, not by another */
    Course course;
} IrqCourse;

typedef struct IrqCourses {
    bool all_depths;            /* tell of those that only others raise, too */
    IrqCourse *list;
    size_t n;
    size_t room;
    Map index;                  /* to index plus 1 */
} IrqCourses;

void irq_courses_take(IrqCourses *courses, const IrqEntry *entry);

/* Events are missing: no level is known. */
void irq_courses_forget(IrqCourses *courses);
void irq_courses_clear(IrqCourses *courses);

/**
 * irq_courses_raised - the lines that are raised, the longest first
 * irq_courses_silent - messages of which none came since @since_ns, likewise
 * @n: receives how many
 *
 * Returns: of the list's members; owned by the caller, freed with free()
 */
const IrqCourse **irq_courses_raised(const IrqCourses *courses, size_t *n);
const IrqCourse **irq_courses_silent(const IrqCourses *courses,
                                     uint64_t since_ns, size_t *n);

#endif
