/*
 * winsched/debugreg: one debug register of x86 for us, the rest for others.
 *
 * A hypervisor lends four breakpoints to whoever debugs its guest.  We take
 * the last one, and what comes of it is told apart from what is another's:
 * gdb's breakpoints, and the guest's own single steps.
 *
 * Source: Intel SDM vol. 3B, 18.2 "Debug Registers"; linux, api.rst of KVM,
 * KVM_SET_GUEST_DEBUG.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINSCHED_DEBUGREG_H
#define VMSCOPE_WINSCHED_DEBUGREG_H

#include <stdbool.h>
#include <stdint.h>

enum {
    DEBUGREG_N = 4,
    DEBUGREG_OURS = 3,
};

typedef enum DebugregKind {
    DEBUGREG_STORE,         /* of up to 8 bytes, to 8 aligned ones */
    DEBUGREG_CODE,          /* one instruction, before it runs */
} DebugregKind;

/**
 * debugreg_merge - add our breakpoint to others'
 * @dr: DR0 to DR7; DR7 is written anew when @used is 0
 * @used: how many others use, from DR0 on
 * @address: linear
 *
 * Returns: false when none is left, or @address is not aligned; then @dr is
 *          unchanged
 */
bool debugreg_merge(uint64_t dr[8], unsigned used, DebugregKind kind,
                    uint64_t address);

/**
 * debugreg_take - take what is ours out of a debug exception
 * @dr6: what came; our bit is cleared
 * @used: how many others use; when they use all, nothing is ours
 *
 * Returns: whether ours was among it
 */
bool debugreg_take(uint64_t *dr6, unsigned used);

/**
 * debugreg_rest - is there anything for others?
 * @dr6: after debugreg_take()
 *
 * A bit of a breakpoint that nobody uses says nothing.
 */
bool debugreg_rest(uint64_t dr6, unsigned used);

#endif
