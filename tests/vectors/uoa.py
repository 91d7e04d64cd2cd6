# SPDX-License-Identifier: GPL-2.0
"""The client's address with the first three datagrams of a flow (UOA), in both of DPVS's forms.

`ipo`: IP option 31, in front of others; from IPv4 to IPv4 only. `opp`: a header of its own (protocol 248) between IP
and UDP: version of the client's family in the upper half of a byte, 17, its length, and the same option. Where it does
not fit, and where there are no data, a datagram without data that carries it goes ahead. Off unless a service asks for
it.
"""

from lib.vectors.shapes import UOA
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Introduced
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

OK = {"fullnat_add_uoa_ok": 1}
ALONE = {"fullnat_add_uoa_alone": 1}
NOT = {"fullnat_add_uoa_fail_proto": 1}
REMOVED = {"fullnat_uoa_removed": 1}
OPP = "udp4-opp udp6-opp udp64-opp udp46-opp"
SENT = Datagram(b"data")
MORE = (SENT, SENT)
FORGED = bytes.fromhex("1f08 1f90 0a000001")
# What the director sends ahead is small, and may be fragmented.
AHEAD4 = {"df": False, "id": 0}


def opp(kinds, sentence, sent, counts=None, **more):
    """A datagram that leaves behind a header with the address."""
    return vectors(kinds, sentence, sent, Introduced(sent), counts or OK, **more)


def plain(kinds, sentence, sent, expected=None, counts=None, **more):
    """A datagram that leaves as any other."""
    return vectors(kinds, sentence, sent, expected or sent, counts, **more)


PRIVATE = [
    vectors(OPP, "the first datagram carries it", SENT, Introduced(SENT), {**OK, "fullnat_conn_new": 1}, state="new"),
    opp(OPP, "the second datagram carries it", SENT),
    opp(OPP, "the third datagram carries it", SENT, before=(SENT,)),
    plain(OPP, "the fourth datagram does not", SENT, before=MORE),
    opp(OPP, "a datagram of odd length carries it", Datagram(b"odd")),
    vectors(
        OPP,
        "class and hops stay",
        Datagram(b"data", tos=0xB8, hops=9),
        Introduced(Datagram(b"data", tos=0xB8, hops=8)),
        OK,
    ),
    opp("udp4-opp", "a datagram without a checksum stays without", Datagram(b"data", checksum=0)),
    opp("udp4-opp", "IP options stay in front of it", Datagram(b"data", ip_options=b"\x01" * 4)),
    plain(OPP, "an answer is none of its business", SENT, way="reply"),
    plain(
        OPP,
        "none if no datagram is to carry it",
        SENT,
        counts={"fullnat_conn_new": 1},
        state="new",
        sysctls={"net.ipv4.vs.fullnat_uoa_max_trail": 0},
    ),
    opp("udp4-opp", "12 bytes below the MTU there is room", Datagram(bytes(1460))),
    opp("udp46-opp", "12 bytes below the MTU there is room", Datagram(bytes(1440))),
    opp("udp6-opp", "24 bytes below the MTU there is room", Datagram(bytes(1428))),
    opp("udp4-opp-small", "12 bytes below the MTU of the route there is room", Datagram(bytes(1360))),
]


def alone(kinds, sentence, sent, ahead, counts=None, **more):
    """A datagram that leaves as any other, behind one that carries the address."""
    return vectors(kinds, sentence, sent, [Out(ahead), Out(more.pop("left", sent))], counts or ALONE, **more)


def empty(kinds, ahead):
    """With the address inside, it could not be told from what goes ahead."""
    return alone(kinds, "it goes ahead of a datagram without data", Datagram(b""), ahead)


AHEAD = [
    empty("udp4-opp", Introduced(Datagram(), **AHEAD4)),
    empty("udp6-opp", Introduced(Datagram(), label=0)),
    empty("udp46-opp", Introduced(Datagram())),
    empty("udp64-opp", Introduced(Datagram(), **AHEAD4)),
    empty("udp4-ipo", Datagram(ip_options=[UOA], **AHEAD4)),
    alone("udp4-opp", "11 bytes below the MTU it goes ahead", Datagram(bytes(1461)), Introduced(Datagram(), **AHEAD4)),
    alone(
        "udp4-opp",
        "a datagram that fills the MTU has it go ahead",
        Datagram(bytes(1472)),
        Introduced(Datagram(), **AHEAD4),
    ),
    alone("udp6-opp", "23 bytes below the MTU it goes ahead", Datagram(bytes(1429)), Introduced(Datagram(), label=0)),
    alone("udp46-opp", "11 bytes below the MTU it goes ahead", Datagram(bytes(1441)), Introduced(Datagram())),
    alone("udp64-opp", "23 bytes below the MTU it goes ahead", Datagram(bytes(1449)), Introduced(Datagram(), **AHEAD4)),
    alone(
        "udp4-opp-small",
        "11 bytes below the MTU of the route it goes ahead",
        Datagram(bytes(1361)),
        Introduced(Datagram(), **AHEAD4),
    ),
    alone(
        "udp4-ipo",
        "7 bytes below the MTU it goes ahead as an option",
        Datagram(bytes(1465)),
        Datagram(ip_options=[UOA], **AHEAD4),
    ),
    alone(
        "udp4-ipo",
        "with 36 bytes of IP options it goes ahead, without them",
        Datagram(b"data", ip_options=b"\x01" * 36),
        Datagram(ip_options=[UOA], **AHEAD4),
    ),
    alone(
        "udp4-ipo-small",
        "it is the MTU of the route that counts for an option, too",
        Datagram(bytes(1365)),
        Datagram(ip_options=[UOA], **AHEAD4),
    ),
    alone(
        "udp4-opp",
        "what goes ahead has the class and the hops of the datagram",
        Datagram(bytes(1472), tos=0xB8, hops=9),
        Introduced(Datagram(), tos=0xB8, hops=8, **AHEAD4),
        left=Datagram(bytes(1472), tos=0xB8, hops=8),
    ),
]


def option(sentence, sent, fields, counts=None, **more):
    """A datagram that leaves with the address among its IP options."""
    return vectors("udp4-ipo", sentence, sent, Datagram(b"data", **fields), counts or OK, **more)


OPTION = [
    vectors(
        "udp4-ipo",
        "the first datagram carries it as an option",
        SENT,
        Datagram(b"data", ip_options=[UOA]),
        {**OK, "fullnat_conn_new": 1},
        state="new",
    ),
    option("the third datagram carries it as an option", SENT, {"ip_options": [UOA]}, before=(Datagram(b"more"),)),
    plain("udp4-ipo", "the fourth datagram carries no option", SENT, before=MORE),
    option(
        "it stands in front of other options",
        Datagram(b"data", ip_options=b"\x01" * 8),
        {"ip_options": [UOA, b"\x01" * 8]},
    ),
    option(
        "32 bytes of options leave room",
        Datagram(b"data", ip_options=b"\x01" * 32),
        {"ip_options": [UOA, b"\x01" * 32]},
    ),
    plain("udp46-ipo", "an option is not for an IPv6 server", SENT, counts={"fullnat_conn_new": 1, **NOT}, state="new"),
]

FORGERIES = [
    plain(
        "udp4",
        "an address that a client makes up is overwritten",
        Datagram(b"data", ip_options=FORGED),
        Datagram(b"data", ip_options=b"\x01" * 8),
        REMOVED,
    ),
    plain(
        "udp4",
        "two that a client makes up are overwritten",
        Datagram(b"data", ip_options=FORGED * 2),
        Datagram(b"data", ip_options=b"\x01" * 16),
        REMOVED,
    ),
    option(
        "the true one stands in front of what was made up",
        Datagram(b"data", ip_options=FORGED),
        {"ip_options": [UOA, b"\x01" * 8]},
        {**OK, **REMOVED},
    ),
    vectors(
        "udp4",
        "what a server writes is its own business",
        Datagram(b"data", ip_options=FORGED),
        Datagram(b"data", ip_options=FORGED),
        way="reply",
    ),
    plain("udp4 udp6 udp64 udp46", "none where it is switched off", SENT, counts={"fullnat_conn_new": 1}, state="new"),
]


@each(*PRIVATE, *AHEAD, *OPTION, *FORGERIES)
def test_vector(lab, vector):
    lab.check(vector)
