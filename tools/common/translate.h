/*
 * translate: messages in the user's language, by gettext.
 *
 * English is what stands in the source, and what is shown where there is no
 * catalogue.  JSON, CSV and whatever else programs read is never translated.
 *
 * xgettext finds what is to be translated by po/keywords: the formats of
 * message(), err_set() and their like, which these translate themselves, and
 * what is marked by _() where it is used, or N_() in tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_TRANSLATE_H
#define VMSCOPE_COMMON_TRANSLATE_H

#include <libintl.h>

/* Translated here, unless translate_data_only() was called. */
#define _(text) translate_text(text)

/* Translated where it is used. */
#define N_(text) text

/**
 * translate_begin - take the language from the environment
 *
 * Looks for catalogues below the prefix that the program was installed to,
 * wherever that is, and in the build folder.  Call it once, first of all.
 */
void translate_begin(void);

/**
 * translate_data_only - from now on what _() and errors say stays English
 *
 * For output that programs read, in which such sentences may end up.  What
 * message() prints is still translated: that goes to people.
 */
void translate_data_only(void);

/* A static text in the user's language; see _(). */
const char *translate_text(const char *text) __attribute__((format_arg(1)));

#endif
