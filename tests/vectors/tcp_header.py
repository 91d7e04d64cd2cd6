# SPDX-License-Identifier: GPL-2.0
"""TCP and UDP headers that are cut short or lie about lengths: nothing comes of them, in either family.

What belongs to a connection is counted as malformed. What has no ports, or comes from a server, is left to the
director's own stack, which has no use for it either. Odd values that are no lies go through.
"""

from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

MALFORMED = {"fullnat_malformed": 1}
KINDS = ("tcp4", "tcp6", "tcp64", "tcp46")
UDP_KINDS = "udp4 udp6 udp64 udp46"
WAYS = (("request", "a client"), ("reply", "a server"))
BASE = {"request": Segment("PA", b"data", ack=5002), "reply": Segment("PA", b"data", ack=1001)}


def header_len(kind, way):
    """Bytes of the network header on the side that a packet comes from."""
    near, far = (kind[3:] * 2)[:2]
    return 20 if (near if way == "request" else far) == "4" else 40


def cut(kind, way, length):
    """A segment that ends after so many bytes, and says so."""
    head = header_len(kind, way)
    return BASE[way].but(cut=head + length, length=length + (head if head == 20 else 0))


def refused(sentence, shape, counts=None, kinds=KINDS):
    """A segment of an established connection of which nothing comes; counted if a client sends it."""
    return [
        vector
        for kind in kinds
        for way, who in WAYS
        for vector in vectors(
            kind,
            f"{sentence}, from {who}",
            shape(kind, way) if callable(shape) else BASE[way].but(**shape),
            (),
            (counts or MALFORMED) if way == "request" else {},
            way=way,
            state="known",
        )
    ]


OFFSETS = [refused(f"a data offset of {words} words is too small", {"words": words}) for words in (0, 1, 4)] + [
    refused("a data offset of 7 words is behind the end of 24 bytes", {"words": 7}),
    refused("a data offset of 15 words is behind the end", {"words": 15}),
]

SHORT = [
    refused(f"a segment that ends after {length} bytes", lambda kind, way, length=length: cut(kind, way, length))
    for length in (4, 8, 13, 19)
]

NO_PORTS = [
    vectors(
        kind, f"a segment that ends within its ports, from {who}", cut(kind, way, 3), (), {}, way=way, state="known"
    )
    for kind in KINDS
    for way, who in WAYS
]

ODD = [
    vectors(
        " ".join(KINDS), f"{what}, from {who}", BASE[way].but(**fields), BASE[way].but(**fields), way=way, state="known"
    )
    for what, fields in (
        ("reserved bits stay", {"reserved": 7}),
        ("an urgent pointer without URG stays", {"urgent": 77}),
        ("a window of 0 stays", {"window": 0}),
        ("a window of 65535 stays", {"window": 65535}),
    )
    for way, who in WAYS
] + [
    vectors(
        " ".join(KINDS),
        f"flags {flags} pass, from a server",
        Segment(flags, ack=1001),
        Segment(flags, ack=1001),
        way="reply",
    )
    for flags in ("F", "FA", "R", "RA", "PUA", "AE", "AC")
]

DATAGRAMS = [
    vectors(
        UDP_KINDS,
        f"a UDP length of {length} is not that of a header, from {who}",
        Datagram(b"data", udp_length=length),
        (),
        MALFORMED if way == "request" else {},
        way=way,
    )
    for length in (0, 1, 7)
    for way, who in WAYS
] + [
    vectors(
        UDP_KINDS,
        f"a UDP length of {length} is behind the end, from {who}",
        Datagram(b"data", udp_length=length),
        (),
        MALFORMED if way == "request" else {},
        way=way,
    )
    for length in (13, 65535)
    for way, who in WAYS
]


@each(*OFFSETS, *SHORT, *NO_PORTS, *ODD, *DATAGRAMS)
def test_vector(lab, vector):
    lab.check(vector)
