/*
 * winos/layout: nothing is known at first, and everything has a name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/layout.h"

#include <glib.h>
#include <string.h>

static void test_init(void)
{
    WinosLayout layout;
    unsigned i;
    unsigned s;

    memset(&layout, 0x55, sizeof(layout));
    winos_layout_init(&layout);
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        const WinosOffset *field = &layout.field[i];

        g_assert_false(winos_has(&layout, (WinosField)i));
        g_assert_cmpint(winos_offset(&layout, (WinosField)i), ==,
                        WINOS_NO_OFFSET);
        g_assert_cmpint(field->standing, ==, WINOS_UNKNOWN);
        g_assert_cmpint(field->found, ==, WINOS_NO_OFFSET);
        g_assert_cmpuint(field->agreed, ==, 0);
        g_assert_null(field->doubt);
        for (s = 0; s < WINOS_N_SOURCES; s++) {
            g_assert_cmpint(field->claims[s], ==, WINOS_NO_OFFSET);
        }
    }
}

/* The names users write in overrides, in the order of the status. */
static const char *const field_names[] = {
    "kpcr-self", "kpcr-current-prcb", "kpcr-prcb", "prcb-current-thread",
    "prcb-next-thread", "prcb-idle-thread", "prcb-number",
    "prcb-context-switches", "prcb-kernel-dtb", "kthread-stack-limit",
    "kthread-stack-base", "kthread-apc-process", "kthread-process",
    "kthread-state", "kthread-wait-reason", "kthread-priority",
    "kthread-context-switches", "kthread-wait-time", "kthread-teb",
    "kthread-client-id", "ethread-create-time", "ethread-thread-list-entry",
    "ethread-thread-name", "eprocess-directory-table-base",
    "eprocess-unique-process-id", "eprocess-active-process-links",
    "eprocess-image-file-name", "eprocess-inherited-from", "eprocess-peb",
    "eprocess-create-time", "eprocess-thread-list-head",
};

static void test_field_names(void)
{
    unsigned i;

    g_assert_cmpuint(G_N_ELEMENTS(field_names), ==, WINOS_N_FIELDS);
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        g_assert_cmpstr(winos_field_name((WinosField)i), ==, field_names[i]);
    }
    g_assert_null(winos_field_name(WINOS_N_FIELDS));
}

static void test_other_names(void)
{
    g_assert_cmpstr(winos_source_name(WINOS_SOURCE_KDBG), ==, "kdbg");
    g_assert_cmpstr(winos_source_name(WINOS_SOURCE_CODE), ==, "code");
    g_assert_cmpstr(winos_source_name(WINOS_SOURCE_TABLE), ==, "table");
    g_assert_cmpstr(winos_source_name(WINOS_SOURCE_STRUCTURE), ==,
                    "structure");
    g_assert_cmpstr(winos_source_name(WINOS_SOURCE_OVERRIDE), ==, "override");
    g_assert_null(winos_source_name(WINOS_N_SOURCES));
    g_assert_cmpstr(winos_standing_name(WINOS_UNKNOWN), ==, "unknown");
    g_assert_cmpstr(winos_standing_name(WINOS_ABSENT), ==, "absent");
    g_assert_cmpstr(winos_standing_name(WINOS_REFUTED), ==, "refuted");
    g_assert_cmpstr(winos_standing_name(WINOS_UNCONFIRMED), ==,
                    "unconfirmed");
    g_assert_cmpstr(winos_standing_name(WINOS_AGREED), ==, "agreed");
    g_assert_cmpstr(winos_standing_name(WINOS_CONFIRMED), ==, "confirmed");
    g_assert_null(winos_standing_name((WinosStanding)(WINOS_CONFIRMED + 1)));
}

/* The numbers are the guest's: any may come. */
static void test_windows_names(void)
{
    g_assert_cmpstr(winos_state_name(0), ==, "Initialized");
    g_assert_cmpstr(winos_state_name(2), ==, "Running");
    g_assert_cmpstr(winos_state_name(5), ==, "Waiting");
    g_assert_cmpstr(winos_state_name(7), ==, "DeferredReady");
    g_assert_cmpstr(winos_state_name(9), ==, "WaitingForProcessInSwap");
    g_assert_null(winos_state_name(10));
    g_assert_null(winos_state_name(255));
    g_assert_cmpstr(winos_wait_reason_name(0), ==, "Executive");
    g_assert_cmpstr(winos_wait_reason_name(6), ==, "UserRequest");
    g_assert_cmpstr(winos_wait_reason_name(15), ==, "WrQueue");
    g_assert_cmpstr(winos_wait_reason_name(24), ==, "WrCpuRateControl");
    g_assert_cmpstr(winos_wait_reason_name(30), ==, "WrQuantumEnd");
    g_assert_cmpstr(winos_wait_reason_name(32), ==, "WrPreempted");
    g_assert_cmpstr(winos_wait_reason_name(37), ==, "WrAlertByThreadId");
    g_assert_cmpstr(winos_wait_reason_name(42), ==, "WrRcu");
    g_assert_null(winos_wait_reason_name(43));
    g_assert_null(winos_wait_reason_name(0xffffffff));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/winos/layout/init", test_init);
    g_test_add_func("/winos/layout/field-names", test_field_names);
    g_test_add_func("/winos/layout/other-names", test_other_names);
    g_test_add_func("/winos/layout/windows-names", test_windows_names);
    return g_test_run();
}
