/*
 * winos/kdbg: see kdbg.h.
 *
 * The encoding is linear over XOR: whatever its two keys are, the difference
 * of two coded words is the difference of the two plain ones, its bytes
 * reversed and its bits turned round.  One word of the block is known, so
 * its difference to any other gives that other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/kdbg.h"

#include "base/le.h"

#include <string.h>

/* Places in the block, and where its part that can be searched for begins. */
enum {
    AT_TAG = 0x10,
    AT_SIZE = 0x14,
    AT_KERN_BASE = 0x18,
    AT_LOADED_MODULE_LIST = 0x48,
    AT_ACTIVE_PROCESS_HEAD = 0x50,
    AT_BUILD_LAB = 0x208,
    AT_PROCESSOR_BLOCK = 0x218,
};

/* A kernel's data is a few MiB; a hostile guest may show any number. */
enum {
    MAX_PAGES = 8192,
    MAX_TRIES = 4096,
    PAGE_WORDS = GMEM_PAGE / 8,
};

typedef struct Search {
    const PeImage *image;
    Kdbg *kdbg;
    uint64_t pattern[32];       /* see find_pattern() */
    unsigned n_pages;
    unsigned n_missing;
    unsigned n_tries;           /* blocks looked at in full */
} Search;

static uint64_t rotate_left(uint64_t value, unsigned n)
{
    return n ? value << n | value >> (64 - n) : value;
}

void kdbg_decode(const uint8_t *coded, uint64_t kern_base, unsigned rotation,
                 uint8_t *plain)
{
    uint64_t known = load_le64(coded + AT_KERN_BASE);
    unsigned at;
    unsigned i;

    for (at = 0; at < KDBG_MAX_SIZE; at += 8) {
        uint64_t turned = rotate_left(known ^ load_le64(coded + at),
                                      rotation & 63);
        uint64_t word = kern_base ^ __builtin_bswap64(turned);

        for (i = 0; i < 8; i++) {
            plain[at + i] = (uint8_t)(word >> 8 * i);
        }
    }
}

/* What a block must hold to be one. */

static bool kdbg_is_size(uint32_t size)
{
    return size >= KDBG_MIN_SIZE && size <= KDBG_MAX_SIZE && size % 4 == 0;
}

static bool kdbg_has_header(const uint8_t *data, uint64_t base, uint32_t size)
{
    return load_le32(data + AT_TAG) == KDBG_TAG &&
           load_le32(data + AT_SIZE) == size &&
           load_le64(data + AT_KERN_BASE) == base;
}

static uint64_t address_in(const PeImage *image, const uint8_t *data,
                           unsigned at)
{
    uint64_t gva = load_le64(data + at);

    return pe_contains(image, gva) ? gva : 0;
}

static bool has_lists(const PeImage *image, const uint8_t *data)
{
    uint64_t modules = address_in(image, data, AT_LOADED_MODULE_LIST);
    uint64_t processes = address_in(image, data, AT_ACTIVE_PROCESS_HEAD);

    return modules && processes && modules != processes &&
           modules % 8 == 0 && processes % 8 == 0;
}

/* Offsets within one structure: none is 0, and no two are the same. */
static bool are_offsets(const uint8_t *data, const uint16_t *at, unsigned n)
{
    unsigned i;
    unsigned k;

    for (i = 0; i < n; i++) {
        uint16_t offset = load_le16(data + at[i]);

        if (offset == 0 || offset % 4 != 0) {
            return false;
        }
        for (k = 0; k < i; k++) {
            if (offset == load_le16(data + at[k])) {
                return false;
            }
        }
    }
    return true;
}

static bool has_offsets(const uint8_t *data)
{
    /* Self, CurrentPrcb, the contained Prcb; CurrentThread, Number. */
    static const uint16_t pcr[] = { 0x2e2, 0x2e4, 0x2e6 };
    static const uint16_t prcb[] = { 0x2b4, 0x2be };

    return are_offsets(data, pcr, sizeof(pcr) / sizeof(*pcr)) &&
           are_offsets(data, prcb, sizeof(prcb) / sizeof(*prcb));
}

static void kdbg_fill(Search *search, uint64_t address, const uint8_t *data)
{
    const PeImage *image = search->image;
    Kdbg *kdbg = search->kdbg;

    kdbg->address = address;
    kdbg->size = load_le32(data + AT_SIZE);
    kdbg->loaded_module_list = address_in(image, data, AT_LOADED_MODULE_LIST);
    kdbg->active_process_head = address_in(image, data,
                                           AT_ACTIVE_PROCESS_HEAD);
    kdbg->processor_block = address_in(image, data, AT_PROCESSOR_BLOCK);
    kdbg->build_lab = address_in(image, data, AT_BUILD_LAB);
    memcpy(kdbg->data, data, KDBG_MAX_SIZE);
}

/*
 * Read the block whose tag is at @tag_gva, and see whether all of it is what
 * its header promises.  A coded block is whole words; a half one behind them
 * tells nothing.
 */
static bool try_block(Search *search, uint64_t tag_gva, uint32_t size,
                      bool encoded, unsigned rotation)
{
    const PeImage *image = search->image;
    uint64_t rva = tag_gva - AT_TAG - image->base;
    uint8_t raw[KDBG_MAX_SIZE] = { 0 };
    uint8_t data[KDBG_MAX_SIZE];
    uint32_t whole = encoded ? size & ~7u : size;

    search->n_tries++;
    if (rva >= image->size || size > image->size - rva ||
        !gmem_read(&image->space, tag_gva - AT_TAG, raw, size, NULL)) {
        return false;
    }
    if (encoded) {
        kdbg_decode(raw, image->base, rotation, data);
    } else {
        memcpy(data, raw, sizeof(data));
    }
    memset(data + whole, 0, KDBG_MAX_SIZE - whole);
    if (!kdbg_has_header(data, image->base, size) || !has_lists(image, data) ||
        !has_offsets(data)) {
        return false;
    }
    kdbg_fill(search, tag_gva - AT_TAG, data);
    search->kdbg->encoded = encoded;
    search->kdbg->rotation = rotation;
    return true;
}

/* The search: two neighbouring words that can be tag and KernBase. */

/*
 * The difference of the two words is known but for the size, which is in its
 * upper half.  Coded, the lower half's 32 bits stand together somewhere in
 * the (circular) word.  All 64 places are tried at once: a bit of the result
 * stays set while the bits from there on are those of the pattern.  Random
 * words are done with after eight bits or sixteen.
 */
static void make_pattern(Search *search)
{
    uint32_t low = (uint32_t)search->image->base ^ KDBG_TAG;
    uint32_t swapped = __builtin_bswap32(low);
    unsigned i;

    for (i = 0; i < 32; i++) {
        search->pattern[i] = swapped >> i & 1 ? 0 : ~UINT64_C(0);
    }
}

static inline uint64_t find_pattern(const Search *search, uint64_t word)
{
    uint64_t places = ~UINT64_C(0);
    unsigned i;

    for (i = 0; i < 32 && places; i += 8) {
        places &= (rotate_left(word, (64 - i) & 63) ^ search->pattern[i]) &
                  (rotate_left(word, 63 - i) ^ search->pattern[i + 1]) &
                  (rotate_left(word, 62 - i) ^ search->pattern[i + 2]) &
                  (rotate_left(word, 61 - i) ^ search->pattern[i + 3]) &
                  (rotate_left(word, 60 - i) ^ search->pattern[i + 4]) &
                  (rotate_left(word, 59 - i) ^ search->pattern[i + 5]) &
                  (rotate_left(word, 58 - i) ^ search->pattern[i + 6]) &
                  (rotate_left(word, 57 - i) ^ search->pattern[i + 7]);
    }
    return places;
}

/* @places: where in the difference of the words at @tag_gva the pattern is. */
static bool try_rotations(Search *search, uint64_t tag_gva, uint64_t word,
                          uint64_t places)
{
    while (places && search->n_tries < MAX_TRIES) {
        unsigned rotation = (32u - __builtin_ctzll(places)) & 63;
        uint64_t tag = search->image->base ^
                       __builtin_bswap64(rotate_left(word, rotation));
        uint32_t size = (uint32_t)(tag >> 32);

        if (kdbg_is_size(size) &&
            try_block(search, tag_gva, size, true, rotation)) {
            return true;
        }
        places &= places - 1;
    }
    return false;
}

static inline bool try_pair(Search *search, uint64_t tag_gva, uint64_t first,
                            uint64_t second)
{
    uint64_t word = first ^ second;
    uint64_t places;

    if ((uint32_t)first == KDBG_TAG && second == search->image->base &&
        kdbg_is_size((uint32_t)(first >> 32)) &&
        try_block(search, tag_gva, (uint32_t)(first >> 32), false, 0)) {
        return true;
    }
    if (word == 0) {
        return false;
    }
    places = find_pattern(search, word);
    return places && try_rotations(search, tag_gva, word, places);
}

/*
 * @last: the word before this page, and receives the last of it.
 * @is_last: whether there is one, as the page before may be missing.
 */
static bool search_page(Search *search, uint64_t gva, uint64_t *last,
                        bool *is_last)
{
    uint8_t page[GMEM_PAGE];
    unsigned i;

    search->n_pages++;
    if (!gmem_read(&search->image->space, gva, page, sizeof(page), NULL)) {
        search->n_missing++;
        *is_last = false;
        return false;
    }
    for (i = 0; i < PAGE_WORDS && search->n_tries < MAX_TRIES; i++) {
        uint64_t word = load_le64(page + 8 * i);

        if ((i || *is_last) &&
            try_pair(search, gva + 8 * i - 8, *last, word)) {
            return true;
        }
        *last = word;
    }
    *is_last = true;
    return false;
}

static bool search_section(Search *search, const PeSection *section)
{
    uint64_t base = search->image->base;
    uint64_t rva = section->rva & ~(uint64_t)(GMEM_PAGE - 1);
    uint64_t end = (uint64_t)section->rva + section->size;
    uint64_t last = 0;
    bool is_last = false;

    if (end > search->image->size) {
        end = search->image->size;
    }
    for (; rva < end; rva += GMEM_PAGE) {
        if (search->n_pages == MAX_PAGES || search->n_tries == MAX_TRIES) {
            return false;
        }
        if (search_page(search, base + rva, &last, &is_last)) {
            return true;
        }
    }
    return false;
}

/* The order of the search: 0 to 2, or 3 for code, which is not searched. */
static unsigned kdbg_turn_of(const PeSection *section)
{
    if (section->code) {
        return 3;
    }
    if (!section->writable) {
        return 2;
    }
    return strcmp(section->name, ".data") ? 1 : 0;
}

static bool search_sections(Search *search)
{
    const PeImage *image = search->image;
    unsigned turn;
    unsigned i;

    for (turn = 0; turn < 3; turn++) {
        for (i = 0; i < image->n_sections && i < PE_MAX_SECTIONS; i++) {
            const PeSection *section = &image->sections[i];

            if (kdbg_turn_of(section) == turn &&
                search_section(search, section)) {
                return true;
            }
        }
    }
    return false;
}

bool kdbg_find(const PeImage *image, Kdbg *kdbg, Err *err)
{
    Search search = { .image = image, .kdbg = kdbg };

    memset(kdbg, 0, sizeof(*kdbg));
    make_pattern(&search);
    if (search_sections(&search)) {
        return true;
    }
    err_set(err, ERR_FORMAT, "no debugger data block in %u KiB of the "
            "kernel's data, %u KiB of which are not in memory; %u places "
            "looked like one", search.n_pages * 4, search.n_missing * 4,
            search.n_tries);
    return false;
}

/* What a field says of an offset. */
typedef struct KdbgField {
    uint16_t at;
    uint8_t bytes;          /* 2 or 4 */
    uint8_t align;          /* of what the offset leads to */
    WinosField field;
} KdbgField;

static const KdbgField kdbg_fields[] = {
    { 0x29a, 2, 8, WINOS_KTHREAD_TEB },
    { 0x2a0, 2, 8, WINOS_KTHREAD_APC_PROCESS },
    { 0x2a2, 2, 1, WINOS_KTHREAD_STATE },
    { 0x2aa, 2, 8, WINOS_EPROCESS_PEB },
    { 0x2ac, 2, 8, WINOS_EPROCESS_INHERITED_FROM },
    { 0x2ae, 2, 8, WINOS_EPROCESS_DIRECTORY_TABLE_BASE },
    { 0x2b4, 2, 8, WINOS_PRCB_CURRENT_THREAD },
    { 0x2be, 2, 4, WINOS_PRCB_NUMBER },
    { 0x2e2, 2, 8, WINOS_KPCR_SELF },
    { 0x2e4, 2, 8, WINOS_KPCR_CURRENT_PRCB },
    { 0x2e6, 2, 8, WINOS_KPCR_PRCB },
    { 0x340, 4, 8, WINOS_KTHREAD_STACK_LIMIT },
    { 0x344, 4, 8, WINOS_KTHREAD_STACK_BASE },
    { 0x350, 2, 8, WINOS_PRCB_IDLE_THREAD },
    { 0x35c, 2, 1, WINOS_KTHREAD_WAIT_REASON },
};

static int32_t kdbg_claim_of(const Kdbg *kdbg, const KdbgField *field)
{
    const uint8_t *at = kdbg->data + field->at;
    uint32_t offset = field->bytes == 4 ? load_le32(at) : load_le16(at);

    if ((uint32_t)field->at + field->bytes > kdbg->size || offset == 0 ||
        offset > WINOS_MAX_OFFSET || offset % field->align != 0) {
        return WINOS_NO_OFFSET;
    }
    return (int32_t)offset;
}

void kdbg_claims(const Kdbg *kdbg, WinosLayout *layout)
{
    size_t i;

    for (i = 0; i < sizeof(kdbg_fields) / sizeof(*kdbg_fields); i++) {
        WinosOffset *offset = &layout->field[kdbg_fields[i].field];

        offset->claims[WINOS_SOURCE_KDBG] = kdbg_claim_of(kdbg,
                                                          &kdbg_fields[i]);
    }
}
