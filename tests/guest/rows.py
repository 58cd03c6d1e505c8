# SPDX-License-Identifier: GPL-2.0-or-later
#
# The offsets CSV, read for the checker alone, and made-up rows.  Does not
# import the guest's generator: two readers, so that one mistake shows.

import csv
import random

NOT_COLUMNS = {"build", "name", "file_version", "source", "confirmed_by",
               "notes"}


class Row:
    def __init__(self, build, variant, index, version, cells):
        self.build, self.variant, self.index = build, variant, index
        self.version = version
        self.cells = cells              # column: int, None (absent), ""
        self.made_up = False
        self.identity = None

    def __getitem__(self, col):
        value = self.cells[col]
        if not isinstance(value, int):
            raise KeyError(f"{col} is {value or 'not known'}")
        return value

    def has(self, col):
        return isinstance(self.cells[col], int)

    def label(self):
        made = "made-up/" if self.made_up else ""
        return f"{made}{self.build}/{self.variant}"

    def parameters(self):
        text = f"build={self.build} variant={self.variant}"
        if self.made_up:
            for col, value in self.cells.items():
                if value != "":
                    text += f" {col}=" + ("absent" if value is None
                                          else hex(value))
        return text


def identities(path):
    """file version -> (PE timestamp, SizeOfImage), where published"""
    with open(path, newline="", encoding="utf-8") as f:
        return {line["file_version"]: (int(line["timestamp"], 16),
                                       int(line["size_of_image"], 16))
                for line in csv.DictReader(f)}


def load(path, identity_path=None):
    rows, seen = [], {}
    known = identities(identity_path) if identity_path else {}
    with open(path, newline="", encoding="utf-8") as f:
        for line in csv.DictReader(f):
            cells = {}
            for col, text in line.items():
                if col in NOT_COLUMNS:
                    continue
                cells[col] = (None if text == "absent" else
                              "" if text == "" else int(text, 16))
            if any(v == "" for c, v in cells.items() if c[:2] != "x_"):
                continue
            build = int(line["build"])
            row = Row(build, seen.get(build, 0), len(rows),
                      line["file_version"], cells)
            row.identity = known.get(row.version)
            rows.append(row)
            seen[build] = seen.get(build, 0) + 1
    return rows


# field: bytes.  What a field is wide, for placing made-up ones apart.
WIDE = {"ethread_cid": 16, "image_file_name": 15, "thread_list_entry": 16,
        "thread_list_head": 16, "active_process_links": 16,
        "processor_state": 0x28}


def width(col):
    for tail, size in WIDE.items():
        if col.endswith(tail):
            return size
    return 8


def place(rng, taken, size, low, high):
    while True:
        at = rng.randrange(low, high - size) & ~7
        if all(at + size <= a or b <= at for a, b in taken):
            taken.append((at, at + size))
            return at


def made_up(base, seed):
    """A layout nobody has: every field somewhere else in its structure"""
    rng = random.Random(seed)
    cells = dict(base.cells)
    ethread = [(0, 0x18)]
    eprocess = [(0, 0x18)]
    kpcr = [(0, 0x18), (0xC0, 0xC8)]
    cells["kpcr_prcb"] = prcb_at = 0x200
    prcb = [(0x1A8 - 0x200, 0x1B0 - 0x200)]
    kthread_size = rng.randrange(0x500, 0x900) & ~7
    cells["kthread_size"] = kthread_size
    for col, value in base.cells.items():
        if not isinstance(value, int) or col.endswith("_size"):
            continue
        name = col.removeprefix("x_")
        if name.startswith("kthread_"):
            cells[col] = place(rng, ethread, width(col), 0x18, kthread_size)
        elif name.startswith("ethread_"):
            low = kthread_size
            cells[col] = place(rng, ethread, width(col), low, 0xC00)
        elif name.startswith(("eprocess_", "kprocess_")):
            cells[col] = place(rng, eprocess, width(col), 0x18, 0xB00)
        elif name.startswith("kprcb_"):
            if name != "kprcb_kernel_directory_table_base":
                cells[col] = place(rng, prcb, width(col), 0x20, 0x3000)
        elif col != "kpcr_prcb":
            cells[col] = place(rng, kpcr, 8, 0x18, 0x1A0)
    cells["ethread_size"] = 0xC00 + rng.randrange(0, 64) * 8
    cells["eprocess_size"] = 0xB00 + rng.randrange(0, 64) * 8
    cells["x_kprocess_size"] = 0x200
    cells["x_kpcr_size"] = 0xD000
    cells["x_kprcb_size"] = 0xD000 - prcb_at
    if base.has("x_kprcb_kernel_directory_table_base"):
        cells["x_kprcb_kernel_directory_table_base"] = 0x7080
    row = Row(base.build, base.variant, base.index, "made up", cells)
    row.made_up, row.identity = True, base.identity
    return row
