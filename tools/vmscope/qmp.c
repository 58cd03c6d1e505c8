/*
 * qmp: see qmp.h.
 *
 * What is common to both ways of reaching a QEMU: requests, answers and what
 * is said when there is none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qmp.h"

#include "common/message.h"
#include "qmp-socket.h"
#include "qmp-virsh.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Answers through libvirt must fit into 4 MiB, its limit for strings. */
enum { PAGE_SOCKET = 10000, PAGE_LIBVIRT = 2000 };

static const uint64_t default_timeout_ns = 10000000000;
static const uint64_t finish_timeout_ns = 3000000000;

struct Qmp {
    char *place;
    const char *domain;         /* NULL: by socket */
    int fd;
    Wire wire;
    pid_t pid;
    bool out_of_band;
    bool heed_stop;
    uint64_t timeout_ns;
    uint64_t numbered;          /* requests sent */
    QmpFailure failure;
    Err why;                    /* of a final failure */
    char version[32];
};

/* Failures behind which nothing more can be asked. */
static bool is_final(QmpFailure failure)
{
    return failure >= QMP_TIMEOUT;
}

QmpFailure qmp_failure(const Qmp *qmp)
{
    return qmp->failure;
}

bool qmp_alive(const Qmp *qmp)
{
    return !is_final(qmp->failure);
}

const char *qmp_place(const Qmp *qmp)
{
    return qmp->place;
}

pid_t qmp_pid(const Qmp *qmp)
{
    return qmp->pid;
}

const char *qmp_version(const Qmp *qmp)
{
    return qmp->version;
}

uint32_t qmp_page(const Qmp *qmp)
{
    return qmp->domain ? PAGE_LIBVIRT : PAGE_SOCKET;
}

void qmp_finish(Qmp *qmp)
{
    qmp->heed_stop = false;
    qmp->timeout_ns = finish_timeout_ns;
}

static Deadline deadline_of(const Qmp *qmp)
{
    return wait_deadline(qmp->timeout_ns, qmp->heed_stop);
}

/* Note a failure and complete its sentence; returns false for it. */
static bool note(Qmp *qmp, QmpFailure failure, Err *err)
{
    qmp->failure = failure;
    if (failure == QMP_TIMEOUT && !qmp->domain) {
        err_set(err, ERR_IO, "no answer within %.3g s: QEMU hangs or is "
                "stopped", (double)qmp->timeout_ns / 1e9);
    } else if (failure == QMP_STOPPED) {
        err_set(err, ERR_IO, "interrupted");
    }
    if (failure != QMP_FINE) {
        err_prefix(err, "%s: ", qmp->place);
        qmp->why = *err;
    }
    return failure == QMP_FINE;
}

/* Requests. */

static bool may_go_out_of_band(const char *name)
{
    return !strncmp(name, "query-irq-log", 13) ||
           !strncmp(name, "query-windows-sched", 19);
}

/* The request as text, freed with free(); takes over @arguments. */
static char *make_request(Qmp *qmp, const char *name, json_t *arguments)
{
    bool out_of_band = qmp->out_of_band && may_go_out_of_band(name);
    json_t *request = json_object();
    char *text;

    if (!request) {
        die_no_memory();
    }
    json_object_set_new(request, out_of_band ? "exec-oob" : "execute",
                        json_string(name));
    if (arguments) {
        json_object_set_new(request, "arguments", arguments);
    }
    if (!qmp->domain) {     /* libvirt numbers them itself */
        json_object_set_new(request, "id",
                            json_integer((json_int_t)++qmp->numbered));
    }
    text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!text) {
        die_no_memory();
    }
    return text;
}

/* Messages until the answer to the last request; events are passed over. */
static QmpFailure receive_answer(Qmp *qmp, const Deadline *deadline,
                                 json_t **answer, Err *err)
{
    QmpFailure failure;

    for (;;) {
        failure = qmp_socket_receive(qmp->fd, &qmp->wire, deadline, answer,
                                     err);
        if (failure != QMP_FINE ||
            (json_object_get(*answer, "id") &&
             qmp_uint(*answer, "id", 0) == qmp->numbered) ||
            (json_object_get(*answer, "error") &&
             !json_object_get(*answer, "id"))) {
            return failure;
        }
        json_decref(*answer);
        if (wait_now_ns() > deadline->at_ns) {
            return QMP_TIMEOUT;
        }
    }
}

static QmpFailure ask(Qmp *qmp, const char *request, json_t **answer,
                      Err *err)
{
    Deadline deadline = deadline_of(qmp);
    QmpFailure failure;

    if (qmp->domain) {
        return qmp_virsh_ask(qmp->domain, request, &deadline, answer, err);
    }
    failure = qmp_socket_send(qmp->fd, request, strlen(request), &deadline,
                              err);
    if (failure == QMP_FINE) {
        failure = receive_answer(qmp, &deadline, answer, err);
    }
    return failure;
}

/* Answers. */

static QmpFailure judge_error(const Qmp *qmp, const char *name,
                              const json_t *error, Err *err)
{
    const char *desc = qmp_text(error, "desc", "no reason given");

    if (!strcmp(qmp_text(error, "class", ""), "CommandNotFound") &&
        strstr(desc, "found")) {
        err_set(err, ERR_VERSION, "this QEMU%s%s has no command %s: it is "
                "not built with vmscope, or an older one",
                *qmp->version ? " " : "", qmp->version, name);
        return QMP_UNKNOWN;
    }
    err_set(err, ERR_IO, "%s: %s", name, desc);
    return QMP_REFUSED;
}

/* What is in "return", a reference of its own; NULL with a failure. */
static json_t *take_result(Qmp *qmp, const char *name, json_t *answer,
                           Err *err)
{
    json_t *result = json_object_get(answer, "return");
    json_t *error = json_object_get(answer, "error");

    if (result) {
        note(qmp, QMP_FINE, err);
        return json_incref(result);
    }
    if (json_is_object(error)) {
        note(qmp, judge_error(qmp, name, error, err), err);
        return NULL;
    }
    err_set(err, ERR_FORMAT, "%s: an answer that is neither result nor error",
            name);
    note(qmp, QMP_BROKEN, err);
    return NULL;
}

json_t *qmp_command(Qmp *qmp, const char *name, json_t *arguments, Err *err)
{
    json_t *answer = NULL;
    json_t *result = NULL;
    QmpFailure failure;
    char *request;

    if (!qmp_alive(qmp)) {
        json_decref(arguments);
        *err = qmp->why;
        return NULL;
    }
    request = make_request(qmp, name, arguments);
    failure = ask(qmp, request, &answer, err);
    if (note(qmp, failure, err)) {
        result = take_result(qmp, name, answer, err);
        json_decref(answer);
    }
    free(request);
    return result;
}

bool qmp_run(Qmp *qmp, const char *name, json_t *arguments, Err *err)
{
    json_t *result = qmp_command(qmp, name, arguments, err);

    json_decref(result);
    return result != NULL;
}

/* Connecting. */

static void keep_version(Qmp *qmp, const json_t *version)
{
    const json_t *qemu = json_object_get(version, "qemu");

    if (json_is_object(qemu)) {
        snprintf(qmp->version, sizeof(qmp->version),
                 "%" PRIu64 ".%" PRIu64 ".%" PRIu64,
                 qmp_uint(qemu, "major", 0), qmp_uint(qemu, "minor", 0),
                 qmp_uint(qemu, "micro", 0));
    }
}

static bool offers_out_of_band(const json_t *greeting)
{
    const json_t *offered = json_object_get(greeting, "capabilities");
    size_t i;

    for (i = 0; i < json_array_size(offered); i++) {
        const char *name = json_string_value(json_array_get(offered, i));

        if (name && !strcmp(name, "oob")) {
            return true;
        }
    }
    return false;
}

/* A socket that is silent has most likely somebody else on it. */
static bool note_greeting(Qmp *qmp, QmpFailure failure, Err *err)
{
    Err why = *err;

    if (note(qmp, failure, err)) {
        return true;
    }
    if (failure == QMP_TIMEOUT) {
        err_set(err, ERR_IO, "%s: QEMU does not greet: it hangs, or another "
                "client is connected (a QMP socket serves one at a time: give "
                "QEMU a second -qmp)", qmp->place);
    } else if (failure == QMP_BROKEN) {
        err_set(err, ERR_FORMAT, "%s: this is no QMP (%.200s): give the path "
                "of QEMU's -qmp, not of -monitor or -serial", qmp->place,
                why.text);
    }
    return false;
}

static bool greet(Qmp *qmp, const Deadline *deadline, Err *err)
{
    json_t *arguments = NULL;
    json_t *message = NULL;
    json_t *greeting;
    QmpFailure failure;
    bool out_of_band = false;

    err_set(err, ERR_NONE, "%s", "");
    failure = qmp_socket_receive(qmp->fd, &qmp->wire, deadline, &message,
                                 err);
    greeting = failure == QMP_FINE ? json_object_get(message, "QMP") : NULL;
    if (failure == QMP_FINE && !greeting) {
        err_set(err, ERR_FORMAT, "no greeting");
        failure = QMP_BROKEN;
    }
    if (note_greeting(qmp, failure, err)) {
        keep_version(qmp, json_object_get(greeting, "version"));
        out_of_band = offers_out_of_band(greeting);
        if (out_of_band) {
            arguments = json_pack("{s:[s]}", "enable", "oob");
        }
    }
    json_decref(message);
    if (failure != QMP_FINE ||
        !qmp_run(qmp, "qmp_capabilities", arguments, err)) {
        return false;
    }
    qmp->out_of_band = out_of_band;
    return true;
}

static bool connect_socket(Qmp *qmp, const char *path, Err *err)
{
    Deadline deadline = deadline_of(qmp);
    QmpFailure failure;

    qmp->fd = qmp_socket_open(path, &deadline, &qmp->pid, &failure, err);
    return note(qmp, failure, err) && greet(qmp, &deadline, err);
}

/* That there is such a domain, and that it runs, is seen by asking. */
static bool connect_domain(Qmp *qmp, Err *err)
{
    json_t *version = qmp_command(qmp, "query-version", NULL, err);

    keep_version(qmp, version);
    json_decref(version);
    return version != NULL;
}

static char *name_place(const ConnectOptions *opt)
{
    const char *kind = opt->qmp ? "QMP socket " : "libvirt domain ";
    const char *name = opt->qmp ? opt->qmp : opt->libvirt;
    size_t len = strlen(kind) + strlen(name) + 1;
    char *place = malloc(len);

    if (!place) {
        die_no_memory();
    }
    snprintf(place, len, "%s%s", kind, name);
    return place;
}

static bool names_one(const ConnectOptions *opt, Err *err)
{
    if (opt->qmp && opt->libvirt) {
        err_set(err, ERR_USAGE, "--qmp and --libvirt: give one of them");
        return false;
    }
    if (!opt->qmp && !opt->libvirt) {
        err_set(err, ERR_USAGE, "which QEMU? Give --qmp PATH of its socket, "
                "or --libvirt DOMAIN");
        return false;
    }
    return true;
}

Qmp *qmp_connect(const ConnectOptions *opt, Err *err)
{
    Qmp *qmp;

    if (!names_one(opt, err)) {
        return NULL;
    }
    qmp = calloc(1, sizeof(*qmp));
    if (!qmp) {
        die_no_memory();
    }
    qmp->place = name_place(opt);
    qmp->domain = opt->libvirt;
    qmp->fd = -1;
    qmp->heed_stop = true;
    qmp->timeout_ns = opt->timeout_ns ? opt->timeout_ns : default_timeout_ns;
    wire_init(&qmp->wire);
    if (!(opt->qmp ? connect_socket(qmp, opt->qmp, err)
                   : connect_domain(qmp, err))) {
        qmp_free(qmp);
        return NULL;
    }
    return qmp;
}

void qmp_free(Qmp *qmp)
{
    if (!qmp) {
        return;
    }
    if (qmp->fd >= 0) {
        close(qmp->fd);
    }
    wire_release(&qmp->wire);
    free(qmp->place);
    free(qmp);
}
