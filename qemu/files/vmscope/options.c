/*
 * vmscope: options of a trace that is on already
 *
 * A trace is what it was turned on as.  Who asks for the same, or for
 * nothing in particular, has it; who asks for something else is told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qobject-output-visitor.h"
#include "vmscope/compat.h"
#include "options.h"

static QDict *options_dict(VmscopeVisit *visit, const void *given)
{
    void *options = (void *)given;
    QObject *dict;
    Visitor *v = qobject_output_visitor_new(&dict);

    visit(v, &options, &error_abort);
    visit_complete(v, &dict);
    visit_free(v);
    return qobject_to(QDict, dict);
}

static void options_add(GString *to, const char *name, const QObject *value)
{
    g_autoptr(GString) json = value ? qobject_to_json(value) : NULL;

    g_string_append_printf(to, "%s%s %s", to->len ? ", " : "", name,
                           json ? json->str : "none");
}

/* Of all that was given, what differs: in @want, and as it is in @have. */
static void options_compare(const QDict *given, const QDict *asked,
                            const QDict *on, GString *want, GString *have)
{
    const QDictEntry *entry;

    for (entry = qdict_first(given); entry; entry = qdict_next(given, entry)) {
        const char *name = qdict_entry_key(entry);
        const QObject *wanted = qdict_get(asked, name);
        const QObject *had = qdict_get(on, name);

        if (!qobject_is_equal(wanted, had)) {
            options_add(want, name, wanted);
            options_add(have, name, had);
        }
    }
}

bool vmscope_options_same(const char *trace, VmscopeVisit *visit,
                          const void *given, const void *asked,
                          const void *on, Error **errp)
{
    g_autoptr(GString) want = g_string_new(NULL);
    g_autoptr(GString) have = g_string_new(NULL);
    QDict *given_dict = options_dict(visit, given);
    QDict *asked_dict = options_dict(visit, asked);
    QDict *on_dict = options_dict(visit, on);

    options_compare(given_dict, asked_dict, on_dict, want, have);
    qobject_unref(given_dict);
    qobject_unref(asked_dict);
    qobject_unref(on_dict);
    if (want->len) {
        error_setg(errp, "%s is on with %s, and cannot be changed to %s while "
                   "it is on; turn it off first (\"enable\": false), or leave "
                   "that out", trace, have->str, want->str);
        return false;
    }
    return true;
}
