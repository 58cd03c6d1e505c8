/*
 * Windows scheduler trace: finding the kernel, and keeping track of it
 *
 * Runs in the helper thread.  How a kernel is recognised is core/winos; here
 * it is given registers and memory, and what it finds is put to use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/lockable.h"
#include "sched-helper.h"

/* How long to wait for vCPUs to tell their registers. */
#define ASK_MS 50

/* Of the time that passes, what looking for a kernel may take: one in ... */
#define FIND_SHARE 10

/* How often vCPUs whose KPCR is not known are asked: first and last. */
#define ASK_FIRST_NS 100000000
#define ASK_LAST_NS 1000000000

/* A lesson is so long; so many come soon after each other, later ones not. */
#define LESSON_NS 2000000
#define SOON_LESSONS 25
#define SOON_NS 200000000
#define LATER_NS 1000000000

static void set_state(SchedSession *session, WindowsSchedTraceState state,
                      const char *reason)
{
    QEMU_LOCK_GUARD(&session->lock);
    session->findings.state = state;
    pstrcpy(session->findings.reason, sizeof(session->findings.reason),
            reason);
}

/* --- the kernel that is traced */

void sched_settle_state(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    g_autofree char *misfit = sched_overrides_misfit(&session->winos,
                                                     &helper->result.layout);
    g_autofree char *text = NULL;
    const char *reason = "";
    bool well = sched_exact_is_well(helper, &reason) && !misfit;

    text = g_strdup_printf("%s%s%s", reason, *reason && misfit ? "; " : "",
                           misfit ? misfit : "");
    set_state(session, well ? WINDOWS_SCHED_TRACE_STATE_ACTIVE :
                              WINDOWS_SCHED_TRACE_STATE_DEGRADED, text);
}

static void fill_offset(SchedlogOffset *to, WinosField field,
                        const WinosOffset *from)
{
    to->value = from->value;
    pstrcpy(to->name, sizeof(to->name), winos_field_name(field));
    if (from->value >= 0) {
        pstrcpy(to->source, sizeof(to->source),
                winos_source_name(from->source));
    }
}

/* Whoever reads the ring file learns of the kernel, too. */
static void add_guest(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    const WinosResult *result = &helper->result;
    g_autofree SchedlogGuest *guest = g_new0(SchedlogGuest, 1);
    unsigned i;

    QEMU_BUILD_BUG_ON((int)WINOS_N_FIELDS > (int)SCHEDLOG_MAX_OFFSETS);
    guest->kernel_base = result->kernel.image.base;
    guest->kernel_size = result->kernel.image.size;
    guest->kernel_timestamp = result->kernel.image.timestamp;
    guest->build = result->kernel.build;
    guest->since_stamp = sched_now(session);
    guest->n_offsets = WINOS_N_FIELDS;
    for (i = 0; i < WINOS_N_FIELDS; i++) {
        fill_offset(&guest->offsets[i], i, &result->layout.field[i]);
    }
    schedlog_store_add_guest(&session->store, guest);
}

static void view_free(SchedView *view)
{
    g_free(view);
}

static void set_view(SchedSession *session, SchedView *view)
{
    SchedView *old = session->view;

    qatomic_rcu_set(&session->view, view);
    if (old) {
        call_rcu(old, view_free, rcu);
    }
}

/* Have samplers, queries and readers go by helper->result. */
static void use_result(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    SchedView *view = g_new0(SchedView, 1);

    view->ws.space = helper->result.kernel.space;
    view->ws.layout = helper->result.layout;
    view->ws.record = sched_record;
    view->ws.now = sched_now;
    view->ws.current = sched_current;
    view->ws.opaque = session;
    set_view(session, view);
    add_guest(helper);
    QEMU_LOCK_GUARD(&session->lock);
    session->findings.found = true;
    session->findings.result = helper->result;
}

void sched_forget(SchedHelper *helper, const char *reason)
{
    SchedSession *session = helper->session;

    helper->active = false;
    sched_exact_end(helper);
    helper->backoff_ns = SCHED_FIRST_BACKOFF_NS;
    helper->find_ns = helper->early_ns;
    winos_learner_free(helper->learner);
    helper->learner = NULL;
    sched_slots_end(helper);
    set_view(session, NULL);
    WITH_QEMU_LOCK_GUARD(&session->lock) {
        session->findings.found = false;
    }
    set_state(session, WINDOWS_SCHED_TRACE_STATE_WAITING, reason);
}

/* --- registers */

void sched_forget_regs(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned i;

    sched_asker_end(&helper->asker);
    QEMU_LOCK_GUARD(&session->lock);
    for (i = 0; i < session->n_slots; i++) {
        session->slots[i].has_exit_regs = false;
    }
}

static void translate_regs(WinosRegs *to, const SchedRegs *from)
{
    *to = (WinosRegs) {
        .vcpu = from->vcpu,
        .cpl = from->cpl,
        .long_mode = from->long_mode,
        .la57 = from->la57,
        .gs_base = from->gs_base,
        .kernel_gs_base = from->kernel_gs_base,
        .cr3 = from->cr3,
        .lstar = from->lstar,
        .idt_base = from->idt_base,
    };
}

/* Returns: whether a vCPU has left registers at an exit; only once. */
static bool take_exit_regs(SchedSession *session, unsigned vcpu,
                           SchedRegs *regs)
{
    SchedSlot *slot = &session->slots[vcpu];
    bool has;

    QEMU_LOCK_GUARD(&session->lock);
    has = slot->has_exit_regs;
    slot->has_exit_regs = false;
    *regs = slot->exit_regs;
    return has;
}

/* A vCPU asked inside of user code, or between swaps, may hide its KPCR. */
static void add_exit_gs(SchedSession *session, SchedRegs *regs)
{
    SchedRegs left;

    if (!(regs->gs_base >> 63) && !(regs->kernel_gs_base >> 63) &&
        take_exit_regs(session, regs->vcpu, &left)) {
        regs->kernel_gs_base = left.gs_base;
    }
}

static void raise_longest(SchedSession *session, uint64_t ns)
{
    QEMU_LOCK_GUARD(&session->lock);
    session->findings.longest_vcpu_ns = MAX(ns,
                                            session->findings.longest_vcpu_ns);
}

/* Returns: how many helper->winos_regs there are. */
static unsigned ask(SchedHelper *helper, const bool *wanted, unsigned ms)
{
    SchedSession *session = helper->session;
    uint64_t longest = 0;
    unsigned n = sched_regs_ask(&helper->asker, wanted, session->n_slots,
                                helper->regs, ms, &longest);
    unsigned i;

    raise_longest(session, longest);
    for (i = 0; i < n; i++) {
        add_exit_gs(session, &helper->regs[i]);
        translate_regs(&helper->winos_regs[i], &helper->regs[i]);
    }
    return n;
}

/* --- looking for a kernel */

static unsigned begin_slots(SchedHelper *helper)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < helper->result.n_cpus; i++) {
        n += sched_slot_begin(helper, &helper->cpus[i]);
    }
    return n;
}

static void begin_tracing(SchedHelper *helper)
{
    SchedSession *session = helper->session;

    helper->active = true;
    helper->learner = winos_learner_new();
    helper->lessons = 0;
    helper->learn_ns = 0;
    helper->keep_ns = 0;
    helper->poll_ns = 0;
    helper->ask_ns = 0;
    helper->ask_backoff_ns = ASK_FIRST_NS;
    WITH_QEMU_LOCK_GUARD(&session->lock) {
        session->findings.kernels++;
    }
    sched_exact_begin(helper);
    sched_settle_state(helper);
}

static bool detect(SchedHelper *helper, unsigned n_regs, Err *err)
{
    SchedSession *session = helper->session;

    if (!winos_detect(&session->guest, helper->winos_regs, n_regs,
                      &session->winos, &helper->result, helper->cpus, err)) {
        return false;
    }
    use_result(helper);
    if (!begin_slots(helper)) {
        err_set(err, ERR_FAULT, "a Windows kernel of build %u is there, but "
                "no vCPU's running thread is in memory",
                helper->result.kernel.build);
        sched_forget(helper, err->text);
        return false;
    }
    return true;
}

static void note_attempt(SchedSession *session, uint64_t ns, uint64_t reads)
{
    QEMU_LOCK_GUARD(&session->lock);
    session->findings.attempts++;
    session->findings.last_ns = ns;
    session->findings.reads = reads;
}

/* Something that is no Windows may take long to rule out, again and again. */
static void back_off(SchedHelper *helper, uint64_t took_ns)
{
    uint64_t now = clock_now_ns();

    helper->early_ns = now + took_ns * FIND_SHARE;
    helper->find_ns = MAX(now + helper->backoff_ns, helper->early_ns);
    helper->backoff_ns = MIN(helper->backoff_ns * 2, SCHED_LAST_BACKOFF_NS);
}

static void say_not_found(SchedHelper *helper, const Err *err)
{
    SchedSession *session = helper->session;
    g_autofree char *given = NULL;
    g_autofree char *text = NULL;

    if (!helper->result.kernel.build) {
        set_state(session, WINDOWS_SCHED_TRACE_STATE_WAITING, err->text);
        return;
    }
    given = sched_overrides_given(&session->winos, &helper->result.layout);
    text = g_strdup_printf("%s%s%s", err->text, given ? "; " : "",
                           given ? given : "");
    set_state(session, WINDOWS_SCHED_TRACE_STATE_DETECTING, text);
}

static void find_with(SchedHelper *helper, unsigned n_regs)
{
    uint64_t reads = sched_memory_reads();
    uint64_t start = clock_now_ns();
    Err err = {};
    bool found = detect(helper, n_regs, &err);
    uint64_t took = clock_now_ns() - start;

    note_attempt(helper->session, took, sched_memory_reads() - reads);
    back_off(helper, took);
    if (found) {
        begin_tracing(helper);
    } else {
        say_not_found(helper, &err);
    }
}

unsigned sched_note_present(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned n = sched_cpus_present(helper->present, session->n_slots);
    unsigned i;

    QEMU_LOCK_GUARD(&session->lock);
    for (i = 0; i < session->n_slots; i++) {
        session->slots[i].present = helper->present[i];
    }
    return n;
}

void sched_find_kernel(SchedHelper *helper)
{
    unsigned present = sched_note_present(helper);
    unsigned n = present ? ask(helper, helper->present, ASK_MS) : 0;

    if (n) {
        find_with(helper, n);
        return;
    }
    back_off(helper, 0);
    set_state(helper->session, WINDOWS_SCHED_TRACE_STATE_WAITING,
              present ? "no vCPU has told its registers yet" :
                        "the machine has no vCPU yet");
}

/* --- keeping track */

static void check_slots(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned i;

    for (i = 0; i < helper->limit; i++) {
        SchedSlot *slot = &session->slots[i];

        if (!sched_slot_is_on(slot)) {
            continue;
        }
        if (!helper->present[i] ||
            !winos_cpu_is_there(&helper->result, &slot->info)) {
            sched_slot_end(slot);
        } else {
            sched_slot_follow(helper, slot);
        }
    }
}

static void try_regs(SchedHelper *helper, const WinosRegs *regs)
{
    WinosCpu cpu;

    if (!sched_slot_is_on(&helper->session->slots[regs->vcpu]) &&
        winos_cpu_find(&helper->result, regs, &cpu)) {
        sched_slot_begin(helper, &cpu);
    }
}

/* Returns: how many vCPUs have not been found, by helper->wanted. */
static unsigned try_exit_regs(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < session->n_slots; i++) {
        SchedSlot *slot = &session->slots[i];
        bool missing = helper->present[i] && !sched_slot_is_on(slot);
        SchedRegs left;
        WinosRegs regs;

        if (missing && take_exit_regs(session, i, &left)) {
            translate_regs(&regs, &left);
            try_regs(helper, &regs);
        }
        helper->wanted[i] = missing && !sched_slot_is_on(slot);
        n += helper->wanted[i];
    }
    return n;
}

/* Answers are not waited for: they are there at the next turn. */
static void find_more(SchedHelper *helper)
{
    unsigned missing = try_exit_regs(helper);
    uint64_t now = clock_now_ns();
    unsigned n;

    if (!helper->asker.pending && (!missing || now < helper->ask_ns)) {
        return;
    }
    n = ask(helper, helper->wanted, 0);
    while (n--) {
        try_regs(helper, &helper->winos_regs[n]);
    }
    if (!helper->asker.pending) {
        helper->ask_ns = now + helper->ask_backoff_ns;
        helper->ask_backoff_ns = MIN(helper->ask_backoff_ns * 2, ASK_LAST_NS);
    }
}

/* Returns: how many helper->cpus are looked at. */
static unsigned list_cpus(SchedHelper *helper)
{
    SchedSession *session = helper->session;
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < helper->limit; i++) {
        if (sched_slot_is_on(&session->slots[i])) {
            helper->cpus[n++] = session->slots[i].info;
        }
    }
    return n;
}

static bool take_lesson(SchedHelper *helper, unsigned n_cpus)
{
    RCU_READ_LOCK_GUARD();
    return winos_learn(helper->learner, &helper->result,
                       &helper->session->winos, helper->cpus, n_cpus,
                       LESSON_NS);
}

static void follow_layout(SchedHelper *helper)
{
    unsigned i;

    use_result(helper);
    for (i = 0; i < helper->limit; i++) {
        SchedSlot *slot = &helper->session->slots[i];

        if (sched_slot_is_on(slot)) {
            sched_slot_follow(helper, slot);
        }
    }
    sched_settle_state(helper);
}

static void learn(SchedHelper *helper, unsigned n_cpus)
{
    uint64_t now = clock_now_ns();

    if (!helper->learner || now < helper->learn_ns) {
        return;
    }
    if (take_lesson(helper, n_cpus)) {
        follow_layout(helper);
    }
    helper->lessons++;
    helper->learn_ns = now + (helper->lessons < SOON_LESSONS ? SOON_NS :
                                                               LATER_NS);
    if (winos_learner_done(helper->learner, &helper->result)) {
        winos_learner_free(helper->learner);
        helper->learner = NULL;
    }
}

void sched_keep_track(SchedHelper *helper)
{
    unsigned n;

    if (!winos_kernel_is_there(&helper->result.kernel)) {
        sched_forget(helper, "the Windows kernel is no longer there");
        return;
    }
    sched_note_present(helper);
    check_slots(helper);
    find_more(helper);
    n = list_cpus(helper);
    if (n == 0) {
        sched_forget(helper, "no vCPU's KPCR is where it was");
    } else if (qatomic_read(&helper->session->running)) {
        learn(helper, n);
    }
}
