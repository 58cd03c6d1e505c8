/*
 * top-page: see top-page.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top/page.h"

#include "common/translate.h"
#include "shared/display.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines. */

void page_begin(Page *page, unsigned columns, unsigned height)
{
    size_t i;

    for (i = 0; i < page->n; i++) {
        free(page->lines[i].text);
    }
    page->n = 0;
    page->heads = SIZE_MAX;
    page->n_rows = 0;
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
    page->lines[page->n++] = (PageLine) { style, false, keep(fitting) };
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
    uint64_t hz = qmp_uint(status, "poll-hz", 0);
    char windows[64] = "";
    char rate[32];

    if (build) {
        snprintf(windows, sizeof(windows), _("  Windows build %" PRIu64),
                 build);
    }
    snprintf(rate, sizeof(rate), "%" PRIu64 " Hz", hz);
    page_line(page, LINE_TITLE, "vmscope: %s%s  %s%s  %s %s",
              top->name, qmp_is_attached(top->qmp) ? _(" (from outside)") : "",
              sched_feed_state(&top->feed), windows,
              qmp_bool(status, "exact", false) ? _("exact, poll") : _("poll"),
              hz == OPTIONS_RATE_MAX ?
              qmp_text(status, "dense", "dense") : rate);
}

/* What there is room for; how much is lost always is. */
static void put_figures(const Top *top, Page *page)
{
    const Shares *shares = &top->feed.shares;
    uint64_t busy = shares_busy_ns(shares);
    uint64_t idle = shares_idle_ns(shares);
    uint64_t unknown = shares_unknown_ns(shares);
    double whole = busy + idle + unknown ?
                   (double)(busy + idle + unknown) : 1;
    LineStyle style = shares->lost || top->feed.behind ? LINE_ALARM
                                                       : LINE_PLAIN;
    char missed[32] = "?";
    char rest[64] = "";

    if (shares->counts_missed) {
        snprintf(missed, sizeof(missed), "%" PRIu64, shares->missed);
    }
    if (page->columns >= 52) {
        snprintf(rest, sizeof(rest), "%s %.1f%%  ",
                 unknown ? _("unknown") : _("idle"),
                 (double)(unknown ? unknown : idle) * 100 / whole);
    }
    page_line(page, style, _("busy %.1f%%  %s%s %.0f  missed %s  lost %" PRIu64
                             "%s"), (double)busy * 100 / whole, rest,
              page->columns < 72 ? _("sw/s") : _("switches/s"),
              top_rate(top, shares->switches), missed, shares->lost,
              top->feed.behind ? _("  (behind)") : "");
}

static void put_reason(const Top *top, Page *page)
{
    const char *reason = qmp_text(top->feed.status, "reason", "");

    if (*reason) {
        page_line(page, LINE_ALARM, "%s", reason);
    }
}

/* Tables. */

/* Which columns there is room for. */
typedef struct Columns {
    bool tid;
    bool rate;
    bool priority;
    bool state;
    bool ticks;                 /* user and kernel, by Windows */
} Columns;

/* Of any row, by Windows' own account. */
static bool has_ticks(const Top *top)
{
    size_t i;

    for (i = 0; i < top->rows.n; i++) {
        if (top->rows.rows[i].n_timed) {
            return top->used.tick_ns;
        }
    }
    return false;
}

static Columns choose_columns(const Top *top, unsigned width)
{
    bool processes = top->view.processes;

    return (Columns) {
        .tid = width >= 36,
        .rate = width >= 46,
        .priority = !processes && width >= 56,
        .state = !processes && width >= 72,
        .ticks = width >= 88 && has_ticks(top),
    };
}

/* A head, with a mark where the table is sorted by it. */
static const char *head(const Top *top, TopSort sort, const char *name,
                        char *text, size_t size)
{
    const TopView *view = &top->view;
    bool falls = (sort == TOP_CPU || sort == TOP_SWITCHES) != view->reverse;
    bool marked = view->select && view->sort == sort;

    snprintf(text, size, "%s%s", name, !marked ? "" : falls ? "v" : "^");
    return text;
}

static void put_heads(const Top *top, Page *page, const Columns *columns)
{
    bool processes = top->view.processes;
    char pid[16];
    char cpu[16];
    char rate[16] = "";
    char name[16];

    head(top, TOP_PID, "PID", pid, sizeof(pid));
    head(top, TOP_CPU, "%CPU", cpu, sizeof(cpu));
    head(top, TOP_NAME, processes ? _("PROCESS") : _("THREAD"), name,
         sizeof(name));
    if (columns->rate) {
        head(top, TOP_SWITCHES, "SW/S", rate, sizeof(rate));
    }
    page->heads = page->n;
    page_line(page, LINE_COLUMNS, "%6s%s%s%s %6s%s%s%*s %s", pid,
              !columns->tid ? "" : processes ? _(" THREAD") : "    TID",
              columns->priority ? " PRI" : "",
              columns->state ? _(" STATE           ") : "", cpu,
              columns->ticks ? _("  USER  KERN") : "",
              columns->rate ? " " : "", columns->rate ? 7 : 0, rate, name);
}

/* The word of a line that stands at a column; "" where there is none. */
static void word_at(const char *text, size_t column, char *word, size_t size)
{
    char whole[LINE_MAX_BYTES];
    char *rest = whole;
    char *one;

    snprintf(whole, sizeof(whole), "%s", text);
    *word = '\0';
    while ((one = strtok_r(rest, " ", &rest))) {
        char before[LINE_MAX_BYTES];
        size_t begin = (size_t)(one - whole);

        snprintf(before, sizeof(before), "%.*s", (int)begin, text);
        begin = display_width(before);
        if (column >= begin && column < begin + display_width(one)) {
            snprintf(word, size, "%s", one);
            return;
        }
    }
}

bool top_head_at(const char *text, size_t column, TopSort *sort)
{
    const struct {
        const char *name;
        TopSort sort;
    } heads[] = {
        { "PID", TOP_PID }, { "%CPU", TOP_CPU }, { "SW/S", TOP_SWITCHES },
        { _("THREAD"), TOP_NAME }, { _("PROCESS"), TOP_NAME },
    };
    char word[64];
    size_t i;

    word_at(text, column, word, sizeof(word));
    for (i = 0; *word && i < sizeof(heads) / sizeof(*heads); i++) {
        if (!strncmp(word, heads[i].name, strlen(heads[i].name))) {
            *sort = heads[i].sort;
            return true;
        }
    }
    return false;
}

/* The id of a thread, or how many threads a process has. */
static void format_second(const Top *top, const TopRow *row, char *cell,
                          size_t size)
{
    if (row->process && top->view.tree) {
        snprintf(cell, size, " %6s", "");
    } else if (row->process) {
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
    char ticks[32];
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
    if (columns->priority && row->process) {
        strcpy(cells->priority, "    ");
    } else if (columns->priority && thread->has_priority) {
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
    if (columns->ticks && row->n_timed) {
        snprintf(cells->ticks, sizeof(cells->ticks), " %5.1f %5.1f",
                 top_ticks_percent(top, row->user_ticks),
                 top_ticks_percent(top, row->kernel_ticks));
    } else if (columns->ticks) {
        strcpy(cells->ticks, "     -     -");
    }
    if (columns->rate) {
        snprintf(cells->rate, sizeof(cells->rate), " %7.0f",
                 top_rate(top, row->switches));
    }
}

/* In the tree processes have a mark, and threads stand to the right. */
static void format_name(const Top *top, const TopRow *row, char *name,
                        size_t size)
{
    char plain[512];

    if (!top->view.tree) {
        top_row_name(top, row, name, size);
        return;
    }
    if (row->process) {
        top_row_name(top, row, plain, sizeof(plain));
        snprintf(name, size, "%s %s (%zu)", top_is_folded(top, row) ? "+"
                 : "-", plain, row->n_threads);
    } else if (*row->thread->name) {
        snprintf(name, size, "    %s", row->thread->name);
    } else {
        top_row_name(top, row, plain, sizeof(plain));
        snprintf(name, size, "    %s", plain);
    }
}

static void put_row(const Top *top, Page *page, const Columns *columns,
                    const TopRow *row)
{
    bool running = row->thread->vcpu >= 0 && !row->process;
    char name[600];
    Cells cells;

    format_cells(top, columns, row, &cells);
    format_name(top, row, name, sizeof(name));
    page_line(page, running ? LINE_RUNNING : LINE_PLAIN,
              "%6s%s%s%s %6.1f%s%s %s", cells.pid, cells.second,
              cells.priority, cells.state, top_percent(top, row->run_ns),
              cells.ticks, cells.rate, name);
}

static void put_rows(Top *top, Page *page, size_t room)
{
    Columns columns = choose_columns(top, page->columns);
    const TopRows *rows = &top->rows;
    const TopView *view = &top->view;
    size_t at;

    put_heads(top, page, &columns);
    if (!rows->n && room) {
        page_line(page, LINE_QUIET, "%s", !top->looked ? _("looking ...") :
                  *view->filter ? _("nothing that matches") :
                  _("no thread ran that was seen"));
        return;
    }
    for (at = view->scroll; at < rows->n && page->n_rows < room; at++) {
        put_row(top, page, &columns, &rows->rows[at]);
        page->lines[page->n - 1].selected = view->select &&
                                            at == view->selected;
        page->n_rows++;
    }
}

/* Interrupts. */

static void put_irq(const Top *top, Page *page, const IrqRate *line)
{
    char inner[IRQ_RATE_INNER];

    page_line(page, LINE_PLAIN, "%8.0f %6s %-8s %s",
              top_irq_rate(top, line->events), irq_rate_inner(line, inner),
              irqlog_kind_name(line->kind), line->label);
}

static void put_irqs(const Top *top, Page *page, size_t room)
{
    const IrqRateList *lines = &top->rates.lines;
    size_t i;

    if (!top->irq_known || !top->irq_on) {
        page_line(page, LINE_COLUMNS, "%s", top->irq_known
                  ? _("interrupts: the IRQ log is off")
                  : _("interrupts: the IRQ log is not in this QEMU"));
        return;
    }
    page_line(page, LINE_COLUMNS, "%s%s", _("   IRQ/S INSIDE KIND     DEVICE"),
              top->irq_whole ? "" : _("  (rates of a sample)"));
    if (!lines->n && room) {
        page_line(page, LINE_QUIET, "%s", top->looked
                  ? _("no interrupt in this interval") : _("looking ..."));
    }
    for (i = 0; i < room && i < lines->n; i++) {
        put_irq(top, page, &lines->rates[i]);
    }
}

/* The page. */

/* The marked row is in sight. */
static void correct_scroll(Top *top, size_t room)
{
    TopView *view = &top->view;
    size_t n = top->rows.n;
    size_t most = n > room ? n - room : 0;

    view->visible = room;
    if (view->select && room && view->selected < n) {
        if (view->scroll > view->selected) {
            view->scroll = view->selected;
        } else if (view->selected - view->scroll >= room) {
            view->scroll = view->selected - room + 1;
        }
    }
    if (view->scroll > most) {
        view->scroll = most;
    }
}

/* Lines that interrupts would fill, their head included. */
static size_t irq_lines(const Top *top)
{
    size_t lines = top->rates.lines.n;

    if (!top->view.irq) {
        return 0;
    }
    return top->irq_on ? 1 + (lines ? lines : 1) : 1;
}

static void put_head(const Top *top, Page *page)
{
    size_t below = 1 + (top->view.rows_lately ? top->view.rows_lately : 1) +
                   irq_lines(top);
    size_t left;

    put_title(top, page);
    if (page->height && page->height < 8) {
        return;
    }
    put_figures(top, page);
    put_reason(top, page);
    left = free_lines(page);
    top_put_vcpus(top, page, left > below ? left - below : 0);
}

void top_page(Top *top, Page *page)
{
    size_t limit = top->opt.limit ? top->opt.limit : SIZE_MAX - 1;
    size_t wanted = irq_lines(top);
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
    irqs = wanted < room / 2 ? wanted : room / 2;
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
        N_("c s p n    sort by CPU, switches, pid, name; r reverses the order"),
        N_("t          threads, then a tree by process, then processes"),
        N_("arrows     choose a row; page up, page down, home (first), end"),
        N_("enter      a thread: its runs and waits; a process: fold, unfold"),
        N_("mouse      click: choose, again: enter; a head: sort; wheel"),
        N_("i          interrupt lines; offers to turn the IRQ log on"),
        N_("/          show what has this in its name or ids; empty: all"),
        N_("d          time between two updates: 2s, 500ms"),
        N_("space      pause, resume"),
        N_("q          quit"),
        "",
        N_("%CPU is of one vCPU.  missed: switches that were not seen, by"),
        N_("Windows' own count, ? until that is known.  lost: seen by QEMU,"),
        N_("overwritten before we could read them."),
        N_("Bars of Windows' ticks: # user = kernel D DPC I interrupt . idle;"),
        N_("without those: | busy w host-wait . idle."),
        N_("STATE: where it runs, or why it stopped running."),
        N_("USER, KERN: %CPU by Windows' own ticks of threads; -: not known."),
        N_("host-wait: the host had no CPU for that vCPU; counts as %CPU of"),
        N_("whoever ran there."),
    };
    size_t i;

    page_line(page, LINE_TITLE, "%s", _("vmscope top: keys"));
    for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        page_line(page, LINE_PLAIN, "%s",
                  *lines[i] ? _(lines[i]) : "");
    }
}
