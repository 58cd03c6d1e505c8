/*
 * why-waits: what holds threads up, in sentences.
 *
 * A thread that waits for a mutex waits for its owner; one that is ready
 * waits for whoever has its CPU.  Where waits that cannot end otherwise lead
 * round in a circle, that is a deadlock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/why.h"

#include "common/jsonout.h"
#include "common/map.h"
#include "common/message.h"
#include "common/translate.h"
#include "shared/display.h"
#include "source/qmp-dump.h"
#include "source/why-json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WHO_COLUMNS = 48,
    OBJECTS_SHOWN = 4,
    CHAIN_MAX = 64,             /* threads of one chain that are printed */
};

/* Of the search for circles. */
typedef enum Mark { MARK_NEW, MARK_ON_PATH, MARK_DONE } Mark;

typedef struct Node {
    const json_t *thread;
    uint64_t address;
    Mark mark;
    bool deadlocked;
} Node;

typedef struct Graph {
    Node *nodes;
    size_t n;
    Map index;                  /* address: index + 1 */
    size_t *path;
    json_t *deadlocks;          /* lists of addresses */
} Graph;

static void graph_init(Graph *graph, const json_t *waits)
{
    size_t i;

    memset(graph, 0, sizeof(*graph));
    graph->n = json_array_size(waits) < WHY_MAX_WAITS
        ? json_array_size(waits) : WHY_MAX_WAITS;
    graph->nodes = calloc(graph->n + 1, sizeof(*graph->nodes));
    graph->path = calloc(graph->n + 1, sizeof(*graph->path));
    graph->deadlocks = json_array();
    if (!graph->nodes || !graph->path || !graph->deadlocks) {
        die_no_memory();
    }
    for (i = 0; i < graph->n; i++) {
        Node *node = &graph->nodes[i];

        node->thread = json_array_get(waits, i);
        node->address = qmp_uint(node->thread, "thread-pointer", 0);
        if (!map_get(&graph->index, node->address)) {
            map_put(&graph->index, node->address, (uint32_t)i + 1);
        }
    }
}

static void graph_free(Graph *graph)
{
    map_clear(&graph->index);
    free(graph->nodes);
    free(graph->path);
    json_decref(graph->deadlocks);
}

/* NULL when it is not in the answer. */
static Node *node_at(const Graph *graph, uint64_t address)
{
    uint32_t found = address ? map_get(&graph->index, address) : 0;

    return found ? &graph->nodes[found - 1] : NULL;
}

/* Who has the @i-th object, other than the thread itself. */
static uint64_t owner_of(const Node *node, const json_t *objects, size_t i)
{
    uint64_t owner = qmp_uint(json_array_get(objects, i), "owner", 0);

    return owner == node->address ? 0 : owner;
}

/* Deadlocks. */

/* Does the thread go on only when this object's owner lets it? */
static bool needs_all(const Node *node, const json_t *objects)
{
    return json_array_size(objects) == 1 ||
           qmp_bool(node->thread, "wait-all", false);
}

static void note_deadlock(Graph *graph, size_t depth, size_t back_to)
{
    json_t *members = json_array();
    size_t i = depth;

    do {
        Node *node = &graph->nodes[graph->path[--i]];

        node->deadlocked = true;
        json_array_insert_new(members, 0,
                              json_integer((json_int_t)node->address));
    } while (graph->path[i] != back_to);
    json_array_append_new(graph->deadlocks, members);
}

/* As deep as there are threads, a few thousand. */
static void find_deadlocks(Graph *graph, size_t at, size_t depth)
{
    Node *node = &graph->nodes[at];
    const json_t *objects = json_object_get(node->thread, "objects");
    size_t i;

    node->mark = MARK_ON_PATH;
    graph->path[depth++] = at;
    for (i = 0; needs_all(node, objects) && i < json_array_size(objects);
         i++) {
        Node *owner = node_at(graph, owner_of(node, objects, i));

        if (!owner || owner->mark == MARK_DONE) {
            continue;
        }
        if (owner->mark == MARK_ON_PATH) {
            note_deadlock(graph, depth, (size_t)(owner - graph->nodes));
        } else {
            find_deadlocks(graph, (size_t)(owner - graph->nodes), depth);
        }
    }
    node->mark = MARK_DONE;
}

static void find_all_deadlocks(Graph *graph)
{
    size_t i;

    for (i = 0; i < graph->n; i++) {
        if (graph->nodes[i].mark == MARK_NEW) {
            find_deadlocks(graph, i, 0);
        }
    }
}

/* Sentences. */

static void format_who(const json_t *thread, char *who, size_t size)
{
    const char *name = qmp_text(thread, "thread-name", "");
    char whole[512];
    char fitting[DISPLAY_ROOM(WHO_COLUMNS)];

    snprintf(whole, sizeof(whole), "%s%s%s",
             qmp_text(thread, "process-image", "?"), *name ? ": " : "", name);
    display_fit(fitting, whole, WHO_COLUMNS);
    if (qmp_has(thread, "unique-thread-id")) {
        snprintf(who, size, "%s (%" PRIu64 ".%" PRIu64 ")", fitting,
                 qmp_uint(thread, "unique-process-id", 0),
                 qmp_uint(thread, "unique-thread-id", 0));
    } else {
        snprintf(who, size, "%s", fitting);
    }
}

static void print_who_at(const Graph *graph, uint64_t address, Out *out)
{
    const Node *node = node_at(graph, address);
    char who[DISPLAY_ROOM(WHO_COLUMNS) + 48];

    if (node) {
        format_who(node->thread, who, sizeof(who));
        out_text(out, who);
    } else {
        out_printf(out, _("an unreadable thread at 0x%" PRIx64), address);
    }
}

static void print_object(const Graph *graph, const Node *node,
                         const json_t *objects, size_t i, Out *out)
{
    const json_t *object = json_array_get(objects, i);
    uint64_t owner = qmp_uint(object, "owner", 0);

    if (!qmp_has(object, "type")) {
        out_text(out, _("something that cannot be read"));
    } else if (!qmp_has(object, "type-name")) {
        out_printf(out, _("an object of type %" PRIu64),
                   qmp_uint(object, "type", 0));
    } else if (*qmp_text(object, "type-name", "") == 'e') {
        out_text(out, _("an event"));
    } else {
        out_printf(out, "a %s", qmp_text(object, "type-name", ""));
    }
    if (owner == node->address) {
        out_text(out, _(" that it has itself"));
    } else if (owner) {
        out_text(out, _(" that "));
        print_who_at(graph, owner, out);
        out_text(out, _(" has"));
    }
}

static void print_wait(const Graph *graph, const Node *node, Out *out)
{
    const json_t *objects = json_object_get(node->thread, "objects");
    size_t n = json_array_size(objects);
    size_t i;

    out_printf(out, _(" waits (%s)"),
               qmp_text(node->thread, "wait-reason-name",
                        _("no reason known")));
    if (!n) {
        return;
    }
    out_text(out, n == 1 ? _(" for ") :
             qmp_bool(node->thread, "wait-all", false)
             ? _(" for all of: ") : _(" for the first of: "));
    for (i = 0; i < n && i < OBJECTS_SHOWN; i++) {
        out_text(out, i ? "; " : "");
        print_object(graph, node, objects, i, out);
    }
    if (n > i) {
        out_printf(out, _("; and %zu more"), n - i);
    }
}

static void print_state(const Graph *graph, const Node *node, Out *out)
{
    const char *state = qmp_text(node->thread, "state-name", "");
    uint64_t behind = qmp_uint(node->thread, "behind", 0);

    if (!strcmp(state, "Waiting")) {
        print_wait(graph, node, out);
    } else if (behind) {
        out_printf(out, _(" is ready, but CPU %" PRIu64 " has "),
                   qmp_uint(node->thread, "cpu-number", 0));
        print_who_at(graph, behind, out);
    } else if (!strcmp(state, "Running")) {
        out_text(out, _(" runs"));
    } else if (*state) {
        out_printf(out, _(" is in state %s"), state);
    } else {
        out_text(out, _(" is in a state that is not known"));
    }
}

/* Whom a chain goes on with. */
static Node *holder_of(const Graph *graph, const Node *node)
{
    const json_t *objects = json_object_get(node->thread, "objects");
    Node *found = node_at(graph, qmp_uint(node->thread, "behind", 0));
    size_t i;

    for (i = 0; !found && i < json_array_size(objects); i++) {
        found = node_at(graph, owner_of(node, objects, i));
    }
    return found;
}

/*
 * A sentence is put together in a buffer that is never written, and goes out
 * as lines that fit.
 */
static Out *sentence_begin(void)
{
    static Out sentence;

    out_init(&sentence, -1);
    return &sentence;
}

static void sentence_end(Out *sentence, const char *first, Out *out)
{
    out_char(sentence, '\0');
    why_wrap(out, first, (unsigned)strlen(first) + 2, sentence->buf);
}

static void print_chain(const Graph *graph, const Node *first, Out *out)
{
    const Node *shown[CHAIN_MAX];
    const Node *node = first;
    Out *sentence;
    char who[DISPLAY_ROOM(WHO_COLUMNS) + 48];
    size_t n = 0;
    size_t i;

    while (node && n < CHAIN_MAX) {
        format_who(node->thread, who, sizeof(who));
        sentence = sentence_begin();
        out_text(sentence, who);
        print_state(graph, node, sentence);
        sentence_end(sentence, n ? "  " : "", out);
        shown[n++] = node;
        node = holder_of(graph, node);
        for (i = 0; node && i < n; i++) {
            if (shown[i] == node) {
                out_text(out, first->deadlocked ? _("  => a deadlock\n") :
                         node->deadlocked ? _("  => behind a deadlock\n") :
                         _("  => back to a thread above\n"));
                return;
            }
        }
    }
}

static void print_deadlocks(const Graph *graph, Out *out)
{
    size_t n = json_array_size(graph->deadlocks);
    size_t i;
    size_t k;

    for (i = 0; i < n; i++) {
        const json_t *members = json_array_get(graph->deadlocks, i);
        size_t count = json_array_size(members);

        out_text(out, i ? "" : "\n");
        out_printf(out, _("Deadlock of %zu threads: none of them can go on\n"),
                   count);
        for (k = 0; k < count; k++) {
            out_text(out, "  ");
            print_who_at(graph, (uint64_t)json_integer_value(
                             json_array_get(members, k)), out);
            out_text(out, "\n");
        }
    }
}

void why_print_waits(const json_t *waits, Out *out)
{
    Graph graph;
    size_t i;

    graph_init(&graph, waits);
    find_all_deadlocks(&graph);
    for (i = 0; i < graph.n; i++) {
        if (qmp_bool(graph.nodes[i].thread, "asked", false)) {
            print_chain(&graph, &graph.nodes[i], out);
        }
    }
    if (!graph.n) {
        out_text(out, _("it has no threads\n"));
    }
    print_deadlocks(&graph, out);
    graph_free(&graph);
}

void why_print_waits_json(const json_t *waits, Out *out)
{
    JsonOut json = { .out = out };
    Graph graph;

    graph_init(&graph, waits);
    find_all_deadlocks(&graph);
    jsonout_begin(&json, NULL, '{');
    qmp_dump(&json, "threads", waits);
    qmp_dump(&json, "deadlocks", graph.deadlocks);
    jsonout_end(&json, '}');
    jsonout_line(&json);
    graph_free(&graph);
}
