/*
 * base/thread: see thread.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* pthread_setname_np() */
#endif

#include "base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ThreadStart {
    char name[THREAD_NAME_SIZE];
    void *(*run)(void *opaque);
    void *opaque;
} ThreadStart;

static void *thread_run(void *opaque)
{
    ThreadStart start = *(ThreadStart *)opaque;

    free(opaque);
    pthread_setname_np(pthread_self(), start.name);
    return start.run(start.opaque);
}

/* Returns: 0, or why there is none, as of errno. */
static int thread_create(ThreadStart *start)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t blocked, old;
    int error;

    error = pthread_attr_init(&attr);
    if (error) {
        return error;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    error = pthread_create(&thread, &attr, thread_run, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return error;
}

bool thread_start(const char *name, void *(*run)(void *opaque), void *opaque,
                  Err *err)
{
    ThreadStart *start = malloc(sizeof(*start));
    int error;

    if (!start) {
        err_set(err, ERR_NOMEM, "no memory left");
        return false;
    }
    snprintf(start->name, sizeof(start->name), "%s", name);
    start->run = run;
    start->opaque = opaque;
    error = thread_create(start);
    if (error) {
        free(start);
        err_set(err, ERR_IO, "thread %s cannot begin: %s", name,
                strerror(error));
        return false;
    }
    return true;
}
