# SPDX-License-Identifier: GPL-2.0
"""rsipvsadm capture: what XDP forwards, in files that others read; and nothing is left of it."""

import json
import os
import pty

import pytest

from lib import xdp
from lib.namespace import run
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import VIP


@pytest.fixture(autouse=True, name="with_xdp")
def fixture_with_xdp(topology, fullnat):
    """XDP where packets of clients come in."""
    xdp.prepare(topology)
    xdp.attach(topology.director, "wan")
    yield
    xdp.detach(topology.director, "wan")


def bulk(topology):
    """Have something go through."""
    moved = topology.client.run("traffic", "bulk", f"{VIP}:80", "--up", 300_000, "--down", 300_000).stdout
    assert json.loads(moved)["ok"]


def tracers():
    """Programs that watch others."""
    return [line for line in run("bpftool", "prog", "show").stdout.splitlines() if " tracing " in line]


def test_tcpdump_reads_the_file(topology, tmp_path):
    path = tmp_path / "some.pcap"
    program = topology.director.start("rsipvsadm", "capture", "wan", "-c", 20, "-w", path, "tcp", "host", CLIENT)
    assert program.process.stderr.readline() == "rsipvsadm: capturing what XDP forwards on wan\n"
    # Of one transfer, few packets may be left for XDP: those that carry the client's address, or options, are not.
    while program.process.poll() is None:
        bulk(topology)
    program.finish()
    lines = run("tcpdump", "-n", "-r", path).stdout.splitlines()
    assert len(lines) == 40
    for came, left in zip(lines[::2], lines[1::2], strict=True):
        assert f"IP {CLIENT}." in came and f"> {VIP}.80: " in came
        assert f"IP {LOCAL}." in left
        assert came.split()[0] == left.split()[0], "the same moment"
        # Flags, numbers and lengths stay; addresses do not.
        assert came.partition("Flags")[2] == left.partition("Flags")[2]


def test_what_is_not_wanted_is_not_shown(topology):
    with xdp.capture(topology.director, "wan", "udp") as others, \
            xdp.capture(topology.director, "wan", "tcp", "port", 80, "host", LOCAL) as wanted:
        bulk(topology)
        came, left = wanted.packet()
        assert (came.source, left.source) == (CLIENT, LOCAL), "the filter is for either"
        others.process.terminate()
        assert others.process.stdout.read() == b""


def test_it_is_over_when_xdp_is(topology):
    with xdp.capture(topology.director, "wan") as running:
        assert len(tracers()) == 2
        xdp.detach(topology.director, "wan")
        assert running.process.wait() == 1
        assert running.process.stderr.read().decode() == \
            "rsipvsadm: wan: FullNAT's XDP program is not attached, tcpdump shows all packets; " \
            "rsipvsadm fastpath set wan xdp attaches it\n"
    assert not tracers()
    xdp.attach(topology.director, "wan")


def test_nothing_is_left_of_one_that_is_killed(topology):
    with xdp.capture(topology.director, "wan") as running:
        running.process.kill()
        running.process.wait()
    assert not tracers()
    bulk(topology)


@pytest.mark.parametrize("words, code, said", [
    (("lan1",), 1, "lan1: FullNAT's XDP program is not attached, tcpdump shows all packets; "
                   "rsipvsadm fastpath set lan1 xdp attaches it"),
    (("nope",), 1, "nope: there is no such interface here; ip link lists those there are"),
    (("wan", "net", "10"), 2, "FILTER: net: not a word of a filter; those are ip, ip6, tcp, udp, sctp, host ADDRESS "
                              "and port NUMBER, joined by and"),
    (("wan", "-w", "/proc/nope/x"), 1, "/proc/nope/x: No such file or directory (os error 2)"),
])
def test_what_cannot_be_is_refused_in_a_line(topology, words, code, said):
    done = topology.director.run("rsipvsadm", "capture", *words, code=code)
    assert (done.stdout, done.stderr) == ("", f"rsipvsadm: {said}\n")


def test_a_terminal_gets_no_bytes(topology):
    ours, theirs = pty.openpty()
    try:
        with topology.director.entered():
            pid = os.posix_spawn("/usr/bin/env", ["env", "rsipvsadm", "capture", "wan"], os.environ,
                                 file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 1), (os.POSIX_SPAWN_DUP2, theirs, 2)])
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
        assert b"standard output is a terminal; write to a file (-w FILE)" in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
