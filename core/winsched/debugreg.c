/*
 * winsched/debugreg: see debugreg.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/debugreg.h"

enum {
    DR7_FIXED = 0x600,          /* bit 10 is always 1, GE is customary */
    TYPE_CODE = 0,
    TYPE_STORE = 1,
    LEN_1 = 0,
    LEN_8 = 2,
};

/* Access to debug registers, single step, task switch. */
#define DR6_OTHER_EVENTS UINT64_C(0xe000)

bool debugreg_merge(uint64_t dr[8], unsigned used, DebugregKind kind,
                    uint64_t address)
{
    uint64_t type = kind == DEBUGREG_STORE ? TYPE_STORE : TYPE_CODE;
    uint64_t len = kind == DEBUGREG_STORE ? LEN_8 : LEN_1;

    if (used > DEBUGREG_OURS ||
        (kind == DEBUGREG_STORE && address % sizeof(uint64_t) != 0)) {
        return false;
    }
    if (used == 0) {
        dr[7] = DR7_FIXED;
    }
    dr[DEBUGREG_OURS] = address;
    dr[7] &= ~(UINT64_C(0xf) << (16 + 4 * DEBUGREG_OURS));
    dr[7] |= UINT64_C(2) << (2 * DEBUGREG_OURS) |
             type << (16 + 4 * DEBUGREG_OURS) |
             len << (18 + 4 * DEBUGREG_OURS);
    return true;
}

bool debugreg_take(uint64_t *dr6, unsigned used)
{
    uint64_t bit = UINT64_C(1) << DEBUGREG_OURS;

    if (!(*dr6 & bit) || used > DEBUGREG_OURS) {
        return false;
    }
    *dr6 &= ~bit;
    return true;
}

bool debugreg_rest(uint64_t dr6, unsigned used)
{
    uint64_t theirs = (UINT64_C(1) << used) - 1;

    return dr6 & (theirs | DR6_OTHER_EVENTS);
}
