/*
 * attach/open: guest RAM of a QEMU without asking it anything.
 *
 * RAM is guessed from the mappings of the process, and a guess is right when
 * a Windows kernel is found through it, from the start block that Windows
 * leaves in low memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_ATTACH_OPEN_H
#define VMSCOPE_ATTACH_OPEN_H

#include "source/attach/memory.h"
#include "source/attach/process.h"
#include "winos/kernel.h"

/**
 * attach_open_blind - memory, and the kernel in it
 * @kernel: receives what was found
 * @err: why nothing was: no rights, or no Windows
 *
 * Returns: freed with attach_memory_free(); NULL when there is none
 */
AttachMemory *attach_open_blind(const AttachProcess *process,
                                WinosKernel *kernel, Err *err);

/**
 * attach_open_guess - look through each guess for a kernel
 * @memory: has the right guess then, or the first one
 *
 * Returns: false with a sentence when there is no Windows, or no right to look
 */
bool attach_open_guess(AttachMemory *memory, const AttachProcess *process,
                       WinosKernel *kernel, Err *err);

/* Mappings of a process, freed with free(); NULL with a sentence. */
AttachMapping *attach_open_mappings(pid_t pid, size_t *n, Err *err);

#endif
