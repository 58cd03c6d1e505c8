/*
 * connect: the options that say which QEMU to talk to.
 *
 * What is done with them is qmp.h's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_CONNECT_H
#define VMSCOPE_CONNECT_H

#include "common/options.h"

typedef struct ConnectOptions {
    const char *qmp;            /* path of a unix socket; or NULL */
    const char *libvirt;        /* name of a domain; or NULL */
    uint64_t pid;               /* of a process; 0: not given */
    bool attach;                /* look from outside, whatever QEMU has */
    bool no_attach;
    uint64_t timeout_ns;        /* for each answer; 0: as usual */
} ConnectOptions;

/* For Usage.more, with ConnectOptions at Usage.more_offset. */
extern const Option connect_options[];

#endif
