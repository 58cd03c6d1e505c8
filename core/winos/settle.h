/*
 * winos/settle: weigh the claims on one field.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_SETTLE_H
#define VMSCOPE_WINOS_SETTLE_H

#include "winos/live.h"

/**
 * settle_field - decide on a field of result->detected
 * @world: its layout is result->detected
 * @derive: also look for the field by structure
 *
 * A field that was proven by watching stays as it is.
 */
void settle_field(WinosResult *result, const LiveWorld *world,
                  const WinosOptions *options, WinosField field, bool derive);

/**
 * settle_proven - watching has shown where a field is
 * @offset: where
 */
void settle_proven(WinosResult *result, WinosField field, int32_t offset);

/**
 * settle_layout - what is to be used: result->layout
 *
 * The detected offsets, with the user's put over them and held against live
 * memory; or the user's alone.
 */
void settle_layout(WinosResult *result, const LiveWorld *world,
                   const WinosOptions *options);

/**
 * settle_all - decide on all fields, finding objects on the way
 */
void settle_all(WinosResult *result, LiveWorld *world,
                const WinosOptions *options);

/**
 * settle_enabled - may this source be used?
 */
static inline bool settle_enabled(const WinosOptions *options,
                                 WinosSource source)
{
    return options->sources >> source & 1;
}

#endif
