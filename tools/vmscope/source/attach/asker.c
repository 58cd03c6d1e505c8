/*
 * attach/asker: see asker.h.
 *
 * The thread works on an answer of its own (at_work) and puts it in the place
 * of the one that may be fetched (ready) under the lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/asker.h"

#include "common/message.h"
#include "source/attach/open.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Question {
    uint64_t asked;             /* counts up; 0: never */
    uint64_t answered;          /* what ready is the answer to */
    uint64_t fetched;
    AttachAnswer ready;
    AttachAnswer at_work;
} Question;

struct AttachAsker {
    pid_t pid;
    Qmp *qmp;
    unsigned max_vcpus;
    pthread_t thread;
    pthread_mutex_t lock;       /* of all below, but at_work */
    pthread_cond_t changed;
    bool stop;
    Question questions[ATTACH_N_QUESTIONS];
};

static void drop(AttachAnswer *answer)
{
    attach_layout_free(&answer->layout);
    free(answer->mappings);
    answer->mappings = NULL;
    answer->n_mappings = 0;
}

static bool ask_layout(AttachAsker *asker, AttachAnswer *answer)
{
    attach_layout_init(&answer->layout);
    if (!attach_monitor_layout(asker->qmp, &answer->layout, &answer->err)) {
        return false;
    }
    answer->mappings = attach_open_mappings(asker->pid, &answer->n_mappings,
                                            &answer->err);
    return answer->mappings != NULL;
}

/* Without the lock, and it may take as long as the monitor likes. */
static void ask(AttachAsker *asker, AttachQuestion question)
{
    AttachAnswer *answer = &asker->questions[question].at_work;

    drop(answer);
    switch (question) {
    case ATTACH_ASK_REGISTERS:
        answer->good = attach_monitor_registers(asker->qmp, answer->regs,
                                                asker->max_vcpus,
                                                &answer->n_regs,
                                                &answer->err);
        break;
    case ATTACH_ASK_VCPUS:
        answer->good = attach_monitor_vcpus(asker->qmp, answer->threads,
                                            asker->max_vcpus, &answer->err);
        break;
    default:
        answer->good = ask_layout(asker, answer);
        break;
    }
}

/* One that has no answer; ATTACH_N_QUESTIONS when there is none. */
static AttachQuestion next_question(const AttachAsker *asker)
{
    unsigned i;

    for (i = 0; i < ATTACH_N_QUESTIONS; i++) {
        if (asker->questions[i].asked != asker->questions[i].answered) {
            break;
        }
    }
    return (AttachQuestion)i;
}

static void *run(void *opaque)
{
    AttachAsker *asker = opaque;
    AttachAnswer other;
    uint64_t number;

    pthread_mutex_lock(&asker->lock);
    while (!asker->stop) {
        AttachQuestion next = next_question(asker);
        Question *question = &asker->questions[next];

        if (next == ATTACH_N_QUESTIONS) {
            pthread_cond_wait(&asker->changed, &asker->lock);
            continue;
        }
        number = question->asked;
        pthread_mutex_unlock(&asker->lock);
        ask(asker, next);
        pthread_mutex_lock(&asker->lock);
        if (number == question->asked) {
            other = question->ready;
            question->ready = question->at_work;
            question->at_work = other;
            question->answered = number;
            pthread_cond_broadcast(&asker->changed);
        }
    }
    pthread_mutex_unlock(&asker->lock);
    return NULL;
}

static void init_answer(AttachAnswer *answer, unsigned max_vcpus)
{
    attach_layout_init(&answer->layout);
    answer->regs = calloc(max_vcpus, sizeof(*answer->regs));
    answer->threads = calloc(max_vcpus, sizeof(*answer->threads));
    if (!answer->regs || !answer->threads) {
        die_no_memory();
    }
}

AttachAsker *attach_asker_new(pid_t pid, Qmp *qmp, unsigned max_vcpus)
{
    AttachAsker *asker = calloc(1, sizeof(*asker));
    pthread_condattr_t attr;
    unsigned i;

    if (!asker) {
        die_no_memory();
    }
    asker->pid = pid;
    asker->qmp = qmp;
    asker->max_vcpus = max_vcpus;
    for (i = 0; i < ATTACH_N_QUESTIONS; i++) {
        init_answer(&asker->questions[i].ready, max_vcpus);
        init_answer(&asker->questions[i].at_work, max_vcpus);
    }
    pthread_mutex_init(&asker->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&asker->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&asker->thread, NULL, run, asker)) {
        die_no_memory();
    }
    return asker;
}

static void free_answer(AttachAnswer *answer)
{
    drop(answer);
    free(answer->regs);
    free(answer->threads);
}

void attach_asker_free(AttachAsker *asker)
{
    unsigned i;

    if (!asker) {
        return;
    }
    pthread_mutex_lock(&asker->lock);
    asker->stop = true;
    pthread_cond_broadcast(&asker->changed);
    pthread_mutex_unlock(&asker->lock);
    pthread_join(asker->thread, NULL);
    for (i = 0; i < ATTACH_N_QUESTIONS; i++) {
        free_answer(&asker->questions[i].ready);
        free_answer(&asker->questions[i].at_work);
    }
    pthread_cond_destroy(&asker->changed);
    pthread_mutex_destroy(&asker->lock);
    free(asker);
}

/* A layout and its mappings are who fetches them's from now on. */
static void hand_over(AttachAnswer *from, AttachAnswer *to)
{
    *to = *from;
    attach_layout_init(&from->layout);
    from->mappings = NULL;
    from->n_mappings = 0;
}

bool attach_asker_ask_now(AttachAsker *asker, AttachQuestion question,
                          AttachAnswer *answer)
{
    ask(asker, question);
    hand_over(&asker->questions[question].at_work, answer);
    return answer->good;
}

void attach_asker_ask(AttachAsker *asker, AttachQuestion question)
{
    pthread_mutex_lock(&asker->lock);
    asker->questions[question].asked++;
    pthread_cond_broadcast(&asker->changed);
    pthread_mutex_unlock(&asker->lock);
}

static void wait_for(AttachAsker *asker, const Question *question,
                     unsigned wait_ms)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!error && question->asked != question->answered) {
        error = pthread_cond_timedwait(&asker->changed, &asker->lock, &until);
    }
}

bool attach_asker_fetch(AttachAsker *asker, AttachQuestion number,
                        unsigned wait_ms, AttachAnswer *answer)
{
    Question *question = &asker->questions[number];
    bool there;

    pthread_mutex_lock(&asker->lock);
    if (wait_ms) {
        wait_for(asker, question, wait_ms);
    }
    there = question->asked == question->answered &&
            question->fetched != question->answered;
    if (there) {
        hand_over(&question->ready, answer);
        question->fetched = question->answered;
    }
    pthread_mutex_unlock(&asker->lock);
    return there;
}

bool attach_asker_is_pending(AttachAsker *asker, AttachQuestion number)
{
    const Question *question = &asker->questions[number];
    bool pending;

    pthread_mutex_lock(&asker->lock);
    pending = question->asked != question->fetched;
    pthread_mutex_unlock(&asker->lock);
    return pending;
}
