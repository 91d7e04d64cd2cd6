# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the build scripts share: where things are, how steps are shown, how cache entries are made.
# Source it first; it turns on strict mode.

set -euo pipefail
umask 022

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rsipvs
O=${O:-$top/build}
case $O in /*) ;; *) O=$top/$O ;; esac
# shellcheck disable=SC2034 # Used by the scripts that source this file.
jobs=$(nproc)

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

need_root() {
	[ "$(id -u)" = 0 ] || die "must run as root: it makes a Debian 13 tree with mmdebstrap and enters it by chroot"
}

# step TEXT COMMAND...: run COMMAND with its output in a log file and show one line with the seconds it took.
# On a terminal the seconds count while it runs; elsewhere a line says what has begun. A failure shows the log's tail.
step() {
	local text=$1 log ticker='' start=$SECONDS status=0
	shift
	log=$cache/log/${text//[^A-Za-z0-9.+]/-}.log
	mkdir -p "$cache/log"
	if [ -t 2 ]; then
		while :; do printf '\r%5d s  %s ... ' $((SECONDS - start)) "$text" >&2; sleep 1; done &
		ticker=$!
	else
		say "         $text ..."
	fi
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ -n "$ticker" ]; then
		kill "$ticker" 2>/dev/null || true
		wait "$ticker" 2>/dev/null || true
		printf '\r\033[K' >&2
	fi
	if [ "$status" != 0 ]; then
		say "$(printf '%5d s  %s: FAILED, the last lines of %s:' $((SECONDS - start)) "$text" "$log")"
		tail -n 30 "$log" >&2
		return "$status"
	fi
	say "$(printf '%5d s  %s' $((SECONDS - start)) "$text")"
}

# cached DIR TEXT COMMAND...: make the cache entry DIR once, by "COMMAND... DIR" in an empty directory.
# An entry is valid only with its .complete mark, so whatever an interrupted run left is made anew.
cached() {
	local dir=$1 text=$2 lock
	shift 2
	[ -e "$dir/.complete" ] && return
	lock=$cache/lock/$(basename "$(dirname "$dir")")-$(basename "$dir")
	mkdir -p "$cache/lock"
	exec {lock_fd}>"$lock"
	flock -n "$lock_fd" || { say "         waiting for another run to make: $text"; flock "$lock_fd"; }
	if [ ! -e "$dir/.complete" ]; then
		rm -rf "$dir"
		mkdir -p "$dir"
		step "$text" "$@" "$dir"
		touch "$dir/.complete"
	fi
	exec {lock_fd}>&-
}

# together COMMAND...: run the commands (one word each) at the same time; fail if one fails, stop all on a signal.
together() {
	local pids=() pid status=0 command
	# Job control gives each command a process group of its own: it can be stopped with all its children.
	set -m
	for command; do
		"$command" </dev/null &
		pids+=($!)
	done
	set +m
	# shellcheck disable=SC2064 # The process ids are those of now.
	trap "kill -TERM $(printf -- '-%s ' "${pids[@]}") 2>/dev/null; exit 130" INT TERM
	for pid in "${pids[@]}"; do
		wait "$pid" || status=$?
	done
	trap - INT TERM
	return "$status"
}

# The words of a package or module list: one or more on a line, comments after #.
list() { sed 's/#.*//' "$1" | xargs -n 1; }

# A short name for what the contents of the given files make.
digest() { cat "$@" | sha256sum | cut -c 1-12; }

buildenv_root() { echo "$cache/buildenv/$(digest "$top/scripts/buildenv.packages" "$top/scripts/make-buildenv")"; }
rootfs_dir() { echo "$cache/rootfs/$(digest "$top/vm/rootfs.packages" "$top/vm/make-rootfs")"; }

# The kernel in use: as asked for with KERNEL=, else as recorded at set-up.
kernel_version() {
	if [ -n "${KERNEL:-}" ] && [ "$KERNEL" != newest ]; then
		echo "$KERNEL"
	elif [ -r "$cache/kernel/default" ]; then
		cat "$cache/kernel/default"
	fi
}
kernel_dir() { echo "$cache/kernel/$1"; }
vmkernel_dir() { echo "$cache/vmkernel/$1-$(digest "$top"/vm/make-kernel "$top"/vm/kernel.modules "$top"/vm/initramfs)"; }

# debian_sources SUITE...: sources.list lines for the suites, from the archive that this host's own apt uses.
debian_sources() {
	local codename uri trusted suite
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # These are apt's variables.
	read -r uri trusted < <(apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI) $(TRUSTED)' |
		awk -v codename="$codename" '$1 == "Packages" && $2 == "main" && $4 !~ /security/ {
			if ($3 == codename) { print $4, $5; exit } else if (!other) other = $4 " " $5 }
			END { if (other) print other }') || die "apt on this host has no Debian archive configured"
	for suite; do
		echo "deb ${trusted:+[trusted=$trusted] }$uri $suite main"
	done
}

# apt's network settings on this host (proxies, certificates, time checks), as apt.conf lines.
apt_network_settings() { apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv)' || true; }

# debootstrap DIR PACKAGES-FILE SUITE... [-- OPTION...]: make a Debian tree; its mounts vanish with the process.
debootstrap() {
	local dir=$1 packages=$2 suites=() settings
	shift 2
	while [ $# -gt 0 ] && [ "$1" != -- ]; do suites+=("$1"); shift; done
	[ $# -gt 0 ] && shift
	settings=$(mktemp)
	apt_network_settings >"$settings"
	debian_sources "${suites[@]}" |
		unshare --mount --propagation private -- mmdebstrap --mode=root --aptopt="$settings" \
			--aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "5"' \
			--dpkgopt='force-unsafe-io' \
			--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
			--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/info/*' \
			--include="$(list "$packages" | paste -sd,)" "$@" "${suites[0]}" "$dir" -
	rm -f "$settings"
}
