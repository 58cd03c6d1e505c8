/*
 * dump/windows: crash dumps of 64-bit Windows that have memory.
 *
 * A field that was not set still has the filler "PAGE", again and again, and
 * is taken as not there.
 *
 * Sources: docs/guest-facts/dumps.md, "Windows".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    HEAD_SIZE = 0x2000,
    HEAD_BUILD = 0xc, HEAD_CR3 = 0x10, HEAD_MODULES = 0x20,
    HEAD_PROCESSES = 0x28, HEAD_MACHINE = 0x30, HEAD_CPUS = 0x34,
    HEAD_BUGCHECK = 0x38, HEAD_PARAMETERS = 0x40, HEAD_KDBG = 0x80,
    HEAD_N_RUNS = 0x88, HEAD_N_PAGES = 0x90, HEAD_RUNS = 0x98,
    HEAD_CONTEXT = 0x348, CONTEXT_RSP = 0x98, CONTEXT_RIP = 0xf8,
    HEAD_EXCEPTION = 0xf00, HEAD_TYPE = 0xf98, HEAD_TIME = 0xfa8,
    HEAD_UPTIME = 0x1030, HEAD_ATTRIBUTES = 0x1050,
    MAX_RUNS = 43,

    MACHINE_AMD64 = 0x8664, MACHINE_ARM64 = 0xaa64,
    FILLER = 0x45474150,
    ATTRIBUTE_TOO_SMALL = 1 << 2, ATTRIBUTE_FILTERED = 1 << 6,
    ATTRIBUTE_ENCRYPTED = 1 << 8, ATTRIBUTE_DECRYPTED = 1 << 9,

    TYPE_FULL = 1, TYPE_KERNEL = 2, TYPE_HEADER = 3, TYPE_TRIAGE = 4,
    TYPE_BITMAP_FULL = 5, TYPE_BITMAP_KERNEL = 6, TYPE_AUTOMATIC = 7,
    TYPE_RANGES_KERNEL = 8, TYPE_RANGES_ACTIVE = 9, TYPE_RANGES_FULL = 10,

    /* From 0x2000 on, of a dump with a bitmap. */
    MAP_FIRST = 0x20, MAP_BITS = 0x30, MAP_BITMAP = 0x38,
    /* And of one with ranges. */
    RANGES_METADATA = 0x10, RANGES_FIRST = 0x18, RANGES_PAGES = 0x28,
    RANGES_TABLE = 0x30,
};

static const char *const type_names[] = {
    [TYPE_FULL] = "full memory",
    [TYPE_KERNEL] = "kernel memory",
    [TYPE_HEADER] = "header alone",
    [TYPE_TRIAGE] = "minidump",
    [TYPE_BITMAP_FULL] = "full memory, bitmap",
    [TYPE_BITMAP_KERNEL] = "kernel memory, bitmap",
    [TYPE_AUTOMATIC] = "automatic",
    [TYPE_RANGES_KERNEL] = "kernel memory, ranges",
    [TYPE_RANGES_ACTIVE] = "kernel and user memory, ranges",
    [TYPE_RANGES_FULL] = "full memory, ranges",
};

static uint32_t word(const uint8_t *head, unsigned at)
{
    uint32_t value = load_le32(head + at);

    return value == FILLER ? 0 : value;
}

static uint64_t wide(const uint8_t *head, unsigned at)
{
    uint64_t value = load_le64(head + at);

    return value == (FILLER | (uint64_t)FILLER << 32) ? 0 : value;
}

static void take_head(DumpWindows *w, const uint8_t *head)
{
    unsigned i;

    w->present = true;
    w->type = word(head, HEAD_TYPE);
    w->build = word(head, HEAD_BUILD);
    w->n_cpus = word(head, HEAD_CPUS);
    w->attributes = word(head, HEAD_ATTRIBUTES);
    w->cr3 = wide(head, HEAD_CR3);
    w->module_list = wide(head, HEAD_MODULES);
    w->process_list = wide(head, HEAD_PROCESSES);
    w->kdbg = wide(head, HEAD_KDBG);
    w->has_bugcheck = load_le32(head + HEAD_BUGCHECK) != FILLER;
    w->bugcheck = word(head, HEAD_BUGCHECK);
    for (i = 0; i < 4; i++) {
        w->parameters[i] = wide(head, HEAD_PARAMETERS + i * 8);
    }
    w->time = wide(head, HEAD_TIME);
    w->uptime = wide(head, HEAD_UPTIME);
    w->rip = wide(head, HEAD_CONTEXT + CONTEXT_RIP);
    w->rsp = wide(head, HEAD_CONTEXT + CONTEXT_RSP);
    w->exception = word(head, HEAD_EXCEPTION);
}

static bool check_head(Dump *dump, const uint8_t *head, Err *err)
{
    uint32_t machine = load_le32(head + HEAD_MACHINE);
    uint32_t type = dump->windows.type;

    if (machine != MACHINE_AMD64) {
        err_set(err, ERR_FORMAT, "it is a crash dump of a machine that is no "
                "x86_64: %s (0x%" PRIx32 ")", machine == MACHINE_ARM64 ?
                "ARM64" : "of a kind that is not known", machine);
        return false;
    }
    if (dump->windows.attributes & ATTRIBUTE_ENCRYPTED &&
        !(dump->windows.attributes & ATTRIBUTE_DECRYPTED)) {
        err_set(err, ERR_FORMAT, "it is a crash dump that Windows encrypted: "
                "decrypt it with the key that the machine was given");
        return false;
    }
    if (type == 0 || type >= sizeof(type_names) / sizeof(*type_names)) {
        err_set(err, ERR_FORMAT, "it is a crash dump of type %" PRIu32
                ", which is not known", type);
        return false;
    }
    snprintf(dump->what, sizeof(dump->what), "Windows crash dump, %s (type %"
             PRIu32 ")", type_names[type], type);
    if (dump->windows.attributes & ATTRIBUTE_TOO_SMALL) {
        dump_lack(dump, "what had no room: the disk was full when Windows "
                  "wrote it");
    }
    if (dump->windows.attributes & ATTRIBUTE_FILTERED) {
        dump_lack(dump, "pages that Windows filtered out");
    }
    return true;
}

static bool read_runs(Dump *dump, const uint8_t *head, Err *err)
{
    uint32_t i, n = load_le32(head + HEAD_N_RUNS);
    uint64_t offset = HEAD_SIZE, next = 0;

    if (n == 0 || n > MAX_RUNS) {
        return dump_is_damaged(err, "the number of its runs of memory", n);
    }
    for (i = 0; i < n; i++) {
        uint64_t base = load_le64(head + HEAD_RUNS + i * 16);
        uint64_t count = load_le64(head + HEAD_RUNS + i * 16 + 8);
        DumpPart part = { base * GMEM_PAGE, count * GMEM_PAGE, offset };

        if (base >> 40 || count >> 40 || base < next) {
            return dump_is_damaged(err, "the first page of a run", base);
        }
        if (!dump_add_part(dump, &part, err)) {
            return false;
        }
        next = base + count;
        offset += count * GMEM_PAGE;
    }
    return true;
}

static bool read_bitmap(Dump *dump, Err *err)
{
    uint8_t raw[MAP_BITMAP];
    uint64_t end;

    if (!dump_bytes(dump, HEAD_SIZE, raw, sizeof(raw))) {
        return dump_is_cut(err, "the header of its bitmap is missing");
    }
    if ((memcmp(raw, "SDMP", 4) && memcmp(raw, "FDMP", 4)) ||
        memcmp(raw + 4, "DUMP", 4)) {
        err_set(err, ERR_FORMAT, "it is a %s, but where its bitmap should be "
                "is none", dump->what);
        return false;
    }
    if (load_le64(raw + MAP_BITS) >> 40) {
        return dump_is_damaged(err, "the number of its pages",
                               load_le64(raw + MAP_BITS));
    }
    if (!dump_use_bitmap(dump, HEAD_SIZE + MAP_BITMAP,
                         load_le64(raw + MAP_BITS), err)) {
        return false;
    }
    dump->pages.block = GMEM_PAGE;
    dump->pages.at = load_le64(raw + MAP_FIRST);
    if (dump->pages.at >> 62) {
        return dump_is_damaged(err, "the place of its first page",
                               dump->pages.at);
    }
    end = dump->pages.at + dump->pages.n_pages * GMEM_PAGE;
    dump->cut += end > dump->size ? end - dump->size : 0;
    return true;
}

static bool read_ranges(Dump *dump, Err *err)
{
    uint8_t raw[RANGES_TABLE], range[16];
    uint64_t i, n, at, offset, pages, metadata;

    if (!dump_bytes(dump, HEAD_SIZE, raw, sizeof(raw))) {
        return dump_is_cut(err, "the header of its ranges is missing");
    }
    if (memcmp(raw + 4, "RDMPDUMP", 8)) {
        err_set(err, ERR_FORMAT, "it is a %s, but where its ranges should be "
                "is none", dump->what);
        return false;
    }
    metadata = load_le64(raw + RANGES_METADATA);
    offset = load_le64(raw + RANGES_FIRST);
    if (metadata < 0x20 || metadata >> 48 ||
        metadata - 0x20 != offset - (HEAD_SIZE + 0x40)) {
        return dump_is_damaged(err, "the size of its table of ranges",
                               metadata);
    }
    n = (metadata - 0x20) / sizeof(range);
    pages = dump->windows.type == TYPE_RANGES_FULL ?
            load_le64(raw + RANGES_PAGES) : UINT64_MAX;
    for (i = 0, at = HEAD_SIZE + RANGES_TABLE; i < n && pages; i++) {
        DumpPart part = { .offset = offset };
        uint64_t first, count;

        if (!dump_bytes(dump, at, range, sizeof(range))) {
            return dump_is_cut(err, "a part of its table of ranges is "
                               "missing");
        }
        first = load_le64(range);
        count = load_le64(range + 8);
        if (first == 0 && dump->windows.type != TYPE_RANGES_FULL) {
            break;
        }
        if (first >> 40 || count >> 40 || count > pages) {
            return dump_is_damaged(err, "the size of a range", count);
        }
        part.gpa = first * GMEM_PAGE;
        part.size = count * GMEM_PAGE;
        if (!dump_add_part(dump, &part, err)) {
            return false;
        }
        at += sizeof(range);
        offset += part.size;
        pages -= count;
    }
    return true;
}

static bool read_pages(Dump *dump, const uint8_t *head, Err *err)
{
    switch (dump->windows.type) {
    case TYPE_FULL:
        return read_runs(dump, head, err);
    case TYPE_KERNEL:
    case TYPE_BITMAP_KERNEL:
        dump_lack(dump, "memory of programs");
        return read_bitmap(dump, err);
    case TYPE_BITMAP_FULL:
    case TYPE_AUTOMATIC:
        return read_bitmap(dump, err);
    case TYPE_RANGES_KERNEL:
        dump_lack(dump, "memory of programs");
        return read_ranges(dump, err);
    default:
        return read_ranges(dump, err);
    }
}

bool dump_read_windows(Dump *dump, Err *err)
{
    uint8_t head[HEAD_SIZE];

    if (!dump_bytes(dump, 0, head, sizeof(head))) {
        return dump_is_cut(err, "its header is missing");
    }
    take_head(&dump->windows, head);
    if (!check_head(dump, head, err)) {
        return false;
    }
    if (dump->windows.type == TYPE_HEADER) {
        dump->format = DUMP_TRIAGE;
        dump_lack(dump, "memory of any kind");
        return true;
    }
    if (dump->windows.type == TYPE_TRIAGE) {
        dump->format = DUMP_TRIAGE;
        return dump_read_triage(dump, err);
    }
    return read_pages(dump, head, err);
}
