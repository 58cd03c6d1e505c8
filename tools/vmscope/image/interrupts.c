/*
 * image-interrupts: which driver served which interrupt vector.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image/image.h"

#include "common/message.h"
#include "common/translate.h"
#include "shared/display.h"
#include "winos/interrupts.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_COLUMNS = 30, KIND_COLUMNS = 7 };

/* Both views go through this: an entry each, then what there is to say. */
typedef struct InterruptView {
    void (*entry)(void *opaque, unsigned vcpu, const WinosInterrupt *one);
    void *opaque;
    Err err;                    /* why these may not be all */
} InterruptView;

static void look_at_cpu(const Image *image, const WinosInterruptLayout *layout,
                        const WinosCpu *cpu, WinosInterrupt *room,
                        InterruptView *view)
{
    WinosInterrupts found = { .list = room, .max = WINOS_MAX_INTERRUPTS };
    unsigned i;

    if (!winos_interrupts_read(&image->result, layout, cpu, &found,
                               &view->err)) {
        return;
    }
    if (found.refused || found.full) {
        err_set(&view->err, ERR_FORMAT, "vCPU %u: %u vectors lead to no "
                "interrupt object%s", cpu->vcpu, found.refused,
                found.full ? _(", and there are more than are kept") : "");
    }
    for (i = 0; i < found.n; i++) {
        view->entry(view->opaque, cpu->vcpu, &found.list[i]);
    }
}

static void look(const Image *image, InterruptView *view)
{
    WinosInterrupt *room = calloc(WINOS_MAX_INTERRUPTS, sizeof(*room));
    WinosInterruptLayout layout;
    unsigned i;

    if (!room) {
        die_no_memory();
    }
    if (winos_interrupts_open(&image->result, image->cpus,
                              image->result.n_cpus, image->modules,
                              image->n_modules, &layout, &view->err)) {
        for (i = 0; i < image->result.n_cpus; i++) {
            look_at_cpu(image, &layout, &image->cpus[i], room, view);
        }
    }
    free(room);
}

typedef struct TextView {
    const Image *image;
    Out *out;
} TextView;

static void say_one(void *opaque, unsigned vcpu, const WinosInterrupt *one)
{
    const TextView *view = opaque;
    Out *out = view->out;
    char place[IMAGE_PLACE_ROOM];
    char fitted[DISPLAY_ROOM(NAME_COLUMNS)];
    char kind[DISPLAY_ROOM(KIND_COLUMNS)];

    image_place(view->image, one->routine, place);
    display_fit(fitted, place, NAME_COLUMNS);
    display_pad(kind, one->by_message ? _("message")
                : one->mode ? _("latched") : _("level"), KIND_COLUMNS);
    out_printf(out, "%4u  0x%02x%s %4u %s ", vcpu, one->vector,
               one->first ? " " : "+", one->irql, kind);
    if (!one->owner) {
        out_safe(out, place);
    } else {
        out_printf(out, _("%s for "), fitted);
        out_safe(out, one->owner->name);
    }
    out_char(out, '\n');
    if (winos_list_end_name(one->end)) {
        out_printf(out, _("            the list of those that share it %s\n"),
                   winos_list_end_name(one->end));
    }
}

void image_say_interrupts(const Image *image, Out *out)
{
    TextView to = { .image = image, .out = out };
    InterruptView view = { .entry = say_one, .opaque = &to };

    out_text(out, _("\nvCPU VECTOR IRQL KIND    ROUTINE\n"));
    look(image, &view);
    if (view.err.code) {
        out_safe(out, view.err.text);
        out_char(out, '\n');
    }
}

typedef struct JsonView {
    JsonOut *json;
    bool open;                  /* an entry whose routines follow */
} JsonView;

static void json_end_entry(JsonView *view)
{
    if (view->open) {
        jsonout_end(view->json, ']');
        jsonout_end(view->json, '}');
        view->open = false;
    }
}

static void json_begin_entry(JsonView *view, unsigned vcpu,
                             const WinosInterrupt *one)
{
    const char *end = winos_list_end_name(one->end);
    char reason[128];

    json_end_entry(view);
    jsonout_begin(view->json, NULL, '{');
    jsonout_uint(view->json, "vcpu", vcpu);
    jsonout_uint(view->json, "vector", one->vector);
    jsonout_bool(view->json, "shared", one->shared);
    if (end) {
        snprintf(reason, sizeof(reason),
                 _("the list of those that share it %s"), end);
        jsonout_text(view->json, "reason", reason);
    }
    jsonout_begin(view->json, "routines", '[');
    view->open = true;
}

static void json_one(void *opaque, unsigned vcpu, const WinosInterrupt *one)
{
    JsonView *view = opaque;
    JsonOut *json = view->json;

    if (one->first) {
        json_begin_entry(view, vcpu, one);
    }
    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "object", one->object);
    jsonout_uint(json, "service-routine", one->routine);
    if (one->module) {
        jsonout_text(json, "driver", one->module->name);
        jsonout_uint(json, "driver-offset", one->routine - one->module->base);
    }
    if (one->owner) {
        jsonout_text(json, "device-driver", one->owner->name);
    }
    jsonout_uint(json, "irql", one->irql);
    jsonout_text(json, "mode", one->mode ? "latched" : "level");
    if (one->by_message) {
        jsonout_uint(json, "message", one->message);
    }
    jsonout_end(json, '}');
}

void image_json_interrupts(const Image *image, JsonOut *json)
{
    JsonView to = { .json = json };
    InterruptView view = { .entry = json_one, .opaque = &to };

    jsonout_begin(json, "interrupts", '[');
    look(image, &view);
    json_end_entry(&to);
    jsonout_end(json, ']');
    if (view.err.code) {
        jsonout_text(json, "interrupts-reason", view.err.text);
    }
}
