# SPDX-License-Identifier: GPL-2.0
"""What becomes of the options of SYN and SYN-ACK.

A client's SYN loses its time stamps: to the server all clients are one host, which has one clock (RFC 7323, section
5). They are overwritten with NOPs, so that no length changes. The server's SYN-ACK announces an MSS that leaves room
for the client's address, 8 bytes for an IPv4 client and 20 for an IPv6 client, though never less than 88. Everything
else stays.
"""

from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

NEW = {"fullnat_conn_new": 1}
NOP = b"\x01"
STAMPS = bytes.fromhex("080a 00000005 00000000")
SACK_OK = bytes.fromhex("0402")
SCALE = bytes.fromhex("030307")
LINUX = bytes.fromhex("020405b4 0402 080a 00000005 00000000 01 030307")


def mss(size):
    """The MSS option."""
    return b"\x02\x04" + size.to_bytes(2)


def syn(sentence, options, left, kinds="tcp4", **more):
    """A client's SYN, as it comes and as it leaves."""
    return vectors(kinds, sentence, Segment("S", options=options), Segment("S", options=left), NEW, state="new", **more)


def synack(sentence, options, left, kinds="tcp4", **more):
    """A server's SYN-ACK, as it comes and as it leaves."""
    return vectors(
        kinds, sentence, Segment("SA", options=options), Segment("SA", options=left), way="reply", state="half", **more
    )


SYN = [
    syn("a SYN without options stays without", b"", b""),
    syn("the SYN of Linux loses its time stamps and nothing else", LINUX, mss(1460) + SACK_OK + NOP * 10 + NOP + SCALE),
    syn("time stamps in front are overwritten", STAMPS + mss(1460) + NOP * 2, NOP * 10 + mss(1460) + NOP * 2),
    syn(
        "time stamps at an odd offset are overwritten, and the checksum follows",
        SCALE + STAMPS + SCALE,
        SCALE + NOP * 10 + SCALE,
    ),
    syn(
        "time stamps that come twice are overwritten twice", STAMPS + mss(536) + STAMPS, NOP * 10 + mss(536) + NOP * 10
    ),
    syn("time stamps behind an end mark are none", mss(1460) + bytes(2) + STAMPS, mss(1460) + bytes(2) + STAMPS),
    syn(
        "time stamps that reach behind the header are none",
        mss(1460) + bytes.fromhex("080a 0000"),
        mss(1460) + bytes.fromhex("080a 0000"),
    ),
    syn("the client's MSS is not the director's business", mss(1460), mss(1460)),
    syn("a client's MSS of 65535 stays", mss(65535), mss(65535)),
    syn("a client's MSS of 0 stays", mss(0), mss(0)),
    syn("window scale and SACK permitted stay", SCALE + SACK_OK + NOP * 3, SCALE + SACK_OK + NOP * 3),
    syn(
        "a fast open cookie and the data behind it stay",
        bytes.fromhex("220a 0102030405060708 0101"),
        bytes.fromhex("220a 0102030405060708 0101"),
    ),
    syn("multipath TCP's key stays", bytes.fromhex("1e04 0181"), bytes.fromhex("1e04 0181")),
    syn(
        "40 bytes of what nobody knows stay",
        bytes.fromhex("4d28") + bytes(range(38)),
        bytes.fromhex("4d28") + bytes(range(38)),
    ),
    syn("an option of length 0 ends the list", bytes.fromhex("4d00") + STAMPS, bytes.fromhex("4d00") + STAMPS),
    vectors(
        "tcp4",
        "data in a SYN stays",
        Segment("S", b"early", LINUX),
        Segment("S", b"early", mss(1460) + SACK_OK + NOP * 10 + NOP + SCALE),
        NEW,
        state="new",
    ),
    vectors("tcp4", "ECN set-up in a SYN stays", Segment("SEC"), Segment("SEC"), NEW, state="new"),
    vectors(
        "tcp4",
        "a SYN that is sent again loses its time stamps again",
        Segment("S", options=STAMPS + NOP * 2),
        Segment("S", options=NOP * 12),
        state="half",
    ),
    vectors(
        "tcp4",
        "time stamps in other segments of a client stay",
        Segment("PA", b"x", NOP * 2 + STAMPS, ack=5002),
        Segment("PA", b"x", NOP * 2 + STAMPS, ack=5002),
        state="known",
    ),
]

SYNACK = [
    synack(f"an IPv4 client is told an MSS of {told} for one of {offered}", mss(offered), mss(told))
    for offered, told in (
        (1460, 1452),
        (1220, 1212),
        (536, 528),
        (65535, 65527),
        (97, 89),
        (96, 88),
        (95, 88),
        (89, 88),
        (88, 88),
        (87, 87),
        (40, 40),
        (1, 1),
        (0, 0),
    )
] + [
    synack("without an MSS option none is made", b"", b""),
    synack(
        "an MSS at an odd offset is lowered, and the checksum follows", NOP + mss(1460) + SCALE, NOP + mss(1452) + SCALE
    ),
    synack("an MSS that comes twice is lowered twice", mss(1460) + mss(536), mss(1452) + mss(528)),
    synack("an MSS behind an end mark is none", bytes(4) + mss(1460), bytes(4) + mss(1460)),
    synack("an MSS option of length 3 is none", bytes.fromhex("02030501"), bytes.fromhex("02030501")),
    synack("an MSS option of length 6 is none", bytes.fromhex("020605b40000 0101"), bytes.fromhex("020605b40000 0101")),
    synack("time stamps of the server stay", mss(1460) + SACK_OK + STAMPS, mss(1452) + SACK_OK + STAMPS),
    synack(
        "it stays if lowering is switched off",
        mss(1460),
        mss(1460),
        sysctls={"net.ipv4.vs.fullnat_mss_adjust_entry": 0},
    ),
    synack(
        "it stays if no client is introduced",
        mss(1460),
        mss(1460),
        sysctls={"net.ipv4.vs.fullnat_toa_entry": 0},
    ),
    vectors(
        "tcp4",
        "an MSS option outside of the handshake stays",
        Segment("PA", b"x", mss(1460)),
        Segment("PA", b"x", mss(1460)),
        way="reply",
    ),
    vectors(
        "tcp4",
        "a SYN-ACK that is sent again is treated as the first",
        Segment("SA", options=mss(1460)),
        Segment("SA", options=mss(1452)),
        way="reply",
        state="half",
        before=(Segment("SA", options=mss(1460)),),
    ),
    vectors("tcp4", "a RST of the server passes", Segment("RA"), Segment("RA"), way="reply", state="half"),
]


FAMILIES = (
    [
        synack(
            f"an IPv6 client is told an MSS of {told} for one of {offered}", mss(offered), mss(told), kinds="tcp6 tcp64"
        )
        for offered, told in (
            (1460, 1440),
            (1440, 1420),
            (1220, 1200),
            (65535, 65515),
            (109, 89),
            (108, 88),
            (107, 88),
            (88, 88),
            (87, 87),
        )
    ]
    + [
        synack(
            f"an IPv4 client of an IPv6 server is told an MSS of {told} for one of {offered}",
            mss(offered),
            mss(told),
            kinds="tcp46",
        )
        for offered, told in ((1440, 1432), (1220, 1212), (96, 88), (95, 88))
    ]
    + [
        syn(
            "the SYN of Linux loses its time stamps and nothing else",
            LINUX,
            mss(1460) + SACK_OK + NOP * 10 + NOP + SCALE,
            kinds="tcp6 tcp64 tcp46",
        ),
        synack("without an MSS option none is made", b"", b"", kinds="tcp6 tcp64 tcp46"),
    ]
)


@each(*SYN, *SYNACK, *FAMILIES)
def test_vector(lab, vector):
    lab.check(vector)
