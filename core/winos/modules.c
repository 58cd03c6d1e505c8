/*
 * winos/modules: see modules.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/modules.h"

#include "base/le.h"
#include "base/utf16.h"

#include <string.h>

/*
 * KLDR_DATA_TABLE_ENTRY, the same in every x64 build.
 * Source: docs/guest-facts/modules.md.
 */
enum {
    ENTRY_BASE = 0x30,
    ENTRY_SIZE = 0x40,
    ENTRY_FULL_NAME = 0x48,     /* UNICODE_STRING */
    ENTRY_BASE_NAME = 0x58,
    ENTRY_LENGTH = 0x68,        /* as far as we read */
};

enum {
    STRING_BUFFER = 8,
    /* Bytes of UTF-16 that are read of a name; the rest is cut off. */
    NAME_BYTES = 2 * WINOS_MODULE_PATH,
    /* Links that are followed, whatever they lead to. */
    MAX_STEPS = 2 * WINOS_MAX_MODULES,
};

static void read_name(const GmemSpace *space, const uint8_t *string,
                      char *name, size_t size)
{
    uint64_t buffer = load_le64(string + STRING_BUFFER);
    size_t length = load_le16(string) & ~1U;
    uint8_t text[NAME_BYTES];

    *name = '\0';
    length = length < sizeof(text) ? length : sizeof(text);
    if (length && gmem_is_kernel(space, buffer) &&
        gmem_read(space, buffer, text, length, NULL)) {
        utf16_to_utf8(text, length, name, size, NULL);
    }
}

static bool read_entry(const GmemSpace *space, uint64_t gva,
                       const uint8_t *raw, WinosModule *module)
{
    PeImage image;

    memset(module, 0, sizeof(*module));
    module->entry = gva;
    module->base = load_le64(raw + ENTRY_BASE);
    module->size = load_le32(raw + ENTRY_SIZE);
    if (!gmem_is_kernel(space, module->base) ||
        module->base % GMEM_PAGE || module->size == 0 ||
        module->size > PE_MAX_IMAGE) {
        return false;
    }
    if (pe_open(&image, space, module->base, NULL)) {
        module->timestamp = image.timestamp;
    }
    read_name(space, raw + ENTRY_BASE_NAME, module->name,
              sizeof(module->name));
    read_name(space, raw + ENTRY_FULL_NAME, module->path,
              sizeof(module->path));
    return true;
}

uint64_t winos_modules_head(const WinosResult *result)
{
    static const char *const name = "PsLoadedModuleList";
    uint64_t head = 0;

    pe_exports(&result->kernel.image, &name, 1, &head);
    if (!head && result->has_kdbg) {
        head = result->kdbg.loaded_module_list;
    }
    return head;
}

/*
 * A list that comes back to its middle is found by an observer that stays
 * behind and is moved up each time the number of steps doubles.
 */
WinosListEnd winos_modules_read(const GmemSpace *space, uint64_t head,
                                WinosModule *modules, unsigned max,
                                unsigned *n)
{
    uint8_t raw[ENTRY_LENGTH];
    uint64_t at, behind = 0;
    unsigned steps, moved = 1;

    *n = 0;
    max = max < WINOS_MAX_MODULES ? max : WINOS_MAX_MODULES;
    if (!gmem_is_kernel(space, head) || !gmem_read_u64(space, head, &at) ||
        !at) {
        return WINOS_LIST_NONE;
    }
    for (steps = 1; at != head; steps++) {
        if (at == behind || steps > MAX_STEPS) {
            return WINOS_LIST_LOOPS;
        }
        if (*n == max) {
            return WINOS_LIST_FULL;
        }
        if (!gmem_is_kernel(space, at) ||
            !gmem_read(space, at, raw, sizeof(raw), NULL)) {
            return WINOS_LIST_BROKEN;
        }
        if (read_entry(space, at, raw, &modules[*n])) {
            ++*n;
        }
        if (steps == moved) {
            behind = at;
            moved *= 2;
        }
        at = load_le64(raw);
    }
    return WINOS_LIST_WHOLE;
}

const WinosModule *winos_module_at(const WinosModule *modules, unsigned n,
                                   uint64_t gva)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (gva - modules[i].base < modules[i].size) {
            return &modules[i];
        }
    }
    return NULL;
}

const char *winos_list_end_name(WinosListEnd end)
{
    static const char *const names[] = {
        [WINOS_LIST_NONE] = "is not there",
        [WINOS_LIST_BROKEN] = "breaks off",
        [WINOS_LIST_LOOPS] = "never comes back to its head",
        [WINOS_LIST_FULL] = "has more members than are kept",
    };

    return (unsigned)end < sizeof(names) / sizeof(*names) ? names[end] : NULL;
}
