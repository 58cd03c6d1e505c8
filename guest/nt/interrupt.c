/*
 * Which driver serves which vector: with interrupts=on each CPU has interrupt
 * objects, found by its descriptor table or by the array in its KPRCB, as the
 * row says, and the list of modules has the drivers whose routines they name.
 * None of these vectors is ever raised.
 *
 * Source: facts on KINTERRUPT as docs/guest.md tells them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { DRIVER_BYTES = 2 * PAGE, OBJECT_STRIDE = 0x180, OBJECT_PAGES = 2 };
enum { PCI, STORPORT, VIOSTOR, NDIS, NETKVM, USBXHCI, HDAUDBUS, I8042PRT,
       DRIVERS, KERNEL = DRIVERS, NOBODY };
enum { LEVEL, LATCHED };

/* Offsets in KINTERRUPT that all rows with a KPRCB of these times share. */
enum { I_TYPE = 0, I_SIZE = 2, I_LIST = 8, I_ROUTINE = 0x18,
       I_MESSAGE_ROUTINE = 0x20, I_MESSAGE = 0x28, I_CONTEXT = 0x30,
       I_LOCK = 0x48, I_DISPATCH = 0x50, I_VECTOR = 0x58, I_IRQL = 0x5c,
       I_SYNCHRONIZE = 0x5d, I_CONNECTED = 0x5f, I_NUMBER = 0x60,
       I_SHARED = 0x64 };

typedef struct Line {
    uint8_t vector, mode, shared, message, driver, owner;
    uint16_t routine;           /* behind the driver's base */
} Line;

/*
 * Lines of one vector stand behind each other, the first one first.  A
 * message is served by the driver's own routine, behind the kernel's.
 */
static const Line lines[] = {
    { 0x35, LATCHED, 0, 0, KERNEL, NOBODY, 0 },
    { 0x60, LATCHED, 0, 1, PCI, NOBODY, 0x1040 },
    { 0x63, LATCHED, 0, 1, NETKVM, NOBODY, 0x1000 },
    { 0x71, LATCHED, 0, 1, STORPORT, VIOSTOR, 0x1230 },
    { 0x72, LATCHED, 0, 2, STORPORT, VIOSTOR, 0x1230 },
    { 0x81, LEVEL, 1, 0, USBXHCI, NOBODY, 0x1ff0 },
    { 0x81, LEVEL, 1, 0, HDAUDBUS, NOBODY, 0x1004 },
    { 0x81, LEVEL, 1, 0, PCI, NOBODY, 0x1010 },
    { 0x91, LATCHED, 0, 3, NDIS, NETKVM, 0x1100 },
    { 0xa0, LATCHED, 0, 0, I8042PRT, NOBODY, 0x1c00 },
    { 0xb1, LEVEL, 1, 0, HDAUDBUS, NOBODY, 0x1004 },
};
enum { LINES = sizeof(lines) / sizeof(*lines) };

typedef struct Driver {
    char name[16];
} Driver;

static const Driver drivers[DRIVERS + 1] = {
    [PCI] = { "pci.sys" }, [STORPORT] = { "storport.sys" },
    [VIOSTOR] = { "viostor.sys" }, [NDIS] = { "ndis.sys" },
    [NETKVM] = { "netkvm.sys" }, [USBXHCI] = { "USBXHCI.SYS" },
    [HDAUDBUS] = { "HDAudBus.sys" }, [I8042PRT] = { "i8042prt.sys" },
    [KERNEL] = { "ntoskrnl.exe" },
};

static uint64_t bases[DRIVERS + 1], contexts[DRIVERS];
static uint64_t dispatcher, message_dispatcher;

bool interrupts_on(void)
{
    return config.interrupts
           && (more_has(MORE_KPRCB_INTERRUPT_OBJECT)
               || more_has(MORE_KINTERRUPT_DISPATCH_CODE));
}

/* Behind the others in the list of modules. */
static void drivers_load(void)
{
    uint64_t page = pool_pages(1);

    bases[KERNEL] = image_va;
    for (uint32_t i = 0; i < DRIVERS; i++) {
        uint16_t name[16];
        uint32_t units = text_len(drivers[i].name);

        for (uint32_t k = 0; k < units; k++) {
            name[k] = drivers[i].name[k];
        }
        bases[i] = pool_pages(DRIVER_BYTES / PAGE);
        pool_hole(1);
        module_add(page + i * 0x200, name, units, bases[i], DRIVER_BYTES);
    }
}

/* DEVICE_OBJECT with its extension behind, and the DRIVER_OBJECT. */
static uint64_t device_make(uint32_t driver)
{
    uint64_t device = pool_pages(1) + 0x80, object = device + 0x400;

    *(volatile uint16_t *)device = 3;
    put64(device + 0x08, object);
    put64(device + 0x40, device + 0x150);
    *(volatile uint16_t *)object = 4;
    put64(object + 0x08, device);
    put64(object + 0x18, bases[driver]);
    put32(object + 0x20, DRIVER_BYTES);
    return device + 0x150;
}

static uint32_t driver_of(const Line *line, const Cpu *cpu)
{
    /* One vector, two drivers. */
    return line->vector == 0x63 && cpu->index % 2 ? USBXHCI : line->driver;
}

static uint64_t routine_of(const Line *line, const Cpu *cpu)
{
    return line->driver == KERNEL ? dispatcher + 0x20
                                  : bases[driver_of(line, cpu)]
                                    + line->routine;
}

static void object_fill(uint64_t at, const Line *line, const Cpu *cpu)
{
    uint64_t routine = routine_of(line, cpu);

    put8(at + I_TYPE, 22);
    put32(at + I_SIZE, more(MORE_KINTERRUPT_SIZE));
    put64(at + I_ROUTINE, line->message ? message_dispatcher : routine);
    put64(at + I_MESSAGE_ROUTINE, line->message ? routine : 0);
    put32(at + I_MESSAGE, line->message);
    put64(at + I_CONTEXT, line->owner < DRIVERS ? contexts[line->owner]
                                                : at + 0x10);
    put64(at + I_LOCK, at + 0x40);
    put64(at + I_DISPATCH, line->message ? message_dispatcher : dispatcher);
    put32(at + I_VECTOR, line->vector);
    put8(at + I_IRQL, line->vector >> 4);
    put8(at + I_SYNCHRONIZE, line->vector >> 4);
    put8(at + I_CONNECTED, 1);
    put32(at + I_NUMBER, cpu->index);
    put8(at + I_SHARED, line->shared);
    put32(at + more(MORE_KINTERRUPT_MODE), line->mode);
    if (line->shared) {
        put64(at + I_LIST, at + I_LIST);
        put64(at + I_LIST + 8, at + I_LIST);
    }
}

static void ring_join(uint64_t first, uint64_t at)
{
    uint64_t head = first + I_LIST, link = at + I_LIST, last = get64(head + 8);

    put64(link, head);
    put64(link + 8, last);
    put64(last, link);
    put64(head + 8, link);
}

static void claim(const Cpu *cpu, uint32_t vector, uint64_t object)
{
    if (more_has(MORE_KPRCB_INTERRUPT_OBJECT)) {
        uint64_t array = cpu->prcb + more(MORE_KPRCB_INTERRUPT_OBJECT);

        put64(array + config.interrupts_moved + vector * 8, object);
    } else {
        gate_set(cpu->idt, vector,
                 object + more(MORE_KINTERRUPT_DISPATCH_CODE));
    }
}

/* What each lie spoils, for the ground truth to say so. */
static uint32_t lie(const Cpu *cpu, const Line *line, uint64_t at)
{
    uint32_t vector = line->vector;

    if (lies(LIE_INTERRUPT_WILD) && vector == 0x91) {
        static const uint64_t wild[] = {
            0x8000123412341230ULL, 0x00007ff612345678ULL,
            0xffffffffffffffffULL,
        };

        put64(at + I_MESSAGE_ROUTINE, wild[cpu->index % 3]);
        put64(at + I_CONTEXT, mmio_hole_va + 0x150);
        return TRUTH_INTERRUPT_WILD;
    }
    if (lies(LIE_INTERRUPT_WILD) && vector == 0xa0) {
        put64(at + I_ROUTINE, bases[I8042PRT] + DRIVER_BYTES);
        return TRUTH_INTERRUPT_WILD;
    }
    if (lies(LIE_INTERRUPT_TYPE) && (vector == 0x71 || vector == 0x72
                                     || vector == 0x63)) {
        put32(at + I_TYPE, vector == 0x72 ? 22 | 0xfff0u << 16
                           : vector == 0x71 ? 19 | 0x120u << 16
                                            : 22 | 0x120u << 16);
        if (vector == 0x63) {
            put32(at + (cpu->index % 2 ? I_VECTOR : I_NUMBER), 0x63636363);
        }
        return TRUTH_INTERRUPT_REFUSED;
    }
    if (lies(LIE_INTERRUPT_ARRAY) && (vector == 0xb1 || vector == 0xa0)) {
        claim(cpu, vector, vector == 0xb1 ? mmio_hole_va + 0x40
                                          : 0x8000123412341230ULL);
        return TRUTH_INTERRUPT_REFUSED;
    }
    return 0;
}

static void loop_spoil(const Cpu *cpu, uint64_t first, uint64_t last)
{
    if (!lies(LIE_INTERRUPT_LOOP)) {
        return;
    }
    if (cpu->index % 2) {
        put64(last + I_LIST, pool_va - 0x20);           /* nowhere */
    } else {
        put64(last + I_LIST, get64(first + I_LIST));    /* to the second */
    }
}

void interrupts_build(void)
{
    if (!interrupts_on()) {
        return;
    }
    drivers_load();
    dispatcher = (uint64_t)interrupts_build;
    message_dispatcher = dispatcher + 0x10;
    for (uint32_t i = 0; i < DRIVERS; i++) {
        contexts[i] = i == VIOSTOR || i == NETKVM ? device_make(i) : 0;
    }
}

void interrupts_cpu(const Cpu *cpu)
{
    uint64_t at, first = 0;

    if (!interrupts_on()) {
        return;
    }
    at = pool_pages(OBJECT_PAGES);
    for (uint32_t i = 0; i < LINES; i++, at += OBJECT_STRIDE) {
        const Line *line = &lines[i];
        uint32_t driver = driver_of(line, cpu), spoilt;

        object_fill(at, line, cpu);
        if (i && line->vector == lines[i - 1].vector) {
            ring_join(first, at);
        } else {
            claim(cpu, line->vector, at);
            first = at;
        }
        if (i + 1 < LINES && line->vector == 0x81
            && lines[i + 1].vector != 0x81) {
            loop_spoil(cpu, first, at);
        }
        spoilt = lie(cpu, line, at);
        truth_interrupt(&(InterruptTruth){
            .cpu = cpu->index, .vector = line->vector, .object = at,
            .routine = routine_of(line, cpu), .base = bases[driver],
            .name = drivers[driver].name,
            .owner = line->owner < DRIVERS ? drivers[line->owner].name : "",
            .irql = line->vector >> 4, .mode = line->mode,
            .flags = line->shared | (line->message != 0) << 1 | spoilt,
            .message = line->message,
        });
    }
}
