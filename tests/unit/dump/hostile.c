/*
 * dump: files that are made to cost more than they are large.
 *
 * Each says in a few bytes that there is much: what is done for it must stay
 * within what the file has room for.  Work is counted here, not timed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/dump.h"

#include "fake-dump.h"

#include <elf.h>
#include <string.h>

enum { PAGE = 4096 };

static void put32(GByteArray *file, size_t at, uint32_t value)
{
    memcpy(file->data + at, &value, sizeof(value));
}

static void put64(GByteArray *file, size_t at, uint64_t value)
{
    memcpy(file->data + at, &value, sizeof(value));
}

static GByteArray *zeroes(size_t n)
{
    GByteArray *file = g_byte_array_new();

    g_byte_array_set_size(file, (guint)n);
    memset(file->data, 0, n);
    return file;
}

/* Headers that all name the same notes: notes times headers are many. */
static void test_same_notes(void)
{
    enum { HEADERS = 200, NOTES = 1000 };
    size_t notes = sizeof(Elf64_Ehdr) + HEADERS * sizeof(Elf64_Phdr);
    g_autoptr(GByteArray) file = zeroes(notes + NOTES * sizeof(Elf64_Nhdr));
    Elf64_Ehdr *head = (Elf64_Ehdr *)file->data;
    Elf64_Phdr *phdr = (Elf64_Phdr *)(head + 1);
    Dump dump;
    Err err = { 0 };
    unsigned i;

    memcpy(head->e_ident, ELFMAG, SELFMAG);
    head->e_ident[EI_CLASS] = ELFCLASS64;
    head->e_ident[EI_DATA] = ELFDATA2LSB;
    head->e_type = ET_CORE;
    head->e_machine = EM_X86_64;
    head->e_phoff = sizeof(*head);
    head->e_phentsize = sizeof(*phdr);
    head->e_phnum = 1;
    for (i = 0; i < HEADERS; i++) {
        phdr[i].p_type = PT_NOTE;
        phdr[i].p_offset = notes;
        phdr[i].p_filesz = NOTES * sizeof(Elf64_Nhdr);
    }
    g_assert_true(dump_open(&dump, file->data, file->len, &err));
    g_assert_cmpuint(dump.n_notes, ==, NOTES);
    dump_close(&dump);
    head->e_phnum = HEADERS;
    g_assert_false(dump_open(&dump, file->data, file->len, &err));
    g_assert_nonnull(strstr(err.text, "the number of its notes"));
    g_assert_cmpuint(dump.n_notes, <=, file->len / sizeof(Elf64_Nhdr) + 1);
    dump_close(&dump);
}

/* As makedumpfile's raw format has it, but for the pages. */
static void fill_kdump(GByteArray *file, size_t at, uint32_t n_map,
                       uint64_t max)
{
    memcpy(file->data + at, "KDUMP   ", 8);
    put32(file, at + 8, 6);
    put32(file, at + 0x1ac, PAGE);
    put32(file, at + 0x1b0, 1);
    put32(file, at + 0x1b4, n_map);
    put64(file, at + PAGE + 0x60, max);
}

/* Big-endian. */
static void put_record(GByteArray *file, size_t at, uint64_t where,
                       uint64_t size)
{
    put64(file, at, GUINT64_TO_BE(where));
    put64(file, at + 8, GUINT64_TO_BE(size));
}

/*
 * A flattened dump is as large as its last record says: no reason to ask for
 * memory that the file's own bytes would never fill.
 */
static void test_flat_bitmap(void)
{
    enum { HEAD = 4096, RECORD = 16, SIZE = 2 * PAGE };
    g_autoptr(GByteArray) file = zeroes(HEAD + 3 * RECORD + SIZE + 1);
    Dump dump;
    Err err = { 0 };

    memcpy(file->data, "makedumpfile", 12);
    put64(file, 16, GUINT64_TO_BE(1));
    put64(file, 24, GUINT64_TO_BE(1));
    put_record(file, HEAD, 0, SIZE);
    fill_kdump(file, HEAD + RECORD, UINT32_C(1) << 31, UINT64_C(1) << 45);
    put_record(file, HEAD + RECORD + SIZE, UINT64_C(1) << 50, 1);
    put_record(file, HEAD + 2 * RECORD + SIZE + 1, UINT64_MAX, 0);
    g_assert_false(dump_open(&dump, file->data, file->len, &err));
    g_assert_cmpstr(err.text, ==, "it is cut short: its bitmap of pages is "
                    "missing");
    g_assert_null(dump.pages.bits);
    dump_close(&dump);
}

static uint64_t searched;

static void note_all(uint64_t done, uint64_t all)
{
    g_assert_cmpuint(done, <=, all);
    searched = all;
}

/* A bitmap of ones, and no room for so many descriptors. */
static void test_pages_without_descriptors(void)
{
    g_autoptr(GByteArray) file = zeroes(4 * PAGE + 100);
    Dump dump;
    Err err = { 0 };

    fill_kdump(file, 0, 2, 8 * PAGE);
    memset(file->data + 3 * PAGE, 0xff, PAGE);
    g_assert_true(dump_open(&dump, file->data, file->len, &err));
    g_assert_cmpuint(dump.pages.n_pages, ==, 8 * PAGE);
    g_assert_false(dump_find_cpus(&dump, note_all, &err));
    g_assert_cmpuint(searched, >, 0);
    g_assert_cmpuint(searched, <=, 24 * (file->len / PAGE + 1) +
                     file->len / DUMP_DESCRIPTOR);
    dump_close(&dump);
}

/* Each read of a minidump goes through its pieces. */
static void test_many_pieces(void)
{
    enum { PIECES = 70000, AT = 0x2000 };
    static const FakeDump model = { .build = 19041 };
    g_autoptr(GByteArray) file = fake_dump_write(FAKE_WINDOWS_TRIAGE, &model);
    guint at = file->len;
    uint8_t byte;
    Dump dump;
    Err err = { 0 };

    g_byte_array_set_size(file, at + PIECES * 16);
    memset(file->data + at, 0, PIECES * 16);
    put64(file, at + 65535 * 16, 0xfffff80000001000);
    put64(file, at + 65535 * 16 + 8, at | UINT64_C(1) << 32);
    put64(file, at + 65536 * 16, 0xfffff80000002000);
    put64(file, at + 65536 * 16 + 8, at | UINT64_C(1) << 32);
    put32(file, AT + 0x78, at);
    put32(file, AT + 0x7c, PIECES);
    g_assert_true(dump_open(&dump, file->data, file->len, &err));
    g_assert_true(dump_triage_read(&dump, 0xfffff80000001000, &byte, 1));
    g_assert_false(dump_triage_read(&dump, 0xfffff80000002000, &byte, 1));
    g_assert_nonnull(strstr(dump.lacks[0], "65,536"));
    dump_close(&dump);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dump/hostile/same-notes", test_same_notes);
    g_test_add_func("/dump/hostile/flat-bitmap", test_flat_bitmap);
    g_test_add_func("/dump/hostile/pages-without-descriptors",
                    test_pages_without_descriptors);
    g_test_add_func("/dump/hostile/many-pieces", test_many_pieces);
    return g_test_run();
}
