# SPDX-License-Identifier: GPL-2.0
"""uoa.ko, and a host that sends to the real server without a director."""

import contextlib

import pytest

from lib import modules
from lib.uoa import Neighbour
from lib.uoa import program

AWAY, AWAY6 = "10.99.0.1", "2001:db8:99::1"


@pytest.fixture(scope="module")
def uoa():
    """The module, loaded for the rest of a file's tests."""
    with modules.kept("uoa"):
        yield


@pytest.fixture
def neighbour(topology, uoa):
    """A host beside the first real server that writes its own datagrams."""
    neighbour = Neighbour(topology)
    yield neighbour
    neighbour.close()


@pytest.fixture
def setting(topology, uoa):
    """Sets a sysctl of the module on the first real server for the time of a test."""
    server = topology.servers[0]
    with contextlib.ExitStack() as stack:
        def change(name, value):
            name = f"net.ipv4.uoa.{name}"
            stack.callback(server.sysctl, name, server.sysctl(name, value))
        yield change


@pytest.fixture
def transparent(topology, uoa):
    """Programs on both real servers are shown their clients, to whom there is a route: to where nobody is."""
    for server in topology.servers:
        server.sysctl("net.ipv4.uoa.transparent", 1)
        server.ip(
            "link add away type veth peer name nowhere", "link set nowhere up", "link set away up",
            f"addr add {AWAY}/24 dev away", "route add default dev away",
        )
        if server.sysctl("net.ipv6.conf.away.disable_ipv6") == "0":
            server.ip(f"addr add {AWAY6}/64 dev away nodad", "route add ::/0 dev away")
    yield
    for server in topology.servers:
        server.ip("link del away")
        server.sysctl("net.ipv4.uoa.transparent", 0)


@pytest.fixture
def shown(topology, transparent):
    """Transparent mode, for tests that look at whole checksums."""
    topology.offloads("off")
    yield
    topology.offloads("default")


@pytest.fixture
def server(topology):
    """A program that listens on every address."""
    with program(topology.servers[0], "0.0.0.0") as sock:
        yield sock
