/*
 * image-crash: a bug check, the moment, and what kind of file tells of them.
 *
 * A dump of Windows' own has them in its header.  Any other image of a
 * machine that crashed has the kernel's own note, KiBugCheckData, and its
 * clock in KUSER_SHARED_DATA.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image/image.h"

#include "base/le.h"
#include "common/translate.h"
#include "dump/bugcheck.h"
#include "shared/display.h"

#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Source: docs/guest-facts/kernel.md, "Shared data"; kdbg.md. */
static const uint64_t shared_data = 0xfffff78000000000;
enum { SHARED_SYSTEM_TIME = 0x14, KDBG_BUGCHECK = 0x88, LAB_ROOM = 60 };

/* FILETIMEs count 100 ns from 1601 on. */
static const uint64_t unix_epoch = 116444736000000000;
enum { PER_SECOND = 10000000 };

void image_time(uint64_t filetime, char *text)
{
    time_t seconds = (time_t)((filetime - unix_epoch) / PER_SECOND);
    struct tm tm;

    *text = '\0';
    if (filetime > unix_epoch && gmtime_r(&seconds, &tm) &&
        tm.tm_year < 400) {
        strftime(text, IMAGE_TIME_ROOM, "%Y-%m-%d %H:%M:%S UTC", &tm);
    }
}

static const GmemSpace *space_of(const Image *image)
{
    return &image->result.kernel.space;
}

static void read_bugcheck(Image *image)
{
    static const char *const name = "KiBugCheckData";
    uint64_t at = 0, code = 0;
    unsigned i;

    pe_exports(&image->result.kernel.image, &name, 1, &at);
    if (!at && image->result.has_kdbg) {
        at = load_le64(image->result.kdbg.data + KDBG_BUGCHECK);
    }
    if (!pe_contains(&image->result.kernel.image, at) ||
        !gmem_read_u64(space_of(image), at, &code) || (uint32_t)code == 0) {
        return;
    }
    image->crash.there = true;
    image->crash.code = (uint32_t)code;
    for (i = 0; i < 4; i++) {
        gmem_read_u64(space_of(image), at + 8 + i * 8,
                      &image->crash.parameters[i]);
    }
}

static void read_time(Image *image)
{
    uint8_t raw[12];
    char text[IMAGE_TIME_ROOM];
    uint64_t time;

    if (!gmem_read(space_of(image), shared_data + SHARED_SYSTEM_TIME, raw,
                   sizeof(raw), NULL)) {
        return;
    }
    time = load_le32(raw) | (uint64_t)load_le32(raw + 4) << 32;
    image_time(time, text);
    if (*text && load_le32(raw + 4) == load_le32(raw + 8)) {
        image->crash.time = time;
    }
}

static void read_lab(Image *image)
{
    static const char *const name = "NtBuildLab";
    char *lab = image->crash.lab;
    uint64_t at = 0;
    unsigned i;

    pe_exports(&image->result.kernel.image, &name, 1, &at);
    if (!at && image->result.has_kdbg) {
        at = image->result.kdbg.build_lab;
    }
    if (!at || !gmem_read(space_of(image), at, lab, LAB_ROOM, NULL)) {
        *lab = '\0';
        return;
    }
    lab[LAB_ROOM] = '\0';
    for (i = 0; lab[i]; i++) {
        if (lab[i] < ' ' || lab[i] > '~') {
            *lab = '\0';
            return;
        }
    }
}

/* The CPU on whose thread's stack the crash was; handlers have others. */
static int find_cpu(const Image *image, uint64_t rsp)
{
    unsigned i;

    for (i = 0; i < image->result.n_cpus && rsp; i++) {
        uint64_t thread, limit, base;

        if (image_read_word(image, image->cpus[i].prcb,
                            WINOS_PRCB_CURRENT_THREAD, &thread) &&
            image_read_word(image, thread, WINOS_KTHREAD_STACK_LIMIT,
                            &limit) &&
            image_read_word(image, thread, WINOS_KTHREAD_STACK_BASE, &base) &&
            rsp >= limit && rsp < base) {
            return (int)i;
        }
    }
    return -1;
}

static void take_header(Image *image, const DumpWindows *w)
{
    ImageCrash *crash = &image->crash;

    crash->there = w->has_bugcheck;
    crash->code = w->bugcheck;
    memcpy(crash->parameters, w->parameters, sizeof(crash->parameters));
    crash->time = w->time;
    crash->uptime = w->uptime;
}

void image_find_crash(Image *image)
{
    const DumpWindows *w = &image->file.dump.windows;

    image->crash.cpu = -1;
    if (w->present) {
        take_header(image, w);
    }
    if (image->file.dump.format == DUMP_TRIAGE) {
        return;
    }
    if (w->present) {
        image->crash.cpu = find_cpu(image, w->rsp);
    } else {
        read_bugcheck(image);
    }
    if (!image->crash.time) {
        read_time(image);
    }
    read_lab(image);
}

/* As the file's version says, if that is known; else as the kernel itself. */
unsigned image_kernel_build(const Image *image)
{
    const WinosResult *r = &image->result;
    unsigned build = table_file_build(table_file(r->kernel.image.timestamp,
                                                 r->kernel.image.size));
    char *end;

    if (build) {
        return build;
    }
    build = (unsigned)strtoul(image->crash.lab, &end, 10);
    return end != image->crash.lab && *end == '.' && build <= 0xffff ? build
                                                                     : 0;
}

void image_place(const Image *image, uint64_t gva, char *text)
{
    const WinosModule *module = winos_module_at(image->modules,
                                                image->n_modules, gva);

    if (module && *module->name) {
        snprintf(text, IMAGE_PLACE_ROOM, "%s+0x%" PRIx64, module->name,
                 gva - module->base);
    } else {
        snprintf(text, IMAGE_PLACE_ROOM, "0x%" PRIx64, gva);
    }
}

void image_say_file(const Image *image, Out *out)
{
    const Dump *dump = &image->file.dump;
    unsigned i;

    out_printf(out, _("input     %s\n"), dump->what);
    for (i = 0; i < dump->n_lacks; i++) {
        out_printf(out, _("not here  %s\n"), dump->lacks[i]);
    }
}

static void say_time(const ImageCrash *crash, Out *out)
{
    char text[IMAGE_TIME_ROOM];
    uint64_t seconds = crash->uptime / PER_SECOND;

    image_time(crash->time, text);
    if (!*text) {
        return;
    }
    out_printf(out, _("when      %s"), text);
    if (seconds) {
        out_printf(out, _(", up %" PRIu64 "d %02" PRIu64 ":%02" PRIu64 ":%02"
                          PRIu64), seconds / 86400, seconds / 3600 % 24,
                   seconds / 60 % 60, seconds % 60);
    }
    out_char(out, '\n');
}

void image_say_crash(const Image *image, Out *out)
{
    const ImageCrash *crash = &image->crash;
    const DumpWindows *w = &image->file.dump.windows;
    const char *name = bugcheck_name(crash->code);
    unsigned i;

    say_time(crash, out);
    if (!crash->there) {
        return;
    }
    out_printf(out, _("bug check 0x%" PRIx32 "%s%s"), crash->code, name ? " " :
               "", name ? name : "");
    if (crash->cpu >= 0) {
        out_printf(out, _(", on vCPU %u"), image->cpus[crash->cpu].vcpu);
    }
    out_char(out, '\n');
    for (i = 0; i < 4; i++) {
        const char *meaning = bugcheck_parameter(crash->code, i);

        out_printf(out, "        %u 0x%016" PRIx64 "%s%s\n", i + 1,
                   crash->parameters[i], meaning ? "  " : "",
                   meaning ? meaning : "");
    }
    if (w->present && w->rip) {
        char place[IMAGE_PLACE_ROOM];
        char shown[DISPLAY_ROOM(64)];

        image_place(image, w->rip, place);
        display_fit(shown, place, 64);
        out_printf(out, _("at        %s, RSP 0x%" PRIx64 "\n"), shown, w->rsp);
    }
}

void image_json_file(const Image *image, JsonOut *json)
{
    static const char *const formats[] = {
        [DUMP_RAW] = "raw", [DUMP_ELF] = "elf", [DUMP_KDUMP] = "kdump",
        [DUMP_WINDOWS] = "windows", [DUMP_TRIAGE] = "minidump",
        [DUMP_LIME] = "lime", [DUMP_AVML] = "avml",
    };
    const Dump *dump = &image->file.dump;
    unsigned i;

    jsonout_text(json, "format", formats[dump->format]);
    jsonout_text(json, "input", dump->what);
    jsonout_bool(json, "registers", dump->n_regs && !dump->found_cpus);
    if (dump->windows.present) {
        jsonout_uint(json, "dump-type", dump->windows.type);
    }
    jsonout_begin(json, "lacks", '[');
    for (i = 0; i < dump->n_lacks; i++) {
        jsonout_text(json, NULL, dump->lacks[i]);
    }
    jsonout_end(json, ']');
    jsonout_uint(json, "missing-bytes", dump->cut);
}

void image_json_crash(const Image *image, JsonOut *json)
{
    const ImageCrash *crash = &image->crash;
    const DumpWindows *w = &image->file.dump.windows;
    const char *name = bugcheck_name(crash->code);
    char text[IMAGE_TIME_ROOM];
    unsigned i;

    image_time(crash->time, text);
    if (*text) {
        jsonout_text(json, "time", text);
        jsonout_uint(json, "filetime", crash->time);
    }
    if (crash->uptime) {
        jsonout_uint(json, "uptime-ns", crash->uptime * 100);
    }
    if (!crash->there) {
        return;
    }
    jsonout_begin(json, "bugcheck", '{');
    jsonout_uint(json, "code", crash->code);
    if (name) {
        jsonout_text(json, "name", name);
    }
    jsonout_begin(json, "parameters", '[');
    for (i = 0; i < 4; i++) {
        const char *meaning = bugcheck_parameter(crash->code, i);

        jsonout_begin(json, NULL, '{');
        jsonout_uint(json, "value", crash->parameters[i]);
        if (meaning) {
            jsonout_text(json, "meaning", meaning);
        }
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
    if (crash->cpu >= 0) {
        jsonout_uint(json, "vcpu", image->cpus[crash->cpu].vcpu);
    }
    if (w->present && w->rip) {
        char place[IMAGE_PLACE_ROOM];

        image_place(image, w->rip, place);
        jsonout_uint(json, "rip", w->rip);
        jsonout_text(json, "at", place);
    }
    if (w->exception) {
        jsonout_uint(json, "exception-code", w->exception);
    }
    jsonout_end(json, '}');
}
