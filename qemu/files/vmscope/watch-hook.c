/*
 * vmscope: the pointers behind the branches where stores are seen
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "vmscope/watch-hook.h"

const VmscopeWatchHooks *vmscope_watch_hooks;
__thread bool vmscope_watch_pending;
unsigned vmscope_watch_others = VMSCOPE_ALL_BREAKPOINTS;
