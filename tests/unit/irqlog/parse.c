/*
 * irqlog/parse: what is in a log comes out, what is wrong is counted with its
 * line and reason, and spoils nothing else.
 *
 * That cutting the input changes nothing, and that what parses survives print
 * and re-parse, is shown by fuzz/irqlog over its corpus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/parse.h"

#include <glib.h>
#include <string.h>

#define HEAD "irq-log: time=7ns level=1 n=2 kind=hardware\n"
#define PATH "         path=/machine/x\n"
#define ADDR "         irq=0x10 handler=0x20 opaque=0x30\n"
#define CALL "         host-tid=40 caller=0x50\n"
#define EVENT HEAD PATH ADDR CALL

/* What came out, as a word an item, and the last event. */
typedef struct Seen {
    GString *words;
    IrqlogEvent event;
    char *path;
    char *requester;
    char *raw;
    unsigned stop_after;
} Seen;

static IrqlogParser parser;
static Seen seen;

static void remember(const IrqlogItem *item)
{
    seen.event = item->event;
    g_free(seen.path);
    g_free(seen.requester);
    g_free(seen.raw);
    seen.path = g_strdup(item->event.path);
    seen.requester = g_strdup(item->event.requester);
    seen.raw = g_strndup(item->raw, item->raw_len);
}

static bool take_item(void *opaque, const IrqlogItem *item)
{
    static const char *const words[] = {
        "run", "event", "line", "thread", "object", "lost", "disabled",
        "refused",
    };

    g_string_append_printf(opaque, "%s ", words[item->type]);
    if (item->type == IRQLOG_ITEM_EVENT) {
        remember(item);
    }
    return parser.stats.items != seen.stop_after;
}

static void begin(void)
{
    if (!seen.words) {
        seen.words = g_string_new(NULL);
    }
    g_string_truncate(seen.words, 0);
    seen.stop_after = 0;
    irqlog_parser_init(&parser, take_item, seen.words);
}

static void parse(const char *text)
{
    begin();
    irqlog_parser_feed(&parser, text, strlen(text));
    irqlog_parser_finish(&parser);
}

static void test_event(void)
{
    parse(EVENT);
    g_assert_cmpstr(seen.words->str, ==, "event ");
    g_assert_cmpuint(seen.event.time_ns, ==, 7);
    g_assert_cmpint(seen.event.level, ==, 1);
    g_assert_cmpint(seen.event.n, ==, 2);
    g_assert_cmpint(seen.event.kind, ==, IRQLOG_HARDWARE);
    g_assert_cmpstr(seen.path, ==, "/machine/x");
    g_assert_cmphex(seen.event.irq, ==, 0x10);
    g_assert_cmphex(seen.event.handler, ==, 0x20);
    g_assert_cmphex(seen.event.opaque, ==, 0x30);
    g_assert_cmpuint(seen.event.tid, ==, 40);
    g_assert_cmphex(seen.event.caller, ==, 0x50);
    g_assert_cmpuint(seen.event.seq, ==, 0);
    g_assert_cmpuint(seen.event.depth, ==, 0);
    g_assert_cmpuint(seen.event.n_backtrace, ==, 0);
    g_assert_false(seen.event.has_msi);
    g_assert_null(seen.requester);
    g_assert_cmpstr(seen.raw, ==, EVENT);
}

static void test_optional_lines(void)
{
    parse(EVENT "         depth=3\n         bt=0x1,0x2\n"
          "         msi=0xfee0 data=0x41 requester=/a\\x20b\n");
    g_assert_cmpuint(seen.event.depth, ==, 3);
    g_assert_cmpuint(seen.event.n_backtrace, ==, 2);
    g_assert_cmphex(seen.event.backtrace[1], ==, 2);
    g_assert_true(seen.event.has_msi);
    g_assert_cmphex(seen.event.msi_address, ==, 0xfee0);
    g_assert_cmphex(seen.event.msi_data, ==, 0x41);
    g_assert_cmpstr(seen.requester, ==, "/a b");
}

/* What the last event had does not stick to the next. */
static void test_nothing_sticks(void)
{
    parse(EVENT "         depth=3\n         bt=0x1\n"
          "         msi=0x1 data=0x1 requester=/a\n" EVENT);
    g_assert_cmpstr(seen.words->str, ==, "event event ");
    g_assert_cmpuint(seen.event.depth, ==, 0);
    g_assert_cmpuint(seen.event.n_backtrace, ==, 0);
    g_assert_false(seen.event.has_msi);
    g_assert_null(seen.requester);
}

typedef struct BadCase {
    const char *name;
    const char *text;
    const char *items;
    uint64_t line;
    const char *why;
} BadCase;

static const BadCase bad_cases[] = {
    { "time-no-unit", "irq-log: time=7 level=1 n=2 kind=msi\n" EVENT,
      "event ", 1, "time= is no number of ns" },
    { "time-too-large",
      "irq-log: time=18446744073709551616ns level=1 n=2 kind=msi\n", "", 1,
      "time= is no number of ns" },
    { "level-too-large", EVENT "irq-log: time=7ns level=2147483648 n=2\n",
      "event ", 5, "level= is no number" },
    { "level-word", "irq-log: time=7ns level=high n=2 kind=msi\n", "", 1,
      "level= is no number" },
    { "n-missing", "irq-log: time=7ns level=1 kind=msi\n", "", 1,
      "n= is no number" },
    { "kind-unknown", "irq-log: time=7ns level=1 n=2 kind=wire\n", "", 1,
      "kind= is not one that is known" },
    { "kind-and-more", "irq-log: time=7ns level=1 n=2 kind=msi x=1\n", "", 1,
      "kind= is not one that is known" },
    { "path-missing", HEAD ADDR CALL EVENT, "event ", 2, "path= expected" },
    { "path-control", HEAD "         path=a\tb\n" ADDR CALL, "", 2,
      "a control byte in a string" },
    { "path-escape", HEAD "         path=a\\n\n" ADDR CALL, "", 2,
      "a backslash without two digits" },
    { "path-half-escape", HEAD "         path=a\\x4\n" ADDR CALL, "", 2,
      "a backslash without two digits" },
    { "path-nul", HEAD "         path=a\\x00\n" ADDR CALL, "", 2,
      "a NUL byte in a string" },
    { "irq-no-address", HEAD PATH "         irq=ff handler=0x1\n", "", 3,
      "irq= is no address" },
    { "handler-too-large",
      HEAD PATH "         irq=0x1 handler=0x10000000000000000 opaque=0x1\n",
      "", 3, "handler= is no address" },
    { "opaque-and-more",
      HEAD PATH "         irq=0x1 handler=0x1 opaque=0x1 x\n", "", 3,
      "opaque= is no address" },
    { "tid-too-large", HEAD PATH ADDR "         host-tid=4294967296 c\n", "",
      4, "host-tid= is no thread id" },
    { "caller-missing", HEAD PATH ADDR "         host-tid=4\n", "", 4,
      "caller= is no address" },
    { "not-complete", HEAD PATH ADDR EVENT, "event ", 1,
      "the event is not complete" },
    { "not-complete-lost", EVENT HEAD "irq-log: lost=3\n", "event lost ", 5,
      "the event is not complete" },
    { "without-head", PATH ADDR CALL EVENT, "event ", 1,
      "no line with time= above" },
    { "depth-word", EVENT "         depth=deep\n" EVENT, "event ", 5,
      "depth= is no number" },
    { "bt-17",
      EVENT "         bt=0x1,0x1,0x1,0x1,0x1,0x1,0x1,0x1,0x1,0x1,0x1,0x1,0x1,"
      "0x1,0x1,0x1,0x1\n", "", 5, "bt= has more than 16 addresses" },
    { "bt-empty", EVENT "         bt=\n", "", 5,
      "bt= is no list of addresses" },
    { "bt-comma", EVENT "         bt=0x1,\n", "", 5,
      "bt= is no list of addresses" },
    { "msi-no-data", EVENT "         msi=0x1\n", "", 5, "msi= is no message" },
    { "msi-data-too-large", EVENT "         msi=0x1 data=0x100000000\n", "",
      5, "msi= is no message" },
    { "twice", EVENT "         depth=1\n         depth=1\n", "", 6,
      "a line stands twice in one event" },
    { "lost-word", "irq-log: lost=many\n", "", 1, "lost= is no number" },
    { "disabled-half", "irq-log: disabled recorded=1\n", "", 1,
      "a word is missing" },
    { "thread-no-name", "irq-log: thread tid=1\n", "", 1,
      "a word is missing" },
    { "thread-open-quote", "irq-log: thread tid=1 name=\"a\n", "", 1,
      "a quote that is not closed" },
    { "thread-tid-twice", "irq-log: thread tid=1 tid=2 name=\"\"\n", "", 1,
      "a word stands twice in one line" },
    { "thread-tid-word", "irq-log: thread tid=x name=\"\"\n", "", 1,
      "a value is malformed" },
    { "format-word", "irq-log: enabled format=one\n", "", 1,
      "format= is no number" },
    { "format-not-first", "irq-log: enabled pid=1 format=1\n", "", 1,
      "format= is no number" },
};

static void test_bad(void)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad_cases); i++) {
        const BadCase *c = &bad_cases[i];
        const IrqlogParseStats *stats = &parser.stats;

        parse(c->text);
        if (stats->bad != 1 || stats->bad_line[0] != c->line ||
            g_strcmp0(stats->bad_why[0], c->why) ||
            strcmp(seen.words->str, c->items)) {
            g_error("%s: %" G_GUINT64_FORMAT " bad, line %" G_GUINT64_FORMAT
                    ": %s; items: %s", c->name, stats->bad,
                    stats->bad_line[0], stats->bad_why[0], seen.words->str);
        }
    }
}

/* Only the first places are kept, all are counted. */
static void test_many_bad(void)
{
    unsigned i;

    begin();
    for (i = 0; i < 100; i++) {
        irqlog_parser_feed(&parser, HEAD, strlen(HEAD));
    }
    irqlog_parser_feed(&parser, EVENT, strlen(EVENT));
    irqlog_parser_finish(&parser);
    g_assert_cmpuint(parser.stats.bad, ==, 100);
    g_assert_cmpuint(parser.stats.bad_line[4], ==, 5);
    g_assert_cmpuint(parser.stats.events, ==, 1);
}

static void test_long_lines(void)
{
    char *name = g_strnfill(1024, 'p');
    char *just = g_strdup_printf("%s         path=%s\n" ADDR CALL, HEAD, name);
    char *over = g_strdup_printf("%s         path=%sx\n" ADDR CALL, HEAD, name);
    char *huge = g_strnfill(100000, 'h');
    char *ours = g_strdup_printf("%sirq-log: %s\n" PATH "%s%s\n" EVENT, EVENT,
                                 huge, EVENT, huge);

    parse(just);
    g_assert_cmpuint(parser.stats.events, ==, 1);
    g_assert_cmpstr(seen.path, ==, name);
    parse(over);
    g_assert_cmpuint(parser.stats.events, ==, 0);
    g_assert_cmpstr(parser.stats.bad_why[0], ==,
                    "a string of more than 1024 bytes");
    parse(ours);
    g_assert_cmpuint(parser.stats.events, ==, 3);
    g_assert_cmpuint(parser.stats.bad, ==, 1);
    g_assert_cmpuint(parser.stats.bad_line[0], ==, 5);
    g_assert_cmpstr(parser.stats.bad_why[0], ==, "a line of more than 20 KiB");
    g_assert_cmpuint(parser.stats.foreign, ==, 1);
    g_free(name);
    g_free(just);
    g_free(over);
    g_free(huge);
    g_free(ours);
}

static void test_foreign(void)
{
    parse("qemu: hello\n" HEAD "\n" PATH "irq-log:no\n" ADDR "        8\n" CALL
          "x\n         depth=5\n");
    g_assert_cmpuint(parser.stats.events, ==, 1);
    g_assert_cmpuint(seen.event.depth, ==, 5);
    g_assert_cmpuint(parser.stats.foreign, ==, 5);
    g_assert_cmpuint(parser.stats.bad, ==, 0);
    g_assert_cmpstr(seen.raw, ==, EVENT "         depth=5\n");
}

static void test_later_version(void)
{
    parse("irq-log: weather=fine\n" EVENT "         mood=good\n"
          "         depth=1\nirq-log: thread cpu=\"a b\" name=\"n\" tid=4\n");
    g_assert_cmpstr(seen.words->str, ==, "event thread ");
    g_assert_cmpuint(seen.event.depth, ==, 1);
    g_assert_cmpuint(parser.stats.unknown, ==, 1);
    g_assert_cmpuint(parser.stats.bad, ==, 0);
}

static void test_newer_format(void)
{
    parse("irq-log: enabled format=2 how=new\n" EVENT "irq-log: time=late\n"
          "irq-log: lost=1\nirq-log: enabled format=1\n" EVENT);
    g_assert_cmpstr(seen.words->str, ==, "refused run event ");
    g_assert_cmpuint(parser.stats.refused, ==, 1);
    g_assert_cmpuint(parser.stats.bad, ==, 0);
}

static bool keep_run(void *opaque, const IrqlogItem *item)
{
    *(IrqlogRun *)opaque = item->run;
    return true;
}

/* Numbers are decimal unless they begin with 0x, addresses too. */
static void test_decimal_addresses(void)
{
    parse(HEAD PATH "         irq=0 handler=16 opaque=0x10\n" CALL);
    g_assert_cmpuint(parser.stats.events, ==, 1);
    g_assert_cmphex(seen.event.irq, ==, 0);
    g_assert_cmphex(seen.event.handler, ==, 16);
}

static void test_run(void)
{
    static const char text[] =
        "irq-log: enabled format=1 pid=41260 exe=/a\\x20b/qemu "
        "load-base=0x55fe0ec00000 build-id=6c1f "
        "monotonic-ns=12508130441000 realtime-ns=1795400000000000000\n";
    IrqlogRun run;

    irqlog_parser_init(&parser, keep_run, &run);
    irqlog_parser_feed(&parser, text, strlen(text));
    g_assert_cmpuint(run.format, ==, 1);
    g_assert_cmpuint(run.pid, ==, 41260);
    g_assert_cmpstr(run.exe, ==, "/a b/qemu");
    g_assert_cmphex(run.load_base, ==, 0x55fe0ec00000);
    g_assert_cmpstr(run.build_id, ==, "6c1f");
    g_assert_cmpuint(run.monotonic_ns, ==, 12508130441000);
    g_assert_cmpuint(run.realtime_ns, ==, UINT64_C(1795400000000000000));
}

static void test_between(void)
{
    parse("irq-log: thread tid=4 role=\"vcpu 0\" name=\"CPU\"\n"
          "irq-log: line irq=0x1 handler=0x2 opaque=0x3 n=4 kind=software "
          "path=\"p\" owner=\"o\"\n"
          "irq-log: object load-base=0x1 start=0x1 end=0x2 build-id= "
          "file=\"f\"\n"
          "irq-log: lost=5\nirq-log: disabled recorded=6 lost=5\n");
    g_assert_cmpstr(seen.words->str, ==,
                    "thread line object lost disabled ");
    g_assert_cmpuint(parser.stats.bad, ==, 0);
}

static void test_crlf(void)
{
    char **lines = g_strsplit(EVENT, "\n", -1);
    char *text = g_strjoinv("\r\n", lines);

    parse(text);
    g_assert_cmpuint(parser.stats.events, ==, 1);
    g_assert_cmpstr(seen.path, ==, "/machine/x");
    g_assert_cmpstr(seen.raw, ==, EVENT);
    g_free(text);
    g_strfreev(lines);
}

/* A byte-order mark once hid the first line, and with it all names. */
static void test_byte_order_mark(void)
{
    parse("\xef\xbb\xbf" EVENT);
    g_assert_cmpuint(parser.stats.events, ==, 1);
    g_assert_cmpuint(parser.stats.foreign, ==, 0);
    g_assert_cmpstr(seen.raw, ==, EVENT);

    /* not anywhere else, nor where there is nothing but a part of one */
    parse("irq-log: lost=5\n\xef\xbb\xbf" "irq-log: lost=5\n");
    g_assert_cmpuint(parser.stats.items, ==, 1);
    g_assert_cmpuint(parser.stats.foreign, ==, 1);
    parse("\xef\xbb\n\n");
    g_assert_cmpuint(parser.stats.foreign, ==, 2);
}

/* For every length of a log of two events: nothing wrong comes out. */
static void test_cut_anywhere(void)
{
    static const char text[] = EVENT EVENT "         depth=1\n";
    size_t one = strlen(EVENT);
    size_t len;

    for (len = 0; len < sizeof(text); len++) {
        begin();
        irqlog_parser_feed(&parser, text, len);
        irqlog_parser_finish(&parser);
        g_assert_cmpuint(parser.stats.bad, ==, 0);
        g_assert_cmpuint(parser.stats.events + parser.stats.cut, >=,
                         len / one);
        g_assert_cmpuint(parser.stats.events + parser.stats.cut, <=, 2);
        g_assert_cmpuint(parser.stats.unended, ==,
                         len && text[len - 1] != '\n');
        g_assert_cmpstr(seen.path ? seen.path : "/machine/x", ==,
                        "/machine/x");
    }
}

static void test_flush(void)
{
    begin();
    irqlog_parser_feed(&parser, HEAD PATH, strlen(HEAD PATH));
    g_assert_true(irqlog_parser_flush(&parser));
    g_assert_cmpuint(parser.stats.events, ==, 0);
    irqlog_parser_feed(&parser, ADDR CALL "  ", strlen(ADDR CALL "  "));
    g_assert_true(irqlog_parser_flush(&parser));
    g_assert_cmpuint(parser.stats.events, ==, 0);
    irqlog_parser_feed(&parser, "\n", 1);
    g_assert_true(irqlog_parser_flush(&parser));
    g_assert_cmpuint(parser.stats.events, ==, 1);
    irqlog_parser_feed(&parser, EVENT, strlen(EVENT));
    irqlog_parser_finish(&parser);
    g_assert_cmpuint(parser.stats.events, ==, 2);
    g_assert_cmpuint(parser.stats.bad, ==, 0);
}

/* A new file after the old one: lines are counted anew. */
static void test_feed_again(void)
{
    parse(EVENT HEAD);
    g_assert_cmpuint(parser.stats.cut, ==, 1);
    irqlog_parser_feed(&parser, CALL EVENT, strlen(CALL EVENT));
    irqlog_parser_finish(&parser);
    g_assert_cmpuint(parser.stats.events, ==, 2);
    g_assert_cmpuint(parser.stats.bad, ==, 1);
    g_assert_cmpuint(parser.stats.bad_line[0], ==, 1);
}

static void test_stop(void)
{
    begin();
    seen.stop_after = 2;
    g_assert_false(irqlog_parser_feed(&parser, EVENT EVENT EVENT EVENT,
                                      strlen(EVENT) * 4));
    g_assert_cmpuint(parser.stats.events, ==, 2);
    g_assert_false(irqlog_parser_feed(&parser, EVENT, strlen(EVENT)));
    g_assert_false(irqlog_parser_flush(&parser));
    g_assert_false(irqlog_parser_finish(&parser));
    g_assert_cmpuint(parser.stats.events, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/irqlog/parse/event", test_event);
    g_test_add_func("/irqlog/parse/optional-lines", test_optional_lines);
    g_test_add_func("/irqlog/parse/nothing-sticks", test_nothing_sticks);
    g_test_add_func("/irqlog/parse/bad", test_bad);
    g_test_add_func("/irqlog/parse/many-bad", test_many_bad);
    g_test_add_func("/irqlog/parse/long-lines", test_long_lines);
    g_test_add_func("/irqlog/parse/foreign", test_foreign);
    g_test_add_func("/irqlog/parse/later-version", test_later_version);
    g_test_add_func("/irqlog/parse/newer-format", test_newer_format);
    g_test_add_func("/irqlog/parse/decimal-addresses",
                    test_decimal_addresses);
    g_test_add_func("/irqlog/parse/run", test_run);
    g_test_add_func("/irqlog/parse/between", test_between);
    g_test_add_func("/irqlog/parse/crlf", test_crlf);
    g_test_add_func("/irqlog/parse/byte-order-mark", test_byte_order_mark);
    g_test_add_func("/irqlog/parse/cut-anywhere", test_cut_anywhere);
    g_test_add_func("/irqlog/parse/flush", test_flush);
    g_test_add_func("/irqlog/parse/feed-again", test_feed_again);
    g_test_add_func("/irqlog/parse/stop", test_stop);
    return g_test_run();
}
