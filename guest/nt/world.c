/*
 * Puts the world together: page tables, the image, KPCRs, the first
 * processes and threads, the other CPUs; then the first CPU goes idle and
 * scheduling begins.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

Cpu cpus[MAX_CPUS];
uint64_t ap_stacks[256];

static uint64_t boot_tsc;

static void high_half(void);

/* The same function as the high half sees it. */
static uint64_t high(void *p)
{
    return (uint64_t)p - IMAGE_PHYS + image_va;
}

/* First C code, at identity mapped addresses. */
void boot_main(uint64_t tsc)
{
    uint64_t cr0;

    boot_tsc = tsc;
    ram_dirty = get64(DIRTY_MARK) != 0;
    put64(DIRTY_MARK, tsc | 1);
    config_read();
    image_build();
    paging_build();
    asm volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 |= 0x10000;                     /* WP */
    asm volatile("mov %0, %%cr0" : : "r"(cr0));
    enter_world(ap_root, high(high_half), config.levels);
}

static void high_half(void)
{
    world_main();
}

static void kuser_fill(void)
{
    uint64_t k = kuser_va;
    uint32_t build = config.nt_build;

    put32(k + 0x26c, build >= 10000 ? 10 : 6);
    put32(k + 0x270, build >= 10000 ? 0 : build >= 9600 ? 3
                     : build >= 9200 ? 2 : 1);
    if (build >= 10240) {
        put32(k + 0x260, build);
    }
    put32(k + 0x3c0, cpu_count);
    put8(k + 0x2d4, 0);
    if (odd(ODD_SHARED_DATA)) {
        put32(k + 0x26c, 5);
        put32(k + 0x270, 2);
        put32(k + 0x3c0, 0);
    }
}

/*
 * An enablement package gives the system another number, which is known once
 * the registry is loaded; here, once a reader of the ground truth says so.
 */
void build_tick(void)
{
    if (!config.nt_build_late || !get64(truth_va + TRUTH_BUILD_GO)) {
        return;
    }
    nt_build_number = 0xf0000000 | config.nt_build_late;
    if (config.nt_build_late >= 10240) {
        put32(kuser_va + 0x260, config.nt_build_late);
    }
}

static void kpcr_place(Cpu *cpu)
{
    uint32_t pages = (row[X_KPCR_SIZE] + PAGE - 1) / PAGE;

    if (!cpu->index && row_ids[config.row].build <= 14393) {
        cpu->kpcr = (uint64_t)initial_kpcr();
        if (ram_dirty) {
            mem_zero((void *)cpu->kpcr, pages * PAGE);
        }
    } else {
        cpu->kpcr = pool_pages(pages);
    }
    cpu->prcb = cpu->kpcr + row[KPCR_PRCB];
    ki_processor_block[cpu->index] = cpu->prcb;
}

static uint64_t any_pa(uint64_t va)
{
    return va >= image_va && va < image_va + image_size
           ? image_pa((void *)va) : pool_pa(va);
}

static void descriptors(Cpu *cpu)
{
    uint64_t g, tss;

    cpu->desc = pool_pages(1);
    g = cpu->desc;
    tss = g + 0x100;
    put64(g + 0x10, 0x00af9b000000ffff);
    put64(g + 0x18, 0x00cf93000000ffff);
    put64(g + 0x20, 0x00cffb000000ffff);
    put64(g + 0x28, 0x00cff3000000ffff);
    put64(g + 0x30, 0x00affb000000ffff);
    put64(g + SEL_TSS, 0x67 | (tss & 0xffffff) << 16 | 0x89ULL << 40
          | (tss >> 24 & 0xff) << 56);
    put64(g + SEL_TSS + 8, tss >> 32);
    *(volatile uint16_t *)(tss + 0x66) = 0x68;
    put64(cpu->kpcr, g);
    put64(cpu->kpcr + 8, tss);
}

/* What user mode still sees of this CPU under KVA shadow. */
static void shadow_cpu(Cpu *cpu)
{
    uint64_t s = cpu->prcb + row[X_KPRCB_KERNEL_DIRECTORY_TABLE_BASE];
    uint64_t page = s & ~0xfffULL;

    cpu->shadow = s;
    cpu->transition_top = pool_pages(1) + PAGE;
    put64(s, kernel_root | 2);
    put64(s + 0x28, cpu->transition_top);
    put64(cpu->desc + 0x104, cpu->transition_top);
    shadow_map(page, any_pa(page), 1ULL << 63 | 2);
    shadow_map(cpu->desc, pool_pa(cpu->desc), 1ULL << 63 | 2);
    shadow_map(cpu->transition_top - PAGE,
               pool_pa(cpu->transition_top - PAGE), 1ULL << 63 | 2);
}

/* With gates of its own, where interrupt objects need them. */
static void idt_place(Cpu *cpu)
{
    cpu->idt = idt_va;
    if (cpu->index && interrupts_on()) {
        cpu->idt = pool_pages(1);
        mem_copy((void *)cpu->idt, (void *)idt_va, PAGE);
        if (config.kvas) {
            shadow_map(cpu->idt, pool_pa(cpu->idt), 1ULL << 63);
        }
    }
}

static void kpcr_fill(Cpu *cpu)
{
    uint64_t state = cpu->prcb + row[X_KPRCB_PROCESSOR_STATE], cr4;

    put64(cpu->kpcr + row[KPCR_SELF], cpu->kpcr);
    put64(cpu->kpcr + row[KPCR_CURRENT_PRCB], cpu->prcb);
    put64(cpu->kpcr + CPU_POINTER, (uint64_t)cpu);
    put32(cpu->prcb + row[KPRCB_NUMBER], cpu->index);
    field8(cpu->prcb, X_KPRCB_NESTING_LEVEL, 0);
    if (has(X_KPRCB_PROCESSOR_STATE)) {
        asm volatile("mov %%cr4, %0" : "=r"(cr4));
        put64(state, 0x80050031);
        put64(state + 0x10, kernel_root | (config.kvas ? 2 : 0));
        put64(state + 0x18, cr4);
    }
}

static void cpu_build(Cpu *cpu)
{
    cpu->self = cpu;
    kpcr_place(cpu);
    kpcr_fill(cpu);
    descriptors(cpu);
    idt_place(cpu);
    if (config.kvas) {
        shadow_cpu(cpu);
    }
    strange_cpu(cpu);
    cpu->idle = cpu->current = cpu->previous = thread_idle(cpu);
    put64(cpu->prcb + row[KPRCB_CURRENT_THREAD], cpu->idle->obj);
    put64(cpu->prcb + row[KPRCB_IDLE_THREAD], cpu->idle->obj);
    field8(cpu->idle->obj, X_KTHREAD_RUNNING, 1);
    field32(cpu->idle->obj, X_KTHREAD_NEXT_PROCESSOR, cpu->index);
    ap_stacks[cpu->index] = cpu->idle->stack_base - 0x40;
    truth_cpu(cpu);
}

static void idle_process_build(void)
{
    Process *p = &idle_process;

    p->obj = (uint64_t)initial_process();
    p->root_pa = kernel_root;
    p->dtb = kernel_root | (config.kvas ? 2 : 0);
    p->user_dtb = config.kvas ? pool_pa(shadow_root_va) | 1 : 0;
    mem_copy(p->image, "Idle", 4);
    mem_zero((void *)p->obj, row[EPROCESS_SIZE]);
    put8(p->obj, 3);
    field64(p->obj, EPROCESS_DIRECTORY_TABLE_BASE, p->dtb);
    field64(p->obj, EPROCESS_USER_DIRECTORY_TABLE_BASE, p->user_dtb);
    mem_copy((void *)(p->obj + row[EPROCESS_IMAGE_FILE_NAME]), "Idle", 4);
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t head = p->obj + row[i ? EPROCESS_THREAD_LIST_HEAD
                                       : KPROCESS_THREAD_LIST_HEAD];
        put64(head, head);
        put64(head + 8, head);
    }
    truth_process(p);
    p->live = true;
}

/*
 * A desktop on which something is wrong: a game renders frame after frame, and
 * a virus scanner of a higher priority takes its vCPU away, again and again.
 */
static void desktop_threads(Process *const *made)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        thread_create(made[0], KIND_GAME, 10);
    }
    if (config.processes > 1) {
        thread_create(made[1], KIND_SCANNER, 13);
    }
    for (uint32_t i = 0; i < config.threads && config.processes > 2; i++) {
        thread_create(made[2 + i % (config.processes - 2)], KIND_QUIET,
                      8 + i % 3);
    }
}

static void user_processes(Process *system)
{
    /* With image-names=bytes the second eight: CP949, then all kinds. */
    static const char images[3][8][16] = {
        { "smss.exe", "fifteen-chars.e", "a b\"'\\.exe", "csrss.exe",
          "\xed\x95\x9c\xea\xb8\x80.exe", "svchost.exe",
          "tab\there\x01.ex", "explorer.exe" },
        { "\xb0\xe8\xbb\xea\xb1\xe2.exe", "row\r\n1,\x1b[31m.ex",
          "\x80\x9b\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\xf6\xf7\xf8\xf9\xfa",
          "a\xc2\x9b" "1m\xe2\x80\xaegpj", "=1+1.exe", "</script>\"<b>&",
          "\\xb0\xb0.exe", "\xb1\xe2\x7f\x08\x07.exe" },
        { "game.exe", "MsMpEng.exe", "explorer.exe", "dwm.exe", "chrome.exe",
          "svchost.exe", "lsass.exe", "csrss.exe" },
    };
    uint32_t users = config.threads * config.user_percent / 100;
    Process *made[8];

    for (uint32_t i = 0; i < config.processes; i++) {
        made[i] = process_create(images[config.byte_names][i], system, false);
    }
    if (config.byte_names == NAMES_DESKTOP) {
        desktop_threads(made);
        return;
    }
    for (uint32_t i = 0; i < users; i++) {
        thread_create(made[i % config.processes], KIND_USER, 8 + i % 3);
    }
    for (uint32_t i = users; i < config.threads; i++) {
        thread_create(system, KIND_WORKER, 8 + i % 4);
    }
}

/* As on every Windows: idle threads use System's memory, not their own. */
static void idle_threads_attach(Process *system)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        Thread *t = cpus[i].idle;

        t->attached = system;
        field64(t->obj, KTHREAD_APCSTATE_PROCESS, system->obj);
        field8(t->obj, X_KTHREAD_APC_STATE_INDEX, 1);
    }
}

static void first_processes(void)
{
    Process *system = process_create(odd(ODD_SYSTEM_NAME) ? "Kernel"
                                                          : "System",
                                     NULL, false);

    ps_initial_system_process = system->obj;
    idle_threads_attach(system);
    if (row_ids[config.row].build >= 10240) {
        process_create("Registry", system, true);
        process_create("MemCompression", system, true);
    }
    user_processes(system);
    if (config.churn) {
        thread_create(system, KIND_CHURN, 12);
    }
    if (config.realtime) {
        thread_create(system, KIND_REALTIME, 18);
    }
    if (config.names) {
        thread_create(system, KIND_NAMER, 9);
    }
    if (config.waits) {
        waits_threads(system);
    }
    if (!config.no_zero_page) {
        thread_create(system, KIND_ZERO_PAGE, 0);
    }
    spin_build(system);
    messages_build(system);
    for (uint32_t i = 0; i < MAX_THREADS; i++) {
        if (threads[i].live && !threads[i].idle) {
            make_ready(&threads[i], false);
        }
    }
}

static void low_stub_place(void)
{
    uint64_t cr4, to = LOW_STUB, size = low_stub_end - low_stub;

    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    mem_copy((void *)to, low_stub, size);
    put64(to + 0x70, (uint64_t)ap_high);
    put64(to + 0xa0, kernel_root);
    put64(to + 0xb0, ap_root);
    put64(to + 0xb8, cr4);
    if (!config.low_stub) {
        put64(to + 0xa0, 0);            /* there for the APs, not to see */
        put8(to + 4, 0x00);
    }
}

static void cpu_registers(Cpu *cpu)
{
    struct __attribute__((packed)) { uint16_t limit; uint64_t at; } d;

    d.limit = 0x7f;
    d.at = cpu->desc;
    asm volatile("lgdt %0" : : "m"(d));
    d.limit = 0xfff;
    d.at = cpu->idt;
    asm volatile("lidt %0" : : "m"(d));
    asm volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                 : : "i"(SEL_KCODE) : "rax", "memory");
    asm volatile("mov %0, %%ds; mov %0, %%es; mov %1, %%ss"
                 : : "r"(SEL_UDATA), "r"(SEL_KDATA) : "memory");
    asm volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
    asm volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    wrmsr(MSR_GS, cpu->kpcr);
    wrmsr(MSR_KERNEL_GS, 0);
    wrmsr(MSR_STAR, 0x0023001000000000);
    wrmsr(MSR_LSTAR, config.kvas ? (uint64_t)system_call_64_shadow
                                 : (uint64_t)system_call_64);
    wrmsr(MSR_SFMASK, 0x4700);
}

/* Every CPU comes by here, on the stack of its idle thread. */
void cpu_begin(uint32_t index)
{
    Cpu *cpu = &cpus[index];

    cpu_registers(cpu);
    load_cr3(idle_process.dtb);
    if (!config.custom) {
        put64(cpu->kpcr + 0x38, cpu->idt);      /* IdtBase */
    }
    apic_init();
    lock();
    if (!index) {
        truth_world();
        truth_ready();
        say("nt: ready");
        say_dec(" build ", row_ids[config.row].build);
        say_dec(" row ", config.row);
        say_dec(" cpus ", cpu_count);
        say_hex(" base ", image_va);
        say_dec(" boot-tsc ", rdtsc() - boot_tsc);
        say_flush();
    }
    cpu->online = true;
    cpu->since = rdtsc();
    truth_cpu_online(cpu);
    unlock();
    idle_loop();
}

static void cpu_zero(void)
{
    cpu_begin(0);
}

void world_main(void)
{
    truth_init(boot_tsc);
    kuser_fill();
    nt_build_number = 0xf0000000 | config.nt_build;
    ke_number_processors = cpu_count;
    ps_active_process_head[0] = (uint64_t)ps_active_process_head;
    ps_active_process_head[1] = (uint64_t)ps_active_process_head;
    traps_init();
    if (config.kvas) {
        shadow_map(idt_va, pool_pa(idt_va), 1ULL << 63);
        for (uint64_t rva = RVA_KVASCODE; rva < RVA_KVASCODE + PAGE;
             rva += PAGE) {
            shadow_map(image_va + rva, IMAGE_PHYS + rva, 0);
        }
    }
    objects_init();
    waits_init();
    idle_process_build();
    for (uint32_t i = 0; i < cpu_count; i++) {
        cpus[i].index = i;
        cpu_build(&cpus[i]);
    }
    wrmsr(MSR_GS, cpus[0].kpcr);
    cpus[0].online = true;
    first_processes();
    cpus[0].online = false;
    kdbg_build();
    image_selftest();
    decoys_build();
    interrupts_build();
    for (uint32_t i = 0; i < cpu_count; i++) {
        interrupts_cpu(&cpus[i]);
    }
    low_stub_place();
    hostile_apply();
    aps_start();
    call_on_stack(ap_stacks[0], cpu_zero);
}
