/*
 * device-label: see device-label.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/device-label.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DOT " \xc2\xb7 "

/* QOM types that a reader may not know, and names that they do. */
static const struct {
    const char *type;
    const char *title;
} titles[] = {
    { "hpet", "HPET" },
    { "isa-pit", "PIT" },
    { "kvm-pit", "PIT" },
    { "mc146818rtc", "RTC" },
    { "isa-i8259", "PIC" },
    { "kvm-i8259", "PIC" },
    { "ioapic", "IOAPIC" },
    { "kvm-ioapic", "IOAPIC" },
    { "apic", "local APIC" },
    { "kvm-apic", "local APIC" },
    { "ICH9-LPC", "ICH9 bridge" },
    { "PIIX3", "PIIX3 bridge" },
    { "ich9-ahci", "AHCI" },
    { "isa-serial", "serial port" },
    { "i8042", "keyboard (i8042)" },
    { "q35-pcihost", "PCI host" },
    { "i440FX-pcihost", "PCI host" },
};

static const char *title_of(const char *type)
{
    size_t i;

    for (i = 0; i < sizeof(titles) / sizeof(*titles); i++) {
        if (!strcmp(type, titles[i].type)) {
            return titles[i].title;
        }
    }
    return type;
}

/* "virtio-blk-pci:disk" as "disk (virtio-blk-pci)". */
static void put_device(const char *device, char *buf, size_t size)
{
    const char *colon = strchr(device, ':');
    char type[128];
    size_t len = colon ? (size_t)(colon - device) : strlen(device);

    snprintf(type, sizeof(type), "%.*s", (int)(len < 127 ? len : 127), device);
    if (!colon || !colon[1]) {
        snprintf(buf, size, "%s", title_of(type));
    } else if (!strncmp(colon + 1, "vcpu ", 5)) {
        snprintf(buf, size, "%s of vCPU %s", title_of(type), colon + 6);
    } else {
        snprintf(buf, size, "%s (%s)", colon + 1, title_of(type));
    }
}

/* A line that no device owns is known by the output that drives it. */
static bool is_loose(const char *path)
{
    return !path || !strcmp(path, IRQLOG_ANONYMOUS) ||
           !strcmp(path, IRQLOG_UNKNOWN) || strstr(path, "/non-qdev-gpio[");
}

/* What a pin is called in its device: "gsi[4]". NULL: only its number is. */
static const char *pin_name(const IrqlogLineInfo *line)
{
    const char *at;

    if (is_loose(line->path)) {
        at = line->driven_by ? strrchr(line->driven_by, ':') : NULL;
        return at ? at + 1 : NULL;
    }
    at = strrchr(line->path, '/');
    return at && strchr(at, '[') && strncmp(at, "/device[", 8) ? at + 1 : NULL;
}

static void put_pin(const IrqlogLineInfo *line, char *buf, size_t size)
{
    const char *name = pin_name(line);
    const char *bracket = name ? strchr(name, '[') : NULL;
    int len = bracket ? (int)(bracket - name) : 0;

    if (line->kind == IRQLOG_MSI) {
        snprintf(buf, size, "message %" PRId32, line->n);
    } else if (!name) {
        snprintf(buf, size, "pin %" PRId32, line->n);
    } else if (!bracket) {
        snprintf(buf, size, "%s", name);
    } else if (!strncmp(name, "unnamed-gpio-", 13)) {
        snprintf(buf, size, "pin %.*s", (int)strcspn(bracket + 1, "]"),
                 bracket + 1);
    } else {
        snprintf(buf, size, "%.*s %.*s", len, name,
                 (int)strcspn(bracket + 1, "]"), bracket + 1);
    }
}

/* Without the places where QEMU puts nearly everything. */
static const char *short_path(const char *path)
{
    static const char *const places[] = {
        "/machine/unattached/", "/machine/peripheral/", "/machine/",
    };
    size_t i;

    for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
        if (!strncmp(path, places[i], strlen(places[i]))) {
            return path + strlen(places[i]);
        }
    }
    return path;
}

/* A log that does not say which device it is. */
static void put_path(const IrqlogLineInfo *line, char *buf, size_t size)
{
    const char *path = short_path(line->path ? line->path : IRQLOG_UNKNOWN);

    if (is_loose(path) && line->driven_by) {
        snprintf(buf, size, "unnamed, driven by %s",
                 short_path(line->driven_by));
    } else if (line->kind == IRQLOG_MSI) {
        snprintf(buf, size, "%s" DOT "message %" PRId32, path, line->n);
    } else {
        snprintf(buf, size, "%s", path);
    }
}

const char *device_label(const IrqlogLineInfo *line, char *buf, size_t size)
{
    char device[DEVICE_LABEL_MAX / 2];
    char pin[DEVICE_LABEL_MAX / 2];

    if (line->device && *line->device) {
        put_device(line->device, device, sizeof(device));
        put_pin(line, pin, sizeof(pin));
        snprintf(buf, size, "%s" DOT "%s", device, pin);
    } else {
        put_path(line, buf, size);
    }
    return buf;
}
