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

/* Registers of a vCPU at one instant; what is not known is 0. */
typedef struct SchedRegs {
    unsigned vcpu;
    uint8_t cpl;
    bool long_mode;             /* EFER.LMA */
    bool la57;                  /* CR4.LA57 */
    uint64_t gs_base;
    uint64_t kernel_gs_base;
    uint64_t cr3;
    uint64_t lstar;
    uint64_t idt_base;
} SchedRegs;

/* What only the target's own code can do; all but vcpu is filled in. */
typedef struct SchedArch {
    /* As a work item of @cpu.  Changes nothing in it. */
    void (*read_regs)(CPUState *cpu, SchedRegs *regs);
    /*
     * On @cpu's thread, just returned from KVM_RUN.  False when KVM has not
     * handed out registers with this exit; then it will with the next ones.
     */
    bool (*exit_regs)(CPUState *cpu, SchedRegs *regs);
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

/* How often the calling thread has called sched_memory_read(). */
uint64_t sched_memory_reads(void);

/* The highest number of vCPUs the machine may have; main loop. */
unsigned sched_machine_max_cpus(void);

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

/* Have KVM hand out no registers at exits, on any vCPU; BQL. */
void sched_cpus_end_exit_regs(void);

/* Questions to vCPUs; an answer may come long after nobody waits any more. */
typedef struct SchedAsker {
    struct SchedQuestion *pending;
} SchedAsker;

/**
 * sched_regs_ask: have vCPUs tell their registers
 * @asker: one thread's; begins as zeroes, ended with sched_asker_end()
 * @wanted: which vCPUs, by index
 * @max: length of @wanted and of @regs
 * @regs: receives what was told
 * @ms: how long to wait; whoever has not told by then is left out, and
 *      nothing else is asked until it did or is given up
 * @longest_ns: raised to the longest time a vCPU's thread was held up
 *
 * Kicks the vCPUs out of the guest.  Works while the machine is stopped, too.
 *
 * Returns: how many @regs there are
 */
unsigned sched_regs_ask(SchedAsker *asker, const bool *wanted, unsigned max,
                        SchedRegs *regs, unsigned ms, uint64_t *longest_ns);
void sched_asker_end(SchedAsker *asker);

#endif
