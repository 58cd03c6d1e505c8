/*
 * process: this program and its libraries, as the kernel and ELF have them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "process/process.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Found {
    uint64_t addr;              /* looked for */
    unsigned n;
    unsigned n_hits;
    char file[512];
    uint64_t load_base;
} Found;

static bool note(const ProcessObject *object, void *opaque)
{
    Found *found = opaque;

    g_assert_nonnull(object->file);
    g_assert_cmphex(object->start, <, object->end);
    g_assert_true(strspn(object->build_id, "0123456789abcdef") ==
                  strlen(object->build_id));
    if (found->n++ == 0) {
        /* The program is the first. */
        g_assert_cmpstr(object->file, ==, process_info()->exe);
        g_assert_cmphex(object->load_base, ==, process_info()->load_base);
        g_assert_cmpstr(object->build_id, ==, process_info()->build_id);
    }
    if (found->addr >= object->start && found->addr < object->end) {
        found->n_hits++;
        found->load_base = object->load_base;
        g_strlcpy(found->file, object->file, sizeof(found->file));
    }
    return true;
}

static void test_objects(void)
{
    Found own = { .addr = (uintptr_t)test_objects };
    Found libs = { .addr = (uintptr_t)g_strlcpy };
    unsigned long long adds = process_objects(note, &own);

    g_assert_cmpuint(process_objects(note, &libs), ==, adds);
    g_assert_cmpuint(own.n_hits, ==, 1);
    g_assert_cmpuint(libs.n_hits, ==, 1);
    g_assert_cmpstr(own.file, ==, process_info()->exe);
    g_assert_nonnull(strstr(libs.file, "libglib"));
}

static bool first_only(const ProcessObject *object, void *opaque)
{
    unsigned *n = opaque;

    (void)object;
    ++*n;
    return false;
}

static void test_ends(void)
{
    unsigned n = 0;

    process_objects(first_only, &n);
    g_assert_cmpuint(n, ==, 1);
}

static void test_info(void)
{
    char exe[512] = "";

    g_assert_cmpint(readlink("/proc/self/exe", exe, sizeof(exe) - 1), >, 0);
    g_assert_cmpstr(process_info()->exe, ==, exe);
    /* Forty digits, or none where the linker makes no build ID. */
    g_assert_true(strlen(process_info()->build_id) == 40 ||
                  !process_info()->build_id[0]);
}

static void test_open(void)
{
    Found libs = { .addr = (uintptr_t)g_strlcpy };
    struct stat here, there;
    int fd = process_open(process_info()->load_base);
    int other;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fstat(fd, &here), ==, 0);
    g_assert_cmpint(stat("/proc/self/exe", &there), ==, 0);
    g_assert_true(here.st_ino == there.st_ino && here.st_dev == there.st_dev);
    /* The caller's own: each call opens another. */
    other = process_open(process_info()->load_base);
    g_assert_cmpint(other, !=, fd);
    close(other);
    close(fd);
    process_objects(note, &libs);
    g_assert_cmpint(process_open(libs.load_base), ==, -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/process/objects", test_objects);
    g_test_add_func("/process/ends", test_ends);
    g_test_add_func("/process/info", test_info);
    g_test_add_func("/process/open", test_open);
    return g_test_run();
}
