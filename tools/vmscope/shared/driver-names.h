/*
 * driver-names: the guest's drivers of an interrupt, in one line of text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DRIVER_NAMES_H
#define VMSCOPE_DRIVER_NAMES_H

#include "source/qmp.h"

/* Room for "viostor.sys by storport.sys, pci.sys" and more of them. */
enum { DRIVER_NAMES_SIZE = 160 };

/**
 * driver_names_join - add names that a list does not have yet
 * @list: DRIVER_NAMES_SIZE bytes; names with ", " between them
 * @names: one, or such a list; those that do not fit are left out
 */
void driver_names_join(char *list, const char *names);

/**
 * driver_names_add - add the drivers of an interrupt
 * @interrupt: as in the answer to query-windows-interrupts
 */
void driver_names_add(char *list, const json_t *interrupt);

#endif
