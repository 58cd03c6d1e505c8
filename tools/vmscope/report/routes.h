/*
 * report-routes: where messages of devices went.
 *
 * A message's data says which vector it raises, and its address by APIC id on
 * which vCPU; the guest's own tables, as the recording has them, say which
 * driver serves that vector there.  What the driver's routine did is in no
 * recording: only which thread that vCPU was seen to switch to next, and when.
 *
 * Source: Intel SDM vol. 3A, 11.11 "Message Signalled Interrupts".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_REPORT_ROUTES_H
#define VMSCOPE_REPORT_ROUTES_H

#include "common/map.h"
#include "shared/driver-names.h"
#include "tracefile/read.h"

enum {
    ROUTES_PENDING = 256,
    /* So that each may be looked for in the others. */
    ROUTES_MAX = 8192,
    ROUTES_MAX_NEXT = 65536,
    ROUTES_MAX_VECTORS = 65536,
    ROUTES_NO_VCPU = UINT16_MAX,
};

/* A vector of a device's messages, sent to one place. */
typedef struct ReportRoute {
    uint32_t line;
    uint32_t to;                /* APIC id, or one of the below */
    uint32_t vcpu;              /* ROUTES_NO_VCPU: not one, or not known */
    uint8_t vector;
    uint64_t events;
    uint64_t last_ns;
    uint64_t followed;          /* by a switch to a thread, in time */
    uint64_t passed;            /* and not */
    uint64_t sum_ns;            /* until that switch */
    uint64_t max_ns;
    char drivers[DRIVER_NAMES_SIZE];    /* "": none is known */
} ReportRoute;

enum {
    ROUTE_TO_SEVERAL = UINT32_MAX,      /* a logical id, or all vCPUs */
    ROUTE_BY_IOMMU = UINT32_MAX - 1,    /* which has vector and vCPU */
};

/* A route, and a thread that its vCPU switched to next. */
typedef struct ReportNext {
    uint32_t route;             /* index */
    uint32_t thread;
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns;
} ReportNext;

typedef struct RoutePending {
    uint32_t route;
    uint64_t time_ns;
} RoutePending;

typedef struct ReportRoutes {
    uint64_t window_ns;         /* from message to thread, at most */
    ReportRoute *list;
    size_t n;
    size_t room;
    Map by_key;                 /* index plus 1 */
    ReportNext *next;
    size_t n_next;
    size_t next_room;
    Map by_next;
    TraceVector *vectors;       /* drivers joined, when they changed */
    size_t n_vectors;
    size_t vectors_room;
    Map by_vector;
    Map vcpu_of;                /* APIC id to vCPU plus 1 */
    uint32_t apic_of[TRACE_MAX_VCPUS];
    bool has_apic[TRACE_MAX_VCPUS];
    RoutePending pending[ROUTES_PENDING];
    size_t n_pending;
    uint64_t refused;           /* messages without room */
} ReportRoutes;

/* As a recording is read: the table, a message, a switch to a thread. */
void report_routes_vector(ReportRoutes *routes, const TraceVector *vector);
void report_routes_message(ReportRoutes *routes, uint32_t line,
                           const IrqlogEvent *event);
void report_routes_switch(ReportRoutes *routes, unsigned vcpu,
                          uint32_t thread, uint64_t ns);

/* Everything was read: name vCPUs and drivers. */
void report_routes_finish(ReportRoutes *routes);

void report_routes_free(ReportRoutes *routes);

/**
 * report_routes_next - who came next behind messages of a route
 * @route: of routes->list
 * @n: receives how many
 *
 * Returns: most frequent first; freed with free()
 */
ReportNext *report_routes_next(const ReportRoutes *routes, size_t route,
                               size_t *n);

/* Indices of routes, most messages first; freed with free(). */
size_t *report_routes_order(const ReportRoutes *routes);

#endif
