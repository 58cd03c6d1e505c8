/*
 * First instructions of the ROM: from the reset vector to 64-bit mode, the
 * sections copied into RAM, and off into the image's boot_entry.  Knows
 * nothing of Windows; what the world looks like is world.c's business.
 *
 * Source: Intel SDM vol. 3A, 9.1.4 "First Instruction Executed" and 9.8.5
 * "Initializing IA-32e Mode".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "phys.h"

    .section .reset, "ax"
    .code16
start16:
    cli
    cld
    movl    $boot_gdt_desc, %ebx
    andl    $0xffff, %ebx
    lgdtl   %cs:(%bx)
    movl    %cr0, %eax
    orl     $1, %eax
    andl    $~0x60000000, %eax          /* caches on */
    movl    %eax, %cr0
    ljmpl   $0x08, $start32

    .code32
start32:
    movw    $0x10, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    /* Four tables: PML4, PDPT, the first GiB, the last 2 MiB below 4 GiB. */
    movl    $BOOT_PML4, %edi
    xorl    %eax, %eax
    movl    $(4 * 1024), %ecx
    rep stosl
    movl    $(BOOT_PDPT + 3), BOOT_PML4
    movl    $(BOOT_PD0 + 3), BOOT_PDPT
    movl    $(BOOT_PD3 + 3), BOOT_PDPT + 24
    movl    $0xffe00083, BOOT_PD3 + 511 * 8
    movl    $BOOT_PD0, %edi
    movl    $0x83, %eax
1:  movl    %eax, (%edi)
    addl    $0x200000, %eax
    addl    $8, %edi
    cmpl    $(0x40000000 + 0x83), %eax
    jne     1b
    movl    %cr4, %eax
    orl     $0x20, %eax
    movl    %eax, %cr4
    movl    $BOOT_PML4, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx
    rdmsr
    orl     $0x901, %eax                /* SCE, LME, NXE */
    wrmsr
    movl    %cr0, %eax
    orl     $0x80000000, %eax
    movl    %eax, %cr0
    ljmpl   $0x18, $start64

    .code64
start64:
    rdtsc
    shlq    $32, %rdx
    orq     %rax, %rdx
    movq    %rdx, %r15                  /* time of the first instructions */
    leaq    copy_table(%rip), %rbx
1:  movl    8(%rbx), %ecx               /* qwords; 0 ends the table */
    testl   %ecx, %ecx
    jz      2f
    movl    0(%rbx), %esi
    movl    4(%rbx), %edi
    testl   %esi, %esi                  /* source 0: fill with zeros */
    jz      3f
    rep movsq
    jmp     4f
3:  xorl    %eax, %eax
    rep stosq
4:  addq    $12, %rbx
    jmp     1b
2:  movl    $BOOT_STACK_TOP, %esp
    movq    %r15, %rdi
    movl    4(%rbx), %eax               /* last row: where to go on */
    jmp     *%rax

    .balign 8
boot_gdt:
    .quad   0
    .quad   0x00cf9b000000ffff          /* 0x08 32-bit code */
    .quad   0x00cf93000000ffff          /* 0x10 data */
    .quad   0x00af9b000000ffff          /* 0x18 64-bit code */
boot_gdt_desc:
    .word   . - boot_gdt - 1
    .long   boot_gdt

    .balign 16
    .globl  copy_table
copy_table:
    .fill   12 * 16, 1, 0               /* filled in by pack-rom.py */

    .section .vector, "ax"
    .code16
    jmp     start16
    .balign 16
