/*
 * debuginfo: see debuginfo.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "debuginfo.h"

#include "common/map.h"
#include "common/translate.h"
#include "debugfile.h"
#include "message.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest build-id that is looked at, in bytes. */
enum { BUILD_ID_MAX = 64 };

struct DebugFile {
    Dwfl *dwfl;
    Dwfl_Module *module;
    char *path;
    char build_id[2 * BUILD_ID_MAX + 1];
};

static bool elf_error(const char *path, Err *err)
{
    err_set(err, ERR_FORMAT, "%s: %s", path, elf_errmsg(-1));
    return false;
}

/* Whether a segment of code holds the byte at @offset, in whole pages. */
static bool holds_code(const GElf_Phdr *segment, uint64_t offset)
{
    uint64_t page = segment->p_align > 1 ? segment->p_align : 1;
    uint64_t start = segment->p_offset - segment->p_offset % page;

    return segment->p_type == PT_LOAD && (segment->p_flags & PF_X) &&
           offset >= start &&
           offset - start < segment->p_offset - start + segment->p_filesz;
}

static bool read_layout(Elf *elf, uint64_t offset, ElfLayout *layout)
{
    GElf_Ehdr header;
    GElf_Phdr segment;
    size_t n;
    size_t i;

    memset(layout, 0, sizeof(*layout));
    if (!gelf_getehdr(elf, &header) || elf_getphdrnum(elf, &n)) {
        return false;
    }
    layout->fixed = header.e_type == ET_EXEC;
    for (i = 0; i < n; i++) {
        if (gelf_getphdr(elf, (int)i, &segment) &&
            holds_code(&segment, offset)) {
            layout->known = true;
            layout->vaddr = segment.p_vaddr + (offset - segment.p_offset);
            break;
        }
    }
    return true;
}

bool debuginfo_layout(const char *path, uint64_t offset, ElfLayout *layout,
                      Err *err)
{
    bool result;
    Elf *elf;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        return false;
    }
    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    result = (elf && read_layout(elf, offset, layout)) || elf_error(path, err);
    elf_end(elf);
    close(fd);
    return result;
}

static void read_build_id(DebugFile *file)
{
    const unsigned char *bits;
    GElf_Addr address;
    int n = dwfl_module_build_id(file->module, &bits, &address);
    int i;

    for (i = 0; i < n && i < BUILD_ID_MAX; i++) {
        sprintf(file->build_id + 2 * i, "%02x", bits[i]);
    }
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,     /* never asked: it is reported */
    .find_debuginfo = debugfile_find,
    .section_address = dwfl_offline_section_address,
};

static bool report(DebugFile *file, const char *path, uint64_t bias)
{
    dwfl_report_begin(file->dwfl);
    file->module = dwfl_report_elf(file->dwfl, "program", path, -1, bias,
                                   true);
    return dwfl_report_end(file->dwfl, NULL, NULL) == 0 && file->module;
}

/* How a section that libelf does not take apart is compressed. */
static const char *compression(Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_rawdata(section, NULL);
    Elf64_Word type = 0;

    if (!(header->sh_flags & SHF_COMPRESSED) || !data ||
        data->d_size < sizeof(type)) {
        return NULL;
    }
    memcpy(&type, data->d_buf, sizeof(type));
    return type == 2 ? "zstd" : type == ELFCOMPRESS_ZLIB ? "zlib" :
           _("a method that is not known");
}

/* Whether there is debug information in @elf; says that it is of no use. */
static bool tell_unreadable(Elf *elf, const char *path)
{
    Elf_Scn *section = NULL;
    const char *method;
    const char *name;
    GElf_Shdr header;
    size_t names;

    if (!elf || elf_getshdrstrndx(elf, &names)) {
        return false;
    }
    while ((section = elf_nextscn(elf, section))) {
        name = gelf_getshdr(section, &header)
               ? elf_strptr(elf, names, header.sh_name) : NULL;
        if (!name || strcmp(name, ".debug_info") ||
            header.sh_type == SHT_NOBITS) {
            continue;
        }
        method = compression(section, &header);
        warn(WARN_DEBUG_READ, "%s: debug information cannot be read%s%s: "
             "source lines and inlined functions are not shown; "
             "ADDR2LINE=addr2line may know more", path,
             method ? _(", it is compressed with ") : "",
             method ? method : "");
        return true;
    }
    return false;
}

/* What dwz moved to a file that several share: names, above all. */
static void check_common(const DebugFile *file, Dwarf *dwarf)
{
    const char *name;
    const void *id;

    if (dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) > 0 &&
        !dwarf_getalt(dwarf)) {
        warn(WARN_COMMON, "%s: part of its debug information is in %s, which "
             "is not found: inlined functions are not all shown; it comes "
             "with the same package", file->path, name);
    }
}

/* Debug information that is there and cannot be read is worth a word. */
static void check_readable(const DebugFile *file)
{
    const char *separate = NULL;
    Dwarf_Addr bias;
    Dwarf *dwarf = dwfl_module_getdwarf(file->module, &bias);
    Elf *elf;
    int fd;

    if (dwarf) {
        check_common(file, dwarf);
        return;
    }
    if (tell_unreadable(dwfl_module_getelf(file->module, &bias), file->path)) {
        return;
    }
    dwfl_module_info(file->module, NULL, NULL, NULL, NULL, NULL, NULL,
                     &separate);
    fd = separate ? open(separate, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
        tell_unreadable(elf, separate);
        elf_end(elf);
        close(fd);
    }
}

DebugFile *debuginfo_open(const char *path, uint64_t bias, Err *err)
{
    DebugFile *file;

    if (access(path, R_OK)) {
        err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
        return NULL;
    }
    file = calloc(1, sizeof(*file));
    if (!file) {
        die_no_memory();
    }
    file->path = keep(path);
    file->dwfl = dwfl_begin(&callbacks);
    if (!file->dwfl || !report(file, path, bias)) {
        err_set(err, ERR_FORMAT, "%s: %s", path, dwfl_errmsg(-1));
        debuginfo_close(file);
        return NULL;
    }
    read_build_id(file);
    check_readable(file);
    return file;
}

void debuginfo_close(DebugFile *file)
{
    if (file) {
        dwfl_end(file->dwfl);
        free(file->path);
        free(file);
    }
}

const char *debuginfo_build_id(const DebugFile *file)
{
    return file->build_id;
}

void debuginfo_range(const DebugFile *file, uint64_t *start, uint64_t *end)
{
    Dwarf_Addr low;
    Dwarf_Addr high;

    dwfl_module_info(file->module, NULL, &low, &high, NULL, NULL, NULL, NULL);
    *start = low;
    *end = high;
}

/* Some compilers write no table of addresses: ask every unit. */
static Dwarf_Die *search_units(DebugFile *file, uint64_t pc, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = NULL;

    do {
        unit = dwfl_module_nextcu(file->module, unit, bias);
    } while (unit && dwarf_haspc(unit, pc - *bias) != 1);
    return unit;
}

static Dwarf_Die *find_unit(DebugFile *file, uint64_t pc, Dwarf_Addr *bias)
{
    Dwarf_Die *unit = dwfl_module_addrdie(file->module, pc, bias);

    return unit ? unit : search_units(file, pc, bias);
}

static const char *unit_folder(Dwarf_Die *unit)
{
    Dwarf_Attribute attr;
    const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir,
                                                     &attr));

    return folder ? folder : "";
}

/*
 * Split debug information: what is in the program is a skeleton, the
 * functions are in a .dwo file beside the object file.
 */
static bool enter_split(const DebugFile *file, Dwarf_Die *unit)
{
    Dwarf_Attribute attr;
    const char *name;
    uint8_t type;
    Dwarf_Die split;

    if (dwarf_cu_info(unit->cu, NULL, &type, NULL, &split, NULL, NULL,
                      NULL) || type != DW_UT_skeleton) {
        return true;
    }
    if (dwarf_tag(&split) != DW_TAG_invalid) {
        *unit = split;
        return true;
    }
    name = dwarf_formstring(dwarf_attr(unit, DW_AT_dwo_name, &attr) ? &attr :
                            dwarf_attr(unit, DW_AT_GNU_dwo_name, &attr));
    warn(WARN_SPLIT, "%s: debug information is split and %s is not found in "
         "%s, where it was compiled (a .dwp file takes elfutils 0.191): "
         "inlined functions are not shown", file->path,
         name ? name : _("a .dwo file"), unit_folder(unit));
    return false;
}

static bool is_function(Dwarf_Die *die)
{
    int tag = dwarf_tag(die);

    return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine ||
           tag == DW_TAG_entry_point;
}

static unsigned call_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    Dwarf_Word value;

    if (!dwarf_attr(die, name, &attr) || dwarf_formudata(&attr, &value)) {
        return 0;
    }
    return (unsigned)value;
}

/* Where the inlined function @die was called. */
static Place call_place(Dwarf_Die *die, const char *folder)
{
    Place place = { .line = call_number(die, DW_AT_call_line) };
    unsigned index = call_number(die, DW_AT_call_file);
    Dwarf_Files *files;
    Dwarf_Die unit;
    size_t n;

    if (dwarf_diecu(die, &unit, NULL, NULL) &&
        !dwarf_getsrcfiles(&unit, &files, &n) && index < n) {
        place.file = dwarf_filesrc(files, index, NULL, NULL);
        place.folder = folder;
    }
    return place;
}

static const char *find_symbol(DebugFile *file, uint64_t pc,
                               uint64_t *offset)
{
    GElf_Sym sym;
    GElf_Off from_start = 0;
    const char *name = dwfl_module_addrinfo(file->module, pc, &from_start,
                                            &sym, NULL, NULL, NULL);

    *offset = from_start;
    return name && *name ? name : NULL;
}

/*
 * The functions in @scopes, each with the place in it that is being run.  The
 * name of the last is @outermost where its own is in a file that is not found.
 */
static void add_functions(Symbol *symbol, Dwarf_Die *scopes, int n,
                          Place place, const char *folder,
                          const char *outermost)
{
    const char *name;
    bool inlined;
    int i;

    for (i = 0; i < n; i++) {
        if (!is_function(&scopes[i])) {
            continue;
        }
        name = dwarf_diename(&scopes[i]);
        inlined = dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine;
        symbol_add(symbol, name || inlined ? name : outermost, &place, 0);
        if (!inlined) {
            break;
        }
        place = call_place(&scopes[i], folder);
    }
}

/*
 * dwarf_getscopes() leaves an inlined function by way of where it is defined;
 * dwarf_getscopes_die() by way of where it was inlined, which is wanted here.
 */
static bool add_scopes(DebugFile *file, Symbol *symbol,
                       const Dwarf_Die *unit, Dwarf_Addr pc,
                       Dwarf_Addr bias, const Place *place)
{
    Dwarf_Die whole = *unit;
    Dwarf_Die skeleton = *unit;
    Dwarf_Die *scopes = NULL;
    Dwarf_Die innermost;
    uint64_t offset;
    int n;

    if (!enter_split(file, &whole)) {
        return false;
    }
    n = dwarf_getscopes(&whole, pc, &scopes);
    if (n <= 0) {
        return false;
    }
    innermost = scopes[0];
    free(scopes);
    scopes = NULL;
    n = dwarf_getscopes_die(&innermost, &scopes);
    if (n > 0) {
        add_functions(symbol, scopes, n, *place, unit_folder(&skeleton),
                      find_symbol(file, pc + bias, &offset));
        free(scopes);
    }
    return symbol->n_frames > 0;
}

static Place find_place(DebugFile *file, uint64_t pc)
{
    Dwfl_Line *line = dwfl_module_getsrc(file->module, pc);
    Place place = {};
    int n = 0;

    if (line) {
        place.file = dwfl_lineinfo(line, NULL, &n, NULL, NULL, NULL);
        place.folder = dwfl_line_comp_dir(line);
        place.line = n > 0 ? (unsigned)n : 0;
    }
    return place;
}

bool debuginfo_lookup(DebugFile *file, uint64_t pc, Symbol *symbol)
{
    Place place = find_place(file, pc);
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = find_unit(file, pc, &bias);
    const char *name;
    uint64_t offset;

    if (unit && add_scopes(file, symbol, unit, pc - bias, bias, &place)) {
        return true;
    }
    name = find_symbol(file, pc, &offset);
    if (!name && !place.file) {
        return false;
    }
    symbol_add(symbol, name, &place, offset);
    return true;
}
