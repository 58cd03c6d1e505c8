/*
 * attach/registers: see registers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "source/attach/registers.h"

#include <stdlib.h>
#include <string.h>

enum { EFER_LMA = 1 << 10, CR4_LA57 = 1 << 12, CR0_PE = 1 << 0 };
static const uint64_t cr0_pg = UINT64_C(1) << 31;

/* The text behind a name, within one vCPU's; NULL when it is not there. */
static const char *find(const char *text, const char *end, const char *name)
{
    const char *at = memmem(text, (size_t)(end - text), name, strlen(name));

    return at ? at + strlen(name) : NULL;
}

static bool hex_at(const char *at, uint64_t *value)
{
    char *end;

    if (!at) {
        return false;
    }
    *value = strtoull(at, &end, 16);
    return end != at;
}

/* Of a segment, "GS =002b fffff8014bc3e000 ...", the number behind. */
static bool segment_base(const char *at, uint64_t *base)
{
    const char *blank = at ? strchr(at, ' ') : NULL;

    return blank && hex_at(blank + 1, base);
}

static bool parse_vcpu(const char *text, const char *end, WinosRegs *regs)
{
    uint64_t vcpu;
    uint64_t cpl = 0;
    uint64_t cr4 = 0;
    uint64_t efer;

    memset(regs, 0, sizeof(*regs));
    vcpu = strtoull(text, NULL, 10);
    if (!hex_at(find(text, end, "CR3="), &regs->cr3) ||
        !hex_at(find(text, end, "EFER="), &efer) ||
        !segment_base(find(text, end, "\nGS ="), &regs->gs_base)) {
        return false;
    }
    hex_at(find(text, end, " CPL="), &cpl);
    hex_at(find(text, end, " CR4="), &cr4);
    hex_at(find(text, end, "\nIDT="), &regs->idt_base);
    regs->vcpu = (unsigned)vcpu;
    regs->cpl = cpl & 3;
    regs->long_mode = efer & EFER_LMA;
    regs->la57 = cr4 & CR4_LA57;
    return true;
}

unsigned attach_registers_parse(const char *text, WinosRegs *regs,
                                unsigned max)
{
    static const char begin[] = "CPU#";
    const char *at = strstr(text, begin);
    unsigned n = 0;

    while (at && n < max) {
        const char *next;

        at += strlen(begin);
        next = strstr(at, begin);
        n += parse_vcpu(at, next ? next : at + strlen(at), &regs[n]);
        at = next;
    }
    return n;
}

static bool parse_code(const char *text, const char *end, AttachCode *code)
{
    const char *at = find(text, end, "RIP=");
    uint64_t halted = 0;
    uint64_t efer = 0;
    uint64_t cpl = 0;
    uint64_t base;
    uint64_t cr0;
    uint64_t ip;

    memset(code, 0, sizeof(*code));
    if (!hex_at(at ? at : find(text, end, "EIP="), &ip) ||
        !hex_at(find(text, end, "CR0="), &cr0) ||
        !segment_base(find(text, end, "\nCS ="), &base)) {
        return false;
    }
    hex_at(find(text, end, "EFER="), &efer);
    hex_at(find(text, end, " CPL="), &cpl);
    hex_at(find(text, end, " HLT="), &halted);
    code->vcpu = (unsigned)strtoull(text, NULL, 10);
    code->halted = halted != 0;
    code->code.address = base + ip;
    code->code.cpl = cpl & 3;
    code->code.protected_mode = cr0 & CR0_PE;
    code->code.paging = cr0 & cr0_pg;
    code->code.long_mode = efer & EFER_LMA;
    if (!code->code.long_mode) {
        code->code.address = (uint32_t)code->code.address;
    }
    return true;
}

unsigned attach_codes_parse(const char *text, AttachCode *codes, unsigned max)
{
    static const char begin[] = "CPU#";
    const char *at = strstr(text, begin);
    unsigned n = 0;

    while (at && n < max) {
        const char *next;

        at += strlen(begin);
        next = strstr(at, begin);
        n += parse_code(at, next ? next : at + strlen(at), &codes[n]);
        at = next;
    }
    return n;
}
