/*
 * machine: see machine.h.
 *
 * The kernel is a PE image with few exports; where its structures have their
 * fields is given by overrides, so that detection itself is short.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "machine.h"

#include "fake-pe.h"
#include "../winsched/objects.h"

#include <glib.h>
#include <string.h>

#define BASE 0xfffff80312a1a000
#define SHARED 0xfffff78000000000
#define KPCRS 0xffff9a0000100000
#define IDT 0xffff9a0000200000
#define THREADS 0xffffb00000000000
#define PROCESS 0xffffc00000000000
#define CREATED 0x01db000000000000

enum {
    RAM = 48 << 20,
    SIZE = 0x1046000,
    SYSCALL = 0x3c0040,
    BUILD = 0xd00010,
    SPACING = 0x1000,
    KPCR_SPACING = 0x10000,
};

static const FakePeSection sections[] = {
    { ".text", 0x1000, 0x8ff000, FAKE_PE_CODE },
    { ".edata", 0x900000, 0x100000, 0x40000040 },
    { ".data", 0xd00000, 0x100000, FAKE_PE_DATA },
};

static const FakePeExport exports[] = {
    { "KeBugCheckEx", 0x2000 },
    { "NtBuildNumber", BUILD },
    { "PsInitialSystemProcess", 0xd00020 },
};

static const FakePe kernel_pe = {
    .size = SIZE,
    .timestamp = 0xa5b6c7d8,
    .sections = sections,
    .n_sections = G_N_ELEMENTS(sections),
    .name = "ntoskrnl.exe",
    .export_rva = 0x900000,
    .exports = exports,
    .n_exports = G_N_ELEMENTS(exports),
};

uint64_t machine_thread(unsigned n)
{
    return THREADS + n * SPACING + 0x340;
}

uint64_t machine_prcb(unsigned vcpu)
{
    return KPCRS + vcpu * KPCR_SPACING + MACHINE_PRCB_AT;
}

uint64_t machine_gpa(Machine *m, unsigned vcpu)
{
    uint64_t gpa;

    g_assert_true(gmem_translate(&m->guest.space, machine_prcb(vcpu) +
                                 MACHINE_CURRENT_AT, &gpa, NULL, NULL));
    return gpa;
}

static void call(Machine *m, MachineCall at)
{
    void (*then)(Machine *) = m->then;

    if (then && m->at == at && m->after-- == 0) {
        m->then = NULL;
        then(m);
    }
}

void machine_at(Machine *m, MachineCall at, unsigned after,
                void (*then)(Machine *m))
{
    m->at = at;
    m->after = after;
    m->then = then;
}

/* --- the host's half */

static unsigned host_vcpus(void *opaque, bool *present, unsigned max)
{
    Machine *m = opaque;
    unsigned n = 0;
    unsigned i;

    call(m, MACHINE_VCPUS_CALL);
    for (i = 0; i < max; i++) {
        present[i] = m->present[i];
        n += present[i];
    }
    return n;
}

static bool host_ask(void *opaque, const bool *wanted, unsigned max)
{
    Machine *m = opaque;

    call(m, MACHINE_ASK);
    m->asks++;
    memcpy(m->asked, wanted, max * sizeof(*wanted));
    return true;
}

static unsigned host_collect(void *opaque, WinosRegs *regs, unsigned max,
                             unsigned wait_ms, bool *pending,
                             uint64_t *longest_ns)
{
    Machine *m = opaque;
    unsigned n = 0;
    unsigned i;

    (void)wait_ms;
    call(m, MACHINE_COLLECT);
    *pending = m->silent;
    for (i = 0; i < max && !m->silent; i++) {
        if (m->asked[i] && m->present[i]) {
            regs[n++] = m->regs[i];
        }
    }
    *longest_ns = 7;
    return n;
}

static void host_cancel(void *opaque)
{
    call(opaque, MACHINE_CANCEL);
}

static uint64_t host_now(void *opaque)
{
    Machine *m = opaque;

    return m->now_ns;
}

static uint64_t host_stamp(void *opaque)
{
    Machine *m = opaque;

    call(m, MACHINE_STAMP);
    /* Dense polling ends by the time. */
    m->now_ns += 100;
    return ++m->stamp;
}

static uint64_t host_stamps_to_ns(void *opaque, uint64_t stamps)
{
    (void)opaque;
    return stamps * 10;
}

static void host_sample(void *opaque, const uint64_t *gpas, uint64_t *threads,
                        bool *ok, unsigned n)
{
    Machine *m = opaque;
    unsigned i;

    g_assert_true(m->reading);
    call(m, MACHINE_SAMPLE);
    for (i = 0; i < n; i++) {
        ok[i] = m->plain->read_phys(m->guest.mem.opaque, gpas[i],
                                    &threads[i], 8);
    }
    call(m, MACHINE_SAMPLED);
}

static const uint64_t *host_map(void *opaque, uint64_t gpa)
{
    Machine *m = opaque;

    g_assert_true(m->reading);
    return m->can_map && gpa + 8 <= m->guest.size ?
           (const uint64_t *)(m->guest.ram + gpa) : NULL;
}

static void host_read_begin(void *opaque)
{
    Machine *m = opaque;

    g_assert_false(m->reading);
    m->reading = true;
}

static void host_read_end(void *opaque)
{
    Machine *m = opaque;

    g_assert_true(m->reading);
    m->reading = false;
}

static void host_grace(void *opaque)
{
    Machine *m = opaque;

    g_assert_false(m->reading);
    m->graces++;
    call(m, MACHINE_GRACE);
}

static void host_wake(void *opaque)
{
    Machine *m = opaque;

    m->wakes++;
}

static void host_record(void *opaque, const WinschedSwitch *event)
{
    Machine *m = opaque;

    g_assert_true(m->reading);
    g_assert_cmpuint(m->n_events, <, MACHINE_EVENTS);
    m->events[m->n_events++] = *event;
    call(m, MACHINE_RECORD);
}

static void host_found(void *opaque, const WinosResult *result)
{
    Machine *m = opaque;

    (void)result;
    m->founds++;
    call(m, MACHINE_FOUND);
}

static uint64_t host_cpu_wait(void *opaque)
{
    Machine *m = opaque;

    call(m, MACHINE_CPU_WAIT);
    return m->cpu_wait_ns;
}

static void host_run_on_vcpus(void *opaque, const bool *wanted, unsigned max,
                              WatchWork work)
{
    Machine *m = opaque;
    unsigned i;

    for (i = 0; i < max; i++) {
        m->work[i][work] |= m->present[i] && (!wanted || wanted[i]);
    }
}

static int host_arm(void *opaque, unsigned vcpu, uint64_t gva)
{
    Machine *m = opaque;

    call(m, MACHINE_ARM);
    m->armed[vcpu] = m->arm_error ? 0 : gva;
    return gva ? m->arm_error : 0;
}

static bool host_hit_pending(void *opaque, unsigned vcpu)
{
    Machine *m = opaque;

    (void)vcpu;
    return m->hit_pending;
}

static void host_exact(void *opaque, bool holds)
{
    Machine *m = opaque;

    m->exact = holds;
}

static const WatchHost host = {
    .vcpus = host_vcpus,
    .ask_regs = host_ask,
    .collect_regs = host_collect,
    .cancel_regs = host_cancel,
    .now_ns = host_now,
    .stamp = host_stamp,
    .stamps_to_ns = host_stamps_to_ns,
    .sample = host_sample,
    .map = host_map,
    .read_begin = host_read_begin,
    .read_end = host_read_end,
    .grace = host_grace,
    .wake = host_wake,
    .record = host_record,
    .found = host_found,
    .cpu_wait_ns = host_cpu_wait,
    .run_on_vcpus = host_run_on_vcpus,
    .arm = host_arm,
    .hit_pending = host_hit_pending,
    .exact_changed = host_exact,
};

/* --- the guest */

static bool read_phys(void *opaque, uint64_t gpa, void *buf, size_t len)
{
    Machine *m = opaque;

    call(m, MACHINE_READ);
    return m->plain->read_phys(m->guest.mem.opaque, gpa, buf, len);
}

static void put_kernel(FakeGuest *g)
{
    fake_guest_map(g, SHARED, GMEM_PAGE);
    fake_guest_put32(g, SHARED + 0x260, 19044);
    fake_guest_put32(g, SHARED + 0x26c, 10);
    fake_guest_put32(g, SHARED + 0x3c0, 2);
    fake_pe_put(g, BASE, &kernel_pe);
    fake_guest_map(g, BASE + SYSCALL - SYSCALL % GMEM_PAGE, GMEM_PAGE);
    fake_guest_map(g, BASE + 0xd00000, GMEM_PAGE);
    fake_guest_put32(g, BASE + BUILD, 0xf0000000 + 19045);
    fake_guest_map(g, IDT, GMEM_PAGE);
}

void machine_set_build(Machine *m, uint32_t build)
{
    fake_guest_put32(&m->guest, SHARED + 0x260, build);
    fake_guest_put32(&m->guest, BASE + BUILD, 0xf0000000 + build);
}

static void put_threads(FakeGuest *g)
{
    ProcessObject p = { .at = PROCESS + 0x100, .id = 400, .created = CREATED,
                        .image = "game.exe" };
    unsigned n;

    fake_guest_map(g, THREADS, (MACHINE_THREADS + 1) * SPACING);
    fake_guest_map(g, PROCESS, GMEM_PAGE);
    objects_put_process(g, &p);
    for (n = 0; n < MACHINE_THREADS; n++) {
        ThreadObject t = {
            .at = machine_thread(n), .process = p.at, .attached = p.at,
            .pid = 400, .tid = 1000 + 4 * n, .created = CREATED + 1 + n,
            .state = 2, .priority = 8,
        };

        objects_put_thread(g, &t);
    }
}

static void put_vcpu(Machine *m, unsigned i)
{
    uint64_t kpcr = KPCRS + i * KPCR_SPACING;

    fake_guest_map(&m->guest, kpcr, 4 * GMEM_PAGE);
    fake_guest_put64(&m->guest, kpcr + 0x18, kpcr);
    fake_guest_put64(&m->guest, kpcr + 0x20, kpcr + MACHINE_PRCB_AT);
    machine_store(m, i, 0);
    m->present[i] = true;
    m->regs[i] = (WinosRegs) {
        .vcpu = i,
        .long_mode = true,
        .gs_base = kpcr,
        .cr3 = m->guest.space.cr3,
        .lstar = BASE + SYSCALL,
        .idt_base = IDT,
    };
}

/* What the guest has, so that nothing but the kernel is looked for. */
static void give_overrides(WinosOptions *options)
{
    WinosLayout layout;
    unsigned f;

    winos_options_init(options);
    options->auto_detect = false;
    objects_layout(&layout);
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        options->overrides[f] = layout.field[f].value;
    }
    options->overrides[WINOS_KPCR_SELF] = 0x18;
    options->overrides[WINOS_KPCR_CURRENT_PRCB] = 0x20;
    options->overrides[WINOS_PRCB_CURRENT_THREAD] = MACHINE_CURRENT_AT;
    options->overrides[WINOS_PRCB_CONTEXT_SWITCHES] = MACHINE_SWITCHES_AT;
}

void machine_init(Machine *m)
{
    unsigned i;

    memset(m, 0, sizeof(*m));
    fake_guest_init(&m->guest, RAM, 4);
    put_kernel(&m->guest);
    put_threads(&m->guest);
    for (i = 0; i < MACHINE_VCPUS; i++) {
        put_vcpu(m, i);
    }
    m->plain = m->guest.mem.ops;
    m->ops.read_phys = read_phys;
    m->mem = (GuestMem) { &m->ops, m };
    m->host = host;
    m->now_ns = 1000000000;
    m->config = (WatchConfig) {
        .host = &m->host,
        .opaque = m,
        .mem = &m->mem,
        .max_vcpus = MACHINE_VCPUS,
        .running = true,
        .poll_hz = 1000,
        .exact_limit = 200000,
    };
    give_overrides(&m->config.winos);
    m->watch = watch_new(&m->config);
}

void machine_restart(Machine *m)
{
    watch_free(m->watch);
    m->watch = watch_new(&m->config);
}

void machine_deinit(Machine *m)
{
    watch_free(m->watch);
    fake_guest_deinit(&m->guest);
}

void machine_store(Machine *m, unsigned vcpu, unsigned thread)
{
    fake_guest_put64(&m->guest, machine_prcb(vcpu) + MACHINE_CURRENT_AT,
                     machine_thread(thread));
}

void machine_switch(Machine *m, unsigned vcpu, unsigned thread)
{
    uint64_t at = machine_prcb(vcpu) + MACHINE_SWITCHES_AT;
    uint32_t count;

    machine_store(m, vcpu, thread);
    g_assert_true(gmem_read_u32(&m->guest.space, at, &count));
    fake_guest_put32(&m->guest, at, count + 1);
}

/* --- going on */

uint64_t machine_turn(Machine *m)
{
    uint64_t next = watch_turn(m->watch);

    g_assert_false(m->reading);
    if (next > m->now_ns && next != WATCH_NEVER) {
        m->now_ns = next;
    }
    return next;
}

void machine_run(Machine *m, uint64_t ns)
{
    uint64_t end = m->now_ns + ns;

    while (m->now_ns < end) {
        machine_turn(m);
        m->now_ns++;
    }
}

void machine_find(Machine *m)
{
    unsigned i;

    for (i = 0; i < 10; i++) {
        machine_turn(m);
        if (machine_status(m).found) {
            return;
        }
    }
    g_error("no kernel: %s", machine_status(m).reason);
}

void machine_work(Machine *m)
{
    unsigned i;

    for (i = 0; i < MACHINE_VCPUS; i++) {
        WatchWork work;

        for (work = WATCH_WORK_ARM; work <= WATCH_WORK_VERIFY; work++) {
            if (m->work[i][work]) {
                m->work[i][work] = false;
                host_read_begin(m);
                watch_vcpu_work(m->watch, i, work);
                host_read_end(m);
            }
        }
    }
}

void machine_exit(Machine *m, unsigned vcpu)
{
    WatchShared *shared = watch_shared(m->watch);
    WatchSlot *slot = &shared->slots[vcpu];
    const WatchView *view;
    uint64_t thread;
    uint64_t gpa;
    bool nested = m->reading;
    bool ok;

    m->reading = true;
    gpa = atomic_load(&slot->gpa);
    view = atomic_load(&shared->view);
    if (gpa == WATCH_NO_GPA || !view) {
        if (watch_wants_regs(slot, m->regs[vcpu].gs_base)) {
            watch_offer_regs(m->watch, &m->regs[vcpu]);
        }
    } else {
        host_sample(m, &gpa, &thread, &ok, 1);
        if (ok && winsched_sample(&view->ws, &slot->cpu, thread,
                                WINSCHED_EXIT)) {
            watch_exit_changed(m->watch, slot, view, thread);
        }
    }
    m->reading = nested;
}

WatchStatus machine_status(Machine *m)
{
    WatchStatus status;

    watch_status(m->watch, &status);
    return status;
}

WatchVcpuStatus machine_vcpu(Machine *m, unsigned vcpu)
{
    WatchVcpuStatus status;
    bool nested = m->reading;

    m->reading = true;
    watch_vcpu_status(m->watch, vcpu, &status);
    m->reading = nested;
    return status;
}
