/*
 * gmem/gmem: copying guest bytes; see gmem.h.  Translation is page-walk.c's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "gmem/gmem.h"

#include "base/le.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_PRESENT_PAGES = 64 };

bool gmem_read_phys(const GuestMem *mem, uint64_t gpa, void *buf, size_t len,
                    Err *err)
{
    /* Past the end of all addresses there is nothing to ask for. */
    if ((len && len - 1 > UINT64_MAX - gpa) ||
        !mem->ops->read_phys(mem->opaque, gpa, buf, len)) {
        if (err) {
            err_set(err, ERR_FAULT, "no RAM at gpa 0x%" PRIx64 " for %zu "
                    "bytes", gpa, len);
        }
        return false;
    }
    return true;
}

static bool read_in_page(const GmemSpace *space, uint64_t gva, void *buf,
                         size_t len, size_t *done, Err *err)
{
    uint64_t gpa;
    uint64_t left;

    if (!gmem_translate(space, gva, &gpa, &left, err)) {
        return false;
    }
    *done = left < len ? left : len;
    if (!gmem_read_phys(space->mem, gpa, buf, *done, err)) {
        if (err) {
            err_prefix(err, "gva 0x%" PRIx64 ": ", gva);
        }
        return false;
    }
    return true;
}

bool gmem_read(const GmemSpace *space, uint64_t gva, void *buf, size_t len,
               Err *err)
{
    uint8_t *to = buf;
    size_t n;

    if (len && len - 1 > UINT64_MAX - gva) {
        if (err) {
            err_set(err, ERR_FAULT, "gva 0x%" PRIx64 " and %zu bytes from it "
                    "are past the last address", gva, len);
        }
        return false;
    }
    for (; len; gva += n, to += n, len -= n) {
        if (!read_in_page(space, gva, to, len, &n, err)) {
            return false;
        }
    }
    return true;
}

size_t gmem_read_some(const GmemSpace *space, uint64_t gva, void *buf,
                      size_t len, uint64_t *present)
{
    uint8_t *to = buf;
    size_t copied = 0;
    unsigned page;
    size_t n;

    *present = 0;
    for (page = 0; len && page < MAX_PRESENT_PAGES; page++) {
        n = GMEM_PAGE - gva % GMEM_PAGE;
        n = n < len ? n : len;
        if (gmem_read(space, gva, to, n, NULL)) {
            *present |= UINT64_C(1) << page;
            copied += n;
        } else {
            memset(to, 0, n);
        }
        to += n;
        len -= n;
        /* Behind the last address of all there is nothing. */
        if (gva > UINT64_MAX - n) {
            break;
        }
        gva += n;
    }
    memset(to, 0, len);
    return copied;
}

bool gmem_read_u64(const GmemSpace *space, uint64_t gva, uint64_t *value)
{
    uint8_t raw[sizeof(*value)];

    if (!gmem_read(space, gva, raw, sizeof(raw), NULL)) {
        return false;
    }
    *value = load_le64(raw);
    return true;
}

bool gmem_read_u32(const GmemSpace *space, uint64_t gva, uint32_t *value)
{
    uint8_t raw[sizeof(*value)];

    if (!gmem_read(space, gva, raw, sizeof(raw), NULL)) {
        return false;
    }
    *value = load_le32(raw);
    return true;
}

bool gmem_read_u16(const GmemSpace *space, uint64_t gva, uint16_t *value)
{
    uint8_t raw[sizeof(*value)];

    if (!gmem_read(space, gva, raw, sizeof(raw), NULL)) {
        return false;
    }
    *value = load_le16(raw);
    return true;
}

bool gmem_read_u8(const GmemSpace *space, uint64_t gva, uint8_t *value)
{
    return gmem_read(space, gva, value, sizeof(*value), NULL);
}
