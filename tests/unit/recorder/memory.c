/*
 * recorder/memory, guard: a ring's file has its name when it is complete,
 * nothing of anybody's is lost, and one that is cut short ends nobody.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/file.h"
#include "recorder/guard.h"
#include "recorder/memory.h"
#include "recorder/path.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum { SIZE = 64 * 4096 };

typedef struct Folder {
    char *path;
    char *ring;
    char *old;
} Folder;

static void folder_init(Folder *f)
{
    f->path = g_dir_make_tmp("memory-XXXXXX", NULL);
    g_assert_nonnull(f->path);
    f->ring = g_build_filename(f->path, "ring", NULL);
    f->old = g_strconcat(f->ring, ".old", NULL);
}

static unsigned folder_count(const Folder *f)
{
    GDir *dir = g_dir_open(f->path, 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    g_dir_close(dir);
    return n;
}

static void folder_free(Folder *f)
{
    GDir *dir = g_dir_open(f->path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        char *path = g_build_filename(f->path, name, NULL);

        g_remove(path);
        g_free(path);
    }
    g_dir_close(dir);
    g_rmdir(f->path);
    g_free(f->path);
    g_free(f->ring);
    g_free(f->old);
}

/* A ring of the shape that others recognise, with @mark in it. */
static RingMemory *make(const char *path, char mark, Err *err)
{
    RingPlace place = { .what = "ring-file", .path = path };
    RingMemory *memory = ring_memory_new(&place, SIZE, err);
    EvringHeader *header;

    if (!memory || !ring_memory_populate(memory, err)) {
        ring_memory_free(memory);
        return NULL;
    }
    header = ring_memory_start(memory);
    memcpy(header->magic, EVRING_MAGIC, sizeof(header->magic));
    header->pid = (uint32_t)getpid();
    header->exe[0] = mark;
    return memory;
}

static char mark_of(const char *path)
{
    char *bytes = NULL;
    gsize len = 0;
    char mark = 0;

    if (g_file_get_contents(path, &bytes, &len, NULL) &&
        len > offsetof(EvringHeader, exe)) {
        mark = bytes[offsetof(EvringHeader, exe)];
    }
    g_free(bytes);
    return mark;
}

static void test_anonymous(void)
{
    Err err;
    RingMemory *memory = make(NULL, 'a', &err);

    g_assert_nonnull(memory);
    g_assert_true(ring_memory_publish(memory, &err));
    g_assert_false(ring_memory_is_lost(memory));
    ring_memory_free(memory);
}

static void test_takes_its_name(void)
{
    Folder f;
    Err err;
    RingMemory *memory;

    folder_init(&f);
    memory = make(f.ring, 'a', &err);
    g_assert_nonnull(memory);
    g_assert_false(g_file_test(f.ring, G_FILE_TEST_EXISTS));
    g_assert_true(ring_memory_publish(memory, &err));
    g_assert_cmpint(mark_of(f.ring), ==, 'a');
    g_assert_cmpuint(folder_count(&f), ==, 1);
    ring_memory_free(memory);
    /* The next one renames it, and the one after that replaces that. */
    memory = make(f.ring, 'b', &err);
    g_assert_true(ring_memory_publish(memory, &err));
    ring_memory_free(memory);
    memory = make(f.ring, 'c', &err);
    g_assert_cmpint(mark_of(f.ring), ==, 'b');
    g_assert_true(ring_memory_publish(memory, &err));
    ring_memory_free(memory);
    g_assert_cmpint(mark_of(f.ring), ==, 'c');
    g_assert_cmpint(mark_of(f.old), ==, 'b');
    g_assert_cmpuint(folder_count(&f), ==, 2);
    folder_free(&f);
}

static void test_one_that_is_given_up(void)
{
    Folder f;
    Err err;

    folder_init(&f);
    ring_memory_free(make(f.ring, 'a', &err));
    g_assert_cmpuint(folder_count(&f), ==, 0);
    folder_free(&f);
}

/* Somebody takes the name between the two. */
static void test_name_is_taken_meanwhile(void)
{
    Folder f;
    Err err;
    RingMemory *one;
    RingMemory *other;

    folder_init(&f);
    one = make(f.ring, 'a', &err);
    other = make(f.ring, 'b', &err);
    g_assert_true(ring_memory_publish(one, &err));
    g_assert_false(ring_memory_publish(other, &err));
    g_assert_nonnull(strstr(err.text, "is being written by a trace of "
                            "process"));
    g_assert_nonnull(strstr(err.text, ", this one"));
    ring_memory_free(other);
    g_assert_cmpint(mark_of(f.ring), ==, 'a');
    g_assert_cmpuint(folder_count(&f), ==, 1);
    ring_memory_free(one);
    folder_free(&f);
}

typedef struct Found {
    const char *name;
    const char *content;        /* NULL: a folder */
    const char *said;
} Found;

static const Found founds[] = {
    { "text", "mine\n", "exists and is not a ring file; remove it" },
    { "empty", "", "exists and is not a ring file but empty" },
    { "folder", NULL, "is a directory, and only a regular file" },
};

/* @old: that stands under the name which an old ring would get */
static void try_found(const Found *found, bool old)
{
    Folder f;
    Err err;
    RingMemory *memory;

    folder_init(&f);
    if (old) {
        memory = make(f.ring, 'a', &err);
        g_assert_true(ring_memory_publish(memory, &err));
        ring_memory_free(memory);
    }
    if (found->content) {
        g_assert_true(g_file_set_contents(old ? f.old : f.ring, found->content,
                                          -1, NULL));
    } else {
        g_assert_cmpint(g_mkdir(old ? f.old : f.ring, 0700), ==, 0);
    }
    memory = make(f.ring, 'b', &err);
    g_assert_null(memory);
    g_assert_nonnull(strstr(err.text, found->said));
    g_assert_cmpint(strstr(err.text, "would be renamed") != NULL, ==, old);
    g_assert_cmpint(mark_of(f.ring), ==, old ? 'a' : 0);
    g_assert_cmpuint(folder_count(&f), ==, old ? 2 : 1);
    folder_free(&f);
}

static void test_what_is_nobodys_ring(gconstpointer data)
{
    try_found(data, false);
    try_found(data, true);
}

static unsigned n_closed;

static void count_close(int fd)
{
    n_closed++;
    close(fd);
}

/* An open file is used as it is, and closed as it shall be, in any case. */
static void test_given(void)
{
    Folder f;
    RingPlace place = { .what = "ring-file", .close = count_close };
    RingMemory *memory;
    Err err;
    int fd;

    folder_init(&f);
    place.path = "/dev/fdset/1";
    fd = open(f.ring, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    place.fd = dup(fd);
    memory = ring_memory_new(&place, SIZE, &err);
    g_assert_nonnull(memory);
    place.fd = dup(fd);
    g_assert_null(ring_memory_new(&place, SIZE, &err));
    g_assert_nonnull(strstr(err.text, "the ring of the trace now on"));
    g_assert_cmpuint(n_closed, ==, 1);
    ring_memory_free(memory);
    g_assert_cmpuint(n_closed, ==, 2);
    /* Not anybody's text. */
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_cmpint(pwrite(fd, "mine", 4, 0), ==, 4);
    place.fd = dup(fd);
    g_assert_null(ring_memory_new(&place, SIZE, &err));
    g_assert_nonnull(strstr(err.text, "is not a ring file"));
    g_assert_cmpuint(n_closed, ==, 3);
    close(fd);
    folder_free(&f);
}

/* Whoever reads what is left is told that no more will come. */
static void test_cut(gconstpointer data)
{
    size_t left = GPOINTER_TO_SIZE(data);
    EvringHeader header;
    RingMemory *memory;
    volatile char *mem;
    Folder f;
    Err err;
    int fd;

    folder_init(&f);
    memory = make(f.ring, 'a', &err);
    g_assert_true(ring_memory_publish(memory, &err));
    mem = ring_memory_start(memory);
    g_assert_false(ring_memory_is_lost(memory));
    g_assert_cmpint(truncate(f.ring, (off_t)left), ==, 0);
    mem[SIZE - 1] = 'x';
    g_assert_true(ring_memory_is_lost(memory));
    g_assert_cmpint(mem[SIZE - 1], ==, 'x');
    g_assert_cmpint(mem[0], ==, 0);
    ring_memory_end_lost(memory, 4711, &err);
    g_assert_nonnull(strstr(err.text, "was cut short by somebody, to "));
    if (left >= sizeof(header)) {
        fd = open(f.ring, O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(pread(fd, &header, sizeof(header), 0), ==,
                        sizeof(header));
        g_assert_cmpuint(header.state, ==, EVRING_STOPPED);
        g_assert_cmpuint(header.end_stamp, ==, 4711);
        close(fd);
    }
    ring_memory_free(memory);
    folder_free(&f);
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    guard_init(NULL);
    g_test_add_func("/recorder/memory/anonymous", test_anonymous);
    g_test_add_func("/recorder/memory/takes-its-name", test_takes_its_name);
    g_test_add_func("/recorder/memory/one-that-is-given-up",
                    test_one_that_is_given_up);
    g_test_add_func("/recorder/memory/name-is-taken-meanwhile",
                    test_name_is_taken_meanwhile);
    for (i = 0; i < G_N_ELEMENTS(founds); i++) {
        char *name = g_strconcat("/recorder/memory/found-", founds[i].name,
                                 NULL);

        g_test_add_data_func(name, &founds[i], test_what_is_nobodys_ring);
        g_free(name);
    }
    g_test_add_func("/recorder/memory/given", test_given);
    g_test_add_data_func("/recorder/memory/cut-to-nothing",
                         GSIZE_TO_POINTER(0), test_cut);
    g_test_add_data_func("/recorder/memory/cut-after-the-header",
                         GSIZE_TO_POINTER(sizeof(EvringHeader)), test_cut);
    return g_test_run();
}
