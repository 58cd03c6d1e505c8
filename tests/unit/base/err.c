/*
 * base/err: a sentence is never longer than its room, and says where it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/err.h"

#include <glib.h>
#include <string.h>

static void test_set(void)
{
    Err err;

    err_set(&err, ERR_FAULT, "no RAM at 0x%x", 0x1000);
    g_assert_cmpint(err.code, ==, ERR_FAULT);
    g_assert_cmpstr(err.text, ==, "no RAM at 0x1000");
}

static void test_prefix(void)
{
    Err err;

    err_set(&err, ERR_IO, "it is full");
    err_prefix(&err, "disk %d: ", 3);
    g_assert_cmpint(err.code, ==, ERR_IO);
    g_assert_cmpstr(err.text, ==, "disk 3: it is full");
}

static void test_null(void)
{
    err_set(NULL, ERR_IO, "nobody reads this");
    err_prefix(NULL, "nor this");
}

static void test_too_long(void)
{
    char long_text[2000];
    Err err;

    memset(long_text, 'a', sizeof(long_text));
    long_text[sizeof(long_text) - 1] = '\0';
    err_set(&err, ERR_IO, "%s", long_text);
    g_assert_cmpuint(strlen(err.text), ==, sizeof(err.text) - 1);
    err_prefix(&err, "where: ");
    g_assert_cmpuint(strlen(err.text), ==, sizeof(err.text) - 1);
    g_assert_true(g_str_has_prefix(err.text, "where: aaa"));
    err_prefix(&err, "%s", long_text);
    g_assert_cmpuint(strlen(err.text), ==, sizeof(err.text) - 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/err/set", test_set);
    g_test_add_func("/base/err/prefix", test_prefix);
    g_test_add_func("/base/err/null", test_null);
    g_test_add_func("/base/err/too-long", test_too_long);
    return g_test_run();
}
