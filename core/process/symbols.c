/*
 * vmscope: names of the functions of this very process
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

#include "qemu/osdep.h"
#include <dlfcn.h>
#include "qemu/thread.h"
#include "../../irq-log.h"

static char *symbol_describe(const char *name, uint64_t offset)
{
    return offset ? g_strdup_printf("%s+0x%" PRIx64, name, offset) :
                    g_strdup(name);
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
    GArray *functions;
    GString *names;
} Table;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *tables;

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

static int table_order(gconstpointer a, gconstpointer b)
{
    const Function *x = a;
    const Function *y = b;

    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    /* Of several names the one that was read last: globals come last. */
    return x->name < y->name ? -1 : x->name > y->name;
}

static void table_read(Table *table, Dwfl_Module *module)
{
    int n = dwfl_module_getsymtab(module);
    GElf_Addr start;
    const char *name;
    GElf_Sym sym;
    int i;

    for (i = 0; i < n; i++) {
        name = dwfl_module_getsym_info(module, i, &sym, &start, NULL, NULL,
                                       NULL);
        if (name && *name && table_is_code(&sym)) {
            Function function = {
                .start = start,
                .size = MIN(sym.st_size, UINT32_MAX),
                .name = table->names->len,
            };

            g_array_append_val(table->functions, function);
            g_string_append_len(table->names, name, strlen(name) + 1);
        }
    }
    g_array_sort(table->functions, table_order);
}

/* Of @object; one without functions when the file cannot be read. */
static Table *table_new(const Table *object)
{
    int program = vmscope_process_open(object->load_base);
    Dwfl *dwfl = dwfl_begin(&callbacks);
    Table *table = g_new(Table, 1);
    Dwfl_Module *module = NULL;

    *table = *object;
    table->file = g_strdup(object->file);
    table->functions = g_array_new(false, false, sizeof(Function));
    table->names = g_string_new(NULL);
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
    return table;
}

/* An address, and the object that it lies in; its strings are borrowed. */
typedef struct Search {
    uint64_t addr;
    Table object;
} Search;

/* Objects are told under the loader's lock: no more is done there. */
static bool table_search_object(const IrqlogObjectInfo *object, void *opaque)
{
    Search *search = opaque;

    if (search->addr < object->start || search->addr >= object->end) {
        return true;
    }
    search->object.file = g_strdup(object->file);
    search->object.load_base = object->load_base;
    search->object.start = object->start;
    search->object.end = object->end;
    return false;
}

/* The table of an object, read when it is the first time. */
static const Table *table_get(const Table *object)
{
    Table *table;
    unsigned i;

    if (!tables) {
        tables = g_ptr_array_new();
    }
    for (i = 0; i < tables->len; i++) {
        table = tables->pdata[i];
        if (table->load_base == object->load_base &&
            table->start == object->start && table->end == object->end &&
            !strcmp(table->file, object->file)) {
            return table;
        }
    }
    table = table_new(object);
    g_ptr_array_add(tables, table);
    return table;
}

/*
 * The last function that begins at or below @addr and reaches beyond it; else
 * the last label, if no function ends between it and @addr.
 */
static const Function *table_find(const Table *table, uint64_t addr)
{
    const Function *functions = (const Function *)table->functions->data;
    const Function *label = NULL;
    unsigned low = 0;
    unsigned high = table->functions->len;
    bool ended = false;
    unsigned i;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

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

    vmscope_process_objects(table_search_object, &search);
    if (!search.object.file) {
        return NULL;
    }
    table = table_get(&search.object);
    g_free(search.object.file);
    function = table_find(table, search.addr);
    if (!function) {
        return NULL;
    }
    return symbol_describe(table->names->str + function->name,
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

char *vmscope_symbol(uint64_t addr, bool is_return)
{
    uint64_t offset_back = is_return ? 1 : 0;
    char *symbol = NULL;

    if (!addr) {
        return NULL;
    }
#ifdef VMSCOPE_HAVE_LIBDW
    pthread_mutex_lock(&lock);
    symbol = table_lookup(addr, offset_back);
    pthread_mutex_unlock(&lock);
#endif
    return symbol ?: symbol_exported(addr, offset_back);
}

static const char *load_error;

/* A function that is not exported, to see whether such have names. */
static void __attribute__((noinline)) symbols_probe(void)
{
    asm volatile("");
}

void vmscope_symbols_load(void)
{
    g_autofree char *name = vmscope_symbol((uintptr_t)symbols_probe, false);
    const char *error = NULL;

    if (g_strcmp0(name, "symbols_probe")) {
#ifdef VMSCOPE_HAVE_LIBDW
        error = "only exported functions have names: this QEMU's program is "
                "stripped, or cannot be read, and its debug file is not "
                "found; irqlog-analyze may find it elsewhere";
#else
        error = "only exported functions have names: this QEMU was built "
                "without elfutils (libdw)";
#endif
    }
    qatomic_set(&load_error, error);
}

const char *vmscope_symbols_error(void)
{
    return qatomic_read(&load_error);
}
