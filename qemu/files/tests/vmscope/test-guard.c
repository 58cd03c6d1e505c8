/*
 * Guarded memory: faults in it are mended, and all else of SIGBUS is as it was
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "block/aio.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "vmscope/guard.h"

#define SIZE (64 * 4096)

/* What QEMU's own handler is called with. */
static unsigned n_old;
static int old_code;
static void *old_addr;
static void *old_context;
static int old_thread;

static void old_handler(int number, siginfo_t *info, void *context)
{
    n_old++;
    old_code = info->si_code;
    old_addr = info->si_addr;
    old_context = context;
    old_thread = qemu_get_thread_id();
}

static void block_sigbus(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    pthread_sigmask(how, &set, NULL);
}

static char *map_new(int *fd)
{
    char *mem;

    *fd = memfd_create("guarded", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(*fd, SIZE), ==, 0);
    mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    g_assert_true(mem != MAP_FAILED);
    memset(mem, 'x', SIZE);
    return mem;
}

static void test_cut(void)
{
    int fd;
    char *mem = map_new(&fd);
    int guard = guard_add(mem, SIZE);

    g_assert_cmpint(guard, >=, 0);
    g_assert_cmpint(mem[5000], ==, 'x');
    g_assert_false(guard_is_lost(guard));
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    mem[5000] = 'y';
    g_assert_true(guard_is_lost(guard));
    g_assert_cmpint(mem[5000], ==, 'y');
    g_assert_cmpint(mem[0], ==, 0);
    g_assert_cmpint(mem[SIZE - 1], ==, 0);
    g_assert_cmpuint(n_old, ==, 0);
    guard_remove(guard);
    munmap(mem, SIZE);
    close(fd);
}

enum { THREADS = 8 };

typedef struct Crowd {
    char *mem;
    int ready;
    bool go;
} Crowd;

static void *touch(void *opaque)
{
    Crowd *crowd = opaque;
    unsigned n = qatomic_fetch_inc(&crowd->ready);

    guard_thread();
    while (!qatomic_load_acquire(&crowd->go)) {
        /* all at once */
    }
    crowd->mem[n * 4096] = 'a' + n;
    return NULL;
}

/* Threads of QEMU's, which have SIGBUS blocked, fault at the same time. */
static void test_crowd(void)
{
    int round;

    for (round = 0; round < 50; round++) {
        QemuThread threads[THREADS];
        int fd;
        Crowd crowd = { .mem = map_new(&fd) };
        int guard = guard_add(crowd.mem, SIZE);
        int i;

        for (i = 0; i < THREADS; i++) {
            qemu_thread_create(&threads[i], "touch", touch, &crowd,
                               QEMU_THREAD_JOINABLE);
        }
        while (qatomic_read(&crowd.ready) < THREADS) {
            /* soon */
        }
        g_assert_cmpint(ftruncate(fd, 0), ==, 0);
        qatomic_store_release(&crowd.go, true);
        for (i = 0; i < THREADS; i++) {
            qemu_thread_join(&threads[i]);
        }
        g_assert_true(guard_is_lost(guard));
        for (i = 0; i < THREADS; i++) {
            g_assert_cmpint(crowd.mem[i * 4096], ==, 'a' + i);
        }
        guard_remove(guard);
        munmap(crowd.mem, SIZE);
        close(fd);
    }
    g_assert_cmpuint(n_old, ==, 0);
}

/* Memory that is not guarded, in a child: as if there were no guard. */
static void test_elsewhere(void)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        int fd;
        char *mem = map_new(&fd);

        if (ftruncate(fd, 0) == 0) {
            mem[0] = 'y';
        }
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGBUS);
}

static void send_to_self(int code, void *addr)
{
    siginfo_t info = {
        .si_signo = SIGBUS, .si_code = code, .si_addr = addr,
    };

    g_assert_cmpint(syscall(SYS_rt_tgsigqueueinfo, getpid(),
                            qemu_get_thread_id(), SIGBUS, &info), ==, 0);
}

/*
 * What KVM is told of broken memory comes to the main thread, where QEMU took
 * it from a signalfd: in the main loop, not in the middle of something.
 */
static void test_memory_error(void)
{
    int i;

    n_old = 0;
    send_to_self(BUS_MCEERR_AO, (void *)0x7000);
    g_assert_cmpuint(n_old, ==, 0);
    for (i = 0; i < 10 && !n_old; i++) {
        aio_poll(qemu_get_aio_context(), false);
        main_loop_wait(true);
    }
    g_assert_cmpuint(n_old, ==, 1);
    g_assert_cmpint(old_code, ==, BUS_MCEERR_AO);
    g_assert_true(old_addr == (void *)0x7000);
    g_assert_null(old_context);
    g_assert_cmpint(old_thread, ==, qemu_get_thread_id());
}

static void *vcpu_thread(void *opaque)
{
    /* As KVM does; its own handler is to be called at once. */
    block_sigbus(SIG_UNBLOCK);
    guard_thread();
    send_to_self(BUS_MCEERR_AR, (void *)0x9000);
    g_assert_cmpuint(n_old, ==, 1);
    g_assert_cmpint(old_thread, ==, qemu_get_thread_id());
    return NULL;
}

static void test_vcpu_thread(void)
{
    QemuThread thread;

    n_old = 0;
    qemu_thread_create(&thread, "vcpu", vcpu_thread, NULL,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    g_assert_cmpint(old_code, ==, BUS_MCEERR_AR);
    g_assert_nonnull(old_context);
}

/* What the main loop reads from its signalfd is handed on without context. */
static void test_signalfd(void)
{
    struct sigaction action;
    siginfo_t info = { .si_signo = SIGBUS, .si_code = BUS_MCEERR_AO };

    n_old = 0;
    g_assert_cmpint(sigaction(SIGBUS, NULL, &action), ==, 0);
    action.sa_sigaction(SIGBUS, &info, NULL);
    g_assert_cmpuint(n_old, ==, 1);
}

static void test_too_many(void)
{
    int guards[100];
    int n = 0;
    static char page[4096];

    while (n < 100 && (guards[n] = guard_add(page, 1)) >= 0) {
        n++;
    }
    g_assert_cmpint(n, >=, 16);
    g_assert_cmpint(n, <, 100);
    while (n) {
        guard_remove(guards[--n]);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = {
        .sa_sigaction = old_handler, .sa_flags = SA_SIGINFO,
    };

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    block_sigbus(SIG_BLOCK);
    sigaction(SIGBUS, &action, NULL);
    vmscope_guard_init();
    guard_thread();
    g_test_add_func("/guard/cut", test_cut);
    g_test_add_func("/guard/crowd", test_crowd);
    g_test_add_func("/guard/elsewhere", test_elsewhere);
    g_test_add_func("/guard/memory-error", test_memory_error);
    g_test_add_func("/guard/vcpu-thread", test_vcpu_thread);
    g_test_add_func("/guard/signalfd", test_signalfd);
    g_test_add_func("/guard/too-many", test_too_many);
    return g_test_run();
}
