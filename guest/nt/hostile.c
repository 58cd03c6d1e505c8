/*
 * Hostile mode: lies switched on by name, for a reader that must survive
 * anything.  The guest itself never follows what it spoils here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { PE_AT = 0x100, PE_OPTIONAL = PE_AT + 24, PE_SIZE = PE_OPTIONAL + 56,
       PE_EXPORT = PE_OPTIONAL + 112 };

static uint64_t process_link(Process *p)
{
    return p->obj + row[EPROCESS_ACTIVE_PROCESS_LINKS];
}

/* A process that stands behind System and stays there. */
static Process *victim(void)
{
    for (uint32_t i = 1; i < MAX_PROCESSES; i++) {
        if (processes[i].live && !processes[i].minimal) {
            return &processes[i];
        }
    }
    return &processes[0];
}

static Thread *victim_thread(uint32_t n)
{
    for (uint32_t i = 0; i < MAX_THREADS; i++) {
        if (threads[i].live && !threads[i].idle && !n--) {
            return &threads[i];
        }
    }
    return &threads[cpu_count];
}

static void lists(void)
{
    uint64_t link = process_link(victim());
    uint64_t head = victim()->obj + row[EPROCESS_THREAD_LIST_HEAD];
    uint64_t kernel = victim()->obj + row[KPROCESS_THREAD_LIST_HEAD];

    if (lies(LIE_LIST_LOOP)) {
        put64(link, link);
    }
    if (lies(LIE_LIST_HOLE)) {
        put64(link, pool_hole(1) + 0x123);
    }
    if (lies(LIE_LIST_MMIO)) {
        put64(link, mmio_hole_va + 0x40);
    }
    if (lies(LIE_THREAD_LIST_LOOP)) {
        put64(get64(head), get64(head));
        put64(get64(kernel), get64(kernel));
    }
}

/* A name at the end of a page with nothing behind, longer than the page. */
static void names(void)
{
    uint64_t page = pool_pages(1), string = page + PAGE - 0x30;

    if (!has(ETHREAD_THREAD_NAME)) {
        return;
    }
    pool_hole(1);
    put64(string, lies(LIE_NAME_HUGE) ? 0xffffffffULL : 0x00100ffdULL);
    put64(string + 8, string + 0x10);
    for (uint32_t i = 0; i < 2; i++) {
        field64(victim_thread(i)->obj, ETHREAD_THREAD_NAME, string);
    }
    if (process_path_at()) {
        put64(victim()->obj + process_path_at(), string);
    }
    mem_zero(victim()->image, 16);
    for (uint32_t i = 0; i < 15; i++) {
        put8(victim()->obj + row[EPROCESS_IMAGE_FILE_NAME] + i, 0x80 + i);
    }
}

static uint64_t export_directory(void)
{
    return IMAGE_PHYS + *(uint32_t *)(uint64_t)(IMAGE_PHYS + PE_EXPORT);
}

static void headers(void)
{
    if (lies(LIE_PE_WRAP)) {
        put64(IMAGE_PHYS + PE_EXPORT, 0xfffff000 | 0xffffffffULL << 32);
        put32(IMAGE_PHYS + PE_SIZE, 0xfffff000);
    }
    if (lies(LIE_PE_SIZES)) {
        uint64_t dir = export_directory();

        put32(dir + 20, 0xffffffff);    /* functions */
        put32(dir + 24, 0x7fffffff);    /* names */
        put32(dir + 32, 0xfffffff0);    /* AddressOfNames */
    }
}

static void exports(void)
{
    uint64_t dir = export_directory();
    uint64_t list = IMAGE_PHYS + *(uint32_t *)(dir + 32);
    uint32_t count = *(uint32_t *)(dir + 24);

    if (lies(LIE_PE_WRAP) || lies(LIE_PE_SIZES)) {
        return;
    }
    for (uint32_t i = 0; i < count; i += 2) {
        put32(list + i * 4, i & 2 ? 0xfffffffe : (uint32_t)image_size - 3);
    }
}

static void accessors(void)
{
    for (uint32_t i = 0; i < ACCESSORS; i++) {
        uint64_t at = accessor_address(i) - image_va + IMAGE_PHYS;

        if (lies(LIE_ACCESSOR_LOOP)) {
            /* jmp to the next one, the last to the first; no way out */
            uint32_t to = i + 1 < ACCESSORS ? 64 : -(ACCESSORS - 1) * 64;

            put8(at, 0xe9);
            put32(at + 1, to - 5);
        } else {
            for (uint32_t n = 0; n < 64; n += 8) {
                put64(at + n, 0x9090909090909090);
            }
        }
    }
}

/* A root entry that leads back to the root, and a table that is its own. */
static void tables(void)
{
    uint64_t *root = (uint64_t *)kernel_root;
    uint32_t slot = 0x105;

    root[slot] = kernel_root | 3;
    root[slot + 1] = (kernel_root + 8) | 3;
    root[slot + 2] = 0x000ffffffffff003;    /* beyond all RAM */
    root[1] = kernel_root | 3;
}

static void block(void)
{
    uint64_t at = kdbg_address;

    if (!at) {
        return;
    }
    put64(at + 0x10, 0xffffffff4742444b);
    put64(at + 0x18, image_va);
    put64(at + 0x50, mmio_hole_va);
    put64(at + 0x218, at + 0x218);
    for (uint32_t off = 0x298; off < 0x2c2; off += 2) {
        *(volatile uint16_t *)(at + off) = 0xffff;
    }
}

static void wild_values(void)
{
    if (lies(LIE_CID_LIES)) {
        put64(victim_thread(0)->obj + row[ETHREAD_CID], 0xffffffffffffffff);
        put64(victim_thread(1)->obj + row[ETHREAD_CID] + 8, 7);
    }
    if (lies(LIE_DTB_WILD)) {
        field64(victim()->obj, EPROCESS_DIRECTORY_TABLE_BASE,
                0x7ffffffffffff000);
        field64(processes[0].obj, EPROCESS_DIRECTORY_TABLE_BASE, 0xfee00000);
    }
}

void hostile_apply(void)
{
    if (!config.lies) {
        return;
    }
    lists();
    if (lies(LIE_NAME_OVERRUN) || lies(LIE_NAME_HUGE)) {
        names();
    }
    headers();
    if (lies(LIE_EXPORT_OVERRUN)) {
        exports();
    }
    if (lies(LIE_ACCESSOR_LOOP) || lies(LIE_ACCESSOR_RUNAWAY)) {
        accessors();
    }
    if (lies(LIE_PT_SELF)) {
        tables();
    }
    if (lies(LIE_KDBG_LIES)) {
        block();
    }
    wild_values();
}

/* Every tick: fields that will not stay as they are. */
void hostile_tick(void)
{
    Thread *t;
    uint64_t flip = tick_count & 1;

    if (lies(LIE_SELF_FLIP)) {
        for (uint32_t i = 0; i < cpu_count; i++) {
            put64(cpus[i].kpcr + row[KPCR_SELF],
                  cpus[i].kpcr ^ (flip ? 0x1000 : 0));
        }
    }
    if (lies(LIE_CURRENT_WILD)) {
        Cpu *cpu = &cpus[tick_count / 4 % cpu_count];

        put64(cpu->prcb + row[KPRCB_CURRENT_THREAD],
              flip ? 0x1122334455667788
                   : tick_count & 2 ? mmio_hole_va : cpu->current->obj + 8);
    }
    if (lies(LIE_REWRITE)) {
        t = victim_thread(tick_count % 4);
        field64(t->obj, ETHREAD_THREAD_NAME,
                flip ? thread_name_place(t) + 0x10 : pool_va + 7);
        field64(victim()->obj, EPROCESS_UNIQUE_PROCESS_ID,
                victim()->pid ^ (flip ? 0x40 : 0));
        put8(victim()->obj + row[EPROCESS_IMAGE_FILE_NAME],
             (uint8_t)tick_count);
        field64(t->obj, KTHREAD_PROCESS,
                flip ? t->process->obj : t->obj + 8);
    }
}
