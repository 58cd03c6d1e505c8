/*
 * why-json: times and waits of a guest that is read here, as QMP has them.
 *
 * For a QEMU that is looked at from outside, and for memory images; what
 * QEMU itself answers is in qapi/vmscope.json.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WHY_JSON_H
#define VMSCOPE_WHY_JSON_H

#include "winos/detect.h"

#include <jansson.h>

/* Threads in an answer. */
enum { WHY_MAX_WAITS = 4096, WHY_MAX_TIMES = 1024 };

/**
 * why_json_times - the answer to query-windows-cpu-time
 * @cpus, @n_cpus: those whose KPRCB is known
 * @now_ns: CLOCK_MONOTONIC
 *
 * Returns: never NULL; ends the program when there is no memory
 */
json_t *why_json_times(const WinosResult *result, const WinosCpu *cpus,
                       unsigned n_cpus, uint64_t now_ns);

/**
 * why_json_thread_times - the answer to query-windows-thread-time
 * @threads: list of addresses
 * @now_ns: CLOCK_MONOTONIC
 *
 * Returns: never NULL; ends the program when there is no memory
 */
json_t *why_json_thread_times(const WinosResult *result,
                              const json_t *threads, uint64_t now_ns);

/**
 * why_json_waits - the answer to query-windows-waits
 * @tid: 0: all threads of the process
 *
 * Returns: NULL with a sentence when there is no such process or thread
 */
json_t *why_json_waits(const WinosResult *result, const WinosCpu *cpus,
                       unsigned n_cpus, uint32_t pid, uint32_t tid, Err *err);

#endif
