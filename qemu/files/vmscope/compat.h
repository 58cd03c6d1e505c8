/*
 * vmscope: what differs between the QEMU versions we build on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_COMPAT_H
#define VMSCOPE_COMPAT_H

#include "qemu/main-loop.h"

#if QEMU_VERSION_MAJOR < 8
/* Optional strings and structs of QAPI outputs have a has_ of their own. */
#define QAPI_SET_PTR(obj, member, value) do {   \
    (obj)->member = (value);                    \
    (obj)->has_##member = (obj)->member != NULL; \
} while (0)
#define bql_locked() qemu_mutex_iothread_locked()
#define bql_lock() qemu_mutex_lock_iothread()
#define bql_unlock() qemu_mutex_unlock_iothread()
#else
#define QAPI_SET_PTR(obj, member, value) ((obj)->member = (value))
#endif

#if QEMU_VERSION_MAJOR < 10
#include "qapi/qmp/qdict.h"
#include "qapi/qmp/qjson.h"
#include "sysemu/iothread.h"
#include "sysemu/reset.h"
#include "sysemu/runstate.h"
#include "sysemu/sysemu.h"
#else
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "system/iothread.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/system.h"
#endif

#endif
