/*
 * Ways into and out of the kernel that happen all the time: interrupt and
 * system call entries, plain and KVA shadow, the stack switch, the start of
 * a thread.  What an event means is trap.c's business.
 *
 * The shadow entries stand in their own section and follow what is published
 * of the real ones: swapgs; keep RSP at gs:[S+0x10]; load gs:[S]; test bit 1
 * of gs:[S+0x18]; load CR3; take the stack from gs:[S+8].  S depends on the
 * row, so each displacement is listed in shadow_fixes and patched at boot.
 * Source: HVMI cami/sources/common/syscalls.yaml, discovery facts c.4.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define CPU_POINTER 0xc0
#define USER_RSP    0x10
#define RSP_BASE    0x1a8
#define SYSCALL     0x100
#define SHADOW_FLAG 40                  /* offsetof(Cpu, shadow) */

    /* \insn with a gs: disp32 that ends the instruction but for \tail. */
    .macro  SHADOW offset, tail, code:vararg
    .byte   \code
990:
    .long   0
    .pushsection .rodata.fixes, "a"
    .long   990b - shadow_fixes, \offset
    .popsection
    .ifnb   \tail
    .byte   \tail
    .endif
    .endm

    .section .rodata.fixes, "a"
    .balign 8
    .globl  shadow_fixes
shadow_fixes:

    .text
    .macro  SAVE_REGS
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    pushq   %rbx
    pushq   %rbp
    pushq   %rsi
    pushq   %rdi
    pushq   %r8
    pushq   %r9
    pushq   %r10
    pushq   %r11
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    .endm
    .macro  LOAD_REGS
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %r11
    popq    %r10
    popq    %r9
    popq    %r8
    popq    %rdi
    popq    %rsi
    popq    %rbp
    popq    %rbx
    popq    %rdx
    popq    %rcx
    popq    %rax
    .endm

    /* Entries of the vectors in use: the stub pushes error code and number. */
    .macro  VECTOR number, pad=1
    .balign 16
    .globl  vector_\number
vector_\number:
    .if     \pad
    pushq   $0
    .endif
    pushq   $\number
    jmp     trap_plain
    .endm

    .macro  ALL_VECTORS kind
    \kind   0
    \kind   3
    \kind   6
    \kind   8, 0
    \kind   13, 0
    \kind   14, 0
    \kind   47
    \kind   99
    \kind   113
    \kind   114
    \kind   145
    \kind   209
    .endm

    .balign 64
    ALL_VECTORS VECTOR
    .balign 16
trap_plain:
    testb   $3, 24(%rsp)
    jz      trap_inside
    swapgs
trap_inside:
    cld
    SAVE_REGS
    movq    %rsp, %rdi
    call    trap_main
    .globl  trap_exit
trap_exit:                              /* interrupts are off, rsp: Frame */
    testb   $3, 144(%rsp)               /* cs */
    jz      2f
    movq    %gs:CPU_POINTER, %rax
    cmpq    $0, SHADOW_FLAG(%rax)
    jne     shadow_exit
    cmpl    $SYSCALL, 120(%rsp)
    je      3f
    LOAD_REGS
    addq    $16, %rsp
    swapgs
    iretq
2:  LOAD_REGS
    addq    $16, %rsp
    iretq
3:  LOAD_REGS                           /* the way back of a system call */
    addq    $16, %rsp
    movq    (%rsp), %rcx
    movq    16(%rsp), %r11
    movq    24(%rsp), %rsp
    swapgs
    sysretq

    .balign 16
    .globl  system_call_64
system_call_64:
    swapgs
    movq    %rsp, %gs:USER_RSP
    movq    %gs:RSP_BASE, %rsp
    pushq   $0x2b
    pushq   %gs:USER_RSP
    pushq   %r11
    pushq   $0x33
    pushq   %rcx
system_call_common:
    pushq   $0
    pushq   $SYSCALL
    jmp     trap_inside

/* switch_stack(old rsp place, new rsp) */
    .globl  switch_stack
switch_stack:
    pushq   %rbx
    pushq   %rbp
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbp
    popq    %rbx
    ret

/* A new thread: finish the switch, then into the Frame above the stack. */
    .globl  thread_first
thread_first:
    call    thread_begin
    jmp     trap_exit

    .globl  call_on_stack               /* (stack, function) */
call_on_stack:
    movq    %rdi, %rsp
    call    *%rsi
    ud2

    .section KVASCODE, "ax"
    .macro  SHADOW_VECTOR number, pad=1
    .balign 16
    .globl  shadow_vector_\number
shadow_vector_\number:
    .if     \pad
    pushq   $0
    .endif
    pushq   $\number
    jmp     shadow_trap
    .endm

    ALL_VECTORS SHADOW_VECTOR
    .balign 16
shadow_trap:
    testb   $3, 24(%rsp)
    jz      trap_inside                 /* CR3 and stack are right already */
    swapgs
    pushq   %rax
    /* mov rax, gs:[S] */
    SHADOW  0, , 0x65, 0x48, 0x8b, 0x04, 0x25
    /* bt dword gs:[S+0x18], 1 */
    SHADOW  0x18, 0x01, 0x65, 0x0f, 0xba, 0x24, 0x25
    jc      1f
    movq    %rax, %cr3
1:  movq    %rsp, %rax
    /* mov rsp, gs:[S+8] */
    SHADOW  8, , 0x65, 0x48, 0x8b, 0x24, 0x25
    pushq   56(%rax)
    pushq   48(%rax)
    pushq   40(%rax)
    pushq   32(%rax)
    pushq   24(%rax)
    pushq   16(%rax)
    pushq   8(%rax)
    movq    (%rax), %rax
    jmp     trap_inside

    .balign 16
    .globl  system_call_64_shadow
system_call_64_shadow:
    swapgs
    /* mov gs:[S+0x10], rsp */
    SHADOW  0x10, , 0x65, 0x48, 0x89, 0x24, 0x25
    /* mov rsp, gs:[S] */
    SHADOW  0, , 0x65, 0x48, 0x8b, 0x24, 0x25
    SHADOW  0x18, 0x01, 0x65, 0x0f, 0xba, 0x24, 0x25
    jc      1f
    movq    %rsp, %cr3
1:  SHADOW  8, , 0x65, 0x48, 0x8b, 0x24, 0x25
    pushq   $0x2b
    /* push qword gs:[S+0x10] */
    SHADOW  0x10, , 0x65, 0xff, 0x34, 0x25
    pushq   %r11
    pushq   $0x33
    pushq   %rcx
    jmp     system_call_common

    .balign 16
shadow_exit:
    LOAD_REGS
    addq    $16, %rsp
    pushq   %rax
    pushq   %rbx
    /* mov rax, gs:[S+0x28]: top of the transition stack */
    SHADOW  0x28, , 0x65, 0x48, 0x8b, 0x04, 0x25
    movq    48(%rsp), %rbx
    movq    %rbx, -8(%rax)
    movq    40(%rsp), %rbx
    movq    %rbx, -16(%rax)
    movq    32(%rsp), %rbx
    movq    %rbx, -24(%rax)
    movq    24(%rsp), %rbx
    movq    %rbx, -32(%rax)
    movq    16(%rsp), %rbx
    movq    %rbx, -40(%rax)
    movq    8(%rsp), %rbx
    movq    %rbx, -48(%rax)
    popq    %rbx
    leaq    -48(%rax), %rsp
    /* mov rax, gs:[S+0x20]: the user root; not if bit 1 says so */
    SHADOW  0x20, , 0x65, 0x48, 0x8b, 0x04, 0x25
    SHADOW  0x18, 0x01, 0x65, 0x0f, 0xba, 0x24, 0x25
    jc      1f
    movq    %rax, %cr3
1:  popq    %rax
    swapgs
    iretq

    /* Sorted behind all .rodata.fixes: the end of the list. */
    .section .rodata.fixes.end, "a"
    .long   0, 0

/*
 * The user program, position independent, one page for all processes:
 * rdi spins, then a system call; gs:[0x30] must be the TEB itself.
 */
    .section .rodata
    .balign 16
    .globl  user_program, user_program_end
user_program:
1:  movq    %rdi, %rcx
2:  decq    %rcx
    jnz     2b
    movq    %gs:0x30, %rax
    cmpq    %rax, %rbx
    jne     3f
    testq   %rsi, %rsi
    jz      4f
    ud2                                 /* the system call under KVM */
    jmp     1b
4:  syscall
    jmp     1b
3:  movl    $0xdead, %eax               /* wrong GS: a fault the kernel */
    movq    %rax, (%rax)                /* reports */
    jmp     3b
user_program_end:

/*
 * KdCopyDataBlock: decodes the block into @rdi.  Written in the shape known
 * from published scanners: cmp of the flag, lea of the block, mov of
 * KiWaitNever, xor of KiWaitAlways, the size / 8, bswap, ret.
 * Source: discovery facts b.1 and b.4.
 */
    .section INITKDBG, "ax"
    .balign 16
    .globl  kd_copy_data_block
kd_copy_data_block:
    cmpb    $0, kdp_data_block_encoded(%rip)
    leaq    kd_debugger_data_block(%rip), %rdx
    movl    $0x70, %r8d                 /* size / 8, patched at boot */
    .globl  kd_copy_count
    .equ    kd_copy_count, . - 4
    je      2f
    movq    ki_wait_never(%rip), %r10
1:  movq    (%rdx), %rax
    movq    %r10, %rcx
    xorq    %r10, %rax
    rolq    %cl, %rax
    leaq    kdp_data_block_encoded(%rip), %r9
    xorq    %r9, %rax
    bswapq  %rax
    xorq    ki_wait_always(%rip), %rax
    movq    %rax, (%rdi)
    addq    $8, %rdx
    addq    $8, %rdi
    decq    %r8
    jnz     1b
    ret
2:  movq    (%rdx), %rax
    movq    %rax, (%rdi)
    addq    $8, %rdx
    addq    $8, %rdi
    decq    %r8
    jnz     2b
    ret
