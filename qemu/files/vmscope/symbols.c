/*
 * vmscope: names of the functions of this very process
 *
 * Function names only; source lines are found outside, by irqlog-analyze.
 * With elfutils all symbol tables are read, those of separate debug files
 * too; without it only exported functions have names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/thread.h"
#include "irq-log.h"

static char *describe(const char *name, uint64_t offset)
{
    return offset ? g_strdup_printf("%s+0x%" PRIx64, name, offset) :
                    g_strdup(name);
}

#ifdef VMSCOPE_HAVE_LIBDW
#include <elfutils/libdwfl.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Dwfl *dwfl;

/* Debug files by build ID only: the standard search may ask the network. */
static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_linux_proc_find_elf,
    .find_debuginfo = dwfl_build_id_find_debuginfo,
};

/* Again when an address is in no known module: one may be new. */
static bool report(void)
{
    if (!dwfl) {
        dwfl = dwfl_begin(&callbacks);
    }
    if (!dwfl) {
        return false;
    }
    dwfl_report_begin(dwfl);
    return dwfl_linux_proc_report(dwfl, getpid()) == 0 &&
           dwfl_report_end(dwfl, NULL, NULL) == 0;
}

static Dwfl_Module *find_module(uint64_t addr)
{
    Dwfl_Module *module = dwfl ? dwfl_addrmodule(dwfl, addr) : NULL;

    if (!module && report()) {
        module = dwfl_addrmodule(dwfl, addr);
    }
    return module;
}

static char *lookup(uint64_t addr, uint64_t offset_back)
{
    Dwfl_Module *module = find_module(addr - offset_back);
    const char *name;
    GElf_Off offset;
    GElf_Sym sym;

    if (!module) {
        return NULL;
    }
    name = dwfl_module_addrinfo(module, addr - offset_back, &offset, &sym,
                                NULL, NULL, NULL);
    if (!name) {
        return NULL;
    }
    return describe(name, offset + offset_back);
}

char *vmscope_symbol(uint64_t addr, bool is_return)
{
    char *symbol = NULL;

    if (addr) {
        pthread_mutex_lock(&lock);
        symbol = lookup(addr, is_return ? 1 : 0);
        pthread_mutex_unlock(&lock);
    }
    return symbol;
}
#else
#include <dlfcn.h>

char *vmscope_symbol(uint64_t addr, bool is_return)
{
    uint64_t at = addr - (is_return ? 1 : 0);
    Dl_info info;

    if (!addr || !dladdr((void *)(uintptr_t)at, &info) || !info.dli_sname) {
        return NULL;
    }
    return describe(info.dli_sname, addr - (uintptr_t)info.dli_saddr);
}
#endif

void vmscope_symbols_load(void)
{
    g_free(vmscope_symbol((uintptr_t)vmscope_symbols_load, false));
}
