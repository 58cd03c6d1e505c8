/*
 * fuzz/winos/accessor: what must hold for any bytes taken for code.
 *
 * 1. What is understood is within bounds, and is no thunk.
 * 2. What is understood from some bytes is understood alike from these and
 *    any bytes behind them: nothing behind the RET matters.
 * 3. Behind an endbr64 it is the same function, if it is not too long then.
 * 4. The simplest form is always understood.
 * 5. The kernel CR3's place is a possible one, and does not depend on whether
 *    a page behind the code is there.
 *
 * The input is text: bytes in hexadecimal, blanks between them or not; from
 * a '#' to the end of its line is a remark.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"

#include "winos/accessor.h"

#include "base/le.h"
#include "base/num.h"
#include "fake-guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_MAX = 192 };

static const uint64_t lonely = 0xfffff80000001000;  /* no page behind it */
static const uint64_t joined = 0xfffff80000010000;

static void fail(const char *why)
{
    fprintf(stderr, "accessor: %s\n", why);
    abort();
}

static unsigned from_hex(const uint8_t *text, size_t len, uint8_t *code)
{
    bool remark = false;
    unsigned n = 0;
    int high = -1;
    size_t i;

    for (i = 0; i < len && n < CODE_MAX; i++) {
        int digit = num_hex_digit((char)text[i]);

        remark = (remark || text[i] == '#') && text[i] != '\n';
        if (remark || digit < 0) {
            continue;
        }
        if (high < 0) {
            high = digit;
        } else {
            code[n++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    return n;
}

static bool is_offset(int32_t offset)
{
    return offset >= -1 && offset <= WINOS_MAX_OFFSET;
}

static void check_bounds(const AccessorCode *out, uint64_t jump)
{
    if (!is_offset(out->displacement) || !is_offset(out->gs_displacement) ||
        !is_offset(out->compared)) {
        fail("no offset");
    }
    if (out->understood && (jump || (out->displacement < 0 &&
                                     out->gs_displacement < 0))) {
        fail("understood, but what?");
    }
    if ((out->compared >= 0) != (out->rip_target != 0) ||
        (!out->understood && out->compared >= 0)) {
        fail("compared with nothing");
    }
}

static bool is_same(const AccessorCode *a, const AccessorCode *b)
{
    return a->understood == b->understood && a->width == b->width &&
           a->part == b->part && a->displacement == b->displacement &&
           a->gs_displacement == b->gs_displacement &&
           a->compared == b->compared && a->rip_target == b->rip_target;
}

static void check_tails(const uint8_t *code, unsigned n, uint64_t address,
                        const AccessorCode *out)
{
    static const uint8_t fills[] = { 0x00, 0x90, 0xc3, 0xcc, 0xff };
    uint8_t longer[CODE_MAX + 16];
    AccessorCode again;
    size_t i;

    memcpy(longer, code, n);
    for (i = 0; i < sizeof(fills); i++) {
        memset(longer + n, fills[i], 16);
        accessor_decode(longer, n + 16, address, &again, NULL);
        if (!is_same(out, &again)) {
            fail("what stands behind it matters");
        }
    }
}

static void check_endbr(const uint8_t *code, unsigned n, uint64_t address,
                        const AccessorCode *out)
{
    uint8_t longer[CODE_MAX + 4] = { 0xf3, 0x0f, 0x1e, 0xfa };
    AccessorCode again;

    memcpy(longer + 4, code, n);
    if (accessor_decode(longer, n + 4, address - 4, &again, NULL) &&
        !is_same(out, &again)) {
        fail("an endbr64 matters");
    }
}

static void check_simplest(const uint8_t *code, unsigned n,
                           const AccessorCode *out)
{
    if (n < 8 || memcmp(code, "\x48\x8b\x81", 3) || code[7] != 0xc3 ||
        load_le32(code + 3) > WINOS_MAX_OFFSET) {
        return;
    }
    if (!out->understood || out->width != 8 || out->part ||
        out->displacement != (int32_t)load_le32(code + 3)) {
        fail("the simplest form is not understood");
    }
}

static void check_entry(const uint8_t *code, unsigned n)
{
    static FakeGuest guest;
    int32_t alone;
    int32_t offset;

    if (!guest.ram) {
        fake_guest_init(&guest, 1 << 16, 4);
        fake_guest_map(&guest, lonely, GMEM_PAGE);
        fake_guest_map(&guest, joined, 2 * GMEM_PAGE);
        fake_guest_put8(&guest, joined + GMEM_PAGE, 0x06);
    }
    fake_guest_write(&guest, lonely + GMEM_PAGE - n, code, n);
    fake_guest_write(&guest, joined + GMEM_PAGE - n, code, n);
    alone = accessor_kernel_dtb(&guest.space, lonely + GMEM_PAGE - n);
    offset = accessor_kernel_dtb(&guest.space, joined + GMEM_PAGE - n);
    if (!is_offset(offset) || (offset >= 0 && offset % 8)) {
        fail("no place of a CR3");
    }
    if (alone >= 0 && alone != offset) {
        fail("the page behind matters");
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    static const uint64_t address = 0xfffff80000004000;
    uint8_t code[CODE_MAX];
    unsigned n = from_hex(data, len, code);
    AccessorCode out;
    uint64_t jump;

    accessor_decode(code, n, address, &out, &jump);
    check_bounds(&out, jump);
    if (out.understood) {
        check_tails(code, n, address, &out);
        check_endbr(code, n, address, &out);
    }
    check_simplest(code, n, &out);
    check_entry(code, n);
}
