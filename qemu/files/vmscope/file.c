/*
 * vmscope: files that users name
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "file.h"

bool vmscope_file_is_fdset(const char *path)
{
    return strstart(path, "/dev/fdset/", NULL);
}

char *vmscope_file_name(const char *path)
{
    g_autofree char *cwd = NULL;
    g_auto(GStrv) parts = NULL;
    GString *name;
    int i;

    if (!path || vmscope_file_is_fdset(path)) {
        return g_strdup(path);
    }
    cwd = g_get_current_dir();
    name = g_string_new(path[0] == '/' || !strcmp(cwd, "/") ? "" : cwd);
    parts = g_strsplit(path, "/", -1);
    for (i = 0; parts[i]; i++) {
        /* ".." stays: what is above depends on what is linked to where. */
        if (parts[i][0] && strcmp(parts[i], ".")) {
            g_string_append_printf(name, "/%s", parts[i]);
        }
    }
    return g_string_free(name, false);
}

bool vmscope_error(const Err *err, Error **errp)
{
    error_setg(errp, "%s", err->text);
    return false;
}
