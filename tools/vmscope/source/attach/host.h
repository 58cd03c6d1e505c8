/*
 * attach/host: the engine of core/watch, looking at a QEMU from outside.
 *
 * Memory is read out of QEMU's process, registers are asked of its monitor
 * when a vCPU's KPCR is not known yet, and switches go into a ring as QEMU
 * itself would keep them.  A thread of its own does all of it.  QEMU is never
 * stopped, signalled or written to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_HOST_H
#define VMSCOPE_ATTACH_HOST_H

#include "schedlog/store.h"
#include "source/attach/memory.h"
#include "source/attach/process.h"
#include "source/qmp.h"
#include "watch/watch.h"

enum { ATTACH_DEFAULT_ENTRIES = 65536 };    /* for each vCPU */

typedef struct AttachOptions {
    pid_t pid;                  /* of QEMU */
    Qmp *qmp;                   /* its monitor, or NULL; must outlive it */
    WinosOptions winos;
    uint32_t poll_hz;           /* WATCH_POLL_DENSE: without sleeping */
    uint32_t dense_ms;
    uint64_t entries;           /* of the ring, for each vCPU */
    const char *ring_file;      /* NULL: in memory alone */
} AttachOptions;

/* How a QEMU is looked at, beyond what the engine tells. */
typedef struct AttachFigures {
    bool blind;                 /* without a monitor */
    bool gone;                  /* QEMU has ended */
    uint64_t ram;               /* bytes */
    uint64_t mapped;            /* of them, mapped here */
    uint64_t register_queries;
    uint64_t layout_queries;
    uint64_t pages;             /* read from QEMU */
    uint64_t scans;             /* of all RAM, for KPCRs */
} AttachFigures;

typedef struct AttachHost AttachHost;

/**
 * attach_host_start - begin to look
 * @options: copied; qmp and what winos has are borrowed
 *
 * Returns: ended with attach_host_free(); NULL with a sentence that says what
 * is missing
 */
AttachHost *attach_host_start(const AttachOptions *options, Err *err);

/* Stop looking; the ring stays as it is.  A second call does nothing. */
void attach_host_stop(AttachHost *host);
void attach_host_free(AttachHost *host);

/* Of any thread: */

const AttachOptions *attach_host_options(const AttachHost *host);
const SchedlogStore *attach_host_store(const AttachHost *host);

/* Why the ring's file is there no more, when nothing is recorded; or NULL. */
const char *attach_host_ring_lost(const AttachHost *host);
bool attach_host_is_running(const AttachHost *host);
void attach_host_figures(AttachHost *host, AttachFigures *figures);
void attach_host_status(AttachHost *host, WatchStatus *status);

/**
 * attach_host_vcpu - one vCPU
 * @thread: receives its thread and how the host let it run, as of now
 *
 * Returns: false when there is none, and never was
 */
bool attach_host_vcpu(AttachHost *host, unsigned vcpu,
                      WatchVcpuStatus *status, AttachThread *thread);

/**
 * attach_host_doing - what polling has found a vCPU to do
 *
 * As watch_doing().  Has it counted for the next ten seconds, too.
 */
bool attach_host_doing(AttachHost *host, unsigned vcpu, uint64_t *counts);

/**
 * attach_host_look - read more of the guest, while nobody else does
 * @look: called with what was found, and the vCPUs whose KPRCB is known
 *
 * Returns: false when no kernel was found
 */
bool attach_host_look(AttachHost *host,
                      void (*look)(void *opaque, const WinosResult *result,
                                   const WinosCpu *cpus, unsigned n_cpus),
                      void *opaque);

/* vCPUs are below this. */
unsigned attach_host_max_vcpus(const AttachHost *host);

#endif
