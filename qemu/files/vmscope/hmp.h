/*
 * vmscope: what the human monitor's commands of both traces share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VMSCOPE_HMP_H
#define VMSCOPE_HMP_H

#include "monitor/monitor.h"
#include "vmscope/compat.h"

/* A trace, as its info command shows it. */
typedef struct VmscopeHmpTrace {
    const char *name;           /* of the command */
    void (*status)(Monitor *mon);
    /*
     * Query a page: of what follows @after, or of the newest; show it, with
     * @mon NULL not.  Returns: the greatest number in it; 0 without any, and
     * after an error, which it has shown
     */
    uint64_t (*page)(Monitor *mon, bool has_after, uint64_t after,
                     uint32_t max);
} VmscopeHmpTrace;

/* The status, and the newest 'count' records in the order of their numbers. */
void vmscope_hmp_info(Monitor *mon, const QDict *qdict,
                      const VmscopeHmpTrace *trace);

/**
 * vmscope_hmp_option: 'on' or 'off'
 * @command: its name
 *
 * Returns: false when it is neither, which was shown
 */
bool vmscope_hmp_option(Monitor *mon, const QDict *qdict, const char *command,
                        bool *on);

/* Names that others chose: nothing in them shall command a terminal. */
void vmscope_hmp_text(Monitor *mon, const char *text);

#endif
