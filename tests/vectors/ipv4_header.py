# SPDX-License-Identifier: GPL-2.0
"""The IPv4 header on its way through: what a router changes, and nothing else; and headers that no router takes."""

from lib.vectors.shapes import ANY
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Error
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

MALFORMED = {"fullnat_malformed": 1}
LONG_OPTION = Datagram(b"data", ip_options=bytes.fromhex("440a0500"))
BOTH = ("request", "reply")
WHO = {"request": "a client", "reply": "a server"}


def both(sentence, fields, changed=None, kinds="udp4", **more):
    """A datagram of either direction with those fields, and those it leaves with."""
    return [
        vector
        for way in BOTH
        for vector in vectors(
            kinds,
            f"{sentence}, from {WHO[way]}",
            Datagram(b"data", **fields),
            Datagram(b"data", **{**fields, **(changed or {})}),
            way=way,
            **more,
        )
    ]


def nothing(sentence, shape, counts=None, kinds="udp4", **more):
    """A packet of either direction of which nothing comes."""
    return [
        vector
        for way in BOTH
        for vector in vectors(kinds, f"{sentence}, from {WHO[way]}", shape, (), counts, way=way, **more)
    ]


def expired(hops):
    """What a router says of a packet whose time is up: the header and 8 bytes at least; Linux quotes all of it."""
    return [
        vectors(
            "udp4",
            f"a TTL of {hops} is not forwarded, {WHO[way]} is told",
            Datagram(b"data", hops=hops),
            Out(Error(11, 0, Datagram(b"data", hops=hops), keep=None, hops=64, id=ANY, df=False, tos=0xC0), back=True),
            {"fullnat_ttl_expired": 1},
            way=way,
        )
        for way in BOTH
    ]


FIELDS = (
    [both(f"a type of service of {tos:#04x} stays", {"tos": tos}) for tos in (0x02, 0x10, 0xB8, 0xFF)]
    + [both(f"an identification of {number:#06x} stays", {"id": number}) for number in (0, 0xFFFF)]
    + [
        both("without DF it stays without", {"df": False}),
        both("without DF the identification stays", {"df": False, "id": 0xBEEF}),
        both("a TTL of 2 leaves as 1", {"hops": 2}, {"hops": 1}),
        both("a TTL of 255 leaves as 254", {"hops": 255}, {"hops": 254}),
        both("a TTL of 1 in the upper half of a byte", {"hops": 16}, {"hops": 15}),
        both("NOPs as IP options stay", {"ip_options": b"\x01\x01\x01\x00"}),
        both("40 bytes of IP options stay", {"ip_options": b"\x01" * 40}),
        both("an option that nobody knows stays", {"ip_options": bytes.fromhex("5e04aabb")}),
        both("router alert stays", {"ip_options": bytes.fromhex("94040000")}),
        vectors(
            "udp4",
            "a client that asks for the route gets the VIP into the packet",
            Datagram(b"data", ip_options=bytes.fromhex("0707040000000000")),
            Datagram(b"data", ip_options=bytes.fromhex("070708c633645000")),
        ),
        both("bytes behind the end of the packet do not go on", {"trailer": b"\xee" * 18}, {"trailer": b""}),
        *expired(1),
        *expired(0),
    ]
)

LIES = [
    nothing("a header of 4 words", Datagram(b"data", ihl=4)),
    nothing("a header that is longer than the packet", Datagram(b"", ihl=15)),
    nothing("a header of 15 words that takes the datagram for options", Datagram(bytes(60), ihl=15)),
    nothing("version 5", Datagram(b"data", version=5)),
    nothing("version 6", Datagram(b"data", version=6)),
    nothing("a length shorter than the header", Datagram(b"data", length=19)),
    nothing("a length of 0", Datagram(b"data", length=0)),
    nothing("a length longer than the packet", Datagram(b"data", length=33)),
    nothing("a length of 65535", Datagram(b"data", length=65535)),
    nothing("a wrong header checksum", Datagram(b"data", header_checksum=0x1234)),
    vectors(
        "udp4",
        "a client is told of an option that is longer than the header",
        LONG_OPTION,
        Out(Error(12, 0, LONG_OPTION, b"\x14\0\0\0", keep=None, hops=64, id=ANY, df=False, tos=0xC0), back=True),
    ),
    vectors(
        "udp4",
        "a loose source route is not for clients to choose",
        Datagram(b"data", ip_options=bytes.fromhex("83070400000000 00")),
    ),
    nothing("a packet that ends within its header", Datagram(b"data", cut=19)),
    nothing("a later fragment without its beginning", Datagram(b"data", df=False, frag=100)),
]

TRANSPORT = [
    vectors(
        "udp4",
        f"a datagram of {length} bytes has no UDP header, from {WHO[way]}",
        Datagram(b"", cut=20 + length, length=20 + length),
        (),
        counts,
        way=way,
    )
    # Without ports a packet belongs to no service, and without both to no connection.
    for length, way, counts in (
        (0, "request", {}),
        (2, "request", {}),
        (4, "request", MALFORMED),
        (7, "request", MALFORMED),
        (0, "reply", {}),
        (4, "reply", {}),
        (7, "reply", {}),
    )
]


@each(*FIELDS, *LIES, *TRANSPORT)
def test_vector(lab, vector):
    lab.check(vector)
