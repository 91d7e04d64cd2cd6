# SPDX-License-Identifier: GPL-2.0
"""Unmodified programs on a real server: what they take for their client, with toa.ko and without."""

import json

from lib.nginx import curl
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP


def connect(topology, *words, code=0):
    return json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", *words, code=code).stdout)


def test_nginx_answers_with_the_address_and_the_port_of_its_client(topology, web, toa):
    for _ in SERVERS:
        said, own = curl(topology)
        assert own.startswith(f"{CLIENT}:")
        assert said == f"Your IP and port is {own}"


def test_the_access_log_names_the_client(topology, web, toa):
    own = [curl(topology)[1] for _ in range(4)]
    logged = [line.split()[0] for server in web for line in server.logged()]
    assert sorted(logged) == sorted(own)


def test_accept_and_getpeername_name_the_client(topology, fullnat, toa):
    seen = connect(topology, "-n", 20)
    assert (seen["ok"], seen["own_peer"], seen["own_accepted"]) == (20, 20, 20)
    assert seen["servers"] == {server: 10 for server in SERVERS}, "the server's own address must stay its own"


def test_many_connections_at_once_are_never_mixed_up(topology, fullnat, toa):
    seen = connect(topology, "-n", 2000, "-p", 200, "--reset")
    assert (seen["ok"], seen["own_peer"], seen["own_accepted"]) == (2000, 2000, 2000)


def test_a_connection_without_the_option_has_its_address_on_the_wire(topology, fullnat, toa):
    direct = json.loads(topology.director.run("traffic", "connect", f"{SERVERS[0]}:80").stdout)
    assert (direct["own_peer"], direct["own_accepted"]) == (1, 1)
    topology.director.sysctl("net.ipv4.vs.fullnat_toa_entry", 0)
    try:
        assert connect(topology, "-n", 4)["peers"] == {LOCAL: 4}
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_toa_entry", 1)


def test_syn_cookies_do_not_lose_the_client(topology, fullnat, toa):
    before = topology.servers[0].mib("TcpExtSyncookiesRecv")
    for server in topology.servers:
        server.sysctl("net.ipv4.tcp_syncookies", 2)
    try:
        seen = connect(topology, "-n", 10)
    finally:
        for server in topology.servers:
            server.sysctl("net.ipv4.tcp_syncookies", 1)
    assert (seen["own_peer"], seen["own_accepted"]) == (10, 10)
    assert topology.servers[0].mib("TcpExtSyncookiesRecv") == before + 5


def test_a_first_request_of_several_segments_does_not_lose_the_client(topology, fullnat, toa):
    seen = connect(topology, "-n", 4, "--size", 8000)
    assert seen["own_peer"] == 4
