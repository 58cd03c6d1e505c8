/*
 * Where a CPU's time goes, as Windows keeps account of it: by whom the clock
 * interrupts.  And a load of DPCs and ISRs of a known length to account for.
 *
 * Source: facts on KeUpdateRunTime as docs/guest.md tells them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { LOAD_EVERY = 20 };               /* ticks; five percent each */

static void more32(uint64_t obj, uint32_t col, uint32_t v)
{
    if (more_has(col)) {
        put32(obj + more(col), v);
    }
}

static uint32_t what_was_interrupted(const Cpu *cpu, const Frame *f)
{
    if (f->cs & 3) {
        return TICK_USER;
    }
    if (cpu->nesting) {
        return cpu->in_dpc ? TICK_DPC : TICK_INTERRUPT;
    }
    return cpu->current->idle ? TICK_IDLE : TICK_KERNEL;
}

/* KernelTime has all but user time in it, and goes first. */
static void counters(const Cpu *cpu)
{
    const uint32_t *ticks = cpu->ticks;

    more32(cpu->prcb, MORE_KPRCB_KERNEL_TIME,
           ticks[TICK_KERNEL] + ticks[TICK_DPC] + ticks[TICK_INTERRUPT]
           + ticks[TICK_IDLE]);
    more32(cpu->prcb, MORE_KPRCB_USER_TIME, ticks[TICK_USER]);
    more32(cpu->prcb, MORE_KPRCB_DPC_TIME, ticks[TICK_DPC]);
    more32(cpu->prcb, MORE_KPRCB_INTERRUPT_TIME, ticks[TICK_INTERRUPT]);
    more32(cpu->prcb, MORE_KPRCB_INTERRUPT_COUNT, cpu->interrupts);
    more32(cpu->prcb, MORE_KPRCB_CLOCK_INTERRUPTS, cpu->clocks);
    if (more_has(MORE_KPRCB_DPC_DATA)) {
        put32(cpu->prcb + more(MORE_KPRCB_DPC_DATA)
              + more(MORE_KDPC_DATA_COUNT), cpu->dpcs);
    }
}

static void lie(const Cpu *cpu)
{
    more32(cpu->prcb, MORE_KPRCB_KERNEL_TIME, (uint32_t)random64());
    more32(cpu->prcb, MORE_KPRCB_DPC_TIME, (uint32_t)random64());
    more32(cpu->prcb, MORE_KPRCB_INTERRUPT_TIME, ~0u);
    more32(cpu->idle->obj, MORE_KTHREAD_KERNEL_TIME, (uint32_t)random64());
    more32(cpu->current->obj, MORE_KTHREAD_USER_TIME, (uint32_t)random64());
    more32(cpu->current->process->obj, MORE_KPROCESS_KERNEL_TIME,
           (uint32_t)random64());
}

/* At each clock interrupt, interrupts off. */
void time_tick(const Frame *f)
{
    Cpu *cpu = this_cpu();
    Thread *t = cpu->current;
    uint32_t kind = what_was_interrupted(cpu, f);

    cpu->clocks++;
    cpu->interrupts++;
    cpu->ticks[kind]++;
    if (kind == TICK_USER) {
        more32(t->obj, MORE_KTHREAD_USER_TIME, ++t->user_ticks);
    } else if (kind == TICK_KERNEL || kind == TICK_IDLE) {
        more32(t->obj, MORE_KTHREAD_KERNEL_TIME, ++t->kernel_ticks);
    }
    counters(cpu);
    truth_tick(cpu, kind);
    truth_thread_ticks(t);
    if (lies(LIE_TIME_LIES)) {
        lie(cpu);
    }
}

/* Its process keeps a thread's ticks; lock held, interrupts off. */
void time_thread_ends(const Thread *t)
{
    Process *p = t->process;

    p->kernel_ticks += t->kernel_ticks;
    p->user_ticks += t->user_ticks;
    more32(p->obj, MORE_KPROCESS_KERNEL_TIME, p->kernel_ticks);
    more32(p->obj, MORE_KPROCESS_USER_TIME, p->user_ticks);
    truth_ended_ticks(p);
}

/* Takes the CPU for so many ticks, with the clock's interrupts let in. */
static void spin(Cpu *cpu, bool dpc, uint32_t ticks)
{
    uint32_t begun = cpu->clocks;

    cpu->in_dpc = dpc;
    cpu->nesting = 1;
    cpu->dpcs += dpc;
    field8(cpu->prcb, X_KPRCB_NESTING_LEVEL, 1);
    if (more_has(MORE_KPRCB_DPC_ROUTINE_ACTIVE)) {
        put8(cpu->prcb + more(MORE_KPRCB_DPC_ROUTINE_ACTIVE), dpc);
    }
    irq_on();
    while (cpu->clocks - begun < ticks) {
        asm volatile("pause");
    }
    irq_off();
    if (more_has(MORE_KPRCB_DPC_ROUTINE_ACTIVE)) {
        put8(cpu->prcb + more(MORE_KPRCB_DPC_ROUTINE_ACTIVE), 0);
    }
    field8(cpu->prcb, X_KPRCB_NESTING_LEVEL, 0);
    cpu->nesting = 0;
}

/* Behind a clock interrupt: the DPC and the ISR, when they are due. */
void time_load(void)
{
    Cpu *cpu = this_cpu();

    if (!config.dpc_percent && !config.isr_percent) {
        return;
    }
    if (cpu->nesting || (int32_t)(cpu->clocks - cpu->load_at) < 0) {
        return;
    }
    cpu->load_at = cpu->clocks + LOAD_EVERY;
    if (config.dpc_percent >= 5) {
        spin(cpu, true, config.dpc_percent * LOAD_EVERY / 100);
    }
    if (config.isr_percent >= 5) {
        spin(cpu, false, config.isr_percent * LOAD_EVERY / 100);
    }
}
