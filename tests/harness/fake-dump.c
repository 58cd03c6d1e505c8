/*
 * fake-dump: see fake-dump.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fake-dump.h"

#include <elf.h>
#include <string.h>
#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_LZO
#include <lzo/lzo1x.h>
#endif
#ifdef HAVE_SNAPPY
#include <snappy-c.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

enum { PAGE = 4096 };

static const char *const kind_names[FAKE_N_KINDS] = {
    [FAKE_RAW] = "raw",
    [FAKE_ELF_QEMU] = "elf-qemu",
    [FAKE_ELF_VBOX] = "elf-vbox",
    [FAKE_ELF_XEN] = "elf-xen",
    [FAKE_ELF_FLAT] = "elf-flat",
    [FAKE_KDUMP_STORED] = "kdump-stored",
    [FAKE_KDUMP_ZLIB] = "kdump-zlib",
    [FAKE_KDUMP_LZO] = "kdump-lzo",
    [FAKE_KDUMP_SNAPPY] = "kdump-snappy",
    [FAKE_KDUMP_ZSTD] = "kdump-zstd",
    [FAKE_KDUMP_FLAT] = "kdump-flat",
    [FAKE_WINDOWS_FULL] = "windows-full",
    [FAKE_WINDOWS_KERNEL] = "windows-kernel",
    [FAKE_WINDOWS_BITMAP] = "windows-bitmap",
    [FAKE_WINDOWS_ACTIVE] = "windows-active",
    [FAKE_WINDOWS_AUTOMATIC] = "windows-automatic",
    [FAKE_WINDOWS_RANGES_K] = "windows-ranges-k",
    [FAKE_WINDOWS_RANGES_KA] = "windows-ranges-ka",
    [FAKE_WINDOWS_RANGES_F] = "windows-ranges-f",
    [FAKE_WINDOWS_TRIAGE] = "windows-triage",
    [FAKE_WINDOWS_TRIAGE_ALL] = "windows-triage-all",
    [FAKE_LIME] = "lime",
    [FAKE_AVML] = "avml",
};

const char *fake_dump_name(FakeDumpKind kind)
{
    return kind_names[kind];
}

bool fake_dump_has_regs(FakeDumpKind kind)
{
    return kind == FAKE_ELF_QEMU || kind == FAKE_ELF_VBOX ||
           kind == FAKE_ELF_FLAT ||
           (kind >= FAKE_KDUMP_STORED && kind <= FAKE_KDUMP_FLAT);
}

static void put(GByteArray *out, const void *bytes, uint64_t n)
{
    g_byte_array_append(out, bytes, (guint)n);
}

static void put_zeroes(GByteArray *out, uint64_t n)
{
    guint at = out->len;

    g_byte_array_set_size(out, at + (guint)n);
    if (n) {
        memset(out->data + at, 0, n);
    }
}

static void fill_to(GByteArray *out, uint64_t at)
{
    g_assert_cmpuint(out->len, <=, at);
    put_zeroes(out, at - out->len);
}


static void put32(GByteArray *out, uint32_t value)
{
    put(out, &(guint32){ GUINT32_TO_LE(value) }, 4);
}

static void put64(GByteArray *out, uint64_t value)
{
    put(out, &(guint64){ GUINT64_TO_LE(value) }, 8);
}

static void set32(GByteArray *out, uint64_t at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(out->data + at, &value, 4);
}

static void set64(GByteArray *out, uint64_t at, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    memcpy(out->data + at, &value, 8);
}

static uint64_t count_pages(const FakeDump *d)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < d->n_runs; i++) {
        n += d->runs[i].size / PAGE;
    }
    return n;
}

static uint64_t end_page(const FakeDump *d)
{
    const FakeRun *last = &d->runs[d->n_runs - 1];

    return (last->gpa + last->size) / PAGE;
}

/* ELF. */

static void put_note(GByteArray *out, const char *name, uint32_t type,
                     const GByteArray *desc)
{
    uint32_t length = (uint32_t)strlen(name) + 1;

    put32(out, length);
    put32(out, desc->len);
    put32(out, type);
    put(out, name, length);
    put_zeroes(out, -length & 3);
    put(out, desc->data, desc->len);
    put_zeroes(out, -desc->len & 3);
}

static void put_segment(GByteArray *out, uint32_t selector, uint64_t base)
{
    put32(out, selector);
    put_zeroes(out, 12);
    put64(out, base);
}

static void put_qemu_notes(GByteArray *out, const FakeDump *d)
{
    g_autoptr(GByteArray) empty = g_byte_array_new();
    unsigned i, s;

    put_zeroes(empty, 0x150);
    for (i = 0; i < d->n_regs; i++) {
        put_note(out, "CORE", 1, empty);
    }
    for (i = 0; i < d->n_regs; i++) {
        const WinosRegs *regs = &d->regs[i];
        g_autoptr(GByteArray) desc = g_byte_array_new();

        put32(desc, 1);
        put32(desc, 0x1b8);
        put_zeroes(desc, 16 * 8);
        put64(desc, 0x1111111100000000 + i);        /* rip */
        put64(desc, 0x202);
        for (s = 0; s < 10; s++) {
            put_segment(desc, s == 0 ? regs->cpl : 0, s == 4 ? regs->gs_base :
                        s == 9 ? regs->idt_base : 0);
        }
        put_zeroes(desc, 3 * 8);
        put64(desc, regs->cr3);
        put64(desc, regs->la57 ? 1 << 12 : 0);
        put64(desc, regs->kernel_gs_base);
        g_assert_cmpuint(desc->len, ==, 0x1b8);
        put_note(out, "QEMU", 0, desc);
    }
}

static void put_vbox_notes(GByteArray *out, const FakeDump *d)
{
    g_autoptr(GByteArray) core = g_byte_array_new();
    unsigned i;

    put32(core, 0xc01ac0de);
    put32(core, 0x00010005);
    put_zeroes(core, 16);
    put_note(out, "VBCORE", 0xb00, core);
    for (i = 0; i < d->n_regs; i++) {
        const WinosRegs *regs = &d->regs[i];
        g_autoptr(GByteArray) desc = g_byte_array_new();

        put_zeroes(desc, 8768);
        set64(desc, 14 * 8, 0x1111111100000000 + i);
        set32(desc, 0xa0, regs->cpl);
        set64(desc, 0xf0, regs->gs_base);
        set64(desc, 0x130, regs->cr3);
        set64(desc, 0x138, regs->la57 ? 1 << 12 : 0);
        set64(desc, 0x190, regs->idt_base);
        set64(desc, 0x200, regs->lstar);
        set64(desc, 0x218, regs->kernel_gs_base);
        put_note(out, "VBCPU", 0xb01, desc);
    }
}

static void put_phdr(GByteArray *out, uint32_t type, uint64_t offset,
                     uint64_t gpa, uint64_t size)
{
    Elf64_Phdr phdr = { .p_type = type, .p_offset = offset, .p_paddr = gpa,
                        .p_filesz = size, .p_memsz = size };

    put(out, &phdr, sizeof(phdr));
}

static GByteArray *elf_head(unsigned n_segments)
{
    Elf64_Ehdr head = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
        .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = 1,
        .e_phoff = sizeof(head), .e_ehsize = 8,     /* as QEMU has it */
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (uint16_t)n_segments,
    };
    GByteArray *out = g_byte_array_new();

    put(out, &head, sizeof(head));
    return out;
}

static GByteArray *write_elf(const FakeDump *d, bool vbox)
{
    g_autoptr(GByteArray) notes = g_byte_array_new();
    GByteArray *out = elf_head(d->n_runs + 1);
    uint64_t at = sizeof(Elf64_Ehdr) + (d->n_runs + 1) * sizeof(Elf64_Phdr);
    unsigned i;

    if (vbox) {
        put_vbox_notes(notes, d);
    } else {
        put_qemu_notes(notes, d);
    }
    put_phdr(out, PT_NOTE, at, 0, notes->len);
    at += notes->len;
    for (i = 0; i < d->n_runs; i++) {
        put_phdr(out, PT_LOAD, at, d->runs[i].gpa, d->runs[i].size);
        at += d->runs[i].size;
    }
    put(out, notes->data, notes->len);
    for (i = 0; i < d->n_runs; i++) {
        put(out, d->runs[i].bytes, d->runs[i].size);
    }
    return out;
}

static void put_section(GByteArray *out, uint32_t name, uint64_t offset,
                        uint64_t size, uint64_t entry)
{
    Elf64_Shdr section = { .sh_name = name, .sh_offset = offset,
                           .sh_size = size, .sh_entsize = entry };

    put(out, &section, sizeof(section));
}

static GByteArray *write_xen(const FakeDump *d)
{
    static const char names[] = "\0.shstrtab\0.xen_pfn\0.xen_pages\0......";
    GByteArray *out = elf_head(0);
    uint64_t n = count_pages(d), page;
    uint64_t at = sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Shdr);
    Elf64_Ehdr head;
    unsigned i;

    memcpy(&head, out->data, sizeof(head));
    head.e_phoff = 0;
    head.e_phnum = 0;
    head.e_shoff = sizeof(head);
    head.e_shentsize = sizeof(Elf64_Shdr);
    head.e_shnum = 4;
    head.e_shstrndx = 1;
    memcpy(out->data, &head, sizeof(head));
    put_section(out, 0, 0, 0, 0);
    put_section(out, 1, at, sizeof(names), 0);
    put_section(out, 11, at + sizeof(names), n * 8, 8);
    put_section(out, 20, at + sizeof(names) + n * 8, n * PAGE, PAGE);
    put(out, names, sizeof(names));
    for (i = 0; i < d->n_runs; i++) {
        for (page = 0; page < d->runs[i].size / PAGE; page++) {
            put64(out, d->runs[i].gpa / PAGE + page);
        }
    }
    for (i = 0; i < d->n_runs; i++) {
        put(out, d->runs[i].bytes, d->runs[i].size);
    }
    return out;
}

/* Compressed; "stored" leaves a page as it is. */

enum { STORED = 0, ZLIB = 1, LZO = 2, SNAPPY = 4, ZSTD = 0x20 };

#ifdef HAVE_LZO
static bool pack_lzo(const uint8_t *in, size_t n, uint8_t *out, size_t *size)
{
    g_autofree uint8_t *work = g_malloc(LZO1X_1_MEM_COMPRESS);
    lzo_uint got = *size;
    bool ok = lzo_init() == LZO_E_OK &&
              lzo1x_1_compress(in, n, out, &got, work) == LZO_E_OK;

    *size = got;
    return ok;
}
#endif

static bool pack(unsigned codec, const uint8_t *in, size_t n, uint8_t *out,
                 size_t *size)
{
    switch (codec) {
#ifdef HAVE_ZLIB
    case ZLIB: {
        uLongf got = *size;
        bool ok = compress2(out, &got, in, n, Z_BEST_SPEED) == Z_OK;

        *size = got;
        return ok;
    }
#endif
#ifdef HAVE_LZO
    case LZO:
        return pack_lzo(in, n, out, size);
#endif
#ifdef HAVE_SNAPPY
    case SNAPPY:
        return snappy_compress((const char *)in, n, (char *)out, size) ==
               SNAPPY_OK;
#endif
#ifdef HAVE_ZSTD
    case ZSTD:
        *size = ZSTD_compress(out, *size, in, n, 1);
        return !ZSTD_isError(*size);
#endif
    default:
        return false;
    }
}

/* kdump. */

static void put_pages(GByteArray *out, const FakeDump *d, unsigned codec)
{
    uint64_t at = out->len, data = at + count_pages(d) * 24, n = 0, page;
    unsigned i;

    fill_to(out, data);
    for (i = 0; i < d->n_runs; i++) {
        for (page = 0; page < d->runs[i].size / PAGE; page++, n++) {
            const uint8_t *bytes = d->runs[i].bytes + page * PAGE;
            uint8_t packed[2 * PAGE];
            size_t size = sizeof(packed);
            bool use = codec && pack(codec, bytes, PAGE, packed, &size) &&
                       size < PAGE;

            set64(out, at + n * 24, out->len);
            set32(out, at + n * 24 + 8, use ? (uint32_t)size : PAGE);
            set32(out, at + n * 24 + 12, use ? codec : 0);
            set64(out, at + n * 24 + 16, 0);
            put(out, use ? packed : bytes, use ? size : PAGE);
        }
    }
}

static GByteArray *write_kdump(const FakeDump *d, unsigned codec)
{
    g_autoptr(GByteArray) notes = g_byte_array_new();
    GByteArray *out = g_byte_array_new();
    uint64_t max = end_page(d), bytes = max / 8 + 1, page;
    uint64_t blocks = bytes / PAGE + 1, sub, at;
    unsigned i;

    put_qemu_notes(notes, d);
    sub = (0x68 + notes->len) / PAGE + 1;
    put(out, "KDUMP   ", 8);
    put32(out, 6);
    fill_to(out, 0x1a8);
    put32(out, codec);
    put32(out, PAGE);
    put32(out, (uint32_t)sub);
    put32(out, (uint32_t)(2 * blocks));
    put32(out, (uint32_t)MIN(max, UINT32_MAX));
    fill_to(out, PAGE + 0x30);
    put64(out, PAGE + 0x68);
    put64(out, notes->len);
    fill_to(out, PAGE + 0x60);
    put64(out, max);
    put(out, notes->data, notes->len);
    at = (1 + sub) * PAGE;
    fill_to(out, at + 2 * blocks * PAGE);
    for (i = 0; i < d->n_runs; i++) {
        for (page = d->runs[i].gpa / PAGE;
             page < (d->runs[i].gpa + d->runs[i].size) / PAGE; page++) {
            out->data[at + page / 8] |= 1 << page % 8;
            out->data[at + blocks * PAGE + page / 8] |= 1 << page % 8;
        }
    }
    put_pages(out, d, codec);
    return out;
}

static void put_be64(GByteArray *out, uint64_t value)
{
    put(out, &(guint64){ GUINT64_TO_BE(value) }, 8);
}

static void put_record(GByteArray *out, const GByteArray *file, uint64_t at,
                       uint64_t size, bool garbled)
{
    guint from;

    put_be64(out, at);
    put_be64(out, size);
    from = out->len;
    put(out, file->data + at, size);
    if (garbled) {
        memset(out->data + from, 0xee, size);
    }
}

/*
 * Flattened: pieces of odd sizes, the back before the front, and the first
 * page written a second time at the end, over something that is wrong.
 */
static GByteArray *flatten(GByteArray *file)
{
    GByteArray *out = g_byte_array_new();
    uint64_t half = file->len / 2, at, step = 3 * PAGE + 100;

    put(out, "makedumpfile\0\0\0\0", 16);
    put_be64(out, 1);
    put_be64(out, 1);
    fill_to(out, PAGE);
    put_record(out, file, 0, MIN(PAGE, file->len), true);
    for (at = half; at < file->len; at += step) {
        put_record(out, file, at, MIN(step, file->len - at), false);
    }
    for (at = MIN(PAGE, half); at < half; at += step) {
        put_record(out, file, at, MIN(step, half - at), false);
    }
    put_record(out, file, 0, MIN(PAGE, file->len), false);
    put_be64(out, UINT64_MAX);
    put_be64(out, UINT64_MAX);
    g_byte_array_unref(file);
    return out;
}

/* Windows. */

static GByteArray *windows_head(const FakeDump *d, uint32_t type)
{
    GByteArray *out = g_byte_array_new();
    unsigned i;

    for (i = 0; i < 0x2000 / 4; i++) {
        put(out, "PAGE", 4);
    }
    memcpy(out->data + 4, "DU64", 4);
    set32(out, 0x8, 0xf);
    set32(out, 0xc, d->build);
    set64(out, 0x10, d->cr3);
    set64(out, 0x20, d->module_list);
    set64(out, 0x28, d->process_list);
    set32(out, 0x30, 0x8664);
    set32(out, 0x34, d->n_regs);
    set32(out, 0x38, d->bugcheck);
    for (i = 0; i < 4; i++) {
        set64(out, 0x40 + i * 8, d->parameters[i]);
    }
    set64(out, 0x80, d->kdbg);
    set64(out, 0x348 + 0x98, d->rsp);
    set64(out, 0x348 + 0xf8, d->rip);
    set32(out, 0xf98, type);
    set64(out, 0xfa8, d->time);
    set64(out, 0x1030, 36000000000);
    set32(out, 0x1050, 0);
    return out;
}

static GByteArray *write_full(const FakeDump *d)
{
    GByteArray *out = windows_head(d, 1);
    unsigned i;

    set32(out, 0x88, d->n_runs);
    set64(out, 0x90, count_pages(d));
    for (i = 0; i < d->n_runs; i++) {
        set64(out, 0x98 + i * 16, d->runs[i].gpa / PAGE);
        set64(out, 0xa0 + i * 16, d->runs[i].size / PAGE);
        put(out, d->runs[i].bytes, d->runs[i].size);
    }
    return out;
}

static GByteArray *write_bitmap(const FakeDump *d, uint32_t type,
                                const char *magic)
{
    GByteArray *out = windows_head(d, type);
    uint64_t n = end_page(d), first = (0x2038 + n / 8 + PAGE) & -PAGE, page;
    unsigned i;

    put(out, magic, 8);
    fill_to(out, 0x2020);
    put64(out, first);
    put64(out, count_pages(d));
    put64(out, n);
    fill_to(out, first);
    for (i = 0; i < d->n_runs; i++) {
        for (page = d->runs[i].gpa / PAGE;
             page < (d->runs[i].gpa + d->runs[i].size) / PAGE; page++) {
            out->data[0x2038 + page / 8] |= 1 << page % 8;
        }
    }
    for (i = 0; i < d->n_runs; i++) {
        put(out, d->runs[i].bytes, d->runs[i].size);
    }
    return out;
}

/*
 * Page 0 ends the table of types 8 and 9, so a run that begins there is
 * listed from its second page on.
 */
static GByteArray *write_ranges(const FakeDump *d, uint32_t type)
{
    GByteArray *out = windows_head(d, type);
    uint64_t metadata = 0x20 + (d->n_runs + 1) * 16;
    unsigned i;

    put32(out, 0x40);
    put(out, "RDMPDUMP", 8);
    put32(out, 0);
    put64(out, metadata);
    put64(out, metadata - 0x20 + 0x2040);
    put64(out, d->n_runs);
    put64(out, count_pages(d));
    for (i = 0; i < d->n_runs; i++) {
        bool skip = type != 10 && d->runs[i].gpa == 0;

        put64(out, d->runs[i].gpa / PAGE + skip);
        put64(out, d->runs[i].size / PAGE - skip);
    }
    fill_to(out, metadata - 0x20 + 0x2040);
    for (i = 0; i < d->n_runs; i++) {
        unsigned skip = type != 10 && d->runs[i].gpa == 0 ? PAGE : 0;

        put(out, d->runs[i].bytes + skip, d->runs[i].size - skip);
    }
    return out;
}

static void put_piece(GByteArray *out, uint64_t field, const FakePiece *piece)
{
    set32(out, field, piece->size ? out->len : 0);
    put(out, piece->bytes, piece->size);
}

static void put_drivers(GByteArray *out, const FakeDump *d)
{
    uint64_t at, strings;
    unsigned i;

    at = out->len;
    set32(out, 0x2030, (uint32_t)at);
    set32(out, 0x2034, d->n_drivers);
    put_zeroes(out, d->n_drivers * 0x90);
    strings = out->len;
    set32(out, 0x2038, (uint32_t)strings);
    for (i = 0; i < d->n_drivers; i++) {
        uint64_t entry = at + i * 0x90;
        glong units;
        g_autofree gunichar2 *name = g_utf8_to_utf16(d->drivers[i].name, -1,
                                                     NULL, &units, NULL);

        set32(out, entry, out->len);
        set64(out, entry + 8 + 0x30, d->drivers[i].base);
        set32(out, entry + 8 + 0x40, d->drivers[i].size);
        set32(out, entry + 8 + 0x80, d->drivers[i].timestamp);
        put32(out, (uint32_t)units);
        put(out, name, (uint64_t)units * 2 + 2);
    }
    set32(out, 0x203c, (uint32_t)(out->len - strings));
}

static void put_blocks(GByteArray *out, const FakeDump *d)
{
    uint64_t at = out->len;
    unsigned i;

    set32(out, 0x2078, (uint32_t)at);
    set32(out, 0x207c, d->n_pieces);
    put_zeroes(out, d->n_pieces * 16);
    for (i = 0; i < d->n_pieces; i++) {
        set64(out, at + i * 16, d->pieces[i].gva);
        set32(out, at + i * 16 + 8, out->len);
        set32(out, at + i * 16 + 12, d->pieces[i].size);
        put(out, d->pieces[i].bytes, d->pieces[i].size);
    }
}

static GByteArray *write_triage(const FakeDump *d, bool all)
{
    GByteArray *out = windows_head(d, 4);
    FakeDump less = *d;

    set32(out, 0x1038, all ? 0xcff : 0xdff);
    put_zeroes(out, 0x100);
    put_piece(out, 0x201c, &d->prcb);
    put_piece(out, 0x2020, &d->process);
    put_piece(out, 0x2024, &d->thread);
    set64(out, 0x2048, d->stack.gva);
    set32(out, 0x202c, d->stack.size);
    put_piece(out, 0x2028, &d->stack);
    set32(out, 0x2074, d->plain_kdbg.size);
    put_piece(out, 0x2070, &d->plain_kdbg);
    put_drivers(out, d);
    if (!all) {
        less.n_pieces = 0;
    }
    put_blocks(out, &less);
    set32(out, 0x2008, out->len);
    put(out, "TRGD", 4);
    set32(out, 0x2004, out->len);
    set64(out, 0xfa0, out->len);
    return out;
}

/* LiME and AVML. */

static void put_range(GByteArray *out, const char *magic, uint32_t version,
                      const FakeRun *run)
{
    put(out, magic, 4);
    put32(out, version);
    put64(out, run->gpa);
    put64(out, run->gpa + run->size - 1);
    put64(out, 0);
}

static GByteArray *write_lime(const FakeDump *d)
{
    GByteArray *out = g_byte_array_new();
    unsigned i;

    for (i = 0; i < d->n_runs; i++) {
        put_range(out, "EMiL", 1, &d->runs[i]);
        put(out, d->runs[i].bytes, d->runs[i].size);
    }
    return out;
}

static void put_chunk(GByteArray *out, unsigned type, const uint8_t *bytes,
                      uint32_t size)
{
    put32(out, type | (size + 4) << 8);
    put32(out, 0x5a5a5a5a);     /* a checksum that nobody looks at */
    put(out, bytes, size);
}

static GByteArray *write_avml(const FakeDump *d)
{
    GByteArray *out = g_byte_array_new();
    g_autofree uint8_t *packed = g_malloc(1 << 18);
    unsigned i, chunk = 0;
    uint64_t at;

    for (i = 0; i < d->n_runs; i++) {
        put_range(out, "AVML", 2, &d->runs[i]);
        put(out, "\xff\x06\0\0sNaPpY", 10);
        for (at = 0; at < d->runs[i].size; at += 65536) {
            uint64_t n = MIN(65536, d->runs[i].size - at);
            size_t size = 1 << 18;

            if (!pack(SNAPPY, d->runs[i].bytes + at, n, packed, &size)) {
                g_byte_array_unref(out);
                return NULL;
            }
            if (chunk++ % 7 == 3) {
                put_chunk(out, 1, d->runs[i].bytes + at, (uint32_t)n);
            } else {
                put_chunk(out, 0, packed, (uint32_t)size);
            }
        }
        put64(out, 0);
    }
    return out;
}

static GByteArray *write_raw(const FakeDump *d)
{
    GByteArray *out = g_byte_array_new();
    unsigned i;

    for (i = 0; i < d->n_runs; i++) {
        if (d->runs[i].gpa < 1ULL << 32) {
            fill_to(out, d->runs[i].gpa);
        }
        put(out, d->runs[i].bytes, d->runs[i].size);
    }
    return out;
}

static bool can_pack(unsigned codec)
{
    uint8_t in[64] = { 0 }, out[256];
    size_t size = sizeof(out);

    return pack(codec, in, sizeof(in), out, &size);
}

static GByteArray *write_packed(const FakeDump *d, unsigned codec)
{
    return can_pack(codec) ? write_kdump(d, codec) : NULL;
}

GByteArray *fake_dump_write(FakeDumpKind kind, const FakeDump *d)
{
    switch (kind) {
    case FAKE_RAW:
        return write_raw(d);
    case FAKE_ELF_QEMU:
        return write_elf(d, false);
    case FAKE_ELF_VBOX:
        return write_elf(d, true);
    case FAKE_ELF_XEN:
        return write_xen(d);
    case FAKE_ELF_FLAT:
        return flatten(write_elf(d, false));
    case FAKE_KDUMP_STORED:
        return write_kdump(d, STORED);
    case FAKE_KDUMP_ZLIB:
        return write_packed(d, ZLIB);
    case FAKE_KDUMP_LZO:
        return write_packed(d, LZO);
    case FAKE_KDUMP_SNAPPY:
        return write_packed(d, SNAPPY);
    case FAKE_KDUMP_ZSTD:
        return write_packed(d, ZSTD);
    case FAKE_KDUMP_FLAT:
        return flatten(write_kdump(d, can_pack(ZLIB) ? ZLIB : STORED));
    case FAKE_WINDOWS_FULL:
        return write_full(d);
    case FAKE_WINDOWS_KERNEL:
        return write_bitmap(d, 2, "SDMPDUMP");
    case FAKE_WINDOWS_BITMAP:
        return write_bitmap(d, 5, "FDMPDUMP");
    case FAKE_WINDOWS_ACTIVE:
        return write_bitmap(d, 6, "SDMPDUMP");
    case FAKE_WINDOWS_AUTOMATIC:
        return write_bitmap(d, 7, "SDMPDUMP");
    case FAKE_WINDOWS_RANGES_K:
        return write_ranges(d, 8);
    case FAKE_WINDOWS_RANGES_KA:
        return write_ranges(d, 9);
    case FAKE_WINDOWS_RANGES_F:
        return write_ranges(d, 10);
    case FAKE_WINDOWS_TRIAGE:
        return write_triage(d, false);
    case FAKE_WINDOWS_TRIAGE_ALL:
        return write_triage(d, true);
    case FAKE_LIME:
        return write_lime(d);
    case FAKE_AVML:
        return write_avml(d);
    default:
        g_assert_not_reached();
    }
}
