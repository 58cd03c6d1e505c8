/*
 * vmscope: what the human monitor's commands of both traces share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "base/safe-text.h"
#include "hmp.h"
#include "reply.h"

/* Records that are shown unless told otherwise. */
#define DEFAULT_SHOWN 20

bool vmscope_hmp_option(Monitor *mon, const QDict *qdict, const char *command,
                        bool *on)
{
    const char *option = qdict_get_str(qdict, "option");

    *on = !strcmp(option, "on");
    if (!*on && strcmp(option, "off")) {
        monitor_printf(mon, "%s: '%s' is neither 'on' nor 'off'\n", command,
                       option);
        return false;
    }
    return true;
}

void vmscope_hmp_text(Monitor *mon, const char *text)
{
    size_t room = strlen(text) * SAFE_GROWTH + 1;
    g_autofree char *safe = g_malloc(room);

    safe_copy(SAFE_FOR_TEXT, text, safe, room);
    monitor_printf(mon, "%s", safe);
}

static bool hmp_parse_count(Monitor *mon, const char *name, const char *text,
                            uint64_t *count)
{
    if (qemu_strtou64(text, NULL, 0, count) || *count > UINT32_MAX) {
        monitor_printf(mon, "%s: '%s' is no number of entries\n", name, text);
        return false;
    }
    if (*count > VMSCOPE_REPLY_MAX_ENTRIES) {
        monitor_printf(mon, "%s: '%s' is more than the %d entries that can be "
                       "shown\n", name, text, VMSCOPE_REPLY_MAX_ENTRIES);
        return false;
    }
    return true;
}

void vmscope_hmp_info(Monitor *mon, const QDict *qdict,
                      const VmscopeHmpTrace *trace)
{
    const char *text = qdict_get_try_str(qdict, "count");
    uint64_t count = DEFAULT_SHOWN;
    uint64_t newest;
    uint64_t after;

    if (text && !hmp_parse_count(mon, trace->name, text, &count)) {
        return;
    }
    trace->status(mon);
    newest = trace->page(NULL, false, 0, 1);
    after = newest > count ? newest - count : 0;
    while (after < newest) {
        after = trace->page(mon, true, after,
                            MIN(newest - after,
                                VMSCOPE_REPLY_IN_BAND_ENTRIES));
        if (!after) {
            break;
        }
    }
}
