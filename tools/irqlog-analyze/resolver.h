/*
 * resolver: another program that names addresses, as ADDR2LINE=prog wishes.
 *
 * It is started once for a file, with -f -i -e FILE, and asked address by
 * address through pipes.  One that dies, hangs or cannot be started is said
 * so once and never asked again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_RESOLVER_H
#define IRQLOG_ANALYZE_RESOLVER_H

#include "symbol.h"

typedef struct Resolver Resolver;

/**
 * resolver_start - start the program for a file
 * @command: the program, or the program and arguments separated by spaces
 * @path: the ELF file
 * @timeout: seconds that an answer may take
 *
 * Returns: freed with resolver_stop(); NULL when it does not work
 */
Resolver *resolver_start(const char *command, const char *path,
                         unsigned timeout);
void resolver_stop(Resolver *resolver);

/**
 * resolver_lookup - ask for an address
 * @address: address in the file
 * @symbol: gets frames added
 *
 * Returns: false when it does not know, or does not answer any more
 */
bool resolver_lookup(Resolver *resolver, uint64_t address, Symbol *symbol);

#endif
