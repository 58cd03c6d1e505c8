/*
 * Windows scheduler trace: what vCPUs executed, by module and export
 *
 * Samples have addresses only; which module and export they are of is found
 * when they are asked for.  Queries run out-of-band too: they take no lock of
 * QEMU's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vmscope.h"
#include "vmscope/compat.h"
#include "reply.h"
#include "sched-rip.h"
#include "sched-trace.h"

/*
 * Of a sample as JSON, all but what the guest names it by; and those names,
 * which are known only later.
 */
#define SAMPLE_BYTES (700 + 6 * (PE_NAME_MAX + WINOS_MODULE_NAME))

typedef struct Profile {
    const WatchlogRips *rips;
    RecorderPage page;
    GArray *samples;            /* WinschedRip */
    WinosModule *modules;
    unsigned n_modules;
    PePlace *places;            /* of those in the kernel, sorted */
    unsigned n_places;
} Profile;

static EvringRead profile_read(void *opaque, uint64_t seq)
{
    Profile *profile = opaque;
    WinschedRip sample;
    EvringRead result = watchlog_rips_read(profile->rips, seq, &sample);

    if (result == EVRING_OK &&
        recorder_page_add(&profile->page, SAMPLE_BYTES +
                          vmscope_reply_string(sample.image) +
                          vmscope_reply_string(sample.name))) {
        g_array_append_val(profile->samples, sample);
    }
    return result;
}

static bool profile_in_kernel(const WinschedRip *sample)
{
    return (sample->has & WINSCHED_RIP_KERNEL) && sample->code.cpl == 0;
}

/* Some ten thousand reads of guest memory at most, and export tables. */
static void profile_find_places(Profile *profile, const WinosResult *result,
                                WindowsProfile *to)
{
    WinosListEnd end;
    guint i;

    profile->places = g_new0(PePlace, profile->samples->len);
    for (i = 0; i < profile->samples->len; i++) {
        const WinschedRip *sample = &g_array_index(profile->samples,
                                                   WinschedRip, i);

        if (profile_in_kernel(sample)) {
            profile->places[profile->n_places++].gva = sample->code.address;
        }
    }
    if (!profile->n_places) {
        return;
    }
    qsort(profile->places, profile->n_places, sizeof(PePlace),
          winos_place_order);
    profile->modules = g_new(WinosModule, WINOS_MAX_MODULES);
    RCU_READ_LOCK_GUARD();
    end = winos_modules_read(&result->kernel.space,
                             winos_modules_head(result), profile->modules,
                             WINOS_MAX_MODULES, &profile->n_modules);
    winos_places_find(&result->kernel.space, profile->modules,
                      profile->n_modules, profile->places,
                      profile->n_places);
    QAPI_SET_PTR(to, reason, sched_list_reason("drivers", end));
}

static void profile_fill_place(WindowsProfileSample *to,
                               const Profile *profile,
                               const WinschedRip *sample)
{
    PePlace wanted = { .gva = sample->code.address };
    const PePlace *place = NULL;
    const WinosModule *module;

    if (profile->n_places && profile_in_kernel(sample)) {
        place = bsearch(&wanted, profile->places, profile->n_places,
                        sizeof(wanted), winos_place_order);
    }
    if (!place || place->owner == WINOS_PLACE_NO_MODULE) {
        return;
    }
    module = &profile->modules[place->owner];
    QAPI_SET_PTR(to, module, g_strdup(module->name));
    to->has_module_offset = true;
    to->module_offset = place->gva - module->base;
    if (place->export) {
        QAPI_SET_PTR(to, export, vmscope_reply_utf8(place->name));
        to->has_export_offset = true;
        to->export_offset = place->gva - place->export;
    }
}

static void profile_fill_thread(WindowsProfileSample *to,
                                const WinschedRip *sample)
{
    unsigned has = sample->has;

    to->has_thread_pointer = has & WINSCHED_RIP_THREAD;
    to->thread_pointer = sample->thread;
    to->has_idle = to->idle = has & WINSCHED_RIP_IDLE;
    to->has_dpc = has & WINSCHED_RIP_DPC_KNOWN;
    to->dpc = has & WINSCHED_RIP_DPC;
    vmscope_reply_thread_name(qapi_WindowsProfileSample_base(to),
                              has & WINSCHED_RIP_IDS, sample->pid, sample->tid,
                              has & WINSCHED_RIP_IMAGE ? sample->image : NULL,
                              has & WINSCHED_RIP_NAME ? sample->name : NULL);
}

static WindowsProfileSample *profile_sample(const Profile *profile,
                                            const WinschedRip *sample)
{
    WindowsProfileSample *to = g_new0(WindowsProfileSample, 1);

    QEMU_BUILD_BUG_ON((int)WINDOWS_PROFILE_STAGE__MAX !=
                      (int)WINOS_N_STAGES);
    to->seq = sample->seq;
    to->timestamp_ns = sample->time_ns;
    to->vcpu = sample->vcpu;
    to->rip = sample->code.address;
    to->cpl = sample->code.cpl;
    to->irql = sample->irql;
    to->has_stage = !(sample->has & WINSCHED_RIP_KERNEL);
    to->stage = (WindowsProfileStage)winos_stage(&sample->code);
    profile_fill_thread(to, sample);
    profile_fill_place(to, profile, sample);
    return to;
}

static void profile_fill(WindowsProfile *to, Profile *profile,
                         SchedSession *session)
{
    g_autofree WatchStatus *findings = g_new(WatchStatus, 1);
    guint i = profile->samples->len;

    WITH_RCU_READ_LOCK_GUARD() {
        watch_status(session->watch, findings);
    }
    if (findings->found) {
        profile_find_places(profile, &findings->result, to);
    }
    while (i--) {
        QAPI_LIST_PREPEND(to->samples,
                          profile_sample(profile, &g_array_index(
                              profile->samples, WinschedRip, i)));
    }
    g_free(profile->places);
    g_free(profile->modules);
}

/* By number: those of one vCPU are by time, too. */
static int profile_order(gconstpointer a, gconstpointer b)
{
    const WinschedRip *x = a;
    const WinschedRip *y = b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static bool profile_of_session(WindowsProfile *to, Profile *profile,
                               SchedSession *session,
                               const WindowsProfileQuery *args, Error **errp)
{
    const Evring *ring = watchlog_rips_ring(sched_rip_samples(session->rip));
    bool ok;

    profile->rips = sched_rip_samples(session->rip);
    profile->samples = g_array_new(false, false, sizeof(WinschedRip));
    to->rip_hz = sched_rip_hz(session->rip);
    to->recorded = evring_head(ring);
    to->overwritten = evring_oldest(ring) - 1;
    to->skipped = sched_rip_skipped(session->rip) + evring_dropped(ring);
    to->cost_ns = sched_rip_cost_ns(session->rip);
    ok = vmscope_reply_fill(&profile->page, ring, "samples", args->has_after,
                            args->after, profile_read, profile, errp);
    if (ok) {
        g_array_sort(profile->samples, profile_order);
        profile_fill(to, profile, session);
    }
    g_array_unref(profile->samples);
    return ok;
}

WindowsProfile *qmp_query_windows_profile(WindowsProfileQuery *args,
                                          Error **errp)
{
    WindowsProfile *to;
    SchedSession *session;
    Profile profile = {};

    if (!vmscope_reply_begin(&profile.page, args->has_max_entries,
                             args->max_entries, errp)) {
        return NULL;
    }
    to = g_new0(WindowsProfile, 1);
    session = sched_trace_get();
    if (session && session->rip &&
        !profile_of_session(to, &profile, session, args, errp)) {
        qapi_free_WindowsProfile(to);
        to = NULL;
    }
    if (session) {
        sched_trace_put(session);
    }
    return to;
}
