/*
 * Processes and threads as objects in memory: made, linked, named, ended,
 * and their memory given to the next one.  Who runs is sched.c's business.
 *
 * Thread and process objects come from one set of equal slots, so memory of
 * one kind is reused for the other; slots are not aligned to pages and the
 * pool's pages are scattered, so many objects lie in two frames.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { SLOTS = MAX_THREADS + MAX_PROCESSES, POOL_HEADER = 0x10,
       OBJECT_HEADER = 0x30, NAME_BYTES = 0x400, PATH_BYTES = 0x200 };
enum { TYPE_PROCESS = 3, TYPE_THREAD = 6 };
#define CREATE_TIME 0x01db0a0000000000ULL
#define EARLY_TIME 0x23456ULL           /* before somebody set the clock */

Thread threads[MAX_THREADS];
Process processes[MAX_PROCESSES];
Process idle_process;

static uint64_t slots_va, slot_size, names_va, paths_va, user_code_pa;
static uint16_t free_slots[SLOTS];
static uint32_t free_count, next_id = 8;
static uint32_t id_rng;

static uint32_t new_id(void)
{
    uint32_t id = next_id;

    next_id += 4 + 4 * (rng_next(&id_rng) % 7);
    return id;
}

void objects_init(void)
{
    uint32_t big = row[ETHREAD_SIZE];
    uint64_t code;

    if (row[EPROCESS_SIZE] > big) {
        big = row[EPROCESS_SIZE];
    }
    /* An odd number of 16-byte units: pages and slots fall out of step. */
    slot_size = ((big + POOL_HEADER + OBJECT_HEADER + 15) & ~15ULL) | 16;
    slots_va = pool_hole((slot_size * SLOTS + PAGE - 1) / PAGE);
    for (uint32_t i = 0; i < SLOTS; i++) {
        free_slots[i] = SLOTS - 1 - i;
    }
    free_count = SLOTS;
    id_rng = (uint32_t)random64() | 1;
    code = pool_pages(1);
    mem_copy((void *)code, user_program, user_program_end - user_program);
    user_code_pa = pool_pa(code);
    names_va = pool_hole(MAX_THREADS * NAME_BYTES / PAGE);
    paths_va = pool_hole((MAX_PROCESSES * PATH_BYTES + PAGE - 1) / PAGE);
}

/* Pages behind pool addresses appear when first used. */
static void make_resident(uint64_t va, uint64_t bytes)
{
    for (uint64_t at = va & ~0xfffULL; at < va + bytes; at += PAGE) {
        uint64_t *pte = pte_of(at);

        if (!*pte) {
            *pte = pool_pa(at) | 1ULL << 63 | 3;
        }
    }
}

/* The slot last freed is the first to be used again. */
static uint64_t slot_take(uint16_t *slot, uint32_t tag)
{
    uint64_t at;

    *slot = free_slots[--free_count];
    at = slots_va + *slot * slot_size;
    make_resident(at, slot_size);
    mem_zero((void *)at, slot_size & ~7ULL);
    put32(at + 4, tag);                 /* pool header: the tag */
    put64(at + POOL_HEADER, 1);         /* object header: one reference */
    return at + POOL_HEADER + OBJECT_HEADER;
}

static void slot_give(uint16_t slot)
{
    free_slots[free_count++] = slot;
}

static void list_init(uint64_t head)
{
    put64(head, head);
    put64(head + 8, head);
}

static void list_add(uint64_t head, uint64_t entry)
{
    uint64_t last = get64(head + 8);

    put64(entry, head);
    put64(entry + 8, last);
    put64(last, entry);
    put64(head + 8, entry);
}

static void list_remove(uint64_t entry)
{
    put64(get64(entry) + 8, get64(entry + 8));
    put64(get64(entry + 8), get64(entry));
}

static void header(uint64_t obj, uint8_t type)
{
    put8(obj, type);
    list_init(obj + 8);
}

static void process_fields(Process *p)
{
    uint64_t o = p->obj;
    uint32_t flags = p->minimal | p->system << 12;

    header(o, TYPE_PROCESS);
    field64(o, EPROCESS_DIRECTORY_TABLE_BASE, p->dtb);
    field64(o, EPROCESS_USER_DIRECTORY_TABLE_BASE, p->user_dtb);
    field64(o, EPROCESS_UNIQUE_PROCESS_ID, p->pid);
    mem_copy((void *)(o + row[EPROCESS_IMAGE_FILE_NAME]), p->image, 15);
    field64(o, EPROCESS_INHERITED_FROM, p->parent);
    field64(o, EPROCESS_PEB, p->peb);
    list_init(o + row[KPROCESS_THREAD_LIST_HEAD]);
    list_init(o + row[EPROCESS_THREAD_LIST_HEAD]);
    field64(o, X_EPROCESS_CREATE_TIME, p->create_time);
    field32(o, X_EPROCESS_FLAGS3, flags);
    field64(o, X_EPROCESS_SECTION_BASE, p->peb ? USER_CODE : 0);
}

/* SeAuditProcessCreationInfo has no column; made-up rows have none. */
uint32_t process_path_at(void)
{
    return config.custom || config.odd ? 0 : row[EPROCESS_IMAGE_FILE_NAME]
           + (row_ids[config.row].build < 9200 ? 0xb0 : 0x18);
}

static uint32_t units_add(uint16_t *to, uint32_t n, const uint16_t *more)
{
    while (*more) {
        to[n++] = *more++;
    }
    return n;
}

/* Korean bytes: UTF-8 is what it says, "calculator" in code page 949 too. */
static uint32_t leaf_add(uint16_t *to, uint32_t n, const char *image)
{
    static const uint16_t calculator[] = u"\xacc4\xc0b0\xae30", rest[] = u"xe";
    const uint8_t *s = (const uint8_t *)image;
    uint32_t i = 0;

    if (s[0] == 0xb0 && s[1] == 0xe8) {
        n = units_add(to, n, calculator);
        i = 6;
    }
    while (s[i]) {
        if (s[i] >= 0xea && s[i] <= 0xed && s[i + 1] >= 0x80
            && s[i + 2] >= 0x80) {
            to[n++] = (s[i] & 15) << 12 | (s[i + 1] & 63) << 6
                      | (s[i + 2] & 63);
            i += 3;
        } else {
            to[n++] = s[i] < 0x80 ? s[i] : 0xac00 + s[i];
            i++;
        }
    }
    return i < 15 ? n : units_add(to, n, rest);
}

static uint32_t path_write(uint16_t *to, const Process *p)
{
    static const uint16_t windows[]
        = u"\\Device\\HarddiskVolume3\\Windows\\System32\\";
    static const uint16_t home[]
        = u"\\Device\\HarddiskVolume3\\\xc0ac\xc6a9\xc790\\";
    uint32_t n = units_add(to, 0, (uint8_t)p->image[0] < 0x80 ? windows
                                                             : home);

    return leaf_add(to, n, p->image);
}

/* One block of pool: a UNICODE_STRING, the text behind it; System's is empty. */
static void process_path(Process *p)
{
    uint64_t at = paths_va + (p - processes) * PATH_BYTES, text;
    uint32_t bytes = 0;

    if (!process_path_at()) {
        return;
    }
    make_resident(at, PATH_BYTES);
    mem_zero((void *)at, PATH_BYTES);
    at += POOL_HEADER;
    text = at + 16;
    if (!p->system && !p->minimal) {
        bytes = 2 * path_write((uint16_t *)text, p);
    }
    put64(at, bytes ? bytes | (bytes + 2) << 16 : 0);
    put64(at + 8, bytes ? text : 0);
    put64(p->obj + process_path_at(), at);
    truth_path(p, at, text, bytes);
}

/* Roots: with KVA shadow the low bits carry what Windows puts there. */
static void process_roots(Process *p)
{
    p->dtb = p->root_pa | (config.kvas ? 2 : 0);
    p->user_dtb = 0;
    if (!config.kvas) {
        return;
    }
    p->user_dtb = p->elevated ? 1 : p->user_root_pa | 1;
}

/*
 * ProcessParameters behind the PEB, in its page: a path in quotes and a few
 * options.  Every other process' block is as it was made: not normalised.
 */
static void process_parameters(Process *p)
{
    enum { BLOCK = 0x400, TEXT = 0x500 };
    static const uint16_t options[] = u"\" -k \xd55c\xae00 --x=1";
    uint64_t peb = process_page(p, 6), block = peb + BLOCK;
    uint16_t *text = (uint16_t *)(peb + TEXT);
    bool normal = p->pid & 4;
    uint32_t n = 1;

    mem_zero((void *)peb, PAGE);
    text[0] = '"';
    n += path_write(text + 1, p);
    n = units_add(text, n, options);
    put64(peb + 0x20, USER_PEB + BLOCK);
    put32(block + 8, normal);
    put64(block + 0x70, 2 * n | (2 * n + 2) << 16);
    put64(block + 0x78, normal ? USER_PEB + TEXT : TEXT - BLOCK);
}

static void user_space(Process *p)
{
    uint64_t *pt = (uint64_t *)process_page(p, 5);

    process_parameters(p);
    pt[USER_CODE >> 12 & 511] = user_code_pa | 5;
    pt[USER_PEB >> 12 & 511] = pool_pa(process_page(p, 6)) | 1ULL << 63 | 7;
    for (uint32_t i = 0; i < PROCESS_THREADS; i++) {
        pt[(USER_TEB >> 12 & 511) + i * 2]
            = pool_pa(process_page(p, 7 + 2 * i)) | 1ULL << 63 | 7;
        pt[(USER_STACK >> 12 & 511) + i * 2]
            = pool_pa(process_page(p, 8 + 2 * i)) | 1ULL << 63 | 7;
    }
    p->peb = USER_PEB;
}

static Process *process_free_place(void)
{
    for (uint32_t i = 0; i < MAX_PROCESSES; i++) {
        if (!processes[i].live) {
            return &processes[i];
        }
    }
    return NULL;
}

static void process_address_space(Process *p)
{
    if (p->system) {
        p->root_pa = kernel_root;
        if (config.kvas) {
            p->user_root_pa = pool_pa(shadow_root_va);
        }
    } else {
        if (!p->has_pages) {
            p->pages = pool_pages(7 + 2 * PROCESS_THREADS);
            p->has_pages = true;
        }
        process_tables(p);
        if (!p->minimal) {
            user_space(p);
        }
    }
    process_roots(p);
}

Process *process_create(const char *image, Process *parent, bool minimal)
{
    Process *p = process_free_place();

    if (!p || !free_count) {
        return NULL;
    }
    p->system = !parent;
    p->minimal = minimal;
    p->elevated = !p->system && image[0] == 's' && image[1] == 'm';
    p->peb = 0;
    p->user_slots = p->refs = p->live_threads = 0;
    p->kernel_ticks = p->user_ticks = 0;
    mem_zero(p->image, 16);
    mem_copy(p->image, image, text_len(image) < 15 ? text_len(image) : 15);
    p->pid = p->system ? 4 : new_id();
    p->parent = parent ? parent->pid : 0;
    p->create_time = p->system ? odd(ODD_EARLY_CLOCK) ? EARLY_TIME : 0
                               : CREATE_TIME + rdtsc();
    process_address_space(p);
    p->obj = slot_take(&p->slot, 0xe36f7250);   /* "Pro" with high bit */
    process_fields(p);
    list_add((uint64_t)ps_active_process_head,
             p->obj + row[EPROCESS_ACTIVE_PROCESS_LINKS]);
    truth_process(p);
    process_path(p);
    p->live = true;
    return p;
}

/* No thread left, nobody attached. */
void process_end(Process *p)
{
    list_remove(p->obj + row[EPROCESS_ACTIVE_PROCESS_LINKS]);
    put32(p->obj + 4, 1);               /* signalled */
    truth_end(p->truth);
    p->live = false;
    slot_give(p->slot);
}

static Thread *thread_free_place(void)
{
    for (uint32_t i = 0; i < MAX_THREADS; i++) {
        if (!threads[i].live) {
            return &threads[i];
        }
    }
    return NULL;
}

static void thread_stack(Thread *t)
{
    if (!t->stack_base) {
        pool_hole(1);                   /* guard page */
        t->stack_base = pool_pages(STACK_PAGES)
                        + (uint64_t)STACK_PAGES * PAGE;
    }
}

static void teb_fill(Thread *t, uint64_t tid)
{
    uint64_t teb = process_page(t->process, 7 + 2 * t->user_slot);

    put64(teb + 0x30, USER_TEB + t->user_slot * 0x2000ULL);
    put64(teb + 0x40, t->process->pid);
    put64(teb + 0x48, tid);
    put64(teb + 0x60, USER_PEB);
}

/* What the thread finds on its stack when it is first switched to. */
static void first_frame(Thread *t)
{
    Frame *f = (Frame *)(t->stack_base - sizeof(Frame));
    uint64_t *sp = (uint64_t *)f;

    mem_zero(f, sizeof(*f));
    f->rip = t->entry;
    f->cs = t->user ? SEL_UCODE : SEL_KCODE;
    f->ss = t->user ? SEL_UDATA : SEL_KDATA;
    f->rflags = 0x202;
    f->rsp = t->user ? USER_STACK + t->user_slot * 0x2000ULL + PAGE - 8
                     : t->stack_base - 0x200;
    f->rdi = config.spin;
    f->rsi = config.ud2;
    f->rbx = USER_TEB + t->user_slot * 0x2000ULL;
    *--sp = (uint64_t)thread_first;
    sp -= 6;
    mem_zero(sp, 48);
    t->rsp = (uint64_t)sp;
}

static uint32_t system_bit(void)
{
    uint32_t build = row_ids[config.row].build;

    return build < 9200 ? 13 : build < 14393 ? 12 : 10;
}

static void thread_fields(Thread *t, uint64_t tid)
{
    uint64_t o = t->obj, stack = STACK_PAGES * (uint64_t)PAGE;

    header(o, TYPE_THREAD);
    field64(o, KTHREAD_INITIAL_STACK, t->stack_base - 0x10);
    field64(o, KTHREAD_STACK_LIMIT, t->stack_base - stack);
    field64(o, KTHREAD_STACK_BASE, t->stack_base);
    field64(o, KTHREAD_KERNEL_STACK, t->rsp);
    field64(o, KTHREAD_APCSTATE_PROCESS, t->process->obj);
    field64(o, KTHREAD_PROCESS, t->process->obj);
    field8(o, KTHREAD_PRIORITY, t->priority);
    field8(o, X_KTHREAD_BASE_PRIORITY, t->base_priority);
    field64(o, KTHREAD_TEB, t->user ? USER_TEB + t->user_slot * 0x2000 : 0);
    field32(o, X_KTHREAD_MISC_FLAGS, t->user ? 0x100 : 1u << system_bit());
    t->cycles = 1000 + t->serial;
    field64(o, X_KTHREAD_CYCLE_TIME, t->cycles);
    field64(o, X_KTHREAD_WIN32_THREAD,
            t->user ? 0xffff900000000000 + t->serial * 0x1000ULL : 0);
    put64(o + row[ETHREAD_CID], t->process->pid);
    put64(o + row[ETHREAD_CID] + 8, tid);
    field64(o, ETHREAD_START_ADDRESS, t->entry);
    field64(o, ETHREAD_WIN32_START_ADDRESS, t->entry + (t->user ? 16 : 0));
    field64(o, X_ETHREAD_CREATE_TIME,
            (odd(ODD_EARLY_CLOCK) && t->process->system ? EARLY_TIME
                                                        : CREATE_TIME)
            + t->serial);
    if (t->idle && !config.idle_alone) {
        field64(o, X_ETHREAD_CREATE_TIME, 0);
    }
    field32(o, X_ETHREAD_CROSS_THREAD_FLAGS, t->user ? 2 : 0x12);
    field8(o, X_KTHREAD_WAIT_IRQL, t->idle ? 2 : 0);
    if (t->idle && odd(ODD_IDLE_ALONE)) {
        field64(o, KTHREAD_PROCESS, 0);
        field64(o, KTHREAD_STACK_LIMIT, t->stack_base - stack + 0x123);
    }
    strange_thread(t);
    state_set(t, ST_INITIALIZED);
}

static void thread_link(Thread *t)
{
    uint64_t p = t->process->obj;

    list_add(p + row[KPROCESS_THREAD_LIST_HEAD],
             t->obj + row[KTHREAD_THREAD_LIST_ENTRY]);
    list_add(p + row[EPROCESS_THREAD_LIST_HEAD],
             t->obj + row[ETHREAD_THREAD_LIST_ENTRY]);
    t->process->live_threads++;
    field32(p, X_EPROCESS_ACTIVE_THREADS, t->process->live_threads);
}

static void thread_plain(Thread *t, Process *p, uint8_t kind, int8_t priority)
{
    uint64_t stack = t->stack_base;

    mem_zero(t, sizeof(*t));
    t->stack_base = stack;
    t->process = t->attached = p;
    t->kind = kind;
    t->user = kind == KIND_USER;
    t->idle = kind == KIND_IDLE;
    t->priority = t->base_priority = priority;
    t->rng = (uint32_t)random64() | 1;
    t->quantum = 2;
}

Thread *thread_create(Process *p, uint8_t kind, int8_t priority)
{
    Thread *t = thread_free_place();
    uint32_t tid;

    if (!t || !free_count
        || (kind == KIND_USER && p->user_slots == (1 << PROCESS_THREADS) - 1)) {
        return NULL;
    }
    thread_plain(t, p, kind, priority);
    thread_stack(t);
    tid = new_id();
    t->entry = (uint64_t)worker_main;
    if (t->user) {
        t->user_slot = __builtin_ctz(~p->user_slots);
        p->user_slots |= 1u << t->user_slot;
        t->entry = USER_CODE;
        teb_fill(t, tid);
    }
    first_frame(t);
    t->obj = slot_take(&t->slot, 0xe5726854);   /* "Thr" with high bit */
    truth_thread(t);
    thread_fields(t, tid);
    thread_link(t);
    truth_thread_id(t, tid);
    t->live = true;
    return t;
}

/*
 * Idle threads: id 0, in the idle process' lists, or in none as the guest
 * had it before real memory was seen; the first one stands in the image.
 */
Thread *thread_idle(Cpu *cpu)
{
    Thread *t = thread_free_place();

    thread_plain(t, &idle_process, KIND_IDLE, 0);
    thread_stack(t);
    t->entry = (uint64_t)idle_loop;
    t->cpu = cpu->index;
    if (cpu->index) {
        t->obj = slot_take(&t->slot, 0xe5726854);
    } else {
        t->obj = (uint64_t)initial_thread();
        mem_zero((void *)t->obj, row[ETHREAD_SIZE]);
    }
    t->rsp = t->stack_base - 0x100;
    truth_thread(t);
    thread_fields(t, 0);
    if (config.idle_alone) {
        list_init(t->obj + row[KTHREAD_THREAD_LIST_ENTRY]);
        list_init(t->obj + row[ETHREAD_THREAD_LIST_ENTRY]);
    } else {
        thread_link(t);
    }
    truth_thread_id(t, 0);
    state_set(t, ST_RUNNING);
    t->live = true;
    return t;
}

/* Out of the lists at once; the memory is given back by reap(). */
void thread_end_object(Thread *t)
{
    put32(t->obj + row[X_ETHREAD_CROSS_THREAD_FLAGS],
          *(uint32_t *)(t->obj + row[X_ETHREAD_CROSS_THREAD_FLAGS]) | 1);
    list_remove(t->obj + row[KTHREAD_THREAD_LIST_ENTRY]);
    list_remove(t->obj + row[ETHREAD_THREAD_LIST_ENTRY]);
    truth_unlinked(t->truth);
    t->process->live_threads--;
    field32(t->process->obj, X_EPROCESS_ACTIVE_THREADS,
            t->process->live_threads);
}

/* Lock held.  Frees ended threads, then processes nobody needs. */
void reap(void)
{
    for (uint32_t i = 0; i < MAX_THREADS; i++) {
        Thread *t = &threads[i];

        if (!t->live || t->state != ST_TERMINATED) {
            continue;
        }
        if (t->user) {
            t->process->user_slots &= ~(1u << t->user_slot);
        }
        truth_end(t->truth);
        slot_give(t->slot);
        t->live = false;
    }
    for (uint32_t i = 0; i < MAX_PROCESSES; i++) {
        Process *p = &processes[i];

        if (p->live && !p->system && !p->minimal && !p->live_threads
            && !p->user_slots && !p->refs) {
            process_end(p);
        }
    }
}

/* Where a thread's name block stands: header, UNICODE_STRING, text. */
uint64_t thread_name_place(const Thread *t)
{
    return names_va + (uint64_t)(t - threads) * NAME_BYTES;
}

/* No room for a NUL, and what the four bytes of padding held before. */
static void name_block(uint64_t at, uint32_t bytes, uint64_t text)
{
    put32(at + 4, 0x6d4e6854);          /* pool tag ThNm */
    put64(at + POOL_HEADER, bytes | bytes << 16 | random64() << 32);
    put64(at + POOL_HEADER + 8, text);
}

void thread_name(Thread *t, const uint16_t *text, const ThreadName *name,
                 bool readable)
{
    uint64_t at = thread_name_place(t), to = at + POOL_HEADER + 16;

    if (!has(ETHREAD_THREAD_NAME)) {
        return;
    }
    make_resident(at, NAME_BYTES);
    field64(t->obj, ETHREAD_THREAD_NAME, 0);
    mem_copy((void *)to, text + name->start, name->bytes);
    if (!readable) {
        to = pool_hole(1);              /* paged out: nothing is there */
    }
    name_block(at, name->bytes, to);
    truth_name(t, at + POOL_HEADER, to, name->bytes, name->hash, readable);
    field64(t->obj, ETHREAD_THREAD_NAME, at + POOL_HEADER);
}

/* 32,767 units, filled by copying the part that is done behind itself. */
void thread_name_long(Thread *t)
{
    uint64_t at = pool_pages(17), to = at + POOL_HEADER + 16;
    uint64_t done = long_name_unit_bytes;

    if (!has(ETHREAD_THREAD_NAME)) {
        return;
    }
    mem_copy((void *)to, thread_name_text + long_name.start, done);
    mem_copy((void *)(to + done), (void *)to, long_name.bytes - done);
    name_block(at, long_name.bytes, to);
    truth_name(t, at + POOL_HEADER, to, long_name.bytes, long_name.hash,
               true);
    field64(t->obj, ETHREAD_THREAD_NAME, at + POOL_HEADER);
}
