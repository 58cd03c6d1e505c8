/*
 * IRQ log: which object is at which address
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <malloc.h>
#include "qemu/cutils.h"
#include "qom/object.h"
#include "base/thread.h"
#include "irq-log.h"
#include "irq-log-tree.h"

/* How long one step goes on. */
#define STEP_US 500

/* One that was visited. */
typedef struct TreeObject {
    char *path;
    uintptr_t parent;
} TreeObject;

/* Memory of the heap that an object is. */
typedef struct TreeBlock {
    uintptr_t start;
    uintptr_t end;
    char *path;
} TreeBlock;

typedef struct Tree {
    uint32_t generation;        /* that it is of; 0: there is none */
    bool whole;
    GQueue waiting;             /* routes to objects that were not visited */
    GHashTable *objects;        /* address -> TreeObject */
    GHashTable *drivers;        /* address of an IRQ -> "path:link" */
    GTree *blocks;              /* TreeBlock, by address */
} Tree;

static Tree tree;

static void tree_block_free(gpointer opaque)
{
    TreeBlock *block = opaque;

    g_free(block->path);
    g_free(block);
}

static void tree_object_free(gpointer opaque)
{
    TreeObject *object = opaque;

    g_free(object->path);
    g_free(object);
}

static gint tree_block_order(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const TreeBlock *x = a;
    const TreeBlock *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

/* For g_tree_search(): where @addr lies, seen from a block. */
static gint tree_block_side(gconstpointer block_key, gconstpointer addr_key)
{
    const TreeBlock *block = block_key;
    uintptr_t addr = (uintptr_t)addr_key;

    return addr < block->start ? -1 : addr >= block->end;
}

/* Some ten thousand pieces of memory: not the main loop's work. */
static void *tree_free_thread(void *opaque)
{
    Tree *old = opaque;

    /* g_queue_clear_full() is younger than the glib that QEMU 7.2 asks for. */
    while (!g_queue_is_empty(&old->waiting)) {
        g_free(g_queue_pop_head(&old->waiting));
    }
    g_hash_table_unref(old->objects);
    g_hash_table_unref(old->drivers);
    g_tree_unref(old->blocks);
    g_free(old);
    return NULL;
}

void irq_log_tree_drop(void)
{
    Tree *old;

    if (!tree.generation) {
        return;
    }
    old = g_memdup2(&tree, sizeof(tree));
    tree.generation = 0;
    if (!thread_start("vmscope-free", tree_free_thread, old, NULL)) {
        tree_free_thread(old);
    }
}

static void tree_begin(void)
{
    irq_log_tree_drop();
    tree.generation = qatomic_read(&irq_log_generation);
    tree.whole = false;
    g_queue_init(&tree.waiting);
    tree.objects = g_hash_table_new_full(NULL, NULL, NULL, tree_object_free);
    tree.drivers = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    tree.blocks = g_tree_new_full(tree_block_order, NULL, NULL,
                                  tree_block_free);
    g_queue_push_tail(&tree.waiting, g_strdup(""));
}

/* Of several drivers the first by name, so that it is always the same. */
static void tree_add_driver(Object *obj, const char *path, const char *link)
{
    Object *target = object_property_get_link(obj, link, NULL);
    char *name = g_strdup_printf("%s:%s", path, link);
    const char *other;

    other = target ? g_hash_table_lookup(tree.drivers, target) : NULL;
    if (target && (!other || strcmp(name, other) < 0)) {
        g_hash_table_insert(tree.drivers, target, name);
    } else {
        g_free(name);
    }
}

/* A route is the names on the way from the root, each with this before it. */
#define STEP '\1'

static Object *tree_follow(const char *route)
{
    Object *obj = object_get_root();

    while (obj && *route) {
        const char *end = strchrnul(++route, STEP);
        g_autofree char *name = g_strndup(route, end - route);

        obj = object_resolve_path_component(obj, name);
        route = end;
    }
    return obj;
}

/*
 * What waits to be visited are names.  A reference would not keep an object:
 * many lie in memory that is freed when they leave the tree, whoever still
 * refers to them (the windows of a PCI bridge, each time the guest moves
 * them).  A route that leads to nothing any more is left out.
 */
static void tree_visit(const char *route)
{
    Object *obj = tree_follow(route);
    TreeObject *object;
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    if (!obj) {
        return;
    }
    object = g_new(TreeObject, 1);
    object->path = g_strdelimit(g_strdup(route), (char[]){ STEP, 0 }, '/');
    object->parent = (uintptr_t)obj->parent;
    g_hash_table_insert(tree.objects, obj, object);
    if (obj->free == g_free) {
        TreeBlock *block = g_new(TreeBlock, 1);

        block->start = (uintptr_t)obj;
        block->end = block->start + malloc_usable_size(obj);
        block->path = g_strdup(object->path);
        g_tree_replace(tree.blocks, block, block);
    }
    object_property_iter_init(&iter, obj);
    while ((prop = object_property_iter_next(&iter))) {
        if (strstart(prop->type, "child<", NULL)) {
            g_queue_push_tail(&tree.waiting,
                              g_strdup_printf("%s%c%s", route, STEP,
                                              prop->name));
        } else if (!strcmp(prop->type, "link<irq>")) {
            tree_add_driver(obj, object->path, prop->name);
        }
    }
}

bool irq_log_tree_step(void)
{
    int64_t until = g_get_monotonic_time() + STEP_US;

    if (tree.generation != qatomic_read(&irq_log_generation)) {
        tree_begin();
    }
    while (!tree.whole && g_get_monotonic_time() < until) {
        g_autofree char *route = g_queue_pop_head(&tree.waiting);

        if (route) {
            tree_visit(route);
        } else {
            tree.whole = true;
        }
    }
    return tree.whole;
}

/*
 * A name that cannot be looked up, as one with a slash in it, is left to the
 * walk alone.
 */
static bool tree_is_current(void)
{
    return tree.generation == qatomic_read(&irq_log_generation) && tree.whole;
}

static const TreeObject *tree_object(uint64_t addr)
{
    return g_hash_table_lookup(tree.objects, (void *)(uintptr_t)addr);
}

static const char *tree_driver(uint64_t irq)
{
    return g_hash_table_lookup(tree.drivers, (void *)(uintptr_t)irq);
}

static const char *tree_owner(uint64_t addr)
{
    const TreeObject *object = tree_object(addr);
    const TreeBlock *block;

    if (object) {
        return object->path;
    }
    block = g_tree_search(tree.blocks, tree_block_side,
                          (gconstpointer)(uintptr_t)addr);
    return block ? block->path : NULL;
}

static bool tree_is_path(const char *path, uint64_t addr, uint64_t parent)
{
    Object *obj = object_resolve_path(path, NULL);

    return obj && (uintptr_t)obj == addr && (uintptr_t)obj->parent == parent;
}

static bool tree_is_driver(const char *driver, uint64_t irq)
{
    /* No name of an object or link has a colon. */
    const char *colon = strrchr(driver, ':');
    g_autofree char *path = colon ? g_strndup(driver, colon - driver) : NULL;
    Object *obj = path ? object_resolve_path(path, NULL) : NULL;

    return obj && object_property_find(obj, colon + 1) &&
           (uintptr_t)object_property_get_link(obj, colon + 1, NULL) == irq;
}

static bool tree_is_owner(const char *path, uint64_t addr)
{
    Object *obj = object_resolve_path(path, NULL);

    return obj && ((uintptr_t)obj == addr ||
                   (obj->free == g_free && addr > (uintptr_t)obj &&
                    addr < (uintptr_t)obj + malloc_usable_size(obj)));
}

bool irq_log_tree_is_path(const char *path, uint64_t addr, uint64_t parent)
{
    const TreeObject *object = tree_is_current() ? tree_object(addr) : NULL;

    return tree_is_path(path, addr, parent) ||
           (object && object->parent == parent &&
            !strcmp(object->path, path));
}

bool irq_log_tree_is_driver(const char *driver, uint64_t irq)
{
    return tree_is_driver(driver, irq) ||
           (tree_is_current() && !g_strcmp0(tree_driver(irq), driver));
}

bool irq_log_tree_is_owner(const char *path, uint64_t addr)
{
    return tree_is_owner(path, addr) ||
           (tree_is_current() && !g_strcmp0(tree_owner(addr), path));
}

const char *irq_log_tree_path(uint64_t addr, uint64_t parent)
{
    const TreeObject *object = tree_object(addr);

    return object &&
    tree_is_path(object->path, addr, parent) ? object->path : NULL;
}

const char *irq_log_tree_driver(uint64_t irq)
{
    const char *driver = tree_driver(irq);

    return driver && tree_is_driver(driver, irq) ? driver : NULL;
}

const char *irq_log_tree_owner(uint64_t addr)
{
    const char *path = tree_owner(addr);

    return path && tree_is_owner(path, addr) ? path : NULL;
}
