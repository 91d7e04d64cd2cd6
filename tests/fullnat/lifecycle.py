# SPDX-License-Identifier: GPL-2.0
"""Servers, services and namespaces that change or go away while connections live."""

import json

import pytest

from lib.director import Director
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.topology import Topology
from lib.traffic import all_ok
from lib.waiting import wait_until

PARALLEL = 16


def connect(topology, *words, code=0):
    return json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", *words, code=code).stdout)


def start_load(topology, *words):
    """Begin to make connections until told to stop, and wait until they flow."""
    before = topology.servers[1].mib("TcpPassiveOpens")
    load = topology.client.start(
        "traffic", "connect", f"{VIP}:80", "--until-eof", "-p", PARALLEL, "--timeout", 2, "--reset", *words
    )
    wait_until(lambda: topology.servers[1].mib("TcpPassiveOpens") > before + 50, "the load to flow")
    return load


def served(server, count):
    """Wait until a real server has taken so many more connections."""
    before = server.mib("TcpPassiveOpens")
    wait_until(lambda: server.mib("TcpPassiveOpens") >= before + count, f"{count} more connections at {server.name}")


def test_a_dead_server_refuses_until_it_is_removed(topology, fullnat):
    topology.servers[0].stop_programs()
    try:
        seen = connect(topology, "-n", 10, code=1)
        assert seen["servers"] == {SERVERS[1]: 5}
        assert seen["errors"] == {"Connection refused (os error 111)": 5}
        fullnat.adm("-d", "-t", f"{VIP}:80", "-r", SERVERS[0])
        assert connect(topology, "-n", 10)["servers"] == {SERVERS[1]: 10}
    finally:
        topology.serve_on(topology.servers[0])


@pytest.mark.parametrize("link", ["up", "down"])
def test_a_server_removed_under_load_costs_no_more_than_what_it_was_serving(topology, fullnat, link):
    load = start_load(topology)
    topology.servers[0].ip(f"link set eth0 {link}")
    try:
        fullnat.adm("-d", "-t", f"{VIP}:80", "-r", SERVERS[0])
        served(topology.servers[1], 100)
        seen = json.loads(load.finish(code=None))
        assert seen["ok"] > 100 and seen["failed"] <= PARALLEL
        assert connect(topology, "-n", 50)["servers"] == {SERVERS[1]: 50}
    finally:
        topology.servers[0].ip("link set eth0 up")
        # The kernel notices a link within a second.
        ping = ("ping", "-c", 1, "-W", 1, SERVERS[0])
        wait_until(lambda: topology.director.run(*ping, code=None).returncode == 0, "the link to be back")


def test_a_server_removed_and_put_back_serves_the_connections_it_had(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
    all_ok(held.read_line(), 4)
    fullnat.adm("-d", "-t", f"{VIP}:80", "-r", SERVERS[0])
    fullnat.adm("-a", "-t", f"{VIP}:80", "-r", SERVERS[0], "-b")
    held.say("again")
    all_ok(held.read_line(), 4)
    held.finish()


def test_a_service_deleted_under_load_and_made_anew_serves_again(topology, fullnat):
    load = start_load(topology)
    fullnat.adm("-D", "-t", f"{VIP}:80")
    fullnat.fullnat("-t", 80)
    served(topology.servers[1], 50)
    seen = json.loads(load.finish(code=None))
    assert seen["ok"] > 100
    assert connect(topology, "-n", 50, "--reset")["ok"] == 50
    # What was under way in that moment stays until IPVS's own timer ends it.
    wait_until(lambda: fullnat.local_addresses(f"{VIP}:80")[LOCAL]["conns"] <= PARALLEL, "the ports to come back", 20)


def test_a_local_address_taken_away_lets_its_connections_end(topology, fullnat):
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold", "--reset")
    all_ok(held.read_line(), 4)
    fullnat.adm("-Q", "-t", f"{VIP}:80", "-z", LOCAL)
    before = fullnat.counters()["fullnat_no_laddr"]
    assert connect(topology, "--timeout", 0.5, code=1)["errors"] == {"no connection": 1}
    assert fullnat.counters()["fullnat_no_laddr"] > before
    held.say("again")
    all_ok(held.read_line(), 4)
    fullnat.adm("-P", "-t", f"{VIP}:80", "-z", LOCAL)
    assert connect(topology)["ok"] == 1
    held.finish()


def test_a_server_edited_between_methods_keeps_its_connections(topology, fullnat):
    for server in topology.servers:
        # Masquerading needs the servers' way back through the director.
        server.ip(f"route replace 172.16.0.0/24 via {LOCAL}")
    topology.director.sysctl("net.ipv4.ip_forward", 1)
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
    assert json.loads(held.read_line())["peers"] == {LOCAL: 4}
    try:
        for method, peer in (("-m", CLIENT), ("-b", LOCAL)):
            for server in SERVERS:
                fullnat.adm("-e", "-t", f"{VIP}:80", "-r", server, method)
            held.say("again")
            again = json.loads(held.read_line())
            assert (again["ok"], again["peers"]) == (4, {LOCAL: 4}), f"old connections after {method}"
            assert connect(topology, "-n", 4)["peers"] == {peer: 4}, f"new connections after {method}"
        held.finish()
    finally:
        topology.director.sysctl("net.ipv4.ip_forward", 0)
        for server in topology.servers:
            server.ip("route delete 172.16.0.0/24")


def test_two_directors_with_the_same_addresses_do_not_know_of_each_other(topology, fullnat):
    other = Topology()
    try:
        other.serve()
        second = Director(other.director)
        second.fullnat("-t", 80)
        ours = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold", "--source-port", 9100)
        theirs = other.client.start("traffic", "connect", f"{VIP}:80", "-n", 6, "--hold", "--source-port", 9100)
        all_ok(ours.read_line(), 4)
        all_ok(theirs.read_line(), 6)
        assert fullnat.local_addresses(f"{VIP}:80")[LOCAL]["conns"] == 4
        assert second.local_addresses(f"{VIP}:80")[LOCAL]["conns"] == 6
        second.adm("-C")
        ours.say("again")
        all_ok(ours.read_line(), 4)
        theirs.kill()
        ours.finish()
        other.director.sysctl("net.ipv4.vs.fullnat_lport_min", 5000)
        assert topology.director.sysctl("net.ipv4.vs.fullnat_lport_min") == "1025"
    finally:
        other.delete()
    assert connect(topology, "-n", 10)["ok"] == 10


@pytest.mark.limit(90)
def test_a_director_deleted_under_traffic_leaves_nothing_behind(topology, fullnat):
    for _ in range(2):
        doomed = Topology()
        try:
            doomed.serve()
            Director(doomed.director).fullnat("-t", 80)
            load = start_load(doomed)
            doomed.forget(doomed.director)
            assert json.loads(load.finish(code=None))["ok"] > 50
        finally:
            doomed.delete()
    assert connect(topology, "-n", 10)["ok"] == 10
