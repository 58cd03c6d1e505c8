/*
 * base/str: strings in fields of a fixed size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_STR_H
#define VMSCOPE_BASE_STR_H

#include <stddef.h>
#include <string.h>

/**
 * str_copy - copy a string, or as much of it as there is room for
 * @to: receives it and a NUL
 * @size: of @to, at least 1
 */
static inline void str_copy(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);

    memcpy(to, from, len);
    to[len] = '\0';
}

#endif
