/*
 * old-file: files as earlier versions wrote them, from tests/fixtures.
 *
 * A fixture is text: lines that begin with # are for people, then the size of
 * the file, then lines of an offset and the bytes there in hexadecimal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TEST_OLD_FILE_H
#define TEST_OLD_FILE_H

#include <stddef.h>
#include <stdint.h>

/**
 * old_file_read - the bytes of a fixture
 * @name: of the file in tests/fixtures
 * @size: receives how many there are
 *
 * Ends the test when it cannot be read.
 *
 * Returns: page aligned, freed with free()
 */
uint8_t *old_file_read(const char *name, size_t *size);

#endif
