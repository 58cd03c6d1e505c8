/*
 * The row of offsets in force: one of the CSV's, or one changed column by
 * column at run time.  Checks that a made-up row can stand: fields inside
 * their structure, none on top of another.  Nothing here knows what a field
 * means.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { GROUP_SIZE, GROUP_KPCR, GROUP_KPRCB, GROUP_ETHREAD, GROUP_EPROCESS };

uint16_t row[COLUMNS];

void row_load(uint64_t index)
{
    if (index >= row_count) {
        fail(EXIT_CONFIG, "row number too large");
    }
    mem_copy(row, row_cells[index], sizeof(row));
}

static bool same(const char *name, const char *key, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] != key[i]) {
            return false;
        }
    }
    return !name[len];
}

static const char *column_name(uint32_t col)
{
    const char *s = column_names;

    while (col--) {
        s += text_len(s) + 1;
    }
    return s;
}

bool row_set(const char *name, size_t len, uint64_t value)
{
    const char *s = column_names;

    for (uint32_t col = 0; col < COLUMNS; col++, s += text_len(s) + 1) {
        if (!same(s, name, len)) {
            continue;
        }
        if (value == ABSENT && !(column_width[col] & 0x80)) {
            fail(EXIT_CONFIG, "this column cannot be absent");
        }
        if (value != ABSENT && value >= UNKNOWN) {
            fail(EXIT_CONFIG, "offset too large");
        }
        row[col] = value;
        config.custom = true;
        return true;
    }
    return false;
}

static uint32_t group_size(uint32_t col)
{
    static const uint8_t sizes[] = {
        0, X_KPCR_SIZE, X_KPRCB_SIZE, ETHREAD_SIZE, EPROCESS_SIZE
    };
    uint32_t size = row[sizes[column_group[col]]];

    return size;
}

static void complain(uint32_t a, uint32_t b, const char *why)
{
    say("nt: error: made-up row: ");
    say(column_name(a));
    say(why);
    if (b < COLUMNS) {
        say(column_name(b));
    }
    say_flush();
    leave(EXIT_CONFIG);
}

/* Places the guest or the processor needs for itself. */
static bool reserved(uint32_t col)
{
    uint32_t at = row[col], end = at + (column_width[col] & 0x7f);
    uint32_t base = 0;

    switch (column_group[col]) {
    case GROUP_ETHREAD:
    case GROUP_EPROCESS:
        return at < 0x18;
    case GROUP_KPRCB:
        base = row[KPCR_PRCB];
        break;
    default:
        break;
    }
    at += base;
    end += base;
    return at < KPCR_USER_RSP + 8
           || (at < CPU_POINTER + 8 && end > CPU_POINTER)
           || (at < KPCR_RSP_BASE + 8 && end > KPCR_RSP_BASE);
}

static void check_pairs(uint32_t a)
{
    uint32_t end_a = row[a] + (column_width[a] & 0x7f);

    for (uint32_t b = a + 1; b < COLUMNS; b++) {
        uint32_t end_b = row[b] + (column_width[b] & 0x7f);

        if (!has(b) || column_group[a] != column_group[b]) {
            continue;
        }
        if (row[a] < end_b && row[b] < end_a) {
            complain(a, b, " overlaps ");
        }
    }
}

static void check_sizes(void)
{
    if (row[KPCR_PRCB] < 0x30 || row[ETHREAD_SIZE] > 0x1800
        || row[EPROCESS_SIZE] > 0x1800 || row[X_KPCR_SIZE] > 0x10000 - PAGE
        || row[X_KPCR_SIZE] < row[KPCR_PRCB] + row[X_KPRCB_SIZE]
        || row[KTHREAD_SIZE] > row[ETHREAD_SIZE]
        || row[X_KPROCESS_SIZE] > row[EPROCESS_SIZE]) {
        fail(EXIT_CONFIG, "made-up row: sizes do not fit each other");
    }
    if (row[X_KPRCB_KERNEL_DIRECTORY_TABLE_BASE] < UNKNOWN
        && ((row[KPCR_PRCB] + row[X_KPRCB_KERNEL_DIRECTORY_TABLE_BASE])
            & 0xfff) > PAGE - 0x38) {
        fail(EXIT_CONFIG, "made-up row: shadow fields straddle a page");
    }
}

/* The rows of the CSV have been looked at when the checker was written. */
void row_check(void)
{
    if (!config.custom) {
        return;
    }
    check_sizes();
    for (uint32_t col = 0; col < COLUMNS; col++) {
        if (!has(col) || column_group[col] == GROUP_SIZE
            || col == KPCR_PRCB) {
            continue;
        }
        /* ApcState begins 0x20 before its Process; pid stands beside link. */
        if (row[col] + (column_width[col] & 0x7fu) > group_size(col)) {
            complain(col, COLUMNS, " lies outside its structure");
        }
        if (reserved(col)) {
            complain(col, COLUMNS, " lies where the guest needs the place");
        }
        check_pairs(col);
    }
}

/*
 * So many free bytes in the structure that holds a column, behind it or in
 * front; aligned to their number.
 */
uint32_t row_gap(uint32_t col, uint32_t bytes)
{
    uint32_t size = group_size(col);
    uint32_t low = column_group[col] == GROUP_KPRCB ? 0x40 : 0x18;

    if (column_group[col] == GROUP_ETHREAD) {
        size = row[KTHREAD_SIZE];
    }
    for (uint32_t at = (low + bytes - 1) / bytes * bytes; at + bytes <= size;
         at += bytes) {
        uint32_t other = 0;

        while (other < COLUMNS
               && (!has(other) || column_group[other] != column_group[col]
                   || at + bytes <= row[other]
                   || row[other] + (column_width[other] & 0x7fu) <= at)) {
            other++;
        }
        if (other == COLUMNS) {
            return at;
        }
    }
    fail(EXIT_CONFIG, "strange: no room for one more field");
}
