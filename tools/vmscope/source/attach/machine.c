/*
 * attach/machine: see host-internal.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/host-internal.h"

#include "source/attach/open.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t second = 1000000000;

/* How often what is done in between. */
static const uint64_t layout_soon_ns = 1000000000;
static const uint64_t vcpus_every_ns = 1000000000;
static const uint64_t scan_check_ns = 200000000;
static const uint64_t scan_after_ns = 400000000;
static const uint64_t scan_again_ns = 1000000000;
static const uint64_t scan_slice_ns = 5000000;

/* Registers. */

/* What no monitor tells: a KPCR that was found in memory. */
void attach_machine_add_kpcr(const AttachHost *host, WinosRegs *regs)
{
    uint64_t kpcr = host->scan->done
        ? attach_scan_kpcr(host->scan, regs->vcpu) : 0;

    if (kpcr && !(regs->gs_base >> 63)) {
        regs->kernel_gs_base = kpcr;
    }
}

/* Without a monitor, what was found in memory is all there is. */
static unsigned blind_regs(AttachHost *host, WinosRegs *regs, unsigned max)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; host->has_kernel && i < host->max_vcpus && n < max; i++) {
        if (host->threads[i].tid) {
            regs[n++] = (WinosRegs) {
                .vcpu = i,
                .long_mode = true,
                .la57 = host->kernel.space.levels == 5,
                .cr3 = host->kernel.space.cr3,
            };
        }
    }
    return n;
}

void attach_machine_ask_regs(AttachHost *host)
{
    if (host->opt.qmp) {
        host->figures.register_queries++;
        attach_asker_ask(host->asker, ATTACH_ASK_REGISTERS);
    }
}

bool attach_machine_read_regs(AttachHost *host, unsigned wait_ms)
{
    AttachAnswer answer;

    if (!host->opt.qmp) {
        host->n_regs = blind_regs(host, host->regs, host->max_vcpus);
        return true;
    }
    if (!attach_asker_fetch(host->asker, ATTACH_ASK_REGISTERS, wait_ms,
                            &answer)) {
        return false;
    }
    host->n_regs = answer.good ? answer.n_regs : 0;
    memcpy(host->regs, answer.regs, host->n_regs * sizeof(*host->regs));
    return true;
}

/* Any thread; with the monitor's connection locked. */
void attach_machine_event(void *opaque, const char *name)
{
    AttachHost *host = opaque;

    if (!strcmp(name, "RESET")) {
        watch_reset(host->watch);
        atomic_store(&host->was_reset, true);
    } else if (!strcmp(name, "STOP")) {
        watch_set_running(host->watch, false);
    } else if (!strcmp(name, "RESUME")) {
        watch_set_running(host->watch, true);
    } else if (!strcmp(name, "DEVICE_DELETED") ||
               !strcmp(name, "MEMORY_DEVICE_SIZE_CHANGE") ||
               !strcmp(name, "ACPI_DEVICE_OST")) {
        atomic_store(&host->changed, true);
    }
}

void attach_machine_set_layout(AttachHost *host, AttachAnswer *answer)
{
    if (!attach_layout_same(&answer->layout,
                            attach_memory_layout(host->memory))) {
        attach_memory_set_layout(host->memory, &answer->layout,
                                 answer->mappings, answer->n_mappings);
    }
    attach_layout_free(&answer->layout);
    free(answer->mappings);
}

/* Without a monitor: by their names, else by what the command line says. */
static void read_vcpus_blindly(AttachHost *host)
{
    unsigned i;

    if (attach_process_threads(host->opt.pid, host->threads,
                               host->max_vcpus)) {
        return;
    }
    for (i = 0; i < host->process.command.vcpus && i < host->max_vcpus; i++) {
        host->threads[i].tid = host->opt.pid;
    }
}

static void take_vcpus(AttachHost *host, const AttachAnswer *answer)
{
    if (answer->good) {
        memcpy(host->threads, answer->threads,
               host->max_vcpus * sizeof(*host->threads));
    }
}

void attach_machine_read_vcpus_now(AttachHost *host)
{
    AttachAnswer answer;

    if (!host->opt.qmp) {
        read_vcpus_blindly(host);
        return;
    }
    attach_asker_ask_now(host->asker, ATTACH_ASK_VCPUS, &answer);
    take_vcpus(host, &answer);
}

static void follow_vcpus(AttachHost *host, uint64_t now)
{
    AttachAnswer answer;

    if (host->opt.qmp &&
        attach_asker_fetch(host->asker, ATTACH_ASK_VCPUS, 0, &answer)) {
        take_vcpus(host, &answer);
    }
    if (now < host->next_vcpus_ns ||
        (host->next_vcpus_ns && host->opt.qmp &&
         attach_asker_is_pending(host->asker, ATTACH_ASK_VCPUS))) {
        return;
    }
    host->next_vcpus_ns = now + vcpus_every_ns;
    if (host->opt.qmp) {
        attach_asker_ask(host->asker, ATTACH_ASK_VCPUS);
    } else {
        read_vcpus_blindly(host);
    }
}

/* RAM is read anew when some could not be read, and once in a while. */
static void follow_layout(AttachHost *host, uint64_t now)
{
    uint64_t faults = attach_memory_stats(host->memory)->faults;
    AttachAnswer answer;

    if (!host->opt.qmp) {
        return;
    }
    if (attach_asker_fetch(host->asker, ATTACH_ASK_LAYOUT, 0, &answer)) {
        if (answer.good) {
            attach_machine_set_layout(host, &answer);
        } else {
            attach_layout_free(&answer.layout);
        }
    }
    if (faults != host->faults_seen &&
        host->next_layout_ns > now + layout_soon_ns) {
        host->next_layout_ns = now + layout_soon_ns;
    }
    /* When it is known to have changed, an older question is no good. */
    if (now < host->next_layout_ns ||
        (host->next_layout_ns &&
         attach_asker_is_pending(host->asker, ATTACH_ASK_LAYOUT))) {
        return;
    }
    host->faults_seen = faults;
    host->next_layout_ns = now + ATTACH_LAYOUT_EVERY_NS;
    host->figures.layout_queries++;
    attach_asker_ask(host->asker, ATTACH_ASK_LAYOUT);
}

/* KPCRs that no register shows. */

static bool is_any_unknown(AttachHost *host)
{
    WatchVcpuStatus status;
    unsigned i;

    for (i = 0; i < host->max_vcpus; i++) {
        if (host->threads[i].tid) {
            watch_vcpu_status(host->watch, i, &status);
            if (!status.known) {
                return true;
            }
        }
    }
    return false;
}

/* The kernel, by what the vCPUs' registers or the low memory show. */
static bool find_kernel(AttachHost *host)
{
    const GuestMem *guest = attach_memory_guest(host->memory);
    WinosRegs nothing = { .long_mode = true };
    Err err;

    gmem_fresh(guest);
    if (!host->opt.qmp) {
        return attach_open_guess(host->memory, &host->process, &host->kernel,
                                 &err);
    }
    if (host->n_regs &&
        winos_kernel_find(guest, host->regs, host->n_regs, &host->kernel,
                          &err)) {
        return true;
    }
    if (winos_kernel_find(guest, &nothing, 1, &host->kernel, &err)) {
        return true;
    }
    nothing.la57 = true;
    return winos_kernel_find(guest, &nothing, 1, &host->kernel, &err);
}

static void follow_scan(AttachHost *host, uint64_t now)
{
    if (host->scanning) {
        if (attach_scan_some(host->scan, host->memory, scan_slice_ns)) {
            host->scanning = false;
            /* A sixth of the time, at most. */
            host->next_scan_ns = clock_now_ns() + scan_again_ns +
                                 5 * (clock_now_ns() - host->scan_began_ns);
        }
        return;
    }
    if (now < host->next_scan_ns) {
        return;
    }
    host->next_scan_ns = now + scan_check_ns;
    if (!is_any_unknown(host)) {
        host->unknown_since_ns = 0;
        return;
    }
    if (!host->unknown_since_ns) {
        host->unknown_since_ns = now;
    }
    if (host->opt.qmp && now - host->unknown_since_ns < scan_after_ns) {
        return;
    }
    host->has_kernel = find_kernel(host);
    if (host->has_kernel) {
        host->figures.scans++;
        host->scanning = true;
        host->scan_began_ns = now;
        attach_scan_begin(host->scan, host->opt.pid, &host->kernel.space);
    }
}

void attach_machine_follow(AttachHost *host)
{
    uint64_t now = clock_now_ns();
    ClockReading reading;

    if (now >= host->next_trust_ns) {
        clock_host_kind_now();
        host->next_trust_ns = now + second;
    }
    if (now >= host->next_clock_ns) {
        clock_read(keeper_kind(&host->keeper), &reading);
        host->next_clock_ns = reading.monotonic_ns +
                              keeper_look(&host->keeper, &reading);
    }
    if (host->opt.qmp && now >= host->next_events_ns) {
        qmp_take_events(host->opt.qmp);
        host->next_events_ns = now + ATTACH_EVENTS_EVERY_NS;
    }
    if (atomic_exchange(&host->was_reset, false)) {
        host->scanning = false;
        host->scan->done = false;
        host->has_kernel = false;
        host->unknown_since_ns = 0;
        host->next_scan_ns = 0;
        host->next_layout_ns = 0;
    }
    if (atomic_exchange(&host->changed, false)) {
        host->next_layout_ns = 0;
        host->next_vcpus_ns = 0;
    }
    follow_layout(host, now);
    follow_scan(host, now);
    follow_vcpus(host, now);
}
