/*
 * IRQ log: ns an interrupt, beside what QEMU has
 *
 *   irq-bench [ROUNDS] [THOUSANDS-OF-CALLS] [SUBJECT]
 *
 * Prints one line a round and subject: name, threads, ns a call of CPU time
 * of the raising threads, ns a call of wall time.  All subjects of a round
 * come one after the other, so that what else the machine does meets all.
 *
 * It leaves to others: medians, ratios and the page (bench/).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "qemu/cutils.h"
#include "qemu/log.h"
#include "hw/irq.h"
#include "trace/control.h"
#include "vmscope/irq-hook.h"
#ifdef CONFIG_TRACE_SIMPLE
#include "trace/simple.h"
#endif
#include "harness.h"

#define MAX_THREADS 4

/* Events a second, twice the busiest second of a Linux boot. */
#define PACED_RATE 200000ULL

static unsigned long calls = 1000000;
static char *folder;

static void no_work(void *opaque, int n, int level)
{
    /* Keeps the call from being left out. */
    asm volatile("" : : "r"(opaque), "r"(n), "r"(level) : "memory");
}

/* What qemu_set_irq() was before anything of ours was in it. */
static __attribute__((noinline)) void plain_set_irq(void *opaque, int level)
{
    /* volatile, or the compiler would call no_work() itself */
    static qemu_irq_handler volatile handler = no_work;

    if (!opaque) {
        return;
    }
    handler(opaque, 0, level);
}

/* What msi_send_message() does, without and with the hook. */
static void (*volatile trigger)(void *dev, uint64_t address, uint32_t data);

static void no_trigger(void *dev, uint64_t address, uint32_t data)
{
    asm volatile("" : : "r"(dev), "r"(address), "r"(data) : "memory");
}

static __attribute__((noinline)) void plain_message(void *dev,
                                                    uint64_t address,
                                                    uint32_t data)
{
    trigger(dev, address, data);
}

static __attribute__((noinline)) void send_message(void *dev,
                                                   uint64_t address,
                                                   uint32_t data)
{
    irq_log_message(dev, address, data);
    trigger(dev, address, data);
}

typedef struct Subject {
    const char *name;
    void (*begin)(void);
    void (*end)(void);
    bool plain;
    bool message;           /* of two vectors in turn */
    bool changes;           /* the level, at each call */
    int max_threads;
} Subject;

static void begin_log(IrqLogOptions opts)
{
    opts.enable = true;
    harness_start(&opts);
    /* The ring's pages are touched by the writer thread first. */
    g_usleep(50000);
}

static void begin_ring(void)
{
    begin_log((IrqLogOptions){ .has_text = true });
}

static void begin_ring_file(void)
{
    g_autofree char *path = g_strdup_printf("%s/ring", folder);

    begin_log((IrqLogOptions){ .has_text = true, .ring_file = path });
}

static void begin_changes_only(void)
{
    begin_log((IrqLogOptions){ .has_text = true, .has_changes_only = true,
                               .changes_only = true });
}

static void begin_backtrace(void)
{
    begin_log((IrqLogOptions){ .has_text = true, .has_backtrace = true,
                               .backtrace = 4 });
}

static void begin_text(void)
{
    g_autofree char *path = g_strdup_printf("%s/irq.log", folder);

    begin_log((IrqLogOptions){ .has_text = true, .text = true,
                               .log_file = path, .has_entries = true,
                               .entries = 4194304 });
}

static void end_log(void)
{
    IrqLogSession *session = harness_stop();
    g_autofree char *path = g_strdup_printf("%s/irq.log", folder);

    if (session->text_lost) {
        printf("# text-lost %" PRIu64 "\n", session->text_lost);
    }
    irq_log_put(session);
    unlink(path);
}

static void begin_trace_log(void)
{
    g_autofree char *path = g_strdup_printf("%s/trace.log", folder);

    qemu_set_log_filename(path, &error_abort);
    qemu_set_log(LOG_TRACE, &error_abort);
    trace_enable_events("qemu_set_irq");
}

static void end_trace_log(void)
{
    trace_enable_events("-qemu_set_irq");
    qemu_set_log(0, &error_abort);
}

#ifdef CONFIG_TRACE_SIMPLE
static void begin_trace_simple(void)
{
    g_autofree char *path = g_strdup_printf("%s/trace.bin", folder);

    /* Or the backend log would see the event as well. */
    qemu_loglevel &= ~LOG_TRACE;
    st_set_trace_file(path);
    st_set_trace_file_enabled(true);
    trace_enable_events("qemu_set_irq");
}

static void end_trace_simple(void)
{
    trace_enable_events("-qemu_set_irq");
    st_set_trace_file_enabled(false);
}
#endif

static const Subject subjects[] = {
    { "plain", .plain = true, .max_threads = 4 },
    { "off", .max_threads = 4 },
    { "ring", begin_ring, end_log, .changes = true, .max_threads = 4 },
    { "msi-plain", .plain = true, .message = true, .max_threads = 1 },
    { "msi-off", .message = true, .max_threads = 1 },
    { "msi-ring", begin_ring, end_log, .message = true, .max_threads = 4 },
    { "ring-file", begin_ring_file, end_log, .changes = true,
      .max_threads = 1 },
    { "ring-changes-only", begin_changes_only, end_log, .max_threads = 1 },
    { "ring-backtrace-4", begin_backtrace, end_log, .changes = true,
      .max_threads = 1 },
    { "ring-and-text", begin_text, end_log, .changes = true,
      .max_threads = 1 },
    { "trace-log", begin_trace_log, end_trace_log, .changes = true,
      .max_threads = 1 },
#ifdef CONFIG_TRACE_SIMPLE
    { "trace-simple", begin_trace_simple, end_trace_simple, .changes = true,
      .max_threads = 1 },
#endif
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

typedef struct Worker {
    const Subject *subject;
    qemu_irq irq;
    bool locked;            /* as all who raise interrupts, but a few */
    uint64_t cpu_ns;
} Worker;

static __attribute__((noinline)) void call_many(const Worker *worker)
{
    unsigned long i;

    if (worker->subject->message) {
        void (*send)(void *dev, uint64_t address, uint32_t data) =
            worker->subject->plain ? plain_message : send_message;

        for (i = 0; i < calls; i++) {
            send(worker->irq, 0xfee01000, 0x4031 + (i & 1));
        }
    } else if (worker->subject->plain) {
        for (i = 0; i < calls; i++) {
            plain_set_irq(worker->irq, i & 1);
        }
    } else {
        unsigned mask = worker->subject->changes ? 1 : 0;

        for (i = 0; i < calls; i++) {
            qemu_set_irq(worker->irq, i & mask);
        }
    }
}

static void *work(void *opaque)
{
    Worker *worker = opaque;
    uint64_t before;

    rcu_register_thread();
    harness_locked = worker->locked;
    qemu_set_irq(worker->irq, 0);       /* learns thread and line */
    before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    call_many(worker);
    worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    rcu_unregister_thread();
    return NULL;
}

static void measure(const Subject *subject, int n)
{
    QemuThread threads[MAX_THREADS];
    Worker workers[MAX_THREADS];
    qemu_irq *irqs = qemu_allocate_irqs(no_work, workers, n);
    uint64_t cpu_ns = 0;
    uint64_t wall_ns;
    int i;

    if (subject->begin) {
        subject->begin();
    }
    wall_ns = clock_ns(CLOCK_MONOTONIC);
    for (i = 0; i < n; i++) {
        workers[i] = (Worker){ subject, irqs[i], n == 1, 0 };
        qemu_thread_create(&threads[i], "worker", work, &workers[i],
                           QEMU_THREAD_JOINABLE);
    }
    for (i = 0; i < n; i++) {
        qemu_thread_join(&threads[i]);
        cpu_ns += workers[i].cpu_ns;
    }
    wall_ns = clock_ns(CLOCK_MONOTONIC) - wall_ns;
    if (subject->end) {
        subject->end();
    }
    printf("%s %d %.3f %.3f\n", subject->name, n,
           (double)cpu_ns / calls / n, (double)wall_ns / calls / n);
    fflush(stdout);
    qemu_free_irqs(irqs, n);
}

/* 10,000 entries, in as many pages as it takes. */
static unsigned query_pages(void)
{
    IrqLogQuery query = { .has_max_entries = true, .max_entries = 1000,
                          .has_after = true, .after = 10000 };
    unsigned n = 0;
    IrqLogEntryList *list;
    IrqLogEntryList *at;

    while ((list = qmp_query_irq_log(&query, &error_abort))) {
        for (at = list; at; at = at->next) {
            query.after = MAX(query.after, at->value->seq);
            n++;
        }
        qapi_free_IrqLogEntryList(list);
    }
    return n;
}

/* What a query costs whoever runs it: with BQL, that is the main loop. */
static void measure_query(void)
{
    qemu_irq irq = qemu_allocate_irq(no_work, NULL, 0);
    uint64_t ns;
    int i;

    begin_ring();
    for (i = 0; i < 20000; i++) {
        qemu_set_irq(irq, i & 1);
    }
    /* The symbols are loaded once, by the log's own thread. */
    query_pages();
    ns = clock_ns(CLOCK_MONOTONIC);
    g_assert_cmpuint(query_pages(), ==, 10000);
    ns = clock_ns(CLOCK_MONOTONIC) - ns;
    printf("query-10000 1 %.0f %.0f\n", (double)ns, (double)ns);
    end_log();
    qemu_free_irq(irq);
}

/*
 * Raised at a steady rate for two seconds, with text and the default ring.
 * Prints the events lost in the text and the rate that was reached.
 */
static void measure_paced_text(void)
{
    g_autofree char *path = g_strdup_printf("%s/irq.log", folder);
    qemu_irq irq = qemu_allocate_irq(no_work, NULL, 0);
    IrqLogSession *session;
    uint64_t start;
    uint64_t n;

    begin_log((IrqLogOptions){ .has_text = true, .text = true,
                               .log_file = path });
    start = clock_ns(CLOCK_MONOTONIC);
    for (n = 0; n < 2 * PACED_RATE; n++) {
        while (clock_ns(CLOCK_MONOTONIC) - start <
               n * (1000000000 / PACED_RATE)) {
            /* not yet */
        }
        qemu_set_irq(irq, n & 1);
    }
    start = clock_ns(CLOCK_MONOTONIC) - start;
    session = harness_stop();
    printf("text-at-200000-a-second 1 %" PRIu64 " %.0f\n",
           session->text_lost, n * 1e9 / start);
    fflush(stdout);
    irq_log_put(session);
    unlink(path);
    qemu_free_irq(irq);
}

static void run_round(const char *only)
{
    size_t i;
    int n;

    for (i = 0; i < ARRAY_SIZE(subjects); i++) {
        for (n = 1; n <= subjects[i].max_threads; n *= 2) {
            if (!only || !strcmp(only, subjects[i].name)) {
                measure(&subjects[i], n);
            }
        }
    }
    if (!only || !strcmp(only, "query-10000")) {
        measure_query();
    }
    if (!only || !strcmp(only, "text-at-200000-a-second")) {
        measure_paced_text();
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    g_autofree char *remove = NULL;

    if (argc > 2 && !qemu_strtoul(argv[2], NULL, 10, &calls)) {
        calls *= 1000;
    }
    trigger = no_trigger;
    folder = g_dir_make_tmp("irq-bench-XXXXXX", NULL);
    harness_init();
    while (rounds-- > 0) {
        run_round(argc > 3 ? argv[3] : NULL);
    }
    remove = g_strdup_printf("rm -rf '%s'", folder);
    return system(remove);
}
