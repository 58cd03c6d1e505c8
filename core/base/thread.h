/*
 * base/thread: a thread that may fail to begin.
 *
 * A host without room for one more thread must not end the program that asked
 * for it: QEMU's own way to make one does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_BASE_THREAD_H
#define VMSCOPE_BASE_THREAD_H

#include "base/err.h"

#include <stdbool.h>

/* Of a thread's name; Linux keeps no more. */
enum { THREAD_NAME_SIZE = 16 };

/**
 * thread_start - begin a detached thread
 * @name: how debuggers and top show it, cut to 15 bytes
 * @run: its function; what that returns is dropped
 * @opaque: passed to @run; the thread's from now on, when this succeeds
 * @err: says why there is none; may be NULL
 *
 * It blocks all signals but those of its own faults: they are for the program,
 * not for us.
 *
 * Context: any thread.
 *
 * Returns: whether @run is called
 */
bool thread_start(const char *name, void *(*run)(void *opaque), void *opaque,
                  Err *err);

#endif
