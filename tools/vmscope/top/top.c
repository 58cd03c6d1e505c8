/*
 * vmscope top: who runs on each vCPU, live.
 *
 * Here are the command line, connecting, and taking in intervals; see top.h
 * for the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "top/top.h"

#include "commands.h"
#include "common/message.h"
#include "common/stop.h"
#include "common/translate.h"
#include "shared/display.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_sort(const char *name, const char *text, void *member)
{
    static const char *const words[] = {
        [TOP_CPU] = "cpu", [TOP_SWITCHES] = "switches", [TOP_PID] = "pid",
        [TOP_NAME] = "name",
    };
    unsigned i;

    for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcmp(text, words[i])) {
            *(TopSort *)member = (TopSort)i;
            return true;
        }
    }
    return options_wrong(name, text, "give cpu, switches, pid or name");
}

static const Option options[] = {
    { .help = N_("What is shown:") },
    { "delay", 'd', OPTION_DURATION, offsetof(TopOptions, delay_ns), "TIME",
      N_("between two updates: 500ms, 2s, 1m (2s)"),
      .min = 50000000, .max = 3600000000000 },
    { "iterations", 'n', OPTION_NUMBER, offsetof(TopOptions, iterations),
      "N", N_("end after so many intervals") },
    { "sort", 's', OPTION_OWN, offsetof(TopOptions, sort), "KEY",
      N_("by cpu, switches, pid or name (cpu)"), .read = read_sort },
    { "filter", 'f', OPTION_TEXT, offsetof(TopOptions, filter), "TEXT",
      N_("only what has this in its name or ids") },
    { "processes", 'p', OPTION_FLAG, offsetof(TopOptions, processes), NULL,
      N_("processes instead of threads") },
    { "irq", 'i', OPTION_FLAG, offsetof(TopOptions, irq), NULL,
      N_("interrupt lines too, when the IRQ log is on") },
    { "batch", 'b', OPTION_FLAG, offsetof(TopOptions, batch), NULL,
      N_("print text, for files and pipes") },
    { "json", 'j', OPTION_FLAG, offsetof(TopOptions, json), NULL,
      N_("print a JSON object for each interval") },
    { "limit", 'l', OPTION_NUMBER, offsetof(TopOptions, limit), "N",
      N_("print at most so many threads"), .max = 1000000 },
    { .help = N_("The trace, when it is off:") },
    { "hz", 0, OPTION_OWN, offsetof(TopOptions, hz), "N",
      N_("samples a second of each vCPU (1000), or max"),
      .read = options_rate },
    { "no-enable", 0, OPTION_FLAG, offsetof(TopOptions, no_enable), NULL,
      N_("do not turn it on: say so and end") },
    {}
};

static const Usage usage = {
    .command = "vmscope top",
    .operands = "",
    .about = N_("Show which Windows threads run on the vCPUs of a QEMU, "
                "live: their share of\n"
                "time, switches, and what each vCPU does now. The h key "
                "explains the keys.\n"),
    .options = options,
    .more = connect_options,
    .more_offset = offsetof(TopOptions, connect),
    .names = name_options,
    .names_offset = offsetof(TopOptions, names),
    .examples =
        "  vmscope top --qmp /run/vm.qmp\n"
        "  vmscope top --libvirt win11 --delay 500ms --irq\n"
        "  vmscope top --qmp /run/vm.qmp --batch -n 10 --filter chrome\n"
        "  vmscope top --qmp /run/vm.qmp --json -n 1 | jq '.threads[0]'\n",
};

/* Intervals. */

static bool take_irq(void *opaque, const IrqEntry *entry,
                     const json_t *object, uint64_t lost)
{
    IrqRates *rates = opaque;

    (void)object;
    if (entry) {
        irq_rates_add(rates, entry);
    } else {
        rates->lost += lost;
    }
    return true;
}

/* Interrupts are an extra: without the log there are none to show. */
static bool update_irqs(Top *top, Err *err)
{
    uint64_t before = top->irq_known ? irq_feed_recorded(&top->irq) : 0;
    uint64_t after;

    irq_rates_clear(&top->rates);
    if (!top->irq_known) {
        return true;
    }
    if (!irq_feed_sample(&top->irq, take_irq, &top->rates, &top->irq_whole,
                         err)) {
        return false;
    }
    irq_rates_sort(&top->rates);
    top->irq_on = irq_feed_is_on(&top->irq);
    after = irq_feed_recorded(&top->irq);
    top->irq_events = after > before ? after - before : after;
    return true;
}

static void update_host(Top *top)
{
    TraceHost span;
    unsigned i;

    for (i = 0; i < HOST_TIMES_VCPUS; i++) {
        top->host.spans[i].to_ns = 0;
        if (host_times_read(top->host.times, i, &span)) {
            top->host.spans[i] = span;
        }
    }
}

const TraceHost *top_host(const Top *top, size_t vcpu)
{
    const TraceHost *span = &top->host.spans[vcpu < HOST_TIMES_VCPUS ? vcpu
                                                                     : 0];

    return vcpu < HOST_TIMES_VCPUS && span->to_ns > span->from_ns ? span
                                                                  : NULL;
}

bool top_update_thread(Top *top, Err *err)
{
    ThreadView *view = &top->thread;

    if (view->has_ids) {
        thread_view_set_path(view, proc_paths_of(&top->paths, view->pid,
                                                 view->image));
    }
    return thread_view_update(&top->thread, top->qmp,
                              sched_feed_now_ns(&top->feed), err);
}

bool top_update(Top *top, Err *err)
{
    top->looked = sched_feed_next(&top->feed, err) &&
                  cpu_times_look(&top->times, top->qmp, err) &&
                  proc_paths_look(&top->paths, top->qmp, err) &&
                  thread_times_look(&top->used, top->qmp, &top->feed.shares,
                                    err) &&
                  (!top->view.irq || update_irqs(top, err));
    update_host(top);
    if (top->looked && top->thread.open) {
        top->looked = top_update_thread(top, err);
    }
    return top->looked;
}

static bool begin_irqs(Top *top, Err *err)
{
    top->irq_known = irq_feed_begin(&top->irq, top->qmp, NULL, err);
    top->irq_on = top->irq_known && irq_feed_is_on(&top->irq);
    return top->irq_known || qmp_failure(top->qmp) == QMP_UNKNOWN ||
           qmp_failure(top->qmp) == QMP_REFUSED;
}

bool top_restart(Top *top, Err *err)
{
    sched_feed_end(&top->feed);
    irq_feed_end(&top->irq);
    irq_rates_clear(&top->rates);
    top->rows.n = 0;
    top->looked = false;
    top->irq_whole = true;
    cpu_times_forget(&top->times);
    proc_paths_release(&top->paths);
    thread_times_forget(&top->used);
    return sched_feed_begin(&top->feed, top->qmp, err) &&
           cpu_times_look(&top->times, top->qmp, err) &&
           begin_irqs(top, err);
}

/* Beginning and end. */

/* What the machine is called: its name, else where it is. */
static void name_machine(Top *top)
{
    Err err;
    json_t *answer = qmp_command(top->qmp, "query-name", NULL, &err);
    const char *place = top->opt.connect.libvirt;
    const char *slash;

    if (!place) {
        place = top->opt.connect.qmp ? top->opt.connect.qmp
                                     : qmp_place(top->qmp);
        slash = strrchr(place, '/');
        place = slash ? slash + 1 : place;
    }
    top->name = keep(qmp_text(answer, "name", place));
    json_decref(answer);
}

static json_t *enable_options(const TopOptions *opt, const RingDir *dir)
{
    json_t *options_out = json_object();

    if (opt->hz) {
        qmp_set(options_out, "poll-hz", json_integer((json_int_t)opt->hz));
    }
    if (*dir->path) {
        qmp_set(options_out, "ring-file",
                json_sprintf("%s/sched.ring", dir->path));
    }
    return options_out;
}

/*
 * A trace that is off is turned on with a ring file, to be followed without
 * QEMU being asked; or without, where QEMU may not write there.
 */
static bool begin_tracing(Top *top, Err *err)
{
    bool may_enable = !top->opt.no_enable;

    if (may_enable && top->opt.connect.qmp &&
        ring_dir_make_in_memory(&top->dir, qmp_pid(top->qmp))) {
        if (tracing_begin(&top->tracing, top->qmp, TRACING_SCHED, true,
                          enable_options(&top->opt, &top->dir), err)) {
            return true;
        }
        ring_dir_remove(&top->dir);
        if (qmp_failure(top->qmp) != QMP_REFUSED) {
            return false;
        }
    }
    return tracing_begin(&top->tracing, top->qmp, TRACING_SCHED, may_enable,
                         enable_options(&top->opt, &top->dir), err);
}

static void tell_other_hz(const Top *top)
{
    uint64_t hz = qmp_uint(top->feed.status, "poll-hz", 0);

    if (top->opt.hz && hz == OPTIONS_RATE_MAX && hz != top->opt.hz) {
        message("the trace was on already, with dense polling: --hz is not "
                "used");
    } else if (top->opt.hz && hz != top->opt.hz) {
        message("the trace was on already, with %" PRIu64 " samples a "
                "second: --hz is not used", hz);
    }
}

static bool begin(Top *top, Err *err)
{
    name_machine(top);
    if (!begin_tracing(top, err) || !top_restart(top, err)) {
        return false;
    }
    tell_other_hz(top);
    top->host.times = host_times_new(top->qmp);
    return true;
}

static void end(Top *top)
{
    tracing_end(&top->irq_tracing);
    tracing_end(&top->tracing);
    ring_dir_remove(&top->dir);
    sched_feed_end(&top->feed);
    irq_feed_end(&top->irq);
    irq_rates_clear(&top->rates);
    free(top->rows.rows);
    thread_view_close(&top->thread);
    map_clear(&top->view.folded);
    free(top->name);
    host_times_free(top->host.times);
    cpu_times_release(&top->times);
    proc_paths_release(&top->paths);
    thread_times_release(&top->used);
    qmp_free(top->qmp);
}

static int show(Top *top)
{
    if (top->opt.batch || top->opt.json) {
        return top_batch(top);
    }
    return top_screen(top);
}

static int run(Top *top)
{
    int status;
    Err err;

    top->qmp = qmp_connect(&top->opt.connect, &err);
    if (!top->qmp && stop_asked) {
        return EXIT_FINE;
    }
    if (!top->qmp) {
        message("%s", err.text);
        return err.code == ERR_USAGE ? EXIT_WRONG_USAGE : EXIT_FAILED;
    }
    top->tracing = (Tracing) { top->qmp, TRACING_SCHED, false };
    if (begin(top, &err)) {
        status = show(top);
    } else if (stop_asked) {
        status = EXIT_FINE;
    } else {
        message("%s", err.text);
        status = EXIT_FAILED;
    }
    end(top);
    return status;
}

static bool is_usable(const Top *top)
{
    const TopOptions *opt = &top->opt;

    if (opt->filter && strlen(opt->filter) >= TOP_FILTER_MAX) {
        return options_wrong("--filter", opt->filter, "too long");
    }
    if (!opt->batch && !opt->json &&
        (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        message("this is no terminal: use --batch or --json");
        return false;
    }
    return true;
}

int cmd_top(int argc, char **argv)
{
    static Top top;
    OptionsResult result;

    top.opt.delay_ns = 2000000000;
    result = options_read(&usage, &top.opt, argc, argv);
    if (result == OPTIONS_RUN) {
        result = options_none_left(&usage, argc, argv);
    }
    if (result != OPTIONS_RUN) {
        return result == OPTIONS_DONE ? EXIT_FINE : EXIT_WRONG_USAGE;
    }
    if (!is_usable(&top)) {
        options_refuse(&usage, NULL);
        return EXIT_WRONG_USAGE;
    }
    top.view = (TopView) { .sort = top.opt.sort, .irq = top.opt.irq,
                           .processes = top.opt.processes,
                           .select = !top.opt.batch && !top.opt.json };
    strcpy(top.view.filter, top.opt.filter ? top.opt.filter : "");
    display_begin(STDOUT_FILENO);
    stop_init();
    return run(&top);
}
