/*
 * fuzz/corpus-test: a target's property over files, each whole and cut short
 * at every byte.
 *
 *   corpus-test FILE...
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 1 << 20, CUT_MAX = 1024 };

static uint8_t data[FILE_MAX];

static int check_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t len;
    size_t cut;

    if (!file) {
        return 0;
    }
    len = fread(data, 1, sizeof(data), file);
    fclose(file);
    fuzz_check(data, len);
    for (cut = 0; cut < len && cut < CUT_MAX; cut++) {
        fuzz_check(data, cut);
    }
    return 1;
}

int main(int argc, char **argv)
{
    int i;

    printf("1..%d\n", argc - 1);
    for (i = 1; i < argc; i++) {
        const char *name = strrchr(argv[i], '/');

        printf("%s %d - %s\n", check_file(argv[i]) ? "ok" : "not ok", i,
               name ? name + 1 : argv[i]);
        fflush(stdout);
    }
    return 0;
}
