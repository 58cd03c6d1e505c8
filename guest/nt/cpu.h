/*
 * Single processor instructions, by name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NT_CPU_H
#define NT_CPU_H

enum { MSR_APIC = 0x1b, MSR_EFER = 0xc0000080, MSR_STAR = 0xc0000081,
       MSR_LSTAR = 0xc0000082, MSR_CSTAR = 0xc0000083,
       MSR_SFMASK = 0xc0000084, MSR_GS = 0xc0000101,
       MSR_KERNEL_GS = 0xc0000102 };

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v),
                 "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void outl(uint16_t port, uint32_t v)
{
    asm volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t v;

    asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline void outsb(uint16_t port, const void *p, size_t n)
{
    asm volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(port) : "memory");
}

static inline void load_cr3(uint64_t v)
{
    asm volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

static inline uint64_t read_cr3(void)
{
    uint64_t v;

    asm volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}

static inline void irq_off(void)
{
    asm volatile("cli" : : : "memory");
}

static inline void irq_on(void)
{
    asm volatile("sti" : : : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    asm volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]),
                 "=d"(out[3]) : "a"(leaf), "c"(sub));
}

static inline void invlpg(uint64_t va)
{
    asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* This CPU's private block: CPU_POINTER in the KPCR. */
static inline Cpu *this_cpu(void)
{
    Cpu *cpu;

    asm volatile("mov %%gs:0xc0, %0" : "=r"(cpu));
    return cpu;
}
#endif
