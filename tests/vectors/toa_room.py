# SPDX-License-Identifier: GPL-2.0
"""The client's address among the TCP options: on which segments, and with how much room.

DPVS writes it directly behind the 20 bytes that each TCP header has, in front of all options, so that the data offset
grows by 2 words (IPv4 client) or by 5 (IPv6 client, also to an IPv4 server). A TCP header has 40 bytes for options.
It is on each segment that acknowledges just the SYN of the server, but for SYN and RST.
"""

from lib.vectors.network import CLIENT_ISN
from lib.vectors.network import MTU
from lib.vectors.network import SERVER_ISN
from lib.vectors.network import SMALL_MTU
from lib.vectors.shapes import TOA
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

V4, V6 = "tcp4 tcp46", "tcp6 tcp64"
ALL = "tcp4 tcp6 tcp64 tcp46"
ADDED = {"fullnat_add_toa_ok": 1}
TOO_LONG = {"fullnat_add_toa_fail_len": 1}

STAMPS = bytes.fromhex("0101 080a 00000005 00000006")
SACK_1 = bytes.fromhex("0101 050a 00001389 0000138a")
# Four bytes that nobody knows: kind 77.
UNKNOWN = bytes.fromhex("4d04 aaaa")


def with_address(kinds, sentence, flags="A", data=b"", options=b"", **more):
    """A segment of a client that leaves with the address, and otherwise as it came."""
    fields = more.pop("fields", {})
    sent, expected = Segment(flags, data, options, **fields), Segment(flags, data, [TOA, options], **fields)
    return vectors(kinds, sentence, sent, expected, ADDED, **more)


def without_address(kinds, sentence, flags="A", data=b"", options=b"", counts=None, **more):
    """A segment of a client that leaves as it came."""
    fields = more.pop("fields", {})
    segment = Segment(flags, data, options, **fields)
    return vectors(kinds, sentence, segment, segment, counts, **more)


ROOM = [
    with_address(V4, f"{len(options)} bytes of options ({name}): the address stands in front of them", options=options)
    for name, options in (
        ("none", b""),
        ("an unknown one", UNKNOWN),
        ("two unknown ones", UNKNOWN * 2),
        ("time stamps", STAMPS),
        ("four unknown ones", UNKNOWN * 4),
        ("time stamps, two unknown", STAMPS + UNKNOWN * 2),
        ("time stamps, SACK", STAMPS + SACK_1),
        ("seven unknown ones", UNKNOWN * 7),
        ("eight unknown ones", UNKNOWN * 8),
    )
] + [
    with_address(
        V4,
        "the header that DPVS sends for 203.0.113.7:51234 is fe08 c822 cb00 7107",
        client={"cport": 51234},
        options=b"",
    ),
    with_address(V4, "an end mark behind the options stays behind them", options=bytes.fromhex("4d03 aa00")),
    with_address(
        V4, "bytes behind an end mark are passed on as they are", options=bytes.fromhex("01 00 4d03 fe08 0102")
    ),
    with_address(
        V4,
        "an option that is longer than the header is no reason to leave it out",
        options=bytes.fromhex("4d28 aaaa 01010101"),
    ),
    with_address(V4, "an option of length 0 is no reason to leave it out", options=bytes.fromhex("4d00 aaaa")),
    with_address(V4, "an option of length 1 is no reason to leave it out", options=bytes.fromhex("4d01 aaaa")),
]

ROOM_V6 = [
    with_address(
        V6, f"{len(options)} bytes of options ({name}) leave room for the 20 bytes of an IPv6 client", options=options
    )
    for name, options in (
        ("none", b""),
        ("an unknown one", UNKNOWN),
        ("two unknown ones", UNKNOWN * 2),
        ("time stamps", STAMPS),
        ("four unknown ones", UNKNOWN * 4),
        ("time stamps, two unknown", STAMPS + UNKNOWN * 2),
    )
] + [
    with_address(
        "tcp6",
        "the header that DPVS sends for [2001:db8::1]:51234 is fe14 c822 and 16 bytes of address",
        client={"cport": 51234},
    )
]

FIRST, LATER = {"seq": CLIENT_ISN + 1}, {"seq": CLIENT_ISN + 101}
SEGMENTS = [
    with_address(ALL, "the first data carries it, since the bare ACK may be lost", "PA", b"GET /"),
    with_address(
        ALL,
        "data that comes later carries it, as long as the server's data is not acknowledged",
        "A",
        b"x" * 99,
        fields=LATER,
    ),
    with_address(ALL, "a retransmission carries it", "PA", b"GET /", before=(Segment("PA", b"GET /"),)),
    with_address(ALL, "a FIN with data carries it, since it may be the only packet", "FPA", b"all of it"),
    with_address(ALL, "a bare FIN carries it", "FA"),
    with_address(ALL, "urgent data carries it", "UPA", b"now", fields={"urgent": 3}),
    with_address(ALL, "ECN marks stay beside it", "AEC", b"x"),
    without_address(ALL, "a RST carries none", "RA"),
    without_address(ALL, "a RST without ACK carries none", "R"),
    without_address(ALL, "a segment with neither ACK nor SYN carries none", "PU", b"odd"),
    without_address(ALL, "an acknowledgement of the server's first byte carries none", fields={"ack": SERVER_ISN + 2}),
    without_address(ALL, "an acknowledgement of less than the SYN carries none", fields={"ack": SERVER_ISN}),
    without_address(
        ALL,
        "data carries none once the client has acknowledged data",
        "PA",
        b"more",
        state="known",
        fields={"ack": SERVER_ISN + 2},
    ),
    without_address(
        ALL,
        "nor do time stamps then change anything",
        "PA",
        b"more",
        STAMPS,
        state="known",
        fields={"ack": SERVER_ISN + 2},
    ),
    without_address(ALL, "none at all if it is switched off", sysctls={"net.ipv4.vs.fullnat_toa_entry": 0}),
]


def at_the_mtu(kind, mtu, header, option):
    """Around the longest segment that has room for the option."""
    full = mtu - header - 20
    where = "of the route" if kind.endswith("small") else "of the link"
    return [
        without_address(
            kind, f"{less} bytes below the MTU {where} there is no room", data=bytes(full - less), counts=TOO_LONG
        )
        for less in (0, 1, option - 1)
    ] + [
        with_address(kind, f"{less} bytes below the MTU {where} there is room", data=bytes(full - less))
        for less in (option, option + 1)
    ]


LENGTHS = [
    *at_the_mtu("tcp4", MTU, 20, 8),
    *at_the_mtu("tcp4-small", SMALL_MTU, 20, 8),
    *at_the_mtu("tcp6", MTU, 40, 20),
    *at_the_mtu("tcp6-small", SMALL_MTU, 40, 20),
    # What counts is the size as it leaves: an IPv4 packet of an IPv6 client, an IPv6 packet of an IPv4 client.
    *at_the_mtu("tcp64", MTU, 20, 20)[3:],
    *at_the_mtu("tcp64-small", SMALL_MTU, 20, 20),
    *at_the_mtu("tcp46", MTU, 40, 8),
    *at_the_mtu("tcp46-small", SMALL_MTU, 40, 8),
]


@each(*ROOM, *ROOM_V6, *SEGMENTS, *LENGTHS)
def test_vector(lab, vector):
    lab.check(vector)
