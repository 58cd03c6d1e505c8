/*
 * why-spin: which driver the vCPUs were in most, by samples of what they
 * execute.
 *
 * There are such samples only where the trace was turned on with rip-hz; a
 * QEMU without them is no error.  The idle thread's own time is left out: its
 * loop lies in a driver for the processor's power on many a Windows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "why/spin.h"

#include <stdio.h>
#include <string.h>

/* Fewer samples of each vCPU say nothing. */
enum { ENOUGH = 50 };

void why_spin_begin(WhySpin *spin, Qmp *qmp)
{
    ProfileFigures figures;
    Err ignored;

    memset(spin, 0, sizeof(*spin));
    spin->tallies[WHY_SPIN_EXPORTS].by = TALLY_EXPORT;
    spin->tallies[WHY_SPIN_MODULES].by = TALLY_MODULE;
    if (!qmp_is_attached(qmp) && profile_figures(qmp, &figures, &ignored) &&
        figures.rip_hz) {
        spin->qmp = qmp;
        spin->tallies[WHY_SPIN_EXPORTS].last_seq = figures.recorded;
        spin->tallies[WHY_SPIN_MODULES].last_seq = figures.recorded;
    }
}

void why_spin_look(WhySpin *spin)
{
    ProfileFigures figures;
    Err ignored;

    if (spin->qmp && !profile_fetch(spin->qmp, spin->tallies,
                                    WHY_SPIN_TALLIES, &figures, &ignored)) {
        spin->qmp = NULL;
    }
}

/* The kernel runs for everybody; and names in parentheses are no module's. */
static bool is_driver(const TallyRow *row)
{
    return !row->idle && row->user < row->samples && *row->name != '(' &&
           strcmp(row->name, "ntoskrnl.exe") && strcmp(row->name, "hal.dll");
}

static void find_export(const Tally *exports, WhyEvidence *evidence)
{
    size_t length = strlen(evidence->spin_driver);
    size_t i;

    for (i = 0; i < exports->n_rows; i++) {
        const char *name = exports->rows[i].name;

        if (!strncmp(name, evidence->spin_driver, length) &&
            name[length] == '!') {
            snprintf(evidence->spin_export, sizeof(evidence->spin_export),
                     "%.*s", WHY_WHO - 1, name + length + 1);
            return;
        }
    }
}

void why_spin_settle(WhySpin *spin, WhyEvidence *evidence)
{
    const Tally *modules = &spin->tallies[WHY_SPIN_MODULES];
    size_t i;

    if (!spin->qmp || !modules->n_vcpus ||
        modules->samples < (uint64_t)ENOUGH * modules->n_vcpus) {
        return;
    }
    tally_sort(&spin->tallies[WHY_SPIN_MODULES]);
    tally_sort(&spin->tallies[WHY_SPIN_EXPORTS]);
    for (i = 0; i < modules->n_rows; i++) {
        const TallyRow *row = &modules->rows[i];

        if (is_driver(row)) {
            snprintf(evidence->spin_driver, sizeof(evidence->spin_driver),
                     "%.*s", WHY_WHO - 1, row->name);
            evidence->spin_vcpus = (double)row->samples * modules->n_vcpus /
                                   (double)modules->samples;
            evidence->spin_raised = (double)row->raised /
                                    (double)row->samples;
            find_export(&spin->tallies[WHY_SPIN_EXPORTS], evidence);
            return;
        }
    }
}

void why_spin_end(WhySpin *spin)
{
    tally_release(&spin->tallies[WHY_SPIN_EXPORTS]);
    tally_release(&spin->tallies[WHY_SPIN_MODULES]);
}
