/*
 * winos/interrupts: from a vector to the driver that serves it, by gates and
 * by the array; what lies is refused, and where nothing is known nothing is
 * told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/interrupts.h"

#include "fake-guest.h"

#include <glib.h>
#include <string.h>

#define KERNEL  0xfffff80010000000
#define KPCR    0xfffff80020000000
#define IDT     0xfffff80020010000
#define OBJECTS 0xffffa00000000000
#define DRIVERS 0xfffff80030000000
#define CONTEXT 0xffffb00000000150      /* behind a device object */
#define NOWHERE 0xffffc00000000000

enum { PRCB = 0x180, CPU = 1, KERNEL_SIZE = 0x800000, ROOM = 0x200,
       OBJECT_PAGES = 8, N_DRIVERS = 3, DRIVER_SIZE = 0x4000 };

/* The vectors of a plain world. */
static const uint8_t vectors[] = { 0x51, 0x62, 0x73, 0x84, 0x95, 0xa6 };
enum { N_VECTORS = sizeof(vectors), N_RING = 3, SHARED = 3 };

typedef struct Fixture {
    FakeGuest g;
    WinosResult result;
    const WinosExtra *extra;    /* of the file that the guest is */
    WinosCpu cpu;
    WinosModule modules[N_DRIVERS + 1];
    WinosInterruptLayout layout;
    WinosInterrupt list[64];
    WinosInterrupts found;
    Err err;
} Fixture;

/* Files whose gates lead to objects, and such whose arrays do. */
static const char *const files[] = {
    "6.1.7600.16385", "6.1.7601.24540", "6.2.9200.16384", "6.3.9600.16384",
    "6.3.9600.20302..21620", "10.0.10240.16384", "10.0.15063.0",
    "10.0.19041.264", "10.0.22621.382", "10.0.26100.1742",
};

static uint64_t object_at(unsigned n)
{
    /* Some lie across two pages. */
    return OBJECTS + 0xf0 + n * 0x190;
}

static void put_object(Fixture *f, unsigned n, uint8_t vector)
{
    uint64_t at = object_at(n);

    fake_guest_put16(&f->g, at, 22);
    fake_guest_put16(&f->g, at + 2, 0x100);
    fake_guest_put64(&f->g, at + 0x18, DRIVERS + n % N_DRIVERS * 0x100000 +
                     0x1000 + n);
    fake_guest_put64(&f->g, at + 0x50, KERNEL + 0x1234);
    fake_guest_put32(&f->g, at + 0x58, vector);
    fake_guest_put8(&f->g, at + 0x5c, vector >> 4);
    fake_guest_put32(&f->g, at + 0x60, CPU);
    fake_guest_put32(&f->g, at + f->extra->at[WINOS_INTERRUPT_MODE], 1);
}

static void claim(Fixture *f, uint8_t vector, uint64_t object)
{
    int32_t code = f->extra->at[WINOS_INTERRUPT_DISPATCH_CODE];
    uint64_t to = object + (uint32_t)code;

    if (code < 0) {
        fake_guest_put64(&f->g, f->cpu.prcb + vector * 8u +
                         f->extra->at[WINOS_PRCB_INTERRUPT_OBJECT], object);
        return;
    }
    fake_guest_put64(&f->g, IDT + vector * 16u, (to & 0xffff) |
                     UINT64_C(0x8e0000100000) |
                     (to >> 16 & 0xffff) << 48);
    fake_guest_put64(&f->g, IDT + vector * 16u + 8, to >> 32);
}

static uint64_t link_at(unsigned n)
{
    return object_at(n) + 8;
}

/* The objects of the shared vector: its own, and those behind the others. */
static unsigned member(unsigned i)
{
    return i ? N_VECTORS - 1 + i : SHARED;
}

static void put_ring(Fixture *f)
{
    unsigned i;

    for (i = 0; i < N_RING; i++) {
        put_object(f, member(i), vectors[SHARED]);
        fake_guest_put8(&f->g, object_at(member(i)) + 0x64, 1);
        fake_guest_put64(&f->g, link_at(member(i)),
                         link_at(member((i + 1) % N_RING)));
    }
}

static void put_modules(Fixture *f)
{
    static const char *const names[] = { "ntoskrnl.exe", "a.sys", "b.sys",
                                         "c.sys" };
    unsigned i;

    for (i = 0; i <= N_DRIVERS; i++) {
        f->modules[i].base = i ? DRIVERS + (i - 1) * 0x100000 : KERNEL;
        f->modules[i].size = i ? DRIVER_SIZE : KERNEL_SIZE;
        g_strlcpy(f->modules[i].name, names[i], sizeof(f->modules[i].name));
    }
}

static void fixture_init(Fixture *f, const char *file)
{
    unsigned i;

    memset(f, 0, sizeof(*f));
    fake_guest_init(&f->g, 4 << 20, 4);
    fake_guest_map(&f->g, KPCR, 16 * GMEM_PAGE);
    fake_guest_map(&f->g, IDT, GMEM_PAGE);
    fake_guest_map(&f->g, OBJECTS, OBJECT_PAGES * GMEM_PAGE);
    fake_guest_map(&f->g, CONTEXT & ~0xfffull, GMEM_PAGE);
    fake_guest_put64(&f->g, KPCR + 0x38, IDT);
    f->result.kernel.space = f->g.space;
    f->result.kernel.image.base = KERNEL;
    f->result.kernel.image.size = KERNEL_SIZE;
    for (i = 0; i < winos_table_size; i++) {
        if (!strcmp(winos_table[i].file_version, file)) {
            f->result.rows[0] = &winos_table[i];
        }
    }
    f->result.n_rows = 1;
    f->result.exact_file = true;
    f->extra = winos_extra_of(&f->result);
    g_assert_nonnull(f->extra);
    f->cpu = (WinosCpu) { .kpcr = KPCR, .prcb = KPCR + PRCB, .number = CPU };
    f->found.list = f->list;
    f->found.max = G_N_ELEMENTS(f->list);
    put_modules(f);
    for (i = 0; i < N_VECTORS; i++) {
        put_object(f, i, vectors[i]);
        claim(f, vectors[i], object_at(i));
    }
    put_ring(f);
}

static bool opens(Fixture *f)
{
    f->err = (Err) {};
    return winos_interrupts_open(&f->result, &f->cpu, 1, f->modules,
                                 N_DRIVERS + 1, &f->layout, &f->err);
}

static void reads(Fixture *f)
{
    g_assert_true(opens(f));
    g_assert_true(winos_interrupts_read(&f->result, &f->layout, &f->cpu,
                                        &f->found, &f->err));
}

/* The first one of a vector; NULL when it is not told. */
static const WinosInterrupt *first_of(const Fixture *f, uint8_t vector)
{
    unsigned i;

    for (i = 0; i < f->found.n; i++) {
        if (f->found.list[i].first && f->found.list[i].vector == vector) {
            return &f->found.list[i];
        }
    }
    return NULL;
}

static void test_plain(gconstpointer file)
{
    const WinosInterrupt *at;
    Fixture f;
    unsigned i;

    fixture_init(&f, file);
    reads(&f);
    g_assert_cmpuint(f.found.n, ==, N_VECTORS + N_RING - 1);
    g_assert_cmpuint(f.found.refused, ==, 0);
    for (i = 0; i < N_VECTORS; i++) {
        at = first_of(&f, vectors[i]);
        g_assert_nonnull(at);
        g_assert_cmphex(at->object, ==, object_at(i));
        g_assert_true(at->module == &f.modules[1 + i % N_DRIVERS]);
        g_assert_cmphex(at->routine - at->module->base, ==, 0x1000 + i);
        g_assert_cmpuint(at->irql, ==, vectors[i] >> 4);
        g_assert_cmpuint(at->mode, ==, WINOS_INTERRUPT_LATCHED);
        g_assert_false(at->by_message);
        g_assert_cmpint(at->end, ==, WINOS_LIST_WHOLE);
        g_assert_cmpint(at->shared, ==, i == SHARED);
        g_assert_null(at->owner);
    }
    at = first_of(&f, vectors[SHARED]);
    for (i = 1; i < N_RING; i++) {
        g_assert_false(at[i].first);
        g_assert_cmphex(at[i].object, ==, object_at(member(i)));
    }
    fake_guest_deinit(&f.g);
}

/* The driver's routine of a message stands behind the kernel's own. */
static void test_message(gconstpointer file)
{
    const WinosInterrupt *at;
    Fixture f;

    fixture_init(&f, file);
    fake_guest_put64(&f.g, object_at(0) + 0x18, KERNEL + 0x10);
    fake_guest_put64(&f.g, object_at(0) + 0x20, DRIVERS + 0x3fff);
    fake_guest_put32(&f.g, object_at(0) + 0x28, 36);
    reads(&f);
    at = first_of(&f, vectors[0]);
    g_assert_true(at->by_message);
    g_assert_cmpuint(at->message, ==, 36);
    g_assert_true(at->module == &f.modules[1]);
    /* One byte behind: nobody's, and not the kernel's either. */
    fake_guest_put64(&f.g, object_at(0) + 0x20, DRIVERS + 0x4000);
    reads(&f);
    g_assert_null(first_of(&f, vectors[0])->module);
    fake_guest_deinit(&f.g);
}

/* A context is a device's extension only where all five places say so. */
static void test_owner(gconstpointer file)
{
    static const struct {
        uint64_t at, right, wrong;
    } places[] = {
        { CONTEXT - 0x150, 3, 2 },
        { CONTEXT - 0x150 + 0x40, CONTEXT, CONTEXT + 8 },
        { CONTEXT - 0x150 + 8, CONTEXT + 0x400, NOWHERE },
        { CONTEXT + 0x400, 4, 3 },
        { CONTEXT + 0x418, DRIVERS + 0x100000, DRIVERS + 0x101000 },
    };
    Fixture f;
    unsigned i;

    fixture_init(&f, file);
    fake_guest_put64(&f.g, object_at(0) + 0x30, CONTEXT);
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        fake_guest_put64(&f.g, places[i].at, places[i].right);
    }
    reads(&f);
    g_assert_true(first_of(&f, vectors[0])->owner == &f.modules[2]);
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        fake_guest_put64(&f.g, places[i].at, places[i].wrong);
        reads(&f);
        g_assert_null(first_of(&f, vectors[0])->owner);
        fake_guest_put64(&f.g, places[i].at, places[i].right);
    }
    fake_guest_deinit(&f.g);
}

typedef struct Lie {
    const char *name;
    unsigned at;                /* in the object of the first vector */
    unsigned bytes;
    uint64_t value;
} Lie;

static const Lie object_lies[] = {
    { "type", 0, 2, 19 },
    { "type-high-byte", 0, 2, 0x116 },
    { "size-small", 2, 2, 0x7f },
    { "size-large", 2, 2, 0x401 },
    { "dispatch-outside", 0x50, 8, DRIVERS + 0x1000 },
    { "dispatch-behind", 0x50, 8, KERNEL + KERNEL_SIZE },
    { "vector", 0x58, 4, 0x52 },
    { "vector-high-byte", 0x58, 4, 0x151 },
    { "number", 0x60, 4, CPU + 1 },
    { "shared", 0x64, 1, 2 },
};

static void test_lies(gconstpointer file)
{
    Fixture f;
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(object_lies); i++) {
        const Lie *lie = &object_lies[i];

        fixture_init(&f, file);
        fake_guest_write(&f.g, object_at(0) + lie->at, &lie->value,
                         lie->bytes);
        reads(&f);
        g_test_message("%s", lie->name);
        g_assert_null(first_of(&f, vectors[0]));
        g_assert_cmpuint(f.found.refused, ==, 1);
        g_assert_nonnull(first_of(&f, vectors[1]));
        fake_guest_deinit(&f.g);
    }
}

/* Objects that are nowhere, odd, in user space, at the end of memory. */
static void test_wild_slots(gconstpointer file)
{
    static const uint64_t wild[] = {
        NOWHERE, 0x8000123412341230, 0x7ffe0000, 0xfffffffffffffff0, 1,
        OBJECTS + 0xf1, OBJECTS + OBJECT_PAGES * GMEM_PAGE - 0x20,
    };
    Fixture f;
    unsigned i;

    fixture_init(&f, file);
    for (i = 0; i < G_N_ELEMENTS(wild); i++) {
        claim(&f, vectors[0], wild[i]);
        reads(&f);
        g_assert_null(first_of(&f, vectors[0]));
        g_assert_cmpuint(f.found.refused, ==, 1);
        g_assert_nonnull(first_of(&f, vectors[1]));
    }
    fake_guest_deinit(&f.g);
}

/* The ring's last link is @link: @n members are told, and how it ended. */
static void check_ring(Fixture *f, uint64_t link, unsigned n,
                       WinosListEnd end)
{
    const WinosInterrupt *at;

    fake_guest_put64(&f->g, link_at(member(N_RING - 1)), link);
    reads(f);
    at = first_of(f, vectors[SHARED]);
    g_assert_nonnull(at);
    g_assert_cmpint(at->end, ==, end);
    g_assert_cmpuint(f->found.n, ==, N_VECTORS + n - 1);
}

static void test_rings(gconstpointer file)
{
    Fixture f;

    fixture_init(&f, file);
    check_ring(&f, link_at(member(1)), N_RING, WINOS_LIST_LOOPS);
    check_ring(&f, link_at(member(2)), N_RING, WINOS_LIST_LOOPS);
    check_ring(&f, NOWHERE, N_RING, WINOS_LIST_BROKEN);
    check_ring(&f, 0, N_RING, WINOS_LIST_BROKEN);
    check_ring(&f, 8, N_RING, WINOS_LIST_BROKEN);
    check_ring(&f, 0x8000123412341230, N_RING, WINOS_LIST_BROKEN);
    /* An object of another vector does not come in by the ring. */
    check_ring(&f, link_at(0), N_RING, WINOS_LIST_BROKEN);
    fake_guest_put32(&f.g, object_at(member(1)) + 0x58, 0x85);
    check_ring(&f, link_at(SHARED), 1, WINOS_LIST_BROKEN);
    fake_guest_deinit(&f.g);
}

/* Objects that always lead to a next one, and a list that is full. */
static void test_endless(gconstpointer file)
{
    Fixture f;
    unsigned i;
    WinosInterrupt *all = g_new(WinosInterrupt, WINOS_MAX_INTERRUPTS);

    fixture_init(&f, file);
    for (i = N_VECTORS; i < N_VECTORS + 70; i++) {
        put_object(&f, i, vectors[SHARED]);
        fake_guest_put8(&f.g, object_at(i) + 0x64, 1);
        fake_guest_put64(&f.g, link_at(i), link_at(i + 1));
    }
    fake_guest_put64(&f.g, link_at(SHARED), link_at(N_VECTORS));
    f.found.list = all;
    f.found.max = WINOS_MAX_INTERRUPTS;
    reads(&f);
    g_assert_cmpint(first_of(&f, vectors[SHARED])->end, ==, WINOS_LIST_FULL);
    g_assert_cmpuint(f.found.n, ==, N_VECTORS + WINOS_SHARED_MAX);
    g_assert_false(f.found.full);
    for (i = 0; i < N_VECTORS + WINOS_SHARED_MAX; i++) {
        f.found.max = i;
        reads(&f);
        g_assert_cmpuint(f.found.n, ==, i);
        g_assert_true(f.found.full);
    }
    fake_guest_deinit(&f.g);
    g_free(all);
}

/* Where the file is not known, memory has to show the layout. */
static void test_unknown_file(gconstpointer file)
{
    Fixture f;
    unsigned i;

    fixture_init(&f, file);
    f.result.exact_file = false;
    g_assert_true(opens(&f));
    for (i = 3; i < N_VECTORS; i++) {
        claim(&f, vectors[i], 0);
    }
    if (f.extra->at[WINOS_INTERRUPT_DISPATCH_CODE] < 0) {
        g_assert_false(opens(&f));      /* three are no proof */
    }
    for (i = 3; i < N_VECTORS; i++) {
        claim(&f, vectors[i], object_at(i));
    }
    g_assert_true(opens(&f));
    /* Most slots lead elsewhere: this is some other array. */
    for (i = 0; i < 6; i++) {
        claim(&f, (uint8_t)(0xb0 + i), object_at(i));
    }
    g_assert_false(opens(&f));
    g_assert_nonnull(strstr(f.err.text, "is not known"));
    f.result.same_build = true;
    g_assert_true(opens(&f));
    f.result.same_build = false;
    f.result.n_rows = 0;
    f.result.exact_file = true;
    g_assert_false(opens(&f));
    fake_guest_deinit(&f.g);
}

/* A descriptor table or a KPRCB that is not there. */
static void test_no_table(gconstpointer file)
{
    Fixture f;

    fixture_init(&f, file);
    reads(&f);
    f.cpu.prcb = NOWHERE;
    fake_guest_put64(&f.g, KPCR + 0x38, 0xfffffffffffffff8);
    g_assert_false(winos_interrupts_read(&f.result, &f.layout, &f.cpu,
                                         &f.found, &f.err));
    g_assert_nonnull(strstr(f.err.text, "cannot be read"));
    g_assert_cmpuint(f.found.n, ==, 0);
    fake_guest_deinit(&f.g);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(gconstpointer);
    } tests[] = {
        { "plain", test_plain }, { "message", test_message },
        { "owner", test_owner }, { "lies", test_lies },
        { "wild-slots", test_wild_slots }, { "rings", test_rings },
        { "endless", test_endless }, { "unknown-file", test_unknown_file },
        { "no-table", test_no_table },
    };
    size_t i, k;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(files); i++) {
        for (k = 0; k < G_N_ELEMENTS(tests); k++) {
            char *name = g_strdup_printf("/winos/interrupts/%s/%s",
                                         tests[k].name, files[i]);

            g_test_add_data_func(name, files[i], tests[k].run);
            g_free(name);
        }
    }
    return g_test_run();
}
