/*
 * IRQ log: turning on and off, and the hot path
 *
 * What happens at each interrupt while the log is on is in this file; so is
 * the life of a session.  See irq-log.h for the other parts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <execinfo.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/notify.h"
#include "vmscope/irq-hook.h"
#include "vmscope/compat.h"
#include "irq-log.h"

/* Frames of calls inside calls; deeper ones are counted, not remembered. */
#define MAX_FRAMES 16

/* Of the frames backtrace() returns, how many may lie below the raiser. */
#define MAX_OWN_FRAMES 8

/* At exit, how long to wait for the text to be complete. */
#define EXIT_WAIT_MS 1000

/* What the log knows of the calling thread. */
typedef struct IrqLogSelf {
    uint32_t tid;               /* 0: nothing known yet */
    uint16_t id;                /* in the session below */
    unsigned depth;             /* of calls under way */
    uint64_t session;           /* the session number the id is of */
    uintptr_t frames[MAX_FRAMES];
    uintptr_t stack_low;
    uintptr_t stack_high;
    Notifier exit;
} IrqLogSelf;

static __thread IrqLogSelf self;

/* Written under the BQL, read under RCU. */
static IrqLogSession *current;
static uint64_t n_sessions;
static Notifier exit_notifier;

static void forget_thread(Notifier *notifier, void *data)
{
    rcu_unregister_thread();
}

/* A thread unknown to RCU could use a session after it was freed. */
static void join_rcu(void)
{
    if (!get_ptr_rcu_reader()->node.le_prev) {
        rcu_register_thread();
        self.exit.notify = forget_thread;
        qemu_thread_atexit_add(&self.exit);
    }
}

static void learn_stack(void)
{
    pthread_attr_t attr;
    void *low;
    size_t size;

    if (pthread_getattr_np(pthread_self(), &attr)) {
        return;
    }
    if (!pthread_attr_getstack(&attr, &low, &size)) {
        self.stack_low = (uintptr_t)low;
        self.stack_high = (uintptr_t)low + size;
    }
    pthread_attr_destroy(&attr);
}

static void learn_self(void)
{
    self.tid = qemu_get_thread_id();
    join_rcu();
    learn_stack();
}

/*
 * A handler may leave by longjmp(), so a frame that was remembered may be
 * gone.  Calls nest towards lower addresses: what lies at or below this
 * frame is no longer there.
 */
static inline unsigned current_depth(uintptr_t frame)
{
    unsigned depth = self.depth;

    while (unlikely(depth) &&
           self.frames[MIN(depth, MAX_FRAMES) - 1] <= frame) {
        depth = MIN(depth, MAX_FRAMES) - 1;
    }
    return depth;
}

#ifdef VMSCOPE_FRAME_POINTERS
/* A frame is the saved frame pointer and the return address. */
static uintptr_t *next_frame(uintptr_t *frame)
{
    uintptr_t next = frame[0];

    if (next <= (uintptr_t)frame || next % sizeof(uintptr_t) ||
        next > self.stack_high - 2 * sizeof(uintptr_t)) {
        return NULL;
    }
    return (uintptr_t *)next;
}

/*
 * Returns: false when frame pointers cannot tell: on a coroutine's stack, or
 * called from code that has none.
 */
static bool walk_frames(uintptr_t *frame, uintptr_t caller, unsigned max,
                        uint64_t *addrs, unsigned *n)
{
    if ((uintptr_t)frame < self.stack_low ||
        (uintptr_t)frame >= self.stack_high) {
        return false;
    }
    while (frame && frame[1] != caller) {
        frame = next_frame(frame);
    }
    if (!frame) {
        return false;
    }
    for (*n = 0; *n < max; (*n)++) {
        frame = next_frame(frame);
        if (!frame || !frame[1]) {
            break;
        }
        addrs[*n] = frame[1];
    }
    return true;
}
#else
static bool walk_frames(uintptr_t *frame, uintptr_t caller, unsigned max,
                        uint64_t *addrs, unsigned *n)
{
    return false;
}
#endif

static unsigned unwind_frames(uintptr_t caller, unsigned max, uint64_t *addrs)
{
    void *all[IRQLOG_BACKTRACE_MAX + MAX_OWN_FRAMES];
    int n_all = backtrace(all, max + MAX_OWN_FRAMES);
    unsigned n = 0;
    int i = 0;

    while (i < n_all && (uintptr_t)all[i] != caller) {
        i++;
    }
    for (i++; i < n_all && n < max; i++) {
        addrs[n++] = (uintptr_t)all[i];
    }
    return n;
}

static unsigned take_backtrace(void *frame, uintptr_t caller, unsigned max,
                               uint64_t *addrs)
{
    unsigned n;

    if (!walk_frames(frame, caller, max, addrs, &n)) {
        n = unwind_frames(caller, max, addrs);
    }
    return n;
}

static inline bool level_changes(IrqLogSession *session, uint32_t line,
                                 int level)
{
    return line == IRQLOG_NO_LINE ||
           qatomic_xchg(&session->levels[line], (int64_t)level) != level;
}

static inline uint32_t find_line(IrqLogSession *session, void *obj,
                                 bool message, const IrqlogIdentity *identity)
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

static inline void fill_thread(IrqLogSession *session, IrqlogCall *call)
{
    if (unlikely(self.session != session->number)) {
        self.id = irq_log_new_thread(session);
        self.session = session->number;
    }
    call->tid = self.tid;
    call->thread = self.id;
}

/*
 * Sessions come, go and are freed under the big lock only, so whoever holds
 * it needs nothing more.  Nearly all interrupts are raised that way; the rest
 * are under RCU.
 *
 * Returns: the session; @call knows how to leave
 */
static inline IrqLogSession *enter_session(IrqlogCall *call)
{
    if (likely(bql_locked())) {
        call->flags |= IRQLOG_FLAG_LOCKED;
    } else {
        rcu_read_lock();
    }
    return qatomic_rcu_read(&current);
}

static inline void leave_session(const IrqlogCall *call)
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
void record_with_backtrace(IrqLogSession *session, IrqlogCall *call,
                           void *frame)
{
    uint64_t addrs[IRQLOG_BACKTRACE_MAX];

    call->n_backtrace = take_backtrace(frame, call->caller,
                                       session->backtrace, addrs);
    call->backtrace = addrs;
    irqlog_store_record(&session->store, call);
}

static inline void record(IrqLogSession *session, IrqlogCall *call,
                          void *frame)
{
    fill_thread(session, call);
    if (unlikely(session->backtrace)) {
        record_with_backtrace(session, call, frame);
    } else {
        irqlog_store_record(&session->store, call);
    }
}

static inline void log_call(void *obj, qemu_irq_handler handler, void *opaque,
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

    session = enter_session(call);
    call->line = find_line(session, obj, false, &identity);
    if (!session->changes_only ||
        level_changes(session, call->line, call->level)) {
        record(session, call, frame);
    }
    leave_session(call);
}

static void hook_call(void *obj, qemu_irq_handler handler, void *opaque,
                      int n, int level, void *caller)
{
    void *frame = __builtin_frame_address(0);
    IrqlogCall call = { .caller = (uintptr_t)caller, .level = level };
    unsigned depth;

    if (unlikely(!self.tid)) {
        learn_self();
    }
    depth = current_depth((uintptr_t)frame);
    call.depth = MIN(depth, UINT8_MAX);
    log_call(obj, handler, opaque, n, &call, frame);

    if (likely(depth < MAX_FRAMES)) {
        self.frames[depth] = (uintptr_t)frame;
    }
    self.depth = depth + 1;
    handler(opaque, n, level);
    self.depth = depth;
}

static void hook_message(void *dev, uint64_t address, uint32_t data,
                         void *caller)
{
    void *frame = __builtin_frame_address(0);
    IrqlogIdentity identity = {
        .key = (uintptr_t)dev,
        .parent = (uintptr_t)((Object *)dev)->parent,
    };
    IrqlogCall call = {
        .caller = (uintptr_t)caller,
        .level = 1,
        .flags = IRQLOG_FLAG_MSI,
        .msi_address = address,
        .msi_data = data,
    };
    IrqLogSession *session;

    if (unlikely(!self.tid)) {
        learn_self();
    }
    call.depth = MIN(current_depth((uintptr_t)frame), UINT8_MAX);
    session = enter_session(&call);
    if (session->msi) {
        call.line = find_line(session, dev, true, &identity);
        record(session, &call, frame);
    }
    leave_session(&call);
}

static void session_free(IrqLogSession *session)
{
    vmscope_memory_free(session->mem, session->mem_size);
    if (session->text_fd >= 0) {
        close(session->text_fd);
    }
    qemu_sem_destroy(&session->wake);
    qemu_mutex_destroy(&session->tables_lock);
    g_free(session->index);
    g_free(session->levels);
    g_free(session->checked);
    g_free(session->log_file);
    g_free(session->ring_file);
    g_free(session);
}

void irq_log_ref(IrqLogSession *session)
{
    qatomic_inc(&session->refs);
}

void irq_log_put(IrqLogSession *session)
{
    if (qatomic_fetch_dec(&session->refs) == 1) {
        session_free(session);
    }
}

IrqLogSession *irq_log_get(void)
{
    IrqLogSession *session;

    RCU_READ_LOCK_GUARD();
    session = qatomic_rcu_read(&current);
    if (session) {
        /* Cannot be the first: current's own is dropped after RCU waits. */
        irq_log_ref(session);
    }
    return session;
}

static IrqLogSession *session_new(const IrqLogOptions *opts)
{
    IrqLogSession *session = g_new0(IrqLogSession, 1);
    unsigned i;

    session->refs = 1;
    session->text = !opts->has_text || opts->text;
    session->msi = !opts->has_msi || opts->msi;
    session->changes_only = opts->has_changes_only && opts->changes_only;
    session->backtrace = opts->has_backtrace ? opts->backtrace : 0;
    session->log_file = g_strdup(opts->log_file);
    session->ring_file = g_strdup(opts->ring_file);
    session->text_fd = -1;
    session->index = g_new0(IrqlogIndex, 1);
    session->levels = g_new(int64_t, IRQLOG_MAX_LINES);
    session->checked = g_new0(uint32_t, IRQLOG_MAX_LINES);
    for (i = 0; i < IRQLOG_MAX_LINES; i++) {
        session->levels[i] = IRQ_LOG_LEVEL_UNKNOWN;
    }
    qemu_mutex_init(&session->tables_lock);
    qemu_sem_init(&session->wake, 0);
    return session;
}

static bool add_object(const IrqlogObjectInfo *object, void *opaque)
{
    return irqlog_store_add_object(opaque, object);
}

static void session_fill(IrqLogSession *session, uint64_t entries)
{
    const VmscopeProcess *process = vmscope_process();
    IrqlogRun run = { .pid = getpid(), .load_base = process->load_base };

    pstrcpy(run.build_id, sizeof(run.build_id), process->build_id);
    pstrcpy(run.exe, sizeof(run.exe), process->exe);
    irqlog_store_init(&session->store, session->mem, entries,
                      session->backtrace, &run, &session->keeper,
                      &process->start);
    vmscope_process_objects(add_object, &session->store);
}

static void session_retired(IrqLogSession *session)
{
    irq_log_put(session);
}

static void session_begin(IrqLogSession *session)
{
    IrqLogSession *old = current;

    irq_log_watch_devices();
    session->number = ++n_sessions;
    session->enabled = true;
    irq_log_writer_start(session);
    qatomic_rcu_set(&current, session);
    if (old) {
        call_rcu(old, session_retired, rcu);
    }
    qatomic_set(&irq_log_call_hook, hook_call);
    qatomic_set(&irq_log_message_hook, hook_message);
}

bool irq_log_start(const IrqLogOptions *opts, Error **errp)
{
    uint64_t entries = evring_round_entries(opts->has_entries ?
                                            opts->entries : 65536);
    IrqLogSession *session = session_new(opts);
    void *warm_up[1];

    session->mem_size = irqlog_store_size(entries, session->backtrace);
    if (!irq_log_text_open(session, errp)) {
        goto fail;
    }
    session->mem = vmscope_memory_new(session->ring_file, session->mem_size,
                                      errp);
    if (!session->mem) {
        goto fail;
    }
    if (session->backtrace) {
        /* The first call loads a library, which no interrupt should. */
        backtrace(warm_up, 1);
    }
    session_fill(session, entries);
    session_begin(session);
    return true;

fail:
    session_free(session);
    return false;
}

IrqLogSession *irq_log_stop(void)
{
    IrqLogSession *session = current;

    if (!session || !session->enabled) {
        return NULL;
    }
    qatomic_set(&irq_log_call_hook, NULL);
    qatomic_set(&irq_log_message_hook, NULL);
    qatomic_set(&session->enabled, false);
    irq_log_ref(session);
    irq_log_writer_stop(session);
    return session;
}

static void stop_at_exit(Notifier *notifier, void *data)
{
    IrqLogSession *session = irq_log_stop();
    int ms;

    if (!session) {
        return;
    }
    for (ms = 0; ms < EXIT_WAIT_MS; ms++) {
        if (qatomic_load_acquire(&session->writer_done)) {
            break;
        }
        g_usleep(1000);
    }
    irq_log_put(session);
}

static void register_exit(void)
{
    exit_notifier.notify = stop_at_exit;
    qemu_add_exit_notifier(&exit_notifier);
}

type_init(register_exit)
