/*
 * irqlog/line: see line.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/line.h"

#include <string.h>

/* The lines of an event. */

static bool parse_event_head(IrqlogItem *item, Scan *scan)
{
    IrqlogEvent *event = &item->event;

    if (!take_dec(scan, UINT64_MAX, &event->time_ns) ||
        !take_word(scan, "ns ")) {
        return fail(scan, "time= is no number of ns");
    }
    if (!take_word(scan, "level=") || !take_int32(scan, &event->level)) {
        return fail(scan, "level= is no number");
    }
    if (!take_word(scan, " n=") || !take_int32(scan, &event->n)) {
        return fail(scan, "n= is no number");
    }
    if (!take_word(scan, " kind=") || !take_kind(scan, &event->kind) ||
        !at_end(scan)) {
        return fail(scan, "kind= is not one that is known");
    }
    return true;
}

bool irqlog_take_path(IrqlogItem *item, Scan *scan)
{
    if (!take_word(scan, "path=")) {
        return fail(scan, "path= expected");
    }
    return take_string(scan, 0, &item->event.path);
}

bool irqlog_take_addresses(IrqlogItem *item, Scan *scan)
{
    IrqlogEvent *event = &item->event;

    if (!take_word(scan, "irq=") || !take_hex(scan, &event->irq)) {
        return fail(scan, "irq= is no address");
    }
    if (!take_word(scan, " handler=") || !take_hex(scan, &event->handler)) {
        return fail(scan, "handler= is no address");
    }
    if (!take_word(scan, " opaque=") || !take_hex(scan, &event->opaque) ||
        !at_end(scan)) {
        return fail(scan, "opaque= is no address");
    }
    return true;
}

bool irqlog_take_caller(IrqlogItem *item, Scan *scan)
{
    IrqlogEvent *event = &item->event;

    if (!take_word(scan, "host-tid=") || !take_u32(scan, &event->tid)) {
        return fail(scan, "host-tid= is no thread id");
    }
    if (!take_word(scan, " caller=") || !take_hex(scan, &event->caller) ||
        !at_end(scan)) {
        return fail(scan, "caller= is no address");
    }
    return true;
}

static bool parse_depth(IrqlogItem *item, Scan *scan)
{
    uint32_t depth;

    if (!take_u32(scan, &depth) || !at_end(scan)) {
        return fail(scan, "depth= is no number");
    }
    item->event.depth = depth;
    return true;
}

static bool parse_backtrace(IrqlogItem *item, Scan *scan)
{
    IrqlogEvent *event = &item->event;

    do {
        if (event->n_backtrace == IRQLOG_BACKTRACE_MAX) {
            return fail(scan, "bt= has more than 16 addresses");
        }
        if (!take_hex(scan, &event->backtrace[event->n_backtrace])) {
            return fail(scan, "bt= is no list of addresses");
        }
        event->n_backtrace++;
    } while (take_word(scan, ","));
    return at_end(scan) || fail(scan, "bt= is no list of addresses");
}

static bool parse_message(IrqlogItem *item, Scan *scan)
{
    IrqlogEvent *event = &item->event;

    if (!take_hex(scan, &event->msi_address) || !take_word(scan, " data=") ||
        !take_hex32(scan, &event->msi_data)) {
        return fail(scan, "msi= is no message");
    }
    event->has_msi = true;
    if (take_word(scan, " requester=") &&
        !take_string(scan, ' ', &event->requester)) {
        return false;
    }
    return at_end(scan) || fail(scan, "msi= is no message");
}

typedef struct OptionalLine {
    const char *word;
    bool (*parse)(IrqlogItem *item, Scan *scan);
} OptionalLine;

static const OptionalLine optional_lines[] = {
    { "depth=", parse_depth },
    { "bt=",    parse_backtrace },
    { "msi=",   parse_message },
};

bool irqlog_take_optional(IrqlogItem *item, unsigned *seen, Scan *scan)
{
    const OptionalLine *line;
    size_t i;

    for (i = 0; i < sizeof(optional_lines) / sizeof(*optional_lines); i++) {
        line = &optional_lines[i];
        if (take_word(scan, line->word)) {
            if (*seen & 1u << i) {
                return fail(scan, "a line stands twice in one event");
            }
            *seen |= 1u << i;
            return line->parse(item, scan);
        }
    }
    return true;        /* of a later version */
}

/* Lines of their own: words, each with a value, in any order. */

typedef enum FieldType {
    FIELD_U32, FIELD_INT32, FIELD_U64, FIELD_HEX, FIELD_KIND,
    FIELD_STRING,       /* const char *, until a space or in quotes */
    FIELD_EXE,          /* char[], cut to fit */
    FIELD_BUILD_ID,     /* likewise */
} FieldType;

typedef struct Field {
    const char *word;   /* with its '=' */
    FieldType type;
    bool required;
    size_t offset;      /* in IrqlogItem */
} Field;

#define AT(member) offsetof(IrqlogItem, member)

static const Field run_fields[] = {
    { "pid=",          FIELD_U32,      false, AT(run.pid) },
    { "exe=",          FIELD_EXE,      false, AT(run.exe) },
    { "load-base=",    FIELD_HEX,      false, AT(run.load_base) },
    { "build-id=",     FIELD_BUILD_ID, false, AT(run.build_id) },
    { "monotonic-ns=", FIELD_U64,      false, AT(run.monotonic_ns) },
    { "realtime-ns=",  FIELD_U64,      false, AT(run.realtime_ns) },
    {}
};

static const Field thread_fields[] = {
    { "tid=",  FIELD_U32,    true,  AT(thread.tid) },
    { "role=", FIELD_STRING, false, AT(thread.role) },
    { "name=", FIELD_STRING, true,  AT(thread.name) },
    {}
};

static const Field line_fields[] = {
    { "irq=",       FIELD_HEX,    true,  AT(line.irq) },
    { "handler=",   FIELD_HEX,    true,  AT(line.handler) },
    { "opaque=",    FIELD_HEX,    true,  AT(line.opaque) },
    { "n=",         FIELD_INT32,  true,  AT(line.n) },
    { "kind=",      FIELD_KIND,   true,  AT(line.kind) },
    { "path=",      FIELD_STRING, true,  AT(line.path) },
    { "driven-by=", FIELD_STRING, false, AT(line.driven_by) },
    { "owner=",     FIELD_STRING, false, AT(line.owner) },
    { "device=",    FIELD_STRING, false, AT(line.device) },
    {}
};

static const Field object_fields[] = {
    { "load-base=", FIELD_HEX,    true, AT(object.load_base) },
    { "start=",     FIELD_HEX,    true, AT(object.start) },
    { "end=",       FIELD_HEX,    true, AT(object.end) },
    { "build-id=",  FIELD_STRING, true, AT(object.build_id) },
    { "file=",      FIELD_STRING, true, AT(object.file) },
    {}
};

static const Field disabled_fields[] = {
    { "recorded=", FIELD_U64, true, AT(recorded) },
    { "lost=",     FIELD_U64, true, AT(lost) },
    {}
};

#undef AT

static bool take_value(Scan *scan, const char **text)
{
    if (!take_word(scan, "\"")) {
        return take_string(scan, ' ', text);
    }
    if (!take_string(scan, '"', text)) {
        return false;
    }
    return take_word(scan, "\"") || fail(scan, "a quote that is not closed");
}

/* For a char[] of @size bytes; the text is not needed behind the call. */
static bool take_array(Scan *scan, char *to, size_t size)
{
    char *kept = scan->text;
    const char *text;
    size_t len;

    if (!take_value(scan, &text)) {
        return false;
    }
    len = strnlen(text, size - 1);
    memcpy(to, text, len);
    to[len] = '\0';
    scan->text = kept;
    return true;
}

static bool take_field(IrqlogItem *item, Scan *scan, const Field *field)
{
    void *to = (char *)item + field->offset;

    switch (field->type) {
    case FIELD_U32:
        return take_u32(scan, to);
    case FIELD_INT32:
        return take_int32(scan, to);
    case FIELD_U64:
        return take_dec(scan, UINT64_MAX, to);
    case FIELD_HEX:
        return take_hex(scan, to);
    case FIELD_KIND:
        return take_kind(scan, to);
    case FIELD_STRING:
        return take_value(scan, to);
    case FIELD_EXE:
        return take_array(scan, to, sizeof(item->run.exe));
    case FIELD_BUILD_ID:
        return take_array(scan, to, sizeof(item->run.build_id));
    }
    return false;
}

/* A word of a later version: skip it and its value, quoted or not. */
static bool skip_field(Scan *scan)
{
    bool quoted = false;

    while (!at_end(scan) && (quoted || *scan->p != ' ')) {
        quoted ^= *scan->p == '"';
        scan->p++;
    }
    return true;
}

static bool take_known(IrqlogItem *item, Scan *scan, const Field *fields,
                       unsigned *seen)
{
    const Field *field;

    for (field = fields; field->word; field++) {
        if (take_word(scan, field->word)) {
            if (*seen & 1u << (field - fields)) {
                return fail(scan, "a word stands twice in one line");
            }
            *seen |= 1u << (field - fields);
            return take_field(item, scan, field);
        }
    }
    return skip_field(scan);
}

static bool parse_fields(IrqlogItem *item, Scan *scan,
                         const Field *fields)
{
    const Field *field;
    unsigned seen = 0;

    do {
        if (!take_known(item, scan, fields, &seen) ||
            (!at_end(scan) && *scan->p != ' ')) {
            return scan->why ? false : fail(scan, "a value is malformed");
        }
    } while (take_word(scan, " "));
    for (field = fields; field->word; field++) {
        if (field->required && !(seen & 1u << (field - fields))) {
            return fail(scan, "a word is missing");
        }
    }
    return true;
}

static bool parse_run(IrqlogItem *item, Scan *scan)
{
    uint64_t format;

    if (!take_word(scan, "format=") || !take_dec(scan, UINT64_MAX, &format) ||
        (!at_end(scan) && !take_word(scan, " "))) {
        return fail(scan, "format= is no number");
    }
    if (format > IRQLOG_TEXT_FORMAT) {
        item->type = IRQLOG_ITEM_REFUSED;
        item->format = format;
        return true;
    }
    item->run.format = (unsigned)format;
    return parse_fields(item, scan, run_fields);
}

static bool parse_thread(IrqlogItem *item, Scan *scan)
{
    return parse_fields(item, scan, thread_fields);
}

static bool parse_line(IrqlogItem *item, Scan *scan)
{
    return parse_fields(item, scan, line_fields);
}

static bool parse_object(IrqlogItem *item, Scan *scan)
{
    return parse_fields(item, scan, object_fields);
}

static bool parse_lost(IrqlogItem *item, Scan *scan)
{
    return (take_dec(scan, UINT64_MAX, &item->lost) && at_end(scan)) ||
           fail(scan, "lost= is no number");
}

static bool parse_disabled(IrqlogItem *item, Scan *scan)
{
    return parse_fields(item, scan, disabled_fields);
}

static const IrqlogHead head_lines[] = {
    { "time=",     IRQLOG_ITEM_EVENT,    parse_event_head },
    { "thread ",   IRQLOG_ITEM_THREAD,   parse_thread },
    { "line ",     IRQLOG_ITEM_LINE,     parse_line },
    { "object ",   IRQLOG_ITEM_OBJECT,   parse_object },
    { "lost=",     IRQLOG_ITEM_LOST,     parse_lost },
    { "enabled ",  IRQLOG_ITEM_RUN,      parse_run },
    { "disabled ", IRQLOG_ITEM_DISABLED, parse_disabled },
    {}
};

const IrqlogHead *irqlog_find_head(Scan *scan)
{
    const IrqlogHead *head;

    for (head = head_lines; head->word; head++) {
        if (take_word(scan, head->word)) {
            return head;
        }
    }
    return NULL;
}
