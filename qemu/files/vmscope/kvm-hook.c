/*
 * vmscope: the pointer behind the branch in accel/kvm
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "vmscope/kvm-hook.h"

VmscopeKvmExitHook *vmscope_kvm_exit_hook;
