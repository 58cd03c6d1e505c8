/*
 * irqlog/event: one logged interrupt as every reader sees it.
 *
 * The same struct comes out of the live ring, of a ring file and of a text
 * log, so that queries, the text writer and the analyzer share one view.  How
 * events are kept is store.h's business, how they look as text text.h's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_EVENT_H
#define VMSCOPE_IRQLOG_EVENT_H

#include <stdbool.h>
#include <stdint.h>

/* Frames kept besides the caller, at most. */
enum { IRQLOG_BACKTRACE_MAX = 16 };

/* What a line without a QOM path is called. */
#define IRQLOG_ANONYMOUS "(anonymous)"

/* What a line is called for which, or for whose name, there was no room. */
#define IRQLOG_UNKNOWN "(unknown)"

typedef enum IrqlogKind {
    IRQLOG_HARDWARE,    /* a device's own pin */
    IRQLOG_PERCPU,      /* an input of a CPU or of its local controller */
    IRQLOG_SOFTWARE,    /* made by board code: a fan-out, an inverter */
    IRQLOG_MSI,         /* a message, not a line */
    IRQLOG_KIND_COUNT
} IrqlogKind;

/* Addresses are of the QEMU process that wrote the event; 0 means unknown. */
typedef struct IrqlogEvent {
    uint64_t seq;               /* number in its ring, from 1; 0: text log */
    uint64_t time_ns;           /* host CLOCK_MONOTONIC */
    int32_t level;
    int32_t n;                  /* line number in its device; MSI: vector */
    IrqlogKind kind;
    unsigned depth;             /* 0: outermost; n: raised inside n others */
    uint64_t irq;               /* the IRQState; 0 for messages */
    uint64_t handler;
    uint64_t opaque;
    uint64_t caller;            /* return address of the call that raised */
    uint32_t tid;               /* host thread */
    bool has_msi;
    uint64_t msi_address;
    uint32_t msi_data;
    unsigned n_backtrace;       /* entries used, innermost first */
    uint64_t backtrace[IRQLOG_BACKTRACE_MAX];
    const char *path;           /* borrowed, never NULL */
    const char *requester;      /* borrowed; NULL when not a message */
} IrqlogEvent;

/* What a log says of the run it belongs to: its first line. */
typedef struct IrqlogRun {
    unsigned format;            /* of the text; 1 */
    uint32_t pid;
    uint64_t load_base;         /* load bias of the main program */
    uint64_t monotonic_ns;      /* the same instant on two clocks */
    uint64_t realtime_ns;
    char build_id[41];          /* hexadecimal; empty when there is none */
    char exe[512];              /* path of the program */
} IrqlogRun;

/* A line of whom more is known than an event says. */
typedef struct IrqlogLineInfo {
    uint64_t irq;
    uint64_t handler;
    uint64_t opaque;
    int32_t n;
    IrqlogKind kind;
    const char *path;           /* borrowed; IRQLOG_ANONYMOUS when none */
    const char *driven_by;      /* borrowed; QOM path and link; NULL: none */
    const char *owner;          /* borrowed; QOM path; NULL: none */
    const char *device;         /* borrowed; QOM type of the line's device, and
                                   its id behind a colon; NULL: not known */
} IrqlogLineInfo;

/* A thread that raised something. */
typedef struct IrqlogThreadInfo {
    uint32_t tid;
    const char *name;           /* borrowed; the host's name, may be "" */
    const char *role;           /* borrowed; "vcpu 3", ...; NULL: unknown */
} IrqlogThreadInfo;

/* A program or library mapped in the process that wrote the log. */
typedef struct IrqlogObjectInfo {
    uint64_t load_base;         /* load bias */
    uint64_t start;             /* first and behind-last mapped address */
    uint64_t end;
    const char *build_id;       /* borrowed; hexadecimal; "" when none */
    const char *file;           /* borrowed */
} IrqlogObjectInfo;

/**
 * irqlog_message_vector - the vector a message asks for
 * @data: of the message
 */
static inline int32_t irqlog_message_vector(uint32_t data)
{
    return data & 0xff;
}

/**
 * irqlog_kind_name - the word users see for a kind
 * @kind: a kind; values outside the enum give "unknown"
 *
 * Returns: a static string
 */
const char *irqlog_kind_name(IrqlogKind kind);

/**
 * irqlog_kind_from_name - the kind a word stands for
 * @name: NUL-terminated
 * @kind: receives the kind
 *
 * Returns: false when the word is no kind
 */
bool irqlog_kind_from_name(const char *name, IrqlogKind *kind);

#endif
