/*
 * device-label: what an interrupt line is called for people.
 *
 * "HPET · pin 0" and "disk (virtio-blk-pci) · message 36" instead of a path
 * in QEMU's object tree, which programs and the details go on to show.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_DEVICE_LABEL_H
#define VMSCOPE_DEVICE_LABEL_H

#include "irqlog/event.h"

#include <stddef.h>

/* Room for most labels; longer ones are cut. */
enum { DEVICE_LABEL_MAX = 512 };

/**
 * device_label - name a line
 * @line: of it path, driven_by, device, kind and n are looked at; any of the
 *        strings may be NULL.  What they hold is not to be trusted: as with
 *        paths, the caller makes the label harmless before showing it.
 * @buf: receives the label, NUL-terminated; returned
 * @size: at least 1
 *
 * A line whose device is not known (an older log) is called by the end of its
 * path, or by what drives it.
 */
const char *device_label(const IrqlogLineInfo *line, char *buf, size_t size);

#endif
