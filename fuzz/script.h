/*
 * fuzz/script: an input as lines of a letter and two hex numbers.
 *
 *     d 3c ffffffff
 *
 * So a seed says in clear what is wrong with a guest that is otherwise right.
 * What a letter means is the target's.  Anything is a script: what is no digit
 * ends a number, and a number that is missing is 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef VMSCOPE_FUZZ_SCRIPT_H
#define VMSCOPE_FUZZ_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A target stops after so many lines, for the fuzzer's speed. */
enum { SCRIPT_MAX_LINES = 200 };

typedef struct Script {
    const uint8_t *at, *end;
    unsigned n_lines;
} Script;

typedef struct ScriptLine {
    char what;
    uint64_t a, b;
} ScriptLine;

static inline Script script_begin(const uint8_t *data, size_t len)
{
    return (Script){ data, data + len, 0 };
}

static inline int script_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static inline uint64_t script_number(Script *script)
{
    uint64_t value = 0;

    while (script->at < script->end && *script->at == ' ') {
        script->at++;
    }
    while (script->at < script->end && script_digit(*script->at) >= 0) {
        value = value << 4 | (unsigned)script_digit(*script->at++);
    }
    return value;
}

/**
 * script_next - take a line
 *
 * Returns: false when there is no other
 */
static inline bool script_next(Script *script, ScriptLine *line)
{
    if (script->at == script->end || script->n_lines == SCRIPT_MAX_LINES) {
        return false;
    }
    script->n_lines++;
    line->what = (char)*script->at++;
    line->a = script_number(script);
    line->b = script_number(script);
    while (script->at < script->end && *script->at != '\n') {
        script->at++;
    }
    script->at += script->at < script->end;
    return true;
}

#endif
