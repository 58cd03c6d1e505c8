/*
 * winos/interrupts: see interrupts.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/interrupts.h"

#include "base/le.h"

#include <inttypes.h>
#include <string.h>

/*
 * _KINTERRUPT, the same from 7600 to 26100; Mode and DispatchCode are in
 * winos/extra.h.
 * Source: docs/guest-facts/interrupts.md, as all numbers below.
 */
enum {
    INTERRUPT_TYPE = 0x00,
    INTERRUPT_BYTES = 0x02,
    INTERRUPT_LIST = 0x08,
    INTERRUPT_ROUTINE = 0x18,
    INTERRUPT_MESSAGE_ROUTINE = 0x20,
    INTERRUPT_MESSAGE = 0x28,
    INTERRUPT_CONTEXT = 0x30,
    INTERRUPT_DISPATCH = 0x50,
    INTERRUPT_VECTOR = 0x58,
    INTERRUPT_IRQL = 0x5c,
    INTERRUPT_NUMBER = 0x60,
    INTERRUPT_SHARED = 0x64,
    INTERRUPT_READ = 0x70,      /* as far as it is read */
    /* Between these two the kernel counts ticks and locks. */
    INTERRUPT_BUSY = 0x40,
    INTERRUPT_BUSY_END = 0x50,
};

enum { TYPE_INTERRUPT = 22, OBJECT_MIN = 0x80, OBJECT_MAX = 0x400 };

enum { KPCR_IDT_BASE = 0x38, GATE_SIZE = 16, GATE_FLAGS = 5,
       GATE_PRESENT = 0x80 };

/* Device objects: _DEVICE_OBJECT and _DRIVER_OBJECT, in every build. */
enum {
    DEVICE_SIZE = 0x150,        /* its extension follows */
    DEVICE_TYPE = 3,
    DEVICE_DRIVER = 0x08,
    DEVICE_EXTENSION = 0x40,
    DEVICE_READ = 0x48,
    DRIVER_TYPE = 4,
    DRIVER_START = 0x18,
    DRIVER_READ = 0x20,
};

/* An object that changes meanwhile is read so often. */
enum { INTERRUPT_TRIES = 4 };

/* So many objects show that a layout is this kernel's. */
enum { PROOF = 4 };

/* One pass over a CPU's vectors. */
typedef struct Pass {
    const WinosResult *result;
    const WinosInterruptLayout *layout;
    const WinosCpu *cpu;
    WinosInterrupts *found;
    uint8_t table[WINOS_VECTORS * GATE_SIZE];
} Pass;

static bool in_kernel(const WinosResult *result, uint64_t gva)
{
    const PeImage *image = &result->kernel.image;

    return gva - image->base < image->size;
}

/* Does it say of itself that it is the object of that vector and CPU? */
static bool object_is_right(const Pass *pass, unsigned vector,
                            const uint8_t *raw)
{
    unsigned size = load_le16(raw + INTERRUPT_BYTES);

    return load_le16(raw + INTERRUPT_TYPE) == TYPE_INTERRUPT &&
           size >= OBJECT_MIN && size <= OBJECT_MAX &&
           load_le32(raw + INTERRUPT_VECTOR) == vector &&
           load_le32(raw + INTERRUPT_NUMBER) == pass->cpu->number &&
           raw[INTERRUPT_SHARED] <= 1 &&
           load_le32(raw + pass->layout->extra->at[WINOS_INTERRUPT_MODE]) <=
               WINOS_INTERRUPT_LATCHED &&
           in_kernel(pass->result, load_le64(raw + INTERRUPT_DISPATCH));
}

static bool object_is_same(const uint8_t *a, const uint8_t *b)
{
    return !memcmp(a, b, INTERRUPT_BUSY) &&
           !memcmp(a + INTERRUPT_BUSY_END, b + INTERRUPT_BUSY_END,
                   INTERRUPT_READ - INTERRUPT_BUSY_END);
}

/* Read it until it reads the same twice. */
static bool object_read(const Pass *pass, uint64_t gva, unsigned vector,
                        uint8_t raw[INTERRUPT_READ])
{
    const GmemSpace *space = &pass->result->kernel.space;
    uint8_t again[INTERRUPT_READ];
    unsigned i;

    if (!gmem_is_kernel(space, gva) || gva % 8) {
        return false;
    }
    for (i = 0; i < INTERRUPT_TRIES; i++) {
        if (!gmem_read(space, gva, raw, INTERRUPT_READ, NULL) ||
            !object_is_right(pass, vector, raw)) {
            return false;
        }
        gmem_fresh(space->mem);
        if (gmem_read(space, gva, again, INTERRUPT_READ, NULL) &&
            object_is_same(raw, again)) {
            return true;
        }
    }
    return false;
}

/*
 * Is the context a device's extension?  Then a device object ends where it
 * begins, and says so itself; its driver object begins where a module does.
 */
static const WinosModule *find_owner(const Pass *pass, uint64_t context)
{
    const GmemSpace *space = &pass->result->kernel.space;
    uint64_t device = context - DEVICE_SIZE;
    const WinosModule *module;
    uint8_t raw[DEVICE_READ];
    uint64_t driver;

    if (!gmem_is_kernel(space, device) || device % 8 ||
        !gmem_read(space, device, raw, DEVICE_READ, NULL) ||
        load_le16(raw) != DEVICE_TYPE ||
        load_le64(raw + DEVICE_EXTENSION) != context) {
        return NULL;
    }
    driver = load_le64(raw + DEVICE_DRIVER);
    if (!gmem_is_kernel(space, driver) ||
        !gmem_read(space, driver, raw, DRIVER_READ, NULL) ||
        load_le16(raw) != DRIVER_TYPE) {
        return NULL;
    }
    module = winos_module_at(pass->layout->modules, pass->layout->n_modules,
                             load_le64(raw + DRIVER_START));
    return module && module->base == load_le64(raw + DRIVER_START)
        ? module : NULL;
}

static WinosInterrupt *add_object(Pass *pass, uint64_t gva, unsigned vector,
                                  const uint8_t *raw, bool first)
{
    WinosInterrupts *found = pass->found;
    uint64_t message = load_le64(raw + INTERRUPT_MESSAGE_ROUTINE);
    WinosInterrupt *to;

    if (found->n == found->max) {
        found->full = true;
        return NULL;
    }
    to = &found->list[found->n++];
    *to = (WinosInterrupt) {
        .object = gva,
        .routine = message ? message : load_le64(raw + INTERRUPT_ROUTINE),
        .context = load_le64(raw + INTERRUPT_CONTEXT),
        .message = load_le32(raw + INTERRUPT_MESSAGE),
        .mode = load_le32(raw +
                          pass->layout->extra->at[WINOS_INTERRUPT_MODE]),
        .vector = (uint8_t)vector,
        .irql = raw[INTERRUPT_IRQL],
        .by_message = message != 0,
        .shared = raw[INTERRUPT_SHARED],
        .first = first,
        .end = WINOS_LIST_WHOLE,
    };
    to->module = winos_module_at(pass->layout->modules,
                                 pass->layout->n_modules, to->routine);
    to->owner = find_owner(pass, to->context);
    return to;
}

/* The others that share the first one's vector; @link is its Flink. */
static WinosListEnd add_ring(Pass *pass, uint64_t first, unsigned vector,
                             uint64_t link)
{
    unsigned begin = pass->found->n;
    uint8_t raw[INTERRUPT_READ];
    uint64_t at;
    unsigned i;

    for (;;) {
        at = link - INTERRUPT_LIST;
        if (at == first) {
            return WINOS_LIST_WHOLE;
        }
        for (i = begin; i < pass->found->n; i++) {
            if (pass->found->list[i].object == at) {
                return WINOS_LIST_LOOPS;
            }
        }
        if (pass->found->n - begin == WINOS_SHARED_MAX) {
            return WINOS_LIST_FULL;
        }
        if (!object_read(pass, at, vector, raw) || !raw[INTERRUPT_SHARED]) {
            return WINOS_LIST_BROKEN;
        }
        if (!add_object(pass, at, vector, raw, false)) {
            return WINOS_LIST_FULL;
        }
        link = load_le64(raw + INTERRUPT_LIST);
    }
}

/* Returns: whether there is an object at @gva */
static bool add_vector(Pass *pass, unsigned vector, uint64_t gva)
{
    unsigned place = pass->found->n;
    uint8_t raw[INTERRUPT_READ];

    if (!object_read(pass, gva, vector, raw)) {
        pass->found->refused++;
        return false;
    }
    if (add_object(pass, gva, vector, raw, true) && raw[INTERRUPT_SHARED]) {
        pass->found->list[place].end =
            add_ring(pass, gva, vector, load_le64(raw + INTERRUPT_LIST));
    }
    return true;
}

static bool read_array(Pass *pass, int32_t at, Err *err)
{
    uint64_t gva;
    unsigned i;

    if (!gmem_read(&pass->result->kernel.space,
                   pass->cpu->prcb + (uint32_t)at, pass->table,
                   WINOS_VECTORS * sizeof(gva), NULL)) {
        err_set(err, ERR_FAULT, "the array of interrupt objects of CPU %"
                PRIu32 " cannot be read", pass->cpu->number);
        return false;
    }
    for (i = 0; i < WINOS_VECTORS; i++) {
        gva = load_le64(pass->table + i * sizeof(gva));
        if (gva) {
            add_vector(pass, i, gva);
        }
    }
    return true;
}

/* Gates of the kernel's own and of the HAL's lead into modules. */
static bool read_gates(Pass *pass, int32_t code, Err *err)
{
    const GmemSpace *space = &pass->result->kernel.space;
    const WinosInterruptLayout *layout = pass->layout;
    uint64_t idt = 0;
    uint64_t handler;
    unsigned i;

    if (!gmem_read_u64(space, pass->cpu->kpcr + KPCR_IDT_BASE, &idt) ||
        !gmem_is_kernel(space, idt) ||
        !gmem_read(space, idt, pass->table, sizeof(pass->table), NULL)) {
        err_set(err, ERR_FAULT, "the interrupt descriptor table at 0x%"
                PRIx64 " cannot be read", idt);
        return false;
    }
    for (i = 0; i < WINOS_VECTORS; i++) {
        const uint8_t *gate = pass->table + i * GATE_SIZE;

        handler = load_le16(gate) | (uint64_t)load_le16(gate + 6) << 16 |
                  (uint64_t)load_le32(gate + 8) << 32;
        if ((gate[GATE_FLAGS] & GATE_PRESENT) &&
            !in_kernel(pass->result, handler) &&
            !winos_module_at(layout->modules, layout->n_modules, handler)) {
            add_vector(pass, i, handler - (uint32_t)code);
        }
    }
    return true;
}

bool winos_interrupts_read(const WinosResult *result,
                           const WinosInterruptLayout *layout,
                           const WinosCpu *cpu, WinosInterrupts *found,
                           Err *err)
{
    const int32_t *at = layout->extra->at;
    Pass pass = { .result = result, .layout = layout, .cpu = cpu,
                  .found = found };

    found->n = found->refused = 0;
    found->full = false;
    return at[WINOS_PRCB_INTERRUPT_OBJECT] >= 0
        ? read_array(&pass, at[WINOS_PRCB_INTERRUPT_OBJECT], err)
        : read_gates(&pass, at[WINOS_INTERRUPT_DISPATCH_CODE], err);
}

/*
 * Do objects stand where this layout has them, and, unless it is this build's,
 * next to nothing else?
 */
static bool layout_holds(const WinosResult *result,
                         const WinosInterruptLayout *layout,
                         const WinosCpu *cpus, unsigned n_cpus)
{
    WinosInterrupt list[WINOS_VECTORS];
    unsigned vectors = 0;
    unsigned refused = 0;
    unsigned i, k;

    for (i = 0; i < n_cpus; i++) {
        WinosInterrupts found = { .list = list, .max = WINOS_VECTORS };

        if (winos_interrupts_read(result, layout, &cpus[i], &found, NULL)) {
            for (k = 0; k < found.n; k++) {
                vectors += found.list[k].first;
            }
            refused += found.refused;
        }
    }
    return vectors >= PROOF &&
           (result->same_build || refused <= vectors / 4);
}

bool winos_interrupts_open(const WinosResult *result, const WinosCpu *cpus,
                           unsigned n_cpus, const WinosModule *modules,
                           unsigned n_modules, WinosInterruptLayout *layout,
                           Err *err)
{
    unsigned r;

    *layout = (WinosInterruptLayout) {
        .modules = modules, .n_modules = n_modules,
    };
    for (r = 0; r < result->n_rows; r++) {
        layout->extra = winos_extra_row(result, r);
        if (layout->extra && (result->exact_file ||
                              layout_holds(result, layout, cpus, n_cpus))) {
            return true;
        }
    }
    layout->extra = NULL;
    err_set(err, ERR_FORMAT, "where this kernel keeps its interrupt objects "
            "is not known");
    return false;
}
