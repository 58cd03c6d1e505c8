/*
 * What the threads do: kernel workers, user threads' system calls, the
 * churn thread that makes and ends processes and threads, a realtime thread
 * that preempts, and one that gives names.  All of it from small random
 * numbers, so that the same seed tends the same way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

static uint32_t below(Thread *t, uint32_t n)
{
    return rng_next(&t->rng) % n;
}

static Thread *self(void)
{
    return this_cpu()->current;
}

static uint8_t some_wait_reason(Thread *t)
{
    static const uint8_t kernel[] = { WR_EXECUTIVE, WR_DELAY, WR_QUEUE,
                                      WR_KERNEL, WR_RESOURCE };
    static const uint8_t user[] = { WR_USER_REQUEST, WR_USER_WR, WR_QUEUE,
                                    WR_LPC_RECEIVE, WR_ALERT_BY_ID };
    uint8_t reason = t->user ? user[below(t, 5)] : kernel[below(t, 5)];

    if (reason == WR_ALERT_BY_ID && row_ids[config.row].build < 9200) {
        reason = WR_USER_REQUEST;
    }
    return reason;
}

/* Like an LPC send: a waiting receiver goes on before its time. */
static void wake_someone(Thread *t)
{
    Thread *other = &threads[below(t, MAX_THREADS)];

    irq_off();
    lock();
    if (other->live && other->state == ST_WAITING
        && (other->wait_reason == WR_LPC_RECEIVE
            || other->wait_reason == WR_QUEUE)) {
        wake(other);
    }
    unlock();
}

/* Where no device is: all that comes of it is an exit to QEMU. */
enum { NO_DEVICE = 0xe4 };

static void act(Thread *t)
{
    uint32_t dice, yields = config.yield_percent;

    if (config.exit_percent && below(t, 100) < config.exit_percent) {
        outl(NO_DEVICE, 0);
    }
    dice = below(t, 100);
    if (dice < yields) {
        yield();
    } else if (dice < yields + (100 - yields) * 7 / 10) {
        uint8_t reason = some_wait_reason(t);

        sleep(reason, reason == WR_LPC_RECEIVE ? 20 : below(t, 4));
    } else if (dice < yields + (100 - yields) * 85 / 100) {
        wake_someone(t);
    }
}

/* From ring 3; interrupts stay off until the return. */
void user_call(Frame *f)
{
    Thread *t = self();

    f->rdi = 1 + below(t, (uint32_t)config.spin * 2);
    if (!below(t, 16)) {
        f->rdi *= 32;                   /* long enough for a quantum end */
    }
    if (t->actions_left && !--t->actions_left) {
        thread_exit();
    }
    act(t);
}

static void spin_some(Thread *t)
{
    uint32_t most = config.spin < 40 ? (uint32_t)config.spin : 40;

    for (volatile uint32_t i = below(t, most); i; i--) {
    }
}

static Process *some_process(Thread *t)
{
    Process *p = &processes[below(t, MAX_PROCESSES)];

    return p->live && !p->system ? p : NULL;
}

/* Runs in another process' address space, may be preempted there. */
static void visit(Thread *t)
{
    Process *p;

    irq_off();
    lock();
    p = some_process(t);
    if (p) {
        attach_process(p);
    }
    unlock();
    irq_on();
    if (!p) {
        return;
    }
    spin_some(t);
    if (below(t, 2)) {
        sleep(WR_EXECUTIVE, below(t, 2));
        irq_on();
    }
    detach_process();
}

static void worker(Thread *t)
{
    for (;;) {
        spin_some(t);
        act(t);
        irq_on();
        if (config.attach && !below(t, 6)) {
            visit(t);
        }
    }
}

/* Lock held. */
static void start_thread(Process *p, Thread *by)
{
    Thread *t = thread_create(p, KIND_USER, 8 + below(by, 3));

    if (!t) {
        return;
    }
    t->actions_left = 2 + below(by, 12);
    if (has(ETHREAD_THREAD_NAME) && below(by, 2)) {
        thread_name(t, thread_name_text,
                    &thread_names[below(by, NAMES)], true);
    }
    t->cpu = below(by, cpu_count);
    make_ready(t, false);
}

static uint32_t churn_count(void)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < MAX_THREADS; i++) {
        n += threads[i].live && threads[i].actions_left;
    }
    return n;
}

static void churn(Thread *t)
{
    static const char images[][16] = {
        "conhost.exe", "made-and-ended.", "cmd.exe", "\xec\x83\x88.exe",
    };

    for (;;) {
        Process *p = NULL;

        sleep(WR_DELAY, 1 + below(t, 4));
        lock();
        reap();
        if (churn_count() < 12) {
            p = below(t, 2) ? process_create(images[below(t, 4)],
                                             &processes[0], false)
                            : some_process(t);
        }
        if (p && !p->minimal && !p->elevated) {
            start_thread(p, t);
            start_thread(p, t);
        }
        unlock();
        irq_on();
    }
}

static void realtime(Thread *t)
{
    for (;;) {
        sleep(WR_DELAY, below(t, 3));
        irq_on();
        spin_some(t);
    }
}

/* Every name once, on threads that live on; then one name again and again. */
static void name_all(void)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < MAX_THREADS && n < NAMES + 2; i++) {
        Thread *t = &threads[i];

        if (!t->live || t->idle || t->actions_left || t->kind == KIND_NAMER) {
            continue;
        }
        if (n < NAMES) {
            thread_name(t, thread_name_text, &thread_names[n], true);
        } else if (n == NAMES) {
            thread_name(t, thread_name_text, &thread_names[0], false);
        }
        n++;
    }
}

static void namer(Thread *t)
{
    uint32_t n = 0;

    irq_off();
    lock();
    name_all();
    if (has(ETHREAD_THREAD_NAME)) {
        thread_name_long(t);
    }
    unlock();
    irq_on();
    for (;;) {
        sleep(WR_DELAY, 12);
        lock();
        if (n++ % 4 == 3) {
            Thread *other = &threads[cpu_count + 6 + n % 8];

            if (other->live && !other->idle && !other->actions_left
                && other != t) {
                thread_name(other, thread_name_text,
                            &thread_names[n % NAMES], true);
            }
        }
        unlock();
        irq_on();
    }
}

/* About so many milliseconds; how long exactly is no part of the story. */
static void spin_ms(uint32_t ms)
{
    enum { TSC_PER_MS = 2500000 };
    uint64_t begin = rdtsc();

    while (rdtsc() - begin < (uint64_t)ms * TSC_PER_MS) {
        asm volatile("pause");
    }
}

static uint32_t ticks_of_ms(uint32_t ms)
{
    uint32_t ticks = (uint32_t)(ms * 1000 / config.tick_us);

    return ticks ? ticks : 1;
}

/* A frame's work, then the wait for the next one. */
static void game(Thread *t)
{
    for (;;) {
        spin_ms(10 + below(t, 3));
        sleep(WR_EXECUTIVE, ticks_of_ms(3));
        irq_on();
    }
}

static void scanner(Thread *t)
{
    for (;;) {
        spin_ms(15 + below(t, 10));
        sleep(WR_DELAY, ticks_of_ms(20 + below(t, 20)));
        irq_on();
    }
}

static void quiet(Thread *t)
{
    for (;;) {
        spin_some(t);
        sleep(some_wait_reason(t), ticks_of_ms(10 + below(t, 60)));
        irq_on();
    }
}

/* Pages to be zeroed come now and then; anybody else goes before it. */
static void zero_page(Thread *t)
{
    for (;;) {
        sleep(WR_FREE_PAGE, 8 + below(t, 40));
        irq_on();
        spin_some(t);
    }
}

void worker_main(void)
{
    Thread *t = self();

    switch (t->kind) {
    case KIND_CHURN:
        churn(t);
        break;
    case KIND_REALTIME:
        realtime(t);
        break;
    case KIND_NAMER:
        namer(t);
        break;
    case KIND_WAITER:
        waiter(t);
        break;
    case KIND_GAME:
        game(t);
        break;
    case KIND_SCANNER:
        scanner(t);
        break;
    case KIND_QUIET:
        quiet(t);
        break;
    case KIND_ZERO_PAGE:
        zero_page(t);
        break;
    case KIND_SPINNER:
        spinner();
        break;
    case KIND_MESSENGER:
        messenger();
        break;
    default:
        worker(t);
    }
}
