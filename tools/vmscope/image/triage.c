/*
 * image-triage: what a minidump tells, without page tables.
 *
 * The kernel's file is told by its driver entry; offsets are those of the
 * table's rows for that file, or what all rows of its build agree on.  The
 * crashing CPU's block, thread and process are there as bytes; other CPUs'
 * blocks only if whoever wrote the file kept them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image/image.h"

#include "base/le.h"
#include "common/message.h"
#include "common/translate.h"
#include "shared/display.h"
#include "shared/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    KDBG_PROCESSORS = 0x218, KDBG_AS_FAR = 0x220,
    NAME_COLUMNS = 40, MAX_CPUS = 2048,
};

/* What is known of one thread; addresses are 0 where they are not. */
typedef struct TriageThread {
    uint64_t thread, process;
    bool has_ids, has_state, has_priority, has_parent;
    uint64_t pid, tid, parent;
    uint8_t state;
    int8_t priority;
    char image[WINSCHED_IMAGE_SIZE];
} TriageThread;

typedef struct TriageCpu {
    uint64_t prcb, thread, idle;
} TriageCpu;

typedef struct Triage {
    Image *image;
    const Dump *dump;
    uint32_t timestamp, size;       /* of the kernel's file; 0: not listed */
    uint64_t base;
    const TableRow *rows[WINOS_MAX_ROWS];
    unsigned n_rows;
    bool exact, same_build;
    TriageThread crashed;
    uint32_t number;                /* of the CPU that crashed, or ~0 */
    TriageCpu cpus[MAX_CPUS];
    unsigned n_cpus;
} Triage;

static void take_drivers(Triage *t)
{
    Image *image = t->image;
    DumpDriver driver;
    uint32_t i;

    for (i = 0; i < t->dump->triage.n_drivers &&
         image->n_modules < WINOS_MAX_MODULES; i++) {
        WinosModule *module = &image->modules[image->n_modules];

        if (!dump_triage_driver(t->dump, i, &driver)) {
            continue;
        }
        module->base = driver.base;
        module->size = driver.size;
        module->timestamp = driver.timestamp;
        memcpy(module->name, driver.name, sizeof(module->name));
        image->n_modules++;
    }
    if (image->n_modules) {
        t->base = image->modules[0].base;
        t->size = image->modules[0].size;
        t->timestamp = image->modules[0].timestamp;
    }
}

/* What the file's own row says, or all rows of its build alike. */
static int32_t offset_of(const Triage *t, WinosField field)
{
    int32_t offset = WINOS_NO_OFFSET;
    unsigned i;

    for (i = 0; i < t->n_rows && (t->exact || t->same_build); i++) {
        int32_t says = t->rows[i]->offset[field];

        if (says == TABLE_NO_SOURCE) {
            continue;
        }
        if (says < 0 || (offset >= 0 && says != offset)) {
            return WINOS_NO_OFFSET;
        }
        offset = says;
    }
    return offset;
}

/* Of an object whose bytes begin at @at in the file, or that is a block's. */
static bool read_field(const Triage *t, uint32_t at, uint64_t gva,
                       WinosField field, void *buf, size_t len)
{
    int32_t offset = offset_of(t, field);

    return offset >= 0 &&
           ((at && dump_bytes(t->dump, (uint64_t)at + (uint32_t)offset, buf,
                              len)) ||
            (gva && dump_triage_read(t->dump, gva + (uint32_t)offset, buf,
                                     len)));
}

static uint64_t read_word(const Triage *t, uint32_t at, uint64_t gva,
                          WinosField field)
{
    uint8_t raw[8];

    return read_field(t, at, gva, field, raw, sizeof(raw)) ? load_le64(raw)
                                                           : 0;
}

/*
 * Of a build with several layouts, those in which the thread is not one of
 * the process' are out.
 */
static void sort_out_rows(Triage *t)
{
    const DumpTriage *d = &t->dump->triage;
    unsigned i, n = 0;

    for (i = 0; i < t->n_rows; i++) {
        int32_t cid = t->rows[i]->offset[WINOS_ETHREAD_CLIENT_ID];
        int32_t pid = t->rows[i]->offset[WINOS_EPROCESS_UNIQUE_PROCESS_ID];
        uint8_t ids[16], id[8];

        if (cid < 0 || pid < 0 || !d->thread || !d->process ||
            !dump_bytes(t->dump, (uint64_t)d->thread + (uint32_t)cid, ids,
                        sizeof(ids)) ||
            !dump_bytes(t->dump, (uint64_t)d->process + (uint32_t)pid, id,
                        sizeof(id)) ||
            (load_le64(ids) == load_le64(id) && load_le64(ids + 8) % 4 == 0 &&
             load_le64(ids + 8) <= UINT32_MAX)) {
            t->rows[n++] = t->rows[i];
        }
    }
    t->n_rows = n ? n : t->n_rows;
}

static void read_crashed(Triage *t)
{
    const DumpTriage *d = &t->dump->triage;
    TriageThread *c = &t->crashed;
    uint8_t raw[16];

    t->number = UINT32_MAX;
    if (d->prcb) {
        c->thread = read_word(t, d->prcb, 0, WINOS_PRCB_CURRENT_THREAD);
        if (read_field(t, d->prcb, 0, WINOS_PRCB_NUMBER, raw, 4)) {
            t->number = load_le32(raw);
        }
    }
    c->process = read_word(t, d->thread, 0, WINOS_KTHREAD_PROCESS);
    if (read_field(t, d->thread, 0, WINOS_ETHREAD_CLIENT_ID, raw, 16)) {
        c->pid = load_le64(raw);
        c->tid = load_le64(raw + 8);
        c->has_ids = c->pid <= UINT32_MAX && c->tid <= UINT32_MAX;
    }
    c->has_state = read_field(t, d->thread, 0, WINOS_KTHREAD_STATE,
                              &c->state, 1);
    c->has_priority = read_field(t, d->thread, 0, WINOS_KTHREAD_PRIORITY,
                                 &c->priority, 1);
    if (!read_field(t, d->process, 0, WINOS_EPROCESS_IMAGE_FILE_NAME,
                    c->image, WINSCHED_IMAGE_SIZE - 1)) {
        *c->image = '\0';
    }
    if (read_field(t, d->process, 0, WINOS_EPROCESS_INHERITED_FROM, raw, 8)) {
        c->parent = load_le64(raw);
        c->has_parent = true;
    }
}

/* The debugger block in a dump is plain; it leads to the CPUs' blocks. */
static void read_cpus(Triage *t)
{
    const DumpTriage *d = &t->dump->triage;
    uint8_t raw[8];
    uint64_t array;

    if (d->kdbg_size < KDBG_AS_FAR ||
        !dump_bytes(t->dump, (uint64_t)d->kdbg + KDBG_PROCESSORS, raw,
                    sizeof(raw))) {
        return;
    }
    array = load_le64(raw);
    while (t->n_cpus < MAX_CPUS && t->n_cpus < t->dump->windows.n_cpus &&
           dump_triage_read(t->dump, array + t->n_cpus * 8ULL, raw,
                            sizeof(raw)) && load_le64(raw)) {
        TriageCpu *cpu = &t->cpus[t->n_cpus++];

        cpu->prcb = load_le64(raw);
        cpu->thread = read_word(t, 0, cpu->prcb, WINOS_PRCB_CURRENT_THREAD);
        cpu->idle = read_word(t, 0, cpu->prcb, WINOS_PRCB_IDLE_THREAD);
    }
}

static void gather(Triage *t)
{
    take_drivers(t);
    t->n_rows = table_find(t->dump->windows.build, t->timestamp, t->size,
                           t->rows, WINOS_MAX_ROWS, &t->exact,
                           &t->same_build);
    sort_out_rows(t);
    read_crashed(t);
    read_cpus(t);
    image_find_crash(t->image);
}

static void say_crashed(const Triage *t, Out *out)
{
    const TriageThread *c = &t->crashed;
    const char *state = c->has_state ? winos_state_name(c->state) : NULL;
    char text[NAMES_ROOM], shown[DISPLAY_ROOM(NAME_COLUMNS)];

    if (!t->dump->triage.present) {
        return;
    }
    out_text(out, _("\nTHREAD                   PID     TID PRI STATE        "
                    "IMAGE, which crashed\n"));
    out_printf(out, "0x%016" PRIx64, c->thread);
    if (c->has_ids) {
        out_printf(out, "%8" PRIu64 "%8" PRIu64, c->pid, c->tid);
    } else {
        out_printf(out, "%8s%8s", "-", "-");
    }
    if (c->has_priority) {
        out_printf(out, "%4d", c->priority);
    } else {
        out_text(out, "   -");
    }
    names_image(*c->image ? c->image : "-", text);
    display_fit(shown, text, NAME_COLUMNS);
    out_printf(out, " %-12s %s\n", state ? state : "-", shown);
}

static void say_cpus(const Triage *t, Out *out)
{
    unsigned i;

    if (t->n_cpus == 0 && t->number != UINT32_MAX) {
        out_printf(out, _("\nIt ran on CPU %u; what the other %u ran is not "
                          "in it\n"), t->number, t->dump->windows.n_cpus ?
                   t->dump->windows.n_cpus - 1 : 0);
        return;
    }
    if (t->n_cpus) {
        out_text(out, _("\nCPU   THREAD\n"));
    }
    for (i = 0; i < t->n_cpus; i++) {
        const TriageCpu *cpu = &t->cpus[i];

        out_printf(out, "%4u  0x%016" PRIx64 "%s%s\n", i, cpu->thread,
                   cpu->thread && cpu->thread == cpu->idle ? _("  idle") : "",
                   i == t->number ? _("  crashed") : "");
    }
}

static void say_drivers(const Triage *t, Out *out)
{
    char shown[DISPLAY_ROOM(NAME_COLUMNS)];
    unsigned i;

    out_text(out, _("\nDRIVER                   SIZE TIMESTAMP  NAME\n"));
    for (i = 0; i < t->image->n_modules; i++) {
        const WinosModule *module = &t->image->modules[i];

        display_fit(shown, *module->name ? module->name : "-", NAME_COLUMNS);
        out_printf(out, "0x%016" PRIx64 "%11u %8x   %s\n", module->base,
                   module->size, module->timestamp, shown);
    }
}

static void say(const Triage *t, const ImageView *view, Out *out)
{
    const TableFile *known = table_file(t->timestamp, t->size);

    image_say_file(t->image, out);
    out_printf(out, _("kernel    Windows, file of build %u"),
               t->dump->windows.build);
    if (t->base) {
        out_printf(out, _(", at 0x%" PRIx64), t->base);
    }
    out_printf(out, _("\nfile      %08x-%x: %s%s\n"), t->timestamp, t->size,
               known ? known->version : _("not known"),
               t->exact || !t->same_build ? "" :
               _("; what all of its build share is used"));
    out_printf(out, _("drivers   %u loaded\n"), t->image->n_modules);
    image_say_crash(t->image, out);
    say_crashed(t, out);
    say_cpus(t, out);
    if (view->drivers) {
        say_drivers(t, out);
    }
}

static void json_crashed(const Triage *t, JsonOut *json)
{
    const TriageThread *c = &t->crashed;
    char text[NAMES_ROOM], hex[NAMES_HEX];

    jsonout_begin(json, "crashed", '{');
    if (t->number != UINT32_MAX) {
        jsonout_uint(json, "vcpu", t->number);
    }
    if (c->thread) {
        jsonout_uint(json, "thread-pointer", c->thread);
    }
    if (c->process) {
        jsonout_uint(json, "process-pointer", c->process);
    }
    if (c->has_ids) {
        jsonout_uint(json, "unique-process-id", c->pid);
        jsonout_uint(json, "unique-thread-id", c->tid);
    }
    if (c->has_parent) {
        jsonout_uint(json, "parent", c->parent);
    }
    if (*c->image) {
        names_image(c->image, text);
        names_hex(c->image, hex);
        jsonout_text(json, "process-image", text);
        if (*hex) {
            jsonout_text(json, "process-image-bytes", hex);
        }
    }
    if (c->has_state) {
        jsonout_uint(json, "kthread-state", c->state);
        if (winos_state_name(c->state)) {
            jsonout_text(json, "state-name", winos_state_name(c->state));
        }
    }
    if (c->has_priority) {
        jsonout_int(json, "priority", c->priority);
    }
    jsonout_end(json, '}');
}

static void json_lists(const Triage *t, JsonOut *json)
{
    unsigned i;

    jsonout_begin(json, "vcpus", '[');
    for (i = 0; i < t->n_cpus; i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "vcpu", i);
        jsonout_uint(json, "thread-pointer", t->cpus[i].thread);
        jsonout_bool(json, "idle", t->cpus[i].thread &&
                     t->cpus[i].thread == t->cpus[i].idle);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    jsonout_begin(json, "modules", '[');
    for (i = 0; i < t->image->n_modules; i++) {
        const WinosModule *module = &t->image->modules[i];

        jsonout_begin(json, NULL, '{');
        jsonout_text(json, "name", module->name);
        jsonout_uint(json, "base", module->base);
        jsonout_uint(json, "size", module->size);
        jsonout_uint(json, "timestamp", module->timestamp);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void say_json(const Triage *t, Out *out)
{
    const TableFile *known = table_file(t->timestamp, t->size);
    JsonOut json = { .out = out };

    jsonout_begin(&json, NULL, '{');
    image_json_file(t->image, &json);
    jsonout_uint(&json, "kernel-build", t->dump->windows.build);
    if (t->base) {
        jsonout_uint(&json, "kernel-base", t->base);
    }
    jsonout_begin(&json, "kernel-file", '{');
    jsonout_uint(&json, "timestamp", t->timestamp);
    jsonout_uint(&json, "size", t->size);
    if (known) {
        jsonout_text(&json, "version", known->version);
    }
    jsonout_bool(&json, "exact", t->exact);
    jsonout_end(&json, '}');
    image_json_crash(t->image, &json);
    json_crashed(t, &json);
    json_lists(t, &json);
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

void image_print_triage(Image *image, const ImageView *view, bool as_json,
                        Out *out)
{
    Triage *t = calloc(1, sizeof(*t));

    image->modules = calloc(WINOS_MAX_MODULES, sizeof(*image->modules));
    if (!t || !image->modules) {
        die_no_memory();
    }
    t->image = image;
    t->dump = &image->file.dump;
    gather(t);
    if (as_json) {
        say_json(t, out);
    } else {
        say(t, view, out);
    }
    free(t);
}
