/*
 * IRQ log: which object is at which address
 *
 * A walk over the whole object tree takes milliseconds, so it is made in
 * pieces, between which the main loop goes on, and what was found is kept
 * until a device comes or goes.  Other objects come and go without a word;
 * so what is found here is looked up in the tree itself before it is told.
 *
 * All of this is for the main loop, under the BQL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_IRQ_LOG_TREE_H
#define VMSCOPE_IRQ_LOG_TREE_H

/**
 * irq_log_tree_step: go on with the walk
 *
 * Takes some hundred microseconds, and begins anew when a device came or went.
 *
 * Returns: true when all is known
 */
bool irq_log_tree_step(void);

/* Forget all. */
void irq_log_tree_drop(void);

/**
 * irq_log_tree_path: the path of the object at an address
 * @addr: the address; compared, never followed
 * @parent: of its parent
 *
 * Returns: borrowed until the next step; NULL when there is no such object
 */
const char *irq_log_tree_path(uint64_t addr, uint64_t parent);

/* The same of the object and link that drives the IRQ at an address. */
const char *irq_log_tree_driver(uint64_t irq);

/* The same of the object at @addr, or in whose memory it lies. */
const char *irq_log_tree_owner(uint64_t addr);

/*
 * Is what was told of an address still so?  These look into the tree itself;
 * what cannot be found there is left to a walk that is whole, if there is one.
 */
bool irq_log_tree_is_path(const char *path, uint64_t addr, uint64_t parent);
bool irq_log_tree_is_driver(const char *driver, uint64_t irq);
bool irq_log_tree_is_owner(const char *path, uint64_t addr);

#endif
