/*
 * doctor-stage: no Windows kernel is known: how far has the machine come?
 *
 * "It hangs at boot" has other causes in the firmware than in a kernel.  Where
 * the vCPUs are is asked of the human monitor, which any QEMU has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "doctor/doctor.h"

#include "common/translate.h"
#include "source/attach/registers.h"
#include "source/qmp-wait.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_VCPUS = 64, LOOKS = 5 };

static const uint64_t look_ns = 100000000;

/* What was seen of the machine; the first vCPU boots it. */
typedef struct StageLook {
    AttachCode codes[MAX_VCPUS];
    unsigned n;
} StageLook;

static bool look(Doctor *doctor, StageLook *found)
{
    Err err;
    json_t *arguments = json_object();
    json_t *answer;

    qmp_set(arguments, "command-line", json_string("info registers -a"));
    answer = qmp_command(doctor->qmp, "human-monitor-command", arguments,
                         &err);
    found->n = json_is_string(answer)
        ? attach_codes_parse(json_string_value(answer), found->codes,
                             MAX_VCPUS) : 0;
    json_decref(answer);
    return found->n > 0;
}

/* That vCPU tells most that has come farthest; halted ones tell little. */
static const AttachCode *farthest(const StageLook *found)
{
    const AttachCode *best = &found->codes[0];
    unsigned i;

    for (i = 1; i < found->n; i++) {
        const AttachCode *code = &found->codes[i];

        if (winos_stage(&code->code) >= WINOS_STAGE_KERNEL &&
            winos_stage(&code->code) > winos_stage(&best->code)) {
            best = code;
        }
    }
    return best;
}

static const char *mode_name(const WinosCode *code)
{
    return code->long_mode ? _("64-bit mode")
           : !code->protected_mode ? _("real mode")
           : code->paging ? _("32-bit mode with paging")
           : _("32-bit mode without paging");
}

static const char *advice(WinosStage stage)
{
    static const char *const words[WINOS_N_STAGES] = {
        [WINOS_STAGE_FIRMWARE] = N_("If it stays there, nothing bootable was "
                                    "found: check the disks and their boot "
                                    "order."),
        [WINOS_STAGE_LOADER] = N_("If it stays there, see the guest's screen: "
                                  "the boot loader waits or has failed."),
        [WINOS_STAGE_FIRMWARE_OR_LOADER] =
            N_("If it stays there, see the guest's screen: either nothing "
               "bootable was found, or the boot loader waits."),
        [WINOS_STAGE_KERNEL] = N_("A Windows that has just begun to start, or "
                                  "another operating system: try a longer "
                                  "--wait."),
        [WINOS_STAGE_KERNEL_32] = N_("Only 64-bit Windows is traced."),
        [WINOS_STAGE_USER] = N_("An operating system runs, and no 64-bit "
                                "Windows was seen in it."),
    };

    return words[stage];
}

void doctor_check_stage(Doctor *doctor)
{
    static StageLook found;
    const AttachCode *code;
    uint64_t first = 0;
    unsigned same = 0;
    WinosStage stage;
    unsigned i;

    for (i = 0; i < LOOKS; i++) {
        if (!look(doctor, &found)) {
            return;
        }
        code = farthest(&found);
        first = i ? first : code->code.address;
        same += code->code.address == first;
        if (i < LOOKS - 1 && !wait_until(wait_now_ns() + look_ns)) {
            return;
        }
    }
    stage = winos_stage(&code->code);
    findings_add(&doctor->findings, GRADE_NOTE, "boot", advice(stage),
                 _("vCPU %u executes %s, at 0x%" PRIx64 " in %s%s"),
                 code->vcpu,
                 winos_stage_name(stage), code->code.address,
                 mode_name(&code->code),
                 code->halted ? _(", and is halted")
                 : same == LOOKS ? _(", and does not move") : "");
}
