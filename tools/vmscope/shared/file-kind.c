/*
 * file-kind: see file-kind.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/file-kind.h"

#include "base/le.h"
#include "common/translate.h"
#include "recorder/file.h"
#include "tracefile/format.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct FileKind {
    const char *magic;
    size_t len;
    const char *what;
    const char *reader;         /* "%s": the file */
} FileKind;

#define MAGIC(text) text, sizeof(text) - 1

static const FileKind kinds[] = {
    { MAGIC(TRACE_MAGIC), N_("a recording"),
      N_("see vmscope report %s") },
    { MAGIC("\x7f" "ELF"), N_("an ELF file"),
      N_("a core of a guest is for vmscope image %s") },
    { MAGIC("irq-log: "), N_("an IRQ log as text"),
      N_("see irqlog-analyze %s") },
    { MAGIC("\x1f\x8b"), N_("compressed"),
      N_("unpack it first: gunzip %s") },
    { MAGIC("(\xb5/\xfd"), N_("compressed"),
      N_("unpack it first: unzstd %s") },
    { MAGIC("\xfd" "7zXZ"), N_("compressed"),
      N_("unpack it first: unxz %s") },
    { MAGIC("<!doctype html"), N_("a page"),
      N_("open it in a browser") },
    { MAGIC("<!DOCTYPE html"), N_("a page"),
      N_("open it in a browser") },
    { MAGIC("monotonic_ns,"), N_("an export of a recording"),
      N_("give the recording itself") },
    { MAGIC("{"), N_("JSON"),
      N_("give the recording it was made of") },
    { MAGIC("QFI\xfb"), N_("a disk of a guest"),
      N_("nothing here reads those") },
};

static const FileKind sched_ring = {
    NULL, 0, N_("a ring file of thread switches"),
    N_("vmscope record --sched-ring %s -o t.vms makes a recording of it"),
};

static const FileKind irq_ring = {
    NULL, 0, N_("a ring file of interrupts"),
    N_("vmscope record --irq-ring %s -o t.vms makes a recording of it, "
       "irqlog-analyze reads it"),
};

static const FileKind *find_kind(const uint8_t *bytes, size_t len)
{
    size_t i;

    if (len >= 20 && !memcmp(bytes, EVRING_MAGIC, 8)) {
        return load_le32(bytes + offsetof(EvringHeader, content)) ==
               EVRING_CONTENT_IRQ ? &irq_ring : &sched_ring;
    }
    for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (len >= kinds[i].len &&
            !memcmp(bytes, kinds[i].magic, kinds[i].len)) {
            return &kinds[i];
        }
    }
    return NULL;
}

bool file_kind_hint(const char *path, Err *err)
{
    uint8_t bytes[64];
    const FileKind *kind;
    size_t used = strlen(err->text);
    ssize_t n;
    int fd;

    if (err->code != ERR_FORMAT && err->code != ERR_USAGE) {
        return false;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);
    if (fd >= 0) {
        close(fd);
    }
    kind = n > 0 ? find_kind(bytes, (size_t)n) : NULL;
    if (n == 0) {
        snprintf(err->text + used, sizeof(err->text) - used,
                 "%s", _(": it is empty"));
    } else if (kind) {
        snprintf(err->text + used, sizeof(err->text) - used, _(": it is %s; "),
                 _(kind->what));
        used = strlen(err->text);
        snprintf(err->text + used, sizeof(err->text) - used,
                 _(kind->reader), path);
    }
    return n == 0 || kind;
}
