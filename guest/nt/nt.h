/*
 * The NT test guest: what its files share.
 *
 * The guest keeps two books.  Private state (Thread, Process, Cpu below) is
 * what it runs on; the Windows-like objects are written for the observer at
 * the offsets of the chosen row and are never needed to go on running, so
 * that hostile mode may spoil them.  The one exception is what the processor
 * itself reads: page tables, descriptor tables, GS base.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NT_H
#define NT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "phys.h"
#include "tables.h"

enum { PAGE = 4096, MAX_CPUS = 64, MAX_THREADS = 152,
       MAX_PROCESSES = 20 };
enum { PROCESS_THREADS = 8, STACK_PAGES = 6 };

/* One 2 MiB stretch of user space holds everything a process has. */
#define USER_BASE   0x7fe00000ULL
#define USER_CODE   0x7fe00000ULL
#define USER_PEB    0x7fe10000ULL
#define USER_TEB    0x7fe20000ULL   /* one page a thread, 8 KiB apart */
#define USER_STACK  0x7fe80000ULL
#define USER_SHARED 0x7ffe0000ULL

/* Windows' own numbers; see docs/guest.md for the sources. */
enum { ST_INITIALIZED, ST_READY, ST_RUNNING, ST_STANDBY, ST_TERMINATED,
       ST_WAITING, ST_TRANSITION, ST_DEFERRED_READY };
enum { WR_EXECUTIVE = 0, WR_FREE_PAGE = 1, WR_DELAY = 4, WR_USER_REQUEST = 6, WR_USER_WR = 13,
       WR_QUEUE = 15, WR_LPC_RECEIVE = 16, WR_TERMINATED = 22,
       WR_KERNEL = 26, WR_RESOURCE = 27, WR_QUANTUM_END = 30,
       WR_DISPATCH_INT = 31, WR_PREEMPTED = 32, WR_YIELD = 33,
       WR_ALERT_BY_ID = 37 };
enum { SEL_KCODE = 0x10, SEL_KDATA = 0x18, SEL_UDATA = 0x2b,
       SEL_UCODE = 0x33, SEL_TSS = 0x40 };
enum { VEC_UD = 6, VEC_IPI = 0x2f, VEC_CLOCK = 0xd1, VEC_SYSCALL = 0x100 };

/*
 * Where in the ground truth the scheduler lock stands, and the words by which
 * a reader lets the build number change and asks for messages.
 */
enum { TRUTH_LOCK = 0x190, TRUTH_MESSAGES_WANTED = 0x7f0,
       TRUTH_BUILD_GO = 0x7f8 };

/* Why a switch happened, as written to the ground truth. */
enum { REASON_START, REASON_QUANTUM, REASON_PREEMPT, REASON_YIELD,
       REASON_WAIT, REASON_EXIT, REASON_IDLE_END };

enum { KDBG_PLAIN, KDBG_ENCODED, KDBG_ABSENT, KDBG_DAMAGED };
enum { FORM_PLAIN, FORM_ENDBR, FORM_THUNK, FORM_HOTPATCH, FORM_MIXED,
       FORM_CHECK, FORM_CHECK_JUMP, FORM_FRAME };

/* isa-debug-exit codes: the process ends with (code << 1) | 1. */
enum { EXIT_DONE = 0x10, EXIT_CONFIG = 0x11, EXIT_MACHINE = 0x12,
       EXIT_TRAP = 0x13, EXIT_SELFTEST = 0x14 };

/* Hostile lies, by bit; the names stand in config.c. */
enum {
    LIE_LIST_LOOP, LIE_LIST_HOLE, LIE_LIST_MMIO, LIE_THREAD_LIST_LOOP,
    LIE_NAME_OVERRUN, LIE_NAME_HUGE, LIE_PE_WRAP, LIE_PE_SIZES,
    LIE_EXPORT_OVERRUN, LIE_ACCESSOR_LOOP, LIE_ACCESSOR_RUNAWAY, LIE_PT_SELF,
    LIE_REWRITE, LIE_SELF_FLIP, LIE_KDBG_LIES, LIE_CID_LIES,
    LIE_CURRENT_WILD, LIE_DTB_WILD, LIE_TIME_LIES, LIE_WAIT_LIES,
    LIE_INTERRUPT_LOOP, LIE_INTERRUPT_WILD, LIE_INTERRUPT_TYPE,
    LIE_INTERRUPT_ARRAY, LIES
};

/* What other kernels of this kind do, by bit; the names stand in config.c. */
enum {
    ODD_IMPOSTORS,              /* fields that mean something else */
    ODD_IDLE_ALONE,             /* idle threads have no owner; odd stacks */
    ODD_NO_IDLE_FIELD,          /* the KDBG block is silent on IdleThread */
    ODD_SHARED_DATA,            /* version 5, 0 processors */
    ODD_EARLY_CLOCK,            /* System is older than the clock */
    ODD_NO_BUILD,               /* NtBuildNumber is not exported */
    ODD_SYSTEM_NAME,            /* System is called something else */
    ODD_POINTERS,               /* more pointers in KPCR and KPRCB */
    ODD_PARKED,                 /* the last vCPU is never started */
    ODDITIES
};

typedef struct Config {
    uint64_t row, base, seed;
    uint64_t nt_build, kdbg, kdbg_size, kvas, levels, large_pages;
    uint64_t threads, processes, tick_us, spin, churn, attach, ud2;
    uint64_t form, decoys, low_stub, ring_entries, max_switches, idle_poll;
    uint64_t names, byte_names, realtime, image_size, timestamp, user_percent, window;
    uint64_t yield_percent, exit_percent;
    uint64_t dpc_percent, isr_percent, waits;
    uint64_t interrupts, interrupts_moved, messages;
    uint64_t idle_alone, no_zero_page, nt_build_late;
    uint64_t spin_in, pool_high;
    uint64_t lies, odd, mute;
    bool custom;                /* some column was given at run time */
} Config;

struct Process;

typedef struct Thread {
    uint64_t obj;               /* address of the ETHREAD */
    uint64_t rsp;               /* where it stopped */
    uint64_t stack_base;        /* VA; survives the object */
    struct Process *process, *attached;
    struct Thread *next;        /* ready list */
    uint64_t wake_tick, cycles;
    uint64_t entry;
    uint32_t rng, serial, truth, switches, quantum, actions_left;
    uint32_t kernel_ticks, user_ticks;
    uint16_t slot, user_slot;
    int8_t priority, base_priority;
    uint8_t state, cpu, kind, wait_reason;
    bool live, user, idle, ends_process;
} Thread;

enum { KIND_IDLE, KIND_WORKER, KIND_USER, KIND_CHURN, KIND_REALTIME,
       KIND_NAMER, KIND_WAITER, KIND_GAME, KIND_SCANNER, KIND_QUIET,
       KIND_ZERO_PAGE, KIND_SPINNER, KIND_MESSENGER };

typedef struct Process {
    uint64_t obj, dtb, user_dtb, root_pa, user_root_pa, pages, peb;
    uint64_t create_time;
    uint32_t pid, parent, serial, truth, refs, live_threads, user_slots;
    uint32_t kernel_ticks, user_ticks;  /* of threads that ended */
    uint16_t slot;
    bool live, minimal, elevated, system, has_pages, tables_used;
    char image[16];
} Process;

/* What the clock interrupted; the order of the ground truth. */
enum { TICK_USER, TICK_KERNEL, TICK_DPC, TICK_INTERRUPT, TICK_IDLE, TICKS };

typedef struct Cpu {
    struct Cpu *self;           /* gs:[CPU_POINTER] */
    uint64_t kpcr, prcb, desc;  /* desc: page with GDT and TSS */
    uint64_t transition_top, shadow;
    uint64_t idt;
    Thread *current, *standby, *idle, *previous;
    Thread *ready[32], *ready_tail[32];
    uint32_t ready_mask, index;
    uint32_t switches;
    uint64_t since;             /* TSC of the last switch */
    uint64_t leaving;           /* when the current one began to leave, or 0 */
    bool online;
    uint8_t nesting;            /* interrupts or a DPC, but for the clock's */
    bool in_dpc;
    uint32_t interrupts, dpcs;
    volatile uint32_t clocks;   /* clock interrupts */
    uint32_t load_at;           /* clocks when DPC and ISR are due again */
    uint32_t ticks[TICKS];
} Cpu;


/* KPCR offset of the guest's own pointer: HalReserved in real ones. */
enum { CPU_POINTER = 0xc0, KPCR_USER_RSP = 0x10, KPCR_RSP_BASE = 0x1a8 };

typedef struct Frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx,
             rcx, rax, vector, error, rip, cs, rflags, rsp, ss;
} Frame;

/* lib.c */
void mem_copy(void *to, const void *from, size_t bytes);
void mem_zero(void *to, size_t bytes);
size_t text_len(const char *s);
bool text_same(const char *a, const char *b);
uint32_t rng_next(uint32_t *state);
uint64_t random64(void);
void say(const char *text);
void say_dec(const char *before, uint64_t value);
void say_hex(const char *before, uint64_t value);
void say_flush(void);
void leave(uint32_t code) __attribute__((noreturn));
void fail(uint32_t code, const char *why) __attribute__((noreturn));

/* config.c, row.c */
extern Config config;
extern uint16_t row[COLUMNS];
extern uint64_t ram_size;
extern bool ram_dirty;          /* not the first boot in this RAM */
extern uint32_t cpu_count;
void config_read(void);
bool row_set(const char *name, size_t len, uint64_t value);
void row_load(uint64_t index);
void row_check(void);
uint32_t row_gap(uint32_t col, uint32_t bytes);
static inline bool has(uint32_t col)
{
    return (SURE_COLUMNS >> col & 1) || row[col] < UNKNOWN;
}
static inline bool odd(uint32_t which)
{
    return config.odd >> which & 1;
}
static inline bool lies(uint32_t which)
{
    return config.lies >> which & 1;
}

/*
 * The second file's columns; made-up rows and odd kernels have
 * none of them.
 */
static inline bool more_has(uint32_t col)
{
    return !config.custom && !config.odd
           && more_cells[config.row][col] < UNKNOWN;
}
static inline uint32_t more(uint32_t col)
{
    return more_cells[config.row][col];
}

/* paging.c */
extern uint64_t image_va, pool_va, kernel_root, self_map;
extern uint64_t lapic_va, kuser_va, truth_va, mmio_hole_va, edu_va;
extern uint64_t ap_root;
void paging_build(void);
void enter_world(uint64_t root, uint64_t target, uint64_t levels);
uint64_t pool_pages(uint32_t count);
uint64_t pool_hole(uint32_t count);
uint64_t pool_pa(uint64_t va);
uint64_t *pte_of(uint64_t va);
uint64_t table_page(void);
void map_page(uint64_t root, uint64_t va, uint64_t pa, uint64_t flags);
void shadow_map(uint64_t va, uint64_t pa, uint64_t flags);
void process_tables(Process *p);
uint64_t process_page(Process *p, uint32_t index);
extern uint64_t shadow_root_va;
static inline uint64_t image_pa(const void *p)
{
    return (uint64_t)p - image_va + IMAGE_PHYS;
}

/* image.c, kdbg.c, decoy.c */
extern uint64_t image_size;
extern uint64_t ps_initial_system_process, ps_loaded_module_list[2];
extern uint64_t ps_active_process_head[2], ki_processor_block[64];
extern uint32_t nt_build_number;
extern uint8_t ke_number_processors;
uint8_t *initial_kpcr(void);
uint8_t *initial_thread(void);
uint8_t *initial_process(void);
void image_build(void);
void image_selftest(void);
uint64_t accessor_address(uint32_t which);
void kdbg_build(void);
extern uint64_t kdbg_address, ki_wait_never, ki_wait_always;
extern uint8_t kdp_data_block_encoded[16];
extern uint8_t switch_stored[];
extern char nt_build_lab[64];
extern uint64_t ps_loaded_module_resource[13], ki_bug_check_data[5];
extern uint64_t decoy_below, decoy_driver, decoy_kdbg;
void decoys_build(void);
void decoys_map(void);
void module_add(uint64_t entry, const uint16_t *name, uint32_t units,
                uint64_t base, uint64_t size);

/* object.c */
extern uint64_t ap_stacks[256];
extern Thread threads[MAX_THREADS];
extern Process processes[MAX_PROCESSES];
extern Process idle_process;
void objects_init(void);
Process *process_create(const char *image, Process *parent, bool minimal);
uint32_t process_path_at(void);
void process_end(Process *p);
Thread *thread_create(Process *p, uint8_t kind, int8_t priority);
Thread *thread_idle(Cpu *cpu);
void thread_end_object(Thread *t);
void thread_name(Thread *t, const uint16_t *text, const ThreadName *name,
                 bool readable);
void thread_name_long(Thread *t);
uint64_t thread_name_place(const Thread *t);
void reap(void);

/* world.c */
extern Cpu cpus[MAX_CPUS];
extern uint64_t idt_va;
void boot_main(uint64_t tsc);
void world_main(void);
void cpu_begin(uint32_t index);
void build_tick(void);

/* sched.c */
extern volatile uint64_t tick_count;
void lock(void);
void unlock(void);
void make_ready(Thread *t, bool front);
void yield(void);
void sleep(uint8_t wait_reason, uint32_t ticks);

/* What image_names[] is; NAMES_DESKTOP also has threads of its own. */
enum { NAMES_MIXED, NAMES_BYTES, NAMES_DESKTOP };
void wake(Thread *t);
void thread_exit(void) __attribute__((noreturn));
void schedule_tick(void);
void schedule_ipi(void);
void idle_loop(void) __attribute__((noreturn));
void attach_process(Process *p);
void detach_process(void);
void thread_begin(void);
void state_set(Thread *t, uint8_t state);

/* interrupt.c */
bool interrupts_on(void);
void interrupts_build(void);
void interrupts_cpu(const Cpu *cpu);

/* Of an interrupt object, as the ground truth has it. */
enum { TRUTH_INTERRUPT_SHARED = 1, TRUTH_INTERRUPT_MESSAGE = 2,
       TRUTH_INTERRUPT_REFUSED = 4, TRUTH_INTERRUPT_WILD = 8 };
typedef struct InterruptTruth {
    uint64_t object, routine, base;
    const char *name, *owner;
    uint32_t cpu, vector, message;
    uint8_t irql, mode, flags;
} InterruptTruth;

/* message.c */
void messages_build(Process *system);
void messenger(void) __attribute__((noreturn));
/* False: no message with this vector is on its way to this CPU. */
bool message_take(uint32_t vector);

/* time.c */
void time_tick(const Frame *f);
void time_load(void);
void time_thread_ends(const Thread *t);

/* spin.c */
void spin_build(Process *system);
void spinner(void) __attribute__((noreturn));

/* wait.c */
void waits_init(void);
void waits_threads(Process *system);
void wait_begin(Thread *t, uint8_t reason);
void wait_end(Thread *t);
void waiter(Thread *t) __attribute__((noreturn));
void wait_for_ever(void);

/* work.c */
void worker_main(void);
void user_call(Frame *f);

/* trap.c */
void traps_init(void);
void apic_init(void);
void gate_set(uint64_t idt, uint32_t vector, uint64_t to);
void apic_ipi(uint32_t cpu);
void aps_start(void);
void trap_main(Frame *f);
void trap_user_return(void);

/* truth.c */
void truth_init(uint64_t boot_tsc);
void truth_world(void);
void truth_cpu(Cpu *cpu);
void truth_cpu_online(const Cpu *cpu);
void truth_thread(Thread *t);
void truth_thread_id(Thread *t, uint64_t tid);
void truth_unlinked(uint32_t index);
void truth_process(Process *p);
void truth_path(const Process *p, uint64_t string, uint64_t text,
                uint32_t bytes);
void truth_end(uint32_t index);
void truth_name(const Thread *t, uint64_t string, uint64_t text,
                uint32_t bytes, uint32_t hash, bool readable);
void truth_switch_begin(Cpu *cpu, Thread *from, Thread *to);
void truth_switch_end(Cpu *cpu, Thread *from, Thread *to, uint8_t reason,
                      uint64_t before, uint64_t after);
void truth_ready(void);
void truth_migration(void);
void truth_tick(const Cpu *cpu, uint32_t kind);
void truth_thread_ticks(const Thread *t);
void truth_ended_ticks(const Process *p);
void truth_waiter(uint32_t index, uint32_t truth);
void truth_interrupt(const InterruptTruth *from);
uint64_t truth_messages_wanted(void);
void truth_message_begin(uint64_t n, uint32_t vector, uint32_t cpu);
void truth_message_sent(uint64_t n, uint64_t before, uint64_t after);
void truth_message_taken(uint64_t n, uint64_t when);

/* start.S, entry.S: places, not arrays of anything */
extern char low_stub[], low_stub_end[], ap_high[], thread_first[];
extern char system_call_64[], system_call_64_shadow[];
extern char user_program[], user_program_end[];
extern char kd_copy_data_block[], kd_copy_count[];
extern char vector_0[], vector_3[], vector_6[], vector_8[], vector_13[];
extern char vector_14[], vector_47[], vector_209[];
extern char vector_99[], vector_113[], vector_114[], vector_145[];
extern char shadow_vector_0[], shadow_vector_3[], shadow_vector_6[];
extern char shadow_vector_8[], shadow_vector_13[], shadow_vector_14[];
extern char shadow_vector_47[], shadow_vector_209[];
extern char shadow_vector_99[], shadow_vector_113[], shadow_vector_114[];
extern char shadow_vector_145[];
void switch_stack(uint64_t *from, uint64_t to);
void call_on_stack(uint64_t stack, void (*function)(void));

/* strange.c */
void strange_thread(const Thread *t);
void strange_cpu(const Cpu *cpu);
void strange_switch(const Cpu *cpu, const Thread *from, const Thread *to);

/* hostile.c */
void hostile_apply(void);
void hostile_tick(void);

static inline void put64(uint64_t at, uint64_t v)
{
    *(volatile uint64_t *)at = v;
}
static inline void put32(uint64_t at, uint32_t v)
{
    *(volatile uint32_t *)at = v;
}
static inline void put8(uint64_t at, uint8_t v)
{
    *(volatile uint8_t *)at = v;
}
static inline uint64_t get64(uint64_t at)
{
    return *(volatile uint64_t *)at;
}

/* Write a field if the row has it. */
static inline void field64(uint64_t obj, uint32_t col, uint64_t v)
{
    if (has(col)) {
        put64(obj + row[col], v);
    }
}
static inline void field32(uint64_t obj, uint32_t col, uint32_t v)
{
    if (has(col)) {
        put32(obj + row[col], v);
    }
}
static inline void field8(uint64_t obj, uint32_t col, uint8_t v)
{
    if (has(col)) {
        put8(obj + row[col], v);
    }
}

#include "cpu.h"
#endif
