/*
 * winos/modules: the loaded drivers, from PsLoadedModuleList.
 *
 * The list is the guest's and may be anything: it may loop, leave memory,
 * name what is not there.  Each call is bounded by the room it is given, and
 * says in which way the list ended.  The guest runs on meanwhile; an entry
 * that is being taken out may be missed or seen half.
 *
 * Sources: docs/guest-facts/modules.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_MODULES_H
#define VMSCOPE_WINOS_MODULES_H

#include "winos/detect.h"

enum {
    WINOS_MAX_MODULES = 2048,       /* a busy Windows has some 250 */
    WINOS_MODULE_NAME = 192,        /* UTF-8, with a NUL */
    WINOS_MODULE_PATH = 512,
};

typedef struct WinosModule {
    uint64_t entry;                 /* its KLDR_DATA_TABLE_ENTRY */
    uint64_t base;
    uint32_t size;                  /* SizeOfImage, of the entry */
    uint32_t timestamp;             /* of its PE header; 0: not readable */
    char name[WINOS_MODULE_NAME];   /* "tcpip.sys"; "" when not readable */
    char path[WINOS_MODULE_PATH];   /* as Windows has it; "" likewise */
} WinosModule;

/* How a list ended. */
typedef enum WinosListEnd {
    WINOS_LIST_WHOLE,       /* back at its head */
    WINOS_LIST_NONE,        /* its head is not known or cannot be read */
    WINOS_LIST_BROKEN,      /* an entry cannot be read, or is no kernel's */
    WINOS_LIST_LOOPS,       /* it comes back, but not to its head */
    WINOS_LIST_FULL,        /* there are more than room */
} WinosListEnd;

/**
 * winos_modules_head - the address of PsLoadedModuleList
 *
 * As the kernel exports it; else as its debugger block says.
 *
 * Returns: 0 when neither is there
 */
uint64_t winos_modules_head(const WinosResult *result);

/**
 * winos_modules_read - read the list of loaded modules
 * @space: maps the kernel
 * @head: address of the list's head
 * @modules: receives up to @max entries, in the list's order
 * @max: at most WINOS_MAX_MODULES are taken
 * @n: receives how many
 *
 * An entry whose base is no kernel address or whose size is 0 or absurd is
 * left out, and the list is followed on.
 *
 * Context: a helper thread; some six reads an entry, allocates nothing.
 */
WinosListEnd winos_modules_read(const GmemSpace *space, uint64_t head,
                                WinosModule *modules, unsigned max,
                                unsigned *n);

/**
 * winos_module_at - the module in which an address lies
 *
 * Returns: one of @modules, or NULL
 */
const WinosModule *winos_module_at(const WinosModule *modules, unsigned n,
                                   uint64_t gva);

/**
 * winos_list_end_name - how a list ended, in words; NULL for a whole one
 */
const char *winos_list_end_name(WinosListEnd end);

#endif
