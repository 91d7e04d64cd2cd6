# SPDX-License-Identifier: GPL-2.0
"""Packets that are too big for the next link, on either side, and fragments."""

import contextlib
import json
import socket

import pytest

from lib.packets import Icmp
from lib.packets import IPv4
from lib.packets import Udp
from lib.packets import mss
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Conversation

SMALL = 1300


@contextlib.contextmanager
def route_mtu(topology, prefix, interface, mtu=SMALL):
    """Let a route of the director have a smaller MTU than its link."""
    topology.director.ip(f"route change {prefix} dev {interface} mtu {mtu}")
    try:
        yield
    finally:
        topology.director.ip(f"route change {prefix} dev {interface}")


def fragmentation_needed(tap):
    return tap.receive(
        lambda p: p.protocol == socket.IPPROTO_ICMP and (p.icmp.kind, p.icmp.code) == (3, 4), "fragmentation needed"
    )


def test_a_client_is_told_the_mtu_towards_the_server(topology, director, wire):
    too_big = director.counters()["fullnat_too_big"]
    with route_mtu(topology, RAW_SERVER, "lan1"):
        talk = Conversation(wire, 45000)
        talk.open()
        talk.send_client("PA", b"m" * 1400)
        error = fragmentation_needed(wire.near)
        assert error.icmp.next_hop_mtu == SMALL
        inner = IPv4.parse(error.icmp.data)
        assert (inner.source, inner.destination) == (RAW_CLIENT, VIP)
        assert not error.wrong_checksums()
        wire.quiet("a packet bigger than the MTU")
    assert director.counters()["fullnat_too_big"] > too_big


def test_a_server_is_told_the_mtu_towards_the_client(topology, wire):
    with route_mtu(topology, "172.16.0.0/24", "wan"):
        talk = Conversation(wire, 45001)
        talk.open()
        talk.send_server("PA", b"m" * 1400)
        error = fragmentation_needed(wire.far)
        assert error.icmp.next_hop_mtu == SMALL
        inner = IPv4.parse(error.icmp.data)
        assert (inner.source, inner.destination) == (RAW_SERVER, LOCAL), "the server must know it as its own"
        assert int.from_bytes(inner.payload[:2]) == 81 and int.from_bytes(inner.payload[2:4]) == talk.local[1]


@pytest.mark.parametrize("prefix, interface, direction", [
    (SERVERS[0], "lan1", "--up"), ("172.16.0.0/24", "wan", "--down"),
])
def test_a_transfer_finds_a_smaller_mtu_and_ends_well(topology, director, prefix, interface, direction):
    director.fullnat("-t", 80, servers=[SERVERS[0]])
    with route_mtu(topology, prefix, interface):
        moved = json.loads(topology.client.run("traffic", "bulk", f"{VIP}:80", direction, 2_000_000).stdout)
    assert moved["ok"]
    for end in (topology.client, topology.servers[0]):
        end.ip("route flush cache")


def test_a_report_from_behind_the_director_reaches_the_client_as_its_own(wire):
    talk = Conversation(wire, 45002)
    talk.open(answer=mss(1460))
    there = talk.client("PA", b"m" * 1000)
    message = b"\x00\x00" + (1200).to_bytes(2)
    complaint = Icmp(3, 4, rest=message, data=there.build()[:28]).build()
    wire.from_server(socket.IPPROTO_ICMP, complaint, LOCAL, source="192.168.229.254")
    error = fragmentation_needed(wire.near)
    inner = IPv4.parse(error.icmp.data)
    assert error.icmp.next_hop_mtu == 1200
    assert (inner.source, inner.destination) == (RAW_CLIENT, VIP)
    assert (int.from_bytes(inner.payload[:2]), int.from_bytes(inner.payload[2:4])) == (45002, 81)
    assert int.from_bytes(inner.payload[4:8]) == talk.seq - 1000, "the sequence number the client used"


def test_a_datagram_in_fragments_arrives_whole_at_both_ends(topology, fullnat):
    words = ("-n", 6, "-k", 2, "--size", 4000)
    seen = json.loads(topology.client.run("traffic", "udp", f"{VIP}:80", *words, code=None).stdout)
    assert (seen["ok"], seen["failed"]) == (6, 0)


def test_a_datagram_that_may_be_fragmented_is_fragmented(topology, wire):
    with route_mtu(topology, RAW_SERVER, "lan1"):
        datagram = Udp(45003, 81, bytes(range(250)) * 5 + b"end" * 30).build(RAW_CLIENT, VIP)
        wire.from_client(socket.IPPROTO_UDP, datagram, dont_fragment=False, identification=7)
        first = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "first fragment")
        second = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "second fragment")
    pieces = sorted([first, second], key=lambda packet: packet.offset)
    assert all(piece.total_length <= SMALL for piece in pieces)
    assert pieces[0].payload[8:] + pieces[1].payload == datagram[8:]
