/*
 * common/device-label: what lines are called, with all of their names, with
 * some and with none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/device-label.h"

#include <glib.h>
#include <string.h>

#define DOT " \xc2\xb7 "

typedef struct LabelCase {
    const char *name;
    const char *path;
    const char *driven_by;
    const char *device;
    IrqlogKind kind;
    int32_t n;
    const char *label;
} LabelCase;

static const LabelCase label_cases[] = {
    { "pin", "/machine/unattached/device[6]/unnamed-gpio-in[0]", NULL, "hpet",
      IRQLOG_HARDWARE, 0, "HPET" DOT "pin 0" },
    { "message", "/machine/peripheral/disk", NULL, "virtio-blk-pci:disk",
      IRQLOG_MSI, 36, "disk (virtio-blk-pci)" DOT "message 36" },
    { "named-pin", "/machine/unattached/device[2]/a20[0]", NULL, "i8042",
      IRQLOG_HARDWARE, 0, "keyboard (i8042)" DOT "a20 0" },
    { "vcpu", "/machine/unattached/device[0]/lapic", NULL, "apic:vcpu 0",
      IRQLOG_PERCPU, 1, "local APIC of vCPU 0" DOT "pin 1" },
    { "driver-of-anonymous", IRQLOG_ANONYMOUS, "/machine/q35/lpc:gsi[4]",
      "ICH9-LPC", IRQLOG_SOFTWARE, 4, "ICH9 bridge" DOT "gsi 4" },
    { "driver-of-loose", "/machine/unattached/non-qdev-gpio[7]",
      "/machine/x:irq", "edu", IRQLOG_SOFTWARE, 7, "edu" DOT "irq" },
    { "owner-alone", IRQLOG_ANONYMOUS, NULL, "edu:e", IRQLOG_SOFTWARE, 2,
      "e (edu)" DOT "pin 2" },
    { "type-not-known", "/machine/peripheral-anon/device[1]", NULL, "new-one",
      IRQLOG_MSI, 49, "new-one" DOT "message 49" },
    { "empty-id", "/machine/peripheral/x", NULL, "edu:", IRQLOG_MSI, 1,
      "edu" DOT "message 1" },
    { "old-log", "/machine/q35/ioapic/unnamed-gpio-in[4]", NULL, NULL,
      IRQLOG_HARDWARE, 4, "q35/ioapic/unnamed-gpio-in[4]" },
    { "old-message", "/machine/peripheral/net0", NULL, NULL, IRQLOG_MSI, 49,
      "net0" DOT "message 49" },
    { "old-anonymous", IRQLOG_ANONYMOUS, "/machine/q35/ahci:irq", NULL,
      IRQLOG_SOFTWARE, 0, "unnamed, driven by q35/ahci:irq" },
    { "nothing", NULL, NULL, "", IRQLOG_SOFTWARE, 0, IRQLOG_UNKNOWN },
    { "open-bracket", "/machine/x/pin[3", NULL, "edu", IRQLOG_HARDWARE, 3,
      "edu" DOT "pin 3" },
};

static void test_label(const void *opaque)
{
    const LabelCase *c = opaque;
    IrqlogLineInfo line = {
        .path = c->path, .driven_by = c->driven_by, .device = c->device,
        .kind = c->kind, .n = c->n,
    };
    char label[DEVICE_LABEL_MAX];

    g_assert_cmpstr(device_label(&line, label, sizeof(label)), ==, c->label);
}

/* Whatever is in names, and however little room there is. */
static void test_cut(void)
{
    char text[2000];
    char label[DEVICE_LABEL_MAX];
    IrqlogLineInfo line = {
        .path = text, .driven_by = text, .device = text, .kind = IRQLOG_MSI,
    };
    size_t size;
    int c;

    for (c = 1; c < 256; c++) {
        memset(text, c, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        device_label(&line, label, sizeof(label));
        g_assert_cmpuint(strlen(label), <, sizeof(label));
    }
    for (size = 1; size < 40; size++) {
        memset(label, 'x', sizeof(label));
        device_label(&line, label, size);
        g_assert_cmpuint(strlen(label), <, size);
    }
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(label_cases); i++) {
        g_autofree char *path = g_strdup_printf("/device-label/%s",
                                                label_cases[i].name);

        g_test_add_data_func(path, &label_cases[i], test_label);
    }
    g_test_add_func("/device-label/cut", test_cut);
    return g_test_run();
}
