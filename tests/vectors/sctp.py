# SPDX-License-Identifier: GPL-2.0
"""SCTP: ports change, and with them the CRC32c over all of the packet (RFC 9260, section 6.8); nothing else does."""

from lib.vectors.shapes import ANY
from lib.vectors.shapes import SCTP_INIT
from lib.vectors.shapes import Chunks
from lib.vectors.shapes import Error
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

KINDS = "sctp4 sctp6"
DATA = bytes.fromhex("00030012 00000007 0001 0000 00000000 6869 0000")
SACK = bytes.fromhex("03000010 00000007 00010000 0000 0000")
EXPIRED = {"fullnat_ttl_expired": 1}
EXCEEDED = {4: (11, 0), 6: (3, 0)}
UNREACHABLE = {4: (3, 2), 6: (1, 4)}
OWN = {4: {"hops": 64, "id": ANY, "df": False, "tos": 0xC0}, 6: {"hops": 64, "label": 0}}


def same(sentence, chunks, **more):
    """Chunks that arrive as they are, in both directions."""
    fields = more.pop("fields", {})
    packet = Chunks(chunks, **fields)
    return [
        vector
        for way, who in (("request", "a client"), ("reply", "a server"))
        for vector in vectors(KINDS, f"{sentence}, from {who}", packet, packet, way=way, **more)
    ]


PASSED = [
    vectors(
        KINDS,
        "INIT makes a connection",
        Chunks(SCTP_INIT, tag=0),
        Chunks(SCTP_INIT, tag=0),
        {"fullnat_conn_new": 1},
        state="new",
    ),
    vectors(
        KINDS, "INIT that is sent again uses the same connection", Chunks(SCTP_INIT, tag=0), Chunks(SCTP_INIT, tag=0)
    ),
    vectors(
        KINDS,
        "INIT ACK finds the way back",
        Chunks(b"\x02" + SCTP_INIT[1:]),
        Chunks(b"\x02" + SCTP_INIT[1:]),
        way="reply",
    ),
    same("DATA", DATA),
    same("SACK", SACK),
    same("HEARTBEAT", bytes.fromhex("04000008 00010004")),
    same("two chunks in a packet", SACK + DATA),
    same("a chunk of nothing but zeros", bytes(64)),
    same("a chunk of nothing but ff", b"\xff" * 64),
    same("a packet that fills the MTU", bytes(range(256)) * 5),
    same("a chunk of odd length without its padding", DATA[:17]),
]

CHECKSUMS = [
    vectors(
        KINDS,
        f"a checksum that is wrong in bits {bits:08x} stays wrong in these, from {who}",
        Chunks(DATA, flipped=bits),
        Chunks(DATA, flipped=bits),
        way=way,
    )
    for bits in (1, 0x80000000, 0xFFFFFFFF)
    for way, who in (("request", "a client"), ("reply", "a server"))
]

REFUSED = (
    [
        vectors(
            f"sctp{family}",
            f"the last hop is told to {who}",
            Chunks(DATA, hops=1),
            Out(Error(*EXCEEDED[family], Chunks(DATA, hops=1), keep=None, **OWN[family]), back=True),
            EXPIRED,
            way=way,
        )
        for family in (4, 6)
        for way, who in (("request", "a client"), ("reply", "a server"))
    ]
    + [
        vectors(
            f"sctp{family}",
            f"an error that quotes {keep or 'all'} bytes of a packet, to {who}",
            Error(*UNREACHABLE[family], Chunks(DATA), keep=keep),
            Error(*UNREACHABLE[family], Chunks(DATA), keep=keep),
            {"fullnat_icmp_passed": 1},
            way=way,
        )
        for family in (4, 6)
        for way, who in (("request", "a server"), ("reply", "a client"))
        for keep in (8, 12, None)
    ]
    + [
        vectors(
            f"sctp{family}",
            "a packet of 11 bytes has no SCTP header",
            Chunks(b"", cut=head + 11, length=length),
            (),
            {"fullnat_malformed": 1},
        )
        for family, head, length in ((4, 20, 31), (6, 40, 11))
    ]
)


@each(*PASSED, *CHECKSUMS, *REFUSED)
def test_vector(lab, vector):
    lab.check(vector)
