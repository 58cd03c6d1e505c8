/*
 * vmscope: options of a trace that is on already
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_OPTIONS_H
#define VMSCOPE_OPTIONS_H

#include "qapi/visitor.h"
#include "vmscope/compat.h"

/* Calls visit_type_...() for the type that @options is of. */
typedef bool VmscopeVisit(Visitor *v, void **options, Error **errp);

/**
 * vmscope_options_same: does a trace that is on have what is asked for?
 * @trace: what it is called at the beginning of a sentence
 * @visit: of the type of the options
 * @given: the options that were given
 * @asked: the same and all others, with the values they would have
 * @on: what the trace was turned on with, in the same way
 *
 * Returns: false with an error that names what differs
 */
bool vmscope_options_same(const char *trace, VmscopeVisit *visit,
                          const void *given, const void *asked,
                          const void *on, Error **errp);

#endif
