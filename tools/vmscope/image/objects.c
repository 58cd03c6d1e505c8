/*
 * image-objects: the processes and threads of a memory image.
 *
 * Detection looks at a few hundred objects, to judge offsets by; here all of
 * them are found.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image/image.h"

#include "winos/live.h"

#include <stdlib.h>
#include <string.h>

enum { PATHS_ASKED = 64 };      /* processes that tell where paths are */

static const GmemSpace *space_of(const Image *image)
{
    return &image->result.kernel.space;
}

bool image_read_word(const Image *image, uint64_t object, WinosField field,
                     uint64_t *value)
{
    int32_t offset = winos_offset(&image->result.layout, field);

    return offset >= 0 && gmem_read_u64(space_of(image), object + offset,
                                        value);
}

bool image_read_thread(const Image *image, uint64_t gva,
                       WinschedThread *thread)
{
    return winsched_thread_read(space_of(image), &image->result.layout, gva,
                                thread);
}

bool image_read_running(const Image *image, const WinosCpu *cpu,
                        WinschedThread *thread)
{
    uint64_t gva;

    return image_read_word(image, cpu->prcb, WINOS_PRCB_CURRENT_THREAD,
                           &gva) &&
           image_read_thread(image, gva, thread);
}

void image_read_name(const Image *image, uint64_t process, char *name)
{
    int32_t offset = winos_offset(&image->result.layout,
                                  WINOS_EPROCESS_IMAGE_FILE_NAME);

    memset(name, 0, WINSCHED_IMAGE_SIZE);
    if (offset < 0 || !gmem_read(space_of(image), process + offset, name,
                                 WINSCHED_IMAGE_SIZE - 1, NULL)) {
        *name = '\0';
    }
}

void image_read_path(const Image *image, uint64_t process, char *path)
{
    winos_process_path(&image->result, image->path_at, process, path,
                       WINOS_PROCESS_PATH);
}

static void find_paths(Image *image)
{
    uint64_t some[PATHS_ASKED];
    unsigned n;

    for (n = 0; n < image->n_processes && n < PATHS_ASKED; n++) {
        some[n] = image->processes[n].address;
    }
    image->path_at = winos_path_place(&image->result, some, n);
}

static void add_process(Image *image, uint64_t gva)
{
    if (!live_is_object(space_of(image), gva, LIVE_PROCESS) ||
        map_get(&image->known, gva)) {
        return;
    }
    if (image->n_processes == IMAGE_MAX_PROCESSES) {
        image->cut = true;
        return;
    }
    image->processes = grow(image->processes, image->n_processes,
                            &image->processes_room,
                            sizeof(*image->processes));
    image->processes[image->n_processes++] = (ImageProcess) { gva, 0 };
    map_put(&image->known, gva, (uint32_t)image->n_processes);
}

static void add_thread(Image *image, uint64_t gva)
{
    if (!live_is_object(space_of(image), gva, LIVE_THREAD) ||
        map_get(&image->known, gva)) {
        return;
    }
    if (image->n_threads == IMAGE_MAX_THREADS) {
        image->cut = true;
        return;
    }
    image->threads = grow(image->threads, image->n_threads,
                          &image->threads_room, sizeof(*image->threads));
    image->threads[image->n_threads++] = gva;
    map_put(&image->known, gva, (uint32_t)image->n_threads);
}

/* The members behind @head, up to it or one that was seen before. */
static void walk(Image *image, uint64_t head, int32_t offset,
                 void (*add)(Image *image, uint64_t gva))
{
    uint64_t at = head;

    while (gmem_read_u64(space_of(image), at, &at) && at != head &&
           gmem_is_kernel(space_of(image), at) &&
           !map_get(&image->walked, at)) {
        if (image->walked.used >= IMAGE_MAX_PROCESSES + IMAGE_MAX_THREADS) {
            image->cut = true;
            return;
        }
        map_put(&image->walked, at, 1);
        add(image, at - (uint64_t)offset);
    }
}

static void gather_vcpus(Image *image)
{
    uint64_t thread;
    unsigned i;

    for (i = 0; i < image->result.n_cpus; i++) {
        uint64_t prcb = image->cpus[i].prcb;

        if (image_read_word(image, prcb, WINOS_PRCB_CURRENT_THREAD,
                            &thread)) {
            add_thread(image, thread);
        }
        if (image_read_word(image, prcb, WINOS_PRCB_IDLE_THREAD, &thread)) {
            add_thread(image, thread);
        }
    }
}

static void gather_processes(Image *image)
{
    int32_t links = winos_offset(&image->result.layout,
                                 WINOS_EPROCESS_ACTIVE_PROCESS_LINKS);
    uint64_t system = image->result.kernel.system_process;

    add_process(image, image->result.kernel.idle_process);
    add_process(image, system);
    if (links >= 0 && live_is_object(space_of(image), system,
                                     LIVE_PROCESS)) {
        walk(image, system + (uint64_t)links, links, add_process);
    }
}

/* Owners of threads that no list has led to. */
static void gather_owners(Image *image)
{
    uint64_t process;
    size_t i;

    for (i = 0; i < image->n_threads; i++) {
        if (image_read_word(image, image->threads[i], WINOS_KTHREAD_PROCESS,
                            &process)) {
            add_process(image, process);
        }
    }
}

static void gather_threads(Image *image)
{
    int32_t head = winos_offset(&image->result.layout,
                                WINOS_EPROCESS_THREAD_LIST_HEAD);
    int32_t entry = winos_offset(&image->result.layout,
                                 WINOS_ETHREAD_THREAD_LIST_ENTRY);
    size_t i;

    if (head < 0 || entry < 0) {
        return;
    }
    for (i = 0; i < image->n_processes; i++) {
        walk(image, image->processes[i].address + (uint64_t)head, entry,
             add_thread);
    }
}

static void count_threads(Image *image)
{
    uint64_t process;
    uint32_t known;
    size_t i;

    for (i = 0; i < image->n_threads; i++) {
        if (!image_read_word(image, image->threads[i], WINOS_KTHREAD_PROCESS,
                             &process)) {
            continue;
        }
        known = map_get(&image->known, process);
        if (known && known <= image->n_processes &&
            image->processes[known - 1].address == process) {
            image->processes[known - 1].n_threads++;
        }
    }
}

void image_gather(Image *image)
{
    gather_vcpus(image);
    gather_processes(image);
    gather_owners(image);
    gather_threads(image);
    gather_owners(image);
    count_threads(image);
    find_paths(image);
}

void image_release(Image *image)
{
    map_clear(&image->known);
    map_clear(&image->walked);
    free(image->processes);
    free(image->threads);
}
