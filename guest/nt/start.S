/*
 * Ways into the kernel that happen once: from the ROM into C, from identity
 * mapped memory into the high half (with 4 or 5 levels), and the real-mode
 * start block the other CPUs come through.  Everything here is position
 * independent or knows that it runs at LOW_STUB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "phys.h"

    .text
    .globl boot_entry
boot_entry:
    call    boot_main
1:  cli
    hlt
    jmp     1b

/*
 * enter_world(root, target, levels): load @root, turn on 5-level paging if
 * @levels is 5 (which needs paging off for a moment, hence 32-bit code at a
 * low address), and go on at @target.
 */
    .globl enter_world
enter_world:
    cmpl    $5, %edx
    je      1f
    movq    %rdi, %cr3
    jmp     *%rsi
1:  movq    %rsi, %r14
    leaq    2f(%rip), %rax
    pushq   $0x08
    pushq   %rax
    lretq
    .code32
2:  movl    %cr0, %eax
    andl    $0x7fffffff, %eax
    movl    %eax, %cr0
    movl    %cr4, %eax
    orl     $0x1000, %eax               /* LA57 */
    movl    %eax, %cr4
    movl    %edi, %cr3
    movl    %cr0, %eax
    orl     $0x80000000, %eax
    movl    %eax, %cr0
    call    3f
3:  popl    %eax
    addl    $(4f - 3b), %eax
    pushl   $0x18
    pushl   %eax
    lret
    .code64
4:  jmp     *%r14

/*
 * The other CPUs, in the high half, on the stack kept for them.  Aligned, as
 * whoever looks for the start block expects of this address.
 */
    .balign 16
    .globl ap_high
ap_high:
    movl    $1, %eax
    cpuid
    shrl    $24, %ebx
    movl    %ebx, %edi
    cmpl    cpu_count(%rip), %edi       /* ids with gaps: no CPU for it */
    jae     2f
    leaq    ap_stacks(%rip), %rax
    movq    (%rax,%rdi,8), %rsp
    call    cpu_begin
1:  cli
    hlt
    jmp     1b
2:  movl    $0x12, %eax                 /* EXIT_MACHINE */
    outl    %eax, $0xf4
    jmp     1b

/*
 * The low stub.  Its first bytes and the places of the kernel entry (+0x70)
 * and the root (+0xa0) are those that memory tools look for.
 * Source: docs of section c.5 in the discovery facts (MemProcFS, memflow).
 */
    .section .rodata
    .balign 16
    .globl low_stub, low_stub_end
low_stub:
    .code16
    .byte   0xe9, 0x7d, 0x06, 0x00, 0x01, 0x00, 0x00, 0x00
    .org    low_stub + 0x70
    .quad   0                           /* kernel entry */
    .org    low_stub + 0xa0
    .quad   0                           /* root of the kernel */
    .org    low_stub + 0xb0
    .quad   0                           /* root used while starting */
    .quad   0                           /* CR4 bits */
    .org    low_stub + 0xd0
    .quad   0
    .quad   0x00cf9b000000ffff
    .quad   0x00cf93000000ffff
    .quad   0x00af9b000000ffff
    .org    low_stub + 0xf0
    .word   31
    .long   LOW_STUB + 0xd0
    .org    low_stub + 0x680
    cli
    movw    %cs, %ax
    movw    %ax, %ds
    lgdtl   0xf0
    movl    %cr0, %eax
    orl     $1, %eax
    andl    $~0x60000000, %eax
    movl    %eax, %cr0
    ljmpl   $0x08, $(LOW_STUB + 0x700)
    .org    low_stub + 0x700
    .code32
    movw    $0x10, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movl    LOW_STUB + 0xb8, %eax
    movl    %eax, %cr4
    movl    LOW_STUB + 0xb0, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx
    rdmsr
    orl     $0x901, %eax
    wrmsr
    movl    %cr0, %eax
    orl     $0x80010000, %eax
    movl    %eax, %cr0
    ljmpl   $0x18, $(LOW_STUB + 0x780)
    .org    low_stub + 0x780
    .code64
    movq    LOW_STUB + 0x70, %rax
    jmp     *%rax
low_stub_end:
