/*
 * winos/kdbg: the debugger data block (KDDEBUGGER_DATA64), found and decoded
 * without symbols, also when it is encoded.
 *
 * Sources: docs/guest-facts/kdbg.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_WINOS_KDBG_H
#define VMSCOPE_WINOS_KDBG_H

#include "winos/layout.h"
#include "winos/pe.h"

enum { KDBG_TAG = 0x4742444b, KDBG_MIN_SIZE = 0x300, KDBG_MAX_SIZE = 0x400 };

typedef struct Kdbg {
    uint64_t address;               /* of the block */
    bool encoded;
    unsigned rotation;              /* of the encoding, 0 to 63 */
    uint32_t size;
    uint64_t loaded_module_list;    /* addresses; 0 when not in the image */
    uint64_t active_process_head;
    uint64_t processor_block;       /* array of PRCB pointers */
    uint64_t build_lab;
    uint8_t data[KDBG_MAX_SIZE];    /* decoded, zeroed behind size */
} Kdbg;

/**
 * kdbg_find - search an image's data for its block
 * @image: the kernel
 * @kdbg: filled in
 * @err: says what was searched and that nothing fits
 *
 * Plain by its tag; encoded by the known plaintext: KernBase, tag and a size
 * of 0x300 to 0x400 pin down the rotation, and the keys cancel.  A hit must
 * also have its list heads in the image and sane 16-bit fields.
 *
 * Context: reads writable sections first, the rest of the data after, once
 * each, page by page, into a buffer on its stack.  Pages may be missing.
 */
bool kdbg_find(const PeImage *image, Kdbg *kdbg, Err *err);

/**
 * kdbg_decode - decode a block given its bytes, once the rotation is known
 * @coded: KDBG_MAX_SIZE bytes as they are in memory
 * @kern_base: base of the kernel image
 * @rotation: 0 to 63
 * @plain: receives as many decoded bytes
 */
void kdbg_decode(const uint8_t *coded, uint64_t kern_base, unsigned rotation,
                 uint8_t *plain);

/**
 * kdbg_claims - what the block says of offsets
 * @layout: claims[WINOS_SOURCE_KDBG] of the fields it has are set
 *
 * Values that are 0 or absurd are no claims.
 */
void kdbg_claims(const Kdbg *kdbg, WinosLayout *layout);

#endif
