/*
 * IRQ log: a run of it, and what the parts of it offer each other
 *
 * irq-log.c         turning on and off, and the hot path
 * irq-log-options.c what it can be told
 * irq-log-names.c   what lines and threads are called
 * irq-log-tree.c    which object is at which address
 * irq-log-text.c    the thread that writes the text
 * irq-log-file.c    the file that text goes to
 * irq-log-qmp.c     the QMP commands; irq-log-hmp.c the monitor's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_IRQ_LOG_H
#define VMSCOPE_IRQ_LOG_H

#include "qemu/thread.h"
#include "qapi/qapi-types-vmscope.h"
#include "irqlog/index.h"
#include "irqlog/store.h"
#include "common.h"
#include "session.h"

/* The level of a line that was not raised yet; no int has it. */
#define IRQ_LOG_LEVEL_UNKNOWN INT64_MIN

/* Where text goes. */
typedef struct IrqLogFile {
    int fd;                     /* -1: nowhere */
    bool regular;               /* never blocks for long; keeps what it gets */
    bool rotates;               /* has a name of its own, and may be renamed */
    bool created;               /* was not there before */
    uint64_t size;              /* bytes in it; of QEMU's log, of ours */
} IrqLogFile;

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
    QemuThread writer;
    QemuSemaphore wake;
    IrqLogFile file;            /* its own from its start on */
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
bool irq_log_file_open(IrqLogFile *file, const char *path, Error **errp);

/* Close it; nothing happens when it is closed. */
void irq_log_file_close(IrqLogFile *file);

/* Close it, and remove it again if it was made for nothing. */
void irq_log_file_abandon(IrqLogFile *file, const char *path);

/**
 * irq_log_file_rotate: go on in a new file; the one there is gets ".old" added
 * @file: one that rotates
 *
 * Returns: false with an error, and then @file is as it was
 */
bool irq_log_file_rotate(IrqLogFile *file, const char *path, Error **errp);

/**
 * irq_log_file_reopen: open what now stands under the name
 * @file: what is open
 * @next: filled in when it is another one
 *
 * Returns: 1 when it is another one, 0 when not; -1 with an error
 */
int irq_log_file_reopen(const IrqLogFile *file, IrqLogFile *next,
                        const char *path, Error **errp);

/* irq-log-text.c */
void irq_log_writer_start(IrqLogSession *session);

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

/**
 * vmscope_process_objects (process.c): tell of every program and library mapped
 * @add: called for each; false ends it
 *
 * Returns: a number that changes when another one is loaded
 */
unsigned long long
vmscope_process_objects(bool (*add)(const IrqlogObjectInfo *object,
                                    void *opaque), void *opaque);

/* symbols.c: read the program's own functions, some tens of milliseconds. */
void vmscope_symbols_load(void);

/**
 * vmscope_symbols_error: why functions of QEMU itself have no names
 *
 * Context: any thread.  Returns: a static text; NULL when they have, or when
 * vmscope_symbols_load() was not called yet
 */
const char *vmscope_symbols_error(void);

/**
 * vmscope_symbol: what stands at an address of this process
 * @addr: the address
 * @is_return: it is a return address, so the call before it is meant
 *
 * Context: any thread; the first call for a file reads its symbols, which may
 * take tens of milliseconds: QEMU's own by vmscope_symbols_load() before.
 *
 * Returns: "function+0xoffset", just "function" at its first byte, or NULL;
 *          freed with g_free()
 */
char *vmscope_symbol(uint64_t addr, bool is_return);

#endif
