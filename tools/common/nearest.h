/*
 * nearest: the word that was probably meant.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_NEAREST_H
#define VMSCOPE_COMMON_NEAREST_H

#include <stddef.h>

/* The nearest word so far. */
typedef struct Nearest {
    const char *given;          /* borrowed, as the words are */
    size_t len;                 /* of it, that count */
    const char *word;           /* NULL: none is near enough */
    unsigned distance;
} Nearest;

/* Begin with a word that is not known; of long ones nothing is near. */
void nearest_begin(Nearest *nearest, const char *given, size_t len);

/**
 * nearest_try - look at a word that is known
 *
 * Letters left out, added, changed, or exchanged with the next one count;
 * a third of the letters may be so, and two at most.
 */
void nearest_try(Nearest *nearest, const char *word);

#endif
