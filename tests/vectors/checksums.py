# SPDX-License-Identifier: GPL-2.0
"""Checksums are changed by what changed (RFC 1624): right ones stay right, wrong ones stay wrong by the same amount.

Two values are special. A TCP or UDP sum of 0xffff makes a checksum of zero, which TCP sends and UDP must not: there it
says "no checksum", and 0xffff goes instead (RFC 768).
"""

from lib.vectors.network import FAR
from lib.vectors.network import NEAR
from lib.vectors.shapes import TOA
from lib.vectors.shapes import Balance
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

ADDED = {"fullnat_add_toa_ok": 1}
KNOWN = {"state": "known"}
UDP = "udp4 udp6 udp64 udp46"
TCP = "tcp4 tcp6 tcp64 tcp46"


def data(length):
    """So many bytes, all different in the beginning."""
    return bytes(n * 7 & 0xFF for n in range(length))


LENGTHS = (
    [
        vectors(
            TCP,
            f"{length} bytes of data",
            Segment("PA", data(length), ack=5002),
            Segment("PA", data(length), ack=5002),
            **KNOWN,
        )
        for length in (1, 2, 3, 255, 1001)
    ]
    + [
        vectors(
            TCP,
            f"{length} bytes of data behind the client's address",
            Segment("PA", data(length)),
            Segment("PA", data(length), [TOA]),
            ADDED,
        )
        for length in (1, 2, 1001)
    ]
    + [
        vectors(
            TCP,
            f"{length} bytes of data from the server",
            Segment("PA", data(length)),
            Segment("PA", data(length)),
            way="reply",
        )
        for length in (1, 2, 1001)
    ]
    + [
        vectors(UDP, f"a datagram of {length} bytes", Datagram(data(length)), Datagram(data(length)))
        for length in (0, 1, 2, 3, 511, 1432)
    ]
    + [
        vectors(UDP, f"an answer of {length} bytes", Datagram(data(length)), Datagram(data(length)), way="reply")
        for length in (0, 1, 1432)
    ]
)

EXTREMES = [
    vectors(
        TCP,
        f"data of nothing but {value:02x}",
        Segment("PA", bytes((value,)) * 64, ack=5002),
        Segment("PA", bytes((value,)) * 64, ack=5002),
        **KNOWN,
    )
    for value in (0, 0xFF)
] + [
    vectors(
        UDP, f"a datagram of nothing but {value:02x}", Datagram(bytes((value,)) * 64), Datagram(bytes((value,)) * 64)
    )
    for value in (0, 0xFF)
]


def balanced(shape, place, way="request"):
    """The packet with data that makes the checksum zero at a place."""
    empty = shape(b"\0\0")
    return shape([Balance(empty, place, way)])


def tcp(payload):
    """A segment in the middle of a connection."""
    return Segment("PA", payload, ack=5002)


def answer(payload):
    """A segment of the server."""
    return Segment("PA", payload)


ZERO = [
    vectors(
        TCP,
        "a checksum that comes out as 0 at the server is sent as 0",
        balanced(tcp, FAR),
        balanced(tcp, FAR),
        **KNOWN,
    ),
    vectors(TCP, "a checksum that was 0 at the client", balanced(tcp, NEAR), balanced(tcp, NEAR), **KNOWN),
    vectors(
        TCP,
        "a checksum that comes out as 0 at the client is sent as 0",
        balanced(answer, NEAR, "reply"),
        balanced(answer, NEAR, "reply"),
        way="reply",
    ),
    vectors(
        UDP,
        "a checksum that comes out as 0 at the server is sent as ffff",
        balanced(Datagram, FAR),
        balanced(Datagram, FAR),
    ),
    vectors(UDP, "a checksum that was ffff at the client", balanced(Datagram, NEAR), balanced(Datagram, NEAR)),
    vectors(
        UDP,
        "a checksum that comes out as 0 at the client is sent as ffff",
        balanced(Datagram, NEAR, "reply"),
        balanced(Datagram, NEAR, "reply"),
        way="reply",
    ),
    vectors(
        UDP,
        "a checksum that was ffff at the server",
        balanced(Datagram, FAR, "reply"),
        balanced(Datagram, FAR, "reply"),
        way="reply",
    ),
    vectors("udp4", "no checksum stays none", Datagram(b"free", checksum=0), Datagram(b"free", checksum=0)),
    vectors(
        "udp4",
        "no checksum stays none in an answer",
        Datagram(b"free", checksum=0),
        Datagram(b"free", checksum=0),
        way="reply",
    ),
]

WRONG = [
    vectors(
        TCP,
        f"a checksum that is wrong by {by:#x} stays so",
        tcp(b"damaged").but(off_by=by),
        tcp(b"damaged").but(off_by=by),
        **KNOWN,
    )
    for by in (1, 0x100, 0x7FFF)
] + [
    vectors(
        TCP,
        "a wrong checksum stays so under the client's address",
        Segment("PA", b"damaged", off_by=1),
        Segment("PA", b"damaged", [TOA], off_by=1),
        ADDED,
    ),
    vectors(
        TCP,
        "a wrong checksum of the server stays so",
        Segment("PA", b"damaged", off_by=1),
        Segment("PA", b"damaged", off_by=1),
        way="reply",
    ),
    vectors(
        "tcp4 tcp46",
        "a wrong checksum of a SYN-ACK stays so beside a lower MSS",
        Segment("SA", options=bytes.fromhex("020405b4"), off_by=1),
        Segment("SA", options=bytes.fromhex("020405ac"), off_by=1),
        way="reply",
        state="half",
    ),
    vectors(
        UDP, "a wrong checksum of a datagram stays so", Datagram(b"damaged", off_by=1), Datagram(b"damaged", off_by=1)
    ),
    vectors(
        UDP,
        "a wrong checksum of an answer stays so",
        Datagram(b"damaged", off_by=1),
        Datagram(b"damaged", off_by=1),
        way="reply",
    ),
]


@each(*LENGTHS, *EXTREMES, *ZERO, *WRONG)
def test_vector(lab, vector):
    lab.check(vector)
