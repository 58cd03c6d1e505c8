/*
 * winos/layout: see layout.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/layout.h"

#include <stddef.h>

static const char *const field_names[WINOS_N_FIELDS] = {
    [WINOS_KPCR_SELF] = "kpcr-self",
    [WINOS_KPCR_CURRENT_PRCB] = "kpcr-current-prcb",
    [WINOS_KPCR_PRCB] = "kpcr-prcb",
    [WINOS_PRCB_CURRENT_THREAD] = "prcb-current-thread",
    [WINOS_PRCB_NEXT_THREAD] = "prcb-next-thread",
    [WINOS_PRCB_IDLE_THREAD] = "prcb-idle-thread",
    [WINOS_PRCB_NUMBER] = "prcb-number",
    [WINOS_PRCB_CONTEXT_SWITCHES] = "prcb-context-switches",
    [WINOS_PRCB_KERNEL_DTB] = "prcb-kernel-dtb",
    [WINOS_KTHREAD_STACK_LIMIT] = "kthread-stack-limit",
    [WINOS_KTHREAD_STACK_BASE] = "kthread-stack-base",
    [WINOS_KTHREAD_APC_PROCESS] = "kthread-apc-process",
    [WINOS_KTHREAD_PROCESS] = "kthread-process",
    [WINOS_KTHREAD_STATE] = "kthread-state",
    [WINOS_KTHREAD_WAIT_REASON] = "kthread-wait-reason",
    [WINOS_KTHREAD_PRIORITY] = "kthread-priority",
    [WINOS_KTHREAD_CONTEXT_SWITCHES] = "kthread-context-switches",
    [WINOS_KTHREAD_WAIT_TIME] = "kthread-wait-time",
    [WINOS_KTHREAD_TEB] = "kthread-teb",
    [WINOS_ETHREAD_CLIENT_ID] = "kthread-client-id",
    [WINOS_ETHREAD_CREATE_TIME] = "ethread-create-time",
    [WINOS_ETHREAD_THREAD_LIST_ENTRY] = "ethread-thread-list-entry",
    [WINOS_ETHREAD_THREAD_NAME] = "ethread-thread-name",
    [WINOS_EPROCESS_DIRECTORY_TABLE_BASE] = "eprocess-directory-table-base",
    [WINOS_EPROCESS_UNIQUE_PROCESS_ID] = "eprocess-unique-process-id",
    [WINOS_EPROCESS_ACTIVE_PROCESS_LINKS] = "eprocess-active-process-links",
    [WINOS_EPROCESS_IMAGE_FILE_NAME] = "eprocess-image-file-name",
    [WINOS_EPROCESS_INHERITED_FROM] = "eprocess-inherited-from",
    [WINOS_EPROCESS_PEB] = "eprocess-peb",
    [WINOS_EPROCESS_CREATE_TIME] = "eprocess-create-time",
    [WINOS_EPROCESS_THREAD_LIST_HEAD] = "eprocess-thread-list-head",
};

static const char *const source_names[WINOS_N_SOURCES] = {
    [WINOS_SOURCE_KDBG] = "kdbg",
    [WINOS_SOURCE_CODE] = "code",
    [WINOS_SOURCE_TABLE] = "table",
    [WINOS_SOURCE_STRUCTURE] = "structure",
    [WINOS_SOURCE_OVERRIDE] = "override",
};

static const char *const standing_names[] = {
    [WINOS_UNKNOWN] = "unknown",
    [WINOS_ABSENT] = "absent",
    [WINOS_REFUTED] = "refuted",
    [WINOS_UNCONFIRMED] = "unconfirmed",
    [WINOS_AGREED] = "agreed",
    [WINOS_CONFIRMED] = "confirmed",
};

static const char *const state_names[] = {
    "Initialized", "Ready", "Running", "Standby", "Terminated", "Waiting",
    "Transition", "DeferredReady", "GateWaitObsolete",
    "WaitingForProcessInSwap",
};

static const char *const wait_reason_names[] = {
    "Executive", "FreePage", "PageIn", "PoolAllocation", "DelayExecution",
    "Suspended", "UserRequest", "WrExecutive", "WrFreePage", "WrPageIn",
    "WrPoolAllocation", "WrDelayExecution", "WrSuspended", "WrUserRequest",
    "WrSpare0", "WrQueue", "WrLpcReceive", "WrLpcReply", "WrVirtualMemory",
    "WrPageOut", "WrRendezvous", "WrKeyedEvent", "WrTerminated",
    "WrProcessInSwap", "WrCpuRateControl", "WrCalloutStack", "WrKernel",
    "WrResource", "WrPushLock", "WrMutex", "WrQuantumEnd", "WrDispatchInt",
    "WrPreempted", "WrYieldExecution", "WrFastMutex", "WrGuardedMutex",
    "WrRundown", "WrAlertByThreadId", "WrDeferredPreempt", "WrPhysicalFault",
    "WrIoRing", "WrMdlCache", "WrRcu",
};

static const char *layout_name_of(const char *const *names, size_t n,
                                  unsigned index)
{
    return index < n ? names[index] : NULL;
}

void winos_layout_init(WinosLayout *layout)
{
    unsigned i;
    unsigned s;

    for (i = 0; i < WINOS_N_FIELDS; i++) {
        WinosOffset *field = &layout->field[i];

        *field = (WinosOffset) {
            .value = WINOS_NO_OFFSET,
            .standing = WINOS_UNKNOWN,
            .found = WINOS_NO_OFFSET,
        };
        for (s = 0; s < WINOS_N_SOURCES; s++) {
            field->claims[s] = WINOS_NO_OFFSET;
        }
    }
}

const char *winos_field_name(WinosField field)
{
    return layout_name_of(field_names, WINOS_N_FIELDS, field);
}

const char *winos_source_name(WinosSource source)
{
    return layout_name_of(source_names, WINOS_N_SOURCES, source);
}

const char *winos_standing_name(WinosStanding standing)
{
    return layout_name_of(standing_names,
                          sizeof(standing_names) / sizeof(*standing_names),
                          standing);
}

const char *winos_state_name(unsigned state)
{
    return layout_name_of(state_names,
                          sizeof(state_names) / sizeof(*state_names), state);
}

const char *winos_wait_reason_name(unsigned reason)
{
    return layout_name_of(
        wait_reason_names,
        sizeof(wait_reason_names) / sizeof(*wait_reason_names), reason);
}
