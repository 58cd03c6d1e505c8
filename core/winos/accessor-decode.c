/*
 * winos/accessor-decode: machine code, understood as far as is needed; see
 * accessor.h.  Which functions there are, and what theirs tells, is left to
 * accessor.c.
 *
 * A function is followed instruction by instruction, and of each register it
 * is remembered what it holds in terms of the argument or of the processor's
 * own block; of the function's own stack frame, what was put there.  What is
 * in RAX at the RET is the answer.
 *
 * Branches are taken to fall through, which in the known functions is the way
 * that answers.  Where it does not, as behind a check of the object's type
 * that jumps to the answer, the other ways are tried, those with the fewest
 * jumps first; they must all tell the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/accessor.h"

#include <Zydis/Zydis.h>

enum {
    MAX_STRAIGHT = 64,          /* bytes without a branch or its RET */
    MAX_BRANCHES = 3,
    MAX_JUMPS = 3,              /* without condition, and ahead */
    MAX_SLOTS = 8,              /* of a stack frame */
    MAX_ENTRY_CODE = 192,       /* bytes of a system call's entry code */
    N_REGISTERS = 16,
    REG_RAX = 0,
    REG_RCX = 1,
    REG_RSP = 4,
    REG_RBP = 5,
    N_OPERANDS = ZYDIS_MAX_OPERAND_COUNT,
};

/* What a register holds, as far as it is known. */
typedef enum ValueKind {
    VALUE_OTHER,
    VALUE_ADDRESS,      /* the argument, or gs:[gs], plus disp */
    VALUE_LOADED,       /* what stands there */
    VALUE_RIP,          /* an address in the image */
    VALUE_STACK,        /* RSP as it was at the beginning, plus disp */
} ValueKind;

typedef struct Value {
    ValueKind kind;
    bool part;          /* only some bits of what was loaded */
    uint8_t width;      /* bytes loaded */
    int32_t gs;         /* -1: it is about the argument */
    int64_t disp;
    uint64_t target;    /* VALUE_RIP */
} Value;

typedef struct Insn {
    ZydisDecodedInstruction info;
    ZydisDecodedOperand op[N_OPERANDS];
    uint64_t next;      /* address of the instruction behind it */
} Insn;

/* What was put on the stack; at most 8 bytes are remembered as a value. */
typedef struct Slot {
    int64_t at;
    Value value;
} Slot;

/* The way through a function. */
typedef struct Walk {
    ZydisDecoder decoder;
    const uint8_t *code;
    unsigned n;
    uint64_t address;
    unsigned at;                /* of the next instruction */
    unsigned straight;          /* bytes passed since the last branch */
    unsigned branches;
    unsigned jumps;
    unsigned taken;             /* mask of the branches that are */
    unsigned n_slots;
    Slot slots[MAX_SLOTS];
    Value regs[N_REGISTERS];
    AccessorCode *out;
} Walk;

/* How a step ends. */
typedef enum Step {
    STEP_ON,
    STEP_RETURNED,
    STEP_LOST,
} Step;

static const Value value_other = { .kind = VALUE_OTHER, .gs = -1 };

static bool is_offset(int64_t disp)
{
    return disp >= 0 && disp <= WINOS_MAX_OFFSET;
}

static void decoder_init(ZydisDecoder *decoder)
{
    ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64,
                     ZYDIS_STACK_WIDTH_64);
}

static bool decode_insn(const ZydisDecoder *decoder, const uint8_t *code,
                        unsigned n, uint64_t address, Insn *insn)
{
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, code, n, &insn->info,
                                             insn->op))) {
        return false;
    }
    insn->next = address + insn->info.length;
    return true;
}

/* 0 to 15 for a general register of whatever width, else -1. */
static int register_index(ZydisRegister reg)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(
        ZYDIS_MACHINE_MODE_LONG_64, reg);

    if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) {
        return -1;
    }
    return (int)(whole - ZYDIS_REGISTER_RAX);
}

static bool is_register(const ZydisDecodedOperand *op)
{
    return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           register_index(op->reg.value) >= 0;
}

/* The operand is gs:[disp]. */
static bool is_gs(const ZydisDecodedOperand *op)
{
    return op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
           op->mem.segment == ZYDIS_REGISTER_GS &&
           op->mem.base == ZYDIS_REGISTER_NONE &&
           op->mem.index == ZYDIS_REGISTER_NONE &&
           is_offset(op->mem.disp.value);
}

/* What an address is, of an operand that is memory or lea's. */
static Value decode_address_of(const Walk *walk, const Insn *insn,
                               const ZydisDecodedOperand *op)
{
    Value value = value_other;
    int base;

    if (op->mem.index != ZYDIS_REGISTER_NONE) {
        return value;
    }
    if (op->mem.base == ZYDIS_REGISTER_RIP) {
        value.kind = VALUE_RIP;
        value.target = insn->next + (uint64_t)op->mem.disp.value;
        return value;
    }
    base = register_index(op->mem.base);
    if (base >= 0 && op->mem.segment != ZYDIS_REGISTER_GS &&
        op->mem.segment != ZYDIS_REGISTER_FS &&
        (walk->regs[base].kind == VALUE_ADDRESS ||
         walk->regs[base].kind == VALUE_STACK)) {
        value = walk->regs[base];
        value.disp += op->mem.disp.value;
    }
    return value;
}

/* The slot of a stack address; with @make, a new one if need be. */
static Slot *decode_slot(Walk *walk, int64_t at, bool make)
{
    unsigned i;

    for (i = 0; i < walk->n_slots; i++) {
        if (walk->slots[i].at == at) {
            return &walk->slots[i];
        }
    }
    if (!make || walk->n_slots == MAX_SLOTS) {
        return NULL;
    }
    walk->slots[walk->n_slots].at = at;
    return &walk->slots[walk->n_slots++];
}

/* What a slot held in part is not known any more. */
static void decode_store(Walk *walk, int64_t at, unsigned bytes, Value value)
{
    Slot *slot;
    unsigned i;

    for (i = 0; i < walk->n_slots; i++) {
        if (walk->slots[i].at < at + bytes && at < walk->slots[i].at + 8) {
            walk->slots[i].value = value_other;
        }
    }
    slot = bytes == 8 ? decode_slot(walk, at, true) : NULL;
    if (slot) {
        slot->value = value;
    }
}

static Value decode_stored(const Walk *walk, int64_t at, unsigned bytes)
{
    const Slot *slot = decode_slot((Walk *)walk, at, false);

    return slot && bytes == 8 ? slot->value : value_other;
}

static Value decode_loaded_from(const Walk *walk, const Insn *insn,
                                const ZydisDecodedOperand *op)
{
    Value value = value_other;

    if (is_gs(op)) {
        if (op->size == 64) {
            value.kind = VALUE_ADDRESS;
            value.gs = (int32_t)op->mem.disp.value;
        }
        return value;
    }
    value = decode_address_of(walk, insn, op);
    if (value.kind == VALUE_STACK) {
        return decode_stored(walk, value.disp, op->size / 8);
    }
    if (value.kind != VALUE_ADDRESS) {
        return value_other;
    }
    value.kind = VALUE_LOADED;
    value.width = (uint8_t)(op->size / 8);
    return value;
}

static Value decode_value_of(const Walk *walk, const Insn *insn,
                             const ZydisDecodedOperand *op)
{
    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        return decode_loaded_from(walk, insn, op);
    }
    return is_register(op) ? walk->regs[register_index(op->reg.value)]
                           : value_other;
}

/* Set the register that is the first operand; memory takes what it gets. */
static void decode_assign(Walk *walk, const Insn *insn, Value value)
{
    if (!is_register(&insn->op[0])) {
        return;
    }
    /* 32 bits of an address are no address. */
    if (insn->op[0].size < 64 && value.kind != VALUE_LOADED) {
        value = value_other;
    }
    walk->regs[register_index(insn->op[0].reg.value)] = value;
}

/* The whitelist, one function a kind of instruction. */

static Step on_move(Walk *walk, const Insn *insn)
{
    Value to;

    if (insn->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        to = decode_address_of(walk, insn, &insn->op[0]);
        if (to.kind == VALUE_STACK) {
            decode_store(walk, to.disp, insn->op[0].size / 8,
                         decode_value_of(walk, insn, &insn->op[1]));
        }
        return STEP_ON;
    }
    if (!is_register(&insn->op[0])) {
        return STEP_LOST;
    }
    decode_assign(walk, insn, decode_value_of(walk, insn, &insn->op[1]));
    return STEP_ON;
}

static Step on_lea(Walk *walk, const Insn *insn)
{
    decode_assign(walk, insn, decode_address_of(walk, insn, &insn->op[1]));
    return STEP_ON;
}

/* Bits picked from a field still tell where the field is. */
static Step on_pick_bits(Walk *walk, const Insn *insn)
{
    Value value = decode_value_of(walk, insn, &insn->op[0]);

    if (insn->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
        value.kind != VALUE_LOADED) {
        value = value_other;
    }
    value.part = true;
    decode_assign(walk, insn, value);
    return STEP_ON;
}

static Step on_add(Walk *walk, const Insn *insn)
{
    Value value = decode_value_of(walk, insn, &insn->op[0]);

    if (insn->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
        (value.kind != VALUE_ADDRESS && value.kind != VALUE_STACK) ||
        !is_offset(insn->op[1].imm.value.s)) {
        value = value_other;
    } else {
        value.disp += insn->op[1].imm.value.s;
    }
    decode_assign(walk, insn, value);
    return STEP_ON;
}

static Step on_sub(Walk *walk, const Insn *insn)
{
    Value value = decode_value_of(walk, insn, &insn->op[0]);

    if (insn->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
        value.kind != VALUE_STACK ||
        !is_offset(insn->op[1].imm.value.s)) {
        value = value_other;
    } else {
        value.disp -= insn->op[1].imm.value.s;
    }
    decode_assign(walk, insn, value);
    return STEP_ON;
}

static Step on_push(Walk *walk, const Insn *insn)
{
    Value *rsp = &walk->regs[REG_RSP];

    if (rsp->kind != VALUE_STACK || !is_register(&insn->op[0])) {
        return STEP_LOST;
    }
    rsp->disp -= 8;
    decode_store(walk, rsp->disp, 8,
                 decode_value_of(walk, insn, &insn->op[0]));
    return STEP_ON;
}

static Step on_pop(Walk *walk, const Insn *insn)
{
    Value *rsp = &walk->regs[REG_RSP];

    if (rsp->kind != VALUE_STACK || !is_register(&insn->op[0])) {
        return STEP_LOST;
    }
    decode_assign(walk, insn, decode_stored(walk, rsp->disp, 8));
    rsp->disp += 8;
    return STEP_ON;
}

static Step on_leave(Walk *walk, const Insn *insn)
{
    (void)insn;
    if (walk->regs[REG_RBP].kind != VALUE_STACK) {
        return STEP_LOST;
    }
    walk->regs[REG_RSP] = walk->regs[REG_RBP];
    walk->regs[REG_RBP] = decode_stored(walk, walk->regs[REG_RSP].disp, 8);
    walk->regs[REG_RSP].disp += 8;
    return STEP_ON;
}

/* A move that depends: what it would move is what answers. */
static Step on_move_if(Walk *walk, const Insn *insn)
{
    Value value = decode_value_of(walk, insn, &insn->op[1]);

    if (value.kind != VALUE_OTHER) {
        decode_assign(walk, insn, value);
    }
    return STEP_ON;
}

static Step on_spoil(Walk *walk, const Insn *insn)
{
    decode_assign(walk, insn, value_other);
    return STEP_ON;
}

static Step on_compare(Walk *walk, const Insn *insn)
{
    Value a = decode_value_of(walk, insn, &insn->op[0]);
    Value b = decode_value_of(walk, insn, &insn->op[1]);

    if (a.kind == VALUE_RIP) {
        Value swap = a;

        a = b;
        b = swap;
    }
    if (b.kind == VALUE_RIP && a.kind == VALUE_LOADED && a.gs < 0 &&
        a.width == 8 && !a.part && is_offset(a.disp)) {
        walk->out->compared = (int32_t)a.disp;
        walk->out->rip_target = b.target;
    }
    return STEP_ON;
}

/* With the stack as it was found. */
static Step on_return(Walk *walk, const Insn *insn)
{
    const Value *rsp = &walk->regs[REG_RSP];

    return insn->info.operand_count_visible || rsp->kind != VALUE_STACK ||
           rsp->disp != 0 ? STEP_LOST : STEP_RETURNED;
}

/* Go on ahead, in what was read of the function. */
static Step decode_go_to(Walk *walk, const Insn *insn)
{
    uint64_t to = insn->next + (uint64_t)insn->op[0].imm.value.s -
                  walk->address;

    if (insn->op[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || to < walk->at ||
        to >= walk->n) {
        return STEP_LOST;
    }
    walk->at = (unsigned)to;
    walk->straight = 0;
    return STEP_ON;
}

static Step on_branch(Walk *walk, const Insn *insn)
{
    walk->straight = 0;
    if (++walk->branches > MAX_BRANCHES) {
        return STEP_LOST;
    }
    return walk->taken >> (walk->branches - 1) & 1 ? decode_go_to(walk, insn)
                                                   : STEP_ON;
}

/* A function that is a jump and no more is the caller's to follow. */
static Step on_jump(Walk *walk, const Insn *insn)
{
    return ++walk->jumps <= MAX_JUMPS ? decode_go_to(walk, insn) : STEP_LOST;
}

static Step on_nothing(Walk *walk, const Insn *insn)
{
    (void)walk;
    (void)insn;
    return STEP_ON;
}

typedef struct Allowed {
    ZydisMnemonic mnemonic;
    Step (*step)(Walk *walk, const Insn *insn);
} Allowed;

static const Allowed allowed[] = {
    { ZYDIS_MNEMONIC_MOV, on_move },
    { ZYDIS_MNEMONIC_MOVZX, on_move },
    { ZYDIS_MNEMONIC_MOVSX, on_move },
    { ZYDIS_MNEMONIC_MOVSXD, on_move },
    { ZYDIS_MNEMONIC_LEA, on_lea },
    { ZYDIS_MNEMONIC_AND, on_pick_bits },
    { ZYDIS_MNEMONIC_SHR, on_pick_bits },
    { ZYDIS_MNEMONIC_ADD, on_add },
    { ZYDIS_MNEMONIC_SUB, on_sub },
    { ZYDIS_MNEMONIC_PUSH, on_push },
    { ZYDIS_MNEMONIC_POP, on_pop },
    { ZYDIS_MNEMONIC_LEAVE, on_leave },
    { ZYDIS_MNEMONIC_JMP, on_jump },
    { ZYDIS_MNEMONIC_XOR, on_spoil },
    { ZYDIS_MNEMONIC_OR, on_spoil },
    { ZYDIS_MNEMONIC_SETZ, on_spoil },
    { ZYDIS_MNEMONIC_SETNZ, on_spoil },
    { ZYDIS_MNEMONIC_CMP, on_compare },
    { ZYDIS_MNEMONIC_TEST, on_nothing },
    { ZYDIS_MNEMONIC_BT, on_nothing },
    { ZYDIS_MNEMONIC_NOP, on_nothing },
    { ZYDIS_MNEMONIC_ENDBR64, on_nothing },
    { ZYDIS_MNEMONIC_RET, on_return },
};

static Step decode_step(Walk *walk, const Insn *insn)
{
    size_t i;

    if (insn->info.meta.category == ZYDIS_CATEGORY_COND_BR) {
        return on_branch(walk, insn);
    }
    if (insn->info.meta.category == ZYDIS_CATEGORY_CMOV) {
        return on_move_if(walk, insn);
    }
    for (i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
        if (allowed[i].mnemonic == insn->info.mnemonic) {
            return allowed[i].step(walk, insn);
        }
    }
    return STEP_LOST;
}

/* A pointer that is returned as it came: to the running thread, say. */
static bool decode_is_bare(const Value *value)
{
    return value->kind == VALUE_ADDRESS && value->disp == 0;
}

/* Does RAX hold something that says where a field is? */
static bool decode_has_answer(const Walk *walk)
{
    const Value *rax = &walk->regs[REG_RAX];

    if (decode_is_bare(rax)) {
        return rax->gs >= 0;
    }
    return (rax->kind == VALUE_ADDRESS || rax->kind == VALUE_LOADED) &&
           is_offset(rax->disp);
}

static void decode_answer(Walk *walk)
{
    const Value *rax = &walk->regs[REG_RAX];

    walk->out->understood = true;
    walk->out->displacement = decode_is_bare(rax) ? WINOS_NO_OFFSET
                                           : (int32_t)rax->disp;
    walk->out->width = rax->kind == VALUE_LOADED ? rax->width : 0;
    walk->out->part = rax->part;
    walk->out->gs_displacement = rax->gs;
}

static bool decode_next(Walk *walk, Insn *insn)
{
    if (walk->at >= walk->n ||
        !decode_insn(&walk->decoder, walk->code + walk->at, walk->n - walk->at,
                     walk->address + walk->at, insn)) {
        return false;
    }
    walk->at += insn->info.length;
    walk->straight += insn->info.length;
    return walk->straight <= MAX_STRAIGHT;
}

/* A nop, endbr64, or the mov edi,edi that leaves room for a patch. */
static bool decode_is_prefix(const Insn *insn)
{
    return insn->info.mnemonic == ZYDIS_MNEMONIC_NOP ||
           insn->info.mnemonic == ZYDIS_MNEMONIC_ENDBR64 ||
           (insn->info.mnemonic == ZYDIS_MNEMONIC_MOV &&
            is_register(&insn->op[0]) && is_register(&insn->op[1]) &&
            insn->op[0].reg.value == insn->op[1].reg.value);
}

/* Where the function goes on, if all it does is to jump there, else 0. */
static uint64_t thunk_target(const Walk *walk)
{
    Walk ahead = *walk;
    Insn insn;

    while (decode_next(&ahead, &insn)) {
        if (insn.info.mnemonic == ZYDIS_MNEMONIC_JMP &&
            insn.op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            return insn.next + (uint64_t)insn.op[0].imm.value.s;
        }
        if (!decode_is_prefix(&insn)) {
            break;
        }
    }
    return 0;
}

static bool decode_follow(Walk *walk)
{
    Insn insn;

    while (decode_next(walk, &insn)) {
        switch (decode_step(walk, &insn)) {
        case STEP_RETURNED:
            return decode_has_answer(walk);
        case STEP_LOST:
            return false;
        case STEP_ON:
            break;
        }
    }
    return false;
}

static void code_init(AccessorCode *code)
{
    *code = (AccessorCode) {
        .displacement = WINOS_NO_OFFSET,
        .gs_displacement = -1,
        .compared = -1,
    };
}

/* One way through: @taken says which branches are. */
static bool decode_way(const Walk *start, unsigned taken, AccessorCode *out,
                       unsigned *branches)
{
    Walk walk = *start;

    code_init(out);
    walk.out = out;
    walk.taken = taken;
    if (decode_follow(&walk)) {
        decode_answer(&walk);
    } else {
        code_init(out);
    }
    *branches = walk.branches < MAX_BRANCHES ? walk.branches : MAX_BRANCHES;
    return out->understood;
}

static bool decode_same(const AccessorCode *a, const AccessorCode *b)
{
    return a->displacement == b->displacement && a->width == b->width &&
           a->part == b->part && a->gs_displacement == b->gs_displacement;
}

/* Ways with @n branches taken: the answer of all that have one, if any. */
static bool decode_ways(const Walk *start, unsigned n, AccessorCode *out)
{
    AccessorCode code;
    unsigned taken, seen;

    for (taken = 1; taken < 1 << MAX_BRANCHES; taken++) {
        if ((unsigned)__builtin_popcount(taken) != n ||
            !decode_way(start, taken, &code, &seen) || taken >> seen) {
            continue;
        }
        if (out->understood && !decode_same(out, &code)) {
            code_init(out);
            return true;
        }
        *out = code;
    }
    return out->understood;
}

bool accessor_decode(const uint8_t *code, unsigned n, uint64_t address,
                     AccessorCode *out, uint64_t *jump)
{
    Walk walk = { .code = code, .n = n < ACCESSOR_CODE ? n : ACCESSOR_CODE,
                  .address = address };
    unsigned branches;
    unsigned i;

    decoder_init(&walk.decoder);
    for (i = 0; i < N_REGISTERS; i++) {
        walk.regs[i] = value_other;
    }
    walk.regs[REG_RCX].kind = VALUE_ADDRESS;
    walk.regs[REG_RSP].kind = VALUE_STACK;
    if (jump) {
        *jump = thunk_target(&walk);
    }
    if (decode_way(&walk, 0, out, &branches)) {
        return true;
    }
    for (i = 1; i <= MAX_BRANCHES && !decode_ways(&walk, i, out); i++) {
        continue;
    }
    return out->understood;
}

/* The entry code of system calls. */

unsigned accessor_read_code(const GmemSpace *space, uint64_t address,
                            uint8_t *code, unsigned n)
{
    uint64_t left;
    uint64_t gpa;

    if (gmem_read(space, address, code, n, NULL)) {
        return n;
    }
    if (!gmem_translate(space, address, &gpa, &left, NULL) || left >= n ||
        !gmem_read(space, address, code, left, NULL)) {
        return 0;
    }
    return (unsigned)left;
}

/* Forget what an instruction that is not understood writes. */
static void forget_written(const Insn *insn, int32_t *loaded)
{
    unsigned i;

    for (i = 0; i < insn->info.operand_count; i++) {
        const ZydisDecodedOperand *op = &insn->op[i];

        if (is_register(op) &&
            (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
            loaded[register_index(op->reg.value)] = -1;
        }
    }
}

/*
 * @loaded: for each register, the gs: displacement it was loaded from, or -1.
 *
 * Returns: the offset when this instruction moves such a register to CR3
 */
static int32_t watch_cr3(const Insn *insn, int32_t *loaded)
{
    const ZydisDecodedOperand *op = insn->op;
    bool is_move = insn->info.mnemonic == ZYDIS_MNEMONIC_MOV;
    int32_t from = -1;

    if (is_move && is_register(&op[1])) {
        from = loaded[register_index(op[1].reg.value)];
    } else if (is_move && is_gs(&op[1])) {
        from = (int32_t)op[1].mem.disp.value;
    }
    if (is_move && op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        op[0].reg.value == ZYDIS_REGISTER_CR3) {
        return from;
    }
    forget_written(insn, loaded);
    if (is_move && is_register(&op[0]) && op[0].size == 64) {
        loaded[register_index(op[0].reg.value)] = from;
    }
    return -1;
}

static bool decode_leaves(const Insn *insn)
{
    return insn->info.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
           insn->info.meta.category == ZYDIS_CATEGORY_CALL ||
           insn->info.meta.category == ZYDIS_CATEGORY_RET ||
           insn->info.meta.category == ZYDIS_CATEGORY_SYSRET ||
           insn->info.meta.category == ZYDIS_CATEGORY_INTERRUPT;
}

int32_t accessor_kernel_dtb(const GmemSpace *space, uint64_t lstar)
{
    uint8_t code[MAX_ENTRY_CODE];
    unsigned n = accessor_read_code(space, lstar, code, sizeof(code));
    int32_t loaded[N_REGISTERS];
    int32_t found = -1;
    ZydisDecoder decoder;
    unsigned at;
    Insn insn;

    decoder_init(&decoder);
    for (at = 0; at < N_REGISTERS; at++) {
        loaded[at] = -1;
    }
    for (at = 0; at < n && found < 0; at += insn.info.length) {
        if (!decode_insn(&decoder, code + at, n - at, lstar + at, &insn) ||
            decode_leaves(&insn)) {
            return -1;
        }
        found = watch_cr3(&insn, loaded);
    }
    return found % 8 == 0 ? found : -1;
}
