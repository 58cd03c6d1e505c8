/*
 * stop: the wish to end, by SIGINT, SIGTERM or SIGHUP.
 *
 * A SIGHUP that is ignored already, as under nohup, stays ignored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_COMMON_STOP_H
#define VMSCOPE_COMMON_STOP_H

#include <signal.h>

extern volatile sig_atomic_t stop_asked;

/* From now on the first signal asks to stop, and a second one ends at once. */
void stop_init(void);

/* Sleep, but not past a signal. */
void stop_or_sleep_ms(int ms);

#endif
