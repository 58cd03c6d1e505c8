/*
 * Measure the sampler on a guest in memory: CPU ns a look.
 *
 *   change [--quick]
 *
 * Rounds take turns and medians are printed.  Reading the guest is a plain
 * copy here, dearer for an embedder; the last column is what a change costs
 * when each read takes 18 ns, as was measured in QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "recorder/clock.h"
#include "fake-guest.h"
#include "winsched/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS 0xffffb00000000000
#define PROCESS 0xffffc00000000240
#define NAMES   0xffffd00000000000
#define PRCB    0xfffff80000010180

enum {
    RAM = 1 << 20,
    MAX_ROUNDS = 31,
    COUNTER = 0x2d3c,
};

typedef struct Machine {
    FakeGuest g;
    Winsched ws;
    WinschedCpu cpu;
    ClockKind clock;
    uint64_t current;       /* as the glue's pointer would lead to */
    uint64_t reads;
    uint64_t records;
} Machine;

/* One of the subjects: how the guest is made, and how it is looked at. */
typedef struct Subject {
    const char *name;
    uint64_t spacing;       /* between the threads; 0: there is one */
    uint64_t at;            /* of a thread in its page */
    bool named;
    WinschedOrigin origin;
} Subject;

static const Subject subjects[] = {
    { "the same thread", 0, 0x100, true, WINSCHED_EXIT },
    { "another thread, no name", 0x2000, 0x100, false, WINSCHED_EXIT },
    { "another thread, named", 0x2000, 0x100, true, WINSCHED_EXIT },
    { "the same, on two pages", 0x2000, 0xd40, true, WINSCHED_EXIT },
    { "another thread, named, polled", 0x2000, 0x100, true, WINSCHED_POLL },
};

enum { N_SUBJECTS = sizeof(subjects) / sizeof(*subjects) };

static Machine machine;

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    Machine *m = opaque;

    m->reads++;
    if (gpa > RAM || len > RAM - gpa) {
        return false;
    }
    memcpy(buf, m->g.ram + gpa, len);
    return true;
}

static const GmemOps ops = { .read_phys = read_phys };

static void record(void *opaque, const WinschedSwitch *event)
{
    Machine *m = opaque;

    m->records += event->to.thread != 0;
}

static uint64_t now(void *opaque)
{
    Machine *m = opaque;

    return clock_count(m->clock);
}

static bool current(void *opaque, const WinschedCpu *cpu, uint64_t *thread)
{
    Machine *m = opaque;

    (void)cpu;
    *thread = __atomic_load_n(&m->current, __ATOMIC_RELAXED);
    return true;
}

/* Offsets of Windows 11 24H2. */
static void set_layout(WinosLayout *layout)
{
    winos_layout_init(layout);
    layout->field[WINOS_PRCB_CONTEXT_SWITCHES].value = COUNTER;
    layout->field[WINOS_KTHREAD_APC_PROCESS].value = 0xb8;
    layout->field[WINOS_KTHREAD_PRIORITY].value = 0xc3;
    layout->field[WINOS_KTHREAD_CONTEXT_SWITCHES].value = 0x154;
    layout->field[WINOS_KTHREAD_STATE].value = 0x184;
    layout->field[WINOS_KTHREAD_WAIT_TIME].value = 0x1b4;
    layout->field[WINOS_KTHREAD_PROCESS].value = 0x220;
    layout->field[WINOS_KTHREAD_WAIT_REASON].value = 0x283;
    layout->field[WINOS_ETHREAD_CREATE_TIME].value = 0x4c0;
    layout->field[WINOS_ETHREAD_CLIENT_ID].value = 0x508;
    layout->field[WINOS_ETHREAD_THREAD_NAME].value = 0x6a0;
    layout->field[WINOS_EPROCESS_UNIQUE_PROCESS_ID].value = 0x1d0;
    layout->field[WINOS_EPROCESS_CREATE_TIME].value = 0x1f8;
    layout->field[WINOS_EPROCESS_IMAGE_FILE_NAME].value = 0x338;
}

static void put_name(FakeGuest *g, uint64_t at)
{
    static const char text[] = "a thread of usual name";
    size_t i;

    fake_guest_put16(g, at, 2 * (sizeof(text) - 1));
    fake_guest_put16(g, at + 2, 2 * sizeof(text));
    fake_guest_put64(g, at + 8, at + 16);
    for (i = 0; i < sizeof(text) - 1; i++) {
        fake_guest_put16(g, at + 16 + 2 * i, (uint8_t)text[i]);
    }
}

static void put_thread(FakeGuest *g, uint64_t at, uint64_t tid, bool named)
{
    fake_guest_put8(g, at, 6);
    fake_guest_put64(g, at + 0x220, PROCESS);
    fake_guest_put64(g, at + 0xb8, PROCESS);
    fake_guest_put64(g, at + 0x508, 400);
    fake_guest_put64(g, at + 0x510, tid);
    fake_guest_put64(g, at + 0x6a0, named ? NAMES + tid : 0);
    put_name(g, NAMES + tid);
}

static void machine_init(Machine *m, const Subject *subject)
{
    memset(m, 0, sizeof(*m));
    fake_guest_init(&m->g, RAM, 4);
    m->g.mem.ops = &ops;
    m->g.mem.opaque = m;
    fake_guest_map(&m->g, THREADS, 4 * GMEM_PAGE);
    fake_guest_map(&m->g, PROCESS & ~UINT64_C(0xfff), GMEM_PAGE);
    fake_guest_map(&m->g, NAMES, GMEM_PAGE);
    fake_guest_map(&m->g, PRCB & ~UINT64_C(0xfff), 4 * GMEM_PAGE);
    fake_guest_put8(&m->g, PROCESS, 3);
    fake_guest_put64(&m->g, PROCESS + 0x1d0, 400);
    fake_guest_write(&m->g, PROCESS + 0x338, "explorer.exe", 12);
    put_thread(&m->g, THREADS + subject->at, 400, subject->named);
    put_thread(&m->g, THREADS + 0x2000 + subject->at, 800, subject->named);
    m->clock = clock_host_kind();
    m->ws.space = m->g.space;
    set_layout(&m->ws.layout);
    m->ws.record = record;
    m->ws.now = now;
    m->ws.current = current;
    m->ws.opaque = m;
    winsched_cpu_init(&m->cpu, 0, PRCB, 0);
}

static double cpu_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Kept out of line, so that the look is compiled once and as it is used. */
static __attribute__((noinline)) void look_often(Machine *m,
                                                 const Subject *subject,
                                                 uint64_t times)
{
    uint64_t threads[] = { THREADS + subject->at,
                           THREADS + subject->spacing + subject->at };
    uint64_t i;

    for (i = 0; i < times; i++) {
        uint64_t thread = threads[i & 1];

        __atomic_store_n(&m->current, thread, __ATOMIC_RELAXED);
        winsched_sample(&m->ws, &m->cpu, thread, subject->origin);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double round_of(const Subject *subject, uint64_t times,
                       double *reads)
{
    uint64_t expected = subject->spacing ? times + 2 : 1;
    double begin;
    double ns;

    machine_init(&machine, subject);
    look_often(&machine, subject, 2);
    machine.reads = 0;
    begin = cpu_ns();
    look_often(&machine, subject, times);
    ns = (cpu_ns() - begin) / (double)times;
    *reads = (double)machine.reads / (double)times;
    if (machine.records != expected) {
        fprintf(stderr, "change: %s: %llu records, not %llu\n", subject->name,
                (unsigned long long)machine.records,
                (unsigned long long)expected);
        exit(1);
    }
    fake_guest_deinit(&machine.g);
    return ns;
}

/* What a read costs here: most are of 8 bytes, a page table's entry. */
static double read_ns(uint64_t times)
{
    const GuestMem *mem = &machine.g.mem;
    uint8_t raw[8];
    double begin;
    double ns;
    uint64_t i;

    machine_init(&machine, &subjects[0]);
    begin = cpu_ns();
    for (i = 0; i < times; i++) {
        gmem_read_phys(mem, i % 500 * 8, raw, sizeof(raw), NULL);
    }
    ns = (cpu_ns() - begin) / (double)times;
    fake_guest_deinit(&machine.g);
    return ns;
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && !strcmp(argv[1], "--quick");
    int rounds = quick ? 3 : MAX_ROUNDS;
    uint64_t changes = quick ? 20000 : 100000;
    static double ns[N_SUBJECTS][MAX_ROUNDS];
    static double read_rounds[MAX_ROUNDS];
    double reads[N_SUBJECTS];
    double a_read;
    int round;
    size_t i;

    for (round = 0; round < rounds; round++) {
        read_rounds[round] = read_ns(changes);
        for (i = 0; i < N_SUBJECTS; i++) {
            /* A look that sees no change takes but a moment. */
            ns[i][round] = round_of(&subjects[i], subjects[i].spacing ?
                                    changes : 50 * changes, &reads[i]);
        }
    }
    qsort(read_rounds, (size_t)rounds, sizeof(double), compare);
    a_read = read_rounds[rounds / 2];
    printf("%d rounds, medians; a read takes %.1f ns here\n", rounds, a_read);
    printf("%-32s %8s %17s %6s %14s\n", "", "ns", "spread", "reads",
           "at 18 ns each");
    for (i = 0; i < N_SUBJECTS; i++) {
        double median;

        qsort(ns[i], (size_t)rounds, sizeof(double), compare);
        median = ns[i][rounds / 2];
        printf("%-32s %8.1f %8.1f-%8.1f %6.0f %14.0f\n", subjects[i].name,
               median, ns[i][0], ns[i][rounds - 1], reads[i],
               median + (18 - a_read) * reads[i]);
    }
    return 0;
}
