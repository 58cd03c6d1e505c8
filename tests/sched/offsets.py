# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the status says of the guest's kernel, against the CSV row it was
# booted with and the guest's own account.  Any offset with a value must be
# the row's; some must be there.

COLUMNS = {
    "kpcr-self": "kpcr_self",
    "kpcr-current-prcb": "kpcr_current_prcb",
    "kpcr-prcb": "kpcr_prcb",
    "prcb-current-thread": "kprcb_current_thread",
    "prcb-next-thread": "kprcb_next_thread",
    "prcb-idle-thread": "kprcb_idle_thread",
    "prcb-number": "kprcb_number",
    "prcb-context-switches": "x_kprcb_ke_context_switches",
    "prcb-kernel-dtb": "x_kprcb_kernel_directory_table_base",
    "kthread-stack-limit": "kthread_stack_limit",
    "kthread-stack-base": "kthread_stack_base",
    "kthread-apc-process": "kthread_apcstate_process",
    "kthread-process": "kthread_process",
    "kthread-state": "kthread_state",
    "kthread-wait-reason": "kthread_wait_reason",
    "kthread-priority": "kthread_priority",
    "kthread-context-switches": "kthread_context_switches",
    "kthread-wait-time": "x_kthread_wait_time",
    "kthread-teb": "kthread_teb",
    "kthread-client-id": "ethread_cid",
    "ethread-create-time": "x_ethread_create_time",
    "ethread-thread-list-entry": "ethread_thread_list_entry",
    "ethread-thread-name": "ethread_thread_name",
    "eprocess-directory-table-base": "eprocess_directory_table_base",
    "eprocess-unique-process-id": "eprocess_unique_process_id",
    "eprocess-active-process-links": "eprocess_active_process_links",
    "eprocess-image-file-name": "eprocess_image_file_name",
    "eprocess-inherited-from": "eprocess_inherited_from",
    "eprocess-peb": "eprocess_peb",
    "eprocess-create-time": "x_eprocess_create_time",
    "eprocess-thread-list-head": "eprocess_thread_list_head",
}

# Without these no entry says who runs.
REQUIRED = ("kpcr-current-prcb", "prcb-current-thread", "kthread-process",
            "kthread-apc-process", "kthread-client-id", "kthread-state",
            "eprocess-unique-process-id", "eprocess-image-file-name")
SOURCES = {"kdbg", "code", "table", "structure", "override"}
KDBG_WORDS = {"plain": "plain", "encoded": "encoded", "absent": "none",
              "damaged": "none"}


def by_name(status):
    return {o["name"]: o for o in status["offsets"]}


def wrong_values(status, row, overrides=None):
    """Offsets with a value that is not the row's, in words"""
    out = []
    given = overrides or {}
    for name, o in by_name(status).items():
        if "value" not in o or name in given:
            continue
        column = COLUMNS.get(name)
        if column is None:
            out.append(f"offset {name} is none we know")
            continue
        cell = row.cells[column]
        if o["value"] != cell:
            want = ("absent" if cell is None else "in no source" if
                    cell == "" else hex(cell))
            out.append(f"offset {name} {o['value']:#x}, row has {want} "
                       f"({o.get('source')}, {o['standing']}, agreed by "
                       f"{o['agreed-by']})")
    return out


def required(row):
    more = ("ethread-thread-name",) if row.has("ethread_thread_name") else ()
    return REQUIRED + more


def missing(status, row):
    """Required fields without a value"""
    known = by_name(status)
    return [n for n in required(row) if "value" not in known.get(n, {})]


def in_words(o):
    return (f"{o['name']} ({o.get('standing')}; {o.get('doubt')}; agreed by "
            f"{o.get('agreed-by')})")


def check_sources(report, status, allowed):
    """Every value says where it is from, and from nowhere it may not be"""
    for o in status["offsets"]:
        told = set(o["agreed-by"])
        report.true(f"offset {o['name']}: unknown source in {told}",
                    told <= SOURCES)
        if "value" not in o:
            continue
        source = o.get("source")
        report.true(f"offset {o['name']}: value but no source", source)
        report.true(f"offset {o['name']}: {source} is not in agreed-by "
                    f"{sorted(told)}", source in told)
        if allowed:
            report.true(f"offset {o['name']}: {sorted(told)} but only "
                        f"{sorted(allowed)} may speak",
                        told <= set(allowed) | {"override"})


def check_list(report, status):
    """All names of the contract are listed, once each"""
    names = [o["name"] for o in status["offsets"]]
    report.expect("offset names", sorted(names), sorted(COLUMNS))


def check_kernel(report, status, row, kdbg, case, truth):
    """Build, base, file, and how the kernel was found"""
    build = truth.nt_build
    report.expect("windows-build", status.get("windows-build"), build)
    version = ("6.1" if build < 9200 else "6.2" if build < 9600
               else "6.3" if build < 10000 else "10.0")
    report.expect("windows-version", status.get("windows-version"), version)
    report.expect("kernel-base", status.get("kernel-base"), truth.image_va)
    file = status.get("kernel-file", {})
    report.expect("kernel-file size", file.get("size"), truth.image_size)
    if row.identity and not case.other_file:
        report.expect("kernel-file timestamp", file.get("timestamp"),
                      row.identity[0])
    found = status.get("detection", {})
    flags = truth.flags
    if not case.sources or "kdbg" in case.sources:
        report.expect("detection kdbg", found.get("kdbg"),
                      KDBG_WORDS[kdbg])
    # A monitor does not tell LSTAR, and early in a boot there is no IDT yet:
    # then nothing is said inside of QEMU.
    if not case.outside and "kva-shadow" in found:
        report.expect("detection kva-shadow", found.get("kva-shadow"),
                      bool(flags & 1))
    report.expect("detection levels", found.get("levels"),
                  5 if flags & 2 else 4)


def check_vcpus(report, status, truth):
    vcpus = status["vcpus"]
    report.expect("vCPUs in the status", [v["vcpu"] for v in vcpus],
                  list(range(truth.shape()[3])))
    for v in vcpus:
        cpu = truth.cpu(v["vcpu"])
        who = f"vcpu {v['vcpu']}"
        report.true(f"{who} not present", v["present"])
        report.true(f"{who} not known", v["known"])
        if v["known"]:
            report.expect(f"{who} kpcr", v.get("kpcr"), cpu["kpcr"])
            report.expect(f"{who} number", v.get("number", v["vcpu"]),
                          v["vcpu"])
        report.expect(f"{who} samples", v["samples"], v["samples-exit"]
                      + v["samples-poll"] + v["samples-exact"])
