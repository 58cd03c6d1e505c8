/*
 * watch/misfit: overrides that do not fit the guest, in words.
 *
 * Whether one fits is found out by core/winos; which of them the user must
 * look at again, and what stands there instead, is said here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "watch/internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* How a field that was given stands to the guest. */
typedef enum Fit {
    FIT_GOOD,
    FIT_OTHER,                  /* it may be, but another place was found */
    FIT_NOT,
    FIT_UNKNOWN,
} Fit;

void watch_text_add(char *text, size_t size, const char *format, ...)
{
    size_t used = strnlen(text, size);
    va_list args;

    if (used < size) {
        va_start(args, format);
        vsnprintf(text + used, size - used, format, args);
        va_end(args);
    }
}

/* A confirmed one with a doubt is another form of the same. */
static Fit watch_fit_of(const WinosOffset *offset)
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

/* Append @title and the fields that are @fit.  Returns: whether any was. */
static bool watch_list_fields(const WinosOptions *winos,
                              const WinosLayout *layout, Fit fit,
                              const char *title, char *text, size_t size)
{
    bool any = false;
    unsigned i;

    for (i = 0; i < WINOS_N_FIELDS; i++) {
        const WinosOffset *offset = &layout->field[i];

        if (winos->overrides[i] < 0 || watch_fit_of(offset) != fit) {
            continue;
        }
        watch_text_add(text, size, "%s%s %" PRId32, any ? ", " : title,
                       winos_field_name(i), winos->overrides[i]);
        if (offset->found >= 0) {
            watch_text_add(text, size, " (found: %" PRId32 ")",
                           offset->found);
        }
        any = true;
    }
    return any;
}

bool watch_misfit(const WinosOptions *winos, const WinosLayout *layout,
                  char *text, size_t size)
{
    bool not, other;

    text[0] = '\0';
    not = watch_list_fields(winos, layout, FIT_NOT,
                            "overrides that do not fit this guest: ", text,
                            size);
    other = watch_list_fields(winos, layout, FIT_OTHER, not ?
                              "; overrides that could be, but are not what "
                              "was found: " :
                              "overrides that could be, but are not what was "
                              "found: ", text, size);
    return not || other;
}

void watch_given(const WinosOptions *winos, const WinosLayout *layout,
                 char *text, size_t size)
{
    if (!watch_misfit(winos, layout, text, size)) {
        watch_list_fields(winos, layout, FIT_UNKNOWN,
                          "overrides that may be why: ", text, size);
    }
}
