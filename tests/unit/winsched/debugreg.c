/*
 * winsched/debugreg: our breakpoint beside gdb's and the guest's own events.
 *
 * A fake KVM stands in the middle: it keeps what it was last armed with, as
 * KVM_SET_GUEST_DEBUG does, and makes debug exits of it.  The code around it
 * is what QEMU does with gdb's breakpoints.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/debugreg.h"

#include <glib.h>
#include <string.h>

#define OURS        0xfffff80000010188
#define BP(n)       (0xfffff80011110000 + 0x100 * (n))
#define DR6_FIXED   UINT64_C(0xffff0ff0)
#define BS          UINT64_C(0x4000)
#define BD          UINT64_C(0x2000)

/* Merging */

typedef struct MergeCase {
    const char *name;
    unsigned used;
    DebugregKind kind;
    uint64_t address;
    uint64_t dr7;           /* as others left it */
    bool good;
    uint64_t want;          /* DR7 */
} MergeCase;

static const MergeCase merge_cases[] = {
    /* Source: QEMU's encoding, 0x600 | 2 << 2n | type << .. | len << .. */
    { "alone",    0, DEBUGREG_STORE, OURS, 0xdead, true, 0x90000680 },
    { "one",      1, DEBUGREG_STORE, OURS, 0x602, true, 0x90000682 },
    { "three",    3, DEBUGREG_STORE, OURS, 0x111062a, true, 0x911106aa },
    { "none-left", 4, DEBUGREG_STORE, OURS, 0x6aa, false, 0x6aa },
    { "unaligned", 0, DEBUGREG_STORE, OURS + 4, 0x600, false, 0x600 },
    { "code",     0, DEBUGREG_CODE, OURS + 1, 0, true, 0x680 },
    { "again",    1, DEBUGREG_STORE, OURS, 0xf0000682, true, 0x90000682 },
};

static void test_merge(gconstpointer data)
{
    const MergeCase *c = data;
    uint64_t dr[8] = { 1, 2, 3, 4, 5, 6, 7, c->dr7 };

    g_assert_cmpint(debugreg_merge(dr, c->used, c->kind, c->address), ==,
                    c->good);
    g_assert_cmphex(dr[7], ==, c->want);
    g_assert_cmphex(dr[3], ==, c->good ? c->address : 4);
    g_assert_cmphex(dr[0], ==, 1);
    g_assert_cmphex(dr[2], ==, 3);
}

/* Splitting */

typedef struct SplitCase {
    const char *name;
    uint64_t dr6;
    unsigned used;
    bool ours;
    bool rest;
    uint64_t left;          /* of dr6 */
} SplitCase;

static const SplitCase split_cases[] = {
    { "ours", DR6_FIXED | 8, 0, true, false, DR6_FIXED },
    { "ours-and-step", DR6_FIXED | 8 | BS, 0, true, true,
      DR6_FIXED | BS },
    { "guest-step", DR6_FIXED | BS, 0, false, true, DR6_FIXED | BS },
    { "gdb", DR6_FIXED | 1, 1, false, true, DR6_FIXED | 1 },
    { "ours-and-gdb", DR6_FIXED | 9, 1, true, true, DR6_FIXED | 1 },
    { "all-of-gdb", DR6_FIXED | 15, 3, true, true, DR6_FIXED | 7 },
    /* A processor may tell of conditions that nobody has asked for. */
    { "not-enabled", DR6_FIXED | 9, 0, true, false, DR6_FIXED | 1 },
    { "all-four-of-gdb", DR6_FIXED | 8, 4, false, true, DR6_FIXED | 8 },
    { "int1", DR6_FIXED, 0, false, false, DR6_FIXED },
    { "access", DR6_FIXED | BD | 8, 0, true, true, DR6_FIXED | BD },
};

static void test_split(gconstpointer data)
{
    const SplitCase *c = data;
    uint64_t dr6 = c->dr6;

    g_assert_cmpint(debugreg_take(&dr6, c->used), ==, c->ours);
    g_assert_cmphex(dr6, ==, c->left);
    g_assert_cmpint(debugreg_rest(dr6, c->used), ==, c->rest);
}

/* gdb comes and goes */

typedef struct FakeKvm {
    uint64_t dr[8];             /* what the vCPU has */
    bool armed;
    uint64_t gdb[4];
    unsigned n_gdb;
    uint64_t ours;              /* 0: none */
    /* What became of exits. */
    unsigned hits, to_gdb, to_guest;
} FakeKvm;

/* As kvm_arch_update_guest_debug(), with the hook. */
static void fake_update(FakeKvm *kvm)
{
    unsigned n;

    memset(kvm->dr, 0xa5, sizeof(kvm->dr));
    kvm->armed = kvm->n_gdb > 0;
    if (kvm->n_gdb > 0) {
        kvm->dr[7] = 0x600;
        for (n = 0; n < kvm->n_gdb; n++) {
            kvm->dr[n] = kvm->gdb[n];
            kvm->dr[7] |= 2 << (n * 2);
        }
    }
    if (kvm->ours && debugreg_merge(kvm->dr, kvm->n_gdb, DEBUGREG_STORE,
                                    kvm->ours)) {
        kvm->armed = true;
    }
}

static bool gdb_insert(FakeKvm *kvm, uint64_t address)
{
    if (kvm->n_gdb >= (kvm->ours ? DEBUGREG_OURS : DEBUGREG_N)) {
        return false;
    }
    kvm->gdb[kvm->n_gdb++] = address;
    fake_update(kvm);
    return true;
}

static void gdb_detach(FakeKvm *kvm)
{
    kvm->n_gdb = 0;
    fake_update(kvm);
}

static void watch(FakeKvm *kvm, uint64_t address)
{
    kvm->ours = address;
    fake_update(kvm);
}

/* One #DB: of a store or fetch at @address, and maybe a step of the guest. */
static void event(FakeKvm *kvm, uint64_t address, bool step)
{
    uint64_t dr6 = DR6_FIXED | (step ? BS : 0);
    unsigned n;

    for (n = 0; kvm->armed && n < DEBUGREG_N; n++) {
        if (kvm->dr[7] >> (2 * n) & 3 && kvm->dr[n] == address) {
            dr6 |= 1u << n;
        }
    }
    if (dr6 == DR6_FIXED) {
        return;
    }
    if (debugreg_take(&dr6, kvm->n_gdb)) {
        kvm->hits++;
        if (!debugreg_rest(dr6, kvm->n_gdb)) {
            return;
        }
    }
    /* As kvm_handle_debug(). */
    if (dr6 & BS) {
        kvm->to_guest++;
    } else {
        kvm->to_gdb++;
    }
}

static void assert_events(FakeKvm *kvm, unsigned hits, unsigned to_gdb)
{
    unsigned n;

    kvm->hits = kvm->to_gdb = kvm->to_guest = 0;
    event(kvm, OURS, false);
    for (n = 0; n < 4; n++) {
        event(kvm, BP(n), false);
    }
    event(kvm, OURS, true);
    g_assert_cmpuint(kvm->hits, ==, 2 * hits);
    g_assert_cmpuint(kvm->to_gdb, ==, to_gdb);
    g_assert_cmpuint(kvm->to_guest, ==, 1);
}

/* Every order of: gdb comes, gdb goes, watch begins, watch ends. */
static void test_orders(void)
{
    unsigned order;

    for (order = 0; order < 1 << 12; order++) {
        FakeKvm kvm = {};
        unsigned step;

        fake_update(&kvm);
        for (step = 0; step < 6; step++) {
            switch (order >> (2 * step) & 3) {
            case 0:
                gdb_insert(&kvm, BP(kvm.n_gdb));
                break;
            case 1:
                gdb_detach(&kvm);
                break;
            case 2:
                /* With four of gdb's the watch is refused. */
                watch(&kvm, kvm.n_gdb == 4 ? 0 : OURS);
                break;
            case 3:
                watch(&kvm, 0);
                break;
            }
            assert_events(&kvm, kvm.ours ? 1 : 0, kvm.n_gdb);
        }
    }
}

static void test_fourth(void)
{
    FakeKvm kvm = {};

    watch(&kvm, OURS);
    g_assert_true(gdb_insert(&kvm, BP(0)));
    g_assert_true(gdb_insert(&kvm, BP(1)));
    g_assert_true(gdb_insert(&kvm, BP(2)));
    g_assert_false(gdb_insert(&kvm, BP(3)));
    assert_events(&kvm, 1, 3);
    watch(&kvm, 0);
    g_assert_true(gdb_insert(&kvm, BP(3)));
    assert_events(&kvm, 0, 4);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(merge_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winsched/debugreg/merge/%s",
                                                merge_cases[i].name);

        g_test_add_data_func(path, &merge_cases[i], test_merge);
    }
    for (i = 0; i < G_N_ELEMENTS(split_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winsched/debugreg/split/%s",
                                                split_cases[i].name);

        g_test_add_data_func(path, &split_cases[i], test_split);
    }
    g_test_add_func("/winsched/debugreg/orders", test_orders);
    g_test_add_func("/winsched/debugreg/fourth", test_fourth);
    return g_test_run();
}
