/*
 * attach/memory: memory of another process, as a guest's.
 *
 * A child holds pages with known contents, private and of a memfd; it changes
 * them when it is told to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/memory.h"
#include "source/attach/process.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_PAGES = 64, SIZE = N_PAGES * GMEM_PAGE };

#define HIGH ((uint64_t)4 << 30)

typedef struct Child {
    pid_t pid;
    int talk;
    uint64_t *private;          /* the same addresses there */
    uint64_t *shared;
} Child;

static void fill(uint64_t *words, uint64_t seed)
{
    size_t i;

    for (i = 0; i < SIZE / 8; i++) {
        words[i] = seed + i;
    }
}

static _Noreturn void serve(const Child *child, int talk)
{
    char byte;

    fill(child->private, 0x1111000000000000);
    fill(child->shared, 0x2222000000000000);
    while (write(talk, "x", 1) == 1 && read(talk, &byte, 1) == 1) {
        child->private[0]++;
        child->shared[0]++;
    }
    _exit(0);
}

static void step(const Child *child)
{
    char byte;

    g_assert_cmpint(read(child->talk, &byte, 1), ==, 1);
}

static void start(Child *child)
{
    int fd = memfd_create("guest", MFD_CLOEXEC);
    int pair[2];

    g_assert_cmpint(ftruncate(fd, SIZE), ==, 0);
    child->private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    child->shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                         0);
    g_assert_true(child->private != MAP_FAILED && child->shared != MAP_FAILED);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    child->pid = fork();
    if (!child->pid) {
        close(pair[0]);
        serve(child, pair[1]);
    }
    close(pair[1]);
    close(fd);
    child->talk = pair[0];
    step(child);
}

static void end(Child *child)
{
    close(child->talk);
    waitpid(child->pid, NULL, 0);
    munmap(child->private, SIZE);
    munmap(child->shared, SIZE);
}

static AttachMemory *open_memory(const Child *child)
{
    AttachMemory *memory = attach_memory_new(child->pid);
    AttachLayout layout;
    AttachMapping *mappings;
    size_t len;
    size_t n;
    char *text = attach_proc_read(child->pid, "maps", &len);

    g_assert_nonnull(text);
    mappings = attach_mappings_parse(text, &n);
    attach_layout_init(&layout);
    layout.n = 2;
    layout.ranges[0] = (AttachRange) { 0, SIZE,
                                       (uintptr_t)child->private };
    layout.ranges[1] = (AttachRange) { HIGH, SIZE,
                                       (uintptr_t)child->shared };
    attach_memory_set_layout(memory, &layout, mappings, n);
    free(mappings);
    free(text);
    return memory;
}

static void test_read(void)
{
    Child child;
    AttachMemory *memory;
    const GuestMem *guest;
    uint64_t words[1024];
    uint8_t bytes[16];
    size_t i;

    start(&child);
    memory = open_memory(&child);
    guest = attach_memory_guest(memory);
    g_assert_cmpint(attach_memory_try(memory), ==, 0);
    g_assert_true(gmem_read_phys(guest, 0, words, sizeof(words), NULL));
    for (i = 0; i < 1024; i++) {
        g_assert_cmphex(words[i], ==, 0x1111000000000000 + i);
    }
    g_assert_true(gmem_read_phys(guest, HIGH + 16, words, 24, NULL));
    g_assert_cmphex(words[0], ==, 0x2222000000000002);
    g_assert_cmphex(words[2], ==, 0x2222000000000004);
    /* Over the end of a page, not aligned. */
    g_assert_true(gmem_read_phys(guest, GMEM_PAGE - 3, bytes, 8, NULL));
    g_assert_cmphex(bytes[3], ==, 512 & 0xff);
    g_assert_cmphex(bytes[4], ==, 512 >> 8);
    /* Beyond the end, and where there is nothing. */
    g_assert_false(gmem_read_phys(guest, SIZE - 4, bytes, 8, NULL));
    g_assert_false(gmem_read_phys(guest, SIZE, bytes, 1, NULL));
    g_assert_false(gmem_read_phys(guest, UINT64_MAX - 3, bytes, 8, NULL));
    g_assert_false(gmem_read_phys(guest, HIGH - 1, bytes, 2, NULL));
    g_assert_true(gmem_read_phys(guest, SIZE - 1, bytes, 1, NULL));
    attach_memory_free(memory);
    end(&child);
}

/* Copies are kept until they are to be fresh; mapped memory is no copy. */
static void test_fresh(void)
{
    Child child;
    AttachMemory *memory;
    const GuestMem *guest;
    uint64_t gpas[] = { 0, HIGH, SIZE, 8 };
    uint64_t values[4];
    bool ok[4];
    uint64_t word;

    start(&child);
    memory = open_memory(&child);
    guest = attach_memory_guest(memory);
    g_assert_true(gmem_read_phys(guest, 0, &word, 8, NULL));
    g_assert_cmpint(write(child.talk, "x", 1), ==, 1);
    step(&child);
    g_assert_true(gmem_read_phys(guest, 0, &word, 8, NULL));
    g_assert_cmphex(word, ==, 0x1111000000000000);
    attach_memory_sample(memory, gpas, values, ok, 4);
    g_assert_true(ok[0] && ok[1] && !ok[2] && ok[3]);
    g_assert_cmphex(values[0], ==, 0x1111000000000001);
    g_assert_cmphex(values[1], ==, 0x2222000000000001);
    g_assert_cmphex(values[3], ==, 0x1111000000000001);
    gmem_fresh(guest);
    g_assert_true(gmem_read_phys(guest, 0, &word, 8, NULL));
    g_assert_cmphex(word, ==, 0x1111000000000001);
    g_assert_true(gmem_read_phys(guest, HIGH, &word, 8, NULL));
    g_assert_cmphex(word, ==, 0x2222000000000001);
    attach_memory_free(memory);
    end(&child);
}

static void test_map(void)
{
    Child child;
    AttachMemory *memory;
    const uint64_t *at;

    start(&child);
    memory = open_memory(&child);
    g_assert_cmpuint(attach_memory_stats(memory)->n_mapped, ==, 1);
    g_assert_null(attach_memory_map(memory, 0));
    g_assert_null(attach_memory_map(memory, HIGH + 4));
    g_assert_null(attach_memory_map(memory, HIGH + SIZE));
    at = attach_memory_map(memory, HIGH + 8);
    g_assert_nonnull(at);
    g_assert_cmphex(*at, ==, 0x2222000000000001);
    attach_memory_free(memory);
    end(&child);
}

/* A page is fetched once, however small the pieces. */
static void test_pages(void)
{
    Child child;
    AttachMemory *memory;
    uint32_t number;
    uint64_t gpa;

    start(&child);
    memory = open_memory(&child);
    for (gpa = 0; gpa < SIZE; gpa += 4) {
        g_assert_true(gmem_read_phys(attach_memory_guest(memory), gpa,
                                     &number, 4, NULL));
    }
    g_assert_cmpuint(attach_memory_stats(memory)->pages, ==, N_PAGES);
    g_assert_cmpuint(attach_memory_stats(memory)->calls, ==, N_PAGES);
    attach_memory_free(memory);
    end(&child);
}

static void test_many_samples(void)
{
    uint64_t gpas[200];
    uint64_t values[200];
    bool ok[200];
    Child child;
    AttachMemory *memory;
    unsigned i;

    start(&child);
    memory = open_memory(&child);
    for (i = 0; i < 200; i++) {
        gpas[i] = i % 7 == 3 ? HIGH + i * 8 : i % 11 == 5 ? SIZE + i : i * 8;
    }
    attach_memory_sample(memory, gpas, values, ok, 200);
    for (i = 0; i < 200; i++) {
        if (i % 7 == 3) {
            g_assert_cmphex(values[i], ==, 0x2222000000000000 + i);
        } else if (i % 11 == 5) {
            g_assert_false(ok[i]);
        } else {
            g_assert_cmphex(values[i], ==, 0x1111000000000000 + i);
        }
    }
    attach_memory_free(memory);
    end(&child);
}

/* A layout that is wrong, and a process that has ended. */
static void test_gone(void)
{
    uint64_t gpas[] = { 0, 8, HIGH };
    uint64_t values[3];
    bool ok[3];
    Child child;
    AttachMemory *memory;
    AttachLayout layout;
    Err err;

    start(&child);
    memory = open_memory(&child);
    attach_layout_init(&layout);
    layout.n = 1;
    layout.ranges[0] = (AttachRange) { 0, SIZE, 0x1000 };
    attach_memory_set_layout(memory, &layout, NULL, 0);
    attach_memory_sample(memory, gpas, values, ok, 3);
    g_assert_false(ok[0] || ok[1] || ok[2]);
    g_assert_false(gmem_read_phys(attach_memory_guest(memory), 0, values, 8,
                                  NULL));
    end(&child);
    attach_memory_sample(memory, gpas, values, ok, 3);
    g_assert_false(ok[0] || ok[1] || ok[2]);
    g_assert_cmpint(attach_memory_try(memory), ==, ESRCH);
    attach_rights_explain(child.pid, ESRCH, &err);
    g_assert_nonnull(strstr(err.text, "has ended"));
    attach_memory_free(memory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/memory/read", test_read);
    g_test_add_func("/attach/memory/fresh", test_fresh);
    g_test_add_func("/attach/memory/map", test_map);
    g_test_add_func("/attach/memory/pages", test_pages);
    g_test_add_func("/attach/memory/many-samples", test_many_samples);
    g_test_add_func("/attach/memory/gone", test_gone);
    return g_test_run();
}
