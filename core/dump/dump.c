/*
 * dump: see dump.h.
 *
 * Here a file's format is told, its parts are put in order, and memory is
 * read through them.  What each format looks like is in a file of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK_BITS = 512, HEAD_ROOM = 64 };

/* Copy bytes from where they lie in the file; no further than it goes. */
static bool copy_file(const Dump *dump, uint64_t offset, void *buf,
                      size_t len)
{
    if (offset > dump->file_size || len > dump->file_size - offset) {
        return false;
    }
    memcpy(buf, dump->data + offset, len);
    return true;
}

/* The last extent that begins at or below @at. */
static const DumpExtent *extent_at(const Dump *dump, uint64_t at)
{
    uint64_t low = 0, high = dump->n_extents;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (dump->extents[middle].at <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? &dump->extents[low - 1] : NULL;
}

bool dump_bytes(const Dump *dump, uint64_t offset, void *buf, size_t len)
{
    char *to = buf;

    if (!dump->extents) {
        return copy_file(dump, offset, buf, len);
    }
    while (len) {
        const DumpExtent *extent = extent_at(dump, offset);
        uint64_t inside = extent ? offset - extent->at : 0;
        size_t n;

        if (!extent || inside >= extent->size) {
            return false;
        }
        n = len < extent->size - inside ? len : extent->size - inside;
        if (!copy_file(dump, extent->offset + inside, to, n)) {
            return false;
        }
        offset += n;
        to += n;
        len -= n;
    }
    return true;
}

/* The last part that begins at or below @gpa. */
static const DumpPart *part_at(const Dump *dump, uint64_t gpa)
{
    uint64_t low = 0, high = dump->n_parts;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (dump->parts[middle].gpa <= gpa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? &dump->parts[low - 1] : NULL;
}

/* How many bits are set below bit @at. */
static uint64_t rank_of(const DumpPages *pages, uint64_t at)
{
    uint64_t rank = pages->ranks[at / RANK_BITS];
    uint64_t bit = at - at % RANK_BITS;

    for (; bit + 8 <= at; bit += 8) {
        rank += (unsigned)__builtin_popcount(pages->bits[bit / 8]);
    }
    return at % 8 ? rank + (unsigned)__builtin_popcount(
        pages->bits[bit / 8] & ((1U << at % 8) - 1)) : rank;
}

/* A page as a part: where the bitmap and what follows it say that it is. */
static bool find_page(const Dump *dump, uint64_t gpa, DumpPart *part)
{
    const DumpPages *pages = &dump->pages;
    uint64_t page = pages->block ? gpa / pages->block : 0;
    uint8_t raw[DUMP_DESCRIPTOR];
    uint32_t flags;

    if (!pages->block || page >= pages->n_bits ||
        !(pages->bits[page / 8] >> page % 8 & 1)) {
        return false;
    }
    *part = (DumpPart) { .gpa = page * pages->block, .size = pages->block };
    if (!pages->described) {
        part->offset = pages->at + rank_of(pages, page) * pages->block;
        return true;
    }
    if (!dump_bytes(dump, pages->at + rank_of(pages, page) * sizeof(raw), raw,
                    sizeof(raw))) {
        return false;
    }
    part->offset = load_le64(raw);
    part->stored = load_le32(raw + 8);
    flags = load_le32(raw + 12);
    /* Source: docs/guest-facts/dumps.md, "kdump". */
    part->codec = flags & 1 ? DUMP_ZLIB : flags & 2 ? DUMP_LZO :
                  flags & 4 ? DUMP_SNAPPY : flags & 0x20 ? DUMP_ZSTD :
                  DUMP_STORED;
    return part->codec != DUMP_STORED || part->stored >= pages->block;
}

static bool read_part(Dump *dump, const DumpPart *part, uint64_t inside,
                      void *buf, size_t len)
{
    const uint8_t *block;

    if (part->codec == DUMP_STORED) {
        return part->offset + inside >= inside &&
               dump_bytes(dump, part->offset + inside, buf, len);
    }
    block = dump_unpacked(dump, part);
    if (!block) {
        return false;
    }
    memcpy(buf, block + inside, len);
    return true;
}

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    Dump *dump = opaque;
    char *to = buf;

    dump->reads++;
    while (len) {
        const DumpPart *part = part_at(dump, gpa);
        DumpPart page;
        uint64_t inside;
        size_t n;

        if (!part || gpa - part->gpa >= part->size) {
            if (!find_page(dump, gpa, &page)) {
                return false;
            }
            part = &page;
        }
        inside = gpa - part->gpa;
        n = len < part->size - inside ? len : part->size - inside;
        if (!read_part(dump, part, inside, to, n)) {
            return false;
        }
        gpa += n;
        to += n;
        len -= n;
    }
    return true;
}

static const GmemOps dump_ops = { .read_phys = read_phys };

bool dump_is_cut(Err *err, const char *what)
{
    err_set(err, ERR_FORMAT, "it is cut short: %s", what);
    return false;
}

bool dump_is_damaged(Err *err, const char *what, uint64_t value)
{
    err_set(err, ERR_FORMAT, "it is damaged: %s is 0x%" PRIx64, what, value);
    return false;
}

void dump_lack(Dump *dump, const char *text)
{
    if (dump->n_lacks < DUMP_MAX_LACKS) {
        dump->lacks[dump->n_lacks++] = text;
    }
}

/* What is behind the end of the file is counted and left out. */
static void clip(Dump *dump, DumpPart *part)
{
    uint64_t end = dump->size > part->offset ? dump->size - part->offset : 0;
    uint64_t all = part->codec == DUMP_STORED ? part->size : part->stored;

    if (all > end) {
        dump->cut += all - end;
        part->size = part->codec == DUMP_STORED ? end : 0;
    }
}

bool dump_add_part(Dump *dump, const DumpPart *part, Err *err)
{
    DumpPart add = *part;
    DumpPart *last = dump->n_parts ? &dump->parts[dump->n_parts - 1] : NULL;

    if (add.gpa + add.size < add.gpa || add.offset + add.size < add.offset) {
        err_set(err, ERR_FORMAT, "it is damaged: memory at gpa 0x%" PRIx64
                " of 0x%" PRIx64 " bytes", add.gpa, add.size);
        return false;
    }
    clip(dump, &add);
    if (add.size == 0) {
        return true;
    }
    if (last && last->codec == DUMP_STORED && add.codec == DUMP_STORED &&
        last->gpa + last->size == add.gpa &&
        last->offset + last->size == add.offset) {
        last->size += add.size;
        return true;
    }
    if (dump->n_parts == DUMP_MAX_PARTS) {
        err_set(err, ERR_FORMAT, "it has more than %d ranges of memory",
                DUMP_MAX_PARTS);
        return false;
    }
    if (dump->n_parts == dump->parts_room) {
        uint64_t room = dump->parts_room ? 2 * dump->parts_room : 64;
        DumpPart *parts = realloc(dump->parts, room * sizeof(*parts));

        if (!parts) {
            err_set(err, ERR_NOMEM, "no memory for its %" PRIu64 " ranges",
                    room);
            return false;
        }
        dump->parts = parts;
        dump->parts_room = room;
    }
    dump->parts[dump->n_parts++] = add;
    return true;
}

static int by_gpa(const void *a, const void *b)
{
    const DumpPart *x = a, *y = b;

    if (x->gpa != y->gpa) {
        return x->gpa < y->gpa ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/*
 * In order, each byte of memory in one part only: a dump made with paging has
 * what is mapped twice two times.  Compressed parts cannot be cut.
 */
static void sort_parts(Dump *dump)
{
    uint64_t end = 0;           /* of what is covered so far */
    uint64_t i, n = 0;

    if (dump->n_parts) {
        qsort(dump->parts, dump->n_parts, sizeof(*dump->parts), by_gpa);
    }
    for (i = 0; i < dump->n_parts; i++) {
        DumpPart part = dump->parts[i];
        uint64_t covered = end > part.gpa ? end - part.gpa : 0;

        if (covered >= part.size || (covered &&
                                     part.codec != DUMP_STORED)) {
            continue;
        }
        part.gpa += covered;
        part.offset += covered;
        part.size -= covered;
        end = part.gpa + part.size;
        dump->parts[n++] = part;
    }
    dump->n_parts = n;
}

bool dump_use_bitmap(Dump *dump, uint64_t offset, uint64_t n_bits, Err *err)
{
    DumpPages *pages = &dump->pages;
    uint64_t bytes = n_bits / 8 + (n_bits % 8 != 0);
    uint64_t i;

    /* Put in order, a file may have gaps larger than all that is in it. */
    if (offset > dump->size || bytes > dump->size - offset ||
        bytes > dump->file_size) {
        return dump_is_cut(err, "its bitmap of pages is missing");
    }
    pages->bits = malloc(bytes + 1);
    pages->ranks = calloc(n_bits / RANK_BITS + 1, sizeof(*pages->ranks));
    if (!pages->bits || !pages->ranks) {
        err_set(err, ERR_NOMEM, "no memory for its bitmap of %" PRIu64
                " pages", n_bits);
        return false;
    }
    if (!dump_bytes(dump, offset, pages->bits, bytes)) {
        return dump_is_cut(err, "its bitmap of pages is missing");
    }
    if (n_bits % 8) {
        pages->bits[bytes - 1] &= (uint8_t)((1U << n_bits % 8) - 1);
    }
    pages->n_bits = n_bits;
    for (i = 0; i < bytes; i++) {
        if (i * 8 % RANK_BITS == 0) {
            pages->ranks[i * 8 / RANK_BITS] = pages->n_pages;
        }
        pages->n_pages += (unsigned)__builtin_popcount(pages->bits[i]);
    }
    return true;
}

/* The first bytes of each format that is read. */
static const struct {
    unsigned at;
    const char *magic;
    unsigned length;
    DumpFormat format;
    bool (*read)(Dump *dump, Err *err);
} formats[] = {
    { 0, "\177ELF", 4, DUMP_ELF, dump_read_elf },
    { 0, "KDUMP   ", 8, DUMP_KDUMP, dump_read_kdump },
    { 0, "makedumpfile\0\0\0\0", 16, DUMP_KDUMP, dump_read_flattened },
    { 0, "PAGEDU64", 8, DUMP_WINDOWS, dump_read_windows },
    { 0, "EMiL\1\0\0\0", 8, DUMP_LIME, dump_read_lime },
    { 0, "AVML\2\0\0\0", 8, DUMP_AVML, dump_read_avml },
};

/*
 * Files that hold a guest's memory, or look as if, and are not read; what to
 * do instead.  Source: docs/guest-facts/dumps.md, "Others".
 */
static const struct {
    const char *magic;
    unsigned length;
    const char *what;
    const char *instead;
} others[] = {
#define QEMU_INSTEAD "make a dump with dump-guest-memory, or virsh dump " \
                     "--memory-only"
    { "PAGEDUMP", 8, "a crash dump of a 32-bit Windows",
      "only x86_64 is read" },
    { "MDMP", 4, "a minidump of one process, not of a machine",
      "debuggers read it" },
    { "EMiL", 4, "a LiME file of a version that is not known",
      "make it with LiME's format=lime" },
    { "AVML", 4, "an AVML file of a version that is not known",
      "convert it with avml-convert" },
    { "DISKDUMP", 8, "a diskdump of an old Linux", QEMU_INSTEAD },
    { "LKCD", 4, "an LKCD dump of Linux", QEMU_INSTEAD },
    { "QEVM", 4, "a migration stream of QEMU", QEMU_INSTEAD },
    { "LibvirtQemudSave", 16, "a file of virsh save or dump without "
      "--memory-only", QEMU_INSTEAD },
    { "LibvirtQemudPart", 16, "an unfinished file of virsh save or dump",
      QEMU_INSTEAD },
    { "QFI\xfb", 4, "a qcow2 disk", QEMU_INSTEAD },
    { "\xd0\xbe\xd2\xbe", 4, "VMware's .vmss or .vmsn",
      "give the .vmem file beside it" },
    { "\xd1\xba\xd1\xba", 4, "VMware's .vmss or .vmsn",
      "give the .vmem file beside it" },
    { "\xd2\xbe\xd2\xbe", 4, "VMware's .vmss or .vmsn",
      "give the .vmem file beside it" },
    { "\xd3\xbe\xd3\xbe", 4, "VMware's .vmss or .vmsn",
      "give the .vmem file beside it" },
    { "KDMV", 4, "a VMDK disk", "give the .vmem file" },
    { "COWD", 4, "a VMDK disk", "give the .vmem file" },
    { "\x14\x20\x28\x01", 4, "a saved state of Hyper-V (.vmrs)",
      "have Windows write a crash dump" },
    { "HIBR", 4, "a hibernation file of Windows",
      "have Windows write a crash dump" },
    { "hibr", 4, "a hibernation file of Windows",
      "have Windows write a crash dump" },
    { "WAKE", 4, "a hibernation file that was resumed from",
      "have Windows write a crash dump" },
    { "wake", 4, "a hibernation file that was resumed from",
      "have Windows write a crash dump" },
    { "\x1f\x8b", 2, "compressed with gzip", "unpack it first" },
    { "PK\3\4", 4, "a zip archive", "unpack it first" },
    { "\xfd" "7zXZ", 5, "compressed with xz", "unpack it first" },
    { "\x28\xb5\x2f\xfd", 4, "compressed with zstd", "unpack it first" },
    { "BZh", 3, "compressed with bzip2", "unpack it first" },
    { "\x04\x22\x4d\x18", 4, "compressed with lz4", "unpack it first" },
    { "7z\xbc\xaf", 4, "a 7z archive", "unpack it first" },
    { "MSCF", 4, "a cabinet archive", "unpack it first" },
#undef QEMU_INSTEAD
};

static bool refuse_others(const uint8_t *head, size_t n, Err *err)
{
    size_t i;

    for (i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (n >= others[i].length &&
            !memcmp(head, others[i].magic, others[i].length)) {
            err_set(err, ERR_FORMAT, "it is %s, which is not read here: %s",
                    others[i].what, others[i].instead);
            return true;
        }
    }
    return false;
}

static bool begin(Dump *dump, const uint8_t *data, uint64_t size, Err *err)
{
    memset(dump, 0, sizeof(*dump));
    dump->data = data;
    dump->file_size = dump->size = size;
    dump->mem = (GuestMem) { &dump_ops, dump };
    dump->regs = calloc(DUMP_MAX_CPUS, sizeof(*dump->regs));
    dump->places = calloc(DUMP_MAX_CPUS, sizeof(*dump->places));
    if (!dump->regs || !dump->places) {
        err_set(err, ERR_NOMEM, "no memory for registers");
        return false;
    }
    return true;
}

bool dump_open(Dump *dump, const uint8_t *data, uint64_t size, Err *err)
{
    uint8_t head[HEAD_ROOM] = { 0 };
    size_t n = size < sizeof(head) ? size : sizeof(head);
    size_t i;

    if (!begin(dump, data, size, err)) {
        return false;
    }
    if (size == 0) {
        err_set(err, ERR_FORMAT, "it is empty; dump-guest-memory -w leaves an "
                "empty file behind when the guest has no vmcoreinfo device "
                "and no driver for it");
        return false;
    }
    memcpy(head, data, n);
    for (i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        if (!memcmp(head + formats[i].at, formats[i].magic,
                    formats[i].length)) {
            dump->format = formats[i].format;
            if (!formats[i].read(dump, err)) {
                return false;
            }
            sort_parts(dump);
            return true;
        }
    }
    if (!refuse_others(head, n, err)) {
        err_set(err, ERR_USAGE, "it is no memory image in a format that is "
                "known");
    }
    return false;
}

bool dump_open_raw(Dump *dump, const uint8_t *data, uint64_t size,
                   uint64_t low, Err *err)
{
    if (!begin(dump, data, size, err)) {
        return false;
    }
    if (low == 0 || low > size) {
        low = size;
    }
    dump->format = DUMP_RAW;
    snprintf(dump->what, sizeof(dump->what), "raw memory");
    return dump_add_part(dump, &(DumpPart) { .size = low }, err) &&
           dump_add_part(dump, &(DumpPart) { .gpa = 1ULL << 32,
                                             .size = size - low,
                                             .offset = low }, err);
}

void dump_close(Dump *dump)
{
    free(dump->extents);
    free(dump->parts);
    free(dump->pages.bits);
    free(dump->pages.ranks);
    free(dump->regs);
    free(dump->places);
    dump_free_cache(dump);
    memset(dump, 0, sizeof(*dump));
}
