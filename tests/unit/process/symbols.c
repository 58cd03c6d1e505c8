/*
 * process/symbols: an address of this program has its function's name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "process/symbols.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for an offset into it, whatever the compiler makes of it. */
static unsigned __attribute__((noinline)) not_exported(volatile unsigned *n)
{
    unsigned i;

    for (i = 0; i < 100; i++) {
        *n += i * *n;
    }
    return *n;
}

#define ADDR ((uint64_t)(uintptr_t)not_exported)

static void check(uint64_t addr, bool is_return, const char *expected)
{
    char *name = process_symbol(addr, is_return);

    g_assert_cmpstr(name, ==, expected);
    free(name);
}

static void test_own(void)
{
    volatile unsigned n = 1;
    char *name;

    not_exported(&n);
#ifndef VMSCOPE_HAVE_LIBDW
    g_test_skip("built without libdw: only exported functions have names");
#else
    check(ADDR, false, "not_exported");
    check(ADDR + 1, false, "not_exported+0x1");
    /* A return address is of the call before it. */
    check(ADDR + 1, true, "not_exported+0x1");
    name = process_symbol(ADDR, true);
    g_assert_cmpstr(name, !=, "not_exported");
    free(name);
    /* And again, out of what was kept. */
    check(ADDR, false, "not_exported");
#endif
}

static void test_exported(void)
{
    char *name = process_symbol((uintptr_t)g_strlcpy + 2, false);

    g_assert_cmpstr(name, ==, "g_strlcpy+0x2");
    free(name);
}

static void test_none(void)
{
    int on_stack;

    g_assert_null(process_symbol(0, false));
    g_assert_null(process_symbol(0, true));
    g_assert_null(process_symbol(16, true));
    g_assert_null(process_symbol(UINT64_MAX, false));
    g_assert_null(process_symbol((uintptr_t)&on_stack, false));
}

static void test_error(void)
{
    g_assert_null(process_symbols_error());
    process_load_symbols();
#ifdef VMSCOPE_HAVE_LIBDW
    g_assert_null(process_symbols_error());
#else
    g_assert_nonnull(strstr(process_symbols_error(), "without elfutils"));
#endif
}

static void *ask(void *opaque)
{
    unsigned i;

    (void)opaque;
    for (i = 0; i < 50; i++) {
        char *own = process_symbol(ADDR, false);
        char *other = process_symbol((uintptr_t)g_strlcpy, false);

        g_assert_cmpstr(other, ==, "g_strlcpy");
        free(own);
        free(other);
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *threads[4];
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("ask", ask, NULL);
    }
    for (i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/symbols/threads", test_threads);
    g_test_add_func("/symbols/own", test_own);
    g_test_add_func("/symbols/exported", test_exported);
    g_test_add_func("/symbols/none", test_none);
    g_test_add_func("/symbols/error", test_error);
    return g_test_run();
}
