# SPDX-License-Identifier: GPL-2.0
"""What IPVS does to choose servers and to keep connections works for FullNAT as for any other method."""

import contextlib
import json
import socket

import pytest

from lib.cells import CELLS
from lib.cells import end
from lib.six import add_ipv6
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.traffic import all_ok

SCHEDULERS = "rr wrr lc wlc lblc lblcr sed nq sh dh mh fo ovf twos".split()
MARK = 7


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


def traffic(topology, command, address, *words, code=0):
    return json.loads(topology.client.run("traffic", command, address, *words, code=code).stdout)


@contextlib.contextmanager
def setting(topology, name, value):
    """A sysctl of IPVS for a while."""
    before = topology.director.sysctl(f"net.ipv4.vs.{name}", value)
    try:
        yield
    finally:
        topology.director.sysctl(f"net.ipv4.vs.{name}", before)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_serves(topology, director, scheduler):
    director.fullnat("-u", 80, scheduler=scheduler)
    seen = traffic(topology, "udp", f"{VIP}:80", "-n", 8, "-k", 8)
    assert (seen["ok"], seen["peers"]) == (8, {LOCAL: 8})
    assert set(seen["servers"]) <= set(SERVERS)
    if scheduler in ("rr", "wrr"):
        assert seen["servers"] == {server: 4 for server in SERVERS}


def test_weights_are_kept_to(topology, director):
    director.fullnat("-u", 80, scheduler="wrr")
    director.adm("-e", "-u", f"{VIP}:80", "-r", SERVERS[0], "-b", "-w", 3)
    # A port of the client may be one of a flow that went before, and goes on to the same server.
    rounds = (traffic(topology, "udp", f"{VIP}:80", "-n", 16, "-k", 16)["servers"] for _ in range(3))
    assert {SERVERS[0]: 12, SERVERS[1]: 4} in rounds


def test_a_service_of_every_port_keeps_a_client_at_its_server(topology, director):
    director.restore([f"-A -t {VIP}:0 -s rr -p 60", *director.rules("-t", 0)[1:]])
    seen = traffic(topology, "connect", f"{VIP}:80", "-n", 6)
    assert seen["ok"] == 6 and len(seen["servers"]) == 1
    assert seen["peers"] == {LOCAL: 6}


@pytest.mark.parametrize("mask, chosen", [("255.255.255.0", 1), ("255.255.255.255", 2)])
def test_persistence_is_by_network(topology, director, mask, chosen):
    clients = ["172.16.0.101", "172.16.0.102"]
    topology.client.ip(*(f"addr add {address}/24 dev eth0" for address in clients))
    try:
        director.restore([f"-A -t {VIP}:80 -s rr -p 60 -M {mask}", *director.rules("-t", 80)[1:]])
        servers = set()
        for address in clients:
            seen = traffic(topology, "connect", f"{VIP}:80", "-n", 3, "--source", address)
            assert seen["ok"] == 3 and len(seen["servers"]) == 1
            servers |= set(seen["servers"])
        assert len(servers) == chosen
    finally:
        topology.client.ip(*(f"addr delete {address}/24 dev eth0" for address in clients))


@pytest.mark.parametrize("name", ["44", "66"])
def test_a_service_by_mark(topology, director, name):
    cell = CELLS[name]
    family, flag = ("ip", "") if name == "44" else ("ip6", " -6")
    service = f"-f {MARK}{flag}"
    director.restore([
        f"-A {service} -s rr", f"-P {service} -z {cell.local}", f"-a {service} -r {end(cell.server, 80)} -b",
    ])
    rule = f"{family} daddr {cell.vip} tcp dport 80 meta mark set {MARK}"
    ruleset = f"table inet marking {{ chain in {{ type filter hook prerouting priority mangle; {rule}; }}; }}"
    topology.director.run("nft", "-f", "-", input=ruleset)
    try:
        seen = traffic(topology, "connect", end(cell.vip, 80), "-n", 4)
        assert (seen["ok"], seen["peers"]) == (4, {cell.local: 4})
    finally:
        topology.director.run("nft", "delete", "table", "inet", "marking")


def test_a_call_stays_at_its_server(topology, director):
    # A port of its own: a phone's could be that of a connection that is left of a test before.
    servers = [f"{server}:80" for server in SERVERS]
    director.restore([f"-A -u {VIP}:5060 -s rr -p 60 --pe sip", *director.rules("-u", 5060, servers)[1:]])

    def server_of(call):
        """Which server answers a message of a call that comes from a new port."""
        with topology.client.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
            phone.settimeout(3)
            words = f"OPTIONS sip:a@{VIP} SIP/2.0\r\nCall-ID: {call}@example.org\r\nCSeq: 1 OPTIONS\r\n\r\n"
            phone.sendto(words.encode(), (VIP, 5060))
            accepted, _, own, *_ = phone.recv(2000).decode().split(" ")
        assert accepted.startswith(f"{LOCAL}:")
        return own

    first = [server_of(f"call-{number}") for number in range(4)]
    assert len(set(first)) == 2, "calls of one client go to both servers"
    assert [server_of(f"call-{number}") for number in range(4)] == first


def test_a_full_server_gets_no_more(topology, director):
    # A port of its own: IPVS counts what is left of connections of servers that were there before.
    servers = [f"{server}:80" for server in SERVERS]
    director.fullnat("-t", 8100, servers=servers)
    director.adm("-e", "-t", f"{VIP}:8100", "-r", servers[0], "-b", "-x", 2, "-y", 1)
    held = topology.client.start("traffic", "connect", f"{VIP}:8100", "-n", 10, "-p", 1, "--hold", "--reset")
    seen = all_ok(held.read_line(), 10)
    assert seen["servers"] == {SERVERS[0]: 2, SERVERS[1]: 8}
    held.finish()


def test_a_server_of_weight_zero_keeps_what_it_has_and_gets_no_more(topology, director):
    director.fullnat("-t", 80)
    held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold", "--reset")
    assert all_ok(held.read_line(), 4)["servers"] == {server: 2 for server in SERVERS}
    director.adm("-e", "-t", f"{VIP}:80", "-r", SERVERS[0], "-b", "-w", 0)
    assert traffic(topology, "connect", f"{VIP}:80", "-n", 6)["servers"] == {SERVERS[1]: 6}
    held.say("again")
    all_ok(held.read_line(), 4)
    held.finish()


@pytest.mark.parametrize("value", [0, 1])
def test_a_persistent_client_leaves_a_quiescent_server_if_told(topology, director, value):
    director.restore([f"-A -t {VIP}:80 -s rr -p 60", *director.rules("-t", 80)[1:]])
    [server] = traffic(topology, "connect", f"{VIP}:80")["servers"]
    [other] = set(SERVERS) - {server}
    with setting(topology, "expire_quiescent_template", value):
        director.adm("-e", "-t", f"{VIP}:80", "-r", server, "-b", "-w", 0)
        assert traffic(topology, "connect", f"{VIP}:80", "-n", 2)["servers"] == {(other if value else server): 2}


@pytest.mark.parametrize("value", [0, 1])
def test_a_port_that_comes_back_is_scheduled_anew_if_told(topology, director, value):
    words = ("--source-port", 9300 + value, "--timeout", 0.9)
    with setting(topology, "conn_reuse_mode", value):
        director.fullnat("-t", 80)
        servers = []
        for _ in range(4):
            seen = traffic(topology, "connect", f"{VIP}:80", "--server-closes", *words)
            servers += seen["servers"]
    assert len(set(servers)) == 1 + value, servers


def test_a_datagram_to_a_server_that_is_gone_goes_to_another_at_once_if_told(topology, director):
    with setting(topology, "expire_nodest_conn", 1):
        director.fullnat("-u", 80)
        words = ("--source-port", 9400)
        [server] = traffic(topology, "udp", f"{VIP}:80", *words)["servers"]
        director.adm("-d", "-u", f"{VIP}:80", "-r", server)
        # The first datagram ends the connection, the one behind it makes a new one.
        seen = traffic(topology, "udp", f"{VIP}:80", "-n", 3, "--timeout", 0.5, *words, code=None)
        [other] = seen["servers"]
        assert other != server and seen["ok"] >= 2
