/*
 * fuzz/winos/kdbg: what must hold for any data of a kernel image.
 *
 * 1. The search ends within a bounded number of reads.
 * 2. What is found is a block: in the image, of a possible size, with its
 *    base and its lists, zero behind its size; and each of its words is what
 *    the words in memory say, by the encoding's rule, done here once more.
 * 3. A single good block, plain or encoded, is found where it is.
 * 4. What it claims are offsets.
 *
 * The input is text, a command a line, numbers in hexadecimal:
 *
 *   plain RVA SIZE                 a good block
 *   coded RVA SIZE NEVER ALWAYS    the same, encoded by these keys
 *   word RVA VALUE                 eight bytes
 *   byte RVA VALUE                 one
 *   missing RVA                    its page is not there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"

#include "winos/kdbg.h"

#include "base/le.h"
#include "fake-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RDATA = 0x1000,
    DATA = 0x3000,
    DATA_END = 0x8000,
    IMAGE_SIZE = 0x9000,
    N_PAGES = (DATA_END - RDATA) / GMEM_PAGE,
    INPUT_MAX = 4096,
    COMMANDS_MAX = 64,
};

static const uint64_t base = 0xfffff80312345000;

static FakeGuest guest;
static PeImage image;
static uint64_t page_entries[N_PAGES];

/* What the commands did. */
typedef struct Done {
    unsigned commands;
    bool good;              /* the last one laid a whole good block */
    uint32_t rva;
    uint32_t size;
    uint8_t block[KDBG_MAX_SIZE];
} Done;

static void fail(const char *why)
{
    fprintf(stderr, "kdbg: %s\n", why);
    abort();
}

static void begin(void)
{
    unsigned i;

    fake_guest_init(&guest, 1 << 18, 4);
    fake_guest_map(&guest, base, IMAGE_SIZE);
    image.space = guest.space;
    image.base = base;
    image.size = IMAGE_SIZE;
    image.n_sections = 2;
    image.sections[0] = (PeSection) { .name = ".rdata", .rva = RDATA,
                                      .size = DATA - RDATA };
    image.sections[1] = (PeSection) { .name = ".data", .rva = DATA,
                                      .size = DATA_END - DATA,
                                      .writable = true };
    for (i = 0; i < N_PAGES; i++) {
        page_entries[i] = *fake_guest_entry(&guest, base + RDATA +
                                            i * GMEM_PAGE, 1);
    }
}

static void reset(void)
{
    static const uint8_t zero[GMEM_PAGE];
    unsigned i;

    for (i = 0; i < N_PAGES; i++) {
        uint64_t gva = base + RDATA + i * GMEM_PAGE;

        *fake_guest_entry(&guest, gva, 1) = page_entries[i];
        fake_guest_write(&guest, gva, zero, sizeof(zero));
    }
    guest.reads = 0;
}

static void put(uint8_t *block, unsigned at, unsigned bytes, uint64_t value)
{
    unsigned i;

    for (i = 0; i < bytes; i++) {
        block[at + i] = (uint8_t)(value >> 8 * i);
    }
}

static void make_block(uint8_t *block, uint32_t size)
{
    memset(block, 0, KDBG_MAX_SIZE);
    put(block, 0x10, 4, KDBG_TAG);
    put(block, 0x14, 4, size);
    put(block, 0x18, 8, base);
    put(block, 0x48, 8, base + 0x7000);
    put(block, 0x50, 8, base + 0x7100);
    put(block, 0x2b4, 2, 8);
    put(block, 0x2be, 2, 0x24);
    put(block, 0x2e2, 2, 0x18);
    put(block, 0x2e4, 2, 0x20);
    put(block, 0x2e6, 2, 0x180);
}

static void encode(uint8_t *block, uint32_t size, uint64_t never,
                   uint64_t always)
{
    unsigned turn = never & 63;
    unsigned at;

    for (at = 0; at + 8 <= size; at += 8) {
        uint64_t word = __builtin_bswap64(load_le64(block + at) ^ always);

        word ^= base + 0x6660;
        word = turn ? word >> turn | word << (64 - turn) : word;
        put(block, at, 8, word ^ never);
    }
}

static bool is_inside(uint64_t rva, uint64_t len)
{
    return rva >= RDATA && rva < DATA_END && len <= DATA_END - rva;
}

static bool is_mapped(uint64_t rva)
{
    return *fake_guest_entry(&guest, (base + rva) & ~UINT64_C(0xfff), 1) & 1;
}

static void put_bytes(uint64_t rva, const uint8_t *bytes, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (is_inside(rva + i, 1) && is_mapped(rva + i)) {
            fake_guest_put8(&guest, base + rva + i, bytes[i]);
        }
    }
}

static void lay_block(Done *done, const uint64_t *args, bool coded)
{
    uint8_t block[KDBG_MAX_SIZE];
    uint64_t size = args[1];

    if (size < KDBG_MIN_SIZE || size > KDBG_MAX_SIZE || size % 8 != 0 ||
        args[0] % 8 != 0 || !is_inside(args[0], size) ||
        (args[0] < DATA && args[0] + size > DATA)) {
        return;
    }
    make_block(block, (uint32_t)size);
    memcpy(done->block, block, sizeof(block));
    done->rva = (uint32_t)args[0];
    done->size = (uint32_t)size;
    done->good = true;
    if (coded) {
        encode(block, (uint32_t)size, args[2], args[3]);
    }
    put_bytes(args[0], block, (uint32_t)size);
}

static void obey(Done *done, const char *word, const uint64_t *args)
{
    uint8_t bytes[8];

    done->good = false;
    put(bytes, 0, 8, args[1]);
    if (!strcmp(word, "plain")) {
        lay_block(done, args, false);
    } else if (!strcmp(word, "coded")) {
        lay_block(done, args, true);
    } else if (!strcmp(word, "word")) {
        put_bytes(args[0], bytes, 8);
    } else if (!strcmp(word, "byte")) {
        put_bytes(args[0], bytes, 1);
    } else if (!strcmp(word, "missing") && is_inside(args[0], 1)) {
        fake_guest_unmap(&guest, (base + args[0]) & ~UINT64_C(0xfff));
    }
}

static void obey_all(Done *done, char *text)
{
    char *line_end = NULL;
    char *word_end = NULL;
    char *line = strtok_r(text, "\n", &line_end);

    for (; line && done->commands < COMMANDS_MAX; done->commands++) {
        uint64_t args[4] = { 0 };
        char *word = strtok_r(line, " ", &word_end);
        char *arg = word ? strtok_r(NULL, " ", &word_end) : NULL;
        unsigned i;

        for (i = 0; arg && i < 4; i++) {
            args[i] = strtoull(arg, NULL, 16);
            arg = strtok_r(NULL, " ", &word_end);
        }
        obey(done, word ? word : "", args);
        line = strtok_r(NULL, "\n", &line_end);
    }
}

/* Property 2, for one word of the block. */
static void check_word(const Kdbg *kdbg, const uint8_t *raw, unsigned at)
{
    uint64_t plain = load_le64(kdbg->data + at);
    uint64_t word = load_le64(raw + at) ^ load_le64(raw + 0x18);
    unsigned turn = kdbg->rotation;

    if (at + 8 > kdbg->size) {
        return;
    }
    if (kdbg->encoded) {
        word = turn ? word << turn | word >> (64 - turn) : word;
        word = __builtin_bswap64(word) ^ base;
    } else {
        word = load_le64(raw + at);
    }
    if (word != plain) {
        fail("a word is not what memory says");
    }
}

static void check_found(const Kdbg *kdbg)
{
    uint8_t raw[KDBG_MAX_SIZE] = { 0 };
    unsigned at;

    if (kdbg->size < KDBG_MIN_SIZE || kdbg->size > KDBG_MAX_SIZE ||
        !pe_contains(&image, kdbg->address) || kdbg->rotation > 63 ||
        !gmem_read(&image.space, kdbg->address, raw, kdbg->size, NULL)) {
        fail("no such block");
    }
    if (load_le64(kdbg->data + 0x18) != base ||
        !pe_contains(&image, kdbg->loaded_module_list) ||
        !pe_contains(&image, kdbg->active_process_head)) {
        fail("not this kernel's");
    }
    for (at = 0; at < KDBG_MAX_SIZE; at += 8) {
        check_word(kdbg, raw, at);
    }
    for (at = kdbg->size; at < KDBG_MAX_SIZE; at++) {
        if (kdbg->data[at]) {
            fail("something behind its size");
        }
    }
}

static void check_claims(const Kdbg *kdbg)
{
    WinosLayout layout;
    unsigned i;

    winos_layout_init(&layout);
    kdbg_claims(kdbg, &layout);
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        int32_t claim = layout.field[i].claims[WINOS_SOURCE_KDBG];

        if (claim != WINOS_NO_OFFSET &&
            (claim < 1 || claim > WINOS_MAX_OFFSET)) {
            fail("a claim is no offset");
        }
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    static char text[INPUT_MAX + 1];
    Done done = { 0 };
    Kdbg kdbg;
    bool found;

    if (!guest.ram) {
        begin();
    }
    len = len < INPUT_MAX ? len : INPUT_MAX;
    memcpy(text, data, len);
    text[len] = '\0';
    reset();
    obey_all(&done, text);
    found = kdbg_find(&image, &kdbg, NULL);
    if (guest.reads > 4096 * 12) {
        fail("too many reads");
    }
    if (found) {
        check_found(&kdbg);
        check_claims(&kdbg);
    }
    if (done.commands == 1 && done.good &&
        (!found || kdbg.address != base + done.rva ||
         memcmp(kdbg.data, done.block, KDBG_MAX_SIZE))) {
        fail("a good block was not found");
    }
}
