# The front door: every target calls one script, and each script's head says
# what it does.  Meson builds core and tools (meson.build), QEMU's own meson
# builds QEMU; make only forwards, so there is nothing to configure here.
#
# SPDX-License-Identifier: GPL-2.0-or-later

# QEMU_VERSION, QEMU_SRC, QEMU_CONFIGURE, DEBIAN_MIRROR, JOBS, PREFIX, DESTDIR:
# environment or command line, both reach the scripts.
export QEMU_VERSION QEMU_SRC QEMU_CONFIGURE DEBIAN_MIRROR DEBIAN_SECURITY_MIRROR JOBS
export PREFIX DESTDIR FUZZ_SECONDS

SETUP := scripts/setup

.PHONY: all qemu tools guest demo check check-setup check-unit check-cli check-docs \
	check-vm check-guest check-sched check-exact check-vmscope check-full \
	check-asan check-qemu check-versions check-libvirt check-mutants \
	check-hardware check-bare check-stock \
	bench docs fuzz deb install clean distclean help

all: qemu tools guest

qemu:
	@$(SETUP)/qemu --main

tools:
	@$(SETUP)/tools

guest:
	@$(SETUP)/guest

# first what needs no QEMU of ours, then the rest
demo: tools guest
	@scripts/demo/stock
	@$(SETUP)/qemu --main
	@scripts/demo/run

check:
	@$(SETUP)/check

check-setup check-unit check-cli check-docs check-vm check-guest check-sched \
check-exact check-vmscope check-full check-asan check-qemu check-versions \
check-libvirt check-mutants:
	@$(SETUP)/check $(@:check-%=%)

check-hardware:
	@scripts/hardware/run

deb:
	@$(SETUP)/deb

# BARE="trixie demo": one Debian, one target; both with demo and check without
check-bare:
	@$(SETUP)/check-bare $(BARE)

# STOCK="sid -- --only rows/": one Debian, and which guests
check-stock:
	@$(SETUP)/check-stock $(STOCK)

bench:
	@$(SETUP)/bench

docs:
	@$(SETUP)/docs

fuzz:
	@$(SETUP)/fuzz

install: qemu tools
	@$(SETUP)/install

clean:
	@$(SETUP)/clean

distclean:
	@$(SETUP)/clean --all

help:
	@$(SETUP)/help
