/*
 * attach/memory: see memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/memory.h"

#include "common/message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CACHE_PAGES = 4096,         /* 16 MiB */
    SAMPLE_MAX = 64,            /* places in one call */
};

typedef struct CachedPage {
    uint64_t page;              /* guest-physical, by 4096 */
    uint64_t generation;        /* 0: nothing is here */
} CachedPage;

bool attach_memory_may_map = true;

struct AttachMemory {
    pid_t pid;
    AttachLayout layout;
    const uint8_t **maps;       /* of each range; NULL: not mapped */
    unsigned recent;            /* range that was found last */
    uint64_t generation;
    CachedPage *cached;
    uint8_t *pages;
    GuestMem guest;
    AttachMemoryStats stats;
};

static bool is_inside(const AttachRange *range, uint64_t gpa)
{
    return gpa - range->gpa < range->size;
}

/* The range with an address; NULL: there is no RAM. */
static const AttachRange *range_at(AttachMemory *memory, uint64_t gpa)
{
    const AttachRange *ranges = memory->layout.ranges;
    unsigned low = 0;
    unsigned high = memory->layout.n;

    if (memory->recent < high && is_inside(&ranges[memory->recent], gpa)) {
        return &ranges[memory->recent];
    }
    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (ranges[middle].gpa <= gpa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (!low || !is_inside(&ranges[low - 1], gpa)) {
        return NULL;
    }
    memory->recent = low - 1;
    return &ranges[low - 1];
}

static const uint8_t *map_of(const AttachMemory *memory,
                             const AttachRange *range)
{
    return memory->maps[range - memory->layout.ranges];
}

static bool fetch(AttachMemory *memory, uint64_t hva, void *buf, size_t len)
{
    struct iovec to = { buf, len };
    struct iovec from = { (void *)(uintptr_t)hva, len };

    memory->stats.calls++;
    return process_vm_readv(memory->pid, &to, 1, &from, 1, 0) ==
           (ssize_t)len;
}

/* A whole page of RAM, from the cache or into it. */
static const uint8_t *page_at(AttachMemory *memory, const AttachRange *range,
                              uint64_t page)
{
    size_t slot = (size_t)((page / GMEM_PAGE * 0x9e3779b97f4a7c15) >> 40) %
                  CACHE_PAGES;
    CachedPage *cached = &memory->cached[slot];
    uint8_t *bytes = memory->pages + slot * GMEM_PAGE;

    if (cached->page == page && cached->generation == memory->generation) {
        return bytes;
    }
    cached->generation = 0;
    memory->stats.pages++;
    if (!fetch(memory, range->hva + (page - range->gpa), bytes, GMEM_PAGE)) {
        return NULL;
    }
    cached->page = page;
    cached->generation = memory->generation;
    return bytes;
}

/* A piece of one page.  Aligned eight bytes are one load. */
static bool copy_piece(AttachMemory *memory, uint64_t gpa, void *buf,
                       size_t len)
{
    const AttachRange *range = range_at(memory, gpa);
    uint64_t page = gpa & ~(uint64_t)(GMEM_PAGE - 1);
    const uint8_t *from;

    if (!range || gpa - range->gpa + len > range->size) {
        return false;
    }
    from = map_of(memory, range);
    if (from) {
        from += gpa - range->gpa;
    } else if (page < range->gpa || page - range->gpa + GMEM_PAGE >
                                    range->size) {
        return fetch(memory, range->hva + (gpa - range->gpa), buf, len);
    } else {
        from = page_at(memory, range, page);
        if (!from) {
            return false;
        }
        from += gpa - page;
    }
    if (len == 8 && gpa % 8 == 0) {
        *(uint64_t *)buf = __atomic_load_n((const uint64_t *)from,
                                           __ATOMIC_ACQUIRE);
    } else {
        memcpy(buf, from, len);
    }
    return true;
}

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    AttachMemory *memory = opaque;
    uint8_t *to = buf;

    memory->stats.reads++;
    if (len == 8 && gpa % 8 == 0) {
        uint64_t value;

        if (!copy_piece(memory, gpa, &value, 8)) {
            memory->stats.faults++;
            return false;
        }
        memcpy(buf, &value, 8);
        return true;
    }
    while (len) {
        size_t left = GMEM_PAGE - gpa % GMEM_PAGE;
        size_t n = len < left ? len : left;
        /* Not eight at once: @to need not be aligned. */
        size_t some = n == 8 ? 4 : n;

        if (!copy_piece(memory, gpa, to, some)) {
            memory->stats.faults++;
            return false;
        }
        gpa += some;
        to += some;
        len -= some;
    }
    return true;
}

static void make_fresh(void *opaque)
{
    AttachMemory *memory = opaque;

    memory->generation++;
}

static const GmemOps memory_ops = { .read_phys = read_phys,
                                    .fresh = make_fresh };

AttachMemory *attach_memory_new(pid_t pid)
{
    AttachMemory *memory = calloc(1, sizeof(*memory));

    if (!memory) {
        die_no_memory();
    }
    memory->pid = pid;
    memory->generation = 1;
    memory->guest = (GuestMem) { &memory_ops, memory };
    memory->cached = calloc(CACHE_PAGES, sizeof(*memory->cached));
    memory->pages = aligned_alloc(GMEM_PAGE, (size_t)CACHE_PAGES * GMEM_PAGE);
    if (!memory->cached || !memory->pages) {
        die_no_memory();
    }
    return memory;
}

static void unmap_all(AttachMemory *memory)
{
    unsigned i;

    for (i = 0; i < memory->layout.n; i++) {
        if (memory->maps[i]) {
            munmap((void *)memory->maps[i], memory->layout.ranges[i].size);
        }
    }
    free(memory->maps);
    memory->maps = NULL;
    memory->stats.mapped_bytes = 0;
    memory->stats.n_mapped = 0;
}

void attach_memory_free(AttachMemory *memory)
{
    if (!memory) {
        return;
    }
    unmap_all(memory);
    attach_layout_free(&memory->layout);
    free(memory->cached);
    free(memory->pages);
    free(memory);
}

/* Mapping shared files. */

/* One of QEMU's descriptors of that file, opened here for reading; or -1. */
static int open_like(pid_t pid, const AttachMapping *mapping)
{
    char path[320];
    struct dirent *entry;
    struct stat st;
    DIR *folder;
    int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    folder = opendir(path);
    while (folder && fd < 0 && (entry = readdir(folder))) {
        if (fstatat(dirfd(folder), entry->d_name, &st, 0) ||
            !S_ISREG(st.st_mode) || st.st_ino != mapping->inode) {
            continue;
        }
        fd = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && (fstat(fd, &st) || st.st_ino != mapping->inode)) {
            close(fd);
            fd = -1;
        }
    }
    if (folder) {
        closedir(folder);
    }
    return fd;
}

/* The range, mapped here; NULL when it is not of one shared file. */
static const uint8_t *map_range(AttachMemory *memory,
                                const AttachRange *range,
                                const AttachMapping *mappings, size_t n)
{
    const AttachMapping *mapping = attach_mapping_at(mappings, n, range->hva);
    uint64_t offset;
    struct stat st;
    void *at;
    int fd;

    if (!attach_memory_may_map || !mapping || !mapping->shared || !mapping->inode ||
        range->size > mapping->end - range->hva) {
        return NULL;
    }
    offset = mapping->offset + (range->hva - mapping->start);
    fd = open_like(memory->pid, mapping);
    if (fd < 0) {
        return NULL;
    }
    /* Behind the end of a file a load would be a SIGBUS. */
    at = fstat(fd, &st) || offset % GMEM_PAGE ||
         (uint64_t)st.st_size < offset + range->size ? MAP_FAILED
        : mmap(NULL, range->size, PROT_READ, MAP_SHARED, fd, (off_t)offset);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

void attach_memory_set_layout(AttachMemory *memory, AttachLayout *layout,
                              const AttachMapping *mappings, size_t n)
{
    unsigned i;

    unmap_all(memory);
    attach_layout_free(&memory->layout);
    memory->layout = *layout;
    memset(layout, 0, sizeof(*layout));
    memory->generation++;
    memory->recent = 0;
    memory->maps = calloc(memory->layout.n + 1, sizeof(*memory->maps));
    if (!memory->maps) {
        die_no_memory();
    }
    for (i = 0; i < memory->layout.n; i++) {
        const AttachRange *range = &memory->layout.ranges[i];

        memory->maps[i] = map_range(memory, range, mappings, n);
        if (memory->maps[i]) {
            memory->stats.mapped_bytes += range->size;
            memory->stats.n_mapped++;
        }
    }
}

const AttachLayout *attach_memory_layout(const AttachMemory *memory)
{
    return &memory->layout;
}

const GuestMem *attach_memory_guest(const AttachMemory *memory)
{
    return &memory->guest;
}

const uint64_t *attach_memory_map(const AttachMemory *memory, uint64_t gpa)
{
    const AttachRange *ranges = memory->layout.ranges;
    unsigned i;

    for (i = 0; gpa % 8 == 0 && i < memory->layout.n; i++) {
        if (is_inside(&ranges[i], gpa) && memory->maps[i]) {
            return (const uint64_t *)(memory->maps[i] +
                                      (gpa - ranges[i].gpa));
        }
    }
    return NULL;
}

/* Up to SAMPLE_MAX places, all of which are RAM that is not mapped. */
static void sample_some(AttachMemory *memory, const uint64_t *hvas,
                        uint64_t *values, bool *ok, unsigned n)
{
    struct iovec to[SAMPLE_MAX] = { 0 };
    struct iovec from[SAMPLE_MAX] = { 0 };
    ssize_t got;
    unsigned i;

    for (i = 0; i < n; i++) {
        to[i] = (struct iovec) { &values[i], 8 };
        from[i] = (struct iovec) { (void *)(uintptr_t)hvas[i], 8 };
    }
    memory->stats.calls++;
    got = process_vm_readv(memory->pid, to, n, from, n, 0);
    for (i = 0; i < n; i++) {
        ok[i] = got >= (ssize_t)(8 * (i + 1));
    }
    /* Those behind one that failed were not tried. */
    if (got >= 0 && (size_t)got / 8 + 1 < n) {
        unsigned next = (unsigned)got / 8 + 1;

        sample_some(memory, hvas + next, values + next, ok + next, n - next);
    }
}

void attach_memory_sample(AttachMemory *memory, const uint64_t *gpas,
                          uint64_t *values, bool *ok, unsigned n)
{
    uint64_t hvas[SAMPLE_MAX];
    uint64_t found[SAMPLE_MAX];
    bool good[SAMPLE_MAX];
    unsigned places[SAMPLE_MAX];
    unsigned held = 0;
    unsigned i;
    unsigned j;

    for (i = 0; i < n; i++) {
        const AttachRange *range = range_at(memory, gpas[i]);
        uint64_t inside = range ? gpas[i] - range->gpa : 0;

        ok[i] = range && range->size - inside >= 8;
        if (ok[i] && map_of(memory, range) && gpas[i] % 8 == 0) {
            values[i] = __atomic_load_n(
                (const uint64_t *)(map_of(memory, range) + inside),
                __ATOMIC_ACQUIRE);
        } else if (ok[i]) {
            places[held] = i;
            hvas[held++] = range->hva + inside;
        }
        if (held && (held == SAMPLE_MAX || i == n - 1)) {
            sample_some(memory, hvas, found, good, held);
            for (j = 0; j < held; j++) {
                values[places[j]] = found[j];
                ok[places[j]] = good[j];
            }
            held = 0;
        }
    }
}

int attach_memory_try(AttachMemory *memory)
{
    uint64_t value;
    struct iovec to = { &value, 8 };
    struct iovec from = {
        memory->layout.n ? (void *)(uintptr_t)memory->layout.ranges[0].hva
                         : NULL, 8
    };

    if (process_vm_readv(memory->pid, &to, 1, &from, 1, 0) == 8) {
        return 0;
    }
    /* With an address that cannot be, EFAULT means that we may. */
    return errno == EFAULT && !memory->layout.n ? 0 : errno;
}

const AttachMemoryStats *attach_memory_stats(const AttachMemory *memory)
{
    return &memory->stats;
}
