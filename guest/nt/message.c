/*
 * Messages of a device, for whoever asks which driver serves them: with
 * messages=on, QEMU's "edu" device sends one after the other to vectors of
 * drivers and to every CPU in turn.  It begins when a reader of the ground
 * truth says how many, and the next one is sent once the last has come.
 *
 * Source: QEMU docs/specs/edu; PCI Local Bus 3.0, 6.8 "MSI"; Intel SDM vol.
 * 3A, 11.11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "nt.h"

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc, EDU_ID = 0x11e81234,
       PCI_ID = 0, PCI_COMMAND = 4, PCI_BAR = 0x10, PCI_CAPABILITIES = 0x34,
       PCI_MEMORY_AND_MASTER = 6, CAPABILITY_MSI = 5, MSI_ENABLE = 0x10000,
       EDU_RAISE = 0x60, EDU_ACKNOWLEDGE = 0x64 };

/* Of interrupt.c's lines: such that drivers have on every CPU. */
static const uint8_t vectors[] = { 0x63, 0x71, 0x72, 0x91 };
enum { VECTORS = sizeof(vectors) };

static uint32_t edu, msi;       /* where in PCI's configuration */
static volatile uint64_t sent, taken;

static uint32_t pci_read(uint32_t at)
{
    outl(CONFIG_ADDRESS, at);
    return inl(CONFIG_DATA);
}

static void pci_write(uint32_t at, uint32_t value)
{
    outl(CONFIG_ADDRESS, at);
    outl(CONFIG_DATA, value);
}

static uint32_t find_edu(void)
{
    for (uint32_t slot = 0; slot < 32; slot++) {
        uint32_t at = 0x80000000 | slot << 11;

        if (pci_read(at + PCI_ID) == EDU_ID) {
            return at;
        }
    }
    fail(EXIT_CONFIG, "messages=on needs the device edu");
}

static uint32_t find_msi(void)
{
    uint32_t next = pci_read(edu + PCI_CAPABILITIES) & 0xfc;

    for (uint32_t i = 0; next && i < 48; i++) {
        uint32_t word = pci_read(edu + next);

        if ((word & 0xff) == CAPABILITY_MSI) {
            return edu + next;
        }
        next = word >> 8 & 0xfc;
    }
    fail(EXIT_CONFIG, "edu has no messages");
}

void messages_build(Process *system)
{
    if (!config.messages) {
        return;
    }
    if (!interrupts_on() || !more_has(MORE_KPRCB_INTERRUPT_OBJECT)) {
        fail(EXIT_CONFIG, "messages need interrupts=on and a build whose "
             "interrupt objects are in an array");
    }
    edu = find_edu();
    msi = find_msi();
    pci_write(edu + PCI_BAR, EDU_PHYS);
    pci_write(edu + PCI_COMMAND, PCI_MEMORY_AND_MASTER);
    thread_create(system, KIND_MESSENGER, 12);
}

/* Interrupts are off. */
static void send(void)
{
    uint32_t vector = vectors[sent % VECTORS];
    uint32_t cpu = sent / VECTORS % cpu_count;
    uint64_t before;

    pci_write(msi + 4, 0xfee00000 | cpu << 12);
    pci_write(msi + 8, 0);
    pci_write(msi + 0xc, vector);
    pci_write(msi, (pci_read(msi) & 0xffff) | MSI_ENABLE);
    truth_message_begin(sent++, vector, cpu);
    before = rdtsc();
    put32(edu_va + EDU_RAISE, 1);
    truth_message_sent(sent - 1, before, rdtsc());
    put32(edu_va + EDU_ACKNOWLEDGE, 1);
}

bool message_take(uint32_t vector)
{
    if (!config.messages || sent == taken
        || vector != vectors[taken % VECTORS]
        || this_cpu()->index != taken / VECTORS % cpu_count) {
        return false;
    }
    truth_message_taken(taken, rdtsc());
    taken++;
    return true;
}

void messenger(void)
{
    for (;;) {
        sleep(WR_DELAY, 1);
        if (sent == taken && sent < truth_messages_wanted()) {
            send();
        }
        irq_on();
    }
}
