# SPDX-License-Identifier: GPL-2.0
"""Per service: the client's address in the SYN, too (Alibaba), under another kind, or not at all.

In a SYN everything stays that cannot be said later: MSS, window scale, SACK permitted, multipath TCP, fast open.
Kinds are 254 (default), 200 (LVS's first FullNAT, dsnat) and 253 (Alibaba, IPv6 only there).
"""

from lib.vectors.shapes import TOA
from lib.vectors.shapes import Segment
from lib.vectors.shapes import Toa
from lib.vectors.vector import each
from lib.vectors.vector import vectors

NEW = {"fullnat_conn_new": 1}
ADDED = {"fullnat_add_toa_ok": 1}
BOTH = {**NEW, **ADDED}
FULL = {**NEW, "fullnat_add_toa_head_full": 1}
ALL_SYN = "tcp4-syn tcp6-syn tcp64-syn tcp46-syn"
V4_SYN, V6_SYN = "tcp4-syn tcp46-syn", "tcp6-syn tcp64-syn"
OFF = "tcp4-off tcp6-off tcp64-off tcp46-off"

NOP = b"\x01"
MSS = bytes.fromhex("020405b4")
LINUX = bytes.fromhex("020405b4 0402 080a 00000005 00000000 01 030307")
LINUX_LEFT = bytes.fromhex("020405b4 0402 01010101010101010101 01 030307")


def unknown(length, value):
    """An option of kind 77."""
    return bytes((77, length)) + bytes((value,)) * (length - 2)


def syn(kinds, sentence, options, left, counts=None, **more):
    """A client's SYN."""
    return vectors(
        kinds, sentence, Segment("S", options=options), Segment("S", options=left), counts or BOTH, state="new", **more
    )


SYN = [
    syn(ALL_SYN, "a SYN carries the address", b"", [TOA]),
    syn(ALL_SYN, "the SYN of Linux carries it in front, and has lost its time stamps", LINUX, [TOA, LINUX_LEFT]),
    vectors(
        ALL_SYN,
        "a SYN that is sent again carries it again",
        Segment("S"),
        Segment("S", options=[TOA]),
        ADDED,
        state="half",
    ),
    vectors(
        ALL_SYN, "the ACK behind it carries it, too", Segment("A"), Segment("A", options=[TOA]), ADDED, state="open"
    ),
    vectors(
        ALL_SYN,
        "fast open data moves behind it",
        Segment("S", b"early"),
        Segment("S", b"early", [TOA]),
        BOTH,
        state="new",
    ),
    syn(V4_SYN, "32 bytes of options leave room in a SYN", MSS * 8, [TOA, MSS * 8]),
    syn(V6_SYN, "20 bytes of options leave room in a SYN", MSS * 5, [TOA, MSS * 5]),
    syn(V4_SYN, "an option that nobody knows makes room in a SYN", unknown(20, 1) + MSS * 5, [TOA, MSS * 5]),
    syn(V6_SYN, "an option that nobody knows makes room in a SYN", unknown(24, 1) + MSS * 4, [TOA, MSS * 4]),
    syn(V4_SYN, "40 bytes of what must stay are left alone", MSS * 10, MSS * 10, FULL),
    syn(V6_SYN, "24 bytes of what must stay are left alone", MSS * 6, MSS * 6, FULL),
    syn(
        V4_SYN,
        "a fast open cookie of 18 bytes stays",
        bytes((34, 18)) + bytes(16) + MSS + unknown(16, 1) + NOP * 2,
        [TOA, bytes((34, 18)) + bytes(16), MSS, bytes(2)],
    ),
    syn(
        V4_SYN,
        "a key of multipath TCP stays",
        bytes((30, 12)) + bytes(10) + unknown(28, 1),
        [TOA, bytes((30, 12)) + bytes(10)],
    ),
    syn(
        V4_SYN,
        "a forged address in a SYN gives way to the true one",
        bytes.fromhex("fe08 1f90 0a000001") + MSS,
        [TOA, MSS],
        {**BOTH, "fullnat_toa_removed": 1},
    ),
]

KINDS = [
    vectors(
        f"tcp{suffix}-{kind}",
        f"kind {kind} is put into the handshake's ACK",
        Segment("A"),
        Segment("A", options=[Toa(kind)]),
        ADDED,
    )
    for suffix in ("4", "6", "64", "46")
    for kind in (200, 253)
] + [
    vectors(
        f"tcp{suffix}-{kind}",
        f"a forged address of kind 254 gives way to one of kind {kind}",
        Segment("A", options=bytes.fromhex("fe08 1f90 0a000001")),
        Segment("A", options=[Toa(kind)]),
        {**ADDED, "fullnat_toa_removed": 1},
    )
    for suffix in ("4", "6")
    for kind in (200, 253)
]

NONE = [
    vectors(OFF, "without an address the ACK stays as it is", Segment("A"), Segment("A")),
    vectors(
        OFF, "without an address data stays as it is", Segment("PA", b"data", LINUX), Segment("PA", b"data", LINUX)
    ),
    vectors(
        OFF,
        "without an address the MSS of the SYN-ACK stays",
        Segment("SA", options=MSS),
        Segment("SA", options=MSS),
        way="reply",
        state="half",
    ),
    vectors(
        OFF,
        "without an address a SYN loses its time stamps still",
        Segment("S", options=LINUX),
        Segment("S", options=LINUX_LEFT),
        NEW,
        state="new",
    ),
    vectors(
        OFF,
        "without an address a forged one is removed still",
        Segment("A", options=bytes.fromhex("fe08 1f90 0a000001")),
        Segment("A", options=NOP * 8),
        {"fullnat_toa_removed": 1},
    ),
]


@each(*SYN, *KINDS, *NONE)
def test_vector(lab, vector):
    lab.check(vector)
