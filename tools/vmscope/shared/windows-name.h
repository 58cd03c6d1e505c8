/*
 * windows-name: what people call a Windows build.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINDOWS_NAME_H
#define VMSCOPE_WINDOWS_NAME_H

#include <stdint.h>

enum { WINDOWS_NAME_MAX = 64 };

/**
 * windows_name - name a build: "Windows 11 24H2", else "Windows build 12345"
 * @build: NtBuildNumber without its flags
 * @buf: receives the name; returned
 *
 * A server of the same build shares the number; the client's name is given.
 * Source: Microsoft's pages "Windows 10 release information" and "Windows 11
 * release information".
 */
const char *windows_name(uint64_t build, char buf[WINDOWS_NAME_MAX]);

#endif
