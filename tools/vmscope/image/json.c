/*
 * image-json: a memory image, for programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image/image.h"

#include "winos/command-line.h"

#include "common/jsonout.h"
#include "shared/names.h"

/* As in QMP: text, and the bytes when they are not ASCII. */
static void json_image(JsonOut *json, const char *bytes)
{
    char text[NAMES_ROOM];
    char hex[NAMES_HEX];

    if (!*bytes) {
        return;
    }
    names_image(bytes, text);
    jsonout_text(json, "process-image", text);
    names_hex(bytes, hex);
    if (*hex) {
        jsonout_text(json, "process-image-bytes", hex);
    }
}

static void json_thread(JsonOut *json, const WinschedThread *t)
{
    jsonout_uint(json, "thread-pointer", t->thread);
    if (t->has & WINSCHED_HAS_PROCESS) {
        jsonout_uint(json, "process-pointer", t->process);
    }
    if (t->has & WINSCHED_HAS_IDS) {
        jsonout_uint(json, "unique-process-id", t->pid);
        jsonout_uint(json, "unique-thread-id", t->tid);
    }
    json_image(json, t->image);
    if (t->has & WINSCHED_HAS_NAME) {
        jsonout_text(json, "thread-name", t->name);
    }
    if (t->has & WINSCHED_HAS_STATE) {
        jsonout_uint(json, "kthread-state", t->state);
        jsonout_text(json, "state-name", winos_state_name(t->state));
    }
    if (t->has & WINSCHED_HAS_PRIORITY) {
        jsonout_int(json, "priority", t->priority);
    }
}

static void json_offset(JsonOut *json, const WinosOffset *offset,
                        const char *name)
{
    unsigned s;

    jsonout_begin(json, NULL, '{');
    jsonout_text(json, "name", name);
    if (offset->value >= 0) {
        jsonout_uint(json, "value", offset->value);
        jsonout_text(json, "source", winos_source_name(offset->source));
    }
    jsonout_begin(json, "agreed-by", '[');
    for (s = 0; s < WINOS_N_SOURCES; s++) {
        if (offset->agreed >> s & 1) {
            jsonout_text(json, NULL, winos_source_name(s));
        }
    }
    jsonout_end(json, ']');
    jsonout_text(json, "standing", winos_standing_name(offset->standing));
    if (offset->doubt) {
        jsonout_text(json, "doubt", offset->doubt);
    }
    jsonout_end(json, '}');
}

static void json_kernel(const Image *image, JsonOut *json)
{
    const WinosResult *r = &image->result;
    const TableFile *known = table_file(r->kernel.image.timestamp,
                                        r->kernel.image.size);

    jsonout_uint(json, "windows-build", r->kernel.build);
    if (image_kernel_build(image)) {
        jsonout_uint(json, "kernel-build", image_kernel_build(image));
    }
    if (*image->crash.lab) {
        jsonout_text(json, "lab", image->crash.lab);
    }
    jsonout_uint(json, "kernel-base", r->kernel.image.base);
    jsonout_begin(json, "kernel-file", '{');
    jsonout_uint(json, "timestamp", r->kernel.image.timestamp);
    jsonout_uint(json, "size", r->kernel.image.size);
    if (known) {
        jsonout_text(json, "version", known->version);
    }
    jsonout_bool(json, "exact", r->exact_file);
    jsonout_end(json, '}');
    jsonout_uint(json, "cr3", r->kernel.space.cr3);
    jsonout_uint(json, "levels", r->kernel.space.levels);
    jsonout_bool(json, "kva-shadow", r->kernel.kva_shadow);
    jsonout_text(json, "kdbg", !r->has_kdbg ? "none" :
                               r->kdbg.encoded ? "encoded" : "plain");
    jsonout_uint(json, "accessors", r->n_accessors);
}

static void json_place(const Image *image, JsonOut *json, unsigned vcpu)
{
    const Dump *dump = &image->file.dump;
    char place[IMAGE_PLACE_ROOM];

    if (vcpu < dump->n_regs && dump->places[vcpu].rip) {
        image_place(image, dump->places[vcpu].rip, place);
        jsonout_uint(json, "rip", dump->places[vcpu].rip);
        jsonout_text(json, "at", place);
        jsonout_uint(json, "cpl", dump->regs[vcpu].cpl);
    }
}

static void json_modules(const Image *image, JsonOut *json)
{
    const char *end = winos_list_end_name(image->modules_end);
    unsigned i;

    jsonout_begin(json, "modules", '[');
    for (i = 0; i < image->n_modules; i++) {
        const WinosModule *module = &image->modules[i];

        jsonout_begin(json, NULL, '{');
        jsonout_text(json, "name", module->name);
        jsonout_uint(json, "base", module->base);
        jsonout_uint(json, "size", module->size);
        if (module->timestamp) {
            jsonout_uint(json, "timestamp", module->timestamp);
        }
        if (*module->path) {
            jsonout_text(json, "path", module->path);
        }
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    if (end) {
        jsonout_text(json, "modules-end", end);
    }
}

static void json_cpus(const Image *image, JsonOut *json)
{
    WinschedThread thread;
    unsigned i;

    jsonout_begin(json, "vcpus", '[');
    for (i = 0; i < image->result.n_cpus; i++) {
        const WinosCpu *cpu = &image->cpus[i];

        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "vcpu", cpu->vcpu);
        jsonout_uint(json, "kpcr", cpu->kpcr);
        if (image_read_running(image, cpu, &thread)) {
            jsonout_bool(json, "idle", thread.thread == cpu->idle_thread);
            json_thread(json, &thread);
        }
        json_place(image, json, cpu->vcpu);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void json_command_line(const Image *image, JsonOut *json,
                              const ImageProcess *process)
{
    char line[WINOS_COMMAND_LINE];
    bool cut;

    if (winos_command_line(&image->result, process->address, line, &cut)) {
        jsonout_text(json, "command-line", line);
        if (cut) {
            jsonout_bool(json, "command-line-cut", true);
        }
    }
}

static void json_process(const Image *image, const ImageView *view,
                         JsonOut *json, const ImageProcess *process)
{
    char path[WINOS_PROCESS_PATH];
    char name[WINSCHED_IMAGE_SIZE];
    uint64_t id;

    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "process-pointer", process->address);
    if (image_read_word(image, process->address,
                        WINOS_EPROCESS_UNIQUE_PROCESS_ID, &id)) {
        jsonout_uint(json, "unique-process-id", id);
    }
    if (image_read_word(image, process->address,
                        WINOS_EPROCESS_INHERITED_FROM, &id)) {
        jsonout_uint(json, "parent", id);
    }
    jsonout_uint(json, "threads", process->n_threads);
    image_read_name(image, process->address, name);
    json_image(json, name);
    image_read_path(image, process->address, path);
    if (*path) {
        jsonout_text(json, "process-path", path);
    }
    if (view->command_lines) {
        json_command_line(image, json, process);
    }
    jsonout_end(json, '}');
}

static void json_objects(const Image *image, const ImageView *view,
                         JsonOut *json)
{
    WinschedThread thread;
    size_t i;

    jsonout_begin(json, "processes", '[');
    for (i = 0; i < image->n_processes; i++) {
        json_process(image, view, json, &image->processes[i]);
    }
    jsonout_end(json, ']');
    jsonout_begin(json, "threads", '[');
    for (i = 0; i < image->n_threads; i++) {
        if (image_read_thread(image, image->threads[i], &thread)) {
            jsonout_begin(json, NULL, '{');
            json_thread(json, &thread);
            jsonout_end(json, '}');
        }
    }
    jsonout_end(json, ']');
}

void image_print_json(const Image *image, const ImageView *view, Out *out)
{
    JsonOut json = { .out = out };
    unsigned f;

    jsonout_begin(&json, NULL, '{');
    image_json_file(image, &json);
    json_kernel(image, &json);
    image_json_crash(image, &json);
    json_cpus(image, &json);
    json_objects(image, view, &json);
    json_modules(image, &json);
    image_json_interrupts(image, &json);
    jsonout_begin(&json, "offsets", '[');
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        json_offset(&json, &image->result.layout.field[f],
                    winos_field_name(f));
    }
    jsonout_end(&json, ']');
    jsonout_end(&json, '}');
    jsonout_line(&json);
}
