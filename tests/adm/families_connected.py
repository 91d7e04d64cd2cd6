# SPDX-License-Identifier: GPL-2.0
"""Connections between families in the listings, and explain across families, with traffic that proves them."""

import json

import pytest

from lib.six import CLIENT6
from lib.six import LOCAL6
from lib.six import SERVER6
from lib.six import VIP6
from lib.six import add_ipv6
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP

WAYS = {
    "IPv6": (CLIENT6, VIP6, LOCAL6, SERVER6),
    "NAT64": (CLIENT6, VIP6, LOCAL, SERVERS[0]),
    "NAT46": (CLIENT, VIP, LOCAL6, SERVER6),
}


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


@pytest.fixture(params=WAYS)
def way(request, director):
    """A service of each kind; client, virtual and local address, real server."""
    client, vip, local, server = WAYS[request.param]
    service = ("-t", end(vip, 80))
    director.adm("-A", *service, "-s", "rr")
    director.adm("-P", *service, "-z", local)
    director.adm("-a", *service, "-r", end(server, 80), "-b")
    return client, vip, local, server


@pytest.fixture
def exchange(topology, way):
    """A connection that stays, as both programs see it."""
    held = topology.client.start("traffic", "connect", end(way[1], 80), "--hold", "--reset")
    yield json.loads(held.read_line())["list"][0]
    held.finish()


def row_of(director, exchange):
    [row] = [row for row in director.connections() if row["client"] == exchange["own"]]
    return row


def test_a_connection_is_listed_with_both_its_sides(director, way, exchange):
    _, vip, local, server = way
    row = row_of(director, exchange)
    assert (row["virtual"], row["state"]) == (end(vip, 80), "ESTABLISHED")
    assert (row["local"], row["server"]) == (exchange["peer"], end(server, 80))
    port = int(exchange["own"].rpartition(":")[2])
    listed = json.loads(director.adm("-L", "-n", "-c", "--json"))["connections"]
    [entry] = [entry for entry in listed if entry["client"] == {"address": way[0], "port": port}]
    assert (entry["local"]["address"], entry["server"]["address"]) == (local, server)


def test_it_is_found_by_either_side(director, way, exchange):
    _, vip, _, server = way
    line = director.adm("-L", "-n", "--sockpair", f"tcp:{exchange['own']}:{end(vip, 80)}").split()
    assert line[-4:] == [exchange["own"], end(vip, 80), exchange["peer"], end(server, 80)]
    assert director.adm("-L", "-n", "--sockpair", f"tcp:{exchange['peer']}:{end(server, 80)}").split()[-4:] == line[-4:]


def test_the_local_address_counts_it(director, way, exchange):
    _, vip, local, _ = way
    [service] = json.loads(director.adm("-G", "-t", end(vip, 80), "--json"))["services"]
    [entry] = service["local_addresses"]
    assert (entry["address"], entry["connections"]) == (local, 1)
    # Connections of the tests before may still hold theirs.
    size = entry["port_max"] - entry["port_min"] + 1
    assert size - 100 < entry["free"] < size
    row = director.adm("-G", "-t", end(vip, 80)).splitlines()[-1].split()
    assert row == [local, "0", "1"] and exchange["peer"].startswith(end(local, "")[:-1])


def test_explain_follows_it_in_both_directions(director, way, exchange):
    client, vip, _, server = way
    there = json.loads(director.adm("explain", "tcp", exchange["own"], end(vip, 80), "--json"))
    assert (there["verdict"], there["to"]) == ("forwarded", [{"address": server, "port": 80}])
    back = json.loads(director.adm("explain", "tcp", end(server, 80), exchange["peer"], "--json"))
    assert (back["verdict"], back["to"][0]["address"]) == ("forwarded", client)


def test_explain_says_what_a_first_packet_meets(topology, director, way):
    client, vip, local, server = way
    question = ("explain", "tcp", end(client, 40000), end(vip, 80), "--json")
    assert json.loads(director.adm(*question))["to"] == [{"address": server, "port": 80}]
    director.adm("-Q", "-t", end(vip, 80), "-z", local)
    other = LOCAL6 if ":" not in local else LOCAL
    director.adm("-P", "-t", end(vip, 80), "-z", other)
    answer = json.loads(director.namespace.run("rsipvsadm", *question, code=3).stdout)
    assert answer["counter"] == "fullnat_no_laddr"
    before = director.counters()["fullnat_no_laddr"]
    topology.client.run("traffic", "connect", end(vip, 80), "--timeout", "0.5", code=None)
    assert director.counters()["fullnat_no_laddr"] > before


def test_a_conn_timeout_holds_for_new_connections(topology, director, way):
    _, vip, _, _ = way
    director.adm("-E", "-t", end(vip, 80), "--conn-timeout", 77)
    held = topology.client.start("traffic", "connect", end(vip, 80), "--hold", "--reset")
    exchange = json.loads(held.read_line())["list"][0]
    assert 60 < row_of(director, exchange)["expires"] <= 77
    held.finish()
