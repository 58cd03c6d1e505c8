/*
 * Windows scheduler trace: overrides that do not fit the guest, in words
 *
 * Whether one fits is found out by core/winos; which of them the user must
 * look at again, and what stands there instead, is said here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "sched-helper.h"

/* How a field that was given stands to the guest. */
typedef enum Fit {
    FIT_GOOD,
    FIT_OTHER,                  /* it may be, but another place was found */
    FIT_NOT,
    FIT_UNKNOWN,
} Fit;

/* A confirmed one with a doubt is another form of the same. */
static Fit fit_of(const WinosOffset *offset)
{
    if (offset->source != WINOS_SOURCE_OVERRIDE || offset->value < 0) {
        return FIT_UNKNOWN;
    }
    if (offset->standing == WINOS_REFUTED) {
        return FIT_NOT;
    }
    return offset->standing == WINOS_CONFIRMED && !offset->doubt &&
           offset->found >= 0 ? FIT_OTHER : FIT_GOOD;
}

static void add_field(GString *text, unsigned field, int32_t value,
                      int32_t found)
{
    g_string_append_printf(text, "%s%s %" PRId32,
                           text->len ? ", " : "", winos_field_name(field),
                           value);
    if (found >= 0) {
        g_string_append_printf(text, " (found: %" PRId32 ")", found);
    }
}

static char *list_fields(const WinosOptions *winos, const WinosLayout *layout,
                         Fit fit)
{
    GString *text = g_string_new(NULL);
    unsigned i;

    for (i = 0; i < WINOS_N_FIELDS; i++) {
        const WinosOffset *offset = &layout->field[i];

        if (winos->overrides[i] >= 0 && fit_of(offset) == fit) {
            add_field(text, i, winos->overrides[i], offset->found);
        }
    }
    return g_string_free(text, false);
}

char *sched_overrides_misfit(const WinosOptions *winos,
                             const WinosLayout *layout)
{
    g_autofree char *not = list_fields(winos, layout, FIT_NOT);
    g_autofree char *other = list_fields(winos, layout, FIT_OTHER);

    if (!*not && !*other) {
        return NULL;
    }
    return g_strdup_printf("%s%s%s%s%s",
                           *not ? "overrides that do not fit this guest: " : "",
                           not, *not && *other ? "; " : "",
                           *other ? "overrides that could be, but are not "
                                    "what was found: " : "", other);
}

char *sched_overrides_given(const WinosOptions *winos,
                            const WinosLayout *layout)
{
    char *misfit = sched_overrides_misfit(winos, layout);
    g_autofree char *given = NULL;

    if (misfit) {
        return misfit;
    }
    given = list_fields(winos, layout, FIT_UNKNOWN);
    return *given ? g_strdup_printf("overrides that may be why: %s", given) :
                    NULL;
}
