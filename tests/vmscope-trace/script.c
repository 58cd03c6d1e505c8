/*
 * A recording written down event by event, for tests.
 *
 * A line is a word and NAME=VALUE pairs, all of which may be left out; times
 * count from the recording's begin in nanoseconds, numbers may be hexadecimal:
 *
 *   switch ns= vcpu= thread= process= pid= tid= idle= image= name= priority=
 *          old= state= reason= missed=     (the last four of who ran before)
 *   irq ns= line= level= address= data=   (a message, when it has data)
 *   line id= n= path= device= msi=
 *   host vcpu= from= ns= run= wait=
 *   path process= pid= image= path=         (without spaces)
 *   vector vcpu= vector= apic= drivers=
 *   mark ns=
 *   end ns=
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Pairs {
    char *name[16];
    char *value[16];
    unsigned n;
} Pairs;

static bool split(char *line, char **word, Pairs *pairs)
{
    char *save = NULL;
    char *item;

    pairs->n = 0;
    *word = strtok_r(line, " \n", &save);
    while (*word && (item = strtok_r(NULL, " \n", &save))) {
        char *equals = strchr(item, '=');

        if (!equals || pairs->n == 16) {
            return false;
        }
        *equals = '\0';
        pairs->name[pairs->n] = item;
        pairs->value[pairs->n++] = equals + 1;
    }
    return true;
}

static const char *text(const Pairs *pairs, const char *name)
{
    unsigned i;

    for (i = 0; i < pairs->n; i++) {
        if (!strcmp(pairs->name[i], name)) {
            return pairs->value[i];
        }
    }
    return NULL;
}

static uint64_t number(const Pairs *pairs, const char *name)
{
    const char *value = text(pairs, name);

    return value ? strtoull(value, NULL, 0) : 0;
}

/* The number, and @bit where it is given. */
static uint64_t with_bit(const Pairs *pairs, const char *name, uint32_t bit,
                         SchedlogEvent *event)
{
    event->has |= text(pairs, name) ? bit : 0;
    return number(pairs, name);
}

static void write_switch(TraceWriter *writer, const Pairs *pairs,
                         uint64_t begin_ns)
{
    static uint64_t seq;
    SchedlogEvent event = {
        .seq = ++seq,
        .time_ns = begin_ns + number(pairs, "ns"),
        .vcpu = (uint16_t)number(pairs, "vcpu"),
        .thread = number(pairs, "thread"),
        .origin = SCHEDLOG_POLL,
    };

    event.process = with_bit(pairs, "process", SCHEDLOG_HAS_PROCESS, &event);
    event.pid = (uint32_t)with_bit(pairs, "pid", SCHEDLOG_HAS_IDS, &event);
    event.tid = (uint32_t)with_bit(pairs, "tid", SCHEDLOG_HAS_IDS, &event);
    with_bit(pairs, "idle", SCHEDLOG_IDLE, &event);
    event.priority = (int8_t)with_bit(pairs, "priority",
                                      SCHEDLOG_HAS_PRIORITY, &event);
    event.old_thread = with_bit(pairs, "old", SCHEDLOG_HAS_OLD, &event);
    event.old_state = (uint8_t)with_bit(pairs, "state",
                                        SCHEDLOG_HAS_OLD_STATE, &event);
    event.old_wait_reason =
        (uint8_t)with_bit(pairs, "reason", SCHEDLOG_HAS_OLD_WAIT_REASON,
                          &event);
    event.missed = (uint32_t)with_bit(pairs, "missed", SCHEDLOG_HAS_MISSED,
                                      &event);
    if (text(pairs, "image")) {
        event.has |= SCHEDLOG_HAS_IMAGE;
        snprintf(event.image, sizeof(event.image), "%s",
                 text(pairs, "image"));
    }
    if (text(pairs, "name")) {
        event.has |= SCHEDLOG_HAS_NAME;
        snprintf(event.name, sizeof(event.name), "%s", text(pairs, "name"));
    }
    trace_writer_sched(writer, &event, NULL);
}

static void write_irq(TraceWriter *writer, const Pairs *pairs,
                      uint64_t begin_ns)
{
    static uint64_t seq;
    IrqlogEvent event = {
        .seq = ++seq,
        .time_ns = begin_ns + number(pairs, "ns"),
        .level = (int32_t)number(pairs, "level"),
        .depth = (unsigned)number(pairs, "depth"),
        .tid = text(pairs, "tid") ? (uint32_t)number(pairs, "tid") : 41260,
        .caller = number(pairs, "caller"),
        .has_msi = text(pairs, "data") != NULL,
        .msi_address = number(pairs, "address"),
        .msi_data = (uint32_t)number(pairs, "data"),
    };

    trace_writer_irq(writer, &event, (uint32_t)number(pairs, "line"), 0,
                     NULL);
}

static void write_line(TraceWriter *writer, const Pairs *pairs)
{
    const char *path = text(pairs, "path");
    const char *device = text(pairs, "device");
    /* Lines keep their strings as long as the file lasts. */
    IrqlogLineInfo line = {
        .irq = 0x1000 + number(pairs, "id") * 0x10,
        .n = (int32_t)number(pairs, "n"),
        .device = device ? strdup(device) : NULL,
        .kind = number(pairs, "msi") ? IRQLOG_MSI : IRQLOG_HARDWARE,
        .path = strdup(path ? path : IRQLOG_ANONYMOUS),
    };

    trace_writer_line(writer, (uint32_t)number(pairs, "id"), &line, NULL);
}

static void write_host(TraceWriter *writer, const Pairs *pairs,
                       uint64_t begin_ns)
{
    TraceHost host = {
        .vcpu = (uint32_t)number(pairs, "vcpu"),
        .from_ns = begin_ns + number(pairs, "from"),
        .to_ns = begin_ns + number(pairs, "ns"),
        .run_ns = number(pairs, "run"),
        .wait_ns = number(pairs, "wait"),
    };

    trace_writer_host(writer, &host, NULL);
}

static void write_path(TraceWriter *writer, const Pairs *pairs)
{
    TracePath path = {
        .process = number(pairs, "process"),
        .pid = (uint32_t)number(pairs, "pid"),
    };
    const char *image = text(pairs, "image");
    const char *name = text(pairs, "path");

    snprintf(path.image, sizeof(path.image), "%s", image ? image : "");
    snprintf(path.path, sizeof(path.path), "%s", name ? name : "");
    trace_writer_path(writer, &path, NULL);
}

static void write_ticks(TraceWriter *writer, const Pairs *pairs,
                        uint64_t begin_ns)
{
    TraceTicks ticks = {
        .vcpu = (uint32_t)number(pairs, "vcpu"),
        .from_ns = begin_ns + number(pairs, "from"),
        .to_ns = begin_ns + number(pairs, "ns"),
        .tick_ns = 15625000,
        .ticks = {
            (uint32_t)number(pairs, "user"),
            (uint32_t)number(pairs, "kernel"),
            (uint32_t)number(pairs, "dpc"),
            (uint32_t)number(pairs, "interrupt"),
            (uint32_t)number(pairs, "idle"),
        },
        .interrupts = (uint32_t)number(pairs, "irqs"),
        .dpcs = (uint32_t)number(pairs, "dpcs"),
    };

    trace_writer_ticks(writer, &ticks, NULL);
}

static void write_vector(TraceWriter *writer, const Pairs *pairs)
{
    TraceVector vector = {
        .vcpu = (uint32_t)number(pairs, "vcpu"),
        .vector = (uint8_t)number(pairs, "vector"),
        .has_apic_id = text(pairs, "apic") != NULL,
        .apic_id = (uint32_t)number(pairs, "apic"),
    };

    snprintf(vector.drivers, sizeof(vector.drivers), "%s",
             text(pairs, "drivers") ? text(pairs, "drivers") : "");
    trace_writer_vector(writer, &vector, NULL);
}

bool script_write(TraceWriter *writer, uint64_t begin_ns)
{
    char line[1024];
    Pairs pairs;
    char *word;

    while (fgets(line, sizeof(line), stdin)) {
        uint64_t ns;

        if (!split(line, &word, &pairs)) {
            return false;
        }
        ns = begin_ns + number(&pairs, "ns");
        if (!word) {
            continue;
        } else if (!strcmp(word, "switch")) {
            write_switch(writer, &pairs, begin_ns);
        } else if (!strcmp(word, "irq")) {
            write_irq(writer, &pairs, begin_ns);
        } else if (!strcmp(word, "line")) {
            write_line(writer, &pairs);
        } else if (!strcmp(word, "host")) {
            write_host(writer, &pairs, begin_ns);
        } else if (!strcmp(word, "ticks")) {
            write_ticks(writer, &pairs, begin_ns);
        } else if (!strcmp(word, "path")) {
            write_path(writer, &pairs);
        } else if (!strcmp(word, "vector")) {
            write_vector(writer, &pairs);
        } else if (!strcmp(word, "mark")) {
            trace_writer_mark(writer, &(TraceMark){ .time_ns = ns }, NULL);
        } else if (!strcmp(word, "end")) {
            trace_writer_end(writer, TRACE_END_DURATION, ns, NULL);
        } else {
            return false;
        }
    }
    return true;
}
