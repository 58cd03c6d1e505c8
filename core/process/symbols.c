/*
 * process/symbols: see symbols.h.
 *
 * Function names only; source lines are found outside, by irqlog-analyze.
 * With elfutils all symbol tables are read, those of separate debug files
 * too; without it, and where a file cannot be read (any more), only exported
 * functions have names.
 *
 * A file is read once, when the first address in it is asked for: what is
 * kept of it is a table of functions, not the file itself, which is 70 MB and
 * more in QEMU's own case.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* dladdr(), asprintf() */
#endif

#include "process/symbols.h"

#include "process/process.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *symbol_describe(const char *name, uint64_t offset)
{
    char *text;

    if (!offset) {
        return strdup(name);
    }
    return asprintf(&text, "%s+0x%" PRIx64, name, offset) >= 0 ? text : NULL;
}

#ifdef VMSCOPE_HAVE_LIBDW
#include <elfutils/libdwfl.h>

/* So many functions that begin below an address may reach beyond it. */
enum { NEAR = 64 };

typedef struct Function {
    uint64_t start;
    uint32_t size;          /* 0: a label, nothing says where it ends */
    uint32_t name;          /* in the names of its table */
} Function;

/* The functions of a file that is mapped, by address. */
typedef struct Table {
    char *file;
    uint64_t load_base;
    uint64_t start;
    uint64_t end;
    Function *functions;
    size_t n_functions;
    char *names;                /* each ends at a NUL */
    size_t names_size;
    struct Table *next;
} Table;

static pthread_mutex_t tables_lock = PTHREAD_MUTEX_INITIALIZER;
static Table *tables;           /* never freed: names are asked for again */

/* Debug files by build ID only: the standard search may ask the network. */
static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_build_id_find_debuginfo,
};

static bool table_is_code(const GElf_Sym *sym)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);

    return sym->st_shndx != SHN_UNDEF &&
           (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

static int table_order(const void *a, const void *b)
{
    const Function *x = a;
    const Function *y = b;

    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    /* Of several names the one that was read last: globals come last. */
    return x->name < y->name ? -1 : x->name > y->name;
}

/* Room for all that its symbol table may have.  Returns: false without it. */
static bool table_alloc(Table *table, Dwfl_Module *module, int n)
{
    size_t size = 0;
    GElf_Addr start;
    GElf_Sym sym;
    int i;

    for (i = 0; i < n; i++) {
        const char *name = dwfl_module_getsym_info(module, i, &sym, &start,
                                                   NULL, NULL, NULL);

        size += name ? strlen(name) + 1 : 0;
    }
    /* Names are found by 32 bits. */
    if (n <= 0 || !size || size > UINT32_MAX) {
        return false;
    }
    table->functions = calloc((size_t)n, sizeof(Function));
    table->names = malloc(size);
    return table->functions && table->names;
}

static void table_read(Table *table, Dwfl_Module *module)
{
    int n = dwfl_module_getsymtab(module);
    GElf_Addr start;
    const char *name;
    GElf_Sym sym;
    int i;

    if (!table_alloc(table, module, n)) {
        return;
    }
    for (i = 0; i < n; i++) {
        name = dwfl_module_getsym_info(module, i, &sym, &start, NULL, NULL,
                                       NULL);
        if (name && *name && table_is_code(&sym)) {
            table->functions[table->n_functions++] = (Function) {
                .start = start,
                .size = sym.st_size < UINT32_MAX ? (uint32_t)sym.st_size :
                                                   UINT32_MAX,
                .name = (uint32_t)table->names_size,
            };
            memcpy(table->names + table->names_size, name, strlen(name) + 1);
            table->names_size += strlen(name) + 1;
        }
    }
    qsort(table->functions, table->n_functions, sizeof(Function),
          table_order);
}

/*
 * Of @object, whose file's name it takes over; without functions when the file
 * cannot be read.
 */
static void table_fill(Table *table)
{
    int program = process_open(table->load_base);
    Dwfl *dwfl = dwfl_begin(&callbacks);
    Dwfl_Module *module = NULL;

    if (dwfl) {
        dwfl_report_begin(dwfl);
        module = dwfl_report_elf(dwfl, table->file, table->file, program,
                                 table->load_base, true);
        dwfl_report_end(dwfl, NULL, NULL);
    }
    if (module) {
        table_read(table, module);
    } else if (program >= 0) {
        close(program);
    }
    dwfl_end(dwfl);
}

/* An address, and the object that it lies in. */
typedef struct Search {
    uint64_t addr;
    Table object;               /* no more of it than where it is */
} Search;

/* Objects are told under the loader's lock: no more is done there. */
static bool table_search_object(const ProcessObject *object, void *opaque)
{
    Search *search = opaque;

    if (search->addr < object->start || search->addr >= object->end) {
        return true;
    }
    search->object.file = strdup(object->file);
    search->object.load_base = object->load_base;
    search->object.start = object->start;
    search->object.end = object->end;
    return false;
}

/*
 * The table of an object, read when it is the first time.  @object's file name
 * is its own from here on.
 *
 * Returns: NULL when there is no memory
 */
static const Table *table_get(const Table *object)
{
    Table *table;

    for (table = tables; table; table = table->next) {
        if (table->load_base == object->load_base &&
            table->start == object->start && table->end == object->end &&
            !strcmp(table->file, object->file)) {
            free(object->file);
            return table;
        }
    }
    table = malloc(sizeof(*table));
    if (!table) {
        free(object->file);
        return NULL;
    }
    *table = *object;
    table_fill(table);
    table->next = tables;
    tables = table;
    return table;
}

/*
 * The last function that begins at or below @addr and reaches beyond it; else
 * the last label, if no function ends between it and @addr.
 */
static const Function *table_find(const Table *table, uint64_t addr)
{
    const Function *functions = table->functions;
    const Function *label = NULL;
    size_t low = 0;
    size_t high = table->n_functions;
    bool ended = false;
    size_t i;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (functions[middle].start <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (i = 0; i < NEAR && i < low; i++) {
        const Function *f = &functions[low - 1 - i];

        if (f->size && addr - f->start < f->size) {
            return f;
        }
        ended = ended || f->size;
        if (!ended && !label) {
            label = f;
        }
    }
    return label;
}

static char *table_lookup(uint64_t addr, uint64_t offset_back)
{
    Search search = { .addr = addr - offset_back };
    const Function *function;
    const Table *table;

    process_objects(table_search_object, &search);
    if (!search.object.file) {
        return NULL;
    }
    table = table_get(&search.object);
    function = table ? table_find(table, search.addr) : NULL;
    if (!function) {
        return NULL;
    }
    return symbol_describe(table->names + function->name,
                           addr - function->start);
}
#endif

static char *symbol_exported(uint64_t addr, uint64_t offset_back)
{
    Dl_info info;

    if (!dladdr((void *)(uintptr_t)(addr - offset_back), &info) ||
        !info.dli_sname) {
        return NULL;
    }
    return symbol_describe(info.dli_sname, addr - (uintptr_t)info.dli_saddr);
}

char *process_symbol(uint64_t addr, bool is_return)
{
    uint64_t offset_back = is_return ? 1 : 0;
    char *symbol = NULL;

    if (!addr) {
        return NULL;
    }
#ifdef VMSCOPE_HAVE_LIBDW
    pthread_mutex_lock(&tables_lock);
    symbol = table_lookup(addr, offset_back);
    pthread_mutex_unlock(&tables_lock);
#endif
    return symbol ? symbol : symbol_exported(addr, offset_back);
}

static const char *_Atomic load_error;

/* A function that is not exported, to see whether such have names. */
static void __attribute__((noinline)) symbols_probe(void)
{
    __asm__ volatile("");
}

void process_load_symbols(void)
{
    char *name = process_symbol((uintptr_t)symbols_probe, false);
    const char *error = NULL;

    if (!name || strcmp(name, "symbols_probe")) {
#ifdef VMSCOPE_HAVE_LIBDW
        error = "only exported functions have names: this QEMU's program is "
                "stripped, or cannot be read, and its debug file is not "
                "found; irqlog-analyze may find it elsewhere";
#else
        error = "only exported functions have names: this QEMU was built "
                "without elfutils (libdw)";
#endif
    }
    free(name);
    atomic_store_explicit(&load_error, error, memory_order_relaxed);
}

const char *process_symbols_error(void)
{
    return atomic_load_explicit(&load_error, memory_order_relaxed);
}
