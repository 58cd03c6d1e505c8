/*
 * Run a program and say what it took: wall and CPU seconds, peak KiB.
 *
 *   measure PROGRAM [ARGUMENT]...
 *
 * The peak that the kernel reports begins with that of the process which
 * started the program, so a small one has to: Python alone has 26 MiB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static _Noreturn void become(char **argv)
{
    int null = open("/dev/null", O_WRONLY);

    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

int main(int argc, char **argv)
{
    double start = now();
    struct rusage usage;
    int status;
    pid_t pid = argc > 1 ? fork() : -1;

    if (pid < 0) {
        return 2;
    }
    if (pid == 0) {
        become(argv + 1);
    }
    if (wait4(pid, &status, 0, &usage) != pid) {
        return 2;
    }
    printf("%.4f %.4f %ld\n", now() - start,
           seconds(usage.ru_utime) + seconds(usage.ru_stime),
           usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
