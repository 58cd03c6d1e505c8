/*
 * dump/formats: each format gives back the memory and registers that were put
 * into it; cut anywhere and wrong anywhere, it ends in a sentence.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/dump.h"

#include "fake-dump.h"

#include <string.h>

enum { PAGE = 4096, LOW = 20, HIGH = 9, N_REGS = 3 };

static uint8_t low[LOW * PAGE], middle[PAGE], high[HIGH * PAGE];
static uint8_t object[3][0x400], stack[0x800], kdbg[0x380], piece[0x123];
static WinosRegs regs[N_REGS];

static const FakeRun runs[] = {
    { 0, sizeof(low), low },
    { 0x40000, sizeof(middle), middle },
    { 1ULL << 32, sizeof(high), high },
};

static const FakePiece pieces[] = {
    { 0xfffff80012345678, sizeof(piece), piece },
    { 0xffffe00000001000, sizeof(middle), middle },
};

static const FakeDriver drivers[] = {
    { "ntoskrnl.exe", 0xfffff80010000000, 0x1046000, 0x12345678 },
    { "드라이버.sys", 0xfffff80020000000, 0x10000, 0x5a5a5a5a },
};

static FakeDump whole = {
    .runs = runs, .n_runs = G_N_ELEMENTS(runs),
    .regs = regs, .n_regs = N_REGS,
    .cr3 = 0x1ad000, .module_list = 0xfffff80010c00000,
    .process_list = 0xfffff80010c00100, .kdbg = 0xfffff80010c00b20,
    .rsp = 0xffffe00000004100, .rip = 0xfffff80020001234,
    .time = 133000000000000000, .build = 19041, .bugcheck = 0xd1,
    .parameters = { 8, 2, 0, 0xfffff80020001234 },
    .prcb = { 0, sizeof(object[0]), object[0] },
    .thread = { 0, sizeof(object[1]), object[1] },
    .process = { 0, sizeof(object[2]), object[2] },
    .stack = { 0xffffe00000004100, sizeof(stack), stack },
    .plain_kdbg = { 0, sizeof(kdbg), kdbg },
    .pieces = pieces, .n_pieces = G_N_ELEMENTS(pieces),
    .drivers = drivers, .n_drivers = G_N_ELEMENTS(drivers),
};

/* Some pages compress well, others not at all. */
static void fill(uint8_t *bytes, size_t n, uint32_t seed)
{
    size_t i;

    for (i = 0; i < n; i++) {
        seed = seed * 1103515245 + 12345;
        bytes[i] = i / PAGE % 3 ? (uint8_t)(seed >> 16) : (uint8_t)(i >> 8);
    }
}

static void fill_all(void)
{
    unsigned i;

    fill(low, sizeof(low), 1);
    fill(middle, sizeof(middle), 2);
    fill(high, sizeof(high), 3);
    fill(piece, sizeof(piece), 4);
    fill(stack, sizeof(stack), 5);
    fill(kdbg, sizeof(kdbg), 6);
    for (i = 0; i < 3; i++) {
        fill(object[i], sizeof(object[i]), 7 + i);
    }
    for (i = 0; i < N_REGS; i++) {
        regs[i] = (WinosRegs) {
            .vcpu = i, .cpl = i == 1 ? 3 : 0, .long_mode = true,
            .la57 = i == 2, .gs_base = 0xfffff80000001000 + i,
            .kernel_gs_base = 0xfffff80000002000 + i, .cr3 = 0x1000 * i,
            .lstar = 0xfffff80000003000 + i,
            .idt_base = 0xfffff80000004000 + i,
        };
    }
}

static bool is_triage(FakeDumpKind kind)
{
    return kind == FAKE_WINDOWS_TRIAGE || kind == FAKE_WINDOWS_TRIAGE_ALL;
}

static bool open_dump(FakeDumpKind kind, Dump *dump, const uint8_t *bytes,
                      size_t n, Err *err)
{
    return kind == FAKE_RAW ?
           dump_open_raw(dump, bytes, n, 0x41000, err) :
           dump_open(dump, bytes, n, err);
}

/* Reads of many places and lengths, across pages and runs. */
static void same_memory(Dump *dump, const FakeRun *run, uint64_t skip)
{
    static const size_t lengths[] = { 1, 8, 100, PAGE, 3 * PAGE + 7 };
    g_autofree uint8_t *buf = g_malloc(4 * PAGE);
    uint64_t at;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (at = skip; at + lengths[i] <= run->size; at += PAGE - 3) {
            g_assert_true(gmem_read_phys(&dump->mem, run->gpa + at, buf,
                                         lengths[i], NULL));
            g_assert_cmpmem(buf, lengths[i], run->bytes + at, lengths[i]);
        }
    }
}

static void same_registers(const Dump *dump, bool has_lstar)
{
    unsigned i;

    g_assert_cmpuint(dump->n_regs, ==, N_REGS);
    for (i = 0; i < N_REGS; i++) {
        g_assert_cmpuint(dump->regs[i].vcpu, ==, i);
        g_assert_cmpuint(dump->regs[i].cpl, ==, regs[i].cpl);
        g_assert_true(dump->regs[i].long_mode);
        g_assert_true(dump->regs[i].la57 == regs[i].la57);
        g_assert_cmphex(dump->regs[i].gs_base, ==, regs[i].gs_base);
        g_assert_cmphex(dump->regs[i].kernel_gs_base, ==,
                        regs[i].kernel_gs_base);
        g_assert_cmphex(dump->regs[i].cr3, ==, regs[i].cr3);
        g_assert_cmphex(dump->regs[i].idt_base, ==, regs[i].idt_base);
        g_assert_cmphex(dump->regs[i].lstar, ==, has_lstar ? regs[i].lstar
                                                           : 0);
        g_assert_cmphex(dump->places[i].rip, ==, 0x1111111100000000 + i);
    }
}

static void same_header(const DumpWindows *w)
{
    g_assert_true(w->present && w->has_bugcheck);
    g_assert_cmphex(w->cr3, ==, whole.cr3);
    g_assert_cmphex(w->module_list, ==, whole.module_list);
    g_assert_cmphex(w->kdbg, ==, whole.kdbg);
    g_assert_cmphex(w->bugcheck, ==, 0xd1);
    g_assert_cmphex(w->parameters[3], ==, whole.parameters[3]);
    g_assert_cmphex(w->rsp, ==, whole.rsp);
    g_assert_cmphex(w->rip, ==, whole.rip);
    g_assert_cmpuint(w->build, ==, 19041);
    g_assert_cmpuint(w->n_cpus, ==, N_REGS);
    g_assert_cmpuint(w->time, ==, whole.time);
    g_assert_cmpuint(w->exception, ==, 0);      /* the filler */
}

static void same_triage(const Dump *dump, bool all)
{
    DumpDriver driver;
    uint8_t buf[0x100];

    g_assert_cmpuint(dump->triage.n_drivers, ==, 2);
    g_assert_true(dump_triage_driver(dump, 1, &driver));
    g_assert_cmpstr(driver.name, ==, "드라이버.sys");
    g_assert_cmphex(driver.timestamp, ==, 0x5a5a5a5a);
    g_assert_cmphex(driver.base, ==, drivers[1].base);
    g_assert_false(dump_triage_driver(dump, 2, &driver));
    g_assert_true(dump_triage_read(dump, whole.stack.gva + 0x700, buf,
                                   0x100));
    g_assert_cmpmem(buf, 0x100, stack + 0x700, 0x100);
    g_assert_false(dump_triage_read(dump, whole.stack.gva + 0x701, buf,
                                    0x100));
    g_assert_true(dump_bytes(dump, dump->triage.thread, buf, sizeof(buf)));
    g_assert_cmpmem(buf, sizeof(buf), object[1], sizeof(buf));
    g_assert_true(dump_triage_read(dump, pieces[0].gva + 0x23, buf, 0x100) ==
                  all);
    if (all) {
        g_assert_cmpmem(buf, 0x100, piece + 0x23, 0x100);
    }
}

static void test_whole(gconstpointer data)
{
    FakeDumpKind kind = GPOINTER_TO_UINT(data);
    g_autoptr(GByteArray) file = fake_dump_write(kind, &whole);
    Dump dump;
    Err err = { 0 };
    uint8_t byte;
    unsigned i;
    bool skip = kind == FAKE_WINDOWS_RANGES_K || kind ==
                FAKE_WINDOWS_RANGES_KA;

    if (!file) {
        g_test_skip("the library that compresses it is not there");
        return;
    }
    if (!open_dump(kind, &dump, file->data, file->len, &err)) {
        g_error("%s", err.text);
    }
    g_assert_cmpuint(dump.cut, ==, 0);
    if (is_triage(kind)) {
        same_triage(&dump, kind == FAKE_WINDOWS_TRIAGE_ALL);
        same_header(&dump.windows);
        dump_close(&dump);
        return;
    }
    for (i = 0; i < G_N_ELEMENTS(runs); i++) {
        same_memory(&dump, &runs[i], skip && i == 0 ? PAGE : 0);
    }
    g_assert_false(gmem_read_phys(&dump.mem, 0x41000, &byte, 1, NULL));
    g_assert_false(gmem_read_phys(&dump.mem, (1ULL << 32) - 1, &byte, 1,
                                  NULL));
    g_assert_false(gmem_read_phys(&dump.mem, (1ULL << 32) + sizeof(high),
                                  &byte, 1, NULL));
    g_assert_true(gmem_read_phys(&dump.mem, 0x30000, &byte, 1, NULL) ==
                  (kind == FAKE_RAW));
    g_assert_cmpuint(dump.n_regs, ==, fake_dump_has_regs(kind) ? N_REGS : 0);
    if (dump.n_regs) {
        same_registers(&dump, kind == FAKE_ELF_VBOX);
    }
    if (kind >= FAKE_WINDOWS_FULL && kind <= FAKE_WINDOWS_RANGES_F) {
        same_header(&dump.windows);
    }
    dump_close(&dump);
}

/* Whatever may be asked of it ends, and says nothing that is not there. */
static void use(FakeDumpKind kind, const uint8_t *bytes, size_t n,
                bool *complete)
{
    static const uint64_t places[] = {
        0, 8, PAGE - 1, 0x13000, 0x40000, 0x41000, 1ULL << 32, UINT64_MAX,
        (1ULL << 32) + 8 * PAGE, 1ULL << 40, 1ULL << 52, 1ULL << 63,
    };
    /* Nothing lies behind the bytes: ASan tells. */
    g_autofree uint8_t *exact = n ? g_memdup2(bytes, n) : NULL;
    DumpDriver driver;
    static unsigned turn;
    uint8_t buf[PAGE];
    Dump dump;
    Err err = { 0 };
    unsigned i;
    bool ok = open_dump(kind, &dump, exact, n, &err);

    *complete = ok && dump.cut == 0;
    if (!ok) {
        g_assert_cmpint(err.code, !=, ERR_NONE);
        g_assert_cmpuint(strlen(err.text), >, 10);
        dump_close(&dump);
        return;
    }
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        gmem_read_phys(&dump.mem, places[i], buf, 100, NULL);
        gmem_read_phys(&dump.mem, places[i], buf, PAGE, NULL);
        dump_triage_read(&dump, places[i], buf, PAGE);
    }
    for (i = 0; i < 8; i++) {
        dump_triage_driver(&dump, i, &driver);
    }
    /* It costs more than all the rest. */
    if (++turn % 16 == 0) {
        dump_find_cpus(&dump, NULL, &err);
    }
    dump_close(&dump);
}

/* At 64 places all over it, and at each of its first bytes' ends. */
static void test_cut(gconstpointer data)
{
    FakeDumpKind kind = GPOINTER_TO_UINT(data);
    g_autoptr(GByteArray) file = fake_dump_write(kind, &whole);
    bool complete;
    unsigned i;

    if (!file) {
        g_test_skip("the library that compresses it is not there");
        return;
    }
    for (i = 0; i < 64; i++) {
        use(kind, file->data, (size_t)file->len * i / 64, &complete);
        /* Raw memory has no end to know of. */
        g_assert_true(!complete || kind == FAKE_RAW ||
                      kind == FAKE_ELF_XEN);
        use(kind, file->data, MIN(file->len, i * 17), &complete);
    }
    use(kind, file->data, file->len - 1, &complete);
}

/*
 * Every field is tried in a plain build, some under a sanitizer.  What TSan
 * looks for is not here: no two threads read a dump.
 */
#if defined(__SANITIZE_THREAD__)
enum { STEP = 60 };
#elif defined(__SANITIZE_ADDRESS__)
enum { STEP = 12 };
#else
enum { STEP = 4 };
#endif

/* Each field of the first pages: as if it were none, all, and odd. */
static void test_wrong(gconstpointer data)
{
    static const uint64_t values[] = {
        0, 1, UINT64_MAX, 0x8000000080000000,
        0xfffffffffffff000,
    };
    FakeDumpKind kind = GPOINTER_TO_UINT(data);
    g_autoptr(GByteArray) file = fake_dump_write(kind, &whole);
    uint32_t at, end;
    unsigned i;
    bool complete;

    if (!file) {
        g_test_skip("the library that compresses it is not there");
        return;
    }
    end = MIN(file->len - 8, 0x400);
    for (at = 0; at < end; at += STEP) {
        for (i = 0; i < G_N_ELEMENTS(values); i++) {
            uint8_t kept[8];

            memcpy(kept, file->data + at, 8);
            memcpy(file->data + at, &values[i], at % 8 ? 4 : 8);
            use(kind, file->data, file->len, &complete);
            memcpy(file->data + at, kept, 8);
        }
        if (at >= 0x200 && at < 0x200 + STEP && end < file->len &&
            kind >= FAKE_KDUMP_STORED && kind <= FAKE_WINDOWS_TRIAGE_ALL) {
            /* Their second headers. */
            at = kind <= FAKE_KDUMP_FLAT ? 0x1000 : 0x1f00;
            end = MIN(file->len - 8, at + 0x280);
        }
    }
}

static void test_others(void)
{
    static const struct {
        const char *magic, *words;
    } cases[] = {
        { "PAGEDUMP", "32-bit Windows" },
        { "QEVM", "migration stream" },
        { "LibvirtQemudSave", "--memory-only" },
        { "HIBR", "hibernation" },
        { "\x1f\x8b", "gzip" },
        { "PK\3\4", "zip archive" },
        { "\xd2\xbe\xd2\xbe", ".vmem" },
        { "MDMP", "one process" },
        { "", "no memory image" },
    };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t bytes[100] = { 0 };
        Dump dump;
        Err err = { 0 };

        memcpy(bytes, cases[i].magic, strlen(cases[i].magic));
        g_assert_false(dump_open(&dump, bytes, sizeof(bytes), &err));
        g_assert_nonnull(strstr(err.text, cases[i].words));
        g_assert_cmpint(err.code, ==, *cases[i].magic ? ERR_FORMAT :
                                                        ERR_USAGE);
        dump_close(&dump);
        g_assert_false(dump_open(&dump, bytes, 0, &err));
        g_assert_nonnull(strstr(err.text, "vmcoreinfo"));
        dump_close(&dump);
    }
}

static void add_for_all(const char *what, void (*test)(gconstpointer data))
{
    unsigned kind;

    for (kind = 0; kind < FAKE_N_KINDS; kind++) {
        g_autofree char *path = g_strdup_printf("/dump/%s/%s", what,
                                                fake_dump_name(kind));

        g_test_add_data_func(path, GUINT_TO_POINTER(kind), test);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    fill_all();
    add_for_all("whole", test_whole);
    add_for_all("cut", test_cut);
    add_for_all("wrong", test_wrong);
    g_test_add_func("/dump/others", test_others);
    return g_test_run();
}
