/*
 * doctor-bundle: findings and answers in one file, for a bug report.
 *
 * Of the guest's memory it holds nothing but names of processes and threads,
 * which are listed before it is written and can be left out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/map.h"
#include "common/message.h"
#include "source/qmp-dump.h"
#include "source/sched-entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char entries_query[] = "query-windows-sched-trace";
static const char *const name_members[] = {
    "process-image", "process-image-bytes", "thread-name",
};

enum { N_NAME_MEMBERS = sizeof(name_members) / sizeof(*name_members) };

/* A member of a JSON object is UTF-8, so what is none is escaped here. */
static void add_name(json_t *names, const char *name)
{
    size_t room = strlen(name) * SAFE_GROWTH + 1;
    char *text = malloc(room);

    if (!text) {
        die_no_memory();
    }
    safe_copy(SAFE_FOR_DATA, name, text, room);
    if (*text) {
        json_object_set_new(names, text, json_true());
    }
    free(text);
}

/* Names, each once, in an object whose members are they. */
static json_t *collect_names(const Doctor *doctor)
{
    const json_t *entries = doctor_answer(doctor, entries_query);
    json_t *names = json_object();
    SchedEntry entry;
    size_t i;

    for (i = 0; names && i < json_array_size(entries); i++) {
        if (sched_entry_read(&entry, json_array_get(entries, i))) {
            add_name(names, entry.image);
            add_name(names, entry.name);
        }
    }
    if (!names) {
        die_no_memory();
    }
    return names;
}

static void remove_names(const Doctor *doctor)
{
    const json_t *entries = doctor_answer(doctor, entries_query);
    size_t i;
    size_t k;

    for (i = 0; i < json_array_size(entries); i++) {
        for (k = 0; k < N_NAME_MEMBERS; k++) {
            json_object_del(json_array_get(entries, i), name_members[k]);
        }
    }
}

/* Saying what is in it. */

static void tell(const Doctor *doctor, json_t *names)
{
    void *at;

    message("%s holds these findings, the versions of vmscope, QEMU and the "
            "host's kernel, the path of the socket or name of the domain, "
            "and what QEMU answered to:", doctor->opt.bundle);
    for (at = json_object_iter(doctor->answers); at;
         at = json_object_iter_next(doctor->answers, at)) {
        message("  %s", json_object_iter_key(at));
    }
    if (doctor->opt.no_names) {
        message("names of the guest's processes and threads are left out");
        return;
    }
    message("and %zu names of the guest's processes and threads%s",
            json_object_size(names), json_object_size(names) ? ":" : "");
    for (at = json_object_iter(names); at;
         at = json_object_iter_next(names, at)) {
        message("  %s", json_object_iter_key(at));
    }
}

/* Writing. */

static void write_contents(const Doctor *doctor, JsonOut *json,
                           json_t *names)
{
    void *at;

    jsonout_begin(json, "contains", '[');
    jsonout_text(json, NULL, "findings");
    jsonout_text(json, NULL, "versions");
    for (at = json_object_iter(doctor->answers); at;
         at = json_object_iter_next(doctor->answers, at)) {
        jsonout_text(json, NULL, json_object_iter_key(at));
    }
    jsonout_end(json, ']');
    jsonout_begin(json, "names", '[');
    for (at = json_object_iter(names); at;
         at = json_object_iter_next(names, at)) {
        jsonout_text(json, NULL, json_object_iter_key(at));
    }
    jsonout_end(json, ']');
}

static void write_versions(const Doctor *doctor, JsonOut *json)
{
    struct utsname host;

    jsonout_begin(json, "versions", '{');
    jsonout_text(json, "vmscope", VMSCOPE_VERSION);
    jsonout_text(json, "qemu", qmp_version(doctor->qmp));
    if (!uname(&host)) {
        jsonout_text(json, "kernel", host.release);
        jsonout_text(json, "machine", host.machine);
    }
    jsonout_text(json, "place", qmp_place(doctor->qmp));
    jsonout_end(json, '}');
}

static bool finish(const Doctor *doctor, Out *out)
{
    out_flush(out);
    if (fsync(out->fd) && errno != EINVAL && !out->error) {
        out->error = errno;
    }
    if (close(out->fd) && !out->error) {
        out->error = errno;
    }
    if (out->error) {
        message("%s: %s", doctor->opt.bundle, strerror(out->error));
        unlink(doctor->opt.bundle);
    }
    return !out->error;
}

bool doctor_write_bundle(const Doctor *doctor)
{
    static Out out;
    JsonOut json = { .out = &out };
    json_t *names;
    int fd = open(doctor->opt.bundle,
                  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST) {
        message("%s is there already and stays as it is: give --bundle "
                "another name, or remove it", doctor->opt.bundle);
        return false;
    }
    if (fd < 0) {
        message("cannot create %s: %s", doctor->opt.bundle, strerror(errno));
        return false;
    }
    if (doctor->opt.no_names) {
        remove_names(doctor);
    }
    names = collect_names(doctor);
    tell(doctor, names);
    out_init(&out, fd);
    jsonout_begin(&json, NULL, '{');
    write_contents(doctor, &json, names);
    write_versions(doctor, &json);
    findings_write(&doctor->findings, &json);
    qmp_dump(&json, "answers", doctor->answers);
    jsonout_end(&json, '}');
    jsonout_line(&json);
    json_decref(names);
    return finish(doctor, &out);
}
