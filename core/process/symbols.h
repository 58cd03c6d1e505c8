/*
 * process/symbols: names of the functions of this very process.
 *
 * Function names only; source lines are found outside, by irqlog-analyze.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_PROCESS_SYMBOLS_H
#define VMSCOPE_PROCESS_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

/* Read the program's own functions, some tens of milliseconds; any thread. */
void process_load_symbols(void);

/**
 * process_symbols_error - why functions of the program itself have no names
 *
 * Context: any thread.
 *
 * Returns: a static text; NULL when they have, or when process_load_symbols()
 *          was not called yet
 */
const char *process_symbols_error(void);

/**
 * process_symbol - what stands at an address of this process
 * @addr: the address
 * @is_return: it is a return address, so the call before it is meant
 *
 * Context: any thread; the first call for a file reads its symbols, which may
 * take tens of milliseconds: the program's own by process_load_symbols()
 * before.
 *
 * Returns: "function+0xoffset", just "function" at its first byte, or NULL;
 *          freed with free()
 */
char *process_symbol(uint64_t addr, bool is_return);

#endif
