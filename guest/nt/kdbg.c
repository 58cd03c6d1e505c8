/*
 * The debugger data block (KDBG): filled from the row, then left plain,
 * encoded with keys of this boot, damaged, or left out.
 *
 * Source: discovery facts, sections a (fields, sizes) and b (encoding).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { BLOCK_ROOM = 0x3c0 };

uint64_t ki_wait_never = 1, ki_wait_always = 1;
uint8_t kdp_data_block_encoded[16] __attribute__((aligned(16))) = { 0, 1 };
uint64_t kd_debugger_data_block[BLOCK_ROOM / 8]
    __attribute__((aligned(16))) = { 1 };
uint64_t ps_active_process_head[2] = { 1 };
uint64_t ki_processor_block[64] = { 1 };
uint64_t kdbg_address = 1;

static uint32_t block_size(void)
{
    uint32_t build = row_ids[config.row].build;

    if (config.kdbg_size) {
        return config.kdbg_size & ~7u;
    }
    return build < 9200 ? 0x340 : build < 14393 ? 0x360
           : build < 17763 ? 0x368 : build < 26100 ? 0x380 : 0x3a0;
}

static void f64(uint32_t off, uint64_t v)
{
    kd_debugger_data_block[off / 8] = v;
}

static void f16(uint32_t off, uint32_t v)
{
    *(uint16_t *)((uint8_t *)kd_debugger_data_block + off) = v;
}

static void f32(uint32_t off, uint32_t v)
{
    *(uint32_t *)((uint8_t *)kd_debugger_data_block + off) = v;
}

static void pointers(uint32_t size)
{
    uint64_t list = (uint64_t)kd_debugger_data_block + BLOCK_ROOM - 16;

    f64(0, list);
    f64(8, list);
    f64(0x10, 0x4742444b | (uint64_t)size << 32);
    f64(0x18, image_va);
    f64(0x48, (uint64_t)ps_loaded_module_list);
    f64(0x50, (uint64_t)ps_active_process_head);
    f64(0x88, (uint64_t)ki_bug_check_data);
    f64(0x208, (uint64_t)nt_build_lab);
    f64(0x218, (uint64_t)ki_processor_block);
}

static void offsets(void)
{
    f16(0x298, row[X_KTHREAD_NEXT_PROCESSOR]);
    f16(0x29a, row[KTHREAD_TEB]);
    f16(0x29c, row[KTHREAD_KERNEL_STACK]);
    f16(0x29e, row[KTHREAD_INITIAL_STACK]);
    f16(0x2a0, row[KTHREAD_APCSTATE_PROCESS]);
    f16(0x2a2, row[KTHREAD_STATE]);
    f16(0x2a8, row[EPROCESS_SIZE]);
    f16(0x2aa, row[EPROCESS_PEB]);
    f16(0x2ac, row[EPROCESS_INHERITED_FROM]);
    f16(0x2ae, row[EPROCESS_DIRECTORY_TABLE_BASE]);
    f16(0x2b0, row[X_KPRCB_SIZE]);
    f16(0x2b4, row[KPRCB_CURRENT_THREAD]);
    f16(0x2bc, row[X_KPRCB_PROCESSOR_STATE]);
    f16(0x2be, row[KPRCB_NUMBER]);
    f16(0x2c0, row[ETHREAD_SIZE]);
    f16(0x2e0, row[X_KPCR_SIZE]);
    f16(0x2e2, row[KPCR_SELF]);
    f16(0x2e4, row[KPCR_CURRENT_PRCB]);
    f16(0x2e6, row[KPCR_PRCB]);
}

static void newer(uint32_t size)
{
    if (size >= 0x360) {
        f32(0x340, row[KTHREAD_STACK_LIMIT]);
        f32(0x344, row[KTHREAD_STACK_BASE]);
        f16(0x350, odd(ODD_NO_IDLE_FIELD) ? 0 : row[KPRCB_IDLE_THREAD]);
        f16(0x35c, row[KTHREAD_WAIT_REASON]);
    }
    if (size >= 0x368) {
        f64(0x360, self_map);
    }
    if (size >= 0x3a0) {
        /* As 26100 has them: the shadow stack, and KPRCB.ExceptionStack. */
        f16(0x37c, 0x778);
        f32(0x380, 0x420);
        f32(0x384, 0x418);
        f64(0x388, image_va + 0x1000);
        f32(0x398, 0x8768);
    }
}

static void encode(uint32_t size)
{
    uint64_t flag = (uint64_t)kdp_data_block_encoded;
    uint32_t turn = ki_wait_never & 63;

    for (uint32_t i = 0; i < size / 8; i++) {
        uint64_t w = kd_debugger_data_block[i] ^ ki_wait_always;

        w = __builtin_bswap64(w) ^ flag;
        w = turn ? w >> turn | w << (64 - turn) : w;
        kd_debugger_data_block[i] = w ^ ki_wait_never;
    }
    kdp_data_block_encoded[0] = 1;
}

/* What the guest's own decoder makes of the block must carry the tag. */
static void decode_test(uint32_t size)
{
    uint64_t copy[BLOCK_ROOM / 8];
    void (*decode)(uint64_t *) = (void *)kd_copy_data_block;

    decode(copy);
    if (copy[2] != (0x4742444b | (uint64_t)size << 32)
        || copy[3] != image_va) {
        fail(EXIT_SELFTEST, "the encoded block does not decode");
    }
}

/* Tag and size spoilt, the rest as it was. */
static void damage(void)
{
    f64(0x10, 0x0000000147424400);
    f64(0x18, image_va ^ 0x5000);
}

void kdbg_build(void)
{
    uint32_t size = block_size();

    ki_wait_never = random64();
    ki_wait_always = random64();
    kdbg_address = (uint64_t)kd_debugger_data_block;
    mem_zero(kd_debugger_data_block, BLOCK_ROOM);
    mem_zero(kdp_data_block_encoded, 1);
    put32((uint64_t)kd_copy_count - image_va + IMAGE_PHYS, size / 8);
    if (config.kdbg == KDBG_ABSENT) {
        kdbg_address = 0;
        return;
    }
    pointers(size);
    offsets();
    newer(size);
    if (config.kdbg == KDBG_ENCODED) {
        encode(size);
        decode_test(size);
    } else if (config.kdbg == KDBG_DAMAGED) {
        damage();
    }
}
