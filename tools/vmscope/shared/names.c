/*
 * names: see names.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "shared/names.h"

#include "base/num.h"
#include "common/out.h"
#include "common/translate.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

/* To UTF-8; open for as long as the program runs. */
static iconv_t codepage;
static bool has_codepage;

static bool is_ascii(const char *bytes)
{
    while (*bytes > 0) {
        bytes++;
    }
    return !*bytes;
}

/* False when there is no room, which names.h says cannot be. */
static bool convert(iconv_t from, const char *bytes, char *text, size_t room)
{
    char *in = (char *)bytes;
    size_t left = strlen(bytes);
    char *out = text;

    iconv(from, NULL, NULL, NULL, NULL);
    room--;
    while (left) {
        if (iconv(from, &in, &left, &out, &room) != (size_t)-1) {
            break;
        }
        if (errno == E2BIG || !room) {
            return false;
        }
        /* No character, or only the begin of one: it stays a byte. */
        *out++ = *in++;
        room--;
        left--;
    }
    /* Some code pages keep a character back, to compose it with the next. */
    if (iconv(from, NULL, NULL, &out, &room) == (size_t)-1) {
        return false;
    }
    *out = '\0';
    return true;
}

/* In UTF-16 or EBCDIC, "System" would be something else. */
static bool has_ascii(iconv_t from)
{
    static const char letters[] = "AZaz09. -_+(";
    char text[NAMES_ROOM];

    return convert(from, letters, text, sizeof(text)) &&
           !strcmp(letters, text);
}

static bool read_codepage(const char *name, const char *text, void *member)
{
    /* A slash says what to do with the impossible, nothing is the locale's. */
    iconv_t from = !*text || strchr(text, '/') ? (iconv_t)-1
                                               : iconv_open("UTF-8", text);

    if (from == (iconv_t)-1) {
        return options_wrong(name, text, "give a code page that iconv -l "
                             "lists, like CP949");
    }
    if (!has_ascii(from)) {
        iconv_close(from);
        return options_wrong(name, text, "give one that has ASCII in it, "
                             "like CP949");
    }
    if (has_codepage) {
        iconv_close(codepage);
    }
    codepage = from;
    has_codepage = true;
    *(const char **)member = text;
    return true;
}

static bool read_raw(const char *name, const char *text, void *member)
{
    (void)name;
    (void)text;
    out_raw_names();
    *(bool *)member = true;
    return true;
}

const Option name_options[] = {
    { .help = N_("Names of the guest:") },
    { "codepage", 0, OPTION_OWN, offsetof(NameOptions, codepage), "NAME",
      N_("image names are in this code page, like CP949\n"
         "(else: UTF-8, and other bytes as \\xNN)"), .read = read_codepage },
    { "raw-names", 0, OPTION_OWN, offsetof(NameOptions, raw), NULL,
      N_("write names as they are, whatever they do to a\n"
         "terminal or to rows (else: such as \\xNN)"), .read = read_raw },
    {}
};

void names_image(const char *bytes, char *text)
{
    if (is_ascii(bytes) || !has_codepage ||
        !convert(codepage, bytes, text, NAMES_ROOM)) {
        snprintf(text, NAMES_ROOM, "%s", bytes);
    }
}

void names_hex(const char *bytes, char *hex)
{
    *hex = '\0';
    if (is_ascii(bytes)) {
        return;
    }
    for (; *bytes; bytes++, hex += 2) {
        snprintf(hex, 3, "%02x", (unsigned char)*bytes);
    }
}

bool names_from_hex(const char *hex, char *bytes)
{
    size_t n = strlen(hex);
    size_t i;

    if (!n || n % 2 || n / 2 >= NAMES_BYTES) {
        return false;
    }
    for (i = 0; i < n / 2; i++) {
        int high = num_hex_digit(hex[2 * i]);
        int low = num_hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0 || !(high | low)) {
            return false;
        }
        bytes[i] = (char)(high << 4 | low);
    }
    bytes[i] = '\0';
    return true;
}

const char *names_leaf(const char *path)
{
    const char *slash = strrchr(path, '\\');

    return slash ? slash + 1 : path;
}
