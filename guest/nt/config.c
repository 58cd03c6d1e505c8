/*
 * Parameters: key=value text from fw_cfg (opt/vmscope/nt-config), separated
 * by white space or ';'.  Anything not understood stops the guest with a
 * sentence on the debug console.  docs/guest.md is the reader's list.
 *
 * Keys that are CSV column names go to row.c.
 *
 * Source: QEMU docs/specs/fw_cfg (selector, directory and DMA formats).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { FW_RAM_SIZE = 3, FW_NB_CPUS = 5, FW_DIR = 0x19 };
enum { DMA_READ = 2, DMA_SELECT = 8, DMA_ERROR = 1 };

Config config;
uint64_t ram_size;
bool ram_dirty;
uint32_t cpu_count;

typedef struct Key {
    char name[16];
    uint16_t at;                /* offset in Config */
    uint32_t min, max;
} Key;

#define AT(member) offsetof(Config, member)

/* Numbers.  Arrays of characters, not pointers: the image has no relocs. */
static const Key number_keys[] = {
    { "nt-build",     AT(nt_build),     1, 0xffff },
    { "nt-build-late", AT(nt_build_late), 1, 0xffff },
    { "kdbg-size",    AT(kdbg_size),    0x2c8, 0x3c0 },
    { "levels",       AT(levels),       4, 5 },
    { "threads",      AT(threads),      1, 48 },
    { "processes",    AT(processes),    1, 8 },
    { "tick-us",      AT(tick_us),      100, 1000000 },
    { "spin",         AT(spin),         1, 100000000 },
    { "user-percent", AT(user_percent), 0, 100 },
    { "yield-percent", AT(yield_percent), 0, 100 },
    { "exit-percent", AT(exit_percent), 0, 100 },
    { "ring-entries", AT(ring_entries), 64, 0x800000 },
    { "max-switches", AT(max_switches), 0, 0xffffffff },
    { "timestamp",    AT(timestamp),    0, 0xffffffff },
    { "image-size",   AT(image_size),   0x548000, IMAGE_MAX },
    { "window",       AT(window),       0, 1000000 },
    { "dpc-percent",  AT(dpc_percent),  0, 45 },
    { "isr-percent",  AT(isr_percent),  0, 45 },
    { "interrupts-at", AT(interrupts_moved), 0, 0x400 },
    { "spin-in",      AT(spin_in),      0, 1000000 },
};

typedef struct Choice {
    char name[12];
    char value[10];
    uint16_t at;
    uint16_t number;
} Choice;

static const Choice choices[] = {
    { "kdbg", "plain", AT(kdbg), KDBG_PLAIN },
    { "kdbg", "encoded", AT(kdbg), KDBG_ENCODED },
    { "kdbg", "absent", AT(kdbg), KDBG_ABSENT },
    { "kdbg", "damaged", AT(kdbg), KDBG_DAMAGED },
    { "kvas", "on", AT(kvas), 1 }, { "kvas", "off", AT(kvas), 0 },
    { "pages", "small", AT(large_pages), 0 },
    { "pages", "large", AT(large_pages), 1 },
    { "churn", "on", AT(churn), 1 }, { "churn", "off", AT(churn), 0 },
    { "attach", "on", AT(attach), 1 }, { "attach", "off", AT(attach), 0 },
    { "decoys", "on", AT(decoys), 1 }, { "decoys", "off", AT(decoys), 0 },
    { "low-stub", "on", AT(low_stub), 1 },
    { "low-stub", "off", AT(low_stub), 0 },
    { "names", "on", AT(names), 1 }, { "names", "off", AT(names), 0 },
    { "image-names", "mixed", AT(byte_names), NAMES_MIXED },
    { "image-names", "bytes", AT(byte_names), NAMES_BYTES },
    { "image-names", "desktop", AT(byte_names), NAMES_DESKTOP },
    { "realtime", "on", AT(realtime), 1 },
    { "realtime", "off", AT(realtime), 0 },
    { "syscall", "ud2", AT(ud2), 1 }, { "syscall", "syscall", AT(ud2), 0 },
    { "idle", "hlt", AT(idle_poll), 0 }, { "idle", "poll", AT(idle_poll), 1 },
    { "waits", "some", AT(waits), 0 }, { "waits", "deadlock", AT(waits), 1 },
    { "interrupts", "off", AT(interrupts), 0 },
    { "interrupts", "on", AT(interrupts), 1 },
    { "pool", "low", AT(pool_high), 0 }, { "pool", "high", AT(pool_high), 1 },
    { "messages", "off", AT(messages), 0 },
    { "messages", "on", AT(messages), 1 },
    { "idle-thread", "linked", AT(idle_alone), 0 },
    { "idle-thread", "alone", AT(idle_alone), 1 },
    { "zero-page", "on", AT(no_zero_page), 0 },
    { "zero-page", "off", AT(no_zero_page), 1 },
    { "form", "plain", AT(form), FORM_PLAIN },
    { "form", "endbr", AT(form), FORM_ENDBR },
    { "form", "thunk", AT(form), FORM_THUNK },
    { "form", "hotpatch", AT(form), FORM_HOTPATCH },
    { "form", "mixed", AT(form), FORM_MIXED },
    { "form", "check", AT(form), FORM_CHECK },
    { "form", "checkjump", AT(form), FORM_CHECK_JUMP },
    { "form", "frame", AT(form), FORM_FRAME },
};

static const char lie_names[LIES][20] = {
    "list-loop", "list-hole", "list-mmio", "thread-list-loop",
    "name-overrun", "name-huge", "pe-wrap", "pe-sizes", "export-overrun",
    "accessor-loop", "accessor-runaway", "pt-self", "rewrite", "self-flip",
    "kdbg-lies", "cid-lies", "current-wild", "dtb-wild", "time-lies", "wait-lies",
    "interrupt-loop", "interrupt-wild", "interrupt-type", "interrupt-array",
};

static uint64_t swap64(uint64_t v)
{
    return __builtin_bswap64(v);
}

/* One DMA transfer: a single exit, where byte-wise port reads take many. */
static void fw_read(uint16_t key, uint64_t to, uint32_t bytes)
{
    volatile uint32_t *control = (uint32_t *)FWCFG_DMA;

    control[0] = __builtin_bswap32((uint32_t)key << 16 | DMA_SELECT
                                   | DMA_READ);
    control[1] = __builtin_bswap32(bytes);
    put64(FWCFG_DMA + 8, swap64(to));
    outl(0x514, 0);
    outl(0x518, __builtin_bswap32(FWCFG_DMA));
    if (control[0]) {
        fail(EXIT_MACHINE, "fw_cfg DMA failed");
    }
}

static uint32_t find_file(const char *name, uint32_t *bytes)
{
    uint32_t count;

    fw_read(FW_DIR, FWCFG_DIR, FWCFG_DIR_SIZE);
    count = __builtin_bswap32(*(uint32_t *)FWCFG_DIR);
    for (uint32_t i = 0; i < count && i < FWCFG_DIR_SIZE / 64 - 1; i++) {
        uint8_t *entry = (uint8_t *)(uint64_t)(FWCFG_DIR + 4 + i * 64);

        if (text_same((char *)entry + 8, name)) {
            *bytes = __builtin_bswap32(*(uint32_t *)entry);
            return (uint32_t)entry[4] << 8 | entry[5];
        }
    }
    return 0;
}

static void bad(const char *why, const char *key, size_t len)
{
    say("nt: error: ");
    say(why);
    say(" '");
    for (size_t i = 0; i < len && i < 60; i++) {
        char c[2] = { key[i], 0 };
        say(c);
    }
    say("'");
    say_flush();
    leave(EXIT_CONFIG);
}

static bool key_is(const char *name, const char *key, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (name[i] != key[i] || !name[i]) {
            return false;
        }
    }
    return !name[i];
}

static bool number(const char *s, size_t len, uint64_t *out)
{
    uint64_t base = 10, v = 0;
    size_t i = 0;

    if (len > 2 && s[0] == '0' && s[1] == 'x') {
        base = 16;
        i = 2;
    }
    if (i == len || len - i > 16) {
        return false;
    }
    for (; i < len; i++) {
        char c = s[i];
        uint32_t d = 99;

        if (c >= '0' && c <= '9') {
            d = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            d = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            d = c - 'A' + 10;
        }
        if (d >= base) {
            return false;
        }
        v = v * base + d;
    }
    *out = v;
    return true;
}

static const char odd_names[ODDITIES][20] = {
    "impostors", "idle-alone", "no-idle-field", "shared-data", "early-clock",
    "no-build", "system-name", "pointers", "parked",
};

/* Names joined by '+', as bits. */
static uint64_t name_set(const char (*names)[20], uint32_t count,
                         const char *value, size_t len)
{
    uint64_t set = 0;
    size_t from = 0;

    for (size_t i = 0; i <= len; i++) {
        uint32_t which = 0;

        if (i < len && value[i] != '+') {
            continue;
        }
        while (which < count && !key_is(names[which], value + from,
                                        i - from)) {
            which++;
        }
        if (which == count) {
            bad("no such name:", value + from, i - from);
        }
        set |= 1ULL << which;
        from = i + 1;
    }
    return set;
}

static bool set_choice(const char *key, size_t len, const char *value,
                       size_t vlen)
{
    bool known = false;

    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        if (!key_is(choices[i].name, key, len)) {
            continue;
        }
        known = true;
        if (key_is(choices[i].value, value, vlen)) {
            *(uint64_t *)((uint8_t *)&config + choices[i].at)
                = choices[i].number;
            return true;
        }
    }
    if (known) {
        bad("not one of the values of this key:", key, len + 1 + vlen);
    }
    return false;
}

static bool set_number(const char *key, size_t len, uint64_t v)
{
    for (size_t i = 0; i < sizeof(number_keys) / sizeof(number_keys[0]);
         i++) {
        const Key *k = &number_keys[i];

        if (!key_is(k->name, key, len)) {
            continue;
        }
        if (v < k->min || v > k->max) {
            bad("value out of range:", key, len);
        }
        *(uint64_t *)((uint8_t *)&config + k->at) = v;
        return true;
    }
    return false;
}

static void set_one(const char *key, size_t len, const char *value,
                    size_t vlen)
{
    uint64_t v = 0;

    if (key_is("hostile", key, len)) {
        config.lies |= name_set(lie_names, LIES, value, vlen);
        return;
    }
    if (key_is("strange", key, len)) {
        config.odd |= name_set(odd_names, ODDITIES, value, vlen);
        return;
    }
    if (set_choice(key, len, value, vlen)) {
        return;
    }
    if (key_is("absent", value, vlen)) {
        v = ABSENT;
    } else if (!number(value, vlen, &v)) {
        bad("not a number:", key, len + 1 + vlen);
    }
    if (key_is("seed", key, len)) {
        config.seed = v;
    } else if (key_is("mute", key, len)) {
        config.mute = v;
    } else if (key_is("base", key, len)) {
        config.base = v;
    } else if (v != ABSENT && set_number(key, len, v)) {
        return;
    } else if (!row_set(key, len, v)) {
        bad("no such parameter:", key, len);
    }
}

typedef struct Span {
    const char *key, *value;
    size_t key_len, value_len;
} Span;

static bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == ';';
}

static const char *next_pair(const char *s, const char *end, Span *out)
{
    while (s < end && (blank(*s) || !*s)) {
        s++;
    }
    out->key = s;
    while (s < end && *s && !blank(*s) && *s != '=') {
        s++;
    }
    out->key_len = s - out->key;
    if (out->key_len && (s == end || *s != '=')) {
        bad("no value after", out->key, out->key_len);
    }
    out->value = ++s;
    while (s < end && *s && !blank(*s)) {
        s++;
    }
    out->value_len = s - out->value;
    return s;
}

static bool chooses_row(const Span *pair)
{
    return key_is("build", pair->key, pair->key_len)
           || key_is("variant", pair->key, pair->key_len)
           || key_is("row", pair->key, pair->key_len);
}

/* The row has to stand before single columns can replace parts of it. */
static void read_row_choice(const char *s, const char *end)
{
    uint64_t build = 0, variant = 0, v;
    Span pair;

    for (s = next_pair(s, end, &pair); pair.key_len;
         s = next_pair(s, end, &pair)) {
        bool is_build = key_is("build", pair.key, pair.key_len);
        bool is_variant = key_is("variant", pair.key, pair.key_len);

        if (!chooses_row(&pair)) {
            continue;
        }
        if (!number(pair.value, pair.value_len, &v)) {
            bad("not a number:", pair.key, pair.key_len);
        }
        *(is_build ? &build : is_variant ? &variant : &config.row) = v;
    }
    if (!build) {
        return;
    }
    for (uint32_t i = 0; i < row_count; i++) {
        if (row_ids[i].build == build && row_ids[i].variant == variant) {
            config.row = i;
            return;
        }
    }
    for (uint32_t i = 0; partial_builds[i]; i++) {
        if (partial_builds[i] == build) {
            fail(EXIT_CONFIG, "the CSV row of this build is not complete");
        }
    }
    fail(EXIT_CONFIG, "no such build and variant");
}

static void defaults(void)
{
    config.row = row_count - 1;
    config.kdbg = config.kvas = config.ud2 = ~0ULL;
    config.levels = 4;
    config.threads = 12;
    config.processes = 3;
    config.tick_us = 2000;
    config.spin = 400000;
    config.user_percent = 60;
    config.yield_percent = 35;
    config.churn = config.attach = config.decoys = config.low_stub = 1;
    config.names = config.realtime = 1;
    config.ring_entries = 65536;
}

static void machine(void)
{
    fw_read(FW_RAM_SIZE, FWCFG_DMA + 16, 8);
    ram_size = get64(FWCFG_DMA + 16);
    fw_read(FW_NB_CPUS, FWCFG_DMA + 16, 2);
    cpu_count = *(uint16_t *)(uint64_t)(FWCFG_DMA + 16);
    if (ram_size < RAM_MIN) {
        fail(EXIT_MACHINE, "needs 64 MiB of RAM");
    }
    if (!cpu_count || cpu_count > MAX_CPUS) {
        fail(EXIT_MACHINE, "needs 1 to 64 vCPUs");
    }
}

/* What was left open depends on the row and on what runs us. */
static void settle(void)
{
    uint32_t id[4];

    cpuid(0x40000000, 0, id);
    if (config.ud2 == ~0ULL) {
        config.ud2 = id[1] != 0x54474354;       /* "TCGT" */
    }
    if (config.kdbg == ~0ULL) {
        config.kdbg = row_ids[config.row].build < 9200 ? KDBG_PLAIN
                                                       : KDBG_ENCODED;
    }
    if (config.kvas == ~0ULL) {
        config.kvas = 0;
    }
    if (config.kvas && (!has(X_KPRCB_KERNEL_DIRECTORY_TABLE_BASE)
                        || !has(EPROCESS_USER_DIRECTORY_TABLE_BASE))) {
        fail(EXIT_CONFIG, "kvas=on: this row has no KVA shadow");
    }
    if (!config.nt_build) {
        config.nt_build = row_ids[config.row].build;
    }
    if (lies(LIE_LIST_LOOP) || lies(LIE_LIST_HOLE) || lies(LIE_LIST_MMIO)
        || lies(LIE_THREAD_LIST_LOOP)) {
        config.churn = 0;               /* nothing may unlink there */
    }
    if (lies(LIE_NAME_OVERRUN) || lies(LIE_NAME_HUGE)) {
        config.names = 0;               /* nobody may put names right */
    }
    if (odd(ODD_PARKED) && cpu_count > 1) {
        cpu_count--;
    }
    if (odd(ODD_IDLE_ALONE)) {
        config.idle_alone = 1;          /* no owner, so no list of one */
    }
    if (config.ring_entries & (config.ring_entries - 1)) {
        fail(EXIT_CONFIG, "ring-entries: not a power of two");
    }
    if (config.ring_entries > RING_SMALL
        && (ram_size < RAM_LOW ? ram_size : RAM_LOW)
           < BIG_RING_PHYS + config.ring_entries * 64) {
        fail(EXIT_MACHINE, "ring-entries: not enough RAM");
    }
    if (config.pool_high && ram_size < RAM_WITH_HIGH) {
        fail(EXIT_MACHINE, "pool=high: needs 4 GiB of RAM");
    }
    if (!config.seed) {
        config.seed = rdtsc();
    }
    cpuid(7, 0, id);
    if (config.levels == 5 && !(id[2] >> 16 & 1)) {
        fail(EXIT_MACHINE, "levels=5: this CPU has no LA57");
    }
}

/* After a reset it may be another guest that boots. */
static uint32_t config_file(uint32_t *bytes)
{
    uint32_t key = 0;

    if (ram_dirty) {
        key = find_file("opt/vmscope/nt-config-again", bytes);
    }
    return key ? key : find_file("opt/vmscope/nt-config", bytes);
}

void config_read(void)
{
    const char *text = (const char *)CONFIG_TEXT, *end = text;
    uint32_t bytes = 0, key;
    Span pair;

    defaults();
    machine();
    key = config_file(&bytes);
    if (key && bytes > CONFIG_SIZE) {
        fail(EXIT_CONFIG, "parameters longer than 32 KiB");
    }
    if (key) {
        fw_read(key, CONFIG_TEXT, bytes);
        end = text + bytes;
    }
    read_row_choice(text, end);
    row_load(config.row);
    for (text = next_pair(text, end, &pair); pair.key_len;
         text = next_pair(text, end, &pair)) {
        if (!chooses_row(&pair)) {
            set_one(pair.key, pair.key_len, pair.value, pair.value_len);
        }
    }
    row_check();
    settle();
}
