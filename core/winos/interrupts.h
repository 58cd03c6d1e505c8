/*
 * winos/interrupts: which driver serves which interrupt vector.
 *
 * For each vector that a driver has claimed Windows keeps an interrupt object
 * (KINTERRUPT) for each CPU that takes it.  Up to Windows 8.1 the gate of the
 * interrupt descriptor table leads into the object; since, and in updates of
 * the older ones, an array in the KPRCB leads to it.  Objects of drivers that
 * share a vector are linked in a ring.
 *
 * An object is believed when it says of itself what it has to: its type, a
 * size, the vector and the CPU by which it was found, and a dispatcher inside
 * of the kernel.  Where the kernel's very file is not known, several such
 * objects have to be where the nearest file has them; else nothing is told.
 *
 * Sources: docs/guest-facts/interrupts.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_INTERRUPTS_H
#define VMSCOPE_WINOS_INTERRUPTS_H

#include "winos/extra.h"
#include "winos/modules.h"

enum {
    WINOS_VECTORS = 256,
    WINOS_SHARED_MAX = 32,      /* members of a ring that are followed */
    /* Room for all that a CPU can have and that is believed. */
    WINOS_MAX_INTERRUPTS = 1024,
};

/* KINTERRUPT.Mode. */
enum { WINOS_INTERRUPT_LEVEL = 0, WINOS_INTERRUPT_LATCHED = 1 };

typedef struct WinosInterrupt {
    uint64_t object;            /* the KINTERRUPT */
    uint64_t routine;           /* what it calls; the guest's word */
    uint64_t context;           /* what it is given */
    const WinosModule *module;  /* in which @routine lies; NULL: in none */
    /*
     * Whose device's extension @context is, when that is sure: behind a port
     * driver's routine, the driver of the device.
     */
    const WinosModule *owner;
    uint32_t message;           /* its number, with @by_message */
    uint32_t mode;
    uint8_t vector;
    uint8_t irql;
    bool by_message;            /* serves a message, not a line */
    bool shared;
    bool first;                 /* of its vector: the array or gate leads here */
    WinosListEnd end;           /* of the vector's ring, in the first one */
} WinosInterrupt;

/* Where a kernel keeps its objects: made by winos_interrupts_open(). */
typedef struct WinosInterruptLayout {
    const WinosExtra *extra;
    const WinosModule *modules;
    unsigned n_modules;
} WinosInterruptLayout;

typedef struct WinosInterrupts {
    WinosInterrupt *list;       /* the caller's, with room for @max */
    unsigned max;
    unsigned n;
    unsigned refused;           /* array members that lead to no object */
    bool full;                  /* there are more than @max */
} WinosInterrupts;

/**
 * winos_interrupts_open - where this kernel keeps its interrupt objects
 * @cpus, @n_cpus: all that are known
 * @modules, @n_modules: its drivers; used as long as @layout is
 * @layout: filled in
 * @err: says why nothing can be told
 *
 * Returns: false when no layout is known, or live memory does not bear it out
 */
bool winos_interrupts_open(const WinosResult *result, const WinosCpu *cpus,
                           unsigned n_cpus, const WinosModule *modules,
                           unsigned n_modules, WinosInterruptLayout *layout, Err *err);

/**
 * winos_interrupts_read - the interrupt objects of one CPU
 * @found: list and max are set; the rest is filled in, by vector and for each
 *         in the order of its ring
 * @err: says what cannot be read
 *
 * The guest runs on meanwhile: an object that changes while it is read is
 * read again, and refused when it will not hold still.
 *
 * Context: any thread; allocates nothing; some reads for each object, of
 * which at most WINOS_VECTORS * WINOS_SHARED_MAX are looked at.
 *
 * Returns: false when the array or the descriptor table cannot be read
 */
bool winos_interrupts_read(const WinosResult *result,
                           const WinosInterruptLayout *layout,
                           const WinosCpu *cpu, WinosInterrupts *found,
                           Err *err);

#endif
