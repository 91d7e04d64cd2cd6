# SPDX-License-Identifier: GPL-2.0
"""Frames of established flows pass in XDP: the right bytes, both ways, while the program comes and goes."""

import json
import socket

import pytest

from lib import xdp
from lib.packets import ACK
from lib.packets import PSH
from lib.packets import IPv4
from lib.packets import Udp
from lib.topology import LOCAL
from lib.topology import SERVERS
from lib.topology import VIP
from lib.traffic import all_ok
from lib.waiting import wait_until
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Conversation

INTERFACES = ("wan", "lan1", "lan2")


@pytest.fixture(scope="module", name="with_xdp")
def fixture_with_xdp(topology):
    """XDP on every interface of the director."""
    xdp.prepare(topology)
    for interface in INTERFACES:
        xdp.attach(topology.director, interface)
    yield
    for interface in INTERFACES:
        xdp.detach(topology.director, interface)


class Flow:
    """A client of UDP and its server, as the wire sees them."""

    def __init__(self, wire, sport=5000):
        self.wire, self.sport = wire, sport
        got = self.ask(b"first")
        self.local = got.source, got.udp.sport

    def ask(self, data, **header):
        """Send a datagram from the client: as the server gets it."""
        self.wire.from_client(socket.IPPROTO_UDP, Udp(self.sport, 81, data).build(RAW_CLIENT, VIP), **header)
        return self.wire.far.receive(
            lambda p: p.protocol == socket.IPPROTO_UDP and p.udp.data == data, "datagram at the server")

    def answer(self, data, **header):
        """Send a datagram from the server: as the client gets it."""
        address, port = self.local
        payload = Udp(81, port, data).build(RAW_SERVER, address)
        self.wire.from_server(socket.IPPROTO_UDP, payload, address, **header)
        return self.wire.near.receive(
            lambda p: p.protocol == socket.IPPROTO_UDP and p.udp.data == data, "datagram at the client")


SWITCH = "net.ipv4.vs.fullnat_fastpath"


def slowly(topology, send):
    """Send something the long way, through the stack."""
    topology.director.sysctl(SWITCH, 0)
    try:
        return send()
    finally:
        topology.director.sysctl(SWITCH, 1)


def quickly(topology, interface, send):
    """Send something a few times: all that arrived, and what XDP has forwarded of it."""
    with xdp.capture(topology.director, interface) as running:
        # Once in half a second a packet goes through the stack.
        arrived = [send() for _ in range(8)]
        return arrived, [running.packet() for _ in range(4)]


def same_both_ways(topology, interface, send):
    """What arrives is the same, whichever way it went."""
    expected = slowly(topology, send)
    arrived, forwarded = quickly(topology, interface, send)
    assert arrived == [expected] * len(arrived)
    assert [left for _, left in forwarded] == [expected] * len(forwarded)
    return [came for came, _ in forwarded]


def test_datagrams_have_the_bytes_that_the_stack_would_give_them(with_xdp, wire):
    flow = Flow(wire)
    flow.answer(b"first")
    for came in same_both_ways(wire.topology, "wan", lambda: flow.ask(b"question", identification=0x1234, ttl=3)):
        assert (came.source, came.destination, came.udp.sport, came.udp.data, came.ttl) == \
            (RAW_CLIENT, VIP, 5000, b"question", 3)
    for came in same_both_ways(wire.topology, "lan1", lambda: flow.answer(b"answer", identification=0x4321)):
        assert (came.source, came.destination, came.udp.dport) == (RAW_SERVER, *flow.local)


def test_datagrams_without_a_checksum_get_none(with_xdp, wire):
    Flow(wire).answer(b"first")
    payload = Udp(5000, 81, b"bare", checksum=0).build(RAW_CLIENT, VIP)

    def send():
        wire.from_client(socket.IPPROTO_UDP, payload)
        return wire.far.receive(lambda p: p.protocol == socket.IPPROTO_UDP and p.udp.data == b"bare", "datagram")

    same_both_ways(wire.topology, "wan", send)
    assert send().udp.checksum == 0


def test_segments_have_the_bytes_that_the_stack_would_give_them(with_xdp, wire):
    talk = Conversation(wire, 5001)
    talk.open()
    talk.server("PA", b"hello")
    talk.client("A")
    seq, server_seq = talk.seq, talk.server_seq

    def request():
        talk.seq = seq
        return talk.client("PA", b"request")

    def answer():
        talk.server_seq = server_seq
        return talk.server("PA", b"answer")

    same_both_ways(wire.topology, "wan", request)
    same_both_ways(wire.topology, "lan1", answer)
    talk.abort()


def test_what_begins_or_ends_a_connection_goes_through_the_stack(with_xdp, wire):
    with xdp.capture(wire.topology.director, "wan", "tcp", "port", 5002) as running:
        talk = Conversation(wire, 5002)
        talk.open()
        talk.server("PA", b"hello")
        for number in range(8):
            talk.client("PA", b"%d" % number)
        talk.client("FA")
        talk.server("FA")
        flags = [running.packet()[0].tcp.flags for _ in range(4)]
        said = running.end()
    assert set(flags) == {PSH | ACK}, said


def test_a_foreign_frame_passes(with_xdp, wire):
    """One that another host on the link is to get."""
    flow = Flow(wire)
    packet = IPv4(RAW_CLIENT, VIP, socket.IPPROTO_UDP, Udp(5000, 81, b"not for us").build(RAW_CLIENT, VIP))
    wire.near.send(packet, b"\x02\0\0\0\0\x77")
    wire.quiet("a frame to another host")
    flow.ask(b"still there")


def test_frames_of_no_flow_are_counted_where_xdp_leaves_them(with_xdp, wire, director):
    def misses():
        rows = json.loads(director.adm("fastpath", "--json"))["interfaces"]
        return next(row["xdp_misses"] for row in rows if row["interface"] == "wan")

    flow = Flow(wire)
    before = misses()
    for _ in range(50):
        flow.ask(b"known")
    # Neighbours may have asked for each other meanwhile.
    assert misses() - before < 10
    stranger = IPv4(RAW_CLIENT, VIP, socket.IPPROTO_UDP, Udp(5000, 82, b"nobody's").build(RAW_CLIENT, VIP))
    before = misses()
    for _ in range(50):
        wire.near.send(stranger, b"\x02\0\0\0\0\x77")
    wait_until(lambda: misses() - before >= 50, "50 frames of no flow")
    assert misses() - before < 60
    shown = director.adm("fastpath", "wan", "--detours").splitlines()
    assert any(line.split()[:4] == ["not", "in", "xdp:", "no-flow"] for line in shown)


def test_files_arrive_whole_and_frames_pass_in_xdp(with_xdp, topology, fullnat):
    with xdp.capture(topology.director, "wan", "tcp", "port", 80) as asked, \
            xdp.capture(topology.director, "lan1", "tcp", "port", 80) as answered:
        words = ("-n", 8, "--size", 200_000)
        seen = all_ok(topology.client.run("traffic", "connect", f"{VIP}:80", *words).stdout, 8)
        assert seen["peers"] == {LOCAL: 8}
        assert asked.packet()[1].destination in SERVERS
        assert answered.packet()[1].source == VIP


def test_jumbo_frames_lie_in_several_buffers(with_xdp, wire):
    for namespace, interface in wire.topology.ends():
        namespace.ip(f"link set {interface} mtu 9000")
    try:
        flow = Flow(wire, 5003)
        flow.answer(b"first")
        data = bytes(range(256)) * 32
        same_both_ways(wire.topology, "wan", lambda: flow.ask(data))
        same_both_ways(wire.topology, "lan1", lambda: flow.answer(data))
    finally:
        for namespace, interface in wire.topology.ends():
            namespace.ip(f"link set {interface} mtu 1500")


def bulk(namespace, address=f"{VIP}:80"):
    """Have half a megabyte go either way."""
    moved = namespace.run("traffic", "bulk", address, "--up", 500_000, "--down", 500_000).stdout
    assert json.loads(moved)["ok"]


@pytest.fixture
def late(topology, with_xdp):
    """A server behind an interface that the programs have not heard of when they were attached."""
    director, server = topology.director, topology.servers[0]
    director.ip(f"link add late type veth peer name late netns {server.name}", "link set late up",
                "addr add 192.168.230.254/24 dev late")
    server.ip("link set late up", "addr add 192.168.230.1/24 dev late", f"route add {LOCAL} via 192.168.230.254")
    for namespace in (director, server):
        namespace.run("ethtool", "-K", "late", "gro", "on", "tx", "off", "tso", "off", "gso", "off")
    serving = server.start("traffic", "serve", "192.168.230.1:80")
    assert serving.read_line() == "ready"
    yield "192.168.230.1"
    serving.kill()
    director.ip("link delete late")
    server.run("ip", "route", "delete", LOCAL, code=None)


def test_frames_leave_by_interfaces_that_came_later(late, topology, director):
    director.fullnat("-t", 80, servers=[late])
    with xdp.capture(topology.director, "wan", "tcp", "port", 80) as running:
        bulk(topology.client)
        assert running.packet()[1].destination == late
    assert director.counters()["fullnat_no_route"] == 0


@pytest.fixture
def tagged(topology, with_xdp):
    """Client and server in VLANs, whose tags are in the frames."""
    director, client, server = topology.director, topology.client, topology.servers[0]
    ends = ((client, "eth0", 5, "172.17.0.1"), (director, "wan", 5, "172.17.0.254"),
            (director, "lan1", 6, "192.168.231.254"), (server, "eth0", 6, "192.168.231.1"))
    for namespace, interface, number, address in ends:
        namespace.run("ethtool", "-K", interface, "txvlan", "off")
        vlan = f"{interface}.{number}"
        namespace.ip(f"link add {vlan} link {interface} type vlan id {number}", f"link set {vlan} up",
                     f"addr add {address}/24 dev {vlan}")
    client.ip(f"route replace {VIP} via 172.17.0.254")
    server.ip(f"route replace {LOCAL} via 192.168.231.254")
    serving = server.start("traffic", "serve", "192.168.231.1:80")
    assert serving.read_line() == "ready"
    yield "192.168.231.1"
    serving.kill()
    client.ip(f"route delete {VIP}")
    server.run("ip", "route", "delete", LOCAL, code=None)
    for namespace, interface, number, _ in ends:
        namespace.ip(f"link delete {interface}.{number}")
        namespace.run("ethtool", "-K", interface, "txvlan", "on")


def test_tags_become_those_of_the_vlan_that_a_frame_leaves_in(tagged, topology, director):
    director.fullnat("-t", 80, servers=[tagged])
    with xdp.capture(topology.director, "wan") as running:
        bulk(topology.client)
        came, left = running.frame(), running.frame()
    assert (came[12:18], left[12:18]) == (bytes.fromhex("810000050800"), bytes.fromhex("810000060800"))


def test_a_frame_between_a_vlan_and_none_is_left_to_ingress(tagged, topology, director):
    director.fullnat("-t", 80, servers=SERVERS[1:])
    bulk(topology.client)
    rows = {row["interface"]: row for row in json.loads(director.adm("fastpath", "--json"))["interfaces"]}
    assert rows["wan"]["xdp_detours"]["no-way"] > 0
    assert rows["wan.5"]["hits"] > 0 and rows["wan.5"]["xdp_hits"] == 0
