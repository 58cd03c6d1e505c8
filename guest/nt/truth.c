/*
 * Ground truth: what really happened, written where a test can read it from
 * the RAM file.  docs/guest.md is the promise about this format; a change
 * here is a new version there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { CPU_AT = 0x2000, INTERRUPT_AT = 0x4000, INTERRUPTS_MAX = 768,
       INTERRUPT_BYTES = 64, OBJECT_AT = 0x10000, RING_AT = 0x100000,
       OBJECTS = 4096, ROW_AT = 0x800, MESSAGE_AT = 0x90000,
       MESSAGES = 0x70000 / 32 };

/* Offsets in the header. */
enum {
    H_MAGIC = 0x00, H_VERSION = 0x08, H_SIZE = 0x0c, H_STATE = 0x18,
    H_RING_PA = 0x20, H_RING_ENTRIES = 0x28, H_RING_SIZE = 0x2c,
    H_OBJECT_PA = 0x30, H_OBJECTS = 0x38, H_OBJECT_SIZE = 0x3c,
    H_CPU_PA = 0x40, H_CPUS = 0x48, H_CPU_SIZE = 0x4c, H_HEAD = 0x50,
    H_TAIL = 0x58, H_OVERWRITTEN = 0x60, H_STAMP = 0x68, H_CREATED = 0x70,
    H_OBJECT_LOST = 0x78, H_MIGRATIONS = 0x80, H_BOOT_TSC = 0x88,
    H_WORLD_TSC = 0x90, H_FIRST_TSC = 0x98, H_IMAGE_VA = 0xa0,
    H_IMAGE_SIZE = 0xa8, H_ROOT = 0xb0, H_IMAGE_PA = 0xb8, H_KDBG = 0xc0,
    H_NEVER = 0xc8, H_ALWAYS = 0xd0, H_ENCODED = 0xd8, H_ROW = 0xe0,
    H_BUILD = 0xe8, H_NT_BUILD = 0xf0, H_FLAGS = 0xf8, H_LSTAR = 0x100,
    H_IDT = 0x108, H_PROCESS_HEAD = 0x110, H_SYSTEM = 0x118,
    H_IDLE_PROCESS = 0x120, H_TICK_US = 0x128, H_POOL = 0x130,
    H_SELF_MAP = 0x138, H_KUSER = 0x140, H_LIES = 0x148, H_SEED = 0x150,
    H_LOW_STUB = 0x158, H_DECOY_BELOW = 0x160, H_DECOY_DRIVER = 0x168,
    H_STRAY_KDBG = 0x170, H_KDBG_KIND = 0x178, H_COLUMNS = 0x180,
    H_OBJECTS_USED = 0x188, H_SWITCH_STORED = 0x198, H_WAITERS = 0x1a0,
    H_INTERRUPT_PA = 0x1c0, H_INTERRUPTS = 0x1c8, H_MESSAGE_PA = 0x1d0,
    H_MESSAGES_SENT = 0x1d8, H_MESSAGES_TAKEN = 0x1e0,
};

static uint64_t ring_va;
static uint32_t object_next, objects_used, serial_next;

static void h64(uint32_t at, uint64_t v)
{
    put64(truth_va + at, v);
}

void truth_init(uint64_t boot_tsc)
{
    uint64_t ring_pa = TRUTH_BASE + RING_AT;

    ring_va = truth_va + RING_AT;
    if (config.ring_entries > RING_SMALL) {
        ring_pa = BIG_RING_PHYS;
        ring_va = truth_va + 0x40000000;
    }
    mem_zero((void *)truth_va, 0x200);
    mem_zero((void *)(truth_va + CPU_AT), 128 * MAX_CPUS);
    put32(truth_va + H_VERSION, 2);
    put32(truth_va + H_SIZE, PAGE);
    h64(H_RING_PA, ring_pa);
    put32(truth_va + H_RING_ENTRIES, config.ring_entries);
    put32(truth_va + H_RING_SIZE, 64);
    h64(H_OBJECT_PA, TRUTH_BASE + OBJECT_AT);
    put32(truth_va + H_OBJECTS, OBJECTS);
    put32(truth_va + H_OBJECT_SIZE, 128);
    h64(H_CPU_PA, TRUTH_BASE + CPU_AT);
    h64(H_INTERRUPT_PA, TRUTH_BASE + INTERRUPT_AT);
    h64(H_MESSAGE_PA, TRUTH_BASE + MESSAGE_AT);
    h64(TRUTH_MESSAGES_WANTED, 0);
    put32(truth_va + H_CPUS, cpu_count);
    put32(truth_va + H_CPU_SIZE, 128);
    h64(H_TAIL, ~0ULL);
    h64(H_BOOT_TSC, boot_tsc);
}

/* What the world looks like, once it stands. */
void truth_world(void)
{
    h64(H_IMAGE_VA, image_va);
    h64(H_IMAGE_SIZE, image_size);
    h64(H_ROOT, kernel_root);
    h64(H_IMAGE_PA, IMAGE_PHYS);
    h64(H_KDBG, kdbg_address);
    h64(H_NEVER, ki_wait_never);
    h64(H_ALWAYS, ki_wait_always);
    h64(H_ENCODED, (uint64_t)kdp_data_block_encoded);
    h64(H_ROW, config.row);
    h64(H_BUILD, row_ids[config.row].build);
    h64(H_NT_BUILD, config.nt_build);
    h64(H_FLAGS, config.kvas | (config.levels == 5) << 1
        | config.large_pages << 2 | config.ud2 << 3
        | (uint64_t)config.custom << 4 | config.decoys << 5
        | config.low_stub << 6 | config.form << 8);
    h64(H_LSTAR, rdmsr(MSR_LSTAR));
    h64(H_IDT, idt_va);
    h64(H_PROCESS_HEAD, (uint64_t)ps_active_process_head);
    h64(H_SYSTEM, ps_initial_system_process);
    h64(H_IDLE_PROCESS, idle_process.obj);
    h64(H_TICK_US, config.tick_us);
    h64(H_POOL, pool_va);
    h64(H_SELF_MAP, self_map);
    h64(H_KUSER, kuser_va);
    h64(H_LIES, config.lies);
    h64(H_SEED, config.seed);
    h64(H_LOW_STUB, config.low_stub ? LOW_STUB : 0);
    h64(H_DECOY_BELOW, decoy_below);
    h64(H_DECOY_DRIVER, decoy_driver);
    h64(H_STRAY_KDBG, decoy_kdbg);
    h64(H_KDBG_KIND, config.kdbg);
    h64(H_COLUMNS, COLUMNS);
    h64(H_SWITCH_STORED, (uint64_t)switch_stored);
    mem_copy((void *)(truth_va + ROW_AT), row, sizeof(row));
    h64(H_WORLD_TSC, rdtsc());
}

/* The magic comes last: who sees it may trust what stands above. */
void truth_ready(void)
{
    h64(H_STATE, 1);
    mem_copy((void *)(truth_va + H_MAGIC), "NTTRUTH1", 8);
}

static uint64_t cpu_at(const Cpu *cpu)
{
    return truth_va + CPU_AT + cpu->index * 128;
}

static uint64_t object_at(uint32_t index)
{
    return truth_va + OBJECT_AT + (uint64_t)index * 128;
}

/* The next entry whose object is not alive; long-lived ones keep theirs. */
static uint32_t object_new(uint32_t kind, uint64_t obj)
{
    uint64_t at = object_at(object_next);

    while (object_next < objects_used && !get64(at + 48)) {
        object_next = (object_next + 1) % OBJECTS;
        at = object_at(object_next);
    }
    if (object_next < objects_used) {
        h64(H_OBJECT_LOST, get64(truth_va + H_OBJECT_LOST) + 1);
    } else {
        h64(H_OBJECTS_USED, ++objects_used);
    }
    mem_zero((void *)at, 128);
    put8(at + 4, kind);
    put64(at + 8, obj);
    put64(at + 40, rdtsc());
    h64(H_CREATED, ++serial_next);
    object_next = (object_next + 1) % OBJECTS;
    return (at - object_at(0)) / 128;
}

void truth_process(Process *p)
{
    uint64_t at;

    p->truth = object_new(1, p->obj);
    at = object_at(p->truth);
    put8(at + 5, p->system | p->minimal << 1 | p->elevated << 2);
    put64(at + 24, p->pid);
    put64(at + 32, p->parent);
    mem_copy((void *)(at + 56), p->image, 16);
    put64(at + 96, p->dtb);
    put64(at + 104, p->user_dtb);
    put64(at + 112, p->create_time);
    put64(at + 120, p->peb);
    p->serial = serial_next;
    put32(at, p->serial);
}

/* The fields that a thread has for its name. */
void truth_path(const Process *p, uint64_t string, uint64_t text,
                uint32_t bytes)
{
    uint64_t at = object_at(p->truth);
    uint32_t hash = 0x811c9dc5;

    for (uint32_t i = 0; i < bytes; i++) {
        hash = (hash ^ ((const uint8_t *)text)[i]) * 0x01000193;
    }
    put64(at + 72, string);
    put64(at + 80, text);
    put32(at + 88, bytes);
    put32(at + 92, hash);
}

void truth_thread(Thread *t)
{
    uint64_t at;

    t->truth = object_new(2, t->obj);
    at = object_at(t->truth);
    put8(at + 5, t->idle << 3 | t->user << 4);
    put64(at + 16, t->process->obj);
    put64(at + 24, t->process->pid);
    mem_copy((void *)(at + 56), t->process->image, 16);
    put64(at + 104, t->entry);
    put64(at + 112, t->stack_base);
    put64(at + 120, t->user ? USER_TEB + t->user_slot * 0x2000ULL : 0);
    t->serial = serial_next;
}

/* A thread's id is known a little later than its place. */
void truth_thread_id(Thread *t, uint64_t tid)
{
    put64(object_at(t->truth) + 32, tid);
    put32(object_at(t->truth), t->serial);
}

void truth_end(uint32_t index)
{
    put64(object_at(index) + 48, rdtsc());
}

/* Out of the lists, but its memory is still its own. */
void truth_unlinked(uint32_t index)
{
    uint64_t at = object_at(index);

    put8(at + 5, *(uint8_t *)(at + 5) | 0x40);
}

/* Bytes 6..7 are odd while the name fields change. */
void truth_name(const Thread *t, uint64_t string, uint64_t text,
                uint32_t bytes, uint32_t hash, bool readable)
{
    uint64_t at = object_at(t->truth);
    volatile uint16_t *version = (uint16_t *)(at + 6);

    (*version)++;
    put64(at + 72, string);
    put64(at + 80, text);
    put32(at + 88, bytes);
    put32(at + 92, hash);
    put8(at + 5, (*(uint8_t *)(at + 5) & 0x7f) | (!readable) << 7);
    (*version)++;
}

void truth_cpu(Cpu *cpu)
{
    uint64_t at = cpu_at(cpu);

    put64(at, cpu->kpcr);
    put64(at + 8, cpu->prcb);
    put64(at + 32, cpu->idle->obj);
    put64(at + 40, cpu->idle->obj);
    put64(at + 56, cpu->idle->obj);
    put64(at + 72, cpu->transition_top);
}

/* From here on the CPU schedules; before, its registers say nothing. */
void truth_cpu_online(const Cpu *cpu)
{
    put64(cpu_at(cpu) + 80, 1);
}

void truth_tick(const Cpu *cpu, uint32_t kind)
{
    put64(cpu_at(cpu) + 88 + 8 * kind, cpu->ticks[kind]);
}

/* User ticks below, kernel ticks above: read in one piece. */
void truth_thread_ticks(const Thread *t)
{
    put64(object_at(t->truth) + 96,
          t->user_ticks | (uint64_t)t->kernel_ticks << 32);
}

void truth_ended_ticks(const Process *p)
{
    put64(object_at(p->truth) + 16,
          p->user_ticks | (uint64_t)p->kernel_ticks << 32);
}

/* Entries of the threads of waits=deadlock, in the order of wait.c. */
void truth_waiter(uint32_t index, uint32_t truth)
{
    put32(truth_va + H_WAITERS + 4 * index, truth + 1);
}

static void put_name(uint64_t at, const char *name)
{
    mem_zero((void *)at, 16);
    mem_copy((void *)at, name, text_len(name));
}

/* In the order of vectors and of their rings. */
void truth_interrupt(const InterruptTruth *from)
{
    uint64_t n = get64(truth_va + H_INTERRUPTS);
    uint64_t at = truth_va + INTERRUPT_AT + n * INTERRUPT_BYTES;

    if (n == INTERRUPTS_MAX) {
        fail(EXIT_MACHINE, "too many interrupt objects");
    }
    put8(at, from->cpu);
    put8(at + 1, from->vector);
    put8(at + 2, from->irql);
    put8(at + 3, from->mode);
    put8(at + 4, from->flags);
    put8(at + 5, from->message);
    put64(at + 8, from->object);
    put64(at + 16, from->routine);
    put64(at + 24, from->base);
    put_name(at + 32, from->name);
    put_name(at + 48, from->owner);
    h64(H_INTERRUPTS, n + 1);
}

/* Count at +16 differs from that at +24 while CurrentThread may be either. */
void truth_switch_begin(Cpu *cpu, Thread *from, Thread *to)
{
    uint64_t at = cpu_at(cpu);

    put64(at + 16, get64(at + 16) + 1);
    put64(at + 32, from->obj);
    put64(at + 40, to->obj);
}

static void done(uint64_t switches)
{
    say_dec("nt: done switches ", switches);
    say_dec(" migrations ", get64(truth_va + H_MIGRATIONS));
    say_dec(" objects ", get64(truth_va + H_CREATED));
    say_dec(" overwritten ", get64(truth_va + H_OVERWRITTEN));
    say_dec(" tsc ", rdtsc() - get64(truth_va + H_FIRST_TSC));
    say_flush();
    leave(EXIT_DONE);
}

static void count_overwritten(uint64_t head)
{
    uint64_t tail = get64(truth_va + H_TAIL);

    if (head >= config.ring_entries
        && (tail == ~0ULL || head - tail >= config.ring_entries)) {
        h64(H_OVERWRITTEN, get64(truth_va + H_OVERWRITTEN) + 1);
    }
}

/* A time beside the store, in 1,024 ticks of the TSC, 0xffff: longer. */
static uint64_t kiloticks(uint64_t from, uint64_t to)
{
    uint64_t n = ((to - from) >> 10) + 1;

    return n < 0xffff ? n : 0xffff;
}

void truth_switch_end(Cpu *cpu, Thread *from, Thread *to, uint8_t reason,
                      uint64_t before, uint64_t after)
{
    uint64_t at = cpu_at(cpu), head = get64(truth_va + H_HEAD);
    uint64_t r = ring_va + (head & (config.ring_entries - 1)) * 64;

    count_overwritten(head);
    put64(r, 0);                        /* not valid while being written */
    put64(r + 8, before);
    put64(r + 16, from->obj);
    put64(r + 24, to->obj);
    put32(r + 32, from->serial);
    put32(r + 36, to->serial);
    put64(r + 40, get64(truth_va + H_STAMP));
    put32(r + 48, (uint32_t)(after - before));
    put32(r + 52, cpu->index | reason << 8 | from->wait_reason << 16
          | (uint32_t)from->state << 24);
    put32(r + 56, (uint8_t)to->priority | (uint8_t)from->priority << 8
          | (uint32_t)kiloticks(cpu->leaving, before) << 16);
    put32(r + 60, (to->attached == to->process ? 0 : 1)
          | (uint32_t)kiloticks(after, rdtsc()) << 16);
    put64(r, head + 1);
    h64(H_HEAD, head + 1);
    put64(at + 48, get64(at + 48) + 1);
    put64(at + 64, head + 1);
    put64(at + 24, get64(at + 24) + 1);
    if (!head) {
        h64(H_FIRST_TSC, before);
        h64(H_STATE, 2);
    }
    if (config.max_switches && head + 1 >= config.max_switches) {
        done(head + 1);
    }
}

void truth_migration(void)
{
    h64(H_MIGRATIONS, get64(truth_va + H_MIGRATIONS) + 1);
}

/* Messages: before, after, vector, CPU, taken; those beyond are not sent. */

static uint64_t message_at(uint64_t n)
{
    return truth_va + MESSAGE_AT + n * 32;
}

uint64_t truth_messages_wanted(void)
{
    uint64_t wanted = get64(truth_va + TRUTH_MESSAGES_WANTED);

    return wanted < MESSAGES ? wanted : MESSAGES;
}

void truth_message_begin(uint64_t n, uint32_t vector, uint32_t cpu)
{
    mem_zero((void *)message_at(n), 32);
    put32(message_at(n) + 16, vector);
    put32(message_at(n) + 20, cpu);
}

void truth_message_sent(uint64_t n, uint64_t before, uint64_t after)
{
    put64(message_at(n), before);
    put64(message_at(n) + 8, after);
    h64(H_MESSAGES_SENT, n + 1);
}

void truth_message_taken(uint64_t n, uint64_t when)
{
    put64(message_at(n) + 24, when);
    h64(H_MESSAGES_TAKEN, n + 1);
}
