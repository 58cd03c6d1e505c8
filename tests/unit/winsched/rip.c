/*
 * winsched/rip: whose code a vCPU executes, and whether that is a DPC.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/rip.h"

#include "winos/extra.h"

#include "objects.h"

#include <glib.h>
#include <string.h>

#define THREAD  0xffffa00000001040
#define PROCESS 0xffffa00000003080
#define KPCR    0xffffa00000010000

enum { PRCB_AT = 0x180, CURRENT_AT = 8, DPC_AT = 0x300, POINTER_AT = 0x20 };

typedef struct Fixture {
    HookedGuest h;
    WinosLayout layout;
    Winsched ws;
    WinschedRipView view;
    WinschedThread who;
    uint64_t gpa;               /* of CurrentThread */
    WinschedRip sample;
} Fixture;

static void fixture_init(Fixture *f)
{
    const ProcessObject process = { .at = PROCESS, .id = 4000,
                                    .created = 77, .image = "render.exe" };
    const ThreadObject thread = { .at = THREAD, .process = PROCESS,
                                  .attached = PROCESS, .pid = 4000,
                                  .tid = 4004, .created = 78, .state = 2 };

    memset(f, 0, sizeof(*f));
    hooked_guest_init(&f->h, 4);
    fake_guest_map(&f->h.g, THREAD & ~0xfffull, 0x4000);
    fake_guest_map(&f->h.g, KPCR, 0x2000);
    objects_put_process(&f->h.g, &process);
    objects_put_thread(&f->h.g, &thread);
    fake_guest_put64(&f->h.g, KPCR + PRCB_AT + CURRENT_AT, THREAD);
    fake_guest_put64(&f->h.g, KPCR + POINTER_AT, KPCR + PRCB_AT);
    objects_layout(&f->layout);
    f->ws.space = f->h.g.space;
    f->ws.layout = f->layout;
    f->view = (WinschedRipView) {
        .space = f->h.g.space, .prcb_at = PRCB_AT,
        .current_thread = CURRENT_AT, .dpc_active = DPC_AT,
    };
    g_assert_true(gmem_translate(&f->h.g.space, KPCR + PRCB_AT + CURRENT_AT,
                                 &f->gpa, NULL, NULL));
}

static void fixture_deinit(Fixture *f)
{
    hooked_guest_deinit(&f->h);
}

static unsigned read_thread(Fixture *f, uint64_t thread, bool idle)
{
    memset(&f->sample, 0, sizeof(f->sample));
    winsched_rip_thread(&f->sample, &f->who, &f->ws, thread, idle);
    return f->sample.has;
}

static void test_thread(void)
{
    Fixture f;
    uint64_t first, again;

    fixture_init(&f);
    hooked_guest_hook(&f.h, 0, NULL, NULL);
    g_assert_cmphex(read_thread(&f, THREAD, false), ==,
                    WINSCHED_RIP_THREAD | WINSCHED_RIP_IDS |
                    WINSCHED_RIP_IMAGE);
    first = f.h.n;
    g_assert_cmphex(f.sample.thread, ==, THREAD);
    g_assert_cmpuint(f.sample.pid, ==, 4000);
    g_assert_cmpuint(f.sample.tid, ==, 4004);
    g_assert_cmpstr(f.sample.image, ==, "render.exe");
    /* The same again: less is read, and as much is known. */
    read_thread(&f, THREAD, true);
    again = f.h.n - first;
    g_assert_cmpuint(again, <, first);
    g_assert_true(f.sample.has & WINSCHED_RIP_IDLE);
    g_assert_cmpuint(f.sample.tid, ==, 4004);
    /* An object of another thread in the same place. */
    {
        const ThreadObject other = { .at = THREAD, .process = PROCESS,
                                     .attached = PROCESS, .pid = 4000,
                                     .tid = 4008, .created = 79, .state = 2 };

        objects_put_thread(&f.h.g, &other);
    }
    read_thread(&f, THREAD, false);
    g_assert_cmpuint(f.sample.tid, ==, 4008);
    fixture_deinit(&f);
}

static void test_no_object(void)
{
    Fixture f;

    fixture_init(&f);
    g_assert_cmphex(read_thread(&f, 0xffffb00000000000, true), ==,
                    WINSCHED_RIP_THREAD | WINSCHED_RIP_IDLE);
    g_assert_cmphex(f.sample.thread, ==, 0xffffb00000000000);
    fixture_deinit(&f);
}

static unsigned read_dpc(Fixture *f, unsigned cpl, uint64_t gs_base,
                         uint64_t gpa)
{
    memset(&f->sample, 0, sizeof(f->sample));
    f->sample.code.cpl = cpl;
    winsched_rip_dpc(&f->sample, &f->view, gs_base, gpa);
    return f->sample.has;
}

static void test_dpc(gconstpointer pointer)
{
    Fixture f;

    fixture_init(&f);
    if (GPOINTER_TO_INT(pointer)) {
        f.view.prcb_is_pointer = true;
        f.view.prcb_at = POINTER_AT;
    }
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa), ==, WINSCHED_RIP_DPC_KNOWN);
    fake_guest_put8(&f.h.g, KPCR + PRCB_AT + DPC_AT, 1);
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa), ==,
                    WINSCHED_RIP_DPC_KNOWN | WINSCHED_RIP_DPC);
    /* User mode is in none, whatever the guest says. */
    g_assert_cmphex(read_dpc(&f, 3, KPCR, f.gpa), ==, WINSCHED_RIP_DPC_KNOWN);
    /* Anything but 0 and 1 is no answer that stands for one. */
    fake_guest_put8(&f.h.g, KPCR + PRCB_AT + DPC_AT, 2);
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa), ==, WINSCHED_RIP_DPC_KNOWN);
    fixture_deinit(&f);
}

/* Around swapgs GS is the user's, and another vCPU's KPCR is not this one's. */
static void test_not_this_prcb(void)
{
    Fixture f;

    fixture_init(&f);
    fake_guest_put8(&f.h.g, KPCR + PRCB_AT + DPC_AT, 1);
    g_assert_cmphex(read_dpc(&f, 0, 0x7ff712340000, f.gpa), ==, 0);
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa + 8), ==, 0);
    g_assert_cmphex(read_dpc(&f, 0, UINT64_MAX, f.gpa), ==, 0);
    f.view.prcb_at = WINOS_NO_OFFSET;
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa), ==, 0);
    f.view.prcb_at = PRCB_AT;
    f.view.current_thread = WINOS_NO_OFFSET;
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa), ==, 0);
    f.view.current_thread = CURRENT_AT;
    f.view.dpc_active = WINOS_NO_OFFSET;
    g_assert_cmphex(read_dpc(&f, 0, KPCR, f.gpa), ==, 0);
    g_assert_cmphex(read_dpc(&f, 3, KPCR, f.gpa), ==, 0);
    fixture_deinit(&f);
}

static void test_view(void)
{
    static WinosResult result;
    WinschedRipView view;
    Fixture f;
    unsigned i;

    fixture_init(&f);
    result.kernel.space = f.h.g.space;
    result.prcb_at = PRCB_AT;
    result.prcb_is_pointer = true;
    objects_layout(&result.layout);
    objects_set(&result.layout, WINOS_PRCB_CURRENT_THREAD, CURRENT_AT);
    winsched_rip_view(&view, &result);
    g_assert_cmpint(view.dpc_active, <, 0);
    for (i = 0; i < winos_table_size; i++) {
        if (winos_table[i].build == 26100) {
            result.rows[0] = &winos_table[i];
        }
    }
    result.n_rows = 1;
    winsched_rip_view(&view, &result);
    g_assert_cmpint(view.dpc_active, ==,
        winos_extra_of(&result)->at[WINOS_PRCB_DPC_ROUTINE_ACTIVE]);
    g_assert_cmpint(view.prcb_at, ==, PRCB_AT);
    g_assert_cmpint(view.current_thread, ==, CURRENT_AT);
    g_assert_true(view.prcb_is_pointer);
    g_assert_cmphex(view.space.cr3, ==, f.h.g.space.cr3);
    fixture_deinit(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rip/thread", test_thread);
    g_test_add_func("/rip/no-object", test_no_object);
    g_test_add_data_func("/rip/dpc/inside", NULL, test_dpc);
    g_test_add_data_func("/rip/dpc/pointer", GINT_TO_POINTER(1), test_dpc);
    g_test_add_func("/rip/not-this-prcb", test_not_this_prcb);
    g_test_add_func("/rip/view", test_view);
    return g_test_run();
}
