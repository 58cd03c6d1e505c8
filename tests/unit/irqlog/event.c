/*
 * irqlog/event: kinds and their words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/event.h"

#include <glib.h>

static void test_names(void)
{
    unsigned i;
    IrqlogKind kind;

    for (i = 0; i < IRQLOG_KIND_COUNT; i++) {
        g_assert_true(irqlog_kind_from_name(irqlog_kind_name((IrqlogKind)i),
                                            &kind));
        g_assert_cmpuint(kind, ==, i);
    }
    g_assert_cmpstr(irqlog_kind_name(IRQLOG_MSI), ==, "msi");
}

static void test_no_kind(void)
{
    static const char *const words[] = { "", "MSI", "ms", "msix", "unknown" };
    IrqlogKind kind = IRQLOG_SOFTWARE;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(words); i++) {
        g_assert_false(irqlog_kind_from_name(words[i], &kind));
    }
    g_assert_cmpuint(kind, ==, IRQLOG_SOFTWARE);
    g_assert_cmpstr(irqlog_kind_name(IRQLOG_KIND_COUNT), ==, "unknown");
    g_assert_cmpstr(irqlog_kind_name((IrqlogKind)-1), ==, "unknown");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/irqlog/event/names", test_names);
    g_test_add_func("/irqlog/event/no-kind", test_no_kind);
    return g_test_run();
}
