#!/usr/bin/env python3
# winos/gen-table: the shipped layouts as C initialisers.
#
#   gen-table.py OFFSETS_CSV IDENTITY_CSV FILES_CSV OUTPUT
#
# Each row of the first file becomes a TableRow (winos/table.h); the second
# adds PE timestamp and image size by file version; each line of the third
# becomes a TableFile.  The output is read twice: for TABLE_ROWS and for
# TABLE_FILES.  A column or a cell that
# is not understood ends it with a sentence: a table with a hole that nobody
# sees is worse than none.  What the cells mean is said in data/README.md.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import csv
import re
import sys

MAX_OFFSET = 0xffff

# Column: field of enum WinosField, without WINOS_.
FIELDS = {
    "kpcr_self": "KPCR_SELF",
    "kpcr_current_prcb": "KPCR_CURRENT_PRCB",
    "kpcr_prcb": "KPCR_PRCB",
    "kprcb_current_thread": "PRCB_CURRENT_THREAD",
    "kprcb_next_thread": "PRCB_NEXT_THREAD",
    "kprcb_idle_thread": "PRCB_IDLE_THREAD",
    "kprcb_number": "PRCB_NUMBER",
    "x_kprcb_ke_context_switches": "PRCB_CONTEXT_SWITCHES",
    "x_kprcb_kernel_directory_table_base": "PRCB_KERNEL_DTB",
    "kthread_stack_limit": "KTHREAD_STACK_LIMIT",
    "kthread_stack_base": "KTHREAD_STACK_BASE",
    "kthread_apcstate_process": "KTHREAD_APC_PROCESS",
    "kthread_process": "KTHREAD_PROCESS",
    "kthread_state": "KTHREAD_STATE",
    "kthread_wait_reason": "KTHREAD_WAIT_REASON",
    "kthread_priority": "KTHREAD_PRIORITY",
    "kthread_context_switches": "KTHREAD_CONTEXT_SWITCHES",
    "x_kthread_wait_time": "KTHREAD_WAIT_TIME",
    "kthread_teb": "KTHREAD_TEB",
    "ethread_cid": "ETHREAD_CLIENT_ID",
    "x_ethread_create_time": "ETHREAD_CREATE_TIME",
    "ethread_thread_list_entry": "ETHREAD_THREAD_LIST_ENTRY",
    "ethread_thread_name": "ETHREAD_THREAD_NAME",
    "eprocess_directory_table_base": "EPROCESS_DIRECTORY_TABLE_BASE",
    "eprocess_unique_process_id": "EPROCESS_UNIQUE_PROCESS_ID",
    "eprocess_active_process_links": "EPROCESS_ACTIVE_PROCESS_LINKS",
    "eprocess_image_file_name": "EPROCESS_IMAGE_FILE_NAME",
    "eprocess_inherited_from": "EPROCESS_INHERITED_FROM",
    "eprocess_peb": "EPROCESS_PEB",
    "x_eprocess_create_time": "EPROCESS_CREATE_TIME",
    "eprocess_thread_list_head": "EPROCESS_THREAD_LIST_HEAD",
}

# Known and checked, but of no use to the core.
UNUSED = {
    "kthread_initial_stack", "kthread_kernel_stack",
    "kthread_thread_list_entry", "ethread_start_address",
    "ethread_win32_start_address", "eprocess_user_directory_table_base",
    "kprocess_thread_list_head", "kthread_size", "ethread_size",
    "eprocess_size", "x_kprocess_size", "x_kprcb_size", "x_kpcr_size",
    "x_kprcb_nesting_level", "x_kprcb_processor_state",
    "x_kprcb_dpc_routine_active", "x_kthread_running", "x_kthread_misc_flags",
    "x_kthread_wait_irql", "x_kthread_base_priority",
    "x_kthread_apc_state_index", "x_kthread_trap_frame",
    "x_kthread_cycle_time", "x_kthread_win32_thread",
    "x_kthread_next_processor", "x_ethread_cross_thread_flags",
    "x_eprocess_active_threads", "x_eprocess_flags3",
    "x_eprocess_section_base",
}

TEXT = {"name", "source", "confirmed_by", "notes"}
COLUMNS = {"build", "file_version"} | TEXT | UNUSED | set(FIELDS)
IDENTITY_COLUMNS = {"file_version", "timestamp", "size_of_image", "source"}
FILE_COLUMNS = {"file_version", "timestamp", "size_of_image", "row"}


class Malformed(Exception):
    pass


def read_lines(path, columns):
    """(line number, {column: cell}) of each row; every column is known"""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, strict=True)
        header = reader.fieldnames or []
        for column in header:
            if column not in columns or header.count(column) > 1:
                raise Malformed(f"{path}: line 1: column {column!r} is not "
                                f"known or stands twice")
        for column in sorted(columns - set(header)):
            raise Malformed(f"{path}: line 1: column {column!r} is missing")
        for cells in reader:
            if None in cells or None in cells.values():
                raise Malformed(f"{path}: line {reader.line_num}: not "
                                f"{len(header)} columns")
            yield reader.line_num, cells


def number(path, line, column, text, limit):
    pattern = r"[1-9][0-9]*" if column == "build" else r"0x[0-9a-f]+"
    if not re.fullmatch(pattern, text) or int(text, 0) > limit:
        raise Malformed(f"{path}: line {line}: column {column!r}: {text!r} "
                        f"is no number up to {limit:#x}")
    return int(text, 0)


def version(path, line, text, seen):
    if not re.fullmatch(r"[0-9A-Za-z .,()<>=-]+", text) or text in seen:
        raise Malformed(f"{path}: line {line}: column 'file_version': "
                        f"{text!r} is empty, unusual or stands twice")
    return text


def read_identities(path):
    """{file version: (line, timestamp, image size)}"""
    known = {}
    for line, cells in read_lines(path, IDENTITY_COLUMNS):
        file_version = version(path, line, cells["file_version"], known)
        pair = [number(path, line, column, cells[column], 0xffffffff)
                for column in ("timestamp", "size_of_image")]
        known[file_version] = (line, *pair)
    return known


def read_files(path, rows):
    """TableFiles in C, by timestamp and size; @rows are versions in order"""
    files, versions = {}, set()
    for line, cells in read_lines(path, FILE_COLUMNS):
        name = version(path, line, cells["file_version"], versions)
        versions.add(name)
        pair = tuple(number(path, line, column, cells[column], 0xffffffff)
                     for column in ("timestamp", "size_of_image"))
        row = cells["row"]
        if row and row not in rows:
            raise Malformed(f"{path}: line {line}: column 'row': {row!r} is "
                            f"no row")
        if pair in files:
            raise Malformed(f"{path}: line {line}: the same file as "
                            f"{files[pair][0]}")
        files[pair] = (name, rows.index(row) if row else -1)
    return "".join(f"    {{ {pair[0]:#x}, {pair[1]:#x}, {row}, \"{name}\" }},\n"
                   for pair, (name, row) in sorted(files.items()))


def offset(path, line, column, text):
    if text == "":
        return "TABLE_NO_SOURCE"
    if text == "absent":
        return "TABLE_ABSENT"
    return f"{number(path, line, column, text, MAX_OFFSET):#x}"


def initialiser(path, line, cells, identity):
    """One row in C; cells that are not used are checked all the same"""
    build = number(path, line, "build", cells["build"], 0xffff)
    offsets = {column: offset(path, line, column, text)
               for column, text in cells.items()
               if column in FIELDS or column in UNUSED}
    out = [f"    {{ {build}, \"{cells['file_version']}\", "
           f"{identity[0]:#x}, {identity[1]:#x}, {{"]
    for column, field in FIELDS.items():
        out.append(f"        [WINOS_{field}] = {offsets[column]},")
    return "\n".join(out) + "\n    } },\n"


def generate(offsets_path, identity_path, files_path):
    identities = read_identities(identity_path)
    out = ["/* Made by gen-table.py from data/; do not edit. */\n"
           "#ifdef TABLE_ROWS\n"]
    seen = {}                   # and in which order
    for line, cells in read_lines(offsets_path, COLUMNS):
        name = version(offsets_path, line, cells["file_version"], seen)
        seen[name] = line
        identity = identities.get(name, (0, 0, 0))[1:]
        out.append(initialiser(offsets_path, line, cells, identity))
    for name, (line, *_) in identities.items():
        if name not in seen:
            raise Malformed(f"{identity_path}: line {line}: column "
                            f"'file_version': {name!r} has no row in "
                            f"{offsets_path}")
    if not seen:
        raise Malformed(f"{offsets_path}: no rows")
    out.append("#endif\n#ifdef TABLE_FILES\n")
    out.append(read_files(files_path, list(seen)))
    out.append("#endif\n")
    return "".join(out)


def main():
    if len(sys.argv) != 5:
        sys.exit("usage: gen-table.py OFFSETS_CSV IDENTITY_CSV FILES_CSV "
                 "OUTPUT")
    try:
        text = generate(*sys.argv[1:4])
    except (Malformed, csv.Error, UnicodeDecodeError) as problem:
        sys.exit(f"gen-table.py: {problem}")
    with open(sys.argv[4], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
