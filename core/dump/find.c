/*
 * dump/find: what stands in for registers, where a file has none.
 *
 * winos finds a kernel by the registers of vCPUs.  A KPCR's own address is
 * what GS would hold, its IdtBase what IDTR would, and a root of page tables
 * is what CR3 would.  So registers are made of those, and winos checks them
 * as it checks any others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"
#include "winos/kdbg.h"
#include "winos/kernel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Source: docs/guest-facts/kernel.md, "KPCR". */
enum {
    KPCR_SELF = 0x18, KPCR_CURRENT_PRCB = 0x20, KPCR_IDT = 0x38,
    KPCR_PRCB = 0x180, PRCB_NUMBER = 0x24,
    KPCR_HEAD = KPCR_PRCB + PRCB_NUMBER + 4,
};

/* Source: docs/guest-facts/modules.md. */
enum { ENTRY_BASE = 0x30 };

static const uint64_t shared_data = 0xfffff78000000000;

enum {
    MAX_HITS = 4 * DUMP_MAX_CPUS,   /* pages that look like a KPCR */
    MAX_ROOTS = 256,
    MAX_PACKED = 24,
    PROGRESS_PAGES = 1 << 16,
};

/* A page that looks like a KPCR. */
typedef struct Hit {
    uint64_t gpa, gva;
} Hit;

typedef struct Seek {
    Dump *dump;
    DumpProgress *progress;
    unsigned n_hits, n_roots;
    Hit hits[MAX_HITS];
    uint64_t roots[MAX_ROOTS];
    uint8_t levels[MAX_ROOTS];
} Seek;

static bool looks_like_kpcr(const uint8_t *head, uint64_t *gva)
{
    *gva = load_le64(head + KPCR_SELF);
    return *gva >> 63 && *gva % GMEM_PAGE == 0 &&
           load_le64(head + KPCR_CURRENT_PRCB) == *gva + KPCR_PRCB;
}

static bool add_cpu(Dump *dump, const GmemSpace *space, uint64_t kpcr)
{
    uint8_t head[KPCR_HEAD];
    WinosRegs *regs = &dump->regs[dump->n_regs];
    uint64_t self;

    if (dump->n_regs == DUMP_MAX_CPUS || !gmem_is_kernel(space, kpcr) ||
        !gmem_read(space, kpcr, head, sizeof(head), NULL) ||
        !looks_like_kpcr(head, &self) || self != kpcr) {
        return false;
    }
    *regs = (WinosRegs) {
        .vcpu = dump->n_regs,
        .long_mode = true,
        .la57 = space->levels == 5,
        .gs_base = kpcr,
        .cr3 = space->cr3,
        .idt_base = load_le64(head + KPCR_IDT),
    };
    dump->places[dump->n_regs] = (DumpPlace) { 0 };
    dump->n_regs++;
    return true;
}

/* The kernel lists the blocks of its CPUs, by their numbers. */
static bool use_kernel(Dump *dump, const PeImage *image)
{
    uint64_t prcb;
    unsigned i;
    Kdbg kdbg;

    if (!kdbg_find(image, &kdbg, NULL)) {
        return false;
    }
    dump->n_regs = 0;
    for (i = 0; i < DUMP_MAX_CPUS && kdbg.processor_block &&
         gmem_read_u64(&image->space, kdbg.processor_block + i * 8ULL,
                       &prcb) && prcb; i++) {
        add_cpu(dump, &image->space, prcb - KPCR_PRCB);
    }
    return dump->n_regs > 0;
}

/* A Windows header names the list of modules; the kernel is its first. */
static bool try_header(Dump *dump, unsigned levels)
{
    GmemSpace space = { &dump->mem, dump->windows.cr3, levels };
    uint64_t entry, base;
    PeImage image;

    return dump->windows.cr3 &&
           gmem_is_kernel(&space, dump->windows.module_list) &&
           gmem_read_u64(&space, dump->windows.module_list, &entry) &&
           gmem_is_kernel(&space, entry) &&
           gmem_read_u64(&space, entry + ENTRY_BASE, &base) &&
           gmem_is_kernel(&space, base) &&
           pe_open(&image, &space, base, NULL) && use_kernel(dump, &image);
}

/* The code that starts other processors has a root and an entry point. */
static bool try_stub(Dump *dump, unsigned levels)
{
    WinosRegs regs = { .long_mode = true, .la57 = levels == 5,
                       .cr3 = dump->windows.cr3 };
    WinosKernel kernel;

    return winos_kernel_find(&dump->mem, &regs, 1, &kernel, NULL) &&
           use_kernel(dump, &kernel.image);
}

static void look_at_page(Seek *seek, uint64_t gpa)
{
    GmemSpace space = { &seek->dump->mem, gpa, 4 };
    uint8_t raw[KPCR_CURRENT_PRCB + 8];
    uint64_t gva;

    if (!gmem_read_phys(space.mem, gpa, raw, sizeof(raw), NULL)) {
        return;
    }
    if (looks_like_kpcr(raw, &gva) && seek->n_hits < MAX_HITS) {
        seek->hits[seek->n_hits++] = (Hit) { gpa, gva };
    }
    for (; space.levels <= 5 && seek->n_roots < MAX_ROOTS; space.levels++) {
        if (gmem_translate(&space, shared_data, &gva, NULL, NULL)) {
            seek->levels[seek->n_roots] = (uint8_t)space.levels;
            seek->roots[seek->n_roots++] = gpa;
            return;
        }
    }
}

static void tell(Seek *seek, uint64_t done, uint64_t all)
{
    if (seek->progress && (done % PROGRESS_PAGES == 0 || done == all)) {
        seek->progress(done, all);
    }
}

/* How many pages from there on lie in a hole of the file. */
static uint64_t pages_of_hole(const Dump *dump, uint64_t offset,
                              uint64_t *stored_to)
{
    uint64_t data = 0, hole = 0;

    if (offset < *stored_to) {
        return 0;
    }
    if (!dump->stored(dump->stored_opaque, offset, &data, &hole)) {
        *stored_to = UINT64_MAX;
        return 0;
    }
    *stored_to = hole > offset ? hole : UINT64_MAX;
    return data > offset ? (data - offset) / GMEM_PAGE : 0;
}

/* Pages of zeroes that no disk holds are none of those that are looked for. */
static uint64_t look_at_part(Seek *seek, const DumpPart *part, uint64_t pages,
                             uint64_t all)
{
    bool plain = seek->dump->stored && !seek->dump->n_extents &&
                 part->codec == DUMP_STORED;
    uint64_t stored_to = plain ? 0 : UINT64_MAX;
    uint64_t n = (part->size + GMEM_PAGE - 1) / GMEM_PAGE;
    uint64_t i;

    for (i = 0; i < n && pages; i++) {
        uint64_t skip = pages_of_hole(seek->dump, part->offset + i * GMEM_PAGE,
                                      &stored_to);

        skip = skip < n - i ? skip : n - i;
        skip = skip < pages ? skip : pages;
        pages -= skip;
        i += skip;
        if (i < n && pages) {
            tell(seek, all - pages--, all);
            look_at_page(seek, part->gpa + i * GMEM_PAGE);
        }
    }
    return pages;
}

/*
 * Parts may all be the same bytes of a small file, so pages are counted.
 * Compressed ones are at most so many times larger than in the file; pages
 * with descriptors are as many as those that the file has room for.
 */
static uint64_t most_pages(const Dump *dump)
{
    uint64_t pages = MAX_PACKED * (dump->file_size / GMEM_PAGE + 1);
    uint64_t described = dump->pages.described ? dump->pages.n_pages : 0;
    uint64_t room = dump->file_size / DUMP_DESCRIPTOR;

    return pages + (described < room ? described : room);
}

static void look_everywhere(Seek *seek)
{
    Dump *dump = seek->dump;
    uint64_t pages = most_pages(dump);
    uint64_t all = pages, p;

    for (p = 0; p < dump->n_parts; p++) {
        pages = look_at_part(seek, &dump->parts[p], pages, all);
    }
    for (p = 0; p < dump->pages.n_bits && pages; p++) {
        if (dump->pages.bits[p / 8] == 0) {
            p |= 7;
        } else if (dump->pages.bits[p / 8] >> p % 8 & 1) {
            tell(seek, all - pages--, all);
            look_at_page(seek, p * dump->pages.block);
        }
    }
    tell(seek, all, all);
}

/* Through a root, how many pages are where they say they are? */
static unsigned count_mapped(const Seek *seek, const GmemSpace *space)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < seek->n_hits; i++) {
        uint64_t gpa;

        n += gmem_is_kernel(space, seek->hits[i].gva) &&
             gmem_translate(space, seek->hits[i].gva, &gpa, NULL, NULL) &&
             gpa == seek->hits[i].gpa;
    }
    return n;
}

static int by_number(const void *a, const void *b)
{
    const WinosRegs *x = a, *y = b;

    return x->vcpu < y->vcpu ? -1 : x->vcpu > y->vcpu;
}

/* In the order of Windows' own numbers. */
static void order_cpus(Dump *dump)
{
    unsigned i;

    for (i = 0; i < dump->n_regs; i++) {
        GmemSpace space = { &dump->mem, dump->regs[i].cr3,
                            dump->regs[i].la57 ? 5 : 4 };
        uint32_t number;

        if (gmem_read_u32(&space, dump->regs[i].gs_base + KPCR_PRCB +
                          PRCB_NUMBER, &number)) {
            dump->regs[i].vcpu = number;
        }
    }
    qsort(dump->regs, dump->n_regs, sizeof(*dump->regs), by_number);
    for (i = 0; i < dump->n_regs; i++) {
        dump->regs[i].vcpu = i;
    }
}

static bool use_hits(Seek *seek)
{
    Dump *dump = seek->dump;
    GmemSpace best = { .mem = &dump->mem };
    unsigned i, most = 0;

    for (i = 0; i < seek->n_roots; i++) {
        GmemSpace space = { &dump->mem, seek->roots[i], seek->levels[i] };
        unsigned n = count_mapped(seek, &space);

        if (n > most) {
            most = n;
            best = space;
        }
    }
    dump->n_regs = 0;
    for (i = 0; most && i < seek->n_hits; i++) {
        uint64_t gpa;

        if (gmem_translate(&best, seek->hits[i].gva, &gpa, NULL, NULL) &&
            gpa == seek->hits[i].gpa) {
            add_cpu(dump, &best, seek->hits[i].gva);
        }
    }
    order_cpus(dump);
    return dump->n_regs > 0;
}

static bool explain(const Seek *seek, Err *err)
{
    if (seek->n_roots == 0) {
        err_set(err, ERR_FAULT, "no Windows kernel is in it: none of its "
                "pages is a root of page tables that map the shared data at "
                "0x%" PRIx64, shared_data);
    } else {
        err_set(err, ERR_FAULT, "no Windows kernel is in it: %u of its pages "
                "look like a CPU's KPCR, and none of %u roots of page tables "
                "maps one where it says it is", seek->n_hits, seek->n_roots);
    }
    return false;
}

bool dump_find_cpus(Dump *dump, DumpProgress *progress, Err *err)
{
    Seek *seek;
    bool found;

    dump->found_cpus = true;
    if (try_header(dump, 4) || try_header(dump, 5) || try_stub(dump, 4) ||
        try_stub(dump, 5)) {
        return true;
    }
    seek = calloc(1, sizeof(*seek));
    if (!seek) {
        err_set(err, ERR_NOMEM, "no memory to search it");
        return false;
    }
    seek->dump = dump;
    seek->progress = progress;
    look_everywhere(seek);
    found = use_hits(seek) || explain(seek, err);
    free(seek);
    return found;
}
