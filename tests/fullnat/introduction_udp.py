# SPDX-License-Identifier: GPL-2.0
"""The client's address in front of the first datagrams of a flow (UOA), over IPv4."""

import contextlib
import socket
import struct

import pytest

from lib.options import introduce
from lib.packets import IPv4
from lib.packets import Udp
from lib.packets import ones_sum
from lib.packets import pseudo_header
from lib.topology import VIP
from lib.wire import CLIENT as RAW_CLIENT
from lib.wire import SERVER as RAW_SERVER
from lib.wire import Tap

OPP = 248
MAX_TRAIL = "net.ipv4.vs.fullnat_uoa_max_trail"


def address(port, client=RAW_CLIENT):
    """The option as DPVS writes it."""
    return struct.pack("!BBH", 31, 8, port) + socket.inet_aton(client)


def header(port):
    """The option behind the private protocol's four bytes."""
    return bytes((0x10, 17, 0, 12)) + address(port)


def datagram(wire, port, data, **fields):
    """Send a datagram from the client; returns the packet the real server gets."""
    send(wire, port, data, **fields)
    return receive(wire, port)


def send(wire, port, data, check=None, **fields):
    wire.from_client(17, Udp(port, 81, data, checksum=check).build(RAW_CLIENT, VIP), **fields)


def receive(wire, port):
    return wire.far.receive(
        lambda p: p.destination == RAW_SERVER and p.protocol in (17, OPP), f"datagram of {port} at the real server"
    )


def carried(packet):
    """What a packet carries: the address in front, and the datagram, which must be right as it is."""
    assert "IPv4" not in packet.wrong_checksums()
    if packet.protocol == OPP:
        front, rest = packet.payload[:12], packet.payload[12:]
    else:
        front, rest = packet.options[:8], packet.payload
    pseudo = pseudo_header(packet.source, packet.destination, 17, len(rest))
    udp = Udp.parse(rest)
    assert udp.length == len(rest)
    assert udp.checksum == 0 or ones_sum(pseudo + rest) == 0xFFFF, "a receiver verifies it when the address is out"
    return front, udp


@contextlib.contextmanager
def trail(topology, number):
    """Let so many datagrams of a flow carry the address."""
    default = topology.director.sysctl(MAX_TRAIL)
    topology.director.sysctl(MAX_TRAIL, number)
    try:
        yield
    finally:
        topology.director.sysctl(MAX_TRAIL, default)


def test_by_default_there_is_none(wire):
    """Before this file says anything else."""
    for _ in range(4):
        packet = datagram(wire, 40000, b"data")
        assert (packet.protocol, packet.options, packet.udp.data) == (17, b"", b"data")


def test_a_header_of_its_own_goes_in_front_of_the_first_three(director, wire):
    introduce(director, "-u", 81, uoa="opp")
    added = director.counters()["fullnat_add_uoa_ok"]
    for number in range(5):
        data = b"datagram %d" % number
        packet = datagram(wire, 40001, data)
        assert packet.protocol == (OPP if number < 3 else 17)
        front, udp = carried(packet)
        assert front == (header(40001) if number < 3 else b"")
        assert (udp.data, udp.dport, packet.ttl) == (data, 81, 63)
    assert director.counters()["fullnat_add_uoa_ok"] == added + 3


def test_an_option_goes_into_the_header_of_the_first_three(director, wire):
    introduce(director, "-u", 81, uoa="ipo")
    for number in range(4):
        packet = datagram(wire, 40002, b"data")
        assert (packet.protocol, packet.header_words) == (17, 7 if number < 3 else 5)
        front, udp = carried(packet)
        assert front == (address(40002) if number < 3 else b"") and udp.data == b"data"


@pytest.mark.parametrize("mode", ["opp", "ipo"])
def test_it_stands_in_front_of_other_options(director, wire, mode):
    introduce(director, "-u", 81, uoa=mode)
    router_alert = bytes((0x94, 4, 0, 0))
    port = {"opp": 40050, "ipo": 40051}[mode]
    packet = datagram(wire, port, b"data", options=router_alert)
    front, _ = carried(packet)
    if mode == "opp":
        assert front == header(port) and packet.options == router_alert
    else:
        assert packet.options == address(port) + router_alert


@pytest.mark.parametrize("mode", ["opp", "ipo"])
def test_a_datagram_without_a_checksum_gets_none(director, wire, mode):
    introduce(director, "-u", 81, uoa=mode)
    _, udp = carried(datagram(wire, {"opp": 40052, "ipo": 40053}[mode], b"data", check=0))
    assert udp.checksum == 0 and udp.data == b"data"


@pytest.mark.parametrize("number", [0, 1, 255])
def test_the_operator_says_how_many(topology, director, wire, number):
    introduce(director, "-u", 81, uoa="opp")
    with trail(topology, number):
        for turn in range(min(number, 5) + 1):
            packet = datagram(wire, 40100 + number, b"data")
            assert packet.protocol == (OPP if turn < number else 17)


@pytest.mark.parametrize("value", [-1, 256])
def test_a_number_that_no_byte_holds_is_refused(topology, director, value):
    with pytest.raises(OSError):
        topology.director.sysctl(MAX_TRAIL, value)


def test_each_flow_is_introduced(director, wire):
    introduce(director, "-u", 81, uoa="opp")
    for port in range(40010, 40014):
        front, _ = carried(datagram(wire, port, b"data"))
        assert front == header(port)


@pytest.mark.parametrize("mode, room", [("opp", 12), ("ipo", 8)])
def test_where_it_does_not_fit_a_packet_of_its_own_goes_ahead(director, wire, mode, room):
    introduce(director, "-u", 81, uoa=mode)
    port = 40020 + room
    before = director.counters()
    largest = 1500 - 28 - room
    front, udp = carried(datagram(wire, port, b"m" * largest))
    assert front and len(udp.data) == largest
    send(wire, port, b"m" * (largest + 1), tos=0x28, ttl=9)
    alone, packet = receive(wire, port), receive(wire, port)
    front, udp = carried(alone)
    assert front == (header(port) if mode == "opp" else address(port))
    assert udp.data == b"" and (alone.tos, alone.ttl) == (0x28, 8)
    assert (alone.source, udp.sport, udp.dport) == (packet.source, packet.udp.sport, 81)
    assert (packet.protocol, packet.options, len(packet.udp.data)) == (17, b"", largest + 1)
    after = director.counters()
    assert after["fullnat_add_uoa_ok"] == before["fullnat_add_uoa_ok"] + 1
    assert after["fullnat_add_uoa_alone"] == before["fullnat_add_uoa_alone"] + 1
    assert carried(datagram(wire, port, b"third"))[0] and not carried(datagram(wire, port, b"fourth"))[0]


@pytest.mark.parametrize("mode, port", [("opp", 40033), ("ipo", 40034)])
def test_an_empty_datagram_is_announced_by_a_packet_of_its_own(director, wire, mode, port):
    """With the address inside it would be taken for such a packet, and the program would miss it."""
    introduce(director, "-u", 81, uoa=mode)
    alone = director.counters()["fullnat_add_uoa_alone"]
    for number in range(4):
        send(wire, port, b"")
        if number < 3:
            front, udp = carried(receive(wire, port))
            assert (front, udp.data) == (header(port) if mode == "opp" else address(port), b"")
        packet = receive(wire, port)
        assert (packet.protocol, packet.options, packet.udp.data) == (17, b"", b"")
    assert director.counters()["fullnat_add_uoa_alone"] == alone + 3


def test_where_options_leave_no_room_a_packet_of_its_own_goes_ahead(director, wire):
    introduce(director, "-u", 81, uoa="ipo")
    full = b"\x01" * 36
    send(wire, 40030, b"data", options=full)
    alone, packet = receive(wire, 40030), receive(wire, 40030)
    front, udp = carried(alone)
    assert (front, udp.data, alone.options) == (address(40030), b"", address(40030))
    assert (packet.options, packet.udp.data) == (full, b"data")


def test_a_datagram_in_fragments_is_announced_by_a_packet_of_its_own(director, wire):
    introduce(director, "-u", 81, uoa="opp")
    whole = Udp(40031, 81, b"f" * 4000).build(RAW_CLIENT, VIP)
    for offset in range(0, len(whole), 1480):
        piece = whole[offset:offset + 1480]
        more = offset + len(piece) < len(whole)
        wire.from_client(17, piece, offset=offset, more_fragments=more, dont_fragment=False, identification=7)
    front, udp = carried(receive(wire, 40031))
    assert front == header(40031) and udp.data == b""
    got = wire.far.receive_whole(lambda p: p.destination == RAW_SERVER and p.protocol == 17, "datagram")
    assert got.udp.data == b"f" * 4000 and not got.wrong_checksums()


@pytest.mark.parametrize("mode", ["off", "opp", "ipo"])
def test_nobody_else_can_write_the_option(director, wire, mode):
    introduce(director, "-u", 81, uoa=mode)
    forged = address(1, "203.0.113.7") + bytes((31, 4, 9, 9))
    port = 40040 + ["off", "opp", "ipo"].index(mode)
    removed = director.counters()["fullnat_uoa_removed"]
    for number in range(5):
        packet = datagram(wire, port, b"data", options=forged + b"\0\0\0\0")
        ours = address(port) if mode == "ipo" and number < 3 else b""
        assert packet.options == ours + b"\x01" * 12 + b"\0\0\0\0"
        assert (packet.protocol == OPP) == (mode == "opp" and number < 3)
        carried(packet)
    assert director.counters()["fullnat_uoa_removed"] == removed + 5


def test_an_option_hidden_behind_the_end_of_the_list_does_not_pass(director, wire):
    introduce(director, "-u", 81)
    packet = datagram(wire, 40043, b"data", options=b"\0" * 4 + address(1, "203.0.113.7"))
    assert 31 not in packet.options and packet.udp.data == b"data"


def test_a_receiver_that_takes_the_address_out_has_a_real_programs_datagrams(topology, director):
    """What a module on the real server does, done by the test: client, director and checksums are the kernel's."""
    director.fullnat("-u", 80, servers=["192.168.229.1"])
    introduce(director, "-u", 80, uoa="opp")
    far = Tap(topology.servers[0], "eth0")
    try:
        topology.client.run("traffic", "udp", f"{VIP}:80", "-n", 1, "-k", 1, "--timeout", 0.3, code=None)
        packet = far.receive(lambda p: p.protocol == OPP, "datagram with an address")
    finally:
        far.close()
    front, udp = carried(packet)
    assert front[:4] == bytes((0x10, 17, 0, 12)) and front[8:] == socket.inet_aton("172.16.0.1")
    plain = IPv4(packet.source, packet.destination, 17, packet.payload[12:])
    assert not IPv4.parse(plain.build()).wrong_checksums() and udp.checksum
