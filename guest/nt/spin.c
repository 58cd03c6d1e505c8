/*
 * A thread that spins at known places, for whoever asks what a CPU executes:
 * three parts of its time in a driver, at IRQL 2, and one part in the kernel
 * behind an export of its PAGE section, at IRQL 0.  spin-in=N is that part, in
 * rounds of a loop; both are run with interrupts off, so no other thread and
 * no DPC ever runs there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum {
    /* In lookalike.sys: its last export, KeAreApcsDisabled. */
    SPIN_DRIVER = 0x1000 + 8 * (ACC_KeAreApcsDisabled),
    /* In ntoskrnl.exe: 16 bytes behind the sixth that was made up. */
    SPIN_KERNEL = RVA_PAGE + 5 * 0x60 + 0x10,
    DRIVER_PART = 3,
    /* In lookalike.sys: how often both were run; for a bench. */
    SPIN_COUNT = 0x3ff8,
};

/* nop; 1: dec rcx; jnz 1b; ret */
static const uint8_t loop[] = { 0x90, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3 };

/* Memory is seen as it lies. */
void spin_build(Process *system)
{
    if (!config.spin_in) {
        return;
    }
    if (!config.decoys) {
        fail(EXIT_CONFIG, "spin-in needs decoys=on, whose driver it uses");
    }
    mem_copy((void *)(uint64_t)(DRIVER_PHYS + SPIN_DRIVER), loop,
             sizeof(loop));
    mem_copy((void *)(uint64_t)(IMAGE_PHYS + SPIN_KERNEL), loop,
             sizeof(loop));
    thread_create(system, KIND_SPINNER, 10);
}

static void run_loop(uint64_t at, uint64_t rounds)
{
    asm volatile("call *%1" : "+c"(rounds) : "r"(at) : "memory", "cc");
}

static void set_irql(uint64_t irql)
{
    asm volatile("mov %0, %%cr8" : : "r"(irql) : "memory");
}

void spinner(void)
{
    for (uint64_t count = 1;; count++) {
        irq_off();
        set_irql(2);
        run_loop(decoy_driver + SPIN_DRIVER, DRIVER_PART * config.spin_in);
        set_irql(0);
        run_loop(image_va + SPIN_KERNEL, config.spin_in);
        put64(decoy_driver + SPIN_COUNT, count);
        irq_on();
        /* Interrupts come behind the instruction after STI. */
        asm volatile("nop; nop");
    }
}
