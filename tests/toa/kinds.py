# SPDX-License-Identifier: GPL-2.0
"""Director and real server together: whatever kind of option a service is told to use, and whichever family is where,
toa.ko finds the client, if it is told of kinds that nobody else sends."""

import json

import pytest

from lib import modules
from lib.options import introduce
from lib.six import CLIENT6
from lib.six import LOCAL6
from lib.six import SERVER6
from lib.six import VIP6
from lib.six import add_ipv6
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP

# Client, virtual address, local address, real server, and what accept() there returns.
WAYS = {
    "44": (CLIENT, VIP, LOCAL, SERVERS[0], CLIENT),
    "66": (CLIENT6, VIP6, LOCAL6, SERVER6, CLIENT6),
    "46": (CLIENT, VIP, LOCAL6, SERVER6, f"::ffff:{CLIENT}"),
    # An IPv4 socket has no room for an IPv6 address: its name stays, and getsockopt() has the client's.
    "64": (CLIENT6, VIP6, LOCAL, SERVERS[0], LOCAL),
}


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


@pytest.fixture(scope="module")
def all_kinds():
    """toa.ko, told to read every option that the director can be told to send."""
    modules.insert("toa", 'kinds="254/8 254/20 253/8,253/20 200/8 200/20"')
    yield
    modules.remove("toa")


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@pytest.mark.parametrize("mode", ["ack", "syn"])
@pytest.mark.parametrize("kind", [254, 253, 200])
@pytest.mark.parametrize("way", WAYS)
def test_the_server_accepts_the_client_by_its_name(topology, director, all_kinds, way, kind, mode):
    _, vip, local, server, name = WAYS[way]
    service = f"-t {end(vip, 80)}"
    director.restore([
        f"-A {service} -s rr", f"-P {service} -z {local}", f"-a {service} -r {end(server, 80)} -b",
    ])
    introduce(director, "-t", 80, toa=mode, toa_kind=kind, vip=vip)
    seen = json.loads(topology.client.run("traffic", "connect", end(vip, 80), "-n", 4).stdout)
    assert seen["ok"] == 4 and seen["peers"] == {name: 4}
    if way in ("44", "66"):
        assert (seen["own_peer"], seen["own_accepted"]) == (4, 4), "the port, too"
