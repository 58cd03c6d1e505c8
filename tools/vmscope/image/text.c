/*
 * image-text: a memory image, for people.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image/image.h"

#include "common/translate.h"
#include "shared/display.h"
#include "shared/names.h"
#include "winos/command-line.h"

#include <inttypes.h>

/* Columns for names: 15 bytes of an image, and what is left of a line. */
enum { IMAGE_COLUMNS = 15, NAME_COLUMNS = 40, PATH_COLUMNS = 260 };

static void say_kernel(const Image *image, Out *out)
{
    const WinosResult *r = &image->result;
    const TableFile *known = table_file(r->kernel.image.timestamp,
                                        r->kernel.image.size);
    unsigned build = image_kernel_build(image);

    out_printf(out, _("kernel    Windows %u.%u build %u at 0x%" PRIx64 "\n"),
               r->kernel.major, r->kernel.minor, r->kernel.build,
               r->kernel.image.base);
    if (build && build != r->kernel.build) {
        out_printf(out, _("          its file is of build %u, as others "
                          "between the two\n"), build);
    }
    if (*image->crash.lab) {
        out_printf(out, _("lab       %s\n"), image->crash.lab);
    }
    out_printf(out, _("file      %08x-%x: "), r->kernel.image.timestamp,
               r->kernel.image.size);
    if (known) {
        out_printf(out, "%s\n", known->version);
    } else if (r->n_rows) {
        out_printf(out, _("not known; %s is %s\n"), r->rows[0]->file_version,
                   r->same_build ? _("of the same build")
                                 : _("the nearest older one"));
    } else {
        out_text(out, _("not known\n"));
    }
    out_printf(out, _("memory    CR3 0x%" PRIx64 ", %u levels of page "
                      "tables%s\n"),
               r->kernel.space.cr3, r->kernel.space.levels,
               r->kernel.kva_shadow ? _(", KVA shadow") : "");
    if (r->has_kdbg) {
        out_printf(out, _("evidence  %s KDBG at 0x%" PRIx64 ", %u functions "
                          "understood\n"),
                   r->kdbg.encoded ? _("encoded") : _("plain"),
                   r->kdbg.address, r->n_accessors);
    } else {
        out_printf(out, _("evidence  no KDBG, %u functions understood\n"),
                   r->n_accessors);
    }
    out_printf(out, _("took      %.1f ms, %" PRIu64 " reads\n"),
               image->ns / 1e6, image->reads);
}

/* All of it: @bytes may all be escaped.  Returns: columns used. */
static unsigned say_image(const char *bytes, Out *out)
{
    char text[NAMES_ROOM];
    char shown[DISPLAY_ROOM(4 * IMAGE_COLUMNS)];
    unsigned used;

    names_image(*bytes ? bytes : "-", text);
    used = display_fit(shown, text, 4 * IMAGE_COLUMNS);
    out_text(out, shown);
    return used;
}

static void say_name(const WinschedThread *t, Out *out)
{
    char name[DISPLAY_ROOM(NAME_COLUMNS)];
    unsigned used = say_image(t->image, out);

    if (t->has & WINSCHED_HAS_NAME) {
        display_fit(name, t->name, NAME_COLUMNS);
        out_printf(out, "%*s %s", used < IMAGE_COLUMNS ?
                   (int)(IMAGE_COLUMNS - used) : 0, "", name);
    }
}

static void say_ids(const WinschedThread *t, Out *out)
{
    if (t->has & WINSCHED_HAS_IDS) {
        out_printf(out, "%8u%8u", t->pid, t->tid);
    } else {
        out_printf(out, "%8s%8s", "-", "-");
    }
}

/* Where a vCPU was; of programs' code no list is read. */
static void say_place(const Image *image, const WinosCpu *cpu, Out *out)
{
    const Dump *dump = &image->file.dump;
    char place[IMAGE_PLACE_ROOM];
    char shown[DISPLAY_ROOM(NAME_COLUMNS)];

    if (cpu->vcpu >= dump->n_regs || !dump->places[cpu->vcpu].rip) {
        return;
    }
    image_place(image, dump->places[cpu->vcpu].rip, place);
    display_fit(shown, place, NAME_COLUMNS);
    out_printf(out, "%28s", "");
    out_printf(out, dump->regs[cpu->vcpu].cpl == 3 ? _("user mode at %s\n")
                                                   : _("kernel at %s\n"),
               shown);
}

static void say_cpus(const Image *image, Out *out)
{
    WinschedThread thread;
    unsigned i;

    out_text(out, _("\nVCPU  THREAD                   PID     TID  RAN\n"));
    for (i = 0; i < image->result.n_cpus; i++) {
        const WinosCpu *cpu = &image->cpus[i];

        out_printf(out, "%4u  ", cpu->vcpu);
        if (!image_read_running(image, cpu, &thread)) {
            out_text(out, _("cannot be read\n"));
            continue;
        }
        out_printf(out, "0x%016" PRIx64, thread.thread);
        say_ids(&thread, out);
        out_text(out, "  ");
        if (thread.thread == cpu->idle_thread) {
            out_text(out, _("idle"));
        } else {
            say_name(&thread, out);
        }
        out_char(out, '\n');
        say_place(image, cpu, out);
    }
    if (image->result.n_cpus < image->file.dump.n_regs) {
        out_printf(out, _("      and %u more, of which no KPCR was found\n"),
                   image->file.dump.n_regs - image->result.n_cpus);
    }
}

static void say_path(const Image *image, uint64_t process, Out *out)
{
    char shown[DISPLAY_ROOM(PATH_COLUMNS)];
    char path[WINOS_PROCESS_PATH];

    image_read_path(image, process, path);
    if (*path) {
        display_fit(shown, path, PATH_COLUMNS);
        out_printf(out, "    %s\n", shown);
    }
}

/* Whole: what is looked for may be at its end. */
static void say_command_line(const Image *image, uint64_t process, Out *out)
{
    char line[WINOS_COMMAND_LINE];
    bool cut;

    if (winos_command_line(&image->result, process, line, &cut)) {
        out_text(out, "    ");
        out_safe(out, line);
        out_text(out, cut ? " ...\n" : "\n");
    }
}

static void say_processes(const Image *image, const ImageView *view, Out *out)
{
    char name[WINSCHED_IMAGE_SIZE];
    size_t i;

    out_text(out, _("\nPROCESS                  PID  PARENT THREADS  IMAGE\n"));
    for (i = 0; i < image->n_processes; i++) {
        const ImageProcess *process = &image->processes[i];
        uint64_t pid = 0, parent = 0;

        image_read_name(image, process->address, name);
        image_read_word(image, process->address,
                        WINOS_EPROCESS_UNIQUE_PROCESS_ID, &pid);
        image_read_word(image, process->address,
                        WINOS_EPROCESS_INHERITED_FROM, &parent);
        out_printf(out, "0x%016" PRIx64 "%10" PRIu64 "%8" PRIu64 "%8u  ",
                   process->address, pid, parent, process->n_threads);
        say_image(name, out);
        out_char(out, '\n');
        if (view->paths) {
            say_path(image, process->address, out);
        }
        if (view->command_lines) {
            say_command_line(image, process->address, out);
        }
    }
}

static void say_threads(const Image *image, Out *out)
{
    WinschedThread t;
    const char *state;
    size_t i;

    out_text(out, _("\nTHREAD                   PID     TID PRI STATE        "
                    "IMAGE           NAME\n"));
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

static void say_drivers(const Image *image, Out *out)
{
    const char *end = winos_list_end_name(image->modules_end);
    char name[DISPLAY_ROOM(NAME_COLUMNS)];
    unsigned i;

    out_text(out, _("\nDRIVER                   SIZE TIMESTAMP  NAME\n"));
    for (i = 0; i < image->n_modules; i++) {
        const WinosModule *module = &image->modules[i];

        display_fit(name, *module->name ? module->name : "-", NAME_COLUMNS);
        out_printf(out, "0x%016" PRIx64 "%11u %8x   %s\n", module->base,
                   module->size, module->timestamp, name);
    }
    if (end) {
        out_printf(out, _("the list of drivers %s\n"), end);
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

    out_text(out, _("\nOFFSET                        VALUE   STANDING    "
                    "SAID BY\n"));
    for (f = 0; f < WINOS_N_FIELDS; f++) {
        say_offset(&image->result.layout.field[f], winos_field_name(f), out);
    }
}

void image_print(const Image *image, const ImageView *view, Out *out)
{
    image_say_file(image, out);
    say_kernel(image, out);
    image_say_crash(image, out);
    say_cpus(image, out);
    say_processes(image, view, out);
    if (view->threads) {
        say_threads(image, out);
    }
    if (view->drivers) {
        say_drivers(image, out);
    }
    if (view->interrupts) {
        image_say_interrupts(image, out);
    }
    if (view->offsets) {
        say_offsets(image, out);
    }
}
