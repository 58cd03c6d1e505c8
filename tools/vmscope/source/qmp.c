/*
 * qmp: see qmp.h.
 *
 * What is common to both ways of reaching a QEMU: requests, answers and what
 * is said when there is none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/qmp.h"

#include "common/message.h"
#include "common/translate.h"
#include "source/attach/process.h"
#include "source/attach/serve.h"
#include "source/qmp-socket.h"
#include "source/qmp-tcp.h"
#include "source/qmp-virsh.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * An answer of entries shall have PAGE_BYTES.  Nothing is known of them at
 * first; and later ones may be larger than those that came, but not twice as
 * large as ENTRY_BYTES.
 */
enum {
    PAGE_BYTES = 1 << 20,
    ENTRY_BYTES = 700,
    PAGE_FIRST = 256,
};

static const uint64_t default_timeout_ns = 10000000000;
static const uint64_t finish_timeout_ns = 3000000000;

typedef enum AttachChoice {
    ATTACH_IF_NEEDED,           /* when QEMU has no such commands */
    ATTACH_ALWAYS,
    ATTACH_NEVER,
} AttachChoice;

struct Qmp {
    char *place;
    const char *domain;         /* NULL: by socket */
    int fd;                     /* -1: by virsh, or there is no monitor */
    bool blind;                 /* there is none */
    AttachChoice choice;
    AttachServer *attach;       /* NULL: the commands are QEMU's own */
    /* Of the monitor, as another thread may ask it too. */
    pthread_mutex_t lock;
    void (*event)(void *opaque, const char *name);
    void *event_opaque;
    Wire wire;
    pid_t pid;
    bool out_of_band;
    bool heed_stop;
    uint64_t timeout_ns;
    uint64_t numbered;          /* requests sent */
    QmpFailure failure;         /* of the last qmp_command() */
    _Atomic QmpFailure final;   /* QMP_FINE, or why nothing can be asked */
    Err why;                    /* of it */
    char version[32];
    size_t heard_bytes;         /* of the last answer; with the lock */
    size_t answer_bytes;        /* of the last one to qmp_command() */
    uint32_t page;
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
    if (qmp->attach) {
        return !attach_server_is_gone(qmp->attach);
    }
    return !qmp->final;
}

bool qmp_is_attached(const Qmp *qmp)
{
    return qmp->attach != NULL;
}

bool qmp_has_monitor(const Qmp *qmp)
{
    return !qmp->blind;
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
    return qmp->page;
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
    if (failure == QMP_TIMEOUT && !qmp->domain) {
        err_set(err, ERR_IO, "no answer within %.3g s: QEMU hangs or is "
                "stopped", (double)qmp->timeout_ns / 1e9);
    } else if (failure == QMP_STOPPED) {
        err_set(err, ERR_IO, "interrupted");
    }
    if (failure != QMP_FINE) {
        err_prefix(err, "%s: ", qmp->place);
    }
    if (is_final(failure) && !qmp->final) {
        qmp->why = *err;
        qmp->final = failure;
    }
    return failure == QMP_FINE;
}

/* Requests. */

static bool may_go_out_of_band(const char *name)
{
    return !strncmp(name, "query-irq-log", 13) ||
           !strncmp(name, "query-windows-", 14);
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

/* What QEMU says by itself. */
static void take_event(Qmp *qmp, const json_t *message)
{
    const char *name = qmp_text(message, "event", NULL);

    if (name && qmp->event) {
        qmp->event(qmp->event_opaque, name);
    }
}

/* Messages until the answer to the last request. */
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
        take_event(qmp, *answer);
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
        return qmp_virsh_ask(qmp->domain, request, &deadline, answer,
                             &qmp->heard_bytes, err);
    }
    failure = qmp_socket_send(qmp->fd, request, strlen(request), &deadline,
                              err);
    if (failure == QMP_FINE) {
        failure = receive_answer(qmp, &deadline, answer, err);
        qmp->heard_bytes = qmp->wire.message_bytes;
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
                           QmpFailure *failure, Err *err)
{
    json_t *result = json_object_get(answer, "return");
    json_t *error = json_object_get(answer, "error");

    if (result) {
        *failure = QMP_FINE;
        return json_incref(result);
    }
    if (json_is_object(error)) {
        *failure = judge_error(qmp, name, error, err);
    } else {
        err_set(err, ERR_FORMAT, "%s: an answer that is neither result nor "
                "error", name);
        *failure = QMP_BROKEN;
    }
    note(qmp, *failure, err);
    return NULL;
}

/* With the lock held. */
static json_t *ask_monitor(Qmp *qmp, const char *name, json_t *arguments,
                           QmpFailure *failure, Err *err)
{
    json_t *answer = NULL;
    json_t *result = NULL;
    char *request;

    if (qmp->final) {
        json_decref(arguments);
        *failure = qmp->final;
        *err = qmp->why;
        return NULL;
    }
    request = make_request(qmp, name, arguments);
    *failure = ask(qmp, request, &answer, err);
    if (note(qmp, *failure, err)) {
        result = take_result(qmp, name, answer, failure, err);
        json_decref(answer);
    }
    free(request);
    return result;
}

/* @bytes: receives the size of the answer */
static json_t *run_monitor(Qmp *qmp, const char *name, json_t *arguments,
                           size_t *bytes, QmpFailure *failure, Err *err)
{
    json_t *result;

    *bytes = 0;
    if (qmp->blind) {
        json_decref(arguments);
        result = attach_blind_answer(qmp->pid, name);
        *failure = result ? QMP_FINE : QMP_REFUSED;
        err_set(err, ERR_VERSION, "%s: %s needs a monitor: give --qmp or "
                "--libvirt in place of --pid", qmp->place, name);
        return result;
    }
    pthread_mutex_lock(&qmp->lock);
    result = ask_monitor(qmp, name, arguments, failure, err);
    *bytes = qmp->heard_bytes;
    pthread_mutex_unlock(&qmp->lock);
    return result;
}

json_t *qmp_command_apart(Qmp *qmp, const char *name, json_t *arguments,
                          Err *err)
{
    QmpFailure failure;
    size_t bytes;

    return run_monitor(qmp, name, arguments, &bytes, &failure, err);
}

/* A QEMU without the trace is looked at from outside. */

/* The process of a domain, by the name libvirt gives it. */
static pid_t pid_of_domain(const char *domain)
{
    size_t n;
    size_t i;
    AttachProcess *list = attach_process_list(&n);
    pid_t pid = 0;

    for (i = 0; i < n; i++) {
        if (list[i].command.libvirt &&
            !strcmp(list[i].command.name, domain)) {
            pid = list[i].pid;
        }
    }
    free(list);
    return pid;
}

static bool is_qemu(pid_t pid)
{
    AttachProcess *process = malloc(sizeof(*process));
    bool found;

    if (!process) {
        die_no_memory();
    }
    found = attach_process_read(pid, process);
    free(process);
    return found;
}

bool qmp_can_see_process(Qmp *qmp)
{
    if (!qmp->pid && qmp->domain) {
        qmp->pid = pid_of_domain(qmp->domain);
    }
    return qmp->pid && is_qemu(qmp->pid);
}

bool qmp_can_attach(Qmp *qmp)
{
    return qmp->choice != ATTACH_NEVER && qmp_can_see_process(qmp);
}

static bool begin_attach(Qmp *qmp, Err *err)
{
    if (!qmp_can_attach(qmp)) {
        err_set(err, ERR_IO, "%s: its process is not to be seen from here, so "
                "it cannot be looked at from outside: run this on the host of "
                "QEMU, outside of its container", qmp->place);
        return false;
    }
    qmp->attach = attach_server_new(qmp->pid, qmp->blind ? NULL : qmp);
    return true;
}

static json_t *run_attached(Qmp *qmp, const char *name, json_t *arguments,
                            QmpFailure *failure, Err *err)
{
    json_t *result = attach_server_command(qmp->attach, name, arguments, err);

    json_decref(arguments);
    qmp->answer_bytes = 0;
    *failure = QMP_FINE;
    if (!result || attach_server_is_gone(qmp->attach)) {
        *failure = result ? QMP_GONE : QMP_REFUSED;
        json_decref(result);
        if (*failure == QMP_GONE) {
            err_set(err, ERR_IO, "QEMU has ended");
        }
        /* With --pid that is the place. */
        if (strncmp(err->text, qmp->place, strlen(qmp->place))) {
            err_prefix(err, "%s: ", qmp->place);
        }
        return NULL;
    }
    return result;
}

json_t *qmp_command(Qmp *qmp, const char *name, json_t *arguments, Err *err)
{
    bool served = attach_serves(name) && qmp->choice != ATTACH_NEVER;
    json_t *result;
    Err other;
    Err why;

    if (served && !qmp->attach && qmp->choice == ATTACH_ALWAYS &&
        !begin_attach(qmp, err)) {
        json_decref(arguments);
        qmp->failure = QMP_REFUSED;
        return NULL;
    }
    if (served && qmp->attach) {
        return run_attached(qmp, name, arguments, &qmp->failure, err);
    }
    result = run_monitor(qmp, name, json_incref(arguments),
                         &qmp->answer_bytes, &qmp->failure, err);
    if (served && !result && qmp->failure == QMP_UNKNOWN &&
        attach_begins(name)) {
        if (begin_attach(qmp, &other)) {
            return run_attached(qmp, name, arguments, &qmp->failure, err);
        }
        why = *err;
        err_set(err, why.code, "%s; %s", why.text, other.text);
    }
    json_decref(arguments);
    return result;
}

void qmp_on_event(Qmp *qmp, void (*event)(void *opaque, const char *name),
                  void *opaque)
{
    pthread_mutex_lock(&qmp->lock);
    qmp->event = event;
    qmp->event_opaque = opaque;
    pthread_mutex_unlock(&qmp->lock);
}

void qmp_take_events(Qmp *qmp)
{
    Deadline now = { 0, false };
    json_t *message;
    Err err;

    if (qmp->fd < 0 || pthread_mutex_trylock(&qmp->lock)) {
        return;                 /* by virsh none come; or they are read now */
    }
    while (!qmp->final &&
           qmp_socket_receive(qmp->fd, &qmp->wire, &now, &message, &err) ==
           QMP_FINE) {
        take_event(qmp, message);
        json_decref(message);
    }
    pthread_mutex_unlock(&qmp->lock);
}

json_t *qmp_entries(Qmp *qmp, const char *name, json_t *arguments, Err *err)
{
    json_t *entries = qmp_command(qmp, name, arguments, err);
    size_t n = json_array_size(entries);
    size_t bytes = n ? qmp->answer_bytes / n : 0;
    size_t page = PAGE_BYTES / (bytes > ENTRY_BYTES ? bytes : ENTRY_BYTES);

    /* A few small ones tell little of the others. */
    if (n >= qmp->page / 2 || page < qmp->page) {
        page = page < 2 * qmp->page ? page : 2 * qmp->page;
        qmp->page = page ? (uint32_t)page : 1;
    }
    return entries;
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
    if (!note(qmp, failure, err) || !greet(qmp, &deadline, err)) {
        return false;
    }
    if (!qmp->pid) {
        qmp->pid = qmp_tcp_peer(qmp->fd);
    }
    return true;
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
    const char *kind = opt->qmp ? _("QMP socket ") :
                       opt->libvirt ? _("libvirt domain ")
                                    : _("QEMU process ");
    const char *name = opt->qmp ? opt->qmp : opt->libvirt;
    char number[24];
    size_t len;
    char *place;

    snprintf(number, sizeof(number), "%" PRIu64, opt->pid);
    name = name ? name : number;
    len = strlen(kind) + strlen(name) + 1;
    place = malloc(len);
    if (!place) {
        die_no_memory();
    }
    snprintf(place, len, "%s%s", kind, name);
    return place;
}

static bool names_one(const ConnectOptions *opt, Err *err)
{
    unsigned n = (opt->qmp != NULL) + (opt->libvirt != NULL) +
                 (opt->pid != 0);

    if (n > 1) {
        err_set(err, ERR_USAGE, "--qmp, --libvirt and --pid: give one of "
                "them");
    } else if (!n) {
        err_set(err, ERR_USAGE, "which QEMU? Give --qmp PATH of its socket, "
                "--libvirt DOMAIN, or --pid PID; vmscope ps lists them");
    } else if (opt->attach && opt->no_attach) {
        err_set(err, ERR_USAGE, "--attach and --no-attach: give one of them");
    } else if (opt->pid && opt->no_attach) {
        err_set(err, ERR_USAGE, "--pid is for looking at it from outside: "
                "leave out --no-attach, or give --qmp or --libvirt");
    } else {
        return true;
    }
    return false;
}

static bool connect_process(Qmp *qmp, const ConnectOptions *opt, Err *err)
{
    qmp->blind = true;
    qmp->pid = (pid_t)opt->pid;
    if (!is_qemu(qmp->pid)) {
        err_set(err, ERR_IO, "%s: there is none of that number; vmscope ps "
                "lists them", qmp->place);
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
    pthread_mutex_init(&qmp->lock, NULL);
    qmp->place = name_place(opt);
    qmp->domain = opt->libvirt;
    qmp->fd = -1;
    qmp->choice = opt->attach || opt->pid ? ATTACH_ALWAYS :
                  opt->no_attach ? ATTACH_NEVER : ATTACH_IF_NEEDED;
    qmp->heed_stop = true;
    qmp->page = PAGE_FIRST;
    qmp->timeout_ns = opt->timeout_ns ? opt->timeout_ns : default_timeout_ns;
    wire_init(&qmp->wire);
    if (!(opt->qmp ? connect_socket(qmp, opt->qmp, err) :
          opt->libvirt ? connect_domain(qmp, err)
                       : connect_process(qmp, opt, err))) {
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
    attach_server_free(qmp->attach);
    if (qmp->fd >= 0) {
        close(qmp->fd);
    }
    pthread_mutex_destroy(&qmp->lock);
    wire_release(&qmp->wire);
    free(qmp->place);
    free(qmp);
}
