/*
 * winos/accessor: the published code forms are understood, with what may
 * stand before and behind them, and other code is not.
 *
 * All code here is written by hand from docs/guest-facts/accessors.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/accessor.h"

#include "fake-guest.h"
#include "winos/table.h"

#include <glib.h>
#include <string.h>

/* Where the code of the decoder's own cases is said to be. */
static const uint64_t address = 0xfffff80000001000;

typedef struct Case {
    const char *name;
    const char *hex;            /* the code */
    int32_t displacement;
    unsigned width;
    bool part;
    int32_t gs;
    int32_t compared;
    uint64_t target;
} Case;

#define NOPS_8 "90 90 90 90 90 90 90 90 "
#define NOPS_56 NOPS_8 NOPS_8 NOPS_8 NOPS_8 NOPS_8 NOPS_8 NOPS_8
#define GS "65 48 8b 04 25 88 01 00 00 "

static const Case known_cases[] = {
    { "PsGetProcessId", "48 8b 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "PsGetProcessImageFileName", "48 8d 81 a8 05 00 00 c3",
      0x5a8, 0, false, -1, -1, 0 },
    { "PsGetProcessExitStatus", "8b 81 d4 07 00 00 c3",
      0x7d4, 4, false, -1, -1, 0 },
    { "PsGetProcessWow64Process",
      "48 8b 81 80 05 00 00 48 85 c0 75 01 c3 48 8b 00 c3",
      0x580, 8, false, -1, -1, 0 },
    { "PsIsThreadTerminating", "8b 81 10 05 00 00 24 01 c3",
      0x510, 4, true, -1, -1, 0 },
    { "PsIsSystemThread", "8b 41 74 c1 e8 0a 24 01 c3",
      0x74, 4, true, -1, -1, 0 },
    { "KeQueryPriorityThread",
      "48 8d 05 79 2f 00 00 48 39 81 20 02 00 00 74 08 "
      "0f be 81 c3 00 00 00 c3 33 c0 c3",
      0xc3, 1, false, -1, 0x220, 0xfffff80000003f80 },
    { "KeQueryPriorityThread-short",
      "48 8d 05 79 2f 00 00 48 39 41 70 74 05 0f be 41 7b c3 33 c0 c3",
      0x7b, 1, false, -1, 0x70, 0xfffff80000003f80 },
    { "KeQueryRuntimeThread",
      "8b 81 dc 02 00 00 89 02 8b 81 8c 02 00 00 c3",
      0x28c, 4, false, -1, -1, 0 },
    { "PsGetCurrentThread", GS "c3", -1, 0, false, 0x188, -1, 0 },
    { "PsGetCurrentProcess", GS "48 8b 80 b8 00 00 00 c3",
      0xb8, 8, false, 0x188, -1, 0 },
    { "PsGetCurrentThreadStackBase", GS "48 8b 40 38 c3",
      0x38, 8, false, 0x188, -1, 0 },
    { "PsGetCurrentThreadTeb",
      "65 48 8b 0c 25 88 01 00 00 f7 41 74 00 04 00 00 75 11 "
      "80 b9 4a 02 00 00 01 74 08 48 8b 81 f0 00 00 00 c3 33 c0 c3",
      0xf0, 8, false, 0x188, -1, 0 },
    { "PsGetCurrentThreadPreviousMode", GS "8a 80 32 02 00 00 c3",
      0x232, 1, false, 0x188, -1, 0 },
    { "KeGetCurrentProcessorNumberEx",
      "65 48 8b 04 25 20 00 00 00 48 85 c9 74 11 "
      "0f b6 90 d0 00 00 00 66 89 11 0f b6 50 d1 88 51 02 "
      "8b 40 24 c3",
      0x24, 4, false, 0x20, -1, 0 },
    { "processor-number-short",
      "65 48 8b 04 25 20 00 00 00 8b 40 24 c3",
      0x24, 4, false, 0x20, -1, 0 },

    /* Forms seen in crash dumps of 19041 and 26100, with what is behind. */
    { "seen-32-bit-load", "8b 81 d4 07 00 00 c3 cc cc cc cc cc cc cc cc cc cc",
      0x7d4, 4, false, -1, -1, 0 },
    { "seen-address", "48 8d 81 38 03 00 00 c3 cc cc cc cc cc cc cc cc",
      0x338, 0, false, -1, -1, 0 },
    { "seen-8-bit-place", "48 8b 41 38 c3 cc cc cc cc cc cc cc cc cc cc cc",
      0x38, 8, false, -1, -1, 0 },
    { "seen-current-process", GS "48 8b 80 b8 00 00 00 c3 cc cc cc cc",
      0xb8, 8, false, 0x188, -1, 0 },
    { "seen-current-process-in-rcx", GS "48 8b 88 b8 00 00 00 48 8b c1 c3",
      0xb8, 8, false, 0x188, -1, 0 },

    /* What may stand before it, in it and behind it. */
    { "endbr", "f3 0f 1e fa 48 8b 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "nop2", "66 90 48 8b 81 40 04 00 00 c3", 0x440, 8, false, -1, -1, 0 },
    { "mov-edi-edi", "8b ff 48 8b 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "endbr-and-nop", "f3 0f 1e fa 66 90 48 8b 41 10 c3",
      0x10, 8, false, -1, -1, 0 },
    { "long-nop", "0f 1f 44 00 00 48 8b 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "mov-eax-eax", "8b 81 d4 07 00 00 8b c0 c3",
      0x7d4, 4, false, -1, -1, 0 },
    { "int3-behind", "48 8b 81 40 04 00 00 c3 cc cc cc cc",
      0x440, 8, false, -1, -1, 0 },
    { "code-behind", "48 8b 81 40 04 00 00 c3 eb fe e8 00 00 00 00",
      0x440, 8, false, -1, -1, 0 },
    { "rep-ret", "48 8b 81 40 04 00 00 f3 c3",
      0x440, 8, false, -1, -1, 0 },
    { "sib", "48 8b 84 21 40 04 00 00 c3", 0x440, 8, false, -1, -1, 0 },
    { "by-way-of-rdx", "48 8b d1 48 8b 82 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "loaded-elsewhere", "48 8b 91 40 04 00 00 48 8b c2 c3",
      0x440, 8, false, -1, -1, 0 },
    { "add", "48 8b c1 48 05 a8 05 00 00 c3",
      0x5a8, 0, false, -1, -1, 0 },
    { "compare-registers",
      "48 8b 91 20 02 00 00 48 8d 05 72 2f 00 00 48 3b d0 74 08 "
      "0f be 81 c3 00 00 00 c3",
      0xc3, 1, false, -1, 0x220, 0xfffff80000003f80 },
    { "highest", "48 8b 81 ff ff 00 00 c3", 0xffff, 8, false, -1, -1, 0 },
    { "lowest", "48 8b 01 c3", 0, 8, false, -1, -1, 0 },
    { "three-branches",
      "48 8b 81 40 04 00 00 75 00 75 00 75 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "64-bytes",
      NOPS_56 "48 8b 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },

    /* Other compilers' code: frames, checks of the object's type. */
    { "type-check", "48 8b d1 80 3a 06 75 08 48 8b 82 40 04 00 00 c3 33 c0 c3",
      0x440, 8, false, -1, -1, 0 },
    { "type-check-jumps", "80 39 03 74 03 33 c0 c3 48 8b 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "two-checks-jump",
      "48 85 c9 75 03 33 c0 c3 80 39 06 74 03 33 c0 c3 "
      "48 8b 81 40 04 00 00 c3", 0x440, 8, false, -1, -1, 0 },
    { "jump-to-the-end",
      "80 39 06 75 09 48 8b 81 40 04 00 00 eb 02 33 c0 c3",
      0x440, 8, false, -1, -1, 0 },
    { "move-if", "31 c0 80 39 06 48 0f 44 81 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
    { "push-and-pop", "53 48 8b d9 48 8b 83 40 04 00 00 5b c3",
      0x440, 8, false, -1, -1, 0 },
    { "frame",
      "55 48 89 e5 48 89 4d 10 48 8b 45 10 48 8b 80 40 04 00 00 5d c3",
      0x440, 8, false, -1, -1, 0 },
    { "frame-and-check",
      "55 48 89 e5 48 83 ec 10 48 89 4d 10 48 8b 45 10 0f b6 00 3c 06 74 0a "
      "48 c7 45 f8 00 00 00 00 eb 0f 48 8b 45 10 48 8b 80 40 04 00 00 "
      "48 89 45 f8 48 8b 45 f8 c9 c3",
      0x440, 8, false, -1, -1, 0 },
    { "home-space", "48 89 4c 24 08 48 8b 44 24 08 48 8b 80 40 04 00 00 c3",
      0x440, 8, false, -1, -1, 0 },
};

static const Case other_cases[] = {
    { .name = "nothing", .hex = "" },
    { .name = "zeroes", .hex = "00 00 00 00 00 00 00 00" },
    { .name = "int3", .hex = "cc c3" },
    { .name = "only-ret", .hex = "c3" },
    { .name = "cut-short", .hex = "48 8b 81 40 04 00" },
    { .name = "no-ret", .hex = "48 8b 81 40 04 00 00" },
    { .name = "65-bytes",
      .hex = "90 " NOPS_56 "48 8b 81 40 04 00 00 c3" },
    { .name = "ways-that-differ",
      .hex = "80 39 06 74 0a 80 39 03 74 0d 33 c0 c3 90 90 "
             "48 8b 81 40 04 00 00 c3 48 8b 81 48 04 00 00 c3" },
    { .name = "frame-overwritten",
      .hex = "48 89 4c 24 08 c6 44 24 0a 00 48 8b 44 24 08 "
             "48 8b 80 40 04 00 00 c3" },
    { .name = "jump-out", .hex = "48 8b 81 40 04 00 00 e9 00 10 00 00 c3" },
    { .name = "four-branches",
      .hex = "48 8b 81 40 04 00 00 75 00 75 00 75 00 75 00 c3" },
    { .name = "branch-to-itself", .hex = "48 8b 81 40 04 00 00 eb fe" },
    { .name = "loop-back", .hex = "48 8b 81 40 04 00 00 eb f7 c3" },
    { .name = "call", .hex = "48 8b 81 40 04 00 00 e8 00 00 00 00 c3" },
    { .name = "push", .hex = "51 48 8b 81 40 04 00 00 c3" },
    { .name = "ret-n", .hex = "48 8b 81 40 04 00 00 c2 08 00" },
    { .name = "argument-itself", .hex = "48 8b c1 c3" },
    { .name = "constant", .hex = "b8 04 00 00 00 c3" },
    { .name = "zero", .hex = "33 c0 c3" },
    { .name = "zero-after-load", .hex = "48 8b 81 40 04 00 00 33 c0 c3" },
    { .name = "hidden-by-key",
      .hex = "48 8b 81 40 04 00 00 48 33 05 00 10 00 00 c3" },
    { .name = "second-argument", .hex = "48 8b 82 40 04 00 00 c3" },
    { .name = "index", .hex = "48 8b 84 c1 40 04 00 00 c3" },
    { .name = "rip", .hex = "48 8b 05 40 04 00 00 c3" },
    { .name = "rip-address", .hex = "48 8d 05 40 04 00 00 c3" },
    { .name = "two-loads", .hex = "48 8b 81 40 04 00 00 48 8b 40 10 c3" },
    { .name = "negative", .hex = "48 8b 81 f8 ff ff ff c3" },
    { .name = "too-high", .hex = "48 8b 81 00 00 01 00 c3" },
    { .name = "gs-of-argument", .hex = "65 48 8b 81 40 04 00 00 c3" },
    { .name = "fs-of-argument", .hex = "64 48 8b 81 40 04 00 00 c3" },
    { .name = "gs-negative", .hex = "65 48 8b 04 25 f8 ff ff ff c3" },
    { .name = "gs-half-a-pointer", .hex = "65 8b 04 25 88 01 00 00 c3" },
    { .name = "gs-sign-extended", .hex = "65 48 63 04 25 88 01 00 00 c3" },
    { .name = "half-the-argument", .hex = "8b c9 48 8b 81 40 04 00 00 c3" },
    { .name = "argument-overwritten",
      .hex = "48 8b 0d 00 10 00 00 48 8b 81 40 04 00 00 c3" },
    { .name = "KeAreApcsDisabled",
      .hex = GS "83 b8 e4 01 00 00 00 0f 95 c0 c3" },
    { .name = "KeBugCheckEx",
      .hex = "65 48 8b 0c 25 20 00 00 00 48 8b 89 c0 85 00 00 "
             "48 81 c1 00 01 00 00 e8 00 00 00 00" },
    { .name = "float", .hex = "f3 0f 10 41 10 c3" },
    { .name = "no-instruction", .hex = "06 c3" },
};

static unsigned from_hex(const char *hex, uint8_t *code, unsigned max)
{
    unsigned n = 0;

    for (; *hex; hex += *hex == ' ' ? 1 : 2) {
        if (*hex != ' ') {
            g_assert_cmpuint(n, <, max);
            code[n++] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 |
                                  g_ascii_xdigit_value(hex[1]));
        }
    }
    return n;
}

static void test_known(const void *opaque)
{
    const Case *known = opaque;
    uint8_t code[ACCESSOR_CODE];
    unsigned n = from_hex(known->hex, code, sizeof(code));
    AccessorCode out;
    uint64_t jump = 1;

    g_assert_true(accessor_decode(code, n, address, &out, &jump));
    g_assert_true(out.understood);
    g_assert_cmphex(out.displacement, ==, known->displacement);
    g_assert_cmpuint(out.width, ==, known->width);
    g_assert_cmpint(out.part, ==, known->part);
    g_assert_cmphex(out.gs_displacement, ==, known->gs);
    g_assert_cmphex(out.compared, ==, known->compared);
    g_assert_cmphex(out.rip_target, ==, known->target);
    g_assert_cmphex(jump, ==, 0);
}

static void test_other(const void *opaque)
{
    const Case *other = opaque;
    uint8_t code[ACCESSOR_CODE];
    unsigned n = from_hex(other->hex, code, sizeof(code));
    AccessorCode out;
    uint64_t jump = 1;

    g_assert_false(accessor_decode(code, n, address, &out, &jump));
    g_assert_false(out.understood);
    g_assert_cmpint(out.displacement, ==, -1);
    g_assert_cmpint(out.gs_displacement, ==, -1);
    g_assert_cmpint(out.compared, ==, -1);
    g_assert_cmphex(jump, ==, 0);
}

typedef struct Thunk {
    const char *name;
    const char *hex;
    uint64_t jump;
} Thunk;

static const Thunk thunks[] = {
    { "near", "e9 fb 0f 00 00", 0xfffff80000002000 },
    { "back", "e9 fb ef ff ff", 0xfffff80000000000 },
    { "short", "eb 10", 0xfffff80000001012 },
    { "endbr", "f3 0f 1e fa e9 f7 0f 00 00", 0xfffff80000002000 },
    { "hotpatch", "8b ff e9 f9 0f 00 00", 0xfffff80000002000 },
    { "nop", "66 90 e9 f9 0f 00 00", 0xfffff80000002000 },
    { "to-itself", "eb fe", 0xfffff80000001000 },
    { "through-memory", "ff 25 00 00 00 00", 0 },
    { "through-register", "ff e0", 0 },
    { "after-work", "48 8b 01 e9 00 00 00 00", 0 },
    { "other-argument", "8b ca e9 00 00 00 00", 0 },
    { "cut-short", "e9 fb 0f 00", 0 },
};

static void test_thunk(const void *opaque)
{
    const Thunk *thunk = opaque;
    uint8_t code[ACCESSOR_CODE];
    unsigned n = from_hex(thunk->hex, code, sizeof(code));
    AccessorCode out;
    uint64_t jump = 1;

    g_assert_false(accessor_decode(code, n, address, &out, &jump));
    g_assert_cmphex(jump, ==, thunk->jump);
    g_assert_false(accessor_decode(code, n, address, &out, NULL));
}

/* Bytes past the limit are not looked at. */
static void test_long_code(void)
{
    uint8_t code[2 * ACCESSOR_CODE];
    AccessorCode out;

    memset(code, 0xff, sizeof(code));
    from_hex("48 8b 81 40 04 00 00 c3", code, sizeof(code));
    g_assert_true(accessor_decode(code, sizeof(code), address, &out, NULL));
    g_assert_cmphex(out.displacement, ==, 0x440);
}

/* An image that exports some functions. */

enum {
    EXPORTS = 0x1000,           /* RVA */
    NAMES = 0x3000,
    CODE = 0x4000,
    FAR_CODE = 0x6000,
    IDLE_PROCESS = 0x8000,
    IMAGE_SIZE = 0xa000,
    SLOT = 64,
    MAX_FUNCTIONS = 32,
};

static const uint64_t base = 0xfffff80123456000;

typedef struct Function {
    const char *name;
    uint8_t code[SLOT];
    unsigned n;
} Function;

static FakeGuest guest;
static PeImage image;
static Function functions[MAX_FUNCTIONS];
static unsigned n_functions;
static WinosLayout layout;
static AccessorFacts facts;

static void begin(void)
{
    fake_guest_init(&guest, 1 << 20, 4);
    fake_guest_map(&guest, base, IMAGE_SIZE);
    memset(&image, 0, sizeof(image));
    image.space = guest.space;
    image.base = base;
    image.size = IMAGE_SIZE;
    image.export_rva = EXPORTS;
    image.export_size = NAMES - EXPORTS + 0x1000;
    n_functions = 0;
}

static void end(void)
{
    fake_guest_deinit(&guest);
}

static Function *add(const char *name, const char *hex)
{
    Function *function = &functions[n_functions++];

    g_assert_cmpuint(n_functions, <=, MAX_FUNCTIONS);
    function->name = name;
    function->n = from_hex(hex, function->code, SLOT);
    return function;
}

static void put_byte(Function *function, unsigned value)
{
    function->code[function->n++] = (uint8_t)value;
}

/* Code, and then a displacement of four bytes. */
static void put(Function *function, const char *hex, int64_t displacement)
{
    unsigned i;

    function->n += from_hex(hex, function->code + function->n,
                            SLOT - function->n - 4);
    for (i = 0; i < 4; i++) {
        put_byte(function, (unsigned)(displacement >> 8 * i) & 0xff);
    }
}

static Function *add_load(const char *name, int32_t displacement)
{
    Function *function = add(name, "");

    put(function, "48 8b 81", displacement);
    put_byte(function, 0xc3);
    return function;
}

static Function *add_current(const char *name, int32_t gs,
                             int32_t displacement)
{
    Function *function = add(name, "");

    put(function, "65 48 8b 04 25", gs);
    put(function, "48 8b 80", displacement);
    put_byte(function, 0xc3);
    return function;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Function *)a)->name, ((const Function *)b)->name);
}

static void put_names(void)
{
    uint32_t name = NAMES;
    unsigned i;

    for (i = 0; i < n_functions; i++) {
        size_t len = strlen(functions[i].name) + 1;

        fake_guest_put32(&guest, base + EXPORTS + 0x100 + 4 * i,
                         CODE + i * SLOT);
        fake_guest_put32(&guest, base + EXPORTS + 0x400 + 4 * i, name);
        fake_guest_put16(&guest, base + EXPORTS + 0x800 + 2 * i,
                         (uint16_t)i);
        fake_guest_write(&guest, base + name, functions[i].name, len);
        name += (uint32_t)len;
    }
    fake_guest_put32(&guest, base + EXPORTS + 0x14, n_functions);
    fake_guest_put32(&guest, base + EXPORTS + 0x18, n_functions);
    fake_guest_put32(&guest, base + EXPORTS + 0x1c, EXPORTS + 0x100);
    fake_guest_put32(&guest, base + EXPORTS + 0x20, EXPORTS + 0x400);
    fake_guest_put32(&guest, base + EXPORTS + 0x24, EXPORTS + 0x800);
}

/* Lay the functions out, and ask. */
static void ask(void)
{
    unsigned i;

    qsort(functions, n_functions, sizeof(*functions), by_name);
    put_names();
    for (i = 0; i < n_functions; i++) {
        fake_guest_write(&guest, base + CODE + i * SLOT, functions[i].code,
                         functions[i].n);
    }
    winos_layout_init(&layout);
    accessor_claims(&image, &layout, &facts);
}

static int32_t claim(WinosField field)
{
    return layout.field[field].claims[WINOS_SOURCE_CODE];
}

static void add_priority(const TableRow *row)
{
    Function *function = add("KeQueryPriorityThread", "");

    /* The lea is put right when it is known where the function will be. */
    put(function, "48 8d 05", 0);
    put(function, "48 39 81", row->offset[WINOS_KTHREAD_PROCESS]);
    put(function, "74 08 0f be 81", row->offset[WINOS_KTHREAD_PRIORITY]);
    put_byte(function, 0xc3);
}

static void fix_priority(unsigned prefix)
{
    unsigned i;

    qsort(functions, n_functions, sizeof(*functions), by_name);
    for (i = 0; i < n_functions; i++) {
        if (!strcmp(functions[i].name, "KeQueryPriorityThread")) {
            uint32_t next = CODE + i * SLOT + prefix + 7;
            uint32_t d = GUINT32_TO_LE(IDLE_PROCESS - next);

            memcpy(functions[i].code + prefix + 3, &d, 4);
        }
    }
}

static void add_processor(const TableRow *row)
{
    Function *function = add("KeGetCurrentProcessorNumberEx", "");

    put(function, "65 48 8b 04 25", row->offset[WINOS_KPCR_CURRENT_PRCB]);
    put(function, "48 85 c9 74 04 c6 01 00 90 8b 80",
        row->offset[WINOS_PRCB_NUMBER]);
    put_byte(function, 0xc3);
}

static void add_current_teb(const TableRow *row, int32_t gs)
{
    Function *function = add("PsGetCurrentThreadTeb", "");

    put(function, "65 48 8b 0c 25", gs);
    put(function, "f7 81 74 00 00 00 00 04 00 00 75 11 80 b9", 0x24a);
    put(function, "01 74 08 48 8b 81", row->offset[WINOS_KTHREAD_TEB]);
    put_byte(function, 0xc3);
}

static void add_of_row(const TableRow *row, int32_t gs)
{
    const int32_t *offset = row->offset;
    Function *function;

    add_load("PsGetProcessId", offset[WINOS_EPROCESS_UNIQUE_PROCESS_ID]);
    function = add("PsGetProcessImageFileName", "");
    put(function, "48 8d 81", offset[WINOS_EPROCESS_IMAGE_FILE_NAME]);
    put_byte(function, 0xc3);
    add_load("PsGetProcessInheritedFromUniqueProcessId",
             offset[WINOS_EPROCESS_INHERITED_FROM]);
    add_load("PsGetProcessPeb", offset[WINOS_EPROCESS_PEB]);
    add_load("PsGetProcessCreateTimeQuadPart",
             offset[WINOS_EPROCESS_CREATE_TIME]);
    add_load("PsGetThreadId", offset[WINOS_ETHREAD_CLIENT_ID] + 8);
    add_load("PsGetThreadProcessId", offset[WINOS_ETHREAD_CLIENT_ID]);
    add_load("PsGetThreadProcess", offset[WINOS_KTHREAD_PROCESS]);
    add_load("PsGetThreadTeb", offset[WINOS_KTHREAD_TEB]);
    add_load("PsGetThreadCreateTime", offset[WINOS_ETHREAD_CREATE_TIME]);
    add_priority(row);
    add_current("PsGetCurrentProcess", gs,
                offset[WINOS_KTHREAD_APC_PROCESS]);
    add_current("PsGetCurrentThreadProcess", gs,
                offset[WINOS_KTHREAD_PROCESS]);
    add_current("PsGetCurrentThreadId", gs,
                offset[WINOS_ETHREAD_CLIENT_ID] + 8);
    add_current("PsGetCurrentThreadProcessId", gs,
                offset[WINOS_ETHREAD_CLIENT_ID]);
    add_current("PsGetCurrentThreadStackBase", gs,
                offset[WINOS_KTHREAD_STACK_BASE]);
    add_current("PsGetCurrentThreadStackLimit", gs,
                offset[WINOS_KTHREAD_STACK_LIMIT]);
    add_current_teb(row, gs);
    add_processor(row);
    function = add("PsGetCurrentThread", "");
    put(function, "65 48 8b 04 25", gs);
    put_byte(function, 0xc3);
}

static void prefix_all(const char *hex)
{
    uint8_t prefix[8];
    unsigned n = from_hex(hex, prefix, sizeof(prefix));
    unsigned i;

    for (i = 0; i < n_functions; i++) {
        memmove(functions[i].code + n, functions[i].code, SLOT - n);
        memcpy(functions[i].code, prefix, n);
        functions[i].n += n;
    }
    fix_priority(n);
}

static const WinosField told[] = {
    WINOS_EPROCESS_UNIQUE_PROCESS_ID, WINOS_EPROCESS_ACTIVE_PROCESS_LINKS,
    WINOS_EPROCESS_IMAGE_FILE_NAME, WINOS_EPROCESS_INHERITED_FROM,
    WINOS_EPROCESS_PEB, WINOS_EPROCESS_CREATE_TIME, WINOS_ETHREAD_CLIENT_ID,
    WINOS_KTHREAD_PROCESS, WINOS_KTHREAD_TEB, WINOS_ETHREAD_CREATE_TIME,
    WINOS_KTHREAD_PRIORITY, WINOS_KTHREAD_APC_PROCESS,
    WINOS_KTHREAD_STACK_BASE, WINOS_KTHREAD_STACK_LIMIT,
    WINOS_KPCR_CURRENT_PRCB, WINOS_PRCB_NUMBER,
};

static void expect_row(const TableRow *row, int32_t gs)
{
    unsigned n = 0;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(told); i++) {
        g_assert_cmphex(claim(told[i]), ==, row->offset[told[i]]);
    }
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        n += claim((WinosField)i) >= 0;
        g_assert_null(layout.field[i].doubt);
    }
    g_assert_cmpuint(n, ==, G_N_ELEMENTS(told));
    g_assert_cmpuint(facts.n_decoded, ==, 20);
    g_assert_cmphex(facts.idle_process, ==, base + IDLE_PROCESS);
    g_assert_cmphex(facts.kpcr_current_thread, ==, gs);
    g_assert_cmpint(facts.kpcr_kernel_dtb, ==, -1);
}

/* Every row that is known in full, behind every prefix. */
static void test_rows(void)
{
    static const char *const prefixes[] = {
        "", "f3 0f 1e fa", "66 90", "8b ff",
    };
    unsigned n = 0;
    unsigned i;
    size_t k;

    for (i = 0; i < winos_table_size; i++) {
        const TableRow *row = &winos_table[i];
        int32_t gs = row->offset[WINOS_KPCR_PRCB] +
                     row->offset[WINOS_PRCB_CURRENT_THREAD];

        if (row->offset[WINOS_KPCR_SELF] < 0) {
            continue;
        }
        for (k = 0; k < G_N_ELEMENTS(prefixes); k++) {
            begin();
            add_of_row(row, gs);
            prefix_all(prefixes[k]);
            ask();
            expect_row(row, gs);
            end();
            n++;
        }
    }
    g_assert_cmpuint(n, >=, 36 * G_N_ELEMENTS(prefixes));
}

/* Nothing is exported, or no export is there to be read. */
static void test_nothing(void)
{
    unsigned i;

    begin();
    ask();
    g_assert_cmpuint(facts.n_decoded, ==, 0);
    g_assert_cmphex(facts.idle_process, ==, 0);
    g_assert_cmpint(facts.kpcr_current_thread, ==, -1);
    add_load("PsGetProcessId", 0x440);
    fake_guest_unmap(&guest, base + CODE);
    qsort(functions, n_functions, sizeof(*functions), by_name);
    put_names();
    accessor_claims(&image, &layout, &facts);
    g_assert_cmpuint(facts.n_decoded, ==, 0);
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        g_assert_cmpint(claim((WinosField)i), ==, -1);
    }
    end();
}

/* A function of the right name and the wrong shape tells nothing. */
static void test_wrong_shape(void)
{
    begin();
    add_load("PsGetProcessImageFileName", 0x5a8);       /* not its address */
    add("PsGetProcessId", "8b 81 40 04 00 00 c3");      /* half of it */
    add("PsGetProcessPeb", "48 8d 81 50 05 00 00 c3");  /* its address */
    add_load("PsGetCurrentProcess", 0xb8);              /* of an argument */
    add_current("PsGetThreadTeb", 0x188, 0xf0);         /* of the current */
    add_current("PsGetCurrentThread", 0x20, 8);
    add("PsGetThreadId", "48 8b 81 80 04 00 00 48 83 e0 fc c3");
    add("PsGetThreadProcess", "48 8b 01 c3");           /* at 0: no */
    add("PsGetThreadProcessId", "48 8b 81 00 00 01 00 c3");
    ask();
    g_assert_cmpint(claim(WINOS_EPROCESS_IMAGE_FILE_NAME), ==, -1);
    g_assert_cmpint(claim(WINOS_EPROCESS_UNIQUE_PROCESS_ID), ==, -1);
    g_assert_cmpint(claim(WINOS_EPROCESS_ACTIVE_PROCESS_LINKS), ==, -1);
    g_assert_cmpint(claim(WINOS_EPROCESS_PEB), ==, -1);
    g_assert_cmpint(claim(WINOS_KTHREAD_APC_PROCESS), ==, -1);
    g_assert_cmpint(claim(WINOS_KTHREAD_TEB), ==, -1);
    g_assert_cmpint(claim(WINOS_ETHREAD_CLIENT_ID), ==, -1);
    g_assert_cmpint(claim(WINOS_KTHREAD_PROCESS), ==, -1);
    g_assert_cmpint(facts.kpcr_current_thread, ==, -1);
    end();
}

static void test_disagree(void)
{
    begin();
    add_load("PsGetThreadId", 0x480);
    add_load("PsGetThreadProcessId", 0x470);
    add_current("PsGetCurrentThreadId", 0x188, 0x480);
    add_load("PsGetThreadTeb", 0xf0);
    add_current("PsGetCurrentThreadProcess", 0x190, 0x220);
    ask();
    g_assert_cmpint(claim(WINOS_ETHREAD_CLIENT_ID), ==, -1);
    g_assert_cmpstr(layout.field[WINOS_ETHREAD_CLIENT_ID].doubt, ==,
                    "the code of two exported functions tells different "
                    "offsets");
    g_assert_cmphex(claim(WINOS_KTHREAD_TEB), ==, 0xf0);
    g_assert_null(layout.field[WINOS_KTHREAD_TEB].doubt);
    g_assert_cmpint(facts.kpcr_current_thread, ==, -1);
    end();
}

static void put_far(uint32_t at, const char *hex)
{
    uint8_t code[SLOT];
    unsigned n = from_hex(hex, code, sizeof(code));

    fake_guest_write(&guest, base + at, code, n);
}

/* @from: where the function is, with one function at CODE. */
static void add_thunk(const char *name, uint32_t from, int64_t to)
{
    put(add(name, "e9"), "", to - from - 5);
}

static void test_thunks(void)
{
    begin();
    add_thunk("PsGetProcessId", CODE, FAR_CODE);
    put_far(FAR_CODE, "f3 0f 1e fa 48 8b 81 40 04 00 00 c3");
    ask();
    g_assert_cmphex(claim(WINOS_EPROCESS_UNIQUE_PROCESS_ID), ==, 0x440);
    g_assert_cmphex(claim(WINOS_EPROCESS_ACTIVE_PROCESS_LINKS), ==, 0x448);
    /* One is followed, a second is not; nor is one to itself. */
    put_far(FAR_CODE, "e9 7b 00 00 00");
    put_far(FAR_CODE + 0x80, "48 8b 81 40 04 00 00 c3");
    ask();
    g_assert_cmpuint(facts.n_decoded, ==, 0);
    put_far(FAR_CODE, "eb fe");
    ask();
    g_assert_cmpuint(facts.n_decoded, ==, 0);
    end();
}

/* A jump out of the image, to code that would be understood. */
static void test_thunk_outside(void)
{
    begin();
    fake_guest_map(&guest, base + IMAGE_SIZE, 0x1000);
    put_far(IMAGE_SIZE, "48 8b 81 40 04 00 00 c3");
    add_thunk("PsGetProcessId", CODE, IMAGE_SIZE);
    ask();
    g_assert_cmpuint(facts.n_decoded, ==, 0);
    end();
}

/* A function at the end of a page, whose next page is missing. */
static void test_end_of_page(void)
{
    begin();
    add_load("PsGetProcessId", 0x440);
    fake_guest_unmap(&guest, base + CODE + 0x1000);
    put_names();
    fake_guest_put32(&guest, base + EXPORTS + 0x100, CODE + 0xff8);
    fake_guest_write(&guest, base + CODE + 0xff8, functions[0].code, 8);
    winos_layout_init(&layout);
    accessor_claims(&image, &layout, &facts);
    g_assert_cmphex(claim(WINOS_EPROCESS_UNIQUE_PROCESS_ID), ==, 0x440);
    fake_guest_put32(&guest, base + EXPORTS + 0x100, CODE + 0xff9);
    fake_guest_write(&guest, base + CODE + 0xff9, functions[0].code, 7);
    accessor_claims(&image, &layout, &facts);
    g_assert_cmpint(claim(WINOS_EPROCESS_UNIQUE_PROCESS_ID), ==, -1);
    end();
}

/* What is compared with something outside the image is no idle process. */
static void test_idle_outside(void)
{
    begin();
    add("KeQueryPriorityThread",
        "48 8d 05 00 00 00 10 48 39 81 20 02 00 00 74 08 "
        "0f be 81 c3 00 00 00 c3");
    ask();
    g_assert_cmphex(claim(WINOS_KTHREAD_PRIORITY), ==, 0xc3);
    g_assert_cmpint(claim(WINOS_KTHREAD_PROCESS), ==, -1);
    g_assert_cmphex(facts.idle_process, ==, 0);
    end();
}

/* Entry code of system calls. */

#define SAVE "0f 01 f8 65 48 89 24 25 10 90 00 00 "

typedef struct Entry {
    const char *name;
    const char *hex;
    int32_t offset;
} Entry;

static const Entry entries[] = {
    { "shadow", SAVE "65 48 8b 24 25 00 90 00 00 "
      "65 0f ba 24 25 18 90 00 00 01 72 03 0f 22 dc "
      "65 48 8b 24 25 08 90 00 00", 0x9000 },
    { "other-place", "0f 01 f8 65 48 8b 24 25 00 b0 00 00 0f 22 dc", 0xb000 },
    { "by-way-of-rcx", SAVE "65 48 8b 04 25 00 70 00 00 48 8b c8 90 0f 22 d9",
      0x7000 },
    { "no-shadow", SAVE "65 48 8b 24 25 a8 01 00 00 6a 2b "
      "65 ff 34 25 10 00 00 00 41 53 6a 33 51", -1 },
    { "other-register", SAVE "65 48 8b 24 25 00 90 00 00 0f 22 d8", -1 },
    { "overwritten", SAVE "65 48 8b 04 25 00 90 00 00 33 c0 0f 22 d8", -1 },
    { "half-overwritten", SAVE "65 48 8b 04 25 00 90 00 00 b0 01 0f 22 d8",
      -1 },
    { "half-a-word", SAVE "65 8b 04 25 00 90 00 00 0f 22 d8", -1 },
    { "to-cr4", SAVE "65 48 8b 04 25 00 90 00 00 0f 22 e0", -1 },
    { "odd", SAVE "65 48 8b 04 25 04 90 00 00 0f 22 d8", -1 },
    { "too-high", SAVE "65 48 8b 04 25 00 00 01 00 0f 22 d8", -1 },
    { "after-a-call", SAVE "65 48 8b 04 25 00 90 00 00 e8 00 00 00 00 "
      "0f 22 d8", -1 },
    { "after-a-jump", SAVE "65 48 8b 04 25 00 90 00 00 eb 00 0f 22 d8", -1 },
    { "no-code", "00 00 06", -1 },
    { "loop", "eb fe", -1 },
};

static void test_entry(const void *opaque)
{
    const Entry *entry = opaque;

    begin();
    put_far(CODE + 0x10, entry->hex);
    g_assert_cmphex(accessor_kernel_dtb(&guest.space, base + CODE + 0x10), ==,
                    entry->offset);
    end();
}

/* It stands at the end of the last page that a user's page tables map. */
static void test_entry_end(void)
{
    static const char hex[] = "65 48 8b 24 25 00 90 00 00 0f 22 dc";

    begin();
    put_far(IMAGE_SIZE - 12, hex);
    g_assert_cmphex(accessor_kernel_dtb(&guest.space, base + IMAGE_SIZE - 12),
                    ==, 0x9000);
    g_assert_cmpint(accessor_kernel_dtb(&guest.space, base + IMAGE_SIZE), ==,
                    -1);
    g_assert_cmpint(accessor_kernel_dtb(&guest.space, 0x800000000000), ==,
                    -1);
    end();
}

static void add_cases(const char *group, const Case *cases, size_t n,
                      GTestDataFunc test)
{
    size_t i;

    for (i = 0; i < n; i++) {
        g_autofree char *path = g_strdup_printf("/winos/accessor/%s/%s",
                                                group, cases[i].name);

        g_test_add_data_func(path, &cases[i], test);
    }
}

static void add_tables(void)
{
    size_t i;

    add_cases("known", known_cases, G_N_ELEMENTS(known_cases), test_known);
    add_cases("other", other_cases, G_N_ELEMENTS(other_cases), test_other);
    for (i = 0; i < G_N_ELEMENTS(thunks); i++) {
        g_autofree char *path = g_strdup_printf("/winos/accessor/thunk/%s",
                                                thunks[i].name);

        g_test_add_data_func(path, &thunks[i], test_thunk);
    }
    for (i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autofree char *path = g_strdup_printf("/winos/accessor/entry/%s",
                                                entries[i].name);

        g_test_add_data_func(path, &entries[i], test_entry);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tables();
    g_test_add_func("/winos/accessor/long-code", test_long_code);
    g_test_add_func("/winos/accessor/rows", test_rows);
    g_test_add_func("/winos/accessor/nothing", test_nothing);
    g_test_add_func("/winos/accessor/wrong-shape", test_wrong_shape);
    g_test_add_func("/winos/accessor/disagree", test_disagree);
    g_test_add_func("/winos/accessor/thunks", test_thunks);
    g_test_add_func("/winos/accessor/thunk-outside", test_thunk_outside);
    g_test_add_func("/winos/accessor/end-of-page", test_end_of_page);
    g_test_add_func("/winos/accessor/idle-outside", test_idle_outside);
    g_test_add_func("/winos/accessor/entry-end", test_entry_end);
    return g_test_run();
}
