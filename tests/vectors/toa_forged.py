# SPDX-License-Identifier: GPL-2.0
"""Clients that write an address themselves: it is taken out of every segment.

Nobody can pass for somebody else. Of kind 254 each length is taken out, since there are receivers that do not look at
it; of the other kinds in use (200: first FullNAT, 252: UCloud, 253: Alibaba IPv6) the lengths 8 and 20, because they
are also others' experiments. Where the director puts the true address it leaves the forged one out, elsewhere it
overwrites it with NOPs.
"""

from lib.vectors.network import SERVER_ISN
from lib.vectors.shapes import TOA
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

REMOVED = {"fullnat_toa_removed": 1}
REPLACED = {"fullnat_toa_removed": 1, "fullnat_add_toa_ok": 1}
ADDED = {"fullnat_add_toa_ok": 1}

NOP = b"\x01"
STAMPS = bytes.fromhex("0101 080a 00000005 00000006")
MSS = bytes.fromhex("020405b4")
KNOWN = {"ack": SERVER_ISN + 2}


def forged(kind, length):
    """An option that claims to be an address."""
    return (bytes((kind, length)) + bytes.fromhex("1f90 0a000001") + bytes(32))[:length]


LENGTHS = (
    (254, 8),
    (254, 20),
    (253, 8),
    (253, 20),
    (252, 8),
    (252, 20),
    (200, 8),
    (200, 20),
    (254, 2),
    (254, 7),
    (254, 12),
    (254, 40),
)
OTHERS = ((253, 4), (253, 16), (252, 10), (200, 4), (28, 7), (28, 19), (255, 8), (251, 20))


def pad(options):
    """Filled up with end marks."""
    return options + bytes(-len(options) % 4)


IN_DATA = [
    vectors(
        "tcp4",
        f"of kind {kind} and length {length} it is overwritten in data",
        Segment("PA", b"data", pad(forged(kind, length)), **KNOWN),
        Segment("PA", b"data", pad(NOP * length), **KNOWN),
        REMOVED,
        state="known",
    )
    for kind, length in LENGTHS
]

IN_HANDSHAKE = [
    vectors(
        "tcp4",
        f"of kind {kind} and length {length} it is overwritten in a SYN",
        Segment("S", options=pad(forged(kind, length))),
        Segment("S", options=pad(NOP * length)),
        {**REMOVED, "fullnat_conn_new": 1},
        state="new",
    )
    for kind, length in LENGTHS
] + [
    vectors(
        "tcp4",
        f"of kind {kind} and length {length} it gives way to the true one",
        Segment("PA", b"data", pad(forged(kind, length))),
        Segment("PA", b"data", [TOA]),
        REPLACED,
    )
    for kind, length in LENGTHS
]

FAMILIES = [
    vectors(
        "tcp6 tcp64 tcp46",
        f"of kind {kind} and length {length} it is overwritten in data",
        Segment("PA", b"data", pad(forged(kind, length)), **KNOWN),
        Segment("PA", b"data", pad(NOP * length), **KNOWN),
        REMOVED,
        state="known",
    )
    for kind, length in ((254, 8), (254, 20), (253, 20), (200, 8))
] + [
    vectors(
        "tcp6 tcp64 tcp46",
        f"of kind {kind} and length {length} it gives way to the true one",
        Segment("PA", b"data", pad(forged(kind, length))),
        Segment("PA", b"data", [TOA]),
        REPLACED,
    )
    for kind, length in ((254, 8), (254, 20), (253, 20), (200, 8))
]

PLACES = [
    vectors(
        "tcp4",
        f"the forged one is found {where}",
        Segment("PA", b"data", sent, **KNOWN),
        Segment("PA", b"data", left, **KNOWN),
        REMOVED,
        state="known",
    )
    for where, sent, left in (
        ("behind a NOP", NOP + forged(254, 7), NOP * 8),
        ("behind time stamps", STAMPS + forged(254, 8), STAMPS + NOP * 8),
        ("in front of time stamps", forged(254, 8) + STAMPS, NOP * 8 + STAMPS),
        ("between others", MSS + forged(254, 8) + STAMPS, MSS + NOP * 8 + STAMPS),
        ("at an odd offset", NOP * 3 + forged(254, 8) + NOP, NOP * 12),
        ("twice", forged(254, 8) + STAMPS + forged(254, 8), NOP * 8 + STAMPS + NOP * 8),
        ("twice in different kinds", forged(254, 8) + forged(200, 8), NOP * 16),
        ("five times", forged(254, 8) * 5, NOP * 40),
    )
] + [
    vectors(
        "tcp4",
        f"the true one is in front where the forged one was {where}",
        Segment("A", options=sent),
        Segment("A", options=[TOA, left]),
        REPLACED,
    )
    for where, sent, left in (
        ("first", forged(254, 8) + STAMPS, STAMPS),
        ("last", STAMPS + forged(254, 8), STAMPS),
        ("between others", MSS + forged(254, 8) + STAMPS, MSS + STAMPS),
        ("in a header that was full", forged(254, 8) + STAMPS + forged(200, 20), STAMPS),
        ("in place of what made the header full", forged(254, 20) + STAMPS + forged(254, 8), STAMPS),
    )
]

NOT_OURS = [
    vectors(
        "tcp4",
        f"kind {kind} with length {length} is somebody else's and stays",
        Segment("PA", b"data", pad(forged(kind, length)), **KNOWN),
        Segment("PA", b"data", pad(forged(kind, length)), **KNOWN),
        state="known",
    )
    for kind, length in OTHERS
] + [
    vectors(
        "tcp4",
        f"{what} is no option to anybody and stays",
        Segment("PA", b"data", options, **KNOWN),
        Segment("PA", b"data", options, **KNOWN),
        state="known",
    )
    for what, options in (
        ("a forged one behind an end mark", bytes(4) + forged(254, 8)),
        ("a forged one that is longer than the header", bytes.fromhex("fe14 0102 0304 0506")),
        ("a forged one of length 0", bytes.fromhex("fe00 0102")),
        ("a forged one of length 1", bytes.fromhex("fe01 0102")),
        ("a forged one whose length is missing", bytes.fromhex("010101fe")),
    )
]

WITHOUT_OURS = [
    vectors(
        "tcp4",
        "it is taken out although the true one is switched off",
        Segment("A", options=forged(254, 8)),
        Segment("A", options=NOP * 8),
        REMOVED,
        sysctls={"net.ipv4.vs.fullnat_toa_entry": 0},
    ),
    vectors(
        "tcp4",
        "it is taken out although the true one does not fit the MTU",
        Segment("A", b"m" * 1456, bytes.fromhex("fe04 0102")),
        Segment("A", b"m" * 1456, NOP * 4),
        {"fullnat_toa_removed": 1, "fullnat_add_toa_fail_len": 1},
    ),
    vectors(
        "tcp4",
        "it makes room for the true one in a header that is full of time stamps",
        Segment("A", options=STAMPS[2:] * 3 + bytes.fromhex("fe04 0102") + STAMPS[2:4] + bytes(4)),
        Segment("A", options=[TOA, STAMPS[2:] * 3, bytes(2)]),
        REPLACED,
    ),
    vectors(
        "tcp4",
        "it makes room for the true one in a segment that fills the MTU",
        Segment("A", b"m" * 1452, forged(254, 8)),
        Segment("A", b"m" * 1452, [TOA]),
        REPLACED,
    ),
    vectors(
        "tcp4",
        "it is taken out of a RST",
        Segment("RA", options=forged(254, 8)),
        Segment("RA", options=NOP * 8),
        REMOVED,
    ),
    vectors(
        "tcp4",
        "it is taken out of a FIN",
        Segment("FA", options=forged(254, 8), **KNOWN),
        Segment("FA", options=NOP * 8, **KNOWN),
        REMOVED,
        state="known",
    ),
    vectors(
        "tcp4",
        "what a server writes is its own business",
        Segment("A", options=forged(254, 8)),
        Segment("A", options=forged(254, 8)),
        way="reply",
    ),
]


@each(*IN_DATA, *IN_HANDSHAKE, *FAMILIES, *PLACES, *NOT_OURS, *WITHOUT_OURS)
def test_vector(lab, vector):
    lab.check(vector)
