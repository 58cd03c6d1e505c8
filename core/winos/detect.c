/*
 * winos/detect: see detect.h.
 *
 * The order of things: the kernel, what the sources claim, the vCPUs' KPCRs
 * and PRCBs, and then every other field (settle.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/detect.h"

#include "winos/accessor.h"
#include "winos/settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PRCB_DISTANCE = 0x1000, FIRST_BUILD = 7600 };

/* What one detection works on; too much for a stack. */
typedef struct Work {
    LiveWorld world;
    AccessorFacts facts;
    const WinosOptions *options;
    WinosResult *result;
} Work;

void winos_options_init(WinosOptions *options)
{
    unsigned f;

    options->auto_detect = true;
    options->sources = (1 << WINOS_N_SOURCES) - 1;
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        options->overrides[f] = WINOS_NO_OFFSET;
    }
}

/* The text that the debugger shows begins with the build: "19041.1.amd64". */
static uint32_t detect_build_of(const WinosKernel *kernel, uint64_t lab)
{
    char text[6] = "";
    uint32_t build = 0;
    unsigned i;

    if (!lab || !gmem_read(&kernel->space, lab, text, sizeof(text), NULL)) {
        return 0;
    }
    for (i = 0; i < 5 && text[i] >= '0' && text[i] <= '9'; i++) {
        build = build * 10 + (uint32_t)(text[i] - '0');
    }
    return i >= 4 && text[i] == '.' && build <= 0xffff ? build : 0;
}

static void collect_kdbg(Work *w)
{
    WinosResult *r = w->result;

    if (!settle_enabled(w->options, WINOS_SOURCE_KDBG)) {
        return;
    }
    r->has_kdbg = kdbg_find(&r->kernel.image, &r->kdbg, NULL);
    if (r->has_kdbg) {
        kdbg_claims(&r->kdbg, &r->detected);
        if (!r->kernel.build) {
            r->kernel.build = detect_build_of(&r->kernel, r->kdbg.build_lab);
        }
        r->kernel.process_list = r->kdbg.active_process_head;
    }
}

/* Entry code tells where it finds the kernel's page tables, if it has to. */
static int32_t kernel_dtb_of(const WinosResult *r, const WinosRegs *regs,
                             unsigned n_regs)
{
    unsigned i;

    for (i = 0; i < n_regs && r->kernel.kva_shadow; i++) {
        if (pe_contains(&r->kernel.image, regs[i].lstar)) {
            return accessor_kernel_dtb(&r->kernel.space, regs[i].lstar);
        }
    }
    return WINOS_NO_OFFSET;
}

static void collect_code(Work *w, const WinosRegs *regs, unsigned n_regs)
{
    WinosResult *r = w->result;

    w->facts.kpcr_current_thread = WINOS_NO_OFFSET;
    w->facts.kpcr_kernel_dtb = WINOS_NO_OFFSET;
    if (!settle_enabled(w->options, WINOS_SOURCE_CODE)) {
        return;
    }
    accessor_claims(&r->kernel.image, &r->detected, &w->facts);
    w->facts.kpcr_kernel_dtb = kernel_dtb_of(r, regs, n_regs);
    r->n_accessors = w->facts.n_decoded;
    r->kernel.idle_process = w->facts.idle_process;
}

static void collect_table(Work *w)
{
    WinosResult *r = w->result;

    if (settle_enabled(w->options, WINOS_SOURCE_TABLE)) {
        r->n_rows = table_find(r->kernel.build, r->kernel.image.timestamp,
                               r->kernel.image.size, r->rows, WINOS_MAX_ROWS,
                               &r->exact_file, &r->same_build);
    }
}

/* Every vCPU whose KPCR shows: its address alone, so far. */
static unsigned find_kpcrs(Work *w, const WinosRegs *regs, unsigned n_regs,
                           WinosCpu *cpus)
{
    WinosResult *r = w->result;
    int32_t self = w->options->overrides[WINOS_KPCR_SELF];
    unsigned n = 0;
    unsigned i;

    r->self = WINOS_NO_OFFSET;
    for (i = 0; i < n_regs; i++) {
        WinosCpu cpu = { .vcpu = regs[i].vcpu, .number = UINT32_MAX };

        if (!winos_kpcr_find(&r->kernel.space, self, &regs[i], &cpu.kpcr,
                             &self)) {
            continue;
        }
        r->self = self;
        cpus[n++] = cpu;
    }
    r->detected.field[WINOS_KPCR_SELF].claims[WINOS_SOURCE_STRUCTURE] =
        r->self;
    return n;
}

static void set_world_cpus(Work *w, const WinosCpu *cpus, unsigned n)
{
    unsigned i;

    w->world.n_cpus = 0;
    for (i = 0; i < n; i++) {
        live_add_cpu(&w->world, &cpus[i]);
    }
}

static bool detect_prcb_of(const WinosResult *r, uint64_t kpcr, uint64_t *prcb)
{
    if (!r->prcb_is_pointer) {
        *prcb = kpcr + r->prcb_at;
        return true;
    }
    return gmem_read_u64(&r->kernel.space, kpcr + r->prcb_at, prcb) &&
           gmem_is_kernel(&r->kernel.space, *prcb);
}

/* Does a vCPU run a thread, if its PRCB is found that way? */
static bool detect_prcb_fits(Work *w, const WinosCpu *cpu, int32_t thread_at)
{
    const GmemSpace *space = &w->result->kernel.space;
    uint64_t prcb, thread;

    return thread_at >= 0 && detect_prcb_of(w->result, cpu->kpcr, &prcb) &&
           gmem_read_u64(space, prcb + thread_at, &thread) &&
           live_is_object(space, thread, LIVE_THREAD);
}

static bool detect_prcb_way_fits(Work *w, const WinosCpu *cpus, unsigned n,
                                 int32_t at, bool is_pointer, int32_t thread_at)
{
    unsigned fit = 0;
    unsigned i;

    w->result->prcb_at = at;
    w->result->prcb_is_pointer = is_pointer;
    for (i = 0; i < n; i++) {
        fit += detect_prcb_fits(w, &cpus[i], thread_at);
    }
    return fit > 0 && fit * 2 >= n;
}

static void detect_set_prcbs(Work *w, WinosCpu *cpus, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (!detect_prcb_of(w->result, cpus[i].kpcr, &cpus[i].prcb)) {
            cpus[i].prcb = 0;
        }
    }
    set_world_cpus(w, cpus, n);
}

/* Where the block lies in the KPCR, as its pointer tells. */
static void detect_claim_block(Work *w, const WinosCpu *cpus, unsigned n)
{
    WinosOffset *block = &w->result->detected.field[WINOS_KPCR_PRCB];
    uint64_t at = n ? cpus[0].prcb - cpus[0].kpcr : 0;
    unsigned i;

    for (i = 1; i < n; i++) {
        if (cpus[i].prcb - cpus[i].kpcr != at) {
            return;
        }
    }
    if (at > 0 && at < MAX_PRCB_DISTANCE) {
        block->claims[WINOS_SOURCE_STRUCTURE] = at;
    }
}

/* The code of PsGetCurrentThread() counts from the KPCR. */
static void detect_claim_kpcr(Work *w, WinosField field, int32_t from_kpcr)
{
    WinosLayout *d = &w->result->detected;
    int32_t block = winos_offset(d, WINOS_KPCR_PRCB);

    if (from_kpcr >= 0 && block >= 0 && from_kpcr >= block) {
        d->field[field].claims[WINOS_SOURCE_CODE] = from_kpcr - block;
    }
}

static void detect_settle_prcb(Work *w, WinosCpu *cpus, unsigned n)
{
    WinosResult *r = w->result;
    WinosLayout *d = &r->detected;

    w->world.kpcr_current_thread = w->facts.kpcr_current_thread;
    settle_field(r, &w->world, w->options, WINOS_KPCR_SELF, false);
    settle_field(r, &w->world, w->options, WINOS_KPCR_CURRENT_PRCB, true);
    r->prcb_at = winos_offset(d, WINOS_KPCR_CURRENT_PRCB);
    r->prcb_is_pointer = true;
    if (r->prcb_at < 0) {
        return;
    }
    detect_set_prcbs(w, cpus, n);
    detect_claim_block(w, cpus, n);
    settle_field(r, &w->world, w->options, WINOS_KPCR_PRCB, false);
    detect_claim_kpcr(w, WINOS_PRCB_CURRENT_THREAD,
                      w->facts.kpcr_current_thread);
    detect_claim_kpcr(w, WINOS_PRCB_KERNEL_DTB, w->facts.kpcr_kernel_dtb);
    settle_field(r, &w->world, w->options, WINOS_PRCB_CURRENT_THREAD, false);
    if (!winos_has(d, WINOS_PRCB_CURRENT_THREAD)) {
        settle_field(r, &w->world, w->options, WINOS_PRCB_CURRENT_THREAD,
                     true);
    }
}

/*
 * What the user gave may be the place of the pointer or of the block itself.
 * If neither looks right it is taken as the pointer's, as its name says.
 */
static void override_prcb(Work *w, const WinosCpu *cpus, unsigned n)
{
    WinosResult *r = w->result;
    WinosOffset *offset = &r->layout.field[WINOS_KPCR_CURRENT_PRCB];
    int32_t at = w->options->overrides[WINOS_KPCR_CURRENT_PRCB];
    int32_t detected = winos_offset(&r->detected, WINOS_PRCB_CURRENT_THREAD);
    int32_t given = winos_offset(&r->layout, WINOS_PRCB_CURRENT_THREAD);
    int32_t thread_at = detected >= 0 ? detected : given;

    if (at < 0) {
        return;
    }
    if (detect_prcb_way_fits(w, cpus, n, at, true, thread_at) ||
        detect_prcb_way_fits(w, cpus, n, at, false, thread_at)) {
        offset->standing = WINOS_CONFIRMED;
        offset->doubt = r->prcb_is_pointer ? NULL :
            "this is the block itself, not the pointer to it; both will do";
        return;
    }
    r->prcb_is_pointer = true;
    offset->standing = WINOS_REFUTED;
    offset->doubt = "neither a pointer to the PRCB nor the block is there";
}

void winos_cpu_complete(const WinosResult *r, WinosCpu *cpu)
{
    const GmemSpace *space = &r->kernel.space;
    int32_t idle = winos_offset(&r->layout, WINOS_PRCB_IDLE_THREAD);
    int32_t number = winos_offset(&r->layout, WINOS_PRCB_NUMBER);

    if (idle < 0 || !gmem_read_u64(space, cpu->prcb + idle,
                                   &cpu->idle_thread) ||
        !live_is_object(space, cpu->idle_thread, LIVE_THREAD)) {
        cpu->idle_thread = 0;
    }
    if (number < 0 || !gmem_read_u32(space, cpu->prcb + number,
                                     &cpu->number)) {
        cpu->number = UINT32_MAX;
    }
}

/* Keeps the vCPUs whose PRCB is known. */
static unsigned complete_cpus(WinosResult *r, WinosCpu *cpus, unsigned n)
{
    unsigned kept = 0;
    unsigned i;

    for (i = 0; i < n; i++) {
        if (detect_prcb_of(r, cpus[i].kpcr, &cpus[i].prcb)) {
            winos_cpu_complete(r, &cpus[i]);
            cpus[kept++] = cpus[i];
        }
    }
    return kept;
}

/*
 * The page tables found first may be those of a process that ends, and then
 * be anything; System's stay as long as Windows runs.
 */
static void use_system_root(WinosResult *r)
{
    int32_t at = winos_offset(&r->detected,
                              WINOS_EPROCESS_DIRECTORY_TABLE_BASE);
    GmemSpace space = r->kernel.space;
    uint64_t gpa, same;

    if (at >= 0 &&
        gmem_read_u64(&space, r->kernel.system_process + at, &space.cr3) &&
        gmem_translate(&r->kernel.space, r->kernel.system_process, &gpa, NULL,
                       NULL) &&
        gmem_translate(&space, r->kernel.system_process, &same, NULL, NULL) &&
        same == gpa) {
        r->kernel.space = space;
        r->kernel.image.space = space;
    }
}

/* "of build 26100", as far as that is known. */
static void detect_build_text(const WinosResult *r, char *text, size_t size)
{
    if (r->kernel.build) {
        snprintf(text, size, "of build %u", r->kernel.build);
    } else {
        snprintf(text, size, "of unknown build");
    }
}

static bool detect_settle(Work *w, WinosCpu *cpus, unsigned n, Err *err)
{
    WinosResult *r = w->result;
    char build[32];

    detect_settle_prcb(w, cpus, n);
    settle_all(r, &w->world, w->options);
    use_system_root(r);
    settle_layout(r, &w->world, w->options);
    override_prcb(w, cpus, n);
    r->n_threads = w->world.n_threads;
    r->n_processes = w->world.n_processes;
    r->n_cpus = r->prcb_at >= 0 ? complete_cpus(r, cpus, n) : 0;
    if (r->n_cpus == 0 ||
        winos_offset(&r->layout, WINOS_PRCB_CURRENT_THREAD) < 0) {
        detect_build_text(r, build, sizeof(build));
        err_set(err, ERR_FORMAT, "a Windows kernel %s is there, but "
                "where its running threads are could not be confirmed: %s",
                build, r->n_cpus ? "prcb-current-thread" :
                                             "kpcr-current-prcb");
        return false;
    }
    return true;
}

/*
 * Kernels before Windows 7 keep a CPU's number in one byte or two, and more is
 * different; no guest of ours is like them.  What the user gives is used.
 */
static bool detect_is_too_old(const Work *w, Err *err)
{
    static const struct {
        uint32_t build;
        const char *name;
    } old[] = {
        { 3790, "XP x64 or Server 2003" }, { 6000, "Vista" },
        { 6001, "Vista SP1 or Server 2008" },
        { 6002, "Vista SP2 or Server 2008 SP2" },
    };
    uint32_t build = w->result->kernel.build;
    const char *name = NULL;
    unsigned i;

    if (!build || build >= FIRST_BUILD || !w->options->auto_detect) {
        return false;
    }
    for (i = 0; i < sizeof(old) / sizeof(*old); i++) {
        if (old[i].build == build) {
            name = old[i].name;
        }
    }
    err_set(err, ERR_FORMAT, "this is Windows %s%sbuild %u, which is not "
            "supported: Windows 7 (build %d) and later are",
            name ? name : "", name ? ", " : "", build, FIRST_BUILD);
    return true;
}

static bool detect_run(Work *w, const GuestMem *mem, const WinosRegs *regs,
                       unsigned n_regs, WinosCpu *cpus, Err *err)
{
    WinosResult *r = w->result;
    char build[32];
    unsigned n;

    if (!winos_kernel_find(mem, regs, n_regs, &r->kernel, err)) {
        return false;
    }
    collect_kdbg(w);
    if (detect_is_too_old(w, err)) {
        return false;
    }
    collect_code(w, regs, n_regs);
    collect_table(w);
    live_init(&w->world, &r->kernel, &r->detected);
    n = find_kpcrs(w, regs, n_regs, cpus);
    if (n == 0) {
        detect_build_text(r, build, sizeof(build));
        err_set(err, ERR_FORMAT, "a Windows kernel %s is there, but "
                "no vCPU's KPCR yet", build);
        return false;
    }
    set_world_cpus(w, cpus, n);
    return detect_settle(w, cpus, n, err);
}

bool winos_detect(const GuestMem *mem, const WinosRegs *regs, unsigned n_regs,
                  const WinosOptions *options, WinosResult *result,
                  WinosCpu *cpus, Err *err)
{
    Work *w = calloc(1, sizeof(*w));
    bool ok;

    memset(result, 0, sizeof(*result));
    winos_layout_init(&result->detected);
    winos_layout_init(&result->layout);
    if (!w) {
        err_set(err, ERR_NOMEM, "no memory to look for Windows");
        return false;
    }
    w->options = options;
    w->result = result;
    ok = detect_run(w, mem, regs, n_regs, cpus, err);
    free(w);
    return ok;
}

bool winos_cpu_find(const WinosResult *result, const WinosRegs *regs,
                    WinosCpu *cpu)
{
    int32_t self;

    memset(cpu, 0, sizeof(*cpu));
    cpu->vcpu = regs->vcpu;
    if (!winos_kpcr_find(&result->kernel.space, result->self, regs,
                         &cpu->kpcr, &self) ||
        !detect_prcb_of(result, cpu->kpcr, &cpu->prcb)) {
        return false;
    }
    winos_cpu_complete(result, cpu);
    return true;
}

bool winos_cpu_is_there(const WinosResult *result, const WinosCpu *cpu)
{
    uint64_t self, prcb;

    return gmem_read_u64(&result->kernel.space, cpu->kpcr + result->self,
                         &self) && self == cpu->kpcr &&
           detect_prcb_of(result, cpu->kpcr, &prcb) && prcb == cpu->prcb;
}
