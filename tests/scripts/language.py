# SPDX-License-Identifier: GPL-2.0
"""The language that scripts are written in: what it understands, what it refuses, and that it finds what differs."""

import dataclasses

import pytest

from lib import ip
from lib.script import language
from lib.script import segment
from lib.script.connection import Connection
from lib.script.connection import pattern
from lib.script.segment import Number
from lib.script.segment import Wrong

ABOUT = "# Something.\n"


def connection(client="198.51.100.9", local="10.9.2.200"):
    server = "10.9.1.9" if local == "10.9.2.200" else "fd09:1::9"
    return Connection(client, 2000, "203.0.113.80" if ":" not in client else "2001:db8:80::80", 81, local, server, 81,
                      0xFFFFFFF0, 0x7000, lport=3000)


def test_a_segment_is_flags_numbers_and_words_in_any_order():
    said = segment.parse("PU. 1:101(100) urg 5 <nop,sack 1:2 -3:4,TS val 7 ecr 0> win 500 ack 7 ecn ce")
    assert said == segment.Segment(
        1 << 3 | 1 << 4 | 1 << 5, Number(1), 100, Number(7), 500, 5, 3,
        (("nop",), ("sack", (1, 2), (-3, 4)), ("TS", 7, 0)),
    )
    assert said.end == 101
    assert segment.parse("S 0").end == 1
    assert segment.parse("FP. 1:11(10) ack 1").end == 12


@pytest.mark.parametrize("text, value", [
    ("S 0", Number(0)), ("S 0:0(0)", Number(0)), ("S -5", Number(-5)), ("S =5", Number(5, True)), ("S *", None),
])
def test_numbers_are_relative_absolute_or_any(text, value):
    assert segment.parse(text).seq == value


@pytest.mark.parametrize("line", [
    "S", "Q 1", "SS 1", "S 1:3(1)", "S x", ". 1", "S 1 ack 1", "U. 1 ack 1", ". 1 ack 1 urg 1", ". 1 ack 1 ack 2",
    "S 0 win", "S 0 win big", "S 0 ecn some", "S 0 <mss>", "S 0 <mss x>", "S 0 <mss 1 2>", "S 0 <TS val 1>",
    "S 0 <sack>", "S 0 <sack 1-2>", "S 0 <what 1>", "S 0 whatever", "S =5:6(1)", "S *:1(1)", "S 0 <nop> <nop>",
])
def test_what_is_no_segment_is_refused(line):
    with pytest.raises(Wrong):
        segment.parse(line)


def test_a_script_is_its_head_and_its_events():
    script = language.parse(
        "# SPDX-License-Identifier: GPL-2.0\n# About it.\nports 2\nsysctl a 1\nsysctl b 2\nonly ipv6 nat64\nreal\n"
        "service --toa syn\n\nclient > S 0  # Here it begins.\nserver < nothing\n"
        "connection b port a isn -5\nstate gone\nkernel listens defer 3\nlocal same b\ncount x 3\n"
    )
    assert script.about == "About it."
    assert script.head == {"ports": ("2",), "sysctl": {"a": "1", "b": "2"}, "only": ("ipv6", "nat64"), "real": (),
                           "service": ("--toa", "syn")}
    assert script.families == ("ipv6", "nat64")
    assert [event.verb for event in script.events] == ["send", "silence", "connection", "state", "kernel", "local",
                                                       "count"]
    assert script.events[0].segment == segment.parse("S 0") and script.events[0].line == 10


@pytest.mark.parametrize("lines, number", [
    ("", "events"), ("ports 1", "events"), ("client > S 0\nports 1", 3), ("ports", 2), ("ports 1\nports 2", 3),
    ("only ipv5", 2), ("somebody > S 0", 2), ("client = S 0", 2), ("client", 2), ("client > nothing", 2),
    ("client > S *", 2),
    ("client > . 1 ack *", 2), ("client > S 0 <*>", 2), ("client > S 0 shifted", 2), ("server > R 1 own", 2),
    ("connection", 2), ("connection a port", 2), ("connection a what b", 2), ("connection a port b port c", 2),
    ("state", 2), ("state a b", 2), ("count a", 2), ("local near first", 2), ("kernel", 2), ("kernel sleeps", 2),
    ("kernel gets", 2), ("freed", 2), ("client > S 0\n\n  client > S 0 what", 4),
])
def test_what_is_no_script_is_refused_by_its_line(lines, number):
    with pytest.raises(Wrong, match=f"^line {number}: " if number != "events" else "without events"):
        language.parse(ABOUT + lines)


def test_a_script_says_what_it_is_about():
    with pytest.raises(Wrong):
        language.parse("# SPDX-License-Identifier: GPL-2.0\nclient > S 0\n")


@pytest.mark.parametrize("client, local", [
    ("198.51.100.9", "10.9.2.200"), ("2001:db8:100::9", "fd09:2::200"), ("2001:db8:100::9", "10.9.2.200"),
])
def test_a_segment_becomes_a_packet_with_the_numbers_of_its_side(client, local):
    talk = connection(client, local)
    talk.shift = 100
    sent = ip.Packet.parse(talk.packet("client", segment.parse("P. 17:27(10) ack 3")).build())
    assert sent.has_right_checksum() and (sent.source, sent.hops) == (client, 64)
    assert sent.payload[0:4] == (2000).to_bytes(2) + (81).to_bytes(2)
    assert sent.payload[4:12] == (1).to_bytes(4) + (0x7003).to_bytes(4), "the client's numbers go round"
    assert sent.payload[20:] == pattern("client", 17, 10)
    back = talk.packet("server", segment.parse(". 1 ack 17 <nop,nop,sack 18:20>"))
    assert back.payload[8:12] == (101).to_bytes(4), "the server knows the client's numbers as shifted"
    assert back.payload[24:32] == (102).to_bytes(4) + (104).to_bytes(4)


def translated(talk, said):
    """What a client's packet should be at the server."""
    packet = talk.packet("client", said)
    tcp = bytearray(packet.payload)
    tcp[0:4] = talk.lport.to_bytes(2) + talk.rport.to_bytes(2)
    tcp[4:8] = (int.from_bytes(tcp[4:8]) + talk.shift & 0xFFFFFFFF).to_bytes(4)
    tcp[16:18] = b"\0\0"
    payload = ip.summed(talk.local, talk.server, ip.TCP, bytes(tcp), 16)
    return ip.Packet(talk.local, talk.server, ip.TCP, payload, 63, packet.dsfield)


def test_a_packet_that_is_as_expected_has_no_differences():
    talk = connection()
    talk.shift = 5000
    said = segment.parse("PU. 1:11(10) ack 1 urg 3 ecn ect0 <nop,mss 1400,toa>")
    assert talk.differences("client", said, translated(talk, said), strict=True) == []


@pytest.mark.parametrize("change, name", [
    ({"source": "10.9.2.201"}, "source"), ({"destination": "10.9.1.8"}, "destination"),
    ({"hops": 64}, "hops"), ({"dsfield": 1}, "ECN"),
    ({0: 1}, "source port"), ({3: 80}, "destination port"), ({7: 9}, "seq"), ({11: 9}, "ack"),
    ({13: 17}, "flags"), ({15: 9}, "window"), ({17: 1}, "checksum"), ({19: 9}, "urgent"), ({23: 9}, "options"),
    ({-1: 0}, "data"),
])
def test_every_difference_is_found(change, name):
    talk = connection()
    said = segment.parse("P. 1:11(10) ack 1 <mss 1400>")
    packet = translated(talk, said)
    payload = bytearray(packet.payload)
    for place, value in change.items():
        if isinstance(place, int):
            payload[place] = value
    fields = {place: value for place, value in change.items() if isinstance(place, str)}
    wrong = dataclasses.replace(packet, payload=bytes(payload), **fields)
    found = talk.differences("client", said, wrong, strict=True)
    assert any(difference.startswith(f"{name} is ") for difference in found), found


def test_options_are_compared_without_what_fills_up_and_in_their_order():
    talk = connection()
    said = segment.parse("S 0 <mss 1400,sackOK>")
    same = translated(talk, segment.parse("S 0 <nop,mss 1400,nop,sackOK,eol>"))
    other = translated(talk, segment.parse("S 0 <sackOK,mss 1400>"))
    assert talk.differences("client", said, same, strict=True) == []
    assert talk.differences("client", said, other, strict=True) != []
    assert talk.differences("client", segment.parse("S 0 <*>"), other, strict=True) == []
