/*
 * debugfile: where the debug information of a file lies, when not in it.
 *
 * What is on this machine comes first.  A debuginfod server is asked last and
 * by a process of its own, as libdebuginfod may wait for minutes where no
 * signal reaches it.  What is in a debug file is debuginfo.h's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_DEBUGFILE_H
#define IRQLOG_ANALYZE_DEBUGFILE_H

#include <elfutils/libdwfl.h>

/**
 * debugfile_find - a Dwfl_Callbacks.find_debuginfo
 *
 * As dwfl_standard_find_debuginfo(), but all that debuginfod servers are
 * waited for, in a run of the program, are DEBUGINFOD_MAXTIME seconds of the
 * environment, 5 without it; and a file that lies where the debug file is
 * expected, but is of another build, gets a warning.
 */
int debugfile_find(Dwfl_Module *module, void **data, const char *name,
                   Dwarf_Addr base, const char *file, const char *link,
                   GElf_Word crc, char **found);

#endif
