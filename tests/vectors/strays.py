# SPDX-License-Identifier: GPL-2.0
"""Packets to a VIP that belong to no connection and start none: dropped and counted, never answered by the director.

To a port that is served they count as fullnat_no_conn, to another port of a VIP as defence_tcp_drop (Alibaba's name),
which a sysctl switches off: then the director's stack answers as any host.
"""

from lib.vectors.shapes import Segment
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

KINDS = "tcp4 tcp6 tcp64 tcp46"
NOBODY = {"fullnat_no_conn": 1}
DEFENDED = {"defence_tcp_drop": 1}

SERVED = [
    vectors(
        KINDS,
        f"a segment with flags {flags or 'none'} starts no connection",
        Segment(flags, data),
        (),
        NOBODY,
        state="new",
    )
    for flags, data in (
        ("A", b""),
        ("PA", b"data"),
        ("FA", b""),
        ("F", b""),
        ("R", b""),
        ("RA", b""),
        ("FPU", b"xmas"),
        ("", b""),
    )
]

ELSEWHERE = {"dport": 9999}
RESET = {"sport": 9999, "ack": 0, "window": 0, "hops": 64}
OFF = {"net.ipv4.vs.defence_tcp_drop": 0}
NOT_SERVED = [
    vectors(
        "tcp4 tcp6",
        f"flags {flags} to a port that nobody serves",
        Segment(flags, **ELSEWHERE),
        (),
        DEFENDED,
        state="new",
    )
    for flags in ("A", "FA", "SA", "FPU")
] + [
    vectors(
        "tcp4",
        "without the defence the director resets what it does not know",
        Segment("A", **ELSEWHERE),
        Out(Segment("R", seq=5001, id=0, **RESET), back=True),
        state="new",
        sysctls=OFF,
    ),
    vectors(
        "tcp6",
        "without the defence the director resets what it does not know",
        Segment("A", **ELSEWHERE),
        Out(Segment("R", seq=5001, label=0, **RESET), back=True),
        state="new",
        sysctls=OFF,
    ),
]


@each(*SERVED, *NOT_SERVED)
def test_vector(lab, vector):
    lab.check(vector)
