# SPDX-License-Identifier: GPL-2.0
#
# The door to everything; what is done is in the scripts that it calls. Only Kbuild reads the file Kbuild.

# Kbuild, too, looks for a Makefile in this folder; it must find the Kbuild.
ifneq ($(KERNELRELEASE),)
include $(src)/Kbuild
else

O ?= $(CURDIR)/build
export O

modules:
	@scripts/build-modules modules

user:
	@scripts/build-user

kdir:
	@scripts/setup kdir

.PHONY: modules user kdir
endif
