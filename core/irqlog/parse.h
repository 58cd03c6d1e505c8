/*
 * irqlog/parse: a text log, block by block, as items.
 *
 * Reads the format of docs/formats/irq-log-text-v1.md from bytes that are fed
 * in pieces of any size.  Memory is constant and nothing is allocated.  Other
 * programs write into the same file, disks fill up and machines die, so
 * nothing in the input ends the parser: what is not ours is skipped, what is
 * ours and wrong is counted.  Where bytes come from and what an item means is
 * the caller's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IRQLOG_PARSE_H
#define VMSCOPE_IRQLOG_PARSE_H

#include "irqlog/event.h"
#include "irqlog/text.h"

#include <stddef.h>

typedef enum IrqlogItemType {
    IRQLOG_ITEM_RUN,        /* run */
    IRQLOG_ITEM_EVENT,      /* event */
    IRQLOG_ITEM_LINE,       /* line */
    IRQLOG_ITEM_THREAD,     /* thread */
    IRQLOG_ITEM_OBJECT,     /* object */
    IRQLOG_ITEM_LOST,       /* lost */
    IRQLOG_ITEM_DISABLED,   /* recorded and lost */
    IRQLOG_ITEM_REFUSED,    /* format: a run this reader is too old for */
} IrqlogItemType;

/* All that is borrowed lives until the callback returns. */
typedef struct IrqlogItem {
    IrqlogItemType type;
    union {
        IrqlogRun run;
        IrqlogEvent event;
        IrqlogLineInfo line;
        IrqlogThreadInfo thread;
        IrqlogObjectInfo object;
        uint64_t format;
    };
    uint64_t recorded;
    uint64_t lost;
    const char *raw;        /* the item's own lines, each ending in '\n' */
    size_t raw_len;
    bool raw_cut;           /* there were more lines than are kept */
} IrqlogItem;

/* Takes an item; false stops the parser. */
typedef bool IrqlogItemFn(void *opaque, const IrqlogItem *item);

/* Malformed places of which the line is remembered. */
enum { IRQLOG_BAD_MAX = 5 };

typedef struct IrqlogParseStats {
    uint64_t items;         /* given to the callback */
    uint64_t events;        /* of these, events */
    uint64_t foreign;       /* lines that are not ours */
    uint64_t unknown;       /* lines that are ours, of a kind not known */
    uint64_t bad;           /* items that are malformed */
    uint64_t cut;           /* items that end of input cut short */
    uint64_t unended;       /* inputs whose last line has no newline */
    uint64_t refused;       /* runs of a newer format */
    uint64_t bad_line[IRQLOG_BAD_MAX];      /* from 1; the first ones */
    const char *bad_why[IRQLOG_BAD_MAX];    /* static strings */
} IrqlogParseStats;

/* Fields but @stats are private.  Some 60 KiB: not for small stacks. */
typedef struct IrqlogParser {
    IrqlogParseStats stats;
    IrqlogItemFn *fn;
    void *opaque;
    uint64_t line_no;
    uint64_t start_line;    /* of the item that is open */
    int state;
    bool stopped;
    unsigned seen;          /* optional lines of the open event */
    char *text_at;          /* where its next string goes */
    size_t carry_len;
    IrqlogItem item;
    char carry[IRQLOG_TEXT_MAX + 1];    /* a line that is not complete */
    char raw[IRQLOG_TEXT_MAX];          /* lines of the open event */
    char text[3 * (IRQLOG_STRING_MAX + 1)];     /* its strings, unescaped */
} IrqlogParser;

/**
 * irqlog_parser_init - begin
 * @parser: storage of the caller's; nothing is to be released
 * @fn: gets every item, in order
 * @opaque: handed to @fn
 */
void irqlog_parser_init(IrqlogParser *parser, IrqlogItemFn *fn, void *opaque);

/**
 * irqlog_parser_feed - parse some more input
 * @parser: an initialised parser
 * @data: bytes; they may begin and end anywhere in a line
 * @len: how many
 *
 * An event is handed on when the line behind it has come.
 *
 * Returns: false when the callback stopped the parser, now or earlier
 */
bool irqlog_parser_feed(IrqlogParser *parser, const char *data, size_t len);

/**
 * irqlog_parser_flush - hand on an event that seems complete
 * @parser: an initialised parser
 *
 * For input that comes slowly: the last event is not held back until the next
 * one comes.  Optional lines that still follow are then lost.
 *
 * Returns: as irqlog_parser_feed()
 */
bool irqlog_parser_flush(IrqlogParser *parser);

/**
 * irqlog_parser_finish - the input has ended
 * @parser: an initialised parser; may be fed again, from another file's
 * first line on
 *
 * Returns: as irqlog_parser_feed()
 */
bool irqlog_parser_finish(IrqlogParser *parser);

#endif
