/*
 * image: what was found in a memory image, for those that print it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_IMAGE_H
#define VMSCOPE_IMAGE_H

#include "source/dump-file.h"

#include "common/jsonout.h"
#include "common/map.h"
#include "common/out.h"
#include "winos/detect.h"
#include "winos/modules.h"
#include "winos/processes.h"
#include "winsched/thread.h"

/* More objects than any Windows has; lists in an image may say anything. */
enum { IMAGE_MAX_PROCESSES = 16384, IMAGE_MAX_THREADS = 131072 };

typedef struct ImageProcess {
    uint64_t address;
    unsigned n_threads;         /* of those that were found */
} ImageProcess;

/* What is known of a bug check and of the moment. */
typedef struct ImageCrash {
    bool there;
    uint32_t code;
    uint64_t parameters[4];
    int cpu;                    /* index of the vCPU that crashed, or -1 */
    uint64_t time;              /* FILETIME; 0: not known */
    uint64_t uptime;            /* in 100 ns; 0: not known */
    char lab[64];               /* NtBuildLab; "" when it cannot be read */
} ImageCrash;

typedef struct Image {
    DumpFile file;
    ImageCrash crash;
    WinosModule *modules;       /* of WINOS_MAX_MODULES */
    unsigned n_modules;
    WinosListEnd modules_end;
    WinosResult result;
    WinosCpu *cpus;
    ImageProcess *processes;
    size_t n_processes, processes_room;
    int32_t path_at;            /* of processes' paths, or WINOS_NO_OFFSET */
    uint64_t *threads;          /* addresses, each once */
    size_t n_threads, threads_room;
    Map known;                  /* address of an object: its index + 1 */
    Map walked;                 /* members of lists */
    bool cut;                   /* there are more objects than are kept */
    uint64_t ns;                /* detection took */
    uint64_t reads;
} Image;

/**
 * image_look - find Windows in an image that was opened, and all its objects
 *
 * image->cpus and modules are the caller's to free, whatever this returns.
 *
 * Returns: false with a sentence
 */
bool image_look(Image *image, Err *err);

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

/*
 * The bytes of an image name: @name has room for WINSCHED_IMAGE_SIZE; "" when
 * it cannot be read.
 */
void image_read_name(const Image *image, uint64_t process, char *name);

/* The full path of its image: WINOS_PROCESS_PATH bytes; "" for none. */
void image_read_path(const Image *image, uint64_t process, char *path);

/**
 * image_find_crash - what of a bug check memory and the file's header tell
 */
void image_find_crash(Image *image);

/* The build of the kernel's file: 19041 where people say 19045; or 0. */
unsigned image_kernel_build(const Image *image);

/* A FILETIME as people write it; "" for one that is absurd. */
enum { IMAGE_TIME_ROOM = 32 };
void image_time(uint64_t filetime, char *text);

/* Where code is: "driver.sys+0x1234", or the address. */
enum { IMAGE_PLACE_ROOM = WINOS_MODULE_NAME + 32 };
void image_place(const Image *image, uint64_t gva, char *text);

typedef struct ImageView {
    bool offsets;
    bool threads;
    bool paths;
    bool command_lines;
    bool drivers;
    bool interrupts;
} ImageView;

void image_print(const Image *image, const ImageView *view, Out *out);

/* One object on one line, with the names that QMP has. */
void image_print_json(const Image *image, const ImageView *view, Out *out);

/* Who serves which interrupt vector, on each vCPU. */
void image_say_interrupts(const Image *image, Out *out);
void image_json_interrupts(const Image *image, JsonOut *json);

/* What a file is, what crashed, and what it lacks: for all kinds. */
void image_say_file(const Image *image, Out *out);
void image_say_crash(const Image *image, Out *out);
void image_json_file(const Image *image, JsonOut *json);
void image_json_crash(const Image *image, JsonOut *json);

/* A minidump: no memory to look around in. */
void image_print_triage(Image *image, const ImageView *view, bool as_json,
                        Out *out);

#endif
