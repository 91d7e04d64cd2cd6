# SPDX-License-Identifier: GPL-2.0
"""toa.ko coming and going while a real server has connections."""

import json

import pytest

from lib import modules
from lib.nginx import curl
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import VIP


@pytest.fixture(autouse=True)
def unloaded():
    """Every test begins and ends without the module."""
    assert not modules.loaded("toa")
    yield
    if modules.loaded("toa"):
        modules.remove("toa")


def test_nginx_sees_the_director_before_its_client_with_the_module_and_the_director_after(topology, web):
    said, _ = curl(topology)
    assert said.startswith(f"Your IP and port is {LOCAL}:")
    modules.insert("toa")
    said, own = curl(topology)
    assert own.startswith(f"{CLIENT}:") and said == f"Your IP and port is {own}"
    modules.remove("toa")
    said, _ = curl(topology)
    assert said.startswith(f"Your IP and port is {LOCAL}:")


def test_connections_live_through_loading_and_unloading(topology, fullnat):
    def again(held):
        held.say("again")
        return json.loads(held.read_line())

    early = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
    assert json.loads(early.read_line())["peers"] == {LOCAL: 4}
    modules.insert("toa")
    assert again(early)["peers"] == {LOCAL: 4}, "the option of an old connection was never seen"
    late = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
    assert json.loads(late.read_line())["own_peer"] == 4
    modules.remove("toa")
    assert again(late)["peers"] == {LOCAL: 4}
    modules.insert("toa")
    assert again(late)["peers"] == {LOCAL: 4}, "a new load knows nothing of what the old one knew"
    assert again(early)["ok"] == 4
    late.finish()
    early.finish()


@pytest.mark.limit(400)
def test_100_loads_and_unloads_under_load_lose_no_connection(topology, fullnat):
    words = ("--until-eof", "--rate", 25, "--reset")
    load = topology.client.start("traffic", "connect", f"{VIP}:80", *words)
    for _ in range(100):
        modules.insert("toa")
        modules.remove("toa")
    seen = json.loads(load.finish())
    print(f"{seen['ok']} connections meanwhile, {seen['own_peer']} of them named")
    assert seen["failed"] == 0 and seen["ok"] > 100
    assert set(seen["peers"]) <= {LOCAL, CLIENT}
    assert seen["own_peer"] == seen["peers"].get(CLIENT, 0), "a client address that is not that of the connection"
