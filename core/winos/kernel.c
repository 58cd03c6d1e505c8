/*
 * winos/kernel: see kernel.h.
 *
 * Two questions, asked in turn of each root of page tables that registers or
 * memory offer: does it map what only a Windows kernel's address space has at
 * KUSER_SHARED_DATA, and does an image below an entry point call itself the
 * kernel?  What an entry point is, registers say; nothing else is trusted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/kernel.h"

#include "base/le.h"
#include "winos/accessor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * KUSER_SHARED_DATA, at the same address in every x64 build.
 * Source: docs/guest-facts/kernel.md, "Shared data".
 */
static const uint64_t shared_data = 0xfffff78000000000;

enum {
    SHARED_BUILD = 0x260,           /* since 10240 */
    SHARED_MAJOR = 0x26c,
    SHARED_MINOR = 0x270,
    SHARED_PROCESSORS = 0x3c0,
    SHARED_SIZE = 0x3c4,            /* as far as we read */
    MAX_MINOR = 3,
    MAX_PROCESSORS = 2048,
    BUILD_MASK = 0xffff,
};

/* Source: docs/guest-facts/kernel.md, "Image". */
enum {
    SCAN_PAGES = 0x2000,            /* 32 MiB below an anchor */
    MAX_PAGES = 4 * SCAN_PAGES,     /* in all scans together */
    MAX_ANCHORS = 16,
    MAX_ENTRIES = 3,                /* of them, whose code is read */
};

/* Source: docs/guest-facts/kernel.md, "Low stub". */
enum {
    STUB_FIRST = 0x1000,
    STUB_LAST = 0xff000,
    STUB_ENTRY = 0x70,
    STUB_ROOT = 0xa0,
    STUB_SIZE = 0xa8,
};

static const uint64_t cr3_root_mask = 0x000ffffffffff000;

typedef struct Anchors {
    unsigned n, n_scanned;
    uint64_t gva[MAX_ANCHORS];
    uint64_t scanned[MAX_ANCHORS];  /* pages from which we went down */
} Anchors;

typedef struct SharedData {
    uint32_t build, major, minor, processors;
} SharedData;

/* One call of winos_kernel_find(). */
typedef struct Search {
    const GuestMem *mem;
    const WinosRegs *regs;
    unsigned n_regs;
    unsigned pages_left;
    uint64_t stub_entry;            /* of the low stub at hand, or 0 */
    bool saw_shared_data;           /* through one root at least */
    bool is_usual;                  /* and they look like Windows' */
    SharedData data;                /* the last ones that were seen */
    bool saw_anchor;
} Search;

static bool read_shared_data(const GmemSpace *space, SharedData *data)
{
    uint8_t raw[SHARED_SIZE];

    if (!gmem_read(space, shared_data, raw, sizeof(raw), NULL)) {
        return false;
    }
    data->build = load_le32(raw + SHARED_BUILD) & BUILD_MASK;
    data->major = load_le32(raw + SHARED_MAJOR);
    data->minor = load_le32(raw + SHARED_MINOR);
    data->processors = load_le32(raw + SHARED_PROCESSORS);
    return true;
}

/*
 * Only a hint: what proves a kernel is the kernel.  It helps to explain why
 * none was found.
 */
static bool kernel_is_usual(const SharedData *data)
{
    return data->major >= 6 && data->major <= 10 &&
           data->minor <= MAX_MINOR && data->processors >= 1 &&
           data->processors <= MAX_PROCESSORS;
}

static void add_anchor(Anchors *anchors, const GmemSpace *space, uint64_t gva)
{
    unsigned i;

    if (!gmem_is_kernel(space, gva) || anchors->n == MAX_ANCHORS) {
        return;
    }
    for (i = 0; i < anchors->n; i++) {
        if (anchors->gva[i] == gva) {
            return;
        }
    }
    anchors->gva[anchors->n++] = gva;
}

/* Source: Intel SDM vol. 3A, 6.14.1 "64-Bit Mode IDT". */
static void add_gate(Anchors *anchors, const GmemSpace *space, uint64_t idt,
                     unsigned vector)
{
    uint8_t gate[16];

    if (gmem_is_kernel(space, idt) &&
        gmem_read(space, idt + vector * sizeof(gate), gate, sizeof(gate),
                  NULL) &&
        load_le16(gate + 4) & 0x8000) {
        add_anchor(anchors, space, load_le16(gate) |
                   (uint64_t)load_le16(gate + 6) << 16 |
                   (uint64_t)load_le32(gate + 8) << 32);
    }
}

/* The strongest first. */
static void collect_anchors(Search *search, const GmemSpace *space,
                            Anchors *anchors)
{
    static const uint8_t vectors[] = { 0, 14, 13, 6, 3, 1 };
    unsigned i;
    unsigned k;

    for (i = 0; i < search->n_regs && anchors->n < MAX_ANCHORS / 2; i++) {
        add_anchor(anchors, space, search->regs[i].lstar);
    }
    add_anchor(anchors, space, search->stub_entry);
    for (k = 0; k < sizeof(vectors); k++) {
        for (i = 0; i < search->n_regs && anchors->n < MAX_ANCHORS; i++) {
            add_gate(anchors, space, search->regs[i].idt_base, vectors[k]);
        }
    }
    search->saw_anchor = search->saw_anchor || anchors->n;
}

static bool has_anchor(const PeImage *image, const Anchors *anchors)
{
    unsigned i;

    for (i = 0; i < anchors->n; i++) {
        if (pe_contains(image, anchors->gva[i])) {
            return true;
        }
    }
    return false;
}

static uint64_t kernel_read_pointer(const GmemSpace *space, uint64_t gva)
{
    uint64_t value;

    return gva && gmem_read_u64(space, gva, &value) &&
           gmem_is_kernel(space, value) ? value : 0;
}

static uint32_t read_build(const GmemSpace *space, uint64_t gva)
{
    uint32_t value;

    return gva && gmem_read_u32(space, gva, &value) ? value & BUILD_MASK : 0;
}

/*
 * Is the image that was opened the kernel's?  Then take what it exports.  An
 * entry point of the processor's is in it, so a kernel it may be; that it is
 * one of this kind, its name says and something that it exports.
 */
static bool kernel_take_image(WinosKernel *kernel)
{
    static const char *const names[] = {
        "KeBugCheckEx", "NtBuildNumber", "PsInitialSystemProcess",
    };
    const unsigned n = sizeof(names) / sizeof(*names);
    const PeImage *image = &kernel->image;
    uint64_t at[sizeof(names) / sizeof(*names)];
    char name[PE_NAME_MAX];
    unsigned found;

    if (!pe_name(image, name)) {
        return false;
    }
    found = pe_exports(image, names, n, at);
    if (strcmp(name, "ntoskrnl.exe") &&
        (strncmp(name, "nt", 2) || found < n) &&
        ((strncmp(name, "ntos", 4) && strncmp(name, "ntkr", 4)) || !found)) {
        return false;
    }
    kernel->build_at = at[1];
    kernel->build = read_build(&image->space, at[1]);
    kernel->system_process = kernel_read_pointer(&image->space, at[2]);
    return true;
}

static bool was_scanned(const Anchors *anchors, uint64_t page)
{
    unsigned i;

    for (i = 0; i < anchors->n_scanned; i++) {
        if (page <= anchors->scanned[i] &&
            anchors->scanned[i] - page < (uint64_t)SCAN_PAGES * GMEM_PAGE) {
            return true;
        }
    }
    return false;
}

/* Pages that are missing, decoys and other images are passed over. */
static bool scan_down(Search *search, const GmemSpace *space,
                      const Anchors *anchors, uint64_t anchor,
                      WinosKernel *kernel)
{
    uint64_t page = anchor - anchor % GMEM_PAGE;
    unsigned i;

    for (i = 0; i < SCAN_PAGES && search->pages_left; i++) {
        if (was_scanned(anchors, page) || !gmem_is_kernel(space, page)) {
            return false;
        }
        search->pages_left--;
        if (pe_probe(space, page) &&
            pe_open(&kernel->image, space, page, NULL) &&
            has_anchor(&kernel->image, anchors) && kernel_take_image(kernel)) {
            return true;
        }
        page -= GMEM_PAGE;
    }
    return false;
}

static bool find_image(Search *search, const GmemSpace *space,
                       WinosKernel *kernel)
{
    Anchors anchors = { .n = 0 };
    unsigned i;

    collect_anchors(search, space, &anchors);
    for (i = 0; i < anchors.n; i++) {
        if (scan_down(search, space, &anchors, anchors.gva[i], kernel)) {
            return true;
        }
        anchors.scanned[anchors.n_scanned++] =
            anchors.gva[i] - anchors.gva[i] % GMEM_PAGE;
    }
    return false;
}

/*
 * KVA shadow moves the entry points to a section of their own.  A kernel that
 * was found by its start block, early in a boot, may have set none yet.
 */
static void find_shadow(Search *search, WinosKernel *kernel)
{
    const PeImage *image = &kernel->image;
    Anchors anchors = { .n = 0 };
    unsigned i;

    collect_anchors(search, &image->space, &anchors);
    for (i = 0; i < anchors.n; i++) {
        const PeSection *section = pe_section_of(image, anchors.gva[i]);

        if (section && anchors.gva[i] != search->stub_entry) {
            kernel->kva_shadow = !strcmp(section->name, "KVASCODE");
            kernel->kva_shadow_known = true;
            return;
        }
    }
}

static bool kernel_try_root(Search *search, uint64_t cr3, unsigned levels,
                            WinosKernel *kernel)
{
    GmemSpace space = { search->mem, cr3 & cr3_root_mask, levels };
    SharedData data;

    if (!space.cr3 || !read_shared_data(&space, &data)) {
        return false;
    }
    search->saw_shared_data = true;
    search->data = data;
    search->is_usual = kernel_is_usual(&data);
    if (!find_image(search, &space, kernel)) {
        return false;
    }
    kernel->space = space;
    if (search->is_usual) {
        kernel->major = data.major;
        kernel->minor = data.minor;
    }
    if (!kernel->build && search->is_usual && data.major >= 10) {
        kernel->build = data.build;
    }
    find_shadow(search, kernel);
    return true;
}

static unsigned kernel_levels_of(const WinosRegs *regs)
{
    return regs->la57 ? 5 : 4;
}

/* The kernel's CR3, if this entry code finds it in a vCPU's KPCR. */
static bool kernel_try_entry(Search *search, const GmemSpace *user,
                             uint64_t entry,
                             const WinosRegs *regs, WinosKernel *kernel)
{
    uint64_t kpcr[] = { regs->kernel_gs_base, regs->gs_base };
    int32_t offset = accessor_kernel_dtb(user, entry);
    uint64_t cr3;
    unsigned i;

    for (i = 0; offset >= 0 && i < 2; i++) {
        if (gmem_is_kernel(user, kpcr[i]) &&
            gmem_read_u64(user, kpcr[i] + (uint32_t)offset, &cr3) &&
            kernel_try_root(search, cr3, user->levels, kernel)) {
            return true;
        }
    }
    return false;
}

/*
 * In user mode under KVA shadow, CR3 maps the entry code and the part of the
 * KPCR from which that code takes the kernel's CR3.
 */
static bool try_shadow(Search *search, const WinosRegs *regs,
                       WinosKernel *kernel)
{
    GmemSpace user = { search->mem, regs->cr3, kernel_levels_of(regs) };
    Anchors entries = { .n = 0 };
    unsigned i;

    collect_anchors(search, &user, &entries);
    for (i = 0; i < entries.n && i < MAX_ENTRIES; i++) {
        if (kernel_try_entry(search, &user, entries.gva[i], regs, kernel)) {
            return true;
        }
    }
    return false;
}

/* Did an earlier vCPU have the same root? */
static bool kernel_was_tried(const Search *search, unsigned n)
{
    const WinosRegs *regs = search->regs;
    unsigned i;

    for (i = 0; i < n; i++) {
        if (regs[i].long_mode && regs[i].la57 == regs[n].la57 &&
            !((regs[i].cr3 ^ regs[n].cr3) & cr3_root_mask)) {
            return true;
        }
    }
    return false;
}

static bool try_vcpus(Search *search, WinosKernel *kernel)
{
    unsigned i;

    for (i = 0; i < search->n_regs; i++) {
        const WinosRegs *regs = &search->regs[i];

        if (!regs->long_mode) {
            continue;
        }
        if (!kernel_was_tried(search, i) &&
            kernel_try_root(search, regs->cr3, kernel_levels_of(regs),
                            kernel)) {
            return true;
        }
        if (try_shadow(search, regs, kernel)) {
            return true;
        }
    }
    return false;
}

static bool is_stub(const uint8_t *raw)
{
    return (load_le64(raw) & 0xffffffffffff00ff) == 0x00000001000600e9 &&
           (load_le64(raw + STUB_ENTRY) & 0xfffff80000000003) ==
           0xfffff80000000000 &&
           !(load_le64(raw + STUB_ROOT) & 0xffffff0000000fff);
}

static const WinosRegs *first_long_mode(const Search *search)
{
    unsigned i;

    for (i = 0; i < search->n_regs; i++) {
        if (search->regs[i].long_mode) {
            return &search->regs[i];
        }
    }
    return NULL;
}

/* The code that starts the other processors holds the kernel's CR3. */
static bool try_low_stub(Search *search, WinosKernel *kernel)
{
    unsigned levels = kernel_levels_of(first_long_mode(search));
    uint8_t raw[STUB_SIZE];
    uint64_t gpa;

    for (gpa = STUB_FIRST; gpa <= STUB_LAST; gpa += GMEM_PAGE) {
        if (!gmem_read_phys(search->mem, gpa, raw, sizeof(raw), NULL) ||
            !is_stub(raw)) {
            continue;
        }
        search->stub_entry = load_le64(raw + STUB_ENTRY);
        if (kernel_try_root(search, load_le64(raw + STUB_ROOT), levels,
                            kernel)) {
            return true;
        }
    }
    return false;
}

static void kernel_explain_no_root(const Search *search, Err *err)
{
    unsigned n = 0;
    unsigned n_user = 0;
    unsigned i;

    for (i = 0; i < search->n_regs; i++) {
        if (search->regs[i].long_mode) {
            n++;
            n_user += search->regs[i].cpl == 3;
        }
    }
    if (n_user < n) {
        err_set(err, ERR_FAULT, "no Windows kernel is visible: no page tables "
                "map its shared data at 0x%" PRIx64, shared_data);
    } else if (n == 1) {
        err_set(err, ERR_FAULT, "no page tables that map the kernel were "
                "seen; the only vCPU in 64-bit mode was in user mode");
    } else {
        err_set(err, ERR_FAULT, "no page tables that map the kernel were "
                "seen; all %u vCPUs were in user mode", n);
    }
}

/* What was seen of shared data, where it is not what Windows has there. */
static void kernel_explain_data(const Search *search, char *text, size_t size)
{
    if (search->is_usual) {
        text[0] = '\0';
        return;
    }
    snprintf(text, size, " (shared data is mapped at 0x%" PRIx64 ", and says "
             "version %" PRIu32 ".%" PRIu32 ", %" PRIu32 " processors)",
             shared_data, search->data.major, search->data.minor,
             search->data.processors);
}

static void kernel_explain(const Search *search, Err *err)
{
    uint64_t lstar = first_long_mode(search)->lstar;
    char seen[128];

    kernel_explain_data(search, seen, sizeof(seen));

    if (!search->saw_shared_data) {
        kernel_explain_no_root(search, err);
    } else if (!search->saw_anchor) {
        err_set(err, ERR_FAULT, "neither LSTAR nor the IDT points into a "
                "kernel yet%s", seen);
    } else if (lstar) {
        err_set(err, ERR_FORMAT, "LSTAR 0x%" PRIx64 " lies in no kernel "
                "image: this is not Windows%s", lstar, seen);
    } else {
        err_set(err, ERR_FORMAT, "no handler in the IDT lies in a kernel "
                "image: this is not Windows%s", seen);
    }
}

bool winos_kernel_find(const GuestMem *mem, const WinosRegs *regs,
                       unsigned n_regs, WinosKernel *kernel, Err *err)
{
    Search search = {
        .mem = mem,
        .regs = regs,
        .n_regs = n_regs,
        .pages_left = MAX_PAGES,
    };

    memset(kernel, 0, sizeof(*kernel));
    if (!first_long_mode(&search)) {
        err_set(err, ERR_FAULT, "no vCPU is in 64-bit mode yet");
        return false;
    }
    if (!try_vcpus(&search, kernel) && !try_low_stub(&search, kernel)) {
        kernel->saw_shared_data = search.saw_shared_data;
        kernel_explain(&search, err);
        return false;
    }
    return true;
}

bool winos_kernel_is_there(const WinosKernel *kernel)
{
    PeImage now;

    return pe_open(&now, &kernel->space, kernel->image.base, NULL) &&
           now.timestamp == kernel->image.timestamp &&
           now.size == kernel->image.size &&
           now.export_rva == kernel->image.export_rva;
}

bool winos_kernel_follow_build(WinosKernel *kernel)
{
    SharedData data = { .build = 0 };
    uint32_t build = read_build(&kernel->space, kernel->build_at);

    if (kernel->major >= 10) {
        read_shared_data(&kernel->space, &data);
    }
    if (!build) {
        build = kernel->build_at ? 0 : data.build;
    }
    if (!build || build == kernel->build ||
        (data.build && data.build != build)) {
        return false;
    }
    kernel->build = build;
    return true;
}

/* Self and CurrentPrcb are looked for in so many bytes of a KPCR. */
enum { KPCR_HEAD = 0x200, KPCR_PRCB_MAX = 0x1000 };

static bool points_to_itself(const GmemSpace *space, uint64_t gva,
                             uint32_t offset)
{
    uint64_t value;

    return gmem_read_u64(space, gva + offset, &value) && value == gva;
}

/* Does a pointer stand there to a block inside the KPCR? */
static bool points_inside(const GmemSpace *space, uint64_t gva,
                          uint32_t offset)
{
    uint64_t value;

    return gmem_read_u64(space, gva + offset, &value) && value > gva &&
           value - gva < KPCR_PRCB_MAX && value % 8 == 0;
}

static bool has_prcb(const GmemSpace *space, uint64_t gva)
{
    uint32_t offset;

    for (offset = 0; offset < KPCR_HEAD; offset += 8) {
        if (points_inside(space, gva, offset)) {
            return true;
        }
    }
    return false;
}

/*
 * An empty list also points to itself; but a KPCR has a pointer to its PRCB
 * too, which is inside of it.  In every build so far that one comes next.
 * Source: docs/guest-facts/kernel.md, "KPCR".
 */
static int32_t find_self(const GmemSpace *space, uint64_t gva)
{
    int32_t found = WINOS_NO_OFFSET;
    uint32_t offset;

    if (!has_prcb(space, gva)) {
        return WINOS_NO_OFFSET;
    }
    for (offset = 0; offset < KPCR_HEAD; offset += 8) {
        if (!points_to_itself(space, gva, offset)) {
            continue;
        }
        if (points_inside(space, gva, offset + 8)) {
            return (int32_t)offset;
        }
        if (found < 0) {
            found = (int32_t)offset;
        }
    }
    return found;
}

bool winos_kpcr_find(const GmemSpace *space, int32_t self,
                     const WinosRegs *regs, uint64_t *kpcr,
                     int32_t *found_self)
{
    uint64_t bases[] = { regs->gs_base, regs->kernel_gs_base };
    int32_t at;
    unsigned i;

    for (i = 0; i < 2; i++) {
        if (!gmem_is_kernel(space, bases[i])) {
            continue;
        }
        at = self;
        if (at < 0) {
            at = find_self(space, bases[i]);
        } else if (!points_to_itself(space, bases[i], (uint32_t)at)) {
            at = WINOS_NO_OFFSET;
        }
        if (at >= 0) {
            *kpcr = bases[i];
            *found_self = at;
            return true;
        }
    }
    return false;
}
