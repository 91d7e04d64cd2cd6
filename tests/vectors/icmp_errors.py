# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about packets of a flow, both sides of the same family (RFC 5508, section 4; RFC 792, RFC 4443).

An error about what the director has sent to the server goes to the client and quotes what the client has sent, and the
other way round. Whoever sends it, it leaves with the addresses of the flow, one hop less, and right checksums outside
and inside, so far as they are quoted.
"""

from lib.vectors.network import FAR
from lib.vectors.network import NEAR
from lib.vectors.network import ROUTER
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Error
from lib.vectors.shapes import Icmp
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

PASSED = {"fullnat_icmp_passed": 1}
# The packet an error quotes goes the other way.
TO = {"reply": "a client", "request": "a server"}
SEGMENT = {"reply": Segment("PA", b"some data", ack=5002), "request": Segment("PA", b"some data", ack=1001)}
DATAGRAM = Datagram(b"some data")
UNREACHABLE = {4: (3, 3), 6: (1, 4)}


def passed(kinds, sentence, kind, code, quote, rest=bytes(4), keep=8, ways=("reply", "request"), outer=None, **more):
    """An error that goes on with the same type, code and rest."""
    outer = outer or {}
    return [
        vector
        for way in ways
        for vector in vectors(
            kinds,
            f"{sentence}, to {TO[way]}",
            Error(kind, code, quote[way] if isinstance(quote, dict) else quote, rest, keep, **outer),
            Error(kind, code, quote[way] if isinstance(quote, dict) else quote, rest, keep),
            PASSED,
            way=way,
            **more,
        )
    ]


def dropped(kinds, sentence, error, counts, way="reply", **more):
    """An error that goes nowhere."""
    return vectors(kinds, f"{sentence}, to {TO[way]}", error, (), counts, way=way, **more)


TYPES = [
    passed("udp4", f"type 3 code {code}: {what}", 3, code, DATAGRAM)
    for code, what in (
        (0, "network unreachable"),
        (1, "host unreachable"),
        (2, "protocol unreachable"),
        (3, "port unreachable"),
        (13, "prohibited"),
    )
] + [
    passed("udp4", "type 3 code 4: fragmentation needed keeps its MTU", 3, 4, DATAGRAM, (1400).to_bytes(4)),
    passed("udp4", "type 11 code 0: time exceeded", 11, 0, DATAGRAM),
    passed("udp4", "type 11 code 1: reassembly time exceeded", 11, 1, DATAGRAM),
    passed("udp6", "type 1 code 0: no route", 1, 0, DATAGRAM),
    passed("udp6", "type 1 code 1: prohibited", 1, 1, DATAGRAM),
    passed("udp6", "type 1 code 3: address unreachable", 1, 3, DATAGRAM),
    passed("udp6", "type 1 code 4: port unreachable", 1, 4, DATAGRAM),
    passed("udp6", "type 2: packet too big keeps its MTU", 2, 0, DATAGRAM, (1300).to_bytes(4)),
    passed("udp6", "type 3 code 0: hop limit exceeded", 3, 0, DATAGRAM),
    passed("udp6", "type 3 code 1: reassembly time exceeded", 3, 1, DATAGRAM),
]

LENGTHS = (
    [
        passed(
            f"tcp{family}",
            f"a quoted segment of which there are {keep or 'all'} bytes",
            *UNREACHABLE[family],
            SEGMENT,
            keep=keep,
            state="known",
        )
        for family in (4, 6)
        for keep in (8, 12, 16, 18, 20, 21, None)
    ]
    + [
        passed(
            f"udp{family}",
            f"a quoted datagram of which there are {keep or 'all'} bytes",
            *UNREACHABLE[family],
            DATAGRAM,
            keep=keep,
        )
        for family in (4, 6)
        for keep in (9, 12, None)
    ]
    + [
        dropped(
            f"udp{family}",
            f"a quoted datagram of which there are {keep} bytes is none",
            Error(*UNREACHABLE[family], DATAGRAM, keep=keep),
            {},
            way,
        )
        for family in (4, 6)
        for way in ("reply",)
        for keep in (0, 2, 4, 7)
    ]
)

QUOTES = [
    passed("udp4", "a quoted packet that had lost hops keeps what it has", 11, 0, Datagram(b"data", hops=1)),
    passed("udp4", "a quoted packet keeps its type of service", 3, 1, Datagram(b"data", tos=0xB8)),
    passed("udp4", "a quoted packet keeps its IP options", 3, 1, Datagram(b"data", ip_options=b"\x01" * 8)),
    passed("udp4", "a quoted datagram without a checksum has none", 3, 3, Datagram(b"data", checksum=0), keep=12),
    passed("udp6", "a quoted packet that had lost hops keeps what it has", 3, 0, Datagram(b"data", hops=1)),
    passed("udp6", "a quoted packet keeps class and label", 1, 0, Datagram(b"data", tos=0xB8, label=7)),
    passed(
        "tcp4",
        "a quoted SYN, of which the server has none yet",
        3,
        1,
        {"reply": Segment("S")},
        keep=20,
        ways=("reply",),
        state="half",
    ),
    passed(
        "tcp6",
        "a quoted SYN, of which the server has none yet",
        1,
        3,
        {"reply": Segment("S")},
        keep=20,
        ways=("reply",),
        state="half",
    ),
]

SENDERS = [
    passed(
        f"udp{family}",
        f"an error from a router on the way, {'far' if way == 'reply' else 'near'}",
        *UNREACHABLE[family],
        DATAGRAM,
        ways=(way,),
        outer={"source": ROUTER[FAR if way == "reply" else NEAR][family]},
    )
    for family in (4, 6)
    for way in ("reply", "request")
] + [
    vectors(
        f"udp{family}",
        "a wrong checksum of an error stays wrong",
        Error(*UNREACHABLE[family], DATAGRAM, off_by=1),
        Error(*UNREACHABLE[family], DATAGRAM, off_by=1),
        PASSED,
        way="reply",
    )
    for family in (4, 6)
]

NOTHING = [
    dropped("udp4", "an error about a flow that nobody has", Error(3, 3, Datagram(b"data", source="192.0.2.222")), {}),
    dropped(
        "udp6", "an error about a flow that nobody has", Error(1, 4, Datagram(b"data", source="2001:db8:f::222")), {}
    ),
    dropped("udp4", "an error that quotes nothing", Icmp(3, 3), {}),
    dropped("udp6", "an error that quotes nothing", Icmp(1, 4), {}),
    dropped("udp4", "an error that quotes a header of 4 words", Error(3, 3, Datagram(b"data", ihl=4)), {}),
    dropped("udp4", "an error that quotes version 6", Error(3, 3, Datagram(b"data", version=6)), {}),
    dropped("udp6", "an error that quotes version 4", Error(1, 4, Datagram(b"data", version=4)), {}),
    dropped("udp4", "an error that quotes a later fragment", Error(3, 3, Datagram(b"data", df=False, frag=10)), {}),
]


@each(*TYPES, *LENGTHS, *QUOTES, *SENDERS, *NOTHING)
def test_vector(lab, vector):
    lab.check(vector)
