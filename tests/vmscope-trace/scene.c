/*
 * A made-up guest: see scene.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "scene.h"

#include <stdio.h>
#include <string.h>

/* What scenes are made of; a process has every n-th thread. */
typedef struct Process {
    const char *image;
    const char *thread_name;    /* NULL: none has one */
} Process;

static const Process processes[] = {
    { "System", NULL },
    { "chrome.exe", "Compositor" },
    { "sqlservr.exe", NULL },
    { "game.exe", "\xeb\xa0\x8c\xeb\x8d\x94\xeb\x9f\xac \xf0\x9f\x8e\xae" },
    { "svchost.exe", "worker" },
};

/* No name may leave its place, command a terminal, or be taken for code. */
static const Process hostile_processes[] = {
    { "</script><b>", "<img src=x onerror=alert(1)>" },
    { "a\"b'c\\d", "<!-- \xe2\x80\xa8\xe2\x80\xa9 -->" },
    { "=1+2,\"x\"", "\x1b[31mred\x1b]0;title\x07" },
    { "\xe2\x80\xae" "exe.cod", "line\nbreak\ttab\r" },
    { "{\"a\":[1]}", "]]> ${alert(1)} `x`" },
};

enum { N_PROCESSES = sizeof(processes) / sizeof(*processes) };

const IrqlogLineInfo scene_lines[SCENE_N_LINES] = {
    { 0x1000, 0x55fe0f000100, 0x2000, 0, IRQLOG_HARDWARE,
      "/machine/unattached/device[3]/gpio[0]", "/machine/pit:gpio", NULL,
      "hpet" },
    { 0x1010, 0x55fe0f000200, 0x2010, 14, IRQLOG_HARDWARE,
      "/machine/q35/ioapic/unnamed-gpio-in[14]", NULL, "/machine/q35/ide" },
    { 0, 0, 0x2020, 0, IRQLOG_MSI, "/machine/peripheral/net0", NULL, NULL,
      "virtio-net-pci:net0" },
    { 0x1030, 0x55fe0f000300, 0x2030, 4, IRQLOG_SOFTWARE,
      IRQLOG_ANONYMOUS, NULL, NULL },
    { 0x1040, 0x55fe0f000400, 0x2040, 0, IRQLOG_PERCPU,
      "/machine/unattached/device[0]/lapic", NULL, NULL, "apic:vcpu 0" },
    { 0x1050, 0x55fe0f000500, 0x2050, 9, IRQLOG_HARDWARE,
      "/machine/q35/<svg onload=alert(1)>", NULL, NULL },
};

const IrqlogThreadInfo scene_host_threads[SCENE_N_HOST_THREADS] = {
    { 41267, "CPU 0/KVM", "vcpu 0" },
    { 41260, "qemu-system-x86", "main-loop" },
    { 41261, "IO io0", NULL },
};

/* Numerical Recipes' quick generator would do; this one has longer runs. */
static uint64_t pick(Scene *scene)
{
    scene->random ^= scene->random << 13;
    scene->random ^= scene->random >> 7;
    scene->random ^= scene->random << 17;
    return scene->random >> 11;
}

/* From 2 us to 4 ms, short ones more often. */
static uint64_t pick_ns(Scene *scene)
{
    return (2000 + pick(scene) % 2000) << pick(scene) % 11;
}

void scene_init(Scene *scene, const SceneOptions *opt)
{
    unsigned i;

    memset(scene, 0, sizeof(*scene));
    scene->opt = *opt;
    scene->random = opt->seed * 0x9e3779b97f4a7c15 + 1;
    scene->now_ns = opt->begin_ns;
    scene->next_tick_ns = opt->begin_ns + 300000;
    scene->next_disk_ns = opt->begin_ns + 700000;
    scene->storm_ns = opt->begin_ns + 40000000;
    for (i = 0; i < opt->n_vcpus; i++) {
        scene->vcpu[i].until_ns = opt->begin_ns + 1000 + 700 * i;
    }
    for (i = 1; i <= opt->n_threads; i++) {
        scene->thread[i].process = i % (opt->names ? opt->n_names
                                                   : N_PROCESSES);
    }
}

/* Who a thread is. */

static void set_names(const Scene *scene, unsigned thread,
                      SchedlogEvent *event)
{
    unsigned which = scene->thread[thread].process;
    Process named = {};
    const Process *process = scene->opt.hostile ? hostile_processes
                                                : processes;

    if (scene->opt.names) {
        named.image = named.thread_name = scene->opt.names[which];
        process = &named;
    } else {
        process += which;
    }
    event->has |= SCHEDLOG_HAS_IMAGE;
    snprintf(event->image, sizeof(event->image), "%s", process->image);
    if (process->thread_name && thread % 3 == 0) {
        event->has |= SCHEDLOG_HAS_NAME;
        snprintf(event->name, sizeof(event->name), "%s",
                 process->thread_name);
    }
}

static uint64_t address(unsigned vcpu, unsigned thread)
{
    return thread ? 0xffffa00000000000 + (uint64_t)thread * 0x480
                  : 0xfffff80000100000 + (uint64_t)vcpu * 0x1000;
}

static void set_ids(const Scene *scene, unsigned thread, uint32_t *pid,
                    uint32_t *tid)
{
    *pid = thread ? 4 + scene->thread[thread].process * 400 : 0;
    /* Windows gives a thread no id that a process has: those are 8k + 4. */
    *tid = thread * 8;
}

static void set_who(const Scene *scene, unsigned vcpu, unsigned thread,
                    SchedlogEvent *event)
{
    event->thread = address(vcpu, thread);
    event->has |= SCHEDLOG_HAS_PROCESS | SCHEDLOG_HAS_IDS;
    set_ids(scene, thread, &event->pid, &event->tid);
    event->process = 0xffff800000000000 + (uint64_t)event->pid * 0x10;
    if (thread) {
        set_names(scene, thread, event);
    } else {
        event->has |= SCHEDLOG_IDLE;
    }
}

/* Why the thread that ran before runs no more. */
static void set_old(Scene *scene, unsigned vcpu, SchedlogEvent *event)
{
    static const uint8_t reasons[] = { 0, 6, 15, 13, 4, 37, 39 };
    unsigned old = scene->vcpu[vcpu].thread;

    event->has |= SCHEDLOG_HAS_OLD | SCHEDLOG_HAS_OLD_IDS |
                  SCHEDLOG_HAS_OLD_STATE | SCHEDLOG_HAS_OLD_PRIORITY;
    event->old_thread = address(vcpu, old);
    set_ids(scene, old, &event->old_pid, &event->old_tid);
    event->old_priority = old ? 8 : 0;
    event->old_state = old && pick(scene) % 3 == 0 ? 1 : 5;
    if (event->old_state == 5 && old) {
        event->has |= SCHEDLOG_HAS_OLD_WAIT_REASON;
        event->old_wait_reason = reasons[pick(scene) % sizeof(reasons)];
    }
}

/* A thread that runs nowhere; idle when there is none soon. */
static unsigned pick_thread(Scene *scene, unsigned vcpu)
{
    unsigned tries;
    unsigned thread;

    if (scene->vcpu[vcpu].thread && pick(scene) % 3 == 0) {
        return 0;
    }
    for (tries = 0; tries < 8; tries++) {
        thread = 1 + (unsigned)(pick(scene) % scene->opt.n_threads);
        thread = pick(scene) % 2 ? 1 + thread % 7 % scene->opt.n_threads
                                 : thread;
        if (!scene->thread[thread].runs) {
            return thread;
        }
    }
    return 0;
}

static void make_switch(Scene *scene, unsigned vcpu, SceneEvent *event)
{
    SceneVcpu *at = &scene->vcpu[vcpu];
    SchedlogEvent *sched = &event->sched;
    unsigned thread = pick_thread(scene, vcpu);

    event->kind = SCENE_SCHED;
    sched->seq = ++scene->sched_seq;
    sched->time_ns = scene->now_ns;
    sched->stamp = scene->now_ns;
    sched->vcpu = (uint16_t)vcpu;
    sched->origin = pick(scene) % 2 ? SCHEDLOG_EXIT : SCHEDLOG_POLL;
    set_who(scene, vcpu, thread, sched);
    set_old(scene, vcpu, sched);
    sched->has |= SCHEDLOG_HAS_STATE | SCHEDLOG_HAS_PRIORITY |
                  SCHEDLOG_HAS_SWITCHES | SCHEDLOG_HAS_MISSED;
    sched->state = 2;
    sched->priority = thread ? 8 : 0;
    sched->switches = ++scene->thread[thread].switches;
    if (scene->opt.missed && pick(scene) % 50 == 0) {
        sched->missed = 1 + (uint32_t)(pick(scene) % 3);
    }
    scene->thread[at->thread].runs = false;
    scene->thread[thread].runs = thread != 0;
    at->thread = thread;
    at->until_ns = scene->now_ns + pick_ns(scene);
}

/* Interrupts. */

static void make_irq(Scene *scene, uint32_t line, int32_t level,
                     SceneEvent *event)
{
    IrqlogEvent *irq = &event->irq;

    event->kind = SCENE_IRQ;
    event->line = line;
    event->host_thread = line % SCENE_N_HOST_THREADS;
    irq->seq = ++scene->irq_seq;
    irq->time_ns = scene->now_ns;
    irq->level = level;
    irq->caller = 0x55fe0f1a4c90 + line * 0x40;
    irq->tid = scene_host_threads[event->host_thread].tid;
    irq->depth = line == 3;
    if (line == 2) {
        irq->has_msi = true;
        irq->msi_address = 0xfee01000;
        irq->msi_data = 0x4031;
    }
}

/* The thread that waits for the disk runs soon, if it can. */
static void wake_for_disk(Scene *scene)
{
    unsigned i;

    for (i = 0; i < scene->opt.n_vcpus; i++) {
        if (!scene->vcpu[i].thread) {
            scene->vcpu[i].until_ns = scene->now_ns + 12000;
            return;
        }
    }
}

static void make_disk(Scene *scene, SceneEvent *event)
{
    make_irq(scene, 1, !scene->lower_pending, event);
    if (scene->lower_pending) {
        scene->lower_pending = false;
        scene->next_disk_ns = scene->now_ns + 500000 + pick_ns(scene);
        return;
    }
    scene->lower_pending = true;
    scene->next_disk_ns = scene->now_ns + 20000;
    wake_for_disk(scene);
}

static void make_tick(Scene *scene, SceneEvent *event)
{
    static const uint32_t lines[] = { 0, 3, 2, 4 };

    make_irq(scene, lines[scene->irq_seq % 4], 1, event);
    scene->next_tick_ns = scene->now_ns + 250000;
}

/* 300 interrupts in 6 ms. */
static void make_storm(Scene *scene, SceneEvent *event)
{
    make_irq(scene, 5, (int32_t)(scene->irq_seq % 2), event);
    scene->storm_ns = scene->now_ns >= scene->opt.begin_ns + 46000000 ?
                      0 : scene->now_ns + 20000;
}

static unsigned first_vcpu(const Scene *scene)
{
    unsigned first = 0;
    unsigned i;

    for (i = 1; i < scene->opt.n_vcpus; i++) {
        if (scene->vcpu[i].until_ns < scene->vcpu[first].until_ns) {
            first = i;
        }
    }
    return first;
}

void scene_next(Scene *scene, SceneEvent *event)
{
    unsigned vcpu = first_vcpu(scene);
    uint64_t when = scene->vcpu[vcpu].until_ns;
    void (*make)(Scene *scene, SceneEvent *event) = NULL;

    memset(event, 0, sizeof(*event));
    if (scene->next_tick_ns < when) {
        when = scene->next_tick_ns;
        make = make_tick;
    }
    if (scene->next_disk_ns < when) {
        when = scene->next_disk_ns;
        make = make_disk;
    }
    if (scene->storm_ns && scene->storm_ns < when) {
        when = scene->storm_ns;
        make = make_storm;
    }
    scene->now_ns = when;
    if (make) {
        make(scene, event);
    } else {
        make_switch(scene, vcpu, event);
    }
}

void scene_guest(SchedlogGuest *guest)
{
    static const SchedlogOffset offsets[] = {
        { .name = "kpcr-current-prcb", .value = 0x20, .source = "code" },
        { .name = "prcb-current-thread", .value = 8, .source = "kdbg" },
        { .name = "kthread-state", .value = 0x184, .source = "structure" },
    };

    memset(guest, 0, sizeof(*guest));
    guest->kernel_base = 0xfffff80000000000;
    guest->kernel_size = 0x1047000;
    guest->kernel_timestamp = 0x5f3a1c2d;
    guest->build = 26100;
    guest->n_offsets = sizeof(offsets) / sizeof(*offsets);
    memcpy(guest->offsets, offsets, sizeof(offsets));
}
