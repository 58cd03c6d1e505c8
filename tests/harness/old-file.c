/*
 * old-file: see old-file.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "old-file.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

static void put_hex(uint8_t *bytes, size_t size, size_t at, const char *hex)
{
    for (; g_ascii_isxdigit(hex[0]) && g_ascii_isxdigit(hex[1]); hex += 2) {
        g_assert_cmpuint(at, <, size);
        bytes[at++] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 |
                                g_ascii_xdigit_value(hex[1]));
    }
    g_assert_cmpint(*hex, ==, '\0');
}

uint8_t *old_file_read(const char *name, size_t *size)
{
    g_autofree char *path = g_build_filename(OLD_FILES, name, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    uint8_t *bytes = NULL;
    char *hex;
    guint64 number;
    size_t i;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        if (!*lines[i] || *lines[i] == '#') {
            continue;
        }
        number = g_ascii_strtoull(lines[i], &hex, 10);
        if (!bytes) {
            *size = number;
            bytes = aligned_alloc(4096, (number + 4095) / 4096 * 4096);
            memset(bytes, 0, number);
        } else {
            put_hex(bytes, *size, number, hex + 1);
        }
    }
    g_assert_nonnull(bytes);
    return bytes;
}
