# SPDX-License-Identifier: GPL-2.0
"""The listings as JSON: the same facts as the tables, under names that stay."""

import json

import pytest

from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.traffic import all_ok


def shown(director, *words):
    return json.loads(director.adm(*words, "--json"))


def port_of(address):
    return int(address.rpartition(":")[2])


@pytest.mark.parametrize("words", [
    ("-L",), ("-L", "-n"), ("-L", "-n", "--stats"), ("-L", "-n", "--rate"), ("-L", "-n", "--thresholds"),
    ("-L", "-n", "-c"), ("-L", "--timeout"), ("-L", "--daemon"), ("-G",), ("--counters",),
], ids=" ".join)
def test_every_listing_is_there_as_json_by_any_of_its_names(fullnat, words):
    keys = shown(fullnat, *words).keys()
    assert json.loads(fullnat.adm(*words, "-o", "json")).keys() == keys
    assert json.loads(fullnat.adm(*words, "--output", "json")).keys() == keys


def test_services_and_servers(fullnat):
    fullnat.adm("-e", "-t", f"{VIP}:80", "-r", SERVERS[1], "-w", 5, "-x", 9, "-y", 3)
    [service] = [service for service in shown(fullnat, "-L", "-n")["services"] if service["protocol"] == "tcp"]
    assert (service["address"], service["port"], service["scheduler"]) == (VIP, 80, "rr")
    assert service["local_addresses"] == [LOCAL]
    [server] = [server for server in service["servers"] if server["address"] == SERVERS[1]]
    assert (server["port"], server["forward"], server["weight"]) == (80, "FullNat", 5)
    assert (server["upper_threshold"], server["lower_threshold"]) == (9, 3)


def test_connections_and_local_addresses(topology, director):
    director.fullnat("-t", 8003, servers=[f"{SERVERS[0]}:80"])
    held = topology.client.start("traffic", "connect", f"{VIP}:8003", "-n", 2, "--hold", "--reset")
    exchange = all_ok(held.read_line(), 2)["list"][0]
    [row] = [
        row for row in shown(director, "-L", "-n", "-c")["connections"]
        if row["client"]["port"] == port_of(exchange["own"]) and row["virtual"]["port"] == 8003
    ]
    assert (row["protocol"], row["state"]) == ("tcp", "ESTABLISHED")
    assert row["local"] == {"address": LOCAL, "port": port_of(exchange["peer"])}
    assert row["server"] == {"address": SERVERS[0], "port": 80}
    [service] = shown(director, "-G", "-t", f"{VIP}:8003")["services"]
    [local] = service["local_addresses"]
    assert (local["address"], local["connections"], local["failed"]) == (LOCAL, 2, 0)
    assert (local["port_min"], local["port_max"]) == (1025, 65535)
    held.finish()


def test_counters_are_those_of_the_kernel(fullnat):
    assert f"{'fullnat_conn_new'}" in fullnat.adm("--counters")
    text = json.dumps(shown(fullnat, "--counters"))
    assert [name for name in fullnat.counters() if name not in text] == []
