/*
 * report-routes: see report-routes.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "report/routes.h"

#include "common/message.h"

#include <stdlib.h>
#include <string.h>

/*
 * Of a message's address and data.  The lower bits of the id stand where
 * every APIC has them, the upper ones where KVM, Xen and Hyper-V put them.
 */
enum {
    ADDRESS_LOGICAL = 1 << 2,
    ADDRESS_REMAPPABLE = 1 << 4,
    ADDRESS_ID_SHIFT = 12,
    ADDRESS_HIGH_SHIFT = 5,
    HIGH_MASK = 0x7f,
    ID_MASK = 0xff,
    DATA_MODE_SHIFT = 8,
    DATA_MODE_MASK = 7,
    MODE_LOWEST = 1,            /* 0: fixed; others raise no vector */
};

static uint32_t destination(const IrqlogEvent *event)
{
    uint64_t address = event->msi_address;
    uint32_t id = address >> ADDRESS_ID_SHIFT & ID_MASK;
    uint32_t high = address >> ADDRESS_HIGH_SHIFT & HIGH_MASK;

    if (address & ADDRESS_REMAPPABLE) {
        return ROUTE_BY_IOMMU;
    }
    return address & ADDRESS_LOGICAL || (id == ID_MASK && !high)
           ? ROUTE_TO_SEVERAL : high << 8 | id;
}

static bool raises_vector(const IrqlogEvent *event)
{
    return event->msi_address & ADDRESS_REMAPPABLE ||
           (event->msi_data >> DATA_MODE_SHIFT & DATA_MODE_MASK) <=
           MODE_LOWEST;
}

void report_routes_vector(ReportRoutes *routes, const TraceVector *vector)
{
    uint64_t key = (uint64_t)vector->vcpu << 8 | vector->vector;
    uint32_t found = map_get(&routes->by_vector, key);

    if (vector->has_apic_id && routes->vcpu_of.used < TRACE_MAX_VCPUS) {
        map_set(&routes->vcpu_of, vector->apic_id, vector->vcpu + 1);
        routes->apic_of[vector->vcpu] = vector->apic_id;
        routes->has_apic[vector->vcpu] = true;
    }
    if (!found) {
        if (routes->n_vectors == ROUTES_MAX_VECTORS) {
            return;
        }
        routes->vectors = grow(routes->vectors, routes->n_vectors,
                               &routes->vectors_room,
                               sizeof(*routes->vectors));
        routes->vectors[routes->n_vectors] = *vector;
        routes->vectors[routes->n_vectors].drivers[0] = '\0';
        found = (uint32_t)++routes->n_vectors;
        map_put(&routes->by_vector, key, found);
    }
    driver_names_join(routes->vectors[found - 1].drivers, vector->drivers);
}

/* Index plus 1; 0 without room. */
static uint32_t find_route(ReportRoutes *routes, uint32_t line,
                           const IrqlogEvent *event)
{
    uint32_t to = destination(event);
    uint8_t vector = (uint8_t)event->msi_data;
    uint64_t key = (uint64_t)line << 40 | (uint64_t)vector << 32 | to;
    uint32_t found = map_get(&routes->by_key, key);

    if (!found && routes->n < ROUTES_MAX) {
        routes->list = grow(routes->list, routes->n, &routes->room,
                            sizeof(*routes->list));
        routes->list[routes->n] = (ReportRoute) {
            .line = line, .to = to, .vector = vector, .vcpu = ROUTES_NO_VCPU,
        };
        found = (uint32_t)++routes->n;
        map_put(&routes->by_key, key, found);
    }
    return found;
}

static void drop_first(ReportRoutes *routes)
{
    routes->list[routes->pending[0].route].passed++;
    memmove(routes->pending, routes->pending + 1,
            --routes->n_pending * sizeof(*routes->pending));
}

void report_routes_message(ReportRoutes *routes, uint32_t line,
                           const IrqlogEvent *event)
{
    ReportRoute *route;
    uint32_t found;

    if (!event->has_msi || !raises_vector(event)) {
        return;
    }
    found = find_route(routes, line, event);
    if (!found) {
        routes->refused++;
        return;
    }
    route = &routes->list[found - 1];
    route->events++;
    if (event->time_ns > route->last_ns) {
        route->last_ns = event->time_ns;
    }
    if (routes->n_pending == ROUTES_PENDING) {
        drop_first(routes);
    }
    routes->pending[routes->n_pending++] =
        (RoutePending) { found - 1, event->time_ns };
}

static void count_next(ReportRoutes *routes, uint32_t route, uint32_t thread,
                       uint64_t ns)
{
    uint64_t key = (uint64_t)route << 32 | thread;
    uint32_t found = map_get(&routes->by_next, key);
    ReportNext *next;

    if (!found && routes->n_next == ROUTES_MAX_NEXT) {
        return;
    }
    if (!found) {
        routes->next = grow(routes->next, routes->n_next, &routes->next_room,
                            sizeof(*routes->next));
        routes->next[routes->n_next].route = route;
        routes->next[routes->n_next].thread = thread;
        found = (uint32_t)++routes->n_next;
        map_put(&routes->by_next, key, found);
    }
    next = &routes->next[found - 1];
    next->count++;
    next->sum_ns += ns;
    next->max_ns = ns > next->max_ns ? ns : next->max_ns;
}

static void follow(ReportRoutes *routes, const RoutePending *pending,
                   uint32_t thread, uint64_t ns)
{
    ReportRoute *route = &routes->list[pending->route];
    uint64_t after = ns - pending->time_ns;

    route->followed++;
    route->sum_ns += after;
    route->max_ns = after > route->max_ns ? after : route->max_ns;
    count_next(routes, pending->route, thread, after);
}

void report_routes_switch(ReportRoutes *routes, unsigned vcpu,
                          uint32_t thread, uint64_t ns)
{
    size_t kept = 0;
    size_t i;

    if (vcpu >= TRACE_MAX_VCPUS) {
        return;
    }
    for (i = 0; i < routes->n_pending; i++) {
        RoutePending pending = routes->pending[i];
        ReportRoute *route = &routes->list[pending.route];
        bool here = routes->has_apic[vcpu] &&
                    route->to == routes->apic_of[vcpu];

        if (pending.time_ns > ns ||
            (!here && ns - pending.time_ns <= routes->window_ns)) {
            routes->pending[kept++] = pending;
        } else if (here && ns - pending.time_ns <= routes->window_ns) {
            follow(routes, &pending, thread, ns);
        } else {
            route->passed++;
        }
    }
    routes->n_pending = kept;
}

static void name_drivers(const ReportRoutes *routes, ReportRoute *route)
{
    size_t i;

    for (i = 0; route->to != ROUTE_BY_IOMMU && i < routes->n_vectors; i++) {
        const TraceVector *vector = &routes->vectors[i];

        if (vector->vector == route->vector &&
            (route->to == ROUTE_TO_SEVERAL || vector->vcpu == route->vcpu)) {
            driver_names_join(route->drivers, vector->drivers);
        }
    }
}

void report_routes_finish(ReportRoutes *routes)
{
    size_t i;

    while (routes->n_pending) {
        drop_first(routes);
    }
    for (i = 0; i < routes->n; i++) {
        ReportRoute *route = &routes->list[i];
        uint32_t vcpu = map_get(&routes->vcpu_of, route->to);

        route->vcpu = vcpu && route->to < ROUTE_BY_IOMMU ? vcpu - 1
                                                         : ROUTES_NO_VCPU;
        name_drivers(routes, route);
    }
}

void report_routes_free(ReportRoutes *routes)
{
    free(routes->list);
    free(routes->next);
    free(routes->vectors);
    map_clear(&routes->by_key);
    map_clear(&routes->by_next);
    map_clear(&routes->by_vector);
    map_clear(&routes->vcpu_of);
}

static int by_count(const void *a, const void *b)
{
    const ReportNext *x = a;
    const ReportNext *y = b;

    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return x->thread < y->thread ? -1 : x->thread > y->thread;
}

ReportNext *report_routes_next(const ReportRoutes *routes, size_t route,
                               size_t *n)
{
    ReportNext *list = calloc(routes->n_next + 1, sizeof(*list));
    size_t i;

    if (!list) {
        die_no_memory();
    }
    *n = 0;
    for (i = 0; i < routes->n_next; i++) {
        if (routes->next[i].route == route) {
            list[(*n)++] = routes->next[i];
        }
    }
    qsort(list, *n, sizeof(*list), by_count);
    return list;
}

typedef struct Place {
    uint64_t events;
    size_t route;
} Place;

static int by_events(const void *a, const void *b)
{
    const Place *x = a;
    const Place *y = b;

    if (x->events != y->events) {
        return x->events > y->events ? -1 : 1;
    }
    return x->route < y->route ? -1 : x->route > y->route;
}

size_t *report_routes_order(const ReportRoutes *routes)
{
    Place *places = calloc(routes->n + 1, sizeof(*places));
    size_t *order = calloc(routes->n + 1, sizeof(*order));
    size_t i;

    if (!places || !order) {
        die_no_memory();
    }
    for (i = 0; i < routes->n; i++) {
        places[i] = (Place) { routes->list[i].events, i };
    }
    qsort(places, routes->n, sizeof(*places), by_events);
    for (i = 0; i < routes->n; i++) {
        order[i] = places[i].route;
    }
    free(places);
    return order;
}
