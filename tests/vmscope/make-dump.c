/*
 * make-dump: a guest's RAM in a file, written again as any kind of dump.
 *
 *     make-dump --list
 *     make-dump RAM PLACE KIND...
 *
 * Writes PLACE/KIND for each, but for those whose library is not there.
 *
 * What a header has to say of the kernel, and which bytes a minidump keeps,
 * is what winos finds in the RAM; a test holds what is read back against the
 * guest's own account, not against this.  The bug check is made up: 0xd1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fake-dump.h"

#include "base/le.h"
#include "dump/dump.h"
#include "winos/detect.h"
#include "winos/modules.h"

#include <stdio.h>
#include <string.h>

enum { OBJECT = 0x900, MAX_CPUS = 64, LATER = 4 << 20 };

/* 2026-11-30 10:20:30 UTC */
static const uint64_t when = 134405076300000000;

static WinosResult result;
static WinosCpu cpus[DUMP_MAX_CPUS];
static WinosModule modules[WINOS_MAX_MODULES];

static void die(const char *what)
{
    fprintf(stderr, "make-dump: %s\n", what);
    exit(1);
}

/* As much of an object as there is before a page that is missing. */
static FakePiece keep(uint64_t gva, uint32_t size)
{
    uint8_t *bytes = g_malloc0(size);
    uint64_t present;

    gmem_read_some(&result.kernel.space, gva, bytes, size, &present);
    return (FakePiece) { gva, size, bytes };
}

static uint64_t word(uint64_t object, WinosField field)
{
    uint64_t value = 0;

    gmem_read_u64(&result.kernel.space,
                  object + (uint32_t)winos_offset(&result.layout, field),
                  &value);
    return value;
}

/* The first CPU that does not idle crashed; else the first. */
static unsigned choose_cpu(void)
{
    unsigned i;

    for (i = 0; i < result.n_cpus; i++) {
        if (word(cpus[i].prcb, WINOS_PRCB_CURRENT_THREAD) !=
            cpus[i].idle_thread) {
            return i;
        }
    }
    return 0;
}

/* PRCBs of all CPUs, and the array that leads to them. */
static void take_pieces(FakeDump *d)
{
    static FakePiece pieces[MAX_CPUS + 1];
    unsigned i;

    d->pieces = pieces;
    pieces[d->n_pieces++] = keep(result.kdbg.processor_block, MAX_CPUS * 8);
    for (i = 0; i < result.n_cpus && i < MAX_CPUS; i++) {
        pieces[d->n_pieces++] = keep(cpus[i].prcb, OBJECT);
    }
}

static void take_drivers(FakeDump *d)
{
    static FakeDriver drivers[WINOS_MAX_MODULES];
    unsigned n, i;

    winos_modules_read(&result.kernel.space, winos_modules_head(&result),
                       modules, WINOS_MAX_MODULES, &n);
    for (i = 0; i < n; i++) {
        drivers[i] = (FakeDriver) { modules[i].name, modules[i].base,
                                    modules[i].size, modules[i].timestamp };
    }
    d->drivers = drivers;
    d->n_drivers = n;
}

static void describe(Dump *dump, FakeDump *d)
{
    unsigned crashed = choose_cpu();
    uint64_t thread = word(cpus[crashed].prcb, WINOS_PRCB_CURRENT_THREAD);

    take_pieces(d);
    take_drivers(d);
    d->regs = dump->regs;
    d->n_regs = dump->n_regs;
    d->cr3 = result.kernel.space.cr3;
    d->module_list = winos_modules_head(&result);
    d->process_list = result.kernel.process_list;
    d->kdbg = result.kdbg.address;
    d->rsp = word(thread, WINOS_KTHREAD_STACK_BASE) - 0x400;
    d->rip = result.kernel.image.base + 0x1234;
    d->time = when;
    d->build = result.kernel.build;
    d->bugcheck = 0xd1;
    d->parameters[0] = 0x8;
    d->parameters[1] = 2;
    d->parameters[3] = d->rip;
    d->prcb = keep(cpus[crashed].prcb, OBJECT);
    d->thread = keep(thread, OBJECT);
    d->process = keep(word(thread, WINOS_KTHREAD_PROCESS), OBJECT);
    d->stack = keep(d->rsp, 0x400);
    d->plain_kdbg = (FakePiece) { 0, result.kdbg.size, result.kdbg.data };
}

static FakeDumpKind kind_of(const char *name)
{
    unsigned kind;

    for (kind = 0; kind < FAKE_N_KINDS; kind++) {
        if (!strcmp(fake_dump_name(kind), name)) {
            return kind;
        }
    }
    die("no such kind");
    return FAKE_N_KINDS;
}

static int list(void)
{
    unsigned kind;

    for (kind = 0; kind < FAKE_N_KINDS; kind++) {
        puts(fake_dump_name(kind));
    }
    return 0;
}

static void write_kind(const FakeDump *d, const char *place, const char *kind)
{
    g_autoptr(GByteArray) out = fake_dump_write(kind_of(kind), d);
    g_autofree char *path = g_build_filename(place, kind, NULL);

    if (out && !g_file_set_contents(path, (const char *)out->data, out->len,
                                    NULL)) {
        die("cannot write");
    }
}

int main(int argc, char **argv)
{
    g_autofree gchar *ram = NULL;
    FakeRun runs[2];
    FakeDump d = { .runs = runs, .n_runs = 2 };
    WinosOptions options;
    gsize size;
    Dump dump;
    Err err = { 0 };
    int i;

    if (argc == 2 && !strcmp(argv[1], "--list")) {
        return list();
    }
    if (argc < 3 || !g_file_get_contents(argv[1], &ram, &size, NULL) ||
        size < 2 * LATER) {
        die("usage: make-dump RAM PLACE KIND...");
    }
    winos_options_init(&options);
    if (!dump_open_raw(&dump, (const uint8_t *)ram, size, 0, &err) ||
        !dump_find_cpus(&dump, NULL, &err) ||
        !winos_detect(&dump.mem, dump.regs, dump.n_regs, &options, &result,
                      cpus, &err)) {
        die(err.text);
    }
    describe(&dump, &d);
    /* Two runs that are neighbours, as a machine's may be. */
    runs[0] = (FakeRun) { 0, LATER, (const uint8_t *)ram };
    runs[1] = (FakeRun) { LATER, size - LATER, (const uint8_t *)ram + LATER };
    for (i = 3; i < argc; i++) {
        write_kind(&d, argv[2], argv[i]);
    }
    dump_close(&dump);
    return 0;
}
