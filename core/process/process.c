/*
 * process: see process.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* dl_iterate_phdr() */
#endif

#include "process/process.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ProcessInfo process;
static int program_fd = -1;

static void process_hex(char *to, size_t size, const uint8_t *bytes, size_t n)
{
    size_t i;

    for (i = 0; i < n && 2 * i + 2 < size; i++) {
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
    }
}

/* Notes are a head, a name and a description, each padded to 4 bytes. */
static void process_find_build_id(const char *at, size_t size, char *to,
                                  size_t to_size)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
        size_t name = ((size_t)note->n_namesz + 3) & ~(size_t)3;
        size_t whole = sizeof(*note) + name +
                       (((size_t)note->n_descsz + 3) & ~(size_t)3);

        if (whole > size) {
            return;
        }
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            !memcmp(note + 1, "GNU", 4)) {
            process_hex(to, to_size, (const uint8_t *)(note + 1) + name,
                        note->n_descsz);
            return;
        }
        at += whole;
        size -= whole;
    }
}

typedef struct ObjectVisit {
    bool (*add)(const ProcessObject *object, void *opaque);
    void *opaque;
    unsigned long long adds;
} ObjectVisit;

static int process_visit_object(struct dl_phdr_info *info, size_t size,
                                void *opaque)
{
    ObjectVisit *visit = opaque;
    char build_id[41] = "";
    ProcessObject object = {
        .load_base = info->dlpi_addr,
        .start = UINT64_MAX,
        .build_id = build_id,
        /* The program itself comes without a name. */
        .file = info->dlpi_name[0] ? info->dlpi_name : process.exe,
    };
    int i;

    (void)size;
    visit->adds = info->dlpi_adds;
    for (i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + phdr->p_vaddr;

        if (phdr->p_type == PT_LOAD) {
            uint64_t end = start + phdr->p_memsz;

            object.start = start < object.start ? start : object.start;
            object.end = end > object.end ? end : object.end;
        } else if (phdr->p_type == PT_NOTE && !build_id[0]) {
            process_find_build_id((const char *)(uintptr_t)start, phdr->p_memsz,
                                  build_id, sizeof(build_id));
        }
    }
    return !visit->add(&object, visit->opaque);
}

unsigned long long process_objects(bool (*add)(const ProcessObject *object,
                                               void *opaque), void *opaque)
{
    ObjectVisit visit = { .add = add, .opaque = opaque };

    dl_iterate_phdr(process_visit_object, &visit);
    return visit.adds;
}

/* The program is the first object. */
static bool process_take_program(const ProcessObject *object, void *opaque)
{
    (void)opaque;
    process.load_base = object->load_base;
    snprintf(process.build_id, sizeof(process.build_id), "%s",
             object->build_id);
    return false;
}

static void __attribute__((constructor)) process_init(void)
{
    ssize_t n = readlink("/proc/self/exe", process.exe,
                         sizeof(process.exe) - 1);

    process.exe[n > 0 ? n : 0] = '\0';
    /* It stays readable by this when its name no longer leads to it. */
    program_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    process_objects(process_take_program, NULL);
}

const ProcessInfo *process_info(void)
{
    return &process;
}

int process_open(uint64_t load_base)
{
    return load_base == process.load_base && program_fd >= 0 ?
           fcntl(program_fd, F_DUPFD_CLOEXEC, 0) : -1;
}
