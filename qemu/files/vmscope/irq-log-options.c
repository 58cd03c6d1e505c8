/*
 * IRQ log: what it can be told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/clone-visitor.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-vmscope.h"
#include "qemu/units.h"
#include "vmscope/compat.h"
#include "file.h"
#include "options.h"
#include "irq-log.h"

#define DEFAULT_ENTRIES 65536
#define DEFAULT_TEXT_LIMIT (1 * GiB)
#define MIN_TEXT_LIMIT (64 * KiB)

/* Numbers a ring, a record or a file can have. */
static bool irq_options_check_sizes(const IrqLogOptions *opts, Error **errp)
{
    if (opts->has_entries &&
        (opts->entries == 0 || !evring_round_entries(opts->entries))) {
        error_setg(errp, "entries is %" PRIu32 ", but a ring has from %d to "
                   "%d", opts->entries, EVRING_MIN_ENTRIES,
                   EVRING_MAX_ENTRIES);
        return false;
    }
    if (opts->has_backtrace && opts->backtrace > IRQLOG_BACKTRACE_MAX) {
        error_setg(errp, "backtrace is %u, but at most %d frames are kept",
                   opts->backtrace, IRQLOG_BACKTRACE_MAX);
        return false;
    }
    if (opts->has_text_limit && opts->text_limit < MIN_TEXT_LIMIT) {
        error_setg(errp, "text-limit is %" PRIu64 " bytes, but must be at "
                   "least %" PRIu64, opts->text_limit,
                   (uint64_t)MIN_TEXT_LIMIT);
        return false;
    }
    return true;
}

bool irq_log_options_check(const IrqLogOptions *opts, Error **errp)
{
    g_autofree char *log = vmscope_file_name(opts->log_file);
    g_autofree char *ring = vmscope_file_name(opts->ring_file);

    if (!irq_options_check_sizes(opts, errp)) {
        return false;
    }
    if (log && opts->has_text && !opts->text) {
        error_setg(errp, "log-file is '%s', but text is off; leave out one "
                   "of them", opts->log_file);
        return false;
    }
    if (log && ring && !strcmp(log, ring)) {
        error_setg(errp, "log-file and ring-file are both '%s'", log);
        return false;
    }
    return true;
}

IrqLogOptions *irq_log_options_new(const IrqLogOptions *given)
{
    IrqLogOptions *opts = QAPI_CLONE(IrqLogOptions, given);
    char *log = vmscope_file_name(given->log_file);
    char *ring = vmscope_file_name(given->ring_file);

    if (!opts->has_text) {
        opts->text = log || irq_log_qemu_log_is_file();
    }
    opts->text_limit = opts->has_text_limit ? opts->text_limit :
                                              DEFAULT_TEXT_LIMIT;
    opts->entries = evring_round_entries(opts->has_entries ? opts->entries :
                                                             DEFAULT_ENTRIES);
    opts->backtrace = opts->has_backtrace ? opts->backtrace : 0;
    opts->msi = !opts->has_msi || opts->msi;
    opts->changes_only = opts->has_changes_only && opts->changes_only;
    opts->has_text = true;
    opts->has_text_limit = true;
    opts->has_entries = true;
    opts->has_backtrace = true;
    opts->has_msi = true;
    opts->has_changes_only = true;
    g_free(opts->log_file);
    g_free(opts->ring_file);
    QAPI_SET_PTR(opts, log_file, log);
    QAPI_SET_PTR(opts, ring_file, ring);
    return opts;
}

static bool irq_options_visit(Visitor *v, void **options, Error **errp)
{
    return visit_type_IrqLogOptions(v, NULL, (IrqLogOptions **)options, errp);
}

bool irq_log_options_same(const IrqLogSession *session,
                          const IrqLogOptions *opts, Error **errp)
{
    g_autoptr(IrqLogOptions) whole = irq_log_options_new(opts);

    return vmscope_options_same("the IRQ log", irq_options_visit, opts, whole,
                                session->opts, errp);
}
