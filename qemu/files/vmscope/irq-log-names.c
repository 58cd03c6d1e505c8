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
#include <sys/prctl.h>
#include "block/aio.h"
#include "hw/core/cpu.h"
#include "hw/qdev-core.h"
#include "qom/object.h"
#include "vmscope/compat.h"
#include "irq-log.h"
#include "irq-log-tree.h"

/* Ancestors looked at, in a tree that is never that deep. */
#define MAX_ANCESTORS 32

static bool names_belongs_to_cpu(Object *obj)
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
static IrqlogKind names_line_kind(Object *obj)
{
    Object *device = object_dynamic_cast(obj, TYPE_DEVICE) ? obj :
                                                             obj->parent;

    if (!device || !object_dynamic_cast(device, TYPE_DEVICE)) {
        return IRQLOG_SOFTWARE;
    }
    return names_belongs_to_cpu(device) ? IRQLOG_PERCPU : IRQLOG_HARDWARE;
}

static Object *names_device_of(Object *obj)
{
    if (object_dynamic_cast(obj, TYPE_DEVICE)) {
        return obj;
    }
    return obj->parent && object_dynamic_cast(obj->parent, TYPE_DEVICE) ?
           obj->parent : NULL;
}

/*
 * The type of the device that @obj is or is a pin of, and behind a colon its
 * id, or the vCPU it belongs to.
 *
 * Returns: to be freed; NULL when it is no device's
 */
static char *names_device_name(Object *obj)
{
    Object *device = names_device_of(obj);
    Object *above = device;
    const char *id = device ? DEVICE(device)->id : NULL;
    int i;

    if (!device) {
        return NULL;
    }
    if (id) {
        return g_strdup_printf("%s:%s", object_get_typename(device), id);
    }
    for (i = 0; above && i < MAX_ANCESTORS; i++) {
        if (object_dynamic_cast(above, TYPE_CPU)) {
            return g_strdup_printf("%s:vcpu %d", object_get_typename(device),
                                   CPU(above)->cpu_index);
        }
        above = above->parent;
    }
    return g_strdup(object_get_typename(device));
}

/* The same of a path, or of a path and a link behind a colon. */
static char *names_device_at(const char *path)
{
    const char *colon = strrchr(path, ':');
    g_autofree char *object = g_strndup(path, colon ? colon - path :
                                                      strlen(path));
    Object *obj = object_resolve_path(object, NULL);

    return obj ? names_device_name(obj) : NULL;
}

uint32_t irq_log_generation = 1;

static void names_bh(void *opaque);

/* Called with the tables locked. */
static void names_schedule(IrqLogSession *session)
{
    if (!session->naming_scheduled) {
        session->naming_scheduled = true;
        irq_log_ref(session);
        aio_bh_schedule_oneshot(qemu_get_aio_context(), names_bh,
                                session);
    }
}

static uint32_t names_add_line(IrqLogSession *session, Object *obj,
                               bool message, const IrqlogIdentity *identity)
{
    g_autofree char *path = NULL;
    g_autofree char *device = names_device_name(obj);
    bool is_pin = !message && !object_dynamic_cast(obj, TYPE_DEVICE);
    IrqlogLineInfo line = {
        .irq = is_pin ? identity->key : 0,
        .handler = identity->handler,
        .opaque = identity->opaque,
        .n = identity->n,
        .kind = message ? IRQLOG_MSI : names_line_kind(obj),
        .device = device,
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
        names_schedule(session);
    } else if (irqlog_index_refuse(session->index, identity)) {
        irqlog_store_refuse_line(&session->store);
    }
    return id;
}

uint32_t irq_log_new_line(IrqLogSession *session, Object *obj, bool message,
                          const IrqlogIdentity *identity)
{
    uint32_t id;

    /* A full table stays so; nobody waits to find that out again. */
    if (irqlog_store_n_lines(&session->store) == IRQLOG_MAX_LINES) {
        if (irqlog_index_refuse(session->index, identity)) {
            irqlog_store_refuse_line(&session->store);
        }
        return IRQLOG_NO_LINE;
    }
    qemu_mutex_lock(&session->tables_lock);
    id = irqlog_index_find(session->index, &session->store, identity);
    if (id == IRQLOG_NO_LINE) {
        id = names_add_line(session, obj, message, identity);
    }
    qemu_mutex_unlock(&session->tables_lock);
    return id;
}

/* Of long names the beginning is kept. */
static bool names_differs(const char *known, const char *now)
{
    return strncmp(known, now, IRQLOG_NAME_MAX);
}

uint32_t irq_log_check_line(IrqLogSession *session, Object *obj, bool message,
                            const IrqlogIdentity *identity, uint32_t line)
{
    g_autofree char *path = NULL;
    IrqlogLineInfo known;
    bool same;

    /* Whoever holds the lock will find out. */
    if (!bql_locked()) {
        return line;
    }
    irqlog_store_line(&session->store, line, &known);
    /* A name without room may be any; the next line would have none either. */
    same = !strcmp(known.path, IRQLOG_UNKNOWN) ||
           irq_log_tree_is_path(known.path, (uintptr_t)obj, identity->parent);
    if (!same) {
        path = object_get_canonical_path(obj);
        same = !names_differs(known.path, path ? path : IRQLOG_ANONYMOUS);
    }
    if (same) {
        qatomic_set(&session->checked[line],
                    qatomic_read(&irq_log_generation));
        return line;
    }
    qemu_mutex_lock(&session->tables_lock);
    irqlog_index_remove(session->index, identity->key, line);
    line = names_add_line(session, obj, message, identity);
    qemu_mutex_unlock(&session->tables_lock);
    return line;
}

/*
 * Names are checked again, and those of lines without one soon after: what
 * they belong to is seen in the tree only.
 */
static void names_devices_changed(DeviceListener *listener, DeviceState *dev)
{
    IrqLogSession *session = irq_log_get();

    qatomic_set(&irq_log_generation, irq_log_generation + 1);
    if (!session) {
        return;
    }
    if (qatomic_read(&session->base.enabled)) {
        qemu_mutex_lock(&session->tables_lock);
        session->n_named = 0;
        names_schedule(session);
        qemu_mutex_unlock(&session->tables_lock);
    }
    irq_log_put(session);
}

void irq_log_watch_devices(void)
{
    static DeviceListener listener = {
        .realize = names_devices_changed,
        .unrealize = names_devices_changed,
    };
    static bool watching;

    if (!watching) {
        watching = true;
        device_listener_register(&listener);
    }
}

/* One TCG thread may run all vCPUs. */
static char *names_vcpu_role(uint32_t tid)
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

static int names_match_iothread(Object *child, void *opaque)
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

static char *names_iothread_role(uint32_t tid)
{
    IothreadSearch search = { .tid = tid };

    /* The objects may change under whoever does not hold the lock. */
    if (bql_locked()) {
        object_child_foreach(object_get_objects_root(), names_match_iothread,
                             &search);
    }
    return search.role;
}

static char *names_thread_role(uint32_t tid)
{
    char *role;

    if (tid == getpid()) {
        return g_strdup("main-loop");
    }
    role = names_vcpu_role(tid);
    return role ? role : names_iothread_role(tid);
}

uint16_t irq_log_new_thread(IrqLogSession *session)
{
    uint32_t tid = qemu_get_thread_id();
    g_autofree char *role = names_thread_role(tid);
    char name[16] = "";
    IrqlogThreadInfo thread = { .tid = tid, .name = name, .role = role };
    uint16_t id;

    prctl(PR_GET_NAME, name);
    qemu_mutex_lock(&session->tables_lock);
    id = irqlog_store_add_thread(&session->store, &thread);
    qemu_mutex_unlock(&session->tables_lock);
    return id;
}

/* How long lines are named without a break for the main loop. */
#define NAMING_US 500

/* What the line was added to the index with. */
static uint64_t names_index_key(const IrqlogLineEntry *entry)
{
    if (entry->kind == IRQLOG_MSI) {
        return irqlog_message_key(entry->opaque, entry->n);
    }
    return entry->irq ? entry->irq : entry->opaque;
}

/* Names in the store that stand for none are none. */
static void names_known(IrqLogSession *session, uint32_t id,
                        IrqlogLineInfo *known)
{
    irqlog_store_line(&session->store, id, known);
    if (!strcmp(known->path, IRQLOG_ANONYMOUS) ||
        !strcmp(known->path, IRQLOG_UNKNOWN)) {
        known->path = NULL;
    }
}

/* A name that was cut cannot be looked up. */
static bool names_is_cut(const char *name)
{
    return strlen(name) >= IRQLOG_NAME_MAX;
}

/* Is all that is known of a line still so, or is it gone, or another? */
static bool names_line_is_there(const IrqlogLineEntry *entry,
                                const IrqlogLineInfo *known)
{
    uint64_t object = entry->irq ? entry->irq : entry->opaque;

    return (!known->path || names_is_cut(known->path) ||
            irq_log_tree_is_path(known->path, object, entry->parent)) &&
           (!known->driven_by || names_is_cut(known->driven_by) ||
            irq_log_tree_is_driver(known->driven_by, entry->irq)) &&
           (!known->owner || names_is_cut(known->owner) ||
            irq_log_tree_is_owner(known->owner, entry->opaque));
}

/* Does something of a line have to be looked for in the whole tree? */
static bool names_needs_tree(const IrqlogLineEntry *entry,
                             const IrqlogLineInfo *known)
{
    return !known->path || (entry->irq && (!known->driven_by ||
                                           !known->owner));
}

/* Returns: false when the tree has to be walked first. */
static bool names_find_line(IrqLogSession *session, uint32_t id,
                            bool tree_known)
{
    const IrqlogLineEntry *entry = &session->store.tables->lines[id];
    uint64_t object = entry->irq ? entry->irq : entry->opaque;
    const char *path = NULL;
    const char *driver = NULL;
    const char *owner = NULL;
    IrqlogLineInfo known;

    names_known(session, id, &known);
    if (!tree_known &&
        (names_needs_tree(entry, &known) ||
         !names_line_is_there(entry, &known))) {
        return false;
    }
    if (!names_line_is_there(entry, &known)) {
        irqlog_index_remove(session->index, names_index_key(entry), id);
        return true;
    }
    if (!known.path) {
        path = irq_log_tree_path(object, entry->parent);
    }
    if (entry->irq && !known.driven_by) {
        driver = irq_log_tree_driver(entry->irq);
    }
    if (entry->irq && !known.owner) {
        owner = irq_log_tree_owner(entry->opaque);
    }
    irqlog_store_name_line(&session->store, id, path, driver, owner);
    if (!known.device && (driver || owner)) {
        g_autofree char *device = names_device_at(driver ? driver : owner);

        irqlog_store_set_device(&session->store, id, device);
    }
    return true;
}

/*
 * A device that comes or goes meanwhile has all lines looked at again.
 *
 * Returns: true when nothing is left to do
 */
static bool names_find_all(IrqLogSession *session)
{
    int64_t until = g_get_monotonic_time() + NAMING_US;
    bool tree_known = false;
    bool done = false;
    bool named = true;

    while (!done && g_get_monotonic_time() < until) {
        if (!named) {
            tree_known = irq_log_tree_step();
            if (!tree_known) {
                break;
            }
        }
        qemu_mutex_lock(&session->tables_lock);
        if (session->n_named >= irqlog_store_n_lines(&session->store)) {
            session->naming_scheduled = false;
            done = true;
        } else {
            named = names_find_line(session, session->n_named, tree_known);
            session->n_named += named;
        }
        qemu_mutex_unlock(&session->tables_lock);
    }
    return done;
}

static void names_bh(void *opaque)
{
    IrqLogSession *session = opaque;

    if (!names_find_all(session)) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), names_bh,
                                session);
        return;
    }
    if (!qatomic_read(&session->base.enabled)) {
        irq_log_tree_drop();
    }
    irq_log_put(session);
}

void irq_log_names_stop(IrqLogSession *session)
{
    qemu_mutex_lock(&session->tables_lock);
    if (!session->naming_scheduled) {
        irq_log_tree_drop();
    }
    qemu_mutex_unlock(&session->tables_lock);
}
