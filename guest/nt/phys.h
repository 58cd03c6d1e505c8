/*
 * Where things lie in guest-physical memory, and the RVAs of the image's
 * sections.  Plain numbers, used by C, assembly and the linker scripts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NT_PHYS_H
#define NT_PHYS_H

#define BOOT_PML4       0x1000
#define BOOT_PDPT       0x2000
#define BOOT_PD0        0x3000
#define BOOT_PD3        0x4000
#define BOOT_STACK_TOP  0xa000
#define LOW_STUB        0x13000         /* real-mode start of the APs */
#define CONFIG_TEXT     0x20000
#define CONFIG_SIZE     0x8000
#define FWCFG_DIR       0x30000
#define FWCFG_DIR_SIZE  0x2000
#define FWCFG_DMA       0x34000
#define DIRTY_MARK      0x38000         /* not 0: booted before */
#define TABLES_BASE     0x100000        /* page tables, decoy images */
#define TABLES_END      0x6e0000
#define HAL_PHYS        0x6e0000        /* decoy images, from the ROM */
#define DRIVER_PHYS     0x6e8000
#define TRUTH_BASE      0x800000
#define TRUTH_END       0x1000000
#define IMAGE_PHYS      0x1000000
#define IMAGE_MAX       0x1600000
#define POOL_PHYS       0x2800000       /* scattered pages start here */
#define POOL_HIGH_PHYS  0x100000000     /* instead, with pool=high */
#define POOL_FRAMES     4096            /* frames they are scattered over */
#define RAM_MIN         0x4000000
#define RAM_WITH_HIGH   0x100000000     /* so much leaves some above 4 GiB */
#define RAM_LOW         0x40000000      /* what is used below 4 GiB, at most */
#define EDU_PHYS        0xfea00000      /* registers of the edu device */
#define BIG_RING_PHYS   0x4000000       /* ring too large for TRUTH_END */

#define RING_SMALL      65536           /* entries that fit TRUTH_END */

#define RVA_RDATA       0x1000
#define RVA_EDATA       0x60000
#define RVA_TEXT        0x200000
#define RVA_POOLCODE    0x2e0000
#define RVA_INITKDBG    0x2f0000
#define RVA_PAGE        0x300000
#define RVA_KVASCODE    0x430000
#define RVA_DATA        0x480000
#define RVA_ALMOSTRO    0x4f0000
#define RVA_INIT        0x510000
#define RVA_RSRC        0x540000
#define IMAGE_DEFAULT   0x5e9000        /* SizeOfImage where not known */

#endif
