/*
 * vmscope image: find Windows in a memory image, as in a running guest.
 *
 * Here are the command line and the order of things; reading the file and
 * finding Windows is the core's business; see image.h for the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "shared/display.h"
#include "image/image.h"
#include "common/options.h"
#include "shared/names.h"

#include "base/now.h"
#include "common/message.h"
#include "common/translate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct ImageOptions {
    NameOptions names;
    const char *registers;
    uint64_t low;
    bool json;
    ImageView view;
} ImageOptions;

static const Option image_options[] = {
    { .help = N_("Raw RAM:") },
    { "registers", 'r', OPTION_TEXT, offsetof(ImageOptions, registers),
      "FILE", N_("the file is raw RAM, and this one has a line\n"
                 "for each of its vCPUs: vcpu= cpl= la57= cr3=\n"
                 "gs_base= kernel_gs_base= lstar= idt_base=;\n"
                 "without, they are found in memory") },
    { "below-4g", 0, OPTION_SIZE, offsetof(ImageOptions, low), "SIZE",
      N_("bytes of it below 4 GiB; the rest is RAM from\n"
         "4 GiB on (usual values are tried)"), .min = 4096 },
    { .help = N_("What is shown:") },
    { "offsets", 'o', OPTION_FLAG, offsetof(ImageOptions, view.offsets), NULL,
      N_("structure offsets too, with who says so") },
    { "threads", 't', OPTION_FLAG, offsetof(ImageOptions, view.threads), NULL,
      N_("every thread too") },
    { "paths", 'p', OPTION_FLAG, offsetof(ImageOptions, view.paths), NULL,
      N_("the full path of each process' image too") },
    { "command-lines", 'c', OPTION_FLAG,
      offsetof(ImageOptions, view.command_lines), NULL,
      N_("the command line of each process too, where its\n"
         "memory is there; in JSON only then") },
    { "drivers", 'd', OPTION_FLAG, offsetof(ImageOptions, view.drivers), NULL,
      N_("every loaded driver too") },
    { "interrupts", 'i', OPTION_FLAG, offsetof(ImageOptions, view.interrupts),
      NULL, N_("the driver behind each interrupt vector too") },
    { "json", 'j', OPTION_FLAG, offsetof(ImageOptions, json), NULL,
      N_("everything, as one JSON object") },
    {}
};

static const Usage image_usage = {
    .command = "vmscope image",
    .operands = "FILE",
    .about = N_("Say what a memory image of Windows holds: a crash dump of\n"
                "Windows, minidumps too; any format of QEMU's "
                "dump-guest-memory\n"
                "and virsh dump --memory-only; cores of VirtualBox and "
                "Xen;\n"
                "LiME, AVML, .vmem, raw RAM.\n"),
    .options = image_options,
    .names = name_options,
    .names_offset = offsetof(ImageOptions, names),
    .examples =
        "  vmscope image MEMORY.DMP              kernel, crash, vCPUs,\n"
        "                                        processes\n"
        "  vmscope image -o -t guest.core        and offsets and threads\n"
        "  vmscope image -d 112926-4312-01.dmp   a minidump, with drivers\n"
        "  vmscope image -r cpus.txt guest.ram   raw RAM, with registers\n",
};

/* On a terminal, how far a search is; every so often, and at its end. */
static void show_progress(uint64_t done, uint64_t all)
{
    static int on_terminal = -1;

    if (on_terminal < 0) {
        on_terminal = isatty(STDERR_FILENO);
    }
    if (on_terminal && done == all) {
        fputs("\r      \r", stderr);
    } else if (on_terminal) {
        fprintf(stderr, "\r%3.0f %%", (double)done * 100 / (double)all);
    }
}

static bool detect(Image *image, const WinosOptions *options, Err *err)
{
    Dump *dump = &image->file.dump;

    return winos_detect(&dump->mem, dump->regs, dump->n_regs, options,
                        &image->result, image->cpus, err);
}

/*
 * Each vCPU may have stopped in user mode, under page tables that hide the
 * kernel; or there are no registers at all.
 */
static bool look_everywhere(Image *image, const WinosOptions *options,
                            Err *err)
{
    return dump_find_cpus(&image->file.dump, show_progress, err) &&
           detect(image, options, err);
}

/* Of raw memory nobody may have said where its gap is. */
static bool look_as_it_may_lie(Image *image, const WinosOptions *options,
                               Err *err)
{
    Err first = { 0 };
    unsigned i;

    if (look_everywhere(image, options, &first)) {
        return true;
    }
    for (i = 1; dump_file_guess(&image->file, i); i++) {
        if (look_everywhere(image, options, err)) {
            return true;
        }
    }
    *err = first;
    if (image->file.guess) {
        size_t used = strlen(err->text);

        snprintf(err->text + used, sizeof(err->text) - used,
                 _("; it was taken as raw memory: if it is, say where it lies "
                   "with --below-4g or --registers"));
    }
    return false;
}

static bool look_for_kernel(Image *image, Err *err)
{
    Dump *dump = &image->file.dump;
    WinosOptions options;

    winos_options_init(&options);
    if (dump->n_regs == 0) {
        return look_as_it_may_lie(image, &options, err);
    }
    if (detect(image, &options, err)) {
        return true;
    }
    if (err->code != ERR_FAULT) {
        return false;
    }
    message("the vCPUs' page tables show no kernel: searching the whole file "
            "for others");
    return look_everywhere(image, &options, err);
}

bool image_look(Image *image, Err *err)
{
    uint64_t begin = now_monotonic_ns();
    bool ok;

    image->cpus = calloc(DUMP_MAX_CPUS, sizeof(*image->cpus));
    image->modules = calloc(WINOS_MAX_MODULES, sizeof(*image->modules));
    if (!image->cpus || !image->modules) {
        die_no_memory();
    }
    ok = look_for_kernel(image, err);
    image->ns = now_monotonic_ns() - begin;
    image->reads = image->file.dump.reads;
    if (!ok) {
        return false;
    }
    image_gather(image);
    image->modules_end = winos_modules_read(
        &image->result.kernel.space, winos_modules_head(&image->result),
        image->modules, WINOS_MAX_MODULES, &image->n_modules);
    image_find_crash(image);
    if (image->cut) {
        message("only the first %zu processes and %zu threads are shown",
                image->n_processes, image->n_threads);
    }
    return true;
}

/* What is there of a file that was cut was shown; that it was, is said. */
static int end(const char *path, const Image *image, Out *out)
{
    if (!out_finish(out)) {
        return EXIT_FAILED;
    }
    if (image->file.dump.cut) {
        message("%s: it is cut short: %" PRIu64 " bytes should be behind its "
                "end; this is what can be seen without them", path,
                image->file.dump.cut);
        return EXIT_FAILED;
    }
    return EXIT_FINE;
}

static int show(const char *path, const ImageOptions *o, Image *image,
                Out *out)
{
    Err err = { 0 };

    if (!dump_file_open(&image->file, path, o->registers, o->low, &err)) {
        message("%s", err.text);
        return EXIT_FAILED;
    }
    if (image->file.dump.format == DUMP_TRIAGE) {
        image_print_triage(image, &o->view, o->json, out);
        return end(path, image, out);
    }
    if (!image_look(image, &err)) {
        if (image->file.dump.cut) {
            message("%s: it is cut short: %" PRIu64 " bytes should be behind "
                    "its end; %s", path, image->file.dump.cut, err.text);
        } else {
            message("%s: %s", path, err.text);
        }
        return EXIT_FAILED;
    }
    if (o->json) {
        image_print_json(image, &o->view, out);
    } else {
        image_print(image, &o->view, out);
    }
    return end(path, image, out);
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
        options_refuse(&image_usage, argc == optind
                       ? N_("give a memory image")
                       : N_("give one memory image"));
        return EXIT_WRONG_USAGE;
    }
    image = calloc(1, sizeof(*image));
    out = calloc(1, sizeof(*out));
    if (!image || !out) {
        die_no_memory();
    }
    display_begin(STDOUT_FILENO);
    out_init(out, STDOUT_FILENO);
    code = show(argv[optind], &o, image, out);
    image_release(image);
    dump_file_close(&image->file);
    free(image->cpus);
    free(image->modules);
    free(image);
    free(out);
    return code;
}
