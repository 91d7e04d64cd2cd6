# SPDX-License-Identifier: GPL-2.0
"""The director's modules coming and going, with traffic and with live connections."""

import json

import pytest

from lib import modules
from lib.director import Director
from lib.topology import LOCAL
from lib.topology import VIP
from lib.topology import Topology
from lib.traffic import all_ok
from lib.waiting import wait_until


@pytest.fixture(autouse=True)
def modules_are_back():
    """Every other test needs the modules."""
    yield
    modules.load_director()


def start_load(topology):
    words = ("--until-eof", "--rate", 50, "--timeout", 1, "--reset")
    return topology.client.start("traffic", "connect", f"{VIP}:80", *words)


def served(topology):
    return sum(server.mib("TcpPassiveOpens") for server in topology.servers)


def works_again(topology, director):
    """The director, after its modules came back: local addresses are the modules' and went with them."""
    director.clear()
    director.fullnat("-t", 80)
    seen = json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 20).stdout)
    assert (seen["ok"], seen["peers"]) == (20, {LOCAL: 20})


def test_rsipvsadm_loads_what_it_needs(topology, director):
    modules.unload_director()
    director.fullnat("-t", 80)
    assert modules.loaded("ip_vs_flow") and modules.loaded("ip_vs_fullnat")
    assert json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 4).stdout)["ok"] == 4


def test_listing_needs_no_module(director):
    director.adm("-A", "-t", f"{VIP}:80", "-s", "rr")
    modules.unload_director()
    assert f"TCP  {VIP}:80 rr" in director.adm("-L", "-n")


def test_unloading_with_live_connections_ends_them_and_the_next_load_serves(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 50, "--hold", "--reset", "--timeout", 1)
    all_ok(held.read_line(), 50)
    modules.unload_director()
    held.say("again")
    assert json.loads(held.read_line())["ok"] == 0, "without the module nothing may be forwarded"
    held.kill()
    modules.load_director()
    works_again(topology, fullnat)


def test_a_method_can_be_taken_away_and_put_back_over_the_engine(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 10, "--hold", "--reset", "--timeout", 1)
    all_ok(held.read_line(), 10)
    modules.remove("ip_vs_fullnat")
    assert modules.loaded("ip_vs_flow")
    held.kill()
    modules.insert("ip_vs_fullnat")
    works_again(topology, fullnat)


@pytest.mark.limit(400)
def test_100_loads_and_unloads_under_traffic_harm_nothing(topology, fullnat):
    load = start_load(topology)
    wait_until(lambda: served(topology) > 20, "the load to flow")
    for turn in range(100):
        modules.unload_director()
        for name in modules.DIRECTOR:
            modules.insert(name)
        if turn % 10 == 0:
            # Local addresses went with the module; without one no connection would be made at all.
            fullnat.adm("-P", "-t", f"{VIP}:80", "-z", LOCAL)
            before = served(topology)
            wait_until(lambda before=before: served(topology) > before, f"connections after load {turn}")
    seen = json.loads(load.finish(code=None))
    print(f"{seen['ok']} connections served meanwhile, {seen['failed']} lost")
    # One at least after each tenth load, and those before the first.
    assert seen["ok"] > 10
    works_again(topology, fullnat)


def test_unloading_while_a_namespace_goes_away(topology, fullnat):
    other = Topology()
    try:
        other.serve()
        Director(other.director).fullnat("-t", 80)
        load = start_load(other)
        wait_until(lambda: served(other) > 20, "the load to flow")
        other.forget(other.director)
        modules.unload_director()
        load.finish(code=None)
    finally:
        other.delete()
    modules.load_director()
    works_again(topology, fullnat)


def test_no_module_can_go_before_those_that_use_it(director):
    modules.load_director()
    assert not modules.try_remove("ip_vs_flow")
    assert modules.loaded("ip_vs_flow")
