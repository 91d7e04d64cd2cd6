# SPDX-License-Identifier: GPL-2.0
"""What others do to programs and interfaces while XDP forwards packets: none gets lost, and all is told."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from lib import xdp
from lib.fast_path import pulse
from lib.namespace import Failed
from lib.namespace import run
from lib.topology import SERVERS
from lib.waiting import wait_until

INTERFACES = ("wan", "lan1", "lan2")
MINE = "/sys/fs/bpf/mine"


@pytest.fixture(autouse=True)
def programs(topology, fullnat, path):
    """XDP on every interface."""
    xdp.prepare(topology)
    for interface in INTERFACES:
        xdp.attach(topology.director, interface)
    path.in_xdp = True
    yield
    xdp.clear(topology)
    assert not os.listdir(xdp.PINS)


def modes(director):
    """The fast path of each interface."""
    return {row["interface"]: row["mode"] for row in json.loads(director.adm("fastpath", "--json"))["interfaces"]}


def link_of(director, interface):
    """The number of the link by which the program is attached."""
    [here] = json.loads(director.namespace.run("ip", "-j", "link", "show", interface).stdout)
    links = json.loads(run("bpftool", "-j", "link", "show").stdout)
    [number] = [link["id"] for link in links if link.get("prog_id") == here["xdp"]["prog"]["id"]]
    return number


@contextlib.contextmanager
def ingress_takes_over(director, path, interface):
    """The body takes the program off an interface; packets that come in there go on behind the driver."""
    yield
    wait_until(lambda: modes(director)[interface] == "ingress", "the program to be off")
    path.in_xdp = False
    path.grows(interface)
    path.in_xdp = True


@pytest.mark.parametrize("interface", ["wan", "lan1"])
def test_a_program_detached_by_its_number(topology, fullnat, path, interface):
    with pulse(topology, path, lost=0):
        with ingress_takes_over(fullnat, path, interface):
            run("bpftool", "link", "detach", "id", link_of(fullnat, interface))
        xdp.attach(topology.director, interface)
        path.grows(interface)


def test_a_pin_that_is_deleted(topology, fullnat, path):
    with pulse(topology, path, lost=0):
        with ingress_takes_over(fullnat, path, "wan"):
            [pin] = Path(xdp.PINS).glob("wan-*")
            pin.unlink()
        xdp.attach(topology.director, "wan")
        path.grows("wan")


def test_a_program_that_somebody_else_has_pinned_too(topology, fullnat, path):
    with pulse(topology, path, lost=0):
        run("bpftool", "link", "pin", "id", link_of(fullnat, "wan"), MINE)
        try:
            with ingress_takes_over(fullnat, path, "wan"):
                fullnat.adm("fastpath", "set", "wan", "ingress")
        finally:
            Path(MINE).unlink()


def test_nobody_takes_its_place(topology, fullnat, path):
    number = link_of(fullnat, "wan")
    with pulse(topology, path, lost=0):
        with pytest.raises(Failed, match="exit code"), xdp.foreign(topology.director, "wan"):
            pass
        path.grows("wan")
        for mode in ("xdp", "xdpdrv", "xdpgeneric"):
            topology.director.run("ip", "link", "set", "dev", "wan", mode, "off", code=None)
        path.grows("wan")
    assert link_of(fullnat, "wan") == number


def test_an_interface_that_moves_away_and_back(topology, fullnat, path):
    other = topology.servers[1]
    with pulse(topology, path):
        topology.director.ip(f"link set lan1 netns {other.name}")
        path.grows("lan2")
        other.ip(f"link set lan1 netns {topology.director.name}")
        topology.director.ip(
            "link set lan1 up", "addr replace 192.168.229.251/32 dev lan1",
            f"route replace {SERVERS[0]} dev lan1 src 192.168.229.251",
        )
        xdp.attach(topology.director, "lan1")
        path.grows("lan1")
