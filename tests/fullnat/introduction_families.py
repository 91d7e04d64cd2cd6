# SPDX-License-Identifier: GPL-2.0
"""Clients are introduced by their own family's address, whatever the real server's family is."""

import ipaddress
import json
import socket
import struct

import pytest

from lib.options import introduce
from lib.six import CLIENT6
from lib.six import LOCAL6
from lib.six import SERVER6
from lib.six import VIP6
from lib.six import Tap
from lib.six import add_ipv6
from lib.topology import CLIENT
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP

OPP = 248
# Client, virtual address, local address, real server.
WAYS = {
    "66": (CLIENT6, VIP6, LOCAL6, SERVER6),
    "64": (CLIENT6, VIP6, LOCAL, SERVERS[0]),
    "46": (CLIENT, VIP, LOCAL6, SERVER6),
}


@pytest.fixture(scope="module", autouse=True)
def families(topology):
    """IPv6 everywhere in this file."""
    add_ipv6(topology)


@pytest.fixture(params=["the card", "the director"])
def sums(request, topology):
    """Who computes checksums."""
    topology.offloads("default" if request.param == "the card" else "off")
    yield request.param == "the director"
    topology.offloads("default")


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def serve(director, kind, way, **options):
    """Make the service and return client, virtual and local address and real server."""
    client, vip, local, server = WAYS[way]
    service = f"{kind} {end(vip, 80)}"
    director.restore([
        f"-A {service} -s rr", f"-P {service} -z {local}", f"-a {service} -r {end(server, 80)} -b",
    ])
    introduce(director, kind, 80, vip=vip, **options)
    return client, vip, local, server


def address(kind, client, port):
    packed = ipaddress.ip_address(client).packed
    return struct.pack("!BBH", kind, 4 + len(packed), port) + packed


def udp_socket(topology, client):
    """Not connected: a server that knows no protocol 248 says so, and the client is not to be told."""
    with topology.client.entered():
        made = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((client, 0))
    made.settimeout(3)
    return made


@pytest.mark.parametrize("mode", ["ack", "syn"])
@pytest.mark.parametrize("way", WAYS)
def test_a_tcp_client_is_introduced_by_its_own_address(topology, director, sums, way, mode):
    client, vip, local, server = serve(director, "-t", way, toa=mode, toa_kind=253)
    with Tap(topology.servers[0]) as far:
        seen = json.loads(topology.client.run("traffic", "connect", end(vip, 80), "--size", 3000).stdout)
        assert seen["ok"] == 1
        packets = [p for p in far.read() if p.protocol == 6 and (p.source, p.destination) == (local, server)]
    own = int(seen["list"][0]["own"].rpartition(":")[2])
    mine = (253, address(253, client, own)[2:])
    syn = packets[0]
    others = [p for p in packets if not p.tcp.flags & 2]
    assert syn.tcp.flags == 2
    assert (mine in syn.tcp.option_list()) == (mode == "syn")
    assert syn.tcp.option(2) and syn.tcp.option(8) is None
    first, data = others[0], [p for p in others if p.tcp.data]
    assert first.tcp.option_list()[0] == mine
    carrying = [mine in p.tcp.option_list()[:1] for p in data]
    # Until one end has acknowledged a byte of the other.
    assert carrying[0] and carrying == sorted(carrying, reverse=True)
    if sums:
        assert all(p.sums_up(6, p.payload) for p in packets)


@pytest.mark.parametrize("way, offered", [("66", 1440), ("64", 1460), ("46", 1440)])
def test_the_segment_size_leaves_room_for_the_clients_address(topology, director, way, offered):
    client, vip, _, _ = serve(director, "-t", way)
    with Tap(topology.client) as near:
        topology.client.run("traffic", "connect", end(vip, 80))
        answer = near.receive(lambda p: p.protocol == 6 and p.tcp.flags == 18, "SYN-ACK")
    room = 20 if ":" in client else 8
    assert int.from_bytes(answer.tcp.option(2)) == offered - room


@pytest.mark.parametrize("way", WAYS)
def test_large_segments_have_room_for_it(topology, director, way):
    client, vip, local, server = serve(director, "-t", way)
    failed = director.counters()["fullnat_add_toa_fail_len"]
    topology.offloads("off")
    try:
        with Tap(topology.servers[0]) as far:
            seen = json.loads(topology.client.run("traffic", "connect", end(vip, 80), "--size", 100000).stdout)
            packets = [p for p in far.read() if p.protocol == 6 and p.destination == server]
    finally:
        topology.offloads("default")
    assert seen["ok"] == 1 and max(p.length for p in packets) <= 1500
    assert director.counters()["fullnat_add_toa_fail_len"] == failed
    assert all(p.sums_up(6, p.payload) for p in packets)


@pytest.mark.parametrize("way", WAYS)
def test_a_udp_client_is_introduced_by_its_own_address(topology, director, sums, way):
    client, vip, local, server = serve(director, "-u", way, uoa="opp")
    with Tap(topology.servers[0]) as far, udp_socket(topology, client) as client_socket:
        own = client_socket.getsockname()[1]
        front = address(31, client, own)
        front = bytes(((0x20 if ":" in client else 0x10), 17)) + struct.pack("!H", len(front) + 4) + front
        for number in range(4):
            client_socket.sendto(b"datagram %d" % number, (vip, 80))
            packet = far.receive(lambda p: p.protocol in (17, OPP) and p.destination == server, "datagram")
            assert (packet.source, packet.protocol) == (local, OPP if number < 3 else 17)
            inner = packet.payload
            if number < 3:
                assert inner[:len(front)] == front
                inner = inner[len(front):]
                assert packet.sums_up(17, inner), "completed before the address went in front"
            elif sums:
                assert packet.sums_up(17, inner)
            assert inner[8:] == b"datagram %d" % number
        assert client_socket.recv(2000), "and the server answers the one it understands"


@pytest.mark.parametrize("way", WAYS)
def test_an_option_is_for_ipv4_at_both_ends(topology, director, way):
    client, vip, _, server = serve(director, "-u", way, uoa="ipo")
    before = director.counters()
    with Tap(topology.servers[0]) as far, udp_socket(topology, client) as client_socket:
        for _ in range(3):
            client_socket.sendto(b"data", (vip, 80))
            packet = far.receive(lambda p: p.protocol in (17, OPP) and p.destination == server, "datagram")
            assert (packet.protocol, packet.options, packet.udp.data) == (17, b"", b"data")
    after = director.counters()
    assert after["fullnat_add_uoa_fail_proto"] == before["fullnat_add_uoa_fail_proto"] + 1, "once a flow"
    assert after["fullnat_add_uoa_ok"] == before["fullnat_add_uoa_ok"]


def test_behind_extension_headers_it_is_announced_by_a_packet_of_its_own(topology, director):
    client, vip, local, server = serve(director, "-u", "66", uoa="opp")
    with Tap(topology.servers[0]) as far, udp_socket(topology, client) as client_socket:
        # IPV6_DSTOPTS: eight bytes of destination options, all of them padding.
        client_socket.setsockopt(socket.IPPROTO_IPV6, 59, bytes((0, 0, 1, 4, 0, 0, 0, 0)))
        for number in range(4):
            client_socket.sendto(b"datagram %d" % number, (vip, 80))
            if number < 3:
                alone = far.receive(lambda p: p.destination == server and p.protocol == OPP, "packet of its own")
                assert alone.source == local and alone.payload[24 + 8:] == b"" and alone.sums_up(17, alone.payload[24:])
            packet = far.receive(lambda p: p.destination == server and p.protocol in (OPP, 60), "datagram")
            assert packet.protocol == 60 and packet.payload[:8] == bytes((17, 0, 1, 4, 0, 0, 0, 0))
            assert packet.payload[16:] == b"datagram %d" % number


@pytest.mark.parametrize("way", WAYS)
def test_a_super_datagram_is_announced_by_a_packet_of_its_own(topology, director, way):
    client, vip, local, server = serve(director, "-u", way, uoa="opp")
    alone = director.counters()["fullnat_add_uoa_alone"]
    with Tap(topology.servers[0]) as far, udp_socket(topology, client) as client_socket:
        client_socket.setsockopt(socket.IPPROTO_UDP, 103, 500)  # UDP_SEGMENT
        client_socket.sendto(b"s" * 2000, (vip, 80))
        first = far.receive(lambda p: p.protocol in (17, OPP) and p.destination == server, "datagram")
        assert first.protocol == OPP and first.source == local
        inner = first.payload[24 if ":" in client else 12:]
        assert first.sums_up(17, inner) and inner[4:6] == bytes((0, 8)) and len(inner) == 8
        got = 0
        while got < 2000:
            packet = far.receive(lambda p: p.protocol == 17 and p.destination == server, "segments")
            got += len(packet.payload) - 8
    assert director.counters()["fullnat_add_uoa_alone"] == alone + 1


@pytest.mark.parametrize("way", ["66", "64"])
def test_time_stamps_are_carried_in_either_family(topology, director, sums, way):
    _, vip, local, server = serve(director, "-t", way)
    topology.director.sysctl("net.ipv4.vs.fullnat_timestamp_remove_entry", 0)
    try:
        with Tap(topology.servers[0]) as far:
            seen = json.loads(topology.client.run("traffic", "connect", end(vip, 80), "--size", 100000).stdout)
            packets = [p for p in far.read() if p.protocol == 6 and p.source == local]
    finally:
        topology.director.sysctl("net.ipv4.vs.fullnat_timestamp_remove_entry", 1)
    assert seen["ok"] == 1
    assert all(p.tcp.option(8) for p in packets if not p.tcp.flags & 4)
    if sums:
        assert all(p.sums_up(6, p.payload) for p in packets)
