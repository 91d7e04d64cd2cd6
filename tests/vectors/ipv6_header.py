# SPDX-License-Identifier: GPL-2.0
"""The IPv6 header on its way through, the extension headers behind it, and chains of those that lead nowhere.

From IPv6 to IPv6 nothing changes but addresses and hop limit. Extension headers go along, but for a fragment header:
fragments are put together by the director's stack (nf_defrag_ipv6), and so is one that is whole (RFC 6946).
"""

from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.inet6 import IPv6ExtHdrHopByHop
from scapy.layers.inet6 import IPv6ExtHdrRouting
from scapy.layers.inet6 import PadN

from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Error
from lib.vectors.shapes import Segment
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

MALFORMED = {"fullnat_malformed": 1}
BOTH = ("request", "reply")
WHO = {"request": "a client", "reply": "a server"}

HOP_BY_HOP = IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])
DESTINATION = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
LONG = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(100))])
ROUTED = IPv6ExtHdrRouting(type=0, segleft=0, addresses=["2001:db8:80::80"])
TO_ROUTE = IPv6ExtHdrRouting(type=0, segleft=1, addresses=["2001:db8::99"])
ATOMIC = IPv6ExtHdrFragment(id=7)
LATER = IPv6ExtHdrFragment(id=8, offset=10)

OWN = {"hops": 64, "label": 0}
NINE = Datagram(b"data", extensions=[DESTINATION] * 9)
ROUTE = Datagram(b"data", extensions=[TO_ROUTE])


def both(sentence, fields, changed=None, kinds="udp6", **more):
    """A datagram of either direction with those fields, and those it leaves with."""
    left = {**fields, **(changed or {})}
    return [
        vector
        for way in BOTH
        for vector in vectors(
            kinds,
            f"{sentence}, from {WHO[way]}",
            Datagram(b"data", **fields),
            Datagram(b"data", **left),
            way=way,
            **more,
        )
    ]


def nothing(sentence, shape, request=None, reply=None, kinds="udp6"):
    """A packet of either direction of which nothing comes; what it counts as may differ."""
    return vectors(kinds, f"{sentence}, from a client", shape, (), request, way="request") + vectors(
        kinds, f"{sentence}, from a server", shape, (), reply, way="reply"
    )


def expired(hops):
    """What a router says of a packet whose time is up; it quotes all of it, up to 1280 bytes."""
    late = Datagram(b"data", hops=hops)
    return [
        vectors(
            "udp6",
            f"a hop limit of {hops} is not forwarded, {WHO[way]} is told",
            late,
            Out(Error(3, 0, late, keep=None, hops=64, label=0), back=True),
            {"fullnat_ttl_expired": 1},
            way=way,
        )
        for way in BOTH
    ]


FIELDS = (
    [both(f"a traffic class of {value:#04x} stays", {"tos": value}) for value in (0x02, 0xB8, 0xFF)]
    + [both(f"a flow label of {value:#07x} stays", {"label": value}) for value in (0, 1, 0xFFFFF)]
    + [
        both("a hop limit of 2 leaves as 1", {"hops": 2}, {"hops": 1}),
        both("a hop limit of 255 leaves as 254", {"hops": 255}, {"hops": 254}),
        both("bytes behind the end of the packet do not go on", {"trailer": b"\xee" * 18}, {"trailer": b""}),
        *expired(1),
        *expired(0),
    ]
)

EXTENSIONS = (
    [
        both(f"{what} go along" if what.endswith("s") else f"{what} goes along", {"extensions": chain})
        for what, chain in (
            ("hop-by-hop options", [HOP_BY_HOP]),
            ("destination options", [DESTINATION]),
            ("104 bytes of destination options", [LONG]),
            ("a routing header that has been used up", [ROUTED]),
            ("a chain of three headers", [HOP_BY_HOP, DESTINATION, ROUTED]),
            ("a chain of eight headers", [HOP_BY_HOP] + [DESTINATION] * 7),
        )
    ]
    + [
        both("a fragment header of a whole packet goes", {"extensions": [ATOMIC]}, {"extensions": []}),
        both(
            "a fragment header behind destination options goes",
            {"extensions": [DESTINATION, ATOMIC]},
            {"extensions": [DESTINATION]},
        ),
    ]
    + [
        vectors(
            "tcp6",
            f"a segment behind {what} is found, from {WHO[way]}",
            Segment("PA", b"x", ack=ack, extensions=chain),
            Segment("PA", b"x", ack=ack, extensions=chain),
            way=way,
            state="known",
        )
        for what, chain in (("hop-by-hop options", [HOP_BY_HOP]), ("two headers", [DESTINATION, ROUTED]))
        for way, ack in (("request", 5002), ("reply", 1001))
    ]
)

LIES = [
    nothing("version 5", Datagram(b"data", version=5)),
    nothing("version 4", Datagram(b"data", version=4)),
    nothing("a payload length longer than the packet", Datagram(b"data", length=13)),
    nothing("a payload length of 65535", Datagram(b"data", length=65535)),
    nothing("a packet that ends within its header", Datagram(b"data", cut=39)),
    nothing("a payload length of 0", Datagram(b"data", length=0)),
    nothing("a payload that ends within the UDP header", Datagram(b"data", length=7), MALFORMED),
    nothing("a payload that ends within the ports", Datagram(b"data", length=3)),
    nothing("no next header", Datagram(b"data", protocol=59)),
    nothing("no next header behind destination options", Datagram(b"data", protocol=59, extensions=[DESTINATION])),
    nothing(
        "destination options longer than the packet",
        Datagram(b"data", extensions=[IPv6ExtHdrDestOpt(len=40, options=[PadN(optdata=bytes(4))])]),
    ),
    nothing("a header of options that ends within itself", Datagram(b"", extensions=[DESTINATION], cut=44, length=4)),
    # What a server sends that belongs to no connection is the director's own, and is answered as by any host.
    vectors("udp6", "nine extension headers, from a client", NINE, (), MALFORMED),
    vectors(
        "udp6",
        "nine extension headers, from a server",
        NINE,
        Out(Error(1, 4, NINE, keep=None, **OWN), back=True),
        way="reply",
    ),
    vectors("udp6", "a routing header that wants to go on, from a client", ROUTE, (), MALFORMED),
    vectors(
        "udp6",
        "a routing header that wants to go on, from a server",
        ROUTE,
        Out(Error(4, 0, ROUTE, (42).to_bytes(4), keep=None, **OWN), back=True),
        way="reply",
    ),
    nothing("a later fragment without its beginning", Datagram(b"data", extensions=[LATER])),
]


@each(*FIELDS, *EXTENSIONS, *LIES)
def test_vector(lab, vector):
    lab.check(vector)
