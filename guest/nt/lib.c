/*
 * The few library calls a kernel without libc needs, and its voice: text on
 * the debug console, an exit code through isa-debug-exit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { PORT_DEBUGCON = 0xe9, PORT_DEBUG_EXIT = 0xf4 };

static char line[512];
static size_t line_len;

void mem_copy(void *to, const void *from, size_t bytes)
{
    size_t words = bytes / 8;

    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)
                 : : "memory");
    bytes &= 7;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)
                 : : "memory");
}

void mem_zero(void *to, size_t bytes)
{
    size_t words = bytes / 8;

    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0UL) : "memory");
    bytes &= 7;
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}

/* gcc may call these by name even in freestanding code. */
void *memset(void *to, int value, size_t bytes)
{
    void *at = to;

    asm volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value)
                 : "memory");
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    mem_copy(to, from, bytes);
    return to;
}

size_t text_len(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

bool text_same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* xorshift32: cheap, and the same seed gives the same run of numbers. */
uint32_t rng_next(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

/* splitmix64 over config.seed. */
uint64_t random64(void)
{
    uint64_t z = config.seed += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void say(const char *text)
{
    while (*text && line_len < sizeof(line)) {
        line[line_len++] = *text++;
    }
}

void say_dec(const char *before, uint64_t value)
{
    char digits[24];
    int n = sizeof(digits) - 1;

    digits[n] = 0;
    do {
        digits[--n] = '0' + value % 10;
        value /= 10;
    } while (value);
    say(before);
    say(digits + n);
}

void say_hex(const char *before, uint64_t value)
{
    char digits[24];
    int n = sizeof(digits) - 1;

    digits[n] = 0;
    do {
        uint32_t d = value & 15;
        digits[--n] = d < 10 ? '0' + d : 'a' + d - 10;
        value >>= 4;
    } while (value);
    say(before);
    say("0x");
    say(digits + n);
}

/* One line, one "rep outsb": one exit under KVM, not one per character. */
void say_flush(void)
{
    if (line_len == sizeof(line)) {
        line_len--;
    }
    line[line_len++] = '\n';
    outsb(PORT_DEBUGCON, line, line_len);
    line_len = 0;
}

void leave(uint32_t code)
{
    irq_off();
    outl(PORT_DEBUG_EXIT, code);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

void fail(uint32_t code, const char *why)
{
    say("nt: error: ");
    say(why);
    say_flush();
    leave(code);
}
