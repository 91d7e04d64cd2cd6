# SPDX-License-Identifier: GPL-2.0
"""ICMP errors across families: each row of the tables of RFC 7915, in both directions.

Section 4.2 says which ICMPv6 error says what one of ICMP does, section 5.2 the other way; figure 3 and figure 6 map the
pointers of parameter problems. Errors that the other family does not have are dropped without a word. The quoted packet
gets the header of the other family, like any packet (sections 4.3 and 5.3).
"""

from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Error
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

PASSED = {"fullnat_icmp_passed": 1}
UNKNOWN = {"fullnat_icmp_no_equivalent": 1}
# To whom an error goes, and which kinds of service have him in the family it is translated to.
V6 = (("udp64", "reply", "client"), ("udp46", "request", "server"))
V4 = (("udp46", "reply", "client"), ("udp64", "request", "server"))
SENT = Datagram(b"some data")


def mapped(sides, old, new, sentence, quote=SENT, keep=8):
    """An error (type, code, rest) and what it becomes; None if it is dropped."""
    kind, code, *rest = old
    sent = Error(kind, code, quote, *rest, keep=keep)
    expected = Error(new[0], new[1], quote, *new[2:], keep=keep) if new else ()
    return [
        vector
        for kinds, way, whom in sides
        for vector in vectors(
            kinds,
            f"{sentence}, to an IPv{4 if sides is V4 else 6} {whom}",
            sent,
            expected,
            PASSED if new else UNKNOWN,
            way=way,
        )
    ]


def pointer4(value):
    """The pointer of an ICMP parameter problem."""
    return bytes((value, 0, 0, 0))


def word(value):
    """A pointer of ICMPv6, or an MTU of either family."""
    return value.to_bytes(4)


# RFC 7915, section 4.2: type 3.
CODES_TO_V6 = [
    mapped(V6, (3, code), new, f"type 3 code {code} becomes type {new[0]} code {new[1]}")
    for codes, new in (
        ((0, 1, 5, 6, 7, 8, 11, 12), (1, 0)),
        ((9, 10, 13, 15), (1, 1)),
        ((3,), (1, 4)),
        ((2,), (4, 1, word(6))),
    )
    for code in codes
] + [
    mapped(V6, (3, 14), None, "type 3 code 14, a precedence violation, is dropped"),
    mapped(V6, (11, 0), (3, 0), "type 11 code 0 becomes type 3 code 0"),
    mapped(V6, (11, 1), (3, 1), "type 11 code 1 becomes type 3 code 1"),
]

# Figure 3; from servers, see the last one.
POINTERS_TO_V6 = (
    [
        mapped(V6[:1], (12, 0, pointer4(old)), (4, 0, word(new)), f"pointer {old} becomes {new}")
        for old, new in (
            (0, 0),
            (1, 1),
            (2, 4),
            (3, 4),
            (8, 7),
            (9, 6),
            (12, 8),
            (13, 8),
            (14, 8),
            (15, 8),
            (16, 24),
            (17, 24),
            (18, 24),
            (19, 24),
        )
    ]
    + [mapped(V6[:1], (12, 2, pointer4(2)), (4, 0, word(4)), "code 2, a bad length, is mapped like code 0")]
    + [
        mapped(V6[:1], (12, 0, pointer4(old)), None, f"pointer {old} points at what IPv6 has not, and is dropped")
        for old in (4, 5, 6, 7, 10, 11, 20)
    ]
    + [mapped(V6[:1], (12, 1), None, "code 1, a missing option, is dropped")]
    # IPVS does not look at parameter problems of IPv4, and the director's stack knows nothing of the flow.
    + [
        vectors(
            "udp46", "an IPv4 client's parameter problem goes nowhere", Error(12, 0, SENT, pointer4(8)), way="request"
        )
    ]
)

# Section 4.2, type 3 code 4: what the IPv4 router says plus 20, no more than the way to the host takes.
MTU_TO_V6 = (
    [
        mapped(V6, (3, 4, word(old)), (2, 0, word(new)), f"an MTU of {old} becomes {new}")
        for old, new in ((1400, 1420), (1300, 1320), (1260, 1280), (1480, 1500), (1500, 1500), (9000, 1500))
    ]
    + [
        mapped(V6, (3, 4, word(old)), (2, 0, word(1280)), f"an MTU of {old} becomes 1280, below which IPv6 does not go")
        for old in (68, 576, 1259)
    ]
    + [
        mapped(
            V6,
            (3, 4, word(0)),
            (2, 0, word(new)),
            f"no MTU about {size} bytes becomes the plateau below, plus 20",
            Datagram(bytes(size - 28)),
        )
        for size, new in ((1480, 1280),)
    ]
)

# Section 5.2.
CODES_TO_V4 = (
    [
        mapped(V4, (1, code), new, f"type 1 code {code} becomes type {new[0]} code {new[1]}")
        for code, new in ((0, (3, 1)), (1, (3, 10)), (2, (3, 1)), (3, (3, 1)), (4, (3, 3)))
    ]
    + [mapped(V4, (1, code), None, f"type 1 code {code} is dropped") for code in (5, 6)]
    + [
        mapped(V4, (3, 0), (11, 0), "type 3 code 0 becomes type 11 code 0"),
        mapped(V4, (3, 1), (11, 1), "type 3 code 1 becomes type 11 code 1"),
        mapped(V4, (4, 1, word(6)), (3, 2), "type 4 code 1, an unknown next header, becomes type 3 code 2"),
        mapped(V4, (4, 2, word(40)), None, "type 4 code 2, an unknown option, is dropped"),
    ]
)

# Figure 6.
POINTERS_TO_V4 = [
    mapped(V4, (4, 0, word(old)), (12, 0, pointer4(new)), f"pointer {old} becomes {new}")
    for old, new in (
        (0, 0),
        (1, 1),
        (4, 2),
        (5, 2),
        (6, 9),
        (7, 8),
        (8, 12),
        (15, 12),
        (23, 12),
        (24, 16),
        (32, 16),
        (39, 16),
    )
] + [
    mapped(V4, (4, 0, word(old)), None, f"pointer {old} points at what IPv4 has not, and is dropped")
    for old in (2, 3, 40, 1000)
]

# Section 5.2, type 2: what the IPv6 router says less 20, no more than the way to the host takes.
MTU_TO_V4 = [
    mapped(V4, (2, 0, word(old)), (3, 4, word(new)), f"an MTU of {old} becomes {new}")
    for old, new in ((1280, 1260), (1400, 1380), (1500, 1480), (1520, 1500), (9000, 1500))
]

QUOTES = (
    [mapped(V6, (3, 3), (1, 4), f"{keep or 'all'} bytes of a quoted datagram", keep=keep) for keep in (9, 12, None)]
    + [mapped(V4, (1, 4), (3, 3), f"{keep or 'all'} bytes of a quoted datagram", keep=keep) for keep in (9, 12, None)]
    + [
        vectors(
            kind,
            f"{keep or 'all'} bytes of a quoted segment, to the {'client' if way == 'reply' else 'server'}",
            Error(*old, Segment("PA", b"some data", ack=ack), keep=keep),
            Error(*new, Segment("PA", b"some data", ack=ack), keep=keep),
            PASSED,
            way=way,
            state="known",
        )
        for kind, way, ack, old, new in (
            ("tcp64", "reply", 5002, (3, 1), (1, 0)),
            ("tcp46", "reply", 5002, (1, 0), (3, 1)),
            ("tcp64", "request", 1001, (1, 0), (3, 1)),
            ("tcp46", "request", 1001, (3, 1), (1, 0)),
        )
        for keep in (8, 16, 20, None)
    ]
)


@each(*CODES_TO_V6, *POINTERS_TO_V6, *MTU_TO_V6, *CODES_TO_V4, *POINTERS_TO_V4, *MTU_TO_V4, *QUOTES)
def test_vector(lab, vector):
    lab.check(vector)
