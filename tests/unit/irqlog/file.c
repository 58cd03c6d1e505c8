/*
 * irqlog/file: text goes to what is ours, and nothing else is touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_TEXT "something of QEMU's\nirq-log: v1\n"

static char *folder;

static char *path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static char *put(const char *name, const char *content, gssize size)
{
    char *path = path_of(name);

    g_assert_true(g_file_set_contents(path, content, size, NULL));
    return path;
}

static void remove_all(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = path_of(name);

        g_remove(path);
    }
    g_dir_close(dir);
}

static void test_new(void)
{
    g_autofree char *path = path_of("new");
    IrqlogFile file;
    struct stat st;
    Err err;

    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_assert_true(file.regular && file.rotates && file.created);
    g_assert_cmpuint(file.size, ==, 0);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0600);
    g_assert_true(irqlog_file_has_name(&file, path));
    irqlog_file_close(&file);
    g_assert_cmpint(file.fd, ==, -1);
    irqlog_file_close(&file);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    remove_all();
}

static void test_append(void)
{
    g_autofree char *path = put("log", LOG_TEXT, -1);
    g_autofree char *content = NULL;
    IrqlogFile file;
    Err err;

    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_assert_false(file.created);
    g_assert_cmpuint(file.size, ==, strlen(LOG_TEXT));
    g_assert_cmpint(write(file.fd, "more\n", 5), ==, 5);
    irqlog_file_abandon(&file, path);
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, LOG_TEXT "more\n");
    remove_all();
}

static const struct {
    const char *content;
    gssize size;
    const char *reason;
} refused[] = {
    { "a letter\n", -1, "exists and is neither empty nor an IRQ log" },
    { "irq-log", -1, "exists and is neither empty nor an IRQ log" },
    { " irq-log: v1\n", -1, "exists and is neither empty nor an IRQ log" },
    { "irq-log: v1\n\0", 13, "exists and is neither empty nor an IRQ log" },
    { "vmsring\0rest", 12, "exists and is a ring file, not a text log" },
};

static void test_refused(void)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = put("file", refused[i].content,
                                    refused[i].size);
        g_autofree char *reason =
            g_strdup_printf("log-file '%s' %s; choose another name", path,
                            refused[i].reason);
        g_autofree char *content = NULL;
        IrqlogFile file;
        gsize size;
        Err err;

        g_assert_false(irqlog_file_open(&file, path, NULL, &err));
        g_assert_cmpstr(err.text, ==, reason);
        g_assert_cmpint(file.fd, ==, -1);
        g_assert_true(g_file_get_contents(path, &content, &size, NULL));
        g_assert_cmpmem(content, size, refused[i].content,
                        refused[i].size < 0 ? strlen(refused[i].content) :
                                              (size_t)refused[i].size);
        remove_all();
    }
}

static void test_kinds(void)
{
    g_autofree char *dir = path_of("dir");
    g_autofree char *link = path_of("link");
    g_autofree char *fifo = path_of("fifo");
    g_autofree char *target = put("target", LOG_TEXT, -1);
    IrqlogFile file;
    int reader;
    Err err;

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(symlink(target, link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_false(irqlog_file_open(&file, dir, NULL, &err));
    g_assert_nonnull(strstr(err.text, "is a directory"));
    g_assert_false(irqlog_file_open(&file, link, NULL, &err));
    g_assert_nonnull(strstr(err.text, "is a symbolic link"));
    g_assert_false(irqlog_file_open(&file, "/dev/zero", NULL, &err));
    g_assert_cmpstr(err.text, ==, "log-file '/dev/zero' is a device; choose "
                    "another name");
    g_assert_true(irqlog_file_open(&file, "/dev/null", NULL, &err));
    g_assert_false(file.regular || file.rotates);
    irqlog_file_abandon(&file, "/dev/null");
    g_assert_true(g_file_test("/dev/null", G_FILE_TEST_EXISTS));
    reader = open(fifo, O_RDONLY | O_NONBLOCK);
    g_assert_true(irqlog_file_open(&file, fifo, NULL, &err));
    g_assert_false(file.regular || file.rotates);
    irqlog_file_close(&file);
    close(reader);
    remove_all();
}

static void test_locked(void)
{
    g_autofree char *path = path_of("log");
    IrqlogFile file, other;
    Err err;

    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_assert_false(irqlog_file_open(&other, path, NULL, &err));
    g_assert_nonnull(strstr(err.text, "is being written by another QEMU"));
    irqlog_file_abandon(&file, path);
    /* It was made for nothing. */
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    remove_all();
}

/* What was written to, or is another's by now, stays. */
static void test_abandon(void)
{
    g_autofree char *path = path_of("log");
    g_autofree char *away = path_of("away");
    IrqlogFile file;
    Err err;

    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_assert_cmpint(write(file.fd, "x", 1), ==, 1);
    irqlog_file_abandon(&file, path);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    remove_all();
    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_assert_cmpint(g_rename(path, away), ==, 0);
    g_free(put("log", "", 0));
    irqlog_file_abandon(&file, path);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_true(g_file_test(away, G_FILE_TEST_EXISTS));
    remove_all();
}

static int closed;

static int close_noted(int fd)
{
    closed = fd;
    return close(fd);
}

static void test_take(void)
{
    g_autofree char *path = put("file", "a letter\n", -1);
    IrqlogFile file = { .close = close_noted };
    Err err;

    file.fd = open(path, O_RDWR | O_APPEND);
    g_assert_false(irqlog_file_take(&file, "/dev/fdset/1", &err));
    g_assert_nonnull(strstr(err.text, "log-file '/dev/fdset/1' exists and is "
                            "neither"));
    g_assert_cmpint(fcntl(file.fd, F_GETFD), >=, 0);
    close(file.fd);
    /* It may be written to, and not be looked at. */
    file.fd = open(path, O_WRONLY | O_APPEND);
    closed = file.fd;
    g_assert_true(irqlog_file_take(&file, "/dev/fdset/1", &err));
    g_assert_true(file.regular && !file.rotates && !file.created);
    g_assert_cmpuint(file.size, ==, 9);
    irqlog_file_close(&file);
    g_assert_cmpint(file.fd, ==, -1);
    g_assert_cmpint(fcntl(closed, F_GETFD), ==, -1);
    remove_all();
}

static void test_rotate(void)
{
    g_autofree char *path = path_of("log");
    g_autofree char *old = path_of("log.old");
    g_autofree char *content = NULL;
    IrqlogFile file;
    unsigned i;
    Err err;

    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    for (i = 0; i < 3; i++) {
        g_autofree char *text = g_strdup_printf("irq-log: file %u\n", i);

        g_assert_cmpint(write(file.fd, text, strlen(text)), ==,
                        (ssize_t)strlen(text));
        g_assert_true(irqlog_file_rotate(&file, path, &err));
        g_assert_true(irqlog_file_has_name(&file, path));
        g_assert_true(file.rotates && file.created);
        g_assert_cmpuint(file.size, ==, 0);
        g_assert_true(g_file_get_contents(old, &content, NULL, NULL));
        g_assert_cmpstr(content, ==, text);
        g_clear_pointer(&content, g_free);
    }
    irqlog_file_close(&file);
    remove_all();
}

/* Somebody's file has the name that the full one would get. */
static void test_old_is_not_ours(void)
{
    g_autofree char *path = path_of("log");
    g_autofree char *old = path_of("log.old");
    IrqlogFile file, other;
    int fd;
    Err err;

    g_free(put("log.old", "a letter\n", -1));
    g_assert_false(irqlog_file_open(&file, path, NULL, &err));
    g_assert_true(g_str_has_prefix(err.text, "log-file '"));
    g_assert_nonnull(strstr(err.text, "log.old' at its limit: log-file '"));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_remove(old);
    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_free(put("log.old", "", 0));
    fd = file.fd;
    g_assert_false(irqlog_file_rotate(&file, path, &err));
    g_assert_nonnull(strstr(err.text, "an empty file of somebody's"));
    g_assert_cmpint(file.fd, ==, fd);
    g_assert_true(irqlog_file_has_name(&file, path));
    /* Another QEMU's log, which it is writing. */
    g_free(put("log.old", LOG_TEXT, -1));
    g_assert_true(irqlog_file_open(&other, old, NULL, &err));
    g_assert_false(irqlog_file_rotate(&file, path, &err));
    g_assert_nonnull(strstr(err.text, "log.old' is being written by another "
                            "QEMU"));
    irqlog_file_close(&other);
    g_assert_true(irqlog_file_rotate(&file, path, &err));
    irqlog_file_close(&file);
    remove_all();
}

/* Somebody renamed it meanwhile, to that very name: it goes on in a new one. */
static void test_renamed(void)
{
    g_autofree char *path = path_of("log");
    g_autofree char *old = path_of("log.old");
    IrqlogFile file, again;
    Err err;

    g_assert_true(irqlog_file_open(&file, path, NULL, &err));
    g_assert_cmpint(write(file.fd, LOG_TEXT, strlen(LOG_TEXT)), ==,
                    (ssize_t)strlen(LOG_TEXT));
    g_assert_cmpint(g_rename(path, old), ==, 0);
    g_assert_true(irqlog_file_rotate(&file, path, &err));
    g_assert_true(irqlog_file_has_name(&file, path));
    g_assert_cmpuint(file.size, ==, 0);
    again = file;
    g_assert_true(irqlog_file_is_same(&file, &again));
    again.fd = open(old, O_RDONLY);
    g_assert_false(irqlog_file_is_same(&file, &again));
    irqlog_file_close(&again);
    irqlog_file_close(&file);
    remove_all();
}

static void test_long_name(void)
{
    g_autofree char *name = g_strnfill(PATH_MAX - 3, '/');
    IrqlogFile file;
    Err err;

    name[PATH_MAX - 4] = 'x';
    g_assert_false(irqlog_file_open(&file, name, NULL, &err));
    g_assert_true(g_str_has_suffix(err.text, "x': File name too long") ||
                  strlen(err.text) == sizeof(err.text) - 1);
    g_assert_cmpint(file.fd, ==, -1);
}

int main(int argc, char **argv)
{
    int code;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("vmscope-XXXXXX", NULL);
    g_test_add_func("/file/new", test_new);
    g_test_add_func("/file/append", test_append);
    g_test_add_func("/file/refused", test_refused);
    g_test_add_func("/file/kinds", test_kinds);
    g_test_add_func("/file/locked", test_locked);
    g_test_add_func("/file/abandon", test_abandon);
    g_test_add_func("/file/take", test_take);
    g_test_add_func("/file/rotate", test_rotate);
    g_test_add_func("/file/old-is-not-ours", test_old_is_not_ours);
    g_test_add_func("/file/renamed", test_renamed);
    g_test_add_func("/file/long-name", test_long_name);
    code = g_test_run();
    remove_all();
    g_rmdir(folder);
    g_free(folder);
    return code;
}
