/*
 * space: see space.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "space.h"

#include "common/map.h"
#include "common/translate.h"
#include "debuginfo.h"
#include "message.h"
#include "procfs.h"
#include "resolver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than a process of ours can have; a log may claim any number. */
enum { OBJECTS_MAX = 4096 };

typedef struct Object {
    char *path;             /* that names are read from */
    char *mapped;           /* its segments tell the bias; NULL: it is known */
    char *build_id;         /* that the log tells; "": none */
    bool program;
    bool opened;
    bool resolver_started;
    uint64_t offset;        /* in @mapped, of the byte at @start */
    uint64_t bias;
    uint64_t start;         /* both 0: not known before it is opened */
    uint64_t end;
    DebugFile *file;        /* NULL: cannot be read */
    Resolver *resolver;     /* NULL: libdw is asked, or it does not work */
} Object;

struct Space {
    SpaceHow how;
    Object *objects;
    size_t n;
    size_t room;
    uint32_t pid;           /* 0: of a log */
};

Space *space_new(const SpaceHow *how)
{
    Space *space = calloc(1, sizeof(*space));

    if (!space) {
        die_no_memory();
    }
    space->how = *how;
    return space;
}

void space_free(Space *space)
{
    Object *object;

    if (!space) {
        return;
    }
    for (object = space->objects; space->n; space->n--, object++) {
        debuginfo_close(object->file);
        resolver_stop(object->resolver);
        free(object->path);
        free(object->mapped);
        free(object->build_id);
    }
    free(space->objects);
    free(space);
}

static Object *add(Space *space, const char *path, const char *build_id)
{
    Object *object;

    space->objects = grow(space->objects, space->n, &space->room,
                          sizeof(*space->objects));
    object = &space->objects[space->n++];
    memset(object, 0, sizeof(*object));
    object->path = keep(path);
    object->build_id = keep(build_id);
    return object;
}

void space_add_run(Space *space, const IrqlogRun *run)
{
    const char *binary = space->how.binary;
    Object *object;

    if (run && (binary || *run->exe)) {
        object = add(space, binary ? binary : run->exe, run->build_id);
        object->bias = run->load_base;
        object->program = true;
    } else if (binary) {
        add(space, binary, "")->program = true;
    }
}

void space_add_object(Space *space, const IrqlogObjectInfo *info)
{
    Object *object;
    size_t i;

    for (i = 0; i < space->n; i++) {
        if (space->objects[i].bias == info->load_base) {
            if (!space->objects[i].end) {
                space->objects[i].start = info->start;
                space->objects[i].end = info->end;
            }
            return;
        }
    }
    if (*info->file != '/' || space->n == OBJECTS_MAX) {
        return;             /* the kernel's own, or nonsense */
    }
    object = add(space, info->file, info->build_id);
    object->bias = info->load_base;
    object->start = info->start;
    object->end = info->end;
}

/* Running processes. */

/* Whether two names are of one file. */
static bool same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;

    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/*
 * A mapped file: under its own name, beside which its debug file is found; if
 * that is another file by now, or none, as the kernel still has it.
 */
static const char *find_mapped(uint32_t pid, const ProcMap *map, char *link,
                               size_t size)
{
    if (map->program) {
        snprintf(link, size, "/proc/%" PRIu32 "/exe", pid);
    } else {
        snprintf(link, size, "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
                 pid, map->start, map->end);
    }
    return access(link, R_OK) || same_file(link, map->path) ? map->path : link;
}

/* Whether a mapping goes on where the one before ended, in the same file. */
static bool goes_on(const Space *space, const ProcMap *map)
{
    const Object *last = space->n ? &space->objects[space->n - 1] : NULL;

    return last && last->program == map->program && last->end == map->start &&
           map->offset - last->offset == map->start - last->start;
}

static void add_map(void *opaque, const ProcMap *map)
{
    Space *space = opaque;
    const char *binary = map->program ? space->how.binary : NULL;
    const char *mapped;
    char link[96];
    Object *object;

    if (goes_on(space, map)) {
        space->objects[space->n - 1].end = map->end;
        return;
    }
    if (space->n == OBJECTS_MAX) {
        return;
    }
    mapped = find_mapped(space->pid, map, link, sizeof(link));
    object = add(space, binary ? binary : mapped, "");
    object->mapped = keep(mapped);
    object->program = map->program;
    object->offset = map->offset;
    object->start = map->start;
    object->end = map->end;
}

bool space_add_process(Space *space, uint32_t pid)
{
    Err err;

    space->pid = pid;
    if (!procfs_maps(pid, add_map, space, &err)) {
        warn(WARN_SYMBOLS, "%s: only what the log says is used", err.text);
        return false;
    }
    return true;
}

/* Of a mapped file: learn from its segments where it is loaded. */
static bool settle_bias(Object *object, Err *err)
{
    ElfLayout layout;

    if (!object->mapped) {
        return true;
    }
    if (!debuginfo_layout(object->mapped, object->offset, &layout, err) &&
        !debuginfo_layout(object->path, object->offset, &layout, err)) {
        return false;
    }
    if (!layout.known) {
        err_set(err, ERR_FORMAT, "%s: no segment of code is where the process "
                "has it mapped", object->mapped);
        return false;
    }
    object->bias = object->start - layout.vaddr;
    free(object->mapped);
    object->mapped = NULL;
    return true;
}

bool space_load_base(Space *space, uint64_t *load_base)
{
    Err err;
    size_t i;

    for (i = 0; i < space->n; i++) {
        if (space->objects[i].program) {
            if (!settle_bias(&space->objects[i], &err)) {
                return false;
            }
            *load_base = space->objects[i].bias;
            return true;
        }
    }
    return false;
}

void space_expect_build_id(Space *space, const char *build_id)
{
    size_t i;

    for (i = 0; i < space->n; i++) {
        if (space->objects[i].program) {
            free(space->objects[i].build_id);
            space->objects[i].build_id = keep(build_id);
        }
    }
}

/* Opening files. */

static void check_build_id(const Object *object)
{
    const char *found = debuginfo_build_id(object->file);
    size_t len = strlen(object->build_id);

    if (!len || !strncmp(found, object->build_id, len)) {
        return;
    }
    warn(object->program ? WARN_BUILD_ID : WARN_OBJECT,
         "%s has build-id %s, the log is of %s: names may be wrong",
         object->path, *found ? found : _("(none)"), object->build_id);
}

static void check_bias(const Space *space, const Object *object)
{
    ElfLayout layout;
    Err err;

    if (object->program && !object->bias && !space->pid &&
        debuginfo_layout(object->path, 0, &layout, &err) && !layout.fixed) {
        warn(WARN_SYMBOLS, "the log does not say where %s was loaded "
             "(it has no first line): functions are not named; --pid helps "
             "while it runs", object->path);
    }
}

static void open_object(const Space *space, Object *object)
{
    Err err;

    object->opened = true;
    if (settle_bias(object, &err)) {
        object->file = debuginfo_open(object->path, object->bias, &err);
    }
    if (!object->file) {
        if (!space->how.resolver || object->mapped) {
            /* a resolver that knows the bias may know more than we do */
            warn(WARN_SYMBOLS, "%s: functions in it are not named", err.text);
        }
        return;
    }
    if (!object->end) {
        debuginfo_range(object->file, &object->start, &object->end);
    }
    check_build_id(object);
    check_bias(space, object);
}

static Object *find_object(Space *space, uint64_t pc)
{
    Object *object;
    size_t i;

    for (i = 0; i < space->n; i++) {
        object = &space->objects[i];
        if (!object->end && !object->opened) {
            open_object(space, object);
        }
        if (pc >= object->start && pc < object->end) {
            return object;
        }
    }
    return NULL;
}

static Resolver *find_resolver(Space *space, Object *object)
{
    if (!object->resolver_started) {
        object->resolver_started = true;
        object->resolver = resolver_start(space->how.resolver, object->path,
                                          space->how.resolver_timeout);
    }
    return object->resolver;
}

/* What an address lies in, else the program if its end is not known. */
static Object *choose_object(Space *space, uint64_t pc)
{
    Object *program = NULL;
    Object *object;
    size_t i;

    for (i = 0; i < space->n; i++) {
        object = &space->objects[i];
        if (pc >= object->start && pc < object->end) {
            return object;
        }
        if (object->program && !object->end) {
            program = object;
        }
    }
    return program;
}

static bool ask_resolver(Space *space, uint64_t pc, Symbol *symbol)
{
    Object *object = choose_object(space, pc);
    Resolver *resolver;

    if (!object) {
        return false;
    }
    if (!object->opened) {
        open_object(space, object);     /* for the build-id */
    }
    if (object->mapped) {
        return false;                   /* where it is loaded is not known */
    }
    resolver = find_resolver(space, object);
    return resolver && resolver_lookup(resolver, pc - object->bias, symbol);
}

bool space_lookup(Space *space, uint64_t pc, Symbol *symbol)
{
    Object *object;

    if (space->how.resolver) {
        return ask_resolver(space, pc, symbol);
    }
    object = find_object(space, pc);
    if (!object) {
        return false;
    }
    if (!object->opened) {
        open_object(space, object);
    }
    return object->file && debuginfo_lookup(object->file, pc, symbol);
}
