/*
 * dump: see dump.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump.h"

#include "base/le.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_NOTES = 64 << 20,       /* bytes; a vCPU has less than 1 KiB */
    /* In the description of a note named QEMU. */
    NOTE_RFLAGS = 8 + 17 * 8,
    NOTE_SEGMENTS = NOTE_RFLAGS + 8,
    SEGMENT_SIZE = 24,
    SEGMENT_BASE = 16,
    SEG_CS = 0, SEG_GS = 4, SEG_IDT = 9, N_SEGMENTS = 10,
    NOTE_CR = NOTE_SEGMENTS + N_SEGMENTS * SEGMENT_SIZE,
    NOTE_KERNEL_GS = NOTE_CR + 5 * 8,
    CR4_LA57 = 1 << 12,
};

static bool read_file(const Dump *dump, uint64_t offset, void *buf,
                      size_t len)
{
    size_t done = 0;

    if (offset > dump->file_size || len > dump->file_size - offset) {
        return false;
    }
    while (done < len) {
        ssize_t n = pread(dump->fd, (char *)buf + done, len - done,
                          offset + done);

        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        done += n > 0 ? n : 0;
    }
    return true;
}

/* The last part that begins at or below @gpa. */
static const DumpPart *part_at(const Dump *dump, uint64_t gpa)
{
    unsigned low = 0, high = dump->n_parts;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (dump->parts[middle].gpa <= gpa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? &dump->parts[low - 1] : NULL;
}

static bool dump_read(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    Dump *dump = opaque;
    char *to = buf;

    dump->reads++;
    while (len) {
        const DumpPart *part = part_at(dump, gpa);
        uint64_t inside = part ? gpa - part->gpa : 0;
        size_t n;

        if (!part || inside >= part->size) {
            return false;
        }
        n = len < part->size - inside ? len : part->size - inside;
        if (!read_file(dump, part->offset + inside, to, n)) {
            return false;
        }
        gpa += n;
        to += n;
        len -= n;
    }
    return true;
}

static const GmemOps dump_ops = { .read_phys = dump_read };

static bool too_many_parts(Err *err)
{
    err_set(err, ERR_FORMAT, "it has more than %d ranges of memory: make it "
            "without paging (dump-guest-memory paging=false)",
            DUMP_MAX_PARTS);
    return false;
}

static bool add_part(Dump *dump, uint64_t gpa, uint64_t size, uint64_t offset,
                     Err *err)
{
    if (size == 0) {
        return true;
    }
    if (offset > dump->file_size || size > dump->file_size - offset) {
        err_set(err, ERR_FORMAT, "it is cut short: memory at gpa 0x%" PRIx64
                " should end at byte %" PRIu64 " of the file, which has %"
                PRIu64, gpa, offset + size, dump->file_size);
        return false;
    }
    if (gpa + size < gpa) {
        err_set(err, ERR_FORMAT, "it is damaged: memory at gpa 0x%" PRIx64
                " of 0x%" PRIx64 " bytes", gpa, size);
        return false;
    }
    if (dump->n_parts == DUMP_MAX_PARTS) {
        return too_many_parts(err);
    }
    dump->parts[dump->n_parts++] = (DumpPart) { gpa, size, offset };
    return true;
}

static int by_gpa(const void *a, const void *b)
{
    uint64_t x = ((const DumpPart *)a)->gpa, y = ((const DumpPart *)b)->gpa;

    return x < y ? -1 : x > y;
}

/*
 * In order, each byte of memory in one part only: a dump made with paging has
 * what is mapped twice two times.
 */
static void sort_parts(Dump *dump)
{
    uint64_t end = 0;           /* of what is covered so far */
    unsigned n = 0;
    unsigned i;

    qsort(dump->parts, dump->n_parts, sizeof(*dump->parts), by_gpa);
    for (i = 0; i < dump->n_parts; i++) {
        DumpPart part = dump->parts[i];
        uint64_t covered = end > part.gpa ? end - part.gpa : 0;

        if (covered < part.size) {
            part.gpa += covered;
            part.offset += covered;
            part.size -= covered;
            end = part.gpa + part.size;
            dump->parts[n++] = part;
        }
    }
    dump->n_parts = n;
}

static uint64_t segment_base(const uint8_t *desc, unsigned segment)
{
    return load_le64(desc + NOTE_SEGMENTS + segment * SEGMENT_SIZE +
                     SEGMENT_BASE);
}

static bool take_registers(Dump *dump, const uint8_t *desc, uint32_t size,
                           Err *err)
{
    WinosRegs *regs = &dump->regs[dump->n_regs];

    if (size < NOTE_KERNEL_GS || dump->n_regs == DUMP_MAX_CPUS) {
        err_set(err, ERR_FORMAT, "it is damaged: vCPU registers of %" PRIu32
                " bytes", size);
        return false;
    }
    regs->vcpu = dump->n_regs++;
    regs->cpl = load_le32(desc + NOTE_SEGMENTS) & 3;
    regs->gs_base = segment_base(desc, SEG_GS);
    regs->idt_base = segment_base(desc, SEG_IDT);
    regs->cr3 = load_le64(desc + NOTE_CR + 3 * 8);
    regs->la57 = load_le64(desc + NOTE_CR + 4 * 8) & CR4_LA57;
    /* EFER is not there: a kernel's GS or IDT is in the upper half. */
    regs->long_mode = regs->gs_base >> 63 || regs->idt_base >> 63;
    if (size >= NOTE_KERNEL_GS + 8) {
        regs->kernel_gs_base = load_le64(desc + NOTE_KERNEL_GS);
    }
    return true;
}

static bool read_notes(Dump *dump, const uint8_t *at, uint64_t size, Err *err)
{
    while (size >= sizeof(Elf64_Nhdr)) {
        uint32_t name = load_le32(at), desc = load_le32(at + 4);
        uint64_t name_room = ((uint64_t)name + 3) & ~3ULL;
        uint64_t whole = sizeof(Elf64_Nhdr) + name_room +
                         (((uint64_t)desc + 3) & ~3ULL);

        if (whole > size) {
            err_set(err, ERR_FORMAT, "it is damaged: a note that does not "
                    "end");
            return false;
        }
        if (name == 5 && !memcmp(at + sizeof(Elf64_Nhdr), "QEMU", 5) &&
            !take_registers(dump, at + sizeof(Elf64_Nhdr) + name_room, desc,
                            err)) {
            return false;
        }
        at += whole;
        size -= whole;
    }
    return true;
}

static bool open_notes(Dump *dump, const Elf64_Phdr *phdr, Err *err)
{
    uint8_t *notes;
    bool ok;

    if (phdr->p_filesz > MAX_NOTES) {
        err_set(err, ERR_FORMAT, "it is damaged: notes of %" PRIu64 " bytes",
                (uint64_t)phdr->p_filesz);
        return false;
    }
    notes = malloc(phdr->p_filesz + 1);
    if (!notes || !read_file(dump, phdr->p_offset, notes, phdr->p_filesz)) {
        err_set(err, ERR_FORMAT, "it is cut short: its notes are missing");
        free(notes);
        return false;
    }
    ok = read_notes(dump, notes, phdr->p_filesz, err);
    free(notes);
    return ok;
}

static bool open_elf(Dump *dump, const Elf64_Ehdr *head, Err *err)
{
    uint64_t i, n = head->e_phnum;
    Elf64_Shdr first;

    if (head->e_machine != EM_X86_64 || head->e_type != ET_CORE ||
        head->e_phentsize != sizeof(Elf64_Phdr)) {
        err_set(err, ERR_FORMAT, "it is an ELF file, but no core of an "
                "x86_64 machine");
        return false;
    }
    if (n == PN_XNUM) {
        if (head->e_shoff == 0 ||
            !read_file(dump, head->e_shoff, &first, sizeof(first))) {
            err_set(err, ERR_FORMAT, "it is cut short: no section header");
            return false;
        }
        n = first.sh_info;
    }
    if (n > DUMP_MAX_PARTS + 1) {
        return too_many_parts(err);
    }
    for (i = 0; i < n; i++) {
        Elf64_Phdr phdr;

        if (!read_file(dump, head->e_phoff + i * sizeof(phdr), &phdr,
                       sizeof(phdr))) {
            err_set(err, ERR_FORMAT, "it is cut short: program header %"
                    PRIu64 " of %" PRIu64 " is missing", i, n);
            return false;
        }
        if (phdr.p_type == PT_NOTE ? !open_notes(dump, &phdr, err) :
            phdr.p_type == PT_LOAD && !add_part(dump, phdr.p_paddr,
                                                phdr.p_filesz, phdr.p_offset,
                                                err)) {
            return false;
        }
    }
    return true;
}

static bool take_word(WinosRegs *regs, const char *name, uint64_t value)
{
    static const struct {
        const char *name;
        size_t offset;
    } words[] = {
        { "gs_base", offsetof(WinosRegs, gs_base) },
        { "kernel_gs_base", offsetof(WinosRegs, kernel_gs_base) },
        { "cr3", offsetof(WinosRegs, cr3) },
        { "lstar", offsetof(WinosRegs, lstar) },
        { "idt_base", offsetof(WinosRegs, idt_base) },
    };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcmp(words[i].name, name)) {
            memcpy((char *)regs + words[i].offset, &value, sizeof(value));
            return true;
        }
    }
    if ((!strcmp(name, "vcpu") && value < DUMP_MAX_CPUS) ||
        !strcmp(name, "cpl") || !strcmp(name, "la57")) {
        regs->vcpu = *name == 'v' ? (unsigned)value : regs->vcpu;
        regs->cpl = *name == 'c' ? value & 3 : regs->cpl;
        regs->la57 = *name == 'l' ? value != 0 : regs->la57;
        return true;
    }
    return false;
}

/* One vCPU a line: name=value, separated by blanks; # begins a comment. */
static bool take_line(WinosRegs *regs, char *line, Err *err)
{
    char *save = NULL;
    char *word;

    for (word = strtok_r(line, " \t\r\n", &save); word && *word != '#';
         word = strtok_r(NULL, " \t\r\n", &save)) {
        char *equals = strchr(word, '=');
        char *end = NULL;
        uint64_t value;

        if (equals) {
            *equals = '\0';
            value = strtoull(equals + 1, &end, 0);
        }
        if (!equals || end == equals + 1 || *end ||
            !take_word(regs, word, value)) {
            err_set(err, ERR_FORMAT, "'%s%s%s' is no register with a number: "
                    "give vcpu, cpl, la57, cr3, gs_base, kernel_gs_base, "
                    "lstar, idt_base", word, equals ? "=" : "",
                    equals ? equals + 1 : "");
            return false;
        }
    }
    return true;
}

static bool add_registers(Dump *dump, const WinosRegs *regs, Err *err)
{
    if (dump->n_regs == DUMP_MAX_CPUS) {
        err_set(err, ERR_FORMAT, "more than %d vCPUs", DUMP_MAX_CPUS);
        return false;
    }
    dump->regs[dump->n_regs++] = *regs;
    return true;
}

static bool read_registers(Dump *dump, const char *path, Err *err)
{
    FILE *file = fopen(path, "re");
    unsigned number = 0;
    char line[1024];
    bool ok = true;

    if (!file) {
        err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        return false;
    }
    while (ok && fgets(line, sizeof(line), file)) {
        WinosRegs regs = { .vcpu = dump->n_regs, .long_mode = true };

        number++;
        if (strlen(line) == sizeof(line) - 1) {
            err_set(err, ERR_FORMAT, "%s, line %u: longer than %zu bytes",
                    path, number, sizeof(line) - 2);
            ok = false;
            continue;
        }
        if (line[strspn(line, " \t\r\n")] == '\0' ||
            line[strspn(line, " \t")] == '#') {
            continue;
        }
        ok = take_line(&regs, line, err) && add_registers(dump, &regs, err);
        if (!ok) {
            err_prefix(err, "%s, line %u: ", path, number);
        }
    }
    fclose(file);
    return ok;
}

/*
 * Kinds of files that hold a guest's memory in a way that is not read here.
 *
 * Sources: qemu/qemu include/sysemu/dump.h, include/migration/vmstate.h,
 * include/qemu/win_dump_defs.h; libvirt src/qemu/qemu_saveimage.h.
 */
static const struct {
    const char *magic;
    const char *what;
} other_kinds[] = {
    { "KDUMP   ", "a kdump" },
    { "makedumpfile", "a kdump" },
    { "PAGEDU64", "a Windows crash dump" },
    { "QEVM", "a migration stream of QEMU" },
    { "LibvirtQemudSave", "a file of virsh save or dump" },
    { "LibvirtQemudPart", "an unfinished file of virsh save or dump" },
    { "QFI\xfb", "a qcow2 disk" },
};

static bool refuse_other_kind(const Dump *dump, Err *err)
{
    char head[16] = "";
    size_t i;

    if (!read_file(dump, 0, head, sizeof(head))) {
        return false;
    }
    for (i = 0; i < sizeof(other_kinds) / sizeof(*other_kinds); i++) {
        if (!memcmp(head, other_kinds[i].magic,
                    strlen(other_kinds[i].magic))) {
            err_set(err, ERR_FORMAT, "it is %s, which is not read here: make "
                    "an ELF core with dump-guest-memory, or virsh dump "
                    "--memory-only", other_kinds[i].what);
            return true;
        }
    }
    return false;
}

static bool open_raw(Dump *dump, const char *registers, uint64_t low,
                     Err *err)
{
    uint64_t size = dump->file_size;

    if (!registers && refuse_other_kind(dump, err)) {
        return false;
    }
    if (!registers) {
        err_set(err, ERR_USAGE, "it is no ELF core, so raw RAM: give its "
                "registers with --registers FILE");
        return false;
    }
    if (low == 0 || low > size) {
        low = size;
    }
    return add_part(dump, 0, low, 0, err) &&
           add_part(dump, 1ULL << 32, size - low, low, err) &&
           read_registers(dump, registers, err);
}

static bool open_parts(Dump *dump, const char *registers, uint64_t low,
                       Err *err)
{
    Elf64_Ehdr head;
    bool is_elf = read_file(dump, 0, &head, sizeof(head)) &&
                  !memcmp(head.e_ident, ELFMAG, SELFMAG);

    if (is_elf && (head.e_ident[EI_CLASS] != ELFCLASS64 ||
                   head.e_ident[EI_DATA] != ELFDATA2LSB)) {
        err_set(err, ERR_FORMAT, "it is an ELF file, but not of a 64-bit "
                "little-endian machine");
        return false;
    }
    if (is_elf ? !open_elf(dump, &head, err)
               : !open_raw(dump, registers, low, err)) {
        return false;
    }
    if (dump->n_regs == 0) {
        err_set(err, ERR_FORMAT, is_elf ?
                "it has no registers of any vCPU: it is not from QEMU's "
                "dump-guest-memory" : "no vCPU is in the file of registers");
        return false;
    }
    sort_parts(dump);
    return true;
}

bool dump_open(Dump *dump, const char *path, const char *registers,
               uint64_t low, Err *err)
{
    struct stat st;

    memset(dump, 0, sizeof(*dump));
    dump->mem = (GuestMem) { &dump_ops, dump };
    dump->parts = calloc(DUMP_MAX_PARTS, sizeof(*dump->parts));
    dump->regs = calloc(DUMP_MAX_CPUS, sizeof(*dump->regs));
    dump->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (dump->fd < 0 || fstat(dump->fd, &st)) {
        err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        return false;
    }
    if (!dump->parts || !dump->regs) {
        err_set(err, ERR_NOMEM, "%s: no memory", path);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "%s: is no ordinary file", path);
        return false;
    }
    dump->file_size = st.st_size;
    if (!open_parts(dump, registers, low, err)) {
        err_prefix(err, "%s: ", path);
        return false;
    }
    return true;
}

void dump_close(Dump *dump)
{
    if (dump->fd >= 0) {
        close(dump->fd);
    }
    free(dump->parts);
    free(dump->regs);
}
