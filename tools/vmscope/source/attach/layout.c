/*
 * attach/layout: see layout.h.
 *
 * Sources: qemu/qemu: softmmu/memory.c and system/memory.c (mtree),
 * exec.c, softmmu/physmem.c and system/physmem.c (ramblock), monitor/misc.c
 * and monitor/hmp-cmds.c (gpa2hva), hw/i386/pc_q35.c, hw/i386/pc_piix.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/layout.h"

#include "common/message.h"
#include "common/translate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Mappings that RAM is looked for in: those of eight nodes. */
enum { MAX_PIECES = 8 };

static const uint64_t four_gib = (uint64_t)4 << 30;

void attach_layout_init(AttachLayout *layout)
{
    memset(layout, 0, sizeof(*layout));
    layout->ranges = calloc(ATTACH_MAX_RANGES, sizeof(*layout->ranges));
    if (!layout->ranges) {
        die_no_memory();
    }
}

void attach_layout_free(AttachLayout *layout)
{
    free(layout->ranges);
    memset(layout, 0, sizeof(*layout));
}

bool attach_layout_same(const AttachLayout *a, const AttachLayout *b)
{
    unsigned i;

    for (i = 0; a->n == b->n && i < a->n; i++) {
        if (a->ranges[i].gpa != b->ranges[i].gpa ||
            a->ranges[i].size != b->ranges[i].size ||
            a->ranges[i].hva != b->ranges[i].hva) {
            return false;
        }
    }
    return a->n == b->n;
}

/* Ranges come by rising address; one that does not is left out. */
static void add_range(AttachLayout *layout, const AttachRange *range)
{
    const AttachRange *last = layout->n ? &layout->ranges[layout->n - 1]
                                        : NULL;

    if (layout->n == ATTACH_MAX_RANGES || !range->size ||
        range->size - 1 > UINT64_MAX - range->gpa ||
        (last && range->gpa < last->gpa + last->size)) {
        return;
    }
    layout->ranges[layout->n++] = *range;
    layout->bytes += range->size;
}

/* Copies up to the end of the line; moves @text behind it. */
static bool next_line(const char **text, char *line, size_t size)
{
    size_t len = strcspn(*text, "\n");

    if (!**text) {
        return false;
    }
    snprintf(line, size, "%.*s", (int)(len < size ? len : size - 1), *text);
    line[strcspn(line, "\r")] = '\0';
    *text += len + ((*text)[len] == '\n');
    return true;
}

/* "  000..000-000..fff (prio 0, ram): pc.ram @0000000000100000 KVM" */
static bool parse_range(const char *line, AttachRange *range)
{
    uint64_t first;
    uint64_t last;
    char kind[32];
    int at = 0;
    const char *offset;

    memset(range, 0, sizeof(*range));
    if (sscanf(line, " %" SCNx64 "-%" SCNx64 " (prio %*d, %31[^)]): %n",
               &first, &last, kind, &at) != 3 || !at || last < first ||
        (strcmp(kind, "ram") && strcmp(kind, "rom") &&
         strcmp(kind, "nv-ram"))) {
        return false;
    }
    range->gpa = first;
    range->size = last - first + 1;
    offset = strstr(line + at, " @");
    if (offset) {
        range->offset = strtoull(offset + 2, NULL, 16);
    }
    snprintf(range->block, sizeof(range->block), "%.*s",
             (int)(offset ? offset - (line + at)
                          : (long)strcspn(line + at, " ")), line + at);
    return true;
}

bool attach_layout_parse_mtree(AttachLayout *layout, const char *text,
                               Err *err)
{
    char line[512];
    AttachRange range;
    bool wanted = false;
    bool in_spaces = false;

    layout->n = 0;
    layout->bytes = 0;
    while (next_line(&text, line, sizeof(line))) {
        if (!strncmp(line, "FlatView", 8)) {
            wanted = false;
        } else if (!strncmp(line, " AS \"", 5)) {
            in_spaces = true;
            wanted |= !strncmp(line + 5, "memory\"", 7);
        } else if (wanted && parse_range(line, &range)) {
            add_range(layout, &range);
        }
    }
    if (!layout->n) {
        err_set(err, ERR_FORMAT, in_spaces
                ? "\"info mtree -f\" shows no RAM in the address space memory"
                : N_("\"info mtree -f\" gives no address spaces"));
    }
    return layout->n != 0;
}

/* Of "name 4 KiB 0x.. 0x.. 0x.. 0x7f.. rw" the sixth number, if any. */
static bool parse_block(const char *line, char *name, size_t size,
                        uint64_t *hva)
{
    const char *hex = line;
    unsigned i;
    int len;

    len = (int)strcspn(line + strspn(line, " "), " ");
    snprintf(name, size, "%.*s", len, line + strspn(line, " "));
    for (i = 0; i < 4; i++) {
        hex = strstr(hex, " 0x");
        if (!hex) {
            return false;
        }
        hex += 3;
    }
    *hva = strtoull(hex, NULL, 16);
    return *hva != 0;
}

/* A block's name there, and the one that mtree has: that of its region. */
static bool same_block(const char *block, const char *region)
{
    const char *slash = strrchr(block, '/');
    const char *last = strrchr(region, '/');

    return !strcmp(block, region) ||
           (slash && !strcmp(slash + 1, last ? last + 1 : region));
}

unsigned attach_layout_parse_ramblock(AttachLayout *layout, const char *text)
{
    unsigned *matches = calloc(ATTACH_MAX_RANGES, sizeof(*matches));
    unsigned missing = 0;
    char line[512];
    char name[256];
    uint64_t hva;
    unsigned i;

    if (!matches) {
        die_no_memory();
    }
    while (next_line(&text, line, sizeof(line))) {
        if (!parse_block(line, name, sizeof(name), &hva)) {
            continue;
        }
        for (i = 0; i < layout->n; i++) {
            AttachRange *range = &layout->ranges[i];

            if (same_block(name, range->block)) {
                range->hva = matches[i]++ ? 0 : hva + range->offset;
            }
        }
    }
    for (i = 0; i < layout->n; i++) {
        missing += !layout->ranges[i].hva;
    }
    free(matches);
    return missing;
}

uint64_t attach_layout_parse_gpa2hva(const char *text)
{
    const char *is = strstr(text, ") is 0x");

    return is ? strtoull(is + 5, NULL, 16) : 0;
}

/* "start-end rw-p offset dev:dev inode path" */
static bool parse_mapping(const char *line, AttachMapping *mapping)
{
    unsigned major_number;
    unsigned minor_number;
    char rights[8];
    int at = 0;

    memset(mapping, 0, sizeof(*mapping));
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %x:%x %" SCNu64
               " %n", &mapping->start, &mapping->end, rights,
               &mapping->offset, &major_number, &minor_number,
               &mapping->inode, &at) < 7 ||
        mapping->end <= mapping->start || strlen(rights) < 4) {
        return false;
    }
    mapping->device = makedev(major_number, minor_number);
    mapping->writable = rights[1] == 'w';
    mapping->executable = rights[2] == 'x';
    mapping->shared = rights[3] == 's';
    snprintf(mapping->path, sizeof(mapping->path), "%s", at ? line + at : "");
    return rights[0] == 'r';
}

AttachMapping *attach_mappings_parse(const char *text, size_t *n)
{
    AttachMapping *mappings = NULL;
    size_t room = 0;
    char line[1024];

    *n = 0;
    while (*n < ATTACH_MAX_MAPPINGS && next_line(&text, line, sizeof(line))) {
        if (*n == room) {
            room = room ? 2 * room : 256;
            mappings = reallocarray(mappings, room, sizeof(*mappings));
            if (!mappings) {
                die_no_memory();
            }
        }
        *n += parse_mapping(line, &mappings[*n]);
    }
    return mappings;
}

const AttachMapping *attach_mapping_at(const AttachMapping *mappings,
                                       size_t n, uint64_t address)
{
    size_t i;

    for (i = 0; i < n; i++) {
        if (address >= mappings[i].start && address < mappings[i].end) {
            return &mappings[i];
        }
    }
    return NULL;
}

/* Pieces of RAM, in the order of guest-physical memory. */
typedef struct Pieces {
    const AttachMapping *piece[MAX_PIECES];
    unsigned n;
    uint64_t size;              /* of all */
} Pieces;

static uint64_t size_of(const AttachMapping *mapping)
{
    return mapping->end - mapping->start;
}

static bool may_be_ram(const AttachMapping *mapping)
{
    return mapping->writable && !mapping->executable &&
           mapping->path[0] != '[';
}

/* Keep the MAX_PIECES largest, the largest first. */
static void find_largest(Pieces *pieces, const AttachMapping *mappings,
                         size_t n)
{
    size_t i;
    unsigned k;

    pieces->n = 0;
    for (i = 0; i < n; i++) {
        if (!may_be_ram(&mappings[i])) {
            continue;
        }
        for (k = pieces->n; k > 0 && size_of(&mappings[i]) >
                                     size_of(pieces->piece[k - 1]); k--) {
            if (k < MAX_PIECES) {
                pieces->piece[k] = pieces->piece[k - 1];
            }
        }
        if (k < MAX_PIECES) {
            pieces->piece[k] = &mappings[i];
            pieces->n += pieces->n < MAX_PIECES;
        }
    }
}

/* Whether QEMU made @a before @b: Linux maps from high addresses to low. */
static bool is_older(const AttachMapping *a, const AttachMapping *b)
{
    return a->start > b->start;
}

/*
 * The first so many that make up @memory, else the largest alone.  QEMU makes
 * its backends in the order in which they become nodes, most often.
 */
static void choose_pieces(Pieces *pieces, uint64_t memory, bool backwards)
{
    unsigned n;
    unsigned i;

    pieces->size = 0;
    for (n = 0; n < pieces->n && pieces->size < memory; n++) {
        pieces->size += size_of(pieces->piece[n]);
    }
    if (!memory || pieces->size != memory) {
        n = 1;
        pieces->size = size_of(pieces->piece[0]);
    }
    pieces->n = n;
    for (n = 1; n < pieces->n; n++) {
        for (i = n; i > 0 && is_older(pieces->piece[i],
                                      pieces->piece[i - 1]) != backwards;
             i--) {
            const AttachMapping *other = pieces->piece[i];

            pieces->piece[i] = pieces->piece[i - 1];
            pieces->piece[i - 1] = other;
        }
    }
}

/* @pieces behind each other; what is from @low bytes on lies above 4 GiB. */
static void add_pieces(AttachLayout *layout, const Pieces *pieces,
                       uint64_t low)
{
    uint64_t at = 0;
    unsigned i;

    for (i = 0; i < pieces->n; i++) {
        uint64_t size = size_of(pieces->piece[i]);
        uint64_t below = at >= low ? 0 : low - at < size ? low - at : size;
        AttachRange first = { .gpa = at, .size = below,
                              .hva = pieces->piece[i]->start };
        AttachRange rest = { .gpa = four_gib + (at + below - low),
                             .size = size - below,
                             .hva = pieces->piece[i]->start + below };

        add_range(layout, &first);
        if (rest.size) {
            add_range(layout, &rest);
        }
        at += size;
    }
}

/* RAM below 4 GiB on this machine; from it on, the rest lies above. */
static uint64_t below_4g(bool q35, uint64_t size)
{
    if (q35) {
        return size >= 0xb0000000 ? 0x80000000 : size;
    }
    return size >= 0xe0000000 ? 0xc0000000 : size;
}

bool attach_layout_guess(AttachLayout *layout, const AttachMapping *mappings,
                         size_t n, unsigned number, const AttachShape *shape)
{
    bool q35 = shape->is_q35 || !shape->is_pc;
    uint64_t lows[4];
    Pieces pieces;

    layout->n = 0;
    layout->bytes = 0;
    find_largest(&pieces, mappings, n);
    if (!pieces.n) {
        return false;
    }
    choose_pieces(&pieces, shape->memory, number >= 4);
    if (number >= (pieces.n > 1 ? 8 : 4)) {
        return false;
    }
    lows[0] = below_4g(q35, pieces.size);
    lows[1] = below_4g(!q35, pieces.size);
    lows[2] = pieces.size < 0xb0000000 ? pieces.size : 0xb0000000;
    lows[3] = pieces.size < 0xe0000000 ? pieces.size : 0xe0000000;
    add_pieces(layout, &pieces, lows[number % 4]);
    return true;
}
