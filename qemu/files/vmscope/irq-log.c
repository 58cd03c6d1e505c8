/*
 * IRQ log: turning on and off, and the hot path
 *
 * What happens at each interrupt while the log is on is in this file; so is
 * the life of a session.  See irq-log.h for the other parts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/notify.h"
#include "qemu/rcu.h"
#include "process/backtrace.h"
#include "process/process.h"
#include "recorder/keeper-thread.h"
#include "vmscope/irq-hook.h"
#include "vmscope/compat.h"
#include "irq-log.h"

/* Frames of calls inside calls; deeper ones are counted, not remembered. */
#define MAX_FRAMES 16

/* What the log knows of the calling thread. */
typedef struct IrqLogSelf {
    uint32_t tid;               /* 0: nothing known yet */
    uint16_t id;                /* in the session below */
    unsigned depth;             /* of calls under way */
    unsigned session;           /* the session number the id is of */
    uintptr_t frames[MAX_FRAMES];
    ProcessStack stack;
    Notifier exit;
} IrqLogSelf;

static __thread IrqLogSelf self;

static unsigned n_sessions;

static void irq_forget_thread(Notifier *notifier, void *data)
{
    rcu_unregister_thread();
}

/* A thread unknown to RCU could use a session after it was freed. */
static void irq_join_rcu(void)
{
    if (!get_ptr_rcu_reader()->node.le_prev) {
        rcu_register_thread();
        self.exit.notify = irq_forget_thread;
        qemu_thread_atexit_add(&self.exit);
    }
}

static void irq_learn_self(void)
{
    self.tid = qemu_get_thread_id();
    irq_join_rcu();
    self.stack = process_stack();
}

/*
 * A handler may leave by longjmp(), so a frame that was remembered may be
 * gone.  Calls nest towards lower addresses: what lies at or below this
 * frame is no longer there.
 */
static inline unsigned irq_current_depth(uintptr_t frame)
{
    unsigned depth = self.depth;

    while (unlikely(depth) &&
           self.frames[MIN(depth, MAX_FRAMES) - 1] <= frame) {
        depth = MIN(depth, MAX_FRAMES) - 1;
    }
    return depth;
}

static inline bool irq_level_changes(IrqLogSession *session, uint32_t line,
                                     int level)
{
    return line == IRQLOG_NO_LINE ||
           qatomic_xchg(&session->levels[line], (int64_t)level) != level;
}

static inline uint32_t irq_find_line(IrqLogSession *session, void *obj,
                                     bool message,
                                     const IrqlogIdentity *identity)
{
    uint32_t line = irqlog_index_find(session->index, &session->store,
                                      identity);

    if (unlikely(line == IRQLOG_NO_LINE)) {
        line = irq_log_new_line(session, obj, message, identity);
    } else if (unlikely(qatomic_read(&session->checked[line]) !=
                        qatomic_read(&irq_log_generation))) {
        line = irq_log_check_line(session, obj, message, identity, line);
    }
    return line;
}

/* Before it touches anything of the session's ring. */
static __attribute__((noinline)) void irq_meet_session(IrqLogSession *session)
{
    unsigned number = qatomic_read(&session->number);

    if (session->base.ring.is_file) {
        guard_thread();
    }
    self.id = irq_log_new_thread(session);
    self.session = number;
}

void irq_log_new_number(IrqLogSession *session)
{
    unsigned number = qatomic_inc_fetch(&n_sessions);

    qatomic_set(&session->number, number ? number :
                                  qatomic_inc_fetch(&n_sessions));
}

/*
 * Sessions come, go and are freed under the big lock only, so whoever holds
 * it needs nothing more.  Nearly all interrupts are raised that way; the rest
 * are under RCU.
 *
 * Returns: the session; @call knows how to leave
 */
static inline IrqLogSession *irq_enter(IrqlogCall *call)
{
    IrqLogSession *session;

    if (likely(bql_locked())) {
        call->flags |= IRQLOG_FLAG_LOCKED;
    } else {
        rcu_read_lock();
    }
    session = container_of(qatomic_rcu_read(&irq_log_trace.current),
                           IrqLogSession, base);
    if (unlikely(self.session != qatomic_read(&session->number))) {
        irq_meet_session(session);
    }
    call->tid = self.tid;
    call->thread = self.id;
    return session;
}

static inline void irq_leave(const IrqlogCall *call)
{
    if (unlikely(!(call->flags & IRQLOG_FLAG_LOCKED))) {
        rcu_read_unlock();
    }
}

/*
 * Out of line for its array: QEMU is built to clear every variable at entry
 * to its function, which would cost as much as the rest of the hot path.
 */
static __attribute__((noinline))
void irq_record_backtrace(IrqLogSession *session, IrqlogCall *call,
                          void *frame)
{
    uint64_t addrs[IRQLOG_BACKTRACE_MAX];

    call->n_backtrace = process_backtrace(&self.stack, frame, call->caller,
                                          session->backtrace, addrs);
    call->backtrace = addrs;
    irqlog_store_record(&session->store, call);
}

static inline void irq_record(IrqLogSession *session, IrqlogCall *call,
                              void *frame)
{
    if (unlikely(session->backtrace)) {
        irq_record_backtrace(session, call, frame);
    } else {
        irqlog_store_record(&session->store, call);
    }
}

static inline void irq_log_one(void *obj, qemu_irq_handler handler,
                               void *opaque,
                               int n, IrqlogCall *call, void *frame)
{
    IrqlogIdentity identity = {
        .key = (uintptr_t)obj,
        .handler = (uintptr_t)handler,
        .opaque = (uintptr_t)opaque,
        .parent = (uintptr_t)((Object *)obj)->parent,
        .n = n,
    };
    IrqLogSession *session;

    session = irq_enter(call);
    call->line = irq_find_line(session, obj, false, &identity);
    if (!session->changes_only ||
        irq_level_changes(session, call->line, call->level)) {
        irq_record(session, call, frame);
    }
    irq_leave(call);
}

static void irq_hook_call(void *obj, qemu_irq_handler handler, void *opaque,
                          int n, int level, void *caller)
{
    void *frame = __builtin_frame_address(0);
    IrqlogCall call = { .caller = (uintptr_t)caller, .level = level };
    unsigned depth;

    if (unlikely(!self.tid)) {
        irq_learn_self();
    }
    depth = irq_current_depth((uintptr_t)frame);
    call.depth = MIN(depth, UINT8_MAX);
    irq_log_one(obj, handler, opaque, n, &call, frame);

    if (likely(depth < MAX_FRAMES)) {
        self.frames[depth] = (uintptr_t)frame;
    }
    self.depth = depth + 1;
    handler(opaque, n, level);
    self.depth = depth;
}

static void irq_hook_message(void *dev, uint64_t address, uint32_t data,
                             void *caller)
{
    void *frame = __builtin_frame_address(0);
    IrqlogIdentity identity = irqlog_message_identity(
        (uintptr_t)dev, (uintptr_t)((Object *)dev)->parent, data);
    IrqlogCall call = {
        .caller = (uintptr_t)caller,
        .level = 1,
        .flags = IRQLOG_FLAG_MSI,
        .msi_address = address,
        .msi_data = data,
    };
    IrqLogSession *session;

    if (unlikely(!self.tid)) {
        irq_learn_self();
    }
    call.depth = MIN(irq_current_depth((uintptr_t)frame), UINT8_MAX);
    session = irq_enter(&call);
    if (session->msi) {
        call.line = irq_find_line(session, dev, true, &identity);
        irq_record(session, &call, frame);
    }
    irq_leave(&call);
}

static void irq_session_free(VmscopeSession *base)
{
    IrqLogSession *session = container_of(base, IrqLogSession, base);

    irqlog_file_close(&session->file);
    qemu_sem_destroy(&session->wake);
    qemu_mutex_destroy(&session->tables_lock);
    g_free(session->index);
    g_free(session->levels);
    g_free(session->checked);
    qapi_free_IrqLogOptions(session->opts);
    g_free(session);
}

IrqLogSession *irq_log_get(void)
{
    VmscopeSession *base = vmscope_session_get(&irq_log_trace);

    return base ? container_of(base, IrqLogSession, base) : NULL;
}

static IrqLogSession *irq_session_new(const IrqLogOptions *opts)
{
    IrqLogSession *session = g_new0(IrqLogSession, 1);

    vmscope_session_init(&session->base, &irq_log_trace);
    session->opts = irq_log_options_new(opts);
    session->msi = session->opts->msi;
    session->changes_only = session->opts->changes_only;
    session->backtrace = session->opts->backtrace;
    session->file.fd = -1;
    qemu_mutex_init(&session->tables_lock);
    qemu_sem_init(&session->wake, 0);
    return session;
}

/* All that the hot path touches is written to, so that it is there. */
static const Evring *irq_session_fill(void *opaque)
{
    IrqLogSession *session = opaque;
    const ProcessInfo *process = process_info();
    RecorderRun run = {
        .pid = getpid(),
        .load_base = process->load_base,
        .build_id = process->build_id,
        .exe = process->exe,
    };
    unsigned i;

    session->index = g_new(IrqlogIndex, 1);
    session->levels = g_new(int64_t, IRQLOG_MAX_LINES);
    session->checked = g_new(uint32_t, IRQLOG_MAX_LINES);
    memset(session->index, 0, sizeof(*session->index));
    memset(session->checked, 0, IRQLOG_MAX_LINES * sizeof(uint32_t));
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        session->levels[i] = IRQ_LOG_LEVEL_UNKNOWN;
    }
    irqlog_store_init(&session->store, session->base.ring.mem,
                      session->opts->entries, session->backtrace, &run,
                      &session->base.ring.keeper, keeper_at_load());
    irq_log_add_objects(session);
    return &session->store.ring;
}

bool irq_log_start(const IrqLogOptions *opts, Error **errp)
{
    IrqLogSession *session = irq_session_new(opts);
    const char *log_file = session->opts->log_file;

    if ((session->opts->text &&
         !irq_log_file_open(&session->file, log_file, errp)) ||
        !vmscope_ring_prepare(&session->base.ring, session->opts->ring_file,
                              irqlog_store_size(session->opts->entries,
                                                session->backtrace),
                              irq_session_fill, session, errp)) {
        goto fail;
    }
    irq_log_watch_devices();
    irq_log_new_number(session);
    if (!irq_log_writer_start(session, errp)) {
        irqlog_store_stop(&session->store);
        vmscope_ring_end(&session->base.ring);
        goto fail;
    }
    vmscope_session_begin(&session->base);
    qatomic_set(&irq_log_call_hook, irq_hook_call);
    qatomic_set(&irq_log_message_hook, irq_hook_message);
    return true;

fail:
    irqlog_file_abandon(&session->file, log_file);
    irq_log_put(session);
    return false;
}

static VmscopeSession *irq_session_stop(void)
{
    VmscopeSession *base = vmscope_session_end(&irq_log_trace);
    IrqLogSession *session;

    if (base) {
        session = container_of(base, IrqLogSession, base);
        qatomic_set(&irq_log_call_hook, NULL);
        qatomic_set(&irq_log_message_hook, NULL);
        irq_log_writer_stop(session);
        irq_log_names_stop(session);
    }
    return base;
}

VmscopeTrace irq_log_trace = {
    .free = irq_session_free,
    .stop = irq_session_stop,
};

static void irq_log_register(void)
{
    vmscope_trace_register(&irq_log_trace);
}

type_init(irq_log_register)
