# SPDX-License-Identifier: GPL-2.0
"""Packets no decent end would send: dropped or passed on as they are, counted, and without harm to anybody else."""

import socket
import struct

import pytest

from lib.packets import ACK
from lib.packets import PSH
from lib.packets import SYN
from lib.packets import Icmp
from lib.packets import IPv4
from lib.packets import Tcp
from lib.packets import Udp
from lib.packets import mss
from lib.topology import LOCAL
from lib.topology import VIP
from lib.wire import CLIENT
from lib.wire import SERVER
from lib.wire import Conversation

TCP, UDP, ICMP = socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP


@pytest.fixture
def works(wire):
    """After the test the director must serve a new connection and a datagram as if nothing had been."""
    yield
    talk = Conversation(wire, 49999)
    wire.flush()
    talk.open()
    assert talk.client("PA", b"still here").tcp.data == b"still here"
    assert talk.server("PA", b"so am I").tcp.data == b"so am I"
    talk.abort()


@pytest.fixture
def talk(wire, works):
    """An established connection to be hostile in."""
    talk = Conversation(wire, 49000)
    talk.open()
    yield talk
    talk.send_client("RA")
    wire.settle()


def truncations(packet, first=20):
    """A packet cut off at every length, its IP header telling the truth and then not."""
    data = packet.build()
    for length in range(first, len(data)):
        cut = IPv4.parse(data)
        cut.payload = data[20:length]
        cut.total_length = cut.header_words = cut.checksum = None
        yield cut
        lying = IPv4.parse(data)
        lying.payload = data[20:length]
        yield lying


def assert_whole(arrived):
    """Every segment that arrived has all of its header."""
    for packet in arrived:
        assert len(packet.payload) >= 20 and packet.tcp.words * 4 <= len(packet.payload), packet


def client_segment(talk, **fields):
    fields = {"seq": talk.seq, "ack": talk.ack, "data": b"data", **fields}
    segment = Tcp(talk.sport, talk.vport, ACK | PSH, **fields)
    return IPv4(CLIENT, VIP, TCP, segment.build(CLIENT, VIP))


def server_segment(talk, **fields):
    fields = {"seq": talk.server_seq, "ack": talk.seen_seq, "data": b"data", **fields}
    segment = Tcp(talk.rport, talk.local[1], ACK | PSH, **fields)
    return IPv4(SERVER, LOCAL, TCP, segment.build(SERVER, LOCAL))


def test_truncated_packets_from_a_client_reach_nobody(wire, talk):
    for packet in truncations(client_segment(talk, options=mss(1000), data=b"")):
        wire.near.send(packet, wire.wan)
    wire.settle()
    assert_whole(packet for packet in wire.far.read() if packet.destination == SERVER)


def test_truncated_packets_from_a_server_reach_nobody(wire, talk):
    for packet in truncations(server_segment(talk, options=mss(1000), data=b"")):
        wire.far.send(packet, wire.lan)
    wire.settle()
    assert_whole(packet for packet in wire.near.read() if packet.destination == CLIENT and packet.protocol == TCP)


def test_truncated_datagrams_and_errors_harm_nobody(wire, works):
    datagram = IPv4(CLIENT, VIP, UDP, Udp(49001, 81, b"data").build(CLIENT, VIP))
    wire.near.send(datagram, wire.wan)
    there = wire.far.receive(lambda p: p.destination == SERVER and p.protocol == UDP, "datagram")
    answer = IPv4(SERVER, LOCAL, UDP, Udp(81, there.udp.sport, b"data").build(SERVER, LOCAL))
    error = IPv4(SERVER, LOCAL, ICMP, Icmp(3, 3, data=there.build()).build())
    for packet in truncations(datagram):
        wire.near.send(packet, wire.wan)
    for packet in (*truncations(answer), *truncations(error)):
        wire.far.send(packet, wire.lan)
    wire.settle()


@pytest.mark.parametrize("words", range(5))
def test_a_data_offset_below_five_is_not_believed(wire, talk, words):
    wire.near.send(client_segment(talk, words=words), wire.wan)
    wire.far.send(server_segment(talk, words=words), wire.lan)
    wire.quiet("a TCP header shorter than 20 bytes")
    assert not [packet for packet in wire.near.read() if packet.protocol == TCP]


def test_a_data_offset_behind_the_end_is_not_believed(wire, talk):
    wire.near.send(client_segment(talk, words=15), wire.wan)
    wire.far.send(server_segment(talk, words=15), wire.lan)
    wire.quiet("a TCP header longer than its segment")
    assert not [packet for packet in wire.near.read() if packet.protocol == TCP]


@pytest.mark.parametrize("options", [
    b"\xfe\x00\x01\x01", b"\xfe\x01\x01\x01", b"\xfe\x08\x01\x01", b"\xfe\xff\x01\x01", b"\x01\x01\x01\xfe",
    b"\x02\x00\x01\x01", b"\x02\x03\x05\x01", b"\x08\x0a\x00\x00", b"\x05\xff\x00\x00", b"\x01\x01\x01\x02",
])
def test_options_that_lie_about_their_length_are_not_followed(wire, works, options):
    """On every kind of packet, in both directions; each packet is passed on whole or not at all."""
    talk = Conversation(wire, 49002)
    talk.send_client("S", options=options)
    wire.settle()
    arrived = [packet for packet in wire.far.read() if packet.destination == SERVER]
    talk = Conversation(wire, 49003)
    talk.open()
    talk.send_client("PA", b"data", options=options)
    talk.send_server("SA", options=options, seq=talk.server_seq - 1)
    talk.send_server("PA", b"data", options=options)
    wire.settle()
    arrived += [packet for packet in wire.far.read() if packet.destination == SERVER]
    arrived += [packet for packet in wire.near.read() if packet.destination == CLIENT and packet.protocol == TCP]
    for packet in arrived:
        assert not packet.wrong_checksums()
        assert packet.tcp.flags & SYN or packet.tcp.data in (b"data", b"")
    talk.send_client("RA")


STRAY = ["A", "PA", "FA", "RA", "R", "FPU", ""]


@pytest.mark.parametrize("flags", STRAY, ids=lambda flags: flags or "none")
def test_a_segment_without_a_connection_makes_none(director, wire, works, flags):
    bits = sum({"F": 1, "R": 4, "P": 8, "A": 16, "U": 32}[flag] for flag in flags)
    port = 49100 + STRAY.index(flags)
    wire.from_client(TCP, Tcp(port, 81, bits, 12345, 67890, b"data" * ("P" in flags)).build(CLIENT, VIP))
    wire.quiet(f"a segment with flags {flags!r}")
    assert not [row for row in director.connections() if row["client"].endswith(f":{port}")]


def test_a_syn_with_flags_that_contradict_it_harms_nobody(wire, works):
    for number, other in enumerate((1, 4, 5, 16, 63 - 2)):
        wire.from_client(TCP, Tcp(49120 + number, 81, SYN | other, 1, 2).build(CLIENT, VIP))
    wire.settle()


def test_a_stray_reply_is_left_to_the_directors_own_stack(wire, works):
    wire.from_server(TCP, Tcp(81, 1, ACK, 1, 2).build(SERVER, LOCAL), LOCAL)
    reset = wire.far.receive(lambda p: p.destination == SERVER and p.protocol == TCP, "a reset of the director's own")
    assert (reset.source, reset.tcp.sport, reset.tcp.flags & 4) == (LOCAL, 1, 4)
    wire.from_server(UDP, Udp(81, 1, b"stray").build(SERVER, LOCAL), LOCAL)
    error = wire.far.receive(lambda p: p.protocol == ICMP, "port unreachable")
    assert (error.icmp.kind, error.icmp.code) == (3, 3)


def test_a_reply_from_another_server_does_not_reach_the_client(wire, talk):
    segment = Tcp(81, talk.local[1], ACK | PSH, talk.server_seq, talk.seen_seq, b"intruder")
    for source, sport in (("192.168.229.77", 81), (SERVER, 82)):
        segment.sport = sport
        wire.from_server(TCP, segment.build(source, LOCAL), LOCAL, source=source)
    wire.settle()
    assert not [packet for packet in wire.near.read() if packet.protocol == TCP]


def test_port_zero_is_passed_on_or_dropped_like_any_other(director, wire, works):
    wire.from_client(TCP, Tcp(0, 81, SYN).build(CLIENT, VIP))
    wire.from_client(UDP, Udp(0, 81, b"from port 0").build(CLIENT, VIP))
    wire.from_client(TCP, Tcp(49005, 0, SYN).build(CLIENT, VIP))
    wire.from_client(UDP, Udp(49005, 0, b"to port 0").build(CLIENT, VIP))
    wire.from_server(TCP, Tcp(81, 0, ACK, 1, 2).build(SERVER, LOCAL), LOCAL)
    wire.from_server(UDP, Udp(81, 0, b"to port 0").build(SERVER, LOCAL), LOCAL)
    wire.settle()
    for packet in wire.far.read():
        if packet.destination == SERVER and packet.source == LOCAL and packet.protocol in (TCP, UDP):
            assert int.from_bytes(packet.payload[:2]) != 0 or int.from_bytes(packet.payload[2:4]) == 81


def fragments(payload, size, **header):
    """The fragments of an IP payload."""
    for offset in range(0, len(payload), size):
        more = offset + size < len(payload)
        part = payload[offset:offset + size]
        yield {"payload": part, "offset": offset, "more_fragments": more, "dont_fragment": False, **header}


def test_a_segment_in_fragments_arrives_whole(wire, talk):
    segment = client_segment(talk, data=b"f" * 600).payload
    for number, part in enumerate(fragments(segment, 200, identification=99)):
        if number != 1:
            wire.from_client(TCP, **part)
        else:
            kept = part
    wire.from_client(TCP, **kept)
    there = wire.far.receive_whole(lambda p: p.destination == SERVER and p.protocol == TCP, "segment")
    assert there.tcp.data == b"f" * 600 and not there.wrong_checksums()
    for part in fragments(server_segment(talk, data=b"g" * 600).payload, 200, identification=98):
        wire.from_server(TCP, destination=LOCAL, **part)
    back = wire.near.receive_whole(lambda p: p.destination == CLIENT and p.protocol == TCP, "reply")
    assert back.tcp.data == b"g" * 600 and not back.wrong_checksums()


def test_a_lone_later_fragment_goes_nowhere(wire, talk):
    wire.from_client(TCP, b"z" * 200, offset=400, dont_fragment=False)
    wire.from_server(TCP, b"z" * 200, LOCAL, offset=400, dont_fragment=False)
    wire.from_server(UDP, b"z" * 200, LOCAL, offset=8, more_fragments=True, dont_fragment=False)
    wire.quiet("a fragment without its beginning")
    assert not [packet for packet in wire.near.read() if packet.protocol in (TCP, UDP)]


@pytest.mark.parametrize("fields", [
    {"header_words": 4}, {"header_words": 15}, {"total_length": 10}, {"total_length": 65535}, {"version": 6},
    {"checksum": 0xBEEF}, {"options": b"\x44\x28\x05\x00" + b"\0" * 36}, {"options": b"\x07\x01\x00\x00"},
])
def test_ip_headers_that_lie_harm_nobody(wire, talk, fields):
    for tap, packet, peer in (
        (wire.near, client_segment(talk), wire.wan), (wire.far, server_segment(talk), wire.lan),
    ):
        for name, value in fields.items():
            setattr(packet, name, value)
        tap.send(packet, peer)
    wire.settle()


def test_ip_options_do_not_confuse_the_translation(wire, talk):
    packet = talk.client("PA", b"with options", header={"options": b"\x01" * 8})
    assert packet.tcp.data == b"with options" and not packet.wrong_checksums()
    back = talk.server("PA", b"and back", header={"options": b"\x01" * 4})
    assert back.tcp.data == b"and back" and not back.wrong_checksums()


def test_errors_about_what_was_never_sent_are_not_believed(wire, talk):
    address, port = talk.local
    for inner in (
        IPv4(address, SERVER, TCP, struct.pack("!HHI", port + 1, 81, 0)),
        IPv4("192.168.229.77", SERVER, TCP, struct.pack("!HHI", port, 81, 0)),
        IPv4(address, SERVER, 200, struct.pack("!HHI", port, 81, 0)),
        IPv4(address, SERVER, TCP, struct.pack("!HHI", port, 81, 0), header_words=15),
        IPv4(address, SERVER, TCP, struct.pack("!HH", port, 81)),
        IPv4(address, SERVER, TCP, struct.pack("!HHI", port, 81, 0), offset=8),
    ):
        wire.from_server(ICMP, Icmp(3, 4, rest=b"\0\0\0\x44", data=inner.build()).build(), LOCAL)
    wire.settle()
    assert not [packet for packet in wire.near.read() if packet.protocol == ICMP and packet.icmp.kind == 3]


def test_random_bytes_harm_nobody(wire, talk):
    import random
    dice = random.Random(20260721)
    for _ in range(300):
        packet = dice.choice([client_segment, server_segment])(talk, options=dice.randbytes(4 * dice.randrange(11)))
        data = bytearray(packet.build())
        for _ in range(dice.randrange(1, 5)):
            data[dice.randrange(20, len(data))] = dice.randrange(256)
        if packet.source == CLIENT:
            wire.near.send(bytes(data), wire.wan)
        else:
            wire.far.send(bytes(data), wire.lan)
    wire.settle()
