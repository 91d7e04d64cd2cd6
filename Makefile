# SPDX-License-Identifier: GPL-2.0
#
# The door to everything. There is no logic here: what is done is in the scripts that are called.

export O KDIR KERNEL KVM PREFIX DESTDIR

help:
	@cat scripts/help

modules: ; @scripts/build-modules modules
user: ; @scripts/build-user
nginx: ; @scripts/build-nginx
kdir: ; @scripts/setup kdir && scripts/kdir-path
setup: ; @scripts/setup all
rootfs: ; @scripts/setup rootfs

demo: ; @scripts/build-all && vm/run -- tests/demo
test: ; @scripts/test
test-host: ; @scripts/test-host
test-nics: ; @scripts/build-all && vm/run --cluster -- tests/run nics
bench: ; @scripts/build-all && scripts/bench
check: ; @scripts/check

install: ; @scripts/install
install-nginx: ; @scripts/install-nginx
uninstall: ; @scripts/install --uninstall && scripts/install-nginx --uninstall
clean: ; @scripts/clean
distclean: ; @scripts/clean
distclean-cache: ; @scripts/clean --cache

.PHONY: help modules user nginx kdir setup rootfs demo test test-host test-nics bench check install install-nginx uninstall clean distclean distclean-cache
