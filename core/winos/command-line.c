/*
 * winos/command-line: see command-line.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/command-line.h"

#include "base/le.h"
#include "base/utf16.h"

/* Source: docs/guest-facts/modules.md, "Command lines". */
enum {
    PEB_PARAMETERS = 0x20,
    PARAMETERS_FLAGS = 0x08, FLAG_NORMALISED = 1,
    PARAMETERS_COMMAND_LINE = 0x70,
    STRING_BUFFER = 8, STRING_SIZE = 16,
};

/* A text in a process' memory. */
typedef struct LineText {
    uint64_t gva;
    uint32_t bytes;
} LineText;

/* The process' own page tables: user memory is in no others. */
static bool line_space(const WinosResult *result, uint64_t process,
                       GmemSpace *space)
{
    int32_t at = winos_offset(&result->layout,
                              WINOS_EPROCESS_DIRECTORY_TABLE_BASE);

    *space = result->kernel.space;
    return at >= 0 && gmem_read_u64(&result->kernel.space,
                                    process + (uint64_t)at, &space->cr3) &&
           space->cr3 >> 12;
}

static bool line_is_user(uint64_t gva)
{
    return gva && !(gva >> 63);
}

static bool line_find(const GmemSpace *space, uint64_t peb, LineText *text)
{
    uint8_t raw[STRING_SIZE];
    uint64_t block;
    uint32_t flags;

    if (!gmem_read_u64(space, peb + PEB_PARAMETERS, &block) ||
        !line_is_user(block) ||
        !gmem_read_u32(space, block + PARAMETERS_FLAGS, &flags) ||
        !gmem_read(space, block + PARAMETERS_COMMAND_LINE, raw, sizeof(raw),
                   NULL)) {
        return false;
    }
    text->bytes = load_le16(raw);
    text->gva = load_le64(raw + STRING_BUFFER);
    /* Until the process has begun, what is in the block counts from it. */
    text->gva += flags & FLAG_NORMALISED ? 0 : block;
    return text->bytes && text->bytes % 2 == 0 &&
           text->bytes <= load_le16(raw + 2) && line_is_user(text->gva);
}

/* As far as it is in memory: its pages may be paged out one by one. */
static uint32_t line_read(const GmemSpace *space, const LineText *text,
                          uint8_t *to, uint32_t room)
{
    uint32_t want = text->bytes < room ? text->bytes : room;
    uint32_t got = 0;

    while (got < want) {
        uint64_t at = text->gva + got;
        uint32_t n = (uint32_t)(GMEM_PAGE - at % GMEM_PAGE);

        n = n < want - got ? n : want - got;
        if (!gmem_read(space, at, to + got, n, NULL)) {
            break;
        }
        got += n;
    }
    return got & ~1U;
}

bool winos_command_line(const WinosResult *result, uint64_t process,
                        char *line, bool *cut)
{
    int32_t peb_at = winos_offset(&result->layout, WINOS_EPROCESS_PEB);
    uint8_t bytes[2 * WINOS_COMMAND_LINE];
    LineText text;
    GmemSpace space;
    uint64_t peb;
    uint32_t n;
    bool full;

    *line = '\0';
    *cut = false;
    if (peb_at < 0 || !line_space(result, process, &space) ||
        !gmem_read_u64(&result->kernel.space, process + (uint64_t)peb_at,
                       &peb) ||
        !line_is_user(peb) || !line_find(&space, peb, &text)) {
        return false;
    }
    n = line_read(&space, &text, bytes, sizeof(bytes));
    if (n == 0 || !utf16_to_utf8(bytes, n, line, WINOS_COMMAND_LINE, &full)) {
        return false;
    }
    *cut = full || n < text.bytes;
    return true;
}
