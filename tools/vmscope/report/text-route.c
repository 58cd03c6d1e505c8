/*
 * report-text-route: from a device's message to the driver that serves it and
 * the thread that ran next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/view.h"

#include "common/translate.h"
#include "report/format.h"
#include "shared/display.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREAD_COLUMNS = 24 };

static void put_place(Out *out, const ReportRoute *route)
{
    if (route->to == ROUTE_BY_IOMMU) {
        out_text(out, _("where the IOMMU sends it"));
        return;
    }
    if (route->vcpu != ROUTES_NO_VCPU) {
        out_printf(out, _("vector 0x%02x on vCPU %u"), route->vector,
                   route->vcpu);
    } else if (route->to == ROUTE_TO_SEVERAL) {
        out_printf(out, _("vector 0x%02x on one or more vCPUs"),
                   route->vector);
    } else {
        out_printf(out, _("vector 0x%02x on APIC %u"), route->vector,
                   route->to);
    }
}

static void put_next(Out *out, const ReportStats *stats, size_t route)
{
    char text[FORMAT_THREAD_ROOM];
    char fit[DISPLAY_ROOM(THREAD_COLUMNS)];
    size_t n;
    ReportNext *next = report_routes_next(&stats->routes, route, &n);

    if (n) {
        display_fit(fit, format_thread(stats, next[0].thread, text,
                                       sizeof(text)), THREAD_COLUMNS);
        out_printf(out, _("\n           then %s, %llu times"), fit,
                   (unsigned long long)next[0].count);
    }
    if (n > 1) {
        out_printf(out, _(", and %zu others"), n - 1);
    }
    free(next);
}

static void put_route(Out *out, const ReportStats *stats, size_t index)
{
    const ReportRoute *route = &stats->routes.list[index];
    char mean[FORMAT_ROOM] = "-";
    char longest[FORMAT_ROOM] = "-";

    if (route->followed) {
        format_ns(mean, route->sum_ns / route->followed);
        format_ns(longest, route->max_ns);
    }
    out_printf(out, "%9" PRIu64 " %8" PRIu64 " %9s %9s  ", route->events,
               route->followed, mean, longest);
    out_safe(out, stats->lines[route->line].label);
    out_text(out, "\n        -> ");
    put_place(out, route);
    if (*route->drivers) {
        out_text(out, " -> ");
        out_safe(out, route->drivers);
    }
    put_next(out, stats, index);
    out_char(out, '\n');
}

void report_text_routes(Out *out, const ReportStats *stats, size_t top)
{
    const ReportRoutes *routes = &stats->routes;
    size_t *order = report_routes_order(routes);
    size_t shown = top && routes->n > top ? top : routes->n;
    char window[FORMAT_ROOM];
    size_t i;

    if (routes->n && routes->n_vectors) {
        out_printf(out, _("\nFrom message to driver, and the thread that vCPU "
                          "switched to next within %s\n"
                          "   events followed      mean   longest  device\n"),
                   format_ns(window, routes->window_ns));
        for (i = 0; i < shown; i++) {
            put_route(out, stats, order[i]);
        }
        if (shown < routes->n) {
            out_printf(out, _("  and %zu more\n"), routes->n - shown);
        }
    }
    free(order);
}
