/*
 * IRQ log: a run of it, and what the parts of it offer each other
 *
 * irq-log.c         turning on and off, and the hot path
 * irq-log-names.c   what lines and threads are called
 * irq-log-text.c    the thread that writes the text
 * irq-log-qmp.c     the QMP commands; irq-log-hmp.c the monitor's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_IRQ_LOG_H
#define VMSCOPE_IRQ_LOG_H

#include "qemu/rcu.h"
#include "qemu/thread.h"
#include "qapi/qapi-types-vmscope.h"
#include "irqlog/index.h"
#include "irqlog/store.h"
#include "common.h"

/* The level of a line that was not raised yet; no int has it. */
#define IRQ_LOG_LEVEL_UNKNOWN INT64_MIN

/* From one enabling to the next; the ring outlives the logging. */
typedef struct IrqLogSession {
    struct rcu_head rcu;
    int refs;                   /* current, the writer, queries, bottom half */
    uint64_t number;            /* of the enabling, from 1 */

    /* What it was enabled with; constant. */
    bool text;
    bool msi;
    bool changes_only;
    uint8_t backtrace;
    char *log_file;             /* NULL: QEMU's own log */
    char *ring_file;            /* NULL: memory */

    /* Where interrupts are kept. */
    void *mem;
    size_t mem_size;
    IrqlogStore store;
    IrqlogIndex *index;
    int64_t *levels;            /* of each line */
    uint32_t *checked;          /* generation each line's name was right in */
    bool enabled;

    /* For adding to the store's tables; never taken in the hot path. */
    QemuMutex tables_lock;
    bool naming_scheduled;
    uint32_t n_named;           /* lines whose owners were looked for */

    /* The writer thread's. */
    QemuThread writer;
    QemuSemaphore wake;
    ClockKeeper keeper;
    int text_fd;                /* -1: no text */
    bool stop;
    bool writer_done;
    uint64_t text_lost;
    char *text_error;           /* an errno's static text; NULL: none */
} IrqLogSession;

/**
 * irq_log_get: the newest session, with a reference
 *
 * Context: any thread that is registered with RCU.
 *
 * Returns: NULL when the log was never on; else for irq_log_put()
 */
IrqLogSession *irq_log_get(void);
void irq_log_ref(IrqLogSession *session);
void irq_log_put(IrqLogSession *session);

/**
 * irq_log_start: turn the log on
 * @opts: checked, with enable
 *
 * Context: main loop, under the BQL.
 */
bool irq_log_start(const IrqLogOptions *opts, Error **errp);

/**
 * irq_log_stop: turn the log off, if it is on
 *
 * Context: as irq_log_start().  Does not wait for the text to be complete.
 *
 * Returns: the session that ends, with a reference; NULL when it was off
 */
IrqLogSession *irq_log_stop(void);

/**
 * irq_log_new_line: a line that was not seen before, in this session
 * @obj: as the hook got it
 *
 * Context: any thread; the cold side of the hot path.
 *
 * Returns: its id, or IRQLOG_NO_LINE
 */
uint32_t irq_log_new_line(IrqLogSession *session, Object *obj, bool message,
                          const IrqlogIdentity *identity);

/**
 * irq_log_check_line: a line that was seen before the last device came or went
 * @line: its id
 *
 * A new device may have got the memory, the parent and the handlers of an old
 * one, and only its name is another.  Context: as irq_log_new_line().
 *
 * Returns: @line, or another id when the name is another
 */
uint32_t irq_log_check_line(IrqLogSession *session, Object *obj, bool message,
                            const IrqlogIdentity *identity, uint32_t line);

/* Raised whenever a device came or went; never 0 while a session is on. */
extern uint32_t irq_log_generation;

/* Begin to watch devices come and go; BQL. */
void irq_log_watch_devices(void);

/* The same for the calling thread; IRQLOG_NO_THREAD when there are too many. */
uint16_t irq_log_new_thread(IrqLogSession *session);

/* irq-log-text.c */
bool irq_log_text_open(IrqLogSession *session, Error **errp);
void irq_log_writer_start(IrqLogSession *session);

/**
 * irq_log_writer_stop: let the writer finish what is in the ring, and end
 *
 * Context: any; does not wait.  session->writer_done tells when.
 */
void irq_log_writer_stop(IrqLogSession *session);

/**
 * vmscope_process_objects (process.c): tell of every program and library mapped
 * @add: called for each; false ends it
 *
 * Returns: a number that changes when another one is loaded
 */
unsigned long long
vmscope_process_objects(bool (*add)(const IrqlogObjectInfo *object,
                                    void *opaque), void *opaque);

/* symbols.c */
void vmscope_symbols_load(void);

/**
 * vmscope_symbol: what stands at an address of this process
 * @addr: the address
 * @is_return: it is a return address, so the call before it is meant
 *
 * Context: any thread; the first call may take tens of milliseconds unless
 * vmscope_symbols_load() was called before.
 *
 * Returns: "function+0xoffset", just "function" at its first byte, or NULL;
 *          freed with g_free()
 */
char *vmscope_symbol(uint64_t addr, bool is_return);

#endif
