/*
 * irq-rates: see irq-rates.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq-rates.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names whose hash is the same, at most. */
enum { PROBES = 4 };

static void clear_list(IrqRateList *list)
{
    size_t i;

    for (i = 0; i < list->n; i++) {
        free(list->rates[i].name);
    }
    free(list->rates);
    map_clear(&list->index);
    memset(list, 0, sizeof(*list));
}

void irq_rates_clear(IrqRates *rates)
{
    clear_list(&rates->lines);
    clear_list(&rates->callers);
    memset(rates, 0, sizeof(*rates));
}

static bool is_same(const IrqRate *rate, const char *name, IrqlogKind kind,
                    int32_t n)
{
    return rate->kind == kind && rate->n == n && !strcmp(rate->name, name);
}

static void add_rate(IrqRateList *list, uint64_t key, const char *name,
                     IrqlogKind kind, int32_t n)
{
    list->rates = grow(list->rates, list->n, &list->room,
                       sizeof(*list->rates));
    list->rates[list->n] = (IrqRate) { keep(name), kind, n, 1 };
    map_put(&list->index, key, (uint32_t)++list->n);
}

static void count(IrqRateList *list, const char *name, IrqlogKind kind,
                  int32_t n)
{
    uint64_t key = hash_text(name) ^ (uint64_t)(uint32_t)n << 8 ^ kind;
    uint32_t found;
    unsigned i;

    for (i = 0; i < PROBES; i++, key++) {
        found = map_get(&list->index, key);
        if (!found && list->n < IRQ_RATES_MAX) {
            add_rate(list, key, name, kind, n);
            return;
        }
        if (found && is_same(&list->rates[found - 1], name, kind, n)) {
            list->rates[found - 1].events++;
            return;
        }
    }
    list->others++;
}

/* A line without a path is told apart by who drives or handles it. */
static void name_line(char *name, size_t size, const IrqEntry *entry)
{
    const char *path = entry->event.path;

    if (strcmp(path, IRQLOG_ANONYMOUS)) {
        snprintf(name, size, "%s", path);
    } else if (*entry->driven_by) {
        snprintf(name, size, "%s driven by %s", path, entry->driven_by);
    } else if (*entry->handler) {
        snprintf(name, size, "%s for %s", path, entry->handler);
    } else {
        snprintf(name, size, "%s", path);
    }
}

/* The function; where in it does not matter here. */
static void name_caller(char *name, size_t size, const IrqEntry *entry)
{
    if (*entry->caller) {
        snprintf(name, size, "%.*s", (int)strcspn(entry->caller, "+"),
                 entry->caller);
    } else {
        snprintf(name, size, "0x%" PRIx64, entry->event.caller);
    }
}

void irq_rates_add(IrqRates *rates, const IrqEntry *entry)
{
    const IrqlogEvent *event = &entry->event;
    char name[1024];

    name_line(name, sizeof(name), entry);
    count(&rates->lines, name, event->kind, event->n);
    name_caller(name, sizeof(name), entry);
    count(&rates->callers, name, 0, 0);
    if (!rates->events) {
        rates->first_ns = event->time_ns;
    }
    rates->last_ns = event->time_ns;
    rates->events++;
}

static int by_events(const void *a, const void *b)
{
    const IrqRate *one = a;
    const IrqRate *two = b;

    if (one->events != two->events) {
        return one->events < two->events ? 1 : -1;
    }
    if (one->n != two->n) {
        return one->n < two->n ? -1 : 1;
    }
    return strcmp(one->name, two->name);
}

static void sort_list(IrqRateList *list)
{
    if (list->n) {
        qsort(list->rates, list->n, sizeof(*list->rates), by_events);
    }
    map_clear(&list->index);    /* its indices are of before */
}

void irq_rates_sort(IrqRates *rates)
{
    sort_list(&rates->lines);
    sort_list(&rates->callers);
}
