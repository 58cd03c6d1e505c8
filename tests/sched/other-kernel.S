/*
 * A kernel that is no Windows: 64-bit, in the upper half, with a GS base, an
 * LSTAR and an IDT where Linux has them, and nothing that NT has.  A test
 * puts it in front of the NT guest's ROM: it runs until RAM_FLAG holds
 * FLAG_NT and the machine is reset, and then the NT guest boots.
 *
 * Linked to run from the last page below 4 GiB.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define RAM_FLAG    0x600
#define FLAG_NT     0x544e            /* "NT" */
#define NT_START    0xf000            /* where the ROM's own vector leads */
#define TABLES      0x200000
#define IMAGE       0x1000000         /* mapped at 0xffffffff81000000 */
#define GS_BASE     0xffff888001200000

    .section .text, "ax"
    .code16
    .globl start16
start16:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    cmpw    $FLAG_NT, RAM_FLAG
    jne     1f
    .byte   0xe9                      /* jmp NT_START, in this segment */
    .word   NT_START - (0xf400 + 2f - start16)
2:
1:  movl    $gdt_desc, %ebx
    andl    $0xffff, %ebx
    lgdtl   %cs:(%bx)
    movl    %cr0, %eax
    orl     $1, %eax
    movl    %eax, %cr0
    ljmpl   $0x08, $start32

    .code32
start32:
    movw    $0x10, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movl    $TABLES, %edi
    xorl    %eax, %eax
    movl    $(8 * 1024), %ecx
    rep stosl
    /* PML4: low half, the direct map, the image; all by 2 MiB pages. */
    movl    $(TABLES + 0x1003), TABLES
    movl    $(TABLES + 0x1003), TABLES + 0x111 * 8
    movl    $(TABLES + 0x4003), TABLES + 511 * 8
    movl    $(TABLES + 0x2003), TABLES + 0x1000
    movl    $(TABLES + 0x3003), TABLES + 0x1000 + 3 * 8
    movl    $0xffe00083, TABLES + 0x3000 + 511 * 8
    movl    $(TABLES + 0x5003), TABLES + 0x4000 + 510 * 8
    movl    $(IMAGE + 0x83), TABLES + 0x5000 + 8 * 8
    movl    $(TABLES + 0x2000), %edi
    movl    $0x83, %eax
3:  movl    %eax, (%edi)
    addl    $0x200000, %eax
    addl    $8, %edi
    cmpl    $(0x4000000 + 0x83), %eax
    jne     3b
    movl    %cr4, %eax
    orl     $0x20, %eax
    movl    %eax, %cr4
    movl    $TABLES, %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx
    rdmsr
    orl     $0x101, %eax
    wrmsr
    movl    %cr0, %eax
    orl     $0x80000000, %eax
    movl    %eax, %cr0
    ljmpl   $0x18, $start64

    .code64
start64:
    movl    $0xc0000101, %ecx         /* GS base */
    movl    $(GS_BASE & 0xffffffff), %eax
    movl    $(GS_BASE >> 32), %edx
    wrmsr
    movl    $0xc0000082, %ecx         /* LSTAR */
    movl    $0x81000080, %eax
    movl    $0xffffffff, %edx
    wrmsr
    lidt    idt_desc(%rip)
    /* The loop itself, in the image. */
    leaq    loop(%rip), %rsi
    movq    $0xffffffff81000100, %rdi
    movq    %rdi, %rax
    movl    $(loop_end - loop), %ecx
    rep movsb
    jmp     *%rax
loop:
    outb    %al, $0x80
    movl    $20000, %ecx
4:  pause
    decl    %ecx
    jnz     4b
    jmp     loop
loop_end:

    .balign 8
gdt:
    .quad   0
    .quad   0x00cf9b000000ffff
    .quad   0x00cf93000000ffff
    .quad   0x00af9b000000ffff
gdt_desc:
    .word   . - gdt - 1
    .long   gdt
idt_desc:
    .word   0xfff
    .quad   0xfffffe0000000000
