/*
 * irqlog/text: what is printed is, byte for byte, what the format page shows,
 * and fits the buffer whatever the strings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irqlog/text.h"

#include <glib.h>
#include <string.h>

static char buf[IRQLOG_TEXT_MAX];

/* The event of the format page. */
static const IrqlogEvent page_event = {
    .time_ns = 12508130441234, .kind = IRQLOG_HARDWARE,
    .irq = 0x55fe509e8550, .handler = 0x55fe0f323c30,
    .opaque = 0x55fe509e7630, .caller = 0x55fe0f1a4c90, .tid = 41267,
    .path = "/machine/q35/ioapic/unnamed-gpio-in[0]",
};

#define PAGE_EVENT \
    "irq-log: time=12508130441234ns level=0 n=0 kind=hardware\n" \
    "         path=/machine/q35/ioapic/unnamed-gpio-in[0]\n" \
    "         irq=0x55fe509e8550 handler=0x55fe0f323c30 " \
    "opaque=0x55fe509e7630\n" \
    "         host-tid=41267 caller=0x55fe0f1a4c90\n"

static void check(size_t len, const char *wanted)
{
    g_assert_cmpstr(buf, ==, wanted);
    g_assert_cmpuint(len, ==, strlen(wanted));
}

static void test_event(void)
{
    check(irqlog_print_event(buf, &page_event), PAGE_EVENT);
}

static void test_event_all_lines(void)
{
    IrqlogEvent event = page_event;

    event.depth = 1;
    event.n_backtrace = 2;
    event.backtrace[0] = 0x55fe0f1a4d11;
    event.backtrace[1] = 0x55fe0f2b0010;
    event.has_msi = true;
    event.msi_address = 0xfee01000;
    event.msi_data = 0x4031;
    event.requester = "/machine/peripheral/net0";
    check(irqlog_print_event(buf, &event), PAGE_EVENT
          "         depth=1\n"
          "         bt=0x55fe0f1a4d11,0x55fe0f2b0010\n"
          "         msi=0xfee01000 data=0x4031 "
          "requester=/machine/peripheral/net0\n");
}

static void test_event_extremes(void)
{
    IrqlogEvent event = {
        .time_ns = UINT64_MAX, .level = INT32_MIN, .n = INT32_MAX,
        .kind = IRQLOG_MSI, .irq = UINT64_MAX, .depth = UINT32_MAX,
        .tid = UINT32_MAX, .path = "", .has_msi = true,
        .msi_address = UINT64_MAX, .msi_data = UINT32_MAX,
    };

    check(irqlog_print_event(buf, &event),
          "irq-log: time=18446744073709551615ns level=-2147483648 "
          "n=2147483647 kind=msi\n"
          "         path=\n"
          "         irq=0xffffffffffffffff handler=0x0 opaque=0x0\n"
          "         host-tid=4294967295 caller=0x0\n"
          "         depth=4294967295\n"
          "         msi=0xffffffffffffffff data=0xffffffff\n");
}

/* More frames than there is room for are not read. */
static void test_event_too_many_frames(void)
{
    IrqlogEvent event = page_event;

    event.n_backtrace = 1000;
    irqlog_print_event(buf, &event);
    g_assert_true(g_str_has_suffix(buf, "bt=0x0,0x0,0x0,0x0,0x0,0x0,0x0,0x0,"
                                   "0x0,0x0,0x0,0x0,0x0,0x0,0x0,0x0\n"));
}

static void test_run(void)
{
    IrqlogRun run = {
        .format = 1, .pid = 41260, .load_base = 0x55fe0ec00000,
        .monotonic_ns = 12508130441000,
        .realtime_ns = UINT64_C(1795400000000000000),
        .build_id = "6c1f2e", .exe = "/opt/my qemu\n",
    };

    check(irqlog_print_run(buf, &run),
          "irq-log: enabled format=1 pid=41260 exe=/opt/my\\x20qemu\\x0a "
          "load-base=0x55fe0ec00000 build-id=6c1f2e "
          "monotonic-ns=12508130441000 realtime-ns=1795400000000000000\n");
}

static void test_line(void)
{
    IrqlogLineInfo line = {
        .irq = 0x10, .handler = 0x20, .opaque = 0x30, .n = -4,
        .kind = IRQLOG_SOFTWARE, .path = IRQLOG_ANONYMOUS,
    };

    check(irqlog_print_line(buf, &line),
          "irq-log: line irq=0x10 handler=0x20 opaque=0x30 n=-4 "
          "kind=software path=\"(anonymous)\"\n");
    line.driven_by = "/machine/q35/lpc:gsi[4]";
    line.owner = "/machine/\"q35\"";
    check(irqlog_print_line(buf, &line),
          "irq-log: line irq=0x10 handler=0x20 opaque=0x30 n=-4 "
          "kind=software path=\"(anonymous)\" "
          "driven-by=\"/machine/q35/lpc:gsi[4]\" "
          "owner=\"/machine/\\x22q35\\x22\"\n");
    line.driven_by = line.owner = NULL;
    line.device = "edu:a \"b\"";
    irqlog_print_line(buf, &line);
    g_assert_nonnull(strstr(buf, " device=\"edu:a \\x22b\\x22\"\n"));
}

static void test_thread(void)
{
    IrqlogThreadInfo thread = { .tid = 41267, .name = "CPU 0/KVM" };

    check(irqlog_print_thread(buf, &thread),
          "irq-log: thread tid=41267 name=\"CPU 0/KVM\"\n");
    thread.role = "vcpu 0";
    check(irqlog_print_thread(buf, &thread),
          "irq-log: thread tid=41267 role=\"vcpu 0\" name=\"CPU 0/KVM\"\n");
}

static void test_object(void)
{
    IrqlogObjectInfo object = {
        .load_base = 0x7f21a8e00000, .start = 0x7f21a8e00000,
        .end = 0x7f21a8fd0000, .build_id = "5a3c evil=1",
        .file = "/lib/x86_64-linux-gnu/libc.so.6",
    };

    check(irqlog_print_object(buf, &object),
          "irq-log: object load-base=0x7f21a8e00000 start=0x7f21a8e00000 "
          "end=0x7f21a8fd0000 build-id=5a3c "
          "file=\"/lib/x86_64-linux-gnu/libc.so.6\"\n");
}

static void test_counts(void)
{
    check(irqlog_print_lost(buf, 128), "irq-log: lost=128\n");
    check(irqlog_print_disabled(buf, 90211, 128),
          "irq-log: disabled recorded=90211 lost=128\n");
}

typedef struct EscapeCase {
    const char *name;
    const char *path;
    const char *printed;
} EscapeCase;

/* Strings of eight and more take another way than short ones. */
static const EscapeCase escape_cases[] = {
    { "empty",      "",                 "" },
    { "plain",      "/machine",         "/machine" },
    { "space",      "a b",              "a b" },
    { "quote",      "a\"b",             "a\"b" },
    { "backslash",  "a\\b",             "a\\x5cb" },
    { "newline",    "a\nb",             "a\\x0ab" },
    { "del",        "\x7f",             "\\x7f" },
    { "utf-8",      "\xc3\xa9",         "\xc3\xa9" },
    { "utf-8-long", "01234567\xec\x8a\xa4\xeb\xa0\x88\xeb\x93\x9c 12345678",
                    "01234567\xec\x8a\xa4\xeb\xa0\x88\xeb\x93\x9c 12345678" },
    { "high-bytes", "\x80\xff\x80\xff\x80\xff\x80\xff\x80",
                    "\\x80\\xff\\x80\\xff\\x80\\xff\\x80\\xff\\x80" },
    { "c1",         "a\xc2\x9b" "31m",   "a\\xc2\\x9b31m" },
    { "bidi",       "a\xe2\x80\xae" "b", "a\\xe2\\x80\\xaeb" },
    { "long-plain", "0123456789abcdefghi", "0123456789abcdefghi" },
    { "in-the-8th", "0123456\x1f" "89",    "0123456\\x1f89" },
    { "in-the-9th", "01234567\\9abcdefgh", "01234567\\x5c9abcdefgh" },
    { "borders",    "\x1f\x20\x7e\x7f\x80[]^", "\\x1f ~\\x7f\\x80[]^" },
};

static void test_escapes(void)
{
    IrqlogEvent event = page_event;
    char *line;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(escape_cases); i++) {
        event.path = escape_cases[i].path;
        irqlog_print_event(buf, &event);
        line = g_strdup_printf("\n         path=%s\n         irq=",
                               escape_cases[i].printed);
        if (!strstr(buf, line)) {
            g_error("%s: not found in %s", escape_cases[i].name, buf);
        }
        g_free(line);
    }
}

/* Each byte, at each place in a word, alone among plain ones. */
static void test_each_byte(void)
{
    IrqlogEvent event = page_event;
    char path[17];
    char escape[5];
    int c;
    int at;

    event.path = path;
    for (c = 1; c < 256; c++) {
        bool special = c < 0x20 || c >= 0x7f || c == '\\';

        for (at = 0; at < 16; at++) {
            memset(path, 'x', 16);
            path[16] = '\0';
            path[at] = (char)c;
            irqlog_print_event(buf, &event);
            g_snprintf(escape, sizeof(escape), "\\x%02x", c);
            g_assert_cmpint(strstr(buf, escape) != NULL, ==, special);
        }
    }
}

/* Everything as long as can be, all of it escaped, in exactly the room. */
static void test_longest(void)
{
    char *text = g_strnfill(100000, '\n');
    char *exact = g_malloc(IRQLOG_TEXT_MAX);
    IrqlogEvent event = page_event;
    IrqlogLineInfo line = { .path = text, .driven_by = text, .owner = text,
                            .device = text };
    IrqlogThreadInfo thread = { .role = text, .name = text };
    IrqlogObjectInfo object = { .build_id = text, .file = text };
    size_t len;

    event.path = text;
    event.requester = text;
    event.has_msi = true;
    event.n_backtrace = IRQLOG_BACKTRACE_MAX;
    memset(event.backtrace, 0xff, sizeof(event.backtrace));
    g_assert_cmpuint(irqlog_print_event(exact, &event), <, IRQLOG_TEXT_MAX);
    len = irqlog_print_line(exact, &line);
    g_assert_cmpuint(len, >, 3 * 4 * IRQLOG_STRING_MAX);
    g_assert_cmpuint(len, <, IRQLOG_TEXT_MAX);
    g_assert_cmpuint(len, ==, strlen(exact));
    g_assert_cmpuint(irqlog_print_thread(exact, &thread), <, IRQLOG_TEXT_MAX);
    g_assert_cmpuint(irqlog_print_object(exact, &object), <, IRQLOG_TEXT_MAX);
    g_free(exact);
    g_free(text);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/irqlog/text/event", test_event);
    g_test_add_func("/irqlog/text/event-all-lines", test_event_all_lines);
    g_test_add_func("/irqlog/text/event-extremes", test_event_extremes);
    g_test_add_func("/irqlog/text/event-too-many-frames",
                    test_event_too_many_frames);
    g_test_add_func("/irqlog/text/run", test_run);
    g_test_add_func("/irqlog/text/line", test_line);
    g_test_add_func("/irqlog/text/thread", test_thread);
    g_test_add_func("/irqlog/text/object", test_object);
    g_test_add_func("/irqlog/text/counts", test_counts);
    g_test_add_func("/irqlog/text/escapes", test_escapes);
    g_test_add_func("/irqlog/text/each-byte", test_each_byte);
    g_test_add_func("/irqlog/text/longest", test_longest);
    return g_test_run();
}
