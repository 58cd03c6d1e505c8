/*
 * course: what a line's level went through, and what is not known of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/course.h"

#include <glib.h>

static Course course;
static int64_t high;

static bool take(uint64_t ns, int32_t level, IrqlogKind kind)
{
    IrqlogEvent event = { .time_ns = ns, .level = level, .kind = kind };

    return course_take(&course, &event, &high);
}

static bool level(uint64_t ns, int32_t value)
{
    return take(ns, value, IRQLOG_HARDWARE);
}

static void test_pairs(void)
{
    course = (Course) { 0 };
    g_assert_false(course_is_raised(&course));
    g_assert_false(level(10, 1));
    g_assert_true(course_is_raised(&course));
    g_assert_cmpuint(course.since_ns, ==, 10);
    g_assert_cmpint(high, ==, COURSE_NO_TIME);
    g_assert_false(level(25, 0));
    g_assert_cmpint(high, ==, 15);
    g_assert_false(course_is_raised(&course));
    g_assert_cmpuint(course.raises, ==, 1);
    g_assert_cmpuint(course.lowers, ==, 1);
    g_assert_cmpuint(course.last_ns, ==, 25);
}

static void test_again(void)
{
    course = (Course) { 0 };
    level(10, 1);
    g_assert_true(level(20, 1));
    g_assert_true(level(30, 1));
    g_assert_cmpuint(course.raised_again, ==, 2);
    g_assert_cmpuint(course.since_ns, ==, 10);
    level(40, 0);
    g_assert_cmpint(high, ==, 30);
    g_assert_true(level(50, 0));
    g_assert_cmpint(high, ==, COURSE_NO_TIME);
    g_assert_cmpuint(course.lowered_again, ==, 1);
    /* To another level that is not 0: raised all the time. */
    level(60, 1);
    g_assert_false(level(70, 2));
    g_assert_cmpuint(course.since_ns, ==, 60);
    g_assert_cmpuint(course.raised_again, ==, 2);
}

/* Only lowered so far: whether it had been raised is not known. */
static void test_one_sided(void)
{
    course = (Course) { 0 };
    g_assert_false(level(10, 0));
    g_assert_cmpint(high, ==, COURSE_NO_TIME);
    g_assert_true(level(20, 0));
    g_assert_cmpuint(course.raises, ==, 0);
    g_assert_false(course_is_raised(&course));
}

static void test_forget(void)
{
    course = (Course) { 0 };
    level(10, 1);
    course_forget(&course);
    g_assert_false(course_is_raised(&course));
    /* Lowered: since when it was raised is not known. */
    g_assert_false(level(30, 0));
    g_assert_cmpint(high, ==, COURSE_NO_TIME);
    level(40, 1);
    course_forget(&course);
    /* Whether this raises it again is not known; from here on it is raised. */
    g_assert_false(level(50, 1));
    g_assert_true(course_is_raised(&course));
    g_assert_cmpuint(course.since_ns, ==, 50);
    g_assert_cmpuint(course.raised_again, ==, 0);
}

/* Threads stamp their events each for itself. */
static void test_time_steps_back(void)
{
    course = (Course) { 0 };
    level(100, 1);
    level(90, 0);
    g_assert_cmpint(high, ==, 0);
    g_assert_cmpuint(course.last_ns, ==, 100);
}

static void test_message(void)
{
    course = (Course) { 0 };
    g_assert_false(take(10, 1, IRQLOG_MSI));
    g_assert_false(take(20, 1, IRQLOG_MSI));
    g_assert_false(course_is_raised(&course));
    g_assert_cmpuint(course.raised_again, ==, 0);
    g_assert_cmpuint(course.last_ns, ==, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/common/course/pairs", test_pairs);
    g_test_add_func("/common/course/again", test_again);
    g_test_add_func("/common/course/one-sided", test_one_sided);
    g_test_add_func("/common/course/forget", test_forget);
    g_test_add_func("/common/course/time-steps-back", test_time_steps_back);
    g_test_add_func("/common/course/message", test_message);
    return g_test_run();
}
