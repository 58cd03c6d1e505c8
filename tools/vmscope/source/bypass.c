/*
 * bypass: see bypass.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/bypass.h"

#include "common/translate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Devices that are asked, at most. */
enum { DEVICES_MAX = 256 };

static void add(Bypass *bypass, const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void add(Bypass *bypass, const char *advice, const char *fmt, ...)
{
    va_list args;

    if (bypass->n == BYPASS_MAX) {
        bypass->more = true;
        return;
    }
    bypass->advice[bypass->n] = advice;
    va_start(args, fmt);
    vsnprintf(bypass->text[bypass->n++], BYPASS_TEXT,
              bypass->translated ? _(fmt) : fmt, args);
    va_end(args);
}

/* The children and properties of an object; NULL when it is not there. */
static json_t *list_of(Qmp *qmp, const char *path)
{
    Err err;

    return qmp_command(qmp, "qom-list", json_pack("{s:s}", "path", path),
                       &err);
}

static bool has_type(const json_t *list, const char *type)
{
    size_t i;

    for (i = 0; i < json_array_size(list); i++) {
        if (!strcmp(qmp_text(json_array_get(list, i), "type", ""), type)) {
            return true;
        }
    }
    return false;
}

static const char chips_off[] =
    N_("-machine kernel-irqchip=off lets QEMU do all of it, slower.");
static const char foreign[] =
    N_("They never pass through this QEMU: no IRQ log can have them.");
static const char no_iothread[] =
    N_("Without an I/O thread its messages are in the IRQ log.");
static const char no_vhost[] =
    N_("vhost=off on its netdev brings them into the IRQ log.");

/* PIC, I/O APIC and PIT in KVM; else only the local APICs may be. */
static void find_chips(Qmp *qmp, Bypass *bypass)
{
    json_t *list = list_of(qmp, "/machine/unattached");
    json_t *cpus;
    Err err;

    bypass->kernel_irqchip = has_type(list, "child<kvm-pit>") ||
                             has_type(list, "child<kvm-i8259>") ||
                             has_type(list, "child<kvm-ioapic>");
    json_decref(list);
    if (bypass->kernel_irqchip) {
        add(bypass, chips_off,
            N_("the interrupt controllers and the PIT are KVM's "
               "(kernel-irqchip=on): its timer, and what it delivers again "
               "at an EOI while a line stays raised"));
        return;
    }
    cpus = qmp_command(qmp, "query-cpus-fast", NULL, &err);
    list = list_of(qmp, qmp_text(json_array_get(cpus, 0), "qom-path", "/"));
    if (has_type(list, "child<kvm-apic>")) {
        add(bypass, chips_off,
            N_("the local APICs are KVM's (kernel-irqchip=split): their "
               "timers, IPIs, and what they deliver by themselves"));
    }
    json_decref(list);
    json_decref(cpus);
}

/* A property's text, "on" for one that is true; "" for none. */
static void get_text(Qmp *qmp, const char *path, const char *property,
                     char *buf, size_t size)
{
    Err err;
    json_t *value = qmp_command(qmp, "qom-get",
                                json_pack("{s:s, s:s}", "path", path,
                                          "property", property), &err);
    const char *text = json_string_value(value);

    snprintf(buf, size, "%s", text ? text : json_is_true(value) ||
             json_array_size(value) ? "on" : "");
    json_decref(value);
}

/* vhost: some other process or the kernel writes to the eventfd. */
static bool has_vhost(Qmp *qmp, const char *path)
{
    char backend[320];
    json_t *status;
    bool vhost;
    Err err;

    snprintf(backend, sizeof(backend), "%s/virtio-backend", path);
    status = qmp_command(qmp, "x-query-virtio-status",
                         json_pack("{s:s}", "path", backend), &err);
    vhost = qmp_bool(status, "vhost-started", false) ||
            json_is_object(json_object_get(status, "vhost-dev"));
    json_decref(status);
    return vhost;
}

/*
 * Do its requests end in an I/O thread?  Messages from there go by irqfd.
 * Before QEMU 9 those of all disks with ioeventfd did.
 */
static bool has_iothread(Qmp *qmp, const char *path, bool disk)
{
    char text[64];

    get_text(qmp, path, "iothread", text, sizeof(text));
    if (!*text) {
        get_text(qmp, path, "iothread-vq-mapping", text, sizeof(text));
    }
    if (!*text && disk && *qmp_version(qmp) &&
        strtoul(qmp_version(qmp), NULL, 10) < 9) {
        get_text(qmp, path, "ioeventfd", text, sizeof(text));
    }
    return *text != '\0';
}

static void look_at_device(Qmp *qmp, const char *path, const char *name,
                           const char *type, Bypass *bypass)
{
    bool disk = !strncmp(type, "virtio-blk-", 11);

    if (!strncmp(type, "vfio-", 5)) {
        add(bypass, foreign, N_("%s (%s): a device of the host, by irqfd"),
            name, type);
    } else if (!strcmp(type, "ivshmem-doorbell")) {
        add(bypass, foreign, N_("%s (%s): its peers, by irqfd"), name, type);
    } else if (!strncmp(type, "vhost-", 6)) {
        add(bypass, foreign, N_("%s (%s): its other process or the host's "
                                "kernel, by irqfd"), name, type);
    } else if (!strncmp(type, "virtio-net-", 11)) {
        if (has_vhost(qmp, path)) {
            add(bypass, no_vhost, N_("%s (%s): vhost, by irqfd"), name, type);
        }
    } else if (disk || !strncmp(type, "virtio-scsi-", 12)) {
        if (has_iothread(qmp, path, disk)) {
            add(bypass, no_iothread, N_("%s (%s): its I/O thread, by irqfd"),
                name, type);
        }
    }
}

static void find_devices(Qmp *qmp, const char *folder, Bypass *bypass)
{
    json_t *list = list_of(qmp, folder);
    size_t n = json_array_size(list);
    size_t i;

    for (i = 0; i < n && i < DEVICES_MAX; i++) {
        const json_t *member = json_array_get(list, i);
        const char *name = qmp_text(member, "name", "");
        const char *type = qmp_text(member, "type", "");
        char path[256];
        char kind[64];
        size_t length = strlen(type);

        if (strncmp(type, "child<", 6) || length < 8) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        snprintf(kind, sizeof(kind), "%.*s", (int)(length - 7), type + 6);
        look_at_device(qmp, path, name, kind, bypass);
    }
    json_decref(list);
}

void bypass_find(Qmp *qmp, bool translated, Bypass *bypass)
{
    Err err;
    json_t *kvm = qmp_command(qmp, "query-kvm", NULL, &err);
    bool enabled = qmp_bool(kvm, "enabled", false);

    memset(bypass, 0, sizeof(*bypass));
    bypass->translated = translated;
    json_decref(kvm);
    if (!enabled) {
        return;
    }
    find_chips(qmp, bypass);
    if (bypass->n) {            /* irqfd needs KVM's local APICs */
        find_devices(qmp, "/machine/peripheral", bypass);
        find_devices(qmp, "/machine/peripheral-anon", bypass);
    }
}
