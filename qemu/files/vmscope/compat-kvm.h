/*
 * vmscope: what differs between QEMU versions in KVM
 *
 * Apart from compat.h, as only code built for one target may include it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_COMPAT_KVM_H
#define VMSCOPE_COMPAT_KVM_H

#if QEMU_VERSION_MAJOR < 10
#include "sysemu/kvm.h"
#else
#include "system/kvm.h"
#endif
#ifdef CONFIG_KVM
#include <linux/kvm.h>
#endif

#endif
