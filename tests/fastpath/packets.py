# SPDX-License-Identifier: GPL-2.0
"""What packets look like that take the fast path, and which ones must not."""

import itertools
import json
import os
import socket
import struct

import pytest

from lib.fast_path import Pulse
from lib.fast_path import transfer
from lib.options import introduce
from lib.packets import NOP
from lib.packets import Icmp
from lib.packets import IPv4
from lib.packets import Udp
from lib.packets import toa
from lib.topology import LOCAL
from lib.topology import VIP
from lib.waiting import wait_until
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Conversation
from lib.wire import Datagrams

SERVICE = f"{VIP}:80"
EXPEDITED, CONGESTED = 0xB8, 3
UDP_SEGMENT = 103
# The first packet behind half a second of silence goes the long way; those behind it do not.
TURNS = range(5)

_ports = itertools.count(47100)


@pytest.fixture
def datagrams(wire):
    """A socket of the client whose packets take the fast path."""
    talk = Datagrams(wire, 47000)
    talk.warm()
    return talk


@pytest.fixture
def segments(wire):
    """A connection whose packets take the fast path."""
    talk = Conversation(wire, next(_ports))
    talk.open()
    talk.client("PA", b"hello")
    talk.server("PA", b"hello yourself")
    talk.client("A")
    return talk


def test_tcpdump_shows_packets_on_both_interfaces(topology, wire, datagrams, path):
    talk, dumps = datagrams, {}
    for name in ("wan", "lan1"):
        dumps[name] = topology.director.start(
            "tcpdump", "-i", name, "-nn", "-t", "-c", 20, "--immediate-mode", "udp", "port", 81
        )
        assert "listening" in dumps[name].process.stderr.readline() + dumps[name].process.stderr.readline()
    with path.passing(20):
        for number in range(10):
            talk.client(b"%d" % number)
            talk.server(b"%d" % number)
    local = talk.local[1]
    shown = {name: [line.partition(": ")[0] for line in dump.finish().splitlines()] for name, dump in dumps.items()}
    there, back = f"IP {RAW_CLIENT}.47000 > {VIP}.81", f"IP {VIP}.81 > {RAW_CLIENT}.47000"
    assert shown["wan"] == [there, back] * 10
    assert shown["lan1"] == [
        f"IP {LOCAL}.{local} > {RAW_SERVER}.81", f"IP {RAW_SERVER}.81 > {LOCAL}.{local}",
    ] * 10


def test_a_packet_leaves_as_a_router_would_send_it(datagrams, path):
    with path.passing(2 * len(TURNS)):
        for _ in TURNS:
            there = datagrams.client(b"there", ttl=9, identification=4711)
            back = datagrams.server(b"back", ttl=2, identification=815, dont_fragment=False)
            assert (there.ttl, there.identification, there.dont_fragment) == (8, 4711, True)
            assert (back.ttl, back.identification, back.dont_fragment) == (1, 815, False)
            assert not there.wrong_checksums() + back.wrong_checksums()


def test_marks_of_congestion_stay_and_take_the_fast_path(datagrams, path):
    with path.passing(2 * len(TURNS)):
        for _ in TURNS:
            assert datagrams.client(b"there", tos=CONGESTED).tos == CONGESTED
            assert datagrams.server(b"back", tos=CONGESTED).tos == CONGESTED


def test_another_class_of_service_stays_and_goes_the_long_way(datagrams, path):
    with path.falling_back("class", 2):
        assert datagrams.client(b"there", tos=EXPEDITED).tos == EXPEDITED
        assert datagrams.server(b"back", tos=EXPEDITED).tos == EXPEDITED


def test_padding_of_the_link_is_left_behind(wire, datagrams, path):
    datagram = IPv4(RAW_CLIENT, VIP, 17, Udp(47000, 81, b"p").build(RAW_CLIENT, VIP)).build()
    with path.passing(len(TURNS)):
        for _ in TURNS:
            wire.near.send(datagram + bytes(17), wire.wan)
            got = wire.far.receive(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")
            assert (got.total_length, got.udp.data, got.wrong_checksums()) == (29, b"p", [])


@pytest.mark.parametrize("end", ["client", "server"])
def test_a_sender_hears_of_a_time_to_live_that_ends(wire, datagrams, path, end):
    tap, source, destination = {
        "client": (wire.near, RAW_CLIENT, VIP), "server": (wire.far, RAW_SERVER, LOCAL),
    }[end]
    with path.falling_back("ttl"):
        getattr(datagrams, f"send_{end}")(b"last hop", ttl=1)
        error = tap.receive(lambda p: p.protocol == 1 and (p.icmp.kind, p.icmp.code) == (11, 0), "time exceeded")
    inner = IPv4.parse(error.icmp.data)
    assert (inner.source, inner.destination) == (source, destination)


@pytest.mark.parametrize("end", ["client", "server"])
def test_options_of_ip_stay_and_go_the_long_way(datagrams, path, end):
    with path.falling_back("options"):
        assert getattr(datagrams, end)(b"with options", options=b"\x01" * 4).options == b"\x01" * 4


@pytest.mark.parametrize("end", ["client", "server"])
def test_fragments_go_the_long_way_and_arrive_whole(wire, datagrams, path, end):
    data = b"fragment" * 200
    source, destination, port, to, tap, link, mac = {
        "client": (RAW_CLIENT, VIP, 47000, 81, wire.far, wire.near, wire.wan),
        "server": (RAW_SERVER, LOCAL, 81, datagrams.local[1], wire.near, wire.far, wire.lan),
    }[end]
    whole = Udp(port, to, data).build(source, destination)
    fields = {"identification": 99, "dont_fragment": False}
    with path.falling_back("fragment", 2):
        link.send(IPv4(source, destination, 17, whole[:800], more_fragments=True, **fields), mac)
        link.send(IPv4(source, destination, 17, whole[800:], offset=800, **fields), mac)
        got = tap.receive_whole(lambda p: p.protocol == 17 and p.identification in (99, 0), "datagram")
    assert got.udp.data == data and not got.wrong_checksums()


def test_an_icmp_error_about_a_flow_goes_the_long_way(wire, datagrams, path):
    there = datagrams.client(b"unreachable")
    with path.falling_back("icmp"):
        complaint = Icmp(3, 3, data=there.build()[:28]).build()
        wire.from_server(socket.IPPROTO_ICMP, complaint, LOCAL)
        error = wire.near.receive(lambda p: p.protocol == 1 and p.icmp.kind == 3, "port unreachable")
    assert IPv4.parse(error.icmp.data).destination == VIP


def test_segments_in_the_middle_of_a_connection_take_the_fast_path(segments, path):
    with path.passing(20):
        for number in range(10):
            there = segments.client("PA", b"request %d" % number)
            back = segments.server("PA", b"answer %d" % number)
            assert not there.wrong_checksums() + back.wrong_checksums() + there.tcp.toas()


def test_a_forged_address_in_an_established_connection_is_removed(director, segments, path):
    before = director.counters()["fullnat_toa_removed"]
    forged = toa("10.66.66.66", 6666)
    with path.falling_back("options"):
        there = segments.client("PA", b"forged", options=forged)
    assert there.tcp.data == b"forged" and not there.tcp.toas() and not there.wrong_checksums()
    assert director.counters()["fullnat_toa_removed"] == before + 1
    with path.falling_back("options"):
        there = segments.client("A", options=NOP * 2 + b"\x05\x0a" + bytes(8))
    assert there.tcp.option(5) == bytes(8), "selective acknowledgements stay"


def test_the_end_of_a_connection_goes_the_long_way(director, segments, path):
    with path.falling_back("flags", 2):
        segments.client("FA")
        segments.server("FA")
    with path.falling_back("state"):
        segments.client("A")
    states = {row["client"]: row["state"] for row in director.connections()}
    assert states[f"{RAW_CLIENT}:{segments.sport}"] == "TIME_WAIT"


def test_the_end_of_a_handshake_goes_the_long_way_so_that_ipvs_hears_of_it(director, wire, path):
    # Nothing else keeps this one: the client's address does not go along.
    introduce(director, "-t", 81, toa="off")
    try:
        talk = Conversation(wire, next(_ports))
        talk.client("S")
        talk.server("SA")
        with path.falling_back("state"):
            talk.client("A")
        states = {row["client"]: row["state"] for row in director.connections()}
        assert states[f"{RAW_CLIENT}:{talk.sport}"] == "ESTABLISHED"
        talk.abort()
    finally:
        introduce(director, "-t", 81)


def test_an_upload_to_a_server_that_says_nothing_takes_the_fast_path(wire, path):
    talk = Conversation(wire, next(_ports))
    talk.open()
    assert talk.client("PA", b"first").tcp.toas()
    talk.server("A")
    # This one finds that the server has its socket.
    with path.falling_back("introduction"):
        assert not talk.client("PA", b"second").tcp.toas()
    with path.passing(10):
        for _ in range(10):
            assert talk.client("PA", b"more").tcp.data == b"more"
    talk.abort()


def test_a_reset_goes_the_long_way_and_ends_it(wire, path):
    talk = Conversation(wire, 47001)
    talk.open()
    talk.client("PA", b"hello")
    with path.falling_back("flags"):
        talk.client("RA")


def test_what_contradicts_itself_goes_no_way(wire, datagrams, path):
    datagram = Udp(47000, 81, b"bad").build(RAW_CLIENT, VIP)
    with path.falling_back("malformed", 3):
        wire.from_client(17, datagram, checksum=0x1234)
        wire.from_client(17, datagram, total_length=2000)
        wire.from_client(17, Udp(47000, 81, b"bad", length=900).build(RAW_CLIENT, VIP))
        wire.settle()
    got = [packet for packet in wire.far.read() if packet.destination == RAW_SERVER]
    # What is wrong in the header of UDP is for the server to find.
    assert all(packet.protocol == 17 and packet.udp.length == 900 for packet in got)


def errors(topology):
    ends = [topology.client, *topology.servers]
    return {(end.name, name): end.mib(name) for end in ends for name in ("TcpInCsumErrors", "UdpInCsumErrors")}


@pytest.mark.parametrize("gro", ["on", "off"])
def test_20_megabytes_each_way_arrive_unchanged(topology, fullnat, path, gro):
    for interface in ("wan", "lan1", "lan2"):
        topology.director.run("ethtool", "-K", interface, "gro", gro)
    before, hits, was = errors(topology), path.hits(), fullnat.stats(SERVICE, "-t")["service"]
    with transfer(topology, path, 20):
        pass
    took = path.hits() - hits
    # IPVS adds up what each processor has counted every two seconds.
    now = wait_until(
        lambda: (s := fullnat.stats(SERVICE, "-t")["service"])["in_bytes"] > 20_000_000 < s["out_bytes"] and s,
        "the sum",
    )
    count, size = (sum(now[f"{w}_{u}"] - was[f"{w}_{u}"] for w in ("in", "out")) for u in ("packets", "bytes"))
    print(f"{count} packets of {size // count} bytes, {took} of them on the fast path")
    assert took > count * 0.9
    assert errors(topology) == before
    topology.offloads("default")


def test_20_megabytes_without_offload_arrive_unchanged(topology, fullnat, path):
    topology.offloads("off")
    try:
        before, hits = errors(topology), path.hits()
        with transfer(topology, path, 20):
            pass
        assert errors(topology) == before
        # Segments of Ethernet's size both ways.
        assert path.hits() - hits > 2 * 20_000_000 // 1460
    finally:
        topology.offloads("default")


def test_a_checksum_the_peer_left_to_its_card_is_right_in_the_end(topology, fullnat, path):
    """A virtual link hands over datagrams without one; a tap behind it that computes them shows what would leave."""
    before, hits = errors(topology), path.hits()
    # The link to the first server has no card that completes checksums: it is done before.
    topology.director.run("ethtool", "-K", "lan1", "tx", "off")
    try:
        report = json.loads(topology.client.run("traffic", "udp", SERVICE, "-n", 400, "-k", 4, "--size", 1001).stdout)
        assert report["ok"] == 400
    finally:
        topology.director.run("ethtool", "-K", "lan1", "tx", "on", "sg", "on", "tso", "on")
    assert path.hits() - hits > 700
    assert errors(topology) == before


def test_datagrams_that_the_peer_sends_as_one_super_packet_arrive_one_by_one(topology, fullnat, path):
    with topology.client.entered():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((VIP, 80))
    client.settimeout(5)
    try:
        for _ in range(2):
            client.send(b"warm")
            assert client.recv(65536).endswith(b"warm\n")
        client.setsockopt(socket.SOL_UDP, UDP_SEGMENT, struct.pack("=i", 1000))
        hits = path.hits("wan")
        client.send(b"".join(bytes([number]) * 1000 for number in range(ord("a"), ord("k"))))
        got = sorted(client.recv(65536).split()[-1] for _ in range(10))
        assert got == [bytes([number]) * 1000 for number in range(ord("a"), ord("k"))]
        assert path.hits("wan") - hits == 1, "one packet of all ten"
    finally:
        client.close()


@pytest.mark.skipif(os.cpu_count() < 2, reason="one processor")
def test_two_processors_at_once_do_no_wrong(topology, fullnat, path):
    """Packets of a virtual link are dealt with on the processor of who sends them."""
    for interface in ("wan", "lan1", "lan2"):
        topology.director.run("ethtool", "-K", interface, "gro", "off")
    pulses = [
        Pulse(topology.client, "-k", 8, "--size", 200 + cpu, prefix=("taskset", "-c", cpu), timeout=5)
        for cpu in (0, 1, 0, 1)
    ]
    before = errors(topology)
    bulks = [
        topology.client.start("taskset", "-c", cpu, "traffic", "bulk", SERVICE, "--up", 10**7, "--down", 10**7)
        for cpu in (0, 1)
    ]
    path.grows(by=5000)
    for bulk in bulks:
        assert json.loads(bulk.finish(timeout=50))["ok"]
    for beating in pulses:
        report = beating.end()
        assert report["ok"] > 100 and report["failed"] == 0
    assert errors(topology) == before


@pytest.mark.parametrize("end", ["client", "server"])
def test_what_is_larger_than_the_way_out_goes_the_long_way_and_its_sender_hears_of_it(wire, datagrams, path, way, end):
    into, out, tap = {"client": ("wan", "lan1", wire.near), "server": ("lan1", "wan", wire.far)}[end]
    send = getattr(datagrams, f"send_{end}")

    def left():
        counts = path.interfaces()[into]
        return (counts.xdp_detours if way == "xdp" else counts.detours).get("too-big", 0)

    def is_refused():
        # Once in half a second IPVS is to hear of a packet, and that is the reason then.
        send(bytes(1400))
        error = tap.receive(lambda p: p.protocol == 1 and (p.icmp.kind, p.icmp.code) == (3, 4), "fragmentation needed")
        assert error.icmp.rest == struct.pack("!HH", 0, 1300)
        return left() > before

    director = wire.topology.director
    director.ip(f"link set {out} mtu 1300")
    try:
        datagrams.warm()
        before, hits = left(), path.hits(into)
        wait_until(is_refused, "a packet that is too big")
        assert path.hits(into) == hits
        # One that is as large as it may be.
        data = bytes(1300 - 28)
        wait_until(lambda: getattr(datagrams, end)(data) and path.hits(into) > hits, "a packet that fits to pass")
    finally:
        director.ip(f"link set {out} mtu 1500")
