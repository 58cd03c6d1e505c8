/*
 * why-wrap: lines that fit; see why.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/why.h"

#include "shared/display.h"

#include <stdio.h>
#include <string.h>

enum { WRAP_COLUMNS = 80, WORD_MAX = 1024 };

static void put(Out *out, const char *text)
{
    if (out) {
        out_text(out, text);
    }
}

/* Copies the word at @text, cut to fit.  Returns: its bytes there. */
static size_t take_word(const char *text, char *word)
{
    size_t len = strcspn(text, " ");

    snprintf(word, WORD_MAX, "%.*s", (int)len, text);
    return len;
}

unsigned why_wrap(Out *out, const char *first, unsigned indent,
                  const char *text)
{
    unsigned used = display_width(first);
    unsigned lines = 1;
    bool begun = false;
    char word[WORD_MAX];
    char blanks[32];

    snprintf(blanks, sizeof(blanks), "%*s", (int)indent, "");
    put(out, first);
    while (*(text += strspn(text, " "))) {
        size_t len = take_word(text, word);
        unsigned width = display_width(word);

        if (begun && used + 1 + width > WRAP_COLUMNS) {
            put(out, "\n");
            put(out, blanks);
            used = indent;
            lines++;
            begun = false;
        }
        put(out, begun ? " " : "");
        put(out, word);
        used += width + begun;
        begun = true;
        text += len;
    }
    put(out, "\n");
    return lines;
}
