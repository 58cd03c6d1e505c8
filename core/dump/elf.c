/*
 * dump/elf: ELF cores of machines: QEMU's dump-guest-memory, VirtualBox's
 * .pgmphystofile and dumpvmcore, Xen's xl dump-core.
 *
 * Who wrote one is told by its notes; the notes of QEMU and VirtualBox have
 * all registers that are wanted, Xen's are not read.
 *
 * Sources: docs/guest-facts/dumps.md, "ELF".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/internal.h"

#include "base/le.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    /* In the description of a note named QEMU. */
    QEMU_RSP = 8 + 6 * 8,
    QEMU_RIP = 8 + 16 * 8,
    QEMU_SEGMENTS = 8 + 18 * 8,
    QEMU_SEGMENT_SIZE = 24,
    QEMU_SEGMENT_BASE = 16,
    SEG_CS = 0, SEG_GS = 4, SEG_IDT = 9, N_SEGMENTS = 10,
    QEMU_CR = QEMU_SEGMENTS + N_SEGMENTS * QEMU_SEGMENT_SIZE,
    QEMU_KERNEL_GS = QEMU_CR + 5 * 8,

    /* VirtualBox' notes. */
    VBOX_CORE = 0xb00, VBOX_CPU = 0xb01,
    VBOX_MAGIC = 0xc01ac0de,
    VBOX_LAYOUT = 0x00010004,       /* and up: the first that is read */
    VBOX_RIP = 14 * 8, VBOX_RSP = 15 * 8,
    VBOX_CS_SELECTOR = 0xa0,
    VBOX_GS_BASE = 0xf0,
    VBOX_CR3 = 0x130, VBOX_CR4 = 0x138,
    VBOX_IDT_BASE = 0x190,
    VBOX_LSTAR = 0x200, VBOX_KERNEL_GS = 0x218,
    VBOX_SIZE = 0x220,              /* as far as we read */

    CR4_LA57 = 1 << 12,
    MAX_NOTE = 1 << 20,
    NAME_ROOM = 16,
};

/* A note whose description is read in pieces. */
typedef struct Note {
    char name[NAME_ROOM];
    uint32_t type;
    uint64_t desc;          /* in the file */
    uint32_t size;
} Note;

static WinosRegs *next_cpu(Dump *dump, Err *err)
{
    if (dump->n_regs == DUMP_MAX_CPUS) {
        err_set(err, ERR_FORMAT, "it is damaged: registers of more than %d "
                "vCPUs", DUMP_MAX_CPUS);
        return NULL;
    }
    dump->regs[dump->n_regs].vcpu = dump->n_regs;
    return &dump->regs[dump->n_regs++];
}

static uint64_t qemu_base(const uint8_t *desc, unsigned segment)
{
    return load_le64(desc + QEMU_SEGMENTS + segment * QEMU_SEGMENT_SIZE +
                     QEMU_SEGMENT_BASE);
}

static bool take_qemu(Dump *dump, const Note *note, Err *err)
{
    uint8_t desc[QEMU_KERNEL_GS + 8] = { 0 };
    uint32_t size = note->size < sizeof(desc) ? note->size : sizeof(desc);
    WinosRegs *regs;

    if (size < QEMU_KERNEL_GS || !dump_bytes(dump, note->desc, desc, size)) {
        err_set(err, ERR_FORMAT, "it is damaged: vCPU registers of %" PRIu32
                " bytes", note->size);
        return false;
    }
    regs = next_cpu(dump, err);
    if (!regs) {
        return false;
    }
    dump->places[regs->vcpu] = (DumpPlace) { load_le64(desc + QEMU_RIP),
                                             load_le64(desc + QEMU_RSP) };
    regs->cpl = load_le32(desc + QEMU_SEGMENTS) & 3;
    regs->gs_base = qemu_base(desc, SEG_GS);
    regs->idt_base = qemu_base(desc, SEG_IDT);
    regs->cr3 = load_le64(desc + QEMU_CR + 3 * 8);
    regs->la57 = load_le64(desc + QEMU_CR + 4 * 8) & CR4_LA57;
    regs->kernel_gs_base = load_le64(desc + QEMU_KERNEL_GS);
    /* EFER is not there: a kernel's GS or IDT is in the upper half. */
    regs->long_mode = regs->gs_base >> 63 || regs->idt_base >> 63;
    return true;
}

static bool take_vbox(Dump *dump, const Note *note, Err *err)
{
    uint8_t desc[VBOX_SIZE];
    WinosRegs *regs;

    if (note->size < sizeof(desc) ||
        !dump_bytes(dump, note->desc, desc, sizeof(desc))) {
        return dump_is_damaged(err, "the size of a vCPU's registers",
                               note->size);
    }
    regs = next_cpu(dump, err);
    if (!regs) {
        return false;
    }
    dump->places[regs->vcpu] = (DumpPlace) { load_le64(desc + VBOX_RIP),
                                             load_le64(desc + VBOX_RSP) };
    regs->cpl = load_le32(desc + VBOX_CS_SELECTOR) & 3;
    regs->gs_base = load_le64(desc + VBOX_GS_BASE);
    regs->idt_base = load_le64(desc + VBOX_IDT_BASE);
    regs->cr3 = load_le64(desc + VBOX_CR3);
    regs->la57 = load_le64(desc + VBOX_CR4) & CR4_LA57;
    regs->lstar = load_le64(desc + VBOX_LSTAR);
    regs->kernel_gs_base = load_le64(desc + VBOX_KERNEL_GS);
    regs->long_mode = regs->gs_base >> 63 || regs->idt_base >> 63 ||
                      regs->lstar >> 63;
    return true;
}

/* False when VirtualBox wrote its registers in a way that is not known. */
static bool take_vbox_core(Dump *dump, const Note *note, Err *err)
{
    uint8_t desc[12];
    uint32_t version;

    if (note->size < sizeof(desc) ||
        !dump_bytes(dump, note->desc, desc, sizeof(desc)) ||
        load_le32(desc) != VBOX_MAGIC) {
        return dump_is_damaged(err, "the size of VirtualBox' note",
                               note->size);
    }
    version = load_le32(desc + 4);
    if (version < VBOX_LAYOUT || version >> 16 != VBOX_LAYOUT >> 16) {
        err_set(err, ERR_FORMAT, "it is a core of VirtualBox in version 0x%"
                PRIx32 ", of which registers cannot be read", version);
        return false;
    }
    snprintf(dump->what, sizeof(dump->what), "ELF core of VirtualBox");
    return true;
}

static bool take_note(Dump *dump, const Note *note, Err *err)
{
    if (!strcmp(note->name, "QEMU")) {
        snprintf(dump->what, sizeof(dump->what), dump->format == DUMP_ELF ?
                 "ELF core of QEMU" : "kdump of QEMU");
        return take_qemu(dump, note, err);
    }
    if (!strncmp(note->name, "VB", 2) && note->type == VBOX_CORE) {
        return take_vbox_core(dump, note, err);
    }
    if (!strncmp(note->name, "VB", 2) && note->type == VBOX_CPU) {
        return take_vbox(dump, note, err);
    }
    if (!strcmp(note->name, "Xen")) {
        snprintf(dump->what, sizeof(dump->what), "ELF core of Xen");
    }
    return true;
}

bool dump_read_notes(Dump *dump, uint64_t offset, uint64_t size, Err *err)
{
    while (size >= sizeof(Elf64_Nhdr)) {
        uint8_t head[sizeof(Elf64_Nhdr)];
        uint32_t name, desc;
        uint64_t room, whole;
        Note note = { .name = "" };

        if (!dump_bytes(dump, offset, head, sizeof(head))) {
            return dump_is_cut(err, "its notes are missing");
        }
        name = load_le32(head);
        desc = load_le32(head + 4);
        room = ((uint64_t)name + 3) & ~3ULL;
        whole = sizeof(head) + room + (((uint64_t)desc + 3) & ~3ULL);
        note.type = load_le32(head + 8);
        note.desc = offset + sizeof(head) + room;
        note.size = desc;
        /* Headers may all name the same notes. */
        if (dump->n_notes++ >= dump->file_size / sizeof(head)) {
            return dump_is_damaged(err, "the number of its notes",
                                   dump->n_notes);
        }
        if (whole > size || desc > MAX_NOTE) {
            err_set(err, ERR_FORMAT, "it is damaged: a note that does not "
                    "end");
            return false;
        }
        if (name && name < sizeof(note.name) &&
            !dump_bytes(dump, offset + sizeof(head), note.name, name)) {
            return dump_is_cut(err, "its notes are missing");
        }
        if (!take_note(dump, &note, err)) {
            return false;
        }
        offset += whole;
        size -= whole;
    }
    return true;
}

static bool read_segment(Dump *dump, const Elf64_Phdr *phdr,
                         unsigned *n_virtual, Err *err)
{
    DumpPart part = { .gpa = phdr->p_paddr, .size = phdr->p_filesz,
                      .offset = phdr->p_offset };

    if (phdr->p_type == PT_NOTE) {
        return dump_read_notes(dump, phdr->p_offset, phdr->p_filesz, err);
    }
    if (phdr->p_type != PT_LOAD) {
        return true;
    }
    *n_virtual += phdr->p_vaddr != 0 && phdr->p_vaddr != phdr->p_paddr;
    return dump_add_part(dump, &part, err);
}

static bool read_segments(Dump *dump, const Elf64_Ehdr *head, Err *err)
{
    uint64_t i, n = head->e_phnum;
    unsigned n_virtual = 0;
    Elf64_Shdr first;

    if (n == PN_XNUM) {
        if (head->e_shoff == 0 ||
            !dump_bytes(dump, head->e_shoff, &first, sizeof(first))) {
            return dump_is_cut(err, "no section header");
        }
        n = first.sh_info;
    }
    for (i = 0; i < n; i++) {
        Elf64_Phdr phdr;

        if (head->e_phoff + i * sizeof(phdr) < head->e_phoff ||
            !dump_bytes(dump, head->e_phoff + i * sizeof(phdr), &phdr,
                        sizeof(phdr))) {
            err_set(err, ERR_FORMAT, "it is cut short: program header %"
                    PRIu64 " of %" PRIu64 " is missing", i, n);
            return false;
        }
        if (!read_segment(dump, &phdr, &n_virtual, err)) {
            return false;
        }
    }
    if (n_virtual > 1) {
        dump_lack(dump, "memory that no vCPU had mapped: it was made with "
                  "paging; make it again without (paging=false, no -p)");
    }
    return true;
}

/* The sections of a Xen core that say which page is where. */
typedef struct XenSections {
    Elf64_Shdr pages, map;
    bool has_pages, has_map;
} XenSections;

static bool find_sections(Dump *dump, const Elf64_Ehdr *head,
                          XenSections *found)
{
    Elf64_Shdr names, section;
    unsigned i;

    memset(found, 0, sizeof(*found));
    if (!head->e_shoff || head->e_shentsize != sizeof(section) ||
        head->e_shstrndx >= head->e_shnum ||
        !dump_bytes(dump, head->e_shoff + head->e_shstrndx * sizeof(names),
                    &names, sizeof(names))) {
        return false;
    }
    for (i = 0; i < head->e_shnum; i++) {
        char name[12] = "";

        if (!dump_bytes(dump, head->e_shoff + i * sizeof(section), &section,
                        sizeof(section)) ||
            !dump_bytes(dump, names.sh_offset + section.sh_name, name,
                        sizeof(name) - 1)) {
            continue;
        }
        if (!strcmp(name, ".xen_pages")) {
            found->pages = section;
            found->has_pages = true;
        } else if (!strcmp(name, ".xen_pfn") || !strcmp(name, ".xen_p2m")) {
            found->map = section;
            found->has_map = true;
        }
    }
    return found->has_pages && found->has_map;
}

/* Page i of one section has the number that entry i of the other says. */
static bool read_xen(Dump *dump, const XenSections *xen, Err *err)
{
    uint64_t step = xen->map.sh_entsize == 16 ? 16 : 8;
    uint64_t i, n = xen->pages.sh_size / GMEM_PAGE;
    uint8_t raw[8];

    if (n > xen->map.sh_size / step) {
        return dump_is_damaged(err, "the number of pages", n);
    }
    for (i = 0; i < n; i++) {
        DumpPart part = { .size = GMEM_PAGE,
                          .offset = xen->pages.sh_offset + i * GMEM_PAGE };

        if (!dump_bytes(dump, xen->map.sh_offset + i * step, raw,
                        sizeof(raw))) {
            return dump_is_cut(err, "the numbers of its pages are missing");
        }
        if (load_le64(raw) >> 40) {
            continue;           /* a page that the guest has not */
        }
        part.gpa = load_le64(raw) * GMEM_PAGE;
        if (!dump_add_part(dump, &part, err)) {
            return false;
        }
    }
    snprintf(dump->what, sizeof(dump->what), "ELF core of Xen");
    return true;
}

bool dump_read_elf(Dump *dump, Err *err)
{
    XenSections xen;
    Elf64_Ehdr head;

    if (!dump_bytes(dump, 0, &head, sizeof(head))) {
        return dump_is_cut(err, "its ELF header is missing");
    }
    if (head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_ident[EI_DATA] != ELFDATA2LSB) {
        err_set(err, ERR_FORMAT, "it is an ELF file, but not of a 64-bit "
                "little-endian machine");
        return false;
    }
    /* QEMU says EM_386 while the first vCPU has not left firmware. */
    if ((head.e_machine != EM_X86_64 && head.e_machine != EM_386) ||
        head.e_type != ET_CORE ||
        (head.e_phnum && head.e_phentsize != sizeof(Elf64_Phdr))) {
        err_set(err, ERR_FORMAT, "it is an ELF file, but no core of an "
                "x86_64 machine");
        return false;
    }
    snprintf(dump->what, sizeof(dump->what), "ELF core");
    if (!read_segments(dump, &head, err) ||
        (find_sections(dump, &head, &xen) && !read_xen(dump, &xen, err))) {
        return false;
    }
    if (dump->n_regs == 0) {
        dump_lack(dump, "registers: who ran on each CPU is found in memory");
    }
    return true;
}
