/*
 * The scheduler: ready queues, waits, preemption, migration, and the switch
 * itself.  One lock, taken with interrupts off and handed from the thread
 * that leaves to the thread that comes.
 *
 * The order in which a switch touches what an observer sees is that of
 * Windows as far as it is known: CurrentThread first, then the old thread's
 * state when it goes back to the queue, then the new thread's state and
 * Running byte, then the address space and the stack, and last the old
 * thread's Running byte.  In between the fields disagree, as they do there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { WHEEL = 64, QUANTUM = 3 };

volatile uint64_t tick_count;

static Thread *wheel[WHEEL];

/*
 * The lock stands in the ground truth's header: while it is held, lists and
 * objects may be half changed, and whoever stops the guest can tell.
 */
static uint32_t *lock_word(void)
{
    return (uint32_t *)(truth_va + TRUTH_LOCK);
}

void lock(void)
{
    while (__atomic_exchange_n(lock_word(), 1, __ATOMIC_ACQUIRE)) {
        while (*(volatile uint32_t *)lock_word()) {
            asm volatile("pause");
        }
    }
}

void unlock(void)
{
    __atomic_store_n(lock_word(), 0, __ATOMIC_RELEASE);
}

void state_set(Thread *t, uint8_t state)
{
    t->state = state;
    field8(t->obj, KTHREAD_STATE, state);
}

static void wait_reason_set(Thread *t, uint8_t reason)
{
    t->wait_reason = reason;
    field8(t->obj, KTHREAD_WAIT_REASON, reason);
}

static void priority_set(Thread *t, int8_t priority)
{
    t->priority = priority;
    field8(t->obj, KTHREAD_PRIORITY, priority);
}

static void queue(Cpu *cpu, Thread *t, bool front)
{
    uint32_t p = t->priority;

    state_set(t, ST_READY);
    t->next = NULL;
    if (!cpu->ready[p]) {
        cpu->ready[p] = cpu->ready_tail[p] = t;
    } else if (front) {
        t->next = cpu->ready[p];
        cpu->ready[p] = t;
    } else {
        cpu->ready_tail[p]->next = t;
        cpu->ready_tail[p] = t;
    }
    cpu->ready_mask |= 1u << p;
}

static int32_t best_ready(const Cpu *cpu)
{
    return cpu->ready_mask ? 31 - __builtin_clz(cpu->ready_mask) : -1;
}

static Thread *take_ready(Cpu *cpu)
{
    int32_t p = best_ready(cpu);
    Thread *t;

    if (p < 0) {
        return NULL;
    }
    t = cpu->ready[p];
    cpu->ready[p] = t->next;
    if (!t->next) {
        cpu->ready_mask &= ~(1u << p);
    }
    return t;
}

/* From the CPU with the best waiting thread; that is how threads migrate. */
static Thread *steal(Cpu *cpu)
{
    Cpu *from = NULL;

    for (uint32_t i = 0; i < cpu_count; i++) {
        if (&cpus[i] != cpu && best_ready(&cpus[i]) >= 0
            && (!from || best_ready(&cpus[i]) > best_ready(from))) {
            from = &cpus[i];
        }
    }
    return from ? take_ready(from) : NULL;
}

static Thread *pick(Cpu *cpu)
{
    Thread *t = cpu->standby;

    if (!t) {
        t = take_ready(cpu);
    }
    if (!t) {
        t = steal(cpu);
    }
    return t ? t : cpu->idle;
}

/*
 * An idle thread's State stays Running while others run, and is Standby while
 * NextThread is set.  The scheduler itself does not ask it.
 */
static void idle_state(const Cpu *cpu, uint8_t state)
{
    if (!config.idle_alone) {
        field8(cpu->idle->obj, KTHREAD_STATE, state);
    }
}

static void set_standby(Cpu *cpu, Thread *t)
{
    cpu->standby = t;
    idle_state(cpu, ST_STANDBY);
    state_set(t, ST_STANDBY);
    field32(t->obj, X_KTHREAD_NEXT_PROCESSOR, cpu->index);
    field64(cpu->prcb, KPRCB_NEXT_THREAD, t->obj);
    if (cpu != this_cpu()) {
        apic_ipi(cpu->index);
    }
}

static bool idle_and_free(const Cpu *cpu)
{
    return cpu->online && cpu->current == cpu->idle && !cpu->standby;
}

void make_ready(Thread *t, bool front)
{
    Cpu *home = &cpus[t->cpu];

    if (!home->online) {
        home = this_cpu();
        t->cpu = home->index;
    }
    if (idle_and_free(home)) {
        set_standby(home, t);
        return;
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (idle_and_free(&cpus[i])) {
            set_standby(&cpus[i], t);
            return;
        }
    }
    if (!home->standby && t->priority > home->current->priority) {
        set_standby(home, t);
        return;
    }
    queue(home, t, front);
}

/* The old thread goes back to the queue, after CurrentThread has changed. */
static void put_back(Cpu *cpu, Thread *from, uint8_t reason)
{
    if (from->idle || from->state != ST_RUNNING) {
        return;
    }
    if (reason == REASON_QUANTUM) {
        wait_reason_set(from, WR_QUANTUM_END);
        if (from->priority > from->base_priority) {
            priority_set(from, from->priority - 1);
        }
    } else if (reason == REASON_PREEMPT) {
        wait_reason_set(from, WR_PREEMPTED);
    } else {
        wait_reason_set(from, WR_YIELD);
    }
    queue(cpu, from, reason == REASON_PREEMPT);
}

static void count_switch(Cpu *cpu, Thread *to)
{
    cpu->switches++;
    to->switches++;
    field32(cpu->prcb, X_KPRCB_KE_CONTEXT_SWITCHES, cpu->switches);
    field32(to->obj, KTHREAD_CONTEXT_SWITCHES, to->switches);
}

/* Where the processor and the entry code find the thread's stack. */
static void set_stack(Cpu *cpu, Thread *to)
{
    put64(cpu->kpcr + KPCR_RSP_BASE, to->stack_base);
    if (cpu->shadow) {
        put64(cpu->shadow + 8, to->stack_base);
    } else {
        put64(cpu->desc + 0x100 + 4, to->stack_base);
    }
}

static void load_user_gs(Thread *to)
{
    if (to->user) {
        wrmsr(MSR_KERNEL_GS, USER_TEB + to->user_slot * 0x2000ULL);
    }
}

/* The rest of a switch, run by whoever has come onto the CPU. */
static void finish_switch(void)
{
    Cpu *cpu = this_cpu();
    Thread *from = cpu->previous;

    field8(from->obj, X_KTHREAD_RUNNING, 0);
    load_user_gs(cpu->current);
}

static void window_spin(void)
{
    for (uint64_t i = 0; i < config.window; i++) {
        asm volatile("pause");
    }
}

__attribute__((noinline, noclone))
static void swap_to(Cpu *cpu, Thread *to, uint8_t reason)
{
    Thread *from = cpu->current;
    uint64_t before, after;

    cpu->leaving = cpu->leaving ? cpu->leaving : rdtsc();
    truth_switch_begin(cpu, from, to);
    if (cpu->standby == to) {
        cpu->standby = NULL;
        field64(cpu->prcb, KPRCB_NEXT_THREAD, 0);
        idle_state(cpu, ST_RUNNING);
    }
    before = rdtsc();
    put64(cpu->prcb + row[KPRCB_CURRENT_THREAD], to->obj);
    /* Where a test sets its breakpoint; the store is done. */
    asm volatile(".globl switch_stored\nswitch_stored: nop" : : : "memory");
    after = rdtsc();
    cpu->current = to;
    window_spin();
    from->cycles += after - cpu->since;
    cpu->since = after;
    field64(from->obj, X_KTHREAD_CYCLE_TIME, from->cycles);
    put_back(cpu, from, reason);
    if (to->cpu != cpu->index) {
        to->cpu = cpu->index;
        truth_migration();
    }
    state_set(to, ST_RUNNING);
    field32(to->obj, X_KTHREAD_NEXT_PROCESSOR, cpu->index);
    field8(to->obj, X_KTHREAD_RUNNING, 1);
    count_switch(cpu, to);
    strange_switch(cpu, from, to);
    truth_switch_end(cpu, from, to, reason, before, after);
    cpu->leaving = 0;
    if (to->attached != from->attached) {
        load_cr3(to->attached->dtb);
    }
    set_stack(cpu, to);
    cpu->previous = from;
    field64(from->obj, KTHREAD_KERNEL_STACK,
            (uint64_t)__builtin_frame_address(0));
    switch_stack(&from->rsp, to->rsp);
    finish_switch();
}

static void swap_away(Cpu *cpu, uint8_t reason)
{
    Thread *to = pick(cpu);

    if (to == cpu->current) {
        return;
    }
    swap_to(cpu, to, reason);
}

void thread_begin(void)
{
    finish_switch();
    unlock();
    trap_user_return();
}

void yield(void)
{
    Cpu *cpu;

    irq_off();
    lock();
    cpu = this_cpu();
    cpu->current->quantum = QUANTUM;
    if (cpu->standby || best_ready(cpu) >= 0) {
        swap_away(cpu, REASON_YIELD);
    }
    unlock();
}

/* Caller has interrupts off afterwards; kernel threads turn them on. */
void sleep(uint8_t wait_reason, uint32_t ticks)
{
    Cpu *cpu;
    Thread *t;

    irq_off();
    lock();
    cpu = this_cpu();
    t = cpu->current;
    t->wake_tick = tick_count + 1 + (ticks % (WHEEL - 2));
    t->next = wheel[t->wake_tick % WHEEL];
    wheel[t->wake_tick % WHEEL] = t;
    cpu->leaving = rdtsc();
    wait_reason_set(t, wait_reason);
    field32(t->obj, X_KTHREAD_WAIT_TIME, (uint32_t)tick_count);
    wait_begin(t, wait_reason);
    state_set(t, ST_WAITING);
    swap_away(cpu, REASON_WAIT);
    unlock();
}

/* Lock held, interrupts off; wait_begin() was called.  Nobody wakes it. */
void wait_for_ever(void)
{
    Cpu *cpu = this_cpu();
    Thread *t = cpu->current;

    t->wake_tick = 0;
    cpu->leaving = rdtsc();
    wait_reason_set(t, WR_USER_REQUEST);
    field32(t->obj, X_KTHREAD_WAIT_TIME, (uint32_t)tick_count);
    state_set(t, ST_WAITING);
    swap_away(cpu, REASON_WAIT);
    fail(EXIT_TRAP, "a wait for ever ended");
}

static void boost(Thread *t)
{
    if (t->base_priority && t->base_priority < 15) {
        int8_t p = t->base_priority + 2;

        priority_set(t, p > 15 ? 15 : p);
    }
    t->quantum = QUANTUM;
}

/* Lock held.  Ends a wait before its time. */
void wake(Thread *t)
{
    Thread **at = &wheel[t->wake_tick % WHEEL];

    if (!t->live || t->state != ST_WAITING) {
        return;
    }
    while (*at && *at != t) {
        at = &(*at)->next;
    }
    if (!*at) {
        return;
    }
    *at = t->next;
    wait_end(t);
    boost(t);
    make_ready(t, false);
}

static void wake_sleepers(void)
{
    Thread *t = wheel[tick_count % WHEEL];

    wheel[tick_count % WHEEL] = NULL;
    while (t) {
        Thread *next = t->next;

        wait_end(t);
        boost(t);
        make_ready(t, false);
        t = next;
    }
}

void thread_exit(void)
{
    Cpu *cpu;

    irq_off();
    lock();
    cpu = this_cpu();
    cpu->leaving = rdtsc();
    wait_reason_set(cpu->current, WR_TERMINATED);
    time_thread_ends(cpu->current);
    thread_end_object(cpu->current);
    state_set(cpu->current, ST_TERMINATED);
    swap_away(cpu, REASON_EXIT);
    fail(EXIT_TRAP, "an ended thread ran again");
}

/* Called at the clock interrupt, interrupts off. */
void schedule_tick(void)
{
    Cpu *cpu;
    Thread *t;

    lock();
    cpu = this_cpu();
    t = cpu->current;
    if (!cpu->index) {
        tick_count++;
        put64(kuser_va + 0x320, tick_count);
        put64(kuser_va + 0x08, tick_count * config.tick_us * 10);
        wake_sleepers();
        hostile_tick();
        build_tick();
    }
    if (t->idle || cpu->nesting) {
        /* The idle loop looks for work when the interrupt is over. */
    } else if (cpu->standby) {
        swap_away(cpu, REASON_PREEMPT);
    } else if (!t->quantum || !--t->quantum) {
        t->quantum = QUANTUM;
        if (best_ready(cpu) >= t->base_priority) {
            swap_away(cpu, REASON_QUANTUM);
        }
    }
    unlock();
}

void schedule_ipi(void)
{
    Cpu *cpu;

    lock();
    cpu = this_cpu();
    if (cpu->standby && !cpu->current->idle && !cpu->nesting) {
        swap_away(cpu, REASON_PREEMPT);
    }
    unlock();
}

void idle_loop(void)
{
    for (;;) {
        irq_off();
        lock();
        swap_away(this_cpu(), REASON_IDLE_END);
        unlock();
        if (config.idle_poll) {
            irq_on();
            asm volatile("pause");
        } else {
            asm volatile("sti; hlt" : : : "memory");
        }
    }
}

static void attach_to(Process *p, uint8_t index)
{
    Thread *t = this_cpu()->current;

    if (t->attached != t->process) {
        t->attached->refs--;
    }
    t->attached = p;
    field64(t->obj, KTHREAD_APCSTATE_PROCESS, p->obj);
    field8(t->obj, X_KTHREAD_APC_STATE_INDEX, index);
    load_cr3(p->dtb);
}

/* Lock held by the caller, who has seen that @p lives. */
void attach_process(Process *p)
{
    attach_to(p, 1);
    p->refs++;
}

void detach_process(void)
{
    irq_off();
    lock();
    attach_to(this_cpu()->current->process, 0);
    unlock();
    irq_on();
}
