/*
 * qmp: commands to a QEMU, over its QMP socket or through libvirt.
 *
 * Every wait has an end: an answer that does not come in time, a QEMU that
 * dies, hangs or talks nonsense, and SIGINT (see common/stop.h) all become an
 * error that names the place and says what to do.  What commands mean is for
 * the callers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_QMP_H
#define VMSCOPE_QMP_H

#include "base/err.h"
#include "source/connect.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Qmp Qmp;

/* Why the last command gave no result. */
typedef enum QmpFailure {
    QMP_FINE,
    QMP_REFUSED,        /* QEMU said no; the connection goes on */
    QMP_UNKNOWN,        /* this QEMU has no such command; so does it here */
    QMP_STOPPED,        /* SIGINT or SIGTERM; so does it here */
    QMP_TIMEOUT,        /* from here on nothing more can be asked */
    QMP_GONE,           /* QEMU has ended or closed the connection */
    QMP_BROKEN,         /* what came was no QMP */
} QmpFailure;

/**
 * qmp_connect - connect, and greet
 * @opt: as read by options_read(); borrowed until qmp_free()
 *
 * Returns: a connection, freed with qmp_free(); NULL with a sentence when
 * there is none.  err->code is ERR_USAGE when @opt names no QEMU or two.
 */
Qmp *qmp_connect(const ConnectOptions *opt, Err *err);

/* NULL is allowed. */
void qmp_free(Qmp *qmp);

/**
 * qmp_command - run a command and wait for its answer
 * @arguments: NULL for none; this takes over the reference, also on failure
 *
 * Commands that begin with "query-irq-log" or "query-windows-" go
 * out-of-band where QEMU lets them, which does not wait for its main loop.
 *
 * An integer beyond 63 bits, as addresses of a guest's kernel are, arrives as
 * the negative number with the same 64 bits: qmp_uint() gives it back.
 *
 * The commands of the scheduler trace are answered here when QEMU has none
 * (or when that was asked for): see attach/serve.h.
 *
 * Returns: what is in "return", to be released with json_decref(); NULL with
 * a sentence in @err, which is not NULL, and the reason in qmp_failure()
 */
json_t *qmp_command(Qmp *qmp, const char *name, json_t *arguments, Err *err);

/* The same where nothing but success matters. */
bool qmp_run(Qmp *qmp, const char *name, json_t *arguments, Err *err);

QmpFailure qmp_failure(const Qmp *qmp);

/* Whether commands can still be answered. */
bool qmp_alive(const Qmp *qmp);

/**
 * qmp_finish - from now on SIGINT is not heeded, and waits are short
 *
 * For putting things back at the end.
 */
void qmp_finish(Qmp *qmp);

/* For messages: "QMP socket /run/vm.qmp", "libvirt domain win11". */
const char *qmp_place(const Qmp *qmp);

/* The process at the other end of the socket; 0 when not known. */
pid_t qmp_pid(const Qmp *qmp);

/* QEMU's version as greeted, "10.0.2"; "" when not known. */
const char *qmp_version(const Qmp *qmp);

/**
 * qmp_entries - a command that answers with entries of a log
 *
 * As qmp_command(), and learns from the answer how large entries are.
 */
json_t *qmp_entries(Qmp *qmp, const char *name, json_t *arguments, Err *err);

/**
 * qmp_page - how many entries of a log to ask for at once
 *
 * So many that the answer has about a MiB, by those that came before: libvirt
 * refuses one above 4 MiB and loses the domain's monitor above 10.
 */
uint32_t qmp_page(const Qmp *qmp);

/* Whether the scheduler trace is looked at from outside, not by QEMU. */
bool qmp_is_attached(const Qmp *qmp);

/* Whether qmp_pid() is a process of this host, and a QEMU. */
bool qmp_can_see_process(Qmp *qmp);

/* Whether that could be done: its process is to be seen, and is a QEMU. */
bool qmp_can_attach(Qmp *qmp);

/* False when there is only a process (--pid). */
bool qmp_has_monitor(const Qmp *qmp);

/**
 * qmp_command_apart - as qmp_command(), for another thread
 *
 * qmp_failure() is not changed by it, and nothing is answered but by QEMU.
 */
json_t *qmp_command_apart(Qmp *qmp, const char *name, json_t *arguments,
                          Err *err);

/**
 * qmp_on_event - have events told
 * @event: called by whoever reads one, with the connection locked: it must
 *         not ask anything; NULL: no more
 */
void qmp_on_event(Qmp *qmp, void (*event)(void *opaque, const char *name),
                  void *opaque);

/* Read those that have come; any thread.  Through libvirt none come. */
void qmp_take_events(Qmp *qmp);

/* Members of an object.  Absent ones, or of another type, are @otherwise. */
uint64_t qmp_uint(const json_t *object, const char *key, uint64_t otherwise);
int64_t qmp_int(const json_t *object, const char *key, int64_t otherwise);
bool qmp_bool(const json_t *object, const char *key, bool otherwise);
const char *qmp_text(const json_t *object, const char *key,
                     const char *otherwise);
bool qmp_has(const json_t *object, const char *key);

/**
 * qmp_set - give an object a member
 * @object: NULL, as when there was no memory, ends the program
 * @value: @object's from now on
 */
void qmp_set(json_t *object, const char *key, json_t *value);

#endif
