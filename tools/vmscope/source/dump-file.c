/*
 * dump-file: see dump-file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/dump-file.h"

#include "commands.h"
#include "common/message.h"
#include "shared/file-kind.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A text file or the like is no memory; a machine has more. */
enum { MIN_RAW = 1 << 20 };

/* Nothing can be done but to say so: no reader expects memory to go away. */
static void on_bus_error(int signal)
{
    static const char text[] = "vmscope: the memory image became shorter "
                               "while it was read, or cannot be read\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)n;
    (void)signal;
    _exit(EXIT_FAILED);
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

/* A raw image of a large machine is mostly holes, which need no look. */
static bool file_stored(void *opaque, uint64_t offset, uint64_t *data,
                        uint64_t *hole)
{
    const DumpFile *file = opaque;
    off_t at = offset > INT64_MAX ? -1 :
               lseek(file->fd, (off_t)offset, SEEK_DATA);
    off_t end;

    if (at < 0 && errno == ENXIO) {
        *data = *hole = UINT64_MAX;
        return true;
    }
    end = at < 0 ? -1 : lseek(file->fd, at, SEEK_HOLE);
    if (end <= at) {
        return false;
    }
    *data = (uint64_t)at;
    *hole = (uint64_t)end;
    return true;
}

static void know_holes(DumpFile *file)
{
    file->dump.stored = file_stored;
    file->dump.stored_opaque = file;
}

/* Bytes that begin in no way that is known: memory, or something else? */
static bool may_be_raw(const DumpFile *file, const char *path, Err *err)
{
    if (file_kind_hint(path, err)) {
        return false;
    }
    if (file->size < MIN_RAW || file->size % GMEM_PAGE) {
        err_set(err, ERR_FORMAT, "it is no memory image in a format that is "
                "known, and %" PRIu64 " bytes are no raw memory either",
                file->size);
        return false;
    }
    return true;
}

static bool open_bytes(DumpFile *file, const char *path,
                       const char *registers, uint64_t low, Err *err)
{
    const uint8_t *data = file->map;

    if (registers) {
        if (!dump_open_raw(&file->dump, data, file->size, low, err) ||
            !read_registers(&file->dump, registers, err)) {
            return false;
        }
        if (file->dump.n_regs == 0) {
            err_set(err, ERR_FORMAT, "no vCPU is in the file of registers");
        }
        return file->dump.n_regs > 0;
    }
    if (dump_open(&file->dump, data, file->size, err)) {
        return true;
    }
    if (err->code != ERR_USAGE || !may_be_raw(file, path, err)) {
        return false;
    }
    dump_close(&file->dump);
    file->guess = low == 0;
    return dump_open_raw(&file->dump, data, file->size, low, err);
}

bool dump_file_guess(DumpFile *file, unsigned i)
{
    /* Where machines of QEMU, VirtualBox and VMware have their gap. */
    static const uint64_t lows[] = {
        0, 0x80000000, 0xc0000000, 0xe0000000, 0xb0000000,
    };
    Err err;

    if (!file->guess || i >= sizeof(lows) / sizeof(*lows) ||
        (i && lows[i] >= file->size)) {
        return false;
    }
    dump_close(&file->dump);
    if (!dump_open_raw(&file->dump, file->map, file->size, lows[i], &err)) {
        return false;
    }
    know_holes(file);
    return true;
}

static bool map_file(DumpFile *file, int fd, Err *err)
{
    struct sigaction action = { .sa_handler = on_bus_error };
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        err_set(err, ERR_IO, "%s", strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "is no ordinary file");
        return false;
    }
    file->size = st.st_size;
    if (file->size == 0) {
        return true;
    }
    file->map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file->map == MAP_FAILED) {
        file->map = NULL;
        err_set(err, ERR_IO, "%s", strerror(errno));
        return false;
    }
    sigaction(SIGBUS, &action, NULL);
    return true;
}

bool dump_file_open(DumpFile *file, const char *path, const char *registers,
                    uint64_t low, Err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok;

    memset(file, 0, sizeof(*file));
    file->fd = fd;
    ok = map_file(file, fd, err) && open_bytes(file, path, registers, low,
                                               err);
    if (ok) {
        know_holes(file);
    } else {
        err_prefix(err, "%s: ", path);
    }
    return ok;
}

void dump_file_close(DumpFile *file)
{
    dump_close(&file->dump);
    if (file->map) {
        munmap(file->map, file->size);
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
}
