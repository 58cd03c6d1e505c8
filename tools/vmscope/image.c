/*
 * vmscope image: find Windows in a memory image, as in a running guest.
 *
 * Here are the command line and the search for page tables; reading the file
 * is dump.c's business, finding Windows the core's; see image.h for the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "display.h"
#include "image.h"
#include "options.h"

#include "common/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How many page tables of a file are tried, and when progress is shown. */
enum { SEARCH_MAX_DETECTIONS = 64, SEARCH_PROGRESS_PAGES = 1 << 16 };

typedef struct ImageOptions {
    const char *registers;
    uint64_t low;
    bool json;
    ImageView view;
} ImageOptions;

static const Option image_options[] = {
    { .help = "Raw RAM:" },
    { "registers", 'r', OPTION_TEXT, offsetof(ImageOptions, registers),
      "FILE", "the file is raw RAM, and this one has a line\n"
      "for each of its vCPUs: vcpu= cpl= la57= cr3=\n"
      "gs_base= kernel_gs_base= lstar= idt_base=" },
    { "below-4g", 0, OPTION_SIZE, offsetof(ImageOptions, low), "SIZE",
      "bytes of it below 4 GiB; the rest is RAM from\n"
      "4 GiB on (all)", .min = 4096 },
    { .help = "What is shown:" },
    { "offsets", 'o', OPTION_FLAG, offsetof(ImageOptions, view.offsets), NULL,
      "structure offsets too, with who says so" },
    { "threads", 't', OPTION_FLAG, offsetof(ImageOptions, view.threads), NULL,
      "every thread too" },
    { "json", 'j', OPTION_FLAG, offsetof(ImageOptions, json), NULL,
      "everything, as one JSON object" },
    {}
};

static const Usage image_usage = {
    .command = "vmscope image",
    .operands = "FILE",
    .about = "Find Windows in a memory image: the ELF core that QEMU's\n"
             "dump-guest-memory writes, or raw RAM.\n",
    .options = image_options,
    .examples =
        "  vmscope image guest.core              kernel, vCPUs, processes\n"
        "  vmscope image -o -t guest.core        and offsets and threads\n"
        "  vmscope image -r cpus.txt guest.ram   raw RAM\n",
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static bool is_root(const GmemSpace *space)
{
    const uint64_t shared_data = 0xfffff78000000000;    /* KUSER_SHARED_DATA */
    uint64_t gpa;

    return gmem_translate(space, shared_data, &gpa, NULL, NULL);
}

static bool try_root(Image *image, const WinosOptions *options, uint64_t cr3)
{
    Dump *dump = &image->dump;
    Err err;
    unsigned i;

    for (i = 0; i < dump->n_regs; i++) {
        dump->regs[i].cr3 = cr3;
    }
    return winos_detect(&dump->mem, dump->regs, dump->n_regs, options,
                        &image->result, image->cpus, &err);
}

/* On a terminal, how far a search is; every so often, and at its end. */
static void show_progress(uint64_t done, uint64_t all)
{
    static int on_terminal = -1;

    if (on_terminal < 0) {
        on_terminal = isatty(STDERR_FILENO);
    }
    if (on_terminal && done == all) {
        fputs("\r      \r", stderr);
    } else if (on_terminal && done % SEARCH_PROGRESS_PAGES == 0) {
        fprintf(stderr, "\r%3.0f %%", (double)done * 100 / (double)all);
    }
}

/*
 * Each vCPU may have stopped in user mode, under page tables that hide the
 * kernel.  A file can be searched for others.  Its parts may all be the same
 * bytes, so pages are counted by the file's size.
 */
static bool look_everywhere(Image *image, const WinosOptions *options)
{
    Dump *dump = &image->dump;
    const uint64_t all = dump->file_size / GMEM_PAGE;
    uint64_t pages = all;
    GmemSpace space = { &dump->mem, 0, dump->regs[0].la57 ? 5 : 4 };
    unsigned tries = SEARCH_MAX_DETECTIONS;
    bool found = false;
    unsigned p;

    message("the vCPUs' page tables show no kernel: searching the whole file "
            "for others");
    for (p = 0; p < dump->n_parts && !found; p++) {
        const DumpPart *part = &dump->parts[p];
        uint64_t at;

        for (at = 0; at < part->size && pages && tries && !found;
             at += GMEM_PAGE) {
            show_progress(all - pages--, all);
            space.cr3 = part->gpa + at;
            if (is_root(&space)) {
                tries--;
                found = try_root(image, options, space.cr3);
            }
        }
    }
    show_progress(all, all);
    return found;
}

static bool look(Image *image, Err *err)
{
    uint64_t begin = now_ns();
    WinosOptions options;
    bool ok;

    image->cpus = calloc(image->dump.n_regs, sizeof(*image->cpus));
    if (!image->cpus) {
        die_no_memory();
    }
    winos_options_init(&options);
    ok = winos_detect(&image->dump.mem, image->dump.regs, image->dump.n_regs,
                      &options, &image->result, image->cpus, err);
    if (!ok && err->code == ERR_FAULT) {
        ok = look_everywhere(image, &options);
    }
    image->ns = now_ns() - begin;
    image->reads = image->dump.reads;
    if (!ok) {
        return false;
    }
    image_gather(image);
    if (image->cut) {
        message("only the first %zu processes and %zu threads are shown",
                image->n_processes, image->n_threads);
    }
    return true;
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
        image_print_json(image, out);
    } else {
        image_print(image, &o->view, out);
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
        message(argc == optind ? "give a memory image"
                               : "give one memory image");
        options_refuse(&image_usage);
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
    dump_close(&image->dump);
    free(image->cpus);
    free(image);
    free(out);
    return code;
}
