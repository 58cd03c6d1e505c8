/*
 * symbols: see symbols.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "symbols.h"

#include "common/map.h"
#include "message.h"
#include "procfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A log of nonsense may have any number of addresses: then begin anew. */
enum { NAMED_MAX = 1 << 17 };

struct Symbols {
    SpaceHow how;
    uint32_t pid;
    bool begun;             /* @space stands, with or without a run */
    bool has_run;
    IrqlogRun run;
    Space *process;         /* of --pid; NULL: none */
    Space *space;           /* of the log's run; NULL: none, or the same */
    Map returns;            /* address to index in @named, plus 1 */
    Map entries;
    Named **named;
    size_t n;
    size_t room;
};

static const Named nothing = { .text = (char *)"" };

Symbols *symbols_new(const Options *opt)
{
    Symbols *symbols = calloc(1, sizeof(*symbols));

    if (!symbols) {
        die_no_memory();
    }
    symbols->how.binary = opt->binary;
    symbols->how.resolver = opt->resolver;
    symbols->how.resolver_timeout = (unsigned)opt->resolver_timeout;
    symbols->pid = opt->pid;
    return symbols;
}

static void forget_names(Symbols *symbols)
{
    Named *named;

    while (symbols->n) {
        named = symbols->named[--symbols->n];
        symbol_release(&named->symbol);
        free(named->text);
        free(named->chain);
        free(named);
    }
    map_clear(&symbols->returns);
    map_clear(&symbols->entries);
}

void symbols_free(Symbols *symbols)
{
    forget_names(symbols);
    free(symbols->named);
    space_free(symbols->process);
    space_free(symbols->space);
    free(symbols);
}

bool symbols_is_new_run(const Symbols *symbols, const IrqlogRun *run)
{
    return !symbols->has_run || run->pid != symbols->run.pid ||
           run->load_base != symbols->run.load_base ||
           strcmp(run->exe, symbols->run.exe) ||
           strcmp(run->build_id, symbols->run.build_id);
}

static void open_process(Symbols *symbols)
{
    if (symbols->pid && !symbols->process) {
        symbols->process = space_new(&symbols->how);
        if (!space_add_process(symbols->process, symbols->pid)) {
            space_free(symbols->process);
            symbols->process = NULL;
            symbols->pid = 0;
        }
    }
}

/*
 * Whether the log's run is the process that --pid names.  The number alone
 * does not tell, it may be another's by now; nor does where the program is
 * loaded, as one that is not position independent always is at one place.
 */
static bool is_process(Symbols *symbols, const IrqlogRun *run)
{
    uint64_t load_base;

    if (!symbols->process) {
        return false;
    }
    if (!run || (procfs_is_called(symbols->pid, run->pid) &&
                 (!space_load_base(symbols->process, &load_base) ||
                  load_base == run->load_base))) {
        return true;
    }
    warn(WARN_PROCESS, "process %" PRIu32 " is not process %" PRIu32
         ", which wrote the log: the log's own first line is used",
         symbols->pid, run->pid);
    return false;
}

static void begin(Symbols *symbols, const IrqlogRun *run)
{
    forget_names(symbols);
    space_free(symbols->space);
    symbols->space = NULL;
    symbols->begun = true;
    symbols->has_run = run;
    if (run) {
        symbols->run = *run;
    }
    open_process(symbols);
    if (!is_process(symbols, run)) {
        symbols->space = space_new(&symbols->how);
        space_add_run(symbols->space, run);
        if (!symbols->how.binary && (!run || !*run->exe)) {
            warn(WARN_SYMBOLS, "the log does not say which program wrote it: "
                 "functions are not named; --binary or --pid helps");
        }
    } else if (run) {
        space_expect_build_id(symbols->process, run->build_id);
    }
}

void symbols_begin_run(Symbols *symbols, const IrqlogRun *run)
{
    if (symbols_is_new_run(symbols, run)) {
        begin(symbols, run);
    }
}

uint32_t symbols_pid(const Symbols *symbols)
{
    return symbols->space ? 0 : symbols->pid;
}

void symbols_add_object(Symbols *symbols, const IrqlogObjectInfo *object)
{
    if (symbols->space && symbols->has_run) {
        space_add_object(symbols->space, object);
    }
}

/* How a symbol is written. */

static void write_place(FILE *out, const Frame *frame)
{
    if (frame->line) {
        fprintf(out, "%s:%u", frame->file, frame->line);
    } else {
        fputs(frame->file, out);
    }
}

static void write_function(FILE *out, const Frame *frame)
{
    fputs(frame->function ? frame->function : "(unknown)", out);
    if (!frame->file && frame->offset) {
        fprintf(out, "+0x%" PRIx64, frame->offset);
    }
}

static void write_text(FILE *out, const Symbol *symbol)
{
    unsigned i;

    fputs(" -> ", out);
    write_function(out, &symbol->frames[0]);
    if (symbol->frames[0].file) {
        fputs("\n   ", out);
        write_place(out, &symbol->frames[0]);
    }
    for (i = 1; i < symbol->n_frames; i++) {
        fputs("\n   (inlined by) ", out);
        write_function(out, &symbol->frames[i]);
        if (symbol->frames[i].file) {
            fputs(" at ", out);
            write_place(out, &symbol->frames[i]);
        }
    }
}

/* A part of a function that was inlined into the rest of it. */
static bool is_part(const Symbol *symbol, unsigned i)
{
    const char *name = symbol->frames[i].function;
    const char *outer = i + 1 < symbol->n_frames
                        ? symbol->frames[i + 1].function : NULL;

    return name && outer && !strcmp(name, outer);
}

static void write_chain(FILE *out, const Symbol *symbol)
{
    unsigned i;

    for (i = symbol->n_frames; i; i--) {
        if (is_part(symbol, i - 1)) {
            continue;
        }
        fputs(i < symbol->n_frames ? " > " : "", out);
        write_function(out, &symbol->frames[i - 1]);
    }
}

static char *written(void (*fn)(FILE *out, const Symbol *symbol),
                     const Symbol *symbol, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    if (!out) {
        die_no_memory();
    }
    fn(out, symbol);
    if (fclose(out)) {
        die_no_memory();
    }
    return text;
}

/* Looking up. */

static bool find(Symbols *symbols, uint64_t pc, Symbol *symbol)
{
    if (symbols->process && space_lookup(symbols->process, pc, symbol)) {
        return true;
    }
    return symbols->space && space_lookup(symbols->space, pc, symbol);
}

/* @back: how far behind the instruction of interest the address is. */
static Named *look_up(Symbols *symbols, uint64_t address, unsigned back)
{
    Named *named = calloc(1, sizeof(*named));
    size_t chain_len;

    if (!named) {
        die_no_memory();
    }
    if (find(symbols, address - back, &named->symbol)) {
        if (!named->symbol.frames[0].file) {
            named->symbol.frames[0].offset += back;
        }
        named->text = written(write_text, &named->symbol, &named->text_len);
        named->chain = written(write_chain, &named->symbol, &chain_len);
    } else {
        named->text = keep("");
        warn(WARN_SYMBOLS, "0x%" PRIx64 " is in no file with symbols for it: "
             "not every function is named", address);
    }
    return named;
}

static const Named *get(Symbols *symbols, Map *map, uint64_t address,
                        unsigned back)
{
    uint32_t index = map_get(map, address);
    Named *named;

    if (index) {
        return symbols->named[index - 1];
    }
    if (!address) {
        return &nothing;
    }
    if (!symbols->begun) {
        begin(symbols, NULL);
    }
    if (symbols->n == NAMED_MAX) {
        forget_names(symbols);
    }
    named = look_up(symbols, address, back);
    symbols->named = grow(symbols->named, symbols->n, &symbols->room,
                          sizeof(*symbols->named));
    symbols->named[symbols->n++] = named;
    map_put(map, address, (uint32_t)symbols->n);
    return named;
}

const Named *symbols_return(Symbols *symbols, uint64_t address)
{
    return get(symbols, &symbols->returns, address, 1);
}

const Named *symbols_entry(Symbols *symbols, uint64_t address)
{
    return get(symbols, &symbols->entries, address, 0);
}
