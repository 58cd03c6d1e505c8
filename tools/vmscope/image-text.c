/*
 * image-text: a memory image, for people.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image.h"

#include "display.h"

#include <inttypes.h>

/* Columns for names: 15 bytes of an image, and what is left of a line. */
enum { IMAGE_COLUMNS = 15, NAME_COLUMNS = 40 };

static void say_kernel(const Image *image, Out *out)
{
    const WinosResult *r = &image->result;

    out_printf(out, "kernel    Windows %u.%u build %u at 0x%" PRIx64 "\n",
               r->kernel.major, r->kernel.minor, r->kernel.build,
               r->kernel.image.base);
    out_printf(out, "file      %08x-%x: ", r->kernel.image.timestamp,
               r->kernel.image.size);
    if (r->n_rows && r->exact_file) {
        out_printf(out, "%s\n", r->rows[0]->file_version);
    } else if (r->n_rows) {
        out_printf(out, "not known; %s is %s\n", r->rows[0]->file_version,
                   r->same_build ? "of the same build"
                                 : "the nearest older one");
    } else {
        out_text(out, "not known\n");
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

static void say_name(const WinschedThread *t, Out *out)
{
    char image[DISPLAY_ROOM(IMAGE_COLUMNS)];
    char name[DISPLAY_ROOM(NAME_COLUMNS)];

    if (!(t->has & WINSCHED_HAS_NAME)) {
        display_fit(image, t->image[0] ? t->image : "-", IMAGE_COLUMNS);
        out_text(out, image);
        return;
    }
    display_pad(image, t->image[0] ? t->image : "-", IMAGE_COLUMNS);
    display_fit(name, t->name, NAME_COLUMNS);
    out_printf(out, "%s %s", image, name);
}

static void say_ids(const WinschedThread *t, Out *out)
{
    if (t->has & WINSCHED_HAS_IDS) {
        out_printf(out, "%8u%8u", t->pid, t->tid);
    } else {
        out_printf(out, "%8s%8s", "-", "-");
    }
}

static void say_cpus(const Image *image, Out *out)
{
    WinschedThread thread;
    unsigned i;

    out_text(out, "\nVCPU  THREAD                   PID     TID  RAN\n");
    for (i = 0; i < image->result.n_cpus; i++) {
        const WinosCpu *cpu = &image->cpus[i];

        out_printf(out, "%4u  ", cpu->vcpu);
        if (!image_read_running(image, cpu, &thread)) {
            out_text(out, "cannot be read\n");
            continue;
        }
        out_printf(out, "0x%016" PRIx64, thread.thread);
        say_ids(&thread, out);
        out_text(out, "  ");
        if (thread.thread == cpu->idle_thread) {
            out_text(out, "idle");
        } else {
            say_name(&thread, out);
        }
        out_char(out, '\n');
    }
    if (image->result.n_cpus < image->dump.n_regs) {
        out_printf(out, "      and %u more, of which no KPCR was found\n",
                   image->dump.n_regs - image->result.n_cpus);
    }
}

static void say_processes(const Image *image, Out *out)
{
    char name[WINSCHED_IMAGE_SIZE];
    char shown[DISPLAY_ROOM(IMAGE_COLUMNS)];
    size_t i;

    out_text(out, "\nPROCESS                  PID  PARENT THREADS  IMAGE\n");
    for (i = 0; i < image->n_processes; i++) {
        const ImageProcess *process = &image->processes[i];
        uint64_t pid = 0, parent = 0;

        image_read_name(image, process->address, name);
        image_read_word(image, process->address,
                        WINOS_EPROCESS_UNIQUE_PROCESS_ID, &pid);
        image_read_word(image, process->address,
                        WINOS_EPROCESS_INHERITED_FROM, &parent);
        display_fit(shown, *name ? name : "-", IMAGE_COLUMNS);
        out_printf(out, "0x%016" PRIx64 "%10" PRIu64 "%8" PRIu64 "%8u  %s\n",
                   process->address, pid, parent, process->n_threads, shown);
    }
}

static void say_threads(const Image *image, Out *out)
{
    WinschedThread t;
    const char *state;
    size_t i;

    out_text(out, "\nTHREAD                   PID     TID PRI STATE        "
             "IMAGE           NAME\n");
    for (i = 0; i < image->n_threads; i++) {
        if (!image_read_thread(image, image->threads[i], &t)) {
            continue;
        }
        state = t.has & WINSCHED_HAS_STATE ? winos_state_name(t.state) : NULL;
        out_printf(out, "0x%016" PRIx64, t.thread);
        say_ids(&t, out);
        if (t.has & WINSCHED_HAS_PRIORITY) {
            out_printf(out, "%4d", t.priority);
        } else {
            out_text(out, "   -");
        }
        out_printf(out, " %-12s ", state ? state : "-");
        say_name(&t, out);
        out_char(out, '\n');
    }
}

/* The source of the value first, then who agrees. */
static void say_sources(const WinosOffset *offset, Out *out)
{
    unsigned s;

    out_text(out, winos_source_name(offset->source));
    for (s = 0; s < WINOS_N_SOURCES; s++) {
        if (offset->agreed >> s & 1 && s != offset->source) {
            out_printf(out, ",%s", winos_source_name(s));
        }
    }
}

static void say_offset(const WinosOffset *offset, const char *name, Out *out)
{
    const char *standing = winos_standing_name(offset->standing);

    if (offset->value >= 0) {
        out_printf(out, "%-29s 0x%-5x %-11s ", name, (unsigned)offset->value,
                   standing);
        say_sources(offset, out);
    } else {
        out_printf(out, "%-29s %-7s %-11s -", name, "-", standing);
    }
    out_char(out, '\n');
    if (offset->doubt) {
        out_printf(out, "    %s\n", offset->doubt);
    }
}

static void say_offsets(const Image *image, Out *out)
{
    unsigned f;

    out_printf(out, "\n%-29s %-7s %-11s %s\n", "OFFSET", "VALUE", "STANDING",
               "SAID BY");
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        say_offset(&image->result.layout.field[f], winos_field_name(f), out);
    }
}

void image_print(const Image *image, const ImageView *view, Out *out)
{
    say_kernel(image, out);
    say_cpus(image, out);
    say_processes(image, out);
    if (view->threads) {
        say_threads(image, out);
    }
    if (view->offsets) {
        say_offsets(image, out);
    }
}
