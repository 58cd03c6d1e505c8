/*
 * fuzz/dump/dump: what must hold for any file of memory.
 *
 * 1. It is opened, or refused with a sentence; nothing outside of its bytes is
 *    touched (ASan tells).
 * 2. The same address reads the same twice, and in one piece as in two.
 * 3. A search for CPUs ends.
 *
 * An input (script.h) makes a dump and changes it:
 *
 *     k KIND        of which kind (fake-dump.h); the first line
 *     w AT VALUE    eight bytes
 *     b AT VALUE    one byte
 *     c LENGTH      cut to so many bytes
 *     r GPA LENGTH  read there, besides other places at the end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "script.h"

#include "dump/dump.h"
#include "fake-dump.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, MAX_READ = 3 * PAGE };

static uint8_t low[5 * PAGE], high[2 * PAGE], object[0x400];

static const FakeRun runs[] = {
    { 0, sizeof(low), low },
    { 1ULL << 32, sizeof(high), high },
};

static const FakePiece pieces[] = {
    { 0xfffff80012345678, sizeof(object), object },
};

static const FakeDriver drivers[] = {
    { "ntoskrnl.exe", 0xfffff80010000000, 0x1046000, 0x12345678 },
};

static const WinosRegs regs[] = {
    { .long_mode = true, .gs_base = 0xfffff80000001000, .cr3 = 0x1000 },
};

static const FakeDump model = {
    .runs = runs, .n_runs = 2, .regs = regs, .n_regs = 1, .cr3 = 0x1000,
    .module_list = 0xfffff80010c00000, .build = 19041, .bugcheck = 0xd1,
    .prcb = { 0, sizeof(object), object },
    .thread = { 0, sizeof(object), object },
    .process = { 0, sizeof(object), object },
    .stack = { 0xffffe00000004100, sizeof(object), object },
    .plain_kdbg = { 0, 0x380, object },
    .pieces = pieces, .n_pieces = 1, .drivers = drivers, .n_drivers = 1,
};

static void fill(void)
{
    size_t i;

    for (i = 0; i < sizeof(low); i++) {
        low[i] = (uint8_t)(i * i >> 5);
    }
    for (i = 0; i < sizeof(high); i++) {
        high[i] = (uint8_t)(i >> 9);
    }
}

static void read_there(const Dump *dump, uint64_t gpa, size_t len)
{
    static uint8_t a[MAX_READ], b[MAX_READ];
    size_t half;
    bool ok;

    len = len % MAX_READ + 1;
    half = len / 2;
    ok = gmem_read_phys(&dump->mem, gpa, a, len, NULL);
    if (ok && (!gmem_read_phys(&dump->mem, gpa, b, half, NULL) ||
               !gmem_read_phys(&dump->mem, gpa + half, b + half, len - half,
                               NULL) ||
               memcmp(a, b, len))) {
        abort();
    }
    dump_triage_read(dump, gpa, a, len);
}

static void use(Dump *dump)
{
    static const uint64_t places[] = {
        0, PAGE - 1, 4 * PAGE, 1ULL << 32, (1ULL << 32) + PAGE, UINT64_MAX,
    };
    DumpDriver driver;
    Err err = { 0 };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        read_there(dump, places[i], 2 * PAGE);
    }
    for (i = 0; i < 4; i++) {
        dump_triage_driver(dump, i, &driver);
    }
    dump_find_cpus(dump, NULL, &err);
}

static void change(GByteArray *file, const ScriptLine *line)
{
    uint64_t value = line->b;

    if (line->what == 'w' && file->len >= 8 && line->a <= file->len - 8) {
        memcpy(file->data + line->a, &value, 8);
    } else if (line->what == 'b' && line->a < file->len) {
        file->data[line->a] = (uint8_t)value;
    } else if (line->what == 'c' && line->a < file->len) {
        g_byte_array_set_size(file, (guint)line->a);
    }
}

void fuzz_check(const uint8_t *data, size_t len)
{
    Script script = script_begin(data, len), again;
    g_autoptr(GByteArray) file = NULL;
    g_autofree uint8_t *exact = NULL;
    ScriptLine line;
    Err err = { 0 };
    Dump dump;

    fill();
    if (!script_next(&script, &line)) {
        return;
    }
    file = fake_dump_write(line.a % FAKE_N_KINDS, &model);
    if (!file) {
        return;
    }
    again = script;
    while (script_next(&script, &line)) {
        change(file, &line);
    }
    exact = file->len ? g_memdup2(file->data, file->len) : NULL;
    if (dump_open(&dump, exact, file->len, &err)) {
        while (script_next(&again, &line)) {
            if (line.what == 'r') {
                read_there(&dump, line.a, line.b);
            }
        }
        use(&dump);
    } else if (!*err.text) {
        abort();
    }
    dump_close(&dump);
}
