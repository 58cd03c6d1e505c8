/*
 * message: warnings, each cause once, on standard error.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_MESSAGE_H
#define IRQLOG_ANALYZE_MESSAGE_H

#include "common/message.h"

/* A warning of each cause is given once in a run of the program. */
typedef enum WarnCause {
    WARN_EACH,          /* always given */
    WARN_SYMBOLS,       /* some functions are not named */
    WARN_BUILD_ID,      /* the program is not the one that ran */
    WARN_OBJECT,        /* a library is not the one that ran */
    WARN_DEBUG_FILE,    /* a debug file is of another build */
    WARN_DEBUG_READ,    /* debug information that cannot be read */
    WARN_SPLIT,         /* debug information in a .dwo file that is missing */
    WARN_COMMON,        /* debug information in a dwz file that is missing */
    WARN_PROCESS,       /* --pid did not write the log */
    WARN_FULL,          /* more different things than are counted */
    WARN_COUNT
} WarnCause;

void warn(WarnCause cause, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
