/*
 * winos/accessor: which exported functions are asked, and what their code
 * tells; see accessor.h.  Reading the code is accessor-decode.c's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winos/accessor.h"

/* What an exported function is expected to be, and what it tells. */
typedef struct Accessor {
    const char *name;
    bool current;       /* about the running thread or processor, by gs */
    uint8_t width;      /* bytes that are loaded; 0: an address is returned */
    int8_t behind;      /* how far behind the field the place lies */
    WinosField field;
} Accessor;

static const Accessor accessors[] = {
    { "PsGetProcessId", false, 8, 0, WINOS_EPROCESS_UNIQUE_PROCESS_ID },
    { "PsGetProcessImageFileName", false, 0, 0,
      WINOS_EPROCESS_IMAGE_FILE_NAME },
    { "PsGetProcessInheritedFromUniqueProcessId", false, 8, 0,
      WINOS_EPROCESS_INHERITED_FROM },
    { "PsGetProcessPeb", false, 8, 0, WINOS_EPROCESS_PEB },
    { "PsGetProcessCreateTimeQuadPart", false, 8, 0,
      WINOS_EPROCESS_CREATE_TIME },
    { "PsGetThreadId", false, 8, 8, WINOS_ETHREAD_CLIENT_ID },
    { "PsGetThreadProcessId", false, 8, 0, WINOS_ETHREAD_CLIENT_ID },
    { "PsGetThreadProcess", false, 8, 0, WINOS_KTHREAD_PROCESS },
    { "PsGetThreadTeb", false, 8, 0, WINOS_KTHREAD_TEB },
    { "PsGetThreadCreateTime", false, 8, 0, WINOS_ETHREAD_CREATE_TIME },
    { "KeQueryPriorityThread", false, 1, 0, WINOS_KTHREAD_PRIORITY },
    { "PsGetCurrentProcess", true, 8, 0, WINOS_KTHREAD_APC_PROCESS },
    { "IoGetCurrentProcess", true, 8, 0, WINOS_KTHREAD_APC_PROCESS },
    { "PsGetCurrentThreadProcess", true, 8, 0, WINOS_KTHREAD_PROCESS },
    { "PsGetCurrentThreadId", true, 8, 8, WINOS_ETHREAD_CLIENT_ID },
    { "PsGetCurrentThreadProcessId", true, 8, 0, WINOS_ETHREAD_CLIENT_ID },
    { "PsGetCurrentThreadStackBase", true, 8, 0, WINOS_KTHREAD_STACK_BASE },
    { "PsGetCurrentThreadStackLimit", true, 8, 0,
      WINOS_KTHREAD_STACK_LIMIT },
    { "PsGetCurrentThreadTeb", true, 8, 0, WINOS_KTHREAD_TEB },
    { "KeGetCurrentProcessorNumberEx", true, 4, 0, WINOS_PRCB_NUMBER },
    { "PsGetCurrentThread", true, 0, 0, WINOS_N_FIELDS },
    { "KeGetCurrentThread", true, 0, 0, WINOS_N_FIELDS },
};

enum { N_ACCESSORS = sizeof(accessors) / sizeof(*accessors) };

/* What functions claim of one offset: the value, or that they differ. */
typedef struct Claim {
    int32_t value;
    bool differ;
} Claim;

typedef struct Claims {
    Claim field[WINOS_N_FIELDS];
    Claim current_thread;
    uint64_t idle_process;
    unsigned n_decoded;
} Claims;

static void accessor_claim(Claim *claim, int64_t value)
{
    if (value <= 0 || value > WINOS_MAX_OFFSET) {
        return;
    }
    if (claim->value >= 0 && claim->value != value) {
        claim->differ = true;
    }
    claim->value = (int32_t)value;
}

static void accessor_collect_process(Claims *claims, const PeImage *image,
                         const AccessorCode *code)
{
    if (code->compared > 0 && pe_contains(image, code->rip_target)) {
        accessor_claim(&claims->field[WINOS_KTHREAD_PROCESS], code->compared);
        claims->idle_process = code->rip_target;
    }
}

/* An accessor of the running thread, but for that of the processor. */
static void accessor_collect_gs(Claims *claims, const Accessor *accessor,
                    const AccessorCode *code)
{
    if (accessor->field == WINOS_PRCB_NUMBER) {
        accessor_claim(&claims->field[WINOS_KPCR_CURRENT_PRCB],
                       code->gs_displacement);
    } else {
        accessor_claim(&claims->current_thread, code->gs_displacement);
    }
}

static void accessor_collect(Claims *claims, const PeImage *image,
                          const Accessor *accessor, const AccessorCode *code)
{
    bool current = code->gs_displacement >= 0;
    bool bare = code->displacement < 0;

    if (current != accessor->current || code->width != accessor->width ||
        code->part || bare != (accessor->field == WINOS_N_FIELDS)) {
        return;
    }
    claims->n_decoded++;
    if (current) {
        accessor_collect_gs(claims, accessor, code);
    }
    if (!bare) {
        accessor_claim(&claims->field[accessor->field],
                       (int64_t)code->displacement - accessor->behind);
    }
    if (accessor->field == WINOS_EPROCESS_UNIQUE_PROCESS_ID) {
        accessor_claim(&claims->field[WINOS_EPROCESS_ACTIVE_PROCESS_LINKS],
                       (int64_t)code->displacement + 8);
    }
    if (accessor->field == WINOS_KTHREAD_PRIORITY) {
        accessor_collect_process(claims, image, code);
    }
}

static bool accessor_decode_at(const PeImage *image, uint64_t address,
                               AccessorCode *out, uint64_t *jump)
{
    uint8_t code[ACCESSOR_CODE];
    unsigned n = 0;

    if (pe_contains(image, address)) {
        n = accessor_read_code(&image->space, address, code, sizeof(code));
    }
    return accessor_decode(code, n, address, out, jump);
}

static void accessor_settle(const Claims *claims, WinosLayout *layout,
                            AccessorFacts *facts)
{
    unsigned i;

    for (i = 0; i < WINOS_N_FIELDS; i++) {
        const Claim *claim = &claims->field[i];
        WinosOffset *offset = &layout->field[i];

        offset->claims[WINOS_SOURCE_CODE] = claim->differ ? WINOS_NO_OFFSET
                                                         : claim->value;
        if (claim->differ) {
            offset->doubt = "the code of two exported functions tells "
                            "different offsets";
        }
    }
    facts->n_decoded = claims->n_decoded;
    facts->idle_process = claims->idle_process;
    facts->kpcr_current_thread = claims->current_thread.differ ? -1 :
                                 claims->current_thread.value;
    facts->kpcr_kernel_dtb = -1;
}

void accessor_claims(const PeImage *image, WinosLayout *layout,
                     AccessorFacts *facts)
{
    const char *names[N_ACCESSORS];
    uint64_t addresses[N_ACCESSORS];
    Claims claims = { .current_thread = { -1, false } };
    AccessorCode code;
    uint64_t jump;
    unsigned i;

    for (i = 0; i < WINOS_N_FIELDS; i++) {
        claims.field[i] = (Claim) { -1, false };
    }
    for (i = 0; i < N_ACCESSORS; i++) {
        names[i] = accessors[i].name;
    }
    pe_exports(image, names, N_ACCESSORS, addresses);
    for (i = 0; i < N_ACCESSORS; i++) {
        if (addresses[i] &&
            (accessor_decode_at(image, addresses[i], &code, &jump) ||
             (jump && accessor_decode_at(image, jump, &code, NULL)))) {
            accessor_collect(&claims, image, &accessors[i], &code);
        }
    }
    accessor_settle(&claims, layout, facts);
}
