/*
 * tracefile/header: see header.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tracefile/header.h"

#include "base/le.h"
#include "tracefile/pack.h"

#include <inttypes.h>
#include <string.h>

static void put_text(uint8_t *to, const char *from, size_t size)
{
    memcpy(to, from, strnlen(from, size - 1));
}

void trace_header_pack(uint8_t *bytes, const TraceInfo *info)
{
    Packer to = { .p = bytes, .end = bytes + TRACE_HEADER_SIZE };

    memset(bytes, 0, TRACE_HEADER_SIZE);
    memcpy(to.p, TRACE_MAGIC, 8);
    to.p += 8;
    pack_fixed32(&to, TRACE_VERSION);
    pack_fixed32(&to, TRACE_HEADER_SIZE);
    pack_fixed32(&to, info->n_vcpus);
    pack_fixed32(&to, info->contents);
    pack_fixed64(&to, info->monotonic_ns);
    pack_fixed64(&to, info->realtime_ns);
    pack_fixed64(&to, info->tsc);
    pack_fixed64(&to, info->load_base);
    pack_fixed32(&to, info->pid);
    pack_fixed32(&to, info->poll_hz);
    pack_fixed32(&to, info->exact);
    pack_fixed32(&to, info->part);
    pack_fixed32(&to, info->past_log_known);
    put_text(bytes + 80, info->build_id, sizeof(info->build_id));
    put_text(bytes + 128, info->exe, sizeof(info->exe));
    put_text(bytes + 640, info->qemu_version, sizeof(info->qemu_version));
    put_text(bytes + 704, info->vm_name, sizeof(info->vm_name));
    put_text(bytes + 832, info->options, sizeof(info->options));
    put_text(bytes + 1344, info->past_log, sizeof(info->past_log));
    to.p = bytes + TRACE_HEADER_SIZE - 4;
    pack_fixed32(&to, pack_crc32(bytes, TRACE_HEADER_SIZE - 4));
}

static void get_text(char *to, const uint8_t *from, size_t size)
{
    memcpy(to, from, size);
    to[size - 1] = '\0';
}

static bool check_header(const uint8_t *bytes, size_t len, Err *err)
{
    if (len < 16 || memcmp(bytes, TRACE_MAGIC, 8)) {
        err_set(err, ERR_FORMAT, "not a recording of vmscope");
        return false;
    }
    if (load_le32(bytes + 8) > TRACE_VERSION) {
        err_set(err, ERR_VERSION, "recording of version %" PRIu32 ", but this "
                "program reads up to version %d: use a newer vmscope",
                load_le32(bytes + 8), TRACE_VERSION);
        return false;
    }
    if (len < TRACE_HEADER_SIZE) {
        err_set(err, ERR_FORMAT, "truncated recording: its header is not "
                "complete");
        return false;
    }
    if (load_le32(bytes + 8) == 0 ||
        load_le32(bytes + 12) != TRACE_HEADER_SIZE ||
        load_le32(bytes + TRACE_HEADER_SIZE - 4) !=
        pack_crc32(bytes, TRACE_HEADER_SIZE - 4)) {
        err_set(err, ERR_FORMAT, "damaged recording: its header makes no "
                "sense");
        return false;
    }
    return true;
}

static void parse_header(TraceInfo *info, const uint8_t *bytes)
{
    info->version = load_le32(bytes + 8);
    info->n_vcpus = load_le32(bytes + 16);
    info->contents = load_le32(bytes + 20);
    info->monotonic_ns = load_le64(bytes + 24);
    info->realtime_ns = load_le64(bytes + 32);
    info->tsc = load_le64(bytes + 40);
    info->load_base = load_le64(bytes + 48);
    info->pid = load_le32(bytes + 56);
    info->poll_hz = load_le32(bytes + 60);
    info->exact = load_le32(bytes + 64) != 0;
    info->part = load_le32(bytes + 68);
    get_text(info->build_id, bytes + 80, sizeof(info->build_id));
    get_text(info->exe, bytes + 128, sizeof(info->exe));
    get_text(info->qemu_version, bytes + 640, sizeof(info->qemu_version));
    get_text(info->vm_name, bytes + 704, sizeof(info->vm_name));
    get_text(info->options, bytes + 832, sizeof(info->options));
    info->past_log_known = load_le32(bytes + 72) != 0;
    get_text(info->past_log, bytes + 1344, sizeof(info->past_log));
}

bool trace_header_parse(const uint8_t *bytes, size_t len, TraceInfo *info,
                        Err *err)
{
    if (!check_header(bytes, len, err)) {
        return false;
    }
    parse_header(info, bytes);
    return true;
}
