/*
 * Interrupts: descriptor tables, the local APIC, starting the other CPUs,
 * and what an interrupt leads to.
 *
 * Source: Intel SDM vol. 3A, chapters 6 and 11 (APIC registers, INIT-SIPI).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { APIC_ID = 0x20, APIC_EOI = 0xb0, APIC_SVR = 0xf0, APIC_ICR = 0x300,
       APIC_ICR_HIGH = 0x310, APIC_LVT_TIMER = 0x320, APIC_INITIAL = 0x380,
       APIC_DIVIDE = 0x3e0 };

_Static_assert(offsetof(Cpu, shadow) == 40, "entry.S knows this offset");
_Static_assert(offsetof(Frame, cs) == 144, "entry.S knows this offset");

uint64_t idt_va;

void gate_set(uint64_t idt, uint32_t vector, uint64_t to)
{
    uint64_t at = idt + vector * 16;

    put64(at, (to & 0xffff) | SEL_KCODE << 16 | 0x8e00ULL << 32
          | (to >> 16 & 0xffff) << 48);
    put64(at + 8, to >> 32);
}

static void gate(uint32_t vector, char *plain, char *shadow)
{
    gate_set(idt_va, vector, (uint64_t)(config.kvas ? shadow : plain));
}

void traps_init(void)
{
    idt_va = pool_pages(1);
    gate(0, vector_0, shadow_vector_0);
    gate(3, vector_3, shadow_vector_3);
    gate(6, vector_6, shadow_vector_6);
    gate(8, vector_8, shadow_vector_8);
    gate(13, vector_13, shadow_vector_13);
    gate(14, vector_14, shadow_vector_14);
    gate(VEC_IPI, vector_47, shadow_vector_47);
    gate(VEC_CLOCK, vector_209, shadow_vector_209);
    if (config.messages) {
        gate(99, vector_99, shadow_vector_99);
        gate(113, vector_113, shadow_vector_113);
        gate(114, vector_114, shadow_vector_114);
        gate(145, vector_145, shadow_vector_145);
    }
}

static void apic_write(uint32_t reg, uint32_t v)
{
    put32(lapic_va + reg, v);
}

void apic_init(void)
{
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_DIVIDE, 0xb);       /* QEMU's APIC bus: 1 ns */
    apic_write(APIC_LVT_TIMER, 0x20000 | VEC_CLOCK);
    apic_write(APIC_INITIAL, config.tick_us * 1000);
}

void apic_ipi(uint32_t cpu)
{
    apic_write(APIC_ICR_HIGH, cpu << 24);
    apic_write(APIC_ICR, 0x4000 | VEC_IPI);
}

void aps_start(void)
{
    if (cpu_count == 1) {
        return;
    }
    apic_write(APIC_SVR, 0x1ff);
    for (uint32_t i = 1; odd(ODD_PARKED) && i < cpu_count; i++) {
        apic_write(APIC_ICR + 0x10, i << 24);
        apic_write(APIC_ICR, 0x4500);
        apic_write(APIC_ICR, 0x4600 | LOW_STUB >> 12);
    }
    if (odd(ODD_PARKED)) {
        return;
    }
    apic_write(APIC_ICR, 0xc4500);      /* INIT to all others */
    apic_write(APIC_ICR, 0xc4600 | LOW_STUB >> 12);
}

/* Before a return to user mode, on the CPU that will return. */
void trap_user_return(void)
{
    Cpu *cpu = this_cpu();
    Thread *t = cpu->current;

    if (!cpu->shadow || !t->user) {
        return;
    }
    put64(cpu->shadow + 0x20, t->process->user_dtb);
    put32(cpu->shadow + 0x18, t->process->elevated ? 2 : 0);
}

static void unexpected(Frame *f)
{
    uint64_t cr2;

    asm volatile("mov %%cr2, %0" : "=r"(cr2));
    say_dec("nt: error: vector ", f->vector);
    say_hex(" error ", f->error);
    say_hex(" rip ", f->rip);
    say_hex(" (rva ", f->rip - image_va);
    say_hex(") cr2 ", cr2);
    say_hex(" rsp ", f->rsp);
    say_hex(" rdi ", f->rdi);
    say_hex(" cs ", f->cs);
    say_flush();
    leave(EXIT_TRAP);
}

void trap_main(Frame *f)
{
    if (f->cs & 3) {
        field64(this_cpu()->current->obj, X_KTHREAD_TRAP_FRAME,
                (uint64_t)f);
    }
    switch (f->vector) {
    case VEC_CLOCK:
        apic_write(APIC_EOI, 0);
        time_tick(f);
        time_load();
        schedule_tick();
        break;
    case VEC_IPI:
        apic_write(APIC_EOI, 0);
        this_cpu()->interrupts++;
        schedule_ipi();
        break;
    case VEC_SYSCALL:
        user_call(f);
        break;
    case VEC_UD:
        if (!(f->cs & 3)) {
            unexpected(f);
        }
        f->rip += 2;
        user_call(f);
        break;
    default:
        if (!message_take(f->vector)) {
            unexpected(f);
        }
        apic_write(APIC_EOI, 0);
        this_cpu()->interrupts++;
    }
    if (f->cs & 3) {
        trap_user_return();
    }
}
