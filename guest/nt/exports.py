# SPDX-License-Identifier: GPL-2.0-or-later
#
# The names the guest's kernel image exports.  ACCESSORS have machine code
# that image.c writes at boot from the chosen row; DATA are variables of the
# guest; the rest is made up here so that the directory has the size of a
# real one (about 2,800 names).  Which of them a tracer uses is its business.

import random

ACCESSORS = [
    "PsGetProcessId", "PsGetProcessImageFileName",
    "PsGetProcessInheritedFromUniqueProcessId", "PsGetProcessPeb",
    "PsGetProcessSectionBaseAddress", "PsGetProcessCreateTimeQuadPart",
    "PsGetThreadId", "PsGetThreadProcessId", "PsGetThreadProcess",
    "PsGetThreadTeb", "PsGetThreadWin32Thread", "PsGetThreadCreateTime",
    "PsIsThreadTerminating", "PsIsSystemThread", "KeQueryPriorityThread",
    "PsGetCurrentThread", "KeGetCurrentThread", "PsGetCurrentProcess",
    "IoGetCurrentProcess", "PsGetCurrentThreadProcess",
    "PsGetCurrentThreadId", "PsGetCurrentThreadProcessId",
    "PsGetCurrentThreadStackBase", "PsGetCurrentThreadStackLimit",
    "IoGetInitialStack", "PsGetCurrentThreadTeb",
    "KeGetCurrentProcessorNumberEx", "KeBugCheckEx",
    "PsGetProcessExitStatus", "PsGetProcessWow64Process",
    "KeQueryRuntimeThread", "PsGetCurrentThreadPreviousMode",
    "KeAreApcsDisabled",
]

# Exported name: symbol in the guest.
DATA = {
    "PsInitialSystemProcess": "ps_initial_system_process",
    "PsLoadedModuleList": "ps_loaded_module_list",
    "PsLoadedModuleResource": "ps_loaded_module_resource",
    "NtBuildNumber": "nt_build_number",
    "NtBuildLab": "nt_build_lab",
    "NtBuildGUID": "nt_build_guid",
    "KeNumberProcessors": "ke_number_processors",
    "KdDebuggerEnabled": "kd_debugger_enabled",
    "KdDebuggerNotPresent": "kd_debugger_not_present",
    "KiBugCheckData": "ki_bug_check_data",
}

FORWARDERS = {"RtlForwardedForTest": "HAL.HalForwardTarget"}

TOTAL = 2800

PREFIXES = ("Cc", "Cm", "Ex", "Fs", "Hv", "Io", "Kd", "Ke", "Lp", "Mm", "Nt",
            "Ob", "Pf", "Po", "Ps", "Rtl", "Se", "Tm", "Wm", "Zw")
VERBS = ("Acquire", "Add", "Alloc", "Attach", "Build", "Cancel", "Check",
         "Clear", "Close", "Copy", "Create", "Delete", "Drain", "Enum",
         "Find", "Flush", "Free", "Get", "Init", "Insert", "Lock", "Map",
         "Notify", "Open", "Probe", "Query", "Read", "Release", "Remove",
         "Reset", "Set", "Signal", "Start", "Stop", "Test", "Unlock",
         "Unmap", "Update", "Wait", "Write")
NOUNS = ("Adapter", "Area", "Bitmap", "Block", "Buffer", "Cache", "Channel",
         "Context", "Device", "Entry", "Event", "Extent", "Filter", "Frame",
         "Gate", "Handle", "Index", "Irp", "Job", "Key", "List", "Log",
         "Mdl", "Mutex", "Node", "Object", "Page", "Port", "Pool", "Queue",
         "Range", "Record", "Ring", "Rundown", "Section", "Session", "Slot",
         "State", "Stack", "Table", "Task", "Timer", "Token", "Tree", "View")


def filler_names():
    rng = random.Random(7)
    fixed = set(ACCESSORS) | set(DATA) | set(FORWARDERS)
    out = set()
    while len(out) + len(fixed) < TOTAL:
        name = rng.choice(PREFIXES) + rng.choice(VERBS) + rng.choice(NOUNS)
        name += rng.choice(("", "", "", "Ex", "2", "All"))
        if name not in fixed:
            out.add(name)
    return sorted(out)
