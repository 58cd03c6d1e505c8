#!/usr/bin/env python3
# winos/gen-table: what is wrong in the data ends the generator with a
# sentence that says where, and what is right becomes C.
#
#   gen-table.py GENERATOR OFFSETS_CSV IDENTITY_CSV FILES_CSV
#
# Each case changes one thing of the real files.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import os
import subprocess
import sys
import tempfile

GENERATOR, OFFSETS, IDENTITY, FILES = sys.argv[1:5]
IN_OFFSETS, IN_IDENTITY, IN_FILES = 0, 1, 2

# Name, which file, what to replace (first occurrence), by what, the sentence.
BAD = [
    ("unknown-column", IN_OFFSETS, "kpcr_self,", "kpcr_other,",
     "line 1: column 'kpcr_other' is not known"),
    ("column-twice", IN_OFFSETS, "kpcr_self,", "kpcr_prcb,",
     "line 1: column 'kpcr_prcb' is not known or stands twice"),
    ("column-missing", IN_IDENTITY, ",source", ",file_version",
     "line 1: column 'file_version' is not known or stands twice"),
    ("decimal", IN_OFFSETS, "6.1.7600.16385,0x18,", "6.1.7600.16385,24,",
     "line 2: column 'kpcr_self': '24' is no number"),
    ("not-hex", IN_OFFSETS, "6.1.7600.16385,0x18,", "6.1.7600.16385,0xg8,",
     "line 2: column 'kpcr_self': '0xg8' is no number"),
    ("word", IN_OFFSETS, "6.1.7600.16385,0x18,", "6.1.7600.16385,none,",
     "line 2: column 'kpcr_self': 'none' is no number"),
    ("negative", IN_OFFSETS, "6.1.7600.16385,0x18,", "6.1.7600.16385,-0x8,",
     "line 2: column 'kpcr_self': '-0x8' is no number"),
    ("too-large", IN_OFFSETS, "6.1.7600.16385,0x18,",
     "6.1.7600.16385,0x10000,",
     "line 2: column 'kpcr_self': '0x10000' is no number up to 0xffff"),
    ("blank", IN_OFFSETS, "6.1.7600.16385,0x18,", "6.1.7600.16385, 0x18,",
     "line 2: column 'kpcr_self': ' 0x18' is no number"),
    ("unused-column", IN_OFFSETS, "0x24,0x28,0x30,", "0x24,0x2z,0x30,",
     "line 2: column 'kthread_initial_stack': '0x2z' is no number"),
    ("build", IN_OFFSETS, "\n7600,", "\n7,600,", "line 2: "),
    ("build-hex", IN_OFFSETS, "\n7600,", "\n0x1db0,",
     "line 2: column 'build': '0x1db0' is no number"),
    ("version-twice", IN_OFFSETS, "6.1.7601.17514", "6.1.7600.16385",
     "line 4: column 'file_version': '6.1.7600.16385' is empty, unusual or "
     "stands twice"),
    ("version-quote", IN_OFFSETS, "6.1.7601.17514", "6.1\\n",
     "line 4: column 'file_version': "),
    ("version-empty", IN_OFFSETS, "6.1.7601.17514", "",
     "line 4: column 'file_version': '' is empty"),
    ("cut-short", IN_OFFSETS, ",VergiliusProject/kernels-data yml/6.1.7600"
     ".16385-x64.yml,,", "", "line 2: not "),
    ("identity-unknown", IN_IDENTITY, "10.0.10586.0", "10.0.10586.1",
     "column 'file_version': '10.0.10586.1' has no row"),
    ("identity-twice", IN_IDENTITY, "10.0.10586.0", "10.0.10240.16384",
     "line 4: column 'file_version': '10.0.10240.16384' is empty, unusual "
     "or stands twice"),
    ("timestamp", IN_IDENTITY, "0x559f3c1a", "0x1559f3c1a",
     "line 2: column 'timestamp': '0x1559f3c1a' is no number"),
    ("image-size", IN_IDENTITY, "0x00852000", "",
     "line 2: column 'size_of_image': '' is no number"),
    ("file-row", IN_FILES, ",10.0.10240.16384\n", ",10.0.10240.1\n",
     "line 2: column 'row': '10.0.10240.1' is no row"),
    ("file-twice", IN_FILES, "0x55a9d114,", "0x559f3c1a,",
     "line 3: the same file as 10.0.10240.16384"),
    ("file-version-twice", IN_FILES, "10.0.10240.16393,",
     "10.0.10240.16384,", "line 3: column 'file_version': "),
]


def generate(folder, texts):
    paths = [os.path.join(folder, name)
             for name in ("offsets.csv", "identity.csv", "files.csv",
                          "out.h")]
    for path, text in zip(paths, texts):
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    if os.path.exists(paths[3]):
        os.unlink(paths[3])
    return subprocess.run([sys.executable, GENERATOR, *paths],
                          capture_output=True, text=True), paths[3]


def check_bad(folder, texts, case):
    name, which, old, new, sentence = case
    changed = list(texts)
    changed[which] = texts[which].replace(old, new, 1)
    run, out = generate(folder, changed)
    return (changed != texts and run.returncode == 1
            and sentence in run.stderr and run.stderr.count("\n") == 1
            and not os.path.exists(out))


def check_good(folder, texts):
    run, out = generate(folder, texts)
    if run.returncode or run.stderr or run.stdout:
        return False
    with open(out, encoding="utf-8") as file:
        made = file.read()
    return (made.count("[WINOS_KPCR_SELF] = 0x18,") == 36
            and made.count("[WINOS_KPCR_SELF] = TABLE_NO_SOURCE,") == 4
            and '{ 26100, "10.0.26100.1742", 0xd98db6a6, 0x144f000, {' in made
            and '{ 0xd98db6a6, 0x144f000, ' in made
            and made.count(', -1, "10.0.') == 1103)


def main():
    texts = []
    for path in (OFFSETS, IDENTITY, FILES):
        with open(path, encoding="utf-8", newline="") as file:
            texts.append(file.read())
    print(f"1..{len(BAD) + 1}")
    with tempfile.TemporaryDirectory() as folder:
        good = check_good(folder, texts)
        print(f"{'ok' if good else 'not ok'} 1 - the real files")
        for i, case in enumerate(BAD, 2):
            good = check_bad(folder, texts, case)
            print(f"{'ok' if good else 'not ok'} {i} - {case[0]}")


main()
