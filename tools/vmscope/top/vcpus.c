/*
 * top-vcpus: what each vCPU does, above the table of threads.
 *
 * One line each, with a bar below it where there are rows to spare; side by
 * side, and shorter, where there are more vCPUs than rows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top/page.h"

#include "common/translate.h"
#include "shared/display.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Columns of a bar, and of a vCPU that stands beside others. */
enum { BAR_LEAST = 6, BAR_MOST = 60, CELL_LEAST = 20 };

/* What is said of a vCPU. */
typedef struct Vcpu {
    char busy[16];
    char waited[32];
    char since[32];
    char name[512];
    char ids[48];
    LineStyle style;
} Vcpu;

/* How much of the interval the vCPU had no CPU of the host, in percent. */
static double host_wait(const TraceHost *host)
{
    return (double)host->wait_ns * 100 /
           (double)(host->to_ns - host->from_ns);
}

static void describe(const Top *top, size_t number, Vcpu *cell)
{
    const Shares *shares = &top->feed.shares;
    const ShareVcpu *vcpu = &shares->vcpus[number];
    uint64_t now = shares->end_ns;
    TopRow row = { .thread = &shares->threads[vcpu->thread],
                   .process = top->view.processes };
    const TraceHost *host = top_host(top, number);

    *cell = (Vcpu) { .busy = "     -", .style = LINE_QUIET };
    snprintf(cell->name, sizeof(cell->name), "%s", _("not known"));
    if (host) {
        snprintf(cell->waited, sizeof(cell->waited), _("  host-wait %4.1f%%"),
                 host_wait(host));
    }
    if (!vcpu->known) {
        return;
    }
    top_time(now > vcpu->since_ns ? now - vcpu->since_ns : 0, cell->since,
             sizeof(cell->since));
    snprintf(cell->name, sizeof(cell->name), "%s", _("idle"));
    if (!row.thread->idle) {
        cell->style = LINE_RUNNING;
        top_row_name(top, &row, cell->name, sizeof(cell->name));
        if (row.thread->has_ids) {
            snprintf(cell->ids, sizeof(cell->ids),
                     " (%" PRIu32 "/%" PRIu32 ")", row.thread->pid,
                     row.thread->tid);
        }
    }
    if (vcpu->unknown_ns) {
        snprintf(cell->busy, sizeof(cell->busy), "     ?");
    } else {
        snprintf(cell->busy, sizeof(cell->busy), "%5.1f%%",
                 top_percent(top, vcpu->busy_ns));
    }
}

/* One line; the name gives way, so that the ids behind it stay. */
static void put_vcpu(const Top *top, Page *page, size_t number)
{
    char name[DISPLAY_ROOM(PAGE_COLUMNS_MAX)];
    char before[128];
    Vcpu cell;
    size_t used;

    describe(top, number, &cell);
    if (!*cell.since) {
        page_line(page, cell.style, "cpu%-3zu %s%s  %s", number, cell.busy,
                  page->columns >= 60 ? cell.waited : "", cell.name);
        return;
    }
    snprintf(before, sizeof(before), _("cpu%-3zu %s%s  for %-9s "), number,
             cell.busy, page->columns >= 60 ? cell.waited : "", cell.since);
    used = display_width(before) + display_width(cell.ids);
    if (page->columns > used + 8) {
        display_fit(name, cell.name, page->columns - (unsigned)used);
    } else {
        display_fit(name, cell.name, PAGE_COLUMNS_MAX);
    }
    page_line(page, cell.style, "%s%s%s", before, name, cell.ids);
}

/* Bars. */

static size_t fill(char *bar, size_t n, size_t size, double until, char mark)
{
    while (n < size && (double)n + 0.5 < until * (double)size / 100) {
        bar[n++] = mark;
    }
    return n;
}

/* From here on there is room for how far the samples are apart. */
enum { APART_COLUMNS = 100 };

/* Columns of a bar before @text. */
static size_t bar_size(const Page *page, const char *text)
{
    size_t used = display_width(text) + 5;
    size_t left = page->columns > used ? page->columns - used : 0;

    left = left > BAR_MOST ? BAR_MOST : left;
    left = !page->height && left > 20 ? 20 : left;
    return left < BAR_LEAST ? BAR_LEAST : left;
}

/* Where its time went by Windows' own account. */
static void put_ticks(Page *page, const CpuTime *time)
{
    static const char marks[] = "#=DI.";
    char bar[BAR_MOST + 1];
    char text[128];
    double until = 0;
    size_t size;
    size_t n;
    unsigned i;

    snprintf(text, sizeof(text), _("user %.0f%% kernel %.0f%% DPC %.0f%% "
                                   "interrupt %.0f%% idle %.0f%%"),
             cpu_time_percent(time, CPU_TICK_USER),
             cpu_time_percent(time, CPU_TICK_KERNEL),
             cpu_time_percent(time, CPU_TICK_DPC),
             cpu_time_percent(time, CPU_TICK_INTERRUPT),
             cpu_time_percent(time, CPU_TICK_IDLE));
    if (time->has_samples && page->columns >= APART_COLUMNS) {
        n = strlen(text);
        snprintf(text + n, sizeof(text) - n, _("  samples %.0f%% apart"),
                 cpu_time_apart(time));
    }
    n = 0;
    size = bar_size(page, text);
    for (i = 0; i < CPU_TICKS; i++) {
        until += cpu_time_percent(time, i);
        n = fill(bar, n, size, until, marks[i]);
    }
    bar[n] = '\0';
    page_line(page, LINE_QUIET, "  [%-*s] %s", (int)size, bar, text);
}

/* Without those figures: busy and idle, and what of it the host withheld. */
static void put_busy(const Top *top, Page *page, size_t number)
{
    const ShareVcpu *vcpu = &top->feed.shares.vcpus[number];
    const TraceHost *host = top_host(top, number);
    double busy = top_percent(top, vcpu->busy_ns);
    double idle = top_percent(top, vcpu->idle_ns);
    double wait = host ? host_wait(host) : 0;
    char waited[32] = "";
    char bar[BAR_MOST + 1];
    char text[128];
    size_t size;
    size_t n;

    wait = wait > busy ? busy : wait;
    if (host) {
        snprintf(waited, sizeof(waited), _(" of which host-wait %.0f%%"),
                 wait);
    }
    snprintf(text, sizeof(text), _("busy %.0f%%%s idle %.0f%%"), busy, waited,
             idle);
    size = bar_size(page, text);
    n = fill(bar, 0, size, busy - wait, '|');
    n = fill(bar, n, size, busy, 'w');
    n = fill(bar, n, size, busy + idle, '.');
    bar[n] = '\0';
    page_line(page, LINE_QUIET, "  [%-*s] %s", (int)size, bar, text);
}

/* @all: also where nothing but busy and idle is known. */
static void put_bar(const Top *top, Page *page, size_t number, bool all)
{
    const CpuTime *time = cpu_times_of(&top->times, number);

    if (time) {
        put_ticks(page, time);
    } else if (all && top->feed.shares.vcpus[number].known) {
        put_busy(top, page, number);
    }
}

/* Side by side. */

static void put_cells(const Top *top, Page *page, const size_t *numbers,
                      size_t n, unsigned width)
{
    char fitting[DISPLAY_ROOM(PAGE_COLUMNS_MAX)];
    char text[640];
    char line[LINE_MAX_BYTES] = "";
    size_t used = 0;
    Vcpu cell;
    size_t i;

    for (i = 0; i < n; i++) {
        describe(top, numbers[i], &cell);
        snprintf(text, sizeof(text), "cpu%-3zu %s %s", numbers[i], cell.busy,
                 cell.name);
        display_pad(fitting, text, width - 1);
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%s",
                                 i ? " " : "", fitting);
        if (used >= sizeof(line)) {
            break;
        }
    }
    page_line(page, LINE_RUNNING, "%s", line);
}

/* Down the columns, as one reads them. */
static void put_beside(const Top *top, Page *page, const size_t *seen,
                       size_t n, size_t most)
{
    size_t widest = page->columns / CELL_LEAST;
    size_t columns = (n + most - 1) / most;
    size_t numbers[PAGE_COLUMNS_MAX / CELL_LEAST];
    size_t lines = most;
    size_t shown = n;
    size_t line;
    size_t k;

    if (columns > widest) {
        columns = widest;
        lines = most > 1 ? most - 1 : 1;
        shown = lines * columns;
    }
    for (line = 0; line < lines; line++) {
        for (k = 0; k < columns && line + k * lines < shown; k++) {
            numbers[k] = seen[line + k * lines];
        }
        put_cells(top, page, numbers, k, page->columns / (unsigned)columns);
    }
    if (shown < n) {
        page_line(page, LINE_QUIET, _("and %zu more vCPUs"), n - shown);
    }
}

/* Those that were seen at all. */
static size_t list_seen(const Shares *shares, size_t *seen)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < shares->n_vcpus && n < SCHED_VCPUS_MAX; i++) {
        if (shares->vcpus[i].seen) {
            seen[n++] = i;
        }
    }
    return n;
}

void top_put_vcpus(const Top *top, Page *page, size_t spare)
{
    static size_t seen[SCHED_VCPUS_MAX];
    size_t n = list_seen(&top->feed.shares, seen);
    size_t quarter = page->height / 4;
    size_t most = !page->height ? n : spare > quarter ? spare : quarter;
    bool bars = !page->height || 2 * n <= most;
    size_t i;

    if (n > most && most && page->columns >= 2 * CELL_LEAST) {
        put_beside(top, page, seen, n, most);
        return;
    }
    for (i = 0; i < n && i < most; i++) {
        put_vcpu(top, page, seen[i]);
        if (bars) {
            put_bar(top, page, seen[i], page->height != 0);
        }
    }
    if (n > most && most) {
        page_line(page, LINE_QUIET, _("and %zu more vCPUs"), n - most);
    }
}
