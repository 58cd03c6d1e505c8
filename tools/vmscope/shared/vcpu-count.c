/*
 * vcpu-count: see vcpu-count.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/vcpu-count.h"

#include "common/translate.h"

#include <stdio.h>

const char *vcpu_count(size_t n, char buf[VCPU_COUNT_MAX])
{
    snprintf(buf, VCPU_COUNT_MAX, n == 1 ? _("%zu vCPU") : _("%zu vCPUs"), n);
    return buf;
}
