/*
 * fuzz/irqlog/parse: what must hold for any input of the text log's parser.
 *
 * 1. What parses survives print and re-parse: every item, printed and parsed
 *    again, is the same item, and nothing else.
 * 2. How the input is cut into pieces changes nothing: the same items and the
 *    same counts come out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"

#include "irqlog/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *why, const char *text)
{
    fprintf(stderr, "round-trip: %s\n%s", why, text);
    abort();
}

static size_t print_item(char *buf, const IrqlogItem *item)
{
    switch (item->type) {
    case IRQLOG_ITEM_EVENT:
        return irqlog_print_event(buf, &item->event);
    case IRQLOG_ITEM_RUN:
        return irqlog_print_run(buf, &item->run);
    case IRQLOG_ITEM_LINE:
        return irqlog_print_line(buf, &item->line);
    case IRQLOG_ITEM_THREAD:
        return irqlog_print_thread(buf, &item->thread);
    case IRQLOG_ITEM_OBJECT:
        return irqlog_print_object(buf, &item->object);
    case IRQLOG_ITEM_LOST:
        return irqlog_print_lost(buf, item->lost);
    case IRQLOG_ITEM_DISABLED:
        return irqlog_print_disabled(buf, item->recorded, item->lost);
    case IRQLOG_ITEM_REFUSED:
        break;
    }
    *buf = '\0';
    return 0;
}

typedef struct Again {
    const char *wanted;
    unsigned items;
} Again;

/* Equal text is enough: text.c's own test shows that it tells all. */
static bool compare_again(void *opaque, const IrqlogItem *item)
{
    static char text[IRQLOG_TEXT_MAX];
    Again *again = opaque;

    print_item(text, item);
    if (strcmp(text, again->wanted)) {
        fail("printed again, it is another", again->wanted);
    }
    again->items++;
    return true;
}

static void check_item(const char *text, size_t len)
{
    static IrqlogParser parser;
    Again again = { .wanted = text };

    irqlog_parser_init(&parser, compare_again, &again);
    irqlog_parser_feed(&parser, text, len);
    irqlog_parser_finish(&parser);
    if (again.items != 1 || parser.stats.bad || parser.stats.cut ||
        parser.stats.foreign || parser.stats.unknown ||
        parser.stats.unended) {
        fail("what was printed does not parse", text);
    }
}

/* All items of an input, as one number. */
typedef struct Digest {
    uint64_t hash;
    bool check;
} Digest;

static void mix(Digest *digest, const char *data, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        digest->hash = (digest->hash ^ (unsigned char)data[i]) *
                       0x100000001b3;
    }
}

static bool take_item(void *opaque, const IrqlogItem *item)
{
    static char text[IRQLOG_TEXT_MAX];
    Digest *digest = opaque;
    size_t len = print_item(text, item);

    if (item->raw_len > IRQLOG_TEXT_MAX) {
        fail("more lines than there is room for", text);
    }
    if (digest->check && item->type != IRQLOG_ITEM_REFUSED) {
        check_item(text, len);
    }
    mix(digest, text, len);
    mix(digest, item->raw, item->raw_len);
    return true;
}

/* Feed pieces of @first bytes and then of @piece bytes each. */
static uint64_t digest_of(const char *data, size_t len, size_t piece,
                          bool check)
{
    static IrqlogParser parser;
    Digest digest = { .hash = 0xcbf29ce484222325, .check = check };
    size_t n;

    irqlog_parser_init(&parser, take_item, &digest);
    for (; len; data += n, len -= n) {
        n = len < piece ? len : piece;
        irqlog_parser_feed(&parser, data, n);
    }
    irqlog_parser_finish(&parser);
    if (parser.stats.events > parser.stats.items) {
        fail("more events than items", "");
    }
    mix(&digest, (const char *)&parser.stats, sizeof(parser.stats));
    return digest.hash;
}

void fuzz_check(const uint8_t *bytes, size_t len)
{
    const char *data = (const char *)bytes;
    static const size_t pieces[] = { 1, 7, 100, 4096 };
    uint64_t whole = digest_of(data, len, len ? len : 1, true);
    size_t i;

    for (i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        if (digest_of(data, len, pieces[i], false) != whole) {
            fail("cut into pieces, it is another log", "");
        }
    }
}
