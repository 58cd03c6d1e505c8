/*
 * profile/tally: see tally.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "profile/tally.h"

#include "common/translate.h"
#include "source/qmp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISPATCH_LEVEL = 2 };

static const char others[] = "(others)";

/* The idle thread's own time, not that of DPCs which it lets run. */
static bool is_idle(const json_t *sample)
{
    return qmp_bool(sample, "idle", false) &&
           !qmp_bool(sample, "dpc", false) &&
           qmp_uint(sample, "irql", 0) < DISPATCH_LEVEL;
}

static bool is_user(const json_t *sample)
{
    return qmp_uint(sample, "cpl", 0) == 3;
}

/* In parentheses, as no module is called so. */
static const char *stage_name(const char *stage)
{
    static const char *const names[][2] = {
        { "firmware", N_("(firmware)") },
        { "boot-loader", N_("(boot loader)") },
        { "firmware-or-boot-loader", N_("(firmware or boot loader)") },
        { "kernel", N_("(a kernel that is not known)") },
        { "kernel-32", N_("(a 32-bit kernel)") },
        { "user", N_("(user mode, no kernel known)") },
    };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!strcmp(names[i][0], stage)) {
            return names[i][1];
        }
    }
    return N_("(before Windows)");
}

static const char *process_name(const json_t *sample)
{
    return qmp_text(sample, "process-image", _("(process not known)"));
}

/* Whose code it is; to the page where nobody is known to have it. */
static void module_name(const json_t *sample, bool page, char *name)
{
    const char *stage = qmp_text(sample, "stage", NULL);
    const char *module = qmp_text(sample, "module", NULL);

    if (stage) {
        snprintf(name, TALLY_NAME, "%s", _(stage_name(stage)));
    } else if (is_idle(sample)) {
        snprintf(name, TALLY_NAME, _("(idle)"));
    } else if (is_user(sample)) {
        snprintf(name, TALLY_NAME, _("%s (user mode)"), process_name(sample));
    } else if (module) {
        snprintf(name, TALLY_NAME, "%s", *module ? module : _("(no name)"));
    } else if (page) {
        snprintf(name, TALLY_NAME,
                 _("(outside every module, page 0x%" PRIx64 ")"),
                 qmp_uint(sample, "rip", 0) & ~UINT64_C(0xfff));
    } else {
        snprintf(name, TALLY_NAME, _("(outside every module)"));
    }
}

static void export_name(const json_t *sample, char *name)
{
    const char *export = qmp_text(sample, "export", NULL);
    size_t n;

    module_name(sample, true, name);
    n = strlen(name);
    if (export && !is_idle(sample)) {
        snprintf(name + n, TALLY_NAME - n, "!%s", export);
    }
}

static void thread_name(const json_t *sample, char *name)
{
    const char *given = qmp_text(sample, "thread-name", "");

    if (is_idle(sample)) {
        snprintf(name, TALLY_NAME, _("(idle)"));
    } else if (qmp_has(sample, "unique-thread-id")) {
        snprintf(name, TALLY_NAME, "%s %" PRIu64 ".%" PRIu64 "%s%s",
                 process_name(sample),
                 qmp_uint(sample, "unique-process-id", 0),
                 qmp_uint(sample, "unique-thread-id", 0),
                 *given ? " " : "", given);
    } else if (qmp_has(sample, "stage")) {
        module_name(sample, false, name);
    } else {
        snprintf(name, TALLY_NAME, _("(thread not known)"));
    }
}

/* A frame has no semicolon, which stands between frames. */
static void put_frame(char *stack, const char *frame)
{
    size_t n = strlen(stack);
    size_t i;

    if (n && n < TALLY_NAME - 1) {
        stack[n++] = ';';
    }
    for (i = 0; frame[i] && n < TALLY_NAME - 1; i++) {
        stack[n++] = frame[i] == ';' ? ',' : frame[i];
    }
    stack[n] = '\0';
}

static void stack_name(const json_t *sample, char *name)
{
    const char *export = qmp_text(sample, "export", NULL);
    char frame[TALLY_NAME];

    *name = '\0';
    if (qmp_bool(sample, "dpc", false)) {
        put_frame(name, "(DPCs)");
    } else if (!is_idle(sample) && !qmp_has(sample, "stage")) {
        put_frame(name, process_name(sample));
        thread_name(sample, frame);
        put_frame(name, frame);
    }
    module_name(sample, true, frame);
    put_frame(name, frame);
    if (export && !is_idle(sample)) {
        put_frame(name, export);
    }
}

void tally_name(TallyBy by, const json_t *sample, char *name)
{
    switch (by) {
    case TALLY_MODULE:
        module_name(sample, false, name);
        break;
    case TALLY_EXPORT:
        export_name(sample, name);
        break;
    case TALLY_THREAD:
        thread_name(sample, name);
        break;
    case TALLY_STACK:
        stack_name(sample, name);
        break;
    }
}

/* Two names of one hash are told apart by trying the next number. */
static TallyRow *row_of(Tally *tally, const char *name)
{
    uint64_t key = hash_text(name);
    uint32_t at;

    while ((at = map_get(&tally->index, key)) != 0) {
        if (!strcmp(tally->rows[at - 1].name, name)) {
            return &tally->rows[at - 1];
        }
        key++;
    }
    if (tally->n_rows >= TALLY_MAX_ROWS && strcmp(name, others)) {
        return row_of(tally, others);
    }
    tally->rows = grow(tally->rows, tally->n_rows, &tally->room,
                       sizeof(*tally->rows));
    tally->rows[tally->n_rows].name = keep(name);
    map_put(&tally->index, key, (uint32_t)++tally->n_rows);
    return &tally->rows[tally->n_rows - 1];
}

void tally_add(Tally *tally, const json_t *sample)
{
    uint64_t seq = qmp_uint(sample, "seq", 0);
    uint64_t vcpu = qmp_uint(sample, "vcpu", 0);
    char name[TALLY_NAME];
    TallyRow *row;

    if (seq <= tally->last_seq) {
        return;
    }
    tally->lost += seq - tally->last_seq - 1;
    tally->last_seq = seq;
    tally_name(tally->by, sample, name);
    row = row_of(tally, name);
    row->idle = is_idle(sample);
    row->samples++;
    row->dpc += qmp_bool(sample, "dpc", false);
    row->user += is_user(sample);
    row->raised += qmp_uint(sample, "irql", 0) >= DISPATCH_LEVEL;
    tally->samples++;
    if (vcpu < UINT16_MAX && vcpu >= tally->n_vcpus) {
        tally->n_vcpus = (unsigned)vcpu + 1;
    }
}

static int row_order(const void *a, const void *b)
{
    const TallyRow *x = a;
    const TallyRow *y = b;

    if (x->samples != y->samples) {
        return x->samples > y->samples ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

void tally_sort(Tally *tally)
{
    if (tally->n_rows) {
        qsort(tally->rows, tally->n_rows, sizeof(*tally->rows), row_order);
    }
    map_clear(&tally->index);   /* it leads to other rows now */
}

void tally_release(Tally *tally)
{
    size_t i;

    for (i = 0; i < tally->n_rows; i++) {
        free(tally->rows[i].name);
    }
    free(tally->rows);
    map_clear(&tally->index);
}
