/*
 * The kernel image as an observer sees it: what the packer's headers leave
 * open, and the machine code of the exported accessors, written from the
 * row in force in the forms seen in real kernels.
 *
 * Source of the forms: discovery facts, section d (a listing of a 19041
 * family kernel); which exports have no column in the CSV, and what they do
 * here, is said in docs/guest.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { SLOT = 64, SLOTS = 40, PE_AT = 0x100, PE_STAMP = PE_AT + 8,
       PE_OPTIONAL = PE_AT + 24, PE_BASE = PE_OPTIONAL + 24,
       PE_SIZE = PE_OPTIONAL + 56, PE_SECTIONS = PE_OPTIONAL + 240 };

_Static_assert((int)ACCESSORS <= (int)SLOTS, "accessor area too small");

uint64_t image_size;
uint64_t ps_initial_system_process = 1;
uint64_t ps_loaded_module_list[2] = { 1 };
uint64_t ps_loaded_module_resource[13] = { 1 };
uint32_t nt_build_number = 1;
uint8_t nt_build_guid[16] = { 0x4e, 0x54, 0x74, 0x65, 0x73, 0x74 };
uint64_t ki_bug_check_data[5] = { 0, 0, 0, 0, 0 };
uint8_t ke_number_processors = 1;
uint8_t kd_debugger_enabled = 0;
uint8_t kd_debugger_not_present = 1;
char nt_build_lab[64] = "00000.test_guest.000000-0000";

/* Two slots an accessor: its place, and where a thunk jumps to. */
static uint8_t accessor_area[SLOTS * SLOT * 2] __attribute__((
    section(".text.accessors,\"ax\",@progbits#"), aligned(SLOT), used));

static uint8_t kpcr_room[0x10000]
    __attribute__((section("ALMOSTRO"), aligned(4096)));
static uint8_t thread_room[0x2000]
    __attribute__((section("ALMOSTRO"), aligned(4096)));
static uint8_t process_room[0x2000]
    __attribute__((section("ALMOSTRO"), aligned(4096)));

uint8_t *initial_kpcr(void)
{
    return kpcr_room;
}

/* Not page aligned: the one real kernels have is not either. */
uint8_t *initial_thread(void)
{
    return thread_room + 0x140;
}

uint8_t *initial_process(void)
{
    return process_room + 0x280;
}

static uint8_t *at;

static void bytes(uint64_t value, uint32_t count)
{
    while (count--) {
        *at++ = value;
        value >>= 8;
    }
}

/* Opcode bytes, then a ModRM of register pair with [base + offset]. */
static void op(uint64_t opcode, uint32_t count, uint8_t modrm, uint32_t off)
{
    bytes(opcode, count);
    if (off < 0x80) {
        bytes(modrm | 0x40, 1);
        bytes(off, 1);
    } else {
        bytes(modrm | 0x80, 1);
        bytes(off, 4);
    }
}

enum { RAX_RCX = 0x01, RAX_RAX = 0x00, RCX_RCX = 0x09, RET = 0xc3 };

/* What the accessor at hand takes, for one that checks it first. */
static uint8_t object_type;

/* The check falls through to the answer. */
static void load_checked(uint32_t off)
{
    uint8_t *jump;

    bytes(0xd18b48, 3);                 /* mov rdx, rcx */
    bytes(0x3a80, 2);                   /* cmp byte [rdx], type */
    bytes(object_type, 1);
    bytes(0x0075, 2);                   /* jne to the end */
    jump = at;
    op(0x8b48, 2, 0x02, off);           /* mov rax, [rdx + off] */
    bytes(RET, 1);
    jump[-1] = at - jump;
    bytes(0xc3c033, 3);                 /* xor eax, eax; ret */
}

/* The check jumps to it. */
static void load_jumping(uint32_t off)
{
    bytes(0x3980, 2);                   /* cmp byte [rcx], type */
    bytes(object_type, 1);
    bytes(0x0374, 2);                   /* je over the next two */
    bytes(0xc3c033, 3);
    op(0x8b48, 2, RAX_RCX, off);
    bytes(RET, 1);
}

/* As a compiler writes it that does not optimise. */
static void load_framed(uint32_t off)
{
    bytes(0xe5894855, 4);               /* push rbp; mov rbp, rsp */
    bytes(0x104d8948, 4);               /* mov [rbp + 10h], rcx */
    bytes(0x10458b48, 4);               /* mov rax, [rbp + 10h] */
    op(0x8b48, 2, RAX_RAX, off);
    bytes(0x5d, 1);
    bytes(RET, 1);
}

/* mov rax, [rcx + off]; ret */
static void load_rcx(uint32_t off)
{
    switch (config.form) {
    case FORM_CHECK:
        load_checked(off);
        break;
    case FORM_CHECK_JUMP:
        load_jumping(off);
        break;
    case FORM_FRAME:
        load_framed(off);
        break;
    default:
        op(0x8b48, 2, RAX_RCX, off);
        bytes(RET, 1);
    }
}

/* mov rax or rcx, gs:[current thread] */
static void load_current(uint8_t modrm)
{
    bytes(0x8b4865, 3);
    bytes(modrm, 1);
    bytes(0x25, 1);
    bytes(row[KPCR_PRCB] + row[KPRCB_CURRENT_THREAD], 4);
}

static void from_current(uint32_t off)
{
    load_current(0x04);
    op(0x8b48, 2, RAX_RAX, off);
    bytes(RET, 1);
}

static void zero(void)
{
    bytes(0xc3c033, 3);                 /* xor eax, eax; ret */
}

static uint32_t system_shift(void)
{
    uint32_t build = row_ids[config.row].build;

    return build < 9200 ? 13 : build < 14393 ? 12 : 10;
}

static void is_system_thread(void)
{
    op(0x8b, 1, RAX_RCX, row[X_KTHREAD_MISC_FLAGS]);
    bytes(0xe8c1, 2);                   /* shr eax, imm8 */
    bytes(system_shift(), 1);
    bytes(0xc30124, 3);                 /* and al, 1; ret */
}

static void priority_thread(void)
{
    uint8_t *jump;

    bytes(0x058d48, 3);                 /* lea rax, [rip + d] */
    bytes((uint64_t)(initial_process() - (at + 4)), 4);
    op(0x3948, 2, RAX_RCX, row[KTHREAD_PROCESS]);
    bytes(0x0074, 2);                   /* jz over */
    jump = at;
    op(0xbe0f, 2, RAX_RCX, row[KTHREAD_PRIORITY]);
    bytes(RET, 1);
    jump[-1] = at - jump;
    zero();
}

static void current_teb(void)
{
    uint8_t *first, *second;

    object_type = 6;
    load_current(0x0c);                 /* mov rcx, gs:[...] */
    op(0xf7, 1, RAX_RCX, row[X_KTHREAD_MISC_FLAGS]);
    bytes(1u << system_shift(), 4);
    bytes(0x0075, 2);                   /* jnz */
    first = at;
    op(0x80, 1, 0x39, row[X_KTHREAD_APC_STATE_INDEX]);
    bytes(1, 1);
    bytes(0x0074, 2);                   /* jz */
    second = at;
    load_rcx(row[KTHREAD_TEB]);
    first[-1] = at - first;
    second[-1] = at - second;
    zero();
}

static void processor_number(void)
{
    bytes(0x25048b4865, 5);             /* mov rax, gs:[disp32] */
    bytes(row[KPCR_CURRENT_PRCB], 4);
    bytes(0xc98548, 3);                 /* test rcx, rcx */
    bytes(0x0474, 2);                   /* jz +4 */
    bytes(0x000001c6, 3);               /* mov byte [rcx], 0 */
    bytes(0x90, 1);
    op(0x8b, 1, RAX_RAX, row[KPRCB_NUMBER]);
    bytes(RET, 1);
}

static void bug_check(void)
{
    bytes(0x250c8b4865, 5);             /* mov rcx, gs:[current prcb] */
    bytes(row[KPCR_CURRENT_PRCB], 4);
    op(0x8b48, 2, RCX_RCX, row[X_KPRCB_SIZE] - 0x40);
    bytes(0xc18148, 3);                 /* add rcx, processor state */
    bytes(row[X_KPRCB_PROCESSOR_STATE], 4);
    bytes(0xfeebf4, 3);                 /* hlt; jmp self */
}

static void terminating(void)
{
    op(0x8b, 1, RAX_RCX, row[X_ETHREAD_CROSS_THREAD_FLAGS]);
    bytes(0xc30124, 3);
}

static void section_base(void)
{
    if (has(X_EPROCESS_SECTION_BASE)) {
        load_rcx(row[X_EPROCESS_SECTION_BASE]);
    } else {
        zero();
    }
}

static void image_name(void)
{
    op(0x8d48, 2, RAX_RCX, row[EPROCESS_IMAGE_FILE_NAME]);
    bytes(RET, 1);
}

/*
 * Fields that the CSV has no column for, as in the listing of the 19041
 * family; other rows' code gives 0, and so does the memory there.
 */
enum { EXIT_STATUS = 0x7d4, WOW64_PROCESS = 0x580, USER_TIME = 0x2dc,
       KERNEL_TIME = 0x28c, PREVIOUS_MODE = 0x232, APC_DISABLE = 0x1e4 };

static bool is_listed_family(void)
{
    uint32_t build = row_ids[config.row].build;

    return build >= 19041 && build <= 19045;
}

static void wow64_process(void)
{
    op(0x8b48, 2, RAX_RCX, WOW64_PROCESS);
    bytes(0x75c08548, 4);               /* test rax, rax; jnz over ret */
    bytes(0xc301, 2);
    bytes(0xc3008b48, 4);               /* mov rax, [rax]; ret */
}

static void runtime_thread(void)
{
    op(0x8b, 1, RAX_RCX, USER_TIME);
    bytes(0x0289, 2);                   /* mov [rdx], eax */
    op(0x8b, 1, RAX_RCX, KERNEL_TIME);
    bytes(RET, 1);
}

static void apcs_disabled(void)
{
    load_current(0x04);
    op(0x83, 1, 0x38, APC_DISABLE);     /* cmp dword [rax + d], 0 */
    bytes(0, 1);
    bytes(0xc3c0950f, 4);               /* setnz al; ret */
}

static bool emit_listed(uint32_t which)
{
    switch (which) {
    case ACC_PsGetProcessExitStatus:
        op(0x8b, 1, RAX_RCX, EXIT_STATUS);
        bytes(RET, 1);
        return true;
    case ACC_PsGetProcessWow64Process:
        wow64_process();
        return true;
    case ACC_KeQueryRuntimeThread:
        runtime_thread();
        return true;
    case ACC_PsGetCurrentThreadPreviousMode:
        load_current(0x04);
        op(0x8a, 1, RAX_RAX, PREVIOUS_MODE);
        bytes(RET, 1);
        return true;
    case ACC_KeAreApcsDisabled:
        apcs_disabled();
        return true;
    default:
        return false;
    }
}

static bool emit_process(uint32_t which)
{
    object_type = 3;
    switch (which) {
    case ACC_PsGetProcessId:
        load_rcx(row[EPROCESS_UNIQUE_PROCESS_ID]);
        return true;
    case ACC_PsGetProcessImageFileName:
        image_name();
        return true;
    case ACC_PsGetProcessInheritedFromUniqueProcessId:
        load_rcx(row[EPROCESS_INHERITED_FROM]);
        return true;
    case ACC_PsGetProcessPeb:
        load_rcx(row[EPROCESS_PEB]);
        return true;
    case ACC_PsGetProcessSectionBaseAddress:
        section_base();
        return true;
    case ACC_PsGetProcessCreateTimeQuadPart:
        load_rcx(row[X_EPROCESS_CREATE_TIME]);
        return true;
    default:
        return false;
    }
}

static bool emit_thread(uint32_t which)
{
    object_type = 6;
    switch (which) {
    case ACC_PsGetThreadId:
        load_rcx(row[ETHREAD_CID] + 8);
        return true;
    case ACC_PsGetThreadProcessId:
        load_rcx(row[ETHREAD_CID]);
        return true;
    case ACC_PsGetThreadProcess:
        load_rcx(row[KTHREAD_PROCESS]);
        return true;
    case ACC_PsGetThreadTeb:
        load_rcx(row[KTHREAD_TEB]);
        return true;
    case ACC_PsGetThreadWin32Thread:
        load_rcx(row[X_KTHREAD_WIN32_THREAD]);
        return true;
    case ACC_PsGetThreadCreateTime:
        load_rcx(row[X_ETHREAD_CREATE_TIME]);
        return true;
    case ACC_PsIsThreadTerminating:
        terminating();
        return true;
    case ACC_PsIsSystemThread:
        is_system_thread();
        return true;
    case ACC_KeQueryPriorityThread:
        priority_thread();
        return true;
    default:
        return false;
    }
}

static void emit_current(uint32_t which)
{
    switch (which) {
    case ACC_PsGetCurrentThread:
    case ACC_KeGetCurrentThread:
        load_current(0x04);
        bytes(RET, 1);
        break;
    case ACC_PsGetCurrentProcess:
    case ACC_IoGetCurrentProcess:
        from_current(row[KTHREAD_APCSTATE_PROCESS]);
        break;
    case ACC_PsGetCurrentThreadProcess:
        from_current(row[KTHREAD_PROCESS]);
        break;
    case ACC_PsGetCurrentThreadId:
        from_current(row[ETHREAD_CID] + 8);
        break;
    case ACC_PsGetCurrentThreadProcessId:
        from_current(row[ETHREAD_CID]);
        break;
    case ACC_PsGetCurrentThreadStackBase:
        from_current(row[KTHREAD_STACK_BASE]);
        break;
    case ACC_PsGetCurrentThreadStackLimit:
        from_current(row[KTHREAD_STACK_LIMIT]);
        break;
    case ACC_IoGetInitialStack:
        from_current(row[KTHREAD_INITIAL_STACK]);
        break;
    case ACC_PsGetCurrentThreadTeb:
        current_teb();
        break;
    case ACC_KeGetCurrentProcessorNumberEx:
        processor_number();
        break;
    default:
        bug_check();
    }
}

/* Leading bytes a decoder has to get past. */
static void prefix(uint32_t which)
{
    uint32_t form = config.form == FORM_MIXED ? which % 4 : config.form;
    uint8_t *there = accessor_area + (SLOTS + which) * SLOT;

    if (form == FORM_ENDBR) {
        bytes(0xfa1e0ff3, 4);
    } else if (form == FORM_HOTPATCH) {
        bytes(which & 1 ? 0x9066 : 0xff8b, 2);
    } else if (form == FORM_THUNK) {
        bytes(0xe9, 1);
        bytes((uint64_t)(there - (at + 4)), 4);
        at = there;
    }
}

/* The code of some other function, right behind the RET. */
static void neighbour(void)
{
    bytes(0x8348fbffcccccccc, 8);
    bytes(0x8b4820ec, 4);
}

uint64_t accessor_address(uint32_t which)
{
    return (uint64_t)accessor_area + which * SLOT;
}

static void headers(void)
{
    uint8_t *h = (uint8_t *)IMAGE_PHYS;
    uint32_t sections = *(uint16_t *)(h + PE_AT + 6);
    uint32_t *last = (uint32_t *)(h + PE_SECTIONS + (sections - 1) * 40);
    const RowId *id = &row_ids[config.row];

    image_size = config.image_size & ~0xfffULL;
    if (!image_size) {
        image_size = id->pe_size ? id->pe_size : IMAGE_DEFAULT;
    }
    *(uint32_t *)(h + PE_SIZE) = image_size;
    *(uint32_t *)(h + PE_STAMP) = config.timestamp ? config.timestamp
        : id->pe_timestamp ? id->pe_timestamp
                           : 0x50000000 + (uint32_t)config.row;
    last[2] = image_size - last[3];     /* VirtualSize up to the end */
}

/* nt_build_lab begins with the build, as real ones do. */
static void lab(void)
{
    uint32_t n = config.nt_build;

    for (int i = 4; i >= 0; i--) {
        nt_build_lab[i] = '0' + n % 10;
        n /= 10;
    }
}

/* The shadow entries' gs: displacements depend on the row. */
static void shadow_patch(void)
{
    typedef struct Fix { int32_t where, offset; } Fix;
    extern const Fix shadow_fixes[];
    uint32_t s = row[KPCR_PRCB] + row[X_KPRCB_KERNEL_DIRECTORY_TABLE_BASE];

    if (!has(X_KPRCB_KERNEL_DIRECTORY_TABLE_BASE)) {
        s = 0x9000;                     /* never run */
    }
    for (const Fix *f = shadow_fixes; f->where; f++) {
        put32((uint64_t)shadow_fixes + f->where, s + f->offset);
    }
}

/* An export that nobody finds: its name becomes another, in the same place. */
static void hide_export(const uint8_t *code, const char *name)
{
    uint8_t *h = (uint8_t *)IMAGE_PHYS;
    uint32_t *dir = (uint32_t *)(h + *(uint32_t *)(h + PE_OPTIONAL + 112));
    uint32_t *functions = (uint32_t *)(h + dir[7]);
    uint32_t *names = (uint32_t *)(h + dir[8]);
    uint16_t *ordinals = (uint16_t *)(h + dir[9]);

    for (uint32_t i = 0; i < dir[6]; i++) {
        char *text = (char *)h + names[i];

        if (code ? h + functions[ordinals[i]] == code
                 : text_same(text, name)) {
            text[text_len(text) - 1]--;
        }
    }
}

static void hide_exports(void)
{
    for (uint32_t i = 0; i < ACCESSORS; i++) {
        if (config.mute >> i & 1) {
            hide_export(accessor_area + i * SLOT, NULL);
        }
    }
    if (odd(ODD_NO_BUILD)) {
        hide_export(NULL, "NtBuildNumber");
    }
}

void image_build(void)
{
    headers();
    hide_exports();
    lab();
    shadow_patch();
    for (uint32_t i = 0; i < ACCESSORS; i++) {
        at = accessor_area + i * SLOT;
        prefix(i);
        if (i >= ACC_PsGetProcessExitStatus && !is_listed_family()) {
            zero();
        } else if (!emit_listed(i) && !emit_process(i) && !emit_thread(i)) {
            emit_current(i);
        }
        neighbour();
    }
}

typedef uint64_t __attribute__((ms_abi)) (*Accessor)(uint64_t);

static uint64_t call(uint32_t which, uint64_t arg)
{
    return ((Accessor)accessor_address(which))(arg);
}

/* The accessors are code: run them, and compare with what is known. */
void image_selftest(void)
{
    uint64_t system = ps_initial_system_process;
    Thread *t = &threads[cpu_count], *me = cpus[0].idle;

    put64(IMAGE_PHYS + PE_BASE, image_va);
    if (call(ACC_PsGetProcessId, system) != 4
        || call(ACC_PsGetThreadProcess, t->obj) != t->process->obj
        || call(ACC_PsGetThreadProcessId, t->obj) != t->process->pid
        || call(ACC_PsGetCurrentThread, 0) != me->obj
        || call(ACC_PsGetCurrentProcess, 0) != system
        || call(ACC_PsIsSystemThread, t->obj) != (t->user ? 0 : 1)
        || call(ACC_PsIsThreadTerminating, t->obj) != 0
        || call(ACC_PsGetCurrentThreadTeb, 0) != 0
        || (int32_t)call(ACC_KeQueryPriorityThread, t->obj) != t->priority
        || (int32_t)call(ACC_KeQueryPriorityThread, me->obj) != 0
        || (uint32_t)call(ACC_KeGetCurrentProcessorNumberEx, 0) != 0) {
        fail(EXIT_SELFTEST, "an exported accessor gives a wrong answer");
    }
}
