/*
 * vcpu-count: a number of vCPUs in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_VCPU_COUNT_H
#define VMSCOPE_VCPU_COUNT_H

#include <stddef.h>

enum { VCPU_COUNT_MAX = 32 };

/**
 * vcpu_count - "1 vCPU", "2 vCPUs", in the user's language
 * @buf: receives it; returned
 */
const char *vcpu_count(size_t n, char buf[VCPU_COUNT_MAX]);

#endif
