/*
 * Windows scheduler trace: asking vCPUs for registers
 *
 * Each vCPU tells its own, as a work item on its thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/cpu-common.h"
#include "hw/core/cpu.h"
#include "qemu/thread.h"
#include "qemu/timer.h"
#include "vmscope/compat.h"
#include "sched-machine.h"
#include "sched-watch.h"

/*
 * A vCPU that has not told its registers after so long never will: it was
 * unplugged between being asked and telling.
 */
#define GIVE_UP_NS (10 * NANOSECONDS_PER_SECOND)

const SchedArch *sched_arch;
const SchedWatchArch *sched_watch_arch;
const SchedWatcher *sched_watcher;

/* One vCPU's answer. */
typedef struct SchedAnswer {
    struct SchedQuestion *question;
    bool told;
    WinosRegs regs;
    int64_t held_ns;            /* how long the vCPU took to tell */
} SchedAnswer;

/* Kept by whoever asks and by each vCPU that has not told yet. */
typedef struct SchedQuestion {
    int refs;
    QemuSemaphore told;         /* posted with each answer */
    int64_t asked_ns;
    unsigned n;
    SchedAnswer answers[];
} SchedQuestion;

static void regs_question_put(SchedQuestion *question)
{
    if (qatomic_fetch_dec(&question->refs) == 1) {
        qemu_sem_destroy(&question->told);
        g_free(question);
    }
}

static void regs_tell(CPUState *cpu, run_on_cpu_data data)
{
    SchedAnswer *answer = data.host_ptr;
    SchedQuestion *question = answer->question;
    int64_t start = get_clock();

    sched_arch->read_regs(cpu, &answer->regs);
    answer->held_ns = get_clock() - start;
    /* Pairs with the acquire in regs_take_answers(). */
    qatomic_store_release(&answer->told, true);
    qemu_sem_post(&question->told);
    regs_question_put(question);
}

/* In the list, with a thread, and not about to go. */
static bool regs_is_there(CPUState *cpu, unsigned max)
{
    return cpu->cpu_index >= 0 && cpu->cpu_index < max &&
           qatomic_read(&cpu->created) && !qatomic_read(&cpu->unplug);
}

unsigned sched_cpus_present(bool *present, unsigned max)
{
    CPUState *cpu;
    unsigned n = 0;

    memset(present, 0, max * sizeof(*present));
    /* A vCPU is taken off the list under this lock before it is freed. */
    cpu_list_lock();
    CPU_FOREACH(cpu) {
        if (regs_is_there(cpu, max)) {
            present[cpu->cpu_index] = true;
            n++;
        }
    }
    cpu_list_unlock();
    return n;
}

void sched_cpus_end_exit_regs(void)
{
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        sched_arch->end_exit_regs(cpu);
    }
}

static void regs_run_func(CPUState *cpu, run_on_cpu_data data)
{
    ((void (*)(CPUState *))data.host_ptr)(cpu);
}

void sched_cpus_run(const bool *wanted, unsigned max,
                    void (*func)(CPUState *cpu))
{
    CPUState *cpu;

    cpu_list_lock();
    CPU_FOREACH(cpu) {
        if (regs_is_there(cpu, max) && (!wanted || wanted[cpu->cpu_index])) {
            async_run_on_cpu(cpu, regs_run_func, RUN_ON_CPU_HOST_PTR(func));
        }
    }
    cpu_list_unlock();
}

void sched_cpus_each(unsigned max, void (*func)(void *opaque, CPUState *cpu),
                     void *opaque)
{
    CPUState *cpu;

    cpu_list_lock();
    CPU_FOREACH(cpu) {
        if (regs_is_there(cpu, max)) {
            func(opaque, cpu);
        }
    }
    cpu_list_unlock();
}

static void regs_ask_one(SchedQuestion *question, CPUState *cpu)
{
    SchedAnswer *answer = &question->answers[question->n++];

    answer->question = question;
    answer->regs.vcpu = cpu->cpu_index;
    qatomic_inc(&question->refs);
    async_run_on_cpu(cpu, regs_tell, RUN_ON_CPU_HOST_PTR(answer));
}

/* Returns: NULL when there is nobody to ask. */
static SchedQuestion *regs_question_new(const bool *wanted, unsigned max)
{
    SchedQuestion *question = g_malloc0(sizeof(*question) +
                                        max * sizeof(SchedAnswer));
    CPUState *cpu;

    question->refs = 1;
    question->asked_ns = get_clock();
    qemu_sem_init(&question->told, 0);
    cpu_list_lock();
    CPU_FOREACH(cpu) {
        if (regs_is_there(cpu, max) && wanted[cpu->cpu_index] &&
            question->n < max) {
            regs_ask_one(question, cpu);
        }
    }
    cpu_list_unlock();
    if (!question->n) {
        regs_question_put(question);
        return NULL;
    }
    return question;
}

/* Returns: whether everybody has told. */
static bool regs_take_answers(const SchedQuestion *question, WinosRegs *regs,
                              unsigned *n, uint64_t *longest_ns)
{
    unsigned i;

    *n = 0;
    for (i = 0; i < question->n; i++) {
        const SchedAnswer *answer = &question->answers[i];

        if (qatomic_load_acquire(&answer->told)) {
            regs[(*n)++] = answer->regs;
            *longest_ns = MAX(*longest_ns, answer->held_ns);
        }
    }
    return *n == question->n;
}

static void regs_wait_for_all(SchedQuestion *question, unsigned ms)
{
    int64_t end = get_clock() + ms * SCALE_MS;
    unsigned i;

    for (i = 0; i < question->n; i++) {
        int64_t left = (end - get_clock()) / SCALE_MS;

        if (left <= 0 || qemu_sem_timedwait(&question->told, left)) {
            break;
        }
    }
}

bool sched_regs_ask(SchedAsker *asker, const bool *wanted, unsigned max)
{
    asker->pending = regs_question_new(wanted, max);
    return asker->pending;
}

unsigned sched_regs_collect(SchedAsker *asker, WinosRegs *regs, unsigned ms,
                            bool *pending, uint64_t *longest_ns)
{
    SchedQuestion *question = asker->pending;
    unsigned n;

    regs_wait_for_all(question, ms);
    *pending = !regs_take_answers(question, regs, &n, longest_ns) &&
               get_clock() - question->asked_ns <= GIVE_UP_NS;
    if (!*pending) {
        sched_asker_end(asker);
    }
    return n;
}

void sched_asker_end(SchedAsker *asker)
{
    if (asker->pending) {
        regs_question_put(asker->pending);
        asker->pending = NULL;
    }
}
