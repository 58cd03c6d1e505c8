/*
 * why/rules: each rule speaks for what it is for, and for nothing else; and
 * lines that fit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/why.h"

#include "shared/display.h"

#include <glib.h>
#include <locale.h>
#include <string.h>

/* Two vCPUs, a quarter busy; the host runs them as long as that. */
static void make_healthy(WhyEvidence *e)
{
    unsigned i;

    memset(e, 0, sizeof(*e));
    e->seconds = 30;
    e->n_vcpus = 2;
    e->switches = 900;
    for (i = 0; i < e->n_vcpus; i++) {
        e->vcpus[i] = (WhyVcpu) {
            .seen = true, .busy = 0.25, .idle = 0.75,
            .has_ticks = true, .user = 0.15, .kernel = 0.08, .dpc = 0.01,
            .interrupt = 0.01, .tick_idle = 0.75, .interrupts = 300,
            .clocks = 64,
            .has_host = true, .host_run = 0.3, .host_wait = 0.01,
        };
    }
    strcpy(e->hog, "mail.exe");
    e->hog_pid = 800;
    e->hog_vcpus = 0.3;
    strcpy(e->hog_thread, "thread 804");
    e->hog_thread_vcpus = 0.3;
}

static void steal(WhyEvidence *e)
{
    e->vcpus[1].host_wait = 0.2;
}

static void steal_unknown(WhyEvidence *e)
{
    steal(e);
    e->vcpus[1].has_host = false;
}

static void poll_idle(WhyEvidence *e)
{
    e->vcpus[0].host_run = 0.99;
}

static void poll_idle_unknown(WhyEvidence *e)
{
    poll_idle(e);
    e->vcpus[0].has_host = false;
}

/* It uses a CPU of the host because it works. */
static void work(WhyEvidence *e)
{
    poll_idle(e);
    e->vcpus[0].busy = 0.6;
    e->vcpus[0].idle = 0.4;
}

static void dpcs(WhyEvidence *e)
{
    e->vcpus[1].dpc = 0.2;
}

static void interrupts(WhyEvidence *e)
{
    e->vcpus[1].interrupt = 0.12;
}

static void line(WhyEvidence *e)
{
    e->irq_on = true;
    e->irqs = 20000;
    strcpy(e->irq_line, "HPET pin 0");
    e->irq_line_rate = 15000;
}

static void rate(WhyEvidence *e)
{
    e->vcpus[0].interrupts = 9000;
}

static void timers(WhyEvidence *e)
{
    e->vcpus[0].clocks = 2000;
}

static void full(WhyEvidence *e)
{
    e->vcpus[0].busy = e->vcpus[1].busy = 1;
    e->vcpus[0].idle = e->vcpus[1].idle = 0;
    e->ready = 5;
}

static void hog(WhyEvidence *e)
{
    e->hog_vcpus = 1;
}

static void spin(WhyEvidence *e)
{
    strcpy(e->spin_driver, "bad.sys");
    strcpy(e->spin_export, "BadWait");
    e->spin_vcpus = 0.74;
    e->spin_raised = 0.98;
}

static void spin_less(WhyEvidence *e)
{
    spin(e);
    e->spin_vcpus = 0.4;
}

static void idle(WhyEvidence *e)
{
    e->vcpus[0].busy = e->vcpus[1].busy = 0.01;
    e->vcpus[0].idle = e->vcpus[1].idle = 0.99;
}

typedef struct RuleCase {
    const char *name;
    void (*make_ill)(WhyEvidence *e);
    const char *rule;           /* the only one; NULL: none */
    const char *part;           /* of its words */
} RuleCase;

static const RuleCase cases[] = {
    { "healthy", NULL, NULL, NULL },
    { "host-steal", steal, "host-steal", "vCPU 1 wait for a CPU 20%" },
    { "host-steal-unknown", steal_unknown, NULL, NULL },
    { "idle-polling", poll_idle, "idle-polling", "vCPU 0 uses 99%" },
    { "idle-polling-unknown", poll_idle_unknown, NULL, NULL },
    { "works-hard", work, NULL, NULL },
    { "dpc-storm", dpcs, "dpc-storm", "20% of vCPU 1" },
    { "interrupt-storm", interrupts, "interrupt-storm", "12% of vCPU 1" },
    { "line-storm", line, "interrupt-storm", "HPET pin 0" },
    { "interrupt-rate", rate, "interrupt-rate", "9000" },
    { "timer-flood", timers, "timer-flood", "1 vCPU more than 1200 times" },
    { "no-vcpu-free", full, "no-vcpu-free", "all 2 are busy 100%" },
    { "cpu-hog", hog, "cpu-hog", "mail.exe (800) uses 1.00 of 2" },
    { "driver-spin", spin, "driver-spin", "bad.sys runs for 0.74 of the "
      "vCPUs' time, 98% of that at raised IRQL, most behind its export "
      "BadWait: " },
    { "driver-works", spin_less, NULL, NULL },
    { "all-idle", idle, "all-idle", "idle 99%" },
};

static void test_rule(gconstpointer data)
{
    const RuleCase *c = data;
    g_autofree WhyEvidence *e = g_new(WhyEvidence, 1);
    WhyCause causes[WHY_MAX_CAUSES];
    unsigned n;

    make_healthy(e);
    if (c->make_ill) {
        c->make_ill(e);
    }
    n = why_judge(e, causes);
    g_assert_cmpuint(n, ==, c->rule ? 1 : 0);
    if (c->rule) {
        g_assert_cmpstr(causes[0].rule, ==, c->rule);
        g_assert_nonnull(strstr(causes[0].text, c->part));
        g_assert_cmpuint(strlen(causes[0].next), >, 0);
    }
}

/* All at once: as many as there may be, what is most likely first. */
static void test_order(void)
{
    g_autofree WhyEvidence *e = g_new(WhyEvidence, 1);
    WhyCause causes[WHY_MAX_CAUSES];
    unsigned n;
    unsigned i;

    make_healthy(e);
    steal(e);
    dpcs(e);
    interrupts(e);
    rate(e);
    timers(e);
    full(e);
    hog(e);
    n = why_judge(e, causes);
    g_assert_cmpuint(n, ==, WHY_MAX_CAUSES);
    g_assert_cmpstr(causes[0].rule, ==, "host-steal");
    for (i = 1; i < n; i++) {
        g_assert_cmpfloat(causes[i].weight, <=, causes[i - 1].weight);
    }
}

typedef struct WrapCase {
    const char *name;
    const char *first;
    unsigned indent;
    const char *text;
    const char *wanted;
} WrapCase;

#define TEN "123456789 "
#define LONG "x1234567890123456789012345678901234567890" \
             "12345678901234567890123456789012345678901234567890"

static const WrapCase wraps[] = {
    { "empty", "1. ", 3, "", "1. \n" },
    { "short", "1. ", 3, "one two", "1. one two\n" },
    { "fits", "", 2, TEN TEN TEN TEN TEN TEN TEN "1234567890",
      TEN TEN TEN TEN TEN TEN TEN "1234567890\n" },
    { "one-too-many", "", 2, TEN TEN TEN TEN TEN TEN TEN "12345678901",
      TEN TEN TEN TEN TEN TEN "123456789\n  12345678901\n" },
    { "long-word", "", 2, "a " LONG " b", "a\n  " LONG "\n  b\n" },
    { "wide", "", 2, "가나다라마바사아자차카타파하가나다라마바사아자차카타파하 "
      "가나다라마바사아자차카타파하",
      "가나다라마바사아자차카타파하가나다라마바사아자차카타파하\n"
      "  가나다라마바사아자차카타파하\n" },
};

static void test_wrap(gconstpointer data)
{
    const WrapCase *c = data;
    g_autofree Out *out = g_new0(Out, 1);
    unsigned lines = 0;
    const char *p;

    out_init(out, -1);
    for (p = c->wanted; *p; p++) {
        lines += *p == '\n';
    }
    g_assert_cmpuint(why_wrap(out, c->first, c->indent, c->text), ==, lines);
    g_assert_cmpuint(why_wrap(NULL, c->first, c->indent, c->text), ==, lines);
    out_char(out, '\0');
    g_assert_cmpstr(out->buf, ==, c->wanted);
}

int main(int argc, char **argv)
{
    size_t i;

    setlocale(LC_ALL, "C.UTF-8");     /* for widths */
    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("/why/rules/%s",
                                                cases[i].name);

        g_test_add_data_func(name, &cases[i], test_rule);
    }
    g_test_add_func("/why/rules/order", test_order);
    for (i = 0; i < G_N_ELEMENTS(wraps); i++) {
        g_autofree char *name = g_strdup_printf("/why/wrap/%s",
                                                wraps[i].name);

        g_test_add_data_func(name, &wraps[i], test_wrap);
    }
    return g_test_run();
}
