# SPDX-License-Identifier: GPL-2.0
"""Unmodified programs on a real server: what they take for their client, with toa.ko and without."""

import json

import pytest

from lib import modules
from lib.nginx import Nginx
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP

PORT = 8000


@pytest.fixture
def web(topology, director):
    """nginx on both real servers behind the director."""
    for server in topology.servers:
        server.stop_programs()
    servers = [Nginx(server) for server in topology.servers]
    director.fullnat("-t", 80)
    yield servers
    for server in servers:
        server.stop()
    topology.serve()


def curl(topology):
    """What nginx says, and the port curl used."""
    words = ("curl", "-sS", "--max-time", 5, "-w", "%{local_ip}:%{local_port}", f"http://{VIP}/")
    said, own = topology.client.run(*words).stdout.splitlines()
    return said, own


def connect(topology, *words, code=0):
    return json.loads(topology.client.run("traffic", "connect", f"{VIP}:80", *words, code=code).stdout)


def test_nginx_sees_the_director_before_and_its_client_with_the_module(topology, web, no_toa):
    for _ in SERVERS:
        said, _ = curl(topology)
        assert said.startswith(f"Your IP and port is {LOCAL}:")
    modules.insert("toa")
    try:
        for _ in SERVERS:
            said, own = curl(topology)
            assert own.startswith(f"{CLIENT}:")
            assert said == f"Your IP and port is {own}"
    finally:
        modules.remove("toa")
    said, own = curl(topology)
    assert said.startswith(f"Your IP and port is {LOCAL}:")


def test_the_access_log_names_the_client(topology, web, toa):
    own = [curl(topology)[1] for _ in range(4)]
    logged = [line.split()[0] for server in web for line in server.logged()]
    assert sorted(logged) == sorted(own)


def test_accept_and_getpeername_name_the_client(topology, fullnat, toa):
    seen = connect(topology, "-n", 20)
    assert (seen["ok"], seen["own_peer"], seen["own_accepted"]) == (20, 20, 20)
    assert seen["servers"] == {server: 10 for server in SERVERS}, "the server's own address must stay its own"


def test_many_connections_at_once_are_never_mixed_up(topology, fullnat, toa):
    seen = connect(topology, "-n", 3000, "-p", 200, "--reset")
    assert (seen["ok"], seen["own_peer"], seen["own_accepted"]) == (3000, 3000, 3000)


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


def test_deferred_accept_does_not_lose_the_client(topology, fullnat, toa):
    # The server is woken by the first data, so the bare ACK of the handshake is thrown away.
    seen = connect(topology, "-n", 4, "--size", 8000)
    assert seen["own_peer"] == 4


def test_connections_live_through_loading_and_unloading(topology, fullnat, no_toa):
    def again(held):
        held.say("again")
        return json.loads(held.read_line())

    early = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
    assert json.loads(early.read_line())["peers"] == {LOCAL: 4}
    modules.insert("toa")
    try:
        assert again(early)["peers"] == {LOCAL: 4}, "the option of an old connection was never seen"
        late = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold")
        assert json.loads(late.read_line())["own_peer"] == 4
        modules.remove("toa")
        assert again(late)["peers"] == {LOCAL: 4}
        modules.insert("toa")
        # A new load knows nothing of what the old one knew.
        assert again(late)["peers"] == {LOCAL: 4}
        assert again(early)["ok"] == 4
        late.finish()
        early.finish()
    finally:
        if modules.loaded("toa"):
            modules.remove("toa")


@pytest.mark.limit(120)
def test_100_loads_and_unloads_under_load_lose_no_connection(topology, fullnat, no_toa):
    words = ("--until-eof", "-p", 8, "--reset")
    load = topology.client.start("traffic", "connect", f"{VIP}:80", *words)
    for _ in range(100):
        modules.insert("toa")
        modules.remove("toa")
    seen = json.loads(load.finish())
    print(f"{seen['ok']} connections meanwhile, {seen['own_peer']} of them named")
    assert seen["failed"] == 0 and seen["ok"] > 100
    assert set(seen["peers"]) <= {LOCAL, CLIENT}
    assert seen["own_peer"] == seen["peers"].get(CLIENT, 0), "a client address that is not that of the connection"
