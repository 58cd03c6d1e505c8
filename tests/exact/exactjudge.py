# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whether the entries of a stopped machine are each switch that took place,
# in order.  Goes by the guest's records alone, never by a clock.

import collections

from truth import THREAD

SET_BEFORE = (4, 5)         # a wait, an end: State is set before the store
RUNNING = 2


def expected(traced, row, cpu):
    """(old, new, record) of each switch of a CPU, one under way included"""
    truth = traced.truth
    pairs = [(r.old, r.new, r) for r in traced.records if r.cpu == cpu]
    entry = truth.cpu(cpu)
    if entry["begin"] != entry["end"]:
        space = traced.space
        current = space.u64(entry["prcb"] + row["kprcb_current_thread"])
        if current == entry["new"] and entry["old"] != entry["new"]:
            pairs.append((entry["old"], entry["new"], None))
    return pairs


class Account:
    """What was caught, over all vCPUs of one run"""

    def __init__(self):
        self.caught = self.truth = self.identified = self.states = 0
        self.faults = []

    def fault(self, text):
        if len(self.faults) < 20:
            self.faults.append(text)


def judge_cpu(account, cpu, entries, pairs, at_hold, now):
    """
    @entries: of this vCPU, in order; @pairs: what took place, ending at the
    same instant; @at_hold, @now: switches of this CPU when exact mode was
    seen to hold, and at the end
    """
    exact = [e for e in entries if e["origin"] == "exact"]
    if account.overwritten:
        # A fast guest went round the ring: what it holds is compared.
        at_hold = max(at_hold, now - len(exact))
    if account.cut:
        # The oldest records are gone: the rest is compared.
        exact = exact[-len(pairs):]
        at_hold = max(at_hold, now - len(pairs))
    want = pairs[len(pairs) - len(exact):] if exact else []
    account.caught += min(len(exact), now - at_hold)
    account.truth += now - at_hold
    if len(exact) < now - at_hold:
        account.fault(f"vcpu {cpu}: {now - at_hold} switches since exact mode "
                      f"held, {len(exact)} entries")
        return []
    if len(exact) > len(pairs):
        account.fault(f"vcpu {cpu}: {len(exact)} entries, but only "
                      f"{len(pairs)} switches are on record")
        return []
    for i, (entry, (old, new, _)) in enumerate(zip(exact, want)):
        got = entry.get("previous-thread-pointer"), entry["thread-pointer"]
        if got != (old, new):
            account.fault(
                f"vcpu {cpu}: entry {entry['seq']}, {len(exact) - i} from the "
                f"end, is {got[0] or 0:#x} to {got[1]:#x}; truly {old:#x} to "
                f"{new:#x}")
            break
    return list(zip(exact, (r for _, _, r in want)))


def judge_who(account, entry, record, objects):
    o = objects.get(record.new_serial)
    if o is None or o.address != record.new:
        return
    for key, value in (("unique-thread-id", o.tid),
                       ("unique-process-id", o.pid),
                       ("process-pointer", o.process)):
        if key in entry and entry[key] != value:
            account.fault(f"entry {entry['seq']}: {key} {entry[key]:#x}, is "
                          f"{value:#x}")
            return
    account.identified += "unique-thread-id" in entry


def judge_state(account, entry, record):
    """The old thread's, at that moment"""
    if "previous-state" not in entry or entry["seq"] <= account.young:
        return
    account.states += 1
    before = record.reason in SET_BEFORE
    want = record.old_state if before else RUNNING
    if entry["previous-state"] != want:
        account.fault(f"entry {entry['seq']}: previous-state "
                      f"{entry['previous-state']}, was {want} at the store "
                      f"(reason {record.reason})")
    if before and entry.get("wait-reason", record.wait_reason) != \
            record.wait_reason:
        account.fault(f"entry {entry['seq']}: wait-reason "
                      f"{entry['wait-reason']}, was {record.wait_reason}")


def judge_times(account, entries):
    for vcpu in {e["vcpu"] for e in entries}:
        mine = [e["timestamp-ns"] for e in entries if e["vcpu"] == vcpu]
        if any(a > b for a, b in zip(mine, mine[1:])):
            account.fault(f"vcpu {vcpu}: time goes back")


def judge_ring(account, entries):
    """What the ring holds is without a gap"""
    numbers = [e["seq"] for e in entries]
    first, last = min(numbers), max(numbers)
    if last - first + 1 != len(entries):
        account.fault(f"entries {first} to {last} are only {len(entries)}")


def judge_all(traced, row, entries, at_hold, overwritten, young=0):
    """
    The whole account of a stopped machine, whose ring lost @overwritten
    entries, its oldest; entries up to number @young were made before all
    offsets were known
    """
    account = Account()
    account.young = young
    account.overwritten = overwritten
    account.cut = traced.truth.head > traced.truth.shape()[1]
    objects = {o.serial: o for o in traced.truth.objects()
               if o.kind == THREAD}
    by_cpu = collections.defaultdict(list)
    for entry in entries:
        by_cpu[entry["vcpu"]].append(entry)
    for cpu, before in enumerate(at_hold):
        pairs = expected(traced, row, cpu)
        state = traced.truth.cpu(cpu)
        now = state["switches"] + (len(pairs) and pairs[-1][2] is None)
        for entry, record in judge_cpu(account, cpu, by_cpu[cpu], pairs,
                                       before, now):
            if record is not None:
                judge_who(account, entry, record, objects)
                judge_state(account, entry, record)
    judge_times(account, entries)
    if entries:
        judge_ring(account, entries)
    # The first of a vCPU tells of the time before.
    missed = sum(e.get("missed", 0) for mine in by_cpu.values()
                 for e in [e for e in mine if e["origin"] == "exact"][1:])
    if missed:
        account.fault(f"{missed} switches missed by the guest's own counter")
    return account
