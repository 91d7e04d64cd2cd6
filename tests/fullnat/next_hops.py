# SPDX-License-Identifier: GPL-2.0
"""Routes, neighbours and interfaces that change or go away while connections use them."""

import pytest

from lib.director import Director
from lib.topology import SERVERS
from lib.topology import VIP
from lib.topology import Topology
from lib.traffic import all_ok

HELD = 4


@pytest.fixture(name="here")
def fixture_here(fullnat):
    """Two servers behind links of their own, which a test may take away."""
    del fullnat  # Has the modules loaded.
    here = Topology()
    here.serve()
    Director(here.director).fullnat("-t", 80)
    yield here
    here.delete()


@pytest.fixture(name="held")
def fixture_held(here):
    """Connections that every packet of the test belongs to."""
    held = here.client.start("traffic", "connect", f"{VIP}:80", "-n", HELD, "--hold")
    all_ok(held.read_line(), HELD)
    return held


def all_answer(held):
    held.say("again")
    all_ok(held.read_line(), HELD)


def sent(director, interface):
    return int(director.read("/proc/net/dev").split(f"{interface}:")[1].split()[8])


def move_server(here):
    """Give the first server another link, and its address to that one."""
    director, server = here.director, here.servers[0]
    director.run("ip", "link", "add", "lan3", "type", "veth", "peer", "name", "eth1", "netns", server.name)
    director.ip(
        "addr add 192.168.229.253/32 dev lan3", "link set lan3 up",
        f"route replace {SERVERS[0]} dev lan3 src 192.168.229.253",
    )
    if "eth0" in server.ip("link show"):
        server.ip("addr flush dev eth0")
    server.ip("link set eth1 up", f"addr add {SERVERS[0]}/24 dev eth1")


def test_an_interface_with_connections_is_deleted_at_once(here, held):
    # While somebody refers to the interface, the command waits, and says so after ten seconds.
    here.director.run("ip", "link", "delete", "lan1", timeout=5)
    move_server(here)
    all_answer(held)


def test_an_interface_with_connections_leaves_the_namespace_at_once(here, held):
    here.director.run("ip", "link", "set", "lan1", "netns", here.client.name, timeout=5)
    move_server(here)
    all_answer(held)


def test_a_route_that_moves_takes_its_connections_along(here, held):
    before = sent(here.director, "lan1")
    move_server(here)
    all_answer(held)
    assert sent(here.director, "lan1") == before


def test_a_server_with_another_mac_address_keeps_its_connections(here, held):
    here.servers[0].ip("link set eth0 address 02:00:00:00:00:77")
    here.director.ip("neigh flush dev lan1")
    all_answer(held)
    assert "02:00:00:00:00:77" in here.director.ip(f"neigh show {SERVERS[0]}")
