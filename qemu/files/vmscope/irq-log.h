/*
 * IRQ log: a run of it, and what the parts of it offer each other
 *
 * irq-log.c         turning on and off, and the hot path
 * irq-log-options.c what it can be told
 * irq-log-names.c   what lines and threads are called
 * irq-log-tree.c    which object is at which address
 * irq-log-text.c    the thread that writes the text
 * irq-log-file.c    where text goes, as QEMU's user names it
 * irq-log-qmp.c     the QMP commands; irq-log-hmp.c the monitor's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_IRQ_LOG_H
#define VMSCOPE_IRQ_LOG_H

#include "qemu/thread.h"
#include "qapi/qapi-types-vmscope.h"
#include "irqlog/file.h"
#include "irqlog/index.h"
#include "irqlog/store.h"
#include "session.h"

/* The level of a line that was not raised yet; no int has it. */
#define IRQ_LOG_LEVEL_UNKNOWN INT64_MIN

/* From one enabling to the next; the ring outlives the logging. */
typedef struct IrqLogSession {
    VmscopeSession base;        /* done when the text is complete, too */
    unsigned number;            /* of what its ids are of; never 0 */

    /* What it was enabled with; constant. */
    IrqLogOptions *opts;        /* all of them, with defaults */
    bool msi;                   /* of those, what the hot path asks for */
    bool changes_only;
    uint8_t backtrace;

    /* Where interrupts are kept. */
    IrqlogStore store;
    IrqlogIndex *index;
    int64_t *levels;            /* of each line */
    uint32_t *checked;          /* generation each line's name was right in */

    /* For adding to the store's tables; never taken in the hot path. */
    QemuMutex tables_lock;
    bool naming_scheduled;
    uint32_t n_named;           /* lines whose owners were looked for */

    /* The writer thread's. */
    QemuSemaphore wake;
    IrqlogFile file;            /* its own from its start on */
    bool stop;
    uint64_t text_lost;
    const char *text_error;     /* static or interned; NULL: none */
    unsigned reopen_asked;      /* how often */
    unsigned reopen_done;       /* the last that was answered */
    const char *reopen_error;   /* interned; NULL: it could */
} IrqLogSession;

/**
 * irq_log_get: the newest session, with a reference
 *
 * Context: any thread that is registered with RCU.
 *
 * Returns: NULL when the log was never on; else for irq_log_put()
 */
IrqLogSession *irq_log_get(void);

static inline void irq_log_ref(IrqLogSession *session)
{
    vmscope_session_ref(&session->base);
}

static inline void irq_log_put(IrqLogSession *session)
{
    vmscope_session_put(&session->base);
}

extern VmscopeTrace irq_log_trace;

/**
 * irq_log_start: turn the log on
 * @opts: checked, with enable
 *
 * Context: main loop, under the BQL.
 */
bool irq_log_start(const IrqLogOptions *opts, Error **errp);

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

/**
 * irq_log_new_number: ids of lines and threads are of other ones from now on
 *
 * Context: any thread.
 */
void irq_log_new_number(IrqLogSession *session);

/* Raised whenever a device came or went; never 0 while a session is on. */
extern uint32_t irq_log_generation;

/* Begin to watch devices come and go; BQL. */
void irq_log_watch_devices(void);

/* Keep nothing of the object tree once all lines have names; main loop. */
void irq_log_names_stop(IrqLogSession *session);

/* The same for the calling thread; IRQLOG_NO_THREAD when there are too many. */
uint16_t irq_log_new_thread(IrqLogSession *session);

/* irq-log-options.c */

/**
 * irq_log_options_check: are these options possible?
 */
bool irq_log_options_check(const IrqLogOptions *opts, Error **errp);

/**
 * irq_log_options_new: what checked options come to
 * @given: as the user gave them
 *
 * Returns: all of them, file names absolute; qapi_free_IrqLogOptions()
 */
IrqLogOptions *irq_log_options_new(const IrqLogOptions *given);

/**
 * irq_log_options_same: is that what the session was turned on with?
 * @opts: checked; what is not given is as it is
 *
 * Returns: false with an error that names what differs
 */
bool irq_log_options_same(const IrqLogSession *session,
                          const IrqLogOptions *opts, Error **errp);

/* irq-log-file.c; main loop or the writer. */

/* Does QEMU's own log go to a file? */
bool irq_log_qemu_log_is_file(void);

/**
 * irq_log_file_open: open what text shall go to
 * @file: filled in
 * @path: from vmscope_file_name(); NULL for QEMU's own log
 *
 * Returns: false with an error when it is not there, or not ours to write to
 */
bool irq_log_file_open(IrqlogFile *file, const char *path, Error **errp);

/**
 * irq_log_file_reopen: open what now stands under the name
 * @file: what is open
 * @next: filled in when it is another one
 *
 * Returns: 1 when it is another one, 0 when not; -1 with an error
 */
int irq_log_file_reopen(const IrqlogFile *file, IrqlogFile *next,
                        const char *path, Error **errp);

/* irq-log-text.c */

/* Returns: false with an error when there is no thread to write it. */
bool irq_log_writer_start(IrqLogSession *session, Error **errp);

/* Add what is mapped and not known yet to the store's tables; one at a time. */
void irq_log_add_objects(IrqLogSession *session);

/**
 * irq_log_writer_reopen: let the writer look for its file again
 *
 * Context: main loop; does not wait.  session->reopen_done tells when it has,
 * session->reopen_error whether it could.
 *
 * Returns: what reopen_done will be
 */
unsigned irq_log_writer_reopen(IrqLogSession *session);

/**
 * irq_log_writer_stop: let the writer finish what is in the ring, and end
 *
 * Context: any; does not wait.  session->base.done tells when.
 */
void irq_log_writer_stop(IrqLogSession *session);

#endif
