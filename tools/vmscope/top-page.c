/*
 * top-page: see top-page.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top-page.h"

#include "display.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a line before it is cut. */
enum { LINE_MAX_BYTES = 2048 };

/* Lines. */

void page_begin(Page *page, unsigned columns, unsigned height)
{
    size_t i;

    for (i = 0; i < page->n; i++) {
        free(page->lines[i].text);
    }
    page->n = 0;
    page->columns = columns < 1 ? 1 :
                    columns > PAGE_COLUMNS_MAX ? PAGE_COLUMNS_MAX : columns;
    page->height = height;
}

void page_release(Page *page)
{
    page_begin(page, 1, 1);
    free(page->lines);
    page->lines = NULL;
    page->room = 0;
}

void page_line(Page *page, LineStyle style, const char *fmt, ...)
{
    char whole[LINE_MAX_BYTES];
    char fitting[DISPLAY_ROOM(PAGE_COLUMNS_MAX)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(whole, sizeof(whole), fmt, ap);
    va_end(ap);
    display_fit(fitting, whole, page->columns);
    page->lines = grow(page->lines, page->n, &page->room,
                       sizeof(*page->lines));
    page->lines[page->n++] = (PageLine) { style, keep(fitting) };
}

/* Lines that are still free, of those a page has room for. */
static size_t free_lines(const Page *page)
{
    return page->height > page->n ? page->height - page->n : 0;
}

void top_time(uint64_t ns, char *text, size_t size)
{
    double value = (double)ns;

    if (ns < 1000000) {
        snprintf(text, size, "%.0f us", value / 1e3);
    } else if (ns < 1000000000) {
        snprintf(text, size, "%.1f ms", value / 1e6);
    } else if (ns < 100000000000) {
        snprintf(text, size, "%.1f s", value / 1e9);
    } else {
        snprintf(text, size, "%" PRIu64 " m %02" PRIu64 " s",
                 ns / 60000000000, ns / 1000000000 % 60);
    }
}

/* Head. */

static void put_title(const Top *top, Page *page)
{
    const json_t *status = top->feed.status;
    uint64_t build = qmp_uint(status, "windows-build", 0);
    char windows[64] = "";

    if (build) {
        snprintf(windows, sizeof(windows), "  Windows build %" PRIu64, build);
    }
    page_line(page, LINE_TITLE, "vmscope: %s  %s%s  %s %" PRIu64 " Hz",
              top->name, sched_feed_state(&top->feed), windows,
              qmp_bool(status, "exact", false) ? "exact, poll" : "poll",
              qmp_uint(status, "poll-hz", 0));
}

static void put_figures(const Top *top, Page *page)
{
    const Shares *shares = &top->feed.shares;
    uint64_t busy = shares_busy_ns(shares);
    uint64_t idle = shares_idle_ns(shares);
    double whole = busy + idle ? (double)(busy + idle) : 1;
    bool narrow = page->columns < 72;
    LineStyle style = shares->lost || top->feed.behind ? LINE_ALARM
                                                       : LINE_PLAIN;
    char missed[32] = "?";
    char share[64];

    if (shares->counts_missed) {
        snprintf(missed, sizeof(missed), "%" PRIu64, shares->missed);
    }
    snprintf(share, sizeof(share), "busy %.1f%%  idle %.1f%%  switches/s ",
             (double)busy * 100 / whole, (double)idle * 100 / whole);
    page_line(page, style, "%s%.0f  missed %s  lost %" PRIu64 "%s",
              narrow ? "sw/s " : share, top_rate(top, shares->switches),
              missed, shares->lost,
              top->feed.behind ? "  (behind)" : "");
}

static void put_reason(const Top *top, Page *page)
{
    const char *reason = qmp_text(top->feed.status, "reason", "");

    if (*reason) {
        page_line(page, LINE_ALARM, "%s", reason);
    }
}

/* vCPUs. */

static void put_vcpu(const Top *top, Page *page, size_t number)
{
    const Shares *shares = &top->feed.shares;
    const ShareVcpu *vcpu = &shares->vcpus[number];
    uint64_t now = shares->end_ns;
    TopRow row = { .thread = &shares->threads[vcpu->thread] };
    char since[32];
    char name[512] = "idle";
    char ids[48] = "";

    if (!vcpu->known) {
        page_line(page, LINE_QUIET, "cpu%-3zu      -  not known", number);
        return;
    }
    top_time(now > vcpu->since_ns ? now - vcpu->since_ns : 0, since,
             sizeof(since));
    if (!row.thread->idle) {
        top_row_name(top, &row, name, sizeof(name));
        if (row.thread->has_ids) {
            snprintf(ids, sizeof(ids), " (%" PRIu32 "/%" PRIu32 ")",
                     row.thread->pid, row.thread->tid);
        }
    }
    page_line(page, row.thread->idle ? LINE_QUIET : LINE_RUNNING,
              "cpu%-3zu %5.1f%%  for %-9s %s%s", number,
              top_percent(top, vcpu->busy_ns), since, name, ids);
}

static void put_vcpus(const Top *top, Page *page)
{
    const Shares *shares = &top->feed.shares;
    size_t most = page->height ? page->height / 4 : shares->n_vcpus;
    size_t shown = 0;
    size_t left = 0;
    size_t i;

    for (i = 0; i < shares->n_vcpus; i++) {
        if (!shares->vcpus[i].seen) {
            continue;
        }
        if (shown < most) {
            put_vcpu(top, page, i);
            shown++;
        } else {
            left++;
        }
    }
    if (left && most) {
        page_line(page, LINE_QUIET, "and %zu more vCPUs", left);
    }
}

/* Tables. */

/* Which columns there is room for. */
typedef struct Columns {
    bool tid;
    bool rate;
    bool priority;
    bool state;
} Columns;

static Columns choose_columns(const Top *top, unsigned width)
{
    bool processes = top->view.processes;

    return (Columns) {
        .tid = width >= 36,
        .rate = width >= 46,
        .priority = !processes && width >= 56,
        .state = !processes && width >= 72,
    };
}

static void put_heads(const Top *top, Page *page, const Columns *columns)
{
    const TopView *view = &top->view;
    char heads[128] = "";

    snprintf(heads, sizeof(heads), "%6s%s%s%s %6s%s %s", "PID",
             !columns->tid ? "" : view->processes ? " THREAD" : "    TID",
             columns->priority ? " PRI" : "",
             columns->state ? " STATE           " : "", "%CPU",
             columns->rate ? "    SW/S" : "",
             view->processes ? "PROCESS" : "THREAD");
    page_line(page, LINE_COLUMNS, "%s", heads);
}

/* The id of a thread, or how many threads a process has. */
static void format_second(const Top *top, const TopRow *row, char *cell,
                          size_t size)
{
    if (top->view.processes) {
        snprintf(cell, size, " %6zu", row->n_threads);
    } else if (row->thread->has_ids) {
        snprintf(cell, size, " %6" PRIu32, row->thread->tid);
    } else {
        snprintf(cell, size, " %6s", "-");
    }
}

/* Cells of a row; what there is no room for stays empty. */
typedef struct Cells {
    char pid[16];
    char second[16];
    char priority[16];
    char state[DISPLAY_ROOM(16) + 1];
    char rate[32];
} Cells;

static void format_cells(const Top *top, const Columns *columns,
                         const TopRow *row, Cells *cells)
{
    const ShareThread *thread = row->thread;
    char state[64];

    memset(cells, 0, sizeof(*cells));
    snprintf(cells->pid, sizeof(cells->pid), thread->has_ids ? "%" PRIu32
             : "-", thread->pid);
    if (columns->tid) {
        format_second(top, row, cells->second, sizeof(cells->second));
    }
    if (columns->priority && thread->has_priority) {
        snprintf(cells->priority, sizeof(cells->priority), " %3d",
                 thread->priority);
    } else if (columns->priority) {
        strcpy(cells->priority, "   -");
    }
    if (columns->state) {
        top_row_state(row, state, sizeof(state));
        cells->state[0] = ' ';
        display_pad(cells->state + 1, state, 16);
    }
    if (columns->rate) {
        snprintf(cells->rate, sizeof(cells->rate), " %7.0f",
                 top_rate(top, row->switches));
    }
}

static void put_row(const Top *top, Page *page, const Columns *columns,
                    const TopRow *row)
{
    bool running = row->thread->vcpu >= 0 && !top->view.processes;
    char name[512];
    Cells cells;

    format_cells(top, columns, row, &cells);
    top_row_name(top, row, name, sizeof(name));
    page_line(page, running ? LINE_RUNNING : LINE_PLAIN,
              "%6s%s%s%s %6.1f%s %s", cells.pid, cells.second,
              cells.priority, cells.state, top_percent(top, row->run_ns),
              cells.rate, name);
}

static void put_rows(Top *top, Page *page, size_t room)
{
    Columns columns = choose_columns(top, page->columns);
    const TopRows *rows = &top->rows;
    size_t i;

    put_heads(top, page, &columns);
    if (!rows->n && room) {
        page_line(page, LINE_QUIET, "%s", !top->looked ? "looking ..." :
                  *top->view.filter ? "nothing that matches" :
                  "no thread ran that was seen");
        return;
    }
    for (i = 0; i < room && top->view.scroll + i < rows->n; i++) {
        put_row(top, page, &columns, &rows->rows[top->view.scroll + i]);
    }
}

/* Interrupts. */

static void put_irq(const Top *top, Page *page, const IrqRate *line)
{
    unsigned used = 24;
    unsigned room = page->columns > used ? page->columns - used : 1;
    const char *name = line->name;
    size_t len = strlen(name);
    bool cut = len > room;

    /* The end of a path says more than its beginning. */
    page_line(page, LINE_PLAIN, "%8.0f %-8s %5" PRId32 " %s%s",
              top_irq_rate(top, line->events), irqlog_kind_name(line->kind),
              line->n, cut ? "~" : "",
              cut ? name + (len - room + 1) : name);
}

static void put_irqs(const Top *top, Page *page, size_t room)
{
    const IrqRateList *lines = &top->rates.lines;
    size_t i;

    if (!top->irq_known || !top->irq_on) {
        page_line(page, LINE_COLUMNS, "interrupts: the IRQ log is %s",
                  top->irq_known ? "off" : "not in this QEMU");
        return;
    }
    page_line(page, LINE_COLUMNS, "%8s %-8s %5s %s", "IRQ/S", "KIND", "LINE",
              top->irq_whole ? "PATH" : "PATH  (rates of a sample)");
    if (!lines->n && room) {
        page_line(page, LINE_QUIET, "%s", top->looked
                  ? "no interrupt in this interval" : "looking ...");
    }
    for (i = 0; i < room && i < lines->n; i++) {
        put_irq(top, page, &lines->rates[i]);
    }
}

/* The page. */

static void put_head(const Top *top, Page *page)
{
    bool small = page->height && page->height < 8;

    put_title(top, page);
    if (!small) {
        put_figures(top, page);
        put_reason(top, page);
        put_vcpus(top, page);
    }
}

static void correct_scroll(Top *top, size_t room)
{
    size_t n = top->rows.n;
    size_t most = n > room ? n - room : 0;

    if (top->view.scroll > most) {
        top->view.scroll = most;
    }
}

/* Lines for interrupts, their head included, of @room that there are. */
static size_t irq_room(const Top *top, size_t room)
{
    size_t lines = top->rates.lines.n;
    size_t wanted = top->irq_on ? 1 + (lines ? lines : 1) : 1;
    size_t most = room / 2;

    if (!top->view.irq) {
        return 0;
    }
    return wanted < most ? wanted : most;
}

void top_page(Top *top, Page *page)
{
    size_t limit = top->opt.limit ? top->opt.limit : SIZE_MAX - 1;
    size_t room;
    size_t irqs;

    put_head(top, page);
    if (!page->height) {
        put_rows(top, page, limit);
        if (top->view.irq) {
            put_irqs(top, page, limit);
        }
        return;
    }
    room = free_lines(page);
    irqs = irq_room(top, room);
    room = room > irqs + 1 ? room - irqs - 1 : 0;
    correct_scroll(top, room);
    put_rows(top, page, room);
    while (irqs && free_lines(page) > irqs) {
        page_line(page, LINE_PLAIN, "%s", "");
    }
    if (irqs) {
        put_irqs(top, page, irqs - 1);
    }
}

void top_help_page(Page *page)
{
    static const char *const lines[] = {
        "c s p n    sort by CPU, switches, pid, name; r turns it round",
        "t          threads or processes",
        "i          interrupt lines",
        "/          show what has this in its name or ids; empty: all",
        "d          time between two looks: 2s, 500ms",
        "space      stand still, go on",
        "arrows     scroll; page up, page down, home, end",
        "q          quit",
        "",
        "%CPU is of one vCPU.  missed: switches nobody saw, by Windows' own",
        "count, ? until that is known.  lost: seen by QEMU, overwritten before",
        "we could read them.",
        "STATE: where it runs, or why it stopped running.",
    };
    size_t i;

    page_line(page, LINE_TITLE, "vmscope top: keys");
    for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        page_line(page, LINE_PLAIN, "%s", lines[i]);
    }
}
