# SPDX-License-Identifier: GPL-2.0
"""Connections in a listing: of which method they are, and one of them by either of its sides."""

import json

import pytest

from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP


@pytest.fixture
def held(topology, fullnat):
    """Three connections that stay; the exchanges they made."""
    program = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 3, "--hold", "--reset")
    yield json.loads(program.read_line())["list"]
    program.finish()


def pair(protocol, *ends):
    return ("-L", "-n", "--sockpair", ":".join([protocol, *ends]))


def test_each_connection_is_listed_once_with_its_local_address(fullnat, held):
    rows = {row["client"]: row for row in fullnat.connections() if row["state"] == "ESTABLISHED"}
    assert set(rows) == {exchange["own"] for exchange in held}
    for exchange in held:
        row = rows[exchange["own"]]
        assert (row["local"], row["server"]) == (exchange["peer"], exchange["server"])


def test_one_connection_is_found_by_either_side_and_in_either_order(fullnat, held):
    exchange = held[0]
    client, local, server = exchange["own"], exchange["peer"], exchange["server"]
    wanted = fullnat.adm(*pair("tcp", client, f"{VIP}:80")).split()
    assert wanted[-4:] == [client, f"{VIP}:80", local, server]
    for ends in ((f"{VIP}:80", client), (local, server), (server, local)):
        assert fullnat.adm(*pair("tcp", *ends)).split()[-4:] == wanted[-4:]
    [row] = json.loads(fullnat.adm(*pair("TCP", client, f"{VIP}:80"), "--json"))["connections"]
    assert row["local"] == {"address": LOCAL, "port": int(local.rpartition(":")[2])}


@pytest.mark.parametrize("words", [
    pair("tcp", "172.16.0.1:9", f"{VIP}:80"), pair("udp", "172.16.0.1:9", f"{VIP}:80"),
    pair("tcp", "[2001:db8::1]:9", "[2001:db8::2]:80"), (*pair("tcp", "172.16.0.1:9", f"{VIP}:80"), "--json"),
], ids=" ".join)
def test_a_connection_that_is_not_there_is_said_in_dpvss_words(fullnat, words):
    done = fullnat.adm(*words, code=1)
    assert (done.stdout, done.stderr) == ("", "rsipvsadm: connection specified not found\n")


def test_connections_of_other_methods_and_templates_stand_beside(topology, director):
    director.adm("-A", "-t", f"{VIP}:8001", "-s", "rr", "-p", 300)
    director.adm("-P", "-t", f"{VIP}:8001", "-z", LOCAL)
    director.adm("-a", "-t", f"{VIP}:8001", "-r", f"{SERVERS[0]}:80", "-b")
    director.adm("-A", "-t", f"{VIP}:8002", "-s", "rr")
    director.adm("-a", "-t", f"{VIP}:8002", "-r", f"{SERVERS[0]}:80", "-m")
    topology.client.run("traffic", "connect", f"{VIP}:8001")
    # Nobody routes the answers of masquerading back here; that the SYN came is enough.
    topology.client.run("traffic", "connect", f"{VIP}:8002", "--timeout", "0.2", code=None)
    rows = director.connections()
    template, = [row for row in rows if row["client"].endswith(":0")]
    assert (template["virtual"], template["server"]) == (f"{VIP}:8001", f"{SERVERS[0]}:80")
    ours, = [row for row in rows if row["virtual"] == f"{VIP}:8001" and row is not template]
    assert ours["local"].startswith(f"{LOCAL}:")
    masqueraded = [row for row in rows if row["virtual"] == f"{VIP}:8002"]
    assert masqueraded and all(row["local"] == row["client"] for row in masqueraded)


def test_a_server_that_changed_its_method_keeps_both_kinds_of_connections(topology, director):
    director.adm("-A", "-t", f"{VIP}:8003", "-s", "rr")
    director.adm("-P", "-t", f"{VIP}:8003", "-z", LOCAL)
    director.adm("-a", "-t", f"{VIP}:8003", "-r", f"{SERVERS[0]}:80", "-m")
    topology.client.run("traffic", "connect", f"{VIP}:8003", "--timeout", "0.2", code=None)
    director.adm("-e", "-t", f"{VIP}:8003", "-r", f"{SERVERS[0]}:80", "-b")
    topology.client.run("traffic", "connect", f"{VIP}:8003")
    rows = [row for row in director.connections() if row["virtual"] == f"{VIP}:8003"]
    assert len({row["client"] for row in rows}) == len(rows)
    assert {row["local"] == row["client"] for row in rows} == {True, False}
