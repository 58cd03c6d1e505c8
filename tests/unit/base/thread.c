/*
 * base/thread: a thread begins, or it is said why not.
 *
 * pthread_create() is the linker's: it fails when a test says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "base/thread.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

static int failure;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *opaque);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *opaque);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*run)(void *), void *opaque)
{
    return failure ? failure :
           __real_pthread_create(thread, attr, run, opaque);
}

typedef struct Seen {
    sem_t done;
    char name[THREAD_NAME_SIZE];
    sigset_t blocked;
} Seen;

static void *see(void *opaque)
{
    Seen *seen = opaque;

    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    sem_post(&seen->done);
    return NULL;
}

static void test_starts(void)
{
    sigset_t before, after;
    Seen seen = {};
    Err err;

    sem_init(&seen.done, 0, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    g_assert_true(thread_start("a name that is long", see, &seen, &err));
    while (sem_wait(&seen.done) < 0) {
        /* again */
    }
    g_assert_cmpstr(seen.name, ==, "a name that is ");
    g_assert_true(sigismember(&seen.blocked, SIGTERM));
    g_assert_true(sigismember(&seen.blocked, SIGBUS));
    g_assert_true(sigismember(&seen.blocked, SIGALRM));
    g_assert_false(sigismember(&seen.blocked, SIGSEGV));
    g_assert_false(sigismember(&seen.blocked, SIGFPE));
    g_assert_false(sigismember(&seen.blocked, SIGILL));
    /* The caller's own are as they were. */
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    g_assert_false(sigismember(&after, SIGTERM));
    g_assert_cmpint(sigismember(&after, SIGUSR1), ==,
                    sigismember(&before, SIGUSR1));
    sem_destroy(&seen.done);
}

static void test_fails(void)
{
    sigset_t after;
    Seen seen = {};
    Err err;

    failure = EAGAIN;
    g_assert_false(thread_start("vmscope-ring", see, &seen, &err));
    g_assert_cmpint(err.code, ==, ERR_IO);
    g_assert_cmpstr(err.text, ==, "thread vmscope-ring cannot begin: "
                    "Resource temporarily unavailable");
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    g_assert_false(sigismember(&after, SIGTERM));
    g_assert_false(thread_start("vmscope-ring", see, &seen, NULL));
    failure = 0;
    g_assert_cmpstr(seen.name, ==, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/starts", test_starts);
    g_test_add_func("/thread/fails", test_fails);
    return g_test_run();
}
