# SPDX-License-Identifier: GPL-2.0
"""uoa.ko coming and going while a real server has clients."""

import json

import pytest

from lib import modules
from lib.options import introduce
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import VIP
from lib.uoa import Neighbour
from lib.uoa import header
from lib.uoa import option


@pytest.fixture(autouse=True)
def unloaded():
    """Every test begins and ends without the module."""
    assert not modules.loaded("uoa")
    yield
    if modules.loaded("uoa"):
        modules.remove("uoa")


def sent(topology, *words):
    return json.loads(topology.client.run("traffic", "udp", f"{VIP}:80", *words, code=None).stdout)


def test_without_the_module_the_first_three_are_lost_and_with_it_none(topology, fullnat):
    introduce(fullnat, "-u", 80, uoa="opp")
    assert sent(topology, "-n", 1, "--timeout", 0.2)["ok"] == 0
    modules.insert("uoa")
    assert sent(topology, "-n", 4)["peers"] == {LOCAL: 4}
    modules.remove("uoa")
    assert sent(topology, "-n", 1, "--timeout", 0.2)["ok"] == 0


@pytest.mark.limit(200)
@pytest.mark.parametrize("mode", [0, 1])
def test_loads_and_unloads_under_load_name_nobody_wrongly(topology, fullnat, mode):
    """An IP option does no harm where nobody reads it."""
    introduce(fullnat, "-u", 80, uoa="ipo")
    for server in topology.servers:
        server.ip("route replace default via 192.168.229.204 dev eth0 onlink")
    load = topology.client.start(
        "traffic", "udp", f"{VIP}:80", "--until-eof", "-k", 1000, "--timeout", 0.5, "--source-port", 20000
    )
    for _ in range(25):
        modules.insert("uoa")
        for server in topology.servers:
            server.sysctl("net.ipv4.uoa.transparent", mode)
        modules.remove("uoa")
    seen = json.loads(load.finish(code=None))
    for server in topology.servers:
        server.ip("route del default")
    print(seen)
    assert seen["ok"] > 100 and set(seen["peers"]) <= {LOCAL, CLIENT}
    assert seen["own_peer"] == seen["peers"].get(CLIENT, 0)
    assert seen["failed"] <= (25 if mode else 0), "an answer may miss the module that was there for the question"


def test_forged_headers_do_not_outlive_the_module(topology):
    for _ in range(3):
        modules.insert("uoa")
        neighbour = Neighbour(topology)
        for port in range(300):
            neighbour.send(b"", 10000 + port, front=header(option("203.0.113.9", 1 + port)))
        neighbour.close()
        modules.remove("uoa")
