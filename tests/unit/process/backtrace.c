/*
 * process/backtrace: the calls that led here, whichever way they are found.
 *
 * Built twice: with frame pointers, and without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "process/backtrace.h"

#include <glib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))
#define STAY() __asm__ volatile("")     /* what comes before is no tail call */
#define RETURN ((uintptr_t)__builtin_return_address(0))

typedef struct Seen {
    ProcessStack stack;
    uintptr_t caller;           /* that is looked for; 0: the real one */
    unsigned max;
    uintptr_t outer, middle;    /* return addresses as the compiler has them */
    uint64_t addrs[PROCESS_BACKTRACE_MAX];
    unsigned n;
} Seen;

static NOINLINE void inner(Seen *seen)
{
    uintptr_t caller = seen->caller ? seen->caller : RETURN;

    seen->n = process_backtrace(&seen->stack, __builtin_frame_address(0),
                                caller, seen->max, seen->addrs);
    STAY();
}

static NOINLINE void middle(Seen *seen)
{
    seen->middle = RETURN;
    inner(seen);
    STAY();
}

static NOINLINE void outer(Seen *seen)
{
    seen->outer = RETURN;
    middle(seen);
    STAY();
}

static void look(Seen *seen, uintptr_t caller, unsigned max)
{
    memset(seen, 0, sizeof(*seen));
    seen->stack = process_stack();
    seen->caller = caller;
    seen->max = max;
    outer(seen);
    STAY();
}

static void test_calls(void)
{
    Seen seen;

    look(&seen, 0, 8);
    g_assert_cmpuint(seen.n, >=, 2);
    g_assert_cmphex(seen.addrs[0], ==, seen.middle);
    g_assert_cmphex(seen.addrs[1], ==, seen.outer);
    look(&seen, 0, 1);
    g_assert_cmpuint(seen.n, ==, 1);
    g_assert_cmphex(seen.addrs[0], ==, seen.middle);
    look(&seen, 0, 0);
    g_assert_cmpuint(seen.n, ==, 0);
}

static NOINLINE void deep(Seen *seen, unsigned n)
{
    if (n) {
        deep(seen, n - 1);
    } else {
        middle(seen);
    }
    STAY();
}

static void test_many(void)
{
    Seen seen = { .max = 1000 };

    seen.stack = process_stack();
    deep(&seen, 100);
    g_assert_cmpuint(seen.n, ==, PROCESS_BACKTRACE_MAX);
    g_assert_cmphex(seen.addrs[0], ==, seen.middle);
}

static void test_unknown_caller(void)
{
    Seen seen;

    look(&seen, 16, 8);
    g_assert_cmpuint(seen.n, ==, 0);
}

/* As on a coroutine's stack: frame pointers lead nowhere that is known. */
static void test_other_stack(void)
{
    Seen seen = { .max = 8 };

    seen.stack = (ProcessStack) { 16, 32 };
    outer(&seen);
    g_assert_cmpuint(seen.n, >=, 2);
    g_assert_cmphex(seen.addrs[0], ==, seen.middle);
}

static void check_stack(void)
{
    ProcessStack stack = process_stack();
    int here;

    g_assert_cmphex((uintptr_t)&here, >=, stack.low);
    g_assert_cmphex((uintptr_t)&here, <, stack.high);
}

static void *check_thread(void *opaque)
{
    check_stack();
    test_calls();
    return opaque;
}

static void test_stack(void)
{
    check_stack();
    g_thread_join(g_thread_new("other", check_thread, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/backtrace/calls", test_calls);
    g_test_add_func("/backtrace/many", test_many);
    g_test_add_func("/backtrace/unknown-caller", test_unknown_caller);
    g_test_add_func("/backtrace/other-stack", test_other_stack);
    g_test_add_func("/backtrace/stack", test_stack);
    return g_test_run();
}
