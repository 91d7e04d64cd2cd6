# SPDX-License-Identifier: GPL-2.0
"""What goes when the client's address does not fit among 40 bytes of TCP options.

The order is DPVS's: NOPs first, then one option after the other from the front; time stamps never, since a connection
that has negotiated them cannot do without (RFC 7323, section 3.2). What is left is filled up with end marks to a
multiple of four. If that is not enough, the segment goes as it came.
"""

from lib.vectors.network import SERVER_ISN
from lib.vectors.shapes import TOA
from lib.vectors.shapes import Segment
from lib.vectors.vector import each
from lib.vectors.vector import vectors

V4, V6 = "tcp4 tcp46", "tcp6 tcp64"
ADDED = {"fullnat_add_toa_ok": 1}
FULL = {"fullnat_add_toa_head_full": 1}

NOP = b"\x01"
STAMPS = bytes.fromhex("080a 00000005 00000006")


def sack(blocks):
    """A selective acknowledgement with that many blocks."""
    edges = b"".join((2000 + 10 * n).to_bytes(4) for n in range(2 * blocks))
    return bytes((5, 2 + len(edges))) + edges


def unknown(length, value):
    """An option of kind 77."""
    return bytes((77, length)) + bytes((value,)) * (length - 2)


def pruned(sentence, options, left, kinds=V4, **more):
    """A segment whose options do not all fit."""
    assert len(options) <= 40 and len(options) % 4 == 0 and len(left) % 4 == 0
    return vectors(
        kinds, sentence, Segment("PA", b"payload", options), Segment("PA", b"payload", [TOA, left]), ADDED, **more
    )


def full(sentence, options, kinds=V4, **more):
    """A segment that has nothing to spare."""
    assert len(options) == 40
    segment = Segment("PA", b"payload", options)
    return vectors(kinds, sentence, segment, segment, FULL, **more)


NOPS = [
    pruned(
        "eight NOPs in front of time stamps and more make room",
        NOP * 8 + STAMPS + unknown(22, 1),
        STAMPS + unknown(22, 1),
    ),
    pruned("NOPs between the options make room", NOP * 4 + STAMPS + NOP * 4 + unknown(22, 1), STAMPS + unknown(22, 1)),
    pruned("all NOPs go, even if fewer would do", NOP * 20 + unknown(20, 1), unknown(20, 1)),
    pruned("36 bytes of NOPs leave nothing but the address", NOP * 36, b""),
    pruned("40 bytes of NOPs leave nothing but the address", NOP * 40, b""),
    pruned("what is left is filled up with end marks", NOP * 9 + unknown(29, 1) + b"\0\0", unknown(29, 1) + bytes(3)),
    pruned("end marks at the end make room", unknown(32, 1) + bytes(8), unknown(32, 1)),
]

FRONT = [
    pruned(
        "without NOPs the first option goes",
        unknown(8, 1) + unknown(16, 2) + unknown(16, 3),
        unknown(16, 2) + unknown(16, 3),
    ),
    pruned("two options go if one is not enough", unknown(4, 1) + unknown(4, 2) + unknown(32, 3), unknown(32, 3)),
    pruned(
        "the first that is large enough goes with all in front of it",
        unknown(4, 1) + unknown(20, 2) + unknown(16, 3),
        unknown(16, 3),
    ),
    pruned(
        "time stamps stay where they are first",
        STAMPS + unknown(10, 1) + unknown(20, 2),
        STAMPS + unknown(20, 2) + bytes(2),
    ),
    pruned(
        "time stamps stay where they are last",
        unknown(10, 1) + unknown(20, 2) + STAMPS,
        unknown(20, 2) + STAMPS + bytes(2),
    ),
    pruned("time stamps stay and three SACK blocks go", NOP * 2 + STAMPS + NOP * 2 + sack(3), STAMPS + bytes(2)),
    pruned("four SACK blocks go as a whole", NOP * 2 + sack(4) + bytes(4), b""),
    pruned(
        "an MSS option is worth nothing behind the handshake and goes first",
        bytes.fromhex("020405b4") + unknown(4, 1) + unknown(32, 2),
        unknown(32, 2),
    ),
    pruned(
        "time stamps of a length that is not 10 are none and go",
        bytes.fromhex("0808 00000000 0000") + unknown(32, 2),
        unknown(32, 2),
    ),
    pruned(
        "a fast open cookie goes behind the handshake",
        bytes((34, 10)) + bytes(8) + unknown(30, 1),
        unknown(30, 1) + bytes(2),
    ),
    pruned("one option that fills the header goes", unknown(40, 1), b""),
    pruned(
        "an option longer than what is left ends the list, and what follows goes",
        STAMPS + unknown(10, 1) + bytes((77, 30)) + bytes(18),
        STAMPS + unknown(10, 1),
    ),
]

STAYS = [
    full("four time stamps leave no room, and stay", STAMPS * 4),
    vectors(
        "tcp4",
        "without room the header goes as it came, once the handshake is over, uncounted",
        Segment("PA", b"payload", STAMPS * 4, ack=SERVER_ISN + 2),
        Segment("PA", b"payload", STAMPS * 4, ack=SERVER_ISN + 2),
        state="known",
    ),
]


LONGER = [
    pruned("twelve NOPs make room for 20 bytes", NOP * 12 + unknown(20, 1), unknown(20, 1), V6),
    pruned(
        "four NOPs make room beside 20 bytes that stay",
        unknown(10, 1) + NOP * 4 + unknown(10, 2),
        unknown(10, 1) + unknown(10, 2),
        V6,
    ),
    pruned("without NOPs the first option goes", unknown(4, 1) + unknown(20, 2), unknown(20, 2), V6),
    pruned("a SACK block stays without its NOPs", NOP * 2 + STAMPS + NOP * 2 + sack(1), STAMPS + sack(1), V6),
    pruned("of full options the time stamps are left", NOP * 2 + STAMPS + NOP * 2 + sack(3), STAMPS + bytes(2), V6),
    pruned("two time stamps fill the rest", STAMPS * 2 + unknown(20, 1), STAMPS * 2, V6),
    pruned("one option that fills the header goes", unknown(40, 1), b"", V6),
    full("four time stamps leave no room for 20 bytes", STAMPS * 4, V6),
    full("three time stamps leave no room for 20 bytes", STAMPS * 3 + bytes(2) + bytes(8), V6),
]


@each(*NOPS, *FRONT, *STAYS, *LONGER)
def test_vector(lab, vector):
    lab.check(vector)
