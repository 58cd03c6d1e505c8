/*
 * stop: the wish to end, by SIGINT or SIGTERM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IRQLOG_ANALYZE_STOP_H
#define IRQLOG_ANALYZE_STOP_H

#include <signal.h>

extern volatile sig_atomic_t stop_asked;

/* From now on the first signal asks to stop, and a second one ends at once. */
void stop_init(void);

/* Sleep, but not past a signal. */
void stop_or_sleep_ms(int ms);

#endif
