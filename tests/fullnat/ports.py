# SPDX-License-Identifier: GPL-2.0
"""Local ports: every connection has one, gives it back, and gets a used one without harm."""

import contextlib
import json
import socket

import pytest

from lib import packets
from lib.namespace import Failed
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.traffic import all_ok
from lib.waiting import wait_until
from lib.waiting import wait_until_none
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import Conversation
from lib.wire import Wire

# IPVS keeps a connection that was reset for ten seconds.
EXPIRY = 20


@contextlib.contextmanager
def port_range(topology, first, last):
    """Let the director use these local ports only."""
    names = ("net.ipv4.vs.fullnat_lport_min", "net.ipv4.vs.fullnat_lport_max")
    default = [topology.director.sysctl(name) for name in names]
    topology.director.sysctl(names[0], first)
    topology.director.sysctl(names[1], last)
    try:
        yield
    finally:
        topology.director.sysctl(names[1], default[1])
        topology.director.sysctl(names[0], default[0])


def load(text):
    return json.loads(text)


@pytest.mark.limit(240)
def test_10000_connections_are_all_served_and_give_their_ports_back(topology, fullnat):
    topology.client.sysctl("net.ipv4.ip_local_port_range", "10000 60000")
    seen = load(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 10000, "--reset", timeout=200).stdout)
    print(f"10,000 connections in {seen['seconds']:.1f} s")
    assert (seen["ok"], seen["failed"]) == (10000, 0)
    assert seen["servers"] == {server: 5000 for server in SERVERS}
    assert fullnat.local_addresses(f"{VIP}:80")[LOCAL]["conns"] > 0
    wait_until_none(fullnat.connections, "every connection to end", EXPIRY)
    assert fullnat.local_addresses(f"{VIP}:80")[LOCAL]["conns"] == 0


def test_ports_stay_in_the_configured_range(topology, fullnat):
    seen = load(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 50).stdout)
    assert 1025 <= seen["port_min"] <= seen["port_max"] <= 65535
    with port_range(topology, 30000, 30099):
        seen = load(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 100).stdout)
    assert seen["ok"] == 100
    assert 30000 <= seen["port_min"] <= seen["port_max"] <= 30099


@pytest.mark.parametrize("name, value", [
    ("fullnat_lport_min", 0), ("fullnat_lport_min", -1), ("fullnat_lport_max", 65536), ("fullnat_lport_max", "many"),
    ("fullnat_toa_entry", 2), ("fullnat_mss_adjust_entry", -1),
])
def test_a_setting_out_of_its_range_is_refused(topology, fullnat, name, value):
    before = topology.director.sysctl(f"net.ipv4.vs.{name}")
    with pytest.raises(OSError):
        topology.director.sysctl(f"net.ipv4.vs.{name}", value)
    assert topology.director.sysctl(f"net.ipv4.vs.{name}") == before


def test_a_range_with_its_ends_exchanged_harms_nobody(topology, fullnat):
    with port_range(topology, 3000, 2000):
        topology.client.run("traffic", "connect", f"{VIP}:80", "--timeout", 0.5, "--reset", code=None)
    assert load(topology.client.run("traffic", "connect", f"{VIP}:80", "-n", 4).stdout)["ok"] == 4


def test_one_port_serves_every_real_server_at_once(topology, fullnat):
    with port_range(topology, 31000, 31003):
        held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 8, "-p", 1, "--hold", "--reset")
        seen = load(held.read_line())
        assert (seen["ok"], seen["distinct"]) == (8, 4)
        held.finish()


@pytest.mark.limit(90)
def test_a_used_up_range_refuses_new_connections_only_and_recovers(topology, director):
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    with port_range(topology, 32000, 32003):
        held = topology.client.start("traffic", "connect", f"{VIP}:80", "-n", 4, "--hold", "--reset")
        assert load(held.read_line())["distinct"] == 4
        before = director.counters()["fullnat_no_port"]
        more = ("traffic", "connect", f"{VIP}:80", "-n", 3, "--timeout", 0.5, "--reset")
        assert load(topology.client.run(*more, code=1).stdout)["errors"] == {"no connection": 3}
        assert director.counters()["fullnat_no_port"] >= before + 3
        assert director.local_addresses(f"{VIP}:80")[LOCAL]["failed"] >= 3
        held.say("again")
        all_ok(held.read_line(), 4)
        held.finish()
        wait_until(lambda: director.local_addresses(f"{VIP}:80")[LOCAL]["conns"] == 0, "the ports to come back", EXPIRY)
        assert load(topology.client.run(*more).stdout)["ok"] == 3


def test_a_udp_flow_gives_its_port_back_when_it_expires(topology, fullnat):
    fullnat.adm("--set", 0, 0, 1)
    try:
        topology.client.run("traffic", "udp", f"{VIP}:80", "-n", 30, "-k", 30)
        wait_until(lambda: fullnat.local_addresses(f"{VIP}:80", "-u")[LOCAL]["conns"] == 0, "the ports to come back")
    finally:
        fullnat.adm("--set", 0, 0, 300)


def test_a_real_servers_time_wait_socket_accepts_a_used_port(topology, director):
    """A client whose numbers lie below those of the one before would be refused without a shift of the ISN."""
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    wire = Wire(topology)
    used = []
    try:
        with port_range(topology, 33000, 33001):
            for turn in range(5):
                talk = Conversation(wire, 46000, vport=80)
                talk.seq = (0xF0000000 - turn * 0x10000000) & 0xFFFFFFFF
                used.append(converse(wire, talk))
    finally:
        wire.close()
    assert all(33000 <= port <= 33001 for port in used)
    assert len(set(used)) < len(used), "a port must have been used again"


def converse(wire, talk):
    """Be the client of a real server that closes first; returns the local port the server saw."""
    answer = answer_to_syn(wire, talk)
    assert answer.flags == packets.SYN | packets.ACK, f"the real server answered a new SYN with {answer}"
    assert answer.ack == talk.seq
    talk.ack = answer.seq + 1
    talk.send_client("PA", b"close now\n")
    said = b""
    while True:
        segment = from_vip(wire, talk, "the server's last words")
        if segment.seq == talk.ack:
            said += segment.data
            talk.ack = segment.seq + len(segment.data) + (segment.flags & packets.FIN)
            if segment.flags & packets.FIN:
                break
    talk.send_client("FA")
    wire.settle()
    for _ in wire.near.read():
        pass
    peer = said.split()[1].decode()
    assert peer.startswith(f"{LOCAL}:")
    return int(peer.rpartition(":")[2])


def answer_to_syn(wire, talk):
    """What comes of a SYN that is sent again after a while, as clients do: IPVS may be ending the last connection."""
    isn = talk.seq
    for turn in range(3):
        talk.send_client("S", options=packets.mss(1460), seq=isn)
        try:
            return from_vip(wire, talk, "an answer to the SYN")
        except Failed:
            if turn == 2:
                raise


def from_vip(wire, talk, what):
    """The next segment for this client, seen as the client would."""
    def wanted(packet):
        return packet.destination == RAW_CLIENT and packet.protocol == socket.IPPROTO_TCP \
            and packet.tcp.dport == talk.sport
    return wire.near.receive(wanted, what, timeout=2).tcp


def test_a_client_that_comes_back_with_the_same_port_is_served_at_once(topology, fullnat):
    for turn in range(5):
        words = ("--source", CLIENT, "--source-port", 9000, "--server-closes", "--timeout", 0.9)
        seen = load(topology.client.run("traffic", "connect", f"{VIP}:80", *words, code=None).stdout)
        assert seen["ok"] == 1, f"turn {turn}: {seen['errors']}"
