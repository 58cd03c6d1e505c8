/*
 * winos/kernel: the kernel is found from whatever state vCPUs are in, and
 * what is no Windows is told so, in words and soon.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/kernel.h"

#include "fake-pe.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* Not 2 MiB aligned, as seen on real machines. */
#define BASE 0xfffff80312a1a000
#define SHARED 0xfffff78000000000
#define KPCR 0xffff9a0000123000
#define USER_GS 0x000000d4a1b2c000
#define IDT 0xffff9a0000200000
#define SYSTEM 0xffff9a0000305040

enum {
    RAM = 32 << 20,
    SIZE = 0x1046000,
    SYSCALL = 0x3c0040,
    SHADOW_SYSCALL = 0xa01140,
    DIVIDE = 0x3f0080,
    BUILD = 0xd00010,           /* NtBuildNumber */
    SYSTEM_POINTER = 0xd00020,  /* PsInitialSystemProcess */
    EXPORTS = 0x900000,
    SHADOW = 0x9000,            /* in the KPCR: the kernel's CR3 */
};

static const FakePeSection sections[] = {
    { ".text", 0x1000, 0x8ff000, FAKE_PE_CODE },
    { ".edata", 0x900000, 0x100000, 0x40000040 },
    { "KVASCODE", 0xa00000, 0x5000, FAKE_PE_CODE },
    { ".data", 0xd00000, 0x100000, FAKE_PE_DATA },
};

static const FakePeExport exports[] = {
    { "KeBugCheckEx", 0x2000 },
    { "NtBuildNumber", BUILD },
    { "PsInitialSystemProcess", SYSTEM_POINTER },
};

static const FakePe kernel_pe = {
    .size = SIZE,
    .timestamp = 0xa5b6c7d8,
    .sections = sections,
    .n_sections = G_N_ELEMENTS(sections),
    .name = "ntoskrnl.exe",
    .export_rva = EXPORTS,
    .exports = exports,
    .n_exports = G_N_ELEMENTS(exports),
};

static FakeGuest g;
static uint64_t low_pages[2];   /* in the first MiB, and not mapped */
static WinosKernel kernel;
static WinosRegs regs[2];
static Err err;

static void put_shared_data(void)
{
    fake_guest_map(&g, SHARED, GMEM_PAGE);
    fake_guest_put32(&g, SHARED + 0x260, 19044);
    fake_guest_put32(&g, SHARED + 0x26c, 10);
    fake_guest_put32(&g, SHARED + 0x270, 0);
    fake_guest_put32(&g, SHARED + 0x3c0, 2);
}

static void put_gate(unsigned vector, uint64_t handler)
{
    uint64_t gate = IDT + vector * 16;

    fake_guest_put16(&g, gate, (uint16_t)handler);
    fake_guest_put16(&g, gate + 2, 0x10);
    fake_guest_put16(&g, gate + 4, 0x8e00);
    fake_guest_put16(&g, gate + 6, (uint16_t)(handler >> 16));
    fake_guest_put32(&g, gate + 8, (uint32_t)(handler >> 32));
}

static void put_kernel(const FakePe *pe)
{
    fake_pe_put(&g, BASE, pe);
    fake_guest_map(&g, BASE + SYSCALL - SYSCALL % GMEM_PAGE, GMEM_PAGE);
    fake_guest_map(&g, BASE + 0xd00000, GMEM_PAGE);
    fake_guest_put32(&g, BASE + BUILD, 0xf0000000 + 19045);
    fake_guest_put64(&g, BASE + SYSTEM_POINTER, SYSTEM);
    fake_guest_map(&g, IDT, GMEM_PAGE);
    put_gate(0, BASE + DIVIDE);
}

static void put_kpcr(uint64_t kpcr)
{
    fake_guest_map(&g, kpcr, GMEM_PAGE);
    fake_guest_put64(&g, kpcr + 0x18, kpcr);
    fake_guest_put64(&g, kpcr + 0x20, kpcr + 0x180);
}

/* Two vCPUs in the kernel. */
static void set_regs(void)
{
    unsigned i;

    for (i = 0; i < 2; i++) {
        regs[i] = (WinosRegs){
            .vcpu = i,
            .long_mode = true,
            .la57 = g.space.levels == 5,
            .gs_base = KPCR,
            .kernel_gs_base = USER_GS,
            .cr3 = g.space.cr3 | 2,
            .lstar = BASE + SYSCALL,
            .idt_base = IDT,
        };
    }
}

static void begin_with(const FakePe *pe, unsigned levels)
{
    fake_guest_init(&g, RAM, levels);
    low_pages[0] = fake_guest_page(&g);
    low_pages[1] = fake_guest_page(&g);
    put_shared_data();
    put_kernel(pe);
    put_kpcr(KPCR);
    set_regs();
}

static void begin(void)
{
    begin_with(&kernel_pe, 4);
}

static void end(void)
{
    fake_guest_deinit(&g);
}

static void enter_user(WinosRegs *r, uint64_t cr3)
{
    r->cpl = 3;
    r->gs_base = USER_GS;
    r->kernel_gs_base = KPCR;
    r->cr3 = cr3;
}

static bool find(void)
{
    g.reads = 0;
    memset(&err, 0, sizeof(err));
    return winos_kernel_find(&g.mem, regs, 2, &kernel, &err);
}

static void check_found(void)
{
    g_assert_true(find());
    g_assert_cmpstr(err.text, ==, "");
    g_assert_cmphex(kernel.space.cr3, ==, g.space.cr3);
    g_assert_cmpuint(kernel.space.levels, ==, g.space.levels);
    g_assert_true(kernel.space.mem == &g.mem);
    g_assert_cmphex(kernel.image.base, ==, BASE);
    g_assert_cmphex(kernel.image.timestamp, ==, 0xa5b6c7d8);
    g_assert_cmpuint(kernel.build, ==, 19045);
    g_assert_cmpuint(kernel.major, ==, 10);
    g_assert_cmpuint(kernel.minor, ==, 0);
    g_assert_cmphex(kernel.system_process, ==, SYSTEM);
    g_assert_cmphex(kernel.process_list, ==, 0);
    g_assert_cmphex(kernel.idle_process, ==, 0);
}

static void check_not_found(const char *why)
{
    g_assert_false(find());
    g_assert_cmpstr(err.text, ==, why);
    g_assert_cmpint(err.code, !=, ERR_NONE);
    g_assert_false(winos_kernel_find(&g.mem, regs, 2, &kernel, NULL));
}

static void test_kernel_mode(void)
{
    begin();
    check_found();
    g_assert_false(kernel.kva_shadow);
    g_assert_cmpuint(g.reads, <, 20000);
    end();
}

/*
 * A number that changes while Windows boots is the same kernel's; it is
 * believed once the exported one and that of shared data agree.
 */
static void test_follow_build(void)
{
    begin();
    fake_guest_put32(&g, BASE + BUILD, 19041);
    fake_guest_put32(&g, SHARED + 0x260, 19041);
    g_assert_true(find());
    g_assert_cmpuint(kernel.build, ==, 19041);
    g_assert_false(winos_kernel_follow_build(&kernel));
    fake_guest_put32(&g, SHARED + 0x260, 19045);
    g_assert_false(winos_kernel_follow_build(&kernel));
    fake_guest_put32(&g, BASE + BUILD, 0xf0000000 + 19045);
    g_assert_true(winos_kernel_follow_build(&kernel));
    g_assert_cmpuint(kernel.build, ==, 19045);
    g_assert_true(winos_kernel_is_there(&kernel));
    g_assert_false(winos_kernel_follow_build(&kernel));
    /* What cannot be a build is none. */
    fake_guest_put32(&g, BASE + BUILD, 0xf0000000);
    fake_guest_put32(&g, SHARED + 0x260, 0);
    g_assert_false(winos_kernel_follow_build(&kernel));
    g_assert_cmpuint(kernel.build, ==, 19045);
    end();
}

/* A kernel that does not export the number: shared data's is followed. */
static void test_follow_shared_build(void)
{
    begin();
    g_assert_true(find());
    kernel.build_at = 0;
    fake_guest_put32(&g, SHARED + 0x260, 26200);
    g_assert_true(winos_kernel_follow_build(&kernel));
    g_assert_cmpuint(kernel.build, ==, 26200);
    end();
}

static void test_user_mode(void)
{
    begin();
    enter_user(&regs[0], g.space.cr3);
    enter_user(&regs[1], g.space.cr3);
    check_found();
    end();
}

static void test_la57(void)
{
    begin_with(&kernel_pe, 5);
    check_found();
    end();
}

/* The registers that firmware left do not keep from those of the other. */
static void test_other_vcpu(void)
{
    begin();
    memset(&regs[0], 0, sizeof(regs[0]));
    check_found();
    regs[0].cr3 = regs[1].cr3;
    check_found();
    regs[0].long_mode = true;
    check_found();
    regs[0].cr3 = RAM + 0x1000;
    regs[0].lstar = 0x1000;
    check_found();
    end();
}

/* Code as published of KiSystemCall64Shadow; see docs/guest-facts. */
static void put_shadow_code(void)
{
    static const uint8_t code[] = {
        0x0f, 0x01, 0xf8,                               /* swapgs */
        0x65, 0x48, 0x89, 0x24, 0x25, 0x10, 0x90, 0, 0, /* save rsp */
        0x65, 0x48, 0x8b, 0x24, 0x25, 0x00, 0x90, 0, 0, /* load CR3 */
        0x65, 0x0f, 0xba, 0x24, 0x25, 0x18, 0x90, 0, 0, 1,
        0x72, 0x03,                                     /* jb */
        0x0f, 0x22, 0xdc,                               /* mov cr3, rsp */
        0x65, 0x48, 0x8b, 0x24, 0x25, 0x08, 0x90, 0, 0, /* kernel rsp */
    };

    fake_guest_map(&g, BASE + SHADOW_SYSCALL - SHADOW_SYSCALL % GMEM_PAGE,
                   GMEM_PAGE);
    fake_guest_write(&g, BASE + SHADOW_SYSCALL, code, sizeof(code));
}

/* User page tables have one page of code and one of the KPCR. */
static uint64_t make_user_root(void)
{
    const uint64_t pages[] = { BASE + SHADOW_SYSCALL, KPCR + SHADOW };
    uint64_t kernel_root = g.space.cr3;
    uint64_t user_root = fake_guest_page(&g);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(pages); i++) {
        uint64_t entry = *fake_guest_entry(&g, pages[i], 1);

        g.space.cr3 = user_root;
        *fake_guest_entry(&g, pages[i], 1) = entry;
        g.space.cr3 = kernel_root;
    }
    return user_root | 1;
}

static uint64_t begin_shadow(void)
{
    begin();
    put_shadow_code();
    fake_guest_map(&g, KPCR + SHADOW, GMEM_PAGE);
    /* Bit 63: as 17763 has it where PCIDs are used. */
    fake_guest_put64(&g, KPCR + SHADOW, g.space.cr3 | 2 | UINT64_C(1) << 63);
    regs[0].lstar = regs[1].lstar = BASE + SHADOW_SYSCALL;
    return make_user_root();
}

static void test_shadow_kernel_mode(void)
{
    uint64_t user = begin_shadow();

    enter_user(&regs[0], user);
    fake_guest_put64(&g, KPCR + SHADOW, 0);
    check_found();
    g_assert_true(kernel.kva_shadow);
    end();
}

static void test_shadow_user_mode(void)
{
    uint64_t user = begin_shadow();

    enter_user(&regs[0], user);
    enter_user(&regs[1], user);
    check_found();
    g_assert_true(kernel.kva_shadow);
    end();
}

/* CPL 0, GS swapped, and still on the user's page tables. */
static void test_shadow_entry_window(void)
{
    uint64_t user = begin_shadow();

    regs[0].cr3 = regs[1].cr3 = user;
    check_found();
    end();
}

static void put_stub(uint64_t gpa, uint64_t root)
{
    *(uint64_t *)(g.ram + gpa) = 0x00000001000675e9;
    *(uint64_t *)(g.ram + gpa + 0x70) = BASE + 0x5000;
    *(uint64_t *)(g.ram + gpa + 0xa0) = root;
}

static void begin_lost_root(void)
{
    uint64_t user = begin_shadow();

    fake_guest_put64(&g, KPCR + SHADOW, 0);
    enter_user(&regs[0], user);
    enter_user(&regs[1], user);
}

static void test_low_stub(void)
{
    begin_lost_root();
    put_stub(low_pages[0], g.space.cr3 + 0x800);
    check_not_found("no page tables that map the kernel were seen; all 2 "
                    "vCPUs were in user mode");
    put_stub(low_pages[1], g.space.cr3);
    check_found();
    put_stub(low_pages[0], RAM);
    check_found();
    *(uint64_t *)(g.ram + low_pages[1]) = 0xe9;
    check_not_found("no page tables that map the kernel were seen; all 2 "
                    "vCPUs were in user mode");
    end();
}

static void test_low_stub_elsewhere(void)
{
    begin_lost_root();
    put_stub(0x180000, g.space.cr3);
    check_not_found("no page tables that map the kernel were seen; all 2 "
                    "vCPUs were in user mode");
    end();
}

static void test_lost_root(void)
{
    begin_lost_root();
    check_not_found("no page tables that map the kernel were seen; all 2 "
                    "vCPUs were in user mode");
    regs[0].long_mode = false;
    check_not_found("no page tables that map the kernel were seen; the only "
                    "vCPU in 64-bit mode was in user mode");
    fake_guest_put64(&g, KPCR + SHADOW, RAM);
    check_not_found("no page tables that map the kernel were seen; the only "
                    "vCPU in 64-bit mode was in user mode");
    end();
}

static void test_no_long_mode(void)
{
    begin();
    regs[0].long_mode = regs[1].long_mode = false;
    check_not_found("no vCPU is in 64-bit mode yet");
    g_assert_false(winos_kernel_find(&g.mem, NULL, 0, &kernel, &err));
    g_assert_cmpstr(err.text, ==, "no vCPU is in 64-bit mode yet");
    end();
}

#define NOT_VISIBLE "no Windows kernel is visible: no page tables map its " \
    "shared data at 0xfffff78000000000"

/* LSTAR, GS and IDT are a kernel's, but not this one's. */
static void test_linux(void)
{
    begin();
    fake_guest_unmap(&g, SHARED);
    regs[0].lstar = regs[1].lstar = BASE + 0x7000040;
    enter_user(&regs[1], g.space.cr3);
    check_not_found(NOT_VISIBLE);
    /* Twice one a page of the first MiB, and three entry points a vCPU. */
    g_assert_cmpuint(g.reads, <, 1000);
    end();
}

/*
 * Version and number of processors are hints: a kernel with version 5 there
 * once was not traced, and the status said that no page tables map the data.
 */
static void test_other_shared_data(void)
{
    static const struct {
        uint32_t at, value;
        const char *seen;
    } cases[] = {
        { 0x26c, 0, "version 0.0, 2 processors" },
        { 0x26c, 5, "version 5.0, 2 processors" },
        { 0x26c, 11, "version 11.0, 2 processors" },
        { 0x26c, UINT32_MAX, "version 4294967295.0, 2 processors" },
        { 0x270, 4, "version 10.4, 2 processors" },
        { 0x3c0, 0, "version 10.0, 0 processors" },
        { 0x3c0, 2049, "version 10.0, 2049 processors" },
    };
    char why[256];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        begin();
        fake_guest_put32(&g, SHARED + cases[i].at, cases[i].value);
        g_assert_true(find());
        g_assert_cmphex(kernel.image.base, ==, BASE);
        g_assert_cmpuint(kernel.build, ==, 19045);
        g_assert_cmpuint(kernel.major, ==, 0);
        fake_guest_unmap(&g, BASE);
        snprintf(why, sizeof(why), "LSTAR 0xfffff80312dda040 lies in no "
                 "kernel image: this is not Windows (shared data is mapped "
                 "at 0xfffff78000000000, and says %s)", cases[i].seen);
        check_not_found(why);
        end();
    }
}

static void test_versions(void)
{
    begin();
    fake_guest_put32(&g, SHARED + 0x26c, 6);
    fake_guest_put32(&g, SHARED + 0x270, 1);
    fake_guest_put32(&g, SHARED + 0x260, 0);
    fake_guest_put32(&g, BASE + BUILD, 0xf0000000 + 7601);
    g_assert_true(find());
    g_assert_cmpuint(kernel.build, ==, 7601);
    g_assert_cmpuint(kernel.major, ==, 6);
    g_assert_cmpuint(kernel.minor, ==, 1);
    /* Older ones have another thing where the newer have the build. */
    fake_guest_put32(&g, SHARED + 0x260, 1234);
    fake_guest_unmap(&g, BASE + 0xd00000);
    g_assert_true(find());
    g_assert_cmpuint(kernel.build, ==, 0);
    end();
}

/* Between the handlers and the base: decoys, other images, holes. */
static void test_decoys(void)
{
    FakePe other = kernel_pe;

    begin();
    fake_guest_map(&g, BASE + 0x3b0000, GMEM_PAGE);
    fake_guest_put16(&g, BASE + 0x3b0000, 0x5a4d);
    fake_guest_map(&g, BASE + 0x3a0000, GMEM_PAGE);
    fake_guest_put16(&g, BASE + 0x3a0000, 0x5a4d);
    fake_guest_put32(&g, BASE + 0x3a003c, UINT32_MAX);
    /* The right name, but no handler in it. */
    other.size = 0x10000;
    other.n_sections = 1;
    other.export_rva = 0x5000;
    fake_pe_put(&g, BASE + 0x380000, &other);
    /* The handlers in it, but another name. */
    other.size = SIZE;
    other.name = "hal.dll";
    fake_pe_put(&g, BASE + 0x360000, &other);
    other.name = "ntfs.sys";
    other.n_exports = 2;
    fake_pe_put(&g, BASE + 0x340000, &other);
    other.export_rva = 0;
    fake_pe_put(&g, BASE + 0x320000, &other);
    check_found();
    end();
}

static void test_other_name(void)
{
    FakePe pe = kernel_pe;

    pe.name = "ntkrla57.exe";
    begin_with(&pe, 5);
    check_found();
    end();
}

/* Another name is believed only with exports; which ones, matters less. */
static void test_other_name_without_exports(void)
{
    FakePe pe = kernel_pe;

    pe.name = "ntkrla57.exe";
    pe.n_exports = 2;
    begin_with(&pe, 4);
    g_assert_true(find());
    end();
    pe.name = "krnl.exe";
    begin_with(&pe, 4);
    check_not_found("LSTAR 0xfffff80312dda040 lies in no kernel image: this "
                    "is not Windows");
    end();
    pe.name = "ntkrla57.exe";
    pe.n_exports = 0;
    begin_with(&pe, 4);
    check_not_found("LSTAR 0xfffff80312dda040 lies in no kernel image: this "
                    "is not Windows");
    end();
}

static void test_few_exports(void)
{
    FakePe pe = kernel_pe;

    pe.n_exports = 1;
    begin_with(&pe, 4);
    g_assert_true(find());
    g_assert_cmpuint(kernel.build, ==, 19044);
    g_assert_cmphex(kernel.system_process, ==, 0);
    end();
}

static void test_no_system_process(void)
{
    begin();
    fake_guest_put64(&g, BASE + SYSTEM_POINTER, 0x1000);
    g_assert_true(find());
    g_assert_cmphex(kernel.system_process, ==, 0);
    fake_guest_unmap(&g, BASE + 0xd00000);
    g_assert_true(find());
    g_assert_cmphex(kernel.system_process, ==, 0);
    g_assert_cmpuint(kernel.build, ==, 19044);
    end();
}

/* A driver took system calls over; the IDT still leads to the kernel. */
static void test_lstar_elsewhere(void)
{
    begin();
    regs[0].lstar = regs[1].lstar = BASE + SIZE + 0x123456;
    check_found();
    g_assert_false(kernel.kva_shadow);
    regs[0].lstar = regs[1].lstar = BASE - 0x123456;
    check_found();
    regs[0].lstar = regs[1].lstar = 0;
    check_found();
    end();
}

static void test_idt_only_not_present(void)
{
    begin();
    regs[0].lstar = regs[1].lstar = 0;
    fake_guest_put16(&g, IDT + 4, 0x0e00);
    check_not_found("neither LSTAR nor the IDT points into a kernel yet");
    put_gate(14, BASE + DIVIDE);
    check_found();
    end();
}

static void test_no_image(void)
{
    begin();
    fake_guest_unmap(&g, BASE);
    check_not_found("LSTAR 0xfffff80312dda040 lies in no kernel image: this "
                    "is not Windows");
    /* Twice; what lies below both anchors is read for one of them. */
    g_assert_cmpuint(g.reads, <, 2 * (0x2000 + 0x100) * 5);
    regs[0].lstar = regs[1].lstar = 0;
    check_not_found("no handler in the IDT lies in a kernel image: this is "
                    "not Windows");
    end();
}

/* 32 MiB below an anchor is as far as we look. */
static void test_far(void)
{
    FakePe pe = kernel_pe;

    pe.size = 0x4000000;
    begin_with(&pe, 4);
    put_gate(0, BASE + 0x2000008);
    regs[0].lstar = regs[1].lstar = BASE + 0x1ffffff;
    check_found();
    regs[0].lstar = regs[1].lstar = BASE + 0x2000000;
    check_not_found("LSTAR 0xfffff80314a1a000 lies in no kernel image: this "
                    "is not Windows");
    end();
}

/* Many anchors far apart, and each leads nowhere. */
static void test_hostile_anchors(void)
{
    unsigned i;

    begin();
    fake_guest_unmap(&g, BASE);
    for (i = 0; i < 32; i++) {
        put_gate(i, 0xffffa00000000000 + i * 0x100000000);
    }
    check_not_found("LSTAR 0xfffff80312dda040 lies in no kernel image: this "
                    "is not Windows");
    /* Twice 4 times 32 MiB: 4 reads a page, then 1 for each in nothing. */
    g_assert_cmpuint(g.reads, <, 2 * 7 * 0x2000 + 2000);
    end();
}

/* Wherever memory fails, the answer is no answer or the right one. */
static void test_faults(void)
{
    uint64_t gpa;

    begin();
    for (gpa = 0; gpa < g.next_page; gpa += GMEM_PAGE) {
        g.fault_gpa = gpa;
        if (find()) {
            g_assert_cmphex(kernel.image.base, ==, BASE);
        }
    }
    end();
}

static void test_is_there(void)
{
    begin();
    check_found();
    g_assert_true(winos_kernel_is_there(&kernel));
    fake_guest_put32(&g, BASE + FAKE_PE_TIMESTAMP, 1);
    g_assert_false(winos_kernel_is_there(&kernel));
    fake_guest_put32(&g, BASE + FAKE_PE_TIMESTAMP, kernel_pe.timestamp);
    g_assert_true(winos_kernel_is_there(&kernel));
    fake_guest_put32(&g, BASE + FAKE_PE_IMAGE_SIZE, SIZE + 0x1000);
    g_assert_false(winos_kernel_is_there(&kernel));
    fake_guest_put32(&g, BASE + FAKE_PE_IMAGE_SIZE, SIZE);
    fake_guest_put16(&g, BASE, 0);
    g_assert_false(winos_kernel_is_there(&kernel));
    fake_guest_put16(&g, BASE, 0x5a4d);
    fake_guest_unmap(&g, BASE);
    g_assert_false(winos_kernel_is_there(&kernel));
    end();
}

static void check_kpcr(int32_t self, int32_t want)
{
    uint64_t kpcr = 0;
    int32_t found = WINOS_NO_OFFSET;

    if (want < 0) {
        g_assert_false(winos_kpcr_find(&g.space, self, regs, &kpcr, &found));
        return;
    }
    g_assert_true(winos_kpcr_find(&g.space, self, regs, &kpcr, &found));
    g_assert_cmphex(kpcr, ==, KPCR);
    g_assert_cmpint(found, ==, want);
}

static void test_kpcr(void)
{
    begin();
    check_kpcr(0x18, 0x18);
    check_kpcr(WINOS_NO_OFFSET, 0x18);
    check_kpcr(0x20, -1);
    enter_user(regs, g.space.cr3);
    check_kpcr(0x18, 0x18);
    check_kpcr(WINOS_NO_OFFSET, 0x18);
    /* Entry code: still the user's GS. */
    regs[0].cpl = 0;
    check_kpcr(0x18, 0x18);
    regs[0].kernel_gs_base = KPCR + 8;
    check_kpcr(0x18, -1);
    regs[0].kernel_gs_base = USER_GS;
    check_kpcr(WINOS_NO_OFFSET, -1);
    end();
}

/* As no build yet has it; the pointer to the PRCB tells it is a KPCR. */
static void test_kpcr_other_offset(void)
{
    begin();
    fake_guest_put64(&g, KPCR + 0x18, 0);
    fake_guest_put64(&g, KPCR + 0x20, 0);
    fake_guest_put64(&g, KPCR + 0xf8, KPCR);
    check_kpcr(0xf8, 0xf8);
    check_kpcr(WINOS_NO_OFFSET, -1);
    fake_guest_put64(&g, KPCR + 0x40, KPCR + 0x1000);
    check_kpcr(WINOS_NO_OFFSET, -1);
    fake_guest_put64(&g, KPCR + 0x40, KPCR + 0xff8);
    check_kpcr(WINOS_NO_OFFSET, 0xf8);
    /* The one with the other behind it comes first. */
    fake_guest_put64(&g, KPCR + 0x180, KPCR);
    fake_guest_put64(&g, KPCR + 0x188, KPCR + 0x800);
    check_kpcr(WINOS_NO_OFFSET, 0x180);
    end();
}

/* A user program may load any GS base, that of an empty list too. */
static void test_kpcr_empty_list(void)
{
    begin();
    enter_user(regs, g.space.cr3);
    regs[0].gs_base = SYSTEM;
    fake_guest_map(&g, SYSTEM - SYSTEM % GMEM_PAGE, GMEM_PAGE);
    fake_guest_put64(&g, SYSTEM, SYSTEM);
    fake_guest_put64(&g, SYSTEM + 8, SYSTEM);
    check_kpcr(WINOS_NO_OFFSET, 0x18);
    check_kpcr(0x18, 0x18);
    end();
}

typedef struct Test {
    const char *name;
    void (*func)(void);
} Test;

static const Test tests[] = {
    { "kernel-mode", test_kernel_mode },
    { "follow-build", test_follow_build },
    { "follow-shared-build", test_follow_shared_build },
    { "user-mode", test_user_mode },
    { "la57", test_la57 },
    { "other-vcpu", test_other_vcpu },
    { "shadow-kernel-mode", test_shadow_kernel_mode },
    { "shadow-user-mode", test_shadow_user_mode },
    { "shadow-entry-window", test_shadow_entry_window },
    { "low-stub", test_low_stub },
    { "low-stub-elsewhere", test_low_stub_elsewhere },
    { "lost-root", test_lost_root },
    { "no-long-mode", test_no_long_mode },
    { "linux", test_linux },
    { "other-shared-data", test_other_shared_data },
    { "versions", test_versions },
    { "decoys", test_decoys },
    { "other-name", test_other_name },
    { "other-name-without-exports", test_other_name_without_exports },
    { "few-exports", test_few_exports },
    { "no-system-process", test_no_system_process },
    { "lstar-elsewhere", test_lstar_elsewhere },
    { "idt-only-not-present", test_idt_only_not_present },
    { "no-image", test_no_image },
    { "far", test_far },
    { "hostile-anchors", test_hostile_anchors },
    { "faults", test_faults },
    { "is-there", test_is_there },
    { "kpcr", test_kpcr },
    { "kpcr-other-offset", test_kpcr_other_offset },
    { "kpcr-empty-list", test_kpcr_empty_list },
};

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/winos/kernel/", tests[i].name,
                                            NULL);

        g_test_add_func(path, tests[i].func);
    }
    return g_test_run();
}
