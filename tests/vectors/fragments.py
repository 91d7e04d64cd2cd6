# SPDX-License-Identifier: GPL-2.0
"""Fragments: put together, translated as a whole, and sent in pieces again where the way out is too narrow.

A sender who lets routers fragment his packets (IPv4 without DF) is not told of an MTU. Within a family fragments leave
as they came; across families as one packet if that fits.
"""

from lib.vectors.network import SMALL_CLIENT
from lib.vectors.shapes import ANY
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Part
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

BOTH = (("request", "a client"), ("reply", "a server"))
DATA = bytes(n & 0xFF for n in range(1192))
PARTED = Datagram(DATA, df=False)


def parts(shape, *ends):
    """All fragments of a packet; `ends` is where one ends and the next begins."""
    starts = (0, *ends)
    return tuple(Part(shape, start, end) for start, end in zip(starts, (*ends, None)))


SAME = [
    vectors(kind, f"two fragments arrive as two, from {who}", parts(PARTED, 600), parts(PARTED, 600), way=way)
    for kind in ("udp4", "udp6")
    for way, who in BOTH
] + [
    vectors(
        kind, f"the second fragment may come first, from {who}", parts(PARTED, 600)[::-1], parts(PARTED, 600), way=way
    )
    for kind in ("udp4", "udp6")
    for way, who in BOTH
]

LONG = Datagram(bytes(1472), df=False)
NARROW = [
    vectors("udp4-small", "a packet without DF that does not fit is sent in two", LONG, parts(LONG, 1376)),
    vectors(
        "udp4",
        "a packet without DF that does not fit is sent in two, from a server",
        LONG,
        parts(LONG, 1376),
        way="reply",
        client={"client": SMALL_CLIENT[4]},
    ),
]

TWICE = Datagram(bytes(1992), df=False)
TO_V6 = (
    [
        vectors(kind, "fragments of IPv4 become one packet of IPv6 that fits", parts(PARTED, 600), PARTED, way=way)
        for kind, way in (("udp64", "reply"), ("udp46", "request"))
    ]
    + [
        vectors(kind, "a packet of 1500 bytes without DF is sent in two", LONG, parts(LONG, 1448), way=way)
        for kind, way in (("udp64", "reply"), ("udp46", "request"))
    ]
    + [
        vectors(
            kind,
            "fragments of IPv4 that do not fit as one are sent in two again",
            parts(TWICE, 1200),
            parts(TWICE, 1448),
            way=way,
        )
        for kind, way in (("udp64", "reply"), ("udp46", "request"))
    ]
)

PIECES, PIECES_TWICE = PARTED.but(id=ANY), TWICE.but(id=ANY)
TO_V4 = [
    vectors(
        kind, "fragments of IPv6 become one packet of IPv4 that may be fragmented", parts(PARTED, 600), PIECES, way=way
    )
    for kind, way in (("udp64", "request"), ("udp46", "reply"))
] + [
    vectors(
        kind,
        "fragments of IPv6 that do not fit as one are sent in two again",
        parts(TWICE, 1200),
        parts(PIECES_TWICE, 1200),
        way=way,
    )
    for kind, way in (("udp64", "request"), ("udp46", "reply"))
]

SEGMENT = Segment("PA", DATA, ack=5002, df=False)
TCP = [
    vectors(
        "tcp4 tcp6",
        "a segment in fragments arrives in fragments",
        parts(SEGMENT, 600),
        parts(SEGMENT, 600),
        state="known",
    ),
    vectors(
        "tcp4",
        "a segment whose header is in two fragments arrives with its header whole",
        parts(SEGMENT, 8),
        parts(SEGMENT, 1200),
        state="known",
    ),
    vectors(
        "tcp6",
        "a segment whose header is in two fragments is none (RFC 7112)",
        parts(SEGMENT, 8),
        (),
        {"fullnat_malformed": 1},
        state="known",
    ),
    vectors(
        "udp4 udp6",
        "a fragment that overlaps another makes both worthless",
        (Part(PARTED, 0, 600), Part(PARTED, 592)),
        (),
    ),
    vectors("udp4 udp6", "a first fragment without the rest is kept back", Part(PARTED, 0, 600), ()),
]


@each(*SAME, *NARROW, *TO_V6, *TO_V4, *TCP)
def test_vector(lab, vector):
    lab.check(vector)
