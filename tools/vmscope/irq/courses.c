/*
 * irq-courses: see irq-courses.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq/courses.h"

#include "common/message.h"
#include "irq/rates.h"

#include <stdlib.h>
#include <string.h>

/* Names whose hash is the same, at most. */
enum { PROBES = 4 };

static IrqCourse *add(IrqCourses *courses, uint64_t key, const char *name,
                      const IrqEntry *entry)
{
    IrqCourse *made;

    courses->list = grow(courses->list, courses->n, &courses->room,
                         sizeof(*courses->list));
    made = &courses->list[courses->n];
    *made = (IrqCourse) {
        .name = keep(name), .label = irq_line_label(name, entry),
        .kind = entry->event.kind, .n = entry->event.n,
    };
    map_put(&courses->index, key, (uint32_t)++courses->n);
    return made;
}

static IrqCourse *find(IrqCourses *courses, const IrqEntry *entry)
{
    const IrqlogEvent *event = &entry->event;
    char name[1024];
    uint64_t key;
    unsigned i;

    irq_line_name(name, sizeof(name), entry);
    key = hash_text(name) ^ (uint64_t)(uint32_t)event->n << 8 ^ event->kind;
    for (i = 0; i < PROBES; i++, key++) {
        uint32_t found = map_get(&courses->index, key);
        IrqCourse *there = found ? &courses->list[found - 1] : NULL;

        if (!there && courses->n < IRQ_COURSES_MAX) {
            return add(courses, key, name, entry);
        }
        if (there && there->kind == event->kind && there->n == event->n &&
            !strcmp(there->name, name)) {
            return there;
        }
    }
    return NULL;
}

void irq_courses_take(IrqCourses *courses, const IrqEntry *entry)
{
    IrqCourse *line = find(courses, entry);
    int64_t high_ns;

    if (line) {
        line->events++;
        line->outermost |= !entry->event.depth;
        course_take(&line->course, &entry->event, &high_ns);
    }
}

void irq_courses_forget(IrqCourses *courses)
{
    size_t i;

    for (i = 0; i < courses->n; i++) {
        course_forget(&courses->list[i].course);
    }
}

void irq_courses_clear(IrqCourses *courses)
{
    size_t i;

    for (i = 0; i < courses->n; i++) {
        free(courses->list[i].name);
        free(courses->list[i].label);
    }
    free(courses->list);
    map_clear(&courses->index);
    memset(courses, 0, sizeof(*courses));
}

static int compare(uint64_t a, uint64_t b, const IrqCourse *x,
                   const IrqCourse *y)
{
    if (a != b) {
        return a < b ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

static int by_since(const void *a, const void *b)
{
    const IrqCourse *x = *(const IrqCourse *const *)a;
    const IrqCourse *y = *(const IrqCourse *const *)b;

    return compare(x->course.since_ns, y->course.since_ns, x, y);
}

static int by_last(const void *a, const void *b)
{
    const IrqCourse *x = *(const IrqCourse *const *)a;
    const IrqCourse *y = *(const IrqCourse *const *)b;

    return compare(x->course.last_ns, y->course.last_ns, x, y);
}

static const IrqCourse **room_for(const IrqCourses *courses)
{
    const IrqCourse **list = calloc(courses->n + 1, sizeof(*list));

    if (!list) {
        die_no_memory();
    }
    return list;
}

const IrqCourse **irq_courses_raised(const IrqCourses *courses, size_t *n)
{
    const IrqCourse **list = room_for(courses);
    size_t i;

    *n = 0;
    for (i = 0; i < courses->n; i++) {
        if ((courses->all_depths || courses->list[i].outermost) &&
            course_is_raised(&courses->list[i].course)) {
            list[(*n)++] = &courses->list[i];
        }
    }
    qsort(list, *n, sizeof(*list), by_since);
    return list;
}

const IrqCourse **irq_courses_silent(const IrqCourses *courses,
                                     uint64_t since_ns, size_t *n)
{
    const IrqCourse **list = room_for(courses);
    size_t i;

    *n = 0;
    for (i = 0; i < courses->n; i++) {
        if (courses->list[i].kind == IRQLOG_MSI &&
            courses->list[i].course.last_ns < since_ns) {
            list[(*n)++] = &courses->list[i];
        }
    }
    qsort(list, *n, sizeof(*list), by_last);
    return list;
}
