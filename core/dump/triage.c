/*
 * dump/triage: minidumps of Windows' kernel, which hold a few pieces of
 * virtual memory and no page tables.
 *
 * Sources: docs/guest-facts/dumps.md, "Minidumps".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"
#include "base/utf16.h"

#include <string.h>

enum {
    TRIAGE_AT = 0x2000, TRIAGE_SIZE = 0x80,
    SIZE_OF_DUMP = 0x4, VALID_OFFSET = 0x8, PRCB_OFFSET = 0x1c,
    PROCESS_OFFSET = 0x20, THREAD_OFFSET = 0x24, STACK_OFFSET = 0x28,
    STACK_SIZE = 0x2c, DRIVERS_OFFSET = 0x30, N_DRIVERS = 0x34,
    STRINGS_OFFSET = 0x38, STRINGS_SIZE = 0x3c, TOP_OF_STACK = 0x48,
    KDBG_OFFSET = 0x70, KDBG_SIZE = 0x74, BLOCKS_OFFSET = 0x78,
    N_BLOCKS = 0x7c,
    BLOCK_SIZE = 16,
    DRIVER_SIZE = 0x90, DRIVER_ENTRY = 8, ENTRY_BASE = 0x30, ENTRY_SIZE = 0x40,
    ENTRY_TIMESTAMP = 0x80,
    MAX_DRIVERS = 4096, MAX_NAME = 1024,
    MAX_BLOCKS = 1 << 16,       /* each read goes through them */
};

/* A table of the file, or nothing where it is not inside of it. */
static uint32_t take_table(Dump *dump, uint32_t offset, uint64_t size,
                           uint32_t *n)
{
    if (offset == 0 || size == 0) {
        *n = 0;
        return 0;
    }
    if (offset >= dump->size || size > dump->size - offset) {
        dump->cut += offset + size - dump->size;
        *n = 0;
        return 0;
    }
    return offset;
}

static uint32_t take_place(Dump *dump, uint32_t offset)
{
    uint32_t n = 1;

    return take_table(dump, offset, 1, &n);
}

bool dump_read_triage(Dump *dump, Err *err)
{
    DumpTriage *t = &dump->triage;
    uint8_t raw[TRIAGE_SIZE], mark[4];
    uint32_t valid;

    if (!dump_bytes(dump, TRIAGE_AT, raw, sizeof(raw))) {
        return dump_is_cut(err, "the table of its pieces is missing");
    }
    valid = load_le32(raw + VALID_OFFSET);
    if (!dump_bytes(dump, valid, mark, sizeof(mark))) {
        dump->cut += valid + sizeof(mark) - dump->size;
    } else if (memcmp(mark, "TRGD", 4)) {
        return dump_is_damaged(err, "the mark at the end of the minidump",
                               load_le32(mark));
    }
    t->present = true;
    t->prcb = take_place(dump, load_le32(raw + PRCB_OFFSET));
    t->process = take_place(dump, load_le32(raw + PROCESS_OFFSET));
    t->thread = take_place(dump, load_le32(raw + THREAD_OFFSET));
    t->stack_gva = load_le64(raw + TOP_OF_STACK);
    t->stack_size = load_le32(raw + STACK_SIZE);
    t->stack = take_table(dump, load_le32(raw + STACK_OFFSET), t->stack_size,
                          &t->stack_size);
    t->n_drivers = load_le32(raw + N_DRIVERS);
    if (t->n_drivers > MAX_DRIVERS) {
        return dump_is_damaged(err, "the number of its drivers",
                               t->n_drivers);
    }
    t->drivers = take_table(dump, load_le32(raw + DRIVERS_OFFSET),
                            (uint64_t)t->n_drivers * DRIVER_SIZE,
                            &t->n_drivers);
    t->strings_size = load_le32(raw + STRINGS_SIZE);
    t->strings = take_table(dump, load_le32(raw + STRINGS_OFFSET),
                            t->strings_size, &t->strings_size);
    t->kdbg_size = load_le32(raw + KDBG_SIZE);
    t->kdbg = take_table(dump, load_le32(raw + KDBG_OFFSET), t->kdbg_size,
                         &t->kdbg_size);
    t->n_blocks = load_le32(raw + N_BLOCKS);
    t->blocks = take_table(dump, load_le32(raw + BLOCKS_OFFSET),
                           (uint64_t)t->n_blocks * BLOCK_SIZE, &t->n_blocks);
    if (t->n_blocks > MAX_BLOCKS) {
        t->n_blocks = MAX_BLOCKS;
        dump_lack(dump, "pieces of memory behind the first 65,536, which are "
                  "not read");
    }
    dump_lack(dump, "page tables, other processes and their threads, memory "
              "of programs: a minidump never has them");
    return true;
}

/* Bytes of a piece of virtual memory that begins at @at. */
static bool read_piece(const Dump *dump, uint64_t at, uint64_t size,
                       uint64_t offset, uint64_t gva, void *buf, size_t len)
{
    return gva >= at && gva - at < size && len <= size - (gva - at) &&
           dump_bytes(dump, offset + (gva - at), buf, len);
}

bool dump_triage_read(const Dump *dump, uint64_t gva, void *buf, size_t len)
{
    const DumpTriage *t = &dump->triage;
    uint8_t raw[BLOCK_SIZE];
    uint32_t i;

    if (t->stack && read_piece(dump, t->stack_gva, t->stack_size, t->stack,
                               gva, buf, len)) {
        return true;
    }
    for (i = 0; i < t->n_blocks; i++) {
        if (dump_bytes(dump, t->blocks + (uint64_t)i * BLOCK_SIZE, raw,
                       sizeof(raw)) &&
            read_piece(dump, load_le64(raw), load_le32(raw + 12),
                       load_le32(raw + 8), gva, buf, len)) {
            return true;
        }
    }
    return false;
}

/* A count of characters, and so many. */
static void read_string(const Dump *dump, uint32_t at, char *name,
                        size_t size)
{
    const DumpTriage *t = &dump->triage;
    uint8_t raw[4], text[2 * MAX_NAME];
    uint64_t bytes;

    *name = '\0';
    if (at < t->strings || at - t->strings >= t->strings_size ||
        !dump_bytes(dump, at, raw, sizeof(raw))) {
        return;
    }
    bytes = 2ULL * load_le32(raw);
    bytes = bytes < sizeof(text) ? bytes : sizeof(text);
    if (bytes && dump_bytes(dump, at + sizeof(raw), text, bytes)) {
        utf16_to_utf8(text, bytes, name, size, NULL);
    }
}

bool dump_triage_driver(const Dump *dump, uint32_t i, DumpDriver *driver)
{
    const DumpTriage *t = &dump->triage;
    uint8_t raw[DRIVER_SIZE];

    memset(driver, 0, sizeof(*driver));
    if (i >= t->n_drivers ||
        !dump_bytes(dump, t->drivers + (uint64_t)i * DRIVER_SIZE, raw,
                    sizeof(raw))) {
        return false;
    }
    driver->base = load_le64(raw + DRIVER_ENTRY + ENTRY_BASE);
    driver->size = load_le32(raw + DRIVER_ENTRY + ENTRY_SIZE);
    driver->timestamp = load_le32(raw + DRIVER_ENTRY + ENTRY_TIMESTAMP);
    read_string(dump, load_le32(raw), driver->name, sizeof(driver->name));
    return true;
}
