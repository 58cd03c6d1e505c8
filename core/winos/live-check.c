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

/* In the first days of 1601. */
#define TIME_EARLY      0x0000010000000000ULL

/* How many objects speak for an offset, and how many against it. */
typedef struct Votes {
    unsigned for_it;
    unsigned against;
} Votes;

static void check_vote(Votes *votes, int answer)
{
    votes->for_it += answer > 0;
    votes->against += answer < 0;
}

/* Are so many of @n against it that the rest need not be asked? */
static bool check_is_lost(const Votes *votes, unsigned n)
{
    return votes->against * 8 > n;
}

static LiveAnswer check_outcome(const Votes *votes)
{
    if (check_is_lost(votes, votes->for_it)) {
        return LIVE_REFUTES;
    }
    return votes->for_it ? LIVE_FITS : LIVE_UNKNOWN;
}

static bool check_read_field(const LiveWorld *world, uint64_t object,
                             WinosField field, uint64_t *value)
{
    int32_t offset = winos_offset(world->layout, field);

    return offset >= 0 &&
           gmem_read_u64(live_space(world), object + offset, value);
}

/* Rules give 1: fits; -1: does not; 0: says nothing. */

static int is_page_kernel(const LiveWorld *world, uint64_t value)
{
    return gmem_is_kernel(live_space(world), value) && value % GMEM_PAGE == 0
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

/*
 * What System makes before the clock is set counts from the boot: that says
 * nothing.
 */
static int is_time(uint64_t value, bool of_system)
{
    if (value == 0 || (of_system && value < TIME_EARLY)) {
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

    if (!gmem_read_u64(live_space(world), link, &next) ||
        !gmem_is_kernel(live_space(world), next) ||
        !gmem_read_u64(live_space(world), next + 8, &back) || back != link) {
        return -1;
    }
    return next == link ? 0 : 1;
}

/* A root of page tables: it maps the kernel. */
static int check_is_root(const LiveWorld *world, uint64_t value)
{
    GmemSpace other = *live_space(world);
    uint64_t gpa;

    if ((value & ROOT_MASK) == 0) {
        return -1;
    }
    other.cr3 = value;
    return (value & ROOT_MASK) == (live_space(world)->cr3 & ROOT_MASK) ||
           gmem_translate(&other, world->kernel->image.base, &gpa, NULL,
                          NULL) ? 1 : -1;
}

static int check_prcb_pointer(uint64_t kpcr, uint64_t value)
{
    return value > kpcr && value - kpcr < MAX_PRCB_DISTANCE &&
           value % 8 == 0 ? 1 : -1;
}

/*
 * An idle thread belongs to process 0, if to any, and has no ids.  Who has
 * none of both known may be anybody.
 */
static int check_idle(const LiveWorld *world, uint64_t value)
{
    int32_t cid_at = winos_offset(world->layout, WINOS_ETHREAD_CLIENT_ID);
    uint64_t process, pid, tid;
    int answer = 0;

    if (!live_is_object(live_space(world), value, LIVE_THREAD)) {
        return -1;
    }
    if (check_read_field(world, value, WINOS_ETHREAD_CLIENT_ID, &pid) &&
        gmem_read_u64(live_space(world), value + cid_at + 8, &tid)) {
        if (pid || tid) {
            return -1;
        }
        answer = 1;
    }
    if (!check_read_field(world, value, WINOS_KTHREAD_PROCESS, &process) ||
        !process) {
        return answer;
    }
    if (world->kernel->idle_process) {
        return process == world->kernel->idle_process ? 1 : -1;
    }
    if (!check_read_field(world, process, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
                          &pid)) {
        return answer;
    }
    return pid == 0 ? 1 : -1;
}

/* Who is to come is not the one who is there, but for a moment. */
static int check_next(const LiveWorld *world, const WinosCpu *cpu,
                      uint64_t value)
{
    uint64_t current;

    if (value == 0 || value == cpu->idle_thread ||
        (check_read_field(world, cpu->prcb, WINOS_PRCB_CURRENT_THREAD,
                          &current) && current == value)) {
        return 0;
    }
    return live_is_object(live_space(world), value, LIVE_THREAD) ? 1 : -1;
}

static int check_kernel_dtb(const LiveWorld *world, uint64_t value)
{
    return world->kernel->kva_shadow ? check_is_root(world, value) : 0;
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
    if (!gmem_read_u64(live_space(world), at, &value)) {
        return -1;
    }
    switch (field) {
    case WINOS_KPCR_SELF:
        return value == cpu->kpcr ? 1 : -1;
    case WINOS_KPCR_CURRENT_PRCB:
        return check_prcb_pointer(cpu->kpcr, value);
    case WINOS_PRCB_CURRENT_THREAD:
        return live_is_object(live_space(world), value, LIVE_THREAD) ? 1 : -1;
    case WINOS_PRCB_IDLE_THREAD:
        return check_idle(world, value);
    case WINOS_PRCB_NEXT_THREAD:
        return check_next(world, cpu, value);
    case WINOS_PRCB_KERNEL_DTB:
        return check_kernel_dtb(world, value);
    default:
        return 0;
    }
}

/* No thread is the idle thread of two vCPUs. */
static bool is_shared(const LiveWorld *world, int32_t offset)
{
    uint64_t a, b;
    unsigned i, j;

    for (i = 1; i < world->n_cpus; i++) {
        for (j = 0; j < i; j++) {
            if (gmem_read_u64(live_space(world), world->cpus[i].prcb + offset,
                              &a) &&
                gmem_read_u64(live_space(world), world->cpus[j].prcb + offset,
                              &b) && a == b) {
                return true;
            }
        }
    }
    return false;
}

static LiveAnswer ask_cpus(const LiveWorld *world, WinosField field,
                           int32_t offset)
{
    Votes votes = { 0 };
    unsigned i;

    if (field == WINOS_PRCB_IDLE_THREAD && is_shared(world, offset)) {
        return LIVE_REFUTES;
    }
    for (i = 0; i < world->n_cpus; i++) {
        check_vote(&votes, ask_cpu(world, &world->cpus[i], field, offset));
    }
    return check_outcome(&votes);
}

/* Every CPU has a number of its own; one CPU's alone says nothing. */
static LiveAnswer ask_numbers(const LiveWorld *world, int32_t offset)
{
    uint32_t seen[LIVE_MAX_CPUS];
    unsigned i, j;

    for (i = 0; i < world->n_cpus; i++) {
        if (!gmem_read_u32(live_space(world), world->cpus[i].prcb + offset,
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

    if (live_is_idle(world, thread)) {
        return 0;
    }
    if (!gmem_read_u64(live_space(world), at, &pid) ||
        !gmem_read_u64(live_space(world), at + 8, &tid) ||
        !is_id(pid) || !is_id(tid) || !pid || !tid) {
        return -1;
    }
    if (check_read_field(world, thread, WINOS_KTHREAD_PROCESS, &process) &&
        check_read_field(world, process, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
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

    if (live_is_idle(world, thread)) {
        return 0;
    }
    if (is_page_kernel(world, value) < 0) {
        return -1;
    }
    if (!check_read_field(world, thread, is_base ? WINOS_KTHREAD_STACK_LIMIT
                                           : WINOS_KTHREAD_STACK_BASE,
                          &other)) {
        return 1;
    }
    size = is_base ? value - other : other - value;
    return size >= GMEM_PAGE && size <= MAX_STACK ? 1 : -1;
}

/*
 * The path of a process' image is a string in one block, too, and a process may
 * lie right behind a thread: what begins as a path says nothing.
 */
static int check_name(const LiveWorld *world, uint64_t pointer)
{
    uint64_t first;

    if (pointer == 0) {
        return 0;
    }
    if (live_name_looks(live_space(world), pointer)) {
        return gmem_read_u64(live_space(world), pointer + 0x10, &first) &&
               (first & 0xffff) == '\\' ? 0 : 1;
    }
    /* The block may be paged out: that says nothing. */
    return gmem_is_kernel(live_space(world), pointer) && pointer % 16 == 0 &&
           (!gmem_read_u64(live_space(world), pointer, &first) ||
            !gmem_read_u64(live_space(world), pointer + 0x10, &first))
           ? 0 : -1;
}

/*
 * A process; and of the owner, the one whose id the thread has.  Idle threads
 * may have none.
 */
static int check_process(const LiveWorld *world, uint64_t thread,
                         WinosField field, uint64_t value)
{
    bool idle = live_is_idle(world, thread);
    uint64_t pid, owner;

    if (idle && !live_is_object(live_space(world), value, LIVE_PROCESS)) {
        return value ? -1 : 0;
    }
    if (!live_is_object(live_space(world), value, LIVE_PROCESS)) {
        return -1;
    }
    if (field == WINOS_KTHREAD_PROCESS && !idle &&
        check_read_field(world, thread, WINOS_ETHREAD_CLIENT_ID, &pid) &&
        check_read_field(world, value, WINOS_EPROCESS_UNIQUE_PROCESS_ID,
                         &owner)) {
        return pid == owner ? 1 : -1;
    }
    return 1;
}

static bool is_of_system(const LiveWorld *world, uint64_t thread)
{
    uint64_t owner;

    return world->kernel->system_process &&
           check_read_field(world, thread, WINOS_KTHREAD_PROCESS, &owner) &&
           owner == world->kernel->system_process;
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
        return live_is_idle(world, thread) ? 0 : is_link(world, at);
    }
    if (!gmem_read_u64(live_space(world), at, &value)) {
        return -1;
    }
    switch (field) {
    case WINOS_KTHREAD_STACK_LIMIT:
    case WINOS_KTHREAD_STACK_BASE:
        return check_stack(world, thread, field, value);
    case WINOS_KTHREAD_APC_PROCESS:
    case WINOS_KTHREAD_PROCESS:
        return check_process(world, thread, field, value);
    case WINOS_KTHREAD_TEB:
        return is_user_block(value);
    case WINOS_ETHREAD_CREATE_TIME:
        return live_is_idle(world, thread) ? 0 :
               is_time(value, is_of_system(world, thread));
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

    for (i = 0; i < world->n_threads &&
         !check_is_lost(&votes, world->n_threads);
         i++) {
        check_vote(&votes, ask_thread(world, world->threads[i], field, offset));
    }
    return check_outcome(&votes);
}

static bool is_pid_of_another(const LiveWorld *world, uint64_t process,
                              uint64_t pid)
{
    uint64_t other;
    unsigned i;

    for (i = 0; i < world->n_processes; i++) {
        if (world->processes[i] != process &&
            check_read_field(world, world->processes[i],
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

/*
 * Names may be any bytes.  System's is text, whatever it says; as "System" it
 * is proof.
 */
static int check_image(const LiveWorld *world, uint64_t process, uint64_t at)
{
    uint8_t name[LIVE_IMAGE];

    if (!gmem_read(live_space(world), at, name, sizeof(name), NULL)) {
        return -1;
    }
    if (process != world->kernel->system_process) {
        return name[0] ? 1 : -1;
    }
    if (memcmp(name, "System", 7) == 0) {
        return 1;
    }
    return live_image_looks(name) ? 0 : -1;
}

static int check_pid(const LiveWorld *world, uint64_t process, uint64_t value)
{
    if (process == world->kernel->system_process) {
        return value == 4 ? 1 : -1;
    }
    return is_id(value) && value ? 1 : -1;
}

/* Other lists go through a process, too: this one's neighbours are processes. */
static int check_process_links(const LiveWorld *world, uint64_t at,
                               int32_t offset)
{
    int answer = is_link(world, at);
    uint64_t next, previous;

    if (answer <= 0 || !gmem_read_u64(live_space(world), at, &next) ||
        !gmem_read_u64(live_space(world), at + 8, &previous) ||
        live_is_object(live_space(world), next - offset, LIVE_PROCESS) ||
        live_is_object(live_space(world), previous - offset, LIVE_PROCESS)) {
        return answer;
    }
    /* The only process has the head on both sides. */
    return next == previous ? 0 : -1;
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
    if (field == WINOS_EPROCESS_ACTIVE_PROCESS_LINKS) {
        return check_process_links(world, at, offset);
    }
    if (field == WINOS_EPROCESS_THREAD_LIST_HEAD) {
        return is_link(world, at);
    }
    if (!gmem_read_u64(live_space(world), at, &value)) {
        return -1;
    }
    switch (field) {
    case WINOS_EPROCESS_DIRECTORY_TABLE_BASE:
        return check_is_root(world, value);
    case WINOS_EPROCESS_UNIQUE_PROCESS_ID:
        return check_pid(world, process, value);
    case WINOS_EPROCESS_INHERITED_FROM:
        return check_parent(world, process, value);
    case WINOS_EPROCESS_PEB:
        return is_user_block(value);
    case WINOS_EPROCESS_CREATE_TIME:
        return is_time(value, process == world->kernel->system_process);
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

    /* System is the one process we know for sure: its word is final. */
    if (system && ask_process(world, system, field, offset) < 0) {
        return LIVE_REFUTES;
    }
    for (i = 0; i < world->n_processes; i++) {
        check_vote(&votes,
                   ask_process(world, world->processes[i], field, offset));
    }
    /* One may be odd: half made, or made in another way. */
    if (votes.against == 1 && votes.for_it > 2) {
        votes.against = 0;
    }
    return check_outcome(&votes);
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
    for (i = 0; i < LIST_ENTRIES && gmem_read_u64(live_space(world), at, &at) &&
         at != head; i++) {
        check_vote(&votes, live_is_object(live_space(world), at - offset,
                                          LIVE_THREAD) ? 1 : -1);
    }
    return check_outcome(&votes);
}

/* The state of a thread that ran before and after it was read. */
static int ask_running(const LiveWorld *world, const WinosCpu *cpu,
                       int32_t offset)
{
    uint64_t before, after;
    uint8_t state;

    if (!check_read_field(world, cpu->prcb, WINOS_PRCB_CURRENT_THREAD,
                          &before) ||
        live_is_idle(world, before) ||
        !gmem_read_u8(live_space(world), before + offset, &state) ||
        !check_read_field(world, cpu->prcb, WINOS_PRCB_CURRENT_THREAD,
                          &after) ||
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
        check_vote(&running, ask_running(world, &world->cpus[i % world->n_cpus],
                                         offset));
    }
    for (i = 0; i < world->n_threads; i++) {
        if (live_is_idle(world, world->threads[i])) {
            continue;
        }
        if (!gmem_read_u8(live_space(world), world->threads[i] + offset,
                          &state) || state > STATE_MAX) {
            check_vote(&others, -1);
        } else {
            check_vote(&others, state != RUNNING);
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
        if (!live_is_idle(world, world->threads[i])) {
            check_vote(&votes, gmem_read_u8(live_space(world),
                                            world->threads[i] + offset,
                                            &reason) &&
                               reason <= REASON_MAX ? 1 : -1);
        }
    }
    return check_outcome(&votes) == LIVE_REFUTES ? LIVE_REFUTES : LIVE_UNKNOWN;
}

/* May it be the one that zeroes pages when nobody else runs? */
static bool may_zero_pages(const LiveWorld *world, uint64_t thread)
{
    uint64_t owner;

    return !world->kernel->system_process ||
           !check_read_field(world, thread, WINOS_KTHREAD_PROCESS, &owner) ||
           owner == world->kernel->system_process;
}

/* Priority 0 speaks against it, but for one thread, which is System's. */
static LiveAnswer ask_priorities(const LiveWorld *world, int32_t offset)
{
    bool zero_page = false;
    Votes votes = { 0 };
    uint32_t seen = 0;
    LiveAnswer answer;
    uint8_t priority;
    unsigned i;

    for (i = 0; i < world->n_threads; i++) {
        if (live_is_idle(world, world->threads[i])) {
            continue;
        }
        if (!gmem_read_u8(live_space(world), world->threads[i] + offset,
                          &priority) || priority > PRIORITY_MAX) {
            check_vote(&votes, -1);
        } else if (!priority && !zero_page &&
                   may_zero_pages(world, world->threads[i])) {
            zero_page = true;
        } else {
            check_vote(&votes, priority ? 1 : -1);
            seen |= 1u << priority;
        }
    }
    /* A byte that is the same in all threads may be anything. */
    answer = check_outcome(&votes);
    return answer == LIVE_FITS && !(seen & (seen - 1)) ? LIVE_UNKNOWN
                                                       : answer;
}

/* Recent ticks in some threads, and in none a tick that is to come. */
static LiveAnswer ask_wait_times(const LiveWorld *world, int32_t offset)
{
    unsigned recent = 0, impossible = 0;
    uint32_t now, value;
    unsigned i;

    if (!gmem_read_u32(live_space(world), KUSER + KUSER_TICK, &now) ||
        now < 1024) {
        return LIVE_UNKNOWN;
    }
    for (i = 0; i < world->n_threads; i++) {
        if (!gmem_read_u32(live_space(world), world->threads[i] + offset,
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
