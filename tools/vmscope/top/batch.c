/*
 * top-batch: the intervals of vmscope top, printed one after the other.
 *
 * As text, or as one JSON object each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "commands.h"
#include "common/jsonout.h"
#include "common/message.h"
#include "common/stop.h"
#include "source/qmp-dump.h"
#include "source/qmp-wait.h"
#include "top/page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Columns of text where nobody says how many. */
enum { TEXT_COLUMNS = 120 };

static Out out;

static unsigned text_columns(void)
{
    const char *given = getenv("COLUMNS");
    unsigned long n = given ? strtoul(given, NULL, 10) : 0;

    return n >= 20 && n <= PAGE_COLUMNS_MAX ? (unsigned)n : TEXT_COLUMNS;
}

static void print_time(void)
{
    time_t now = time(NULL);
    struct tm parts;
    char text[32];

    if (localtime_r(&now, &parts) &&
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts)) {
        out_printf(&out, "-- %s\n", text);
    }
}

static void print_text(Top *top)
{
    static Page page;
    size_t i;

    page_begin(&page, text_columns(), 0);
    top_page(top, &page);
    print_time();
    for (i = 0; i < page.n; i++) {
        out_text(&out, page.lines[i].text);
        out_char(&out, '\n');
    }
    out_char(&out, '\n');
    page_release(&page);
}

/* JSON. */

static void write_image(JsonOut *json, const ShareThread *thread)
{
    jsonout_text(json, "process-image", thread->image);
    if (*thread->image_hex) {
        jsonout_text(json, "process-image-bytes", thread->image_hex);
    }
}

static void write_ids(JsonOut *json, const ShareThread *thread)
{
    if (thread->has_ids) {
        jsonout_uint(json, "unique-process-id", thread->pid);
        jsonout_uint(json, "unique-thread-id", thread->tid);
    }
    write_image(json, thread);
    jsonout_text(json, "thread-name", thread->name);
}

/* Where its time went by Windows' own account, in ticks. */
static void write_ticks(const Top *top, JsonOut *json, size_t number)
{
    const CpuTime *time = cpu_times_of(&top->times, number);
    unsigned i;

    if (!time) {
        return;
    }
    jsonout_begin(json, "windows-ticks", '{');
    for (i = 0; i < CPU_TICKS; i++) {
        jsonout_uint(json, cpu_tick_name(i), time->ticks[i]);
    }
    jsonout_end(json, '}');
    jsonout_uint(json, "windows-interrupts", time->interrupts);
    jsonout_uint(json, "windows-dpcs", time->dpcs);
    if (time->has_samples) {
        jsonout_begin(json, "windows-samples", '{');
        for (i = 0; i < CPU_SAMPLES; i++) {
            jsonout_uint(json, cpu_sample_name(i), time->samples[i]);
        }
        jsonout_end(json, '}');
        jsonout_real(json, "windows-samples-apart", cpu_time_apart(time));
    }
}

static void write_vcpu(const Top *top, JsonOut *json, size_t number)
{
    const Shares *shares = &top->feed.shares;
    const TraceHost *host = top_host(top, number);
    const ShareVcpu *vcpu = &shares->vcpus[number];
    const ShareThread *thread = &shares->threads[vcpu->thread];

    jsonout_begin(json, NULL, '{');
    jsonout_uint(json, "vcpu", number);
    jsonout_uint(json, "busy-ns", vcpu->busy_ns);
    jsonout_uint(json, "idle-ns", vcpu->idle_ns);
    if (vcpu->unknown_ns) {
        jsonout_uint(json, "unknown-ns", vcpu->unknown_ns);
    }
    jsonout_uint(json, "switches", vcpu->switches);
    if (shares->counts_missed) {
        jsonout_uint(json, "missed", vcpu->missed);
    }
    write_ticks(top, json, number);
    if (host) {
        jsonout_uint(json, "host-ns", host->to_ns - host->from_ns);
        jsonout_uint(json, "host-run-ns", host->run_ns);
        jsonout_uint(json, "host-wait-ns", host->wait_ns);
    }
    if (vcpu->known) {
        jsonout_begin(json, "running", '{');
        jsonout_uint(json, "since-ns", vcpu->since_ns);
        if (thread->idle_unknown) {
            jsonout_bool(json, "idle-unknown", true);
        } else {
            jsonout_bool(json, "idle", thread->idle);
        }
        jsonout_uint(json, "thread-pointer", thread->thread);
        write_ids(json, thread);
        jsonout_end(json, '}');
    }
    jsonout_end(json, '}');
}

static void write_path(const Top *top, JsonOut *json, const TopRow *row)
{
    const char *path = top_row_path(top, row);

    if (path) {
        jsonout_text(json, "process-path", path);
    }
}

static void write_row(const Top *top, JsonOut *json, const TopRow *row)
{
    const ShareThread *thread = row->thread;

    jsonout_begin(json, NULL, '{');
    if (top->view.processes) {
        if (thread->has_ids) {
            jsonout_uint(json, "unique-process-id", thread->pid);
        }
        write_image(json, thread);
        write_path(top, json, row);
        jsonout_uint(json, "threads", row->n_threads);
    } else {
        jsonout_uint(json, "thread-pointer", thread->thread);
        write_ids(json, thread);
        write_path(top, json, row);
        if (thread->has_priority) {
            jsonout_int(json, "priority", thread->priority);
        }
        if (thread->vcpu >= 0) {
            jsonout_int(json, "vcpu", thread->vcpu);
        } else if (*thread->left) {
            jsonout_text(json, "left", thread->left);
        }
    }
    jsonout_uint(json, "run-ns", row->run_ns);
    jsonout_real(json, "cpu-percent", top_percent(top, row->run_ns));
    jsonout_uint(json, "switches", row->switches);
    if (row->n_timed) {
        jsonout_begin(json, "windows-ticks", '{');
        jsonout_uint(json, "user", row->user_ticks);
        jsonout_uint(json, "kernel", row->kernel_ticks);
        jsonout_end(json, '}');
        jsonout_uint(json, "windows-tick-ns", top->used.tick_ns);
    }
    if (row->n_timed && top->view.processes) {
        jsonout_uint(json, "windows-threads", row->n_timed);
    }
    jsonout_end(json, '}');
}

static void write_irqs(const Top *top, JsonOut *json)
{
    const IrqRateList *lines = &top->rates.lines;
    size_t i;

    if (!top->view.irq || !top->irq_on) {
        return;
    }
    jsonout_uint(json, "interrupts", top->irq_events);
    jsonout_bool(json, "interrupts-sampled", !top->irq_whole);
    jsonout_begin(json, "irq-lines", '[');
    for (i = 0; i < lines->n; i++) {
        jsonout_begin(json, NULL, '{');
        jsonout_text(json, "path", lines->rates[i].name);
        jsonout_int(json, "irq-line", lines->rates[i].n);
        jsonout_text(json, "kind", irqlog_kind_name(lines->rates[i].kind));
        jsonout_text(json, "label", lines->rates[i].label);
        jsonout_uint(json, "events", lines->rates[i].events);
        jsonout_uint(json, "inner-events", lines->rates[i].inner);
        jsonout_real(json, "per-second",
                     top_irq_rate(top, lines->rates[i].events));
        jsonout_end(json, '}');
    }
    jsonout_end(json, ']');
}

static void write_state(const Top *top, JsonOut *json)
{
    static const char *const kept[] = {
        "state", "reason", "mode", "exact", "poll-hz", "windows-build",
    };
    const json_t *member;
    size_t i;

    jsonout_text(json, "name", top->name);
    for (i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        member = json_object_get(top->feed.status, kept[i]);
        if (member) {
            qmp_dump(json, kept[i], member);
        }
    }
}

static void write_interval(const Top *top, JsonOut *json)
{
    const Shares *shares = &top->feed.shares;
    size_t limit = top->opt.limit ? top->opt.limit : SIZE_MAX;
    size_t i;

    jsonout_uint(json, "time-ns", shares->end_ns);
    jsonout_uint(json, "interval-ns", shares_length_ns(shares));
    jsonout_uint(json, "switches", shares->switches);
    if (shares->counts_missed) {
        jsonout_uint(json, "missed", shares->missed);
    }
    jsonout_uint(json, "lost", shares->lost);
    jsonout_bool(json, "behind", top->feed.behind);
    jsonout_bool(json, "from-ring", sched_feed_from_ring(&top->feed));
    jsonout_begin(json, "vcpus", '[');
    for (i = 0; i < shares->n_vcpus; i++) {
        if (shares->vcpus[i].seen) {
            write_vcpu(top, json, i);
        }
    }
    jsonout_end(json, ']');
    jsonout_begin(json, top->view.processes ? "processes" : "threads", '[');
    for (i = 0; i < top->rows.n && i < limit; i++) {
        write_row(top, json, &top->rows.rows[i]);
    }
    jsonout_end(json, ']');
}

static void print_json(const Top *top)
{
    JsonOut json = { .out = &out };

    jsonout_begin(&json, NULL, '{');
    write_state(top, &json);
    write_interval(top, &json);
    write_irqs(top, &json);
    jsonout_end(&json, '}');
    jsonout_line(&json);
}

static void print(Top *top)
{
    top_choose_rows(top);
    if (top->opt.json) {
        print_json(top);
    } else {
        print_text(top);
    }
    out_flush(&out);
}

int top_batch(Top *top)
{
    uint64_t done = 0;
    uint64_t next_ns = wait_now_ns();
    Err err;

    out_init(&out, STDOUT_FILENO);
    while (!top->opt.iterations || done < top->opt.iterations) {
        next_ns += top->opt.delay_ns;
        if (!wait_until(next_ns)) {
            break;
        }
        if (!top_update(top, &err)) {
            if (stop_asked) {
                break;
            }
            message("%s", err.text);
            return EXIT_FAILED;
        }
        print(top);
        done++;
        if (out_failed(&out)) {
            break;
        }
    }
    return out_finish(&out) ? EXIT_FINE : EXIT_FAILED;
}
