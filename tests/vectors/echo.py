# SPDX-License-Identifier: GPL-2.0
"""Pings of the VIP and of local addresses: the director's own stack answers, whoever serves the ports."""

from lib.vectors.shapes import ANY
from lib.vectors.shapes import Icmp
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

REQUEST, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}
MARK = bytes.fromhex("0102 0001")
OWN = {4: {"hops": 64, "id": ANY, "df": False}, 6: {"hops": 64, "label": 0}}


def ping(kind, family, sentence, data=b"ping", way="request", **fields):
    """An echo request, and the reply to it."""
    sent = Icmp(REQUEST[family], 0, MARK, data, **fields)
    answer = Icmp(REPLY[family], 0, MARK, data, **{**OWN[family], **{k: v for k, v in fields.items() if k == "tos"}})
    return vectors(kind, sentence, sent, Out(answer, back=True), way=way)


PINGS = [
    vector
    for kind, family in (("tcp4", 4), ("tcp6", 6))
    for vector in (
        *ping(kind, family, "a ping of the VIP is answered"),
        *ping(kind, family, "a ping with no data is answered", b""),
        *ping(kind, family, "a ping of odd length is answered", b"odd"),
        *ping(kind, family, "a ping that fills the MTU is answered", bytes(1452)),
        *ping(kind, family, "a ping with the last hop is answered", hops=1),
        *ping(kind, family, "a server's ping of the local address is answered", way="reply"),
    )
] + [
    vectors(kind, "an echo reply that nobody has asked for goes nowhere", Icmp(REPLY[family], 0, MARK, b"pong"), ())[0]
    for kind, family in (("tcp4", 4), ("tcp6", 6))
]


@each(PINGS)
def test_vector(lab, vector):
    lab.check(vector)
