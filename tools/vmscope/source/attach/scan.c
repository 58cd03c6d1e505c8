/*
 * attach/scan: see scan.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 512,                /* pages at a time */
    KPCR_SELF = 0x18,           /* and the pointer to the PRCB behind it */
    KPCR_PRCB = 0x180,
    KPCR_NUMBER = KPCR_PRCB + 0x24,
    MAX_NUMBER = 2048,
};

/* Source: Linux, Documentation/admin-guide/mm/pagemap.rst. */
static const uint64_t page_present = (uint64_t)1 << 63;
static const uint64_t page_swapped = (uint64_t)1 << 62;

typedef struct Pair {
    uint64_t self;
    uint64_t prcb;
} Pair;

void attach_scan_begin(AttachScan *scan, pid_t pid, const GmemSpace *space)
{
    memset(scan, 0, sizeof(*scan));
    scan->pid = pid;
    scan->space = *space;
}

/* Which of the pages QEMU has in memory; all, where that is not to be had. */
static void find_present(int fd, uint64_t hva, unsigned n, bool *present)
{
    uint64_t entries[BATCH];
    ssize_t got = fd < 0 ? -1 : pread(fd, entries, n * sizeof(*entries),
                                      (off_t)(hva / GMEM_PAGE *
                                              sizeof(*entries)));
    unsigned i;

    for (i = 0; i < n; i++) {
        present[i] = got < (ssize_t)((i + 1) * sizeof(*entries)) ||
                     entries[i] & (page_present | page_swapped);
    }
}

static void check_page(AttachScan *scan, AttachMemory *memory, uint64_t gpa,
                       const Pair *pair)
{
    const GuestMem *guest = attach_memory_guest(memory);
    uint64_t where;
    uint32_t number;

    if (pair->self % GMEM_PAGE || pair->prcb != pair->self + KPCR_PRCB ||
        !gmem_is_kernel(&scan->space, pair->self) ||
        !gmem_translate(&scan->space, pair->self, &where, NULL, NULL) ||
        where != gpa || scan->n == ATTACH_SCAN_MAX ||
        !gmem_read_phys(guest, gpa + KPCR_NUMBER, &number, sizeof(number),
                        NULL) || number >= MAX_NUMBER) {
        return;
    }
    scan->found[scan->n++] = (AttachKpcr) { pair->self, number };
}

/* Some pages of one range. */
static void scan_batch(AttachScan *scan, AttachMemory *memory, int pagemap,
                       const AttachRange *range, unsigned n)
{
    struct iovec to;
    struct iovec from[BATCH];
    uint64_t gpas[BATCH];
    Pair pairs[BATCH];
    bool present[BATCH];
    unsigned wanted = 0;
    ssize_t got;
    unsigned i;

    find_present(pagemap, range->hva + scan->inside, n, present);
    for (i = 0; i < n; i++) {
        uint64_t inside = scan->inside + (uint64_t)i * GMEM_PAGE;

        if (present[i]) {
            gpas[wanted] = range->gpa + inside;
            from[wanted++] = (struct iovec) {
                (void *)(uintptr_t)(range->hva + inside + KPCR_SELF),
                sizeof(Pair)
            };
        }
    }
    to = (struct iovec) { pairs, wanted * sizeof(Pair) };
    got = wanted ? process_vm_readv(scan->pid, &to, 1, from, wanted, 0) : 0;
    for (i = 0; got >= (ssize_t)((i + 1) * sizeof(Pair)); i++) {
        check_page(scan, memory, gpas[i], &pairs[i]);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool attach_scan_some(AttachScan *scan, AttachMemory *memory,
                      uint64_t budget_ns)
{
    const AttachLayout *layout = attach_memory_layout(memory);
    uint64_t end_ns = now_ns() + budget_ns;
    char path[64];
    int pagemap;

    snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)scan->pid);
    pagemap = open(path, O_RDONLY | O_CLOEXEC);
    while (scan->range < layout->n && now_ns() < end_ns) {
        const AttachRange *range = &layout->ranges[scan->range];
        uint64_t left = (range->size - scan->inside) / GMEM_PAGE;
        unsigned n = left < BATCH ? (unsigned)left : BATCH;

        if (!n || scan->inside > range->size) {
            scan->range++;
            scan->inside = 0;
            continue;
        }
        scan_batch(scan, memory, pagemap, range, n);
        scan->inside += (uint64_t)n * GMEM_PAGE;
    }
    if (pagemap >= 0) {
        close(pagemap);
    }
    scan->done = scan->range >= layout->n;
    return scan->done;
}

uint64_t attach_scan_kpcr(const AttachScan *scan, uint32_t number)
{
    uint64_t kpcr = 0;
    unsigned i;

    for (i = 0; i < scan->n; i++) {
        if (scan->found[i].number == number) {
            if (kpcr && kpcr != scan->found[i].gva) {
                return 0;
            }
            kpcr = scan->found[i].gva;
        }
    }
    return kpcr;
}
