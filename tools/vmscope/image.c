/*
 * vmscope image: find Windows in a memory image, as in a running guest.
 *
 * Prints the kernel, the structure offsets with their sources, processes and
 * threads, and what each vCPU ran.  Reading the file is dump.c's business,
 * finding Windows the core's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "dump.h"
#include "options.h"

#include "common/jsonout.h"
#include "common/message.h"
#include "winos/live.h"
#include "winsched/thread.h"
#include "winsched/utf16.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct ImageOptions {
    const char *registers;
    uint64_t low;
    bool json;
    bool offsets;
    bool threads;
} ImageOptions;

static const Option image_options[] = {
    { "registers", 'r', OPTION_TEXT, offsetof(ImageOptions, registers),
      "FILE", "the file is raw RAM, and this tells its vCPUs: a line each of\n"
      "vcpu= cpl= la57= cr3= gs_base= kernel_gs_base= lstar= idt_base=" },
    { "below-4g", 0, OPTION_SIZE, offsetof(ImageOptions, low), "SIZE",
      "bytes of raw RAM below 4 GiB (default: all)", .min = 4096 },
    { "offsets", 'o', OPTION_FLAG, offsetof(ImageOptions, offsets), NULL,
      "structure offsets too, with who says so" },
    { "threads", 't', OPTION_FLAG, offsetof(ImageOptions, threads), NULL,
      "every thread too" },
    { "json", 'j', OPTION_FLAG, offsetof(ImageOptions, json), NULL,
      "everything, as one JSON object" },
    { 0 },
};

static const Usage image_usage = {
    .command = "vmscope image",
    .operands = "FILE",
    .about = "Find Windows in a memory image: the ELF core that QEMU's\n"
             "dump-guest-memory writes, or raw RAM.\n",
    .options = image_options,
    .examples =
        "vmscope image guest.core                 kernel, vCPUs, processes\n"
        "vmscope image -o -t guest.core           and offsets and threads\n"
        "vmscope image -r cpus.txt guest.ram      raw RAM\n",
};

/* What was found. */
typedef struct Image {
    Dump dump;
    WinosResult result;
    WinosCpu *cpus;
    LiveWorld world;
    uint64_t ns;            /* detection took */
    uint64_t reads;
} Image;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/*
 * Each vCPU may have stopped in user mode, under page tables that hide the
 * kernel.  A file can be searched for others, which takes a second or so.
 */
static bool look_everywhere(Image *image, const WinosOptions *options,
                            Err *err)
{
    const uint64_t shared_data = 0xfffff78000000000;
    Dump *dump = &image->dump;
    GmemSpace space = { &dump->mem, 0, dump->regs[0].la57 ? 5 : 4 };
    uint64_t gpa;
    unsigned p, i;

    for (p = 0; p < dump->n_parts; p++) {
        const DumpPart *part = &dump->parts[p];

        for (space.cr3 = part->gpa; space.cr3 - part->gpa < part->size;
             space.cr3 += GMEM_PAGE) {
            if (!gmem_translate(&space, shared_data, &gpa, NULL, NULL)) {
                continue;
            }
            for (i = 0; i < dump->n_regs; i++) {
                dump->regs[i].cr3 = space.cr3;
            }
            if (winos_detect(&dump->mem, dump->regs, dump->n_regs, options,
                             &image->result, image->cpus, err)) {
                return true;
            }
        }
    }
    return false;
}

static bool look(Image *image, Err *err)
{
    uint64_t begin = now_ns();
    WinosOptions options;
    unsigned i;
    bool ok;

    image->cpus = calloc(image->dump.n_regs, sizeof(*image->cpus));
    if (!image->cpus) {
        die_no_memory();
    }
    winos_options_init(&options);
    ok = winos_detect(&image->dump.mem, image->dump.regs, image->dump.n_regs,
                      &options, &image->result, image->cpus, err);
    if (!ok && err->code == ERR_FAULT) {
        ok = look_everywhere(image, &options, &(Err) { 0 });
    }
    image->ns = now_ns() - begin;
    image->reads = image->dump.reads;
    if (!ok) {
        return false;
    }
    live_init(&image->world, &image->result.kernel, &image->result.layout);
    for (i = 0; i < image->result.n_cpus; i++) {
        live_add_cpu(&image->world, &image->cpus[i]);
    }
    live_gather(&image->world);
    live_gather(&image->world);
    return true;
}

static const GmemSpace *space_of(const Image *image)
{
    return &image->result.kernel.space;
}

static bool read_word(const Image *image, uint64_t object, WinosField field,
                      uint64_t *value)
{
    int32_t offset = winos_offset(&image->result.layout, field);

    return offset >= 0 && gmem_read_u64(space_of(image), object + offset,
                                        value);
}

static bool read_thread(const Image *image, uint64_t gva,
                        WinschedThread *thread)
{
    return winsched_thread_read(space_of(image), &image->result.layout, gva,
                                thread);
}

static bool running_thread(const Image *image, const WinosCpu *cpu,
                           WinschedThread *thread)
{
    uint64_t gva;

    return read_word(image, cpu->prcb, WINOS_PRCB_CURRENT_THREAD, &gva) &&
           read_thread(image, gva, thread);
}

/* One process, as far as it could be read. */
typedef struct Process {
    uint64_t address;
    uint64_t pid;
    uint64_t parent;
    unsigned n_threads;
    char image[WINSCHED_IMAGE_SIZE];
} Process;

static void read_image_name(const Image *image, uint64_t gva, char *name)
{
    int32_t offset = winos_offset(&image->result.layout,
                                  WINOS_EPROCESS_IMAGE_FILE_NAME);
    uint8_t raw[WINSCHED_IMAGE_SIZE - 1];

    if (offset >= 0 && gmem_read(space_of(image), gva + offset, raw,
                                 sizeof(raw), NULL)) {
        utf8_repair(raw, sizeof(raw), name, WINSCHED_IMAGE_SIZE);
    }
}

static void read_process(const Image *image, uint64_t gva, Process *p)
{
    WinschedThread thread;
    unsigned i;

    memset(p, 0, sizeof(*p));
    p->address = gva;
    read_image_name(image, gva, p->image);
    read_word(image, gva, WINOS_EPROCESS_UNIQUE_PROCESS_ID, &p->pid);
    read_word(image, gva, WINOS_EPROCESS_INHERITED_FROM, &p->parent);
    for (i = 0; i < image->world.n_threads; i++) {
        p->n_threads += read_thread(image, image->world.threads[i],
                                    &thread) && thread.process == gva;
    }
}

/* --- text */

static void say_kernel(const Image *image, Out *out)
{
    const WinosResult *r = &image->result;

    out_printf(out, "kernel    Windows build %u (%u.%u) at 0x%" PRIx64
               ", size 0x%x, timestamp 0x%08x\n", r->kernel.build,
               r->kernel.major, r->kernel.minor, r->kernel.image.base,
               r->kernel.image.size, r->kernel.image.timestamp);
    if (r->n_rows) {
        out_printf(out, "file      %s%s\n", r->rows[0]->file_version,
                   r->exact_file ? ", this very file" :
                   r->same_build ? ", or another file of that build" :
                   " is the nearest older one that is known");
    }
    out_printf(out, "memory    CR3 0x%" PRIx64 ", %u levels of page tables"
               "%s\n", r->kernel.space.cr3, r->kernel.space.levels,
               r->kernel.kva_shadow ? ", KVA shadow" : "");
    if (r->has_kdbg) {
        out_printf(out, "evidence  %s KDBG at 0x%" PRIx64 ", %u functions "
                   "understood\n", r->kdbg.encoded ? "encoded" : "plain",
                   r->kdbg.address, r->n_accessors);
    } else {
        out_printf(out, "evidence  no KDBG, %u functions understood\n",
                   r->n_accessors);
    }
    out_printf(out, "took      %.1f ms, %" PRIu64 " reads\n",
               image->ns / 1e6, image->reads);
}

static void say_thread(const WinschedThread *t, Out *out)
{
    const char *state = winos_state_name(t->state);

    if (t->has & WINSCHED_HAS_IDS) {
        out_printf(out, "%u.%u ", t->pid, t->tid);
    }
    out_safe(out, t->image[0] ? t->image : "-");
    if (t->has & WINSCHED_HAS_NAME) {
        out_text(out, " \"");
        out_safe(out, t->name);
        out_text(out, "\"");
    }
    if (t->has & WINSCHED_HAS_PRIORITY) {
        out_printf(out, " priority %d", t->priority);
    }
    if (t->has & WINSCHED_HAS_STATE) {
        out_printf(out, " %s", state ? state : "?");
    }
}

static void say_cpus(const Image *image, Out *out)
{
    WinschedThread thread;
    unsigned i;

    out_text(out, "\nvCPU  KPCR                thread              "
             "runs\n");
    for (i = 0; i < image->result.n_cpus; i++) {
        const WinosCpu *cpu = &image->cpus[i];

        out_printf(out, "%4u  0x%016" PRIx64 "  ", cpu->vcpu, cpu->kpcr);
        if (running_thread(image, cpu, &thread)) {
            out_printf(out, "0x%016" PRIx64 "  %s", thread.thread,
                       thread.thread == cpu->idle_thread ? "idle " : "");
            say_thread(&thread, out);
        } else {
            out_text(out, "-                   cannot be read");
        }
        out_char(out, '\n');
    }
}

static void say_processes(const Image *image, Out *out)
{
    Process process;
    unsigned i;

    out_text(out, "\n     pid  parent threads  process             image\n");
    for (i = 0; i < image->world.n_processes; i++) {
        read_process(image, image->world.processes[i], &process);
        out_printf(out, "%8" PRIu64 "%8" PRIu64 "%8u  0x%016" PRIx64 "  ",
                   process.pid, process.parent, process.n_threads,
                   process.address);
        out_safe(out, process.image[0] ? process.image : "-");
        out_char(out, '\n');
    }
}

static void say_threads(const Image *image, Out *out)
{
    WinschedThread thread;
    unsigned i;

    out_text(out, "\nthread              what\n");
    for (i = 0; i < image->world.n_threads; i++) {
        if (read_thread(image, image->world.threads[i], &thread)) {
            out_printf(out, "0x%016" PRIx64 "  ", thread.thread);
            say_thread(&thread, out);
            out_char(out, '\n');
        }
    }
}

static void say_offset(const WinosOffset *offset, const char *name, Out *out)
{
    unsigned s;

    out_printf(out, "%-30s", name);
    if (offset->value >= 0) {
        out_printf(out, " 0x%-6x %-11s", offset->value,
                   winos_standing_name(offset->standing));
        for (s = 0; s < WINOS_N_SOURCES; s++) {
            if (offset->agreed >> s & 1) {
                out_printf(out, " %s", winos_source_name(s));
            }
        }
    } else {
        out_printf(out, " -        %-11s", winos_standing_name(
                                               offset->standing));
    }
    if (offset->doubt) {
        out_printf(out, " (%s)", offset->doubt);
    }
    out_char(out, '\n');
}

static void say_offsets(const Image *image, Out *out)
{
    unsigned f;

    out_printf(out, "\n%-30s %-8s %-11s said by\n", "offset of", "value",
               "standing");
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        say_offset(&image->result.layout.field[f], winos_field_name(f), out);
    }
}

static void say_all(const Image *image, const ImageOptions *o, Out *out)
{
    say_kernel(image, out);
    say_cpus(image, out);
    say_processes(image, out);
    if (o->threads) {
        say_threads(image, out);
    }
    if (o->offsets) {
        say_offsets(image, out);
    }
}

/* --- JSON, with the names that QMP has */

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
    if (t->has & WINSCHED_HAS_IMAGE) {
        jsonout_text(json, "process-image", t->image);
    }
    if (t->has & WINSCHED_HAS_NAME) {
        jsonout_text(json, "thread-name", t->name);
    }
    if (t->has & WINSCHED_HAS_STATE) {
        jsonout_uint(json, "kthread-state", t->state);
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

    jsonout_uint(json, "windows-build", r->kernel.build);
    jsonout_uint(json, "kernel-base", r->kernel.image.base);
    jsonout_begin(json, "kernel-file", '{');
    jsonout_uint(json, "timestamp", r->kernel.image.timestamp);
    jsonout_uint(json, "size", r->kernel.image.size);
    if (r->n_rows) {
        jsonout_text(json, "version", r->rows[0]->file_version);
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
        if (running_thread(image, cpu, &thread)) {
            jsonout_bool(json, "idle", thread.thread == cpu->idle_thread);
            json_thread(json, &thread);
        }
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void json_objects(const Image *image, JsonOut *json)
{
    WinschedThread thread;
    Process process;
    unsigned i;

    jsonout_begin(json, "processes", '[');
    for (i = 0; i < image->world.n_processes; i++) {
        read_process(image, image->world.processes[i], &process);
        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "process-pointer", process.address);
        jsonout_uint(json, "unique-process-id", process.pid);
        jsonout_uint(json, "parent", process.parent);
        jsonout_uint(json, "threads", process.n_threads);
        jsonout_text(json, "process-image", process.image);
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    jsonout_begin(json, "threads", '[');
    for (i = 0; i < image->world.n_threads; i++) {
        if (read_thread(image, image->world.threads[i], &thread)) {
            jsonout_begin(json, NULL, '{');
            json_thread(json, &thread);
            jsonout_end(json, '}');
        }
    }
    jsonout_end(json, ']');
}

static void json_all(const Image *image, Out *out)
{
    JsonOut json = { .out = out };
    unsigned f;

    jsonout_begin(&json, NULL, '{');
    json_kernel(image, &json);
    json_cpus(image, &json);
    json_objects(image, &json);
    jsonout_begin(&json, "offsets", '[');
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        json_offset(&json, &image->result.layout.field[f],
                    winos_field_name(f));
    }
    jsonout_end(&json, ']');
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

static int show(const char *path, const ImageOptions *o, Image *image,
                Out *out)
{
    Err err = { 0 };

    if (!dump_open(&image->dump, path, o->registers, o->low, &err)) {
        message("%s", err.text);
        return EXIT_FAILED;
    }
    if (!look(image, &err)) {
        message("%s: %s", path, err.text);
        return EXIT_FAILED;
    }
    if (o->json) {
        json_all(image, out);
    } else {
        say_all(image, o, out);
    }
    if (!out_flush(out)) {
        message("cannot write to standard output: %s",
                strerror(out->error));
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

int cmd_image(int argc, char **argv)
{
    ImageOptions o = { 0 };
    Image *image;
    Out *out;
    int code;

    switch (options_read(&image_usage, &o, argc, argv)) {
    case OPTIONS_RUN:
        break;
    case OPTIONS_DONE:
        return EXIT_FINE;
    default:
        return EXIT_WRONG_USAGE;
    }
    if (argc - optind != 1) {
        message(argc == optind ? "give a memory image; see --help" :
                                 "give one memory image; see --help");
        return EXIT_WRONG_USAGE;
    }
    image = calloc(1, sizeof(*image));
    out = calloc(1, sizeof(*out));
    if (!image || !out) {
        die_no_memory();
    }
    out_init(out, STDOUT_FILENO);
    code = show(argv[optind], &o, image, out);
    dump_close(&image->dump);
    free(image->cpus);
    free(image);
    free(out);
    return code;
}
