# SPDX-License-Identifier: GPL-2.0-or-later
#
# What many runs measured, as tables of plain text.  Takes lists of
# measurements as kinds.py makes them; judges nothing.


def table(title, head, lines):
    """Columns as wide as they need to be"""
    if not lines:
        return []
    rows = [list(map(str, row)) for row in [head, *lines]]
    wide = [max(len(row[i]) for row in rows) for i in range(len(head))]
    out = ["", title]
    for row in rows:
        out.append("  " + "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, wide))).rstrip())
    return out


def groups(rows, *keys):
    out = {}
    for row in rows:
        out.setdefault(tuple(row[k] for k in keys), []).append(row)
    return sorted(out.items(), key=lambda kv: tuple(map(str, kv[0])))


def total(rows, key):
    return sum(r[key] or 0 for r in rows)


def spread(values):
    """best / median / worst"""
    values = sorted(v for v in values if v is not None)
    if not values:
        return "-"
    return (f"{values[0]:.0f} / {values[len(values) // 2]:.0f} / "
            f"{values[-1]:.0f}")


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def attribution(rows):
    lines = [(f"{group} {accel}", len(mine), total(mine, "samples"),
              total(mine, "entries"), total(mine, "names"),
              total(mine, "reused"),
              total(mine, "wrong"), total(mine, "not_judged"),
              total(mine, "switches"), total(mine, "serials"),
              max(r["tolerance_ns"] for r in mine))
             for (group, accel), mine in groups(rows, "group", "accel")]
    if rows:
        lines.append(("total", len(rows), *(total(rows, k) for k in (
            "samples", "entries", "names", "reused", "wrong", "not_judged",
            "switches", "serials")), max(r["tolerance_ns"] for r in rows)))
    return table("attribution", ("", "runs", "samples", "entries", "names",
                                 "reused memory", "wrong", "not judged", "switches",
                                 "objects", "worst tolerance ns"), lines)


def shares(rows):
    lines = []
    for (accel, hz), mine in groups(rows, "accel", "hz"):
        lines.append((f"{accel}, {f'poll {hz} Hz' if hz else 'exits alone'}",
                      len(mine), total(mine, "seen"), total(mine, "truth"),
                      percent(total(mine, "seen"), total(mine, "truth")),
                      sum(r["origins"].get("exit", 0) for r in mine),
                      sum(r["origins"].get("poll", 0) for r in mine),
                      total(mine, "told"), total(mine, "missed"),
                      total(mine, "told_truth")))
    return table("share of the switches seen; where entries tell of missed "
                 "ones, seen + missed = switches",
                 ("", "runs", "seen", "switches", "share", "at exits",
                  "by poll", "telling", "missed", "switches"), lines)


def detection(rows):
    lines = [(f"{group} {accel}", len(mine),
              spread(r["active_ms"] for r in mine),
              spread(r["attribution_ms"] for r in mine),
              spread((r["last_ns"] or 0) / 1000 for r in mine),
              spread(r["reads"] for r in mine),
              spread((r["longest_vcpu_ns"] or 0) / 1000 for r in mine))
             for (group, accel), mine in groups(rows, "group", "accel")]
    return table("detection (best / median / worst), from the first switch "
                 "or turning on",
                 ("", "runs", "active ms", "all fields ms", "last try us",
                  "reads", "longest on a vCPU us"), lines)


def hook(rows):
    """Under KVM alone; a vCPU's thread that is held up is in it, too"""
    lines = []
    for (group, accel), mine in groups(rows, "group", "accel"):
        mine = [r for r in mine if r["exits"]]
        if mine:
            lines.append((f"{group} {accel}", len(mine), total(mine, "exits"),
                          spread(r["cost_ns"] / r["exits"] for r in mine),
                          spread(r["longest_ns"] / 1000 for r in mine)))
    return table("on a vCPU's thread at exits, by the status (best / median "
                 "/ worst)", ("", "runs", "exits", "ns an exit",
                              "longest us"), lines)


def sources(rows):
    lines = []
    for (name,), mine in groups(rows, "name"):
        have = [r for r in mine if r["has"]]
        used = {}
        for r in have:
            used[r["source"]] = used.get(r["source"], 0) + 1
        lines.append((name, len(mine), len(have), sum(
            len(r["agreed"]) > 1 for r in have), ", ".join(
                f"{s} {n}" for s, n in sorted(used.items(),
                                              key=lambda i: str(i)))))
    return table("offsets: known, by more than one source, taken from",
                 ("", "runs", "known", "agreed", "source"), lines)


def hostile(rows):
    lines = [(r["lies"], r["accel"], r["entries"], "+".join(r["states"]),
              r["state"], r["reason"][:60]) for r in rows]
    return table("lies", ("", "", "entries", "states", "ends in", "reason"),
                 lines)


def strange_kernels(rows):
    """Kernel by kernel and set by set: what was found, and what is wrong"""
    lines = []
    for (kernel, sources), mine in groups(rows, "kernel", "sources"):
        found = [r["found"] for r in mine]
        least, most = min(found), max(found)
        lines.append((kernel, sources, len(mine),
                      sum(r["state"] == "active" for r in mine),
                      most if least == most else f"{least} to {most}",
                      total(mine, "wrong"), total(mine, "entries")))
    return table("strange kernels: fields found, fields wrong",
                 ("", "sources", "runs", "active", "found", "wrong",
                  "entries"), lines)


def reach(rows):
    """What each set finds; and which fields an absent accessor takes away"""
    lines, lost = [], []
    for (sources,), mine in groups(rows, "sources"):
        whole = [r for r in mine if r["absent"] == "all"]
        if not whole:
            continue
        base = set(whole[0]["fields"])
        lines.append((sources, "yes" if whole[0]["active"] else "no",
                      len(base), sum(r["active"] for r in mine), len(mine),
                      total(mine, "wrong")))
        for r in mine:
            gone = sorted(base - set(r["fields"]))
            if gone:
                lost.append((sources, r["absent"], ", ".join(gone)
                             if r["active"] else "not traced"))
    return table("what sources reach on an unknown layout",
                 ("", "traced", "fields", "traced with one accessor absent",
                  "of", "wrong"), lines) + \
        table("fields that an absent accessor takes away",
              ("", "absent", "fields"), lost)


TABLES = {"attribution": attribution, "share": shares,
          "detection": detection, "hook": hook, "sources": sources,
          "hostile": hostile, "strange": strange_kernels, "reach": reach}


def all_tables(measured):
    out = []
    for name, make in TABLES.items():
        out += make([values for kind, values in measured if kind == name])
    return out


def matrix(results):
    """results: (case, failures) of those that ran"""
    lines = []
    cells = {}
    for case, failures in results:
        key = (case.group, case.accel, case.cpus)
        runs, good, names = cells.get(key, (0, 0, set()))
        names.add(case.row.label() if case.row else "none")
        cells[key] = (runs + 1, good + (not failures), names)
    for (group, accel, cpus), (runs, good, names) in sorted(cells.items()):
        lines.append((group, accel, cpus, len(names), runs, good))
    return table("matrix", ("", "accel", "vCPUs", "rows", "boots", "pass"),
                 lines)
