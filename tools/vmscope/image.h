/*
 * image: what was found in a memory image, for those that print it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IMAGE_H
#define VMSCOPE_IMAGE_H

#include "dump.h"

#include "common/map.h"
#include "common/out.h"
#include "winos/detect.h"
#include "winsched/thread.h"

/* More objects than any Windows has; lists in an image may say anything. */
enum { IMAGE_MAX_PROCESSES = 16384, IMAGE_MAX_THREADS = 131072 };

typedef struct ImageProcess {
    uint64_t address;
    unsigned n_threads;         /* of those that were found */
} ImageProcess;

typedef struct Image {
    Dump dump;
    WinosResult result;
    WinosCpu *cpus;
    ImageProcess *processes;
    size_t n_processes, processes_room;
    uint64_t *threads;          /* addresses, each once */
    size_t n_threads, threads_room;
    Map known;                  /* address of an object: its index + 1 */
    Map walked;                 /* members of lists */
    bool cut;                   /* there are more objects than are kept */
    uint64_t ns;                /* detection took */
    uint64_t reads;
} Image;

/**
 * image_gather - find the processes and threads, from lists and vCPUs
 *
 * Each member of a list is looked at once, so lists that loop or run into
 * one another end.
 */
void image_gather(Image *image);

/* Releases what image_gather() allocated. */
void image_release(Image *image);

/* A field of an object, where its place is known and it can be read. */
bool image_read_word(const Image *image, uint64_t object, WinosField field,
                     uint64_t *value);
bool image_read_thread(const Image *image, uint64_t gva,
                       WinschedThread *thread);

/* The thread a vCPU ran. */
bool image_read_running(const Image *image, const WinosCpu *cpu,
                        WinschedThread *thread);

/* @name has room for WINSCHED_IMAGE_SIZE; "" when it cannot be read. */
void image_read_name(const Image *image, uint64_t process, char *name);

typedef struct ImageView {
    bool offsets;
    bool threads;
} ImageView;

void image_print(const Image *image, const ImageView *view, Out *out);

/* One object on one line, with the names that QMP has. */
void image_print_json(const Image *image, Out *out);

#endif
