/*
 * vmscope: what differs between QEMU versions in TCG
 *
 * Apart from compat.h, as only code built for one target may include it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_COMPAT_TCG_H
#define VMSCOPE_COMPAT_TCG_H

#if QEMU_VERSION_MAJOR < 10
#include "exec/exec-all.h"
#include "sysemu/tcg.h"
#else
#include "exec/cputlb.h"
#include "system/tcg.h"
#endif

#endif
