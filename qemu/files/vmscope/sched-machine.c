/*
 * Windows scheduler trace: guest memory, and what kind of machine it is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "qemu/rcu.h"
#include "vmscope/compat.h"
#include "vmscope/compat-memory.h"
#include "sched-machine.h"

static __thread uint64_t n_reads;

/*
 * Host address of the guest's byte at @gpa; NULL when that is no memory.
 * @len is cut to what lies together there.
 */
static const void *sched_memory_address(uint64_t gpa, hwaddr *len)
{
    hwaddr offset;
    MemoryRegion *mr = address_space_translate(&address_space_memory, gpa,
                                               &offset, len, false,
                                               MEMTXATTRS_UNSPECIFIED);

    if (!memory_is_readable(mr)) {
        return NULL;
    }
    return qemu_map_ram_ptr(mr->ram_block, offset);
}

static inline void sched_memory_copy(void *to, const void *from, size_t len)
{
    uint64_t value;

    if (len == sizeof(value) && QEMU_PTR_IS_ALIGNED(from, sizeof(value))) {
        value = qatomic_read__nocheck((const uint64_t *)from);
        memcpy(to, &value, sizeof(value));
    } else {
        memcpy(to, from, len);
    }
}

bool sched_memory_read(uint64_t gpa, void *buf, size_t len)
{
    char *to = buf;

    RCU_READ_LOCK_GUARD();
    n_reads++;
    if (gpa + len < gpa) {
        return false;
    }
    while (len) {
        hwaddr n = len;
        const void *from = sched_memory_address(gpa, &n);

        if (!from || !n) {
            return false;
        }
        sched_memory_copy(to, from, n);
        to += n;
        gpa += n;
        len -= n;
    }
    return true;
}

const void *sched_memory_map(uint64_t gpa, size_t len)
{
    hwaddr n = len;
    const void *at = gpa + len < gpa ? NULL : sched_memory_address(gpa, &n);

    return n == len ? at : NULL;
}

uint64_t sched_memory_reads(void)
{
    return n_reads;
}

unsigned sched_machine_cpus(void)
{
    unsigned n = 0;
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        n++;
    }
    return n ? n : current_machine ? current_machine->smp.cpus : 1;
}

unsigned sched_machine_max_cpus(void)
{
    return current_machine ? current_machine->smp.max_cpus : 1;
}

bool sched_machine_apic_id(unsigned vcpu, uint32_t *id)
{
    CPUState *cpu = qemu_get_cpu(vcpu);

    if (!cpu) {
        return false;
    }
    *id = CPU_GET_CLASS(cpu)->get_arch_id(cpu);
    return true;
}

bool sched_machine_is_encrypted(void)
{
    return current_machine && current_machine->cgs;
}
