/*
 * irq-rates: see irq-rates.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "irq/rates.h"

#include "common/device-label.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names whose hash is the same, at most. */
enum { PROBES = 4 };

/*
 * In a message's address: an entry of a remapping table is meant, not a
 * vector.
 * Source: Intel VT-d specification, 5.1.2.2 "Interrupt Requests in Remappable
 * Format".
 */
enum { MSI_REMAPPABLE = 0x10 };

/* Of a host thread whose line has no place in the list. */
enum { NO_PLACE = 0x7fffffff };

static void clear_list(IrqRateList *list)
{
    size_t i;

    for (i = 0; i < list->n; i++) {
        free(list->rates[i].name);
        free(list->rates[i].label);
    }
    free(list->rates);
    map_clear(&list->index);
    memset(list, 0, sizeof(*list));
}

void irq_rates_clear(IrqRates *rates)
{
    bool all_depths = rates->all_depths;

    map_clear(&rates->outer);
    clear_list(&rates->lines);
    clear_list(&rates->callers);
    memset(rates, 0, sizeof(*rates));
    rates->all_depths = all_depths;
}

static bool is_same(const IrqRate *rate, const char *name, IrqlogKind kind,
                    int32_t n)
{
    return rate->kind == kind && rate->n == n && !strcmp(rate->name, name);
}

/* Returns: its index plus 1 */
static uint32_t add_rate(IrqRateList *list, uint64_t key, const char *name,
                         IrqlogKind kind, int32_t n)
{
    list->rates = grow(list->rates, list->n, &list->room,
                       sizeof(*list->rates));
    list->rates[list->n] = (IrqRate) {
        .name = keep(name), .kind = kind, .n = n, .events = 1,
    };
    map_put(&list->index, key, (uint32_t)++list->n);
    return (uint32_t)list->n;
}

/* Returns: its index plus 1; 0 when it has no place in the list */
static uint32_t count(IrqRateList *list, const char *name, IrqlogKind kind,
                  int32_t n)
{
    uint64_t key = hash_text(name) ^ (uint64_t)(uint32_t)n << 8 ^ kind;
    uint32_t found;
    unsigned i;

    for (i = 0; i < PROBES; i++, key++) {
        found = map_get(&list->index, key);
        if (!found && list->n < IRQ_RATES_MAX) {
            return add_rate(list, key, name, kind, n);
        }
        if (found && is_same(&list->rates[found - 1], name, kind, n)) {
            list->rates[found - 1].events++;
            return found;
        }
    }
    list->others++;
    return 0;
}

void irq_line_name(char *name, size_t size, const IrqEntry *entry)
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

char *irq_line_label(const char *name, const IrqEntry *entry)
{
    char label[DEVICE_LABEL_MAX];
    IrqlogLineInfo line = {
        .path = entry->event.path,
        .driven_by = *entry->driven_by ? entry->driven_by : NULL,
        .device = *entry->device ? entry->device : NULL,
        .kind = entry->event.kind,
        .n = entry->event.n,
    };

    return keep(line.device || *entry->driven_by
                ? device_label(&line, label, sizeof(label)) : name);
}

static void count_outermost(IrqRates *rates, const IrqEntry *entry)
{
    const IrqlogEvent *event = &entry->event;
    char name[1024];
    IrqRate *rate;
    uint32_t line;

    irq_line_name(name, sizeof(name), entry);
    line = count(&rates->lines, name, event->kind, event->n);
    rate = line ? &rates->lines.rates[line - 1] : NULL;
    if (rate && !rate->label) {
        rate->label = irq_line_label(rate->name, entry);
    }
    if (rate && event->has_msi && event->msi_address & MSI_REMAPPABLE) {
        rate->remapped = true;
    }
    if (rates->outer.used >= IRQ_RATES_MAX) {
        map_clear(&rates->outer);
    }
    map_set(&rates->outer, event->tid, line ? line : NO_PLACE);
    name_caller(name, sizeof(name), entry);
    count(&rates->callers, name, 0, 0);
    rates->outermost++;
}

void irq_rates_add(IrqRates *rates, const IrqEntry *entry)
{
    const IrqlogEvent *event = &entry->event;
    uint32_t outer;

    if (rates->all_depths || !event->depth) {
        count_outermost(rates, entry);
    } else {
        outer = map_get(&rates->outer, event->tid);
        if (outer && outer != NO_PLACE) {
            rates->lines.rates[outer - 1].inner++;
        }
    }
    if (!rates->events) {
        rates->first_ns = event->time_ns;
    }
    rates->last_ns = event->time_ns;
    rates->events++;
}

const char *irq_rate_inner(const IrqRate *rate, char buf[IRQ_RATE_INNER])
{
    uint64_t tenths = rate->events ? rate->inner * 10 / rate->events : 0;

    if (!rate->inner) {
        *buf = '\0';
    } else if (tenths % 10 && tenths < 100) {
        snprintf(buf, IRQ_RATE_INNER, "+%" PRIu64 ".%" PRIu64, tenths / 10,
                 tenths % 10);
    } else {
        snprintf(buf, IRQ_RATE_INNER, "+%" PRIu64, tenths / 10);
    }
    return buf;
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
    map_clear(&rates->outer);
    sort_list(&rates->lines);
    sort_list(&rates->callers);
}
