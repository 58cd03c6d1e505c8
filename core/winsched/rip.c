/*
 * winsched/rip: see rip.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "winsched/rip.h"

#include "winos/extra.h"

#include <string.h>

void winsched_rip_view(WinschedRipView *view, const WinosResult *result)
{
    const WinosExtra *extra = winos_extra_of(result);

    view->space = result->kernel.space;
    view->prcb_at = result->prcb_at;
    view->prcb_is_pointer = result->prcb_is_pointer;
    view->current_thread = winos_offset(&result->layout,
                                        WINOS_PRCB_CURRENT_THREAD);
    view->dpc_active = extra ? extra->at[WINOS_PRCB_DPC_ROUTINE_ACTIVE]
                             : WINOS_NO_OFFSET;
}

/*
 * The PRCB by GS, which is the KPCR but around swapgs; whether it is, the
 * place of CurrentThread tells, which is known.
 */
static bool rip_prcb(const WinschedRipView *view, uint64_t gs_base,
                     uint64_t gpa, uint64_t *prcb)
{
    uint64_t found;

    if (view->prcb_at < 0 || view->current_thread < 0) {
        return false;
    }
    *prcb = gs_base + (uint64_t)view->prcb_at;
    return (!view->prcb_is_pointer ||
            gmem_read_u64(&view->space, *prcb, prcb)) &&
           gmem_translate(&view->space, *prcb + (uint64_t)view->current_thread,
                          &found, NULL, NULL) && found == gpa;
}

void winsched_rip_dpc(WinschedRip *sample, const WinschedRipView *view,
                      uint64_t gs_base, uint64_t gpa)
{
    uint8_t active = 0;
    uint64_t prcb;

    if (view->dpc_active < 0) {
        return;
    }
    if (sample->code.cpl == 0 &&
        (!rip_prcb(view, gs_base, gpa, &prcb) ||
         !gmem_read_u8(&view->space, prcb + (uint64_t)view->dpc_active,
                       &active))) {
        return;
    }
    sample->has |= WINSCHED_RIP_DPC_KNOWN;
    if (active == 1) {
        sample->has |= WINSCHED_RIP_DPC;
    }
}

/* Mostly it is who it was; then only that is read. */
static bool rip_know_thread(WinschedThread *who, const Winsched *ws,
                            uint64_t thread)
{
    WinschedWindow window;

    winsched_window_init(&window, &ws->space);
    if (who->thread == thread &&
        winsched_thread_unchanged(&window, &ws->layout, who)) {
        return true;
    }
    who->thread = 0;
    return winsched_thread_read(&ws->space, &ws->layout, thread, who);
}

void winsched_rip_thread(WinschedRip *sample, WinschedThread *who,
                         const Winsched *ws, uint64_t thread, bool idle)
{
    sample->thread = thread;
    sample->has |= WINSCHED_RIP_THREAD | (idle ? WINSCHED_RIP_IDLE : 0);
    if (!rip_know_thread(who, ws, thread)) {
        return;
    }
    if (who->has & WINSCHED_HAS_IDS) {
        sample->has |= WINSCHED_RIP_IDS;
        sample->pid = who->pid;
        sample->tid = who->tid;
    }
    if (who->has & WINSCHED_HAS_IMAGE) {
        sample->has |= WINSCHED_RIP_IMAGE;
        memcpy(sample->image, who->image, sizeof(sample->image));
    }
    if (who->has & WINSCHED_HAS_NAME) {
        sample->has |= WINSCHED_RIP_NAME;
        memcpy(sample->name, who->name, sizeof(sample->name));
    }
}
