# SPDX-License-Identifier: GPL-2.0
"""NAT64: the header of an IPv6 client's packet becomes one of IPv4, and of the answer one of IPv6 (RFC 7915).

To IPv4 (section 5.1): traffic class and hop limit are copied, flow label and extension headers are left out. Up to 1260
bytes a packet may be fragmented (DF 0, an identification of its own), a longer one may not. To IPv6 (section 4.1): the
same back, flow label 0, options left out; identification and DF have no place.
"""

from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.layers.inet6 import IPv6ExtHdrHopByHop
from scapy.layers.inet6 import PadN

from lib.vectors.shapes import ANY
from lib.vectors.shapes import TOA
from lib.vectors.shapes import Datagram
from lib.vectors.shapes import Error
from lib.vectors.shapes import Segment
from lib.vectors.vector import Out
from lib.vectors.vector import each
from lib.vectors.vector import vectors

ADDED = {"fullnat_add_toa_ok": 1}
TOO_BIG = {"fullnat_too_big": 1}
EXPIRED = {"fullnat_ttl_expired": 1}
HOP_BY_HOP = IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])
DESTINATION = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])


def there(sentence, fields, changed, data=b"data", **more):
    """A client's datagram of IPv6, and what the server gets."""
    return vectors("udp64", sentence, Datagram(data, **fields), Datagram(data, **changed), **more)


def back(sentence, fields, changed, data=b"data", **more):
    """The answer of IPv4, and what the client gets."""
    return vectors("udp64", sentence, Datagram(data, **fields), Datagram(data, **changed), way="reply", **more)


REQUEST = (
    [
        there(f"traffic class {value:#04x} becomes the type of service", {"tos": value}, {"tos": value})
        for value in (0, 0x03, 0xB8, 0xFF)
    ]
    + [there(f"hop limit {hops} becomes TTL {hops - 1}", {"hops": hops}, {"hops": hops - 1}) for hops in (2, 64, 255)]
    + [there(f"flow label {label:#07x} has no place", {"label": label}, {}) for label in (0, 0xFFFFF)]
    + [
        there(f"a packet of {total} bytes may be fragmented", {}, {"df": False, "id": ANY}, bytes(total - 28))
        for total in (28, 1259, 1260)
    ]
    + [
        there(f"a packet of {total} bytes may not be fragmented", {}, {"df": True, "id": 0}, bytes(total - 28))
        for total in (1261, 1480)
    ]
    + [
        there("hop-by-hop options are left out", {"extensions": [HOP_BY_HOP]}, {}),
        there("destination options are left out", {"extensions": [DESTINATION]}, {}),
        there("several extension headers are left out", {"extensions": [HOP_BY_HOP, DESTINATION, DESTINATION]}, {}),
        there(
            "a fragment header of a whole packet is left out and lets it be fragmented",
            {"extensions": [IPv6ExtHdrFragment(id=7)]},
            {"df": False, "id": ANY},
            bytes(1300),
        ),
        there(
            "a segment of extension headers counts not towards the 1260 bytes",
            {"extensions": [DESTINATION] * 4},
            {"df": False, "id": ANY},
            bytes(1232),
        ),
        vectors(
            "tcp64",
            "the address of an IPv6 client goes as an option of 20 bytes in an IPv4 packet",
            Segment("PA", b"data"),
            Segment("PA", b"data", [TOA]),
            ADDED,
        ),
        vectors(
            "tcp64",
            "a SYN keeps its options in an IPv4 packet",
            Segment("S", options=bytes.fromhex("020405a0")),
            Segment("S", options=bytes.fromhex("020405a0")),
            {"fullnat_conn_new": 1},
            state="new",
        ),
        vectors(
            "tcp64",
            "the size with the client's address decides on DF",
            Segment("PA", bytes(1201)),
            Segment("PA", bytes(1201), [TOA], df=False, id=ANY),
            ADDED,
        ),
    ]
)

REPLY = (
    [
        back(f"type of service {value:#04x} becomes the traffic class", {"tos": value}, {"tos": value})
        for value in (0, 0x03, 0xB8, 0xFF)
    ]
    + [back(f"TTL {hops} becomes hop limit {hops - 1}", {"hops": hops}, {"hops": hops - 1}) for hops in (2, 64, 255)]
    + [
        back("an identification has no place", {"id": 0xBEEF}, {}),
        back("without DF there is no fragment header either", {"df": False}, {}),
        back("IP options are left out", {"ip_options": b"\x01\x01\x01\x00"}, {}),
        back("40 bytes of IP options are left out", {"ip_options": b"\x01" * 40}, {}),
        back("router alert is left out", {"ip_options": bytes.fromhex("94040000")}, {}),
        back("a datagram without a checksum gets one", {"checksum": 0}, {}),
        back("a datagram of odd length without a checksum gets one", {"checksum": 0}, {}, b"odd"),
        back("an empty datagram without a checksum gets one", {"checksum": 0}, {}, b""),
        vectors(
            "tcp64",
            "the MSS of the SYN-ACK is lowered by 20 for an IPv6 client",
            Segment("SA", options=bytes.fromhex("020405b4")),
            Segment("SA", options=bytes.fromhex("020405a0")),
            way="reply",
            state="half",
        ),
        vectors(
            "tcp64",
            "a segment of the server",
            Segment("PA", b"hello", hops=60, tos=8),
            Segment("PA", b"hello", hops=59, tos=8),
            way="reply",
        ),
    ]
)


def told(sentence, kinds, sent, error, counts, **more):
    """A packet that is not forwarded, and the error its sender gets in its own family."""
    return vectors(kinds, sentence, sent, Out(error, back=True), counts, **more)


BIG = Datagram(bytes(1452))
FULL = Datagram(bytes(1472))
OLD6, OLD4 = Datagram(b"data", hops=1), Datagram(b"data", hops=1)
OWN4 = {"hops": 64, "id": ANY, "df": False, "tos": 0xC0}
ERRORS = [
    told(
        "a hop limit of 1 is answered in IPv6", "udp64", OLD6, Error(3, 0, OLD6, keep=None, hops=64, label=0), EXPIRED
    ),
    told("a TTL of 1 is answered in IPv4", "udp64", OLD4, Error(11, 0, OLD4, keep=None, **OWN4), EXPIRED, way="reply"),
    there("a packet of 1500 bytes fits, since it becomes one of 1480", {}, {"df": True, "id": 0}, bytes(1452)),
    back("an answer of 1480 bytes fits, since it becomes one of 1500", {}, {}, bytes(1452)),
    told(
        "an answer of 1500 bytes does not fit: the server may send 1480",
        "udp64",
        FULL,
        Error(3, 4, FULL, (1480).to_bytes(4), keep=528, **OWN4),
        TOO_BIG,
        way="reply",
    ),
    told(
        "a packet that does not fit the IPv4 route: the client may send 20 bytes more than that",
        "udp64-small",
        BIG,
        Error(2, 0, BIG, (1420).to_bytes(4), keep=1192, hops=64, label=0),
        TOO_BIG,
    ),
]


@each(*REQUEST, *REPLY, *ERRORS)
def test_vector(lab, vector):
    lab.check(vector)
