/*
 * Windows scheduler trace: what it asks of the machine
 *
 * sched-machine.c  guest memory, and what kind of machine it is
 * sched-regs.c     asking vCPUs for registers
 * sched-x86.c      reading them, for x86_64
 *
 * Nothing in these files knows what the trace makes of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_SCHED_MACHINE_H
#define VMSCOPE_SCHED_MACHINE_H

#include "core/winos/regs.h"

/* What a vCPU executes, at one instant. */
typedef struct SchedCode {
    WinosCode code;
    uint64_t gs_base;
    uint8_t irql;               /* CR8 */
} SchedCode;

/* What only the target's own code can do; all but vcpu is filled in. */
typedef struct SchedArch {
    /* As a work item of @cpu.  Changes nothing in it. */
    void (*read_regs)(CPUState *cpu, WinosRegs *regs);
    /* Likewise; what cannot be read stays as it is. */
    void (*read_code)(CPUState *cpu, SchedCode *code);
    /*
     * On @cpu's thread, just returned from KVM_RUN.  False when KVM has not
     * handed out registers with this exit; then it will with the next ones.
     */
    bool (*exit_regs)(CPUState *cpu, WinosRegs *regs);
    /* Have KVM hand out none any more; @cpu's thread, or under the BQL. */
    void (*end_exit_regs)(CPUState *cpu);
} SchedArch;

/* vCPUs with a higher index are not looked at. */
#define SCHED_MAX_VCPUS 1024

/* NULL when the target is not x86_64; set while QEMU registers its types. */
extern const SchedArch *sched_arch;

/**
 * sched_memory_read: copy bytes of guest RAM or ROM
 * @gpa: guest-physical address of the first
 * @buf: receives @len bytes; on failure its content is unspecified
 *
 * An aligned read of 8 bytes is one load.  Never touches a device.  What is
 * mapped where is looked up each time, as memory comes and goes.
 *
 * Context: any thread that is registered with RCU; inside of a read-side
 * section it costs less.
 *
 * Returns: false when any of the bytes is neither RAM nor ROM
 */
bool sched_memory_read(uint64_t gpa, void *buf, size_t len);

/**
 * sched_memory_map: where guest RAM or ROM lies in this process
 *
 * Returns: @len bytes that stay there until the caller's RCU read-side
 *          section ends; NULL when they are not together or no memory
 */
const void *sched_memory_map(uint64_t gpa, size_t len);

/* How often the calling thread has called sched_memory_read(). */
uint64_t sched_memory_reads(void);

/* How many vCPUs there are, or will be when the machine is built; main loop. */
unsigned sched_machine_cpus(void);

/* The highest number of vCPUs the machine may have; main loop. */
unsigned sched_machine_max_cpus(void);

/**
 * sched_machine_apic_id: by what a message addresses a vCPU of an x86 machine
 * @id: receives it
 *
 * Context: any thread, in an RCU read-side section.
 *
 * Returns: false when there is no such vCPU now
 */
bool sched_machine_apic_id(unsigned vcpu, uint32_t *id);

/* Is the guest's memory hidden from us?  Main loop. */
bool sched_machine_is_encrypted(void);

/**
 * sched_cpus_present: which vCPUs are there now
 * @present: set for each of the @max lowest indices; all are written
 *
 * Context: any thread.
 *
 * Returns: how many
 */
unsigned sched_cpus_present(bool *present, unsigned max);

/* Have @func run as a work item of each vCPU of @wanted; NULL: of all. */
void sched_cpus_run(const bool *wanted, unsigned max,
                    void (*func)(CPUState *cpu));

/**
 * sched_cpus_each: call @func for each vCPU that is there, below @max
 *
 * Under a lock that keeps vCPUs from being freed: it must not wait.
 */
void sched_cpus_each(unsigned max, void (*func)(void *opaque, CPUState *cpu),
                     void *opaque);

/* Have KVM hand out no registers at exits, on any vCPU; BQL. */
void sched_cpus_end_exit_regs(void);

/* Questions to vCPUs; an answer may come long after nobody waits any more. */
typedef struct SchedAsker {
    struct SchedQuestion *pending;
} SchedAsker;

/**
 * sched_regs_ask: have vCPUs tell their registers, and do not wait
 * @asker: one thread's; begins as zeroes, ended with sched_asker_end()
 * @wanted: which vCPUs, by index below @max
 *
 * Kicks the vCPUs out of the guest.  Works while the machine is stopped, too.
 *
 * Returns: false when there is nobody to ask
 */
bool sched_regs_ask(SchedAsker *asker, const bool *wanted, unsigned max);

/**
 * sched_regs_collect: what was told so far
 * @regs: room for as many as were asked
 * @ms: how long to wait for the rest
 * @pending: whether more may come; a vCPU that is silent is given up
 * @longest_ns: raised to the longest time a vCPU's thread was held up
 *
 * Returns: how many @regs there are
 */
unsigned sched_regs_collect(SchedAsker *asker, WinosRegs *regs, unsigned ms,
                            bool *pending, uint64_t *longest_ns);
void sched_asker_end(SchedAsker *asker);

#endif
