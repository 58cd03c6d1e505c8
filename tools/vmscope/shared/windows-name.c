/*
 * windows-name: see windows-name.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/windows-name.h"

#include "common/translate.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    uint64_t build;
    const char *name;
} names[] = {
    { 7600, "Windows 7" },
    { 7601, "Windows 7 SP1" },
    { 9200, "Windows 8" },
    { 9600, "Windows 8.1" },
    { 10240, "Windows 10 1507" },
    { 10586, "Windows 10 1511" },
    { 14393, "Windows 10 1607" },
    { 15063, "Windows 10 1703" },
    { 16299, "Windows 10 1709" },
    { 17134, "Windows 10 1803" },
    { 17763, "Windows 10 1809" },
    { 18362, "Windows 10 1903" },
    { 18363, "Windows 10 1909" },
    { 19041, "Windows 10 2004" },
    { 19042, "Windows 10 20H2" },
    { 19043, "Windows 10 21H1" },
    { 19044, "Windows 10 21H2" },
    { 19045, "Windows 10 22H2" },
    { 20348, "Windows Server 2022" },
    { 22000, "Windows 11 21H2" },
    { 22621, "Windows 11 22H2" },
    { 22631, "Windows 11 23H2" },
    { 26100, "Windows 11 24H2" },
    { 26200, "Windows 11 25H2" },
};

const char *windows_name(uint64_t build, char buf[WINDOWS_NAME_MAX])
{
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (names[i].build == build) {
            snprintf(buf, WINDOWS_NAME_MAX, "%s", names[i].name);
            return buf;
        }
    }
    snprintf(buf, WINDOWS_NAME_MAX, _("Windows build %" PRIu64), build);
    return buf;
}
