/*
 * winos/live-check: what an offset must look like in live objects.
 *
 * One small rule a field; each object is asked, and most must agree.  Rules
 * read as little as tells: what is certain in any build, not what is usual.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/live.h"

#include "base/le.h"

#include <string.h>

enum {
    RUNNING = 2,                    /* KTHREAD_STATE */
    STATE_MAX = 9,
    PRIORITY_MAX = 31,
    REASON_MAX = 63,                /* 42 names in 2024; they grow slowly */
    MAX_PRCB_DISTANCE = 0x1000,     /* from the KPCR it is in */
    MAX_NUMBER = 2048,
    MAX_STACK = 0x100000,
    STATE_TRIES = 32,
    LIST_ENTRIES = 64,
};

#define KUSER           0xfffff78000000000ULL
#define KUSER_TICK      0x320
#define ROOT_MASK       0x000ffffffffff000ULL

/* FILETIMEs of 1998 and 2100: the years a thread may be made in. */
#define TIME_FIRST      0x01bd000000000000ULL
#define TIME_LAST       0x0250000000000000ULL

/* How many objects speak for an offset, and how many against it. */
typedef struct Votes {
    unsigned for_it;
    unsigned against;
} Votes;

static void vote(Votes *votes, int answer)
{
    votes->for_it += answer > 0;
    votes->against += answer < 0;
}

/* Are so many of @n against it that the rest need not be asked? */
static bool is_lost(const Votes *votes, unsigned n)
{
    return votes->against * 8 > n;
}

static LiveAnswer outcome(const Votes *votes)
{
    if (is_lost(votes, votes->for_it)) {
        return LIVE_REFUTES;
    }
    return votes->for_it ? LIVE_FITS : LIVE_UNKNOWN;
}

static const GmemSpace *space_of(const LiveWorld *world)
{
    return &world->kernel->space;
}

static bool read_field(const LiveWorld *world, uint64_t object,
                       WinosField field, uint64_t *value)
{
    int32_t offset = winos_offset(world->layout, field);

    return offset >= 0 &&
           gmem_read_u64(space_of(world), object + offset, value);
}

static bool is_idle(const LiveWorld *world, uint64_t thread)
{
    uint64_t process;
    unsigned i;

    for (i = 0; i < world->n_cpus; i++) {
        if (world->cpus[i].idle_thread == thread) {
            return true;
        }
    }
    return world->kernel->idle_process &&
           read_field(world, thread, WINOS_KTHREAD_PROCESS, &process) &&
           process == world->kernel->idle_process;
}

/* Rules give 1: fits; -1: does not; 0: says nothing. */

static int is_page_kernel(const LiveWorld *world, uint64_t value)
{
    return gmem_is_kernel(space_of(world), value) && value % GMEM_PAGE == 0
           ? 1 : -1;
}

static int is_user_block(uint64_t value)
{
    if (value == 0) {
        return 0;
    }
    return value >= 0x10000 && value >> 47 == 0 && value % GMEM_PAGE == 0
           ? 1 : -1;
}

static int is_time(uint64_t value)
{
    if (value == 0) {
        return 0;
    }
    return value >= TIME_FIRST && value <= TIME_LAST ? 1 : -1;
}

static bool is_id(uint64_t value)
{
    return value % 4 == 0 && value <= UINT32_MAX;
}

/* Is this the link of a list whose next member points back to it? */
static int is_link(const LiveWorld *world, uint64_t link)
{
    uint64_t next, back;

    if (!gmem_read_u64(space_of(world), link, &next) ||
        !gmem_is_kernel(space_of(world), next) ||
        !gmem_read_u64(space_of(world), next + 8, &back) || back != link) {
        return -1;
    }
    return next == link ? 0 : 1;
}

/* A root of page tables: it maps the kernel. */
static int is_root(const LiveWorld *world, uint64_t value)
{
    GmemSpace other = *space_of(world);
    uint64_t gpa;

    if ((value & ROOT_MASK) == 0) {
        return -1;
    }
    other.cr3 = value;
    return (value & ROOT_MASK) == (space_of(world)->cr3 & ROOT_MASK) ||
           gmem_translate(&other, world->kernel->image.base, &gpa, NULL,
                          NULL) ? 1 : -1;
}

static int check_prcb_pointer(uint64_t kpcr, uint64_t value)
{
    return value > kpcr && value - kpcr < MAX_PRCB_DISTANCE &&
           value % 8 == 0 ? 1 : -1;
}

static int check_idle(const LiveWorld *world, uint64_t value)
{
    uint64_t process, pid;

    if (!live_is_object(space_of(world), value, LIVE_THREAD)) {
        return -1;
    }
    if (!read_field(world, value, WINOS_KTHREAD_PROCESS, &process)) {
        return 0;
    }
    if (world->kernel->idle_process) {
        return process == world->kernel->idle_process ? 1 : -1;
    }
    if (!read_field(world, process, WINOS_EPROCESS_UNIQUE_PROCESS_ID, &pid)) {
        return 0;
    }
    return pid == 0 ? 1 : -1;
}

static int check_next(const LiveWorld *world, uint64_t value)
{
    if (value == 0) {
        return 0;
    }
    return live_is_object(space_of(world), value, LIVE_THREAD) ? 1 : -1;
}

static int check_kernel_dtb(const LiveWorld *world, uint64_t value)
{
    return world->kernel->kva_shadow ? is_root(world, value) : 0;
}

/* Structures of one CPU. */
static int ask_cpu(const LiveWorld *world, const WinosCpu *cpu,
                   WinosField field, int32_t offset)
{
    bool in_kpcr = field <= WINOS_KPCR_PRCB;
    uint64_t at = (in_kpcr ? cpu->kpcr : cpu->prcb) + offset;
    uint64_t value;

    if (field == WINOS_KPCR_PRCB) {
        return at == cpu->prcb ? 1 : -1;
    }
    if (!gmem_read_u64(space_of(world), at, &value)) {
        return -1;
    }
    switch (field) {
    case WINOS_KPCR_SELF:
        return value == cpu->kpcr ? 1 : -1;
    case WINOS_KPCR_CURRENT_PRCB:
        return check_prcb_pointer(cpu->kpcr, value);
    case WINOS_PRCB_CURRENT_THREAD:
        return live_is_object(space_of(world), value, LIVE_THREAD) ? 1 : -1;
    case WINOS_PRCB_IDLE_THREAD:
        return check_idle(world, value);
    case WINOS_PRCB_NEXT_THREAD:
        return check_next(world, value);
    case WINOS_PRCB_KERNEL_DTB:
        return check_kernel_dtb(world, value);
    default:
        return 0;
    }
}

static LiveAnswer ask_cpus(const LiveWorld *world, WinosField field,
                           int32_t offset)
{
    Votes votes = { 0 };
    unsigned i;

    for (i = 0; i < world->n_cpus; i++) {
        vote(&votes, ask_cpu(world, &world->cpus[i], field, offset));
    }
    return outcome(&votes);
}

/* Every CPU has a number of its own; one CPU's alone says nothing. */
static LiveAnswer ask_numbers(const LiveWorld *world, int32_t offset)
{
    uint32_t seen[LIVE_MAX_CPUS];
    unsigned i, j;

    for (i = 0; i < world->n_cpus; i++) {
        if (!gmem_read_u32(space_of(world), world->cpus[i].prcb + offset,
                           &seen[i]) || seen[i] >= MAX_NUMBER) {
            return LIVE_REFUTES;
        }
        for (j = 0; j < i; j++) {
            if (seen[j] == seen[i]) {
                return LIVE_REFUTES;
            }
        }
    }
    return world->n_cpus > 1 ? LIVE_FITS : LIVE_UNKNOWN;
}

static int check_client_id(const LiveWorld *world, uint64_t thread,
                           uint64_t at)
{
    uint64_t pid, tid, process, owner;

    if (is_idle(world, thread)) {
        return 0;
    }
    if (!gmem_read_u64(space_of(world), at, &pid) ||
        !gmem_read_u64(space_of(world), at + 8, &tid) ||
        !is_id(pid) || !is_id(tid) || !pid || !tid) {
        return -1;
    }
    if (read_field(world, thread, WINOS_KTHREAD_PROCESS, &process) &&
        read_field(world, process, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
                   &owner)) {
        return owner == pid ? 1 : -1;
    }
    return 1;
}

/* Between them, the stack's ends must make a stack. */
static int check_stack(const LiveWorld *world, uint64_t thread,
                       WinosField field, uint64_t value)
{
    bool is_base = field == WINOS_KTHREAD_STACK_BASE;
    uint64_t other, size;

    if (is_page_kernel(world, value) < 0) {
        return -1;
    }
    if (!read_field(world, thread, is_base ? WINOS_KTHREAD_STACK_LIMIT
                                           : WINOS_KTHREAD_STACK_BASE,
                    &other)) {
        return 1;
    }
    size = is_base ? value - other : other - value;
    return size >= GMEM_PAGE && size <= MAX_STACK ? 1 : -1;
}

static int check_name(const LiveWorld *world, uint64_t pointer)
{
    uint64_t first;

    if (pointer == 0) {
        return 0;
    }
    if (live_name_looks(space_of(world), pointer)) {
        return 1;
    }
    /* The block may be paged out: that says nothing. */
    return gmem_is_kernel(space_of(world), pointer) && pointer % 16 == 0 &&
           (!gmem_read_u64(space_of(world), pointer, &first) ||
            !gmem_read_u64(space_of(world), pointer + 0x10, &first))
           ? 0 : -1;
}

static int ask_thread(const LiveWorld *world, uint64_t thread,
                      WinosField field, int32_t offset)
{
    uint64_t at = thread + offset;
    uint64_t value;

    if (field == WINOS_ETHREAD_CLIENT_ID) {
        return check_client_id(world, thread, at);
    }
    if (field == WINOS_ETHREAD_THREAD_LIST_ENTRY) {
        return is_idle(world, thread) ? 0 : is_link(world, at);
    }
    if (!gmem_read_u64(space_of(world), at, &value)) {
        return -1;
    }
    switch (field) {
    case WINOS_KTHREAD_STACK_LIMIT:
    case WINOS_KTHREAD_STACK_BASE:
        return check_stack(world, thread, field, value);
    case WINOS_KTHREAD_APC_PROCESS:
    case WINOS_KTHREAD_PROCESS:
        return live_is_object(space_of(world), value, LIVE_PROCESS) ? 1 : -1;
    case WINOS_KTHREAD_TEB:
        return is_user_block(value);
    case WINOS_ETHREAD_CREATE_TIME:
        return is_time(value);
    case WINOS_ETHREAD_THREAD_NAME:
        return check_name(world, value);
    default:
        return 0;
    }
}

static LiveAnswer ask_threads(const LiveWorld *world, WinosField field,
                              int32_t offset)
{
    Votes votes = { 0 };
    unsigned i;

    for (i = 0; i < world->n_threads && !is_lost(&votes, world->n_threads);
         i++) {
        vote(&votes, ask_thread(world, world->threads[i], field, offset));
    }
    return outcome(&votes);
}

static bool is_pid_of_another(const LiveWorld *world, uint64_t process,
                              uint64_t pid)
{
    uint64_t other;
    unsigned i;

    for (i = 0; i < world->n_processes; i++) {
        if (world->processes[i] != process &&
            read_field(world, world->processes[i],
                       WINOS_EPROCESS_UNIQUE_PROCESS_ID, &other) &&
            other == pid) {
            return true;
        }
    }
    return false;
}

/* A parent may have ended; one that has not is proof. */
static int check_parent(const LiveWorld *world, uint64_t process,
                        uint64_t value)
{
    if (!is_id(value)) {
        return -1;
    }
    return value && is_pid_of_another(world, process, value) ? 1 : 0;
}

static int check_image(const LiveWorld *world, uint64_t process, uint64_t at)
{
    char name[8];

    if (!gmem_read(space_of(world), at, name, sizeof(name), NULL)) {
        return -1;
    }
    if (process == world->kernel->system_process) {
        return memcmp(name, "System", 7) == 0 ? 1 : -1;
    }
    return name[0] ? 1 : -1;
}

static int check_pid(const LiveWorld *world, uint64_t process, uint64_t value)
{
    if (process == world->kernel->system_process) {
        return value == 4 ? 1 : -1;
    }
    return is_id(value) && value ? 1 : -1;
}

static int ask_process(const LiveWorld *world, uint64_t process,
                       WinosField field, int32_t offset)
{
    uint64_t at = process + offset;
    uint64_t value;

    /* The idle process is in no list and has nothing of its own. */
    if (process == world->kernel->idle_process) {
        return 0;
    }
    if (field == WINOS_EPROCESS_IMAGE_FILE_NAME) {
        return check_image(world, process, at);
    }
    if (field == WINOS_EPROCESS_ACTIVE_PROCESS_LINKS ||
        field == WINOS_EPROCESS_THREAD_LIST_HEAD) {
        return is_link(world, at);
    }
    if (!gmem_read_u64(space_of(world), at, &value)) {
        return -1;
    }
    switch (field) {
    case WINOS_EPROCESS_DIRECTORY_TABLE_BASE:
        return is_root(world, value);
    case WINOS_EPROCESS_UNIQUE_PROCESS_ID:
        return check_pid(world, process, value);
    case WINOS_EPROCESS_INHERITED_FROM:
        return check_parent(world, process, value);
    case WINOS_EPROCESS_PEB:
        return is_user_block(value);
    case WINOS_EPROCESS_CREATE_TIME:
        return is_time(value);
    default:
        return 0;
    }
}

static LiveAnswer ask_processes(const LiveWorld *world, WinosField field,
                                int32_t offset)
{
    uint64_t system = world->kernel->system_process;
    Votes votes = { 0 };
    unsigned i;

    /* System is the one process we know by name: its word is final. */
    if (system && ask_process(world, system, field, offset) < 0) {
        return LIVE_REFUTES;
    }
    for (i = 0; i < world->n_processes; i++) {
        vote(&votes, ask_process(world, world->processes[i], field, offset));
    }
    return outcome(&votes);
}

/*
 * System's own list of its threads leads to threads even while nothing but
 * idle threads run.
 */
static LiveAnswer ask_entries(const LiveWorld *world, int32_t offset)
{
    int32_t head_at = winos_offset(world->layout,
                                   WINOS_EPROCESS_THREAD_LIST_HEAD);
    uint64_t head = world->kernel->system_process + head_at;
    uint64_t at = head;
    Votes votes = { 0 };
    unsigned i;

    if (head_at < 0) {
        return ask_threads(world, WINOS_ETHREAD_THREAD_LIST_ENTRY, offset);
    }
    for (i = 0; i < LIST_ENTRIES && gmem_read_u64(space_of(world), at, &at) &&
         at != head; i++) {
        vote(&votes, live_is_object(space_of(world), at - offset,
                                    LIVE_THREAD) ? 1 : -1);
    }
    return outcome(&votes);
}

/* The state of a thread that ran before and after it was read. */
static int ask_running(const LiveWorld *world, const WinosCpu *cpu,
                       int32_t offset)
{
    uint64_t before, after;
    uint8_t state;

    if (!read_field(world, cpu->prcb, WINOS_PRCB_CURRENT_THREAD, &before) ||
        !gmem_read_u8(space_of(world), before + offset, &state) ||
        !read_field(world, cpu->prcb, WINOS_PRCB_CURRENT_THREAD, &after) ||
        before != after) {
        return 0;
    }
    return state == RUNNING ? 1 : -1;
}

/* Threads that do not run have other states, all of them known. */
static LiveAnswer ask_states(const LiveWorld *world, int32_t offset)
{
    Votes running = { 0 }, others = { 0 };
    uint8_t state;
    unsigned i;

    for (i = 0; i < STATE_TRIES * world->n_cpus; i++) {
        vote(&running, ask_running(world, &world->cpus[i % world->n_cpus],
                                   offset));
    }
    for (i = 0; i < world->n_threads; i++) {
        if (!gmem_read_u8(space_of(world), world->threads[i] + offset,
                          &state) || state > STATE_MAX) {
            vote(&others, -1);
        } else {
            vote(&others, state != RUNNING);
        }
    }
    if (running.against * 4 > running.for_it ||
        others.against * 8 > world->n_threads) {
        return LIVE_REFUTES;
    }
    return running.for_it && others.for_it ? LIVE_FITS : LIVE_UNKNOWN;
}

/* Too many values are possible for a fit: that takes watching. */
static LiveAnswer ask_reasons(const LiveWorld *world, int32_t offset)
{
    Votes votes = { 0 };
    uint8_t reason;
    unsigned i;

    for (i = 0; i < world->n_threads; i++) {
        vote(&votes, gmem_read_u8(space_of(world),
                                  world->threads[i] + offset, &reason) &&
                     reason <= REASON_MAX ? 1 : -1);
    }
    return outcome(&votes) == LIVE_REFUTES ? LIVE_REFUTES : LIVE_UNKNOWN;
}

static LiveAnswer ask_priorities(const LiveWorld *world, int32_t offset)
{
    Votes votes = { 0 };
    uint8_t priority;
    unsigned i;

    for (i = 0; i < world->n_threads; i++) {
        bool idle = is_idle(world, world->threads[i]);

        if (!gmem_read_u8(space_of(world), world->threads[i] + offset,
                          &priority) || priority > PRIORITY_MAX) {
            vote(&votes, -1);
        } else if (!idle) {
            vote(&votes, priority ? 1 : -1);
        }
    }
    return outcome(&votes);
}

/* Recent ticks in some threads, and in none a tick that is to come. */
static LiveAnswer ask_wait_times(const LiveWorld *world, int32_t offset)
{
    unsigned recent = 0, impossible = 0;
    uint32_t now, value;
    unsigned i;

    if (!gmem_read_u32(space_of(world), KUSER + KUSER_TICK, &now) ||
        now < 1024) {
        return LIVE_UNKNOWN;
    }
    for (i = 0; i < world->n_threads; i++) {
        if (!gmem_read_u32(space_of(world), world->threads[i] + offset,
                           &value) || value > now + 64) {
            impossible++;
        } else if (value > now - 512) {
            recent++;
        }
    }
    if (impossible * 8 > world->n_threads) {
        return LIVE_REFUTES;
    }
    return recent >= 3 ? LIVE_FITS : LIVE_UNKNOWN;
}

LiveAnswer live_check(const LiveWorld *world, WinosField field, int32_t offset)
{
    if (offset < 0 || offset > WINOS_MAX_OFFSET) {
        return LIVE_REFUTES;
    }
    switch (field) {
    case WINOS_ETHREAD_THREAD_LIST_ENTRY:
        return ask_entries(world, offset);
    case WINOS_PRCB_NUMBER:
        return ask_numbers(world, offset);
    case WINOS_KTHREAD_STATE:
        return ask_states(world, offset);
    case WINOS_KTHREAD_WAIT_REASON:
        return ask_reasons(world, offset);
    case WINOS_KTHREAD_PRIORITY:
        return ask_priorities(world, offset);
    case WINOS_KTHREAD_WAIT_TIME:
        return ask_wait_times(world, offset);
    case WINOS_PRCB_CONTEXT_SWITCHES:
    case WINOS_KTHREAD_CONTEXT_SWITCHES:
        return LIVE_UNKNOWN;
    default:
        break;
    }
    if (field <= WINOS_PRCB_KERNEL_DTB) {
        return ask_cpus(world, field, offset);
    }
    if (field <= WINOS_ETHREAD_THREAD_NAME) {
        return ask_threads(world, field, offset);
    }
    return ask_processes(world, field, offset);
}
