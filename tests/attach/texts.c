/*
 * attach: what monitors and /proc say, as recorded from real QEMUs.
 *
 * texts/ is written by record-texts; the expectations are those of the shapes
 * in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/layout.h"
#include "source/attach/process.h"
#include "source/attach/registers.h"

#include <glib.h>
#include <string.h>

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static const char *const tags[] = { "7.2", "10.0" };

enum { N_TAGS = sizeof(tags) / sizeof(*tags) };

static char *text_of(const char *tag, const char *shape, const char *what)
{
    char *name = g_strdup_printf("%s/%s-%s.%s", TEXTS, tag, shape, what);
    char *text = NULL;
    GError *error = NULL;

    g_file_get_contents(name, &text, NULL, &error);
    g_assert_no_error(error);
    g_free(name);
    return text;
}

/* Layouts. */

typedef struct Wanted {
    const char *shape;
    uint64_t gpa, size;         /* of a range that must be there */
    const char *block;
    uint64_t offset;
} Wanted;

static const Wanted wanted[] = {
    { "q35-6g",  0x100000, 2 * GIB - MIB, "pc.ram", MIB },
    { "q35-6g",  4 * GIB, 4 * GIB, "pc.ram", 2 * GIB },
    { "pc-6g",   0x100000, 3 * GIB - MIB, "pc.ram", MIB },
    { "pc-6g",   4 * GIB, 3 * GIB, "pc.ram", 3 * GIB },
    { "pc-128m", 0x100000, 127 * MIB, "pc.ram", MIB },
    { "numa",    0x100000, 2 * GIB - MIB, "m0", MIB },
    { "numa",    4 * GIB, 3 * GIB, "m1", 0 },
    { "dimm",    4 * GIB, 512 * MIB, "d0", 0 },
    { "dimm",    4 * GIB + 512 * MIB, GIB, "d1", 0 },
    { "vmem",    4 * GIB, 2 * GIB, "v0", 0 },
};

static const AttachRange *range_of(const AttachLayout *layout, uint64_t gpa)
{
    unsigned i;

    for (i = 0; i < layout->n; i++) {
        if (layout->ranges[i].gpa == gpa) {
            return &layout->ranges[i];
        }
    }
    g_error("no range at 0x%" G_GINT64_MODIFIER "x", gpa);
}

static void parse(AttachLayout *layout, const char *tag, const char *shape)
{
    char *text = text_of(tag, shape, "mtree");
    Err err;

    attach_layout_init(layout);
    g_assert_true(attach_layout_parse_mtree(layout, text, &err));
    g_free(text);
}

static void test_mtree(void)
{
    AttachLayout layout;
    size_t i;
    size_t t;

    for (t = 0; t < N_TAGS; t++) {
        for (i = 0; i < G_N_ELEMENTS(wanted); i++) {
            const Wanted *w = &wanted[i];
            const AttachRange *range;

            parse(&layout, tags[t], w->shape);
            range = range_of(&layout, w->gpa);
            g_assert_cmphex(range->size, ==, w->size);
            g_assert_cmpstr(range->block, ==, w->block);
            g_assert_cmphex(range->offset, ==, w->offset);
            g_assert_cmphex(range->hva, ==, 0);
            attach_layout_free(&layout);
        }
    }
}

/* 10.0 shows addresses of blocks, and they are what gpa2hva says. */
static void test_ramblock(void)
{
    const char *const shapes[] = { "q35-6g", "pc-6g", "numa", "dimm", "vmem" };
    AttachLayout layout;
    size_t i;
    size_t t;

    for (t = 0; t < N_TAGS; t++) {
        for (i = 0; i < G_N_ELEMENTS(shapes); i++) {
            char *text = text_of(tags[t], shapes[i], "ramblock");
            char *answers = text_of(tags[t], shapes[i], "gpa2hva");
            char *high = strstr(answers, "0x100000000 (");
            unsigned missing;

            parse(&layout, tags[t], shapes[i]);
            missing = attach_layout_parse_ramblock(&layout, text);
            g_assert_nonnull(high);
            if (!strcmp(tags[t], "7.2")) {
                g_assert_cmpuint(missing, ==, layout.n);
            } else {
                /* Ranges of ROM with a block each are there as well. */
                g_assert_cmpuint(missing, ==, 0);
                g_assert_cmphex(range_of(&layout, 0)->hva, ==,
                                attach_layout_parse_gpa2hva(answers));
                g_assert_cmphex(range_of(&layout, 4 * GIB)->hva, ==,
                                attach_layout_parse_gpa2hva(high));
            }
            attach_layout_free(&layout);
            g_free(text);
            g_free(answers);
        }
    }
}

static void test_gpa2hva(void)
{
    g_assert_cmphex(attach_layout_parse_gpa2hva(
                        "Host virtual address for 0x0 (pc.ram) is "
                        "0x7f540be00000\r\n"), ==, 0x7f540be00000);
    g_assert_cmphex(attach_layout_parse_gpa2hva(
                        "Memory at address 0xfee00000 is not RAM\r\n"), ==, 0);
    g_assert_cmphex(attach_layout_parse_gpa2hva(
                        "No memory is mapped at address 0x7fff0000000\r\n"),
                    ==, 0);
    g_assert_cmphex(attach_layout_parse_gpa2hva(""), ==, 0);
}

static void test_mtree_nonsense(void)
{
    static const char *const texts[] = {
        "", "unknown command: 'info mtree'\r\n", "FlatView #0\n AS \"memory\"",
        "FlatView #0\n AS \"I/O\", root: io\n"
        "  0000000000000000-00000000000bffff (prio 0, ram): pc.ram\n",
        "FlatView #0\n AS \"memory\", root: system\n"
        "  ffff-0000 (prio 0, ram): pc.ram\n",
    };
    AttachLayout layout;
    size_t i;
    Err err;

    attach_layout_init(&layout);
    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_false(attach_layout_parse_mtree(&layout, texts[i], &err));
        g_assert_cmpuint(layout.n, ==, 0);
    }
    g_assert_true(attach_layout_parse_mtree(
        &layout, "FlatView #0\n AS \"memory\", root: system\n"
        "  0000000000000000-00000000000bffff (prio 0, ram): a\n"
        "  0000000000001000-00000000000bffff (prio 0, ram): overlaps\n"
        "  00000000000c0000-00000000000c0fff (prio 1, romd): b\n"
        "  00000000000d0000-00000000000d0fff (prio 1, rom): with blank "
        "@0000000000000010 KVM\n"
        "  fffffffffffff000-ffffffffffffffff (prio -1, ram): top\n", &err));
    g_assert_cmpuint(layout.n, ==, 3);
    g_assert_cmpstr(layout.ranges[1].block, ==, "with blank");
    g_assert_cmphex(layout.ranges[1].offset, ==, 0x10);
    g_assert_cmphex(layout.ranges[2].size, ==, 0x1000);
    attach_layout_free(&layout);
}

/* Without a monitor: the first guess is right for both machines. */
static void test_guess(void)
{
    static const struct {
        const char *shape;
        bool q35;
    } machines[] = {
        { "q35-6g", true }, { "pc-6g", false }, { "pc-128m", false },
    };
    AttachLayout layout;
    size_t i;
    size_t t;
    size_t n;

    for (t = 0; t < N_TAGS; t++) {
        for (i = 0; i < G_N_ELEMENTS(machines); i++) {
            const char *shape = machines[i].shape;
            AttachShape pc = { machines[i].q35, !machines[i].q35, 0 };
            char *text = text_of(tags[t], shape, "maps");
            char *answers = text_of(tags[t], shape, "gpa2hva");
            char *high = strstr(answers, "0x100000000 (");
            AttachMapping *mappings = attach_mappings_parse(text, &n);

            attach_layout_init(&layout);
            g_assert_true(attach_layout_guess(&layout, mappings, n, 0,
                                              &pc));
            g_assert_cmphex(layout.ranges[0].hva, ==,
                            attach_layout_parse_gpa2hva(answers));
            g_assert_cmpuint(layout.n, ==, high ? 2 : 1);
            if (high) {
                g_assert_cmphex(layout.ranges[1].gpa, ==, 4 * GIB);
                g_assert_cmphex(layout.ranges[1].hva, ==,
                                attach_layout_parse_gpa2hva(high));
            }
            g_assert_false(attach_layout_guess(&layout, mappings, n, 4,
                                               &pc));
            attach_layout_free(&layout);
            free(mappings);
            g_free(text);
            g_free(answers);
        }
    }
}

/* RAM in several mappings, by what the command line says that it has. */
static void test_guess_pieces(void)
{
    static const char nodes[] =
        "7f8b2bffe000-7f8bebffe000 rw-s 00000000 00:01 29056 /memfd:m (d)\n"
        "7f8bebfff000-7f8c6bfff000 rw-s 00000000 00:01 29055 /memfd:m (d)\n"
        "7f8c70000000-7f8c78000000 rwxp 00000000 00:00 0\n"
        "7f8c78000000-7f8c79000000 rw-p 00000000 00:00 0\n";
    AttachShape shape = { true, false, 5 * GIB };
    AttachLayout layout;
    size_t n;
    AttachMapping *mappings = attach_mappings_parse(nodes, &n);

    attach_layout_init(&layout);
    /* The older one is the first node, though it is the smaller one. */
    g_assert_true(attach_layout_guess(&layout, mappings, n, 0, &shape));
    g_assert_cmpuint(layout.n, ==, 2);
    g_assert_cmphex(layout.ranges[0].hva, ==, 0x7f8bebfff000);
    g_assert_cmphex(layout.ranges[0].size, ==, 2 * GIB);
    g_assert_cmphex(layout.ranges[1].gpa, ==, 4 * GIB);
    g_assert_cmphex(layout.ranges[1].hva, ==, 0x7f8b2bffe000);
    g_assert_cmphex(layout.ranges[1].size, ==, 3 * GIB);
    /* A node that lies on both sides of the hole. */
    g_assert_true(attach_layout_guess(&layout, mappings, n, 1, &shape));
    g_assert_cmpuint(layout.n, ==, 3);
    g_assert_cmphex(layout.ranges[1].gpa, ==, 2 * GIB);
    g_assert_cmphex(layout.ranges[1].size, ==, GIB);
    g_assert_cmphex(layout.ranges[2].gpa, ==, 4 * GIB);
    g_assert_cmphex(layout.ranges[2].hva, ==, 0x7f8b2bffe000 + GIB);
    /* The other order, last of all. */
    g_assert_true(attach_layout_guess(&layout, mappings, n, 4, &shape));
    g_assert_cmphex(layout.ranges[0].hva, ==, 0x7f8b2bffe000);
    g_assert_true(attach_layout_guess(&layout, mappings, n, 7, &shape));
    g_assert_false(attach_layout_guess(&layout, mappings, n, 8, &shape));
    /* They do not make it up: the largest alone. */
    shape.memory = 4 * GIB;
    g_assert_true(attach_layout_guess(&layout, mappings, n, 0, &shape));
    g_assert_cmphex(layout.bytes, ==, 3 * GIB);
    g_assert_false(attach_layout_guess(&layout, mappings, n, 4, &shape));
    attach_layout_free(&layout);
    free(mappings);
}

static void test_mappings(void)
{
    size_t n;
    AttachMapping *m = attach_mappings_parse(
        "7fec67ffe000-7fed27ffe000 rw-s 00001000 00:01 1244      "
        "                 /memfd:memory-backend-memfd (deleted)\n"
        "55b88e452000-55b88e761000 ---p 00000000 00:00 0\n"
        "nonsense\n"
        "7ffcdaf1b000-7ffcdaf3c000 rw-p 00000000 00:00 0     [stack]\n", &n);

    g_assert_cmpuint(n, ==, 2);
    g_assert_true(m[0].shared && m[0].writable && !m[0].executable);
    g_assert_cmpuint(m[0].inode, ==, 1244);
    g_assert_cmphex(m[0].offset, ==, 0x1000);
    g_assert_cmpstr(m[0].path, ==, "/memfd:memory-backend-memfd (deleted)");
    g_assert_true(attach_mapping_at(m, n, 0x7fed27ffdfff) == &m[0]);
    g_assert_null(attach_mapping_at(m, n, 0x7fed27ffe000));
    g_assert_null(attach_mapping_at(m, n, 0x55b88e452000));
    free(m);
}

/* Registers. */

static void test_registers(void)
{
    WinosRegs regs[4];
    char *text;
    size_t t;

    for (t = 0; t < N_TAGS; t++) {
        text = text_of(tags[t], "q35-6g", "registers");
        g_assert_cmpuint(attach_registers_parse(text, regs, 4), ==, 2);
        g_assert_cmpuint(regs[1].vcpu, ==, 1);
        g_assert_false(regs[0].long_mode);
        g_assert_cmphex(regs[0].cr3, ==, 0);
        g_assert_cmpuint(attach_registers_parse(text, regs, 1), ==, 1);
        g_free(text);
    }
    text = text_of("7.2", "nt-kernel", "registers");
    g_assert_cmpuint(attach_registers_parse(text, regs, 4), ==, 2);
    g_assert_true(regs[0].long_mode);
    g_assert_cmphex(regs[0].gs_base, ==, 0xffff8e953c259000);
    g_assert_cmphex(regs[0].cr3, ==, 0x2917000);
    g_assert_cmphex(regs[1].gs_base, ==, 0xffff8e953c26f000);
    g_assert_cmphex(regs[1].idt_base, ==, 0xffff8e953c200000);
    g_assert_cmphex(regs[0].kernel_gs_base, ==, 0);
    g_assert_cmpuint(regs[0].cpl, ==, 0);
    g_assert_false(regs[0].la57);
    g_free(text);
    text = text_of("7.2", "nt-user", "registers");
    g_assert_cmpuint(attach_registers_parse(text, regs, 4), ==, 2);
    g_assert_cmpuint(regs[0].cpl, ==, 3);
    g_assert_cmphex(regs[0].gs_base, ==, 0x7fe22000);
    g_assert_cmphex(regs[1].cr3, ==, 0x2917000);
    g_free(text);
}

static void test_codes(void)
{
    AttachCode codes[4];
    char *text = text_of("10.0", "q35-6g", "registers");

    /* At reset: F000:FFF0, where the base is the ROM's. */
    g_assert_cmpuint(attach_codes_parse(text, codes, 4), ==, 2);
    g_assert_cmphex(codes[0].code.address, ==, 0xfffffff0);
    g_assert_false(codes[0].code.protected_mode);
    g_assert_false(codes[0].halted);
    g_assert_cmpint(winos_stage(&codes[0].code), ==, WINOS_STAGE_FIRMWARE);
    g_assert_cmpuint(attach_codes_parse(text, codes, 1), ==, 1);
    g_free(text);
    text = text_of("7.2", "nt-kernel", "registers");
    g_assert_cmpuint(attach_codes_parse(text, codes, 4), ==, 2);
    g_assert_cmphex(codes[0].code.address, ==, 0xfffff800963aebc7);
    g_assert_cmpint(winos_stage(&codes[0].code), ==, WINOS_STAGE_KERNEL);
    g_free(text);
    text = text_of("7.2", "nt-user", "registers");
    g_assert_cmpuint(attach_codes_parse(text, codes, 4), ==, 2);
    g_assert_cmphex(codes[0].code.address, ==, 0x7fe00003);
    g_assert_cmpint(winos_stage(&codes[0].code), ==, WINOS_STAGE_USER);
    g_free(text);
    g_assert_cmpuint(attach_codes_parse("", codes, 4), ==, 0);
    g_assert_cmpuint(attach_codes_parse("CPU#0\nRIP=1\nCR0=11\n"
                                        "CPU#1\nEIP=1\nCS =0 0 0 0\n",
                                        codes, 4), ==, 0);
    g_assert_cmpuint(attach_codes_parse(
        "CPU#3\nEIP=fffffff0 CPL=0 HLT=1\nCS =f000 00000020 0 0\n"
        "CR0=00000010", codes, 4), ==, 1);
    g_assert_cmpuint(codes[0].vcpu, ==, 3);
    g_assert_true(codes[0].halted);
    g_assert_cmphex(codes[0].code.address, ==, 0x10);
}

static void test_registers_nonsense(void)
{
    WinosRegs regs[4];

    g_assert_cmpuint(attach_registers_parse("", regs, 4), ==, 0);
    g_assert_cmpuint(attach_registers_parse("CPU#", regs, 4), ==, 0);
    g_assert_cmpuint(attach_registers_parse(
        "CPU#0\nCR3=1000 CR4=00000000\n"
        "CPU#1\nEFER=0000000000000500\nGS =0000 0000000000001000 0 0\n",
        regs, 4), ==, 0);
    g_assert_cmpuint(attach_registers_parse(
        "CPU#7\nRIP=0 CPL=3 II=0\nGS =002b 000000f0e1000000 ffffffff 0\n"
        "IDT=     fffff80100000000 00000fff\n"
        "CR0=80050033 CR2=0 CR3=00000001aa002000 CR4=00001020\n"
        "EFER=0000000000000d01", regs, 4), ==, 1);
    g_assert_cmpuint(regs[0].vcpu, ==, 7);
    g_assert_cmpuint(regs[0].cpl, ==, 3);
    g_assert_true(regs[0].la57);
    g_assert_cmphex(regs[0].idt_base, ==, 0xfffff80100000000);
}

/* Command lines. */

static void check_command(const char *line, const AttachCommand *expected)
{
    char *words = g_strdup(line);
    size_t len = strlen(words) + 1;
    AttachCommand found;

    attach_command_parse(g_strdelimit(words, " ", '\0'), len, &found);
    g_assert_cmpstr(found.name, ==, expected->name);
    g_assert_cmpstr(found.machine, ==, expected->machine);
    g_assert_cmpstr(found.qmp, ==, expected->qmp);
    g_assert_cmpint(found.libvirt, ==, expected->libvirt);
    g_assert_cmpint(found.encrypted, ==, expected->encrypted);
    g_assert_cmpint(found.accel, ==, expected->accel);
    g_assert_cmphex(found.memory, ==, expected->memory);
    g_assert_cmpuint(found.vcpus, ==, expected->vcpus);
    g_free(words);
}

static void test_command(void)
{
    check_command("qemu-system-x86_64 -M q35,accel=kvm -m 4096 -smp 4 -qmp "
                  "unix:/run/vm.qmp,server=on,wait=off -name win11",
                  &(AttachCommand) { "win11", "q35", "/run/vm.qmp", false,
                                     false, ATTACH_ACCEL_KVM, 4 * GIB, 4 });
    check_command("/usr/bin/qemu-system-x86_64 -name "
                  "guest=win,debug-threads=on -machine "
                  "pc-q35-7.2,usb=off,confidential-guest-support=lsec0 "
                  "-accel kvm -m size=8388608k,slots=16 -smp "
                  "8,sockets=8,cores=1 -chardev "
                  "socket,id=charmonitor,fd=32,server=on -mon "
                  "chardev=charmonitor,id=monitor,mode=control",
                  &(AttachCommand) { "win", "pc-q35-7.2", "", true, true,
                                     ATTACH_ACCEL_KVM, 8 * GIB, 8 });
    check_command("/usr/bin/kvm -id 100 -name web,debug-threads=on -chardev "
                  "socket,id=qmp,path=/var/run/100.qmp,server=on,wait=off "
                  "-mon chardev=qmp,mode=control -smp "
                  "4,sockets=1,cores=4,maxcpus=4 -m 512",
                  &(AttachCommand) { "web", "", "/var/run/100.qmp", false,
                                     false, ATTACH_ACCEL_UNKNOWN, 512 * MIB,
                                     4 });
    check_command("qemu-system-x86_64 -accel tcg,thread=multi -m 1.5G "
                  "--enable-kvm -qmp tcp:localhost:4444,server=on -smp 0 -M",
                  &(AttachCommand) { "", "", "", false, false,
                                     ATTACH_ACCEL_KVM, MIB, 1 });
    check_command("qemu-system-x86_64", &(AttachCommand) { .vcpus = 1 });
}

static void test_schedstat(void)
{
    uint64_t run = 0;
    uint64_t wait = 0;

    g_assert_true(attach_schedstat_parse("281474976710656 17 3\n", &run,
                                         &wait));
    g_assert_cmpuint(run, ==, 281474976710656);
    g_assert_cmpuint(wait, ==, 17);
    g_assert_false(attach_schedstat_parse("", &run, &wait));
    g_assert_false(attach_schedstat_parse("12", &run, &wait));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attach/mtree", test_mtree);
    g_test_add_func("/attach/mtree-nonsense", test_mtree_nonsense);
    g_test_add_func("/attach/ramblock", test_ramblock);
    g_test_add_func("/attach/gpa2hva", test_gpa2hva);
    g_test_add_func("/attach/guess", test_guess);
    g_test_add_func("/attach/guess-pieces", test_guess_pieces);
    g_test_add_func("/attach/mappings", test_mappings);
    g_test_add_func("/attach/registers", test_registers);
    g_test_add_func("/attach/codes", test_codes);
    g_test_add_func("/attach/registers-nonsense", test_registers_nonsense);
    g_test_add_func("/attach/command", test_command);
    g_test_add_func("/attach/schedstat", test_schedstat);
    return g_test_run();
}
