/*
 * attach/open: see open.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

AttachMapping *attach_open_mappings(pid_t pid, size_t *n, Err *err)
{
    AttachMapping *mappings = NULL;
    size_t len;
    char *text;

    errno = 0;
    text = attach_proc_read(pid, "maps", &len);
    /* Of a process that has ended, or may not be looked into, it is empty. */
    if (!text || !len) {
        attach_rights_explain(pid, errno ? errno : ESRCH, err);
    } else {
        mappings = attach_mappings_parse(text, n);
    }
    free(text);
    return mappings;
}

/* A kernel whose page tables have four levels, or five. */
static bool find_kernel(AttachMemory *memory, WinosKernel *kernel, Err *err)
{
    WinosRegs regs = { .long_mode = true };
    const GuestMem *guest = attach_memory_guest(memory);

    if (winos_kernel_find(guest, &regs, 1, kernel, err)) {
        return true;
    }
    regs.la57 = true;
    return winos_kernel_find(guest, &regs, 1, kernel, err);
}

static bool set_guess(AttachMemory *memory, const AttachProcess *process,
                      const AttachMapping *mappings, size_t n, unsigned guess)
{
    const char *machine = process->command.machine;
    bool q35 = strstr(machine, "q35");
    AttachShape shape = {
        .is_q35 = q35,
        .is_pc = !q35 && !strncmp(machine, "pc", 2),
        .memory = process->command.memory,
    };
    AttachLayout layout;
    bool there;

    attach_layout_init(&layout);
    there = attach_layout_guess(&layout, mappings, n, guess, &shape);
    if (there) {
        attach_memory_set_layout(memory, &layout, mappings, n);
    }
    attach_layout_free(&layout);
    return there;
}

bool attach_open_guess(AttachMemory *memory, const AttachProcess *process,
                       WinosKernel *kernel, Err *err)
{
    AttachMapping *mappings;
    unsigned guess;
    size_t n = 0;
    int error = 0;
    bool found = false;

    mappings = attach_open_mappings(process->pid, &n, err);
    for (guess = 0; mappings && !found && !error &&
         set_guess(memory, process, mappings, n, guess); guess++) {
        error = attach_memory_try(memory);
        if (error) {
            attach_rights_explain(process->pid, error, err);
        } else {
            found = find_kernel(memory, kernel, err);
        }
    }
    if (mappings && !found) {
        set_guess(memory, process, mappings, n, 0);
    }
    free(mappings);
    return found;
}

AttachMemory *attach_open_blind(const AttachProcess *process,
                                WinosKernel *kernel, Err *err)
{
    AttachMemory *memory = attach_memory_new(process->pid);

    if (!attach_open_guess(memory, process, kernel, err)) {
        attach_memory_free(memory);
        return NULL;
    }
    return memory;
}
