/*
 * dump/bugcheck: see bugcheck.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "dump/bugcheck.h"

#include <stddef.h>

enum { DELIBERATE = 0x10000000 };

/* By rising code. */
static const struct {
    uint32_t code;
    const char *name;
} names[] = {
    { 0x01, "APC_INDEX_MISMATCH" },
    { 0x02, "DEVICE_QUEUE_NOT_BUSY" },
    { 0x03, "INVALID_AFFINITY_SET" },
    { 0x04, "INVALID_DATA_ACCESS_TRAP" },
    { 0x05, "INVALID_PROCESS_ATTACH_ATTEMPT" },
    { 0x06, "INVALID_PROCESS_DETACH_ATTEMPT" },
    { 0x07, "INVALID_SOFTWARE_INTERRUPT" },
    { 0x08, "IRQL_NOT_DISPATCH_LEVEL" },
    { 0x09, "IRQL_NOT_GREATER_OR_EQUAL" },
    { 0x0a, "IRQL_NOT_LESS_OR_EQUAL" },
    { 0x0b, "NO_EXCEPTION_HANDLING_SUPPORT" },
    { 0x0c, "MAXIMUM_WAIT_OBJECTS_EXCEEDED" },
    { 0x0d, "MUTEX_LEVEL_NUMBER_VIOLATION" },
    { 0x0e, "NO_USER_MODE_CONTEXT" },
    { 0x0f, "SPIN_LOCK_ALREADY_OWNED" },
    { 0x10, "SPIN_LOCK_NOT_OWNED" },
    { 0x11, "THREAD_NOT_MUTEX_OWNER" },
    { 0x12, "TRAP_CAUSE_UNKNOWN" },
    { 0x18, "REFERENCE_BY_POINTER" },
    { 0x19, "BAD_POOL_HEADER" },
    { 0x1a, "MEMORY_MANAGEMENT" },
    { 0x1e, "KMODE_EXCEPTION_NOT_HANDLED" },
    { 0x20, "KERNEL_APC_PENDING_DURING_EXIT" },
    { 0x21, "QUOTA_UNDERFLOW" },
    { 0x23, "FAT_FILE_SYSTEM" },
    { 0x24, "NTFS_FILE_SYSTEM" },
    { 0x25, "NPFS_FILE_SYSTEM" },
    { 0x26, "CDFS_FILE_SYSTEM" },
    { 0x27, "RDR_FILE_SYSTEM" },
    { 0x2e, "DATA_BUS_ERROR" },
    { 0x31, "PHASE0_INITIALIZATION_FAILED" },
    { 0x32, "PHASE1_INITIALIZATION_FAILED" },
    { 0x34, "CACHE_MANAGER" },
    { 0x35, "NO_MORE_IRP_STACK_LOCATIONS" },
    { 0x36, "DEVICE_REFERENCE_COUNT_NOT_ZERO" },
    { 0x39, "SYSTEM_EXIT_OWNED_MUTEX" },
    { 0x3b, "SYSTEM_SERVICE_EXCEPTION" },
    { 0x3d, "INTERRUPT_EXCEPTION_NOT_HANDLED" },
    { 0x3f, "NO_MORE_SYSTEM_PTES" },
    { 0x40, "TARGET_MDL_TOO_SMALL" },
    { 0x44, "MULTIPLE_IRP_COMPLETE_REQUESTS" },
    { 0x48, "CANCEL_STATE_IN_COMPLETED_IRP" },
    { 0x49, "PAGE_FAULT_WITH_INTERRUPTS_OFF" },
    { 0x4a, "IRQL_GT_ZERO_AT_SYSTEM_SERVICE" },
    { 0x4c, "FATAL_UNHANDLED_HARD_ERROR" },
    { 0x4d, "NO_PAGES_AVAILABLE" },
    { 0x4e, "PFN_LIST_CORRUPT" },
    { 0x50, "PAGE_FAULT_IN_NONPAGED_AREA" },
    { 0x51, "REGISTRY_ERROR" },
    { 0x5c, "HAL_INITIALIZATION_FAILED" },
    { 0x5d, "UNSUPPORTED_PROCESSOR" },
    { 0x6b, "PROCESS1_INITIALIZATION_FAILED" },
    { 0x6f, "SESSION3_INITIALIZATION_FAILED" },
    { 0x71, "SESSION5_INITIALIZATION_FAILED" },
    { 0x73, "CONFIG_LIST_FAILED" },
    { 0x74, "BAD_SYSTEM_CONFIG_INFO" },
    { 0x76, "PROCESS_HAS_LOCKED_PAGES" },
    { 0x77, "KERNEL_STACK_INPAGE_ERROR" },
    { 0x79, "MISMATCHED_HAL" },
    { 0x7a, "KERNEL_DATA_INPAGE_ERROR" },
    { 0x7b, "INACCESSIBLE_BOOT_DEVICE" },
    { 0x7c, "BUGCODE_NDIS_DRIVER" },
    { 0x7d, "INSTALL_MORE_MEMORY" },
    { 0x7e, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED" },
    { 0x7f, "UNEXPECTED_KERNEL_MODE_TRAP" },
    { 0x80, "NMI_HARDWARE_FAILURE" },
    { 0x85, "SETUP_FAILURE" },
    { 0x8b, "MBR_CHECKSUM_MISMATCH" },
    { 0x8e, "KERNEL_MODE_EXCEPTION_NOT_HANDLED" },
    { 0x92, "UP_DRIVER_ON_MP_SYSTEM" },
    { 0x93, "INVALID_KERNEL_HANDLE" },
    { 0x96, "INVALID_WORK_QUEUE_ITEM" },
    { 0x9a, "SYSTEM_LICENSE_VIOLATION" },
    { 0x9c, "MACHINE_CHECK_EXCEPTION" },
    { 0x9e, "USER_MODE_HEALTH_MONITOR" },
    { 0x9f, "DRIVER_POWER_STATE_FAILURE" },
    { 0xa0, "INTERNAL_POWER_ERROR" },
    { 0xa5, "ACPI_BIOS_ERROR" },
    { 0xab, "SESSION_HAS_VALID_POOL_ON_EXIT" },
    { 0xb4, "VIDEO_DRIVER_INIT_FAILURE" },
    { 0xb8, "ATTEMPTED_SWITCH_FROM_DPC" },
    { 0xbe, "ATTEMPTED_WRITE_TO_READONLY_MEMORY" },
    { 0xbf, "MUTEX_ALREADY_OWNED" },
    { 0xc1, "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION" },
    { 0xc2, "BAD_POOL_CALLER" },
    { 0xc4, "DRIVER_VERIFIER_DETECTED_VIOLATION" },
    { 0xc5, "DRIVER_CORRUPTED_EXPOOL" },
    { 0xc6, "DRIVER_CAUGHT_MODIFYING_FREED_POOL" },
    { 0xc7, "TIMER_OR_DPC_INVALID" },
    { 0xc8, "IRQL_UNEXPECTED_VALUE" },
    { 0xc9, "DRIVER_VERIFIER_IOMANAGER_VIOLATION" },
    { 0xca, "PNP_DETECTED_FATAL_ERROR" },
    { 0xcb, "DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS" },
    { 0xcc, "PAGE_FAULT_IN_FREED_SPECIAL_POOL" },
    { 0xcd, "PAGE_FAULT_BEYOND_END_OF_ALLOCATION" },
    { 0xce, "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS" },
    { 0xd0, "DRIVER_CORRUPTED_MMPOOL" },
    { 0xd1, "DRIVER_IRQL_NOT_LESS_OR_EQUAL" },
    { 0xd3, "DRIVER_PORTION_MUST_BE_NONPAGED" },
    { 0xd5, "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL" },
    { 0xd6, "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION" },
    { 0xd8, "DRIVER_USED_EXCESSIVE_PTES" },
    { 0xda, "SYSTEM_PTE_MISUSE" },
    { 0xdc, "DRIVER_INVALID_STACK_ACCESS" },
    { 0xde, "POOL_CORRUPTION_IN_FILE_AREA" },
    { 0xe1, "WORKER_THREAD_RETURNED_AT_BAD_IRQL" },
    { 0xe2, "MANUALLY_INITIATED_CRASH" },
    { 0xe3, "RESOURCE_NOT_OWNED" },
    { 0xe4, "WORKER_INVALID" },
    { 0xe6, "DRIVER_VERIFIER_DMA_VIOLATION" },
    { 0xea, "THREAD_STUCK_IN_DEVICE_DRIVER" },
    { 0xed, "UNMOUNTABLE_BOOT_VOLUME" },
    { 0xef, "CRITICAL_PROCESS_DIED" },
    { 0xf4, "CRITICAL_OBJECT_TERMINATION" },
    { 0xf5, "FLTMGR_FILE_SYSTEM" },
    { 0xf7, "DRIVER_OVERRAN_STACK_BUFFER" },
    { 0xfc, "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY" },
    { 0xfe, "BUGCODE_USB_DRIVER" },
    { 0x101, "CLOCK_WATCHDOG_TIMEOUT" },
    { 0x102, "DPC_WATCHDOG_TIMEOUT" },
    { 0x103, "MUP_FILE_SYSTEM" },
    { 0x104, "AGP_INVALID_ACCESS" },
    { 0x109, "CRITICAL_STRUCTURE_CORRUPTION" },
    { 0x10c, "FSRTL_EXTRA_CREATE_PARAMETER_VIOLATION" },
    { 0x10d, "WDF_VIOLATION" },
    { 0x10e, "VIDEO_MEMORY_MANAGEMENT_INTERNAL" },
    { 0x111, "RECURSIVE_NMI" },
    { 0x113, "VIDEO_DXGKRNL_FATAL_ERROR" },
    { 0x116, "VIDEO_TDR_FAILURE" },
    { 0x117, "VIDEO_TDR_TIMEOUT_DETECTED" },
    { 0x119, "VIDEO_SCHEDULER_INTERNAL_ERROR" },
    { 0x11b, "DRIVER_RETURNED_HOLDING_CANCEL_LOCK" },
    { 0x121, "DRIVER_VIOLATION" },
    { 0x122, "WHEA_INTERNAL_ERROR" },
    { 0x124, "WHEA_UNCORRECTABLE_ERROR" },
    { 0x127, "PAGE_NOT_ZERO" },
    { 0x12b, "FAULTY_HARDWARE_CORRUPTED_PAGE" },
    { 0x12c, "EXFAT_FILE_SYSTEM" },
    { 0x133, "DPC_WATCHDOG_VIOLATION" },
    { 0x139, "KERNEL_SECURITY_CHECK_FAILURE" },
    { 0x13a, "KERNEL_MODE_HEAP_CORRUPTION" },
    { 0x13b, "PASSIVE_INTERRUPT_ERROR" },
    { 0x13c, "INVALID_IO_BOOST_STATE" },
    { 0x144, "BUGCODE_USB3_DRIVER" },
    { 0x149, "REFS_FILE_SYSTEM" },
    { 0x14f, "PDC_WATCHDOG_TIMEOUT" },
    { 0x153, "KERNEL_LOCK_ENTRY_LEAKED_ON_THREAD_TERMINATION" },
    { 0x154, "UNEXPECTED_STORE_EXCEPTION" },
    { 0x156, "WINSOCK_DETECTED_HUNG_CLOSESOCKET_LIVEDUMP" },
    { 0x157, "KERNEL_THREAD_PRIORITY_FLOOR_VIOLATION" },
    { 0x15f, "CONNECTED_STANDBY_WATCHDOG_TIMEOUT_LIVEDUMP" },
    { 0x161, "LIVE_SYSTEM_DUMP" },
    { 0x162, "KERNEL_AUTO_BOOST_INVALID_LOCK_RELEASE" },
    { 0x16c, "INVALID_RUNDOWN_PROTECTION_FLAGS" },
    { 0x175, "PREVIOUS_FATAL_ABNORMAL_RESET_ERROR" },
    { 0x178, "PASSIVE_INTERRUPT_ERROR_2" },
    { 0x17e, "MICROCODE_REVISION_MISMATCH" },
    { 0x187, "VIDEO_DWMINIT_TIMEOUT_FALLBACK_BDD" },
    { 0x189, "BAD_OBJECT_HEADER" },
    { 0x18b, "SECURE_KERNEL_ERROR" },
    { 0x18d, "SECURE_FAULT_UNHANDLED" },
    { 0x18e, "KERNEL_PARTITION_REFERENCE_VIOLATION" },
    { 0x190, "WIN32K_CRITICAL_FAILURE_LIVEDUMP" },
    { 0x191, "PF_DETECTED_CORRUPTION" },
    { 0x192, "KERNEL_AUTO_BOOST_LOCK_ACQUISITION_WITH_RAISED_IRQL" },
    { 0x193, "VIDEO_DXGKRNL_LIVEDUMP" },
    { 0x195, "SMB_SERVER_LIVEDUMP" },
    { 0x19b, "TTM_FATAL_ERROR" },
    { 0x19c, "WIN32K_POWER_WATCHDOG_TIMEOUT" },
    { 0x1a2, "KERNEL_STORAGE_SLOT_IN_USE_LIVEDUMP" },
    { 0x1c4, "DRIVER_VERIFIER_DETECTED_VIOLATION_LIVEDUMP" },
    { 0x1c8, "MANUALLY_INITIATED_POWER_BUTTON_HOLD" },
    { 0x1ca, "SYNTHETIC_WATCHDOG_TIMEOUT" },
    { 0x1d4, "UCMUCSI_LIVEDUMP" },
    { 0x1d5, "DRIVER_PNP_WATCHDOG" },
    { 0x356, "XBOX_ERACTRL_CS_TIMEOUT" },
    { 0xbfe, "BC_BLUETOOTH_VERIFIER_FAULT" },
    { 0x20001, "HYPERVISOR_ERROR" },
    { 0xc000021a, "WINLOGON_FATAL_ERROR" },
    { 0xc0000221, "STATUS_IMAGE_CHECKSUM_MISMATCH" },
    { 0xdeaddead, "MANUALLY_INITIATED_CRASH1" },
};

/* Those that people meet most. */
static const struct {
    uint32_t code;
    const char *parameter[4];
} meanings[] = {
    { 0x0a, { "address referenced", "IRQL", "access: 0 read, 1 write, "
              "8 execute", "code that referenced it" } },
    { 0x18, { "object type", "object", NULL, "reference count" } },
    { 0x19, { "kind of corruption", "pool block", "next block or flags",
              NULL } },
    { 0x1a, { "kind of violation", NULL, NULL, NULL } },
    { 0x1e, { "exception code", "where it happened", "exception parameter 0",
              "exception parameter 1" } },
    { 0x24, { "source file and line", "exception record", "context record",
              NULL } },
    { 0x3b, { "exception code", "where it happened", "context record",
              NULL } },
    { 0x50, { "address referenced", "access: 0 read, 2 write, 16 execute",
              "code that referenced it", "kind of fault" } },
    { 0x7a, { "lock type or PTE", "I/O status", "CR2 or process",
              "address that could not be read in" } },
    { 0x7b, { "device or name", NULL, NULL, NULL } },
    { 0x7e, { "exception code", "where it happened", "exception record",
              "context record" } },
    { 0x7f, { "number of the trap", NULL, NULL, NULL } },
    { 0x8e, { "exception code", "where it happened", "trap frame", NULL } },
    { 0x9f, { "kind of violation", "device object or seconds", NULL, NULL } },
    { 0xbe, { "address written to", "page table entry", NULL, NULL } },
    { 0xc2, { "kind of violation", NULL, NULL, NULL } },
    { 0xc4, { "kind of violation", NULL, NULL, NULL } },
    { 0xc5, { "address referenced", "IRQL", "access: 0 read, 1 write",
              "code that referenced it" } },
    { 0xd1, { "address referenced", "IRQL", "access: 0 read, 1 write, "
              "8 execute", "code that referenced it" } },
    { 0xef, { "process", "0: a process, 1: a thread", NULL, NULL } },
    { 0xf4, { "3: a process, 6: a thread", "object", "name of its image",
              "explaining text" } },
    { 0xf7, { "cookie on the stack", "cookie expected", "its complement",
              NULL } },
    { 0xfc, { "address executed", "page table entry", NULL, NULL } },
    { 0x101, { "clock ticks that were waited", NULL,
               "PRCB of the CPU that hangs", "its number" } },
    { 0x109, { NULL, NULL, "depends on the region", "type of region" } },
    { 0x116, { "recovery context", "code in the display driver",
               "error code of the last try", "internal context" } },
    { 0x124, { "source of the error", "WHEA_ERROR_RECORD",
               "MCi_STATUS, high half", "MCi_STATUS, low half" } },
    { 0x133, { "0: one DPC took too long, 1: all together", "ticks it took",
               "ticks allowed", NULL } },
    { 0x139, { "kind of corruption", "trap frame", "exception record",
               NULL } },
    { 0x13a, { "kind of corruption", "heap", "where it was found", NULL } },
    { 0x154, { "store context", "exception information", NULL, NULL } },
    { 0xc000021a, { "name of the failed process", "status code", NULL,
                    NULL } },
};

static const char *find_name(uint32_t code)
{
    size_t low = 0, high = sizeof(names) / sizeof(*names);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (names[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < sizeof(names) / sizeof(*names) && names[low].code == code ?
           names[low].name : NULL;
}

const char *bugcheck_name(uint32_t code)
{
    const char *name = find_name(code);

    return name ? name : find_name(code & ~(uint32_t)DELIBERATE);
}

const char *bugcheck_parameter(uint32_t code, unsigned i)
{
    size_t m;

    for (m = 0; m < sizeof(meanings) / sizeof(*meanings) && i < 4; m++) {
        if (meanings[m].code == code ||
            meanings[m].code == (code & ~(uint32_t)DELIBERATE)) {
            return meanings[m].parameter[i];
        }
    }
    return NULL;
}
