/*
 * Strange kernels: what another kernel of this kind may do that no build of
 * Windows does.  None of it is a lie: all that the guest says is so, it is
 * only not what a reader may have got used to.
 *
 * Impostors are fields of the guest's own that hold something else and look
 * like one of those a reader wants: bytes that never change, a random one, a
 * clock's tick, pointers to threads and into the KPCR.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { CONSTANTS = 8 };

/* 31: part of an access mask, and a wait reason that may be either kind. */
static const uint8_t constants[CONSTANTS] = { 31, 2, 5, 6, 32, 0x1f, 8, 1 };

/* One stretch of free bytes in a KTHREAD: constants, random ones, a tick. */
static uint32_t thread_gap, prcb_gap, kpcr_gap;
static uint32_t rng = 1;

void strange_thread(const Thread *t)
{
    if (!odd(ODD_IMPOSTORS)) {
        return;
    }
    if (!thread_gap) {
        thread_gap = row_gap(KTHREAD_STATE, 16);
    }
    mem_copy((void *)(t->obj + thread_gap), constants, CONSTANTS);
}

/* A pointer into the KPCR, as to an array in it; and one to a thread. */
void strange_cpu(const Cpu *cpu)
{
    if (odd(ODD_IMPOSTORS) && !prcb_gap) {
        prcb_gap = row_gap(KPRCB_NUMBER, 16);
    }
    if (!odd(ODD_POINTERS)) {
        return;
    }
    if (!kpcr_gap) {
        kpcr_gap = row_gap(KPCR_SELF, 8);
    }
    put64(cpu->kpcr + kpcr_gap, cpu->prcb + 0x670);
}

/* Lock held, at each switch. */
void strange_switch(const Cpu *cpu, const Thread *from, const Thread *to)
{
    if (!odd(ODD_IMPOSTORS)) {
        return;
    }
    rng_next(&rng);
    put8(from->obj + thread_gap + CONSTANTS, rng >> 8);
    put8(from->obj + thread_gap + CONSTANTS + 1, rng >> 16 & 31);
    put32(from->obj + thread_gap + 12, (uint32_t)rdtsc() >> 12);
    put32(to->obj + thread_gap + 12, (uint32_t)rdtsc() >> 12);
    put32(cpu->prcb + prcb_gap, (uint32_t)rdtsc() >> 12);
    put32(cpu->prcb + prcb_gap + 4, rng);
}
