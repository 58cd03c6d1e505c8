/*
 * IRQ log: what lines and threads are called
 *
 * A line or thread is looked at once, when it is first seen.  What takes a
 * walk over the object tree is found out later, in the main loop, for all
 * lines that came up meanwhile.  Addresses that were logged are compared,
 * never followed: what they belonged to may be gone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <malloc.h>
#include <sys/prctl.h>
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "qom/object.h"
#include "vmscope/compat.h"
#include "irq-log.h"

/* Ancestors looked at, in a tree that is never that deep. */
#define MAX_ANCESTORS 32

static bool belongs_to_cpu(Object *obj)
{
    int i;

    for (i = 0; obj && i < MAX_ANCESTORS; i++) {
        if (object_dynamic_cast(obj, TYPE_CPU)) {
            return true;
        }
        obj = obj->parent;
    }
    return false;
}

/* @obj is the IRQ object of a pin, or the device itself. */
static IrqlogKind line_kind(Object *obj)
{
    Object *device = object_dynamic_cast(obj, TYPE_DEVICE) ? obj :
                                                             obj->parent;

    if (!device || !object_dynamic_cast(device, TYPE_DEVICE)) {
        return IRQLOG_SOFTWARE;
    }
    return belongs_to_cpu(device) ? IRQLOG_PERCPU : IRQLOG_HARDWARE;
}

uint32_t irq_log_generation = 1;

static void name_lines_bh(void *opaque);

/* Called with the tables locked. */
static void schedule_naming(IrqLogSession *session)
{
    if (!session->naming_scheduled) {
        session->naming_scheduled = true;
        irq_log_ref(session);
        aio_bh_schedule_oneshot(qemu_get_aio_context(), name_lines_bh,
                                session);
    }
}

static uint32_t add_line(IrqLogSession *session, Object *obj, bool message,
                         const IrqlogIdentity *identity)
{
    g_autofree char *path = NULL;
    bool is_device = object_dynamic_cast(obj, TYPE_DEVICE);
    IrqlogLineInfo line = {
        .irq = is_device ? 0 : identity->key,
        .handler = identity->handler,
        .opaque = message ? identity->key : identity->opaque,
        .n = identity->n,
        .kind = message ? IRQLOG_MSI : line_kind(obj),
    };
    uint32_t id;

    /* The tree may change under whoever does not hold the lock. */
    if (bql_locked()) {
        path = object_get_canonical_path(obj);
    }
    line.path = path;
    id = irqlog_store_add_line(&session->store, &line, identity->parent);
    if (id != IRQLOG_NO_LINE) {
        session->checked[id] = qatomic_read(&irq_log_generation);
        irqlog_index_add(session->index, identity->key, id);
        schedule_naming(session);
    }
    return id;
}

uint32_t irq_log_new_line(IrqLogSession *session, Object *obj, bool message,
                          const IrqlogIdentity *identity)
{
    uint32_t id;

    if (irqlog_store_n_lines(&session->store) == IRQLOG_MAX_LINES) {
        return IRQLOG_NO_LINE;
    }
    qemu_mutex_lock(&session->tables_lock);
    id = irqlog_index_find(session->index, &session->store, identity);
    if (id == IRQLOG_NO_LINE) {
        id = add_line(session, obj, message, identity);
    }
    qemu_mutex_unlock(&session->tables_lock);
    return id;
}

uint32_t irq_log_check_line(IrqLogSession *session, Object *obj, bool message,
                            const IrqlogIdentity *identity, uint32_t line)
{
    g_autofree char *path = NULL;
    IrqlogLineInfo known;

    /* Whoever holds the lock will find out. */
    if (!bql_locked()) {
        return line;
    }
    path = object_get_canonical_path(obj);
    irqlog_store_line(&session->store, line, &known);
    if (!strcmp(known.path, path ? path : IRQLOG_ANONYMOUS)) {
        qatomic_set(&session->checked[line],
                    qatomic_read(&irq_log_generation));
        return line;
    }
    qemu_mutex_lock(&session->tables_lock);
    irqlog_index_remove(session->index, identity->key, line);
    line = add_line(session, obj, message, identity);
    qemu_mutex_unlock(&session->tables_lock);
    return line;
}

/*
 * Names are checked again, and those of lines without one soon after: what
 * they belong to is seen in the tree only.
 */
static void devices_changed(DeviceListener *listener, DeviceState *dev)
{
    IrqLogSession *session = irq_log_get();

    qatomic_set(&irq_log_generation, irq_log_generation + 1);
    if (!session) {
        return;
    }
    if (qatomic_read(&session->enabled)) {
        qemu_mutex_lock(&session->tables_lock);
        session->n_named = 0;
        schedule_naming(session);
        qemu_mutex_unlock(&session->tables_lock);
    }
    irq_log_put(session);
}

void irq_log_watch_devices(void)
{
    static DeviceListener listener = {
        .realize = devices_changed,
        .unrealize = devices_changed,
    };
    static bool watching;

    if (!watching) {
        watching = true;
        device_listener_register(&listener);
    }
}

/* One TCG thread may run all vCPUs. */
static char *vcpu_role(uint32_t tid)
{
    int first = -1;
    int last = -1;
    CPUState *cpu;

    CPU_FOREACH(cpu) {
        if (cpu->thread_id == tid) {
            first = first < 0 ? cpu->cpu_index : first;
            last = cpu->cpu_index;
        }
    }
    if (first < 0) {
        return NULL;
    }
    return first == last ? g_strdup_printf("vcpu %d", first) :
                           g_strdup_printf("vcpus %d-%d", first, last);
}

typedef struct IothreadSearch {
    uint32_t tid;
    char *role;
} IothreadSearch;

static int match_iothread(Object *child, void *opaque)
{
    IothreadSearch *search = opaque;
    IOThread *iothread = (IOThread *)object_dynamic_cast(child,
                                                         TYPE_IOTHREAD);

    if (iothread && iothread->thread_id == search->tid) {
        search->role = g_strdup_printf("iothread %s",
                                       object_get_canonical_path_component(
                                           child));
        return 1;
    }
    return 0;
}

static char *iothread_role(uint32_t tid)
{
    IothreadSearch search = { .tid = tid };

    /* The objects may change under whoever does not hold the lock. */
    if (bql_locked()) {
        object_child_foreach(object_get_objects_root(), match_iothread,
                             &search);
    }
    return search.role;
}

static char *thread_role(uint32_t tid)
{
    char *role;

    if (tid == getpid()) {
        return g_strdup("main-loop");
    }
    role = vcpu_role(tid);
    return role ? role : iothread_role(tid);
}

uint16_t irq_log_new_thread(IrqLogSession *session)
{
    uint32_t tid = qemu_get_thread_id();
    g_autofree char *role = thread_role(tid);
    char name[16] = "";
    IrqlogThreadInfo thread = { .tid = tid, .name = name, .role = role };
    uint16_t id;

    prctl(PR_GET_NAME, name);
    qemu_mutex_lock(&session->tables_lock);
    id = irqlog_store_add_thread(&session->store, &thread);
    qemu_mutex_unlock(&session->tables_lock);
    return id;
}

/* The object tree at one moment: who is at which address. */
typedef struct TreeView {
    GHashTable *objects;        /* address -> path, of each object */
    GHashTable *drivers;        /* address of an IRQ -> "path:link" */
    GArray *blocks;             /* of the heap, by address */
} TreeView;

typedef struct TreeBlock {
    uintptr_t start;
    uintptr_t end;
    const char *path;           /* borrowed from objects */
} TreeBlock;

/* Of several drivers the first by name, so that it is always the same. */
static void view_driver(TreeView *view, Object *obj, const char *path,
                        const char *link)
{
    Object *target = object_property_get_link(obj, link, NULL);
    char *name = g_strdup_printf("%s:%s", path, link);
    const char *other;

    other = target ? g_hash_table_lookup(view->drivers, target) : NULL;
    if (target && (!other || strcmp(name, other) < 0)) {
        g_hash_table_insert(view->drivers, target, name);
    } else {
        g_free(name);
    }
}

static void view_links(TreeView *view, Object *obj, const char *path)
{
    ObjectPropertyIterator iter;
    ObjectProperty *prop;

    object_property_iter_init(&iter, obj);
    while ((prop = object_property_iter_next(&iter))) {
        if (!strcmp(prop->type, "link<irq>")) {
            view_driver(view, obj, path, prop->name);
        }
    }
}

static int view_object(Object *obj, void *opaque)
{
    TreeView *view = opaque;
    char *path = object_get_canonical_path(obj);

    if (!path) {
        return 0;
    }
    g_hash_table_insert(view->objects, obj, path);
    view_links(view, obj, path);
    if (obj->free == g_free) {
        TreeBlock block = {
            .start = (uintptr_t)obj,
            .end = (uintptr_t)obj + malloc_usable_size(obj),
            .path = path,
        };

        g_array_append_val(view->blocks, block);
    }
    return 0;
}

static gint by_start(gconstpointer a, gconstpointer b)
{
    const TreeBlock *x = a;
    const TreeBlock *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

static void view_init(TreeView *view)
{
    view->objects = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    view->drivers = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    view->blocks = g_array_new(false, false, sizeof(TreeBlock));
    object_child_foreach_recursive(object_get_root(), view_object, view);
    g_array_sort(view->blocks, by_start);
}

static void view_free(TreeView *view)
{
    g_hash_table_unref(view->objects);
    g_hash_table_unref(view->drivers);
    g_array_unref(view->blocks);
}

/* The object at @addr, or the one in whose memory it lies. */
static const char *view_owner(const TreeView *view, uintptr_t addr)
{
    const char *path = g_hash_table_lookup(view->objects, (void *)addr);
    guint low = 0;
    guint high = view->blocks->len;

    while (!path && low < high) {
        guint mid = (low + high) / 2;
        const TreeBlock *block = &g_array_index(view->blocks, TreeBlock, mid);

        if (addr < block->start) {
            high = mid;
        } else if (addr >= block->end) {
            low = mid + 1;
        } else {
            path = block->path;
        }
    }
    return path;
}

/* What is known of a line must be what the tree says, or be unknown. */
static bool differs(const char *known, const char *now)
{
    return known && (!now || strcmp(known, now));
}

/* The path of an object that is in the tree, where it was when logged. */
static const char *view_path(const TreeView *view, uint64_t addr,
                             uint64_t parent)
{
    Object *obj = (Object *)(uintptr_t)addr;
    const char *path = g_hash_table_lookup(view->objects, obj);

    return path && (uintptr_t)obj->parent == parent ? path : NULL;
}

static void name_line(IrqLogSession *session, const TreeView *view,
                      uint32_t id)
{
    IrqlogLineEntry *entry = &session->store.tables->lines[id];
    uint64_t key = entry->irq ? entry->irq : entry->opaque;
    const char *path = view_path(view, key, entry->parent);
    const char *driver = NULL;
    const char *owner = NULL;
    IrqlogLineInfo known;

    if (entry->irq) {
        driver = g_hash_table_lookup(view->drivers,
                                     (void *)(uintptr_t)entry->irq);
        owner = view_owner(view, entry->opaque);
    }
    irqlog_store_line(&session->store, id, &known);
    if (!strcmp(known.path, IRQLOG_ANONYMOUS)) {
        known.path = NULL;
    }
    if (differs(known.path, path) || differs(known.driven_by, driver) ||
        differs(known.owner, owner)) {
        /* It is gone, or another line by now. */
        irqlog_index_remove(session->index, key, id);
        return;
    }
    irqlog_store_name_line(&session->store, id, known.path ? NULL : path,
                           known.driven_by ? NULL : driver,
                           known.owner ? NULL : owner);
}

static void name_lines(IrqLogSession *session, const TreeView *view)
{
    uint32_t n;
    uint32_t id;

    qemu_mutex_lock(&session->tables_lock);
    session->naming_scheduled = false;
    n = irqlog_store_n_lines(&session->store);
    for (id = session->n_named; id < n; id++) {
        name_line(session, view, id);
    }
    session->n_named = n;
    qemu_mutex_unlock(&session->tables_lock);
}

static void name_lines_bh(void *opaque)
{
    IrqLogSession *session = opaque;
    TreeView view;

    view_init(&view);
    name_lines(session, &view);
    view_free(&view);
    irq_log_put(session);
}
