/*
 * fake-guest: a guest made of an array, for tests of the core.
 *
 * It has some MiB of RAM, page tables that the test fills in, and a GuestMem
 * that faults where the test says so.  What the bytes mean is the test's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_TESTS_FAKE_GUEST_H
#define VMSCOPE_TESTS_FAKE_GUEST_H

#include "gmem/gmem.h"

typedef struct FakeGuest {
    uint8_t *ram;               /* at guest-physical 0 */
    uint64_t size;
    uint64_t next_page;         /* physical, for tables and pages */
    GuestMem mem;
    GmemSpace space;
    uint64_t fault_gpa;         /* reads touching this byte fail; ~0: none */
    uint64_t reads;             /* how many there were */
} FakeGuest;

/**
 * fake_guest_init - a guest with empty page tables
 * @size: bytes of RAM, a multiple of 4 KiB
 * @levels: 4 or 5
 *
 * Freed with fake_guest_deinit().  Failure ends the test.
 */
void fake_guest_init(FakeGuest *g, uint64_t size, unsigned levels);
void fake_guest_deinit(FakeGuest *g);

/**
 * fake_guest_map - map fresh zeroed pages at a virtual address
 * @gva: 4 KiB aligned
 * @len: bytes, rounded up to pages; physical pages are not neighbours
 */
void fake_guest_map(FakeGuest *g, uint64_t gva, uint64_t len);

/**
 * fake_guest_unmap - take one page's mapping away
 */
void fake_guest_unmap(FakeGuest *g, uint64_t gva);

/**
 * fake_guest_entry - the page-table entry for an address at a level
 * @level: 1 for a 4 KiB page's, 2 for a 2 MiB page's, up to @levels
 *
 * Makes the tables above it.
 *
 * Returns: where it stands in ram, to be read and written
 */
uint64_t *fake_guest_entry(FakeGuest *g, uint64_t gva, unsigned level);

/**
 * fake_guest_page - a fresh zeroed physical page
 */
uint64_t fake_guest_page(FakeGuest *g);

/* Write at a virtual address that is mapped; fails the test if it is not. */
void fake_guest_write(FakeGuest *g, uint64_t gva, const void *buf, size_t len);
void fake_guest_put8(FakeGuest *g, uint64_t gva, uint8_t value);
void fake_guest_put16(FakeGuest *g, uint64_t gva, uint16_t value);
void fake_guest_put32(FakeGuest *g, uint64_t gva, uint32_t value);
void fake_guest_put64(FakeGuest *g, uint64_t gva, uint64_t value);

#endif
