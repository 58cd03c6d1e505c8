/*
 * translate: see translate.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/translate.h"

#include "base/err.h"

#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char domain[] = "vmscope";

static bool data_only;

/* Whether there are catalogues in a folder beside the program's. */
static bool bind_beside(const char *program, const char *beside)
{
    char folder[PATH_MAX];
    char korean[PATH_MAX + 32];
    int len = snprintf(folder, sizeof(folder), "%s%s", program, beside);

    if (len < 0 || (size_t)len >= sizeof(folder)) {
        return false;
    }
    snprintf(korean, sizeof(korean), "%s/ko/LC_MESSAGES/%s.mo", folder,
             domain);
    return access(korean, R_OK) == 0 && bindtextdomain(domain, folder);
}

const char *translate_text(const char *text)
{
    return data_only ? text : gettext(text);
}

void translate_begin(void)
{
    char program[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash;

    setlocale(LC_CTYPE, "");    /* names are UTF-8; numbers stay plain */
    setlocale(LC_MESSAGES, "");
    program[len > 0 ? len : 0] = '\0';
    slash = strrchr(program, '/');
    if (!slash) {
        return;
    }
    *slash = '\0';
    if (bind_beside(program, "/../share/locale") ||
        bind_beside(program, "/../../po")) {
        bind_textdomain_codeset(domain, "UTF-8");
        textdomain(domain);
        err_translate = translate_text;
    }
}

void translate_data_only(void)
{
    data_only = true;
    err_translate = NULL;
}
