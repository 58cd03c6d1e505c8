#!/usr/bin/env python3
# winos/gen-extra: offsets of times, waits and interrupts as C initialisers.
#
#   gen-extra.py CSV OUTPUT
#
# Each row becomes a WinosExtra (winos/extra.h).  As in gen-table.py, whatever
# is not understood ends it with a sentence.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import csv
import re
import sys

MAX_OFFSET = 0xffff

# Column: of enum WinosExtraField, without WINOS_.
FIELDS = {
    "kprcb_interrupt_count": "PRCB_INTERRUPT_COUNT",
    "kprcb_kernel_time": "PRCB_KERNEL_TIME",
    "kprcb_user_time": "PRCB_USER_TIME",
    "kprcb_dpc_time": "PRCB_DPC_TIME",
    "kprcb_interrupt_time": "PRCB_INTERRUPT_TIME",
    "kprcb_clock_interrupts": "PRCB_CLOCK_INTERRUPTS",
    "kprcb_dpc_routine_active": "PRCB_DPC_ROUTINE_ACTIVE",
    "kprcb_dpc_data": "PRCB_DPC_DATA",
    "kdpc_data_count": "DPC_DATA_COUNT",
    "kthread_kernel_time": "KTHREAD_KERNEL_TIME",
    "kthread_user_time": "KTHREAD_USER_TIME",
    "kprocess_kernel_time": "KPROCESS_KERNEL_TIME",
    "kprocess_user_time": "KPROCESS_USER_TIME",
    "kthread_wait_block_list": "KTHREAD_WAIT_BLOCK_LIST",
    "kthread_wait_block": "KTHREAD_WAIT_BLOCK",
    "kthread_wait_block_count": "KTHREAD_WAIT_BLOCK_COUNT",
    "kwait_block_thread": "WAIT_BLOCK_THREAD",
    "kwait_block_object": "WAIT_BLOCK_OBJECT",
    "kwait_block_next_wait_block": "WAIT_BLOCK_NEXT",
    "kwait_block_wait_type": "WAIT_BLOCK_TYPE",
    "kmutant_owner_thread": "MUTANT_OWNER",
    "kthread_next_processor": "KTHREAD_NEXT_PROCESSOR",
    "kprcb_interrupt_object": "PRCB_INTERRUPT_OBJECT",
    "kinterrupt_mode": "INTERRUPT_MODE",
    "kinterrupt_dispatch_code": "INTERRUPT_DISPATCH_CODE",
}
# For the NT test guest alone.
OTHERS = {"kinterrupt_size"}


class Malformed(Exception):
    pass


def offset(line, column, text):
    if text == "absent":
        return "WINOS_NO_OFFSET"
    if not re.fullmatch(r"0x[0-9a-f]+", text) or int(text, 16) > MAX_OFFSET:
        raise Malformed(f"line {line}: column {column!r}: {text!r} is no "
                        f"number up to {MAX_OFFSET:#x}")
    return text


def check_neighbours(line, cells):
    """time.c reads five counters at once"""
    first = int(cells["kprcb_interrupt_count"], 16)
    for i, column in enumerate(("kernel", "user", "dpc", "interrupt"), 1):
        if int(cells[f"kprcb_{column}_time"], 16) != first + 4 * i:
            raise Malformed(f"line {line}: the counters are no neighbours")


def check_interrupts(line, cells):
    """interrupts.c goes one way or the other, and reads so many bytes"""
    ways = [cells[c] for c in ("kprcb_interrupt_object",
                               "kinterrupt_dispatch_code")]
    if ways.count("absent") != 1:
        raise Malformed(f"line {line}: interrupt objects are found by their "
                        "array or by their code, not both ways")
    if int(cells["kinterrupt_mode"], 16) > 0x6c:
        raise Malformed(f"line {line}: kinterrupt_mode is not read that far")


def generate(path):
    out = ["/* Made by gen-extra.py from data/; do not edit. */\n"]
    seen = set()
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        wanted = {"build", "file_version", "source"} | set(FIELDS) | OTHERS
        if set(reader.fieldnames or []) != wanted:
            raise Malformed(f"its columns are not {sorted(wanted)}")
        for cells in reader:
            name = cells["file_version"]
            if not re.fullmatch(r"[0-9A-Za-z .,()<>=-]+", name) \
                    or name in seen:
                raise Malformed(f"line {reader.line_num}: file_version "
                                f"{name!r} is unusual or stands twice")
            seen.add(name)
            check_neighbours(reader.line_num, cells)
            check_interrupts(reader.line_num, cells)
            out.append(f'    {{ "{name}", {{\n')
            for column, field in FIELDS.items():
                value = offset(reader.line_num, column, cells[column])
                out.append(f"        [WINOS_{field}] = {value},\n")
            out.append("    } },\n")
    if not seen:
        raise Malformed("no rows")
    return "".join(out)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: gen-extra.py CSV OUTPUT")
    try:
        text = generate(sys.argv[1])
    except (Malformed, csv.Error, UnicodeDecodeError) as problem:
        sys.exit(f"gen-extra.py: {sys.argv[1]}: {problem}")
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
