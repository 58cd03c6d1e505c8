/*
 * Write a log as a busy guest makes it, or time the printer alone.
 *
 *   gen-log BYTES EXE LOAD-BASE ADDRESS...      to standard output
 *   gen-log --time ROUNDS                       CPU ns an event, a line a round
 *
 * Events come from 50 lines on 4 threads and from the addresses given, in an
 * order that is random but always the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINES = 50, THREADS = 4, TIMED = 1000000 };

static char text[IRQLOG_TEXT_MAX];
static char path[64];
static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void next_event(IrqlogEvent *event, const uint64_t *callers, int n)
{
    uint64_t r = next_random();
    unsigned line = (unsigned)(r % LINES);

    event->time_ns += r % 20000;
    event->level = r >> 20 & 1;
    event->n = (int32_t)(line % 24);
    event->irq = 0x55fe509e8000 + 64 * line;
    event->tid = 41267 + (uint32_t)(r >> 30) % THREADS;
    event->caller = callers[(r >> 40) % (unsigned)n];
    event->depth = line % 3;
    snprintf(path, sizeof(path),
             "/machine/unattached/device[%u]/unnamed-gpio-in[%u]", line / 24,
             line % 24);
}

static IrqlogEvent first_event(void)
{
    IrqlogEvent event = {
        .time_ns = 12508130441234, .handler = 0x55fe0f323c30,
        .opaque = 0x55fe509e7630, .path = path,
    };

    return event;
}

static int write_log(uint64_t bytes, const char *exe, uint64_t load_base,
                     char **addresses, int n)
{
    IrqlogRun run = { .format = 1, .pid = 41260, .load_base = load_base };
    IrqlogEvent event = first_event();
    uint64_t *callers = calloc((size_t)n, sizeof(*callers));
    uint64_t written = 0;
    size_t len;
    int i;

    for (i = 0; i < n; i++) {
        callers[i] = load_base + strtoull(addresses[i], NULL, 0);
    }
    event.handler = callers[0] - 1;
    snprintf(run.exe, sizeof(run.exe), "%s", exe);
    fwrite(text, 1, irqlog_print_run(text, &run), stdout);
    while (written < bytes) {
        next_event(&event, callers, n);
        len = irqlog_print_event(text, &event);
        fwrite(text, 1, len, stdout);
        written += len;
    }
    free(callers);
    return fflush(stdout) || ferror(stdout);
}

/* CPU time: what others do on the machine is not ours. */
static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void time_printer(int rounds)
{
    static const uint64_t callers[] = { 0x55fe0f1a4c90 };
    IrqlogEvent event = first_event();
    size_t bytes = 0;
    double start;
    int i;

    next_event(&event, callers, 1);
    for (; rounds > 0; rounds--) {
        start = now_ns();
        for (i = 0; i < TIMED; i++) {
            event.time_ns += 1017;
            bytes += irqlog_print_event(text, &event);
        }
        printf("%.1f\n", (now_ns() - start) / TIMED);
    }
    fprintf(stderr, "%zu bytes\n", bytes);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--time")) {
        time_printer(atoi(argv[2]));
        return 0;
    }
    if (argc < 5) {
        return 2;
    }
    return write_log(strtoull(argv[1], NULL, 0), argv[2],
                     strtoull(argv[3], NULL, 0), argv + 4, argc - 4);
}
