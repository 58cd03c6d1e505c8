/*
 * winos/kdbg: a block is found and decoded wherever it lies and whatever the
 * keys are, what only looks like one is not taken, and its fields arrive.
 *
 * The encoder here is written from what is known of the kernel's own, keys
 * and all; the decoder under test knows no keys.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/kdbg.h"

#include "base/le.h"
#include "fake-guest.h"
#include "winos/table.h"

#include <glib.h>
#include <string.h>

enum {
    TEXT = 0x1000,              /* sections of the image, by RVA */
    RDATA = 0x5000,
    ALMOST = 0x9000,
    DATA = 0xc000,
    DATA_SIZE = 0x8000,
    IMAGE_SIZE = 0x20000,
    SIZE = 0x380,
};

static const uint64_t usual_base = 0xfffff8056b200000;

static FakeGuest guest;
static PeImage image;
static Kdbg kdbg;
static GRand *rng;

static uint64_t random64(void)
{
    return (uint64_t)g_rand_int(rng) << 32 | g_rand_int(rng);
}

static void add_section(const char *name, uint32_t rva, uint32_t size,
                        bool code, bool writable)
{
    PeSection *section = &image.sections[image.n_sections++];

    g_strlcpy(section->name, name, sizeof(section->name));
    section->rva = rva;
    section->size = size;
    section->code = code;
    section->writable = writable;
}

static void begin(uint64_t base)
{
    fake_guest_init(&guest, 1 << 20, 4);
    fake_guest_map(&guest, base, IMAGE_SIZE);
    memset(&image, 0, sizeof(image));
    image.space = guest.space;
    image.base = base;
    image.size = IMAGE_SIZE;
    add_section(".text", TEXT, 0x4000, true, false);
    add_section(".rdata", RDATA, 0x4000, false, false);
    add_section("ALMOSTRO", ALMOST, 0x3000, false, true);
    add_section(".data", DATA, DATA_SIZE, false, true);
}

static void end(void)
{
    fake_guest_deinit(&guest);
}

static void put16(uint8_t *block, unsigned at, uint32_t value)
{
    block[at] = (uint8_t)value;
    block[at + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *block, unsigned at, uint32_t value)
{
    put16(block, at, value);
    put16(block, at + 2, value >> 16);
}

static void put64(uint8_t *block, unsigned at, uint64_t value)
{
    put32(block, at, (uint32_t)value);
    put32(block, at + 4, (uint32_t)(value >> 32));
}

/* A block as a kernel at @base has it; @block has KDBG_MAX_SIZE bytes. */
static void make_block(uint8_t *block, uint64_t base, uint32_t size)
{
    memset(block, 0, KDBG_MAX_SIZE);
    put64(block, 0x00, base + DATA + 0x5550);
    put64(block, 0x08, base + DATA + 0x5550);
    put32(block, 0x10, 0x4742444b);
    put32(block, 0x14, size);
    put64(block, 0x18, base);
    put64(block, 0x48, base + DATA + 0x6660);
    put64(block, 0x50, base + DATA + 0x7770);
    put64(block, 0x208, base + RDATA + 0x123);
    put64(block, 0x218, base + ALMOST + 0x888);
    put16(block, 0x2b4, 0x8);
    put16(block, 0x2be, 0x24);
    put16(block, 0x2e2, 0x18);
    put16(block, 0x2e4, 0x20);
    put16(block, 0x2e6, 0x180);
}

/* As the kernel does it: source in docs/guest-facts/kdbg.md. */
static void encode(uint8_t *block, uint32_t size, uint64_t never,
                   uint64_t always, uint64_t flag)
{
    unsigned turn = never & 63;
    unsigned at;

    for (at = 0; at + 8 <= size; at += 8) {
        uint64_t word = load_le64(block + at) ^ always;

        word = GUINT64_SWAP_LE_BE(word) ^ flag;
        word = turn ? word >> turn | word << (64 - turn) : word;
        put64(block, at, word ^ never);
    }
}

static void place(uint32_t rva, const uint8_t *block, uint32_t size)
{
    fake_guest_write(&guest, image.base + rva, block, size);
}

static void place_encoded(uint32_t rva, const uint8_t *block, uint32_t size,
                          uint64_t never)
{
    uint8_t coded[KDBG_MAX_SIZE];

    memcpy(coded, block, sizeof(coded));
    encode(coded, size, never, random64(), image.base + DATA + 0x7ff1);
    place(rva, coded, size);
}

static void fill_random(uint32_t rva, uint32_t size)
{
    uint32_t at;

    for (at = 0; at < size; at += 8) {
        fake_guest_put64(&guest, image.base + rva + at, random64());
    }
}

static void expect_found(uint32_t rva, const uint8_t *block, uint32_t size)
{
    Err err = { 0 };

    if (!kdbg_find(&image, &kdbg, &err)) {
        g_error("%s", err.text);
    }
    g_assert_cmphex(kdbg.address, ==, image.base + rva);
    g_assert_cmphex(kdbg.size, ==, size);
    g_assert_cmpmem(kdbg.data, size, block, size);
}

static void expect_none(unsigned tries)
{
    g_autofree char *tail = g_strdup_printf("; %u places looked like one",
                                            tries);
    Err err = { 0 };

    g_assert_false(kdbg_find(&image, &kdbg, &err));
    g_assert_cmpint(err.code, ==, ERR_FORMAT);
    g_assert_true(g_str_has_suffix(err.text, tail));
    g_assert_cmphex(kdbg.address, ==, 0);
}

static void test_plain(void)
{
    uint8_t block[KDBG_MAX_SIZE];

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    place(DATA + 0xb20, block, SIZE);
    expect_found(DATA + 0xb20, block, SIZE);
    g_assert_false(kdbg.encoded);
    g_assert_cmphex(kdbg.loaded_module_list, ==, usual_base + DATA + 0x6660);
    g_assert_cmphex(kdbg.active_process_head, ==, usual_base + DATA + 0x7770);
    g_assert_cmphex(kdbg.build_lab, ==, usual_base + RDATA + 0x123);
    g_assert_cmphex(kdbg.processor_block, ==, usual_base + ALMOST + 0x888);
    end();
}

static void test_every_rotation(void)
{
    uint8_t block[KDBG_MAX_SIZE];
    unsigned turn;

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    for (turn = 0; turn < 64; turn++) {
        place_encoded(DATA + 0xb20, block, SIZE,
                      (random64() & ~UINT64_C(63)) | turn);
        expect_found(DATA + 0xb20, block, SIZE);
        g_assert_true(kdbg.encoded);
        g_assert_cmpuint(kdbg.rotation, ==, turn);
    }
    end();
}

static void fill_words(uint8_t *block, uint32_t size)
{
    unsigned at;

    for (at = 0x58; at < 0x200; at += 8) {
        put64(block, at, random64());
    }
    for (at = 0x308; at + 8 <= size; at += 8) {
        put64(block, at, random64());
    }
}

/* Any base, place, size and keys, amid random data. */
static void test_random_encodings(void)
{
    uint8_t block[KDBG_MAX_SIZE];
    unsigned i;

    for (i = 0; i < 300; i++) {
        uint64_t base = 0xfffff80000000000 | (random64() & 0x7ffffff000);
        uint32_t size = 0x300 + 8 * (uint32_t)g_rand_int_range(rng, 0, 33);
        uint32_t rva = DATA + 8 * (uint32_t)g_rand_int_range(
            rng, 0, (int)(DATA_SIZE - size) / 8);

        begin(base);
        fill_random(RDATA, DATA + DATA_SIZE - RDATA);
        make_block(block, base, size);
        fill_words(block, size);
        place_encoded(rva, block, size, random64());
        expect_found(rva, block, size);
        end();
    }
}

/* Random data holds no block, neither plain nor encoded. */
static void test_random_data(void)
{
    unsigned i;

    for (i = 0; i < 20; i++) {
        begin(usual_base);
        fill_random(RDATA, DATA + DATA_SIZE - RDATA);
        expect_none(0);
        end();
    }
}

/* A block at each place around the end of a page. */
static void test_straddling(void)
{
    uint8_t block[KDBG_MAX_SIZE];
    uint32_t rva;

    for (rva = DATA + 0x1000 - SIZE; rva <= DATA + 0x1000; rva += 8) {
        begin(usual_base);
        make_block(block, usual_base, SIZE);
        place_encoded(rva, block, SIZE, random64());
        expect_found(rva, block, SIZE);
        make_block(block, usual_base, SIZE);
        place(rva, block, SIZE);
        expect_found(rva, block, SIZE);
        g_assert_false(kdbg.encoded);
        end();
    }
}

/* Pages that are not there are skipped, also the one just before. */
static void test_missing_pages(void)
{
    uint8_t block[KDBG_MAX_SIZE];
    uint32_t rva;

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    place_encoded(DATA + 0x4000, block, SIZE, 5);
    for (rva = RDATA; rva < DATA + DATA_SIZE; rva += 0x1000) {
        if (rva != DATA + 0x4000) {
            fake_guest_unmap(&guest, usual_base + rva);
        }
    }
    expect_found(DATA + 0x4000, block, SIZE);
    fake_guest_unmap(&guest, usual_base + DATA + 0x4000);
    expect_none(0);
    end();
}

static void test_half_missing(void)
{
    uint8_t block[KDBG_MAX_SIZE];

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    place(DATA + 0xf00, block, SIZE);
    fake_guest_unmap(&guest, usual_base + DATA + 0x1000);
    expect_none(1);
    end();
}

/* Words on both sides of a missing page are no neighbours. */
static void test_over_a_hole(void)
{
    begin(usual_base);
    fake_guest_put64(&guest, usual_base + DATA + 0xff8,
                     0x4742444b | UINT64_C(0x300) << 32);
    fake_guest_put64(&guest, usual_base + DATA + 0x2000, usual_base);
    fake_guest_unmap(&guest, usual_base + DATA + 0x1000);
    expect_none(0);
    end();
}

/* What lies in code is not looked at; of the data, .data comes first. */
static void test_order(void)
{
    uint8_t block[KDBG_MAX_SIZE];

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    place(TEXT + 0x100, block, SIZE);
    expect_none(0);
    place(RDATA + 0x100, block, SIZE);
    expect_found(RDATA + 0x100, block, SIZE);
    place(ALMOST + 0x100, block, SIZE);
    expect_found(ALMOST + 0x100, block, SIZE);
    place(DATA + 0x100, block, SIZE);
    expect_found(DATA + 0x100, block, SIZE);
    end();
}

/* At the last byte of the image, and one word further. */
static void test_end_of_image(void)
{
    uint8_t block[KDBG_MAX_SIZE];

    begin(usual_base);
    add_section("LAST", IMAGE_SIZE - 0x1000, 0x1000, false, true);
    make_block(block, usual_base, SIZE);
    place(IMAGE_SIZE - SIZE, block, SIZE);
    expect_found(IMAGE_SIZE - SIZE, block, SIZE);
    image.size -= 8;
    expect_none(1);
    end();
}

typedef struct BadCase {
    const char *name;
    unsigned at;
    unsigned bytes;
    uint64_t value;
    unsigned tries;     /* whether it gets past the search */
} BadCase;

static const BadCase bad_cases[] = {
    { "tag", 0x10, 4, 0x4742444c, 0 },
    { "size-too-small", 0x14, 4, 0x2fc, 0 },
    { "size-too-large", 0x14, 4, 0x404, 0 },
    { "size-odd", 0x14, 4, 0x382, 0 },
    { "size-zero", 0x14, 4, 0, 0 },
    { "other-base", 0x18, 8, 0xfffff8056b300000, 0 },
    { "modules-outside", 0x48, 8, 0xfffff8056b220000, 1 },
    { "modules-before", 0x48, 8, 0xfffff8056b1ffff8, 1 },
    { "modules-null", 0x48, 8, 0, 1 },
    { "modules-odd", 0x48, 8, 0xfffff8056b210001, 1 },
    { "processes-outside", 0x50, 8, 0xffffc00012345678, 1 },
    { "same-list", 0x50, 8, 0xfffff8056b212660, 1 },
    { "no-self", 0x2e2, 2, 0, 1 },
    { "self-odd", 0x2e2, 2, 0x19, 1 },
    { "self-is-prcb", 0x2e2, 2, 0x20, 1 },
    { "no-prcb", 0x2e6, 2, 0, 1 },
    { "no-thread", 0x2b4, 2, 0, 1 },
    { "thread-is-number", 0x2b4, 2, 0x24, 1 },
};

static void test_bad(const void *opaque)
{
    const BadCase *bad = opaque;
    uint8_t block[KDBG_MAX_SIZE];
    unsigned i;

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    for (i = 0; i < bad->bytes; i++) {
        block[bad->at + i] = (uint8_t)(bad->value >> 8 * i);
    }
    place(DATA + 0x100, block, SIZE);
    expect_none(bad->tries);
    if (bad->at != 0x18) {
        place_encoded(DATA + 0x100, block, SIZE, random64());
        expect_none(bad->tries);
    }
    /* It is no hindrance to the right one behind it. */
    make_block(block, usual_base, SIZE);
    place_encoded(DATA + 0x900, block, SIZE, random64());
    expect_found(DATA + 0x900, block, SIZE);
    end();
}

/* A layout nobody has is no reason to refuse. */
static void test_unusual_offsets(void)
{
    uint8_t block[KDBG_MAX_SIZE];

    begin(usual_base);
    make_block(block, usual_base, SIZE);
    put16(block, 0x2e2, 0xff58);
    put16(block, 0x2e4, 0xff50);
    put16(block, 0x2e6, 0xfff8);
    put16(block, 0x2b4, 0xfe00);
    put16(block, 0x2be, 0xffc);
    place_encoded(DATA, block, SIZE, random64());
    expect_found(DATA, block, SIZE);
    end();
}

/* What stands behind the block's size is not the block's. */
static void test_behind_size(void)
{
    static const uint8_t zero[KDBG_MAX_SIZE];
    uint8_t block[KDBG_MAX_SIZE];
    WinosLayout layout;

    begin(usual_base);
    make_block(block, usual_base, 0x344);
    memset(block + 0x340, 0x30, KDBG_MAX_SIZE - 0x340);
    put32(block, 0x340, 0x30);
    place(DATA, block, KDBG_MAX_SIZE);
    expect_found(DATA, block, 0x344);
    g_assert_cmpmem(kdbg.data + 0x344, (KDBG_MAX_SIZE - 0x344), zero,
                    (KDBG_MAX_SIZE - 0x344));
    winos_layout_init(&layout);
    kdbg_claims(&kdbg, &layout);
    g_assert_cmpint(layout.field[WINOS_KTHREAD_STACK_LIMIT].
                    claims[WINOS_SOURCE_KDBG], ==, 0x30);
    g_assert_cmpint(layout.field[WINOS_KTHREAD_STACK_BASE].
                    claims[WINOS_SOURCE_KDBG], ==, WINOS_NO_OFFSET);
    end();
}

/* A coded block is whole words: half a one at its end tells nothing. */
static void test_half_a_word(void)
{
    static const uint8_t zero[KDBG_MAX_SIZE];
    uint8_t block[KDBG_MAX_SIZE];

    begin(usual_base);
    make_block(block, usual_base, 0x364);
    memset(block + 0x360, 0x11, 4);
    place_encoded(DATA, block, 0x364, random64());
    g_assert_true(kdbg_find(&image, &kdbg, NULL));
    g_assert_cmphex(kdbg.size, ==, 0x364);
    g_assert_cmpmem(kdbg.data, 0x360, block, 0x360);
    g_assert_cmpmem(kdbg.data + 0x360, (KDBG_MAX_SIZE - 0x360), zero,
                    (KDBG_MAX_SIZE - 0x360));
    end();
}

/* Data that is nothing but headers, and sections that overlap, end too. */
static void test_only_headers(void)
{
    uint32_t at;
    unsigned i;

    begin(usual_base);
    for (at = RDATA; at < DATA + DATA_SIZE; at += 16) {
        fake_guest_put64(&guest, usual_base + at,
                         0x4742444b | UINT64_C(0x300) << 32);
        fake_guest_put64(&guest, usual_base + at + 8, usual_base);
    }
    while (image.n_sections < PE_MAX_SECTIONS) {
        add_section("SAME", 0, 0xffffffff, false, true);
    }
    guest.reads = 0;
    expect_none(4096);
    g_assert_cmpuint(guest.reads, <, 4096 * 12);
    end();

    begin(usual_base);
    for (i = image.n_sections; i < PE_MAX_SECTIONS; i++) {
        add_section("SAME", 0, 0xffffffff, false, true);
    }
    image.size = PE_MAX_IMAGE;
    guest.reads = 0;
    expect_none(0);
    g_assert_cmpuint(guest.reads, <, 8192 * 6);
    end();
}

/* Each page is read once. */
static void test_reads(void)
{
    unsigned pages = (DATA + DATA_SIZE - RDATA) / 0x1000;

    begin(usual_base);
    guest.reads = 0;
    expect_none(0);
    g_assert_cmpuint(guest.reads, ==, pages * 5);
    end();
}

/* Where a row's cells stand in the block. */
typedef struct Field {
    unsigned at;
    unsigned bytes;
    WinosField field;
    const char *name;
} Field;

static const Field fields[] = {
    { 0x29a, 2, WINOS_KTHREAD_TEB, "OffsetKThreadTeb" },
    { 0x2a0, 2, WINOS_KTHREAD_APC_PROCESS, "OffsetKThreadApcProcess" },
    { 0x2a2, 2, WINOS_KTHREAD_STATE, "OffsetKThreadState" },
    { 0x2aa, 2, WINOS_EPROCESS_PEB, "OffsetEprocessPeb" },
    { 0x2ac, 2, WINOS_EPROCESS_INHERITED_FROM, "OffsetEprocessParentCID" },
    { 0x2ae, 2, WINOS_EPROCESS_DIRECTORY_TABLE_BASE,
      "OffsetEprocessDirectoryTableBase" },
    { 0x2b4, 2, WINOS_PRCB_CURRENT_THREAD, "OffsetPrcbCurrentThread" },
    { 0x2be, 2, WINOS_PRCB_NUMBER, "OffsetPrcbNumber" },
    { 0x2e2, 2, WINOS_KPCR_SELF, "OffsetPcrSelfPcr" },
    { 0x2e4, 2, WINOS_KPCR_CURRENT_PRCB, "OffsetPcrCurrentPrcb" },
    { 0x2e6, 2, WINOS_KPCR_PRCB, "OffsetPcrContainedPrcb" },
    { 0x340, 4, WINOS_KTHREAD_STACK_LIMIT, "OffsetKThreadStackLimit" },
    { 0x344, 4, WINOS_KTHREAD_STACK_BASE, "OffsetKThreadStackBase" },
    { 0x350, 2, WINOS_PRCB_IDLE_THREAD, "OffsetPrcbIdleThread" },
    { 0x35c, 2, WINOS_KTHREAD_WAIT_REASON, "OffsetKThreadWaitReason" },
};

static uint32_t size_of_build(uint32_t build)
{
    return build < 9200 ? 0x340 : build < 14393 ? 0x360 :
           build < 17763 ? 0x368 : build < 26100 ? 0x380 : 0x3a0;
}

static void make_row(uint8_t *block, const TableRow *row, uint32_t size)
{
    size_t i;

    make_block(block, usual_base, size);
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        int32_t offset = row->offset[fields[i].field];

        if (fields[i].at + fields[i].bytes > size) {
            continue;
        }
        if (fields[i].bytes == 4) {
            put32(block, fields[i].at, (uint32_t)offset);
        } else {
            put16(block, fields[i].at, (uint32_t)offset);
        }
    }
}

static void expect_row(const TableRow *row, uint32_t size)
{
    WinosLayout layout;
    unsigned n = 0;
    size_t i;

    winos_layout_init(&layout);
    kdbg_claims(&kdbg, &layout);
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        const WinosOffset *offset = &layout.field[fields[i].field];

        if (fields[i].at + fields[i].bytes <= size) {
            g_assert_cmphex(offset->claims[WINOS_SOURCE_KDBG], ==,
                            row->offset[fields[i].field]);
            n++;
        }
    }
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        n -= layout.field[i].claims[WINOS_SOURCE_KDBG] >= 0;
        g_assert_cmpint(layout.field[i].claims[WINOS_SOURCE_CODE], ==, -1);
    }
    g_assert_cmpuint(n, ==, 0);
}

/* Every row that is known in full: plain, turned by 0, by 63, and at random. */
static void test_rows(void)
{
    uint8_t block[KDBG_MAX_SIZE];
    unsigned n = 0;
    unsigned i;
    unsigned k;

    begin(usual_base);
    for (i = 0; i < winos_table_size; i++) {
        const TableRow *row = &winos_table[i];
        uint64_t never[] = { random64() & ~UINT64_C(63), random64() | 63,
                             random64() };
        uint32_t size = size_of_build(row->build);

        if (row->offset[WINOS_KPCR_SELF] < 0) {
            continue;
        }
        n++;
        make_row(block, row, size);
        place(DATA + 0x8, block, size);
        expect_found(DATA + 0x8, block, size);
        expect_row(row, size);
        for (k = 0; k < G_N_ELEMENTS(never); k++) {
            place_encoded(DATA + 0x8, block, size, never[k]);
            expect_found(DATA + 0x8, block, size);
            expect_row(row, size);
        }
    }
    g_assert_cmpuint(n, >=, 36);
    end();
}

/*
 * The fields of real blocks, as numbers: crash dumps of 17763.973, of ten
 * files of 19041, and of 26100.2314 and .4946, which differ in one size.
 */
enum { REAL_FIELDS = 28 };

typedef struct Real {
    const char *name;
    uint32_t size;
    struct {
        uint16_t at;
        uint8_t bytes;
        uint32_t value;
    } field[REAL_FIELDS];
    int32_t peb, parent;        /* what moves, as it is claimed */
} Real;

#define SAME_IN_ALL                                                     \
        { 0x298, 2, 0x218 }, { 0x29a, 2, 0xf0 }, { 0x29c, 2, 0x58 },    \
        { 0x29e, 2, 0x28 }, { 0x2a0, 2, 0xb8 }, { 0x2a2, 2, 0x184 },    \
        { 0x2ae, 2, 0x28 }, { 0x2b4, 2, 0x8 }, { 0x2bc, 2, 0x100 },     \
        { 0x2be, 2, 0x24 }, { 0x2e2, 2, 0x18 }, { 0x2e4, 2, 0x20 },     \
        { 0x2e6, 2, 0x180 }, { 0x340, 4, 0x30 }, { 0x344, 4, 0x38 },    \
        { 0x350, 2, 0x18 }, { 0x35c, 2, 0x283 }

static const Real reals[] = {
    { "17763.973", 0x380, { SAME_IN_ALL,
        { 0x2a8, 2, 0x850 }, { 0x2aa, 2, 0x3f8 }, { 0x2ac, 2, 0x3e0 },
        { 0x2b0, 2, 0x7ec0 }, { 0x2c0, 2, 0x810 }, { 0x2e0, 2, 0x8040 } },
      0x3f8, 0x3e0 },
    { "19041", 0x380, { SAME_IN_ALL,
        { 0x2a8, 2, 0xa40 }, { 0x2aa, 2, 0x550 }, { 0x2ac, 2, 0x540 },
        { 0x2b0, 2, 0xaf00 }, { 0x2c0, 2, 0x898 }, { 0x2e0, 2, 0xb080 } },
      0x550, 0x540 },
    { "26100.2314", 0x3a0, { SAME_IN_ALL,
        { 0x2a8, 2, 0x840 }, { 0x2aa, 2, 0x2e0 }, { 0x2ac, 2, 0x2d0 },
        { 0x2b0, 2, 0xcf00 }, { 0x2c0, 2, 0x788 }, { 0x2e0, 2, 0xd080 },
        { 0x37c, 2, 0x778 }, { 0x380, 4, 0x420 }, { 0x384, 4, 0x418 },
        { 0x398, 4, 0x8768 } },
      0x2e0, 0x2d0 },
    { "26100.4946", 0x3a0, { SAME_IN_ALL,
        { 0x2a8, 2, 0x840 }, { 0x2aa, 2, 0x2e0 }, { 0x2ac, 2, 0x2d0 },
        { 0x2b0, 2, 0xcf00 }, { 0x2c0, 2, 0x798 }, { 0x2e0, 2, 0xd080 },
        { 0x37c, 2, 0x778 }, { 0x380, 4, 0x420 }, { 0x384, 4, 0x418 },
        { 0x398, 4, 0x8768 } },
      0x2e0, 0x2d0 },
};

static void make_real(uint8_t *block, const Real *real)
{
    unsigned i;

    make_block(block, usual_base, real->size);
    fill_words(block, 0x340);
    for (i = 0; i < REAL_FIELDS && real->field[i].at; i++) {
        if (real->field[i].bytes == 4) {
            put32(block, real->field[i].at, real->field[i].value);
        } else {
            put16(block, real->field[i].at, real->field[i].value);
        }
    }
    if (real->size > 0x388) {
        put64(block, 0x388, usual_base + DATA + 0x100);
    }
}

static void expect_real(const Real *real, const uint8_t *block)
{
    static const struct {
        WinosField field;
        int32_t value;
    } same[] = {
        { WINOS_KTHREAD_TEB, 0xf0 }, { WINOS_KTHREAD_APC_PROCESS, 0xb8 },
        { WINOS_KTHREAD_STATE, 0x184 }, { WINOS_KTHREAD_WAIT_REASON, 0x283 },
        { WINOS_EPROCESS_DIRECTORY_TABLE_BASE, 0x28 },
        { WINOS_PRCB_CURRENT_THREAD, 8 }, { WINOS_PRCB_NUMBER, 0x24 },
        { WINOS_PRCB_IDLE_THREAD, 0x18 }, { WINOS_KPCR_SELF, 0x18 },
        { WINOS_KPCR_CURRENT_PRCB, 0x20 }, { WINOS_KPCR_PRCB, 0x180 },
        { WINOS_KTHREAD_STACK_LIMIT, 0x30 }, { WINOS_KTHREAD_STACK_BASE, 0x38 },
    };
    WinosLayout layout;
    unsigned i;

    expect_found(DATA + 0xb20, block, real->size);
    winos_layout_init(&layout);
    kdbg_claims(&kdbg, &layout);
    for (i = 0; i < G_N_ELEMENTS(same); i++) {
        g_assert_cmphex(layout.field[same[i].field].claims[0], ==,
                        same[i].value);
    }
    g_assert_cmphex(layout.field[WINOS_EPROCESS_PEB].claims[0], ==, real->peb);
    g_assert_cmphex(layout.field[WINOS_EPROCESS_INHERITED_FROM].claims[0], ==,
                    real->parent);
}

/* Real blocks around made-up addresses, plain and turned in every way. */
static void test_real(const void *opaque)
{
    const Real *real = opaque;
    uint8_t block[KDBG_MAX_SIZE];
    unsigned turn;

    begin(usual_base);
    make_real(block, real);
    place(DATA + 0xb20, block, real->size);
    expect_real(real, block);
    for (turn = 0; turn < 64; turn++) {
        place_encoded(DATA + 0xb20, block, real->size,
                      (random64() & ~UINT64_C(63)) | turn);
        expect_real(real, block);
        g_assert_cmpuint(kdbg.rotation, ==, turn);
    }
    end();
}

/* What no structure can have is no claim. */
static void test_absurd_claims(void)
{
    WinosLayout layout;
    Kdbg block = { .address = usual_base };

    winos_layout_init(&layout);
    put16(block.data, 0x29a, 0xb9);         /* a pointer at an odd place */
    put16(block.data, 0x2be, 0x26);
    put32(block.data, 0x340, 0x10000);
    put32(block.data, 0x344, 0xffffffff);
    put16(block.data, 0x2a2, 0xffff);       /* a byte may be anywhere */
    put16(block.data, 0x350, 0x18);
    block.size = 0x350;                     /* ends before that one */
    kdbg_claims(&block, &layout);
    g_assert_cmpint(layout.field[WINOS_KTHREAD_TEB].claims[0], ==, -1);
    g_assert_cmpint(layout.field[WINOS_PRCB_NUMBER].claims[0], ==, -1);
    g_assert_cmpint(layout.field[WINOS_KTHREAD_STACK_LIMIT].claims[0], ==,
                    -1);
    g_assert_cmpint(layout.field[WINOS_KTHREAD_STACK_BASE].claims[0], ==, -1);
    g_assert_cmpint(layout.field[WINOS_PRCB_IDLE_THREAD].claims[0], ==, -1);
    g_assert_cmpint(layout.field[WINOS_KPCR_SELF].claims[0], ==, -1);
    g_assert_cmpint(layout.field[WINOS_KTHREAD_STATE].claims[0], ==, 0xffff);
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    rng = g_rand_new_with_seed(20260711);
    g_test_add_func("/winos/kdbg/plain", test_plain);
    g_test_add_func("/winos/kdbg/every-rotation", test_every_rotation);
    g_test_add_func("/winos/kdbg/random-encodings", test_random_encodings);
    g_test_add_func("/winos/kdbg/random-data", test_random_data);
    g_test_add_func("/winos/kdbg/straddling", test_straddling);
    g_test_add_func("/winos/kdbg/missing-pages", test_missing_pages);
    g_test_add_func("/winos/kdbg/half-missing", test_half_missing);
    g_test_add_func("/winos/kdbg/over-a-hole", test_over_a_hole);
    g_test_add_func("/winos/kdbg/order", test_order);
    g_test_add_func("/winos/kdbg/end-of-image", test_end_of_image);
    for (i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        g_autofree char *path = g_strdup_printf("/winos/kdbg/bad/%s",
                                                bad_cases[i].name);

        g_test_add_data_func(path, &bad_cases[i], test_bad);
    }
    g_test_add_func("/winos/kdbg/unusual-offsets", test_unusual_offsets);
    g_test_add_func("/winos/kdbg/behind-size", test_behind_size);
    g_test_add_func("/winos/kdbg/half-a-word", test_half_a_word);
    g_test_add_func("/winos/kdbg/only-headers", test_only_headers);
    g_test_add_func("/winos/kdbg/reads", test_reads);
    g_test_add_func("/winos/kdbg/rows", test_rows);
    for (i = 0; i < G_N_ELEMENTS(reals); i++) {
        g_autofree char *path = g_strdup_printf("/winos/kdbg/real/%s",
                                                reals[i].name);

        g_test_add_data_func(path, &reals[i], test_real);
    }
    g_test_add_func("/winos/kdbg/absurd-claims", test_absurd_claims);
    return g_test_run();
}
