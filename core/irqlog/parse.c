/*
 * irqlog/parse: see parse.h.
 *
 * From the top: lines into items, bytes into lines; what stands in a line is
 * line.c's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/parse.h"

#include "irqlog/line.h"

#include <string.h>

#define HEAD "irq-log: "
#define BODY "         "

/* What some editors put in front of a text that they save. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

enum { PREFIX_LEN = sizeof(HEAD) - 1 };

/* What the next line of nine spaces is. */
enum {
    STATE_NONE,         /* without a head: the log begins inside an event */
    STATE_PATH,
    STATE_ADDRESSES,
    STATE_CALLER,
    STATE_OPTIONAL,     /* the event is complete */
    STATE_SKIP,         /* part of something skipped */
    STATE_REFUSED,      /* all is skipped until a run that can be read */
};

/* Items: beginning one, handing one on, giving one up. */

static void give_up(IrqlogParser *parser, uint64_t line_no, const char *why)
{
    IrqlogParseStats *stats = &parser->stats;

    if (stats->bad < IRQLOG_BAD_MAX) {
        stats->bad_line[stats->bad] = line_no;
        stats->bad_why[stats->bad] = why;
    }
    stats->bad++;
    parser->state = STATE_SKIP;
}

static void keep_raw(IrqlogParser *parser, const char *line, size_t len)
{
    IrqlogItem *item = &parser->item;

    if (item->raw_cut || len + 1 > sizeof(parser->raw) - item->raw_len) {
        item->raw_cut = true;
        return;
    }
    memcpy(parser->raw + item->raw_len, line, len);
    parser->raw[item->raw_len + len] = '\n';
    item->raw_len += len + 1;
}

static void begin_item(IrqlogParser *parser, IrqlogItemType type, Scan *scan)
{
    IrqlogItem *item = &parser->item;

    parser->text_at = scan->text = parser->text;
    parser->seen = 0;
    parser->start_line = parser->line_no;
    item->type = type;
    item->raw = parser->raw;
    item->raw_len = 0;
    item->raw_cut = false;
    item->recorded = 0;
    item->lost = 0;
    if (type == IRQLOG_ITEM_EVENT) {
        memset(&item->event, 0, offsetof(IrqlogEvent, backtrace));
        item->event.path = "";
        item->event.requester = NULL;
    } else {
        memset(&item->run, 0, sizeof(item->run));
    }
}

static bool hand_on(IrqlogParser *parser)
{
    parser->stats.items++;
    parser->stats.events += parser->item.type == IRQLOG_ITEM_EVENT;
    parser->stopped = !parser->fn(parser->opaque, &parser->item);
    return !parser->stopped;
}

static bool hand_on_line(IrqlogParser *parser)
{
    if (parser->item.type == IRQLOG_ITEM_REFUSED) {
        parser->stats.refused++;
        parser->state = STATE_REFUSED;
    } else {
        parser->state = STATE_SKIP;
    }
    return hand_on(parser);
}

/* A line has come, or the end, that does not belong to the open event. */
static bool close_event(IrqlogParser *parser, const char *why)
{
    if (parser->state == STATE_OPTIONAL) {
        parser->state = STATE_SKIP;
        return hand_on(parser);
    }
    if (parser->state > STATE_NONE && parser->state < STATE_OPTIONAL) {
        give_up(parser, parser->start_line, why);
    }
    return true;
}

static const char incomplete[] = "the event is not complete";

static bool take_head(IrqlogParser *parser, const char *line, Scan *scan)
{
    const IrqlogHead *head;

    if (!close_event(parser, incomplete)) {
        return false;
    }
    head = irqlog_find_head(scan);
    if (parser->state == STATE_REFUSED &&
        (!head || head->type != IRQLOG_ITEM_RUN)) {
        return true;
    }
    parser->state = STATE_SKIP;
    if (!head) {
        parser->stats.unknown++;
        return true;
    }
    begin_item(parser, head->type, scan);
    keep_raw(parser, line, (size_t)(scan->end - line));
    if (!head->parse(&parser->item, scan)) {
        give_up(parser, parser->line_no, scan->why);
        return true;
    }
    if (head->type != IRQLOG_ITEM_EVENT) {
        return hand_on_line(parser);
    }
    parser->state = STATE_PATH;
    return true;
}

static bool parse_body(IrqlogParser *parser, Scan *scan)
{
    IrqlogItem *item = &parser->item;

    switch (parser->state) {
    case STATE_PATH:
        parser->state = STATE_ADDRESSES;
        return irqlog_take_path(item, scan);
    case STATE_ADDRESSES:
        parser->state = STATE_CALLER;
        return irqlog_take_addresses(item, scan);
    case STATE_CALLER:
        parser->state = STATE_OPTIONAL;
        return irqlog_take_caller(item, scan);
    default:
        return irqlog_take_optional(item, &parser->seen, scan);
    }
}

static void take_body(IrqlogParser *parser, const char *line, Scan *scan)
{
    if (parser->state == STATE_NONE) {
        give_up(parser, parser->line_no, "no line with time= above");
    }
    if (parser->state >= STATE_SKIP) {
        return;
    }
    keep_raw(parser, line, (size_t)(scan->end - line));
    if (!parse_body(parser, scan)) {
        give_up(parser, parser->line_no, scan->why);
    }
    parser->text_at = scan->text;
}

/* Bytes into lines. */

/* What is longer than any line of ours: skipped, and bad if it began so. */
static bool drop_line(IrqlogParser *parser, const char *line)
{
    bool head = !memcmp(line, HEAD, PREFIX_LEN);
    bool body = !memcmp(line, BODY, PREFIX_LEN);

    if (head && !close_event(parser, incomplete)) {
        return false;
    }
    if (!head && !body) {
        parser->stats.foreign++;
    } else if (head ? parser->state != STATE_REFUSED
                    : parser->state < STATE_SKIP) {
        give_up(parser, parser->line_no, "a line of more than 20 KiB");
    }
    return true;
}

static bool take_line(IrqlogParser *parser, const char *line, size_t len)
{
    Scan scan = { NULL, line + len, parser->text_at, NULL };

    parser->line_no++;
    if (parser->line_no == 1 && len >= 3 && !memcmp(line, BYTE_ORDER_MARK, 3)) {
        line += 3;
        len -= 3;
    }
    if (len < PREFIX_LEN) {
        parser->stats.foreign++;
        return true;
    }
    if (len > IRQLOG_TEXT_MAX) {
        return drop_line(parser, line);
    }
    scan.p = line + PREFIX_LEN;
    if (len > PREFIX_LEN && line[len - 1] == '\r') {
        scan.end--;
    }
    if (!memcmp(line, HEAD, PREFIX_LEN)) {
        return take_head(parser, line, &scan);
    }
    if (!memcmp(line, BODY, PREFIX_LEN)) {
        take_body(parser, line, &scan);
    } else {
        parser->stats.foreign++;
    }
    return true;
}

/* Keep what begins a line; of an overlong one only that it is so. */
static void carry(IrqlogParser *parser, const char *data, size_t len)
{
    size_t room = sizeof(parser->carry) - parser->carry_len;

    if (len > room) {
        len = room;
    }
    if (len) {
        memcpy(parser->carry + parser->carry_len, data, len);
        parser->carry_len += len;
    }
}

static bool take_carried(IrqlogParser *parser)
{
    size_t len = parser->carry_len;

    parser->carry_len = 0;
    return take_line(parser, parser->carry, len);
}

static void restart(IrqlogParser *parser)
{
    parser->line_no = 0;
    parser->state = STATE_NONE;
    parser->carry_len = 0;
    parser->text_at = parser->text;
}

void irqlog_parser_init(IrqlogParser *parser, IrqlogItemFn *fn, void *opaque)
{
    memset(&parser->stats, 0, sizeof(parser->stats));
    parser->fn = fn;
    parser->opaque = opaque;
    parser->stopped = false;
    restart(parser);
}

static bool feed_first(IrqlogParser *parser, const char **data,
                       const char *end)
{
    const char *newline;

    if (!parser->carry_len) {
        return true;
    }
    newline = memchr(*data, '\n', (size_t)(end - *data));
    if (!newline) {
        return true;
    }
    carry(parser, *data, (size_t)(newline - *data));
    *data = newline + 1;
    return take_carried(parser);
}

bool irqlog_parser_feed(IrqlogParser *parser, const char *data, size_t len)
{
    const char *end = data + len;
    const char *newline;

    if (parser->stopped || !len) {
        return !parser->stopped;
    }
    if (!feed_first(parser, &data, end)) {
        return false;
    }
    while (!parser->carry_len &&
           (newline = memchr(data, '\n', (size_t)(end - data)))) {
        if (!take_line(parser, data, (size_t)(newline - data))) {
            return false;
        }
        data = newline + 1;
    }
    carry(parser, data, (size_t)(end - data));
    return true;
}

bool irqlog_parser_flush(IrqlogParser *parser)
{
    if (parser->state == STATE_OPTIONAL && !parser->carry_len &&
        !parser->stopped) {
        return close_event(parser, NULL);
    }
    return !parser->stopped;
}

/* The last line has no end: it counts if it reads well, else it was cut. */
static bool take_unended(IrqlogParser *parser)
{
    IrqlogParseStats *stats = &parser->stats;
    uint64_t bad = stats->bad;
    uint64_t unknown = stats->unknown;

    stats->unended++;
    if (!take_carried(parser)) {
        return false;
    }
    if (stats->bad != bad || stats->unknown != unknown) {
        stats->bad = bad;
        stats->unknown = unknown;
        stats->cut++;
    }
    return true;
}

bool irqlog_parser_finish(IrqlogParser *parser)
{
    if (parser->stopped ||
        (parser->carry_len && !take_unended(parser))) {
        return false;
    }
    if (parser->state > STATE_NONE && parser->state < STATE_OPTIONAL) {
        parser->stats.cut++;
    } else if (!close_event(parser, NULL)) {
        return false;
    }
    restart(parser);
    return true;
}
