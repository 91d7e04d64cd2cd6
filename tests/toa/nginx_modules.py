# SPDX-License-Identifier: GPL-2.0
"""Debian's nginx with our modules: its variables name the client that a socket has no room for."""

import pytest

from lib.cells import CELLS
from lib.cells import end
from lib.nginx import with_modules
from lib.six import CLIENT6
from lib.topology import CLIENT
from lib.topology import LOCAL

NOBODY = ["-", "-"]
PORTS = {"an IPv4 socket": 80, "a dual-stack socket": 81, "a proxy": 82, "stream": 83}


@pytest.fixture(scope="module", autouse=True)
def nginx(topology):
    """One nginx for all of this file's tests."""
    with with_modules(topology) as nginx:
        yield nginx


@pytest.fixture(params=["44", "64"])
def cell(request, director):
    """IPv4 servers for clients of either family."""
    cell = CELLS[request.param]
    director.restore([rule for port in PORTS.values() for rule in cell.rules("-t", port)])
    return cell


def curl(topology, cell, server):
    """The words nginx answers with, and the port that curl had."""
    words = ("curl", "-sS", "--max-time", 5, "-w", " %{local_port}", f"http://{end(cell.vip, PORTS[server])}/")
    *said, port = topology.client.run(*words).stdout.split()
    return said, port


def test_without_toa_nobody_is_named(topology, cell, director):
    (*wire, address, port, real, real_port, _), _ = curl(topology, cell, "an IPv4 socket")
    assert wire[0] == LOCAL and [address, port] == NOBODY and [real, real_port] == wire


def test_an_ipv6_client_of_an_ipv4_socket_is_named(topology, cell, toa, nginx):
    (*wire, address, port, real, real_port, uoa), own = curl(topology, cell, "an IPv4 socket")
    if cell.name == "64":
        assert wire[0] == LOCAL and wire[1] != own
        assert [address, port] == [CLIENT6, own]
    else:
        assert (wire, [address, port]) == ([CLIENT, own], NOBODY)
    assert ([real, real_port], uoa) == ([cell.client, own], "-")
    assert nginx.logged()[-1].split() == [*wire, address, port]


def test_a_dual_stack_socket_says_it_itself(topology, cell, toa):
    (*wire, address, port, real, real_port, _), own = curl(topology, cell, "a dual-stack socket")
    seen = {"64": CLIENT6, "44": f"::ffff:{CLIENT}"}[cell.name]
    assert (wire, [address, port], [real, real_port]) == ([seen, own], NOBODY, [seen, own])


def test_servers_behind_a_proxy_are_told(topology, cell, toa):
    said, _ = curl(topology, cell, "a proxy")
    forwarded = {"64": [f"{CLIENT6},", LOCAL], "44": [f"{CLIENT},", CLIENT]}[cell.name]
    assert said == [*forwarded, "-"], "the proxy's own connection has no client but the proxy"


def test_sessions_of_stream_have_the_variables_too(topology, cell, toa):
    client = f"socat -,ignoreeof TCP:{end(cell.vip, PORTS['stream'])}"
    address, port, *named = topology.client.run(*client.split()).stdout.split()
    if cell.name == "64":
        assert address == LOCAL and named[0] == CLIENT6 and named[1] != port
    else:
        assert (address, named) == (CLIENT, NOBODY)
